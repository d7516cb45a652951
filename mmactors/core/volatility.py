"""Volatility of one asset, from the prices of any feed at any rate.

Owns the estimator; knows no source, market or clock of its own. Prices are resampled on a clock (last price in each
step), so the answer does not depend on the feed's rate; overlapping returns over `lag_s` see through the smoothing of
oracle-type feeds, which hides much of the variance of one-second returns.
"""

import math
from collections import deque

from mmactors.core.params import VolatilityParams
from mmactors.units import SECOND, YEAR_S, Nanos

GAP_S = 10.0
"""A silence longer than this is a hole in the data; the window restarts instead of inventing zero returns."""

OUTLIER_SD = 6.0
"""A return counts at most as one of this many standard deviations of the estimate so far."""


class Volatility:
    """Annualised sigma: an EWMA of overlapping squared log returns which starts as the configured prior.

    The prior enters as `prior_weight_s` seconds of past data and fades with the same half-life. After a gap, what is
    left of the old data is topped up with the prior to that weight. O(1) per update.
    """

    def __init__(self, params: VolatilityParams) -> None:
        self._params = params
        self._step_ns = max(round(params.step_s * SECOND), 1)
        self._lag_steps = max(round(params.lag_s / params.step_s), 1)
        self._lag_s = self._lag_steps * params.step_s
        self._decay = 0.5 ** (params.step_s / params.half_life_s)
        self._prior = params.prior**2 / YEAR_S
        self._weight = max(params.prior_weight_s / params.step_s, 1e-9)
        self._sum = self._prior * self._weight
        self._window: deque[float] = deque(maxlen=self._lag_steps + 1)
        self._price = 0.0
        self._last_ns = 0
        self._step = 0
        self.outliers = 0

    def update(self, price: float, now: Nanos) -> None:
        """Take the price at `now`. A price that is not a positive number is ignored."""
        if not 0.0 < price < math.inf:
            return
        step = now // self._step_ns
        if self._price == 0.0:
            self._restart(now)
        elif abs(now - self._last_ns) > GAP_S * SECOND:
            self._fade((now - self._last_ns) / SECOND)
            self._restart(now)
        elif step > self._step:
            sample = math.log(self._price)
            for _ in range(step - self._step):
                self._push(sample)
            self._step = step
        self._price = price
        self._last_ns = max(now, self._last_ns)

    def sigma(self) -> float:
        """Return the annualised volatility, within the floor and the cap."""
        sigma = math.sqrt(self._sum / self._weight * YEAR_S)
        return min(max(sigma, self._params.floor), self._params.cap)

    def _push(self, sample: float) -> None:
        window = self._window
        window.append(sample)
        if len(window) <= self._lag_steps:
            return
        rate = (sample - window[0]) ** 2 / self._lag_s
        limit = OUTLIER_SD**2 * max(self._sum / self._weight, self._params.floor**2 / YEAR_S)
        if rate > limit:
            rate = limit
            self.outliers += 1
        self._sum = self._sum * self._decay + rate
        self._weight = self._weight * self._decay + 1.0

    def _restart(self, now: Nanos) -> None:
        self._window.clear()
        self._step = now // self._step_ns
        self._last_ns = now

    def _fade(self, gap_s: float) -> None:
        left = self._decay ** (max(gap_s, 0.0) / self._params.step_s)
        self._sum *= left
        self._weight *= left
        missing = self._params.prior_weight_s / self._params.step_s - self._weight
        if missing > 0.0:
            self._sum += self._prior * missing
            self._weight += missing
