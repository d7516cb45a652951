"""The contract's JSON: every message that the venue sends.

Owns field names and units on the wire (dollars, milliseconds). It must not know sockets, and decides nothing.
"""

from typing import Any, Literal

from mmactors.simulator.venue.engine import MarketChange
from mmactors.simulator.venue.ledger import Account, AccountEvent, Fill, Order, OrderEvent, Position
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.matching import RefusalError, Trade
from mmactors.units import DOLLAR

Json = dict[str, Any]

HTTP_STATUS = {
    "INVALID_REQUEST": 400,
    "INVALID_TICK": 400,
    "INVALID_PRICE": 400,
    "INVALID_SIZE": 400,
    "UNAUTHORIZED": 401,
    "TOKEN_EXPIRED": 401,
    "FORBIDDEN": 403,
    "SIGNATURE_INVALID": 403,
    "MARKET_NOT_FOUND": 404,
    "ORDER_NOT_FOUND": 404,
    "DUPLICATE_CLIENT_ORDER_ID": 409,
    "ORDER_NOT_OPEN": 409,
    "POST_ONLY_WOULD_CROSS": 422,
    "INSUFFICIENT_FUNDS": 422,
    "POSITION_LIMIT": 422,
    "MARKET_CLOSED": 423,
    "MARKET_HALTED": 423,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "CANCEL_ONLY": 503,
    "UNAVAILABLE": 503,
}
"""The HTTP status of each error code."""


def order_json(order: Order) -> Json:
    """Return the contract's O (out) of an order."""
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "market": order.market,
        "side": order.side,
        "outcome": order.outcome,
        "price": order.ticks * order.tick / DOLLAR,
        "size": order.size,
        "filled": order.filled,
        "remaining": order.remaining,
        "avg_price": order.notional / order.filled / DOLLAR if order.filled else None,
        "status": order.status,
        "post_only": order.post_only,
        "tif": "IOC" if order.ioc else "GTC",
        "ttl_ms": order.ttl_ms,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "version": order.version,
    }


def fill_json(fill: Fill) -> Json:
    """Return a fill as JSON; price and outcome are those of the account's own order."""
    return {
        "fill_id": fill.fill_id,
        "seq": fill.seq,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "market": fill.market,
        "side": fill.side,
        "outcome": fill.outcome,
        "price": fill.ticks * fill.tick / DOLLAR,
        "size": fill.size,
        "liquidity": "maker" if fill.maker else "taker",
        "fee": fill.fee / DOLLAR,
        "ts": fill.ts,
        "filled_total": fill.filled_total,
    }


def position_json(position: Position) -> Json:
    """Return a position as JSON."""
    return {
        "market": position.market,
        "yes": position.yes,
        "no": position.no,
        "yes_cost": position.yes_cost / DOLLAR,
        "no_cost": position.no_cost / DOLLAR,
        "realized": position.realized / DOLLAR,
    }


def balance_json(cash: int, reserved: int) -> Json:
    """Return a balance as JSON, from micro-dollars; `cash` includes `reserved`."""
    return {"cash": cash / DOLLAR, "reserved": reserved / DOLLAR, "currency": "USD"}


def account_snapshot(account: Account) -> Json:
    """Return the snapshot of the `orders` channel."""
    return {
        "type": "snapshot",
        "channel": "orders",
        "seq": account.seq,
        "orders": [order_json(order) for order in account.live.values()],
        "positions": [position_json(position) for position in account.positions.values()],
        "balance": balance_json(account.cash, account.reserved),
    }


def account_event(event: OrderEvent | AccountEvent) -> Json:
    """Return one message of the `orders` channel."""
    if isinstance(event, AccountEvent):
        return {
            "type": "account",
            "channel": "orders",
            "seq": event.seq,
            "reason": event.reason,
            "market": event.position.market,
            "position": position_json(event.position),
            "balance": balance_json(event.cash, event.reserved),
        }
    message = {
        "type": "order",
        "channel": "orders",
        "seq": event.seq,
        "reason": event.reason,
        "order": order_json(event.order),
    }
    if event.fill is not None:
        message["fill"] = fill_json(event.fill)
    return message


def market_json(market: Market, now_ms: int) -> Json:
    """Return the contract's M of a market."""
    book = market.book
    return {
        "id": market.id,
        "asset": market.asset,
        "strike": market.strike,
        "status": market.status,
        "opens_at": market.opens_at,
        "expires_at": market.expires_at,
        "duration_s": market.duration_s,
        "seconds_to_expiry": max(0, market.expires_at - now_ms) / 1000,
        "server_time": now_ms,
        "yes_price": book.best_ask * market.tick / DOLLAR if book.best_ask < market.ticks else None,
        "no_price": (market.ticks - book.best_bid) * market.tick / DOLLAR if book.best_bid else None,
        "tick_size": market.tick / DOLLAR,
        "min_size": market.min_size,
        "max_size": market.max_size,
        "settlement": {
            "type": "avg" if market.window_s else "spot",
            "window_s": market.window_s,
            "tie": market.tie,
            "index": "composite",
        },
        "outcome": market.outcome,
        "settlement_price": market.settlement_price,
        "fees": {"maker_bps": market.fees.maker_bps, "taker_bps": market.fees.taker_bps},
    }


def market_change(change: MarketChange, now_ms: int) -> Json:
    """Return one message of the `markets` channel."""
    return {
        "type": "market",
        "channel": "markets",
        "event": change.event,
        "market": market_json(change.market, now_ms),
        "seq": change.seq,
    }


def trade_json(trade: Trade) -> Json:
    """Return one message of the `trades` channel, in YES terms."""
    return {
        "type": "trade",
        "channel": "trades",
        "market": trade.market.id,
        "seq": trade.seq,
        "trade_id": trade.trade_id,
        "price": trade.ticks * trade.market.tick / DOLLAR,
        "size": trade.size,
        "taker_side": "buy" if trade.taker_buys else "sell",
        "ts": trade.ts,
    }


def book_snapshot(market: Market, now_ms: int, depth: int = 0) -> Json:
    """Return a book's snapshot, at most `depth` levels a side if that is positive."""
    tick = market.tick
    return {
        "type": "snapshot",
        "channel": "orderbook",
        "market": market.id,
        "seq": market.book_seq,
        "bids": [[at * tick / DOLLAR, size] for at, size in market.book.bids(depth)],
        "asks": [[at * tick / DOLLAR, size] for at, size in market.book.asks(depth)],
        "ts": now_ms,
    }


def take_changes(market: Market) -> list[tuple[Literal["bid", "ask"], int, int]]:
    """Return (side, ticks, size) of the levels changed since the last delta, and count the delta that has them."""
    book = market.book
    bids, asks = book.bid_sizes, book.ask_sizes
    changes: list[tuple[Literal["bid", "ask"], int, int]] = [
        ("bid", at, bids[at]) if at > 0 else ("ask", -at, asks[-at]) for at in sorted(book.touched)
    ]
    book.touched.clear()
    market.book_seq += 1
    return changes


def book_delta(market: Market, now_ms: int) -> Json:
    """Return the delta of the levels changed since the last one; its `seq` is one higher."""
    changes = [(side, at * market.tick / DOLLAR, size) for side, at, size in take_changes(market)]
    return {
        "type": "delta",
        "channel": "orderbook",
        "market": market.id,
        "seq": market.book_seq,
        "changes": changes,
        "ts": now_ms,
    }


def error_json(refusal: RefusalError) -> Json:
    """Return a refusal as JSON."""
    error: Json = {"code": refusal.code, "message": refusal.message}
    if refusal.retry_after_ms:
        error["retry_after_ms"] = refusal.retry_after_ms
    data: Json = {}
    if refusal.original_status is not None:
        data["original_status"] = refusal.original_status
    if refusal.order is not None:
        data["order"] = order_json(refusal.order)
    if data:
        error["data"] = data
    return error
