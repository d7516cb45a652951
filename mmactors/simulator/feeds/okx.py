"""The world's prices as OKX publishes them: bbo-tbt and trades frames, candles, and its subscriptions.

Owns the exchange's format, from "OKX API guide" (v5), https://www.okx.com/docs-v5/en/. Pure: randomness and time are
passed in; it knows no socket.
"""

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import msgspec

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.simulator.feeds.source import HistoryRoute, Seeds, SimulatedSource, Topic, UnwrittenPrices
from mmactors.simulator.prices.bars import Bar, Bars
from mmactors.simulator.prices.exchange import ExchangePath
from mmactors.simulator.venue.replies import Json

CHANNELS = ("bbo-tbt", "trades")
TICK = 0.1
PERIOD_NS = 50_000_000
CONNECTION = "a4d3ae55"
BAR_MS = {"1s": 1000, "1m": 60_000, "5m": 300_000}
MOST_CANDLES = 300


class Instrument:
    """One asset's frames: the best bid and ask around the price, and trades at one of them."""

    def __init__(self, asset: str, path: ExchangePath, rng: Random, start_ms: int, trades_per_s: float) -> None:
        self.id = f"{asset}-USDT"
        self._path = path
        self._rng = rng
        self._per_ms = trades_per_s / 1000
        self._sequence = start_ms * 10
        self._trade_id = start_ms
        self._next_trade_ms = float(start_ms)
        self._book: Json | None = None

    def book(self, now_ms: int) -> Json:
        """Return the best bid and ask; sizes change even where prices do not."""
        self._sequence += self._rng.randint(1, 40)
        bid, ask = self._quotes()
        row = {
            "asks": [[f"{ask:.1f}", self._size(), "0", str(self._rng.randint(1, 9))]],
            "bids": [[f"{bid:.1f}", self._size(), "0", str(self._rng.randint(1, 9))]],
            "ts": str(now_ms),
            "seqId": self._sequence,
        }
        self._book = self._frame("bbo-tbt", row)
        return self._book

    def trades(self, now_ms: int) -> list[Json]:
        """Return the trades since the last call, all at the current price."""
        found: list[Json] = []
        while self._next_trade_ms <= now_ms:
            self._next_trade_ms += self._rng.expovariate(self._per_ms)
            self._trade_id += 1
            bid, ask = self._quotes()
            bought = self._rng.random() < 0.5
            row = {
                "instId": self.id,
                "tradeId": str(self._trade_id),
                "px": f"{ask if bought else bid:.1f}",
                "sz": self._size(),
                "side": "buy" if bought else "sell",
                "ts": str(now_ms),
                "count": "1",
            }
            found.append(self._frame("trades", row))
        return found

    def latest(self, channel: str) -> Json | None:
        """Return what a new subscriber of a channel is sent at once."""
        return self._book if channel == "bbo-tbt" else None

    def _frame(self, channel: str, row: Json) -> Json:
        return {"arg": {"channel": channel, "instId": self.id}, "data": [row]}

    def _quotes(self) -> tuple[float, float]:
        bid = max(1, math.floor(self._path.price / TICK + 1e-6)) * TICK
        return bid, bid + TICK

    def _size(self) -> str:
        return f"{0.00001 + self._rng.expovariate(2.0):.8f}"


class OkxFrames:
    """Every asset's instrument.

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
        per_s = config.feeds.okx.trades_per_s
        every = {asset: Instrument(asset, path, random(asset), start_ms, per_s) for asset, path in paths.items()}
        self._instruments = {instrument.id: instrument for instrument in every.values()}
        self.assets = {instrument.id: asset for asset, instrument in every.items()}

    def events(self, now_ms: int) -> list[tuple[str, list[tuple[Topic, Json]]]]:
        """Return each asset's book, and its trades since the last call."""
        found: list[tuple[str, list[tuple[Topic, Json]]]] = []
        for name, instrument in self._instruments.items():
            new: list[tuple[Topic, Json]] = [(("bbo-tbt", name), instrument.book(now_ms))]
            new += [(("trades", name), trade) for trade in instrument.trades(now_ms)]
            found.append((self.assets[name], new))
        return found

    def unwritten(self) -> Mapping[str, UnwrittenPrices]:
        """Return nothing."""
        return {}

    def control(self, text: str, topics: dict[Topic, None]) -> tuple[list[Json | str], list[Topic]]:
        """Answer a ping; subscribe or unsubscribe a client. Return the answers and what it follows anew."""
        if text == "ping":
            return ["pong"], []
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            request = None
        op = request.get("op") if isinstance(request, dict) else None
        wanted: Any = request.get("args") if isinstance(request, dict) else None
        if op not in ("subscribe", "unsubscribe") or not isinstance(wanted, list) or not wanted:
            return [refusal("60012", f"Invalid request: {text[:200]}")], []
        answers: list[Json | str] = []
        fresh: list[Topic] = []
        for arg in wanted:
            topic = self._topic(arg)
            if topic is None:
                answers.append(refusal("60018", f"Wrong URL or {str(arg)[:100]} doesn't exist."))
                continue
            if op == "unsubscribe":
                topics.pop(topic, None)
            elif topic not in topics:
                topics[topic] = None
                fresh.append(topic)
            answers.append({"event": op, "arg": {"channel": topic[0], "instId": topic[1]}, "connId": CONNECTION})
        return answers, fresh

    def latest(self, topic: Topic) -> Json | None:
        """Return what a new subscriber of a topic is sent at once."""
        channel, instrument = topic
        return self._instruments[instrument].latest(channel)

    def _topic(self, arg: Any) -> Topic | None:
        channel, instrument = (arg.get("channel"), arg.get("instId")) if isinstance(arg, dict) else (None, None)
        if not isinstance(channel, str) or not isinstance(instrument, str):
            return None
        return (channel, instrument) if instrument in self._instruments and channel in CHANNELS else None


def refusal(code: str, words: str) -> Json:
    """Return the frame that refuses a message."""
    return {"event": "error", "code": code, "msg": words, "connId": CONNECTION}


def candles(bars: Mapping[str, Bars], query: Mapping[str, str], now_ms: int) -> tuple[int, object]:
    """Answer `GET /api/v5/market/candles`, the newest first."""
    found, step_ms = bars.get(query.get("instId", "")), BAR_MS.get(query.get("bar", "1m"))
    if found is None:
        return 200, {"code": "51001", "msg": "Instrument ID doesn't exist.", "data": []}
    try:
        limit = int(query.get("limit", "100"))
        before = int(query["before"]) if "before" in query else -math.inf
        after = int(query.get("after", now_ms + 1))
    except ValueError:
        limit, before, after = 0, 0, 0
    if step_ms is None or not 1 <= limit <= MOST_CANDLES:
        return 200, {"code": "51000", "msg": "Parameter error", "data": []}
    every = found.of(step_ms, before + 1, after - 1)
    return 200, {"code": "0", "msg": "", "data": [_candle(bar, step_ms, now_ms) for bar in reversed(every[-limit:])]}


def _candle(bar: Bar, step_ms: int, now_ms: int) -> list[str]:
    prices = [f"{price:.1f}" for price in (bar.open, bar.high, bar.low, bar.close)]
    return [str(bar.start_ms), *prices, "1", "1", "1", "1" if bar.start_ms + step_ms <= now_ms else "0"]


OKX = SimulatedSource(
    name="okx",
    frames=OkxFrames,
    history=HistoryRoute("/api/v5/market/candles", candles),
    seeds=Seeds(frames="okx", latency=":okx:latency", twin_frames="okx", twin_latency="feed:okx"),
    pings=True,
)
