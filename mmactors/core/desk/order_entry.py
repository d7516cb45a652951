"""Order entry: whatever leaves for the venue leaves here, numbered, paid for from the rate budget, and timed.

It does not judge what leaves (admission and the gate do), nor learn what became of it (reconciliation does).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmactors.core.orders.table import OrderTable, WorkingOrder
from mmactors.messages import (
    BatchReported,
    BatchWritten,
    CancelItem,
    Market,
    PlaceItem,
    PlaceOrder,
    ReplaceItem,
    ReplaceOrder,
    SendBatch,
    SendCancelAll,
    VenueConnected,
    VenueRequest,
)
from mmactors.units import Micros, Nanos, seconds

CANCEL_COST = 0.2
CANCEL_RESERVE = 0.2
"""What a cancel costs of the rate budget, and the share of the burst that only cancels may use."""


@dataclass(slots=True)
class Step:
    """What one step of the desk asks of the venue and reports to the program."""

    requests: list[VenueRequest] = field(default_factory=list)
    events: list[object] = field(default_factory=list)


@dataclass(slots=True)
class RateBudget:
    """The venue's token bucket, as we count it: a tenth below what it allows."""

    rate: float = 10.0
    burst: float = 20.0
    tokens: float = 20.0
    at_ns: int = 0

    def refill(self, now: Nanos) -> None:
        """Let time pass."""
        if self.tokens < self.burst:
            self.tokens = min(self.burst, self.tokens + self.rate * seconds(max(0, now - self.at_ns)))
        self.at_ns = now

    def take(self) -> bool:
        """Spend what an order costs, unless that touches what is reserved for cancels."""
        if self.tokens - 1.0 < CANCEL_RESERVE * self.burst:
            return False
        self.tokens -= 1.0
        return True

    def take_cancels(self, count: int = 1) -> None:
        """Spend what cancels cost. Nothing holds them back, so this may end below zero."""
        self.tokens -= CANCEL_COST * count

    @property
    def wait_ms(self) -> int:
        """How long until `take` would succeed."""
        return max(10, round(1000 * (1.0 + CANCEL_RESERVE * self.burst - self.tokens) / self.rate))


class OrderEntry:
    """The one way out. Requests are appended to the step at hand.

    Attributes:
        budget: what may still be sent.
        latency_s: the smoothed one-way delay of a batch.
    """

    def __init__(self, table: OrderTable) -> None:
        self.budget = RateBudget()
        self.latency_s = 0.1
        self._table = table
        self._op = 0
        self._sent_ns: dict[int, Nanos] = {}

    def connected(self, report: VenueConnected, now: Nanos) -> None:
        """Take on the connection's rate; half of the burst may be spent already."""
        self.budget = RateBudget(max(0.9 * report.orders_per_s, 0.1), 0.9 * report.burst, 0.5 * report.burst, now)

    def disconnected(self) -> None:
        """Expect no answer any more."""
        self._sent_ns.clear()

    def written(self, report: BatchWritten) -> None:
        """Note when a batch went to the socket."""
        self._sent_ns[report.op_id] = report.at_ns

    def answered(self, report: BatchReported) -> None:
        """Measure the delay on a batch's acknowledgement."""
        sent = self._sent_ns.pop(report.op_id, None)
        if sent is not None:
            one_way = seconds(report.received_ns - sent) / 2
            self.latency_s += 0.1 * (one_way - self.latency_s)

    def send(
        self,
        market: Market,
        cancels: Sequence[str],
        replaces: Sequence[ReplaceOrder],
        places: Sequence[PlaceOrder],
        step: Step,
    ) -> None:
        """Send a market's admitted changes, already entered in the table and paid for, as one batch."""
        orders = self._table.orders
        replace_items = []
        for replace in replaces:
            order_id = orders[replace.client_id].order_id
            assert order_id is not None  # what is not known to rest is not admitted
            price = Micros(replace.ticks * market.tick_micros)
            replace_items.append(ReplaceItem(replace.client_id, order_id, price, replace.size))
        step.requests.append(
            SendBatch(
                self._next_op(),
                tuple(CancelItem(client_id, orders[client_id].order_id) for client_id in cancels),
                tuple(replace_items),
                tuple(
                    PlaceItem(
                        place.client_id,
                        market.id,
                        place.outcome,
                        Micros(place.ticks * market.tick_micros),
                        place.size,
                        place.post_only,
                        place.immediate,
                    )
                    for place in places
                ),
            )
        )

    def cancel(self, orders: Iterable[WorkingOrder], now: Nanos, step: Step) -> None:
        """Cancel those of the orders that are not leaving already."""
        leaving = self._leave(orders, now)
        if leaving:
            self.send_cancels(leaving, step)

    def cancel_again(self, order: WorkingOrder, now: Nanos, step: Step) -> None:
        """Cancel an order, whether or not it is leaving already."""
        self._table.cancel(order.client_id, now)
        self.send_cancels([order], step)

    def cancel_all(self, now: Nanos, step: Step) -> int:
        """Cancel everything of the account with one request, whatever we know of; return the request's number."""
        self._leave(self._table, now)
        op = self._next_op()
        step.requests.append(SendCancelAll(op, None))
        return op

    def send_cancels(self, orders: Sequence[WorkingOrder], step: Step) -> None:
        """Send cancels, also for orders that are leaving already."""
        self.budget.take_cancels(len(orders))
        items = tuple(CancelItem(order.client_id, order.order_id) for order in orders)
        step.requests.append(SendBatch(self._next_op(), items, (), ()))

    def _leave(self, orders: Iterable[WorkingOrder], now: Nanos) -> list[WorkingOrder]:
        leaving = [order for order in orders if not (order.final or order.cancelling)]
        for order in leaving:
            self._table.cancel(order.client_id, now)
        return leaving

    def _next_op(self) -> int:
        self._op += 1
        return self._op
