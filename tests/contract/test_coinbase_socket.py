"""The feed's thread on a source that is subscribed to by a message, and whose heartbeat is life without a price."""

import json
import struct
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from fake_server import Connection, FakeServer, eventually
from patience import patience

from mmactors.feeds.coinbase import COINBASE
from mmactors.feeds.connection import FeedMessage, FeedSocket, FeedTiming
from mmactors.messages import FeedConnected, FeedLived, FeedWentStale, SpotTicked
from mmactors.units import Nanos

ASSETS = {"BTC-USD": "BTC"}
WANTED = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["ticker", "matches", "heartbeat"]}
AT = "2023-11-14T22:13:20.000001Z"
BEAT = {"type": "heartbeat", "last_trade_id": 1, "product_id": "BTC-USD", "sequence": 1, "time": AT}
REFUSAL = {"type": "error", "message": "Failed to subscribe", "reason": "BTC-USD is delisted"}


def now() -> Nanos:
    return Nanos(time.monotonic_ns() + 1_700_000_000_000_000_000)


def ticker(sequence: int, price: float = 100.0) -> dict[str, Any]:
    frame = {"type": "ticker", "sequence": sequence, "product_id": "BTC-USD", "price": str(price), "time": AT}
    return frame | {"best_bid": str(price), "best_ask": str(price), "trade_id": sequence}


class Feed:
    def __init__(self, url: str, timing: FeedTiming) -> None:
        self.heard: list[FeedMessage] = []
        self.socket = FeedSocket(
            COINBASE,
            urls=[url],
            assets=ASSETS,
            deliver=self.heard.append,
            now=now,
            random=Random(1),
            timing=timing,
        )
        self.socket.start()

    def of(self, kind: type) -> list[Any]:
        return [message for message in list(self.heard) if isinstance(message, kind)]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def feed(server: FakeServer, request: pytest.FixtureRequest) -> Iterator[Feed]:
    one = Feed(server.ws_url, getattr(request, "param", FeedTiming(stale_after=30, silence=60, connect=1)))
    yield one
    one.socket.stop()
    assert not one.socket.alive


def together(server: FakeServer, peer: Connection, frames: list[dict[str, Any]]) -> None:
    """Send frames in one piece, so that they are read at once."""
    texts = [json.dumps(frame).encode() for frame in frames]
    wire = b"".join(struct.pack("!BBH", 0x81, 126, len(text)) + text for text in texts)
    server.loop.call_soon_threadsafe(peer.ws._req.transport.write, wire)  # type: ignore[union-attr]


def test_it_subscribes_at_once_and_is_connected_when_the_exchange_answers(server: FakeServer, feed: Feed) -> None:
    peer = server.connection()
    assert peer.next() == WANTED
    assert feed.heard == [], "a socket alone is no subscription"
    peer.send({"type": "subscriptions", "channels": []})
    eventually(lambda: len(feed.of(FeedConnected)) == 1)
    peer.send(ticker(1, 101.0))
    eventually(lambda: [tick.price for tick in feed.of(SpotTicked)] == [101.0])
    assert len(feed.of(FeedConnected)) == 1


@pytest.mark.parametrize("feed", [FeedTiming(stale_after=0.3, silence=1.0)], indirect=True)
def test_heartbeats_alone_keep_it_alive_and_their_end_is_stale(server: FakeServer, feed: Feed) -> None:
    peer = server.connection()
    began = time.monotonic()

    def long_enough() -> bool:
        peer.send(BEAT)
        return time.monotonic() - began > 0.8

    eventually(long_enough)
    assert feed.of(FeedWentStale) == []
    assert len(feed.of(FeedLived)) > 2
    assert feed.of(SpotTicked) == []
    eventually(lambda: len(feed.of(FeedWentStale)) == 1)
    before = len(feed.of(FeedLived))
    server.connection(1).send(BEAT)
    eventually(lambda: len(feed.of(FeedLived)) == before + 1)
    assert feed.socket.counters["silences"] == 1


@pytest.mark.parametrize("feed", [FeedTiming(stale_after=0.3, silence=1.0)], indirect=True)
def test_heartbeats_among_rubbish_do_not_keep_it_alive(server: FakeServer, feed: Feed) -> None:
    peer = server.connection()
    peer.send(ticker(1))
    eventually(lambda: len(feed.of(SpotTicked)) == 1)

    def rubbish() -> bool:
        peer.send({**ticker(2), "best_bid": "NaN"})
        peer.send(BEAT | {"last_trade_id": 2})
        return bool(feed.of(FeedWentStale))

    eventually(rubbish)
    assert feed.of(FeedLived) == []
    assert feed.socket.counters["dropped_not_finite"] > 1
    server.connection(1).send(ticker(1, 99.0))  # nothing of use for long enough is worth a new connection
    eventually(lambda: len(feed.of(SpotTicked)) == 2)


def test_a_refused_subscription_is_told_once_in_the_exchange_s_words_and_tried_again(
    server: FakeServer, feed: Feed
) -> None:
    for number in range(2):
        peer = server.connection(number)
        together(server, peer, [REFUSAL, REFUSAL, ticker(7)])
    third = server.connection(2)
    assert third.next() == WANTED
    third.send(ticker(1, 99.0))
    eventually(lambda: 99.0 in [tick.price for tick in feed.of(SpotTicked)])
    (stale,) = feed.of(FeedWentStale)
    assert stale.reason == "the exchange refuses: Failed to subscribe: BTC-USD is delisted"
    assert feed.socket.counters["refused_subscriptions"] == 2
    assert feed.socket.counters["ticks"] == 1, "what came after a refusal is of no connection of ours"


@pytest.mark.parametrize("feed", [FeedTiming(stale_after=30, silence=60, lifetime=0.3)], indirect=True)
def test_a_replacement_subscribes_too_and_a_heartbeat_makes_it_take_over(server: FakeServer, feed: Feed) -> None:
    old = server.connection()
    old.send(ticker(1))
    fresh = server.connection(1)
    assert fresh.next() == WANTED
    fresh.send(BEAT)
    assert old.closed.wait(patience(5))
    assert feed.of(FeedWentStale) == []
    assert len(feed.of(FeedConnected)) == 1


def test_missed_trades_are_among_the_counters(server: FakeServer, feed: Feed) -> None:
    peer = server.connection()
    for trade in (5, 8):
        peer.send({**ticker(trade), "type": "match", "trade_id": trade})
    eventually(lambda: feed.socket.counters.get("trades_missed") == 2)


def test_bad_frames_are_counted_and_the_feed_lives(server: FakeServer, feed: Feed) -> None:
    peer = server.connection()
    for raw in (b"\xff\xfe", b"<html>", b'{"type":"ticker"}', b"x" * 10_000_000):
        peer.raw(raw)
    peer.send({**ticker(1), "best_bid": "NaN"})
    peer.send({**ticker(1), "time": "2099-01-01T00:00:00Z"})
    peer.send(ticker(5))
    peer.send(ticker(4))
    peer.send(ticker(5))
    peer.send(ticker(6, 103.0))
    eventually(lambda: 103.0 in [tick.price for tick in feed.of(SpotTicked)])
    assert {name: count for name, count in feed.socket.counters.items() if name.startswith("dropped_")} == {
        "dropped_bad_utf8": 1,
        "dropped_malformed": 1,
        "dropped_missing_field": 1,
        "dropped_oversized": 1,
        "dropped_not_finite": 1,
        "dropped_bad_time": 1,
        "dropped_out_of_order": 1,
        "dropped_duplicate": 1,
    }
    assert len(server.connections) == 1
