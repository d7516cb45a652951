"""How the fused price stands to the index that markets settle on, learned from what they settled at.

Owns the levels remembered for that and the estimate. A market settles on an index we do not see; in it our sources have
other weights, another average, other constituents. Knows no source and no market.
"""

import math
from collections import deque

from mmactors.core.reference.fusion import BP
from mmactors.messages import IndexSettled
from mmactors.units import SECOND, Nanos

LEVELS_KEPT_S = 3600
"""How long levels are remembered for the time a market says what it settled at."""

SHARE = 0.1
MOST_BP = 20.0
"""Share of the basis that the latest settlement decides, and the residual beyond which it is no basis."""


class IndexBasis:
    """The basis, as a `factor` on the fused price; 1 until something is learned. At most `max_bp` either way."""

    def __init__(self, max_bp: float) -> None:
        self.factor = 1.0
        self.settlements = 0
        self._most = max_bp * BP
        self._levels: deque[tuple[Nanos, float]] = deque(maxlen=LEVELS_KEPT_S)

    @property
    def basis_bp(self) -> float:
        """The index over the fused price, in bp."""
        return math.log(self.factor) / BP

    def note(self, level: float, now: Nanos) -> None:
        """Remember the fused price, once a second."""
        if not self._levels or now - self._levels[-1][0] >= SECOND:
            self._levels.append((now, math.log(level)))

    def learn(self, event: IndexSettled) -> None:
        """Take a settlement: the residual against the mean level over the market's own window (two seconds at least).

        The first ones count alike, later ones a tenth; one that is too far off is dropped.
        """
        if not 0.0 < event.price < math.inf:
            return
        begin = event.at_ns - max(event.window_s, 2) * SECOND
        levels = [level for at, level in self._levels if begin < at <= event.at_ns]
        if not levels:
            return
        residual = math.log(event.price) - sum(levels, 0.0) / len(levels)
        if abs(residual) > MOST_BP * BP:
            return
        self.settlements += 1
        basis = math.log(self.factor)
        basis += max(1.0 / self.settlements, SHARE) * (residual - basis)
        self.factor = math.exp(min(max(basis, -self._most), self._most))
