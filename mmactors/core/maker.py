"""One market's Maker: prices, inventory and orders in; what to change, and why, out.

`Maker.handle(event, now) -> Decision` is the whole interface; threads, backtests and replays drive the same object. It
knows its own market only; the account's limits are the gate's.
"""

import math
from dataclasses import dataclass

from mmactors.core import schedule
from mmactors.core.inventory import Inventory
from mmactors.core.orders import Changes, OrderTable
from mmactors.core.params import MakerParams
from mmactors.core.pricing import delta_per_dollar
from mmactors.core.quoting import Ladder, Level, QuoteInputs, crossing, quote
from mmactors.core.record import SessionRecord
from mmactors.core.side import Side
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

MARK_EVERY_NS = Nanos(250 * MILLISECOND)
"""Least time between two marks told to risk."""

Command = QuoteIntent | FairMoved | SessionReport
Taking = tuple[Outcome, Ticks, Contracts]
"""An immediate purchase that flattens."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to tell whom (the message's type says), and why.

    `look_again` asks for a `LadderDue` once everything already known is in: a sweep that fills three orders is answered
    once, not three times.
    """

    commands: tuple[Command, ...] = ()
    reason: QuoteReason | None = None
    look_again: bool = False


NOTHING = Decision()
LOOK_AGAIN = Decision(look_again=True)


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
        self._yes = Side(market, Outcome.YES, self.table)
        self._no = Side(market, Outcome.NO, self.table)
        self._lost = "no reference price yet"
        self._sent_ns = self._crossed_ns = self._marked_ns = self._frozen_until = 0

    def handle(self, event: object, now: Nanos) -> Decision:
        """Take in one event and decide what to change."""
        self._look(now)
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
            case OrderRejected() | OrderDenied() | OrderUnchanged() | OrderCancelled():
                order = self.table.orders.get(event.client_id)
                if order is not None:
                    self._side(order.outcome).refused(order, event, now)
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
        close = schedule.close_at_ns(market.duration_ns, self.params.inventory)
        look_ahead = LOOK_AHEAD_NS + nanos(2 * self._venue.order_latency_s)
        inputs = self._inputs(market, tau, look_ahead, now)
        obstacle = self._obstacle(market, tau - look_ahead - close, now, priced=inputs is not None)
        ladder: Ladder | None = None
        bids: tuple[Level, ...] = ()
        asks: tuple[Level, ...] = ()
        taking: Taking | None = None
        room, net = 0, self.inventory.net
        commands: list[Command] = []
        if inputs is not None:
            ladder = quote(inputs, market, self.params)
            self.record.price(ladder, net, closing=tau <= close)
            room = 0 if self._only_reduces(inputs, market) else ladder.room
            if obstacle is None:
                bids, asks, taking = self._wanted(inputs, ladder, market, now)
            if now - self._marked_ns >= MARK_EVERY_NS:
                commands.append(self._mark(inputs, ladder, market, now))
        self.ladder = ladder
        yes = self._yes.changes(bids, room - net, now)
        no = self._no.changes(asks, room + net, now)
        urgent = taking is not None or yes.urgent or no.urgent
        if not urgent and (not (yes or no) or now - self._sent_ns < self.params.quoting.refresh_ns):
            return Decision(tuple(commands)) if commands else NOTHING
        reason = self._reason(market, ladder, obstacle, bids, asks, tau, taking is not None)
        commands.append(self._intent(yes, no, taking, reason, now, origin))
        return Decision(tuple(commands), reason)

    def _inputs(self, market: Market, tau: Nanos, look_ahead: int, now: Nanos) -> QuoteInputs | None:
        reference = self.reference
        if reference is None or market.strike is None or market.duration_ns <= 0 or tau <= 0:
            return None
        if not all(0.0 < figure < math.inf for figure in (reference.price, reference.sigma, market.strike)):
            return None
        best_no = self._no.best
        return QuoteInputs(
            spot=reference.price,
            strike=market.strike,
            sigma=reference.sigma,
            tau_ns=tau,
            duration_ns=market.duration_ns,
            age_s=max(0.0, seconds(now - reference.life_ns) - USUAL_PAUSE_S),
            latency_s=reference.feed_latency_s + self._venue.order_latency_s,
            net=self.inventory.net,
            yes_committed=self._yes.outside_ladder,
            no_committed=self._no.outside_ladder,
            cash_micros=self._venue.cash_micros,
            room_tau_ns=Nanos(max(0, tau - look_ahead)),
            previous_bid=self._yes.best,
            previous_ask=None if best_no is None else self._other(best_no),
            reduce_only=self.state is TradingState.REDUCING,
            uncertainty=reference.uncertainty,
        )

    def _obstacle(self, market: Market, open_ns: int, now: Nanos, *, priced: bool) -> str | None:
        """Why nothing may rest at all, or None. `open_ns`: how much longer an order sent now would find it open."""
        if market.status is not MarketStatus.OPEN or market.strike is None:
            return f"market {market.status.lower()}"
        if open_ns <= 0:
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

    def _only_reduces(self, inputs: QuoteInputs, market: Market) -> bool:
        f_room = schedule.f(inputs.room_tau_ns, market.duration_ns)
        return inputs.reduce_only or f_room <= self.params.inventory.reduce_only_f

    def _wanted(
        self, inputs: QuoteInputs, ladder: Ladder, market: Market, now: Nanos
    ) -> tuple[tuple[Level, ...], tuple[Level, ...], Taking | None]:
        """What should rest on either side, each in its own ticks, and what to take."""
        bids = self._yes.below_cap(ladder.bids, now)
        asks = self._no.below_cap(tuple((self._other(ticks), size) for ticks, size in ladder.asks), now)
        taking = self._crossing(inputs, ladder, market, now)
        if taking is None:
            return bids, asks, None
        # What rests on that side gives way: together they would go beyond flat.
        side, flat = self._side(taking[0]), abs(inputs.net)
        left = flat - side.outside_ladder - taking[2]
        if taking[0] is Outcome.YES:
            bids = _at_most(bids, left, market.min_size)
        else:
            asks = _at_most(asks, left, market.min_size)
        # Nor may the purchase go beyond flat with all that may still fill beside it.
        if now - self._crossed_ns < CROSS_EVERY_NS or side.committed + taking[2] > flat:
            taking = None
        return bids, asks, taking

    def _crossing(self, inputs: QuoteInputs, ladder: Ladder, market: Market, now: Nanos) -> Taking | None:
        bid, ask = self._book.bid_ticks, self._book.ask_ticks
        others_bid = None if bid is None or self._yes.reaches(bid) else bid
        others_ask = None if ask is None or self._no.reaches(self._other(ask)) else ask
        taking = crossing(inputs, ladder, others_bid, others_ask, self.params, market)
        return None if taking is None or self._side(taking[0]).paused(now) else taking

    def _intent(
        self,
        yes: Changes,
        no: Changes,
        taking: Taking | None,
        reason: QuoteReason,
        now: Nanos,
        origin: Nanos | None,
    ) -> QuoteIntent:
        cancels = yes.cancels + no.cancels
        # What stands too close to the fair value moves first; then the side that follows cannot meet it.
        replaces = yes.outward + no.outward + yes.inward + no.inward
        places = [
            PlaceOrder(self._next_id(), outcome, ticks, size)
            for outcome, changes in ((Outcome.YES, yes), (Outcome.NO, no))
            for ticks, size in changes.places
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

    def _mark(self, inputs: QuoteInputs, ladder: Ladder, market: Market, now: Nanos) -> FairMoved:
        self._marked_ns = now
        delta = delta_per_dollar(ladder.d2, inputs.spot, ladder.sigma, max(seconds(inputs.tau_ns), 0.5))
        return FairMoved(self.name, market.asset, ladder.fair, delta, inputs.net)

    # --- the session ------------------------------------------------------------------------------

    def _hydrate(self, event: MarketHydrated) -> None:
        self.market, self.state = event.market, event.state
        self._venue = VenueStatus(True, event.offset_ns, event.order_latency_s, event.cash_micros)
        self.inventory = Inventory(
            yes=event.yes, no=event.no, yes_cost_micros=event.yes_cost_micros, no_cost_micros=event.no_cost_micros
        )

    def _look(self, now: Nanos) -> None:
        market = self.market
        running = (
            market is not None
            and market.status is MarketStatus.OPEN
            and now + self._venue.offset_ns < market.expires_venue_ns
        )
        self.record.look(now, running=running, two_sided=self._yes.rests and self._no.rests)

    def _fill(self, fill: OrderFilled, now: Nanos) -> None:
        if not self.inventory.apply(fill, fill.tick_micros):
            return
        self.record.fill(fill.size, self.inventory.net)
        self._marked_ns = 0
        if self._side(fill.outcome).bursts(fill.size, now, self.params.risk):
            self._frozen_until = now + self.params.risk.freeze_ns

    def _settle(self, market: Market, resolution: Resolution) -> Decision:
        self.market = market
        self.inventory.settle(resolution)
        return Decision((self.record.report(market, self.inventory, resolution),))

    def _side(self, outcome: Outcome) -> Side:
        return self._yes if outcome is Outcome.YES else self._no

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
