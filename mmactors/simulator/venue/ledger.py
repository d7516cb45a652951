"""Accounts and their orders: cash, reservations, positions, fills, the stream of events, the rate budget.

Owns every micro-dollar and contract of an account. It must not know matching, markets, a clock or the wire.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

import msgspec

from mmactors.units import DOLLAR

Outcome = Literal["YES", "NO"]
Side = Literal["bid", "ask"]
OrderStatus = Literal["OPEN", "PARTIAL", "FILLED", "CANCELLED", "EXPIRED"]

LIVE: frozenset[str] = frozenset(("OPEN", "PARTIAL"))
"""The statuses of an order that can still trade."""

DAY_MS = 24 * 3600 * 1000
"""How long orders, fills and client order ids are remembered."""


def opposite(outcome: Outcome) -> Outcome:
    """Return the other contract of the pair."""
    return "NO" if outcome == "YES" else "YES"


class Order(msgspec.Struct, eq=False):
    """One order. Times are milliseconds UTC, sizes contracts.

    Attributes:
        ticks: its price, in ticks of its own outcome.
        yes_ticks: its price in YES terms, which is its level in the book.
        size: total size, fills included.
        unit_reserve: cash reserved per contract still to fill, fees included, micro-dollars; 0 for a sale.
        expires_at: when its time to live ends; None without one.
    """

    id: str
    account: "Account"
    market: str
    client_order_id: str | None
    side: Side
    outcome: Outcome
    ticks: int
    tick: int
    size: int
    post_only: bool
    ioc: bool
    created_at: int
    updated_at: int
    buys_yes: bool
    yes_ticks: int
    unit_reserve: int
    expires_at: int | None = None
    ttl_ms: int | None = None
    session: str | None = None
    filled: int = 0
    notional: int = 0
    status: OrderStatus = "OPEN"
    version: int = 1

    def snapshot(self) -> "Order":
        """Return a copy of the order as it is now."""
        taken: Order = self.__copy__()  # type: ignore[attr-defined]
        return taken

    @property
    def remaining(self) -> int:
        """Contracts that can still trade."""
        return self.size - self.filled if self.status in LIVE else 0


@dataclass(slots=True)
class Position:
    """Contracts held in one market, their cost in micro-dollars, and how many of them open sales reserve (`_held`)."""

    market: str
    yes: int = 0
    no: int = 0
    yes_cost: int = 0
    no_cost: int = 0
    realized: int = 0
    yes_held: int = 0
    no_held: int = 0

    def free(self, outcome: Outcome) -> int:
        """Return the contracts of an outcome that no open sale reserves."""
        return self.yes - self.yes_held if outcome == "YES" else self.no - self.no_held

    def hold(self, outcome: Outcome, size: int) -> None:
        """Reserve contracts for an open sale; a negative size releases them."""
        if outcome == "YES":
            self.yes_held += size
        else:
            self.no_held += size

    def add(self, outcome: Outcome, size: int, cost: int) -> None:
        """Add contracts bought for `cost` micro-dollars."""
        if outcome == "YES":
            self.yes += size
            self.yes_cost += cost
        else:
            self.no += size
            self.no_cost += cost

    def remove(self, outcome: Outcome, size: int, proceeds: int) -> None:
        """Remove contracts at their average cost; the difference to `proceeds` is realised."""
        if outcome == "YES":
            cost = self.yes_cost * size // self.yes
            self.yes -= size
            self.yes_cost -= cost
        else:
            cost = self.no_cost * size // self.no
            self.no -= size
            self.no_cost -= cost
        self.realized += proceeds - cost


class Fill(msgspec.Struct, frozen=True, eq=False):
    """One side of a trade, in terms of that side's own order. `fee` in micro-dollars, negative for a rebate."""

    fill_id: str
    seq: int
    order_id: str
    client_order_id: str | None
    market: str
    side: Side
    outcome: Outcome
    ticks: int
    tick: int
    size: int
    maker: bool
    fee: int
    ts: int
    filled_total: int


class OrderEvent(msgspec.Struct, frozen=True, eq=False):
    """One message of an account's stream about one order, with a copy of the order at that time."""

    seq: int
    reason: str
    order: Order
    fill: Fill | None


class AccountEvent(msgspec.Struct, frozen=True, eq=False):
    """One message of an account's stream about money: a settlement or a merge."""

    seq: int
    reason: str
    position: Position
    cash: int
    reserved: int


class NewOrder(msgspec.Struct, frozen=True):
    """An order as the client asked for it; `price` in micro-dollars. A repetition equals the first one."""

    market: str
    side: Side
    outcome: Outcome
    price: int
    size: int
    client_order_id: str | None = None
    post_only: bool = False
    ioc: bool = False
    ttl_ms: int | None = None


class RateBucket:
    """A token bucket: `rate` tokens a second up to `burst`."""

    __slots__ = ("at_ms", "burst", "rate_per_ms", "tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate_per_ms = rate / 1000
        self.burst = burst
        self.tokens = burst
        self.at_ms = 0

    def take(self, cost: float, now_ms: int) -> int:
        """Take `cost` tokens and return 0, or take none and return the milliseconds until there are enough."""
        self.tokens = min(self.burst, self.tokens + max(0, now_ms - self.at_ms) * self.rate_per_ms)
        self.at_ms = max(now_ms, self.at_ms)
        if self.tokens + 1e-9 >= cost:
            self.tokens -= cost
            return 0
        return int((cost - self.tokens) / self.rate_per_ms) + 1


class Account:
    """One account; `cash` includes what open orders reserve, micro-dollars.

    A house account has no stream, no history and no rate limit.
    """

    def __init__(self, name: str, cash: int, bucket: RateBucket | None, first_seq: int = 0) -> None:
        self.name = name
        self.cash = cash
        self.reserved = 0
        self.bucket = bucket
        self.house = bucket is None
        self.seq = first_seq
        self.positions: dict[str, Position] = {}
        self.live: dict[str, Order] = {}
        self.orders: dict[str, Order] = {}
        self.claims: dict[str, tuple[Order, NewOrder]] = {}
        self.fills: list[Fill] = []
        self.outbox: list[OrderEvent | AccountEvent] = []
        self._closed: deque[tuple[int, str]] = deque()
        self._claimed: deque[tuple[int, str]] = deque()

    @property
    def available(self) -> int:
        """Cash that no open order reserves, in micro-dollars."""
        return self.cash - self.reserved

    def next_seq(self) -> int:
        """Number the next message of the account's stream."""
        self.seq += 1
        return self.seq

    def publish_order(self, reason: str, order: Order, fill: Fill | None = None) -> None:
        """Put a copy of an order on the account's stream, under the fill's number if there is a fill."""
        seq = self.next_seq() if fill is None else fill.seq
        self.outbox.append(OrderEvent(seq, reason, order.snapshot(), fill))

    def publish_money(self, reason: str, position: Position) -> None:
        """Put a settlement or a merge on the account's stream."""
        shown = Position(
            position.market, position.yes, position.no, position.yes_cost, position.no_cost, position.realized
        )
        self.outbox.append(AccountEvent(self.next_seq(), reason, shown, self.cash, self.reserved))

    def claim(self, client_order_id: str, order: Order, body: NewOrder, now_ms: int) -> None:
        """Remember a client order id as used by `order`."""
        self.claims[client_order_id] = (order, body)
        self._claimed.append((now_ms, client_order_id))

    def close(self, order: Order, now_ms: int) -> None:
        """Take an ended order off the open ones; it is remembered for a day."""
        del self.live[order.id]
        if not self.house:
            self._closed.append((now_ms, order.id))

    def forget(self, now_ms: int) -> None:
        """Forget orders, client ids and fills older than a day."""
        before = now_ms - DAY_MS
        while self._closed and self._closed[0][0] < before:
            self.orders.pop(self._closed.popleft()[1], None)
        while self._claimed and self._claimed[0][0] < before:
            self.claims.pop(self._claimed.popleft()[1], None)
        if self.fills and self.fills[0].ts < before:
            self.fills = [fill for fill in self.fills if fill.ts >= before]

    def reserve(self, order: Order, sign: int) -> None:
        """Reserve (+1) or release (-1) what the rest of an order needs: cash for a bid, contracts for a sale."""
        size = sign * (order.size - order.filled)
        if order.side == "bid":
            self.reserved += order.unit_reserve * size
        else:
            self.positions[order.market].hold(order.outcome, size)

    def book_fill(self, order: Order, position: Position, size: int, notional: int, fee: int) -> None:
        """Book the cash and the contracts of one fill, and release what was reserved for it."""
        if order.side == "bid":
            self.reserved -= order.unit_reserve * size
            self.cash -= notional + fee
            position.add(order.outcome, size, notional)
        else:
            position.hold(order.outcome, -size)
            self.cash += notional - fee
            position.remove(order.outcome, size, notional)
        position.realized -= fee

    def merge(self, position: Position, pairs: int) -> None:
        """Merge pairs of YES and NO into a dollar each."""
        half = DOLLAR * pairs // 2
        position.remove("YES", pairs, half)
        position.remove("NO", pairs, DOLLAR * pairs - half)
        self.cash += DOLLAR * pairs
