"""How the venue's frames are written on their way to a socket.

Owns the form of what is sent, not its content (`wire.py`) nor when it is sent (`floor.py`). The venue speaks JSON text;
whoever runs venue and client in one process may give the floor another voice, which hands the frequent frames over
unwritten.
"""

from typing import Any, Protocol

import msgspec

from mmactors.simulator.venue import replies
from mmactors.simulator.venue.ledger import AccountEvent, OrderEvent
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.replies import Json


class FrameEncoder(Protocol):
    """Writes frames. What it returns is what a listener's `put` takes."""

    def encode(self, message: Json) -> Any:
        """Write any message of the contract."""

    def account_event(self, event: OrderEvent | AccountEvent) -> Any:
        """Write one message of the `orders` channel."""

    def book_delta(self, market: Market, now_ms: int, /) -> Any:
        """Write the levels changed since the last delta, which this one follows."""


def encode(message: Json) -> str:
    """Write a message as one text frame."""
    return msgspec.json.encode(message).decode()


class TextEncoder:
    """The wire's own: every frame is JSON text."""

    def encode(self, message: Json) -> str:
        """Write any message of the contract."""
        return encode(message)

    def account_event(self, event: OrderEvent | AccountEvent) -> str:
        """Write one message of the `orders` channel."""
        return encode(replies.account_event(event))

    def book_delta(self, market: Market, now_ms: int, /) -> str:
        """Write the levels changed since the last delta."""
        return encode(replies.book_delta(market, now_ms))
