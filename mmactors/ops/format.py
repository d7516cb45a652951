"""Figures for a reader: what is not known, such as the deviation of a single session, is a dash in its column.

Owns nothing else; knows no table.
"""

import math
from typing import Any

from mmactors.ops.market_log import number


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
