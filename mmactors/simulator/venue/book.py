"""Orders, markets and one price-time book per market, in YES terms: a NO bid at q is a YES ask at 1 - q.

Owns queue places and level sizes. It knows nothing of money, accounts' rules, time or the wire.
"""

from typing import TYPE_CHECKING, Literal

import msgspec

from mmactors.units import DOLLAR

if TYPE_CHECKING:
    from mmactors.simulator.prices.fixings import Average
    from mmactors.simulator.venue.ledger import Account, Position

Outcome = Literal["YES", "NO"]
Side = Literal["bid", "ask"]
OrderStatus = Literal["OPEN", "PARTIAL", "FILLED", "CANCELLED", "EXPIRED"]
MarketStatus = Literal["PENDING", "OPEN", "HALTED", "CLOSED", "RESOLVED"]
Resolution = Literal["YES", "NO", "VOID"]

LIVE: frozenset[str] = frozenset(("OPEN", "PARTIAL"))
"""The statuses of an order that can still trade."""


def opposite(outcome: Outcome) -> Outcome:
    """Return the other contract of the pair."""
    return "NO" if outcome == "YES" else "YES"


class Order(msgspec.Struct, eq=False):
    """One order. `ticks` is its own price, `yes_ticks` its place in the book; `size` includes what is filled.

    `unit_reserve` is the cash (micro-dollars) set aside per contract still to fill, fees included; none for a sale of
    holdings. Times are milliseconds; `expires_at` is None without a time to live.
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
        """Return the order as it stands, which this one no longer moves."""
        taken: Order = self.__copy__()  # type: ignore[attr-defined]
        return taken

    @property
    def remaining(self) -> int:
        """Contracts that can still trade."""
        return self.size - self.filled if self.status in LIVE else 0


class Book:
    """Price-time priority on both sides. `best_bid` is 0 and `best_ask` a whole dollar when the side is empty.

    `touched` collects the levels changed since someone last looked: bids as +ticks, asks as -ticks.
    """

    __slots__ = ("ask_levels", "ask_sizes", "best_ask", "best_bid", "bid_levels", "bid_sizes", "ticks", "touched")

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks
        self.bid_levels: list[dict[str, Order]] = [{} for _ in range(ticks + 1)]
        self.ask_levels: list[dict[str, Order]] = [{} for _ in range(ticks + 1)]
        self.bid_sizes = [0] * (ticks + 1)
        self.ask_sizes = [0] * (ticks + 1)
        self.best_bid = 0
        self.best_ask = ticks
        self.touched: set[int] = set()

    def add(self, order: Order) -> None:
        """Queue an order behind all others of its price."""
        at = order.yes_ticks
        if order.buys_yes:
            self.bid_levels[at][order.id] = order
            self.bid_sizes[at] += order.size - order.filled
            if at > self.best_bid:
                self.best_bid = at
            self.touched.add(at)
        else:
            self.ask_levels[at][order.id] = order
            self.ask_sizes[at] += order.size - order.filled
            if at < self.best_ask:
                self.best_ask = at
            self.touched.add(-at)

    def reduce(self, order: Order, by: int) -> None:
        """Take `by` contracts off a queued order, which keeps its place, or leaves when nothing remains of it.

        To be called before the order's own `filled` or `size` changes.
        """
        at = order.yes_ticks
        gone = by == order.size - order.filled
        if order.buys_yes:
            self.bid_sizes[at] -= by
            self.touched.add(at)
            if gone:
                levels = self.bid_levels
                del levels[at][order.id]
                if at == self.best_bid and not levels[at]:
                    at -= 1
                    while at > 0 and not levels[at]:
                        at -= 1
                    self.best_bid = at
        else:
            self.ask_sizes[at] -= by
            self.touched.add(-at)
            if gone:
                levels = self.ask_levels
                del levels[at][order.id]
                if at == self.best_ask and not levels[at]:
                    at += 1
                    while at < self.ticks and not levels[at]:
                        at += 1
                    self.best_ask = at

    def crosses(self, buys_yes: bool, yes_ticks: int) -> bool:
        """Tell whether an order at this price would trade at once."""
        return self.best_ask <= yes_ticks if buys_yes else self.best_bid >= yes_ticks

    def bids(self, depth: int = 0) -> list[tuple[int, int]]:
        """Return (ticks, size) from the best bid outwards, at most `depth` levels if that is positive."""
        found = [(at, self.bid_sizes[at]) for at in range(self.best_bid, 0, -1) if self.bid_sizes[at]]
        return found[:depth] if depth else found

    def asks(self, depth: int = 0) -> list[tuple[int, int]]:
        """Return (ticks, size) from the best ask outwards, at most `depth` levels if that is positive."""
        found = [(at, self.ask_sizes[at]) for at in range(self.best_ask, self.ticks) if self.ask_sizes[at]]
        return found[:depth] if depth else found


class PatientBook(Book):
    """A book in which clients' orders are always behind the house's of their price: a queue seen pessimistically."""

    __slots__ = ()

    def add(self, order: Order) -> None:
        """Queue an order; one of the house passes those of clients."""
        super().add(order)
        if order.account.house:
            level = (self.bid_levels if order.buys_yes else self.ask_levels)[order.yes_ticks]
            for each in [each for each in level.values() if not each.account.house]:
                level[each.id] = level.pop(each.id)


class Market:
    """One session: its terms, its status, its book, and who holds what in it. `pairs` counts minted YES+NO pairs.

    `paid` is for how many contracts, YES and NO, each account was paid at the end; `revision` counts how often that was
    corrected; what is not `listed` (any more) is left out of every list.
    The bps of the fees are of the price p, or `quadratic`, of p (1 - p), which is less.
    `window_s` is that of the average it settles on, 0 for the price at its end; `average` is that, once it is struck.
    """

    def __init__(
        self,
        market_id: str,
        asset: str,
        *,
        duration_s: int,
        opens_at: int,
        expires_at: int,
        tick: int = 10_000,
        maker_bps: float = 0.0,
        taker_bps: float = 0.0,
        max_size: int = 10_000,
        tie: Outcome = "NO",
        window_s: int = 0,
        quadratic: bool = False,
    ) -> None:
        if DOLLAR % tick:
            raise ValueError(f"market {market_id}: a tick of {tick / DOLLAR} does not divide a dollar")
        self.id = market_id
        self.asset = asset
        self.duration_s = duration_s
        self.opens_at = opens_at
        self.expires_at = expires_at
        self.tick = tick
        self.ticks = DOLLAR // tick
        self.maker_bps = maker_bps
        self.taker_bps = taker_bps
        self.quadratic = quadratic
        self.maker_rate = round(maker_bps * 100)
        self.taker_rate = round(taker_bps * 100)
        self.min_size = 1
        self.max_size = max_size
        self.tie: Outcome = tie
        self.window_s = window_s
        self.average: Average | None = None
        self.strike: float | None = None
        self.status: MarketStatus = "PENDING"
        self.outcome: Resolution | None = None
        self.settlement_price: float | None = None
        self.book = Book(self.ticks)
        self.positions: dict[str, Position] = {}
        self.paid: dict[str, tuple[int, int]] = {}
        self.revision = 0
        self.listed = True
        self.live: dict[str, Order] = {}
        self.pairs = 0
        self.book_seq = 0
        self.trade_seq = 0

    def unit_reserve(self, ticks: int) -> int:
        """Return the most one contract bought at `ticks` or better can cost, fee included, in micro-dollars."""
        price = ticks * self.tick
        return price - (-price * max(self.maker_rate, self.taker_rate, 0) // 1_000_000)

    def fee(self, notional: int, maker: bool, ticks: int) -> int:
        """Return the fee on one fill in micro-dollars, rounded against the payer; negative is a rebate."""
        rate = self.maker_rate if maker else self.taker_rate
        if self.quadratic:
            return -(-notional * (self.ticks - ticks) * rate // (self.ticks * 1_000_000))
        return -(-notional * rate // 1_000_000) if rate else 0

    def decide(self, price: float) -> Resolution:
        """Return who wins at this settlement price, tie rule included.

        Raises:
            ValueError: the market has no strike yet.
        """
        if self.strike is None:
            raise ValueError(f"market {self.id} has no strike")
        if price == self.strike:
            return self.tie
        return "YES" if price > self.strike else "NO"
