"""What a frame of any price source can turn out to be, and how a price in it is read.

Owns the answers that every source's parser gives and the reasons that are the same for all of them. Knows no exchange,
no socket and no clock.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from mmactors.messages import FeedLived, SpotTicked
from mmactors.units import SECOND, Nanos

MAX_BYTES = 1_048_576
"""No frame of the streams we follow comes near this."""

FUTURE_NS = 60 * SECOND
"""An exchange time further ahead of the receipt than this is no time."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A good frame that is of no use here."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A bad frame."""

    reason: str


@dataclass(frozen=True, slots=True)
class ShutdownAnnounced:
    """The server is about to go: open the next socket now."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not give what we asked for, in its own words."""

    reason: str


Parsed = SpotTicked | FeedLived | Ignored | Dropped | ShutdownAnnounced | Refused


class Parser(Protocol):
    """What the socket loop needs of a source: what its frames mean. `counters` is what it noticed besides."""

    counters: dict[str, int]

    def forget(self) -> None:
        """Forget the order of frames: the next connection does not overlap the last."""

    def parse(self, raw: bytes | str, received_ns: Nanos) -> Parsed:
        """Return what one frame says; never raises."""


class BadFrameError(Exception):
    """Why a frame is bad, in one word."""


def reason_of(error: Exception) -> str:
    """Return the word for what is wrong with a frame that could not be read."""
    if isinstance(error, BadFrameError):
        return str(error)
    if isinstance(error, UnicodeError):
        return "bad_utf8"
    if isinstance(error, msgspec.ValidationError):
        return "out_of_range" if "out of range" in str(error) else "wrong_type"
    return "malformed"


UNREADABLE = (BadFrameError, UnicodeError, msgspec.MsgspecError, RecursionError)
"""Everything that reading a frame may raise."""


def price_of(text: str) -> float:
    """Return a price that is written as text.

    Raises:
        BadFrameError: no number, not finite, zero or negative.
    """
    try:
        price = float(text)
    except ValueError:
        raise BadFrameError("not_a_number") from None
    if "_" in text or text != text.strip():  # Python's float is more tolerant than JSON's numbers
        raise BadFrameError("not_a_number")
    if not math.isfinite(price):
        raise BadFrameError("not_finite")
    if price <= 0:
        raise BadFrameError("negative" if price < 0 else "zero")
    return price


class SequenceGuard:
    """The last number of each stream: what is not beyond it is a duplicate or comes too late."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}

    def forget(self) -> None:
        """Begin anew."""
        self._last.clear()

    def advance(self, symbol: str, kind: str, number: int) -> None:
        """Take a stream's next number.

        Raises:
            BadFrameError: it is not beyond the last.
        """
        last = self._last.get((symbol, kind), -1)
        if number <= last:
            raise BadFrameError("duplicate" if number == last else "out_of_order" if number >= 0 else "negative")
        self._last[symbol, kind] = number


def by_symbol(assets: Mapping[str, str]) -> dict[str, str]:
    """Return the asset of each symbol, symbols as exchanges write them."""
    return {symbol.upper(): asset for symbol, asset in assets.items()}
