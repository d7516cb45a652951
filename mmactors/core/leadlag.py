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
"""The peak must stand so far above its mirror image: a source leads only if the other one does not lead it as well."""


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
        """Return by how many steps the first leads (negative: follows) and the correlation there; 0 if neither does."""
        scale = math.sqrt(self._first_squares * self._second_squares)
        if self._moves < LEAST_SAMPLES or scale <= 0.0:
            return 0.0, 0.0
        lags = self._lags
        found = [float(each) / scale for each in self._sums]
        peak = max(range(2 * lags + 1), key=lambda at: (found[at], -abs(at - lags)))
        height, mirror = found[peak], found[2 * lags - peak]
        if height < LEAST_CORRELATION or height - mirror < SIGNIFICANT_SD * math.sqrt(2.0 / self._moves):
            return 0.0, found[lags]
        between = 0.0
        if 0 < peak < 2 * lags:  # the vertex of the parabola through the peak and its neighbours
            left, right = found[peak - 1], found[peak + 1]
            bend = left - 2.0 * height + right
            between = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
        return peak - lags + between, height

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
