"""Recorded prices from a file: checked, sorted, and cut to the longest piece without a gap.

Owns what makes a file usable and the one line that says what was found in it. Reads CSV, gzipped CSV, and Parquet when
pyarrow is there; columns `ts_ms` and `price`, and `symbol` if the file has several. It knows no simulator.
"""

import csv
import gzip
import math
from collections.abc import Iterable
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
"""No spacing is an excuse for a longer silence than this: no session could be settled on it."""

LAST_MS = 4_102_444_800_000
"""Times are milliseconds since 1970, up to 2100; others are of another unit."""

_NEED = "need ts_ms (milliseconds since 1970) and a positive price"

RETURN_LAG_S = 10
SIGMA_HALF_LIFE_S = 600.0
SIGMA_FLOOR = 0.05
"""How the true volatility behind recorded prices is taken: an EWMA of squared returns over the lag, annualised."""


class PricesError(Exception):
    """A file of prices cannot be used; `missing` if it is not there at all. The text is one line for the user."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


@dataclass(frozen=True)
class Recording:
    """One asset's prices: milliseconds since the first row, dollars, annualised volatility at every whole second."""

    times_ms: list[int]
    prices: list[float]
    sigmas: list[float]


@dataclass(frozen=True)
class Recordings:
    """What a file gave for the assets asked for, and the line that says so."""

    by_asset: dict[str, Recording]
    report: str


@dataclass
class _Columns:
    times: npt.NDArray[np.int64]
    prices: npt.NDArray[np.float64]
    symbols: list[str] | None
    unusable: int


def load_recordings(path: Path, assets: tuple[str, ...]) -> Recordings:
    """Read a file and return the longest continuous piece of each asset it has prices of.

    A file without symbols is taken to be the first asset's.

    Raises:
        PricesError: the file is missing, unreadable, has wrong columns, no usable rows, or only other assets' prices.
    """
    columns = _read(path)
    if columns.times.size == 0:
        raise PricesError(f"{path}: no usable rows ({columns.unusable} unusable); {_NEED}")
    found: dict[str, Recording] = {}
    said: list[str] = []
    for asset, chosen in _by_asset(columns, assets, path).items():
        recording, line = _longest_piece(columns.times[chosen], columns.prices[chosen], path, asset)
        found[asset] = recording
        said.append(line)
    unusable = f"; {columns.unusable} unusable rows dropped" if columns.unusable else ""
    return Recordings(found, f"prices {path.name}: " + "; ".join(said) + unusable)


def read_prices(path: Path, asset: str = "BTC") -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Read a file and return every usable row of an asset, gaps and all: times in milliseconds UTC, and prices.

    Raises:
        PricesError: as `load_recordings` does.
    """
    columns = _read(path)
    if columns.times.size == 0:
        raise PricesError(f"{path}: no usable rows ({columns.unusable} unusable); {_NEED}")
    chosen = _by_asset(columns, (asset,), path)[asset]
    return columns.times[chosen], columns.prices[chosen]


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
    symbol_at = header.index("symbol") if "symbol" in header else None
    times: list[int] = []
    prices: list[float] = []
    symbols: list[str] = []
    unusable = 0
    for row in rows:
        if not row:
            continue
        try:
            when, price = _whole(row[time_at]), float(row[price_at])
            symbol = "" if symbol_at is None else row[symbol_at]
        except (ValueError, IndexError):
            unusable += 1
            continue
        if not (math.isfinite(price) and price > 0 and 0 <= when <= LAST_MS):
            unusable += 1
            continue
        times.append(when)
        prices.append(price)
        symbols.append(symbol)
    known = None if symbol_at is None else symbols
    return _Columns(np.array(times, dtype=np.int64), np.array(prices, dtype=np.float64), known, unusable)


def _whole(text: str) -> int:
    """A time as written by people or, with a decimal point, by spreadsheets. Raises ValueError."""
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
            f"{path}: Parquet needs the research extra (pip install 'mmactors[research]'); CSV needs nothing"
        ) from None
    try:
        names = pq.read_schema(path).names
        _check_columns(path, names)
        wanted = [name for name in ("ts_ms", "price", "symbol") if name in names]
        table = pq.read_table(path, columns=wanted)
        raw_times = np.asarray(table.column("ts_ms").cast(pa.float64()).to_numpy(), dtype=np.float64)
        raw_prices = np.asarray(table.column("price").cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException as error:
        raise PricesError(f"{path}: cannot be read as Parquet prices ({str(error).splitlines()[0]})") from None
    with np.errstate(invalid="ignore"):
        good = (raw_times >= 0) & (raw_times <= LAST_MS) & np.isfinite(raw_prices) & (raw_prices > 0)
    symbols: list[str] | None = None
    if "symbol" in wanted:
        named = table.column("symbol").to_pylist()
        symbols = [str(named[i]) for i in np.flatnonzero(good)]
    return _Columns(raw_times[good].astype(np.int64), raw_prices[good], symbols, int((~good).sum()))


def _check_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in ("ts_ms", "price") if name not in names]
    if missing:
        shown = ", ".join(names[:12])[:160] or "none"
        raise PricesError(f"{path}: wrong columns: needs ts_ms and price, {' and '.join(missing)} not among {shown}")


def _by_asset(columns: _Columns, assets: tuple[str, ...], path: Path) -> dict[str, npt.NDArray[np.bool_] | slice]:
    if columns.symbols is None:
        return {assets[0]: slice(None)}
    symbols = np.array(columns.symbols)
    names = sorted(set(columns.symbols))
    found: dict[str, npt.NDArray[np.bool_] | slice] = {}
    for asset in assets:
        mine = [name for name in names if name.upper().startswith(asset)]
        if mine:
            found[asset] = symbols == mine[0]
    if not found:
        raise PricesError(
            f"{path}: has prices of {', '.join(names)} only; simulator.sessions trades {', '.join(assets)}"
        )
    return found


def _longest_piece(
    times: npt.NDArray[np.int64], prices: npt.NDArray[np.float64], path: Path, asset: str
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
    piece = slice(int(starts[longest]), int(ends[longest]) + 1)
    span_ms = int(times[piece][-1] - times[piece][0])
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
    return Recording(elapsed.tolist(), prices[piece].tolist(), _volatility(elapsed, prices[piece])), line


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
