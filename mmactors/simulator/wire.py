"""The contract's JSON: requests read from it, everything the venue says written in it.

Owns the field names and the units on the wire (dollars, milliseconds). It knows no socket and decides nothing: what it
cannot read it refuses with the contract's code.
"""

import math
import re
from typing import Any, Literal, cast

from mmactors.simulator.book import Market, Order, Outcome, Side
from mmactors.simulator.engine import MarketChange, Refusal, Trade
from mmactors.simulator.ledger import Account, AccountEvent, Fill, NewOrder, OrderEvent, Position
from mmactors.units import DOLLAR

Json = dict[str, Any]

BATCH_LIMIT = 50
CLIENT_ID = re.compile(r"[A-Za-z0-9:_-]{1,64}")
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


def bad_request(message: str) -> Refusal:
    """Make the refusal of a request that cannot be read."""
    return Refusal("INVALID_REQUEST", message)


def mapping(value: object, what: str) -> Json:
    """Return a JSON object.

    Raises:
        Refusal: INVALID_REQUEST.
    """
    if not isinstance(value, dict):
        raise bad_request(f"{what} must be an object")
    return cast(Json, value)


def text(body: Json, key: str) -> str:
    """Return a field that must be a non-empty string.

    Raises:
        Refusal: INVALID_REQUEST.
    """
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise bad_request(f"{key} must be given as a string")
    return value


def flag(body: Json, key: str) -> bool:
    """Return a true-or-false field, false when absent.

    Raises:
        Refusal: INVALID_REQUEST.
    """
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise bad_request(f"{key} must be true or false")
    return value


def milliseconds(body: Json, key: str) -> int | None:
    """Return a positive number of milliseconds, or None when absent.

    Raises:
        Refusal: INVALID_REQUEST.
    """
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 86_400_000:
        raise bad_request(f"{key} must be a whole number of milliseconds, at most a day")
    return value


def price(body: Json) -> int:
    """Return the price in micro-dollars.

    Raises:
        Refusal: INVALID_REQUEST when missing, INVALID_PRICE when no number, INVALID_TICK when too fine.
    """
    value = body.get("price")
    if value is None:
        raise bad_request("price is missing")
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1_000_000:
        raise Refusal("INVALID_PRICE", "price must be a number between 0 and 1")
    micros = round(number * DOLLAR)
    if 0 < number < 1 and abs(number * DOLLAR - micros) > 1e-4:
        raise Refusal("INVALID_TICK", "price is not a multiple of the market's tick")
    return micros


def size(body: Json) -> int:
    """Return the size in contracts.

    Raises:
        Refusal: INVALID_REQUEST when missing, INVALID_SIZE when not a whole number.
    """
    value = body.get("size")
    if value is None:
        raise bad_request("size is missing")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise Refusal("INVALID_SIZE", "size must be a whole number of contracts")
    return int(value)


def outcome(value: object) -> Outcome:
    """Return an outcome, any case in.

    Raises:
        Refusal: INVALID_REQUEST.
    """
    upper = value.upper() if isinstance(value, str) else value
    if upper not in ("YES", "NO"):
        raise bad_request("outcome must be YES or NO")
    return cast(Outcome, upper)


def client_order_id(body: Json) -> str | None:
    """Return the client order id, or None when absent.

    Raises:
        Refusal: INVALID_REQUEST.
    """
    value = body.get("client_order_id")
    if value is None:
        return None
    if not isinstance(value, str) or not CLIENT_ID.fullmatch(value):
        raise bad_request("client_order_id must be 1 to 64 of A-Z a-z 0-9 : _ -")
    return value


def new_order(value: object) -> NewOrder:
    """Read an order as the contract's O in.

    Raises:
        Refusal: INVALID_REQUEST for a missing or unreadable field, INVALID_PRICE, INVALID_TICK, INVALID_SIZE.
    """
    body = mapping(value, "order")
    market = text(body, "market")
    side = body.get("side")
    side = side.lower() if isinstance(side, str) else side
    if side not in ("bid", "ask"):
        raise bad_request("side must be bid or ask")
    tif = body.get("tif", "GTC")
    if tif not in ("GTC", "IOC"):
        raise bad_request("tif must be GTC or IOC")
    post_only = flag(body, "post_only")
    if post_only and tif == "IOC":
        raise bad_request("post_only and IOC contradict each other")
    return NewOrder(
        market=market,
        side=cast(Side, side),
        outcome=outcome(body.get("outcome")),
        price=price(body),
        size=size(body),
        client_order_id=client_order_id(body),
        post_only=post_only,
        ioc=tif == "IOC",
        ttl_ms=milliseconds(body, "ttl_ms"),
    )


def order_key(body: Json) -> str:
    """Return which order a cancel or replace means: its id, or "c:" and the client's.

    Raises:
        Refusal: INVALID_REQUEST.
    """
    if body.get("order_id") is not None:
        return text(body, "order_id")
    return "c:" + text(body, "client_order_id")


def order_json(order: Order) -> Json:
    """Write the contract's O out."""
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
    """Write a fill; price and outcome are those of the account's own order."""
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
    """Write a position."""
    return {
        "market": position.market,
        "yes": position.yes,
        "no": position.no,
        "yes_cost": position.yes_cost / DOLLAR,
        "no_cost": position.no_cost / DOLLAR,
        "realized": position.realized / DOLLAR,
    }


def balance_json(cash: int, reserved: int) -> Json:
    """Write a balance; `cash` includes `reserved`."""
    return {"cash": cash / DOLLAR, "reserved": reserved / DOLLAR, "currency": "USD"}


def account_snapshot(account: Account) -> Json:
    """Write the snapshot of the `orders` channel."""
    return {
        "type": "snapshot",
        "channel": "orders",
        "seq": account.seq,
        "orders": [order_json(order) for order in account.live.values()],
        "positions": [position_json(position) for position in account.positions.values()],
        "balance": balance_json(account.cash, account.reserved),
    }


def account_event(event: OrderEvent | AccountEvent) -> Json:
    """Write one message of the `orders` channel."""
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
    """Write the contract's M."""
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
        "settlement": {"type": "spot", "window_s": 0, "tie": market.tie, "index": "composite"},
        "outcome": market.outcome,
        "settlement_price": market.settlement_price,
        "fees": {"maker_bps": market.maker_bps, "taker_bps": market.taker_bps},
    }


def market_change(change: MarketChange, now_ms: int) -> Json:
    """Write one message of the `markets` channel."""
    return {
        "type": "market",
        "channel": "markets",
        "event": change.event,
        "market": market_json(change.market, now_ms),
        "seq": change.seq,
    }


def trade_json(trade: Trade) -> Json:
    """Write one message of the `trades` channel, in YES terms."""
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
    """Write a book's snapshot, at most `depth` levels a side if that is positive."""
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


def book_delta(market: Market, now_ms: int) -> Json:
    """Write the levels changed since the last delta, which this one follows by one in `seq`."""
    book = market.book
    changes: list[tuple[Literal["bid", "ask"], float, int]] = []
    for at in sorted(book.touched):
        if at > 0:
            changes.append(("bid", at * market.tick / DOLLAR, book.bid_sizes[at]))
        else:
            changes.append(("ask", -at * market.tick / DOLLAR, book.ask_sizes[-at]))
    book.touched.clear()
    market.book_seq += 1
    return {
        "type": "delta",
        "channel": "orderbook",
        "market": market.id,
        "seq": market.book_seq,
        "changes": changes,
        "ts": now_ms,
    }


def error_json(refusal: Refusal) -> Json:
    """Write an error."""
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
