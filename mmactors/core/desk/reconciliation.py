"""Reconciliation: turns the venue's reports into each order's events, until the account is what the venue says.

It keeps at a question until it is answered: nothing unknown is taken for gone, nothing that rests goes unseen, a fill
is booked once by its id. The account is in step (`synced`) once a snapshot and every fill before it are in. What may be
sent, and to whom events go, is not known here.
"""

import math
from collections import Counter

from mmactors.core.desk.order_entry import OrderEntry, Step
from mmactors.core.desk.portfolio import DEFAULT_TICK, Portfolio
from mmactors.core.orders.table import WorkingOrder
from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    FetchFills,
    FetchOrder,
    FillsFetched,
    ItemResult,
    OrderAccepted,
    OrderCancelled,
    OrderEvent,
    OrderFetched,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderReported,
    OrderUnchanged,
    OrderUnknown,
    Outcome,
    PairsMerged,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks

ASK_AGAIN_NS = Nanos(2 * SECOND)
"""How long an unknown order, or a missing fill, waits before it is asked about again."""

MOST_QUERIES = 2
"""Queried so often without an answer, an unconfirmed order is cancelled as well: the session may stand while REST is
away, and what nobody can move rests at a price of long ago."""

LIVE = ("OPEN", "PARTIAL")
GONE = ("CANCELLED", "EXPIRED", "REJECTED")


class Reconciliation:
    """Keeps the portfolio in step with the venue. Requests and events are appended to the step at hand.

    Args:
        portfolio: what is kept in step.
        entry: the way out, to cancel by.
        prefix: what client ids of this run begin with; other orders found resting are foreign and are cancelled.
        ack_timeout_ns: after this long without an answer an order is unknown.
        counters: where what is odd is counted.

    Attributes:
        connected: whether the order session stands.
        synced: whether the account is what the venue says; without it nothing new may leave.
        seq: up to here of the venue's stream every fill is in; `start_seq` is where this run began.
        merging: the market whose pairs were last asked to be merged, until the venue has said how it went.
    """

    def __init__(
        self, portfolio: Portfolio, entry: OrderEntry, *, prefix: str, ack_timeout_ns: Nanos, counters: Counter[str]
    ) -> None:
        self.connected = False
        self.synced = False
        self.seq = 0
        self.start_seq = 0
        self.merging: str | None = None
        self._portfolio = portfolio
        self._table = portfolio.table
        self._entry = entry
        self._prefix = prefix
        self._ack_timeout_ns = ack_timeout_ns
        self._counters = counters
        self._adopted = False
        self._held: tuple[int, VenuePosition] | None = None  # what a snapshot says is held where a merge is unconfirmed
        self._since_held: Counter[Outcome] = Counter()  # contracts bought there after it
        self._missing: frozenset[str] | None = None  # rested, but not in the snapshot: gone once the fills are in
        self._foreign: dict[str, int] = {}  # not placed by us; their fills up to this seq are counted in `filled`
        self._absent: set[str] = set()  # places that the venue did not know when it was asked once
        self._lost: set[str] = set()  # places given up for lost; one that turns up after all is cancelled
        self._vanished: dict[str, int] = {}  # rested, but the venue knows them no more: gone at this page of fills
        self._pages_asked = self._pages_received = self._page_needed = 0  # they are answered in order
        self._fills_asked_ns = Nanos(0)

    # --- the connection ---------------------------------------------------------------------------

    def connect(self) -> None:
        """Begin a session: a snapshot is on its way."""
        self.connected, self.synced, self._missing = True, False, None

    def disconnect(self, step: Step) -> None:
        """End a session: what was in flight is unknown."""
        self.connected, self.synced, self._missing = False, False, None
        for order in self._table:
            if order.in_flight and not order.unknown:
                self._happened(OrderUnknown(order.market, order.client_id, "connection lost"), step)
            if order.order_id is None:
                self._absent.add(order.client_id)  # nothing is on its way any more: one answer will do

    def gap(self) -> None:
        """Fall out of step: the stream skipped something, and a snapshot is on its way.

        A page of fills that an earlier snapshot asked for may have been made before what was skipped now.
        """
        self.synced, self._missing = False, None
        self._counters["stream_gaps"] += 1

    def saw(self, seq: int) -> None:
        """Every fill up to `seq` is in, unless the stream had a gap that is not yet filled."""
        if self.synced:
            self.seq = max(self.seq, seq)

    # --- the account as a whole -------------------------------------------------------------------

    def snapshot(self, snapshot: AccountSnapshot, now: Nanos, step: Step) -> None:
        """Compare the orders with the venue's; the first snapshot also brings cash and positions."""
        if not self._adopted:
            self._adopted = True
            self.seq = self.start_seq = snapshot.seq
            self._portfolio.account.cash_micros = snapshot.cash_micros
            for position in snapshot.positions:
                self._portfolio.adopt(position)
                step.events.append(position)
        self._held = None
        for position in snapshot.positions:
            if position.market == self.merging:
                self._held = snapshot.seq, position
                self._since_held.clear()
        foreign = []
        for venue_order in snapshot.orders:
            order = self._table.orders.get(_name(venue_order))
            if order is None:
                foreign.append(self._adopt_foreign(venue_order, snapshot.seq, now))
            elif order.unknown or not order.in_flight:  # what is in flight on this connection is answered on it
                self._align(order, venue_order, step)
        self._entry.cancel(foreign, now, step)
        resting = {_name(venue_order) for venue_order in snapshot.orders}
        self._missing = frozenset(
            order.client_id for order in self._table if order.order_id is not None and order.client_id not in resting
        )
        self._ask_fills(now, step)
        self._page_needed = self._pages_asked

    def fills(self, report: FillsFetched, now: Nanos, step: Step) -> bool:
        """Book a page of fills, and end the orders that waited for it; return whether that puts us in step."""
        self._pages_received = min(self._pages_received + 1, self._pages_asked)
        if report.error is not None:
            self._counters["fills_fetch_failed"] += 1  # `requery_fills` asks again
            return False
        for fill in report.fills:
            self.fill(fill, step)
            self.seq = max(self.seq, fill.seq)
        for name, page in list(self._vanished.items()):
            if page <= self._pages_received:
                del self._vanished[name]
                order = self._table.orders.get(name)
                if order is not None and order.unknown:
                    self._end(order, order.filled, "gone", step)
        if self._missing is None or self._pages_received < self._page_needed:
            return False
        for order in self._table:
            if order.client_id in self._missing:
                self._end(order, order.filled, "gone", step)
            elif order.unknown and order.order_id is None:
                self._ask(order, now, step)
        if self._held is not None:
            _, held = self._held
            self._merged(held.market, *self._before(held), step)
            self._held = None
        self._missing = None
        self._absent &= self._table.orders.keys()
        self.synced = self.connected
        return self.synced

    def fill(self, fill: VenueFill, step: Step) -> None:
        """Book a fill once, by its id."""
        event = filled(fill, self._portfolio.tick(fill.market))
        if not self._portfolio.book(event):
            self._counters["duplicate_fills"] += 1
            return
        if self._held is not None and fill.seq > self._held[0] and fill.market == self._held[1].market:
            self._since_held[fill.outcome] += fill.size
        if fill.client_id not in self._table.orders:
            self._counters["fills_of_finished_orders"] += 1
        if fill.seq <= self._foreign.get(fill.client_id, -1):
            step.events.append(event)
        else:
            self._happened(event, step)

    def merged(self, report: AccountReported, step: Step) -> None:
        """Take in the stream's word that pairs were merged; out of step, the snapshot on its way says the same."""
        if self.synced and report.market is not None and report.yes is not None and report.no is not None:
            self._merged(report.market, report.yes, report.no, step)

    def _before(self, held: VenuePosition) -> tuple[int, int]:
        return held.yes + self._since_held[Outcome.YES], held.no + self._since_held[Outcome.NO]

    def _merged(self, market: str, yes: int, no: int, step: Step) -> None:
        """Book as merged what is missing of both outcomes alike."""
        self.merging = None
        position = self._portfolio.account.position(market)
        pairs = Contracts(position.yes - yes)
        if position.resolution is not None or pairs <= 0:
            return
        if position.no - no != pairs:
            self._counters["merges_unclear"] += 1  # the settlement pays for a pair what the merge did
            return
        self._portfolio.merge(market, pairs)
        step.events.append(PairsMerged(market, pairs))

    # --- one order --------------------------------------------------------------------------------

    def order(self, report: OrderReported, now: Nanos, step: Step) -> None:
        """Take in the stream's word on one order, its fill apart."""
        name = _name(report.order)
        order = self._table.orders.get(name)
        if order is None:
            if report.order.status in LIVE and (name in self._lost or not name.startswith(self._prefix)):
                self._entry.cancel([self._adopt_foreign(report.order, report.seq, now)], now, step)
            return
        if report.reason == "reject":  # the answer to its batch says why
            return
        if order.order_id is None:
            self._happened(OrderAccepted(order.market, order.client_id, report.order.order_id), step)
        if report.order.status in GONE:
            self._end(order, report.order.filled, report.reason, step)

    def result(self, result: ItemResult, now: Nanos, step: Step) -> None:
        """Take in the answer to one item of a batch."""
        order = self._table.orders.get(result.client_id)
        if order is None or order.final:
            return
        market, name, error = order.market, order.client_id, result.error
        if error is None and result.order is not None:
            self._done(order, result.action, result.order, step)
        elif error is None:
            self._mark_unconfirmed(order, "an answer without the order", now, step)
        elif error.code == "ORDER_NOT_FOUND" and name in self._foreign:
            self._end(order, order.filled, error.code, step)
        elif error.kind == "unknown" or error.code == "ORDER_NOT_FOUND":
            self._mark_unconfirmed(order, error.code, now, step)
        elif result.original_cancelled or (result.order is not None and result.order.status not in LIVE):
            filled = result.order.filled if result.order is not None else order.filled
            self._end(order, filled, error.code, step)
        elif error.code == "ORDER_NOT_OPEN":  # without the word on how it ended
            self._mark_unconfirmed(order, error.code, now, step)
        elif result.action == "place":
            self._counters[f"rejected_{error.code}"] += 1
            self._happened(OrderRejected(market, name, error.code, error.message, error.retry_after_ms), step)
        else:
            self._counters[f"refused_{error.code}"] += 1
            self._happened(
                OrderUnchanged(market, name, result.action, error.code, error.message, error.retry_after_ms), step
            )

    def fetched(self, report: OrderFetched, now: Nanos, step: Step) -> None:
        """Take in the answer to a question about an unknown order."""
        order = self._table.orders.get(report.client_id)
        if order is None or report.error is not None or order.final or not order.unknown:
            return
        if report.order is not None:
            self._align(order, report.order, step)
        elif order.order_id is not None:  # not found is not final by itself: fills first
            self._ask_fills(now, step)
            self._vanished[order.client_id] = self._pages_asked
        elif order.client_id not in self._absent:  # it may still be on its way: `requery` asks again
            self._absent.add(order.client_id)
        else:
            self._absent.discard(order.client_id)
            self._lost.add(order.client_id)
            message = "the venue knows no such order"
            self._happened(OrderRejected(order.market, order.client_id, "LOST", message), step)

    # --- what is not answered ---------------------------------------------------------------------

    def requery(self, order: WorkingOrder, now: Nanos, step: Step, *, ask: bool) -> None:
        """Take an order that went unanswered as unconfirmed; query one again, if `ask`, and in the end cancel it."""
        waited = now - order.since_ns
        if order.final:  # its fills are missing, see `requery_fills`
            return
        if order.unknown:
            if ask and waited > ASK_AGAIN_NS:
                self._ask(order, now, step)
                if order.queries > MOST_QUERIES and self.connected:
                    self._entry.cancel_again(order, now, step)
        elif order.in_flight and waited > self._ack_timeout_ns:
            self._mark_unconfirmed(order, "no answer", now, step)

    def requery_fills(self, now: Nanos, step: Step, *, missing_fills: bool) -> None:
        """Ask again for the missing fills of a finished order, or for those that keep us out of step."""
        behind = self.connected and self._missing is not None
        if (missing_fills or behind) and now - self._fills_asked_ns > ASK_AGAIN_NS:
            self._ask_fills(now, step)

    @property
    def foreign(self) -> bool:
        """Whether any order that may still fill was not placed by this run."""
        return bool(self._foreign)

    def is_foreign(self, client_id: str) -> bool:
        """Whether the order was not placed by this run."""
        return client_id in self._foreign

    # --- events and questions ---------------------------------------------------------------------

    def _adopt_foreign(self, venue_order: VenueOrder, seq: int, now: Nanos) -> WorkingOrder:
        """Take an order that is not ours into the table, so that it counts, and is kept at until it is gone."""
        self._counters["strangers_cancelled"] += 1
        name = _name(venue_order)
        self._foreign[name] = seq
        return self._portfolio.adopt_order(name, venue_order, now)

    def _done(self, order: WorkingOrder, action: str, venue_order: VenueOrder, step: Step) -> None:
        if action == "place" and order.order_id is None:
            self._happened(OrderAccepted(order.market, order.client_id, venue_order.order_id), step)
        if venue_order.status in GONE or (action == "cancel" and venue_order.status == "FILLED"):
            self._end(order, venue_order.filled, action, step)
        elif action == "replace" and (venue_order.version == 0 or venue_order.version > order.version):
            self._replaced(order, venue_order, step)
        order.version = max(order.version, venue_order.version)

    def _align(self, order: WorkingOrder, venue_order: VenueOrder, step: Step) -> None:
        """Make one order what the venue says it is, whatever was in flight."""
        if order.final:
            return
        market, name = order.market, order.client_id
        self._absent.discard(name)
        if order.order_id is None:
            self._happened(OrderAccepted(market, name, venue_order.order_id), step)
        if venue_order.status in GONE or venue_order.status == "FILLED":
            self._end(order, venue_order.filled, venue_order.status.lower(), step)
            return
        if venue_order.version < order.version:
            return  # older than what is known
        order.version = venue_order.version
        if order.cancelling:
            self._happened(OrderUnchanged(market, name, "cancel", "ALIVE", "still rests"), step)
        while len(order.pending_replaces) > 1:
            self._happened(OrderUnchanged(market, name, "replace", "SETTLED", "settled by query"), step)
        ticks = self._portfolio.ticks(market, venue_order.price_micros)
        if order.unknown or order.pending_replaces or (order.ticks, order.size) != (ticks, venue_order.size):
            self._replaced(order, venue_order, step)

    def _replaced(self, order: WorkingOrder, venue_order: VenueOrder, step: Step) -> None:
        ticks = self._portfolio.ticks(order.market, venue_order.price_micros)
        self._happened(OrderReplaced(order.market, order.client_id, ticks, venue_order.size), step)

    def _end(self, order: WorkingOrder, filled: int, reason: str, step: Step) -> None:
        if not order.final:
            self._happened(OrderCancelled(order.market, order.client_id, Contracts(filled), reason), step)

    def _mark_unconfirmed(self, order: WorkingOrder, reason: str, now: Nanos, step: Step) -> None:
        if not order.unknown:
            self._happened(OrderUnknown(order.market, order.client_id, reason), step)
        order.since_ns = now
        if not self.is_foreign(order.client_id):
            self._ask(order, now, step)

    def _ask(self, order: WorkingOrder, now: Nanos, step: Step) -> None:
        order.since_ns = now
        if self.is_foreign(order.client_id):  # it may have no client id to be asked for by, and cancelling is safe
            self._entry.send_cancels([order], step)
        else:
            order.queries += 1
            step.requests.append(FetchOrder(order.client_id))

    def _ask_fills(self, now: Nanos, step: Step) -> None:
        self._fills_asked_ns = now
        self._pages_asked += 1
        step.requests.append(FetchFills(self.seq))

    def _happened(self, event: OrderEvent, step: Step) -> None:
        self._portfolio.apply(event)
        if event.client_id not in self._table.orders:
            self._foreign.pop(event.client_id, None)
        step.events.append(event)


def filled(fill: VenueFill, tick: Micros = DEFAULT_TICK) -> OrderFilled:
    """Return a fill in our own words: in ticks of its market, or finer ones if its price lies between them."""
    tick = Micros(math.gcd(tick, fill.price_micros))  # exact, whatever the price
    return OrderFilled(
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


def _name(order: VenueOrder) -> str:
    """What the table calls a venue's order: others' orders may have no client id."""
    return order.client_id or f"order {order.order_id}"
