"""The simulator's OKX feed and history, by hand and by the program's own client, over real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from simulator_client import Peer, Scene, running

from mmactors.config.simulator_sections import ExchangeConfig, ExchangesConfig
from mmactors.feeds.connection import FeedMessage, FeedSocket, FeedTiming
from mmactors.feeds.history import HistoryError, HistorySource, fetch
from mmactors.feeds.okx import OKX
from mmactors.feeds.source import KeepAlive, PriceSource
from mmactors.messages import FeedConnected, FeedWentStale, SpotTicked
from mmactors.simulator.server.feed_socket import FeedLimits
from mmactors.units import Nanos

BUSY = ExchangesConfig(okx=ExchangeConfig(trades_per_s=100.0))
BOTH = [{"channel": channel, "instId": "BTC-USDT"} for channel in ("bbo-tbt", "trades")]


async def subscribed(s: Scene) -> Peer:
    peer = await s.peer("/okx")
    await peer.send(op="subscribe", args=BOTH)
    for _ in BOTH:
        await peer.until(lambda f: f.get("event") == "subscribe")
    return peer


def test_a_subscription_is_confirmed_and_its_channels_come() -> None:
    async def scene() -> None:
        async with running(feeds=BUSY) as s:
            peer = await subscribed(s)
            assert [f["arg"] for f in peer.frames if f.get("event") == "subscribe"] == BOTH
            found = {}
            for wanted in BOTH:
                found[wanted["channel"]] = await peer.until(lambda f, w=wanted: f.get("data") and f["arg"] == w)
            (book,), (trade,) = found["bbo-tbt"]["data"], found["trades"]["data"]
            assert set(book) == {"asks", "bids", "ts", "seqId"}
            assert float(book["asks"][0][0]) - float(book["bids"][0][0]) == pytest.approx(0.1)
            assert abs(float(trade["px"]) - s.server.simulation.world.price("BTC")) < 200
            await peer.send(op="unsubscribe", args=BOTH)
            await peer.until(lambda f: f.get("event") == "unsubscribe" and f["arg"] == BOTH[1])
            await peer.socket.send_str("ping")
            assert (await peer.socket.receive()).data == "pong"

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("nonsense", "60012"),
        ("[]", "60012"),
        ('{"op":"dance","args":[{}]}', "60012"),
        ('{"op":"subscribe","args":[]}', "60012"),
        ('{"op":"subscribe","args":[{"channel":"gossip","instId":"BTC-USDT"}]}', "60018"),
        ('{"op":"subscribe","args":[{"channel":"trades","instId":"NO-USDT"}]}', "60018"),
        ('{"op":"subscribe","args":[{"channel":{},"instId":[]}]}', "60018"),
        ('{"op":"subscribe","args":[7]}', "60018"),
    ],
)
def test_a_bad_request_is_refused_with_its_code(request_: str, code: str) -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer("/okx")
            await peer.socket.send_str(request_)
            assert (await peer.until(lambda f: True))["code"] == code

    asyncio.run(scene())


def test_history_is_the_newest_first_and_says_what_is_unfinished() -> None:
    async def scene() -> None:
        async with running() as s:
            status, answer = await s.rest("GET", "/api/v5/market/candles?instId=BTC-USDT&bar=1m&limit=61")
            assert (status, answer["code"], len(answer["data"])) == (200, "0", 61)
            times = [int(row[0]) for row in answer["data"]]
            assert all(newer - older == 60_000 for newer, older in pairwise(times))
            assert [row[8] for row in answer["data"][1:]] == ["1"] * 60
            for query in ("instId=NO-USDT", "instId=BTC-USDT&bar=1y", "instId=BTC-USDT&limit=x"):
                status, answer = await s.rest("GET", f"/api/v5/market/candles?{query}")
                assert answer["code"] in ("51001", "51000")

    asyncio.run(scene())


def test_our_client_fetches_the_hour_or_repeats_the_refusal() -> None:
    async def scene() -> None:
        async with running() as s:
            now = Nanos(time.time_ns())
            found = await asyncio.to_thread(fetch, HistorySource("okx", "BTC", s.url, "BTC-USDT"), now)
            assert (found.asset, found.source, found.step_s) == ("BTC", "okx", 60.0)
            assert len(found.closes) >= 59
            assert now - 3_661 * 10**9 < found.closes[0][0]
            assert found.closes[-1][0] <= now
            with pytest.raises(HistoryError, match="the exchange refuses: 51001 Instrument ID doesn't exist"):
                await asyncio.to_thread(fetch, HistorySource("okx", "NO", s.url, "NO-USDT"), now)

    asyncio.run(scene())


# --- the program's own client against it -----------------------------------------------------------


class Feed:
    def __init__(self, s: Scene, source: PriceSource = OKX, **timing: float) -> None:
        self.received: list[FeedMessage] = []
        self.socket = FeedSocket(
            source,
            urls=[s.url.replace("http", "ws") + "/okx"],
            assets={"BTC-USDT": "BTC"},
            deliver=self.received.append,
            now=lambda: Nanos(time.time_ns()),
            random=Random(1),
            timing=FeedTiming(**{"stale_after": 2.0, "silence": 10.0, **timing}),
        )

    def count(self, kind: type) -> int:
        return sum(isinstance(message, kind) for message in list(self.received))


@asynccontextmanager
async def feed(s: Scene, *args: Any, **timing: float) -> AsyncIterator[Feed]:
    one = Feed(s, *args, **timing)
    one.socket.start()
    try:
        yield one
    finally:
        await asyncio.to_thread(one.socket.stop)


def test_our_feed_receives_it_with_nothing_dropped() -> None:
    async def scene() -> None:
        async with running(feeds=BUSY) as s, feed(s) as one:
            await s.eventually(lambda: one.count(SpotTicked) > 50)
            assert one.count(FeedConnected) == 1
            counters = one.socket.counters
            assert not [name for name in counters if name.startswith(("dropped", "refused", "lost"))], counters
            ticks = [m for m in one.received if isinstance(m, SpotTicked)]
            assert {tick.kind for tick in ticks} == {"book", "trade"}
            assert all(tick.event_ns is not None and 0 <= tick.received_ns - tick.event_ns < 2e9 for tick in ticks)

    asyncio.run(scene())


@pytest.mark.parametrize("state", ["silent", "cut"])
def test_a_feed_taken_away_goes_stale_and_comes_back(state: str) -> None:
    async def scene() -> None:
        async with running(feeds=BUSY) as s, feed(s) as one:
            await s.eventually(lambda: one.count(SpotTicked) > 10)
            assert (await s.rest("POST", "/simulator/feeds/okx", {"state": state}))[0] == 200
            await s.eventually(lambda: one.count(FeedWentStale) == 1)
            before = one.count(SpotTicked)
            await s.rest("POST", "/simulator/feeds/okx", {"state": "live"})
            await s.eventually(lambda: one.count(SpotTicked) > before + 10)

    asyncio.run(scene())


@pytest.mark.parametrize(("pinging", "lost"), [(True, 0), (False, 1)])
def test_a_quiet_connection_is_kept_by_pings_alone_and_a_pong_is_no_price(pinging: bool, lost: int) -> None:
    async def scene() -> None:
        source = replace(OKX, keep_alive=KeepAlive(b"ping", after_s=0.2) if pinging else None)
        limits = FeedLimits(active_within=1000)
        async with running(server={"feed_limits": limits}) as s, feed(s, source, stale_after=0.5, silence=60) as one:
            await s.eventually(lambda: one.count(SpotTicked) > 0)
            await s.rest("POST", "/simulator/feeds/okx", {"state": "silent"})
            await s.eventually(lambda: one.count(FeedWentStale) == 1)
            pings = one.socket.counters.get("pings", 0)
            if pinging:
                await s.eventually(lambda: one.socket.counters["ignored_pong"] > 8)
                assert one.socket.counters["pings"] > pings
            else:
                await s.eventually(lambda: one.socket.counters.get("lost") == 1)
            assert one.socket.counters.get("lost", 0) == lost
            assert one.count(FeedWentStale) == 1

    asyncio.run(scene())


def test_a_refused_instrument_is_reported_in_the_exchange_s_words() -> None:
    async def scene() -> None:
        source = replace(OKX, subscription=lambda _: json.dumps({"op": "subscribe", "args": [{}]}).encode())
        async with running() as s, feed(s, source, stale_after=0.5) as one:
            await s.eventually(lambda: one.socket.counters.get("refused_subscriptions", 0) > 0)
            assert one.count(SpotTicked) == 0

    asyncio.run(scene())
