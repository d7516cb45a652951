"""The order desk: the gateway's decision-maker, which alone knows what rests, flies, is unknown and has filled.

It gates every intent, turns the venue's reports into each order's events exactly once, and keeps at a question until it
is answered: nothing is resent blindly, nothing forgotten, a fill is booked once by its id. Pure: requests and events out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mmactors.core.account import Account
from mmactors.core.orders import OrderTable, WorkingOrder
from mmactors.core.params import MakerParams
from mmactors.core.risk import Proposal, gate
from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    AllCancelled,
    BatchReported,
    BatchWritten,
    BookChanged,
    BookReported,
    CancelAll,
    CancelAllReported,
    CancelItem,
    ClockMeasured,
    FetchFills,
    FetchOrder,
    FillsFetched,
    ItemResult,
    Market,
    MarketChanged,
    MarketHydrated,
    MarketListed,
    MarketPulsed,
    MarketReady,
    MarketReported,
    MarketResolved,
    MarketStatus,
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderEvent,
    OrderFetched,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderReported,
    OrderUnchanged,
    OrderUnknown,
    Outcome,
    PlaceItem,
    PlaceOrder,
    QuoteIntent,
    ReplaceItem,
    ReplaceOrder,
    RiskPulsed,
    SendBatch,
    SendCancelAll,
    StreamGapped,
    TradingState,
    TradingStateChanged,
    VenueConnected,
    VenueDisconnected,
    VenueFill,
    VenueOrder,
    VenueReport,
    VenueRequest,
    VenueStatus,
    WatchBook,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks, seconds

MARKET_SILENCE_NS = Nanos(3 * SECOND)
"""A market actor unheard for this long has its orders cancelled."""

ASK_AGAIN_NS = Nanos(2 * SECOND)
"""How long an unknown order waits before it is asked about again."""

CANCEL_COST = 0.2
CANCEL_RESERVE = 0.2
"""What a cancel costs of the rate budget, and the share of the burst that only cancels may use."""

GONE = ("CANCELLED", "EXPIRED", "REJECTED")


@dataclass(slots=True)
class Step:
    """What one step of the desk asks of the venue and tells the program."""

    requests: list[VenueRequest] = field(default_factory=list)
    events: list[object] = field(default_factory=list)


@dataclass(slots=True)
class Budget:
    """The venue's token bucket, as we count it: a tenth below what it allows."""

    rate: float = 10.0
    burst: float = 20.0
    tokens: float = 20.0
    at_ns: int = 0

    def refill(self, now: Nanos) -> None:
        """Let time pass."""
        self.tokens = min(self.burst, self.tokens + self.rate * seconds(max(0, now - self.at_ns)))
        self.at_ns = now

    def take(self, cost: float, *, reserve: float) -> bool:
        """Spend `cost` if that leaves `reserve` tokens."""
        if self.tokens - cost < reserve:
            return False
        self.tokens -= cost
        return True

    def wait_ms(self, cost: float, *, reserve: float) -> int:
        """How long until `take` would succeed."""
        return max(10, round(1000 * (cost + reserve - self.tokens) / self.rate))


class OrderDesk:
    """Orders, positions and cash of the account, and the way to the venue.

    Args:
        params_of: the parameters of a market.
        prefix: what client ids of this run begin with; other orders found resting are strangers and are cancelled.
        ack_timeout_ns: after this long without an answer an order is unknown.
    """

    def __init__(self, params_of: Callable[[Market], MakerParams], *, prefix: str, ack_timeout_ns: Nanos) -> None:
        self.params_of = params_of
        self.prefix = prefix
        self.ack_timeout_ns = ack_timeout_ns
        self.table = OrderTable()
        self.account = Account()
        self.markets: dict[str, Market] = {}
        self.budget = Budget()
        self.connected = False
        self.synced = False
        self.state = TradingState.ACTIVE
        self.offset_ns = Nanos(0)
        self.order_latency_s = 0.1
        self.seq = 0
        self.counters: dict[str, int] = {}
        self._adopted = False
        self._incarnations: dict[str, int] = {}
        self._heard_ns: dict[str, Nanos] = {}
        self._waiting: dict[str, int] = {}
        self._pulse_ns = Nanos(0)
        self._op = 0
        self._sent_ns: dict[int, Nanos] = {}
        self._snapshot_ids: frozenset[str] | None = None
        self._fills_asked_ns = Nanos(0)
        self._stopping = False
        self._cancel_all_at: Nanos | None = None
        self._exposures: dict[str, int] = {}

    # --- what the program tells -------------------------------------------------------------------

    def tell(self, message: object, now: Nanos) -> Step:
        """Take in one message of the program's own actors."""
        step = Step()
        match message:
            case QuoteIntent():
                self._intend(message, now, step)
            case MarketReady():
                self._incarnations[message.market] = message.incarnation
                self._heard_ns[message.market] = now
                self._waiting[message.market] = message.incarnation
                self._cancel_market(message.market, now, step)
                self._hydrate(step)
            case MarketPulsed() if self._incarnations.get(message.market) == message.incarnation:
                self._heard_ns[message.market] = now
            case RiskPulsed():
                self._pulse_ns = now
            case TradingStateChanged() if not self._stopping:
                self.state = message.state
                if message.state in (TradingState.HALTED, TradingState.TRAPPED):
                    self._cancel_everything(now, step)
                elif message.state is TradingState.REDUCING:
                    self._cancel(self._adding(), now, step)
            case CancelAll() if message.market is not None:
                self._cancel_market(message.market, now, step)
            case CancelAll():
                self._stopping = True
                self.state = TradingState.HALTED
                self._cancel_everything(now, step)
            case _:
                pass
        return self._finish(step)

    def check(self, now: Nanos) -> Step:
        """Let time pass: ask about what went unanswered, cancel for silent markets, report when all is cancelled."""
        step = Step()
        self.budget.refill(now)
        for order in self.table:
            waited = now - order.since_ns
            if order.unknown or order.owed:
                if waited > ASK_AGAIN_NS and self.synced:
                    order.since_ns = now
                    step.requests.append(FetchFills(self.seq) if order.owed else FetchOrder(order.client_id))
            elif order.in_flight and waited > self.ack_timeout_ns:
                order.since_ns = now
                self._happened(OrderUnknown(order.market, order.client_id, "no answer"), step)
                step.requests.append(FetchOrder(order.client_id))
        if self.connected and self._snapshot_ids is not None and now - self._fills_asked_ns > ASK_AGAIN_NS:
            self._fills_asked_ns = now
            step.requests.append(FetchFills(self.seq))
        silent = [m for m, heard in self._heard_ns.items() if now - heard > MARKET_SILENCE_NS]
        for market in silent:
            self._cancel([o for o in self.table if o.market == market and not o.cancelling], now, step)
        if self._stopping and self.connected:
            if self._cancel_all_at is not None and now - self._cancel_all_at > self.ack_timeout_ns:
                self._cancel_everything(now, step)
            if len(self.table) == 0:
                step.events.append(AllCancelled(0))
        return self._finish(step)

    # --- what the venue reports -------------------------------------------------------------------

    def report(self, report: VenueReport, now: Nanos) -> Step:
        """Take in one report of the venue's client."""
        step = Step()
        match report:
            case VenueConnected():
                self.connected, self.synced = True, False
                rate = 0.9 * report.orders_per_s
                self.budget = Budget(rate, 0.9 * report.burst, 0.5 * report.burst, now)
            case VenueDisconnected():
                if self.connected:
                    step.events.append(report)
                self.connected = self.synced = False
                self._sent_ns.clear()
                for order in self.table:
                    if order.in_flight and not order.unknown:
                        self._happened(OrderUnknown(order.market, order.client_id, "connection lost"), step)
                self._tell_status(step)
            case ClockMeasured():
                self.offset_ns = report.offset_ns
                self._tell_status(step)
            case AccountSnapshot():
                self._snapshot(report, step, now)
            case FillsFetched():
                self._fills(report, step, now)
            case StreamGapped():
                self.synced = False
                self._count("stream_gaps")
            case OrderReported():
                self.seq = max(self.seq, report.seq)
                if report.fill is not None:
                    self._fill(report.fill, step)
                self._order_reported(report, step)
            case AccountReported():
                self.seq = max(self.seq, report.seq)
                self._compare_cash(report, step)
            case BatchWritten():
                self._sent_ns[report.op_id] = report.at_ns
            case BatchReported():
                sent = self._sent_ns.pop(report.op_id, None)
                if sent is not None:
                    one_way = seconds(report.received_ns - sent) / 2
                    self.order_latency_s += 0.1 * (one_way - self.order_latency_s)
                for result in report.results:
                    self._result(result, step, now)
            case CancelAllReported():
                if report.error is None:
                    self._cancel_all_at = now if self._stopping else None
                else:
                    self._count("cancel_all_failed")
            case OrderFetched():
                self._fetched(report, step)
            case MarketReported():
                self._market(report.market, report.event, step)
            case BookReported():
                self._book(report, step)
        return self._finish(step)

    def _snapshot(self, snapshot: AccountSnapshot, step: Step, now: Nanos) -> None:
        strangers = tuple(
            CancelItem(o.client_id, o.order_id) for o in snapshot.orders if o.client_id not in self.table.orders
        )
        if strangers:
            self._count("strangers_cancelled", len(strangers))
            step.requests.append(SendBatch(self._next_op(), strangers, (), ()))
        if not self._adopted:
            self._adopted = True
            self.seq = snapshot.seq
            self.account.cash_micros = snapshot.cash_micros
            for position in snapshot.positions:
                self.account.adopt(position)
        for venue_order in snapshot.orders:
            self._align(venue_order, step)
        self._snapshot_ids = frozenset(o.client_id for o in snapshot.orders)
        self._fills_asked_ns = now
        step.requests.append(FetchFills(self.seq))

    def _fills(self, report: FillsFetched, step: Step, now: Nanos) -> None:
        if report.error is not None:
            self._count("fills_fetch_failed")  # `check` asks again
            return
        for fill in report.fills:
            self._fill(fill, step)
            self.seq = max(self.seq, fill.seq)
        if self._snapshot_ids is None:
            return
        for order in self.table:
            if order.client_id in self._snapshot_ids:
                continue
            if order.order_id is not None:  # it rested, rests no more, and every fill is in
                self._happened(OrderCancelled(order.market, order.client_id, Contracts(order.filled), "gone"), step)
            else:
                order.since_ns = now
                step.requests.append(FetchOrder(order.client_id))
        self._snapshot_ids = None
        if self.connected:
            self.synced = True
            step.events.append(self._status())
            self._hydrate(step)

    def _order_reported(self, report: OrderReported, step: Step) -> None:
        order = self.table.orders.get(report.order.client_id)
        if order is None:
            return
        if order.order_id is None and report.reason != "reject":
            self._happened(OrderAccepted(order.market, order.client_id, report.order.order_id), step)
        if report.order.status in GONE and report.reason != "reject":
            self._gone(order, report.order, report.reason, step)

    def _result(self, result: ItemResult, step: Step, now: Nanos) -> None:
        order = self.table.orders.get(result.client_id)
        if order is None or order.final:
            return
        market, cid, error = order.market, order.client_id, result.error
        if error is None and result.order is not None:
            self._done(order, result.action, result.order, step)
        elif error is None:
            self._unknown(order, "an answer without the order", step, now)
        elif error.kind == "unknown" or error.code == "ORDER_NOT_FOUND":
            self._unknown(order, error.code, step, now)
        elif result.original_cancelled or (result.order is not None and result.order.status in GONE):
            filled = result.order.filled if result.order is not None else Contracts(order.filled)
            self._happened(OrderCancelled(market, cid, filled, error.code), step)
        elif result.action == "place":
            self._count(f"rejected_{error.code}")
            self._happened(OrderRejected(market, cid, error.code, error.message, error.retry_after_ms), step)
        else:
            self._count(f"refused_{error.code}")
            self._happened(
                OrderUnchanged(market, cid, result.action, error.code, error.message, error.retry_after_ms), step
            )

    def _done(self, order: WorkingOrder, action: str, venue_order: VenueOrder, step: Step) -> None:
        if action == "place" and order.order_id is None:
            self._happened(OrderAccepted(order.market, order.client_id, venue_order.order_id), step)
        elif action == "replace":
            ticks = self._ticks(order.market, venue_order.price_micros)
            self._happened(OrderReplaced(order.market, order.client_id, ticks, venue_order.size), step)
        if venue_order.status in GONE and order.client_id in self.table.orders:
            self._gone(order, venue_order, action, step)

    def _gone(self, order: WorkingOrder, venue_order: VenueOrder, reason: str, step: Step) -> None:
        if not order.final:
            self._happened(OrderCancelled(order.market, order.client_id, venue_order.filled, reason), step)

    def _unknown(self, order: WorkingOrder, reason: str, step: Step, now: Nanos) -> None:
        order.since_ns = now
        self._happened(OrderUnknown(order.market, order.client_id, reason), step)
        step.requests.append(FetchOrder(order.client_id))

    def _fetched(self, report: OrderFetched, step: Step) -> None:
        order = self.table.orders.get(report.client_id)
        if order is None or report.error is not None or not (order.unknown or order.in_flight):
            return
        if report.order is not None:
            self._align(report.order, step)
        elif order.order_id is None:
            message = "the venue knows no such order"
            self._happened(OrderRejected(order.market, order.client_id, "LOST", message), step)
        else:  # not found is not final by itself: fills first
            step.requests.append(FetchFills(self.seq))

    def _align(self, venue_order: VenueOrder, step: Step) -> None:
        """Make one order what the venue says it is, whatever was in flight."""
        order = self.table.orders.get(venue_order.client_id)
        if order is None or order.final:
            return
        if order.order_id is None:
            self._happened(OrderAccepted(order.market, order.client_id, venue_order.order_id), step)
        if venue_order.status in GONE or venue_order.status == "FILLED":
            self._gone(order, venue_order, venue_order.status.lower(), step)
            return
        if order.cancelling:
            self._happened(OrderUnchanged(order.market, order.client_id, "cancel", "ALIVE", "still rests"), step)
        while len(order.moves) > 1:
            self._happened(
                OrderUnchanged(order.market, order.client_id, "replace", "SETTLED", "settled by query"), step
            )
        ticks = self._ticks(order.market, venue_order.price_micros)
        if order.unknown or order.moves or (order.ticks, order.size) != (ticks, venue_order.size):
            self._happened(OrderReplaced(order.market, order.client_id, ticks, venue_order.size), step)

    def _fill(self, fill: VenueFill, step: Step) -> None:
        market = self.markets.get(fill.market)
        tick = market.tick_micros if market is not None else Micros(10_000)
        event = OrderFilled(
            market=fill.market,
            client_id=fill.client_id,
            fill_id=fill.fill_id,
            outcome=fill.outcome,
            ticks=Ticks(fill.price_micros // tick),
            size=fill.size,
            fee_micros=fill.fee_micros,
            filled_total=fill.filled_total,
            maker=fill.maker,
            venue_ns=fill.venue_ns,
            tick_micros=tick,
        )
        if not self.account.fill(event):
            self._count("duplicate_fills")
            return
        if fill.client_id not in self.table.orders:
            self._count("fills_of_finished_orders")
        self._happened(event, step)

    def _compare_cash(self, report: AccountReported, step: Step) -> None:
        if report.cash_micros != self.account.cash_micros and report.reason == "adjust":
            self.account.cash_micros = report.cash_micros
        self._tell_status(step)

    def _market(self, market: Market, event: str, step: Step) -> None:
        known = self.markets.get(market.id)
        if known is not None and known.status is MarketStatus.RESOLVED and market.status is not MarketStatus.RESOLVED:
            return
        self.markets[market.id] = market
        if market.status is MarketStatus.RESOLVED and market.resolution is not None:
            if known is None and market.id not in self.account.positions:
                return
            if known is None or known.resolution is not market.resolution:
                self.account.resolve(market, market.resolution)
                self._exposures.pop(market.id, None)
                step.events.append(MarketResolved(market, market.resolution))
                self._tell_status(step)
                if known is not None:
                    step.requests.append(WatchBook(market.id, on=False))
        elif known is None:
            step.events.append(MarketListed(market))
        elif known != market:
            step.events.append(MarketChanged(market, event))

    def _book(self, report: BookReported, step: Step) -> None:
        if report.market in self.markets:
            bid, ask = report.bid_micros, report.ask_micros
            step.events.append(
                BookChanged(
                    report.market,
                    None if bid is None else self._ticks(report.market, bid),
                    None if ask is None else self._ticks(report.market, ask),
                )
            )

    # --- intents ----------------------------------------------------------------------------------

    def _intend(self, intent: QuoteIntent, now: Nanos, step: Step) -> None:
        if self._incarnations.get(intent.market) != intent.incarnation:
            self._count("fenced_intents")
            return
        self._heard_ns[intent.market] = now
        market = self.markets[intent.market]
        self.budget.refill(now)
        reserve = CANCEL_RESERVE * self.budget.burst
        cancels = [c.client_id for c in intent.cancels if c.client_id in self.table.orders]
        replaces: list[ReplaceItem] = []
        places: list[PlaceItem] = []
        for replace in intent.replaces:
            order = self.table.orders.get(replace.client_id)
            if order is None or order.order_id is None or order.cancelling or order.final:
                continue
            denial = self._objection(intent, market, now, order.outcome, replace, order)
            if denial is None and not self.budget.take(1.0, reserve=reserve):
                denial = ("rate", "the rate budget is spent")
            if denial is None:
                self.table.replace(replace, now)
                self._reassess(market.id)
                price = Micros(replace.ticks * market.tick_micros)
                replaces.append(ReplaceItem(order.client_id, order.order_id, price, replace.size))
                continue
            self._count(f"denied_{denial[0]}")
            if replace.ticks <= order.target[0]:  # it must not stay where it is
                cancels.append(order.client_id)
            else:
                wait = self.budget.wait_ms(1.0, reserve=reserve) if denial[0] == "rate" else 0
                step.events.append(
                    OrderUnchanged(market.id, order.client_id, "replace", f"DENIED_{denial[0]}", denial[1], wait)
                )
        for order_id in cancels:
            self.table.cancel(order_id, now)
            self.budget.take(CANCEL_COST, reserve=-1e9)
        for place in intent.places:
            denial = self._objection(intent, market, now, place.outcome, place, None)
            if denial is None and not self.budget.take(1.0, reserve=reserve):
                denial = ("rate", "the rate budget is spent")
            if denial is not None:
                self._count(f"denied_{denial[0]}")
                wait = self.budget.wait_ms(1.0, reserve=reserve) if denial[0] == "rate" else 0
                step.events.append(OrderDenied(market.id, place.client_id, denial[0], denial[1], wait))
                continue
            self.table.place(market.id, place, now)
            self._reassess(market.id)
            price = Micros(place.ticks * market.tick_micros)
            places.append(
                PlaceItem(
                    place.client_id, market.id, place.outcome, price, place.size, place.post_only, place.immediate
                )
            )
        if cancels or replaces or places:
            items = tuple(CancelItem(c, self.table.orders[c].order_id) for c in cancels)
            step.requests.append(SendBatch(self._next_op(), items, tuple(replaces), tuple(places)))

    def _objection(
        self,
        intent: QuoteIntent,
        market: Market,
        now: Nanos,
        outcome: Outcome,
        item: PlaceOrder | ReplaceOrder,
        order: WorkingOrder | None,
    ) -> tuple[str, str] | None:
        cid = item.client_id
        remaining = item.size - (order.filled if order is not None else 0)
        if order is not None:
            remaining = max(remaining, order.worst_remaining)
        position = self.account.position(market.id)
        leaving = {c.client_id for c in intent.cancels}
        opposing = [
            o.worst_ticks if o.unknown else o.target[0]
            for o in self.table.of(market.id, outcome.opposite)
            if not (o.final or o.cancelling or o.client_id in leaving)
        ]
        others = sum(
            o.worst_remaining * o.worst_ticks * self.markets[o.market].tick_micros
            for o in self.table
            if o.client_id != cid
        )
        cost = remaining * item.ticks * market.tick_micros
        elsewhere = sum(loss for name, loss in self._exposures.items() if name != market.id)
        return gate(
            Proposal(
                market=market,
                params=self.params_of(market),
                outcome=outcome,
                ticks=item.ticks,
                size=item.size,
                remaining=remaining,
                net=position.net,
                same=self.table.committed(market.id, outcome, besides=cid),
                opposing_ticks=max(opposing, default=None),
                venue_tau_ns=market.expires_venue_ns - (now + self.offset_ns),
                priced_age_ns=now - intent.priced_ns,
                cash_free=self.account.cash_micros - others,
                exposure_after=elsewhere + self._worst_loss(market.id, outcome, cost, besides=cid),
                d2=intent.reason.d2,
                state=self.state,
                pulse_age_ns=now - self._pulse_ns,
                synced=self.synced,
            )
        )

    def _worst_loss(
        self, market: str, outcome: Outcome | None = None, cost: int = 0, *, besides: str | None = None
    ) -> int:
        """The most this market can lose if any subset of its live orders (and one more of `cost`) fills."""
        position = self.account.position(market)
        spent = position.yes_cost_micros + position.no_cost_micros
        tick = self.markets[market].tick_micros if market in self.markets else 10_000
        extra = {Outcome.YES: 0, Outcome.NO: 0}
        if outcome is not None:
            extra[outcome] = cost
        for order in self.table:
            if order.market == market and order.client_id != besides:
                extra[order.outcome] += order.worst_remaining * order.worst_ticks * tick
        if_yes = spent + extra[Outcome.NO] - position.yes * 1_000_000
        if_no = spent + extra[Outcome.YES] - position.no * 1_000_000
        return max(if_yes, if_no, 0)

    def _reassess(self, market: str) -> None:
        self._exposures[market] = self._worst_loss(market)

    # --- cancelling -------------------------------------------------------------------------------

    def _cancel(self, orders: Iterable[WorkingOrder], now: Nanos, step: Step) -> None:
        items = []
        for order in orders:
            if not (order.final or order.cancelling):
                self.table.cancel(order.client_id, now)
                items.append(CancelItem(order.client_id, order.order_id))
        for start in range(0, len(items), 50):
            step.requests.append(SendBatch(self._next_op(), tuple(items[start : start + 50]), (), ()))

    def _cancel_market(self, market: str, now: Nanos, step: Step) -> None:
        self._cancel([o for o in self.table if o.market == market], now, step)

    def _cancel_everything(self, now: Nanos, step: Step) -> None:
        for order in self.table:
            if not order.final:
                self.table.cancel(order.client_id, now)
        self._cancel_all_at = now
        step.requests.append(SendCancelAll(self._next_op(), None))

    def _adding(self) -> list[WorkingOrder]:
        adding = []
        for order in self.table:
            net = self.account.position(order.market).net
            signed = net if order.outcome is Outcome.YES else -net
            if self.table.committed(order.market, order.outcome) > -signed:
                adding.append(order)
        return adding

    # --- telling ----------------------------------------------------------------------------------

    def _happened(self, event: OrderEvent, step: Step) -> None:
        self.table.apply(event)
        if event.market in self.markets:
            self._reassess(event.market)
        step.events.append(event)

    def _hydrate(self, step: Step) -> None:
        if not self.synced:
            return
        for name in list(self._waiting):
            market = self.markets.get(name)
            if market is None or any(o.market == name for o in self.table):
                continue
            position = self.account.position(name)
            del self._waiting[name]
            step.events.append(
                MarketHydrated(
                    market=market,
                    yes=position.yes,
                    no=position.no,
                    yes_cost_micros=position.yes_cost_micros,
                    no_cost_micros=position.no_cost_micros,
                    state=self.state,
                    offset_ns=self.offset_ns,
                    order_latency_s=self.order_latency_s,
                    cash_micros=self.account.cash_micros,
                )
            )
            step.requests.append(WatchBook(name, on=True))

    def _finish(self, step: Step) -> Step:
        if self._waiting and self.synced:
            self._hydrate(step)
        return step

    def forget(self, market: str) -> None:
        """Drop what is kept for a market actor that has retired."""
        self._heard_ns.pop(market, None)
        self._incarnations.pop(market, None)
        self._waiting.pop(market, None)

    def _status(self) -> VenueStatus:
        return VenueStatus(self.synced, self.offset_ns, self.order_latency_s, self.account.cash_micros)

    def _tell_status(self, step: Step) -> None:
        step.events.append(self._status())

    def _ticks(self, market: str, price_micros: Micros) -> Ticks:
        known = self.markets.get(market)
        return Ticks(price_micros // (known.tick_micros if known is not None else Micros(10_000)))

    def _next_op(self) -> int:
        self._op += 1
        return self._op

    def _count(self, what: str, by: int = 1) -> None:
        self.counters[what] = self.counters.get(what, 0) + by
