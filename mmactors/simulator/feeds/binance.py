"""The world's prices as Binance publishes them: bookTicker and aggTrade frames, klines.

Owns the exchange's format (venue-contract.md section 4). Pure: randomness and time are passed in; it knows no socket.
"""

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.simulator.feeds.source import HistoryRoute, Seeds, SimulatedSource, Topic, UnwrittenPrices
from mmactors.simulator.prices.bars import Bar, Bars
from mmactors.simulator.prices.exchange import ExchangePath
from mmactors.simulator.venue.replies import Json

TRADES_PER_S = 3.0
MOST_KLINES = 1000
KLINE_MS = {"1s": 1000, "1m": 60_000}


class Priced(Protocol):
    """Whatever has a price now."""

    @property
    def price(self) -> float:
        """The price."""


class Ticker:
    """One asset's frames: the best bid and ask a cent apart around the price, and trades at one of them."""

    def __init__(
        self, asset: str, path: Priced, rng: Random, start_ms: int, trades_per_s: float = TRADES_PER_S
    ) -> None:
        self.asset = asset
        self.symbol = f"{asset.lower()}usdt"
        self._upper = self.symbol.upper()
        self._path = path
        self._rng = rng
        self._trades_per_s = trades_per_s
        self._update_id = start_ms * 10
        self._trade_id = start_ms
        self._next_trade_ms = float(start_ms)

    def book_ticker(self) -> Json:
        """Return the current bookTicker; quantities change even where prices do not."""
        self._update_id += self._rng.randint(1, 40)
        bid = self._bid()
        return {
            "u": self._update_id,
            "s": self._upper,
            "b": f"{bid:.8f}",
            "B": f"{self._quantity():.8f}",
            "a": f"{bid + 0.01:.8f}",
            "A": f"{self._quantity():.8f}",
        }

    def book(self) -> tuple[float, float]:
        """Return the bid and the ask of `book_ticker`, as their texts read; randomness moves on alike."""
        rng = self._rng
        self._update_id += rng.randrange(1, 41)
        rng.random()  # the quantities'
        rng.random()
        cents = self._bid_cents()
        return cents / 100, (cents + 1) / 100

    def prints(self, now_ms: int) -> list[float]:
        """Return the prices of `trades`, as their texts read; randomness moves on alike."""
        found: list[float] = []
        while self._next_trade_ms <= now_ms:
            self._next_trade_ms += self._rng.expovariate(self._trades_per_s) * 1000
            self._trade_id += 1
            sold = self._rng.random() < 0.5
            found.append((self._bid_cents() + (0 if sold else 1)) / 100)
            self._rng.random()  # the quantity's
        return found

    def trades(self, now_ms: int) -> list[Json]:
        """Return the aggTrades since the last call, all at the current price."""
        found: list[Json] = []
        while self._next_trade_ms <= now_ms:
            self._next_trade_ms += self._rng.expovariate(self._trades_per_s) * 1000
            self._trade_id += 1
            sold = self._rng.random() < 0.5
            found.append(
                {
                    "e": "aggTrade",
                    "E": now_ms,
                    "s": self._upper,
                    "a": self._trade_id,
                    "p": f"{self._bid() + (0.0 if sold else 0.01):.8f}",
                    "q": f"{self._quantity() / 50:.8f}",
                    "f": self._trade_id,
                    "l": self._trade_id,
                    "T": now_ms,
                    "m": sold,
                    "M": True,
                }
            )
        return found

    def _bid(self) -> float:
        return self._bid_cents() / 100

    def _bid_cents(self) -> int:
        return max(1, math.floor(self._path.price * 100 + 1e-6))

    def _quantity(self) -> float:
        return 0.00001 + round(self._rng.expovariate(0.5), 5)


class BinanceFrames:
    """Every asset's ticker.

    Args:
        paths: the exchange's prices by asset.
        random: makes an asset's randomness.
        start_ms: when time begins.
        config: the frequencies of books and trades.
    """

    def __init__(
        self,
        paths: Mapping[str, ExchangePath],
        random: Callable[[str], Random],
        start_ms: int,
        config: SimulatorConfig,
    ) -> None:
        per_s = config.feeds.binance.trades_per_s
        self._tickers = {asset: Ticker(asset, path, random(asset), start_ms, per_s) for asset, path in paths.items()}
        self.assets = {ticker.symbol: asset for asset, ticker in self._tickers.items()}
        self.period_ns = round(1e9 / config.feed_ticks_per_s)

    def events(self, now_ms: int) -> list[tuple[str, list[tuple[Topic, Json]]]]:
        """Return each asset's book, and its trades since the last call."""
        found: list[tuple[str, list[tuple[Topic, Json]]]] = []
        for asset, ticker in self._tickers.items():
            new: list[tuple[Topic, Json]] = [(("bookTicker", ticker.symbol), ticker.book_ticker())]
            new += [(("aggTrade", ticker.symbol), trade) for trade in ticker.trades(now_ms)]
            found.append((asset, new))
        return found

    def unwritten(self) -> Mapping[str, UnwrittenPrices]:
        """Return the tickers."""
        return self._tickers


def klines(bars: Mapping[str, Bars], query: Mapping[str, str], now_ms: int) -> tuple[int, object]:
    """Answer `GET /api/v3/klines`."""
    found, step_ms = bars.get(query.get("symbol", "")), KLINE_MS.get(query.get("interval", ""))
    if found is None:
        return 400, {"code": -1121, "msg": "Invalid symbol."}
    if step_ms is None:
        return 400, {"code": -1120, "msg": "Invalid interval."}
    try:
        limit = min(int(query.get("limit", "500")), MOST_KLINES)
        since = int(query["startTime"]) if "startTime" in query else None
        until = int(query.get("endTime", now_ms))
    except ValueError:
        return 400, {"code": -1100, "msg": "Illegal characters found in a parameter."}
    if limit < 1:
        return 400, {"code": -1100, "msg": "Illegal value of parameter 'limit'."}
    every = found.of(step_ms, -math.inf if since is None else since, until)
    return 200, [_kline(bar, step_ms) for bar in (every[-limit:] if since is None else every[:limit])]


def _kline(bar: Bar, step_ms: int) -> list[int | str]:
    prices = [f"{price:.8f}" for price in (bar.open, bar.high, bar.low, bar.close)]
    volumes = "1.00000000", bar.start_ms + step_ms - 1, prices[-1], 3, "0.50000000", "0.00000000", "0"
    return [bar.start_ms, *prices, *volumes]


BINANCE = SimulatedSource(
    name="binance",
    frames=BinanceFrames,
    history=HistoryRoute("/api/v3/klines", klines),
    seeds=Seeds(frames="feed", latency=":latency", twin_frames="ticker", twin_latency="feed"),
    by="address",
)
