"""One session as the venue trades it: its terms, its status, its book, and who holds what in it.

Owns what a market is and who wins in it. It must not know when it opens, who trades in it, or the wire.
"""

from typing import Literal

from mmactors.simulator.models.fees import Fees
from mmactors.simulator.models.queue import ArrivalQueue
from mmactors.simulator.prices.fixings import Average
from mmactors.simulator.venue.book import Book
from mmactors.simulator.venue.ledger import Account, Order, Outcome, Position
from mmactors.units import DOLLAR

MarketStatus = Literal["PENDING", "OPEN", "HALTED", "CLOSED", "RESOLVED"]
Resolution = Literal["YES", "NO", "VOID"]


class Market:
    """One session.

    Attributes:
        pairs: minted pairs of YES and NO.
        paid: how many contracts, YES and NO, each account was paid for at the end.
        revision: how often the outcome was corrected.
        listed: whether lists of markets show it.
        window_s: length of the window of the average it settles on, seconds; 0 for the price at its end.
        average: that average, from the moment the market has a strike.
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
        max_size: int = 10_000,
        tie: Outcome = "NO",
        window_s: int = 0,
        fees: Fees | None = None,
        queue: ArrivalQueue | None = None,
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
        self.fees = fees or Fees()
        self.min_size = 1
        self.max_size = max_size
        self.tie: Outcome = tie
        self.window_s = window_s
        self.average: Average | None = None
        self.strike: float | None = None
        self.status: MarketStatus = "PENDING"
        self.outcome: Resolution | None = None
        self.settlement_price: float | None = None
        self.book = Book(self.ticks, queue or ArrivalQueue())
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
        return price + self.fees.most(price)

    def new_position(self, account: Account) -> Position:
        """Start an account's position; the market keeps it too, for its settlement."""
        position = account.positions[self.id] = self.positions[account.name] = Position(self.id)
        return position

    def decide(self, price: float) -> Resolution:
        """Return the outcome at this settlement price, by the tie rule where price and strike are equal.

        Raises:
            ValueError: the market has no strike yet.
        """
        if self.strike is None:
            raise ValueError(f"market {self.id} has no strike")
        if price == self.strike:
            return self.tie
        return "YES" if price > self.strike else "NO"
