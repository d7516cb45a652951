"""The journal: what happened to money, on disk, so that no death of the process can lose or repeat it.

Owns the SQLite file, its lock (one instance per journal) and its rows' checksums. A plain class: when to commit is the
caller's choice, and the clock is an argument. It knows nothing of actors, and decides nothing.

Fills and order events are buffered and committed in groups; a run's number, a change of trading state and a settlement
are on disk before the call returns. What a failed commit could not write stays buffered.
"""

import contextlib
import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, Self

import msgspec

from mmactors.messages import (
    Market,
    MarketChanged,
    MarketListed,
    MarketResolved,
    OrderFilled,
    Outcome,
    PairsMerged,
    PastHolding,
    Resolution,
    TradingState,
    TradingStateChanged,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks

SCHEMA_VERSION = 1
LOCK_EXIT = 75
"""Exit code of a second instance."""

DAY_NS = 86_400 * SECOND

_SCHEMA = """
CREATE TABLE runs (run INTEGER PRIMARY KEY AUTOINCREMENT, at_ns INTEGER NOT NULL);
CREATE TABLE markets (market TEXT PRIMARY KEY, tick_micros INTEGER NOT NULL);
CREATE TABLE events (seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, at_ns INTEGER NOT NULL, type TEXT NOT NULL,
    market TEXT, body TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX events_by_market ON events (market);
CREATE TABLE fills (fill_id TEXT NOT NULL, run INTEGER NOT NULL, at_ns INTEGER NOT NULL, market TEXT NOT NULL,
    client_id TEXT NOT NULL, outcome TEXT NOT NULL, ticks INTEGER NOT NULL, tick_micros INTEGER NOT NULL,
    size INTEGER NOT NULL, fee_micros INTEGER NOT NULL, filled_total INTEGER NOT NULL, maker INTEGER NOT NULL,
    venue_ns INTEGER NOT NULL, crc INTEGER NOT NULL, UNIQUE (fill_id, client_id));
CREATE INDEX fills_by_market ON fills (market);
CREATE TABLE settlements (market TEXT NOT NULL, revision INTEGER NOT NULL, run INTEGER NOT NULL, at_ns INTEGER NOT NULL,
    resolution TEXT NOT NULL, yes INTEGER NOT NULL, no INTEGER NOT NULL, pnl_micros INTEGER NOT NULL,
    crc INTEGER NOT NULL, PRIMARY KEY (market, revision));
CREATE TABLE states (seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, at_ns INTEGER NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL, crc INTEGER NOT NULL);
"""
_COLUMNS = {
    "events": ("run", "at_ns", "type", "market", "body"),
    "fills": (
        *("fill_id", "run", "at_ns", "market", "client_id", "outcome", "ticks", "tick_micros", "size", "fee_micros"),
        *("filled_total", "maker", "venue_ns"),
    ),
    "settlements": ("market", "revision", "run", "at_ns", "resolution", "yes", "no", "pnl_micros"),
    "states": ("run", "at_ns", "state", "reason"),
}
_UNSETTLED = """
SELECT market FROM fills WHERE market NOT IN (SELECT market FROM settlements)
    GROUP BY market HAVING max(at_ns) >= :since
    OR NOT EXISTS (SELECT 1 FROM events WHERE events.market = fills.market AND type = 'EndUnknown')
UNION SELECT market FROM markets WHERE market NOT IN (SELECT market FROM settlements) AND EXISTS
    (SELECT 1 FROM events WHERE events.market = markets.market AND type = 'MarketHydrated' AND at_ns >= :since)
ORDER BY market
"""

Row = tuple[Any, ...]


class JournalError(Exception):
    """The journal cannot be read or written: no new orders may go out."""


class LockHeldError(Exception):
    """Another instance owns this journal."""

    exit_code = LOCK_EXIT


@dataclass(frozen=True, slots=True)
class JournalFill:
    """A fill as it was written, with the run that saw it and the tick of its market."""

    fill_id: str
    run: int
    at_ns: Nanos
    market: str
    client_id: str
    outcome: Outcome
    ticks: Ticks
    tick_micros: Micros
    size: Contracts
    fee_micros: Micros
    filled_total: Contracts
    maker: bool
    venue_ns: Nanos

    @property
    def price_micros(self) -> Micros:
        """Price in micro-dollars."""
        return Micros(self.ticks * self.tick_micros)


@dataclass(frozen=True, slots=True)
class Settlement:
    """One market's end, with its whole P&L. A correction is the next `revision`; None lets the journal count."""

    market: str
    resolution: Resolution
    yes: Contracts
    no: Contracts
    pnl_micros: Micros
    revision: int | None = None


class JournalStore:
    """The open journal of one instance. Used by one thread at a time."""

    def __init__(self, database: sqlite3.Connection, lock: IO[str], path: Path) -> None:
        self.path = path
        self.run = 0
        self._database = database
        self._lock = lock
        self._pending: list[tuple[str, Row]] = []
        self._files = {where: _identity(os.stat(where)) for where in (path, Path(lock.name))}
        self._ticks = dict(database.execute("SELECT market, tick_micros FROM markets").fetchall())

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the journal, or make it.

        Raises:
            LockHeldError: another instance has it open.
            JournalError: it cannot be made, is no journal, or was written by a newer version.
        """
        lock = _locked(path)
        try:
            with _as_journal_error(path):
                database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
                database.execute("PRAGMA journal_mode=WAL")
                database.execute("PRAGMA synchronous=FULL")
                (version,) = database.execute("PRAGMA user_version").fetchone()
                if version not in (0, SCHEMA_VERSION):
                    raise JournalError(f"{path}: schema {version}, this program knows {SCHEMA_VERSION}; move it away")
                if version == 0:
                    database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
                return cls(database, lock, path)
        except JournalError:
            lock.close()
            raise

    def begin_run(self, now: Nanos, *, after: int = 0) -> int:
        """Start a run: its number is on disk before this returns, and part of every client order id.

        It is beyond those of the journal's own runs and `after`, a run that only its logs still tell of.
        """
        with _as_journal_error(self.path):
            ((last,),) = self._database.execute("SELECT coalesce(max(run), 0) FROM runs").fetchall()
            row = (max(last, after) + 1, now)
            self.run = self._database.execute("INSERT INTO runs (run, at_ns) VALUES (?, ?)", row).lastrowid or 0
        return self.run

    def begun(self) -> Nanos:
        """Return when this journal's first run began: what tells it from one that was lost or moved away."""
        for (at_ns,) in self._all("SELECT at_ns FROM runs ORDER BY run LIMIT 1"):
            return Nanos(at_ns)
        return Nanos(0)

    # --- writing in groups ---

    def record(self, events: Iterable[object], now: Nanos) -> None:
        """Buffer events; `OrderFilled` becomes a fill."""
        for event in events:
            match event:
                case OrderFilled():
                    self.record_fills((event,), now)
                    continue
                case MarketListed(market) | MarketChanged(market) | MarketResolved(market):
                    self._know(market)
            name = getattr(event, "market", None)
            row = (self.run, now, type(event).__name__, getattr(name, "id", name), _json(event))
            self._buffer("events", row)

    def record_fills(self, fills: Iterable[OrderFilled], now: Nanos, *, missed: bool = False) -> None:
        """Buffer fills; one that is already known is written once. `missed`: the run before this should have done so.

        Known by its id and its order's: client ids never repeat, while a test venue that restarts may count anew.
        """
        run = self.run - 1 if missed else self.run
        for fill in fills:
            row = (
                *(fill.fill_id, run, now, fill.market, fill.client_id, fill.outcome.value, fill.ticks),
                *(fill.tick_micros, fill.size, fill.fee_micros, fill.filled_total, int(fill.maker), fill.venue_ns),
            )
            self._buffer("fills", row)

    def commit(self) -> int:
        """Write everything buffered in one transaction and return how many rows that was.

        Raises:
            JournalError: nothing was written; everything is still buffered. Also if the file, or its lock, has been
                deleted or replaced meanwhile: what is written into a file without a name is lost to the next run, and
                a lock without one keeps no second instance out.
        """
        self._still_there()
        if not self._pending:
            return 0
        with _as_journal_error(self.path), self._transaction():
            for table, row in self._pending:
                self._insert(table, row)
        written = len(self._pending)
        self._pending.clear()
        return written

    @property
    def pending(self) -> int:
        """Rows buffered and not yet on disk."""
        return len(self._pending)

    # --- writing at once ---

    def change_state(self, change: TradingStateChanged, now: Nanos) -> None:
        """Write a change of trading state, with all that is buffered, before returning."""
        self._buffer("states", (self.run, now, change.state.value, change.reason))
        self.commit()

    def settle(self, settlement: Settlement, now: Nanos) -> bool:
        """Write a settlement, with all that is buffered, before returning. False if it, or its revision, is known."""
        s = settlement
        end = (s.resolution.value, s.yes, s.no, s.pnl_micros)
        known = {
            row[1]: row[4:] for row in self._rows("settlements", "WHERE market = ? ORDER BY revision", (s.market,))
        }
        last = max(known, default=-1)
        revision = s.revision if s.revision is not None else last + (known.get(last) != end)
        if revision not in known:
            self._buffer("settlements", (s.market, revision, self.run, now, *end))
        self.commit()
        return revision not in known

    # --- reading ---

    def fills(self, *, since_run: int = 0, market: str | None = None) -> list[JournalFill]:
        """Return the committed fills, oldest first.

        Raises:
            JournalError: a row does not match its checksum.
        """
        clause = "WHERE run >= ? AND (? IS NULL OR market = ?) ORDER BY rowid"
        found = []
        for row in self._rows("fills", clause, (since_run, market, market)):
            named = dict(zip(_COLUMNS["fills"], row, strict=True))
            named.update(outcome=Outcome(named["outcome"]), maker=bool(named["maker"]))
            found.append(JournalFill(**named))
        return found

    def settlements(self, *, since_ns: Nanos = Nanos(0), market: str | None = None) -> list[Settlement]:
        """Return the last revision of every market that was settled since then, in the order of settling."""
        last: dict[str, Settlement] = {}
        clause = "WHERE at_ns >= ? AND (? IS NULL OR market = ?) ORDER BY revision, at_ns"
        for row in self._rows("settlements", clause, (since_ns, market, market)):
            market, revision, _, _, resolution, yes, no, pnl = row
            last[market] = Settlement(market, Resolution(resolution), yes, no, pnl, revision)
        return list(last.values())

    def unsettled(self, now: Nanos) -> list[PastHolding]:
        """Return what the runs so far did in every market of which no settlement is written.

        Those of the last day in which nothing was bought are among them: the last fills may be missing. What the venue
        was found not to tell is given up after a day, for so long a venue keeps it.
        """
        since = now - DAY_NS
        found = self._all(_UNSETTLED, {"since": since})
        return [
            PastHolding(name, tuple(map(_filled, self.fills(market=name))), self._merged(name)) for (name,) in found
        ]

    def day_pnl(self, day: int) -> Micros:
        """Return the P&L of the markets first settled on a UTC day (days since 1970), as last corrected."""
        days = {row[0]: row[3] // DAY_NS for row in self._rows("settlements", "WHERE revision = 0")}
        return Micros(sum(s.pnl_micros for s in self.settlements() if days.get(s.market) == day))

    def state(self, *, since_ns: Nanos = Nanos(0)) -> TradingStateChanged | None:
        """Return the last change of trading state since then, None if there was none."""
        for _, _, state, reason in self._rows("states", "WHERE at_ns >= ? ORDER BY seq DESC LIMIT 1", (since_ns,)):
            return TradingStateChanged(TradingState(state), reason)
        return None

    def close(self) -> None:
        """Commit what is buffered, close the file and let the next instance in."""
        try:
            self.commit()
        finally:
            self._database.close()
            self._lock.close()

    # --- the parts ---

    def _merged(self, market: str) -> Contracts:
        bodies = self._rows("events", "WHERE market = ? AND type = ?", (market, PairsMerged.__name__))
        return Contracts(sum(msgspec.json.decode(row[4])["pairs"] for row in bodies))

    def _still_there(self) -> None:
        for path, identity in self._files.items():
            try:
                found = _identity(os.stat(path))
            except OSError as error:
                raise JournalError(f"{path}: gone while in use ({error.strerror})") from None
            if found != identity:
                raise JournalError(f"{path}: replaced while in use")

    def _know(self, market: Market) -> None:
        if self._ticks.get(market.id) != market.tick_micros:
            self._ticks[market.id] = market.tick_micros
            self._buffer("markets", (market.id, market.tick_micros))

    def _buffer(self, table: str, row: Row) -> None:
        self._pending.append((table, row))

    def _insert(self, table: str, row: Row) -> None:
        if table == "markets":
            self._database.execute("INSERT OR REPLACE INTO markets VALUES (?, ?)", row)
            return
        columns = (*_COLUMNS[table], "crc")
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our own names
        self._database.execute(sql, (*row, _crc(row)))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise

    def _rows(self, table: str, clause: str, args: Sequence[Any] = ()) -> Iterator[Row]:
        columns = ", ".join(_COLUMNS[table])
        for rowid, crc, *row in self._all(f"SELECT rowid, crc, {columns} FROM {table} {clause}", args):  # noqa: S608
            if crc != _crc(row):
                raise JournalError(f"{self.path}: {table} row {rowid} does not match its checksum; move the file away")
            yield tuple(row)

    def _all(self, sql: str, args: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        with _as_journal_error(self.path):
            return self._database.execute(sql, args).fetchall()


@contextlib.contextmanager
def _as_journal_error(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}") from error


def _locked(path: Path) -> IO[str]:
    lock_path = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_path.open("a+", encoding="utf-8")
    except OSError as error:
        raise JournalError(f"{lock_path}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise LockHeldError(f"another instance (process {owner}) holds {lock_path}") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _filled(fill: JournalFill) -> OrderFilled:
    return OrderFilled(**{field.name: getattr(fill, field.name) for field in fields(OrderFilled)})


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _crc(row: Iterable[Any]) -> int:
    return zlib.crc32(repr(tuple(row)).encode())


def _json(event: object) -> str:
    return msgspec.json.encode(event).decode()
