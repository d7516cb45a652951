"""The feed's thread against a server that misbehaves in every known way."""

import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import WSMsgType
from fake_server import FakeServer, eventually
from patience import patience

from mmactors.config import Config
from mmactors.feeds.binance import BINANCE, stream_url
from mmactors.feeds.connection import FeedMessage, FeedSocket, FeedTiming
from mmactors.feeds.followed import feed_sockets
from mmactors.messages import FeedConnected, FeedWentStale, SpotTicked
from mmactors.units import Nanos

ASSETS = {"btcusdt": "BTC"}
QUICK = FeedTiming(stale_after=0.15, silence=0.5, lifetime=3600.0, connect=1.0, blocked_retry=0.2)
CALM = FeedTiming(stale_after=30.0, silence=60.0, connect=1.0)


def now() -> Nanos:
    return Nanos(time.monotonic_ns() + 1_700_000_000_000_000_000)


def book(update: int, price: float = 100.0, symbol: str = "btcusdt") -> dict[str, Any]:
    data = {"u": update, "s": symbol.upper(), "b": str(price), "B": "1", "a": str(price), "A": "1"}
    return {"stream": f"{symbol}@bookTicker", "data": data}


class Feed:
    def __init__(
        self, urls: list[str], timing: FeedTiming, assets: dict[str, str] = ASSETS, sslopt: Any = None
    ) -> None:
        self.heard: list[FeedMessage] = []
        self.socket = FeedSocket(
            BINANCE,
            urls=urls,
            assets=assets,
            deliver=self.heard.append,
            now=now,
            random=Random(1),
            timing=timing,
            sslopt=sslopt,
        )
        self.socket.start()

    def prices(self) -> list[float]:
        return [message.price for message in list(self.heard) if isinstance(message, SpotTicked)]

    def count(self, kind: type) -> int:
        return sum(isinstance(message, kind) for message in list(self.heard))

    @property
    def counters(self) -> dict[str, int]:
        return self.socket.counters


MakeFeed = Callable[..., Feed]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def feed(server: FakeServer) -> Iterator[MakeFeed]:
    made: list[Feed] = []

    def make(timing: FeedTiming = CALM, urls: list[str] | None = None, **more: Any) -> Feed:
        made.append(Feed(urls or [stream_url(server.ws_url.removesuffix("/ws"), ASSETS)], timing, **more))
        return made[-1]

    yield make
    for each in made:
        each.socket.stop()
        assert not each.socket.alive


def test_connects_subscribes_by_url_and_ticks(server: FakeServer, feed: MakeFeed) -> None:
    one = feed()
    peer = server.connection()
    assert peer.path == "/stream?streams=btcusdt@bookTicker/btcusdt@aggTrade"
    peer.send(book(1, 100.0))
    peer.send(book(2, 101.0))
    eventually(lambda: one.prices() == [100.0, 101.0])
    assert isinstance(one.heard[0], FeedConnected)
    assert one.counters["ticks"] == 2


def test_ping_is_answered_with_its_payload_within_the_budget(server: FakeServer, feed: MakeFeed) -> None:
    feed()
    peer = server.connection()
    for number in range(50):
        peer.raw(f"p{number}".encode(), WSMsgType.PING)
    eventually(lambda: peer.pongs and peer.pongs[-1] == b"p49", "the newest ping's answer")
    assert len(peer.pongs) <= 5


def test_bad_frames_are_counted_and_the_feed_lives(server: FakeServer, feed: MakeFeed) -> None:
    one = feed()
    peer = server.connection()
    peer.raw(b"\xff\xfe\xfd")
    peer.raw(b"<html>")
    peer.send(book(1) | {"data": {**book(1)["data"], "b": "NaN"}})
    peer.send(book(5))
    peer.send(book(4))
    peer.raw(b"x" * 10_000_000)
    peer.send(book(6, 103.0))
    eventually(lambda: 103.0 in one.prices())
    dropped = {name: count for name, count in one.counters.items() if name.startswith("dropped_")}
    assert dropped == {
        "dropped_bad_utf8": 1,
        "dropped_malformed": 1,
        "dropped_not_finite": 1,
        "dropped_out_of_order": 1,
        "dropped_oversized": 1,
    }
    assert len(server.connections) == 1


def test_fragments_are_joined_around_a_ping(server: FakeServer, feed: MakeFeed) -> None:
    one = feed()
    peer = server.connection()
    text = json.dumps(book(1, 107.0)).encode()
    writer = peer.ws._req.transport  # type: ignore[union-attr]

    def raw(first: int, payload: bytes) -> bytes:
        return bytes([first, len(payload)]) + payload

    wire = raw(0x01, text[:40]) + raw(0x89, b"hi") + raw(0x80, text[40:])
    for start in range(0, len(wire), 7):  # and dribbled
        server.loop.call_soon_threadsafe(writer.write, wire[start : start + 7])
    eventually(lambda: one.prices() == [107.0])
    eventually(lambda: peer.pongs == [b"hi"])


def test_pongs_are_no_data_silence_is_stale_once_then_reconnected(server: FakeServer, feed: MakeFeed) -> None:
    one = feed(QUICK)
    peer = server.connection()
    peer.send(book(1))
    eventually(lambda: one.count(FeedWentStale) == 1)
    peer.raw(b"still here", WSMsgType.PING)
    second = server.connection(1)
    assert one.count(FeedWentStale) == 1, "told once"
    assert one.counters["silences"] == 1
    second.send(book(1, 99.0))  # ids start over with the connection
    eventually(lambda: 99.0 in one.prices())
    eventually(lambda: one.count(FeedWentStale) == 2, "stale again after a tick")


def test_duplicates_are_no_life(server: FakeServer, feed: MakeFeed) -> None:
    one = feed(QUICK)
    peer = server.connection()
    for _ in range(3):
        peer.send(book(1))
    eventually(lambda: one.count(FeedWentStale) == 1)
    assert one.counters["dropped_duplicate"] == 2


@pytest.mark.parametrize("end", ["close", "cut"])
def test_a_lost_connection_is_told_and_mended(server: FakeServer, feed: MakeFeed, end: str) -> None:
    one = feed()
    peer = server.connection()
    peer.send(book(1))
    eventually(one.prices)
    peer.close(1012) if end == "close" else peer.cut()
    server.connection(1).send(book(2, 101.0))
    eventually(lambda: 101.0 in one.prices())
    (stale,) = [message for message in one.heard if isinstance(message, FeedWentStale)]
    assert stale.asset == "BTC"
    assert ("1012" in stale.reason) == (end == "close")


def test_handshake_errors_are_retried(server: FakeServer, feed: MakeFeed) -> None:
    server.refuse = [500, 502]
    one = feed()
    server.connection().send(book(1))
    eventually(one.prices)
    assert one.counters["refused"] == 2


def test_a_geo_block_switches_the_host(server: FakeServer, feed: MakeFeed) -> None:
    with FakeServer() as other:
        server.refuse = [451] * 100
        one = feed(CALM, [server.ws_url, other.ws_url])
        other.connection().send(book(1))
        eventually(one.prices)
        assert len(server.refuse) == 99


def test_the_fallbacks_of_a_configuration_are_tried_in_turn(server: FakeServer) -> None:
    with FakeServer() as other:
        server.refuse = [451] * 100
        fallbacks = [other.ws_url]  # .../ws: the combined stream is beside it
        config = Config.model_validate({"feeds": {"binance": {"ws_url": server.ws_url, "ws_fallbacks": fallbacks}}})
        heard: list[FeedMessage] = []
        socket = feed_sockets(config, config.urls(), now)["binance"](heard.append)
        socket.start()
        peer = other.connection()
        peer.send(book(1))
        eventually(lambda: any(isinstance(each, SpotTicked) for each in heard))
        socket.stop()
    assert peer.path == "/stream?streams=btcusdt@bookTicker/btcusdt@aggTrade"
    assert len(server.refuse) == 99


def test_blocked_everywhere_retries_slowly(server: FakeServer, feed: MakeFeed) -> None:
    server.refuse = [403]
    one = feed(QUICK)
    began = time.monotonic()
    server.connection()
    assert time.monotonic() - began >= QUICK.blocked_retry
    assert one.counters["refused"] == 1


def test_nobody_there(feed: MakeFeed) -> None:
    one = feed(QUICK, ["ws://127.0.0.1:9/stream"])
    eventually(lambda: one.counters.get("refused", 0) >= 2)
    eventually(lambda: one.count(FeedWentStale) == 1)
    assert one.count(FeedConnected) == 0


def test_an_announced_shutdown_opens_the_next_before_closing_the_old(server: FakeServer, feed: MakeFeed) -> None:
    one = feed()
    old = server.connection()
    old.send(book(1, 100.0))
    old.send({"stream": "x", "data": {"e": "serverShutdown", "E": 1}})
    fresh = server.connection(1)
    old.send(book(2, 101.0))
    eventually(lambda: one.prices() == [100.0, 101.0], "the old one is still heard")
    assert not old.closed.is_set()
    fresh.send(book(2, 101.0))  # overlap: dropped
    fresh.send(book(3, 102.0))
    eventually(lambda: one.prices() == [100.0, 101.0, 102.0])
    assert old.closed.wait(patience(5))
    assert one.count(FeedWentStale) == 0


def test_the_24_hour_cut_is_forestalled(server: FakeServer, feed: MakeFeed) -> None:
    one = feed(FeedTiming(stale_after=30, silence=60, lifetime=0.2))
    server.connection().send(book(1))
    server.connection(1).send(book(2))
    server.connection(2).send(book(3))
    eventually(lambda: len(one.prices()) == 3)
    assert one.count(FeedWentStale) == 0
    assert "lost" not in one.counters


def test_each_asset_goes_stale_by_itself(server: FakeServer, feed: MakeFeed) -> None:
    one = feed(QUICK, assets={"btcusdt": "BTC", "ethusdt": "ETH"})
    peer = server.connection()
    update = 0

    def eth_is_stale() -> bool:
        nonlocal update
        update += 1
        peer.send(book(update))
        return one.count(FeedWentStale) > 0

    eventually(eth_is_stale)
    assert {message.asset for message in one.heard if isinstance(message, FeedWentStale)} == {"ETH"}


def test_stops_while_it_waits_to_reconnect(feed: MakeFeed) -> None:
    one = feed(CALM, ["ws://127.0.0.1:9/"])
    eventually(lambda: one.counters.get("refused", 0) >= 3)
    began = time.monotonic()
    one.socket.stop()
    assert time.monotonic() - began < patience(0.5)


def test_over_tls(tmp_path: Path, feed: MakeFeed) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key)]
    try:
        subprocess.run([*made, "-out", str(certificate), *subject], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with FakeServer(context) as server:
        one = feed(CALM, [server.ws_url], sslopt={"ca_certs": str(certificate)})
        peer = server.connection()
        peer.send(book(1, 90.0) | {"pad": "x" * 200_000})  # many TLS records
        for number in range(2, 2002):
            peer.send(book(number, 90.0 + number / 100))
            if number % 100 == 0:
                peer.raw(b"p", WSMsgType.PING)
        eventually(lambda: len(one.prices()) == 2001)
        eventually(lambda: peer.pongs)
        untrusting = feed(CALM, [server.ws_url])
        eventually(lambda: untrusting.counters.get("refused"))
