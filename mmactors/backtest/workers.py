"""Many runs at once: one piece of work done on many tasks, by several processes or here, in any order.

Owns the processes, from their imports to their end, and what an interrupt means: a wish that running tasks may heed
and no further task begins. It must not know what a task is.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing.synchronize import Event
from types import FrameType
from typing import Any, TypeVar

from loguru import logger

T = TypeVar("T")
R = TypeVar("R")

Stopped = Callable[[], bool]
"""Tells whether a task should end as it stands."""

CHECK_EVERY_S = 0.2
GRACE_S = 5.0
"""How long an interrupted task may take to end before its process is ended."""


class _Worker:
    """What a worker knows; `stop` is set when the one who waits was interrupted."""

    stop: Event


def cores() -> int:
    """Return how many processes can run at the same time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def play(
    work: Callable[[T, Stopped], R],
    tasks: Sequence[T],
    *,
    processes: int | None = None,
    done: Callable[[R], None] = lambda _result: None,
) -> dict[int, R]:
    """Do a piece of work on every task; return the results by the task's index, fewer if interrupted.

    The first Ctrl-C lets no further task begin and tells the running ones; what they return then counts. The second is
    a KeyboardInterrupt. With one process, or for one task, everything happens in this one, in order.

    Args:
        work: a function of a module, for other processes to find; takes a task and who tells whether to end early.
        tasks: what to do it on.
        processes: how many; as many as there are cores if not given.
        done: is told each result as it comes.
    """
    count = min(processes or cores(), len(tasks))
    found: dict[int, R] = {}
    with _Interrupt() as interrupt:
        if count > 1:
            _share(work, tasks, count, interrupt, done, found)
            return found
        for index, task in enumerate(tasks):
            if interrupt.wished():
                break
            found[index] = work(task, interrupt.wished)
            done(found[index])
    return found


class _Interrupt:
    """Takes the first SIGINT as a wish, where this thread is the one that hears it and nobody else does."""

    def __init__(self) -> None:
        self._wished = self._listening = False

    def wished(self) -> bool:
        return self._wished

    def __enter__(self) -> "_Interrupt":
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if usual and threading.current_thread() is threading.main_thread():
            self._listening = True
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._listening:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        if self._wished:
            raise KeyboardInterrupt
        self._wished = True


def _share(
    work: Callable[[T, Stopped], R],
    tasks: Sequence[T],
    count: int,
    interrupt: _Interrupt,
    done: Callable[[R], None],
    found: dict[int, R],
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__])  # imported once, not by every worker
    stop = context.Event()
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(stop,))
    deadline = float("inf")
    futures: dict[Future[tuple[R] | None], int] = {}
    pending: set[Future[tuple[R] | None]] = set()
    try:
        futures = {executor.submit(_do, work, task): index for index, task in enumerate(tasks)}
        pending = set(futures)
        while pending and time.monotonic() < deadline:
            finished, pending = wait(pending, CHECK_EVERY_S, FIRST_COMPLETED)
            for future in sorted((each for each in finished if not each.cancelled()), key=futures.__getitem__):
                result = future.result()
                if result is not None:
                    found[futures[future]] = result[0]
                    done(result[0])
            if interrupt.wished() and not stop.is_set():
                deadline = time.monotonic() + GRACE_S
                stop.set()
                pending = {future for future in pending if not future.cancel()}
    finally:
        if pending:  # those who do not listen, or nobody waits for any more
            for process in multiprocessing.active_children():
                process.terminate()
        executor.shutdown(wait=not pending, cancel_futures=True)


def _begin(stop: Event) -> None:
    """Make a worker ready: it hears of interrupts from the one who waits, ends with it, and keeps its log to itself."""
    _Worker.stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logger.remove()
    logger.add(sys.stderr, level="ERROR", format="mmactors: {message}")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(work: Callable[[Any, Stopped], R], task: Any) -> tuple[R] | None:
    return None if _Worker.stop.is_set() else (work(task, _Worker.stop.is_set),)
