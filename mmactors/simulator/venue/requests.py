"""Parsing of the contract's requests: from a client's JSON to the engine's terms.

Owns what is readable, and the code that refuses the rest. It must not know sockets or the venue's state.
"""

import math
import re
from typing import cast

from mmactors.simulator.venue.ledger import NewOrder, Outcome, Side
from mmactors.simulator.venue.matching import RefusalError
from mmactors.simulator.venue.replies import Json
from mmactors.units import DOLLAR

BATCH_LIMIT = 50
CLIENT_ID = re.compile(r"[A-Za-z0-9:_-]{1,64}")


def bad_request(message: str) -> RefusalError:
    """Return the refusal of an unreadable request."""
    return RefusalError("INVALID_REQUEST", message)


def mapping(value: object, what: str) -> Json:
    """Return a JSON object.

    Raises:
        RefusalError: INVALID_REQUEST.
    """
    if not isinstance(value, dict):
        raise bad_request(f"{what} must be an object")
    return cast("Json", value)


def text(body: Json, key: str) -> str:
    """Return a field that must be a non-empty string.

    Raises:
        RefusalError: INVALID_REQUEST.
    """
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise bad_request(f"{key} must be given as a string")
    return value


def flag(body: Json, key: str) -> bool:
    """Return a true-or-false field, false when absent.

    Raises:
        RefusalError: INVALID_REQUEST.
    """
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise bad_request(f"{key} must be true or false")
    return value


def milliseconds(body: Json, key: str) -> int | None:
    """Return a positive number of milliseconds, or None when absent.

    Raises:
        RefusalError: INVALID_REQUEST.
    """
    value: object = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 86_400_000:
        raise bad_request(f"{key} must be a whole number of milliseconds, at most a day")
    return value


def price(body: Json) -> int:
    """Return the price in micro-dollars.

    Raises:
        RefusalError: INVALID_REQUEST when missing, INVALID_PRICE when no number, INVALID_TICK when too fine.
    """
    value = body.get("price")
    if value is None:
        raise bad_request("price is missing")
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1_000_000:
        raise RefusalError("INVALID_PRICE", "price must be a number between 0 and 1")
    micros = round(number * DOLLAR)
    if 0 < number < 1 and abs(number * DOLLAR - micros) > 1e-4:
        raise RefusalError("INVALID_TICK", "price is not a multiple of the market's tick")
    return micros


def size(body: Json) -> int:
    """Return the size in contracts.

    Raises:
        RefusalError: INVALID_REQUEST when missing, INVALID_SIZE when not a whole number.
    """
    value = body.get("size")
    if value is None:
        raise bad_request("size is missing")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise RefusalError("INVALID_SIZE", "size must be a whole number of contracts")
    return int(value)


def outcome(value: object) -> Outcome:
    """Return an outcome, in upper or lower case.

    Raises:
        RefusalError: INVALID_REQUEST.
    """
    match value.upper() if isinstance(value, str) else value:
        case "YES":
            return "YES"
        case "NO":
            return "NO"
    raise bad_request("outcome must be YES or NO")


def client_order_id(body: Json) -> str | None:
    """Return the client order id, or None when absent.

    Raises:
        RefusalError: INVALID_REQUEST.
    """
    value = body.get("client_order_id")
    if value is None:
        return None
    if not isinstance(value, str) or not CLIENT_ID.fullmatch(value):
        raise bad_request("client_order_id must be 1 to 64 of A-Z a-z 0-9 : _ -")
    return value


def new_order(value: object) -> NewOrder:
    """Return an order from the contract's O (in).

    Raises:
        RefusalError: INVALID_REQUEST for a missing or unreadable field, INVALID_PRICE, INVALID_TICK, INVALID_SIZE.
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
        side=cast("Side", side),
        outcome=outcome(body.get("outcome")),
        price=price(body),
        size=size(body),
        client_order_id=client_order_id(body),
        post_only=post_only,
        ioc=tif == "IOC",
        ttl_ms=milliseconds(body, "ttl_ms"),
    )


def order_key(body: Json) -> str:
    """Return the order that a cancel or replace names: its id, or "c:" and the client's.

    Raises:
        RefusalError: INVALID_REQUEST.
    """
    if body.get("order_id") is not None:
        return text(body, "order_id")
    return "c:" + text(body, "client_order_id")
