"""Averages of one-second prints, as the venue settles and strikes on them, and what the participants make of one.

Owns the true prices of the last minutes and the fair value of what depends on their mean. A print is the true price
each whole second before a moment, the last one at it. Shares no formula with the program that trades here: what both
say of a market can be compared.
"""

import math
from bisect import bisect_right

from mmactors.simulator.prices.world import PricePath
from mmactors.units import YEAR_S

SPAN_MS = 310_000
"""How far back prices are kept: the longest window is five minutes."""


class Tape:
    """One asset's true price at every step, and its path's own past before that."""

    def __init__(self, path: PricePath) -> None:
        past = path.past()
        self._path = path
        self._times = [at_ms for at_ms, _ in past]
        self._prices = [price for _, price in past]

    def note(self, now_ms: int) -> None:
        """Write down the price of this step."""
        times = self._times
        times.append(now_ms)
        self._prices.append(self._path.price)
        if times[0] < now_ms - 2 * SPAN_MS:
            old = bisect_right(times, now_ms - SPAN_MS) - 1
            del times[:old], self._prices[:old]

    def total(self, end_ms: int, prints: int) -> float:
        """Return the sum of the prints up to and with the one at `end_ms`; the first price known holds before it."""
        moments = range(end_ms - 1000 * (prints - 1), end_ms + 1, 1000)
        return math.fsum(self._prices[max(bisect_right(self._times, at_ms) - 1, 0)] for at_ms in moments)


class Average:
    """What one market settles on: the mean of the prints of its last `window_s` seconds."""

    def __init__(self, tape: Tape, path: PricePath, strike: float, expires_at: int, window_s: int) -> None:
        self._tape = tape
        self._path = path
        self._strike = strike
        self._expires_at = expires_at
        self._window = window_s
        self._fixed = 0
        self._sum = 0.0

    def price(self) -> float:
        """Return the mean; to be called at expiry or later."""
        return self._tape.total(self._expires_at, self._window) / self._window

    def fair(self, now_ms: int) -> float:
        """Return the probability that the mean ends above the strike, knowing the prints so far.

        The mean as a normal variable: of the price's steps from now on, one until print j to come is in all of the
        prints from j on, so the sum's variance is (sigma S)^2 sum_j (k - j + 1)^2 times the step's length.
        """
        left_s = max(self._expires_at - now_ms, 1) / 1000
        ahead = min(math.ceil(left_s), self._window)
        fixed = self._window - ahead
        if fixed != self._fixed:
            self._fixed, self._sum = fixed, self._tape.total(self._expires_at - 1000 * ahead, fixed)
        price, sigma = self._path.price, self._path.sigma
        others = (ahead - 1) * ahead * (2 * ahead - 1) / 6
        squares = ahead * ahead * (left_s - (ahead - 1)) + others
        above = self._sum + ahead * price - self._window * self._strike
        return 0.5 * math.erfc(-above / (price * sigma * math.sqrt(2.0 * squares / YEAR_S)))
