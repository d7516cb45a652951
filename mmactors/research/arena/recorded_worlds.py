"""Recorded prices cut into worlds: which sessions of a file are played, where each world begins, what takers know.

Owns strategy.md's scoring protocol as far as playing goes, and the volatility that stands for the true one behind a
recording. Knows no entrant and no process.

The true volatility of a synthetic world is known; behind a recording nobody knows it. The simulated takers price with
the realised one of the minutes around each moment, past and future alike: an average of squared ten-second returns that
halves every five minutes to either side. They know nothing of the direction, and the level better than anyone trading
(on the recorded oracle day: log-loss .4436, z rms .99 for 5-minute sessions, our estimator .4455 and 1.13), so no
entrant is flattered by takers who make its own mistakes. It is the same for everybody.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mmactors.research.calibration.calibrate import GAP_S, Grid, grid_of, sessions_of
from mmactors.research.calibration.estimators import Array
from mmactors.simulator.prices.recording import SIGMA_FLOOR, PricesError, Recording, read_prices
from mmactors.units import YEAR_S

WARM_UP_S = 3600
"""How much of the recording everybody sees before the first session that counts, unless a hole is in the way."""

PIECE_S = 10_800
"""The longest piece that one process plays, after the warm-up."""

HOLE_S = 60
"""A silence that no world plays: the next one begins behind it, with what warm-up there is by then."""

LAG_S = 10
HALF_LIFE_S = 300.0


@dataclass(frozen=True)
class Excerpt:
    """A piece of a recording as a world.

    Attributes:
        recording: its rows, the first at the start of the warm-up.
        elapsed_s: how old the session is that runs at the start, in seconds.
        counted: the sessions that count: their places among the world's, and their starts (UTC).
    """

    recording: Recording
    elapsed_s: float
    counted: tuple[tuple[int, str], ...]

    @property
    def sessions(self) -> int:
        """How many sessions the world has, the warm-up's among them."""
        return self.counted[-1][0] + 1


def cut(path: Path, asset: str, duration_s: int, most: int | None = None) -> list[Excerpt]:
    """Cut a file into worlds of sessions back to back on UTC multiples of the duration, the first `most` of them.

    Raises:
        PricesError: the file cannot be used, or has no session that can be played.
    """
    times_ms, prices = read_prices(path, asset)
    order = np.argsort(times_ms, kind="stable")
    times_ms, prices = times_ms[order], prices[order]
    grid = grid_of(times_ms, prices)
    starts = sessions_of(grid, duration_s).starts[:most].tolist()
    if not starts:
        raise PricesError(f"{path}: {_why_none(times_ms, duration_s)}")
    holes = np.flatnonzero(np.diff(times_ms) > HOLE_S * 1000)
    silent = [(int(times_ms[at]), int(times_ms[at + 1])) for at in holes.tolist()]
    sigmas = realised(grid)
    pieces: list[list[int]] = []
    for start in starts:
        begun = pieces[-1][0] if pieces else -PIECE_S
        at_ms = (grid.first_s + start) * 1000
        hole = any(until > (grid.first_s + begun) * 1000 and since < at_ms for since, until in silent)
        if hole or start + duration_s - begun > max(PIECE_S, duration_s):
            pieces.append([])
        pieces[-1].append(start)
    return [_excerpt(piece, duration_s, times_ms, prices, grid, sigmas, silent) for piece in pieces]


def realised(grid: Grid) -> Array:
    """Return the annualised volatility around each second: both sides weighted alike, silences left out."""
    logs, count = np.log(grid.prices), grid.prices.size
    squares, weights = np.zeros(count), np.zeros(count)
    silent = np.concatenate(([0], np.cumsum(grid.ages_s > GAP_S)))
    received = silent[LAG_S + 1 :] == silent[: -LAG_S - 1]
    middle = slice(LAG_S // 2, count - LAG_S + LAG_S // 2)
    weights[middle] = received
    squares[middle] = np.where(received, (logs[LAG_S:] - logs[:-LAG_S]) ** 2 / LAG_S, 0.0)
    total, weight = _around(squares), _around(weights)
    variance = np.divide(total, weight, out=np.zeros(count), where=weight > 0.0)
    return np.maximum(np.sqrt(variance * YEAR_S), SIGMA_FLOOR)


def _around(values: Array) -> Array:
    return _faded(values) + _faded(values[::-1])[::-1] - values


def _faded(values: Array) -> Array:
    keep, total, found = 0.5 ** (1 / HALF_LIFE_S), 0.0, []
    for value in values.tolist():
        total = total * keep + value
        found.append(total)
    return np.array(found)


def _excerpt(
    piece: list[int],
    duration_s: int,
    times_ms: npt.NDArray[np.int64],
    prices: Array,
    grid: Grid,
    sigmas: Array,
    silent: list[tuple[int, int]],
) -> Excerpt:
    begin_s, end_s = grid.first_s + piece[0], grid.first_s + piece[-1] + duration_s
    behind_holes = [until for _, until in silent if until <= begin_s * 1000]
    received_s = max([grid.first_s, *(-(-until // 1000) for until in behind_holes)])
    from_s = max(begin_s - WARM_UP_S, min(received_s, begin_s))
    warm_s = begin_s - from_s
    rows = slice(
        int(np.searchsorted(times_ms, from_s * 1000, "right")) - 1, int(np.searchsorted(times_ms, end_s * 1000))
    )
    elapsed_ms = np.maximum(times_ms[rows] - from_s * 1000, 0)
    newest = np.append(np.diff(elapsed_ms) > 0, True)  # the last of equal times holds
    spoken_ms, spoken = elapsed_ms[newest].tolist(), prices[rows][newest].tolist()
    at_end = float(grid.prices[end_s - grid.first_s])
    recording = Recording(
        [*spoken_ms, (end_s - from_s) * 1000],
        [*spoken, at_end],
        sigmas[from_s - grid.first_s : end_s - grid.first_s + 1].tolist(),
        from_s * 1000,
    )
    first = math.ceil(warm_s / duration_s)
    names = [datetime.fromtimestamp(grid.first_s + start, UTC).strftime("%Y-%m-%dT%H:%MZ") for start in piece]
    counted = [(first + (start - piece[0]) // duration_s, name) for start, name in zip(piece, names, strict=True)]
    return Excerpt(recording, float(-warm_s % duration_s), tuple(counted))


def _why_none(times_ms: npt.NDArray[np.int64], duration_s: int) -> str:
    span_s = int(times_ms[-1] - times_ms[0]) / 1000
    usual_s = float(np.median(np.diff(times_ms))) / 1000 if times_ms.size > 1 else 0.0
    length = f"{duration_s // 60} min"
    if usual_s > GAP_S:
        return f"too coarse: a price every {usual_s:.0f} s, and no session of {length} without a gap over {GAP_S:.0f} s"
    unit = "; is ts_ms in milliseconds?" if times_ms[-1] < 1e11 else ""
    text = f"{span_s / 3600:.1f} h hold no session of {length} without a gap over {GAP_S:.0f} s after an hour's warm-up"
    return f"too short: {text}{unit}"
