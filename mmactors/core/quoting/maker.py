"""One market's Maker: prices, inventory and orders in; what to change, and why, out.

`Maker.handle(event, now) -> Decision` is the whole interface; threads, backtests and replays drive the same object. It
knows its own market only; the account's limits are the gate's.
"""

import math

from mmactors.core.ledger.inventory import Inventory
from mmactors.core.ledger.session_stats import SessionRecord
from mmactors.core.orders.diff import NO_CHANGES, Changes
from mmactors.core.orders.table import OrderTable
from mmactors.core.params import MakerParams
from mmactors.core.pricing.binary import delta_per_dollar
from mmactors.core.pricing.fixings import NOTHING_REALISED, Fixings, PriceLog, Realised
from mmactors.core.quoting import schedule
from mmactors.core.quoting.ladder import Ladder, Level, QuoteInputs, Quoter, SideCapacity, TargetQuote
from mmactors.core.quoting.ladder_cache import LadderCache
from mmactors.core.quoting.side import Side
from mmactors.messages import (
    BookChanged,
    FairMoved,
    Market,
    MarketChanged,
    MarketHydrated,
    MarketResolved,
    MarketStatus,
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnchanged,
    OrderUnknown,
    Outcome,
    PairsMerged,
    PlaceOrder,
    PricesKnown,
    QuoteIntent,
    QuoteReason,
    ReferenceLost,
    ReferenceMoved,
    RequoteDue,
    Resolution,
    SessionReport,
    TimePassed,
    TradingState,
    TradingStateChanged,
    VenueStatus,
)
from mmactors.units import MILLISECOND, SECOND, Contracts, Micros, Nanos, Ticks, nanos
from mmactors.value import value

LOOK_AHEAD_NS = Nanos(400 * MILLISECOND)
"""Limits are judged as of this much later (plus the order's delay), so that they hold when the orders arrive."""

TAKE_EVERY_NS = Nanos(500 * MILLISECOND)
"""Least time between two orders that take liquidity."""

EVALUATE_EVERY_NS = Nanos(100 * MILLISECOND)
"""A price, a fill or a refusal is looked at when it comes; the time alone only after so long without any."""

MARK_EVERY_NS = Nanos(250 * MILLISECOND)
"""Least time between two marks sent to risk."""


Command = QuoteIntent | FairMoved | SessionReport
TakerOrder = tuple[Outcome, Ticks, Contracts]
"""An immediate purchase that flattens."""


@value
class Decision:
    """What to send whom (the message's type says), and why.

    `requote` asks for a `RequoteDue` once everything already known is in: a sweep that fills three orders is
    answered once, not three times.
    """

    commands: tuple[Command, ...] = ()
    reason: QuoteReason | None = None
    requote: bool = False


NOTHING = Decision()
REQUOTE = Decision(requote=True)


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
        self.state = TradingState.HALTED
        self._prefix = prefix
        self._orders = 0
        self._venue = VenueStatus(connected=False, offset_ns=Nanos(0), order_latency_s=0.1, cash_micros=Micros(0))
        self._book = BookChanged(market, None, None)
        self._yes = Side(market, Outcome.YES, self.table)
        self._no = Side(market, Outcome.NO, self.table)
        self._lost = "no reference price yet"
        self._evaluated_ns = self._sent_ns = self._took_ns = self._marked_ns = self._frozen_until = 0
        self._quoter: Quoter | None = None  # what follows from the market, the venue's clock and the orders, kept:
        self._cache: LadderCache | None = None
        self._runs_until = self._look_ahead_ns = 0
        self._two_sided = False
        self._fixings: Fixings | None = None  # of a market that settles on an average
        self._prices: PriceLog | None = None

    def handle(self, event: object, now: Nanos) -> Decision:
        """Take in one event and decide what to change."""
        self.record.count_time(now, now < self._runs_until, self._two_sided)
        origin: Nanos | None = None
        match event:
            case ReferenceMoved():
                self.reference, origin = event, event.price_ns
                if self._prices is not None:
                    self._prices.add(event.price_ns, event.price)
            case TimePassed():
                if now - self._evaluated_ns < EVALUATE_EVERY_NS:
                    return NOTHING
            case RequoteDue():
                pass
            case BookChanged():
                self._book = event
                return NOTHING
            case OrderAccepted() | OrderReplaced() | OrderUnknown():
                self._apply(event)
                return NOTHING
            case MarketHydrated():
                self._hydrate(event)
                if event.market.resolution is not None:  # its end was reported before this life began
                    return self._settle(event.market, event.market.resolution)
            case MarketChanged():
                self._learn(event.market, self._venue)
            case PairsMerged():
                if event.pairs <= self.inventory.pairs:  # else it happened before this life knew its position
                    self.inventory.merge(event.pairs)
                return NOTHING
            case MarketResolved():
                return self._settle(event.market, event.resolution)
            case PricesKnown():
                self._prices = self._prices or PriceLog(event.span_s)
                self._prices.learn(event.prices)
                return NOTHING
            case ReferenceLost():
                self.reference, self._lost = None, event.reason
            case VenueStatus():
                self._learn(self.market, event)
            case TradingStateChanged():
                self.state = event.state
            case OrderFilled():
                self._apply(event)
                self._fill(event, now)
                if self.inventory.resolution is not None and self.market is not None:
                    return self._settle(self.market, self.inventory.resolution)
                return REQUOTE
            case OrderRejected() | OrderDenied() | OrderUnchanged() | OrderCancelled():
                order = self.table.orders.get(event.client_id)
                if order is not None:
                    self._side(order.outcome).refused(order, event, now)
                    self._apply(event)
                return REQUOTE
            case _:
                return NOTHING
        return self._requote(now, origin)

    @property
    def done(self) -> bool:
        """Whether the market is settled and nothing of ours can still fill."""
        return self.inventory.resolution is not None and len(self.table) == 0

    # --- quoting ----------------------------------------------------------------------------------

    def _requote(self, now: Nanos, origin: Nanos | None) -> Decision:
        self._evaluated_ns = now
        quoter, reference = self._quoter, self.reference
        if quoter is None or self.inventory.resolution is not None:
            return NOTHING
        tau = Nanos(quoter.market.expires_venue_ns - (now + self._venue.offset_ns))
        inputs: QuoteInputs | None = None
        ladder: Ladder | None = None
        bids: tuple[Level, ...] = ()
        asks: tuple[Level, ...] = ()
        taker: TakerOrder | None = None
        mark: FairMoved | None = None
        position_limit, net = 0, self.inventory.yes - self.inventory.no
        if reference is not None and quoter.prices(reference.price, reference.sigma, tau):
            realised = self._realised(reference, tau, now)
            if realised is not None:
                inputs = self._inputs(quoter, reference, tau, net, realised, now)
        obstacle = self._obstacle(quoter, tau, now, priced=inputs is not None)
        if inputs is not None:
            target, capacity = quoter.target(inputs), quoter.capacity(inputs)
            self.record.price(target.f, target.fair, net, tau <= quoter.close_ns)
            if obstacle is None:
                position_limit = 0 if capacity.reduce_only else capacity.position_limit
                cache = self._cache
                if cache is None or not cache.is_valid(inputs, target, capacity):
                    ladder = quoter.ladder(inputs, target, capacity)
                    self._cache = cache = LadderCache(ladder, inputs, quoter)
                bids, asks = self._yes.below_cap(cache.bids, now), self._no.below_cap(cache.asks, now)
                if target.f <= quoter.cross_f:
                    taker = self._taker_order(quoter, inputs, target, capacity, now)
                if taker is not None:
                    bids, asks, taker = self._beside_taker(taker, bids, asks, net, quoter.market.min_size, now)
            if now - self._marked_ns >= MARK_EVERY_NS:
                mark = self._mark(quoter.market, inputs, target, now)
        yes = self._yes.changes(bids, position_limit - net, now)
        no = self._no.changes(asks, position_limit + net, now)
        unchanged = yes is NO_CHANGES and no is NO_CHANGES and taker is None
        if unchanged or not self._worth_sending(yes, no, taker, now):
            return NOTHING if mark is None else Decision((mark,))
        if inputs is not None and ladder is None:
            ladder = quoter.ladder(inputs, target, capacity)
        reason = self._reason(quoter, ladder, obstacle, bids, asks, tau, taker is not None)
        intent = self._intent(yes, no, taker, reason, now, origin)
        return Decision((intent,) if mark is None else (mark, intent), reason)

    def _worth_sending(self, yes: Changes, no: Changes, taker: TakerOrder | None, now: Nanos) -> bool:
        if taker is not None or yes.urgent or no.urgent:
            return True
        return bool(yes or no) and now - self._sent_ns >= self.params.quoting.refresh_ns

    def _inputs(
        self, quoter: Quoter, reference: ReferenceMoved, tau: Nanos, net: int, realised: Realised, now: Nanos
    ) -> QuoteInputs:
        assert quoter.market.strike is not None
        yes, no = self._yes.orders, self._no.orders
        best_no, room_tau = no.best, tau - self._look_ahead_ns
        return QuoteInputs(
            reference.price,
            quoter.market.strike,
            reference.sigma,
            tau,
            (now - reference.life_ns) / SECOND - self.params.quoting.pause_s,
            reference.feed_latency_s + self._venue.order_latency_s,
            net,
            yes.outside,
            no.outside,
            self._venue.cash_micros,
            Nanos(room_tau if room_tau > 0 else 0),
            yes.best,
            None if best_no is None else Ticks(quoter.per_dollar - best_no),
            self.state is TradingState.REDUCING,
            uncertainty=reference.uncertainty,
            realised=realised,
        )

    def _realised(self, reference: ReferenceMoved, tau: Nanos, now: Nanos) -> Realised | None:
        """What of the market's settlement is realised; None while a fixing is not known."""
        if self._fixings is None:
            return NOTHING_REALISED
        return self._fixings.realised(now + tau, now, nanos(reference.feed_latency_s))

    def _obstacle(self, quoter: Quoter, tau: Nanos, now: Nanos, *, priced: bool) -> str | None:
        """Why nothing may rest at all, or None."""
        market = quoter.market
        if market.status is not MarketStatus.OPEN or market.strike is None:
            return f"market {market.status.lower()}"
        if tau - self._look_ahead_ns <= quoter.close_ns:  # an order sent now would find it closing
            return "closing"
        if not self._venue.connected:
            return "venue not in step"
        if self.state is TradingState.HALTED or self.state is TradingState.TRAPPED:
            return f"account {self.state.lower()}"
        if self.reference is None:
            return self._lost
        if now - self.reference.life_ns > self.params.risk.stale_after_ns:
            return "reference stale"
        if now < self._frozen_until:
            return "frozen after a burst of fills"
        if not priced and self._fixings is not None and not self._fixings.known:
            return "prints of the average not known"
        return None if priced else "the figures make no price"

    def _taker_order(
        self, quoter: Quoter, inputs: QuoteInputs, target: TargetQuote, capacity: SideCapacity, now: Nanos
    ) -> TakerOrder | None:
        bid, ask = self._book.bid_ticks, self._book.ask_ticks
        others_bid = None if bid is None or self._yes.reaches(bid) else bid
        others_ask = None if ask is None or self._no.reaches(quoter.per_dollar - ask) else ask
        taker = quoter.taker_order(inputs, target, capacity, others_bid, others_ask)
        return None if taker is None or self._side(taker[0]).paused(now) else taker

    def _beside_taker(
        self,
        taker: TakerOrder,
        bids: tuple[Level, ...],
        asks: tuple[Level, ...],
        net: int,
        min_size: int,
        now: Nanos,
    ) -> tuple[tuple[Level, ...], tuple[Level, ...], TakerOrder | None]:
        """What may rest beside a purchase, and what of it may be made now: together they must not go beyond flat."""
        side, flat = self._side(taker[0]).orders, abs(net)
        left = flat - side.outside - taker[2]
        if taker[0] is Outcome.YES:
            bids = _at_most(bids, left, min_size)
        else:
            asks = _at_most(asks, left, min_size)
        # Nor may the purchase go beyond flat with all that may still fill beside it.
        if now - self._took_ns < TAKE_EVERY_NS or side.committed + taker[2] > flat:
            return bids, asks, None
        return bids, asks, taker

    def _intent(
        self,
        yes: Changes,
        no: Changes,
        taker: TakerOrder | None,
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
        if taker is not None:
            self._took_ns = now
            places.insert(0, PlaceOrder(self._next_id(), *taker, post_only=False, immediate=True))
        for cancel in cancels:
            self.table.cancel(cancel.client_id, now)
        for replace in replaces:
            self.table.replace(replace, now)
        for place in places:
            self.table.place(self.name, place, now)
        self._two_sided = bool(self._yes.orders.resting and self._no.orders.resting)
        self._sent_ns = now
        self.record.order_messages += len(cancels) + len(replaces) + len(places)
        priced = self.reference.life_ns if self.reference is not None else Nanos(0)
        return QuoteIntent(
            self.name, self.incarnation, cancels, replaces, tuple(places), reason, priced_ns=priced, origin_ns=origin
        )

    def _reason(
        self,
        quoter: Quoter,
        ladder: Ladder | None,
        obstacle: str | None,
        bids: tuple[Level, ...],
        asks: tuple[Level, ...],
        tau: Nanos,
        taker: bool,
    ) -> QuoteReason:
        market = quoter.market
        why = obstacle or (ladder.why if ladder is not None else "")
        if taker:
            why += ", taking to flatten"
        strike = market.strike if market.strike is not None else math.nan
        spot, sigma = (math.nan, math.nan) if self.reference is None else (self.reference.price, self.reference.sigma)
        f = schedule.f(tau, market.duration_ns) if market.duration_ns > 0 else 0.0
        phase = "CLOSED" if ladder is None or obstacle == "closing" else ladder.capacity.phase
        return QuoteReason(
            why=why,
            spot=spot,
            strike=strike,
            f=f,
            sigma=math.nan if ladder is None else sigma,
            d2=0.0 if ladder is None else ladder.target.d2,
            fair=math.nan if ladder is None else ladder.target.fair,
            lean=0.0 if ladder is None else ladder.target.lean,
            half_spread=math.nan if ladder is None else ladder.target.half_spread,
            room=0 if ladder is None else ladder.capacity.position_limit,
            net=self.inventory.net,
            bids=bids,
            asks=tuple([(quoter.per_dollar - ticks, size) for ticks, size in asks]),
            phase=phase,
        )

    def _mark(self, market: Market, inputs: QuoteInputs, target: TargetQuote, now: Nanos) -> FairMoved:
        self._marked_ns = now
        delta = delta_per_dollar(target.d2, inputs.spot, inputs.sigma, max(target.left_s, 0.5))
        return FairMoved(self.name, market.asset, target.fair, delta, inputs.net, inputs.spot)

    # --- the session ------------------------------------------------------------------------------

    def _hydrate(self, event: MarketHydrated) -> None:
        self.state = event.state
        self._learn(event.market, VenueStatus(True, event.offset_ns, event.order_latency_s, event.cash_micros))
        self.inventory = Inventory(
            yes=event.yes,
            no=event.no,
            yes_cost_micros=event.yes_cost_micros,
            no_cost_micros=event.no_cost_micros,
            fees_micros=event.fees_micros,
            merged_micros=event.merged_micros,
        )

    def _learn(self, market: Market | None, venue: VenueStatus) -> None:
        """Take in the market's terms or the venue's state, and what follows from them."""
        self._venue = venue
        self._look_ahead_ns = LOOK_AHEAD_NS + nanos(2 * venue.order_latency_s)
        if market is None:
            return
        if market is not self.market:
            quoter = Quoter(market, self.params)
            self.market, self._quoter, self._cache = market, quoter, None
            self._fixings = None
            window_s = quoter.settlement.fixings
            if window_s:
                self._prices = self._prices or PriceLog(window_s)
                self._prices.lengthen(window_s)
                self._fixings = Fixings(self._prices, window_s)
        self._runs_until = market.expires_venue_ns - venue.offset_ns if market.status is MarketStatus.OPEN else 0

    def _apply(self, event: OrderEvent) -> None:
        self.table.apply(event)
        self._two_sided = bool(self._yes.orders.resting and self._no.orders.resting)

    def _fill(self, fill: OrderFilled, now: Nanos) -> None:
        if not self.inventory.apply(fill, fill.tick_micros):
            return
        self.record.fill(fill.size, self.inventory.net)
        self._marked_ns = 0
        if self._side(fill.outcome).bursts(fill.size, now, self.params.risk):
            self._frozen_until = now + self.params.risk.freeze_ns

    def _settle(self, market: Market, resolution: Resolution) -> Decision:
        self._learn(market, self._venue)
        self.inventory.settle(resolution)
        return Decision((self.record.report(market, self.inventory, resolution),))

    def _side(self, outcome: Outcome) -> Side:
        return self._yes if outcome is Outcome.YES else self._no

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
