"""The world's prices as Coinbase Exchange tells them: tickers, matches, heartbeats, and the replies to a subscription.

Owns the exchange's format (venue-contract.md section 4). Pure: randomness and time are passed in; it knows no socket.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from mmactors.simulator.prices.exchange import ExchangePath
from mmactors.simulator.venue.replies import Json

CHANNELS = ("ticker", "matches", "heartbeat")
TICK = 0.01

Topic = tuple[str, str]
"""A channel and a product."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Product:
    """One asset's frames: trades at the best bid or ask, each told on two channels under one sequence."""

    def __init__(self, asset: str, path: ExchangePath, rng: Random, start_ms: int, trades_per_s: float) -> None:
        self.id = f"{asset}-USD"
        self._path = path
        self._rng = rng
        self._per_ms = trades_per_s / 1000
        self._sequence = start_ms * 10
        self._trade_id = start_ms
        self._next_trade_ms = float(start_ms)
        self._last: tuple[Json, Json] | None = None

    def trades(self, now_ms: int) -> list[tuple[str, Json]]:
        """Return what happened since the last call: for each trade, its match and the ticker after it."""
        found: list[tuple[str, Json]] = []
        while self._next_trade_ms <= now_ms:
            match, ticker = self._trade(self._next_trade_ms)
            found += [("matches", match), ("ticker", ticker)]
            self._next_trade_ms += self._rng.expovariate(self._per_ms)
        return found

    def heartbeat(self, now_ms: int) -> Json:
        """Return the second's sign of life."""
        self._sequence += 1
        return {
            "type": "heartbeat",
            "last_trade_id": self._trade_id,
            "product_id": self.id,
            "sequence": self._sequence,
            "time": _time(now_ms),
        }

    def latest(self, channel: str) -> Json | None:
        """Return what a new subscriber of a channel is told at once."""
        if self._last is None or channel == "heartbeat":
            return None
        match, ticker = self._last
        return ticker if channel == "ticker" else {**match, "type": "last_match"}

    def _trade(self, at_ms: float) -> tuple[Json, Json]:
        self._sequence += self._rng.randint(1, 40)
        self._trade_id += 1
        bid = max(TICK, math.floor(self._path.price / TICK + 1e-6) * TICK)
        bought = self._rng.random() < 0.5
        size = f"{0.00001 + self._rng.expovariate(20.0):.8f}"
        common = {
            "sequence": self._sequence,
            "product_id": self.id,
            "price": f"{bid + TICK if bought else bid:.2f}",
            "time": _time(at_ms),
            "trade_id": self._trade_id,
        }
        match = {"type": "match", **common, "side": "sell" if bought else "buy", "size": size}  # the maker's side
        match |= {"maker_order_id": self._order_id(), "taker_order_id": self._order_id()}
        ticker = {"type": "ticker", **common, "side": "buy" if bought else "sell", "last_size": size}
        ticker |= {"best_bid": f"{bid:.2f}", "best_ask": f"{bid + TICK:.2f}"}
        self._last = match, ticker
        return match, ticker

    def _order_id(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def topics_of(request: dict[str, Any], products: Iterable[str]) -> list[Topic] | Json:
    """Return what a subscribe or unsubscribe message is about, or the error that answers it; all of it or nothing."""
    known = set(products)
    everywhere: Any = request.get("product_ids", [])
    channels: Any = request.get("channels", [])
    if not isinstance(everywhere, list) or not isinstance(channels, list) or not channels:
        return refusal("No channels provided")
    found: list[Topic] = []
    for channel in channels:
        own = channel if isinstance(channel, dict) else {"name": channel}
        name, wanted = own.get("name"), own.get("product_ids", everywhere)
        if name not in CHANNELS:
            return refusal(f"{str(name)[:40]} is not a valid channel")
        if not isinstance(wanted, list) or not wanted:
            return refusal("No product_ids provided")
        for product in wanted:
            if not isinstance(product, str) or product not in known:
                return refusal(f"{str(product)[:40]} is not a valid product")
            found.append((name, product))
    return found


def subscriptions(topics: Iterable[Topic]) -> Json:
    """Return the frame that confirms what is subscribed to now."""
    by_channel: dict[str, list[str]] = {}
    for channel, product in topics:
        by_channel.setdefault(channel, []).append(product)
    channels = [{"name": name, "product_ids": products} for name, products in by_channel.items()]
    return {"type": "subscriptions", "channels": channels}


def refusal(reason: str) -> Json:
    """Return the frame that refuses a message."""
    return {"type": "error", "message": "Failed to subscribe", "reason": reason}


def _time(at_ms: float) -> str:
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="microseconds").replace("+00:00", "Z")
