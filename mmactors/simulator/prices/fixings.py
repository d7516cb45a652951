"""Averages of fixings, on which the venue settles and strikes, and the fair value of a market on such an average.

Owns the true prices of the last minutes. A fixing is the true price at a whole second before a moment; the last fixing
is at that moment. It must not share a formula with the program under test, so that their fair values can be compared.
"""

import math
from bisect import bisect_right

from mmactors.simulator.prices.world import PricePath
from mmactors.units import YEAR_S

SPAN_MS = 310_000
"""How long prices are kept: the longest window is five minutes."""


class Tape:
    """One asset's true price at every step, after the past that its path has."""

    def __init__(self, path: PricePath) -> None:
        past = path.past()
        self._path = path
        self._times = [at_ms for at_ms, _ in past]
        self._prices = [price for _, price in past]

    def note(self, now_ms: int) -> None:
        """Add the price of this step."""
        times = self._times
        times.append(now_ms)
        self._prices.append(self._path.price)
        if times[0] < now_ms - 2 * SPAN_MS:
            old = bisect_right(times, now_ms - SPAN_MS) - 1
            del times[:old], self._prices[:old]

    def total(self, end_ms: int, count: int) -> float:
        """Return the sum of the last `count` fixings up to `end_ms`; the first known price holds before it."""
        moments = range(end_ms - 1000 * (count - 1), end_ms + 1, 1000)
        return math.fsum(self._prices[max(bisect_right(self._times, at_ms) - 1, 0)] for at_ms in moments)


class Average:
    """The mean of the fixings of a market's last `window_s` seconds."""

    def __init__(self, tape: Tape, path: PricePath, strike: float, expires_at: int, window_s: int) -> None:
        self._tape = tape
        self._path = path
        self._strike = strike
        self._expires_at = expires_at
        self._window = window_s
        self._fixed = 0
        self._sum = 0.0

    def price(self) -> float:
        """Return the mean, at expiry or later."""
        return self._tape.total(self._expires_at, self._window) / self._window

    def fair(self, now_ms: int) -> float:
        """Return the probability that the mean ends above the strike, given the fixings so far.

        The mean is taken as normal: a step of the price before the j-th fixing to come is in all fixings from j on, so
        the variance of their sum is (sigma S)^2 sum_j (k - j + 1)^2 times the step's length.
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
