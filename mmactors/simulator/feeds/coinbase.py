"""The world's prices as Coinbase Exchange publishes them: tickers, matches, heartbeats, candles, and its subscriptions.

Owns the exchange's format (venue-contract.md section 4). Pure: randomness and time are passed in; it knows no socket.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.simulator.feeds.source import HistoryRoute, Seeds, SimulatedSource, Topic, UnwrittenPrices
from mmactors.simulator.prices.bars import Bar, Bars
from mmactors.simulator.prices.exchange import ExchangePath
from mmactors.simulator.venue.replies import Json

CHANNELS = ("ticker", "matches", "heartbeat")
TICK = 0.01
PERIOD_NS = 50_000_000
HEARTBEAT_MS = 1000
MOST_CANDLES = 300
CANDLE_S = (60, 300, 900, 3600)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Product:
    """One asset's frames: trades at the best bid or ask, each published on two channels under one sequence."""

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
        """Return what a new subscriber of a channel is sent at once."""
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


class CoinbaseFrames:
    """Every asset's product.

    Args:
        paths: the exchange's prices by asset.
        random: makes an asset's randomness.
        start_ms: when time begins.
        config: the frequency of trades.
    """

    period_ns = PERIOD_NS

    def __init__(
        self,
        paths: Mapping[str, ExchangePath],
        random: Callable[[str], Random],
        start_ms: int,
        config: SimulatorConfig,
    ) -> None:
        per_s = config.feeds.coinbase.trades_per_s
        products = {asset: Product(asset, path, random(asset), start_ms, per_s) for asset, path in paths.items()}
        self._products = {product.id: product for product in products.values()}
        self.assets = {product.id: asset for asset, product in products.items()}
        self._next_beat_ms = start_ms + HEARTBEAT_MS

    def events(self, now_ms: int) -> list[tuple[str, list[tuple[Topic, Json]]]]:
        """Return each asset's trades since the last call, and its heartbeat when a second is over."""
        beats = now_ms >= self._next_beat_ms
        if beats:
            self._next_beat_ms += HEARTBEAT_MS
        found: list[tuple[str, list[tuple[Topic, Json]]]] = []
        for name, asset in self.assets.items():
            product = self._products[name]
            new: list[tuple[Topic, Json]] = [((channel, name), event) for channel, event in product.trades(now_ms)]
            if beats:
                new.append((("heartbeat", name), product.heartbeat(now_ms)))
            found.append((asset, new))
        return found

    def unwritten(self) -> Mapping[str, UnwrittenPrices]:
        """Return nothing."""
        return {}

    def control(self, text: str, topics: dict[Topic, None]) -> tuple[list[Json | str], list[Topic]]:
        """Subscribe or unsubscribe a client; return the answer and what it follows anew."""
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return [{"type": "error", "message": "MalformedError JSON"}], []
        kind = request.get("type") if isinstance(request, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            return [refusal("Type has to be either subscribe or unsubscribe")], []
        wanted = topics_of(request, self._products)
        if isinstance(wanted, dict):
            return [wanted], []
        fresh = [topic for topic in dict.fromkeys(wanted) if topic not in topics] if kind == "subscribe" else []
        topics.update(dict.fromkeys(fresh))
        if kind == "unsubscribe":
            for topic in wanted:
                topics.pop(topic, None)
        return [subscriptions(topics)], fresh

    def latest(self, topic: Topic) -> Json | None:
        """Return what a new subscriber of a topic is sent at once."""
        channel, product = topic
        return self._products[product].latest(channel)


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


def candles(bars: Mapping[str, Bars], query: Mapping[str, str], now_ms: int) -> tuple[int, object]:
    """Answer `GET /products/{product}/candles`."""
    found = bars.get(query["product"])
    if found is None:
        return 404, {"message": "NotFound"}
    try:
        step_s = int(query.get("granularity", "60"))
        until_s = _moment(query["end"]) if "end" in query else now_ms / 1000
        since_s = _moment(query["start"]) if "start" in query else until_s - MOST_CANDLES * step_s
    except ValueError:
        return 400, {"message": "Invalid start, end or granularity"}
    if step_s not in CANDLE_S:
        return 400, {"message": "Unsupported granularity"}
    if (until_s - since_s) / step_s > MOST_CANDLES:
        text = "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
        return 400, {"message": text}
    return 200, [_candle(bar) for bar in reversed(found.of(step_s * 1000, since_s * 1000, until_s * 1000))]


def _candle(bar: Bar) -> list[int | float]:
    return [bar.start_ms // 1000, *(round(price, 2) for price in (bar.low, bar.high, bar.open, bar.close)), 1.0]


def _moment(text: str) -> float:
    """Return seconds since 1970, given so or as a date. Raises ValueError."""
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()


COINBASE = SimulatedSource(
    name="coinbase",
    frames=CoinbaseFrames,
    history=HistoryRoute("/products/{product}/candles", candles),
    seeds=Seeds(frames="coinbase", latency=":coinbase:latency", twin_frames="product", twin_latency="feed:coinbase"),
    subscribes=True,
)
