"""Volatility of one asset, from the prices of any feed at any rate.

Owns the estimator; knows no source, market or clock of its own. Prices are resampled on a clock (last price in each
step, its end included), so the answer does not depend on the feed's rate; overlapping returns over `lag_s` see through
the smoothing of oracle-type feeds, which hides much of the variance of one-second returns.
"""

import math
from collections import deque

from mmactors.core.params import VolatilityParams
from mmactors.units import SECOND, YEAR_S, Nanos

GAP_S = 10.0
"""A silence longer than this is a hole in the data; the window restarts instead of inventing zero returns."""

OUTLIER_SD = 3.5
"""A return counts at most as one of this many standard deviations of its average so far: a jump is over when it is
over, and must not widen the next half hour. (On the recorded days both log-losses are lower with it than without.)
"""

RATIO_RANGE = (0.2, 5.0)
"""How far the market's present liveliness may move the variance away from its level."""

RATIO_AFTER = 30.0
"""Samples before that liveliness is believed."""


class _Average:
    """An exponentially weighted mean of squared returns per second, from a prior worth `weight` samples."""

    __slots__ = ("decay", "sum", "weight")

    def __init__(self, half_life_steps: float, prior: float, weight: float) -> None:
        self.decay = 0.5 ** (1.0 / half_life_steps)
        self.sum = prior * weight
        self.weight = weight

    @property
    def mean(self) -> float:
        return self.sum / self.weight

    def add(self, rate: float) -> None:
        self.sum = self.sum * self.decay + rate
        self.weight = self.weight * self.decay + 1.0

    def fade(self, steps: float) -> None:
        left = self.decay**steps
        self.sum *= left
        self.weight *= left


class Volatility:
    """Annualised sigma: a level times the market's present liveliness.

    The level is a slow EWMA of overlapping squared returns over `lag_s`, which starts as the configured prior. The
    liveliness is a fast EWMA of short returns over the slow EWMA of the same, to the power `fast_share`: short returns
    are precise and quick, but a smoothed feed hides part of them; in the ratio that part cancels.

    The prior enters as `prior_weight_s` seconds of past data and fades with the same half-life. After a gap, what is
    left of the old data is topped up with the prior to that weight. O(1) per update.
    """

    def __init__(self, params: VolatilityParams) -> None:
        self._params = params
        step_s = params.step_s
        self._step_ns = max(round(step_s * SECOND), 1)
        self._lag_steps = max(round(params.lag_s / step_s), 1)
        self._fast_steps = min(max(round(params.fast_lag_s / step_s), 1), self._lag_steps)
        self._prior = params.prior**2 / YEAR_S
        self._least = params.floor**2 / YEAR_S
        slow, fast = params.half_life_s / step_s, params.fast_half_life_s / step_s
        self._level = _Average(slow, self._prior, max(params.prior_weight_s / step_s, 1e-9))
        self._fast = _Average(fast, self._prior, 1e-9)
        self._usual = _Average(slow, self._prior, 1e-9)
        self._window: deque[float] = deque(maxlen=self._lag_steps + 1)
        self._price = 0.0
        self._last_ns = 0
        self._step = 0
        self._sigma: float | None = None  # None: the averages have changed since

    def update(self, price: float, now: Nanos) -> None:
        """Take the price at `now`. A price that is not a positive number is ignored."""
        if not 0.0 < price < math.inf:
            return
        step = self._step_of(now)
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
        if self._sigma is None:
            self._sigma = self._estimate()
        return self._sigma

    def _estimate(self) -> float:
        variance = self._level.mean
        if self._usual.weight >= RATIO_AFTER and self._usual.mean > 0.0:
            least, most = RATIO_RANGE
            variance *= min(max(self._fast.mean / self._usual.mean, least), most) ** self._params.fast_share
        return min(max(math.sqrt(variance * YEAR_S), self._params.floor), self._params.cap)

    def _push(self, sample: float) -> None:
        self._sigma = None
        window = self._window
        window.append(sample)
        if len(window) > self._fast_steps:
            rate = (sample - window[-1 - self._fast_steps]) ** 2 / (self._fast_steps * self._params.step_s)
            known = self._usual.mean if self._usual.weight >= RATIO_AFTER else self._level.mean
            rate = min(rate, OUTLIER_SD**2 * max(known, self._least))
            self._fast.add(rate)
            self._usual.add(rate)
        if len(window) > self._lag_steps:
            rate = (sample - window[0]) ** 2 / (self._lag_steps * self._params.step_s)
            self._level.add(min(rate, OUTLIER_SD**2 * max(self._level.mean, self._least)))

    def _restart(self, now: Nanos) -> None:
        self._window.clear()
        self._step = self._step_of(now)
        self._last_ns = now

    def _step_of(self, now: Nanos) -> int:
        # A price on the stroke closes its step: a feed of one price a second gives the same samples as one of twenty.
        return -(-now // self._step_ns)

    def _fade(self, gap_s: float) -> None:
        self._sigma = None
        steps = max(gap_s, 0.0) / self._params.step_s
        for average in (self._level, self._fast, self._usual):
            average.fade(steps)
        missing = self._params.prior_weight_s / self._params.step_s - self._level.weight
        if missing > 0.0:
            self._level.sum += self._prior * missing
            self._level.weight += missing
