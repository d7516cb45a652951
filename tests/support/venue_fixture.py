"""One open market with funded accounts, and short ways to trade in it."""

from typing import Any

from mmactors.simulator.models.fees import Fees
from mmactors.simulator.venue.engine import Venue
from mmactors.simulator.venue.ledger import Account, NewOrder, Order
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.matching import RefusalError
from mmactors.units import DOLLAR

MARKET = "BTC-1M-TEST"
CENT = 10_000
T0 = 1_000_000


class Trading:
    """A venue with one market, open at T0, expiring a minute later."""

    def __init__(self, *, cash: int = 1000 * DOLLAR, tick: int = CENT, **venue: Any) -> None:
        fees = Fees(venue.pop("maker_bps", 0.0), venue.pop("taker_bps", 0.0))
        self.venue = Venue(**{"orders_per_s": 1e6, "burst": 1e6, **venue})
        self.market = Market(MARKET, "BTC", duration_s=60, opens_at=T0, expires_at=T0 + 60_000, tick=tick, fees=fees)
        self.venue.add_market(self.market, T0)
        self.venue.open_market(MARKET, 97_000.0, T0)
        self.ann, self.bob, self.eve = (self.venue.open_account(name, cash, T0) for name in ("ann", "bob", "eve"))

    def buy(self, account: Account, outcome: str, cents: float, size: int, now: int = T0, **extra: Any) -> Order:
        """Place a bid; the price in cents."""
        body = NewOrder(MARKET, "bid", outcome, round(cents * CENT), size, **extra)  # type: ignore[arg-type]
        return self.venue.place(account, body, now, session="s1")[0]

    def sell(self, account: Account, outcome: str, cents: float, size: int, now: int = T0, **extra: Any) -> Order:
        """Place a literal ask; the price in cents."""
        body = NewOrder(MARKET, "ask", outcome, round(cents * CENT), size, **extra)  # type: ignore[arg-type]
        return self.venue.place(account, body, now)[0]

    def move(
        self, account: Account, order: Order, cents: float, size: int, name: str | None = None, now: int = T0
    ) -> Order:
        """Replace an order."""
        return self.venue.replace(account, order.id, round(cents * CENT), size, name, now)

    def bids(self) -> list[tuple[int, int]]:
        """Return the book's bids in YES terms."""
        return self.market.book.bids()

    def asks(self) -> list[tuple[int, int]]:
        """Return the book's asks in YES terms."""
        return self.market.book.asks()

    def holds(self, account: Account) -> tuple[int, int]:
        """Return an account's YES and NO."""
        position = account.positions.get(MARKET)
        return (0, 0) if position is None else (position.yes, position.no)

    def reasons(self, account: Account) -> list[str]:
        """Return the reasons on an account's stream since the last call."""
        found = [event.reason for event in account.outbox]
        account.outbox.clear()
        return found

    def money(self) -> int:
        """Return all money there is: cash, pairs, fees. It never changes."""
        cash = sum(account.cash for account in self.venue.accounts.values())
        pairs = sum(market.pairs for market in self.venue.markets.values())
        return cash + pairs * DOLLAR + self.venue.matching.fees


def refusal(call: Any) -> RefusalError:
    """Return the refusal a call ends in."""
    try:
        call()
    except RefusalError as refused:
        return refused
    raise AssertionError("it was not refused")
