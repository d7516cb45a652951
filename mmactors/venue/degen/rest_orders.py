"""Orders over REST, for a venue that takes none over its WebSocket: an item becomes a request, its answer a report.

Owns the reading of each answer as one item's result. A lost answer is unknown, never a no. How several travel at once
is the link's.
"""

from collections.abc import Callable
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
from mmactors.venue.degen.batches import items_of
from mmactors.venue.degen.credentials import MissingSecretError
from mmactors.venue.degen.replies import ItemReply
from mmactors.venue.degen.rest import CredentialsRefusedError, VenueRefusedError, VenueRest, VenueUnreachableError


class RestOrders:
    """Carries out batches item by item; blocks while the venue is asked."""

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
        results = []
        for action, item in items_of(batch):
            reply = self._one(item)
            results.append(ItemResult(action, item.client_id, reply.order, reply.error, reply.original_cancelled))
        self._deliver(BatchReported(batch.op_id, tuple(results), self._now()))

    def _one(self, item: CancelItem | ReplaceItem | PlaceItem) -> ItemReply:
        match item:
            case CancelItem(client_id, order_id):
                key = quote(order_id or f"c:{client_id}", safe=":")
                answer = self._ask("DELETE", f"/orders/{key}", None)
            case ReplaceItem(order_id=order_id):
                answer = self._ask("PATCH", f"/orders/{quote(order_id, safe=':')}", self._codec.rest_item(item))
            case PlaceItem():
                answer = self._ask("POST", "/orders", self._codec.rest_item(item))
        return self._codec.rest_order(answer) if isinstance(answer, bytes) else answer

    def _ask(self, method: str, path: str, content: bytes | None) -> bytes | ItemReply:
        try:
            return self._rest.call(method, path, content)
        except VenueRefusedError as refused:
            return self._codec.rest_refusal(refused.status, refused.body)
        except CredentialsRefusedError as refused:
            return ItemReply(None, VenueError("refused", "UNAUTHORIZED", str(refused)))
        except MissingSecretError as missing:
            return ItemReply(None, VenueError("refused", "UNAUTHORIZED", str(missing)))
        except VenueUnreachableError as failed:
            return ItemReply(None, VenueError("unknown", "UNREACHABLE", str(failed)))
