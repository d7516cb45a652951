"""The reference price of one asset: what its sources say together, whether they live, and how volatile it is.

Owns which sources count, when their disagreement ends quoting, sigma, and what is published. How prices become one is
`fusion.py`'s, which are held back `jump_filter.py`'s, the state of one source `source.py`'s. Knows no socket,
market or quote, and has no clock: every call brings its `now`.
"""

import math
from collections import Counter

from mmactors.core.params import ReferenceParams, VolatilityParams
from mmactors.core.pricing.fixings import PriceLog
from mmactors.core.reference.fusion import BP, Fusion
from mmactors.core.reference.index_basis import IndexBasis
from mmactors.core.reference.jump_filter import JUMP_SHARE, JumpFilter
from mmactors.core.reference.source import COMPARABLE_S, Source
from mmactors.core.reference.volatility import Volatility
from mmactors.core.reference.warm_start import WarmStart
from mmactors.messages import (
    FeedLived,
    FeedWentStale,
    HistoryFetched,
    IndexSettled,
    PricesKnown,
    ReferenceLost,
    ReferenceMoved,
    SpotTicked,
)
from mmactors.units import SECOND, YEAR_S, Nanos

BOOK_FRESH_NS = SECOND
"""While a book's middle is younger than this, trades of that source are signs of life but not prices."""

LIFE_NEWS_NS = SECOND // 10
"""A sign of life without a price is published when it is so much newer than the last one published."""

LEAST_MOVE_BP = 0.05
"""Of several sources: less than this is their weights' breathing and waits for the timer."""

LEAST_PRICE = 1e-12
MOST_PRICE = 1e15
"""Nothing costs less or more dollars; beyond these, ratios of prices leave the floats."""

MAX_LATENCY_S = 1.0

PAST_S = 300
"""How much of a history of one-second closes is kept for the fixings of an average."""


class Reference:
    """Price, sigma and liveness of one asset.

    With a single source its price is the reference. `counts` says by reason what was not used: invalid, foreign, late,
    behind, spoilt, jump_held, jump_confirmed, jump_persisted, jump_dropped, other_clock, history_late, history_short.
    """

    def __init__(
        self,
        asset: str,
        params: VolatilityParams,
        stale_after_ns: Nanos,
        fusion: ReferenceParams = ReferenceParams(),
    ) -> None:
        self.asset = asset
        self.counts: Counter[str] = Counter()
        self._stale_after_ns = stale_after_ns
        self._params = fusion
        self._volatility = Volatility(params)
        self._warm = WarmStart(params, self.counts)
        self._fusion = Fusion(fusion)
        self._jump_filter = JumpFilter(fusion, self.counts)
        self._index = IndexBasis(fusion.max_basis_bp)
        self._sources: dict[str, Source] = {}
        self._live: list[Source] = []
        self._names: tuple[str, ...] = ()
        self._level = 0.0  # the fused price; the reference is that times the index's factor
        self._price = 0.0
        self._price_ns = Nanos(0)
        self._life_ns = Nanos(0)
        self._since_ns = Nanos(0)
        self._apart_ns = Nanos(0)
        self._latency_s = 0.0
        self._latency_due = False  # a delay was measured, or other sources live
        self._sigma = params.prior  # as last published
        self._lost = False
        self._published: tuple[float, Nanos] | None = None
        self._past: tuple[tuple[Nanos, float], ...] = ()  # closes from before the first live price
        self._log: PriceLog | None = None  # what was published, once somebody wants to know it

    def on_price(self, tick: SpotTicked, now: Nanos) -> ReferenceMoved | ReferenceLost | None:
        """Take a price; return the new snapshot if the reference moved or came back, or its loss if it ends here."""
        if tick.asset != self.asset:
            self.counts["foreign"] += 1
            return None
        source = self._sources.get(tick.source)
        price = tick.price
        if not LEAST_PRICE < price < MOST_PRICE:
            self.counts["invalid"] += 1
            return self._bad(source) if source is not None else None
        if source is None:
            source = self._sources[tick.source] = Source(tick.source)
        received = tick.received_ns if tick.received_ns < now else now
        if received <= source.lost_ns:
            # The word that the feed is silent may overtake its last price.
            self.counts["late"] += 1
            return None
        if tick.event_ns is not None and self._is_late(source, tick):
            self.counts["behind"] += 1
            return self._drop(source, f"{source.name}: behind by {(tick.received_ns - tick.event_ns) / SECOND:.1f} s")
        if source.bad:
            source.judged(good=True)
            if source.spoilt:
                self.counts["spoilt"] += 1
                return None
        if tick.kind == "trade" and source.book_ns and received - source.book_ns < BOOK_FRESH_NS:
            self._lives(source, received)
            return self._verdict(now, moved=False)
        if not self._plausible(source, price, received):
            return self._bad(source) if source.spoilt else self._verdict(now, moved=False, held=True)
        source.take(price, received)
        self._lives(source, received)
        if tick.kind == "book":
            source.book_ns = received
        moved = self._fused(now)
        self._price_ns = received
        self._volatility.update(self._price, now)
        return self._verdict(now, moved=moved)

    def on_feed_stale(self, event: FeedWentStale, now: Nanos) -> ReferenceLost | None:
        """Take a feed's word that it is silent; return the loss if no other source lives."""
        source = self._sources.get(event.source)
        if source is None or event.asset != self.asset:
            return None
        source.book_ns = Nanos(0)
        source.lost_ns = min(event.since_ns, now)
        return self._drop(source, f"{event.source}: {event.reason}")

    def on_heartbeat(self, event: FeedLived, now: Nanos) -> None:
        """Take a heartbeat: a source that lives lives on though its price stands; it brings none back to life."""
        source = self._sources.get(event.source)
        if source is not None and source.alive and event.asset == self.asset:
            self._lives(source, min(event.at_ns, now))

    def on_timer(self, now: Nanos) -> ReferenceMoved | ReferenceLost | None:
        """Let time pass, every 100 ms or so: find silence by our own clock, keep sigma's clock running, learn."""
        silent = [source for source in self._live if now - source.life_ns > self._stale_after_ns]
        if silent:
            for source in silent:
                source.silent()
            self._count_the_living()
        lost = self._check_alive("no sign of life")
        if lost is None and len(self._sources) > 1:
            lost = self._check_agreed(now)
        if lost is not None or self._lost or not self._price:
            return lost
        self._volatility.update(self._price, now)
        if self._latency_due or len(self._live) > 1:  # of several the leader's counts, and another may lead by now
            self._latency_s, self._latency_due = self._latency(), False
        if not self._warm.closed(now):
            self._warm.saw(self._price, now)
        if self._params.index:
            self._index.note(self._level, now)
        if len(self._live) > 1:
            log_level = math.log(self._level)
            self._fusion.learn(self._sources.values(), self._live, log_level, self._sigma, self._since_ns, now)
        last = self._published
        if last is not None and self._price == last[0] and self._life_ns - last[1] < LIFE_NEWS_NS:
            return None
        return self._moved()

    def on_history(self, event: HistoryFetched, now: Nanos) -> bool:
        """Take an exchange's history, so that sigma starts warm; say whether it was used. What was seen live stays."""
        warm = self._warm.take(event, now) if event.asset == self.asset else None
        if warm is None:
            return False
        self._volatility = warm
        if event.step_s <= 1.0:
            self._past = tuple((at, price * self._index.factor) for at, price in event.closes[-PAST_S:])
        return True

    def on_settlement(self, event: IndexSettled) -> None:
        """Learn from what a market settled at how the index stands to the level, if configured (`index`)."""
        if self._params.index and event.asset == self.asset:
            self._index.learn(event)

    def snapshot(self) -> ReferenceMoved | None:
        """Return the present snapshot for a new subscriber; None before the first price and while it is lost."""
        return None if self._lost or not self._price else self._moved()

    def past(self, span_s: int) -> PricesKnown:
        """Return the prices published in the last `span_s` seconds, and keep them from now on.

        What was before the first such request, or before the first price, is a one-second history's, if there was one.
        """
        if self._log is None:
            self._log = PriceLog(span_s)
            if self._price and not self._lost:
                self._log.add(self._price_ns, self._price)
        self._log.lengthen(span_s)
        self._log.learn(self._past)
        self._past = ()
        return PricesKnown(self.asset, span_s, self._log.entries)

    def sigma(self) -> float:
        """Return the annualised volatility."""
        return self._volatility.sigma()

    @property
    def leader(self) -> str:
        """The source found to lead the others; empty if none is."""
        return self._fusion.leader.name if self._fusion.leader is not None else ""

    def lead_in_words(self) -> str:
        """Return in words who leads whom, by how much and at what correlation."""
        return self._fusion.lead_in_words()

    def figures(self) -> dict[str, int]:
        """Return what is known of the sources as whole numbers by name, for counters and logs.

        `basis_SOURCE` in hundredths of a bp, `latency_SOURCE` in ms, `lead_A_B` the ms by which A leads B, `index`
        the basis to the settlement index in hundredths of a bp; and `counts`.
        """
        found = dict(self.counts)
        for source in self._sources.values():
            found[f"latency_{source.name}"] = round(source.latency_s() * 1000)
            if source.overlap_s:
                found[f"basis_{source.name}"] = round(source.basis / BP * 100)
        for (first, second), (lead_s, _) in self._fusion.leads.items():
            found[f"lead_{first}_{second}"] = round(lead_s * 1000)
        if self._index.settlements:
            found["index"] = round(self._index.basis_bp * 100)
        return found

    # --- which prices count -----------------------------------------------------------------------

    def _is_late(self, source: Source, tick: SpotTicked) -> bool:
        assert tick.event_ns is not None
        delay_s = (tick.received_ns - tick.event_ns) / SECOND
        late = source.late(delay_s, self._stale_after_ns / SECOND)
        if tick.kind == "trade":
            if abs(delay_s) > COMPARABLE_S:
                self.counts["other_clock"] += 1
            else:
                first = not source.measured
                source.delayed(delay_s)
                self._latency_due = True
                if first:
                    self._latency_s = self._latency()
        return late

    def _plausible(self, source: Source, price: float, received: Nanos) -> bool:
        if not self._level:
            self._since_ns = received
            return True
        live = self._live
        alone = not live or (len(live) == 1 and live[0] is source)
        if not source.overlap_s and not alone and not source.alive:
            log_price = math.log(price)
            if abs(log_price - math.log(self._level)) <= self._params.max_basis_bp * BP:
                self._fusion.join(source, log_price, math.log(self._level))
        move = abs(math.log(price / self._level) - source.basis)
        share = JUMP_SHARE if alone else self._params.jump_bp * BP
        if move <= share and source.held is None:
            return True
        sd = self._volatility.sigma() * math.sqrt(max((received - self._price_ns) / SECOND, 1.0) / YEAR_S)
        confirmed = self._jump_filter.plausible(source, price, received, move, sd, self._sources.values(), alone=alone)
        for other in confirmed or ():
            assert other.held is not None
            other.take(other.held, other.held_ns)
            self._lives(other, other.price_ns)
        return confirmed is not None

    # --- which sources count ----------------------------------------------------------------------

    def _bad(self, source: Source) -> ReferenceLost | None:
        source.judged(good=False)
        return self._drop(source, f"{source.name}: mostly bad prices") if source.spoilt else None

    def _drop(self, source: Source, reason: str) -> ReferenceLost | None:
        source.silent()
        self._count_the_living()
        return self._check_alive(reason)

    def _lives(self, source: Source, received: Nanos) -> None:
        if received > source.life_ns:
            source.life_ns = received
            if received > self._life_ns:
                self._life_ns = received
        if not source.alive:
            source.alive = True
            self._count_the_living()

    def _count_the_living(self) -> None:
        self._live = [source for source in self._sources.values() if source.alive]
        self._names = tuple(source.name for source in self._live)
        self._latency_due = True
        if len(self._live) < 2:
            self._fusion.span_bp = 0.0

    def _check_alive(self, reason: str) -> ReferenceLost | None:
        if self._lost or not self._price or self._live:
            return None
        self._lost = True
        return ReferenceLost(self.asset, since_ns=self._life_ns, reason=reason)

    def _check_agreed(self, now: Nanos) -> ReferenceLost | None:
        if not self._level:
            return None
        insisted = self._jump_filter.insisted_bp(
            self._sources.values(), math.log(self._level), self._stale_after_ns, now
        )
        apart = max(self._fusion.span_bp, insisted)
        if apart <= self._params.stop_bp:
            self._apart_ns = Nanos(0)
            return None
        self._apart_ns = self._apart_ns or now
        if self._lost or now - self._apart_ns < self._params.hold_s * SECOND:
            return None
        self._lost = True
        return ReferenceLost(self.asset, since_ns=self._apart_ns, reason=f"sources disagree by {apart:.0f} bp")

    # --- what is published ------------------------------------------------------------------------

    def _fused(self, now: Nanos) -> bool:
        live = self._live
        if len(live) == 1:
            level = live[0].price if not live[0].basis else live[0].price * math.exp(-live[0].basis)
        else:
            level = math.exp(self._fusion.log_price(live, self._sigma, now))
        self._level = level
        self._price = level if self._index.factor == 1.0 else level * self._index.factor
        if self._published is None or len(live) == 1:
            return self._published is None or self._price != self._published[0]
        return abs(self._price - self._published[0]) >= LEAST_MOVE_BP * BP * self._price

    def _verdict(self, now: Nanos, *, moved: bool, held: bool = False) -> ReferenceMoved | ReferenceLost | None:
        if len(self._sources) > 1:
            lost = self._check_agreed(now)
            if lost is not None:
                return lost
            if self._lost and self._apart_ns:
                return None
        return self._moved() if (moved or self._lost) and not held else None

    def _latency(self) -> float:
        measured = [source.latency_s() for source in self._live or self._sources.values() if source.measured]
        leader = self._fusion.leader
        if leader is not None and leader.alive and leader.measured:
            measured = [leader.latency_s()]
        return min(max(sum(measured, 0.0) / len(measured), 0.0), MAX_LATENCY_S) if measured else 0.0

    def _moved(self) -> ReferenceMoved:
        self._lost = False
        self._published = (self._price, self._life_ns)
        if self._log is not None:
            self._log.add(self._price_ns, self._price)
        span = self._fusion.span_bp
        self._sigma = self._volatility.sigma()
        uncertainty = max(span - self._params.widen_bp, 0.0) / 2 * BP * self._price
        return ReferenceMoved(
            self.asset,
            self._price,
            self._sigma,
            self._price_ns,
            self._life_ns,
            self._latency_s,
            self._names,
            span,
            uncertainty,
        )
