"""Our price against a real market's own mid, on sessions that settled on an average.

Owns reading recorded sessions (quotes once a second, strikes, outcomes) and the comparison: the same moments, the
same outcomes, one probability from us and one from the market. The settlement's average is priced as such.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmactors.core.params import VolatilityParams
from mmactors.core.pricing.fixings import Realised
from mmactors.core.pricing.settlement import MeanOfFixings
from mmactors.messages import Outcome, SettlementRule
from mmactors.ops.format import shown
from mmactors.research.calibration.calibrate import (
    EARLIEST_MS,
    LEAP,
    LEAST,
    MOST,
    TABLED_F,
    Grid,
    grid_of,
    interval,
    log_loss,
    reliability,
    usable_prices,
)
from mmactors.research.calibration.estimators import Array, ours
from mmactors.simulator.prices.recording import LAST_MS, PricesError
from mmactors.units import nanos, seconds

RULE = MeanOfFixings(SettlementRule("avg", 60, Outcome.YES))
"""How the recorded venue settles: the mean of the last sixty one-second prints, YES at the strike."""

FRESH_S = 5.0
"""Older prices or quotes are compared with nothing."""

WARM_UP_S = 900
"""How much of the prices must have been seen before sigma is judged."""


@dataclass(frozen=True)
class Session:
    """One recorded session: strike, start and end (milliseconds UTC), outcome, and the mid by second of its quotes."""

    name: str
    strike: float
    opens_ms: int
    closes_ms: int
    won: bool
    quoted_ms: npt.NDArray[np.int64]
    mids: npt.NDArray[np.floating]


def compare(sessions_path: Path, prices_path: Path | None, params: VolatilityParams) -> dict[str, Any]:
    """Score our fair value and the market's mid on the same moments; differences are ours minus the market's.

    The underlying is the sessions file's own where it has one, else the prices file's.

    Raises:
        PricesError: a file cannot be used, or no moment has price, quote and outcome.
    """
    sessions, grid = _read(sessions_path, prices_path)
    sigmas = ours(grid.prices, grid.ages_s, params)
    seen_s = np.cumsum(grid.ages_s <= FRESH_S, dtype=np.float64)
    rows: dict[float, list[tuple[float, float, bool]]] = {f: [] for f in TABLED_F}
    losses: list[float] = []
    for session in sessions:
        differences = []
        for f in TABLED_F:
            found = _at(session, f, grid, sigmas, seen_s)
            if found is not None:
                rows[f].append((*found, session.won))
                each = log_loss(np.array(found), np.array([session.won] * 2))
                differences.append(float(each[0] - each[1]))
        if differences:
            losses.append(float(np.mean(differences)))
    if len(losses) < 2:
        raise PricesError(
            f"{sessions_path}: no two sessions have outcome, quotes and prices of the underlying together"
        )
    table = {}
    for f, found_rows in rows.items():
        if not found_rows:
            continue
        fair, mid, won = (np.array(column) for column in zip(*found_rows, strict=True))
        table[f"{f:.0%}"] = {
            "sessions": len(found_rows),
            "ours": float(log_loss(fair, won).mean()),
            "market": float(log_loss(mid, won).mean()),
            "difference_ci": interval(log_loss(fair, won) - log_loss(mid, won)),
            "mean_absolute_gap": float(np.abs(fair - mid).mean()),
            "reliability": reliability(fair, won),
            "market_reliability": reliability(mid, won),
        }
    return {
        "sessions": len(losses),
        "log_loss_minus_market": float(np.mean(losses)),
        "log_loss_minus_market_ci": interval(np.array(losses)),
        "by_time_left": table,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """Return the comparison as a table for a console."""
    found = shown(found)
    low, high = found["log_loss_minus_market_ci"]
    return [
        f"against the market's own mid, {found['sessions']} sessions settled on a 60 s average:",
        f"log-loss ours minus market's {found['log_loss_minus_market']:+.4f} ({low:+.4f}..{high:+.4f})",
        "time left  sessions    ours  market  95 % of the difference  mean |ours - mid|",
        *(
            f"{left:>9}{row['sessions']:>10}{row['ours']:>8.4f}{row['market']:>8.4f}  "
            f"{row['difference_ci'][0]:+.4f}..{row['difference_ci'][1]:+.4f}{row['mean_absolute_gap']:>15.3f}"
            for left, row in found["by_time_left"].items()
        ),
    ]


def _at(session: Session, f: float, grid: Grid, sigmas: Array, seen_s: Array) -> tuple[float, float] | None:
    """Our fair value and the market's mid with the share `f` of the session left, clipped alike."""
    duration_ms = session.closes_ms - session.opens_ms
    now_ms = session.closes_ms - round(f * duration_ms)
    second = now_ms // 1000 - grid.first_s
    quote = int(np.searchsorted(session.quoted_ms, now_ms, side="right")) - 1
    if quote < 0 or now_ms - session.quoted_ms[quote] > FRESH_S * 1000 or not 0 <= second < grid.prices.size:
        return None
    if grid.ages_s[second] > FRESH_S or seen_s[second] < WARM_UP_S:
        return None
    left_s = seconds(nanos(session.closes_ms / 1000) - nanos(now_ms / 1000))
    count = max(0, RULE.fixings - int(left_s))
    fixings = grid.prices[second - count + 1 : second + 1] if count else grid.prices[:0]
    realised = Realised(float(fixings.sum()), count)
    fair = RULE.fair_value(float(grid.prices[second]), session.strike, float(sigmas[second]), left_s, realised)
    return min(max(fair, LEAST), MOST), min(max(float(session.mids[quote]), LEAST), MOST)


def _read(sessions_path: Path, prices_path: Path | None) -> tuple[list[Session], Grid]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        text = "recorded sessions need the research extra (make install-research)"
        raise PricesError(f"{sessions_path}: {text}") from None
    markets_path = _markets_beside(sessions_path)
    try:
        rows = pq.read_table(sessions_path)
        markets = pq.read_table(markets_path).to_pylist()
        names = np.array(rows.column("market_id").to_pylist())
        times_ms = np.asarray(rows.column("ts_ms").to_numpy(), dtype=np.int64)
        bids, asks = (np.asarray(rows.column(side).to_numpy(), dtype=np.float64) for side in ("yes_bid", "yes_ask"))
        wanted = [(m["market_id"], m["strike"], m["open_ts"], m["close_ts"], m["outcome"]) for m in markets]
    except (OSError, KeyError, pa.ArrowException) as error:
        text = f"cannot be read as sessions ({str(error).splitlines()[0]})"
        raise PricesError(f"{sessions_path}: {text}", missing=not sessions_path.is_file()) from None
    _must_be_of_their_units(sessions_path, times_ms, np.concatenate((bids, asks)), wanted)
    sessions = []
    for name, strike, opens_ms, closes_ms, outcome in wanted:
        here = np.flatnonzero((names == name) & np.isfinite(bids) & np.isfinite(asks) & (asks >= bids))
        if here.size and strike is not None and outcome in (0, 1):
            here = here[np.argsort(times_ms[here], kind="stable")]
            mids = 0.5 * (bids + asks)[here]
            sessions.append(Session(name, strike, opens_ms, closes_ms, outcome == 1, times_ms[here], mids))
    known_ms, known = np.zeros(0, dtype=np.int64), np.zeros(0)
    if "underlying" in rows.column_names:
        underlying = np.asarray(rows.column("underlying").to_numpy(), dtype=np.float64)
        there = np.isfinite(underlying) & (underlying > 0)
        known_ms, known = times_ms[there], underlying[there]
    if prices_path is not None:
        more_ms, more = usable_prices(prices_path)
        known_ms, known = np.concatenate((known_ms, more_ms)), np.concatenate((known, more))
    if not known.size:
        raise PricesError(f"{sessions_path}: has no prices of the underlying; give them with --prices")
    struck = [session.strike for session in sessions]
    if struck and not 1 / LEAP < (times := float(np.median(known) / np.median(struck))) < LEAP:
        text = f"the underlying's prices are {times:.3g} times the strikes; are both in dollars, and of one asset?"
        raise PricesError(f"{prices_path or sessions_path}: {text}")
    return sessions, grid_of(known_ms, known)


def _must_be_of_their_units(
    path: Path,
    times_ms: npt.NDArray[np.int64],
    quotes: npt.NDArray[np.float64],
    markets: Sequence[tuple[str, float, int, int, int]],
) -> None:
    highest = float(np.nanmax(quotes, initial=0.0))
    if highest > 1.0:
        raise PricesError(f"{path}: yes_bid and yes_ask go up to {highest:g}; need dollars from 0 to 1, not cents")
    for column, values in (
        ("ts_ms", times_ms),
        ("open_ts of its markets", np.array([market[2] for market in markets])),
        ("close_ts of its markets", np.array([market[3] for market in markets])),
    ):
        if values.size and not EARLIEST_MS < float(np.median(values)) < LAST_MS:
            raise PricesError(f"{path}: {column} is about {np.median(values):.3g}; need milliseconds since 1970")


def _markets_beside(path: Path) -> Path:
    """The file of markets that belongs to a file of quotes: NAME_markets, or with the quotes' cadence left out."""
    own = path.with_name(f"{path.stem}_markets{path.suffix}")
    return own if own.is_file() else path.with_name(f"{path.stem.rpartition('_')[0]}_markets{path.suffix}")
