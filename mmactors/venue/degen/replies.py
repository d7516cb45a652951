"""The venue's frames as its client uses them, once the codec has read them.

Frames that concern the program are `messages` already; those here only steer the session (acknowledgements, books,
heartbeats). Owns no JSON and does nothing.
"""

from typing import Literal

from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    Market,
    OrderReported,
    VenueError,
    VenueOrder,
)
from mmactors.units import Contracts, Micros, Nanos
from mmactors.value import value

Action = Literal["cancel", "replace", "place"]
ACTIONS: tuple[Action, ...] = ("cancel", "replace", "place")
"""In the order in which a batch runs."""


@value
class AuthAcked:
    """The venue knows us. Times are the venue's clock."""

    op_id: int
    account: str
    session: str
    expires_venue_ns: Nanos | None
    server_ns: Nanos | None
    capabilities: frozenset[str]
    orders_per_s: float
    burst: float


@value
class Acked:
    """Any other operation was done."""

    op_id: int
    op: str


@value
class OpFailed:
    """An operation was refused; `op_id` is None where the venue could not read ours."""

    op_id: int | None
    op: str
    error: VenueError
    order: VenueOrder | None
    original_cancelled: bool


@value
class ItemReply:
    """What became of one item of a batch, or of a single operation."""

    order: VenueOrder | None
    error: VenueError | None
    original_cancelled: bool = False


@value
class ItemsAcked:
    """The items of one frame were dealt with, in the order they were sent."""

    op_id: int
    replies: dict[Action, tuple[ItemReply, ...]]


@value
class CancelAllAcked:
    """Everything asked for is cancelled."""

    op_id: int
    order_ids: tuple[str, ...]


@value
class MarketInvalid:
    """A market that cannot be traded, and why."""

    market: str
    reason: str


@value
class MarketsListed:
    """The markets channel's snapshot, or one of its events."""

    seq: int
    event: str
    markets: tuple[Market, ...]
    invalid: tuple[MarketInvalid, ...]


@value
class BookSnapshot:
    """A whole book in YES terms: (price, size) per level."""

    market: str
    seq: int
    bids: tuple[tuple[Micros, Contracts], ...]
    asks: tuple[tuple[Micros, Contracts], ...]


@value
class BookDelta:
    """Changed levels: (side, price, new size)."""

    market: str
    seq: int
    changes: tuple[tuple[Literal["bid", "ask"], Micros, Contracts], ...]


@value
class Heartbeat:
    """The venue is alive. `echo_ms` repeats our own heartbeat's time."""

    server_ns: Nanos
    echo_ms: int | None
    orders_seq: int | None


@value
class Notice:
    """The venue announces something."""

    code: str
    message: str


@value
class Skipped:
    """A known frame that nobody here needs."""

    type: str


Frame = (
    AuthAcked
    | Acked
    | OpFailed
    | ItemsAcked
    | CancelAllAcked
    | MarketsListed
    | BookSnapshot
    | BookDelta
    | Heartbeat
    | Notice
    | Skipped
    | AccountSnapshot
    | OrderReported
    | AccountReported
)
