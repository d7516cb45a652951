"""The simulator's REST interface against the wire contract, section 2, over a real socket."""

import asyncio
import sys
import time
from typing import Any

import pytest
from simulator_client import SECRET, Scene, running, token

from mmactors.config.simulator_sections import SessionsConfig

MARKET_FIELDS = {
    *("id", "asset", "strike", "status", "opens_at", "expires_at", "duration_s", "seconds_to_expiry", "server_time"),
    *(
        "yes_price",
        "no_price",
        "tick_size",
        "min_size",
        "max_size",
        "settlement",
        "outcome",
        "settlement_price",
        "fees",
    ),
}


def test_time_and_markets_need_no_token() -> None:
    async def scene() -> None:
        async with running() as s:
            status, body = await s.rest("GET", "/time", account=None)
            assert (status, set(body)) == (200, {"server_time"})
            assert abs(body["server_time"] - time.time() * 1000) < 5000
            status, body = await s.rest("GET", "/markets?status=OPEN", account=None)
            (market,) = body["markets"]
            assert set(market) == MARKET_FIELDS
            assert (market["yes_price"], market["no_price"], market["strike"]) == (None, None, 97_000.0)
            left = (market["expires_at"] - market["server_time"]) / 1000
            assert market["seconds_to_expiry"] == pytest.approx(left)
            assert await s.rest("GET", "/markets?status=RESOLVED", account=None) == (200, {"markets": []})
            status, one = await s.rest("GET", f"/markets/{s.market}", account=None)
            assert one["id"] == s.market
            status, error = await s.rest("GET", "/markets/none", account=None)
            assert (status, error["error"]["code"]) == (404, "MARKET_NOT_FOUND")

    asyncio.run(scene())


def test_yes_and_no_price_are_the_best_asks_of_each() -> None:
    async def scene() -> None:
        async with running() as s:
            await s.rest("POST", "/orders", s.order(0.48, 10, "YES"))
            await s.rest("POST", "/orders", s.order(0.49, 10, "NO"))
            _, market = await s.rest("GET", f"/markets/{s.market}")
            assert (market["yes_price"], market["no_price"]) == (0.51, 0.52)
            _, book = await s.rest("GET", f"/markets/{s.market}/orderbook?depth=5")
            assert (book["bids"], book["asks"]) == ([[0.48, 10]], [[0.51, 10]])

    asyncio.run(scene())


async def raw(s: Scene, authorization: str | None) -> tuple[int, str]:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with s.http.get(s.url + "/balance", headers=headers) as response:
        return response.status, (await response.json())["error"]["code"]


def test_accounts_need_a_good_token() -> None:
    async def scene() -> None:
        async with running() as s:
            assert await raw(s, None) == (401, "UNAUTHORIZED")
            assert await raw(s, "Basic abc") == (401, "UNAUTHORIZED")
            assert await raw(s, "Bearer abc") == (401, "UNAUTHORIZED")
            assert await raw(s, "Bearer " + token(seconds=-1)) == (401, "TOKEN_EXPIRED")
            assert await raw(s, "Bearer " + token(secret=SECRET[::-1])) == (401, "UNAUTHORIZED")

    asyncio.run(scene())


def test_an_orders_life_over_rest() -> None:
    async def scene() -> None:
        async with running() as s:
            body = s.order(0.40, 10, client_order_id="x:1")
            status, order = await s.rest("POST", "/orders", body)
            assert (status, order["status"], order["client_order_id"]) == (201, "OPEN", "x:1")
            status, again = await s.rest("POST", "/orders", body)
            assert (status, again["duplicate"], again["id"]) == (200, True, order["id"])
            status, error = await s.rest("POST", "/orders", {**body, "size": 11})
            assert (status, error["error"]["code"]) == (409, "DUPLICATE_CLIENT_ORDER_ID")
            status, moved = await s.rest("PATCH", f"/orders/{order['id']}", {"price": 0.41, "size": 12})
            assert (status, moved["price"], moved["version"], moved["id"]) == (200, 0.41, 2, order["id"])
            _, listed = await s.rest("GET", f"/orders?status=OPEN&market={s.market}")
            assert [o["id"] for o in listed["orders"]] == [order["id"]]
            _, found = await s.rest("GET", "/orders?client_order_id=x:1")
            assert found["orders"][0]["size"] == 12
            _, balance = await s.rest("GET", "/balance")
            assert balance == {"cash": 100_000.0, "reserved": 4.92, "currency": "USD"}
            status, gone = await s.rest("DELETE", "/orders/c:x:1")
            assert (status, gone["status"]) == (200, "CANCELLED")
            status, error = await s.rest("DELETE", f"/orders/{order['id']}")
            assert (status, error["error"]["code"]) == (409, "ORDER_NOT_OPEN")
            assert error["error"]["data"]["order"]["status"] == "CANCELLED"
            assert (await s.rest("GET", "/orders?status=OPEN"))[1] == {"orders": []}
            _, everything = await s.rest("GET", "/orders")
            assert [o["status"] for o in everything["orders"]] == ["CANCELLED"]

    asyncio.run(scene())


def test_many_at_once() -> None:
    async def scene() -> None:
        async with running() as s:
            orders = [s.order(0.40, outcome=o, client_order_id=o) for o in ("YES", "NO")]
            status, body = await s.rest("POST", "/orders", {"orders": [*orders, s.order(0.0)]})
            assert status == 200
            assert [item["ok"] for item in body["results"]] == [True, True, False]
            ids = [item["order"]["id"] for item in body["results"][:2]]
            _, body = await s.rest("DELETE", "/orders", {"ids": [ids[0], "none"]})
            assert [item["ok"] for item in body["results"]] == [True, False]
            assert (await s.rest("DELETE", f"/orders?market={s.market}&outcome=YES"))[1] == {"cancelled": []}
            assert (await s.rest("DELETE", "/orders"))[1] == {"cancelled": [ids[1]]}

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"price": 0.405}, 400, "INVALID_TICK"),
        ({"price": 1.0}, 400, "INVALID_PRICE"),
        ({"size": 0}, 400, "INVALID_SIZE"),
        ({"side": None}, 400, "INVALID_REQUEST"),
        ({"market": "none"}, 404, "MARKET_NOT_FOUND"),
        ({"price": 0.99, "size": 10_000, "market": None}, 400, "INVALID_REQUEST"),
    ],
)
def test_refusals_have_their_status(change: dict[str, Any], status: int, code: str) -> None:
    async def scene() -> None:
        async with running() as s:
            got, body = await s.rest("POST", "/orders", {**s.order(), **change})
            assert (got, body["error"]["code"]) == (status, code)

    asyncio.run(scene())


def test_ioc_is_created_even_when_nothing_of_it_trades() -> None:
    async def scene() -> None:
        async with running() as s:
            status, order = await s.rest("POST", "/orders", s.order(tif="IOC"))
            assert (status, order["status"]) == (201, "CANCELLED")

    asyncio.run(scene())


def test_unreadable_bodies_paths_and_parameters_are_refused_as_json() -> None:
    async def scene() -> None:
        async with running() as s:
            headers = {"Authorization": f"Bearer {token()}"}
            for body in (b"{", b"\xff", b"[]", b'"x"', b""):
                async with s.http.post(s.url + "/orders", data=body, headers=headers) as response:
                    assert (response.status, (await response.json())["error"]["code"]) == (400, "INVALID_REQUEST")
            assert (await s.rest("GET", "/fills?since=x"))[0] == 400
            assert (await s.rest("GET", "/nowhere"))[0] == 404
            assert (await s.rest("PUT", "/orders"))[0] == 405

    asyncio.run(scene())


def test_the_rate_limit_is_shared_with_the_socket_and_says_when() -> None:
    async def scene() -> None:
        async with running(orders_per_s=0.5, burst=2.0) as s:
            peer = await s.peer()
            await peer.log_in()
            await peer.call(3, "place", order=s.order())
            assert (await s.rest("POST", "/orders", s.order()))[0] == 201
            headers = {"Authorization": f"Bearer {token()}"}
            async with s.http.post(s.url + "/orders", json=s.order(), headers=headers) as response:
                assert response.status == 429
                assert 1 <= int(response.headers["Retry-After"]) <= 2
            assert (await s.rest("DELETE", "/orders"))[0] == 200

    asyncio.run(scene())


def test_fills_come_in_pages_by_seq() -> None:
    async def scene() -> None:
        async with running() as s:
            await s.rest("POST", "/orders", s.order(0.5, 5, "NO"), account="maker")
            for _ in range(5):
                await s.rest("POST", "/orders", s.order(0.5, 1), account="taker")
            _, first = await s.rest("GET", "/fills?limit=3", account="maker")
            assert [fill["filled_total"] for fill in first["fills"]] == [1, 2, 3]
            assert first["next"] == first["fills"][-1]["seq"]
            _, rest = await s.rest("GET", f"/fills?since={first['next']}&limit=3", account="maker")
            assert ([fill["filled_total"] for fill in rest["fills"]], rest["next"]) == ([4, 5], None)
            assert (await s.rest("GET", "/fills", account="nobody"))[1] == {"fills": [], "next": None}

    asyncio.run(scene())


def test_positions_and_merge() -> None:
    async def scene() -> None:
        async with running() as s:
            for mine, theirs in (("YES", "NO"), ("NO", "YES")):
                await s.rest("POST", "/orders", s.order(0.5, 10, theirs), account="other")
                await s.rest("POST", "/orders", s.order(0.5, 10, mine))
            _, body = await s.rest("GET", "/positions")
            expected = {"market": s.market, "yes": 10, "no": 10, "yes_cost": 5.0, "no_cost": 5.0, "realized": 0.0}
            assert body["positions"] == [expected]
            status, merged = await s.rest("POST", "/positions/merge", {"market": s.market, "size": 10})
            assert (status, merged["balance"]["cash"]) == (200, 100_000.0)
            status, error = await s.rest("POST", "/positions/merge", {"market": s.market, "size": 1})
            assert (status, error["error"]["code"]) == (400, "INVALID_SIZE")

    asyncio.run(scene())


def test_a_market_is_changed_by_hand_and_the_markets_channel_tells() -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer()
            await peer.call(1, "subscribe", channel="markets")
            path = f"/simulator/markets/{s.market}"
            for body, event, status in (
                ({"kind": "halt"}, "halted", "HALTED"),
                ({"kind": "restrike", "strike": 96_500.5}, "halted", "HALTED"),
                ({"kind": "reopen"}, "opened", "OPEN"),
                ({"kind": "extend", "by_s": 60}, "opened", "OPEN"),
                ({"kind": "void"}, "closed", "CLOSED"),
                (None, "resolved", "RESOLVED"),
                ({"kind": "correct", "outcome": "NO"}, "resolved", "RESOLVED"),
            ):
                if body is not None:
                    assert (await s.rest("POST", path, body))[0] == 200
                told = await peer.until(lambda f: f["type"] == "market" and f["market"]["id"] == s.market)
                assert told["event"] == event
                if body is not None and body["kind"] != "void":
                    assert told["market"]["status"] == status
            assert (told["market"]["strike"], told["market"]["outcome"]) == (96_500.5, "NO")
            for wrong in ({"kind": "halt"}, {"kind": "melt"}, {"kind": "correct"}, []):
                assert (await s.rest("POST", path, wrong))[0] == 400
            assert (await s.rest("POST", "/simulator/markets/none", {"kind": "halt"}))[0] == 400

    asyncio.run(scene())


def test_a_missed_rest_heartbeat_cancels_everything_of_the_account() -> None:
    async def scene() -> None:
        async with running() as s:
            peer = await s.peer()
            await peer.log_in()
            await peer.call(3, "place", order=s.order())
            status, _ = await s.rest("POST", "/heartbeat", {"ttl_ms": 150})
            assert status == 200
            event = await peer.until(lambda f: f.get("reason") == "cod")
            assert event["order"]["status"] == "CANCELLED"
            assert (await s.rest("POST", "/heartbeat", {}))[0] == 400

    asyncio.run(scene())


def test_wallet_login_without_anything_to_check_a_signature_with_is_not_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "eth_account", None)

    async def scene() -> None:
        async with running() as s:
            login = {"address": "0x0", "message": "m", "signature": "0x0"}
            for method, path, body in (("GET", "/auth/message", None), ("POST", "/auth", login)):
                status, answer = await s.rest(method, path, body, account=None)
                assert (status, answer["error"]["code"]) == (501, "UNAVAILABLE")

    asyncio.run(scene())


def test_a_pending_market_takes_no_orders() -> None:
    async def scene() -> None:
        async with running(sessions=(SessionsConfig(duration="1M", elapsed_s=55.0),)) as s:
            _, body = await s.rest("GET", "/markets?status=PENDING")
            pending = body["markets"][0]
            assert pending["strike"] is None
            status, error = await s.rest("POST", "/orders", s.order(market=pending["id"]))
            assert (status, error["error"]["code"]) == (423, "MARKET_CLOSED")

    asyncio.run(scene())
