"""The simulator's WebSocket against the wire contract, section 3, over a real socket."""

import asyncio
import time
from typing import Any

import pytest
from patience import patience
from simulator_client import Frame, Peer, Scene, running, token

from mmactors.config.simulator_sections import SessionsConfig, TakersConfig
from mmactors.simulator.server.venue_socket import ABUSE_AFTER

ORDER_FIELDS = {
    *("id", "client_order_id", "market", "side", "outcome", "price", "size", "filled", "remaining", "avg_price"),
    *("status", "post_only", "tif", "ttl_ms", "created_at", "updated_at", "version"),
}


def test_auth_ack_tells_account_session_capabilities_and_limits() -> None:
    async def scene() -> None:
        async with running(orders_per_s=50.0, burst=100.0) as s:
            peer = await s.peer()
            ack = await peer.call(1, "auth", token=token(), session="mm1-7", cancel_on_disconnect=True)
            result = ack["result"]
            assert (ack["type"], ack["op"], result["account"], result["session"]) == ("ack", "auth", "a-1", "mm1-7")
            assert set(result["capabilities"]) == {
                *("ws_orders", "batch", "replace", "post_only", "mass_cancel", "cancel_on_disconnect"),
                *("client_order_id", "fills_since", "merge"),
            }
            assert result["limits"] == {"orders_per_s": 50.0, "burst": 100.0}
            assert abs(result["server_time"] - time.time() * 1000) < 5000
            assert result["expires_at"] > result["server_time"]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("given", "code", "close"),
    [
        (token(secret="another secret of at least 32 bytes!"), "UNAUTHORIZED", 4001),
        ("garbage", "UNAUTHORIZED", 4001),
        (None, "UNAUTHORIZED", 4001),
        (token(seconds=-5), "TOKEN_EXPIRED", 4401),
        (token(""), "UNAUTHORIZED", 4001),
        (token("house-noise"), "UNAUTHORIZED", 4001),
    ],
    ids=["wrong secret", "garbage", "none", "expired", "no account", "a house account"],
)
def test_a_bad_token_is_refused_and_the_socket_closed(given: Any, code: str, close: int) -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer()
            answer = await peer.call(1, "auth", token=given)
            assert answer["error"]["code"] == code
            assert await peer.closed() == close
            if given:
                header = await s.peer(headers={"Authorization": f"Bearer {given}"})
                assert await header.closed() == close

    asyncio.run(scene())


def test_a_token_in_the_handshake_is_as_good() -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer(headers={"Authorization": f"Bearer {token()}"})
            assert (await peer.until(lambda f: f["op"] == "auth"))["result"]["account"] == "a-1"
            assert (await peer.call(2, "place", order=s.order()))["type"] == "ack"

    asyncio.run(scene())


def test_without_a_token_there_is_market_data_only() -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer()
            for op, frame in (("place", {"order": s.order()}), ("subscribe", {"channel": "orders"})):
                assert (await peer.call(1, op, **frame))["error"]["code"] == "UNAUTHORIZED"
            assert (await peer.call(2, "subscribe", channel="orderbook", market=s.market))["type"] == "ack"

    asyncio.run(scene())


def test_an_unknown_account_is_opened_and_funded() -> None:
    async def scene() -> None:
        async with running(start_cash=1234.5) as s:
            peer = await s.peer()
            await peer.log_in("somebody-new")
            snapshot = peer.frames[-1]
            assert snapshot["balance"] == {"cash": 1234.5, "reserved": 0.0, "currency": "USD"}
            assert (snapshot["orders"], snapshot["positions"]) == ([], [])

    asyncio.run(scene())


def test_a_batch_is_one_frame_and_one_ack_with_a_result_per_item() -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer()
            await peer.log_in()
            first = await peer.call(
                10, "batch", place=[s.order(0.40, client_order_id="a"), s.order(0.45, 10, "NO", client_order_id="b")]
            )
            assert [item["ok"] for item in first["results"]["place"]] == [True, True]
            assert set(first["results"]["place"][0]["order"]) == ORDER_FIELDS
            second = await peer.call(
                11,
                "batch",
                cancel=[{"client_order_id": "a"}, {"order_id": "none"}],
                replace=[{"client_order_id": "b", "price": 0.46, "size": 20}],
                place=[s.order(0.60, post_only=True)],
            )
            assert [item["ok"] for item in second["results"]["cancel"]] == [True, False]
            assert second["results"]["replace"][0]["order"]["version"] == 2
            assert second["results"]["place"][0]["error"]["code"] == "POST_ONLY_WOULD_CROSS"
            await peer.until(lambda f: f.get("reason") == "replace")
            seqs = [f["seq"] for f in peer.frames if f.get("channel") == "orders" and "seq" in f]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
            assert [f["reason"] for f in peer.frames if f["type"] == "order"] == ["new", "new", "cancel", "replace"]

    asyncio.run(scene())


def test_a_fill_reaches_both_sides_in_their_own_terms() -> None:
    async def scene() -> None:
        async with running() as s:
            maker, taker, watcher = await s.peer(), await s.peer(), await s.peer()
            await maker.log_in("maker")
            await taker.log_in("taker")
            await watcher.call(1, "subscribe", channel="trades", market=s.market)
            await maker.call(10, "place", order=s.order(0.48, 30, "NO", client_order_id="m1"))
            answer = await taker.call(10, "place", order=s.order(0.60, 10, "yes"))
            assert (answer["order"]["status"], answer["order"]["avg_price"]) == ("FILLED", 0.52)
            made = (await maker.until(lambda f: f.get("reason") == "fill"))["fill"]
            taken = (await taker.until(lambda f: f.get("reason") == "fill"))["fill"]
            assert (made["outcome"], made["price"], made["size"], made["liquidity"]) == ("NO", 0.48, 10, "maker")
            assert (taken["outcome"], taken["price"], taken["liquidity"]) == ("YES", 0.52, "taker")
            assert (made["client_order_id"], made["filled_total"], made["fee"]) == ("m1", 10, 0.0)
            trade = await watcher.until(lambda f: f["type"] == "trade")
            assert (trade["price"], trade["size"], trade["taker_side"], trade["seq"]) == (0.52, 10, "buy", 1)

    asyncio.run(scene())


def test_a_book_is_a_snapshot_and_then_deltas_without_a_gap() -> None:
    async def scene() -> None:
        takers = TakersConfig(noise_per_s=5.0)
        series = SessionsConfig(duration="5M", strike_offset_share=0.0)
        async with running(takers=takers, sessions=(series,)) as s:
            peer = await s.peer()
            assert (await peer.call(1, "subscribe", channel="orderbook", market=s.market))["type"] == "ack"
            first = await peer.until(lambda f: f["type"] == "snapshot")
            assert [f["type"] for f in peer.frames] == ["ack", "snapshot"]
            book = {("bid", price): size for price, size in first["bids"]}
            book |= {("ask", price): size for price, size in first["asks"]}
            seq = first["seq"]
            for _ in range(20):
                delta = await peer.until(lambda f: f["type"] == "delta")
                seq += 1
                assert delta["seq"] == seq
                book |= {(side, price): size for side, price, size in delta["changes"]}
            again = await s.peer()
            await again.call(1, "subscribe", channel="orderbook", market=s.market)
            fresh = await again.until(lambda f: f["type"] == "snapshot")
            while seq < fresh["seq"]:
                delta = await peer.until(lambda f: f["type"] == "delta")
                seq = delta["seq"]
                book |= {(side, price): size for side, price, size in delta["changes"]}
            shown = {("bid", price): size for price, size in fresh["bids"]}
            shown |= {("ask", price): size for price, size in fresh["asks"]}
            assert seq == fresh["seq"]
            assert {level: size for level, size in book.items() if size} == shown

    asyncio.run(scene())


def test_the_markets_channel_tells_a_sessions_life_and_the_account_its_payout() -> None:
    async def scene() -> None:
        series = SessionsConfig(duration="1M", elapsed_s=59.0, strike_offset_share=0.0)
        async with running(sessions=(series,)) as s:
            peer, other = await s.peer(), await s.peer()
            await peer.log_in()
            await other.log_in("b-2", "s-2")
            await peer.call(3, "subscribe", channel="markets")
            snapshot = await peer.until(lambda f: f.get("channel") == "markets" and f["type"] == "snapshot")
            assert {m["status"] for m in snapshot["markets"]} == {"OPEN", "PENDING"}
            pending = next(m for m in snapshot["markets"] if m["status"] == "PENDING")
            assert pending["strike"] is None
            await peer.call(4, "place", order=s.order(0.5, 10))
            await other.call(4, "place", order=s.order(0.5, 10, "NO"))
            await peer.call(5, "place", order=s.order(0.3, 10))
            closed = await peer.until(lambda f: f.get("reason") == "market_closed")
            assert closed["order"]["status"] == "CANCELLED"
            settled = await peer.until(lambda f: f["type"] == "account")
            assert (settled["reason"], settled["market"]) == ("settle", s.market)
            resolved = next(f for f in peer.frames if f.get("event") == "resolved")
            assert resolved["market"]["outcome"] in ("YES", "NO")
            won = resolved["market"]["outcome"] == "YES"
            assert settled["balance"]["cash"] == 100_000.0 + (5.0 if won else -5.0)
            events = [f["event"] for f in peer.frames if f["type"] == "market"]
            assert sorted(events) == ["closed", "opened", "resolved"]
            refused = await peer.call(6, "place", order=s.order())
            assert refused["error"]["code"] == "MARKET_CLOSED"

    asyncio.run(scene())


class TestCancelOnDisconnect:
    """The session's orders die with it, unless it comes back in time."""

    async def quoting(self, s: Scene, **auth: Any) -> Peer:
        peer = await s.peer()
        await peer.log_in(cancel_on_disconnect=True, **auth)
        await peer.call(3, "place", order=s.order(0.4, client_order_id="x"))
        return peer

    def test_a_closed_socket(self) -> None:
        async def scene() -> None:
            async with running() as s:
                peer = await self.quoting(s, cod_timeout_ms=150)
                watcher = await s.peer()
                await watcher.log_in(session="other")
                await peer.socket.close()
                event = await watcher.until(lambda f: f["type"] == "order")
                assert (event["reason"], event["order"]["status"]) == ("cod", "CANCELLED")
                back = await s.peer()
                await back.send(id=1, op="auth", token=token(), session="s-1")
                notice = await back.until(lambda f: f["type"] == "notice")
                assert (notice["code"], notice["cancelled"]) == ("COD_TRIGGERED", [event["order"]["id"]])
                assert back.frames[0]["type"] == "ack"

        asyncio.run(scene())

    def test_silence_on_an_open_socket_which_is_then_closed(self) -> None:
        async def scene() -> None:
            async with running() as s:
                peer = await self.quoting(s, cod_timeout_ms=150, heartbeat_ms=50)
                assert await peer.closed() == 1000
                assert s.server.simulation.account("a-1").live == {}

        asyncio.run(scene())

    def test_heartbeats_keep_it_alive(self) -> None:
        async def scene() -> None:
            async with running() as s:
                peer = await self.quoting(s, cod_timeout_ms=200, heartbeat_ms=50)
                for _ in range(10):
                    answer_due = asyncio.create_task(peer.until(lambda f: f.get("echo") == 42))
                    await peer.send(op="hb", ts=42)
                    hb = await answer_due
                    assert hb["seq"] == {"orders": s.server.simulation.account("a-1").seq}
                    await peer.until(lambda f: f["type"] == "hb" and "echo" not in f)
                assert len(s.server.simulation.account("a-1").live) == 1

        asyncio.run(scene())

    def test_the_same_session_back_in_time_keeps_its_orders(self) -> None:
        async def scene() -> None:
            async with running() as s:
                peer = await self.quoting(s, cod_timeout_ms=400)
                await peer.socket.close()
                back = await s.peer()
                await back.log_in(cancel_on_disconnect=True, cod_timeout_ms=60_000)
                assert [order["client_order_id"] for order in back.frames[-1]["orders"]] == ["x"]
                passed = s.server.hub.clock.now_ms() + 500
                await s.eventually(lambda: s.server.simulation.now_ms > passed)
                assert len(s.server.simulation.account("a-1").live) == 1

        asyncio.run(scene())

    def test_logout_is_at_once(self) -> None:
        async def scene() -> None:
            async with running() as s:
                peer = await self.quoting(s, cod_timeout_ms=60_000)
                await peer.send(id=9, op="logout")
                assert await peer.closed() == 1000
                assert [f["reason"] for f in peer.frames if f["type"] == "order"] == ["new", "cod"]

        asyncio.run(scene())

    def test_an_expired_token_is_at_once_and_is_announced(self) -> None:
        async def scene() -> None:
            async with running() as s:
                peer = await s.peer()
                await peer.call(1, "auth", token=token(seconds=2.0), session="s-1", cancel_on_disconnect=True)
                await peer.call(3, "place", order=s.order(0.4))
                assert await peer.closed() == 4401
                assert "AUTH_EXPIRING" in [f.get("code") for f in peer.frames]
                assert s.server.simulation.account("a-1").live == {}

        asyncio.run(scene())

    def test_a_newer_token_extends_a_live_socket(self) -> None:
        async def scene() -> None:
            async with running() as s:
                peer = await s.peer()
                await peer.call(1, "auth", token=token(seconds=2.0), session="s-1", cancel_on_disconnect=True)
                await peer.call(3, "place", order=s.order(0.4))
                await peer.call(4, "auth", token=token(), session="s-1", cancel_on_disconnect=True)
                passed = s.server.hub.clock.now_ms() + 2500
                await s.eventually(lambda: s.server.simulation.now_ms > passed)
                assert len(s.server.simulation.account("a-1").live) == 1
                assert (await peer.call(5, "cancel_all"))["result"]["cancelled"]

        asyncio.run(scene())

    def test_without_asking_orders_stay(self) -> None:
        async def scene() -> None:
            async with running() as s:
                peer = await s.peer()
                await peer.log_in(cod_timeout_ms=50)
                await peer.call(3, "place", order=s.order(0.4))
                await peer.socket.close()
                passed = s.server.hub.clock.now_ms() + 200
                await s.eventually(lambda: s.server.simulation.now_ms > passed)
                assert len(s.server.simulation.account("a-1").live) == 1

        asyncio.run(scene())


def test_a_session_taken_over_closes_its_former_socket() -> None:
    async def scene() -> None:
        async with running() as s:
            first, second = await s.peer(), await s.peer()
            await first.log_in(cancel_on_disconnect=True)
            await first.call(3, "place", order=s.order(0.4))
            await second.log_in(cancel_on_disconnect=True)
            assert await first.closed() == 4009
            assert len(s.server.simulation.account("a-1").live) == 1

    asyncio.run(scene())


@pytest.mark.parametrize(
    "raw", ["", "nonsense", "[1]", "7", '"x"', '{"op":', "\x00", '{"id":1,"op":"fly"}', '{"op":[]}']
)
def test_garbage_is_answered_and_the_socket_lives(raw: str) -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer()
            await peer.socket.send_str(raw)
            answer = await peer.until(lambda f: f["type"] == "error")
            assert answer["error"]["code"] == "INVALID_REQUEST"
            await peer.socket.send_bytes(b"\xff\xfe")
            assert (await peer.until(lambda f: f["type"] == "error"))["error"]["code"] == "INVALID_REQUEST"
            await peer.log_in()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"channel": "orderbook"}, "INVALID_REQUEST"),
        ({"channel": "orderbook", "market": "none"}, "MARKET_NOT_FOUND"),
        ({"channel": "trades", "market": "none"}, "MARKET_NOT_FOUND"),
        ({"channel": "weather"}, "INVALID_REQUEST"),
        ({"channel": ["orders"]}, "INVALID_REQUEST"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(frame: Frame, code: str) -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer()
            assert (await peer.call(1, "subscribe", **frame))["error"]["code"] == code

    asyncio.run(scene())


def test_answers_come_in_the_order_of_the_operations() -> None:
    async def scene() -> None:
        async with running(order_latency_ms=20, latency_jitter_ms=15) as s:
            peer = await s.peer()
            await peer.log_in()
            for number in range(10, 40):
                await peer.send(id=number, op="place", order=s.order(0.01, 1))
            await peer.until(lambda f: f.get("id") == 39)
            acks = [f["id"] for f in peer.frames if f.get("op") == "place"]
            assert acks == list(range(10, 40))

    asyncio.run(scene())


def test_orders_take_the_latency_both_ways() -> None:
    async def scene() -> None:
        async with running(order_latency_ms=60) as s:
            peer = await s.peer()
            await peer.log_in()
            began = time.monotonic()
            await peer.call(10, "place", order=s.order())
            assert 0.119 < time.monotonic() - began < patience(1.0)

    asyncio.run(scene())


def test_the_rate_limit_says_when_to_come_back_but_not_to_cancel_all() -> None:
    async def scene() -> None:
        async with running(orders_per_s=0.5, burst=2.0) as s:
            peer = await s.peer()
            await peer.log_in()
            answers = [await peer.call(n, "place", order=s.order(0.4)) for n in (10, 11, 12)]
            assert [a["type"] for a in answers] == ["ack", "ack", "error"]
            assert answers[2]["error"]["code"] == "RATE_LIMITED"
            assert answers[2]["error"]["retry_after_ms"] > 100
            assert len((await peer.call(13, "cancel_all"))["result"]["cancelled"]) == 2

    asyncio.run(scene())


def test_hammering_against_the_rate_limit_ends_the_socket() -> None:
    async def scene() -> None:
        async with running(orders_per_s=0.01, burst=1.0) as s:
            peer = await s.peer()
            await peer.log_in()
            for number in range(ABUSE_AFTER + 10):
                await peer.send(id=number, op="place", order=s.order())
            assert await peer.closed() == 4029

    asyncio.run(scene())


def test_stopping_tells_everyone_and_closes_with_restart() -> None:
    async def scene() -> None:
        async with running() as s:
            peer, feed = await s.peer(), await s.peer("/stream?streams=btcusdt@bookTicker")
            await peer.log_in()
            stopping = asyncio.create_task(s.server.stop())
            assert await peer.closed() == 1012
            assert peer.frames[-1]["code"] == "SHUTDOWN"
            assert await feed.closed() == 1001
            assert feed.frames[-1]["e"] == "serverShutdown"
            await stopping

    asyncio.run(scene())
