"""What the exchanges' REST history says: Binance's klines and Coinbase's candles of the hour before and the run so far.

Owns the bars of one second that both are made of, and the two exchanges' formats. The past before the start is the
world's own word (`PricePath.past`); what comes after is noted as it happens. Noise is left out, the basis is not.
"""

import math
from collections import deque
from dataclasses import dataclass
from datetime import datetime

import msgspec
from aiohttp import web

from mmactors.simulator.prices.exchange import Exchange, ExchangePath
from mmactors.simulator.server.hub import VenueClock

KEPT_S = 7200
LONGEST_GAP_MS = 30_000
"""A longer silence of a recording is left out; a shorter one is filled with the price before."""

MOST_KLINES, MOST_CANDLES = 1000, 300
KLINE_MS = {"1s": 1000, "1m": 60_000}
CANDLE_S = (60, 300, 900, 3600)


@dataclass(slots=True)
class Bar:
    """Open, high, low and close of the time that begins at `start_ms`."""

    start_ms: int
    open: float
    high: float
    low: float
    close: float


class Bars:
    """One asset's prices in bars of a second, the newest unfinished."""

    def __init__(self, path: ExchangePath) -> None:
        self._path = path
        self._bars: deque[Bar] = deque(maxlen=KEPT_S)
        for at_ms, price in path.past():
            self._add(at_ms, price)

    def note(self, now_ms: int) -> None:
        """Take the price of this moment."""
        self._add(now_ms, self._path.quiet)

    def _add(self, now_ms: int, price: float) -> None:
        start_ms = now_ms - now_ms % 1000
        last = self._bars[-1] if self._bars else None
        if last is not None and last.start_ms >= start_ms:
            last.high, last.low, last.close = max(last.high, price), min(last.low, price), price
            return
        if last is not None and start_ms - last.start_ms <= LONGEST_GAP_MS:
            for at_ms in range(last.start_ms + 1000, start_ms, 1000):
                self._bars.append(Bar(at_ms, last.close, last.close, last.close, last.close))
        self._bars.append(Bar(start_ms, price, price, price, price))

    def of(self, step_ms: int, from_ms: float, to_ms: float) -> list[Bar]:
        """Return the bars of this length that begin in the time given, oldest first."""
        found: list[Bar] = []
        for bar in self._bars:
            start_ms = bar.start_ms - bar.start_ms % step_ms
            if not from_ms <= start_ms <= to_ms:
                continue
            if found and found[-1].start_ms == start_ms:
                whole = found[-1]
                whole.high, whole.low, whole.close = max(whole.high, bar.high), min(whole.low, bar.low), bar.close
            else:
                found.append(Bar(start_ms, bar.open, bar.high, bar.low, bar.close))
        return found


class History:
    """Both exchanges' history.

    Args:
        binance, coinbase: the exchanges.
        clock: the time.
    """

    def __init__(self, binance: Exchange, coinbase: Exchange, clock: VenueClock) -> None:
        self._clock = clock
        self._klines = {f"{asset}USDT": Bars(path) for asset, path in binance.paths.items()}
        self._candles = {f"{asset}-USD": Bars(path) for asset, path in coinbase.paths.items()}

    def note(self) -> None:
        """Take every price as it is now."""
        now_ms = self._clock.now_ms()
        for bars in (*self._klines.values(), *self._candles.values()):
            bars.note(now_ms)

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [web.get("/api/v3/klines", self._binance), web.get("/products/{product}/candles", self._coinbase)]

    async def _binance(self, request: web.Request) -> web.Response:
        query = request.query
        bars, step_ms = self._klines.get(query.get("symbol", "")), KLINE_MS.get(query.get("interval", ""))
        if bars is None:
            return _json({"code": -1121, "msg": "Invalid symbol."}, 400)
        if step_ms is None:
            return _json({"code": -1120, "msg": "Invalid interval."}, 400)
        try:
            limit = min(int(query.get("limit", "500")), MOST_KLINES)
            since = int(query["startTime"]) if "startTime" in query else None
            until = int(query.get("endTime", self._clock.now_ms()))
        except ValueError:
            return _json({"code": -1100, "msg": "Illegal characters found in a parameter."}, 400)
        if limit < 1:
            return _json({"code": -1100, "msg": "Illegal value of parameter 'limit'."}, 400)
        found = bars.of(step_ms, -math.inf if since is None else since, until)
        return _json([_kline(bar, step_ms) for bar in (found[-limit:] if since is None else found[:limit])])

    async def _coinbase(self, request: web.Request) -> web.Response:
        bars = self._candles.get(request.match_info["product"])
        if bars is None:
            return _json({"message": "NotFound"}, 404)
        query = request.query
        try:
            step_s = int(query.get("granularity", "60"))
            until_s = _moment(query["end"]) if "end" in query else self._clock.now_ms() / 1000
            since_s = _moment(query["start"]) if "start" in query else until_s - MOST_CANDLES * step_s
        except ValueError:
            return _json({"message": "Invalid start, end or granularity"}, 400)
        if step_s not in CANDLE_S:
            return _json({"message": "Unsupported granularity"}, 400)
        if (until_s - since_s) / step_s > MOST_CANDLES:
            text = "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
            return _json({"message": text}, 400)
        found = bars.of(step_s * 1000, since_s * 1000, until_s * 1000)
        return _json([_candle(bar) for bar in reversed(found)])


def _kline(bar: Bar, step_ms: int) -> list[int | str]:
    prices = [f"{price:.8f}" for price in (bar.open, bar.high, bar.low, bar.close)]
    volumes = "1.00000000", bar.start_ms + step_ms - 1, prices[-1], 3, "0.50000000", "0.00000000", "0"
    return [bar.start_ms, *prices, *volumes]


def _candle(bar: Bar) -> list[int | float]:
    return [bar.start_ms // 1000, *(round(price, 2) for price in (bar.low, bar.high, bar.open, bar.close)), 1.0]


def _moment(text: str) -> float:
    """Return seconds since 1970, given so or as a date. Raises ValueError."""
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
