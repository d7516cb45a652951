"""The order desk: the gateway's decision-maker, which alone knows what rests, flies, is unknown and has filled.

It gates every intent, turns the venue's reports into each order's events exactly once, and keeps at a question until it
is answered: nothing is resent blindly, nothing forgotten, a fill is booked once by its id. Pure: requests and events
out.
"""

import math
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

CANCEL_AGAIN_NS = Nanos(SECOND // 2)
"""How long a refused cancel that no market will repeat waits before it is sent again."""

CANCEL_COST = 0.2
CANCEL_RESERVE = 0.2
"""What a cancel costs of the rate budget, and the share of the burst that only cancels may use."""

LIVE = ("OPEN", "PARTIAL")
GONE = ("CANCELLED", "EXPIRED", "REJECTED")
DEFAULT_TICK = Micros(10_000)


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
        self.start_seq = 0
        self.account_name = ""
        self.counters: dict[str, int] = {}
        self._adopted = False
        self._incarnations: dict[str, int] = {}
        self._heard_ns: dict[str, Nanos] = {}
        self._waiting: dict[str, int] = {}
        self._pulse_ns = Nanos(0)
        self._op = 0
        self._sent_ns: dict[int, Nanos] = {}
        self._missing: frozenset[str] | None = None  # rested, but not in the snapshot: gone once the fills are in
        self._fills_asked_ns = Nanos(0)
        self._strangers: dict[str, int] = {}  # not placed by us; their fills up to this seq are counted in `filled`
        self._absent: set[str] = set()  # places that the venue did not know when it was asked once
        self._vanished: dict[str, int] = {}  # rested, but the venue knows them no more: gone at this page of fills
        self._pages_asked = self._pages_heard = self._page_needed = 0  # they are answered in order
        self._lost: set[str] = set()  # places given up for lost; one that turns up after all is cancelled
        self._stopping = self._stop_acked = self._stop_told = False
        self._stop_op = 0
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
                self._stopping, self._stop_acked, self._stop_told = True, False, False
                self._stop_op = self._op + 1
                self.state = TradingState.HALTED
                self._cancel_everything(now, step)
                self._tell_status(step)
            case _:
                pass
        return self._finish(step)

    def check(self, now: Nanos) -> Step:
        """Let time pass: ask about what went unanswered, cancel for silent markets, report when all is cancelled."""
        step = Step()
        self.budget.refill(now)
        fills_wanted = self.connected and self._missing is not None
        for order in self.table:
            waited = now - order.since_ns
            if order.final:
                fills_wanted = True  # it is owed some
            elif not order.cancelling and waited > CANCEL_AGAIN_NS and self._orphaned(order, now):
                self._cancel([order], now, step)
            elif order.unknown:
                if waited > ASK_AGAIN_NS and (self.synced or self._stopping):
                    self._ask(order, now, step)
            elif order.in_flight and waited > self.ack_timeout_ns:
                self._unknown(order, "no answer", step, now)
        if fills_wanted and now - self._fills_asked_ns > ASK_AGAIN_NS:
            self._ask_fills(now, step)
        if self._cancel_all_at is not None and now - self._cancel_all_at > self.ack_timeout_ns and not self._stop_told:
            self._cancel_everything(now, step)
        if self._stop_acked and not self._stop_told and len(self.table) == 0:
            self._stop_told = True
            step.events.append(AllCancelled(0))
        return self._finish(step)

    # --- what the venue reports -------------------------------------------------------------------

    def report(self, report: VenueReport, now: Nanos) -> Step:
        """Take in one report of the venue's client."""
        step = Step()
        match report:
            case VenueConnected():
                self.connected, self.synced, self._missing = True, False, None
                self.account_name = report.account
                rate = max(0.9 * report.orders_per_s, 0.1)
                self.budget = Budget(rate, 0.9 * report.burst, 0.5 * report.burst, now)
            case VenueDisconnected():
                if self.connected:
                    step.events.append(report)
                self.connected, self.synced, self._missing = False, False, None
                self._sent_ns.clear()
                for order in self.table:
                    if order.in_flight and not order.unknown:
                        self._happened(OrderUnknown(order.market, order.client_id, "connection lost"), step)
                    if order.order_id is None:
                        self._absent.add(order.client_id)  # nothing is on its way any more: one answer will do
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
                self._saw(report.seq)
                if report.fill is not None:
                    self._fill(report.fill, step)
                self._order_reported(report, step, now)
            case AccountReported():
                self._saw(report.seq)
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
                    self._stop_acked = self._stop_acked or (self._stopping and report.op_id >= self._stop_op)
                else:
                    self._count("cancel_all_failed")
            case OrderFetched():
                self._fetched(report, step, now)
            case MarketReported():
                self._market(report.market, report.event, step)
            case BookReported():
                self._book(report, step)
        return self._finish(step)

    def _snapshot(self, snapshot: AccountSnapshot, step: Step, now: Nanos) -> None:
        if not self._adopted:
            self._adopted = True
            self.seq = self.start_seq = snapshot.seq
            self.account.cash_micros = snapshot.cash_micros
            for position in snapshot.positions:
                self.account.adopt(position)
                self._reassess(position.market)
                step.events.append(position)
        strangers = []
        for venue_order in snapshot.orders:
            order = self.table.orders.get(_name(venue_order))
            if order is None:
                strangers.append(self._stranger(venue_order, snapshot.seq, now))
            elif order.unknown or not order.in_flight:  # what is in flight on this connection is answered on it
                self._align(order, venue_order, step)
        self._cancel(strangers, now, step)
        resting = {_name(o) for o in snapshot.orders}
        self._missing = frozenset(
            o.client_id for o in self.table if o.order_id is not None and o.client_id not in resting
        )
        self._ask_fills(now, step)
        self._page_needed = self._pages_asked

    def _stranger(self, venue_order: VenueOrder, seq: int, now: Nanos) -> WorkingOrder:
        """Take an order that is not ours into the table, so that it counts, and is kept at until it is gone."""
        self._count("strangers_cancelled")
        name, ticks = _name(venue_order), self._ticks(venue_order.market, venue_order.price_micros)
        order = self.table.place(
            venue_order.market, PlaceOrder(name, venue_order.outcome, ticks, venue_order.size), now
        )
        order.order_id, order.filled, order.version = venue_order.order_id, venue_order.filled, venue_order.version
        self._strangers[name] = seq
        self._reassess(venue_order.market)
        return order

    def _fills(self, report: FillsFetched, step: Step, now: Nanos) -> None:
        self._pages_heard = min(self._pages_heard + 1, self._pages_asked)
        if report.error is not None:
            self._count("fills_fetch_failed")  # `check` asks again
            return
        for fill in report.fills:
            self._fill(fill, step)
            self.seq = max(self.seq, fill.seq)
        for name, page in list(self._vanished.items()):
            if page <= self._pages_heard:
                del self._vanished[name]
                order = self.table.orders.get(name)
                if order is not None and order.unknown:
                    self._over(order, step)
        if self._missing is None or self._pages_heard < self._page_needed:
            return
        for order in self.table:
            if order.client_id in self._missing:
                self._over(order, step)
            elif order.unknown and order.order_id is None:
                self._ask(order, now, step)
        self._missing = None
        self._absent &= self.table.orders.keys()
        if self.connected:
            self.synced = True
            step.events.append(self._status())
            self._hydrate(step)

    def _over(self, order: WorkingOrder, step: Step) -> None:
        if not order.final:
            self._happened(OrderCancelled(order.market, order.client_id, Contracts(order.filled), "gone"), step)

    def _order_reported(self, report: OrderReported, step: Step, now: Nanos) -> None:
        name = _name(report.order)
        order = self.table.orders.get(name)
        if order is None:
            if report.order.status in LIVE and (name in self._lost or not name.startswith(self.prefix)):
                self._cancel([self._stranger(report.order, report.seq, now)], now, step)
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
        elif error.code == "ORDER_NOT_FOUND" and cid in self._strangers:
            self._happened(OrderCancelled(market, cid, Contracts(order.filled), error.code), step)
        elif error.kind == "unknown" or error.code == "ORDER_NOT_FOUND":
            self._unknown(order, error.code, step, now)
        elif result.original_cancelled or (result.order is not None and result.order.status not in LIVE):
            filled = result.order.filled if result.order is not None else Contracts(order.filled)
            self._happened(OrderCancelled(market, cid, filled, error.code), step)
        elif error.code == "ORDER_NOT_OPEN":  # without the word on how it ended
            self._unknown(order, error.code, step, now)
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
        if venue_order.status in GONE or (action == "cancel" and venue_order.status == "FILLED"):
            self._gone(order, venue_order, action, step)
        elif action == "replace" and (venue_order.version == 0 or venue_order.version > order.version):
            ticks = self._ticks(order.market, venue_order.price_micros)
            self._happened(OrderReplaced(order.market, order.client_id, ticks, venue_order.size), step)
        order.version = max(order.version, venue_order.version)

    def _gone(self, order: WorkingOrder, venue_order: VenueOrder, reason: str, step: Step) -> None:
        if not order.final:
            self._happened(OrderCancelled(order.market, order.client_id, venue_order.filled, reason), step)

    def _unknown(self, order: WorkingOrder, reason: str, step: Step, now: Nanos) -> None:
        if not order.unknown:
            self._happened(OrderUnknown(order.market, order.client_id, reason), step)
        order.since_ns = now
        if order.client_id not in self._strangers:
            self._ask(order, now, step)

    def _ask(self, order: WorkingOrder, now: Nanos, step: Step) -> None:
        order.since_ns = now
        if order.client_id in self._strangers:  # it may have no client id to be asked for by, and cancelling is safe
            self._send_cancels([order], step)
        else:
            step.requests.append(FetchOrder(order.client_id))

    def _ask_fills(self, now: Nanos, step: Step) -> None:
        self._fills_asked_ns = now
        self._pages_asked += 1
        step.requests.append(FetchFills(self.seq))

    def _fetched(self, report: OrderFetched, step: Step, now: Nanos) -> None:
        order = self.table.orders.get(report.client_id)
        if order is None or report.error is not None or order.final or not order.unknown:
            return
        if report.order is not None:
            self._align(order, report.order, step)
        elif order.order_id is not None:  # not found is not final by itself: fills first
            self._ask_fills(now, step)
            self._vanished[order.client_id] = self._pages_asked
        elif order.client_id not in self._absent:  # it may still be on its way: `check` asks again
            self._absent.add(order.client_id)
        else:
            self._absent.discard(order.client_id)
            self._lost.add(order.client_id)
            message = "the venue knows no such order"
            self._happened(OrderRejected(order.market, order.client_id, "LOST", message), step)

    def _align(self, order: WorkingOrder, venue_order: VenueOrder, step: Step) -> None:
        """Make one order what the venue says it is, whatever was in flight."""
        if order.final:
            return
        self._absent.discard(order.client_id)
        if order.order_id is None:
            self._happened(OrderAccepted(order.market, order.client_id, venue_order.order_id), step)
        if venue_order.status in GONE or venue_order.status == "FILLED":
            self._gone(order, venue_order, venue_order.status.lower(), step)
            return
        if venue_order.version < order.version:
            return  # older than what is known
        order.version = venue_order.version
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
        tick = Micros(math.gcd(self._tick(fill.market), fill.price_micros))  # exact, whatever the price
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
        if fill.seq <= self._strangers.get(fill.client_id, -1):
            self._reassess(fill.market)
            step.events.append(event)
        else:
            self._happened(event, step)

    def _saw(self, seq: int) -> None:
        """Every fill up to `seq` is in, unless the stream had a gap that is not yet filled."""
        if self.synced:
            self.seq = max(self.seq, seq)

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
                self._reassess(market.id)
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
        market = self.markets.get(intent.market)
        if market is None:
            self._count("intents_for_unknown_markets")
            for place in intent.places:
                step.events.append(OrderDenied(intent.market, place.client_id, "market", "the venue lists none such"))
            return
        self.budget.refill(now)
        reserve = CANCEL_RESERVE * self.budget.burst
        cancels = [c.client_id for c in intent.cancels if c.client_id in self.table.orders]
        for name in [c.client_id for c in intent.cancels] + [r.client_id for r in intent.replaces]:
            if name not in self.table.orders:  # the market may think that it was growing when it filled
                step.events.append(OrderCancelled(market.id, name, Contracts(0), "gone"))
        replaces: list[ReplaceItem] = []
        places: list[PlaceItem] = []
        for replace in intent.replaces:
            order = self.table.orders.get(replace.client_id)
            if order is None or order.final or order.market != market.id:
                continue
            denial = _doubt(order) or self._objection(intent, market, now, order.outcome, replace, order)
            if denial is None and not self.budget.take(1.0, reserve=reserve):
                denial = ("rate", "the rate budget is spent")
            if denial is None and order.order_id is not None:
                self.table.replace(replace, now)
                self._reassess(market.id)
                price = Micros(replace.ticks * market.tick_micros)
                replaces.append(ReplaceItem(order.client_id, order.order_id, price, replace.size))
                continue
            rule, words = denial or ("unknown", "it is not known to rest")
            self._count(f"denied_{rule}")
            wait = self.budget.wait_ms(1.0, reserve=reserve) if rule == "rate" else 0
            step.events.append(
                OrderUnchanged(market.id, order.client_id, "replace", f"DENIED_{rule}", words, wait, denied=True)
            )
            must_not_stay = replace.ticks < order.target[0] or replace.size < order.target[1]
            if must_not_stay and not order.cancelling and order.client_id not in cancels:
                cancels.append(order.client_id)
        for order_id in cancels:
            self.table.cancel(order_id, now)
            self.budget.take(CANCEL_COST, reserve=-math.inf)
        for place in intent.places:
            if place.client_id in self.table.orders:
                denial = ("duplicate", "an order of this name is live")
            else:
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
        position = self.account.position(market.id)
        leaving = {c.client_id for c in intent.cancels}
        opposing = [
            o.worst_ticks if o.unknown else o.target[0]
            for o in self.table.of(market.id, outcome.opposite)
            if not (o.final or o.cancelling or o.client_id in leaving)
        ]
        others = sum(o.worst_remaining * o.worst_ticks * self._tick(o.market) for o in self.table if o.client_id != cid)
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
        tick = self._tick(market)
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
        if self.account.position(market).resolution is None:
            self._exposures[market] = self._worst_loss(market)
        else:
            self._exposures.pop(market, None)

    # --- cancelling -------------------------------------------------------------------------------

    def _cancel(self, orders: Iterable[WorkingOrder], now: Nanos, step: Step) -> None:
        leaving = [order for order in orders if not (order.final or order.cancelling)]
        for order in leaving:
            self.table.cancel(order.client_id, now)
        if leaving:
            self._send_cancels(leaving, step)

    def _send_cancels(self, orders: list[WorkingOrder], step: Step) -> None:
        items = tuple(CancelItem(order.client_id, order.order_id) for order in orders)
        self.budget.take(CANCEL_COST * len(items), reserve=-math.inf)
        step.requests.append(SendBatch(self._next_op(), items, (), ()))

    def _orphaned(self, order: WorkingOrder, now: Nanos) -> bool:
        """Whether nobody but the desk will see to it that the order goes."""
        silent = now - self._heard_ns.get(order.market, Nanos(0)) > MARKET_SILENCE_NS
        return silent or order.market in self._waiting or order.client_id in self._strangers

    def _cancel_market(self, market: str, now: Nanos, step: Step) -> None:
        self._cancel([o for o in self.table if o.market == market], now, step)

    def _cancel_everything(self, now: Nanos, step: Step) -> None:
        for order in self.table:
            if not (order.final or order.cancelling):
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
        if event.client_id not in self.table.orders:
            self._strangers.pop(event.client_id, None)
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
        there = self.synced and not self._stopping
        return VenueStatus(there, self.offset_ns, self.order_latency_s, self.account.cash_micros)

    def _tell_status(self, step: Step) -> None:
        step.events.append(self._status())

    def _ticks(self, market: str, price_micros: Micros) -> Ticks:
        return Ticks(price_micros // self._tick(market))

    def _tick(self, market: str) -> Micros:
        known = self.markets.get(market)
        return known.tick_micros if known is not None else DEFAULT_TICK

    def _next_op(self) -> int:
        self._op += 1
        return self._op

    def _count(self, what: str, by: int = 1) -> None:
        self.counters[what] = self.counters.get(what, 0) + by


def _name(order: VenueOrder) -> str:
    """What the table calls a venue's order: others' orders may have no client id."""
    return order.client_id or f"order {order.order_id}"


def _doubt(order: WorkingOrder) -> tuple[str, str] | None:
    """Why an order cannot be moved just now, or None."""
    if order.cancelling:
        return "cancelling", "it is being cancelled"
    if order.unknown:
        return "unknown", "nobody knows where it stands"
    return None
