"""One price-time book per market, in YES terms: a NO bid at q is a YES ask at 1 - q.

Owns the queue at each price and the size of each level. It must not know money, accounts' rules, time or the wire.
"""

from mmactors.simulator.models.queue import ArrivalQueue
from mmactors.simulator.venue.ledger import Order


class Book:
    """The resting orders of one market, by price and in the order of its queue.

    `best_bid` is 0 and `best_ask` a whole dollar when the side is empty. `touched` holds the levels changed since the
    last delta: bids as +ticks, asks as -ticks.
    """

    __slots__ = (
        *("ask_levels", "ask_sizes", "best_ask", "best_bid", "bid_levels", "bid_sizes"),
        *("_queue", "ticks", "touched"),
    )

    def __init__(self, ticks: int, queue: ArrivalQueue) -> None:
        self.ticks = ticks
        self._queue = queue
        self.bid_levels: list[dict[str, Order]] = [{} for _ in range(ticks + 1)]
        self.ask_levels: list[dict[str, Order]] = [{} for _ in range(ticks + 1)]
        self.bid_sizes = [0] * (ticks + 1)
        self.ask_sizes = [0] * (ticks + 1)
        self.best_bid = 0
        self.best_ask = ticks
        self.touched: set[int] = set()

    def add(self, order: Order) -> None:
        """Queue an order at its price, behind the others unless the queue model lets it go ahead."""
        at = order.yes_ticks
        if order.buys_yes:
            self.bid_levels[at][order.id] = order
            self.bid_sizes[at] += order.size - order.filled
            if at > self.best_bid:
                self.best_bid = at
            self.touched.add(at)
        else:
            self.ask_levels[at][order.id] = order
            self.ask_sizes[at] += order.size - order.filled
            if at < self.best_ask:
                self.best_ask = at
            self.touched.add(-at)
        if self._queue.reorders:
            self._reorder(order)

    def reduce(self, order: Order, by: int) -> None:
        """Take `by` contracts off a queued order, which keeps its place; with nothing left it leaves the book.

        To be called before the order's own `filled` or `size` changes.
        """
        at = order.yes_ticks
        gone = by == order.size - order.filled
        if order.buys_yes:
            self.bid_sizes[at] -= by
            self.touched.add(at)
            if gone:
                levels = self.bid_levels
                del levels[at][order.id]
                if at == self.best_bid and not levels[at]:
                    at -= 1
                    while at > 0 and not levels[at]:
                        at -= 1
                    self.best_bid = at
        else:
            self.ask_sizes[at] -= by
            self.touched.add(-at)
            if gone:
                levels = self.ask_levels
                del levels[at][order.id]
                if at == self.best_ask and not levels[at]:
                    at += 1
                    while at < self.ticks and not levels[at]:
                        at += 1
                    self.best_ask = at

    def _reorder(self, newcomer: Order) -> None:
        level = (self.bid_levels if newcomer.buys_yes else self.ask_levels)[newcomer.yes_ticks]
        is_house, queue = newcomer.account.house, self._queue
        for each in [each for each in level.values() if queue.goes_ahead(is_house, each.account.house)]:
            level[each.id] = level.pop(each.id)

    def crosses(self, buys_yes: bool, yes_ticks: int) -> bool:
        """Return whether an order at this price would trade at once."""
        return self.best_ask <= yes_ticks if buys_yes else self.best_bid >= yes_ticks

    def bids(self, depth: int = 0) -> list[tuple[int, int]]:
        """Return (ticks, size) from the best bid outwards, at most `depth` levels if that is positive."""
        found = [(at, self.bid_sizes[at]) for at in range(self.best_bid, 0, -1) if self.bid_sizes[at]]
        return found[:depth] if depth else found

    def asks(self, depth: int = 0) -> list[tuple[int, int]]:
        """Return (ticks, size) from the best ask outwards, at most `depth` levels if that is positive."""
        found = [(at, self.ask_sizes[at]) for at in range(self.best_ask, self.ticks) if self.ask_sizes[at]]
        return found[:depth] if depth else found
