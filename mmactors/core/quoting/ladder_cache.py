"""The ladder that stands: its levels, and within which figures they stay what they are.

Most evaluations of a market change nothing. A ladder's levels follow from whole numbers: the best ticks, what either
side may have resting, the position, the cash, the ladder in the book. As long as those whole numbers are the same, so
are the levels, exactly; the underlying only enters through the two raw prices, and `ladder` says between which of those
the best ticks stay. The formula is the ladder's alone; nothing of it is repeated here.
"""

import math

from mmactors.core.quoting.ladder import Ladder, Level, QuoteInputs, Quoter, SideCapacity, TargetQuote
from mmactors.units import Ticks

_ANY = (-math.inf, math.inf)


class LadderCache:
    """A ladder's levels, and what they depend on.

    Args:
        ladder: as `quoter` made it.
        inputs: what it was made from.
        quoter: the market's formula.

    Attributes:
        bids, asks: the levels, best first, each side's in the ticks of its own outcome.
    """

    __slots__ = (
        *("_beside", "_cash", "_full", "_high_ask", "_high_bid", "_ladder", "_low_ask", "_low_bid", "_net"),
        *("_no_left", "_quoter", "_yes_left", "asks", "bids"),
    )

    def __init__(self, ladder: Ladder, inputs: QuoteInputs, quoter: Quoter) -> None:
        per_dollar, full = quoter.per_dollar, quoter.full
        self.bids = ladder.bids
        self.asks: tuple[Level, ...] = tuple([(Ticks(per_dollar - ticks), size) for ticks, size in ladder.asks])
        self._ladder, self._quoter = ladder, quoter
        self._net, self._cash, self._full = inputs.net, inputs.cash_micros, full
        self._yes_left = min(ladder.capacity.yes_left, full)
        self._no_left = min(ladder.capacity.no_left, full)
        self._beside: tuple[Ticks | None, Ticks | None] | None = None  # the book's ladder that the ranges are for

    def is_valid(self, inputs: QuoteInputs, target: TargetQuote, capacity: SideCapacity) -> bool:
        """Whether the quoter would make the same levels of these."""
        full = self._full
        if (
            # More than the whole ladder needs is as good as any more.
            self._yes_left != (capacity.yes_left if capacity.yes_left < full else full)
            or self._no_left != (capacity.no_left if capacity.no_left < full else full)
            or self._net != inputs.net
            or self._cash != inputs.cash_micros
        ):
            return False
        if self._beside != (inputs.previous_bid, inputs.previous_ask):
            self._bound(inputs)
        return self._low_bid < target.raw_bid < self._high_bid and self._low_ask < target.raw_ask < self._high_ask

    def _bound(self, inputs: QuoteInputs) -> None:
        """Find the raw prices that lead to these levels while those of `inputs` are in the book."""
        ladder, quoter = self._ladder, self._quoter
        self._beside = inputs.previous_bid, inputs.previous_ask
        bids = asks = _ANY  # a side that may have nothing resting has nothing at any price
        if ladder.capacity.yes_left >= quoter.market.min_size:
            bids = quoter.bid_range(ladder.best_bid, inputs.previous_bid)
        if ladder.capacity.no_left >= quoter.market.min_size:
            asks = quoter.ask_range(ladder.best_ask, inputs.previous_ask)
        self._low_bid, self._high_bid = bids
        self._low_ask, self._high_ask = asks
