"""The log's foundations: one stream for everybody, and no secrets in it.

Owns how records reach loguru and how errors are shown. Pykka, urllib3, aiohttp and websocket-client write to the
standard library's `logging`, which nobody reads under loguru alone; here they are passed on. Which sinks there are and
how they look is for `ops/` to say, through `add_sink`.
"""

import faulthandler
import logging
import signal
import sys
import threading
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

QUIET: dict[str, int] = {
    "pykka": logging.INFO,
    "urllib3": logging.WARNING,
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
    "websocket": logging.WARNING,
}
"""Libraries that say too much below these levels."""


class PassOn(logging.Handler):
    """Hand the standard library's records on to loguru, a traceback as text (never with the values of variables)."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        logger.patch(partial(_take_origin, record)).log(level, "{}", text)


def open_logbook(sink: Any = sys.stderr, level: str = "INFO") -> int:
    """Begin logging: one sink in place of all others, `logging`, warnings and lost threads passed on; return its id."""
    logger.remove()
    logging.basicConfig(handlers=[PassOn()], level=logging.INFO, force=True)
    logging.captureWarnings(True)
    for name, threshold in QUIET.items():
        logging.getLogger(name).setLevel(threshold)
    threading.excepthook = _thread_failed
    return add_sink(sink, level=level)


def add_sink(sink: Any, **options: Any) -> int:
    """Add a loguru sink that shows tracebacks without the values of variables; return its id.

    Options are loguru's own; `backtrace` and `diagnose` are not open to choice, since either may print a secret.
    """
    return logger.add(sink, **{**options, "backtrace": False, "diagnose": False})


def dump_threads_on(signum: int = signal.SIGUSR1) -> None:
    """Write every thread's stack to stderr when the signal comes, even if the program hangs."""
    faulthandler.register(signum, file=sys.stderr, all_threads=True)


def _take_origin(origin: logging.LogRecord, record: "Record") -> None:
    record["name"], record["function"], record["line"] = origin.name, origin.funcName, origin.lineno


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_type is SystemExit:
        return
    name = "a thread" if failure.thread is None else failure.thread.name
    trace = "".join(traceback.format_exception(failure.exc_type, failure.exc_value, failure.exc_traceback))
    logger.error("{} ended in an error\n{}", name, trace)
