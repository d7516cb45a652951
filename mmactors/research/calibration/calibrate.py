"""Calibration: how well estimators of volatility price the sessions of a recording that really ended one way.

Owns the scoring protocol of strategy.md section 2: one-second grid, sessions back to back on multiples of their length,
probabilities at fixed shares of the time left against what happened, intervals clustered by session. It knows
estimators by name and arrays only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmactors.core.params import VolatilityParams
from mmactors.research.calibration import estimators
from mmactors.research.calibration.estimators import RIVALS, Array
from mmactors.simulator.prices.recording import PricesError, read_prices
from mmactors.units import YEAR_S

SCORED_F = (0.9, 0.7, 0.5, 0.3, 0.1)
TABLED_F = (*SCORED_F, 0.03)
WARM_UP_S = 3600
GAP_S = 10.0
LEAP = 2.0
"""A price does not become so many times another from one row to the next."""

EARLIEST_MS = 1_230_768_000_000
"""Nobody recorded prices of these assets before 2009."""

LEAST, MOST = 0.01, 0.99
BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
DEFAULT, SPECIFICATION = "default", "specification"
"""The program's own estimator and the specification's, among the names."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """Prices on a one-second grid: the first second (UTC), the last known price at each, and its age in seconds."""

    first_s: int
    prices: Array
    ages_s: Array


@dataclass(frozen=True)
class Sessions:
    """The sessions of one length on a grid: where each starts, and whether it ended above its start."""

    duration_s: int
    starts: npt.NDArray[np.int64]
    won: Bools


def grid_of(times_ms: npt.NDArray[np.int64], prices: Array) -> Grid:
    """Hold the last price on every whole second from the first to the last row."""
    order = np.argsort(times_ms, kind="stable")
    times_ms, prices = times_ms[order], prices[order]
    first_s = -(-int(times_ms[0]) // 1000)
    seconds = np.arange(first_s, int(times_ms[-1]) // 1000 + 1, dtype=np.int64) * 1000
    rows = np.searchsorted(times_ms, seconds, side="right") - 1
    return Grid(first_s, prices[rows], (seconds - times_ms[rows]) / 1000.0)


def sessions_of(grid: Grid, duration_s: int) -> Sessions:
    """Find the sessions of this length that can be scored: warmed up, and without a gap inside."""
    earliest = -(-(grid.first_s + WARM_UP_S) // duration_s) * duration_s - grid.first_s
    starts = np.arange(earliest, grid.prices.size - duration_s, duration_s, dtype=np.int64)
    whole = [start for start in starts.tolist() if grid.ages_s[start : start + duration_s + 1].max() <= GAP_S]
    kept = np.array(whole, dtype=np.int64)
    return Sessions(duration_s, kept, grid.prices[kept + duration_s] > grid.prices[kept])


def score(grid: Grid, sessions: Sessions, sigmas: Array) -> dict[str, Any]:
    """Score one estimator: log-loss, Brier, z rms, with 95 % intervals, by halves, and a reliability table."""
    from scipy.special import ndtr

    columns: dict[float, tuple[Array, Array]] = {}
    for f in TABLED_F:
        at = sessions.starts + sessions.duration_s - round(f * sessions.duration_s)
        deviation = sigmas[at] * math.sqrt(f * sessions.duration_s / YEAR_S)
        strikes, ends = grid.prices[sessions.starts], grid.prices[sessions.starts + sessions.duration_s]
        with np.errstate(divide="ignore", invalid="ignore"):
            fair = ndtr(np.nan_to_num(np.log(grid.prices[at] / strikes) / deviation, posinf=40.0, neginf=-40.0))
            moved = np.nan_to_num(np.log(ends / grid.prices[at]) / deviation, posinf=1e3, neginf=-1e3)
        columns[f] = (np.clip(fair, LEAST, MOST), moved)
    loss = np.mean([log_loss(columns[f][0], sessions.won) for f in SCORED_F], axis=0)
    brier = np.mean([(columns[f][0] - sessions.won) ** 2 for f in SCORED_F], axis=0)
    square = np.mean([columns[f][1] ** 2 for f in SCORED_F], axis=0)
    half = loss.size // 2
    return {
        "sessions": int(loss.size),
        "log_loss": float(loss.mean()),
        "log_loss_ci": interval(loss),
        "brier": float(brier.mean()),
        "brier_ci": interval(brier),
        "z_rms": float(np.sqrt(square.mean())),
        "z_rms_ci": [math.sqrt(max(edge, 0.0)) for edge in interval(square)],
        "first_half": {"log_loss": float(loss[:half].mean()), "z_rms": float(np.sqrt(square[:half].mean()))},
        "second_half": {"log_loss": float(loss[half:].mean()), "z_rms": float(np.sqrt(square[half:].mean()))},
        "reliability": {f"{f:.0%}": reliability(columns[f][0], sessions.won) for f in TABLED_F},
        "losses": loss,
    }


def log_loss(fair: Array, won: Bools) -> Array:
    """Return each prediction's logarithmic loss."""
    return -np.log(np.where(won, fair, 1.0 - fair))


def interval(values: Array) -> list[float]:
    """Return the 95 % interval of the mean, one value a session."""
    if values.size < 2:
        return [math.nan, math.nan]
    half = 1.96 * float(values.std(ddof=1)) / math.sqrt(values.size)
    return [float(values.mean()) - half, float(values.mean()) + half]


def reliability(fair: Array, won: Bools) -> list[dict[str, float]]:
    """Return for each bin of predictions how many, their mean, and how often YES won."""
    where = np.clip(np.digitize(fair, BINS) - 1, 0, len(BINS) - 2)
    return [
        {
            "from": BINS[k],
            "to": BINS[k + 1],
            "count": int((where == k).sum()),
            "predicted": float(fair[where == k].mean()),
            "won": float(won[where == k].mean()),
        }
        for k in range(len(BINS) - 1)
        if (where == k).any()
    ]


def calibrate(path: Path, durations: Mapping[str, int], params: VolatilityParams, asset: str = "BTC") -> dict[str, Any]:
    """Score every estimator on a file of one asset's prices, for each session length (name to seconds).

    A length of which the file has no two sessions that can be scored is left out.

    Raises:
        PricesError: the file cannot be used, or has no session that can be scored.
    """
    times_ms, prices = usable_prices(path, asset)
    grid = grid_of(times_ms, prices)
    sigmas = {DEFAULT: estimators.ours(grid.prices, grid.ages_s, params)}
    seconds = (times_ms, prices, grid.first_s, grid.prices.size)
    sigmas[SPECIFICATION] = estimators.specification_as_received(*seconds)
    sigmas |= {name: estimate(grid.prices) for name, estimate in RIVALS.items()}
    # The same prices at other rates; ours must say the same of them all.
    fed = {
        "fed_as_recorded": estimators.as_received(*seconds, params),
        "fed_at_20_hz": estimators.ours(grid.prices, grid.ages_s, params, rate_hz=20),
    }
    found: dict[str, Any] = {}
    for name, duration_s in durations.items():
        sessions = sessions_of(grid, duration_s)
        if sessions.starts.size < 2:
            continue
        scores = {each: score(grid, sessions, sigma) for each, sigma in sigmas.items()}
        base = scores[DEFAULT]["losses"]
        for each in scores.values():
            losses = each.pop("losses")
            each["log_loss_minus_default_ci"] = interval(losses - base)
        found[name] = {
            "sessions": int(sessions.starts.size),
            "won": float(sessions.won.mean()),
            "estimators": scores,
            **{how: _at_another_rate(grid, sessions, sigma, sigmas[DEFAULT]) for how, sigma in fed.items()},
        }
    if not found:
        raise PricesError(f"{path}: {_why_none(times_ms, grid, durations)}")
    return found


def usable_prices(path: Path, asset: str = "BTC") -> tuple[npt.NDArray[np.int64], Array]:
    """Read a file's prices of an asset in the order of their times.

    Raises:
        PricesError: the file cannot be used, or its prices are not all of one unit.
    """
    times_ms, prices = read_prices(path, asset)
    order = np.argsort(times_ms, kind="stable")
    times_ms, prices = times_ms[order], prices[order]
    leaps = np.flatnonzero(np.abs(np.diff(np.log(prices))) > math.log(LEAP))
    if leaps.size:
        before, after = prices[leaps[0]], prices[leaps[0] + 1]
        leap = f"the price leaps from {before:g} to {after:g} at ts_ms {times_ms[leaps[0] + 1]}"
        raise PricesError(f"{path}: {leap}; are all rows in dollars, and of one asset?")
    return times_ms, prices


def _at_another_rate(grid: Grid, sessions: Sessions, sigma: Array, default: Array) -> dict[str, float]:
    scored = score(grid, sessions, sigma)
    starts, length = sessions.starts, sessions.duration_s
    ratio = np.concatenate([sigma[s : s + length] / default[s : s + length] for s in starts])
    return {
        "log_loss": scored["log_loss"],
        "z_rms": scored["z_rms"],
        "sigma_ratio_p1": float(np.quantile(ratio, 0.01)),
        "sigma_ratio_p99": float(np.quantile(ratio, 0.99)),
    }


def _why_none(times_ms: npt.NDArray[np.int64], grid: Grid, durations: Mapping[str, int]) -> str:
    """What is wrong with a file that has no sessions."""
    usual_s = float(np.median(np.diff(times_ms))) / 1000 if times_ms.size > 1 else math.inf
    if int(times_ms[-1]) < EARLIEST_MS:
        return f"too short: all rows are in {_date(times_ms[0])}; is ts_ms in milliseconds?"
    if usual_s > GAP_S:
        return f"too coarse: a row every {usual_s:.0f} s; a session counts if no second of it is {GAP_S:.0f} s old"
    wanted = " or ".join(durations)
    return (
        f"too short: {grid.prices.size / 3600:.1f} h hold no two gapless sessions of {wanted} after an hour's warm-up"
    )


def _date(ms: np.int64) -> str:
    return f"{datetime.fromtimestamp(int(ms) / 1000, UTC):%B %Y}"


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return what was found as tables for a console."""
    rows: list[str] = []
    for name, result in found.items():
        if "estimators" not in result:
            continue
        rows.append(f"{name}: {result['sessions']} sessions, YES won {result['won']:.0%}; log-loss and Brier: less is")
        rows.append("better; z rms: 1 is right, above it sigma is too small. 95 % intervals, clustered by session.")
        rows.append(f"{'estimator':<22}{'log-loss':>9} {'':17}{'Brier':>7}{'z rms':>7} {'':15}  minus default")
        for estimator, s in result["estimators"].items():
            low, high = s["log_loss_ci"]
            z_low, z_high = s["z_rms_ci"]
            d_low, d_high = s["log_loss_minus_default_ci"]
            rows.append(
                f"{estimator:<22}{s['log_loss']:>9.4f} ({low:.4f}..{high:.4f}) {s['brier']:>6.4f}{s['z_rms']:>7.2f} "
                f"({z_low:.2f}..{z_high:.2f})  {d_low:+.4f}..{d_high:+.4f}"
            )
        halves = result["estimators"][DEFAULT]
        rows.append(
            f"default by halves: {halves['first_half']['log_loss']:.4f} / {halves['first_half']['z_rms']:.2f}, then "
            f"{halves['second_half']['log_loss']:.4f} / {halves['second_half']['z_rms']:.2f}; fed row by row "
            f"{result['fed_as_recorded']['log_loss']:.4f} / {result['fed_as_recorded']['z_rms']:.2f}, at 20 Hz "
            f"{result['fed_at_20_hz']['log_loss']:.4f} / {result['fed_at_20_hz']['z_rms']:.2f}"
        )
        rows.append("reliability of default: time left, then predicted -> won (count) by bin")
        for left, bins in halves["reliability"].items():
            cells = "  ".join(f"{b['predicted']:.2f}->{b['won']:.2f} ({b['count']})" for b in bins)
            rows.append(f"  {left:>4}  {cells}")
        rows.append("")
    return rows
