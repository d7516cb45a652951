"""OKX's frames as its documents have them, and every kind of bad one.

The good frames are made by hand in the form of the examples of "OKX API guide" (v5), https://www.okx.com/docs-v5/en/:
none was recorded.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmactors.feeds.frames import MAX_BYTES, Dropped, Ignored, Refused, ShutdownAnnounced
from mmactors.feeds.okx import OkxParser, candles, subscription, unwrap
from mmactors.messages import SpotTicked
from mmactors.units import Nanos

AT_MS = 1_723_161_254_199
AT_NS = Nanos(AT_MS * 1_000_000)
NOW = Nanos(AT_NS + 50_000_000)
ASSETS = {"BTC-USDT": "BTC", "eth-usdt": "ETH"}

BOOK: dict[str, Any] = {
    "asks": [["61800.2", "0.55154", "0", "2"]],
    "bids": [["61800.1", "0.57745", "0", "3"]],
    "ts": str(AT_MS),
    "seqId": 363996337,
}
TRADE: dict[str, Any] = {"instId": "BTC-USDT", "tradeId": "130639474", "px": "61800.2", "sz": "0.12060306"}
TRADE |= {"side": "buy", "ts": str(AT_MS), "count": "3"}


def frame(channel: str, *rows: dict[str, Any], instrument: str = "BTC-USDT") -> bytes:
    return json.dumps({"arg": {"channel": channel, "instId": instrument}, "data": rows}).encode()


def changed(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (row | changes).items() if value is not ...}


def book(instrument: str = "BTC-USDT", **changes: Any) -> bytes:
    return frame("bbo-tbt", changed(BOOK, changes), instrument=instrument)


def trade(instrument: str = "BTC-USDT", **changes: Any) -> bytes:
    return frame("trades", changed(TRADE, changes), instrument=instrument)


def parser() -> OkxParser:
    return OkxParser(ASSETS)


def test_what_is_subscribed_to() -> None:
    assert json.loads(subscription(["BTC-USDT", "ETH-USDT"])) == {
        "op": "subscribe",
        "args": [
            {"channel": "bbo-tbt", "instId": "BTC-USDT"},
            {"channel": "trades", "instId": "BTC-USDT"},
            {"channel": "bbo-tbt", "instId": "ETH-USDT"},
            {"channel": "trades", "instId": "ETH-USDT"},
        ],
    }


def test_a_book_ticks_at_the_middle_with_the_exchange_s_milliseconds() -> None:
    middle = (61800.1 + 61800.2) / 2
    assert parser().parse(book(), NOW) == SpotTicked("okx", "BTC", middle, "book", NOW, AT_NS)


def test_a_trade_ticks_at_its_price() -> None:
    assert parser().parse(trade(), NOW) == SpotTicked("okx", "BTC", 61800.2, "trade", NOW, AT_NS)


def test_the_newest_row_of_several_counts() -> None:
    later = changed(TRADE, {"tradeId": "130639475", "px": "61799.9"})
    assert parser().parse(frame("trades", TRADE, later), NOW) == SpotTicked("okx", "BTC", 61799.9, "trade", NOW, AT_NS)


def test_ids_only_go_up_each_channel_and_instrument_by_itself() -> None:
    one = parser()
    for make, key, low, high in (
        (book, "seqId", 363996336, 363996999),
        (trade, "tradeId", "130639473", "130639999"),
    ):
        assert isinstance(one.parse(make(), NOW), SpotTicked)
        assert one.parse(make(), NOW) == Dropped("duplicate")
        assert one.parse(make(**{key: low}), NOW) == Dropped("out_of_order")
        assert isinstance(one.parse(make(**{key: high}), NOW), SpotTicked), "a jump is normal"
        assert isinstance(one.parse(make("ETH-USDT", **{key: low}), NOW), SpotTicked)
    one.forget()
    assert isinstance(one.parse(book(seqId=1), NOW), SpotTicked)


def test_a_bad_frame_does_not_advance_the_sequence() -> None:
    one = parser()
    assert one.parse(book(seqId=999999999, bids=[["nan", "1", "0", "1"]]), NOW) == Dropped("not_finite")
    assert isinstance(one.parse(book(), NOW), SpotTicked)


def test_the_exchange_s_refusal_in_its_own_words() -> None:
    raw = b'{"event":"error","code":"60018","msg":"Wrong URL or channel:bbo-tbt,instId:NO-USDT doesn\'t exist."}'
    assert parser().parse(raw, NOW) == Refused("60018 Wrong URL or channel:bbo-tbt,instId:NO-USDT doesn't exist.")
    assert parser().parse(b'{"event":"error"}', NOW) == Refused("no reason given")
    assert parser().parse(b'{"event":"error","msg":"a\\nb"}', NOW) == Refused("a b")


def test_the_notice_of_an_upgrade_announces_the_shutdown() -> None:
    words = "The connection will soon be closed for a service upgrade. Please reconnect."
    raw = json.dumps({"event": "notice", "code": "64008", "msg": words, "connId": "a4d3ae55"})
    assert parser().parse(raw, NOW) == ShutdownAnnounced()


def level(price: Any) -> list[list[Any]]:
    return [[price, "1", "0", "1"]]


BAD = {
    "not_finite": [book(bids=level("NaN")), book(asks=level("inf")), trade(px="-Infinity")],
    "zero": [book(bids=level("0.0")), trade(px="-0.0")],
    "negative": [book(bids=level("-1")), trade(px="-61800.5"), book(seqId=-5)],
    "crossed": [book(bids=level("61800.3"))],
    "one_sided": [book(bids=[]), book(asks=[])],
    "not_a_number": [
        book(bids=level("1_000")),
        book(asks=level("")),
        book(ts="yesterday"),
        book(ts="1e3"),
        trade(px="61,800.2"),
        trade(tradeId="x"),
        trade(tradeId="-9"),
        trade(ts="9" * 40),
    ],
    "wrong_type": [
        book(bids=level(61800.1)),
        book(asks=None),
        book(seqId="500"),
        book(seqId=1.5),
        book(seqId=...),
        book(bids=...),
        book(ts=AT_MS),
        trade(px=5.0),
        trade(px=...),
        trade(tradeId=130639474),
        trade(tradeId=...),
        trade(ts=...),
        b"[]",
        b"5",
        b'"x"',
        b"null",
        b'{"event":7}',
        b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":{}}',
        b'{"arg":{"channel":5,"instId":"BTC-USDT"},"data":[]}',
        b'{"arg":"bbo-tbt"}',
    ],
    "missing_field": [
        b'{"arg":{"channel":"bbo-tbt"},"data":[]}',
        b'{"arg":{"instId":"BTC-USDT"},"data":[]}',
        b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"}}',
        frame("bbo-tbt"),
        frame("trades"),
        book(bids=[[]]),
    ],
    "malformed": [b"", b"{", b"ping", b"<html>", book()[:-2], book() + b"}", b"{" * 100_000, b'{"x":' + b"[" * 100_000],
    "bad_utf8": [b'{"event":"\xff"}', trade().replace(b"buy", b"\xc3\x28"), b"\xff"],
    "oversized": [b" " * (MAX_BYTES + 1), b"1" * 10_000_000],
    "bad_time": [book(ts="0"), trade(ts=str(AT_MS + 120_000)), book(ts="9999999999999999")],
    "unknown_event": [b'{"event":"jackpot"}', frame("books", BOOK)],
    "unknown_shape": [b"{}", b'{"hello":1}'],
}


@pytest.mark.parametrize(
    ("reason", "raw"),
    [(reason, raw) for reason, raws in BAD.items() for raw in raws],
    ids=[f"{reason}-{n}" for reason, raws in BAD.items() for n in range(len(raws))],
)
def test_bad_frames_are_dropped_by_reason(reason: str, raw: bytes) -> None:
    one = parser()
    assert one.parse(raw, NOW) == Dropped(reason)
    assert isinstance(one.parse(book(), NOW), SpotTicked)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"pong", "pong"),
        (b'{"event":"subscribe","arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"connId":"a4d3ae55"}', "subscribe"),
        (b'{"event":"unsubscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4d3ae55"}', "unsubscribe"),
        (b'{"event":"notice","code":"1","msg":"hello"}', "notice"),
        (book("DOGE-USDT"), "other_instrument"),
        (trade("BTC-USDC"), "other_instrument"),
    ],
)
def test_known_frames_of_no_use_are_ignored(raw: bytes, reason: str) -> None:
    assert parser().parse(raw, NOW) == Ignored(reason)


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_no_input_raises(raw: bytes | str) -> None:
    assert isinstance(parser().parse(raw, NOW), Dropped | Ignored)


VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.floats().map(str)


@given(st.sampled_from([("bbo-tbt", BOOK), ("trades", TRADE)]), st.data())
def test_one_changed_value_never_raises_nor_gives_a_senseless_price(
    of: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    channel, row = of
    key = data.draw(st.sampled_from(sorted(row)))
    value = data.draw(VALUES | st.lists(VALUES | st.lists(VALUES, max_size=4), max_size=2))
    parsed = parser().parse(frame(channel, row | {key: value}), NOW)
    if isinstance(parsed, SpotTicked):
        assert 0 < parsed.price < float("inf")


@given(st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)))
def test_any_answer_of_the_history_is_rows_or_a_reason(answer: Any) -> None:
    for whole in (answer, {"code": "0", "data": answer}):
        rows = unwrap(whole)
        if isinstance(rows, list):
            candles(lambda _path, _query, rows=rows: rows, "BTC-USDT", Nanos(0), NOW)  # type: ignore[misc]
    assert isinstance(unwrap({"code": "51001", "msg": answer}), Refused)
