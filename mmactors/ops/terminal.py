"""The terminal's manners, common to every command: lines written and fitted, arguments read, files judged, exit codes.

Owns the words and codes of bad arguments, and how long a line may be. It must not know any command, and imports
nothing that takes time.
"""

import argparse
import math
import os
import re
import signal
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from mmactors.config import Config, ConfigError

Options = Mapping[str, Mapping[str, str]]
"""What options of a command change of a configuration: by option, the variables it stands for with their values."""

USAGE, NO_INPUT, UNAVAILABLE, DEFECT, BAD_CONFIG, INTERRUPTED = 64, 66, 69, 70, 78, 128 + signal.SIGINT

PACKAGE = Path(__file__).resolve().parents[1]
BUILT_IN = ("sim.yaml", "arena.yaml", "sweep.yaml", "paper.yaml")
"""Of the folder `conf`, what trades on a venue of its own: these need not be in the folder where a command is given."""

WIDTH = 160
"""The longest line that a console is given."""

WHO = 24
"""The width of the column that says what a line of a run is about."""


class UsageError(Exception):
    """Arguments that argparse cannot judge are wrong; says which exit code that is."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


def configured(path: Path | None, options: Options | None = None) -> "Config":
    """Load a configuration with what the environment and a command's options change; without a path, the defaults.

    Raises:
        UsageError: it cannot be used; all that is wrong but the last line has been written.
    """
    from mmactors import config

    if path is None:
        return config.Config()
    try:
        return config.load(path, overridden(options or {}))
    except config.ConfigError as error:
        raise usage_error(path, error, options or {}) from None


def overridden(options: Options) -> dict[str, str]:
    """Return this process's environment with the variables that options stand for."""
    return dict(os.environ) | {name: value for each in options.values() for name, value in each.items()}


def usage_error(path: Path, error: "ConfigError", options: Options | None = None) -> UsageError:
    """Say all that is wrong with a file but the last line, which the caller is to raise; options by their own names."""
    *first, last = (f"{path}: {_as_typed(line, options or {})}" for line in error.lines)
    for line in first:
        write_error(line)
    return UsageError(last, error.exit_code)


def _as_typed(line: str, options: Options) -> str:
    """Name options where their variables are named."""
    for option, variables in options.items():
        for name in variables:
            line = re.sub(rf"\b{name}\b", option, line)
    return re.sub(r"(--[^,\]]+)(, \1)+(?=[,\]])", r"\1", line)  # one that sets several keys


def log_only(level: str) -> None:
    """The program's own log, from this level on, in the form of this command's other lines."""
    from loguru import logger

    logger.remove()
    logger.add(sys.stderr, level=level, format="mmactors: {message}")


def announce(line: str) -> None:
    """Write a line of what was asked for to stdout, at once."""
    sys.stdout.write(line.rstrip("\n") + "\n")
    sys.stdout.flush()


def must_be_writable(option: str, path: Path | None) -> None:
    """Check where something is to be written, before the work of making it.

    Raises:
        UsageError: it is a folder, or in one that cannot be written to.
    """
    if path is not None and (path.is_dir() or not os.access(path.absolute().parent, os.W_OK)):
        raise UsageError(f"{option} {path}: not a file in a folder that can be written to", USAGE)


def must_be_file(path: Path | None) -> None:
    """Check recorded prices.

    Raises:
        UsageError: there is no such file.
    """
    if path is not None and not path.is_file():
        raise UsageError(f"--prices {path}: no such file", NO_INPUT)


def fitted(text: str, hang: int = 0) -> str:
    """Return a text that begins in column `hang` as lines that end within `WIDTH`, the others begun in that column."""
    room = max(WIDTH - hang, 1)
    if len(text) <= room:
        return text
    return ("\n" + " " * hang).join(textwrap.wrap(text, room, break_on_hyphens=False))


def in_colour(stream: TextIO) -> bool:
    """Say whether a stream shows colours: a terminal does, unless NO_COLOR is set or TERM is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write_error(line: str) -> None:
    """Write a line about what goes on, or went wrong, to stderr."""
    sys.stderr.write(f"mmactors: {line}\n")


def conf(text: str) -> Path:
    """Read the path of a configuration, for argparse; those of simulations come with the program."""
    path = Path(text)
    if path.exists() or path.parent != Path("conf") or path.name not in BUILT_IN:
        return path
    write_error(f"{path} is not in this folder: the one that comes with the program is used")
    return PACKAGE / path


def seconds(text: str) -> float:
    """Read a duration, for argparse."""
    value = _number(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return value


def count(text: str) -> int:
    """Read a whole number from 1 on, for argparse."""
    value = _number(text)
    if not (value.is_integer() and value >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(value)


def milliseconds(text: str) -> int:
    """Read a latency of up to ten seconds, for argparse."""
    value = _number(text)
    if not (value.is_integer() and 0 <= value <= 10_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds (0 to 10000)")
    return int(value)


def port(text: str) -> int:
    """Read a port, for argparse."""
    value = _number(text)
    if not (value.is_integer() and 0 <= value <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
