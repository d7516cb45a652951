"""The order desk: the gateway's decision-maker, which alone knows what rests, flies, is unknown and has filled.

It gates every intent, turns the venue's reports into each order's events exactly once, and keeps at a question until it
is answered: nothing is resent blindly, nothing forgotten, a fill is booked once by its id. Pure: requests and events
out.

The work is done by its parts: the portfolio (what is held and may fill), order entry (the way out), admission (what may
leave), reconciliation (what became of it) and the past (what earlier runs left). The desk itself owns the lives of the
market actors, the trading state and the stop.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from mmactors.core.desk.admission import Admission, Conditions
from mmactors.core.desk.order_entry import OrderEntry, Step
from mmactors.core.desk.portfolio import Portfolio
from mmactors.core.desk.reconciliation import ASK_AGAIN_NS, Reconciliation
from mmactors.core.desk.recovery import Recovery
from mmactors.core.orders.table import WorkingOrder
from mmactors.core.params import MakerParams
from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    AllCancelled,
    AssetExposed,
    BatchReported,
    BatchWritten,
    BookChanged,
    BookReported,
    CancelAll,
    CancelAllReported,
    ClockMeasured,
    FetchMarkets,
    FillsFetched,
    Market,
    MarketChanged,
    MarketHeartbeat,
    MarketHydrated,
    MarketListed,
    MarketOverdue,
    MarketReady,
    MarketReported,
    MarketResolved,
    MarketStatus,
    MergePairs,
    MergeReported,
    OrderDenied,
    OrderFetched,
    OrderFilled,
    OrderReported,
    Outcome,
    PastHolding,
    PastSettlement,
    QuoteIntent,
    RiskHeartbeat,
    StreamGapped,
    TradingState,
    TradingStateChanged,
    VenueConnected,
    VenueDisconnected,
    VenuePosition,
    VenueReport,
    VenueStatus,
    WatchBook,
)
from mmactors.units import SECOND, Micros, Nanos, Ticks

__all__ = ["OrderDesk", "Step"]

MARKET_SILENCE_NS = Nanos(3 * SECOND)
"""A market actor unheard for this long has its orders cancelled."""

CANCEL_AGAIN_NS = Nanos(SECOND // 2)
"""How long a refused cancel that no market will repeat waits before it is sent again."""

BOOK_BEFORE_F = 0.05
"""A market's book is followed from so much of the session before an order of it may take liquidity."""

OVERDUE_NS = Nanos(3 * SECOND)
"""A market not known to be resolved so long after its end is asked about, as often: its word may have been missed."""

GIVEN_UP_NS = Nanos(120 * SECOND)
"""So long after its end that is reported to the operator, once, and asked about every minute only."""

GIVEN_UP_ASK_NS = Nanos(60 * SECOND)

MERGE_AGAIN_NS, MERGE_REFUSED_NS = Nanos(SECOND), Nanos(30 * SECOND)
"""Least time from one request to merge pairs to the next, and after one that failed."""


class OrderDesk:
    """Orders, positions and cash of the account, and the way to the venue.

    Args:
        params_of: the parameters of a market.
        prefix: what client ids of this run begin with; other orders found resting are foreign and are cancelled.
        ack_timeout_ns: after this long without an answer an order is unknown.
        merge_below: with less free cash than this (micro-dollars) pairs are turned back into cash where the venue can.
    """

    def __init__(
        self,
        params_of: Callable[[Market], MakerParams],
        *,
        prefix: str,
        ack_timeout_ns: Nanos,
        merge_below: Micros = Micros(0),
    ) -> None:
        self.ack_timeout_ns = ack_timeout_ns
        self.counters: Counter[str] = Counter()
        self.portfolio = Portfolio()
        self.account, self.table, self.markets = self.portfolio.account, self.portfolio.table, self.portfolio.markets
        self.entry = OrderEntry(self.table)
        self.reconciliation = Reconciliation(
            self.portfolio, self.entry, prefix=prefix, ack_timeout_ns=ack_timeout_ns, counters=self.counters
        )
        self.state = TradingState.ACTIVE
        self.blocked: dict[str, int] = {}  # by asset, the direction in which its exposure may not grow
        self.offset_ns = Nanos(0)
        self._offset_trip_ns: Nanos | None = None
        self.account_name = ""
        self._params_of = params_of
        self._admission = Admission(params_of, self.portfolio, self.entry, self.counters)
        self._incarnations: dict[str, int] = {}
        self._last_heartbeat_ns: dict[str, Nanos] = {}
        self._waiting: dict[str, None] = {}  # market actors that began and do not know yet where they stand
        self._posts_only = True
        self._books_due: dict[str, int] = {}  # by market, when to begin to follow its book, on the venue's clock
        self._risk_heartbeat_ns = Nanos(0)
        self._patience_ns = min(CANCEL_AGAIN_NS, ASK_AGAIN_NS, ack_timeout_ns)
        self._cancel_all_at: Nanos | None = None
        self._markets_checked_ns = self._markets_asked_ns = Nanos(0)
        self._given_up: set[str] = set()
        self._unresolved: dict[str, Market] = {}
        self._merge_below = merge_below
        self._can_merge = False
        self._published_cash = Micros(0)
        self._merge_again_ns = Nanos(0)
        self._asks_back = False
        self._recovery = Recovery(self.account)
        self._stopping = self._stop_acked = self._stop_reported = False
        self._stop_op = 0

    @property
    def synced(self) -> bool:
        """Whether the account is what the venue says."""
        return self.reconciliation.synced

    @property
    def start_seq(self) -> int:
        """Where in the venue's stream this run began."""
        return self.reconciliation.start_seq

    def restore(self, settled: Iterable[PastSettlement], orphaned: Iterable[PastHolding] = ()) -> None:
        """Know again what earlier runs did, before the first report.

        What they saw settled, the venue may correct yet; what they left `orphaned`, it settled meanwhile, or will.
        """
        for each in settled:
            self.account.restore(each)
            self._asks_back = True
        for holding in orphaned:
            self._recovery.restore(holding)

    # --- what the program sends -------------------------------------------------------------------

    def tell(self, message: object, now: Nanos) -> Step:
        """Take in one message of the program's own actors."""
        step = Step()
        match message:
            case QuoteIntent():
                self._intend(message, now, step)
            case MarketReady():
                self._incarnations[message.market] = message.incarnation
                self._last_heartbeat_ns[message.market] = now
                self._waiting[message.market] = None
                self._recovery.claim(message.market)
                self._cancel_market(message.market, now, step)
            case MarketHeartbeat() if self._incarnations.get(message.market) == message.incarnation:
                self._last_heartbeat_ns[message.market] = now
            case RiskHeartbeat():
                self._risk_heartbeat_ns = now
            case TradingStateChanged() if not self._stopping:
                self.state = message.state
                if message.state in (TradingState.HALTED, TradingState.TRAPPED):
                    self._cancel_everything(now, step)
                elif message.state is TradingState.REDUCING:
                    self.entry.cancel(self.portfolio.adding(), now, step)
            case AssetExposed():
                if message.blocked and self.blocked.get(message.asset, 0) != message.blocked:
                    self.entry.cancel(self._adding_to(message.asset, message.blocked), now, step)
                self.blocked[message.asset] = message.blocked
            case CancelAll() if message.market is not None:
                self._cancel_market(message.market, now, step)
            case CancelAll():
                self._stopping, self._stop_acked, self._stop_reported = True, False, False
                self.state = TradingState.HALTED
                self._stop_op = self._cancel_everything(now, step)
                self._publish_status(step)
            case _:
                pass
        return self._finish(step)

    def check(self, now: Nanos) -> Step:
        """Let time pass: ask about what went unanswered, cancel for silent markets, report when all is cancelled."""
        step = Step()
        self.entry.budget.refill(now)
        missing_fills, patient_ns, live = False, now - self._patience_ns, self._live_markets(now)
        due = []
        for order in self.table.orders.values():
            missing_fills = missing_fills or order.final
            if order.since_ns >= patient_ns:
                continue  # nothing is due so soon after the last request
            if order.in_flight or order.market not in live or self.reconciliation.foreign:
                due.append(order)
        for order in due:
            if self._unattended(order, live, now):
                self.entry.cancel([order], now, step)
            elif order.in_flight:
                self.reconciliation.requery(order, now, step, ask=self.synced or self._stopping)
        self.reconciliation.requery_fills(now, step, missing_fills=missing_fills)
        for name, due_ns in list(self._books_due.items()):
            if now + self.offset_ns >= due_ns:
                del self._books_due[name]
                step.requests.append(WatchBook(name, on=True))
        if now - self._markets_checked_ns >= OVERDUE_NS:
            self._markets_checked_ns = now
            if self._overdue(now, step):
                self._markets_asked_ns = now
                step.requests.append(FetchMarkets("RESOLVED"))
            if self._recovery:
                self._recovery.check(self._unresolved, now, step)
        cash = self.account.cash_micros
        if cash != self._published_cash and cash < self._merge_below and self.synced:
            self._publish_status(step)  # short of cash, ladders must be cut to what there is
        if self._can_merge and self.synced and not self._stopping and now >= self._merge_again_ns:
            self._merge(now, step)
        at = self._cancel_all_at
        if at is not None and now - at > self.ack_timeout_ns and not self._stop_reported:
            self._cancel_everything(now, step)
        if self._stop_acked and not self._stop_reported and len(self.table) == 0:
            self._stop_reported = True
            step.events.append(AllCancelled(0))
        return self._finish(step)

    def forget(self, market: str) -> None:
        """Drop what is kept for a market actor that has retired."""
        self._last_heartbeat_ns.pop(market, None)
        self._incarnations.pop(market, None)
        self._waiting.pop(market, None)
        self._books_due.pop(market, None)

    # --- what the venue reports -------------------------------------------------------------------

    def report(self, report: VenueReport, now: Nanos) -> Step:
        """Take in one report of the venue's client."""
        step = Step()
        match report:
            case BookReported():
                self._book(report, step)
            case OrderReported():
                self.reconciliation.saw(report.seq)
                if report.fill is not None:
                    self.reconciliation.fill(report.fill, step)
                self.reconciliation.order(report, now, step)
            case BatchReported():
                self.entry.answered(report)
                for result in report.results:
                    self.reconciliation.result(result, now, step)
            case BatchWritten():
                self.entry.written(report)
            case VenueConnected():
                self.account_name = report.account
                self.reconciliation.connect()
                self.entry.connected(report, now)
                self._admission.can_replace = "replace" in report.capabilities
                self._posts_only = "post_only" in report.capabilities
                self._can_merge = "merge" in report.capabilities
            case VenueDisconnected():
                if self.reconciliation.connected:
                    step.events.append(report)
                self.entry.disconnected()
                self.reconciliation.disconnect(step)
                self._publish_status(step)
            case ClockMeasured():
                self._measured(report)
                self._publish_status(step)
            case AccountSnapshot():
                self.reconciliation.snapshot(report, now, step)
                for event in step.events if self._recovery else ():
                    if isinstance(event, VenuePosition):
                        self._recovery.hold(event)
            case FillsFetched() if self._recovery and report.since_seq < self.start_seq:
                self._recovery.fetched(report, now, step)
            case FillsFetched():
                if self.reconciliation.fills(report, now, step):
                    self._publish_status(step)
                    self._ask_back(now, step)
            case StreamGapped():
                self.reconciliation.gap()
            case AccountReported():
                self.reconciliation.saw(report.seq)
                if report.reason == "adjust":
                    self.account.cash_micros = report.cash_micros
                elif report.reason == "merge":
                    self.reconciliation.merged(report, step)
                self._publish_status(step)
            case MergeReported() if report.error is not None:
                self.counters["merges_failed"] += 1
                self._merge_again_ns = Nanos(now + MERGE_REFUSED_NS)
            case CancelAllReported():
                if report.error is None:
                    self._cancel_all_at = now if self._stopping else None
                    self._stop_acked = self._stop_acked or (self._stopping and report.op_id >= self._stop_op)
                else:
                    self.counters["cancel_all_failed"] += 1
            case OrderFetched():
                self.reconciliation.fetched(report, now, step)
            case MarketReported():
                self._market(report.market, report.event, step)
                if self._recovery and report.market.status is MarketStatus.RESOLVED:
                    self._recovery.resolved(report.market, now, step)
        return self._finish(step)

    def _ask_back(self, now: Nanos, step: Step) -> None:
        """Ask the venue, once, about what earlier runs settled or left."""
        if self._recovery:
            self._recovery.begin(self.start_seq, now, step)
        elif self._asks_back:
            step.requests.append(FetchMarkets("RESOLVED"))
        self._asks_back = False

    def _market(self, market: Market, event: str, step: Step) -> None:
        known = self.markets.get(market.id)
        if known is not None and known.status is MarketStatus.RESOLVED and market.status is not MarketStatus.RESOLVED:
            return
        self.portfolio.learn(market)
        if market.status is MarketStatus.RESOLVED:
            self._unresolved.pop(market.id, None)
        else:
            self._unresolved[market.id] = market
        if market.status is MarketStatus.RESOLVED and market.resolution is not None:
            if known is None and market.id not in self.account.positions:
                return
            if known is None or known.resolution is not market.resolution:
                before = self.account.position(market.id).resolution
                if before is market.resolution:
                    return  # an earlier run saw it settled so
                again = before is not None
                change = self.portfolio.settle(market, market.resolution)
                if again and event == "snapshot" and known is None:  # the cash that was adopted has it already
                    self.account.cash_micros = Micros(self.account.cash_micros - change)
                step.events.append(MarketResolved(market, market.resolution, change if again else Micros(0)))
                self._publish_status(step)
                if known is not None:
                    step.requests.append(WatchBook(market.id, on=False))
        elif known is None:
            step.events.append(MarketListed(market))
        elif known != market:
            if market.id in self._books_due:
                self._books_due[market.id] = self._book_due_ns(market) or 0
            step.events.append(MarketChanged(market, event))

    def _merge(self, now: Nanos, step: Step) -> None:
        """Ask for cash back for the pairs of one market, if cash is short."""
        if self.portfolio.free_cash(besides="") >= self._merge_below:
            return
        market, pairs = self.portfolio.mergeable()
        if pairs:
            self._merge_again_ns = Nanos(now + MERGE_AGAIN_NS)
            self.reconciliation.merging = market
            step.requests.append(MergePairs(market, pairs))

    def _overdue(self, now: Nanos, step: Step) -> bool:
        """Whether to ask for a market whose end has passed without a word on how: snapshots leave out what is resolved.

        One that is long overdue is reported, once.
        """
        ask, patient = False, now - self._markets_asked_ns < GIVEN_UP_ASK_NS
        for market in self._unresolved.values():
            late_ns = now + self.offset_ns - market.expires_venue_ns
            if late_ns <= OVERDUE_NS:
                continue
            ask = ask or not (patient and market.id in self._given_up)
            if late_ns > GIVEN_UP_NS and market.id not in self._given_up:
                self._given_up.add(market.id)
                position = self.account.position(market.id)
                step.events.append(MarketOverdue(market, position.yes, position.no))
        return ask

    def _book(self, report: BookReported, step: Step) -> None:
        if report.market in self.markets:
            bid, ask = self._ticks(report.market, report.bid_micros), self._ticks(report.market, report.ask_micros)
            step.events.append(BookChanged(report.market, bid, ask))

    def _ticks(self, market: str, price: Micros | None) -> Ticks | None:
        return None if price is None else self.portfolio.ticks(market, price)

    # --- the markets' actors ----------------------------------------------------------------------

    def _intend(self, intent: QuoteIntent, now: Nanos, step: Step) -> None:
        if self._incarnations.get(intent.market) != intent.incarnation:
            self.counters["fenced_intents"] += 1
            return
        self._last_heartbeat_ns[intent.market] = now
        market = self.markets.get(intent.market)
        if market is None:
            self.counters["intents_for_unknown_markets"] += 1
            for place in intent.places:
                step.events.append(OrderDenied(intent.market, place.client_id, "market", "the venue lists none such"))
            return
        age_ns, blocked = now - self._risk_heartbeat_ns, self.blocked.get(market.asset, 0)
        conditions = Conditions(now, self.offset_ns, self.state, age_ns, self.synced, blocked)
        self._admission.admit(intent, market, conditions, step)

    def _adding_to(self, asset: str, direction: int) -> list[WorkingOrder]:
        outcome = Outcome.YES if direction > 0 else Outcome.NO
        there = {name for name, market in self.markets.items() if market.asset == asset}
        return [order for order in self.portfolio.adding() if order.outcome is outcome and order.market in there]

    def _live_markets(self, now: Nanos) -> set[str]:
        """The markets whose actors are there to cancel their orders."""
        since_ns = now - MARKET_SILENCE_NS
        heartbeats = self._last_heartbeat_ns
        return {name for name, at_ns in heartbeats.items() if at_ns >= since_ns and name not in self._waiting}

    def _unattended(self, order: WorkingOrder, live: set[str], now: Nanos) -> bool:
        """Whether it is time to cancel an order for want of anybody else who would."""
        if order.market in live and not self.reconciliation.is_foreign(order.client_id):
            return False
        return not (order.final or order.cancelling) and now - order.since_ns > CANCEL_AGAIN_NS

    def _measured(self, clock: ClockMeasured) -> None:
        """Take on what is not measured much worse, or what the round trips do not explain."""
        trip_ns = clock.round_trip_ns
        known_ns, off_ns = self._offset_trip_ns, abs(clock.offset_ns - self.offset_ns)
        if known_ns is None or trip_ns <= 2 * known_ns or off_ns > (trip_ns + known_ns) // 2:
            self.offset_ns, self._offset_trip_ns = clock.offset_ns, trip_ns

    def _cancel_market(self, market: str, now: Nanos, step: Step) -> None:
        self.entry.cancel([order for order in self.table if order.market == market], now, step)

    def _cancel_everything(self, now: Nanos, step: Step) -> int:
        self._cancel_all_at = now
        return self.entry.cancel_all(now, step)

    def _finish(self, step: Step) -> Step:
        if self._waiting and self.synced:
            self._hydrate(step)
        if self._recovery:
            for event in step.events:
                if isinstance(event, OrderFilled):
                    self._recovery.fill(event)
        return step

    def _hydrate(self, step: Step) -> None:
        for name in list(self._waiting):
            market = self.markets.get(name)
            if market is None or any(order.market == name for order in self.table):
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
                    order_latency_s=self.entry.latency_s,
                    cash_micros=self.account.cash_micros,
                    fees_micros=position.fees_micros,
                    merged_micros=position.merged_micros,
                )
            )
            book_due_ns = self._book_due_ns(market)
            if book_due_ns is not None:
                self._books_due[name] = book_due_ns

    def _book_due_ns(self, market: Market) -> int | None:
        """Return from when on a market's book is of use to anybody (the venue's clock); None for never.

        Each reader has its reason here: so far only orders that take liquidity late. Most of a book's changes come
        before that, and each would travel to the market to be dropped.
        """
        if not self._posts_only:
            return 0  # what would take is held back by the book as it is known
        limits = self._params_of(market).inventory
        if not limits.cross:
            return None
        return market.expires_venue_ns - round((limits.cross_f + BOOK_BEFORE_F) * market.duration_ns)

    def _publish_status(self, step: Step) -> None:
        there = self.synced and not self._stopping
        self._published_cash = self.account.cash_micros
        step.events.append(VenueStatus(there, self.offset_ns, self.entry.latency_s, self.account.cash_micros))
