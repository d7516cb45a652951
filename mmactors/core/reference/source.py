"""One price source of one asset: what it last said, how late, how reliably, and how it stands to the reference.

Owns the state and its elementary judgements (behind, spoilt, the median delay). Knows no other source and no fused
price; times are on our clock, 0 for never.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

from mmactors.units import Nanos

LATENCY_TRADES = 64
"""How many trades a source's latency is the median of."""

COMPARABLE_S = 60.0
"""An event time further away than this is of another clock (a replayed frame, say) and measures nothing."""

BEHIND_TRADES = 3
"""So many late event times in a row make a source behind: one straggler does not."""

BAD_FADES = 0.95
BAD_LIMIT = 5.0
BAD_CLEARED = 1.0
"""A source is spoilt once its bad prices, of the last twenty or so, are more than a quarter, until nearly all fade."""

GRID_NS = Nanos(100_000_000)
LAGS = 10
"""Prices are compared across sources on a grid of 100 ms, over at most a second."""


@dataclass(slots=True, eq=False)
class Source:
    """The state of one source.

    `log` is the logarithm of `price`; `basis` that of price over reference. `lost_ns` is when its feed last went
    silent. `held` is a price that waits for confirmation since `held_since`, last repeated at `held_ns`. `overlap_s` is
    for how long the basis has been learned, `lag_steps` how far the source runs behind the leading one, on the grid;
    `grid` has its latest logarithms there, `move` the last return.
    """

    name: str
    price: float = 0.0
    log: float = 0.0
    price_ns: Nanos = Nanos(0)
    life_ns: Nanos = Nanos(0)
    lost_ns: Nanos = Nanos(0)
    book_ns: Nanos = Nanos(0)
    alive: bool = False
    spoilt: bool = False
    bad: float = 0.0
    behind: int = 0
    held: float | None = None
    held_ns: Nanos = Nanos(0)
    held_since: Nanos = Nanos(0)
    held_times: int = 0
    basis: float = 0.0
    overlap_s: float = 0.0
    lag_steps: int = 0
    grid: deque[float] = field(default_factory=lambda: deque(maxlen=LAGS + 1))
    move: float | None = None
    _delays: deque[float] = field(default_factory=deque)
    _sorted: list[float] = field(default_factory=list)

    @property
    def adjusted(self) -> float:
        """The logarithm of its price as the reference would have it."""
        return self.log - self.basis

    @property
    def measured(self) -> bool:
        """Whether any of its delays has been measured."""
        return bool(self._sorted)

    def latency_s(self) -> float:
        """Return the median delay from exchange to here; 0 before any."""
        return self._sorted[len(self._sorted) // 2] if self._sorted else 0.0

    def delayed(self, delay_s: float) -> None:
        """Take a trade's delay into the median."""
        if len(self._delays) == LATENCY_TRADES:
            del self._sorted[bisect_left(self._sorted, self._delays.popleft())]
        self._delays.append(delay_s)
        insort(self._sorted, delay_s)

    def late(self, delay_s: float, limit_s: float) -> bool:
        """Take an event time's age; say whether the source is behind, whatever still arrives from it.

        One such price is enough if the source was not alive: what it says first may be the last it knew (exchanges
        greet a new subscriber so).
        """
        if delay_s > limit_s and (delay_s <= COMPARABLE_S or self.measured):
            self.behind += 1
        elif abs(delay_s) <= COMPARABLE_S:
            self.behind = 0
        return self.behind >= (BEHIND_TRADES if self.alive else 1)

    def judged(self, *, good: bool) -> None:
        """Take one more price as good or bad."""
        self.bad = self.bad * BAD_FADES + (not good)
        self.spoilt = self.bad > (BAD_CLEARED if self.spoilt else BAD_LIMIT)

    def hold(self, price: float, received: Nanos, *, repeats: bool) -> None:
        """Keep a price back until it is confirmed."""
        if not repeats:
            self.held_since, self.held_times = received, 0
        self.held, self.held_ns = price, received
        self.held_times += 1

    def take(self, price: float, received: Nanos) -> None:
        """Make a price the source's own."""
        self.price, self.log, self.price_ns = price, math.log(price), received
        self.held = None

    def silent(self) -> None:
        """End what needs an unbroken row of prices."""
        self.alive = False
        self.grid.clear()
        self.move = None
