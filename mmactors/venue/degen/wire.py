"""The shapes of the wire's JSON and the numbers in it: `codec.py`'s own vocabulary, of use to nobody else.

Unknown fields are passed over, missing ones and wrong types raise `WireError`. Prices and money become integer
micro-dollars, times nanoseconds.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from mmactors.messages import Outcome
from mmactors.units import DOLLAR, MILLISECOND, Contracts, Micros, Nanos

MAX_BYTES = 4 * 1024 * 1024

Number = float | str
Whole = int | float
T = TypeVar("T")


class WireError(Exception):
    """A frame or body that cannot be used. `reason` is one of few words, to count by; `detail` is for one log line."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Head(Struct, frozen=True):
    """What every frame starts with."""

    type: str
    id: int | None = None
    op: str = ""
    channel: str = ""


class Error(Struct, frozen=True):
    """Why something was refused."""

    code: str = "UNREADABLE"
    message: str = ""
    retry_after_ms: float | None = None
    data: Raw = Raw()


class ErrorData(Struct, frozen=True):
    """What a refusal adds."""

    order: Raw = Raw()
    original_status: str | None = None


class Order(Struct, frozen=True):
    """An order."""

    id: str
    market: str
    side: str
    outcome: str
    price: Number
    size: Whole
    filled: Whole
    status: str
    client_order_id: str | None = None
    version: int = 0


class Fill(Struct, frozen=True):
    """A fill."""

    fill_id: str
    seq: int
    order_id: str
    market: str
    outcome: str
    price: Number
    size: Whole
    ts: int
    filled_total: Whole
    liquidity: str = "maker"
    fee: Number = 0.0
    client_order_id: str | None = None


class Position(Struct, frozen=True):
    """A position."""

    market: str
    yes: Whole
    no: Whole
    yes_cost: Number = 0.0
    no_cost: Number = 0.0


class Balance(Struct, frozen=True):
    """The account's cash."""

    cash: Number
    reserved: Number = 0.0


class Settlement(Struct, frozen=True):
    """What decides a market."""

    type: str = "spot"
    window_s: Whole = 0
    tie: str = "NO"


class Fees(Struct, frozen=True):
    """A market's fees."""

    maker_bps: float = 0.0
    taker_bps: float = 0.0


class Market(Struct, frozen=True):
    """A market."""

    id: str
    asset: str
    status: str
    opens_at: int
    expires_at: int
    strike: Number | None = None
    tick_size: Number = 0.01
    min_size: Whole = 1
    max_size: Whole = 10_000
    settlement: Settlement | None = None
    fees: Fees | None = None
    outcome: str | None = None
    settlement_price: Number | None = None


class MarketId(Struct, frozen=True):
    """The name of a market that may be unreadable."""

    id: str = "?"


class Limits(Struct, frozen=True):
    """The order budget."""

    orders_per_s: float = 10.0
    burst: float = 20.0


class Auth(Struct, frozen=True):
    """The login's result."""

    account: str
    session: str = ""
    expires_at: int | None = None
    server_time: int | None = None
    capabilities: list[str] = []
    limits: Limits = Limits()


class Cancelled(Struct, frozen=True):
    """The ids of what was cancelled."""

    cancelled: list[str]


class Item(Struct, frozen=True):
    """What became of one item of a batch."""

    ok: bool
    order: Raw = Raw()
    error: Error | None = None


class Ack(Struct, frozen=True):
    """An acknowledgement: `result`, `results` or `order`, by operation."""

    id: int | None = None
    result: Raw = Raw()
    results: dict[str, list[Raw]] = {}
    order: Raw = Raw()


class Failure(Struct, frozen=True):
    """A refused operation."""

    error: Error
    id: int | None = None
    op: str = ""


class OrdersSnapshot(Struct, frozen=True):
    """The orders channel's snapshot."""

    seq: int
    orders: list[Order]
    positions: list[Position]
    balance: Balance


class OrderEvent(Struct, frozen=True):
    """An order changed."""

    seq: int
    reason: str
    order: Order
    fill: Raw = Raw()


class AccountEvent(Struct, frozen=True):
    """Money changed."""

    seq: int
    reason: str
    balance: Balance
    market: str | None = None
    position: Raw = Raw()


class Book(Struct, frozen=True):
    """A book's snapshot: price and size per level."""

    market: str
    seq: int
    bids: list[tuple[Number, Whole]]
    asks: list[tuple[Number, Whole]]


class Delta(Struct, frozen=True):
    """Changed levels: side, price, new size."""

    market: str
    seq: int
    changes: list[tuple[Literal["bid", "ask"], Number, Whole]]


class MarketsSnapshot(Struct, frozen=True):
    """The markets channel's snapshot."""

    markets: list[Raw]
    seq: int = 0


class MarketEvent(Struct, frozen=True):
    """A market changed."""

    event: str
    market: Raw
    seq: int = 0


class Seqs(Struct, frozen=True):
    """The channels' last numbers."""

    orders: int | None = None


class Heartbeat(Struct, frozen=True):
    """The venue is alive."""

    ts: int
    echo: int | None = None
    seq: Seqs = Seqs()


class Notice(Struct, frozen=True):
    """The venue announces something."""

    code: str
    message: str = ""


class OrdersPage(Struct, frozen=True):
    """`GET /orders`."""

    orders: list[Order]


class FillsPage(Struct, frozen=True):
    """`GET /fills`."""

    fills: list[Fill]
    next: int | None = None


class PositionsPage(Struct, frozen=True):
    """`GET /positions`."""

    positions: list[Position]


class MarketsPage(Struct, frozen=True):
    """`GET /markets`."""

    markets: list[Raw]


class Time(Struct, frozen=True):
    """`GET /time`."""

    server_time: int


class LoginMessage(Struct, frozen=True):
    """What a wallet is to sign."""

    message: str


class Login(Struct, frozen=True):
    """What the signature is good for. Nothing here is ever shown."""

    token: str

    def __repr__(self) -> str:
        return "Login(***)"


class RefusalError(Struct, frozen=True):
    """An HTTP error's body."""

    error: Error


_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}


def read(raw: bytes | str, shape: type[T]) -> T:
    """Read one JSON object as `shape`.

    Raises:
        WireError: it is none.
    """
    if len(raw) > MAX_BYTES:
        raise WireError("oversized", f"{len(raw)} bytes")
    decoder = _DECODERS.get(shape)
    if decoder is None:
        decoder = _DECODERS[shape] = msgspec.json.Decoder(shape)
    try:
        value: T = decoder.decode(raw)
    except msgspec.ValidationError as error:
        text = str(error)
        reason = "missing_field" if "missing" in text else "bad_number" if "out of range" in text else "wrong_type"
        raise WireError(reason, text[:120]) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise WireError("malformed", type(error).__name__) from None
    return value


def finite(value: float) -> float:
    """Return a number that is one. Raises WireError."""
    if not math.isfinite(value):
        raise WireError("bad_number", str(value))
    return value


def number(value: Number) -> float:
    """Return a number or numeric text as a float. Raises WireError."""
    if isinstance(value, str):
        try:
            return finite(float(value))
        except ValueError:
            raise WireError("bad_number", f"{value!r}"[:40]) from None
    return finite(value)


def exact_micros(value: Number) -> Micros:
    """Return dollars as micro-dollars, exactly. Raises WireError if they are finer."""
    scaled = number(value) * DOLLAR
    whole = round(scaled)
    if abs(scaled - whole) > 1e-3:
        raise WireError("bad_number", f"{value} is finer than a micro-dollar")
    return Micros(whole)


def money(value: Number, rounding: Callable[[float], int]) -> Micros:
    """Return dollars as micro-dollars, rounded by `rounding` where they are finer. Raises WireError."""
    scaled = number(value) * DOLLAR
    whole = round(scaled)
    return Micros(whole if abs(scaled - whole) <= 1e-3 else rounding(scaled))


def price_of(value: Number) -> Micros:
    """Return a price between 0 and 1 dollar. Raises WireError."""
    price = exact_micros(value)
    if not 0 < price < DOLLAR:
        raise WireError("bad_price", str(value)[:40])
    return price


def size_of(value: Whole) -> Contracts:
    """Return a whole number of contracts. Raises WireError."""
    if value < 0 or value != int(value):
        raise WireError("bad_size", str(value))
    return Contracts(int(value))


def outcome_of(text: str) -> Outcome:
    """Return an outcome written in any case. Raises WireError."""
    try:
        return Outcome(text.upper())
    except ValueError:
        raise WireError("wrong_value", f"outcome {text!r}"[:80]) from None


def ns_of(ms: int) -> Nanos:
    """Return milliseconds as nanoseconds. Raises WireError."""
    if ms < 0:
        raise WireError("bad_time", str(ms))
    return Nanos(ms * MILLISECOND)
