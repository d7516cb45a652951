"""Requests as JSON: what is read, what is refused and with which code; batches; what an order looks like."""

from typing import Any

import pytest
from venue_fixture import CENT, MARKET, T0, Trading

from mmactors.simulator.venue.matching import RefusalError
from mmactors.simulator.venue.operations import OrderOperations
from mmactors.simulator.venue.requests import new_order

GOOD = {"market": MARKET, "side": "bid", "outcome": "NO", "price": 0.48, "size": 100}


@pytest.fixture
def t() -> Trading:
    return Trading()


def ask(t: Trading, op: str, **frame: Any) -> dict[str, Any]:
    return OrderOperations(t.venue).submit(t.ann, {"id": 7, "op": op, **frame}, T0, "s1")


def test_prices_may_be_strings_and_words_any_case() -> None:
    body = new_order({**GOOD, "outcome": "yes", "side": "BID", "price": "0.48"})
    assert (body.outcome, body.side, body.price) == ("YES", "bid", 48 * CENT)


def test_every_cent_is_read_exactly() -> None:
    assert [new_order({**GOOD, "price": cents / 100}).price for cents in range(1, 100)] == [
        cents * CENT for cents in range(1, 100)
    ]


@pytest.mark.parametrize("key", ["market", "side", "outcome", "price", "size"])
def test_a_missing_field_is_an_invalid_request(key: str) -> None:
    with pytest.raises(RefusalError) as raised:
        new_order({k: v for k, v in GOOD.items() if k != key})
    assert raised.value.code == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("price", "abc", "INVALID_PRICE"),
        ("price", float("nan"), "INVALID_PRICE"),
        ("price", 1e999, "INVALID_PRICE"),
        ("price", True, "INVALID_PRICE"),
        ("price", [0.5], "INVALID_PRICE"),
        ("price", 10**400, "INVALID_PRICE"),
        ("price", 0.4800001234, "INVALID_TICK"),
        ("size", 1.5, "INVALID_SIZE"),
        ("size", "10", "INVALID_SIZE"),
        ("size", True, "INVALID_SIZE"),
        ("size", float("inf"), "INVALID_SIZE"),
        ("side", "buy", "INVALID_REQUEST"),
        ("side", [], "INVALID_REQUEST"),
        ("outcome", "MAYBE", "INVALID_REQUEST"),
        ("market", 5, "INVALID_REQUEST"),
        ("client_order_id", "a b", "INVALID_REQUEST"),
        ("client_order_id", "x" * 65, "INVALID_REQUEST"),
        ("tif", "FOK", "INVALID_REQUEST"),
        ("ttl_ms", 0, "INVALID_REQUEST"),
        ("ttl_ms", "5", "INVALID_REQUEST"),
        ("post_only", "yes", "INVALID_REQUEST"),
    ],
)
def test_a_wrong_value_has_its_code(field: str, value: Any, code: str) -> None:
    with pytest.raises(RefusalError) as raised:
        new_order({**GOOD, field: value})
    assert raised.value.code == code


def test_place_is_acknowledged_with_the_order(t: Trading) -> None:
    reply = ask(t, "place", order={**GOOD, "client_order_id": "a", "post_only": True, "ttl_ms": 5000})
    assert (reply["id"], reply["type"], reply["op"]) == (7, "ack", "place")
    assert reply["order"] == {
        **GOOD,
        "id": "o-1",
        "client_order_id": "a",
        "filled": 0,
        "remaining": 100,
        "avg_price": None,
        "status": "OPEN",
        "post_only": True,
        "tif": "GTC",
        "ttl_ms": 5000,
        "created_at": T0,
        "updated_at": T0,
        "version": 1,
    }


def test_a_repetition_says_duplicate(t: Trading) -> None:
    first = ask(t, "place", order={**GOOD, "client_order_id": "a"})
    again = ask(t, "place", order={**GOOD, "client_order_id": "a"})
    assert again["order"] == {**first["order"], "duplicate": True}


def test_an_error_keeps_the_id_and_names_the_operation(t: Trading) -> None:
    reply = ask(t, "cancel", order_id="o-9")
    assert reply == {
        "id": 7,
        "type": "error",
        "op": "cancel",
        "error": {"code": "ORDER_NOT_FOUND", "message": "no order o-9"},
    }


def test_a_failed_replace_says_what_became_of_the_original(t: Trading) -> None:
    ask(t, "place", order={**GOOD, "client_order_id": "a"})
    reply = ask(t, "replace", order_id="o-1", price=0.48, size=9000)
    assert reply["error"]["code"] == "INSUFFICIENT_FUNDS"
    assert reply["error"]["data"]["original_status"] == "CANCELLED"
    assert reply["error"]["data"]["order"]["id"] == "o-1"


class TestBatch:
    """Cancels, then replaces, then places; each item has its own result."""

    def test_order_and_results(self, t: Trading) -> None:
        for name in ("a", "b"):
            ask(t, "place", order={**GOOD, "client_order_id": name})
        reply = ask(
            t,
            "batch",
            place=[{**GOOD, "price": 0.47}, {**GOOD, "price": 2}, "nonsense"],
            replace=[{"order_id": "c:b", "price": 0.46, "size": 50, "client_order_id": "c"}],
            cancel=[{"client_order_id": "a"}, {"order_id": "o-77"}],
        )
        results = reply["results"]
        assert [item["ok"] for item in results["cancel"]] == [True, False]
        assert results["replace"][0]["order"]["client_order_id"] == "c"
        assert [item.get("error", {}).get("code") for item in results["place"]] == [
            None,
            "INVALID_PRICE",
            "INVALID_REQUEST",
        ]
        assert t.asks() == [(53, 100), (54, 50)]

    def test_a_cancel_frees_the_cash_for_a_place_of_the_same_batch(self, t: Trading) -> None:
        ask(t, "place", order={**GOOD, "size": 2000, "client_order_id": "a"})
        reply = ask(t, "batch", cancel=[{"client_order_id": "a"}], place=[{**GOOD, "size": 2000}])
        assert reply["results"]["place"][0]["ok"]

    def test_fifty_items_over_the_three_lists(self, t: Trading) -> None:
        cheap = {**GOOD, "price": 0.01, "size": 1}
        assert len(ask(t, "batch", place=[cheap] * 50)["results"]["place"]) == 50
        refused = ask(t, "batch", place=[cheap] * 50, cancel=[{"order_id": "o-1"}])
        assert refused["error"]["code"] == "INVALID_REQUEST"

    def test_every_item_counts_for_the_rate(self) -> None:
        t = Trading(orders_per_s=10.0, burst=2.0)
        results = ask(t, "batch", place=[GOOD, {**GOOD, "size": 0}, GOOD])["results"]["place"]
        assert [item.get("error", {}).get("code") for item in results] == [None, "INVALID_SIZE", "RATE_LIMITED"]
        assert results[2]["error"]["retry_after_ms"] > 0

    def test_unreadable_items_count_too(self) -> None:
        t = Trading(orders_per_s=10.0, burst=2.0)
        results = ask(t, "batch", place=["x", {}, GOOD])["results"]["place"]
        assert results[2]["error"]["code"] == "RATE_LIMITED"


def test_cancel_all_answers_with_the_ids(t: Trading) -> None:
    ask(t, "place", order=GOOD)
    assert ask(t, "cancel_all", market=MARKET)["result"] == {"cancelled": ["o-1"]}


def test_merge_answers_with_position_and_balance(t: Trading) -> None:
    t.buy(t.bob, "YES", 60, 5)
    t.buy(t.bob, "NO", 30, 5)
    ask(t, "place", order={**GOOD, "price": 0.4, "size": 5})
    ask(t, "place", order={**GOOD, "outcome": "YES", "price": 0.7, "size": 5})
    result = ask(t, "merge", market=MARKET, size=5)["result"]
    assert result["position"]["yes"] == result["position"]["no"] == 0
    assert result["balance"] == {"cash": 1000.0 - 2.0 - 3.5 + 5.0, "reserved": 0.0, "currency": "USD"}
