"""The volatility estimators that calibration compares: ours, and the ones we decided against.

Each takes prices on a one-second grid and gives sigma at every second of it, knowing no later price. Ours is the
program's own object, fed as the program feeds it; the others are the formulas of strategy.md section 2 on arrays.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mmactors.core.params import VolatilityParams
from mmactors.core.reference.volatility import Volatility
from mmactors.units import MILLISECOND, SECOND, YEAR_S, Nanos

Array = npt.NDArray[np.float64]
Estimator = Callable[[Array], Array]

SILENT_S = 2.0
"""Prices older than this are not fed again: the reference is lost by then."""

PRIOR = 0.50


def ours(prices: Array, ages_s: Array, params: VolatilityParams, rate_hz: int = 1) -> Array:
    """Return the program's sigma at every second; at a higher rate each price is fed that often.

    Args:
        prices: one a second, held from the last that was known.
        ages_s: how old each is.
        params: as configured.
        rate_hz: how often a second the estimator is told.
    """
    volatility = Volatility(params)
    sigmas = np.empty(prices.size)
    step = SECOND // rate_hz
    for second, (price, age_s) in enumerate(zip(prices.tolist(), ages_s.tolist(), strict=True)):
        for k in range(rate_hz if age_s <= SILENT_S else 0):
            volatility.update(price, Nanos(second * SECOND + k * step))
            if k == 0:
                sigmas[second] = volatility.sigma()
        if age_s > SILENT_S:
            sigmas[second] = volatility.sigma()
    return sigmas


def as_received(
    times_ms: npt.NDArray[np.int64], prices: Array, first_s: int, count: int, params: VolatilityParams
) -> Array:
    """Return the program's sigma at `count` whole seconds from `first_s` on, every row told at its own time.

    Args:
        times_ms: of the rows, in order.
        prices: of the rows.
        first_s: seconds since 1970.
        count: how many seconds.
        params: as configured.
    """
    volatility = Volatility(params)
    sigmas, fed = np.empty(count), 0
    known = np.searchsorted(times_ms, (first_s + np.arange(count, dtype=np.int64)) * 1000, side="right").tolist()
    since_ns = ((times_ms - first_s * 1000) * MILLISECOND).tolist()
    for second, last in enumerate(known):
        for row in range(fed, last):
            volatility.update(float(prices[row]), Nanos(since_ns[row]))
        fed = last
        sigmas[second] = volatility.sigma()
    return sigmas


def specification_as_received(times_ms: npt.NDArray[np.int64], prices: Array, first_s: int, count: int) -> Array:
    """Return the specification's sigma at these seconds, fed the rows at whatever rate they come."""
    by_row = specification(prices)
    last = np.searchsorted(times_ms, (first_s + np.arange(count, dtype=np.int64)) * 1000, side="right") - 1
    return by_row[last]


def specification(prices: Array, per_s: int = 1, window: int = 100) -> Array:
    """Return the specification's sigma: the sd of the last `window` returns, taken as a second apart.

    At `per_s` prices a second its assumption is wrong; that is what it does on a fast feed.
    """
    held = np.repeat(prices, per_s)
    returns = np.diff(np.log(held), prepend=np.log(held[0]))
    total, square = np.cumsum(returns), np.cumsum(returns**2)
    last = np.arange(per_s - 1, held.size, per_s)
    first = np.maximum(last - window, 0)
    count = np.maximum(last - first, 2)
    mean = (total[last] - total[first]) / count
    variance: Array = np.maximum((square[last] - square[first]) / count - mean**2, 0.0) * count / (count - 1)
    sigmas: Array = np.sqrt(variance * YEAR_S)
    return sigmas


def rolling(prices: Array, lag_s: int, window_s: int, scale: float = 1.0) -> Array:
    """Return the root mean square of overlapping `lag_s` returns over a window, times `scale`."""
    squares = _squares(prices, lag_s)
    total = np.concatenate(([0.0], np.cumsum(squares)))
    end = np.arange(1, prices.size + 1)
    start = np.maximum(end - window_s, 0)
    sigmas: Array = np.sqrt((total[end] - total[start]) / (end - start) * YEAR_S)
    return sigmas * scale


def ewma(prices: Array, lag_s: int, half_life_s: float) -> Array:
    """Return the root of an exponentially weighted mean of overlapping `lag_s` returns."""
    keep = 0.5 ** (1.0 / half_life_s)
    variance, variances = PRIOR**2 / YEAR_S, np.empty(prices.size)
    for second, square in enumerate(_squares(prices, lag_s).tolist()):
        variance = keep * variance + (1.0 - keep) * square
        variances[second] = variance
    return np.sqrt(variances * YEAR_S)


def _half_trailing_hour(prices: Array) -> Array:
    mean: Array = (ewma(prices, 15, 600.0) ** 2 + rolling(prices, 15, 3600) ** 2) / 2
    return np.sqrt(mean)


RIVALS: dict[str, Estimator] = {
    "prior": lambda prices: np.full(prices.size, PRIOR),
    "specification_1s": specification,
    "specification_100ms": lambda prices: specification(prices, per_s=10),
    "rms_5s_600s": lambda prices: rolling(prices, 5, 600),
    "rms_5s_600s_x1.15": lambda prices: rolling(prices, 5, 600, 1.15),
    "ewma_15s": lambda prices: ewma(prices, 15, 600.0),
    "ewma_15s_and_hour": _half_trailing_hour,
}
"""What ours is compared with on the grid, by name; the specification's on the rows themselves comes to it."""


def _squares(prices: Array, lag_s: int) -> Array:
    logs = np.log(prices)
    squares = np.full(prices.size, PRIOR**2 / YEAR_S)
    squares[lag_s:] = (logs[lag_s:] - logs[:-lag_s]) ** 2 / lag_s
    return squares
