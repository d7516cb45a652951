"""Who plays the worlds of a sweep: processes of this machine, or the workers of a Dask cluster.

Owns the unit of work, its digest, and what a lost worker means. Results come in whatever order they are ready; a unit
is played by pure code from its own seed, so it does not matter who plays it, or how often. Knows nothing of parameters,
files or tables.
"""

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import blake2b
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from loguru import logger

from mmactors import __version__
from mmactors.compiled import build
from mmactors.config import Config
from mmactors.research.arena.arena import Task, play, world_of
from mmactors.research.arena.league_table import OURS

USAGE, UNAVAILABLE, DEFECT = 64, 69, 70

NEW_POOLS = 3
"""How often lost processes are replaced before it must be the work that kills them."""

PULSE_S = 2.0
REACHED_WITHIN_S = 5.0

Played = list[dict[str, Any]]
"""The sessions of one unit, as plain values that survive JSON unchanged."""


class SweepStoppedError(Exception):
    """A sweep cannot begin or go on; the text is one line, what is done is kept."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Unit:
    """One set in one world. `key` is the digest of all that its result depends on."""

    key: str
    config: Config
    sessions: int
    warm_up_s: int


@dataclass(frozen=True)
class Result:
    """What became of a unit: its sessions, or why it cannot be played."""

    key: str
    sessions: Played
    failure: str = ""


class Executor(Protocol):
    """Plays units."""

    def play(self, units: Sequence[Unit]) -> Generator[Result | None, None, None]:
        """Yield each unit's result when it is there, in any order, and now and then None.

        Raises:
            SweepStoppedError: nobody is left who could play.
        """

    @property
    def note(self) -> str:
        """What the one who waits should know, or nothing."""


@cache
def program_version() -> str:
    """Return the version and a digest of the program's source: results of another program are not these."""
    return f"{__version__}+{build.digest()}"


def unit(config: Config, seed: int, world: int, sessions: int, warm_up_s: int) -> Unit:
    """Return the unit of a set's configuration in one world of a sweep."""
    there = world_of(config, seed, world)
    all_of_it = [there.model_dump(mode="json"), sessions, warm_up_s, program_version()]
    text = json.dumps(all_of_it, sort_keys=True, separators=(",", ":"))
    return Unit(blake2b(text.encode(), digest_size=16).hexdigest(), there, sessions, warm_up_s)


def play_unit(unit: Unit) -> Result:
    """Play a unit; whatever ends a play ends it everywhere, so that is a result, too."""
    logger.disable("mmactors")
    try:
        sessions = play(unit.config, Task(OURS, 0, unit.sessions), warm_up_s=unit.warm_up_s)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - one set that cannot be played is one row
        return Result(unit.key, [], f"{type(error).__name__}: {' '.join(str(error).split())}")
    plain = json.loads(json.dumps([asdict(each) for each in sessions]))
    return Result(unit.key, plain)


# --- this machine --------------------------------------------------------------------------------------------


class Processes:
    """A pool of processes; those lost are replaced and their units played again.

    Args:
        count: how many at once; as many as there are cores if not given.
    """

    def __init__(self, count: int | None = None) -> None:
        self.note = ""
        self._count = count or os.cpu_count() or 1

    def play(self, units: Sequence[Unit]) -> Generator[Result | None, None, None]:
        """Yield results; see `Executor.play`."""
        waiting = {unit.key: unit for unit in units}
        for left in range(NEW_POOLS, -1, -1):
            try:
                for result in self._pool(list(waiting.values())):
                    if result is not None:
                        del waiting[result.key]
                    yield result
            except (BrokenProcessPool, MemoryError):
                self.note = f"a process was lost; {len(waiting)} units go on in new ones"
                if left == 0:
                    line = f"processes were lost {NEW_POOLS + 1} times; too little memory for {self._count} at once?"
                    raise SweepStoppedError(line, DEFECT) from None
            else:
                return

    def _pool(self, units: list[Unit]) -> Generator[Result | None, None, None]:
        others = set(multiprocessing.active_children())
        context = multiprocessing.get_context("forkserver")
        pool = ProcessPoolExecutor(min(self._count, len(units)), mp_context=context, initializer=_attend)
        try:
            yield from _collected(units, lambda each: pool.submit(play_unit, each))
        except BaseException:  # interrupted, broken, or nobody wants the rest
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
        pool.shutdown()


def _attend() -> None:
    """A process ends with the one that started it, and leaves Ctrl-C to that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _collected(units: Sequence[Unit], submit: Callable[[Unit], Any]) -> Generator[Result | None, None, None]:
    """Yield results as they come; futures are held as long as they are wanted, for a cluster forgets the others."""
    finished: SimpleQueue[Any] = SimpleQueue()
    wanted = {id(future): future for future in map(submit, units)}
    for future in list(wanted.values()):
        future.add_done_callback(finished.put)
    while wanted:
        try:
            future = finished.get(timeout=PULSE_S)
        except Empty:
            yield None
        else:
            del wanted[id(future)]
            yield future.result()


# --- a cluster -----------------------------------------------------------------------------------------------


class Cluster:
    """The workers of a Dask scheduler that is there already; a lost worker's units go to another.

    Args:
        scheduler: its address, such as tcp://host:8786.

    Raises:
        SweepStoppedError: there is no scheduler, or the extra is not installed.
    """

    def __init__(self, scheduler: str) -> None:
        try:
            import distributed
        except ImportError:
            why = "a Dask scheduler needs the cluster extra (pip install 'mmactors[cluster]')"
            raise SweepStoppedError(f"--scheduler {scheduler}: {why}", USAGE) from None
        for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what it has to say, an exception says, too
        self.note = ""
        self._scheduler = scheduler
        client: Any = distributed.Client
        try:
            asyncio.run(_greet(scheduler))  # a client that fails to connect takes its time to go
            self._client = client(scheduler, timeout=REACHED_WITHIN_S, set_as_default=False)
        except Exception as error:  # noqa: BLE001 - an address can be wrong in many ways
            why = (
                " ".join(str(error).split()) if isinstance(error, _NoSchedulerError | ValueError) else "nothing answers"
            )
            line = f"--scheduler {scheduler}: no Dask scheduler there, such as tcp://host:8786 ({why})"
            raise SweepStoppedError(line, UNAVAILABLE) from None

    def play(self, units: Sequence[Unit]) -> Generator[Result | None, None, None]:
        """Yield results; see `Executor.play`."""
        version = program_version()

        def submit(unit: Unit) -> Any:
            return self._client.submit(_play_there, unit, version, key=f"mmactors-{unit.key}", retries=NEW_POOLS)

        try:
            for result in _collected(units, submit):
                self.note = "" if result or self._client.nthreads() else "the cluster has no workers yet"
                yield result
        except Exception as error:  # noqa: BLE001 - lost workers, a lost scheduler, workers without the program
            why = " ".join(str(error).split())[:300]
            if self._client.status != "running":
                why = "the scheduler is gone"
            raise SweepStoppedError(f"--scheduler {self._scheduler}: {why}", UNAVAILABLE) from None
        finally:
            self._client.close(timeout=2)


class _NoSchedulerError(Exception):
    """Somebody else answers."""


async def _greet(scheduler: str) -> None:
    import distributed

    remote: Any = distributed.rpc
    security: Any = distributed.Security
    async with remote(scheduler, connection_args=security().get_connection_args("client")) as there:
        who = await asyncio.wait_for(there.identity(), REACHED_WITHIN_S)
        if who.get("type") != "Scheduler":
            raise _NoSchedulerError(f"it is a {who.get('type')}")


class _OtherProgramError(Exception):
    """A worker has another version of the program, whose results are not ours."""


def _play_there(unit: Unit, version: str) -> Result:
    if program_version() != version:
        raise _OtherProgramError(f"a worker has mmactors {program_version()}, here is {version}; install the same")
    return play_unit(unit)
