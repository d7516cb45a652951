"""The simulator's Coinbase feed, its REST history and its switch, over real sockets."""

import asyncio
import json
import math
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from patience import patience
from simulator_client import Peer, Scene, running

from mmactors.config.simulator_sections import ExchangeConfig, ExchangesConfig
from mmactors.feeds.coinbase import COINBASE
from mmactors.feeds.connection import FeedMessage, FeedSocket, FeedTiming
from mmactors.feeds.history import HistorySource, fetch
from mmactors.messages import FeedConnected, FeedLived, FeedWentStale, SpotTicked
from mmactors.simulator.server.feed_socket import FeedLimits
from mmactors.units import Nanos

ALL = ["ticker", "matches", "heartbeat"]
BUSY = ExchangesConfig(coinbase=ExchangeConfig(trades_per_s=100.0))


def busy(**coinbase: Any) -> ExchangesConfig:
    return ExchangesConfig(coinbase=ExchangeConfig(**{"trades_per_s": 100.0, **coinbase}))


async def subscribed(s: Scene, channels: list[Any] = ALL) -> Peer:
    peer = await s.peer("/coinbase")
    await peer.send(type="subscribe", product_ids=["BTC-USD"], channels=channels)
    await peer.until(lambda f: f["type"] == "subscriptions")
    return peer


def test_a_subscription_is_confirmed_and_its_three_channels_come() -> None:
    async def scene() -> None:
        async with running(feeds=BUSY) as s:
            peer = await s.peer("/coinbase")
            await peer.send(type="subscribe", product_ids=["BTC-USD"], channels=ALL)
            confirmed = await peer.until(lambda f: True)
            assert confirmed == {
                "type": "subscriptions",
                "channels": [{"name": name, "product_ids": ["BTC-USD"]} for name in ALL],
            }
            match = await peer.until(lambda f: f["type"] == "match")
            ticker = await peer.until(lambda f: f["type"] == "ticker" and f["trade_id"] == match["trade_id"])
            assert ticker["sequence"] == match["sequence"]
            assert float(ticker["best_ask"]) - float(ticker["best_bid"]) == pytest.approx(0.01)
            assert match["price"] in (ticker["best_bid"], ticker["best_ask"])
            assert abs(float(match["price"]) - s.server.simulation.world.price("BTC")) < 200
            beat = await peer.until(lambda f: f["type"] == "heartbeat")
            assert set(beat) == {"type", "last_trade_id", "product_id", "sequence", "time"}

    asyncio.run(scene())


def test_only_what_is_subscribed_to_comes_until_it_is_unsubscribed() -> None:
    async def scene() -> None:
        async with running(feeds=BUSY) as s:
            peer = await subscribed(s, [{"name": "matches", "product_ids": ["BTC-USD"]}])
            for _ in range(10):
                await peer.until(lambda f: f["type"] == "match")
            await peer.send(type="subscribe", product_ids=["BTC-USD"], channels=["ticker"])
            await peer.until(lambda f: f["type"] == "ticker")
            assert {f["type"] for f in peer.frames} == {"subscriptions", "match", "last_match", "ticker"}
            await peer.send(type="unsubscribe", product_ids=["BTC-USD"], channels=["matches"])
            told = await peer.until(lambda f: f["type"] == "subscriptions")
            assert told["channels"] == [{"name": "ticker", "product_ids": ["BTC-USD"]}]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("nonsense", "MalformedError JSON"),
        ("[]", "Type has to be"),
        ('{"type":"dance"}', "Type has to be"),
        ('{"type":"subscribe"}', "No channels provided"),
        ('{"type":"subscribe","channels":["ticker"]}', "No product_ids provided"),
        ('{"type":"subscribe","product_ids":["LOOM-USDC"],"channels":["ticker"]}', "LOOM-USDC is not a valid product"),
        ('{"type":"subscribe","product_ids":[{}],"channels":["ticker"]}', "is not a valid product"),
        ('{"type":"subscribe","product_ids":["BTC-USD"],"channels":["gossip"]}', "gossip is not a valid channel"),
        ('{"type":"subscribe","product_ids":["BTC-USD"],"channels":[["ticker"]]}', "is not a valid channel"),
    ],
)
def test_a_bad_subscription_is_refused_with_the_reason(request_: str, words: str) -> None:
    async def scene() -> None:
        async with running(feeds=BUSY) as s:
            peer = await s.peer("/coinbase")
            await peer.socket.send_str(request_)
            error = await peer.until(lambda f: True)
            assert error["type"] == "error"
            assert words in f"{error['message']}: {error.get('reason')}"

    asyncio.run(scene())


def test_a_connection_without_a_subscription_is_closed_in_time() -> None:
    async def scene() -> None:
        async with running(server={"feed_limits": FeedLimits(subscribe_within=200)}) as s:
            idle, busy_one = await s.peer("/coinbase"), await subscribed(s)
            assert await idle.closed() == 1008
            await busy_one.until(lambda f: f["type"] == "heartbeat")

    asyncio.run(scene())


def test_basis_noise_and_outlier_are_the_exchange_s_own() -> None:
    async def scene() -> None:
        async with running(feeds=busy(basis_bp=50.0), step_ms=1000) as s:
            peer = await subscribed(s)

            async def off_bp() -> float:
                ticker = await peer.until(lambda f: f["type"] == "ticker")
                return (float(ticker["best_bid"]) / s.server.simulation.world.price("BTC") - 1) * 10_000

            assert await off_bp() == pytest.approx(50.0, abs=5)
            await s.rest("POST", "/simulator/feeds/coinbase", {"outlier_bp": 100, "for_ms": 300})
            assert any([await off_bp() == pytest.approx(150.5, abs=5) for _ in range(30)])
            async with asyncio.timeout(patience(5)):
                while await off_bp() > 100:
                    pass

    asyncio.run(scene())


def test_the_log_knows_the_price_that_a_new_subscriber_is_greeted_with(tmp_path: Path) -> None:
    """After a cut a program quotes on the greeting; the auditor must not take that for a price it never heard."""
    log = tmp_path / "venue.jsonl"

    async def scene() -> None:
        async with running(feeds=busy(trades_per_s=0.001), log=log) as s:
            venue = await s.peer()
            await venue.log_in()
            clock = s.server.hub.clock
            began_ms = clock.now_ms()
            await s.eventually(lambda: clock.now_ms() > began_ms + 500, "a while after the only trade")
            await venue.call(5, "place", order=s.order(0.3))
            peer = await s.peer("/coinbase")
            await peer.send(type="subscribe", product_ids=["BTC-USD"], channels=["ticker"])
            greeting = await peer.until(lambda f: f["type"] == "ticker")
            assert greeting["trade_id"]
            await venue.call(6, "place", order=s.order(0.31))

    asyncio.run(scene())
    orders = [row for row in map(json.loads, log.read_text().splitlines()) if row["type"] == "order"]
    unheard, heard = orders[:2]
    assert not unheard.get("tick") or unheard["t"] - unheard["tick"] >= 400
    assert heard["t"] - heard["tick"] < 300


# --- the program's own client against it -----------------------------------------------------------


class Feed:
    def __init__(self, s: Scene) -> None:
        self.heard: list[FeedMessage] = []
        self.lock = threading.Lock()
        assets = {"BTC-USD": "BTC"}
        self.socket = FeedSocket(
            COINBASE,
            urls=[s.url.replace("http", "ws") + "/coinbase"],
            assets=assets,
            deliver=self.heard.append,
            now=lambda: Nanos(time.time_ns()),
            random=Random(1),
            timing=FeedTiming(stale_after=2.0, silence=10.0),
        )

    def count(self, kind: type) -> int:
        return sum(isinstance(message, kind) for message in list(self.heard))


@asynccontextmanager
async def feed(s: Scene) -> AsyncIterator[Feed]:
    one = Feed(s)
    one.socket.start()
    try:
        yield one
    finally:
        await asyncio.to_thread(one.socket.stop)


def test_our_feed_hears_it_with_nothing_dropped() -> None:
    async def scene() -> None:
        async with running(feeds=BUSY) as s, feed(s) as one:
            await s.eventually(lambda: one.count(FeedLived) >= 2 and one.count(SpotTicked) > 50)
            assert one.count(FeedConnected) == 1
            counters = one.socket.counters
            assert not [name for name in counters if name.startswith(("dropped", "trades_missed", "lost"))], counters
            ticks = [m for m in one.heard if isinstance(m, SpotTicked)]
            assert {tick.kind for tick in ticks} == {"book", "trade"}
            assert all(tick.event_ns is not None and 0 <= tick.received_ns - tick.event_ns < 2e9 for tick in ticks)

    asyncio.run(scene())


@pytest.mark.parametrize("state", ["silent", "cut"])
def test_a_feed_taken_away_goes_stale_and_comes_back(state: str) -> None:
    async def scene() -> None:
        async with running(feeds=BUSY, feed_ticks_per_s=50.0) as s, feed(s) as one:
            await s.eventually(lambda: one.count(SpotTicked) > 10)
            status, answer = await s.rest("POST", "/simulator/feeds/coinbase", {"state": state})
            assert (status, answer["state"]) == (200, state)
            assert abs(answer["at"] - time.time() * 1000) < 5000
            await s.eventually(lambda: one.count(FeedWentStale) == 1)
            other = await s.peer("/stream?streams=btcusdt@bookTicker")
            await other.until(lambda f: "data" in f)  # the other exchange goes on
            before = one.count(SpotTicked)
            await s.rest("POST", "/simulator/feeds/coinbase", {"state": "live"})
            await s.eventually(lambda: one.count(SpotTicked) > before + 10)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("source", "body", "status"),
    [
        ("kraken", {"state": "cut"}, 404),
        ("coinbase", {"state": "gone"}, 400),
        ("coinbase", {"states": "cut"}, 400),
        ("coinbase", {"outlier_bp": "x"}, 400),
        ("binance", {}, 200),
    ],
)
def test_a_wrong_wish_is_refused(source: str, body: object, status: int) -> None:
    async def scene() -> None:
        async with running() as s:
            assert (await s.rest("POST", f"/simulator/feeds/{source}", body))[0] == status

    asyncio.run(scene())


# --- history ---------------------------------------------------------------------------------------


def test_klines_and_candles_tell_the_past_hour() -> None:
    async def scene() -> None:
        async with running(feeds=busy(basis_bp=10.0)) as s:
            now_ms = int(time.time() * 1000)
            path = f"/api/v3/klines?symbol=BTCUSDT&interval=1s&limit=1000&startTime={now_ms - 3_600_000}"
            status, klines = await s.rest("GET", path)
            assert (status, len(klines)) == (200, 1000)
            assert all(later[0] - earlier[0] == 1000 for earlier, later in pairwise(klines))
            assert len(klines[0]) == 12
            assert klines[0][6] == klines[0][0] + 999
            assert all(float(low) <= float(close) <= float(high) for _, _, high, low, close, *_ in klines)
            _, newest = await s.rest("GET", "/api/v3/klines?symbol=BTCUSDT&interval=1s")
            assert len(newest) == 500
            assert float(newest[-1][4]) == pytest.approx(s.server.simulation.world.price("BTC"), rel=1e-3)
            start = (now_ms - 3_600_000) // 1000
            status, candles = await s.rest("GET", f"/products/BTC-USD/candles?granularity=60&start={start}")
            assert status == 200
            assert 59 <= len(candles) <= 61
            assert candles == sorted(candles, reverse=True)
            assert all(low <= min(begin, end) and max(begin, end) <= high for _, low, high, begin, end, _ in candles)
            at = candles[30][0]
            path = f"/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={at * 1000}&limit=1"
            ((_, _, _, _, close, *_),) = (await s.rest("GET", path))[1]
            assert candles[30][4] / float(close) == pytest.approx(1.001, abs=1e-6), "the basis is in its history"

    asyncio.run(scene())


@pytest.mark.parametrize(
    "path",
    [
        "/api/v3/klines?symbol=NOUSDT&interval=1s",
        "/api/v3/klines?symbol=BTCUSDT&interval=1y",
        "/api/v3/klines?symbol=BTCUSDT&interval=1s&limit=x",
        "/api/v3/klines?symbol=BTCUSDT&interval=1s&limit=0",
        "/products/BTC-USD/candles?granularity=7",
        "/products/BTC-USD/candles?start=yesterday",
        "/products/BTC-USD/candles?granularity=60&start=0",
    ],
)
def test_bad_requests_for_history_are_refused(path: str) -> None:
    async def scene() -> None:
        async with running() as s:
            assert (await s.rest("GET", path))[0] == 400
            assert (await s.rest("GET", "/products/NO-USD/candles"))[0] == 404

    asyncio.run(scene())


def test_our_client_fetches_the_hour_from_both() -> None:
    async def scene() -> None:
        async with running() as s:
            for source, symbol, least, step_s in (("binance", "btcusdt", 3590, 1), ("coinbase", "BTC-USD", 58, 60)):
                asked = HistorySource(source, "BTC", s.url, symbol)
                now = Nanos(time.time_ns())
                told = await asyncio.to_thread(fetch, asked, now)
                assert (told.asset, told.source, told.step_s) == ("BTC", source, step_s)
                assert len(told.closes) >= least
                times = [at for at, _ in told.closes]
                assert all(later - earlier == step_s * 10**9 for earlier, later in pairwise(times))
                assert now - 3_661 * 10**9 < times[0]
                assert times[-1] <= now
                moves = [math.log(b / a) for (_, a), (_, b) in pairwise(told.closes)]
                sigma = math.sqrt(sum(m * m for m in moves) / len(moves) * 365 * 86400 / step_s)
                assert 0.2 < sigma < 1.2

    asyncio.run(scene())
