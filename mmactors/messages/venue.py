"""The venue port: the reports that a venue's client hands to the gateway, and the requests that it takes."""

from typing import Literal

from mmactors.messages.markets import Market, Outcome
from mmactors.units import Contracts, Micros, Nanos
from mmactors.value import value


@value
class VenueError:
    """The venue's refusal. `kind` is the client's reading of it: a definite no, a later yes, or nobody knows."""

    kind: Literal["refused", "later", "unknown"]
    code: str
    message: str
    retry_after_ms: int = 0


@value
class VenueOrder:
    """An order in the venue's words."""

    order_id: str
    client_id: str
    market: str
    outcome: Outcome
    price_micros: Micros
    size: Contracts
    filled: Contracts
    status: Literal["OPEN", "PARTIAL", "FILLED", "CANCELLED", "EXPIRED", "REJECTED"]
    version: int = 0


@value
class VenueFill:
    """A fill in the venue's words."""

    fill_id: str
    seq: int
    order_id: str
    client_id: str
    market: str
    outcome: Outcome
    price_micros: Micros
    size: Contracts
    fee_micros: Micros
    maker: bool
    venue_ns: Nanos
    filled_total: Contracts


@value
class VenuePosition:
    """A position in the venue's words."""

    market: str
    yes: Contracts
    no: Contracts
    yes_cost_micros: Micros
    no_cost_micros: Micros


@value
class VenueConnected:
    """The order session is authenticated and subscribed."""

    account: str
    session: str
    capabilities: frozenset[str]
    orders_per_s: float
    burst: float
    expires_venue_ns: Nanos | None
    at_ns: Nanos


@value
class TokenRenewed:
    """The venue took a newer token on the live session; it ends then, by the venue's clock (None: nobody says)."""

    expires_venue_ns: Nanos | None
    at_ns: Nanos


@value
class VenueDisconnected:
    """The order session is gone; what was in flight is unknown.

    `fatal`: for good, our credentials are refused; or, if `unfit`, the venue lacks what we cannot do without.
    """

    reason: str
    at_ns: Nanos
    fatal: bool = False
    unfit: bool = False


@value
class ClockMeasured:
    """The venue's clock minus ours, from the exchange with the least round trip so far, and that round trip."""

    offset_ns: Nanos
    round_trip_ns: Nanos


@value
class AccountSnapshot:
    """The account at `seq`: open orders, positions, cash (`cash` includes what open orders reserve)."""

    seq: int
    orders: tuple[VenueOrder, ...]
    positions: tuple[VenuePosition, ...]
    cash_micros: Micros
    reserved_micros: Micros


@value
class OrderReported:
    """One message of the user stream about one order, with the fill if it is one."""

    seq: int
    reason: str
    order: VenueOrder
    fill: VenueFill | None


@value
class AccountReported:
    """One message of the user stream about money: a settlement, a merge, an adjustment.

    `yes` and `no` are the contracts held in the market after it, where the venue says so.
    """

    seq: int
    reason: str
    market: str | None
    cash_micros: Micros
    yes: Contracts | None = None
    no: Contracts | None = None


@value
class MergeReported:
    """The answer to a `MergePairs`; what it did to the account is reported by the user stream."""

    market: str
    error: str | None


@value
class StreamGapped:
    """The user stream skipped a number; a fresh snapshot is on its way. No new orders until it and the fills are in."""

    expected_seq: int
    seen_seq: int


@value
class FillsFetched:
    """Every fill after `since_seq` over REST, oldest first; `error` if they could not be had."""

    since_seq: int
    fills: tuple[VenueFill, ...]
    error: str | None = None


@value
class OrderFetched:
    """What became of one order, by client id: the order, or None if the venue knows none; or an error."""

    client_id: str
    order: VenueOrder | None
    error: str | None = None


@value
class ItemResult:
    """What became of one item of a batch."""

    action: Literal["cancel", "replace", "place"]
    client_id: str
    order: VenueOrder | None
    error: VenueError | None
    original_cancelled: bool = False


@value
class BatchReported:
    """The acknowledgement of one `SendBatch`, or of some of its items where they travel apart."""

    op_id: int
    results: tuple[ItemResult, ...]
    received_ns: Nanos


@value
class BatchWritten:
    """The frame of one `SendBatch` has gone to the socket."""

    op_id: int
    at_ns: Nanos


@value
class CancelAllReported:
    """The acknowledgement of one `SendCancelAll`; `error` if it failed."""

    op_id: int
    order_ids: tuple[str, ...]
    error: VenueError | None


@value
class MarketReported:
    """One market in the venue's words, from the markets channel or from REST."""

    event: str
    market: Market


@value
class BookReported:
    """Best prices of one book in YES terms; None when a side is empty or the book is being rebuilt."""

    market: str
    bid_micros: Micros | None
    ask_micros: Micros | None


VenueReport = (
    VenueConnected
    | TokenRenewed
    | VenueDisconnected
    | ClockMeasured
    | AccountSnapshot
    | OrderReported
    | AccountReported
    | MergeReported
    | StreamGapped
    | FillsFetched
    | OrderFetched
    | BatchReported
    | BatchWritten
    | CancelAllReported
    | MarketReported
    | BookReported
)


@value
class PlaceItem:
    """One order on its way out."""

    client_id: str
    market: str
    outcome: Outcome
    price_micros: Micros
    size: Contracts
    post_only: bool
    immediate: bool


@value
class ReplaceItem:
    """One move on its way out; `size` is the total, fills included."""

    client_id: str
    order_id: str
    price_micros: Micros
    size: Contracts


@value
class CancelItem:
    """One cancel on its way out, by order id where there is one, else by client id."""

    client_id: str
    order_id: str | None


@value
class SendBatch:
    """One ladder refresh: cancels, then replaces, then places; answered by `BatchReported`, once or in parts."""

    op_id: int
    cancels: tuple[CancelItem, ...]
    replaces: tuple[ReplaceItem, ...]
    places: tuple[PlaceItem, ...]


@value
class SendCancelAll:
    """Cancel everything of a market or of the account; answered by `CancelAllReported`."""

    op_id: int
    market: str | None


@value
class FetchFills:
    """Ask for every fill after `since_seq` (exclusive); answered by `FillsFetched`.

    `past` says that it is about earlier runs only: nothing waits for it.
    """

    since_seq: int
    past: bool = False


@value
class FetchOrder:
    """Ask what became of an order; answered by `OrderFetched`."""

    client_id: str


@value
class FetchMarkets:
    """Ask REST for the markets of a status; each is answered by a `MarketReported` like one of a snapshot."""

    status: str = "OPEN"


@value
class MergePairs:
    """Turn so many pairs of YES and NO back into a dollar each; answered by `MergeReported`."""

    market: str
    size: Contracts


@value
class WatchBook:
    """Subscribe to a market's book, or end the subscription."""

    market: str
    on: bool


VenueRequest = SendBatch | SendCancelAll | FetchFills | FetchOrder | FetchMarkets | MergePairs | WatchBook
