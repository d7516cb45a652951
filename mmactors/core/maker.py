"""One market's Maker: prices, inventory and orders in; what to change, and why, out.

`Maker.handle(event, now) -> Decision` is the whole interface; threads, backtests and replays drive the same object. It
knows its own market only; the account's limits are the gate's.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from mmactors.core import schedule
from mmactors.core.inventory import Inventory
from mmactors.core.orders import Changes, OrderTable, diff, movable
from mmactors.core.params import MakerParams
from mmactors.core.pricing import delta_per_dollar
from mmactors.core.quoting import Ladder, Level, QuoteInputs, crossing, quote
from mmactors.messages import (
    BookChanged,
    FairMoved,
    LadderDue,
    Market,
    MarketChanged,
    MarketHydrated,
    MarketResolved,
    MarketStatus,
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnchanged,
    OrderUnknown,
    Outcome,
    PlaceOrder,
    QuoteIntent,
    QuoteReason,
    ReferenceLost,
    ReferenceMoved,
    ReplaceOrder,
    Resolution,
    SessionReport,
    TimePassed,
    TradingState,
    TradingStateChanged,
    VenueStatus,
)
from mmactors.units import MILLISECOND, Contracts, Micros, Nanos, Ticks, nanos, seconds

LOOK_AHEAD_NS = Nanos(400 * MILLISECOND)
"""Limits are judged as of this much later (plus the order's delay), so that they hold when the orders arrive."""

USUAL_PAUSE_S = 0.25
"""A feed's silence up to this is no age: widening and narrowing between two ticks would only cost messages."""

CROSS_EVERY_NS = Nanos(500 * MILLISECOND)
"""Least time between two orders that take liquidity."""

POST_ONLY_PAUSE_NS = Nanos(300 * MILLISECOND)
"""How long a side stays below a price that the book would not let rest."""

MARK_EVERY_NS = Nanos(250 * MILLISECOND)
"""Least time between two marks told to risk."""

REFUSAL_PAUSE_MS = 250
"""Least pause of a side's additions after the venue or the gate refused one."""

NO_REFUSAL = ("ALIVE", "SETTLED")
"""What the desk says of a request that a query has settled."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to tell whom (the message's type says), and why.

    `look_again` asks for a `LadderDue` once everything already known is in: a sweep that fills three orders is answered
    once, not three times.
    """

    commands: tuple[QuoteIntent | FairMoved | SessionReport, ...] = ()
    reason: QuoteReason | None = None
    look_again: bool = False


NOTHING = Decision()
LOOK_AGAIN = Decision(look_again=True)


@dataclass(slots=True)
class SessionRecord:
    """What one session's report is made of."""

    fills: int = 0
    contracts: int = 0
    max_abs_net: int = 0
    net_at_10pct: int | None = None
    fair_at_close: float = 0.5
    two_sided_ns: int = 0
    open_ns: int = 0
    order_messages: int = 0


@dataclass(slots=True)
class _Side:
    """What holds one side back: a price the book refused, and a pause after refusals."""

    capped_at: int = 1_000_000
    capped_until: int = 0
    paused_until: int = 0
    burst: deque[tuple[int, int]] = field(default_factory=deque)


class Maker:
    """Quotes one market. Client ids are `prefix`-n.

    Args:
        market: the market's name, before anything else is known of it.
        incarnation: the life of the actor around it; stamps every intent.
        prefix: begins this Maker's client ids; unique in the account.
        params: how to quote.
    """

    def __init__(self, market: str, incarnation: int, prefix: str, params: MakerParams) -> None:
        self.name = market
        self.incarnation = incarnation
        self.params = params
        self.inventory = Inventory()
        self.table = OrderTable()
        self.record = SessionRecord()
        self.market: Market | None = None
        self.reference: ReferenceMoved | None = None
        self.ladder: Ladder | None = None
        self.state = TradingState.HALTED
        self._prefix = prefix
        self._orders = 0
        self._venue = VenueStatus(connected=False, offset_ns=Nanos(0), order_latency_s=0.1, cash_micros=Micros(0))
        self._book = BookChanged(market, None, None)
        self._sides = {Outcome.YES: _Side(), Outcome.NO: _Side()}
        self._held: dict[str, int] = {}
        self._lost = "no reference price yet"
        self._sent_ns = self._crossed_ns = self._marked_ns = self._looked_ns = self._frozen_until = 0

    def handle(self, event: object, now: Nanos) -> Decision:
        """Take in one event and decide what to change."""
        self._watch(now)
        origin: Nanos | None = None
        match event:
            case MarketHydrated():
                self._hydrate(event)
                if event.market.resolution is not None:  # its end was told before this life began
                    return self._settle(event.market, event.market.resolution)
            case MarketChanged():
                self.market = event.market
            case MarketResolved():
                return self._settle(event.market, event.resolution)
            case ReferenceMoved():
                self.reference, origin = event, event.price_ns
            case ReferenceLost():
                self.reference, self._lost = None, event.reason
            case BookChanged():
                self._book = event
                return NOTHING
            case VenueStatus():
                self._venue = event
            case TradingStateChanged():
                self.state = event.state
            case OrderFilled():
                self.table.apply(event)
                self._fill(event, now)
                if self.inventory.resolution is not None and self.market is not None:
                    return self._settle(self.market, self.inventory.resolution)
                return LOOK_AGAIN
            case OrderRejected() | OrderDenied() | OrderUnchanged():
                self._refused(event, now)
                self.table.apply(event)
                return LOOK_AGAIN
            case OrderCancelled():
                if event.reason == "POST_ONLY_WOULD_CROSS":
                    self._cap(event.client_id, now)
                self.table.apply(event)
                return LOOK_AGAIN
            case OrderAccepted() | OrderReplaced() | OrderUnknown():
                self.table.apply(event)
                return NOTHING
            case TimePassed() | LadderDue():
                pass
            case _:
                return NOTHING
        return self._requote(now, origin)

    @property
    def done(self) -> bool:
        """Whether the market is settled and nothing of ours can still fill."""
        return self.inventory.resolution is not None and len(self.table) == 0

    # --- quoting ----------------------------------------------------------------------------------

    def _requote(self, now: Nanos, origin: Nanos | None) -> Decision:
        market = self.market
        if market is None or self.inventory.resolution is not None:
            return NOTHING
        tau = Nanos(market.expires_venue_ns - (now + self._venue.offset_ns))
        inputs = self._inputs(market, tau, now)
        obstacle = self._obstacle(market, tau, now, priced=inputs is not None)
        self.ladder = ladder = quote(inputs, market, self.params) if inputs is not None else None
        bids: tuple[Level, ...] = ()
        asks: tuple[Level, ...] = ()
        taking = None
        if inputs is not None and ladder is not None and obstacle is None:
            bids = self._within(Outcome.YES, ladder.bids, now)
            asks = self._within(Outcome.NO, tuple((self._other(t), size) for t, size in ladder.asks), now)
            taking = self._crossing(inputs, ladder, market, now)
            if taking is not None:  # what rests on that side gives way: together they would go beyond flat
                left = abs(inputs.net) - self._committed(taking[0]) - taking[2]
                if taking[0] is Outcome.YES:
                    bids = _at_most(bids, left, market.min_size)
                else:
                    asks = _at_most(asks, left, market.min_size)
                if now - self._crossed_ns < CROSS_EVERY_NS or not self._fits(taking):
                    taking = None
        if ladder is not None:
            self._note(ladder, tau)
        if ladder is not None and inputs is not None:
            room = 0 if self._only_reduces(inputs, market) else ladder.room
        else:
            room = 0
        changes = {
            Outcome.YES: self._changes(Outcome.YES, bids, room - self.inventory.net, now),
            Outcome.NO: self._changes(Outcome.NO, asks, room + self.inventory.net, now),
        }
        urgent = taking is not None or any(c.urgent for c in changes.values())
        commands: list[QuoteIntent | FairMoved | SessionReport] = []
        if ladder is not None and now - self._marked_ns >= MARK_EVERY_NS:
            commands.append(self._mark(ladder, market, tau, now))
        if not any(changes.values()) and taking is None:
            return Decision(tuple(commands)) if commands else NOTHING
        if not urgent and now - self._sent_ns < self.params.quoting.refresh_ns:
            return Decision(tuple(commands)) if commands else NOTHING
        reason = self._reason(market, ladder, obstacle, bids, asks, tau, taking is not None)
        commands.append(self._intent(changes, taking, reason, now, origin))
        return Decision(tuple(commands), reason)

    def _inputs(self, market: Market, tau: Nanos, now: Nanos) -> QuoteInputs | None:
        reference = self.reference
        if reference is None or market.strike is None or market.duration_ns <= 0 or tau <= 0:
            return None
        if not all(0.0 < figure < math.inf for figure in (reference.price, reference.sigma, market.strike)):
            return None
        look_ahead = LOOK_AHEAD_NS + nanos(2 * self._venue.order_latency_s)
        best = {
            outcome: max((o.target[0] for o in self.table.of(self.name, outcome) if movable(o)), default=None)
            for outcome in Outcome
        }
        best_no = best[Outcome.NO]
        return QuoteInputs(
            spot=reference.price,
            strike=market.strike,
            sigma=reference.sigma,
            tau_ns=tau,
            duration_ns=market.duration_ns,
            age_s=max(0.0, seconds(now - reference.life_ns) - USUAL_PAUSE_S),
            latency_s=reference.feed_latency_s + self._venue.order_latency_s,
            net=self.inventory.net,
            yes_committed=self._committed(Outcome.YES),
            no_committed=self._committed(Outcome.NO),
            cash_micros=self._venue.cash_micros,
            room_tau_ns=Nanos(max(0, tau - look_ahead)),
            previous_bid=best[Outcome.YES],
            previous_ask=None if best_no is None else self._other(best_no),
            reduce_only=self.state is TradingState.REDUCING,
        )

    def _obstacle(self, market: Market, tau: Nanos, now: Nanos, *, priced: bool) -> str | None:
        """Why nothing may rest at all, or None."""
        close = schedule.close_at_ns(market.duration_ns, self.params.inventory)
        ahead = LOOK_AHEAD_NS + nanos(2 * self._venue.order_latency_s)
        if market.status is not MarketStatus.OPEN or market.strike is None:
            return f"market {market.status.lower()}"
        if tau <= close + ahead:
            return "closing"
        if not self._venue.connected:
            return "venue not in step"
        if self.state in (TradingState.HALTED, TradingState.TRAPPED):
            return f"account {self.state.lower()}"
        if self.reference is None:
            return self._lost
        if now - self.reference.life_ns > self.params.risk.stale_after_ns:
            return "reference stale"
        if now < self._frozen_until:
            return "frozen after a burst of fills"
        return None if priced else "the figures make no price"

    def _committed(self, outcome: Outcome) -> int:
        """Contracts that the ladder must leave room for: of orders in doubt, owed, or taking.

        Not what a cut or cancel on its way has yet to take away: cutting the rest of the ladder for that, tick after
        tick until the answer comes, would empty it. It only holds additions back.
        """
        orders = self.table.of(self.name, outcome)
        return sum(o.worst_remaining for o in orders if o.final or o.unknown or o.immediate)

    def _only_reduces(self, inputs: QuoteInputs, market: Market) -> bool:
        f_room = schedule.f(inputs.room_tau_ns, market.duration_ns)
        return inputs.reduce_only or f_room <= self.params.inventory.reduce_only_f

    def _changes(self, outcome: Outcome, levels: tuple[Level, ...], limit: int, now: Nanos) -> Changes:
        changes = self._within_limit(diff(self.table.of(self.name, outcome), levels), outcome, limit)
        if now < self._sides[outcome].paused_until:
            changes = Changes(changes.cancels, changes.outward)
        if self._held:
            self._held = {name: until for name, until in self._held.items() if now < until}
            changes = Changes(
                tuple(c for c in changes.cancels if c.client_id not in self._held),
                tuple(c for c in changes.outward if c.client_id not in self._held),
                tuple(c for c in changes.inward if c.client_id not in self._held),
                changes.places,
            )
        return changes

    def _within_limit(self, changes: Changes, outcome: Outcome, limit: int) -> Changes:
        """Hold back additions that, with all that may still fill, could go beyond `limit` contracts of the outcome."""
        slack = max(0, limit - self.table.committed(self.name, outcome))
        outward: list[ReplaceOrder] = []
        inward: list[ReplaceOrder] = []
        places: list[Level] = []
        for move in changes.outward:
            order = self.table.orders[move.client_id]
            growth = min(slack, max(0, move.size - order.filled - order.worst_remaining))
            slack -= growth
            size = min(move.size, order.filled + order.worst_remaining + growth)
            outward.append(ReplaceOrder(move.client_id, move.ticks, Contracts(size)))
        for move in changes.inward:
            order = self.table.orders[move.client_id]
            growth = max(0, move.size - order.filled - order.worst_remaining)
            if growth <= slack:
                slack -= growth
                inward.append(move)
        for ticks, size in changes.places:
            if size <= slack:
                slack -= size
                places.append((ticks, size))
        return Changes(changes.cancels, tuple(outward), tuple(inward), tuple(places))

    def _within(self, outcome: Outcome, levels: tuple[Level, ...], now: Nanos) -> tuple[Level, ...]:
        side = self._sides[outcome]
        return tuple(level for level in levels if now >= side.capped_until or level[0] < side.capped_at)

    def _crossing(
        self, inputs: QuoteInputs, ladder: Ladder, market: Market, now: Nanos
    ) -> tuple[Outcome, Ticks, Contracts] | None:
        bid, ask = self._book.bid_ticks, self._book.ask_ticks
        own_bids = [o.worst_ticks for o in self.table.of(self.name, Outcome.YES)]
        own_asks = [self._other(Ticks(o.worst_ticks)) for o in self.table.of(self.name, Outcome.NO)]
        others_bid = None if bid is None or (own_bids and bid <= max(own_bids)) else bid
        others_ask = None if ask is None or (own_asks and ask >= min(own_asks)) else ask
        taking = crossing(inputs, ladder, others_bid, others_ask, self.params, market)
        return None if taking is None or now < self._sides[taking[0]].paused_until else taking

    def _fits(self, taking: tuple[Outcome, Ticks, Contracts]) -> bool:
        """Whether a purchase that flattens cannot, with all that may still fill beside it, go beyond flat."""
        return self.table.committed(self.name, taking[0]) + taking[2] <= abs(self.inventory.net)

    def _intent(
        self,
        changes: dict[Outcome, Changes],
        taking: tuple[Outcome, Ticks, Contracts] | None,
        reason: QuoteReason,
        now: Nanos,
        origin: Nanos | None,
    ) -> QuoteIntent:
        yes, no = changes[Outcome.YES], changes[Outcome.NO]
        cancels = yes.cancels + no.cancels
        # What stands too close to the fair value moves first; then the side that follows cannot meet it.
        replaces = yes.outward + no.outward + yes.inward + no.inward
        places = [
            PlaceOrder(self._next_id(), outcome, ticks, size)
            for outcome in Outcome
            for ticks, size in changes[outcome].places
        ]
        if taking is not None:
            self._crossed_ns = now
            places.insert(0, PlaceOrder(self._next_id(), *taking, post_only=False, immediate=True))
        for cancel in cancels:
            self.table.cancel(cancel.client_id, now)
        for replace in replaces:
            self.table.replace(replace, now)
        for place in places:
            self.table.place(self.name, place, now)
        self._sent_ns = now
        self.record.order_messages += len(cancels) + len(replaces) + len(places)
        priced = self.reference.life_ns if self.reference is not None else Nanos(0)
        return QuoteIntent(
            self.name, self.incarnation, cancels, replaces, tuple(places), reason, priced_ns=priced, origin_ns=origin
        )

    def _reason(
        self,
        market: Market,
        ladder: Ladder | None,
        obstacle: str | None,
        bids: tuple[Level, ...],
        asks: tuple[Level, ...],
        tau: Nanos,
        taking: bool,
    ) -> QuoteReason:
        why = obstacle or (ladder.why if ladder is not None else "")
        return QuoteReason(
            why=why + ", taking to flatten" if taking else why,
            spot=self.reference.price if self.reference is not None else math.nan,
            strike=market.strike if market.strike is not None else math.nan,
            f=schedule.f(tau, market.duration_ns) if market.duration_ns > 0 else 0.0,
            sigma=ladder.sigma if ladder is not None else math.nan,
            d2=ladder.d2 if ladder is not None else 0.0,
            fair=ladder.fair if ladder is not None else math.nan,
            lean=ladder.lean if ladder is not None else 0.0,
            half_spread=ladder.half_spread if ladder is not None else math.nan,
            room=ladder.room if ladder is not None else 0,
            net=self.inventory.net,
            bids=bids,
            asks=tuple((self._other(ticks), size) for ticks, size in asks),
            phase="CLOSED" if obstacle == "closing" or ladder is None else ladder.phase,
        )

    def _mark(self, ladder: Ladder, market: Market, tau: Nanos, now: Nanos) -> FairMoved:
        self._marked_ns = now
        spot = self.reference.price if self.reference is not None else 0.0
        delta = delta_per_dollar(ladder.d2, spot, ladder.sigma, max(seconds(tau), 0.5)) if spot else 0.0
        return FairMoved(self.name, market.asset, ladder.fair, delta, self.inventory.net)

    # --- what happens to orders -------------------------------------------------------------------

    def _fill(self, fill: OrderFilled, now: Nanos) -> None:
        if not self.inventory.apply(fill, fill.tick_micros):
            return
        self.record.fills += 1
        self.record.contracts += fill.size
        self.record.max_abs_net = max(self.record.max_abs_net, abs(self.inventory.net))
        self._marked_ns = 0
        side, risk = self._sides[fill.outcome], self.params.risk
        side.burst.append((now, fill.size))
        while now - side.burst[0][0] > risk.freeze_window_ns:
            side.burst.popleft()
        if sum(size for _, size in side.burst) > risk.freeze_contracts:
            self._frozen_until = now + risk.freeze_ns
            side.burst.clear()

    def _refused(self, event: OrderRejected | OrderDenied | OrderUnchanged, now: Nanos) -> None:
        order = self.table.orders.get(event.client_id)
        if order is None:
            return
        code = event.rule if isinstance(event, OrderDenied) else event.code
        if code in NO_REFUSAL:
            return
        if code == "POST_ONLY_WOULD_CROSS":
            self._cap(event.client_id, now)
        else:
            pause = max(event.retry_after_ms, 20 if "rate" in code else REFUSAL_PAUSE_MS)
            self._sides[order.outcome].paused_until = now + pause * MILLISECOND
            if isinstance(event, OrderUnchanged):  # nor is this order asked for anything at the pace of refusals
                self._held[event.client_id] = now + pause * MILLISECOND

    def _cap(self, client_id: str, now: Nanos) -> None:
        order = self.table.orders.get(client_id)
        if order is not None:
            side = self._sides[order.outcome]
            side.capped_at, side.capped_until = order.worst_ticks, now + POST_ONLY_PAUSE_NS

    # --- the session ------------------------------------------------------------------------------

    def _hydrate(self, event: MarketHydrated) -> None:
        self.market, self.state = event.market, event.state
        self._venue = VenueStatus(True, event.offset_ns, event.order_latency_s, event.cash_micros)
        self.inventory = Inventory(
            yes=event.yes, no=event.no, yes_cost_micros=event.yes_cost_micros, no_cost_micros=event.no_cost_micros
        )

    def _watch(self, now: Nanos) -> None:
        """Count how long both sides have rested while the session ran."""
        market, last = self.market, self._looked_ns
        self._looked_ns = now
        if market is None or not last or now < last or market.status is not MarketStatus.OPEN:
            return
        if now + self._venue.offset_ns >= market.expires_venue_ns:
            return
        self.record.open_ns += now - last
        resting = {o.outcome for o in self.table.orders.values() if o.order_id is not None and o.worst_remaining}
        if len(resting) == 2:
            self.record.two_sided_ns += now - last

    def _note(self, ladder: Ladder, tau: Nanos) -> None:
        if ladder.f <= 0.10 and self.record.net_at_10pct is None:
            self.record.net_at_10pct = self.inventory.net
        if self.market is not None and tau > schedule.close_at_ns(self.market.duration_ns, self.params.inventory):
            self.record.fair_at_close = ladder.fair

    def _settle(self, market: Market, resolution: Resolution) -> Decision:
        self.market = market
        pnl = self.inventory.settle(resolution)
        record, net, fair = self.record, self.inventory.net, self.record.fair_at_close
        return Decision(
            (
                SessionReport(
                    market=self.name,
                    asset=market.asset,
                    duration_s=market.duration_s,
                    strike=market.strike if market.strike is not None else math.nan,
                    outcome=resolution,
                    pnl_micros=pnl,
                    net_at_close=net,
                    net_at_10pct=record.net_at_10pct if record.net_at_10pct is not None else net,
                    max_abs_net=record.max_abs_net,
                    risk_at_close=abs(net) * math.sqrt(fair * (1.0 - fair)),
                    fills=record.fills,
                    contracts=record.contracts,
                    two_sided_share=record.two_sided_ns / record.open_ns if record.open_ns else 0.0,
                    order_messages=record.order_messages,
                ),
            )
        )

    def _other(self, ticks: Ticks) -> Ticks:
        assert self.market is not None
        return Ticks(self.market.ticks_per_dollar - ticks)

    def _next_id(self) -> str:
        self._orders += 1
        return f"{self._prefix}-{self._orders}"


def _at_most(levels: tuple[Level, ...], total: int, min_size: int) -> tuple[Level, ...]:
    """The best of the levels, cut to `total` contracts."""
    kept: list[Level] = []
    for ticks, size in levels:
        here = min(size, total)
        if here < min_size:
            break
        kept.append((ticks, Contracts(here)))
        total -= here
    return tuple(kept)
