"""The venue's rules around the matching: accounts, market status, client orders, settlement.

Owns client order ids, rate budgets, times to live, replace and cancel as the wire contract states them, merges and
payouts. It must not know a clock, randomness, sockets, JSON, when a market opens or at which price it settles.
"""

import heapq

from mmactors.simulator.venue.ledger import (
    DAY_MS,
    LIVE,
    Account,
    NewOrder,
    Order,
    Outcome,
    Position,
    RateBucket,
    opposite,
)
from mmactors.simulator.venue.market import Market, Resolution
from mmactors.simulator.venue.matching import Matching, Recorder, RefusalError
from mmactors.units import DOLLAR
from mmactors.value import value

PLACE_COST, CANCEL_COST = 1.0, 0.2
"""Cost of an operation in tokens of the account's rate bucket."""

_PAYS: dict[Resolution, tuple[int, int]] = {
    "YES": (DOLLAR, 0),
    "NO": (0, DOLLAR),
    "VOID": (DOLLAR // 2, DOLLAR // 2),
}
"""Micro-dollars paid for a contract of YES and one of NO, by outcome."""

_EVENT_OF = {"PENDING": "created", "OPEN": "opened", "HALTED": "halted"}
"""The contract's event for a market of this status, repeated when its terms change."""


@value
class MarketChange:
    """A market's public change of status: created, opened, halted, closed or resolved."""

    market: Market
    event: str
    seq: int


class Venue:
    """The exchange itself.

    Args:
        orders_per_s, burst: rate budget of each client account.
        run: part of every id, so that two runs of a venue never give the same one.
        first_seq: where every account's stream starts counting.
        recorder: records every event, if given.
    """

    def __init__(
        self,
        *,
        orders_per_s: float = 100.0,
        burst: float = 200.0,
        run: str = "",
        first_seq: int = 0,
        recorder: Recorder | None = None,
    ) -> None:
        self.orders_per_s = orders_per_s
        self.burst = burst
        self.accounts: dict[str, Account] = {}
        self.markets: dict[str, Market] = {}
        self.matching = Matching(run, recorder)
        self.changes: list[MarketChange] = []
        self.market_seq = 0
        self._first_seq = first_seq
        self._recorder = recorder
        self._expiry_count = 0
        self._expiries: list[tuple[int, int, Order]] = []

    # --- accounts and markets ---------------------------------------------------------------------

    def open_account(self, name: str, cash: int, now_ms: int, *, house: bool = False) -> Account:
        """Open an account with `cash` micro-dollars; a house account has no rate limit, stream or history."""
        bucket = None if house else RateBucket(self.orders_per_s, self.burst)
        account = Account(name, cash, bucket, self._first_seq)
        self.accounts[name] = account
        if self._recorder is not None:
            self._recorder.cash(account, cash, "deposit", None, now_ms)
        return account

    def add_market(self, market: Market, now_ms: int) -> None:
        """List a market, PENDING."""
        self.markets[market.id] = market
        self._announce("created", market, now_ms)

    def open_market(self, market_id: str, strike: float, now_ms: int) -> None:
        """Open a market at this strike, or end its halt."""
        market = self.markets[market_id]
        market.strike = strike
        market.status = "OPEN"
        self._announce("opened", market, now_ms)

    def halt_market(self, market_id: str, now_ms: int) -> None:
        """Halt a market; resting orders stay and can be cancelled."""
        market = self.markets[market_id]
        market.status = "HALTED"
        self._announce("halted", market, now_ms)

    def close_market(self, market_id: str, now_ms: int) -> None:
        """Close a market and cancel its resting orders."""
        market = self.markets[market_id]
        market.status = "CLOSED"
        for order in list(market.live.values()):
            self.matching.finish(order, market, "CANCELLED", "market_closed", now_ms)
        self._announce("closed", market, now_ms)

    def change_terms(
        self, market_id: str, now_ms: int, *, strike: float | None = None, expires_at: int | None = None
    ) -> None:
        """Change the strike or the end of a market that is not closed, and publish its status's event again."""
        market = self.markets[market_id]
        if strike is not None:
            market.strike = strike
        if expires_at is not None:
            market.expires_at = expires_at
            market.duration_s = round((expires_at - market.opens_at) / 1000)
        self._announce(_EVENT_OF[market.status], market, now_ms)

    def correct_market(self, market_id: str, outcome: Resolution, now_ms: int) -> None:
        """Change the outcome of a resolved market; every holder is paid, or charged, the difference."""
        market = self.markets[market_id]
        assert market.outcome is not None, "only what is resolved can be corrected"
        (yes_was, no_was), (yes_pays, no_pays) = _PAYS[market.outcome], _PAYS[outcome]
        market.outcome = outcome
        market.revision += 1
        for name, (yes, no) in market.paid.items():
            account = self.accounts[name]
            change = yes * (yes_pays - yes_was) + no * (no_pays - no_was)
            account.cash += change
            if self._recorder is not None:
                self._recorder.cash(account, change, "correct", market_id, now_ms)
            if not account.house:
                account.publish_money("settle", Position(market_id, realized=change))
        self._announce("resolved", market, now_ms)

    def resolve_market(self, market_id: str, outcome: Resolution, price: float | None, now_ms: int) -> None:
        """Resolve a market and pay its holders; a second resolution is ignored."""
        market = self.markets[market_id]
        if market.status == "RESOLVED":
            return
        if market.status != "CLOSED":
            self.close_market(market_id, now_ms)
        market.status = "RESOLVED"
        market.outcome = outcome
        market.settlement_price = price
        yes_pays, no_pays = _PAYS[outcome]
        for name, position in market.positions.items():
            account = self.accounts[name]
            payout = position.yes * yes_pays + position.no * no_pays
            market.paid[name] = position.yes, position.no
            account.cash += payout
            position.realized += payout - position.yes_cost - position.no_cost
            position.yes = position.no = position.yes_cost = position.no_cost = 0
            del account.positions[market_id]
            if self._recorder is not None:
                self._recorder.cash(account, payout, "settle", market_id, now_ms)
            if not account.house:
                account.publish_money("settle", position)
        market.pairs = 0
        market.positions.clear()
        self._announce("resolved", market, now_ms)

    def forget(self, now_ms: int) -> None:
        """Forget orders, fills, client ids and resolved markets older than a day."""
        for account in self.accounts.values():
            account.forget(now_ms)
        before = now_ms - DAY_MS
        for market_id in [m.id for m in self.markets.values() if m.status == "RESOLVED" and m.expires_at < before]:
            del self.markets[market_id]

    # --- what a client may ask ---------------------------------------------------------------------

    def charge(self, account: Account, cost: float, now_ms: int) -> None:
        """Charge one operation's cost to the account's rate bucket.

        Raises:
            RefusalError: RATE_LIMITED, with the time until the bucket has enough; nothing was charged.
        """
        if account.bucket is not None and (wait := account.bucket.take(cost, now_ms)):
            raise RefusalError("RATE_LIMITED", f"too many operations; try again in {wait} ms", retry_after_ms=wait)

    def place(self, account: Account, body: NewOrder, now_ms: int, session: str | None = None) -> tuple[Order, bool]:
        """Place an order; return it after matching, and whether it was a repetition.

        Raises:
            RefusalError: with the contract's code; there is no order and its client id stays free.
        """
        self.charge(account, PLACE_COST, now_ms)
        if body.client_order_id is not None and (known := account.claims.get(body.client_order_id)) is not None:
            if known[1] == body:
                return known[0], True
            raise RefusalError("DUPLICATE_CLIENT_ORDER_ID", f"client order id {body.client_order_id} is taken")
        try:
            market = self._open_for_trading(body.market)
            ticks = self._ticks(market, body.price)
            if not market.min_size <= body.size <= market.max_size:
                raise RefusalError("INVALID_SIZE", f"size must be {market.min_size} to {market.max_size}")
            side, outcome = body.side, body.outcome
            if side == "ask":
                position = account.positions.get(market.id)
                if position is None or position.free(outcome) < body.size:
                    side, outcome, ticks = "bid", opposite(outcome), market.ticks - ticks
            order = self.matching.new_order(account, market, side, outcome, ticks, body.size, now_ms)
            order.client_order_id = body.client_order_id
            order.post_only, order.ioc, order.session = body.post_only, body.ioc, session
            order.ttl_ms = body.ttl_ms
            self.matching.admit(order, market)
        except RefusalError as refusal:
            if self._recorder is not None:
                self._recorder.rejected(account, body, refusal.code, now_ms)
            raise
        if body.client_order_id is not None:
            account.claim(body.client_order_id, order, body, now_ms)
        account.orders[order.id] = order
        if body.ttl_ms is not None:
            order.expires_at = now_ms + body.ttl_ms
            self._expiry_count += 1
            heapq.heappush(self._expiries, (order.expires_at, self._expiry_count, order))
        self.matching.enter(order, market, now_ms)
        return order, False

    def replace(
        self, account: Account, key: str, price: int, size: int, client_order_id: str | None, now_ms: int
    ) -> Order:
        """Replace an open order's price (micro-dollars) and total size, fills included.

        Raises:
            RefusalError: nothing changed, except that after POST_ONLY_WOULD_CROSS or INSUFFICIENT_FUNDS the order is
                cancelled and `original_status` says so.
        """
        self.charge(account, PLACE_COST, now_ms)
        order = self.find(account, key)
        if order.status not in LIVE:
            raise RefusalError("ORDER_NOT_OPEN", f"order {order.id} is {order.status}", order=order)
        market = self._open_for_trading(order.market)
        ticks = self._ticks(market, price)
        if not 0 <= size <= market.max_size:
            raise RefusalError("INVALID_SIZE", f"size must be {market.min_size} to {market.max_size}")
        if client_order_id == order.client_order_id:
            client_order_id = None
        if client_order_id is not None and client_order_id in account.claims:
            raise RefusalError("DUPLICATE_CLIENT_ORDER_ID", f"client order id {client_order_id} is taken")
        if size <= order.filled:
            order.client_order_id = client_order_id or order.client_order_id
            order.version += 1
            self.matching.finish(order, market, "CANCELLED", "cancel", now_ms)
        else:
            self.matching.amend(order, market, ticks, size, now_ms, client_order_id)
        if client_order_id is not None:
            body = NewOrder(order.market, order.side, order.outcome, price, size, client_order_id, order.post_only)
            account.claim(client_order_id, order, body, now_ms)
        return order

    def cancel(self, account: Account, key: str, now_ms: int) -> Order:
        """Cancel one order by id or "c:<client order id>".

        Raises:
            RefusalError: RATE_LIMITED, ORDER_NOT_FOUND, or ORDER_NOT_OPEN with the final order.
        """
        self.charge(account, CANCEL_COST, now_ms)
        order = self.find(account, key)
        if order.status not in LIVE:
            raise RefusalError("ORDER_NOT_OPEN", f"order {order.id} is {order.status}", order=order)
        self.matching.finish(order, self.markets[order.market], "CANCELLED", "cancel", now_ms)
        return order

    def cancel_all(
        self,
        account: Account,
        now_ms: int,
        *,
        market: str | None = None,
        outcome: Outcome | None = None,
        session: str | None = None,
        reason: str = "cancel",
    ) -> list[str]:
        """Cancel every open order that fits, at no cost; return their ids."""
        found = [
            order
            for order in account.live.values()
            if (market is None or order.market == market)
            and (outcome is None or order.outcome == outcome)
            and (session is None or order.session == session)
        ]
        for order in found:
            self.matching.finish(order, self.markets[order.market], "CANCELLED", reason, now_ms)
        return [order.id for order in found]

    def merge(self, account: Account, market_id: str, size: int, now_ms: int) -> None:
        """Merge `size` pairs of YES and NO into a dollar each.

        Raises:
            RefusalError: MARKET_NOT_FOUND, or INVALID_SIZE beyond the pairs held that no open sale reserves.
        """
        market = self.markets.get(market_id)
        if market is None:
            raise RefusalError("MARKET_NOT_FOUND", f"no market {market_id}")
        position = account.positions.get(market_id)
        pairs = 0 if position is None else min(position.free("YES"), position.free("NO"))
        if position is None or not 1 <= size <= pairs:
            raise RefusalError("INVALID_SIZE", f"{pairs} pairs can be merged in {market_id}")
        account.merge(position, size)
        market.pairs -= size
        if self._recorder is not None:
            self._recorder.cash(account, size * DOLLAR, "merge", market_id, now_ms)
        if not account.house:
            account.publish_money("merge", position)

    def find(self, account: Account, key: str) -> Order:
        """Return an order of the account by id or "c:<client order id>", former client ids included.

        Raises:
            RefusalError: ORDER_NOT_FOUND.
        """
        if key.startswith("c:"):
            claim = account.claims.get(key[2:])
            order = None if claim is None else claim[0]
        else:
            order = account.orders.get(key)
        if order is None:
            raise RefusalError("ORDER_NOT_FOUND", f"no order {key}")
        return order

    def next_expiry(self) -> int | None:
        """Return when the next order expires, milliseconds UTC; None if none will."""
        return self._expiries[0][0] if self._expiries else None

    def expire(self, now_ms: int) -> None:
        """Expire every order whose time to live is over."""
        while self._expiries and self._expiries[0][0] <= now_ms:
            due, _, order = heapq.heappop(self._expiries)
            if order.status in LIVE:
                self.matching.finish(order, self.markets[order.market], "EXPIRED", "expire", due)

    # --- inside ---------------------------------------------------------------------------------------

    def _open_for_trading(self, market_id: str) -> Market:
        market = self.markets.get(market_id)
        if market is None:
            raise RefusalError("MARKET_NOT_FOUND", f"no market {market_id}")
        if market.status == "HALTED":
            raise RefusalError("MARKET_HALTED", f"market {market_id} is halted")
        if market.status != "OPEN":
            raise RefusalError("MARKET_CLOSED", f"market {market_id} is {market.status}")
        return market

    @staticmethod
    def _ticks(market: Market, price: int) -> int:
        if not 0 < price < DOLLAR:
            raise RefusalError("INVALID_PRICE", "a price lies between 0 and 1")
        ticks, rest = divmod(price, market.tick)
        if rest:
            raise RefusalError("INVALID_TICK", f"price must be a multiple of {market.tick / DOLLAR}")
        return ticks

    def _announce(self, event: str, market: Market, now_ms: int) -> None:
        self.market_seq += 1
        self.changes.append(MarketChange(market, event, self.market_seq))
        if self._recorder is not None:
            self._recorder.market(event, market, now_ms)
