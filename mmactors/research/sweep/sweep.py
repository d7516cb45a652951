"""A sweep: many sets of parameters in the same simulated worlds, resumable, on one machine or a cluster.

Owns the cutting into units of work, the journal that a rerun resumes from, and the files that come of it. Who plays is
`executors.py`'s, what is varied `grid.py`'s, what the tables say `results.py`'s.
"""

import fcntl
import json
import time
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from io import BufferedRandom
from pathlib import Path
from types import TracebackType
from typing import Self

from mmactors.research.sweep.executors import USAGE, Executor, Played, SweepStoppedError, Unit, unit
from mmactors.research.sweep.grid import Grid
from mmactors.research.sweep.results import SetPlayed, SweepResults

HELD = 75
UNITS = "units.jsonl"
REPORT_EVERY_S = 10.0


class Journal:
    """The units that are done: one JSON line each, in the order they were finished, beside the tables.

    Args:
        path: of the file; made if it is not there.

    Raises:
        SweepStoppedError: it cannot be written, or another sweep is writing it.
    """

    def __init__(self, path: Path) -> None:
        self.done: dict[str, Played] = {}
        self.notes: list[str] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BufferedRandom = path.open("a+b")
        except OSError as error:
            raise SweepStoppedError(f"--out {path.parent}: cannot be written: {error.strerror}", USAGE) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise SweepStoppedError(f"--out {path.parent}: another sweep is writing there", HELD) from None
        self._path = path
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, key: str, sessions: Played) -> None:
        """Keep a unit's sessions, at once."""
        self.done[key] = sessions
        try:
            self._file.write(json.dumps({"unit": key, "sessions": sessions}).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise SweepStoppedError(f"{self._path}: cannot be written: {error.strerror}", USAGE) from None

    def _read(self) -> None:
        self._file.seek(0)
        whole = odd = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                self.notes.append(f"{self._path}: the last line is cut off; its unit is played again")
                self._file.truncate(whole)
                break
            whole += len(line)
            try:
                entry = json.loads(line)
                self.done[entry["unit"]] = list(entry["sessions"])
            except (ValueError, TypeError, KeyError):
                odd += 1
        if odd:
            self.notes.append(f"{self._path}: {odd} lines are no units; they are left out")


def run(
    grid: Grid,
    folder: Path,
    executor: Executor,
    *,
    progress: Callable[[str], None] = lambda _line: None,
) -> SweepResults:
    """Play what the journal in the folder does not have yet, then write both tables beside it.

    Args:
        grid: the sets and the worlds.
        folder: for the journal and the tables; what another run left there is resumed.
        crew: who plays.
        progress: takes a line about every ten seconds.

    Raises:
        SweepStoppedError: the folder cannot be written, or nobody could play; units done so far are in the journal.
        KeyboardInterrupt: likewise.
    """
    began = time.perf_counter()
    if find_spec("pyarrow") is None:
        raise SweepStoppedError("the tables are Parquet: needs the research extra (make install-research)", USAGE)
    file = grid.file
    counts = [min(file.world_sessions, file.sessions - start) for start in range(0, file.sessions, file.world_sessions)]
    units = {
        each.number: [unit(each.config, file.seed, world, count, file.warm_up_s) for world, count in enumerate(counts)]
        for each in grid.sets
        if each.config is not None
    }
    # World by world, so that all sets can be compared early; each unit once, though two sets may share it.
    wanted = {of_set[world].key: of_set[world] for world in range(len(counts)) for of_set in units.values()}
    with Journal(folder / UNITS) as journal:
        left = [each for key, each in wanted.items() if key not in journal.done]
        progress(f"sets {len(grid.sets)}, worlds {len(counts)}, units of work {len(wanted)}, to play {len(left)}")
        for note in (grid.note, *journal.notes):
            if note:
                progress(note)
        try:
            failures = _play(left, journal, executor, progress) if left else {}
        except SweepStoppedError as stopped:
            line = f"{stopped}; {folder} keeps what is done, the same command goes on"
            raise SweepStoppedError(line, stopped.exit_code) from None
        played = []
        for each in grid.sets:
            keys = [unit.key for unit in units.get(each.number, [])]
            reason = next((failures[key] for key in keys if key in failures), each.reason)
            played.append(SetPlayed(each, [journal.done.get(key, []) for key in keys], reason))
        summary = SweepResults(grid, played, time.perf_counter() - began)
        try:
            summary.write(folder)
        except OSError as error:
            raise SweepStoppedError(f"--out {folder}: cannot be written: {error.strerror}", USAGE) from None
    return summary


def _play(units: list[Unit], journal: Journal, executor: Executor, progress: Callable[[str], None]) -> dict[str, str]:
    """Play and keep; return the failures."""
    failures: dict[str, str] = {}
    count, note = 0, ""
    began = reported = time.perf_counter()
    with closing(executor.play(units)) as results:
        for result in results:
            if result is not None:
                count += 1
                if result.failure:
                    failures[result.key] = result.failure
                else:
                    journal.add(result.key, result.sessions)
            now = time.perf_counter()
            news = executor.note if executor.note != note else ""
            if now - reported > REPORT_EVERY_S or news:
                reported, note = now, executor.note
                to_go = f", about {(now - began) / count * (len(units) - count):.0f} s to go" if count else ""
                progress(f"{count} of {len(units)} units played, {now - began:.0f} s{to_go}{news and '; ' + news}")
    return failures
