"""How much the runs of an instance may leave on the disk: beyond it the oldest of what is over is deleted.

Owns what may be deleted: the folders of runs before the present one, whole; of the present one the logs of markets that
are settled, its oldest first. Never the journal, nor anything outside a run's folder. It must not know actors, nor
what is in the files. It works on a thread of its own, since a disk may take seconds to let go of a large file.
"""

import contextlib
import errno
import os
import re
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from loguru import logger

from mmactors.ops.format import plain
from mmactors.ops.market_log import MARKETS, SUFFIXES
from mmactors.units import SECOND, Nanos

EVERY_NS = Nanos(600 * SECOND)

GB, MB = 1_000_000_000, 1_000_000

_RUN = re.compile(r"run-(\d{5,})")


class Retention:
    """Keep the runs beside `present`, and that run itself, within so many bytes.

    What cannot be read or deleted is counted in `failed`, and the first of it logged; nothing newer goes in its stead.
    """

    def __init__(self, present: Path, keep_bytes: int) -> None:
        self._present = present
        self._keep_bytes = keep_bytes
        self._due_ns = Nanos(0)
        self._thread: threading.Thread | None = None
        self._refused: set[str] = set()
        self._warned = False

    @property
    def failed(self) -> int:
        """How many files and folders could not be read or deleted."""
        return len(self._refused)

    def keep(self, now: Nanos, settled: Callable[[], Collection[str]]) -> None:
        """Prune on a thread of its own: at the first call and ten minutes after the last time; never raises.

        `settled` is asked in the caller's thread, and only then.
        """
        if now >= self._due_ns and self.ended():
            self._due_ns = Nanos(now + EVERY_NS)
            thread = threading.Thread(target=self.prune, args=(settled(),), name="retention", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread to be had: ten minutes later, then
                thread.start()
                self._thread = thread

    def ended(self, within_s: float = 0.0) -> bool:
        """Return whether nothing is being deleted any more, after waiting so long for it."""
        if self._thread is not None:
            self._thread.join(within_s)
        return self._thread is None or not self._thread.is_alive()

    def prune(self, settled: Collection[str]) -> None:
        """Delete what is too much; `settled` are the market logs of the present run that may go, without suffix."""
        sizes = {run: self._size(run) for run in self._finished()}
        present = self._size(self._present)
        total, freed, gone = present + sum(sizes.values()), 0, []
        for run, size in sizes.items():
            if total <= self._keep_bytes:
                break
            total -= size
            deleted = self._delete(run)
            freed += deleted
            if deleted or not os.path.lexists(run):
                gone.append(run.name)
        if gone:
            what = f"{gone[0]} deleted" if len(gone) == 1 else f"{len(gone)} runs deleted, {gone[0]} to {gone[-1]}"
            logger.info("{}, {:,.0f} MB: logs.keep_gb is {:g}", what, freed / MB, self._keep_bytes / GB)
        if present > self._keep_bytes:
            freed = self._delete_markets(settled, present - self._keep_bytes)
            if not self._warned:
                self._warned = True
                logger.warning(
                    "this run alone holds {:,.0f} MB, logs.keep_gb is {:g}: {:,.0f} MB of settled markets' logs are"
                    " deleted, and the oldest from now on; its other files stay whole, until a restart",
                    *(present / MB, self._keep_bytes / GB, freed / MB),
                )

    def _finished(self) -> list[Path]:
        """Return the folders of the runs before the present one, oldest first."""
        last = _number(self._present)
        runs: list[Path] = []
        with self._tolerant(), os.scandir(self._present.parent) as entries:
            runs += [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
        return sorted((run for run in runs if 0 < _number(run) < last), key=_number)

    def _size(self, folder: Path) -> int:
        total = 0
        for where, _, files in os.walk(folder, onerror=self._refuse):
            for name in files:
                path = os.path.join(where, name)
                with self._tolerant():
                    total += os.lstat(path).st_size
        return total

    def _delete(self, run: Path) -> int:
        """Delete a folder with all that is in it, return the bytes freed; of a link only the link itself."""
        freed = 0
        for where, folders, files in os.walk(run, topdown=False, onerror=self._refuse):
            links = [name for name in folders if os.path.islink(os.path.join(where, name))]
            for name in (*files, *links):
                freed += self._unlink(os.path.join(where, name))
            with self._tolerant():
                os.rmdir(where)
        return freed

    def _delete_markets(self, settled: Collection[str], excess: int) -> int:
        ages: dict[str, int] = {}
        paths: dict[str, list[str]] = {}  # a market's two files go together
        folder = self._present / MARKETS
        with self._tolerant(), os.scandir(folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)
                if stem in settled and suffix in SUFFIXES and not entry.is_dir(follow_symlinks=False):
                    with self._tolerant():
                        ages[stem] = max(ages.get(stem, 0), entry.stat(follow_symlinks=False).st_mtime_ns)
                        paths.setdefault(stem, []).append(entry.path)
        freed = 0
        for stem in sorted(ages, key=ages.__getitem__):
            if freed >= excess:
                break
            freed += sum(map(self._unlink, paths[stem]))
        return freed

    def _unlink(self, path: str) -> int:
        try:
            size = os.lstat(path).st_size
            os.unlink(path)
        except OSError as error:
            self._refuse(error)
            return 0
        return size

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> None:
        # What is gone already is no failure; and of a folder that is not empty, what is left inside has been counted.
        if error.errno in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            return
        if not self._refused:
            text = "{}: {}; what cannot be read or deleted stays, beside logs.keep_gb, and is not logged again"
            logger.warning(text, plain(str(error.filename)), error.strerror)
        self._refused.add(str(error.filename))


def _number(run: Path) -> int:
    match = _RUN.fullmatch(run.name)
    return int(match[1]) if match else 0
