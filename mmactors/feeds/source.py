"""What an exchange must say of itself to be a price source: its address, its subscription, its frames, its past.

Owns the descriptor that every exchange's file fills in; the list of them is `sources.py`. Knows no exchange, opens no
socket. An exchange's symbols and defaults are its section of the configuration, which stands below this room.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmactors.feeds.frames import Parser, Refused
from mmactors.units import Nanos

Ask = Callable[[str, Mapping[str, Any]], list[Any]]
"""Asks a REST address for rows: the path, the query."""


@dataclass(frozen=True, slots=True)
class History:
    """How an exchange's REST history is asked for, and what its rows mean.

    Attributes:
        step_s: seconds between closes.
        time_ns: nanoseconds of one unit of a row's time, which is its first column and when its interval began.
        close_at: column of the close.
        rows: asks for the rows of a symbol from a time up to now (both nanoseconds).
        unwrap: returns the rows of an answer, or why there are none.
    """

    step_s: float
    time_ns: int
    close_at: int
    rows: Callable[[Ask, str, Nanos, Nanos], list[Any]]
    unwrap: Callable[[Any], Refused | Any] = lambda answer: answer


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """What is sent on a socket on which nothing came for a while, in seconds, so that the exchange keeps it."""

    message: bytes
    after_s: float


@dataclass(frozen=True, slots=True)
class PriceSource:
    """One exchange.

    Attributes:
        name: in the configuration, in ticks, in logs and in the journal.
        parser: makes what reads the frames of the symbols given, with the asset of each.
        history: its REST history.
        address: makes the address of a socket from its base and the symbols.
        subscription: makes the message that subscribes, where the address alone does not.
        keep_alive: what keeps a quiet socket, if anything must.
    """

    name: str
    parser: Callable[[Mapping[str, str]], Parser]
    history: History
    address: Callable[[str, Iterable[str]], str] = lambda base, _symbols: base
    subscription: Callable[[Iterable[str]], bytes] | None = None
    keep_alive: KeepAlive | None = None
