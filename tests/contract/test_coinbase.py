"""Coinbase Exchange's frames: every recorded one against an independent reading, and every kind of bad one."""

import calendar
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmactors.feeds.coinbase import CoinbaseParser, subscription
from mmactors.feeds.frames import MAX_BYTES, Dropped, Ignored, Refused
from mmactors.messages import FeedLived, SpotTicked
from mmactors.units import Nanos

FRAMES = Path(__file__).parents[2].parent / "shared" / "data" / "frames" / "coinbase_exchange"
AT = "2024-08-08T23:54:14.199123Z"
AT_NS = Nanos(1_723_161_254_199_123_000)
NOW = Nanos(AT_NS + 50_000_000)
ASSETS = {"BTC-USD": "BTC", "eth-usd": "ETH"}

TICKER: dict[str, Any] = {"type": "ticker", "sequence": 500, "product_id": "BTC-USD", "price": "61800.01"}
TICKER |= {"best_bid": "61800.00", "best_ask": "61800.02", "side": "buy", "time": AT, "trade_id": 9, "last_size": "1"}
MATCH: dict[str, Any] = {"type": "match", "trade_id": 9, "maker_order_id": "m", "taker_order_id": "t", "side": "sell"}
MATCH |= {"size": "0.1", "price": "61800.01", "product_id": "BTC-USD", "sequence": 500, "time": AT}
BEAT: dict[str, Any] = {"type": "heartbeat", "last_trade_id": 9, "product_id": "BTC-USD", "sequence": 501, "time": AT}


def changed(frame: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({key: value for key, value in (frame | changes).items() if value is not ...}).encode()


def ticker(**changes: Any) -> bytes:
    return changed(TICKER, **changes)


def match(**changes: Any) -> bytes:
    return changed(MATCH, **changes)


def parser() -> CoinbaseParser:
    return CoinbaseParser(ASSETS)


def test_what_is_subscribed_to() -> None:
    assert json.loads(subscription(["BTC-USD", "ETH-USD"])) == {
        "type": "subscribe",
        "product_ids": ["BTC-USD", "ETH-USD"],
        "channels": ["ticker", "matches", "heartbeat"],
    }


def test_a_ticker_ticks_at_the_middle_with_the_exchange_s_microseconds() -> None:
    middle = (61800.00 + 61800.02) / 2
    assert parser().parse(ticker(), NOW) == SpotTicked("coinbase", "BTC", middle, "book", NOW, AT_NS)


def test_a_match_ticks_at_its_price() -> None:
    assert parser().parse(match(), NOW) == SpotTicked("coinbase", "BTC", 61800.01, "trade", NOW, AT_NS)


def test_a_heartbeat_is_life_and_no_price() -> None:
    assert parser().parse(json.dumps(BEAT), NOW) == FeedLived("coinbase", "BTC", NOW)


def test_a_heartbeat_that_names_a_trade_which_never_came_is_no_life() -> None:
    one = parser()
    beat, later = changed(BEAT), changed(BEAT, last_trade_id=10)
    assert isinstance(one.parse(later, NOW), FeedLived), "nothing is known yet"
    one.parse(match(), NOW)
    assert isinstance(one.parse(beat, NOW), FeedLived)
    assert one.parse(later, NOW) == Ignored("trade_unseen")
    assert one.parse(changed(BEAT, product_id="ETH-USD", last_trade_id=99), NOW) == FeedLived("coinbase", "ETH", NOW)
    assert one.parse(match(trade_id=10, sequence=510, price="NaN"), NOW) == Dropped("not_finite")
    assert one.parse(later, NOW) == Ignored("trade_unseen"), "an unreadable price is none"
    one.parse(ticker(trade_id=10, sequence=511), NOW)
    assert isinstance(one.parse(later, NOW), FeedLived)
    one.forget()
    assert isinstance(one.parse(changed(BEAT, last_trade_id=99), NOW), FeedLived)


def test_the_exchange_s_refusal_in_its_own_words() -> None:
    raw = b'{"type":"error","message":"Failed to subscribe","reason":"LOOM-USDC is delisted"}'
    assert parser().parse(raw, NOW) == Refused("Failed to subscribe: LOOM-USDC is delisted")
    assert parser().parse(b'{"type":"error"}', NOW) == Refused("no reason given")
    assert parser().parse(b'{"type":"error","message":["a\\nb",1],"reason":null}', NOW) == Refused("['a\\nb', 1]")


def test_sequences_only_go_up_each_channel_and_product_by_itself() -> None:
    one = parser()
    for frame in (ticker, match):  # a trade's two frames share their sequence
        assert isinstance(one.parse(frame(), NOW), SpotTicked)
        assert one.parse(frame(), NOW) == Dropped("duplicate")
        assert one.parse(frame(sequence=499), NOW) == Dropped("out_of_order")
        assert isinstance(one.parse(frame(sequence=900, trade_id=10), NOW), SpotTicked), "a jump is normal"
        assert isinstance(one.parse(frame(product_id="ETH-USD", sequence=1), NOW), SpotTicked)
    one.forget()
    assert isinstance(one.parse(ticker(sequence=1), NOW), SpotTicked)


def test_missed_trades_are_counted_not_across_connections() -> None:
    one = parser()
    for sequence, trade in enumerate((9, 10, 14, 15), start=1):
        one.parse(match(sequence=sequence, trade_id=trade), NOW)
    assert one.counters == {"trades_missed": 3}
    one.forget()
    one.parse(match(sequence=1, trade_id=99), NOW)
    assert one.counters == {"trades_missed": 3}


def test_a_bad_frame_does_not_advance_the_sequence() -> None:
    one = parser()
    assert one.parse(ticker(sequence=999, best_bid="nan"), NOW) == Dropped("not_finite")
    assert isinstance(one.parse(ticker(), NOW), SpotTicked)


BAD = {
    "not_finite": [ticker(best_bid="NaN"), ticker(best_ask="inf"), ticker(best_ask="1e999"), match(price="-Infinity")],
    "zero": [ticker(best_bid="0.00"), match(price="-0.0")],
    "negative": [ticker(best_bid="-1"), match(price="-61800.5"), ticker(sequence=-5)],
    "crossed": [ticker(best_bid="61800.03")],
    "not_a_number": [ticker(best_bid="1_000"), ticker(best_bid=" 5"), ticker(best_ask=""), match(price="61,837.65")],
    "wrong_type": [
        ticker(best_bid=61800.0),
        ticker(best_ask=None),
        ticker(sequence="500"),
        ticker(sequence=1.5),
        ticker(product_id=5),
        ticker(time=1723161254199),
        ticker(time="yesterday"),
        ticker(time="2024-08-08T23:54:14"),
        match(price=5.0),
        match(trade_id="9"),
        changed(BEAT, product_id=None),
        b"[]",
        b"5",
        b'"x"',
        b"null",
        b'{"type":7}',
    ],
    "out_of_range": [ticker().replace(b"500", b"1e999", 1)],
    "missing_field": [
        ticker(best_bid=...),
        ticker(best_ask=...),
        ticker(sequence=...),
        ticker(product_id=...),
        ticker(time=...),
        match(price=...),
        match(trade_id=...),
        match(time=...),
        changed(BEAT, product_id=...),
    ],
    "malformed": [b"", b"{", b"<html>", ticker()[:-2], ticker() + b"}", b"{" * 100_000, b'{"x":' + b"[" * 100_000],
    "bad_utf8": [b'{"type":"\xff"}', ticker().replace(b"buy", b"\xc3\x28"), b"\xff"],
    "oversized": [b" " * (MAX_BYTES + 1), b"1" * 10_000_000],
    "bad_time": [
        ticker(time="1969-12-31T23:59:59.999999Z"),
        match(time="1970-01-01T00:00:00Z"),
        ticker(time="2024-08-08T23:56:14.199123Z"),
        match(time="9999-12-31T23:59:59.999999Z"),
    ],
    "unknown_event": [b'{"type":"jackpot"}'],
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
    assert isinstance(one.parse(ticker(), NOW), SpotTicked)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"]}]}', "subscriptions"),
        (match(type="last_match"), "last_match"),
        (b'{"type":"l2update","product_id":"BTC-USD","changes":[["sell","1","2"]]}', "l2update"),
        (b'{"type":"snapshot","product_id":"BTC-USD","asks":[],"bids":[]}', "snapshot"),
        (ticker(product_id="DOGE-USD"), "other_product"),
        (match(product_id="BTC-EUR"), "other_product"),
        (changed(BEAT, product_id="ADA-EUR"), "other_product"),
    ],
)
def test_known_frames_of_no_use_are_ignored(raw: bytes, reason: str) -> None:
    assert parser().parse(raw, NOW) == Ignored(reason)


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_no_input_raises(raw: bytes | str) -> None:
    assert isinstance(parser().parse(raw, NOW), Dropped | Ignored)


@given(st.sampled_from([TICKER, MATCH, BEAT]), st.data())
def test_one_changed_value_never_raises_nor_gives_a_senseless_price(frame: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(frame)))
    text = st.text(max_size=8) | st.floats().map(str) | st.integers().map(str) | st.datetimes().map(lambda d: f"{d}Z")
    value = data.draw(st.none() | st.booleans() | st.floats() | st.integers() | text)
    parsed = parser().parse(json.dumps(frame | {key: value}), NOW)
    if isinstance(parsed, SpotTicked):
        assert 0 < parsed.price < float("inf")


# --- recorded frames ------------------------------------------------------------------------------

CAPTURED = ("SKL-USD", "SKL-BTC", "SKL-GBP", "NMR-EUR", "BAND-GBP", "NU-GBP", "YFI-BTC", "CRV-EUR", "ADA-EUR")


class Oracle:
    """What a frame means, read with nothing but `json`: a tick, life, the exchange's words, or the word ignore."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], int] = {}

    def read(self, raw: str) -> tuple[Any, ...] | str:
        frame = json.loads(raw)
        kind, product = frame["type"], frame.get("product_id")
        if kind == "error":
            return "refused", f"{frame['message']}: {frame['reason']}"
        if kind not in ("ticker", "match", "heartbeat") or product not in CAPTURED:
            return "ignore"
        if kind == "heartbeat":
            return "life", product
        if frame["sequence"] <= self.last.get((product, kind), -1):
            return "drop"
        self.last[product, kind] = frame["sequence"]
        whole, micros = frame["time"].removesuffix("Z").split(".")
        seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
        event_ns = seconds * 10**9 + int(micros) * 1000
        if kind == "match":
            return product, float(frame["price"]), "trade", event_ns
        return product, (float(frame["best_bid"]) + float(frame["best_ask"])) / 2, "book", event_ns


@pytest.mark.recorded
@pytest.mark.skipif(not FRAMES.is_dir(), reason="the recorded frames are not beside the project")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "cryptofeed_coinbase_2021",
            {
                "ignored subscriptions": 3,
                "ignored snapshot": 3,
                "book BAND-GBP": 1,
                "book SKL-GBP": 2,
                "ignored last_match": 10,
                "book NU-GBP": 1,
                "book YFI-BTC": 1,
                "book SKL-BTC": 5,
                "book CRV-EUR": 1,
                "ignored other_product": 2,
                "book NMR-EUR": 4,
                "ignored l2update": 980,
                "book SKL-USD": 6,
                "trade SKL-BTC": 4,
                "trade SKL-USD": 5,
                "trade NMR-EUR": 3,
                "trade SKL-GBP": 1,
            },
        ),
        ("quoted_control_frames", {"refused": 2, "ignored subscriptions": 1, "life": 1}),
    ],
)
def test_every_recorded_frame(name: str, expected: dict[str, int]) -> None:
    one, oracle, counts = CoinbaseParser({product: product for product in CAPTURED}), Oracle(), Counter[str]()
    for line in (FRAMES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        truth, parsed = oracle.read(row["raw"]), one.parse(row["raw"].encode(), Nanos(row["recv_ns"]))
        if isinstance(parsed, SpotTicked):
            assert truth == (parsed.asset, parsed.price, parsed.kind, parsed.event_ns), row["raw"]
            assert parsed.received_ns == row["recv_ns"]
            counts[f"{parsed.kind} {parsed.asset}"] += 1
        elif isinstance(parsed, FeedLived):
            assert truth == ("life", parsed.asset)
            counts["life"] += 1
        elif isinstance(parsed, Refused):
            assert truth == ("refused", parsed.reason)
            counts["refused"] += 1
        else:
            assert isinstance(parsed, Ignored), (row["raw"], parsed)
            assert truth == "ignore", row["raw"]
            counts[f"ignored {parsed.reason}"] += 1
    assert counts == expected
    assert one.counters == {}
