"""Where log lines go: the console for people, a file of the run for later. No secret passes.

Owns the sinks and their look. How records reach loguru is `runtime/thread_logging.py`'s.
"""

import contextlib
import logging
import sys
import traceback
from collections.abc import Callable, Collection
from datetime import UTC
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from loguru import logger

from mmactors.config.errors import without_tokens
from mmactors.ops.terminal import WHO, fitted, in_colour
from mmactors.runtime import thread_logging

if TYPE_CHECKING:
    from loguru import Record

RUN_LOG = "run.log"
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31;1m"}


def set_up_logs(folder: Path, level: str, *, secrets: Collection[str] = (), console: TextIO | None = None) -> None:
    """Send log lines of `level` and up to the console, and all from DEBUG up to the run's log in `folder`.

    Times are UTC. The console shows an error's last line only, the file its traceback, without the values of variables.
    A terminal gets colours, and long lines broken; whatever else reads the console gets each record as one line.
    `secrets` are masked wherever they appear, also those that are added later; so is whatever looks like a token.

    Raises:
        OSError: the folder or file cannot be made.
    """
    stream = console if console is not None else sys.stderr
    hide = redactor(secrets)
    folder.mkdir(parents=True, exist_ok=True)
    logger.remove(thread_logging.open_logbook(stream))
    shown = _formatter(hide, brief=True, terminal=stream.isatty(), colour=in_colour(stream))
    thread_logging.add_sink(stream, level=level, format=shown, colorize=False)
    thread_logging.add_sink(
        _RunLog(folder / RUN_LOG, stream),
        level="DEBUG",
        format=_formatter(hide, brief=False),
    )


class _RunLog(RotatingFileHandler):
    """The run's file. One that takes no more is one line on the console; loguru would show each record, unmasked."""

    terminator = ""

    def __init__(self, path: Path, console: TextIO) -> None:
        super().__init__(path, maxBytes=20_000_000, backupCount=5, encoding="utf-8")
        self._console = console
        self._fails = self._reported = False

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage()

    def emit(self, record: logging.LogRecord) -> None:
        self._fails = False
        super().emit(record)
        self._reported = self._fails

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's own
        self._fails = True
        if not self._reported:
            error = sys.exc_info()[1]
            why = error.strerror if isinstance(error, OSError) else error
            with contextlib.suppress(OSError):
                self._console.write(
                    f"mmactors: {self.baseFilename}: {why}; log lines are lost until it can be written\n"
                )
                self._console.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


def redactor(secrets: Collection[str]) -> Callable[[str], str]:
    """Return a function that masks these secrets as they are by then, and all that looks like one, in a text."""

    def hide(text: str) -> str:
        for secret in sorted(filter(None, tuple(secrets)), key=len, reverse=True):
            text = text.replace(secret, "***")
        return without_tokens(text)

    return hide


def _formatter(
    hide: Callable[[str], str], *, brief: bool, terminal: bool = False, colour: bool = False
) -> "Callable[[Record], str]":
    def form(record: "Record") -> str:
        level = record["level"].name
        time = record["time"].astimezone(UTC).strftime("%H:%M:%S.%f" if brief else "%Y-%m-%d %H:%M:%S.%f")[:-3]
        # On the console a level stands where its other lines name whom they are about.
        place = "" if brief else f" {record['name']}:{record['line']} [{record['thread'].name}]"
        head = f"{time} {level:<{WHO if brief else 7}}{place} "
        text = f"{head}{record['message']}"
        error = record["exception"]
        if error is not None and error.type is not None:
            if brief:
                text += f" ({error.type.__name__}: {error.value})"
            else:
                text += "\n" + "".join(traceback.format_exception(error.type, error.value, error.traceback)).rstrip()
        text = hide(text)
        if brief:
            text = text.split("\n", 1)[0]
            if terminal:
                text = head + fitted(text.removeprefix(head), len(head))
        if colour and level in _COLOURS:
            text = f"{_COLOURS[level]}{text}\x1b[0m"
        # loguru formats what this returns: the text goes in as a value, so that its braces stay.
        record["extra"]["_text"] = text
        return "{extra[_text]}\n"

    return form
