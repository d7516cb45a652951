"""Recorded prices from a file: checked, sorted, and cut to the longest piece without a gap.

Owns what makes a file usable, and the line that reports its content. Formats: CSV, gzipped CSV, and Parquet with
pyarrow. Columns: `ts_ms` and `price`; `symbol` or `asset` if the file has several; `source` and `kind` as
`mmactors record` writes them (one source is played, by its books rather than its trades). It must not know the world.
"""

import csv
import gzip
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from mmactors.units import YEAR_S

GAP_LIMIT_MS = 30_000
"""A longer silence ends a piece, unless the file's own spacing is as coarse."""

COARSEST_MS = 3_600_000
"""The longest silence within a piece, however coarse the file: no session could settle on more."""

LAST_MS = 4_102_444_800_000
"""The latest time, in 2100: a later one is in another unit than milliseconds since 1970."""

_NEED = "need ts_ms (milliseconds since 1970) and a positive price"

PAST_MS = 3_600_000
"""How much of the file before the first row played is kept as its past."""

LABELS = ("symbol", "asset", "source", "kind")
"""The columns that name the asset, source and kind of a row."""

RETURN_LAG_S = 10
SIGMA_HALF_LIFE_S = 600.0
SIGMA_FLOOR = 0.05
"""The volatility of recorded prices is an EWMA of squared returns over the lag, annualised."""


class PricesError(Exception):
    """A file of prices cannot be used; `missing` if it is not there at all. The text is one line for the user."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


@dataclass(frozen=True)
class Recording:
    """One asset's prices: milliseconds since the first row, dollars, annualised volatility at every whole second.

    `first_ms` is the first row's time, milliseconds UTC; `past` the hour before it, milliseconds (below 0) and dollars.
    """

    times_ms: list[int]
    prices: list[float]
    sigmas: list[float]
    first_ms: int = 0
    past: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Recordings:
    """The recordings found in a file, by asset, and the line that reports them."""

    by_asset: dict[str, Recording]
    report: str


@dataclass
class _Columns:
    times: npt.NDArray[np.int64]
    prices: npt.NDArray[np.float64]
    labels: dict[str, list[str]]
    unusable: int

    def of(self, chosen: npt.NDArray[np.bool_]) -> "_Columns":
        kept = {
            name: [label for label, keep in zip(labels, chosen.tolist(), strict=True) if keep]
            for name, labels in self.labels.items()
        }
        return _Columns(self.times[chosen], self.prices[chosen], kept, self.unusable)


def load_prices(
    prices: Path | Mapping[str, Path], assets: tuple[str, ...], *, prefer: str | None = None, from_s: float = 0.0
) -> Recordings:
    """Read the recordings of these assets from one file, or from a file each; see `load_recordings`."""
    if isinstance(prices, Path):
        return load_recordings(prices, assets, prefer=prefer, from_s=from_s)
    loaded = [
        load_recordings(prices[asset], (asset,), prefer=prefer, from_s=from_s) for asset in assets if asset in prices
    ]
    if not loaded:
        raise PricesError(f"prices: given for {', '.join(prices)} only; simulator.sessions trades {', '.join(assets)}")
    by_asset = {asset: recording for each in loaded for asset, recording in each.by_asset.items()}
    return Recordings(by_asset, "; ".join(each.report for each in loaded))


def load_recordings(
    path: Path, assets: tuple[str, ...], *, prefer: str | None = None, from_s: float = 0.0
) -> Recordings:
    """Read a file and return the longest continuous piece of each asset it has prices of.

    A file without symbols is taken to be the first asset's.

    Args:
        path: the file.
        assets: the assets wanted.
        prefer: the source to play, if the file has it; otherwise each asset's source with the most rows.
        from_s: seconds into the piece at which it begins; the rows before it are its past.

    Raises:
        PricesError: the file is missing, unreadable, has wrong columns, no usable rows, or only other assets' prices.
    """
    columns = _read(path)
    if columns.times.size == 0:
        raise PricesError(f"{path}: no usable rows ({columns.unusable} unusable); {_NEED}")
    found: dict[str, Recording] = {}
    lines: list[str] = []
    for asset, mine in _by_asset(columns, assets, path).items():
        rows, source = _one_source(mine, prefer)
        found[asset], line = _longest_piece(rows.times, rows.prices, path, asset, round(from_s * 1000))
        lines.append(line + source)
    unusable = f"; {columns.unusable} unusable rows dropped" if columns.unusable else ""
    return Recordings(found, f"prices {path.name}: " + "; ".join(lines) + unusable)


def read_prices(path: Path, asset: str = "BTC") -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Read a file and return every usable row of an asset, gaps and all: times in milliseconds UTC, and prices.

    Raises:
        PricesError: as `load_recordings` does.
    """
    columns = _read(path)
    if columns.times.size == 0:
        raise PricesError(f"{path}: no usable rows ({columns.unusable} unusable); {_NEED}")
    rows, _ = _one_source(_by_asset(columns, (asset,), path)[asset], None)
    return rows.times, rows.prices


def _one_source(columns: _Columns, prefer: str | None) -> tuple[_Columns, str]:
    """Return one source's rows: its books if it has any, as a trade is at one side of the book."""
    if "source" not in columns.labels:
        return columns, ""
    counted = Counter(columns.labels["source"])
    chosen = prefer if prefer in counted else counted.most_common(1)[0][0]
    columns = columns.of(np.array(columns.labels["source"]) == chosen)
    if "book" in columns.labels.get("kind", ()):
        columns = columns.of(np.array(columns.labels["kind"]) == "book")
    return columns, f" (source {chosen})" if len(counted) > 1 else ""


def _read(path: Path) -> _Columns:
    if not path.is_file():
        raise PricesError(f"{path}: no such file", missing=True)
    try:
        if path.suffix == ".parquet":
            return _read_parquet(path)
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
                return _read_csv(path, cast("IO[str]", file))
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read_csv(path, file)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise PricesError(f"{path}: cannot be read as prices ({error})") from None


def _read_csv(path: Path, file: Iterable[str]) -> _Columns:
    rows = csv.reader(file)
    header = [name.strip() for name in next(rows, [])]
    _check_columns(path, header)
    time_at, price_at = header.index("ts_ms"), header.index("price")
    labels: dict[str, list[str]] = {name: [] for name in LABELS if name in header}
    label_at = {name: header.index(name) for name in labels}
    times: list[int] = []
    prices: list[float] = []
    unusable = 0
    for row in rows:
        if not row:
            continue
        try:
            when, price = _whole(row[time_at]), float(row[price_at])
            row_labels = {name: row[at] for name, at in label_at.items()}
        except (ValueError, IndexError):
            unusable += 1
            continue
        if not (math.isfinite(price) and price > 0 and 0 <= when <= LAST_MS):
            unusable += 1
            continue
        times.append(when)
        prices.append(price)
        for name, label in row_labels.items():
            labels[name].append(label)
    return _Columns(np.array(times, dtype=np.int64), np.array(prices, dtype=np.float64), labels, unusable)


def _whole(text: str) -> int:
    """Return a whole number, written with or without a decimal point (spreadsheets do). Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)


def _read_parquet(path: Path) -> _Columns:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise PricesError(
            f"{path}: Parquet needs the research extra (make install-research); CSV needs nothing"
        ) from None
    try:
        names = pq.read_schema(path).names
        _check_columns(path, names)
        named = [name for name in LABELS if name in names]
        table = pq.read_table(path, columns=["ts_ms", "price", *named])
        raw_times = np.asarray(table.column("ts_ms").cast(pa.float64()).to_numpy(), dtype=np.float64)
        raw_prices = np.asarray(table.column("price").cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException as error:
        raise PricesError(f"{path}: cannot be read as Parquet prices ({str(error).splitlines()[0]})") from None
    with np.errstate(invalid="ignore"):
        good = (raw_times >= 0) & (raw_times <= LAST_MS) & np.isfinite(raw_prices) & (raw_prices > 0)
    columns = {name: table.column(name).to_pylist() for name in named}
    kept = np.flatnonzero(good).tolist()
    labels = {name: [str(column[at]) for at in kept] for name, column in columns.items()}
    return _Columns(raw_times[good].astype(np.int64), raw_prices[good], labels, int((~good).sum()))


def _check_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in ("ts_ms", "price") if name not in names]
    if missing:
        shown = ", ".join(names[:12])[:160] or "none"
        raise PricesError(f"{path}: wrong columns: needs ts_ms and price, {' and '.join(missing)} not among {shown}")


def _by_asset(columns: _Columns, assets: tuple[str, ...], path: Path) -> dict[str, _Columns]:
    labels = columns.labels.get("symbol") or columns.labels.get("asset")
    if labels is None:
        return {assets[0]: columns}
    symbols = np.array(labels)
    names = sorted(set(labels))
    found: dict[str, _Columns] = {}
    for asset in assets:
        mine = [name for name in names if name.upper().startswith(asset)]
        if mine:
            found[asset] = columns.of(symbols == mine[0])
    if not found:
        raise PricesError(f"{path}: has prices of {', '.join(names)} only, and none of {', '.join(assets)}")
    return found


def _longest_piece(
    times: npt.NDArray[np.int64], prices: npt.NDArray[np.float64], path: Path, asset: str, from_ms: int
) -> tuple[Recording, str]:
    rows = times.size
    disordered = int((np.diff(times) < 0).sum())
    order = np.argsort(times, kind="stable")
    times, prices = times[order], prices[order]
    last_of_its_time = np.append(np.diff(times) > 0, True)
    times, prices = times[last_of_its_time], prices[last_of_its_time]
    spacing = np.diff(times)
    usual = int(np.median(spacing)) if spacing.size else 0
    limit = min(max(GAP_LIMIT_MS, 3 * usual), COARSEST_MS)
    breaks = np.flatnonzero(spacing > limit)
    starts = np.concatenate(([0], breaks + 1))
    ends = np.concatenate((breaks, [times.size - 1]))
    longest = int(np.argmax(times[ends] - times[starts]))
    first, last = int(starts[longest]), int(ends[longest])
    if from_ms:
        if times[last] - times[first] < from_ms + 1000:
            have = _span(int(times[last] - times[first]))
            raise PricesError(
                f"{path}: the longest piece of {asset} has {have}, all before prices_from_s; set it lower"
            )
        first = int(np.searchsorted(times, times[first] + from_ms))
    piece = slice(first, last + 1)
    span_ms = int(times[last] - times[first])
    if span_ms < 1000:
        unit = "; is ts_ms in milliseconds?" if rows > 1 and usual <= 60 else ""
        text = f"too short: {rows} rows of {asset} have no piece of even a second without a gap{unit}"
        raise PricesError(f"{path}: {text}")
    since = datetime.fromtimestamp(int(times[piece][0]) / 1000, UTC)
    line = (
        f"{rows} rows of {asset} over {_span(int(times[-1] - times[0]))}, {rows - times.size} duplicate times, "
        f"{disordered} out of order, {breaks.size} gaps over {limit / 1000:.0f} s; playing the longest piece, "
        f"{_span(span_ms)} from {since:%Y-%m-%d %H:%M:%S}Z"
    )
    elapsed = times[piece] - times[piece][0]
    before = slice(int(np.searchsorted(times, times[first] - PAST_MS)), first)
    past = tuple(zip((times[before] - times[first]).tolist(), prices[before].tolist(), strict=True))
    sigmas = _volatility(elapsed, prices[piece])
    return Recording(elapsed.tolist(), prices[piece].tolist(), sigmas, int(times[first]), past), line


def _volatility(elapsed: npt.NDArray[np.int64], prices: npt.NDArray[np.float64]) -> list[float]:
    """Return sigma at every whole second, from prices held on a one-second grid."""
    grid = np.arange(0, int(elapsed[-1]) + 1000, 1000)
    held = np.log(prices[np.searchsorted(elapsed, grid, side="right") - 1])
    lag = min(RETURN_LAG_S, held.size - 1)
    squares = np.concatenate((np.full(lag, np.nan), (held[lag:] - held[:-lag]) ** 2)) * (YEAR_S / lag)
    mean = float(np.nanmean(squares))
    keep = 0.5 ** (1 / SIGMA_HALF_LIFE_S)
    variance, sigmas = mean, []
    for square in squares.tolist():
        if not math.isnan(square):
            variance = keep * variance + (1 - keep) * square
        sigmas.append(max(SIGMA_FLOOR, math.sqrt(variance)))
    return sigmas


def _span(span_ms: int) -> str:
    return f"{span_ms / 3_600_000:.1f} h" if span_ms >= 3_600_000 else f"{span_ms / 60_000:.1f} min"
