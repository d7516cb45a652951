"""One side of one market's quotes: its orders, what holds it back, and what takes it to its ladder.

Prices are in the side's own outcome's ticks, so a higher one is the more aggressive on either side. It knows neither
the underlying nor the other side; how much may be bought is an argument.
"""

from collections import deque

from mmactors.core.orders.diff import NO_CHANGES, Changes, diff
from mmactors.core.orders.table import OrderTable, WorkingOrder
from mmactors.core.params import RiskParams
from mmactors.core.quoting.ladder import Level
from mmactors.messages import OrderCancelled, OrderDenied, OrderRejected, OrderUnchanged, Outcome, ReplaceOrder
from mmactors.units import MILLISECOND, Contracts, Nanos

POST_ONLY_PAUSE_NS = Nanos(300 * MILLISECOND)
"""How long a side stays below a price that the book would not let rest."""

REFUSAL_PAUSE_MS = 250
RATE_PAUSE_MS = 20
"""Least pause of a side's additions after the venue or the gate refused one; the rate budget itself tells the wait."""

NO_REFUSAL = ("ALIVE", "SETTLED")
"""What the desk says of a request that a query has settled."""


class Side:
    """The orders of one outcome of a market.

    Args:
        market, outcome: which.
        table: the market's orders.

    Attributes:
        orders: every order of the side that may still fill.
    """

    def __init__(self, market: str, outcome: Outcome, table: OrderTable) -> None:
        self.outcome = outcome
        self.orders = table.hold(market, outcome)
        self._capped_at = 0
        self._capped_until = self._paused_until = 0
        self._held: dict[str, int] = {}
        self._burst: deque[tuple[int, int]] = deque()
        self._settled: tuple[Level, ...] | None = None
        self._settled_version = -1

    # --- its orders -------------------------------------------------------------------------------

    def reaches(self, ticks: int) -> bool:
        """Whether an order of it may rest at this price or a better one."""
        return any(o.worst_ticks >= ticks for o in self.orders.orders.values())

    # --- what holds it back -----------------------------------------------------------------------

    def paused(self, now: Nanos) -> bool:
        """Whether nothing may be added after a refusal."""
        return now < self._paused_until

    def below_cap(self, levels: tuple[Level, ...], now: Nanos) -> tuple[Level, ...]:
        """The levels that the book would let rest, as far as is known."""
        if now >= self._capped_until:
            return levels
        return tuple(level for level in levels if level[0] < self._capped_at)

    def refused(
        self, order: WorkingOrder, event: OrderRejected | OrderDenied | OrderUnchanged | OrderCancelled, now: Nanos
    ) -> None:
        """Hold back after a refusal: below the price that would have crossed, else from adding at all for a while."""
        match event:
            case OrderCancelled():
                code, retry_after_ms = event.reason, None
            case OrderDenied():
                code, retry_after_ms = event.rule, event.retry_after_ms
            case _:
                code, retry_after_ms = event.code, event.retry_after_ms
        if code == "POST_ONLY_WOULD_CROSS":
            self._capped_at, self._capped_until = order.worst_ticks, now + POST_ONLY_PAUSE_NS
        elif retry_after_ms is not None and code not in NO_REFUSAL:
            pause_ms = max(retry_after_ms, RATE_PAUSE_MS if "rate" in code else REFUSAL_PAUSE_MS)
            self._paused_until = now + pause_ms * MILLISECOND
            if isinstance(event, OrderUnchanged):  # nor is this order asked for anything at the pace of refusals
                self._held[order.client_id] = self._paused_until

    def bursts(self, size: int, now: Nanos, risk: RiskParams) -> bool:
        """Count a fill; whether too much has filled of late. That is returned once, then counting begins anew."""
        burst = self._burst
        burst.append((now, size))
        while now - burst[0][0] > risk.freeze_window_ns:
            burst.popleft()
        if sum(size for _, size in burst) <= risk.freeze_contracts:
            return False
        burst.clear()
        return True

    # --- what takes it to its ladder --------------------------------------------------------------

    def changes(self, levels: tuple[Level, ...], limit: int, now: Nanos) -> Changes:
        """Find what to change now, so that no more than `limit` contracts can be bought whatever fills meanwhile."""
        orders = self.orders
        if orders.version == self._settled_version and levels == self._settled:
            return NO_CHANGES
        changes = diff(orders.ladder, levels) if not orders.outside else self._beside_unconfirmed(levels)
        if not changes:
            self._settled, self._settled_version = levels, orders.version
            return changes
        changes = self._within(changes, limit)
        if self.paused(now):
            changes = Changes(changes.cancels, changes.outward)
        if self._held:
            self._held = held = {name: until for name, until in self._held.items() if now < until}
            changes = Changes(
                tuple(c for c in changes.cancels if c.client_id not in held),
                tuple(c for c in changes.outward if c.client_id not in held),
                tuple(c for c in changes.inward if c.client_id not in held),
                changes.places,
            )
        return changes

    def _beside_unconfirmed(self, levels: tuple[Level, ...]) -> Changes:
        """Change nothing into what an unconfirmed order may be already: it takes a level's place, if it can its own.

        A venue that leaves every order unconfirmed would be sent the whole ladder again at every evaluation.
        """
        unconfirmed = [
            o for o in self.orders.orders.values() if o.unknown and o.worst_remaining and not (o.final or o.immediate)
        ]
        taken = {ticks for order in unconfirmed for ticks, _ in ((order.ticks, 0), *order.pending_replaces)}
        ladder = self.orders.ladder
        changes = diff(ladder, [level for level in levels if level[0] not in taken])
        free = max(0, len(levels) - len(unconfirmed) - len(ladder) + len(changes.cancels))
        return Changes(changes.cancels, changes.outward, changes.inward, changes.places[:free])

    def _within(self, changes: Changes, limit: int) -> Changes:
        """Hold back additions that, with all that may still fill, could go beyond `limit`."""
        orders = self.orders.orders
        slack = max(0, limit - self.orders.committed)
        over = max(0, self.orders.committed - limit)
        outward: list[ReplaceOrder] = []
        inward: list[ReplaceOrder] = []
        places: list[Level] = []
        for move in changes.outward:
            order = orders[move.client_id]
            # What is on its way down is not sent up again while all together is above the limit.
            may_stay = max(order.counted[0] - over, order.target[1] - order.filled)
            growth = min(slack, max(0, move.size - order.filled - order.counted[0]))
            slack -= growth
            size = order.filled + may_stay + growth
            outward.append(move if move.size <= size else ReplaceOrder(move.client_id, move.ticks, Contracts(size)))
        for move in changes.inward:
            order = orders[move.client_id]
            growth = max(0, move.size - order.filled - order.counted[0])
            if growth <= slack:
                slack -= growth
                inward.append(move)
        for ticks, size in changes.places:
            if size <= slack:
                slack -= size
                places.append((ticks, size))
        return Changes(changes.cancels, tuple(outward), tuple(inward), tuple(places))
