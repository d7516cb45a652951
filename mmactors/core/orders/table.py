"""Orders from intent to end: their states, and the table that holds them.

The same table serves one market's Maker and the gateway's desk; both apply the same events, so both count the same
exposure. An order lives until the venue says otherwise: whatever might still fill counts, at its worst price and size.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from mmactors.messages import (
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
    PlaceOrder,
    ReplaceOrder,
)
from mmactors.units import Nanos, Ticks


class OrderState(StrEnum):
    """Where an order stands. PENDING, REPLACING and CANCELLING wait for the venue's word; UNKNOWN lost it."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    REPLACING = "REPLACING"
    CANCELLING = "CANCELLING"
    UNKNOWN = "UNKNOWN"
    FINAL = "FINAL"


@dataclass(slots=True)
class WorkingOrder:
    """One order; what may still come of it is its own to say, whether it may leave is not.

    Attributes:
        size: total contracts, fills included.
        since_ns: when the last request about it left.
        pending_replaces: price and total size of every replace in flight, oldest first.
        missing_fills: contracts that the venue reports as filled on a finished order before the fills themselves come.
        version: the newest of the venue's versions of it that was seen; 0 where the venue numbers none.
        queries: how often the venue was asked about it since it became unconfirmed.
    """

    client_id: str
    market: str
    outcome: Outcome
    ticks: Ticks
    size: int
    since_ns: Nanos
    immediate: bool = False
    order_id: str | None = None
    filled: int = 0
    pending_replaces: list[tuple[Ticks, int]] = field(default_factory=list)
    cancelling: bool = False
    unknown: bool = False
    final: bool = False
    missing_fills: int = 0
    version: int = 0
    queries: int = 0
    counted: tuple[int, int, int, bool] = field(default=(0, 0, 0, False), repr=False, compare=False)
    """Its part of its side's sums, as `SideOrders.recount` left it."""

    @property
    def state(self) -> OrderState:
        """The order's state, the most doubtful that applies."""
        if self.final:
            return OrderState.FINAL
        if self.unknown:
            return OrderState.UNKNOWN
        if self.cancelling:
            return OrderState.CANCELLING
        if self.order_id is None:
            return OrderState.PENDING
        return OrderState.REPLACING if self.pending_replaces else OrderState.OPEN

    @property
    def in_flight(self) -> bool:
        """Whether an answer of the venue is awaited."""
        return not self.final and (
            self.order_id is None or bool(self.pending_replaces) or self.cancelling or self.unknown
        )

    @property
    def target(self) -> tuple[Ticks, int]:
        """Price and total size once everything in flight has happened."""
        return self.pending_replaces[-1] if self.pending_replaces else (self.ticks, self.size)

    @property
    def worst_remaining(self) -> int:
        """Contracts that may still fill."""
        if self.final:
            return self.missing_fills
        largest = self.size
        for _, size in self.pending_replaces:
            if size > largest:
                largest = size
        return largest - self.filled if largest > self.filled else 0

    @property
    def worst_ticks(self) -> int:
        """The highest price at which it may still fill."""
        highest = self.ticks
        for ticks, _ in self.pending_replaces:
            if ticks > highest:
                highest = ticks
        return highest

    def cost_of_replace(self, ticks: int, remaining: int) -> tuple[int, int]:
        """Return how many contracts may fill, at most, once a move is on its way, and what they may cost, in ticks.

        What rests may fill at its old price before the move arrives, and only the rest at the new one.
        """
        left, before = self.worst_remaining, self.worst_ticks
        if ticks >= before:
            return max(left, remaining), max(left * before, remaining * ticks)
        return max(left, remaining), left * before + max(remaining - left, 0) * ticks


class SideOrders:
    """The orders of one outcome of one market, oldest first, with their sums: kept as they change, read at every tick.

    Attributes:
        orders: by client id.
        committed: contracts that may still be bought.
        outside: of those, the contracts of unconfirmed orders, of missing fills and of taker orders.
        cost: what all of `committed` may cost at each order's worst price, in ticks times contracts.
        resting: how many of the orders are in the book.
        version: another number after every change.
        held: whether somebody reads it at every evaluation; else it goes with its last order.
    """

    __slots__ = ("_best", "_ladder", "committed", "cost", "held", "orders", "outside", "resting", "version")

    def __init__(self, *, held: bool = False) -> None:
        self.held = held
        self.orders: dict[str, WorkingOrder] = {}
        self.committed = self.outside = self.cost = self.resting = self.version = 0
        self._ladder: list[WorkingOrder] | None = None  # None: to be sorted anew
        self._best: Ticks | None = None

    @property
    def ladder(self) -> list[WorkingOrder]:
        """The orders that can be replaced or kept, the best target price first."""
        ladder = self._ladder
        if ladder is None:
            ladder = [o for o in self.orders.values() if movable(o)]
            ladder.sort(key=_target_ticks, reverse=True)
            self._ladder = ladder
            self._best = _target_ticks(ladder[0]) if ladder else None
        return ladder

    @property
    def best(self) -> Ticks | None:
        """The best price of the ladder that stands, or will."""
        if self._ladder is None:
            _ = self.ladder
        return self._best

    def recount(self, order: WorkingOrder, version: int) -> None:
        """Bring the sums up to date with a change of one order."""
        remaining = order.worst_remaining
        was = order.counted
        order.counted = now = (
            remaining,
            remaining if order.final or order.unknown or order.immediate else 0,
            remaining * order.worst_ticks,
            order.order_id is not None and remaining > 0,
        )
        self.committed += now[0] - was[0]
        self.outside += now[1] - was[1]
        self.cost += now[2] - was[2]
        self.resting += now[3] - was[3]
        self._ladder = None
        self.version = version


_NO_ORDERS = SideOrders()


class OrderTable:
    """Every order that may still fill, by client id."""

    def __init__(self) -> None:
        self.orders: dict[str, WorkingOrder] = {}
        self.sides: dict[tuple[str, Outcome], SideOrders] = {}
        self._version = 0

    def place(self, market: str, order: PlaceOrder, now: Nanos) -> WorkingOrder:
        """Enter an order that is on its way out."""
        return self.enter(
            WorkingOrder(
                order.client_id, market, order.outcome, order.ticks, order.size, now, immediate=order.immediate
            )
        )

    def enter(self, order: WorkingOrder) -> WorkingOrder:
        """Enter an order as it stands.

        Raises:
            ValueError: an order of its name is live.
        """
        if order.client_id in self.orders:
            raise ValueError(f"an order named {order.client_id} is live already")
        self.orders[order.client_id] = order
        key = order.market, order.outcome
        side = self.sides.get(key)
        if side is None:
            side = self.sides[key] = SideOrders()
        side.orders[order.client_id] = order
        self._recount(order)
        return order

    def replace(self, order: ReplaceOrder, now: Nanos) -> None:
        """Note a replace that is on its way out."""
        working = self.orders[order.client_id]
        working.pending_replaces.append((order.ticks, order.size))
        working.since_ns = now
        self._recount(working)

    def cancel(self, client_id: str, now: Nanos) -> None:
        """Note a cancel that is on its way out."""
        working = self.orders[client_id]
        working.cancelling = True
        working.since_ns = now
        self._recount(working)

    def apply(self, event: OrderEvent) -> None:
        """Change an order by what happened to it; an event about an order not held changes nothing."""
        order = self.orders.get(event.client_id)
        if order is None:
            return
        match event:
            case OrderReplaced():
                del order.pending_replaces[:1]
                order.ticks, order.size, order.unknown = event.ticks, event.size, False
            case OrderAccepted():
                order.order_id = event.order_id
                order.unknown = False
            case OrderFilled():
                order.filled += event.size
                if order.final:
                    order.missing_fills = max(0, order.missing_fills - event.size)
            case OrderCancelled():
                order.final = True
                order.missing_fills = max(0, event.filled - order.filled)
                order.pending_replaces.clear()
            case OrderUnchanged(action="cancel"):
                order.cancelling = False
            case OrderUnchanged() if order.pending_replaces:
                # The venue answers in order; what was denied was the last request.
                order.pending_replaces.pop(-1 if event.denied else 0)
            case OrderRejected() | OrderDenied():
                order.final = True
            case OrderUnknown():
                order.unknown, order.queries = True, 0
        if not order.final and order.filled >= order.size and not order.pending_replaces:
            order.final = True
        self._recount(order)
        if order.final and order.missing_fills == 0:
            self._drop(order)

    def side(self, market: str, outcome: Outcome) -> SideOrders:
        """One side of one market, to be read only."""
        return self.sides.get((market, outcome), _NO_ORDERS)

    def hold(self, market: str, outcome: Outcome) -> SideOrders:
        """One side of one market, to be read at every evaluation, whether or not it has orders just then."""
        side = self.sides[market, outcome] = SideOrders(held=True)
        return side

    def of(self, market: str, outcome: Outcome) -> list[WorkingOrder]:
        """One side of one market, oldest first."""
        return list(self.side(market, outcome).orders.values())

    def committed(self, market: str, outcome: Outcome, *, besides: str | None = None) -> int:
        """Contracts of one outcome that may still be bought, counting every order but `besides`."""
        side = self.side(market, outcome)
        order = side.orders.get(besides) if besides is not None else None
        return side.committed if order is None else side.committed - order.counted[0]

    def _recount(self, order: WorkingOrder) -> None:
        self._version = version = self._version + 1
        self.sides[order.market, order.outcome].recount(order, version)

    def _drop(self, order: WorkingOrder) -> None:
        """Forget an order that nothing more can come of: it counts for nothing already."""
        del self.orders[order.client_id]
        key = order.market, order.outcome
        side = self.sides[key]
        del side.orders[order.client_id]
        if not (side.orders or side.held):
            del self.sides[key]  # markets come and go

    def __iter__(self) -> Iterator[WorkingOrder]:
        return iter(list(self.orders.values()))

    def __len__(self) -> int:
        return len(self.orders)


def movable(order: WorkingOrder) -> bool:
    """Whether an order can be replaced or kept: it rests, or will, and nothing about it is unconfirmed."""
    return not (order.final or order.cancelling or order.unknown or order.immediate)


def _target_ticks(order: WorkingOrder) -> Ticks:
    pending_replaces = order.pending_replaces
    return pending_replaces[-1][0] if pending_replaces else order.ticks
