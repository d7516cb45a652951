"""Which of two price sources moves first, and by how much: cross-correlation of their returns on one grid.

Owns the estimator. Knows nothing of what the series are; the caller brings returns of equal steps.
"""

import math

import numpy as np

BLOCK = 50
"""Steps taken in at once; the answer is so much behind."""

LEAST_SAMPLES = 300.0
"""Steps in which something moved, before an answer is given (half a minute at ten a second)."""

LEAST_CORRELATION = 0.05
SIGNIFICANT_SD = 4.0
"""The peak, or its whole side, must stand so far above its mirror image: one leads only if the other does not as well.
"""


class LeadLag:
    """Exponentially weighted cross-correlation at up to `lags` steps either way. O(1) per step, O(lags) per block."""

    def __init__(self, lags: int, half_life_steps: float) -> None:
        self._lags = lags
        self._fade = 0.5 ** (BLOCK / half_life_steps)
        self._moves = self._first_squares = self._second_squares = 0.0
        self._sums = np.zeros(2 * lags + 1)
        self._first: list[float] = []
        self._second: list[float] = []

    def add(self, first: float, second: float) -> None:
        """Take the returns of one step."""
        self._first.append(first)
        self._second.append(second)
        if len(self._first) == BLOCK + self._lags:
            self._take_block()

    def restart(self) -> None:
        """Forget the unfinished block: what comes next does not follow on it."""
        self._first.clear()
        self._second.clear()

    def estimate(self) -> tuple[float, float]:
        """Return by how many steps the first leads (negative: follows) and the highest correlation; 0 if neither does.

        The lead is the middle of what is at least half as high as the peak: a feed that speaks now and then is late by
        anything between nothing and its pause.
        """
        scale = math.sqrt(self._first_squares * self._second_squares)
        if self._moves < LEAST_SAMPLES or scale <= 0.0:
            return 0.0, 0.0
        lags = self._lags
        found = [each / scale for each in self._sums.tolist()]
        peak = max(range(2 * lags + 1), key=lambda at: (found[at], -abs(at - lags)))
        if found[peak] < LEAST_CORRELATION or peak == lags:
            return 0.0, found[lags]
        towards = 1.0 if peak > lags else -1.0
        whole = towards * (sum(found[lags + 1 :], 0.0) - sum(found[:lags], 0.0))
        alone = found[peak] - found[2 * lags - peak]
        sd = math.sqrt(2.0 / self._moves)
        if alone < SIGNIFICANT_SD * sd and whole < SIGNIFICANT_SD * sd * math.sqrt(lags):
            return 0.0, found[lags]
        high = [(at, each) for at, each in enumerate(found) if 2.0 * each >= found[peak]]
        return sum(((at - lags) * each for at, each in high), 0.0) / sum((each for _, each in high), 0.0), found[peak]

    def _take_block(self) -> None:
        lags = self._lags
        first, second = np.array(self._first), np.array(self._second)
        a, b = first[lags:], second[lags:]
        # np.correlate(x, y, "valid")[k] is the sum of x[n + k] y[n]: the older return moves along the longer series.
        block = np.empty_like(self._sums)
        block[lags:] = np.correlate(first, b, "valid")[::-1]
        block[:lags] = np.correlate(second, a, "valid")[:-1]
        self._sums = self._sums * self._fade + block
        self._first_squares = self._first_squares * self._fade + float(a @ a)
        self._second_squares = self._second_squares * self._fade + float(b @ b)
        self._moves = self._moves * self._fade + int(np.count_nonzero((a != 0.0) | (b != 0.0)))
        del self._first[:BLOCK], self._second[:BLOCK]
