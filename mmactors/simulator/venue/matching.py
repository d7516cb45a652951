"""The matching engine: how an order enters a book, trades, is replaced and ends.

Owns trading at the resting order's price, complement crossing, the self-trade rule, reservations and the charge of
fees. It must not know market status, client ids and rates (`engine.py`), a clock, randomness, sockets or JSON.
"""

from typing import Protocol

from mmactors.simulator.venue.ledger import LIVE, Account, Fill, NewOrder, Order, OrderStatus, Outcome, Side
from mmactors.simulator.venue.market import Market
from mmactors.value import value


class RefusalError(Exception):
    """The venue refuses a request, with a code of the wire contract.

    Attributes:
        order: the order concerned, if any.
        original_status: the status that a failed replace left its order in.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after_ms: int = 0,
        order: Order | None = None,
        original_status: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.order = order
        self.original_status = original_status


@value
class Trade:
    """A public trade, in YES terms."""

    market: Market
    seq: int
    trade_id: str
    ticks: int
    size: int
    taker_buys: bool
    ts: int


class Recorder(Protocol):
    """Records what happens at the venue."""

    def order(self, event: str, order: Order, reason: str, now_ms: int) -> None:
        """Record an order's event."""

    def rejected(self, account: Account, body: NewOrder, code: str, now_ms: int) -> None:
        """Record a refused order."""

    def fill(
        self, market: Market, trade_id: str, yes_ticks: int, size: int, sides: tuple[tuple[Order, Fill], ...]
    ) -> None:
        """Record a trade, with the order and the fill of its taker and of its maker."""

    def cash(self, account: Account, change: int, reason: str, market: str | None, now_ms: int) -> None:
        """Record a change of cash in micro-dollars, after it was made."""

    def market(self, event: str, market: Market, now_ms: int) -> None:
        """Record a market's change of status."""


class Matching:
    """Matches orders.

    Args:
        run: part of every id, so that two runs of a venue never give the same one.
        recorder: records every event, if given.

    Attributes:
        trades: the public trades not published yet.
        fees: all fees so far in micro-dollars.
    """

    def __init__(self, run: str = "", recorder: Recorder | None = None) -> None:
        self.trades: list[Trade] = []
        self.fees = 0
        self._run = run
        self._recorder = recorder
        self._order_count = 0
        self._fill_count = 0
        self._trade_count = 0

    def new_order(
        self, account: Account, market: Market, side: Side, outcome: Outcome, ticks: int, size: int, now_ms: int
    ) -> Order:
        """Return a new order, not entered yet."""
        self._order_count += 1
        buys_yes = (side == "bid") == (outcome == "YES")
        return Order(
            id=f"o{self._run}-{self._order_count}",
            account=account,
            market=market.id,
            client_order_id=None,
            side=side,
            outcome=outcome,
            ticks=ticks,
            tick=market.tick,
            size=size,
            post_only=False,
            ioc=False,
            created_at=now_ms,
            updated_at=now_ms,
            buys_yes=buys_yes,
            yes_ticks=ticks if outcome == "YES" else market.ticks - ticks,
            unit_reserve=market.unit_reserve(ticks) if side == "bid" else 0,
        )

    def enter(self, order: Order, market: Market, now_ms: int) -> None:
        """Reserve for an admitted order and match it; the rest of it rests, or is cancelled if it is IOC."""
        account = order.account
        account.reserve(order, 1)
        account.live[order.id] = order
        self._publish("accepted", "new", order, now_ms)
        self._match_and_rest(order, market, now_ms)

    def amend(
        self,
        order: Order,
        market: Market,
        ticks: int,
        size: int,
        now_ms: int,
        client_order_id: str | None = None,
    ) -> None:
        """Replace an open order's price and total size (above what is filled), and its client id if one is given.

        Raises:
            RefusalError: POST_ONLY_WOULD_CROSS or INSUFFICIENT_FUNDS; the order is cancelled.
        """
        account = order.account
        remaining = order.size - order.filled
        stays = ticks == order.ticks and size <= order.size
        if not stays:
            yes_ticks = ticks if order.outcome == "YES" else market.ticks - ticks
            unit_reserve = market.unit_reserve(ticks) if order.side == "bid" else 0
            try:
                released = (order.unit_reserve or 1) * remaining
                self._admit(order, market, yes_ticks, unit_reserve, size - order.filled, released)
            except RefusalError as refusal:
                self.finish(order, market, "CANCELLED", "cancel", now_ms)
                refusal.original_status = order.status
                refusal.order = order
                raise
        account.reserve(order, -1)
        if stays:
            market.book.reduce(order, order.size - size)
        else:
            market.book.reduce(order, remaining)
            del market.live[order.id]
            order.ticks, order.yes_ticks, order.unit_reserve = ticks, yes_ticks, unit_reserve
        order.size = size
        order.client_order_id = client_order_id or order.client_order_id
        order.version += 1
        order.updated_at = now_ms
        account.reserve(order, 1)
        self._publish("replaced", "replace", order, now_ms)
        if not stays:
            self._match_and_rest(order, market, now_ms)

    def _match_and_rest(self, order: Order, market: Market, now_ms: int) -> None:
        book = market.book
        limit = order.yes_ticks
        while order.filled < order.size:
            if order.buys_yes:
                if book.best_ask > limit:
                    break
                resting = next(iter(book.ask_levels[book.best_ask].values()))
            else:
                if book.best_bid < limit:
                    break
                resting = next(iter(book.bid_levels[book.best_bid].values()))
            if resting.account is order.account:
                self.finish(resting, market, "CANCELLED", "cancel", now_ms)
                continue
            self._trade(order, resting, market, now_ms)
        if order.status not in LIVE:
            return
        if order.ioc:
            self.finish(order, market, "CANCELLED", "cancel", now_ms)
            return
        market.live[order.id] = order
        book.add(order)

    def _trade(self, taker: Order, maker: Order, market: Market, now_ms: int) -> None:
        size = min(taker.size - taker.filled, maker.size - maker.filled)
        yes_ticks = maker.yes_ticks
        market.book.reduce(maker, size)
        self._trade_count += 1
        market.trade_seq += 1
        trade_id = f"t{self._run}-{self._trade_count}"
        if taker.side == maker.side:
            market.pairs += size if taker.side == "bid" else -size
        taken = self._fill(taker, market, yes_ticks, size, False, now_ms)
        made = self._fill(maker, market, yes_ticks, size, True, now_ms)
        self.trades.append(Trade(market, market.trade_seq, trade_id, yes_ticks, size, taker.buys_yes, now_ms))
        if self._recorder is not None:
            self._recorder.fill(market, trade_id, yes_ticks, size, ((taker, taken), (maker, made)))
            for order, fill in ((taker, taken), (maker, made)):
                paid = fill.ticks * fill.tick * size
                change = (-paid if order.side == "bid" else paid) - fill.fee
                self._recorder.cash(order.account, change, "fill", market.id, now_ms)

    def _fill(self, order: Order, market: Market, yes_ticks: int, size: int, maker: bool, now_ms: int) -> Fill:
        account = order.account
        ticks = yes_ticks if order.outcome == "YES" else market.ticks - yes_ticks
        notional = ticks * market.tick * size
        fee = market.fees.fee(ticks * market.tick, size, maker)
        position = account.positions.get(market.id)
        if position is None:
            position = market.new_position(account)
        account.book_fill(order, position, size, notional, fee)
        self.fees += fee
        order.filled += size
        order.notional += notional
        order.updated_at = now_ms
        if order.filled == order.size:
            order.status = "FILLED"
            account.close(order, now_ms)
            market.live.pop(order.id, None)
        else:
            order.status = "PARTIAL"
        self._fill_count += 1
        fill = Fill(
            fill_id=f"f{self._run}-{self._fill_count}",
            seq=0 if account.house else account.next_seq(),
            order_id=order.id,
            client_order_id=order.client_order_id,
            market=market.id,
            side=order.side,
            outcome=order.outcome,
            ticks=ticks,
            tick=market.tick,
            size=size,
            maker=maker,
            fee=fee,
            ts=now_ms,
            filled_total=order.filled,
        )
        if not account.house:
            account.fills.append(fill)
            account.publish_order("fill", order, fill)
        return fill

    def finish(self, order: Order, market: Market, status: OrderStatus, reason: str, now_ms: int) -> None:
        """End an open order and release what it reserves."""
        account = order.account
        account.reserve(order, -1)
        if market.live.pop(order.id, None) is not None:
            market.book.reduce(order, order.size - order.filled)
        order.status = status
        order.updated_at = now_ms
        account.close(order, now_ms)
        self._publish("expired" if status == "EXPIRED" else "cancelled", reason, order, now_ms)

    def _publish(self, event: str, reason: str, order: Order, now_ms: int) -> None:
        if order.account.house:
            return
        if self._recorder is not None:
            self._recorder.order(event, order, reason, now_ms)
        order.account.publish_order(reason, order)

    @staticmethod
    def admit(order: Order, market: Market) -> None:
        """Check a new order before it enters.

        Raises:
            RefusalError: POST_ONLY_WOULD_CROSS (checked first) or INSUFFICIENT_FUNDS.
        """
        Matching._admit(order, market, order.yes_ticks, order.unit_reserve, order.size - order.filled, 0)

    @staticmethod
    def _admit(order: Order, market: Market, yes_ticks: int, unit_reserve: int, needed: int, released: int) -> None:
        # For a new order or a replaced one; `released` is the cash or the contracts that a replace gives back.
        if order.post_only and market.book.crosses(order.buys_yes, yes_ticks):
            raise RefusalError("POST_ONLY_WOULD_CROSS", "the order would trade at once")
        if order.side == "bid":
            enough = unit_reserve * needed <= order.account.available + released
        else:
            enough = needed <= order.account.positions[market.id].free(order.outcome) + released
        if not enough:
            raise RefusalError("INSUFFICIENT_FUNDS", f"not enough for {needed} more contracts")
