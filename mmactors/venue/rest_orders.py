"""Orders over REST, for a venue that takes none over its WebSocket: a batch becomes requests, their answers one report.

Owns the order of the requests (cancels, replaces, places) and the reading of each answer as one item's result. A lost
answer is unknown, never a no.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from mmactors.messages import (
    BatchReported,
    BatchWritten,
    CancelItem,
    ItemResult,
    PlaceItem,
    ReplaceItem,
    SendBatch,
    VenueError,
    VenueReport,
)
from mmactors.units import Nanos
from mmactors.venue.codec import MAX_BATCH, UNREADABLE
from mmactors.venue.credentials import MissingSecret
from mmactors.venue.frames import Action, ItemReply
from mmactors.venue.rest import CredentialsRefused, RefusedByVenue, VenueRest, VenueUnreachable


class RestOrders:
    """Carries out batches, one at a time; blocks while the venue is asked."""

    def __init__(self, rest: VenueRest, deliver: Callable[[VenueReport], None], now: Callable[[], Nanos]) -> None:
        """Args:
        rest: used by one thread; asks once, without repeating what was refused for the rate.
        deliver: takes each report; must not block or raise.
        now: the clock, nanoseconds UTC.
        """
        self._rest = rest
        self._codec = rest.codec
        self._deliver = deliver
        self._now = now

    def carry_out(self, batch: SendBatch) -> None:
        """Send a batch and report what became of its items."""
        self._deliver(BatchWritten(batch.op_id, self._now()))
        results = [
            *self._listed("cancel", batch.cancels, "DELETE", self._codec.rest_cancels),
            *(self._one("replace", item) for item in batch.replaces),
            *self._listed("place", batch.places, "POST", self._codec.rest_places),
        ]
        self._deliver(BatchReported(batch.op_id, tuple(results), self._now()))

    def _listed(
        self, action: Action, items: Sequence[Any], method: str, encode: Callable[[Sequence[Any]], bytes]
    ) -> list[ItemResult]:
        if len(items) < 2 or not self._rest.abilities.batch:
            return [self._one(action, item) for item in items]
        results = []
        for start in range(0, len(items), MAX_BATCH):
            chunk = items[start : start + MAX_BATCH]
            answer = self._ask(method, "/orders", encode(chunk))
            replies = self._codec.rest_results(answer) if isinstance(answer, bytes) else (answer,) * len(chunk)
            for position, item in enumerate(chunk):
                reply = replies[position] if position < len(replies) else ItemReply(None, UNREADABLE)
                results.append(_result(action, item, reply))
        return results

    def _one(self, action: Action, item: CancelItem | ReplaceItem | PlaceItem) -> ItemResult:
        match item:
            case CancelItem(client_id, order_id):
                key = quote(order_id or f"c:{client_id}", safe=":")
                answer = self._ask("DELETE", f"/orders/{key}", None)
            case ReplaceItem(order_id=order_id):
                answer = self._ask("PATCH", f"/orders/{quote(order_id, safe=':')}", self._codec.rest_item(item))
            case PlaceItem():
                answer = self._ask("POST", "/orders", self._codec.rest_item(item))
        return _result(action, item, self._codec.rest_order(answer) if isinstance(answer, bytes) else answer)

    def _ask(self, method: str, path: str, content: bytes | None) -> bytes | ItemReply:
        try:
            return self._rest.call(method, path, content)
        except RefusedByVenue as refused:
            return self._codec.rest_refusal(refused.status, refused.body)
        except CredentialsRefused as refused:
            return ItemReply(None, VenueError("refused", "UNAUTHORIZED", str(refused)))
        except MissingSecret as missing:
            return ItemReply(None, VenueError("refused", "UNAUTHORIZED", str(missing)))
        except VenueUnreachable as failed:
            return ItemReply(None, VenueError("unknown", "UNREACHABLE", str(failed)))


def _result(action: Action, item: CancelItem | ReplaceItem | PlaceItem, reply: ItemReply) -> ItemResult:
    return ItemResult(action, item.client_id, reply.order, reply.error, reply.original_cancelled)
