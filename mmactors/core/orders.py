"""Orders from intent to end: their states, the table that holds them, the diff that turns a ladder into few messages.

The same table serves one market's Maker and the gateway's desk; both apply the same events, so both count the same
exposure. An order lives until the venue says otherwise: whatever might still fill counts, at its worst price and size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mmactors.messages import (
    CancelOrder,
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
from mmactors.units import Contracts, Nanos, Ticks

MOST_MOVES = 3
"""Replaces of one order that may be in flight at once; the venue applies them in order."""


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
    """One order. `size` is the total with fills, `moves` the replaces in flight, `since_ns` the last request's time.

    `owed` counts contracts that the venue reports as filled on a finished order before the fills themselves arrive;
    `version` is the newest of the venue's versions of it that has been seen, 0 where it tells none.
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
    moves: list[tuple[Ticks, int]] = field(default_factory=list)
    cancelling: bool = False
    unknown: bool = False
    final: bool = False
    owed: int = 0
    version: int = 0

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
        return OrderState.REPLACING if self.moves else OrderState.OPEN

    @property
    def in_flight(self) -> bool:
        """Whether an answer of the venue is awaited."""
        return not self.final and (self.order_id is None or bool(self.moves) or self.cancelling or self.unknown)

    @property
    def target(self) -> tuple[Ticks, int]:
        """Price and total size once everything in flight has happened."""
        return self.moves[-1] if self.moves else (self.ticks, self.size)

    @property
    def worst_remaining(self) -> int:
        """Contracts that may still fill."""
        if self.final:
            return self.owed
        largest = max(self.size, *(size for _, size in self.moves)) if self.moves else self.size
        return largest - self.filled if largest > self.filled else 0

    @property
    def worst_ticks(self) -> int:
        """The highest price at which it may still fill."""
        return max(self.ticks, *(ticks for ticks, _ in self.moves)) if self.moves else self.ticks


class OrderTable:
    """Every order that may still fill, by client id."""

    def __init__(self) -> None:
        self.orders: dict[str, WorkingOrder] = {}
        self._sides: dict[tuple[str, Outcome], dict[str, WorkingOrder]] = {}  # the same orders; read at every tick

    def place(self, market: str, order: PlaceOrder, now: Nanos) -> WorkingOrder:
        """Enter an order that is on its way out."""
        working = WorkingOrder(
            order.client_id, market, order.outcome, order.ticks, order.size, now, immediate=order.immediate
        )
        self.orders[order.client_id] = working
        self._sides.setdefault((market, order.outcome), {})[order.client_id] = working
        return working

    def replace(self, order: ReplaceOrder, now: Nanos) -> None:
        """Note a replace that is on its way out."""
        working = self.orders[order.client_id]
        working.moves.append((order.ticks, order.size))
        working.since_ns = now

    def cancel(self, client_id: str, now: Nanos) -> None:
        """Note a cancel that is on its way out."""
        working = self.orders[client_id]
        working.cancelling = True
        working.since_ns = now

    def apply(self, event: OrderEvent) -> None:
        """Change an order by what happened to it; an event about an order not held changes nothing."""
        order = self.orders.get(event.client_id)
        if order is None:
            return
        match event:
            case OrderAccepted():
                order.order_id = event.order_id
                order.unknown = False
            case OrderReplaced():
                del order.moves[:1]
                order.ticks, order.size, order.unknown = event.ticks, event.size, False
            case OrderUnchanged(action="cancel"):
                order.cancelling = False
            case OrderUnchanged() if order.moves:  # the venue answers in order; what was denied was the last request
                order.moves.pop(-1 if event.denied else 0)
            case OrderRejected() | OrderDenied():
                order.final = True
            case OrderUnknown():
                order.unknown = True
            case OrderCancelled():
                order.final = True
                order.owed = max(0, event.filled - order.filled)
                order.moves.clear()
            case OrderFilled():
                order.filled += event.size
                if order.final:
                    order.owed = max(0, order.owed - event.size)
        if not order.final and order.filled >= order.size and not order.moves:
            order.final = True
        if order.final and order.owed == 0:
            self._drop(order)

    def of(self, market: str, outcome: Outcome) -> list[WorkingOrder]:
        """One side of one market, oldest first."""
        side = self._sides.get((market, outcome))
        return list(side.values()) if side else []

    def committed(self, market: str, outcome: Outcome, *, besides: str | None = None) -> int:
        """Contracts of one outcome that may still be bought, counting every order but `besides`."""
        return sum(o.worst_remaining for o in self.of(market, outcome) if o.client_id != besides)

    def _drop(self, order: WorkingOrder) -> None:
        del self.orders[order.client_id]
        key = order.market, order.outcome
        del self._sides[key][order.client_id]
        if not self._sides[key]:
            del self._sides[key]  # markets come and go

    def __iter__(self) -> Iterator[WorkingOrder]:
        return iter(list(self.orders.values()))

    def __len__(self) -> int:
        return len(self.orders)


@dataclass(frozen=True, slots=True)
class Changes:
    """What takes one side to its ladder. `outward` replaces back away from the fair value and cannot wait."""

    cancels: tuple[CancelOrder, ...] = ()
    outward: tuple[ReplaceOrder, ...] = ()
    inward: tuple[ReplaceOrder, ...] = ()
    places: tuple[tuple[Ticks, Contracts], ...] = ()

    @property
    def urgent(self) -> bool:
        """Whether something rests at a price or in a size that it should not."""
        return bool(self.cancels or self.outward)

    def __bool__(self) -> bool:
        return bool(self.cancels or self.outward or self.inward or self.places)


def movable(order: WorkingOrder) -> bool:
    """Whether an order can be replaced or kept: it rests, or will, and nothing about it is in doubt."""
    return not (order.final or order.cancelling or order.unknown or order.immediate)


def diff(orders: Sequence[WorkingOrder], levels: Sequence[tuple[Ticks, Contracts]]) -> Changes:
    """Find the fewest messages that take one side of the book to `levels`.

    Args:
        orders: the side's working orders; those in doubt are left alone (the ladder's room already counts them).
        levels: wanted (price, size), best first, in the side's own ticks (a higher price is the more aggressive).

    An order on a wanted price stays if what is left of it is at most the wanted size and at least half of it, so
    partial fills do not cost a message each. Of the rest the best are moved to the best prices still wanted.
    """
    wanted = dict(levels)
    spare: list[WorkingOrder] = []
    cancels: list[CancelOrder] = []
    outward: list[ReplaceOrder] = []
    inward: list[ReplaceOrder] = []
    for order in sorted((o for o in orders if movable(o)), key=lambda o: o.target[0], reverse=True):
        ticks, total = order.target
        size = wanted.get(ticks)
        if size is None:
            spare.append(order)
            continue
        left = total - order.filled
        if left > size and order.order_id is not None:
            outward.append(ReplaceOrder(order.client_id, ticks, Contracts(order.filled + size)))
        elif left > size:
            cancels.append(CancelOrder(order.client_id))
        elif 2 * left < size and order.order_id is not None and not order.moves:
            inward.append(ReplaceOrder(order.client_id, ticks, Contracts(order.filled + size)))
        del wanted[ticks]
    missing = sorted(wanted.items(), reverse=True)
    for order in spare:
        ticks, total = order.target
        best = missing[0] if missing else None
        if best is not None and order.order_id is None and ticks <= best[0] and total - order.filled <= best[1]:
            del missing[0]  # on its way and not too aggressive: it takes that level's place until it can move
        elif best is None or order.order_id is None:
            cancels.append(CancelOrder(order.client_id))
        else:
            move = ReplaceOrder(order.client_id, best[0], Contracts(order.filled + best[1]))
            away = best[0] < ticks or order.filled + best[1] < total
            if away or len(order.moves) < MOST_MOVES:
                (outward if away else inward).append(move)
            del missing[0]
    return Changes(tuple(cancels), tuple(outward), tuple(inward), tuple(missing))
