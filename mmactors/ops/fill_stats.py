"""What some fills come to: contracts of either outcome, what they were bought for, and against which fair value.

Likewise unconfirmed orders: how many, and why. Adds up, and owns the one definition of a fill's edge. Knows neither
lines nor files, nor where a fair value is from.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from mmactors.messages import OrderFilled, Outcome
from mmactors.units import DOLLAR, Nanos

REASONS = 3
"""How many reasons are named of unconfirmed orders."""


def price_of(fill: OrderFilled) -> float:
    """Return a fill's price in dollars, of its own outcome."""
    return fill.ticks * fill.tick_micros / DOLLAR


def edge_of(fill: OrderFilled, fair: float | None) -> float | None:
    """Return how many dollars a contract was worth more than its price, fees apart, with YES worth `fair` then.

    None if that is not known.
    """
    if fair is None or not math.isfinite(fair):
        return None
    return (fair if fill.outcome is Outcome.YES else 1.0 - fair) - price_of(fill)


@dataclass(slots=True)
class FillStats:
    """The sums of some fills.

    Attributes:
        fills: how many.
        yes, no: contracts bought of each outcome.
        taken: of those, the ones that took liquidity.
        cost: dollars paid for all, fees apart.
        gained: dollars of edge of the `judged` contracts, whose fair value was known.
    """

    fills: int = 0
    yes: int = 0
    no: int = 0
    taken: int = 0
    cost: float = 0.0
    gained: float = 0.0
    judged: int = 0

    def add(self, fill: OrderFilled, fair: float | None) -> None:
        """Count a fill; YES was worth `fair` dollars then, None if nobody knows."""
        self.fills += 1
        if fill.outcome is Outcome.YES:
            self.yes += fill.size
        else:
            self.no += fill.size
        self.cost += price_of(fill) * fill.size
        if not fill.maker:
            self.taken += fill.size
        edge = edge_of(fill, fair)
        if edge is not None:
            self.gained += edge * fill.size
            self.judged += fill.size

    @property
    def edge(self) -> float | None:
        """The average edge of a contract in dollars, None if no fair value was known."""
        return self.gained / self.judged if self.judged else None

    def markout(self, fair: float | None) -> float | None:
        """Return the average edge of a contract, dollars, if YES is worth `fair` now; None if that is not known."""
        if fair is None or not math.isfinite(fair) or not self.fills:
            return None
        return (self.yes * fair + self.no * (1.0 - fair) - self.cost) / (self.yes + self.no)


@dataclass(slots=True)
class UnconfirmedOrders:
    """Orders of one market that became unconfirmed since the last line: why, and the id of the first."""

    first: str
    due_ns: Nanos
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """How many orders."""
        return self.reasons.total()

    @property
    def why(self) -> str:
        """The most frequent reasons, with how often if there is more than one order."""
        named = self.reasons.most_common(REASONS)
        rest = self.count - sum(times for _, times in named)
        named_reasons = [f"{times} {reason}" if self.count > 1 else reason for reason, times in named]
        return ", ".join([*named_reasons, f"{rest} other"] if rest else named_reasons)
