"""The simulator's price feed against Binance's protocol, over a real socket."""

import asyncio
import json
import time
from pathlib import Path

import aiohttp
from patience import patience
from simulator_client import Peer, running

from mmactors.simulator.server.feed_socket import FeedLimits

BOOK, TRADE = "btcusdt@bookTicker", "btcusdt@aggTrade"


async def ticks(peer: Peer, count: int) -> list[dict[str, str]]:
    return [(await peer.until(lambda f: f.get("stream") == BOOK))["data"] for _ in range(count)]


def test_combined_streams_are_wrapped_and_prices_are_strings() -> None:
    async def scene() -> None:
        async with running(feed_ticks_per_s=100.0) as s:
            peer = await s.peer(f"/stream?streams={BOOK}/{TRADE}")
            for tick in await ticks(peer, 5):
                assert set(tick) == {"u", "s", "b", "B", "a", "A"}
                assert tick["s"] == "BTCUSDT"
                assert len(tick["b"].split(".")[1]) == 8
                assert 0 < float(tick["a"]) - float(tick["b"]) < 0.02
                assert abs(float(tick["b"]) - s.server.simulation.world.price("BTC")) < 200
            trade = (await peer.until(lambda f: f["stream"] == TRADE))["data"]
            assert set(trade) == {"e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M"}
            assert (trade["e"], trade["s"]) == ("aggTrade", "BTCUSDT")
            assert abs(trade["T"] - time.time() * 1000) < 5000

    asyncio.run(scene())


def test_update_ids_rise_and_quantities_change_even_when_the_price_does_not() -> None:
    async def scene() -> None:
        async with running(feed_ticks_per_s=200.0, step_ms=1000) as s:
            peer = await s.peer(f"/stream?streams={BOOK}")
            found = await ticks(peer, 20)
            assert [t["u"] for t in found] == sorted({t["u"] for t in found})
            assert len({(t["b"], t["B"], t["A"]) for t in found}) == 20

    asyncio.run(scene())


def test_the_raw_form_is_not_wrapped() -> None:
    async def scene() -> None:
        async with running(feed_ticks_per_s=100.0) as s:
            peer = await s.peer(f"/ws/{BOOK}")
            assert "u" in await peer.until(lambda f: True)

    asyncio.run(scene())


def test_subscribing_listing_and_unsubscribing() -> None:
    async def scene() -> None:
        async with running(feed_ticks_per_s=100.0) as s:
            peer = await s.peer("/stream")
            await peer.send(method="SUBSCRIBE", params=[BOOK], id=1)
            assert await peer.until(lambda f: f.get("id") == 1) == {"result": None, "id": 1}
            await ticks(peer, 2)
            await peer.send(method="LIST_SUBSCRIPTIONS", id=2)
            assert (await peer.until(lambda f: f.get("id") == 2))["result"] == [BOOK]
            await peer.send(method="UNSUBSCRIBE", params=[BOOK], id=3)
            await peer.until(lambda f: f.get("id") == 3)
            await peer.send(method="DANCE", id=4)
            assert "error" in await peer.until(lambda f: True)

    asyncio.run(scene())


def test_garbage_is_answered_with_an_error() -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer("/stream")
            for raw in ("nonsense", "[]", '{"method":"SUBSCRIBE","params":"x"}'):
                await peer.socket.send_str(raw)
                assert "error" in await peer.until(lambda f: "stream" not in f)

    asyncio.run(scene())


def test_more_than_five_messages_a_second_are_too_many() -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer("/stream")
            for number in range(6):
                await peer.send(method="LIST_SUBSCRIPTIONS", id=number)
            assert await peer.closed() == 1008

    asyncio.run(scene())


def test_frames_are_late_by_the_latency_and_in_order() -> None:
    async def scene() -> None:
        async with running(feed_ticks_per_s=50.0, feed_latency_ms=150, latency_jitter_ms=100) as s:
            peer = await s.peer(f"/stream?streams={BOOK}/{TRADE}")
            trade = (await peer.until(lambda f: f["stream"] == TRADE))["data"]
            assert s.server.hub.clock.now_ms() - trade["T"] >= 49
            found = await ticks(peer, 20)
            assert [t["u"] for t in found] == sorted(t["u"] for t in found)

    asyncio.run(scene())


def test_pings_are_sent_and_a_client_that_never_answers_is_cut() -> None:
    async def scene() -> None:
        async with running(
            server={"feed_limits": FeedLimits(ping_every=250, pong_within=700)}, feed_ticks_per_s=50.0
        ) as s:
            mute = await s.http.ws_connect(s.url + f"/stream?streams={BOOK}", autoping=False)
            polite = await s.peer(f"/stream?streams={BOOK}")
            reading = asyncio.create_task(ticks(polite, 75))  # pongs are sent by reading
            pings = 0
            async with asyncio.timeout(patience(5.0)):
                while (message := await mute.receive()).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING):
                    if message.type is aiohttp.WSMsgType.PING:
                        pings += 1
                        await mute.pong(b"")  # unsolicited: does not count
            assert pings >= 2
            assert mute.close_code == 1008
            assert len(await reading) == 75
            assert not polite.socket.closed


def test_the_log_says_when_the_last_price_went_to_anybody_and_who_is_connected(tmp_path: Path) -> None:
    log = tmp_path / "venue.jsonl"

    def lines(kind: str) -> list[dict[str, object]]:
        return [line for line in map(json.loads, log.read_text().splitlines()) if line["type"] == kind]

    async def scene() -> None:
        async with running(feed_ticks_per_s=100.0, log=log) as s:
            venue, peer = await s.peer(), await s.peer(f"/stream?streams={BOOK}")
            await venue.log_in()
            await ticks(peer, 3)
            await venue.call(5, "place", order=s.order(0.3))
            await peer.socket.close()
            clock, left_ms = s.server.hub.clock, s.server.hub.clock.now_ms()
            await s.eventually(lambda: clock.now_ms() > left_ms + 300, "a while in which nobody hears a price")
            await venue.call(6, "place", order=s.order(0.31))
            await venue.call(7, "logout")
            await venue.closed()
            await s.eventually(lambda: not s.server.hub.connected)

    asyncio.run(scene())
    heard, unheard = lines("order")[:2]
    assert heard["t"] - heard["tick"] < 200
    assert unheard["t"] - unheard["tick"] >= 250
    assert [(line["event"], line["account"]) for line in lines("session")] == [("up", "a-1"), ("down", "a-1")]
