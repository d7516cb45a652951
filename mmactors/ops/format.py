"""How figures, times and tables are written for a reader, and files whole or not at all.

Owns the dash for what is not known, a table's columns and a time's text. It must not know what a figure means.
"""

import math
import os
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmactors.units import SECOND, Nanos

_PLACE = re.compile(r"([<>]?)[+-]?(\d*)")
"""How a format of numbers begins: on which side of how wide a column they stand."""


class Figure(float):
    """A number that is formatted like any other, but as a dash, as wide, where it is NaN or infinite."""

    def __format__(self, form: str) -> str:
        return number(float(self), form)


def shown(found: Any) -> Any:
    """Return figures, in dicts and lists as deep as they are, with every float and None as a `Figure`."""
    if isinstance(found, dict):
        return {name: shown(value) for name, value in found.items()}
    if isinstance(found, list):
        return [shown(value) for value in found]
    if found is None:
        return Figure(math.nan)
    return Figure(found) if isinstance(found, float) else found


def number(value: float | None, form: str) -> str:
    """Return a number in a format, or a dash for one that is not known, as wide as the format says."""
    if value is not None and math.isfinite(value):
        return format(value, form)
    place = _PLACE.match(form)
    return format("-", f"{place[1] or '>'}{place[2]}") if place and place[2] else "-"


def cents(value: float | None) -> str:
    """Return dollars as cents with a sign and one decimal."""
    return number(None if value is None else value * 100, "+.1f") + "c"


def clock(at_ns: Nanos) -> str:
    """Return a time as the logs write it: UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ns / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def plain(text: str) -> str:
    """Return text from outside as one harmless line: no control characters, no line ends."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = (0,), between: str = "  ") -> list[str]:
    """Return rows of cells as lines of equal length; the columns in `left` begin, the others end at one place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [str.ljust if column in left else str.rjust for column in range(len(widths))]
    return [
        between.join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)) for row in rows
    ]


def write_whole(path: Path, text: str) -> None:
    """Write a file, or leave what was there before.

    Raises:
        OSError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
