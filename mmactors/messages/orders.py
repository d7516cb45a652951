"""Orders as the program sees them: what a market wants, and what became of it. "Denied" is our own gate saying no,
"rejected" the venue saying no, "unknown" nobody knowing."""

from typing import Literal

from mmactors.messages.markets import Outcome
from mmactors.units import Contracts, Micros, Nanos, Ticks
from mmactors.value import value


@value
class PlaceOrder:
    """Buy `size` contracts of `outcome` at `ticks` or better. The client id is its name for life."""

    client_id: str
    outcome: Outcome
    ticks: Ticks
    size: Contracts
    post_only: bool = True
    immediate: bool = False


@value
class ReplaceOrder:
    """Move an order: new price, new total size (fills included)."""

    client_id: str
    ticks: Ticks
    size: Contracts


@value
class CancelOrder:
    """Take an order away."""

    client_id: str


@value
class QuoteReason:
    """Why a ladder is what it is; every figure an operator needs to judge it. Prices in dollars."""

    why: str
    spot: float
    strike: float
    f: float
    sigma: float
    d2: float
    fair: float
    lean: float
    half_spread: float
    room: int
    net: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    phase: str


@value
class QuoteIntent:
    """What a market wants changed, in this order: cancels, replaces, places (market -> gateway).

    `origin_ns` is when the price that caused it was received (None if time caused it); `priced_ns` when the reference
    behind it last showed life.
    """

    market: str
    incarnation: int
    cancels: tuple[CancelOrder, ...]
    replaces: tuple[ReplaceOrder, ...]
    places: tuple[PlaceOrder, ...]
    reason: QuoteReason
    priced_ns: Nanos
    origin_ns: Nanos | None = None


@value
class CancelAll:
    """Cancel every order of one market, or of the account (supervisor, risk -> gateway; gateway -> venue)."""

    market: str | None
    reason: str


@value
class OrderAccepted:
    """The venue took the order; it rests (or has filled)."""

    market: str
    client_id: str
    order_id: str


@value
class OrderReplaced:
    """The order now stands at this price and total size. `pending` counts further replaces still in flight."""

    market: str
    client_id: str
    ticks: Ticks
    size: Contracts


@value
class OrderUnchanged:
    """A replace or cancel was refused and the order stands as it was; if `denied`, by our own gate: it never left."""

    market: str
    client_id: str
    action: Literal["replace", "cancel"]
    code: str
    message: str
    retry_after_ms: int = 0
    denied: bool = False


@value
class OrderRejected:
    """The venue refused the order; it never rested. Final."""

    market: str
    client_id: str
    code: str
    message: str
    retry_after_ms: int = 0


@value
class OrderDenied:
    """Our own gate refused the order; it never left. Final."""

    market: str
    client_id: str
    rule: str
    message: str
    retry_after_ms: int = 0


@value
class OrderUnknown:
    """Nobody knows whether the order rests: it counts as live until the venue says otherwise."""

    market: str
    client_id: str
    reason: str


@value
class OrderCancelled:
    """The order is gone. `filled` is the venue's word on how much of it traded; the rest are missing fills. Final."""

    market: str
    client_id: str
    filled: Contracts
    reason: str


@value
class OrderFilled:
    """Some of an order traded. Reported once per `fill_id`. Price and outcome are those of *our* order.

    `filled_total` counts all of the order's fills so far; `fee_micros` is negative for a rebate.
    """

    market: str
    client_id: str
    fill_id: str
    outcome: Outcome
    ticks: Ticks
    size: Contracts
    fee_micros: Micros
    filled_total: Contracts
    maker: bool
    venue_ns: Nanos
    tick_micros: Micros = Micros(10_000)


OrderEvent = (
    OrderAccepted
    | OrderReplaced
    | OrderUnchanged
    | OrderRejected
    | OrderDenied
    | OrderUnknown
    | OrderCancelled
    | OrderFilled
)


@value
class BookChanged:
    """Best prices of a market's whole book in YES terms, ours included (gateway -> market)."""

    market: str
    bid_ticks: Ticks | None
    ask_ticks: Ticks | None
