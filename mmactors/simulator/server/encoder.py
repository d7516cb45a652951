"""The encoding of the venue's frames: JSON text.

Owns their form; `venue/replies.py` owns the content, `hub.py` the time of sending. A run with venue and client in one
process may give the hub another encoder, which passes the frequent frames on as objects.
"""

from typing import Any, Protocol

import msgspec

from mmactors.simulator.venue import replies
from mmactors.simulator.venue.ledger import AccountEvent, OrderEvent
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.replies import Json


class FrameEncoder(Protocol):
    """Encodes frames; a subscriber's `put` takes what it returns."""

    def encode(self, message: Json) -> Any:
        """Encode any message of the contract."""

    def account_event(self, event: OrderEvent | AccountEvent) -> Any:
        """Encode one message of the `orders` channel."""

    def book_delta(self, market: Market, now_ms: int, /) -> Any:
        """Encode the delta of a book since the last one."""


def encode(message: Json) -> str:
    """Return a message as JSON text."""
    return msgspec.json.encode(message).decode()


class TextEncoder:
    """The encoder of the wire: every frame is JSON text."""

    def encode(self, message: Json) -> str:
        """Encode any message of the contract."""
        return encode(message)

    def account_event(self, event: OrderEvent | AccountEvent) -> str:
        """Encode one message of the `orders` channel."""
        return encode(replies.account_event(event))

    def book_delta(self, market: Market, now_ms: int, /) -> str:
        """Encode the delta of a book since the last one."""
        return encode(replies.book_delta(market, now_ms))
