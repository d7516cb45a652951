"""The reference price of one asset: what its sources say, whether they live, and how volatile it is.

Owns the state per source, the jump rule, the feed's latency and sigma. Knows no socket, market or quote, and has no
clock: every call brings its `now`.
"""

import math
from collections import Counter, deque
from dataclasses import dataclass, field

from mmactors.core.params import VolatilityParams
from mmactors.core.volatility import Volatility
from mmactors.messages import FeedWentStale, ReferenceLost, ReferenceMoved, SpotTicked
from mmactors.units import SECOND, YEAR_S, Nanos

BOOK_FRESH_NS = SECOND
"""While a book's middle is younger than this, trades of that source are signs of life but not prices."""

JUMP_SD = 8.0
JUMP_SHARE = 0.003
"""A price beyond both of these from the last is held until a second one confirms it."""

CONFIRM_SHARE = 0.001
"""How close the second price must be to the held one."""

LATENCY_TRADES = 64
"""How many trades the feed's latency is the median of."""

MAX_LATENCY_S = 1.0

COMPARABLE_S = 60.0
"""An event time further away than this is of another clock (a replayed frame, say) and measures nothing."""


@dataclass(slots=True)
class SourceState:
    """What one source last said; times on our clock, 0 for never. `lost_ns` is when its feed last went silent."""

    life_ns: Nanos = Nanos(0)
    lost_ns: Nanos = Nanos(0)
    book_ns: Nanos = Nanos(0)
    alive: bool = False
    held: float | None = None
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCY_TRADES))


class Reference:
    """Price, sigma and liveness of one asset.

    `counts` says by reason what was not used: invalid, foreign, late, jump_held, jump_confirmed, jump_dropped,
    other_clock.
    """

    def __init__(self, asset: str, params: VolatilityParams, stale_after_ns: Nanos) -> None:
        self.asset = asset
        self.counts: Counter[str] = Counter()
        self._stale_after_ns = stale_after_ns
        self._volatility = Volatility(params)
        self._sources: dict[str, SourceState] = {}
        self._price = 0.0
        self._price_ns = Nanos(0)
        self._latency_s = 0.0
        self._lost = False
        self._told: tuple[float, Nanos] | None = None

    def ticked(self, tick: SpotTicked, now: Nanos) -> ReferenceMoved | None:
        """Take a price; return the new snapshot if the reference moved or came back to life."""
        if tick.asset != self.asset:
            self.counts["foreign"] += 1
            return None
        if not 0.0 < tick.price < math.inf:
            self.counts["invalid"] += 1
            return None
        source = self._sources.setdefault(tick.source, SourceState())
        received = min(tick.received_ns, now)
        if received <= source.lost_ns:
            # The word that the feed is silent may overtake its last price.
            self.counts["late"] += 1
            return None
        if tick.kind == "trade":
            if tick.event_ns is not None:
                self._measure_latency(source, (tick.received_ns - tick.event_ns) / SECOND)
            if source.book_ns and received - source.book_ns < BOOK_FRESH_NS:
                self._lives(source, received)
                return self._moved() if self._lost else None
        if not self._plausible(source, tick.price, received):
            return None
        self._lives(source, received)
        if tick.kind == "book":
            source.book_ns = received
        moved = tick.price != self._price or self._lost
        self._price = tick.price
        self._price_ns = received
        self._volatility.update(tick.price, now)
        return self._moved() if moved else None

    def stale(self, event: FeedWentStale, now: Nanos) -> ReferenceLost | None:
        """Take a feed's word that it is silent; return the loss if no other source lives."""
        source = self._sources.get(event.source)
        if source is None or event.asset != self.asset:
            return None
        source.alive = False
        source.book_ns = Nanos(0)
        source.lost_ns = min(event.since_ns, now)
        return self._check_alive(f"{event.source}: {event.reason}")

    def tick(self, now: Nanos) -> ReferenceMoved | ReferenceLost | None:
        """Let time pass, every 100 ms or so: find silence by our own clock, keep sigma's clock running."""
        for source in self._sources.values():
            if now - source.life_ns > self._stale_after_ns:
                source.alive = False
        lost = self._check_alive("no sign of life")
        if lost is not None or self._lost or not self._price:
            return lost
        self._volatility.update(self._price, now)
        self._latency_s = self._median_latency()
        return self._moved() if self._told != (self._price, self._life_ns()) else None

    def snapshot(self) -> ReferenceMoved | None:
        """Return the present snapshot for a new subscriber; None before the first price and while it is lost."""
        return None if self._lost or not self._price else self._moved()

    def sigma(self) -> float:
        """Return the annualised volatility."""
        return self._volatility.sigma()

    def _plausible(self, source: SourceState, price: float, received: Nanos) -> bool:
        if not self._price:
            return True
        move = abs(math.log(price / self._price))
        elapsed_s = max((received - self._price_ns) / SECOND, 1.0)
        if move <= JUMP_SHARE or move <= JUMP_SD * self._volatility.sigma() * math.sqrt(elapsed_s / YEAR_S):
            if source.held is not None:
                self.counts["jump_dropped"] += 1
                source.held = None
            return True
        if any(s.held is not None and abs(price / s.held - 1.0) <= CONFIRM_SHARE for s in self._sources.values()):
            self.counts["jump_confirmed"] += 1
            for other in self._sources.values():
                other.held = None
            return True
        self.counts["jump_held"] += 1
        source.held = price
        return False

    def _measure_latency(self, source: SourceState, delay_s: float) -> None:
        if abs(delay_s) > COMPARABLE_S:
            self.counts["other_clock"] += 1
            return
        source.latencies_s.append(delay_s)
        if len(source.latencies_s) == 1:
            self._latency_s = self._median_latency()

    def _lives(self, source: SourceState, received: Nanos) -> None:
        source.life_ns = max(source.life_ns, received)
        source.alive = True

    def _check_alive(self, reason: str) -> ReferenceLost | None:
        if self._lost or not self._price or any(source.alive for source in self._sources.values()):
            return None
        self._lost = True
        return ReferenceLost(self.asset, since_ns=self._life_ns(), reason=reason)

    def _life_ns(self) -> Nanos:
        return max((source.life_ns for source in self._sources.values()), default=Nanos(0))

    def _median_latency(self) -> float:
        delays = sorted(delay for source in self._sources.values() for delay in source.latencies_s)
        return min(max(delays[len(delays) // 2], 0.0), MAX_LATENCY_S) if delays else 0.0

    def _moved(self) -> ReferenceMoved:
        self._lost = False
        life_ns = self._life_ns()
        self._told = (self._price, life_ns)
        return ReferenceMoved(
            asset=self.asset,
            price=self._price,
            sigma=self._volatility.sigma(),
            price_ns=self._price_ns,
            life_ns=life_ns,
            feed_latency_s=self._latency_s,
            sources=tuple(name for name, source in self._sources.items() if source.alive),
        )
