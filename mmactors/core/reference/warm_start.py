"""Sigma before the first live price: an estimator that starts with what an exchange's history shows.

Owns the checks of a history, how coarse candles become knowledge, and that what was seen live stays. Knows no source
and no clock.
"""

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from mmactors.core.params import VolatilityParams
from mmactors.core.reference.volatility import GAP_S, Volatility
from mmactors.messages import HistoryFetched
from mmactors.units import SECOND, YEAR_S, Nanos

LEAST_CLOSES = 20
"""Fewer than this tell nothing that the prior does not."""

OUTLIER = 16.0
"""A squared return of candles counts at most as this many times their median-based mean: a jump is not a level."""

WITHIN_S = 3600.0
"""A history that arrives later than this after the first live price adds little to what has been seen."""

_MEDIAN_OF_SQUARE = 0.4549
"""The median of a squared standard normal."""

Close = tuple[Nanos, float]


def usable(closes: Sequence[Close], before: Nanos) -> list[Close]:
    """Return the closes that are prices, in order of time, and older than `before`."""
    kept: list[Close] = []
    for at, price in closes:
        if 0.0 < price < math.inf and (not kept or at > kept[-1][0]) and at < before:
            kept.append((at, price))
    return kept


def warmed(params: VolatilityParams, closes: Sequence[Close], step_s: float) -> Volatility | None:
    """Return an estimator that has seen these closes, oldest first; None if they are too few to tell anything.

    Closes finer than the estimator's gap are given to it one by one. Coarser ones (one-minute candles) would each be a
    gap: their realised variance, fading with the level's half-life, becomes its prior instead. A candle's return is
    one sample as one return over `lag_s` is, so each weighs `lag_s` seconds, beside the configured prior.
    """
    if len(closes) < LEAST_CLOSES or not step_s > 0.0:
        return None
    if step_s <= GAP_S:
        volatility = Volatility(params)
        for at, price in closes:
            volatility.update(price, at)
        return volatility
    last_ns = closes[-1][0]
    rates = [
        (math.log(price / before) ** 2 / ((at - since) / SECOND), (last_ns - at) / SECOND)
        for (since, before), (at, price) in pairwise(closes)
        if at - since <= 1.5 * step_s * SECOND
    ]
    if len(rates) < LEAST_CLOSES - 1:
        return None
    limit = OUTLIER * sorted(rate for rate, _ in rates)[len(rates) // 2] / _MEDIAN_OF_SQUARE
    weights = [0.5 ** (age_s / params.half_life_s) * params.lag_s for _, age_s in rates]
    total = sum((weight * min(rate, limit) for (rate, _), weight in zip(rates, weights, strict=True)), 0.0)
    weight_s = sum(weights, 0.0) + params.prior_weight_s
    variance = (total + params.prior**2 / YEAR_S * params.prior_weight_s) / weight_s
    prior = min(max(math.sqrt(variance * YEAR_S), params.floor), params.cap)
    return Volatility(replace(params, prior=prior, prior_weight_s=weight_s))


class WarmStart:
    """Remembers the first hour of live prices as the estimator samples them, so that a history can be put before."""

    def __init__(self, params: VolatilityParams, counts: Counter[str]) -> None:
        self._params = params
        self._counts = counts
        self._since_ns: Nanos | None = None
        self._seen: deque[tuple[Nanos, float]] = deque()
        self._seen_step = 0
        self._grain_ns = max(round(params.step_s * SECOND), 1)
        self._step_s = math.inf

    def saw(self, price: float, now: Nanos) -> None:
        """Note a live price, every 100 ms or so; `closed` after an hour. The last of each of its steps is kept."""
        if self._since_ns is None:
            self._since_ns = now
        step = -(-now // self._grain_ns)
        if step == self._seen_step:
            self._seen[-1] = now, price
        else:
            self._seen.append((now, price))
            self._seen_step = step
        if self.closed(now):
            self._seen.clear()

    def closed(self, now: Nanos) -> bool:
        """Whether it is too late for a history."""
        return self._since_ns is not None and now - self._since_ns > WITHIN_S * SECOND

    def take(self, event: HistoryFetched, now: Nanos) -> Volatility | None:
        """Return an estimator that has seen the history and then what was live; None if it adds nothing.

        Closes since the first live price are left out. Of several histories the finest counts.
        """
        if event.step_s >= self._step_s:
            return None
        if self.closed(now):
            self._counts["history_late"] += 1
            return None
        before = now if self._since_ns is None else self._since_ns
        volatility = warmed(self._params, usable(event.closes, before), event.step_s)
        if volatility is None:
            self._counts["history_short"] += 1
            return None
        for at, price in self._seen:
            volatility.update(price, at)
        self._step_s = event.step_s
        return volatility
