"""Saves what price sources say in the form that `--prices` plays: one row a tick, as Parquet or CSV.

Owns the file and its columns (`ts_ms`, `price`, `source`, `asset`, `kind`). The feeds' threads only leave their ticks
in a queue; whoever owns the recorder writes them. Knows no socket and no actor.
"""

import contextlib
import csv
from collections import Counter, deque
from pathlib import Path
from typing import Any, Protocol

from mmactors.messages import SpotTicked
from mmactors.units import MILLISECOND

COLUMNS = ("ts_ms", "price", "source", "asset", "kind")
ROWS_A_GROUP = 50_000

Row = tuple[int, float, str, str, str]


class RecordingError(Exception):
    """The file cannot be written; the text is one line that says why."""


class _File(Protocol):
    def write(self, rows: list[Row]) -> None: ...
    def close(self) -> None: ...


class _Csv:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def write(self, rows: list[Row]) -> None:
        self._writer.writerows(rows)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            why = "Parquet needs the research extra (make install-research); .csv needs nothing"
            raise RecordingError(f"{path}: {why}") from None
        types = (pa.int64(), pa.float64(), pa.string(), pa.string(), pa.string())
        self._schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
        self._table = pa.table
        self._writer: Any = pq.ParquetWriter(path, self._schema)
        self._waiting: list[Row] = []

    def write(self, rows: list[Row]) -> None:
        self._waiting += rows
        if len(self._waiting) >= ROWS_A_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            columns = [list(column) for column in zip(*self._waiting, strict=True)]
            self._writer.write_table(self._table(columns, schema=self._schema))
            self._waiting = []


class Recorder:
    """One file of ticks. `counts` says how many there are of each source, asset and kind."""

    def __init__(self, path: Path) -> None:
        """Open the file, which replaces one of that name.

        Raises:
            RecordingError: no such folder, not allowed, or no pyarrow for Parquet.
        """
        self.counts: Counter[str] = Counter()
        self._path = path
        self._broken = False
        self._heard: deque[SpotTicked] = deque()
        if path.suffix not in (".parquet", ".csv"):
            raise RecordingError(f"{path}: the name must end in .parquet or .csv")
        try:
            path.open("wb").close()  # pyarrow's own words would be several lines
            self._file: _File = _Csv(path) if path.suffix == ".csv" else _Parquet(path)
        except OSError as error:
            raise RecordingError(f"{path}: cannot be written ({error.strerror or error})") from None

    def hear(self, message: object) -> None:
        """Take a feed's message, in any thread; what is no tick is left alone."""
        if isinstance(message, SpotTicked):
            self._heard.append(message)

    def write(self) -> None:
        """Write what was heard since the last call.

        Raises:
            RecordingError: the disk is full, say.
        """
        rows: list[Row] = []
        while self._heard:
            tick = self._heard.popleft()
            rows.append((tick.received_ns // MILLISECOND, tick.price, tick.source, tick.asset, tick.kind))
            self.counts[f"{tick.source} {tick.asset} {tick.kind}"] += 1
        try:
            self._file.write(rows)
        except OSError as error:
            self._broken = True
            with contextlib.suppress(OSError):
                self._file.close()
            raise RecordingError(f"{self._path}: cannot be written ({error.strerror or error})") from None

    def close(self) -> None:
        """Write the rest and end the file; nothing is left to end once writing has failed.

        Raises:
            RecordingError: it could not be ended; a Parquet file is unreadable then.
        """
        if self._broken:
            return
        self.write()
        try:
            self._file.close()
        except OSError as error:
            raise RecordingError(f"{self._path}: cannot be ended ({error.strerror or error})") from None
