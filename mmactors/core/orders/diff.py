"""The diff that takes one side of the book to a ladder with the fewest messages.

It knows the orders as they are in the table; whether a change may leave is for its caller and the gate to say.
"""

from collections.abc import Sequence

from mmactors.core.orders.table import WorkingOrder
from mmactors.messages import CancelOrder, ReplaceOrder
from mmactors.units import Contracts, Ticks
from mmactors.value import value

MOST_PENDING_REPLACES = 3
"""Replaces of one order that may be in flight at once; the venue applies them in order."""


@value
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


NO_CHANGES = Changes()


def diff(ladder: Sequence[WorkingOrder], levels: Sequence[tuple[Ticks, Contracts]]) -> Changes:
    """Find the fewest messages that take one side of the book to `levels`.

    Args:
        ladder: the side's movable orders, best target first; others are left alone (the ladder's capacity counts them).
        levels: wanted (price, size), best first, in the side's own ticks (a higher price is the more aggressive).

    An order on a wanted price stays if what is left of it is at most the wanted size and at least half of it, so
    partial fills do not cost a message each. Of the rest the best are moved to the best prices still wanted.
    """
    wanted = dict(levels)
    spare: list[WorkingOrder] = []
    cancels: list[CancelOrder] = []
    outward: list[ReplaceOrder] = []
    inward: list[ReplaceOrder] = []
    for order in ladder:
        ticks, total = order.pending_replaces[-1] if order.pending_replaces else (order.ticks, order.size)
        size = wanted.get(ticks)
        if size is None:
            spare.append(order)
            continue
        left = total - order.filled
        if left > size and order.order_id is not None:
            outward.append(ReplaceOrder(order.client_id, ticks, Contracts(order.filled + size)))
        elif left > size:
            cancels.append(CancelOrder(order.client_id))
        elif 2 * left < size and order.order_id is not None and not order.pending_replaces:
            inward.append(ReplaceOrder(order.client_id, ticks, Contracts(order.filled + size)))
        del wanted[ticks]
    if not (wanted or spare or cancels or outward or inward):
        return NO_CHANGES
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
            if away or len(order.pending_replaces) < MOST_PENDING_REPLACES:
                (outward if away else inward).append(move)
            del missing[0]
    return Changes(tuple(cancels), tuple(outward), tuple(inward), tuple(missing))
