"""Binance's frames: every recorded one against an independent reading, and every kind of bad one."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmactors.feeds.binance import (
    MAX_BYTES,
    BinanceParser,
    Dropped,
    Ignored,
    ShutdownAnnounced,
    stream_url,
)
from mmactors.messages import SpotTicked
from mmactors.units import Nanos

FRAMES = Path(__file__).parents[2].parent / "shared" / "data" / "frames" / "binance_spot"
NOW = Nanos(1_723_161_254_100_000_000)
ASSETS = {"btcusdt": "BTC", "ethusdt": "ETH", "NKNUSDT": "NKN", "BLZETH": "BLZ", "LRCBTC": "LRC"}

BOOK = {"u": 400, "s": "BTCUSDT", "b": "61837.63", "B": "3.78", "a": "61837.65", "A": "1.5"}
TRADE: dict[str, Any] = {"e": "trade", "E": 1723161254200, "s": "BTCUSDT", "t": 7, "p": "61800.5", "q": "0.1"}
TRADE |= {"T": 1723161254199, "m": True, "M": True}
AGG: dict[str, Any] = {"e": "aggTrade", "E": 1723161254200, "s": "BTCUSDT", "a": 9, "p": "61801.5", "q": "0.1"}
AGG |= {"f": 1, "l": 2, "T": 1723161254199, "m": True, "M": True}


def wrapped(data: dict[str, Any], stream: str = "btcusdt@x") -> bytes:
    return json.dumps({"stream": stream, "data": data}).encode()


def book(**changes: Any) -> bytes:
    return wrapped({key: value for key, value in (BOOK | changes).items() if value is not ...}, "btcusdt@bookTicker")


def trade(**changes: Any) -> bytes:
    return wrapped({key: value for key, value in (TRADE | changes).items() if value is not ...})


def parser() -> BinanceParser:
    return BinanceParser(ASSETS)


def test_urls() -> None:
    streams = "stream?streams=btcusdt@bookTicker/btcusdt@aggTrade"
    assert stream_url("wss://stream.binance.com:9443", ["BTCUSDT"]) == f"wss://stream.binance.com:9443/{streams}"
    assert stream_url("ws://127.0.0.1:7717/binance/stream/", ["btcusdt"]) == f"ws://127.0.0.1:7717/binance/{streams}"
    given_whole = "wss://x/stream?streams=ethusdt@trade"
    assert stream_url(given_whole, ["btcusdt"]) == given_whole
    assert stream_url("ws://x", ["a", "b"], ["trade"]) == "ws://x/stream?streams=a@trade/b@trade"


def test_a_book_ticks_at_its_middle() -> None:
    assert parser().parse(book(), NOW) == SpotTicked("binance", "BTC", (61837.63 + 61837.65) / 2, "book", NOW)
    assert isinstance(parser().parse(json.dumps(BOOK), NOW), SpotTicked), "a raw stream is not wrapped"


@pytest.mark.parametrize(("frame", "price"), [(TRADE, 61800.5), (AGG, 61801.5)])
def test_trades_tick_with_the_exchange_s_time(frame: dict[str, Any], price: float) -> None:
    tick = SpotTicked("binance", "BTC", price, "trade", NOW, Nanos(1_723_161_254_199_000_000))
    assert parser().parse(wrapped(frame), NOW) == tick


def test_ids_only_go_up_each_kind_and_symbol_by_itself() -> None:
    one = parser()
    assert isinstance(one.parse(book(), NOW), SpotTicked)
    assert one.parse(book(), NOW) == Dropped("duplicate")
    assert one.parse(book(u=399), NOW) == Dropped("out_of_order")
    assert isinstance(one.parse(book(u=402), NOW), SpotTicked)
    assert isinstance(one.parse(book(s="ETHUSDT", u=1), NOW), SpotTicked)
    for frame in (TRADE, AGG):
        assert isinstance(one.parse(wrapped(frame), NOW), SpotTicked)
        assert one.parse(wrapped(frame), NOW) == Dropped("duplicate")
    assert one.parse(trade(t=6), NOW) == Dropped("out_of_order")
    one.forget()
    assert isinstance(one.parse(book(u=1), NOW), SpotTicked)


def test_a_bad_frame_does_not_advance_the_ids() -> None:
    one = parser()
    assert one.parse(book(u=999, b="nan"), NOW) == Dropped("not_finite")
    assert isinstance(one.parse(book(u=400), NOW), SpotTicked)


BAD = {
    "not_finite": [book(b="NaN"), book(a="inf"), book(b="-Infinity"), book(a="1e999"), trade(p="nan")],
    "zero": [book(b="0.00"), book(b="-0.0"), trade(p="0")],
    "negative": [book(b="-1"), trade(p="-61800.5"), book(u=-5)],
    "crossed": [book(b="61837.66")],
    "not_a_number": [book(b="1_000"), book(b=" 5"), book(b=""), book(a="61,837.65"), trade(p="0x10")],
    "wrong_type": [
        book(b=61837.63),
        book(b=None),
        book(b=[]),
        book(u="400"),
        book(u=1.5),
        book(s=5),
        trade(p=5.0),
        trade(T="x"),
        wrapped(AGG | {"a": "9"}),
        b"[]",
        b"5",
        b'"x"',
        b"null",
    ],
    "out_of_range": [book().replace(b"400", b"1e999", 1)],
    "missing_field": [
        book(b=...),
        book(a=...),
        book(u=...),
        book(s=...),
        trade(p=...),
        trade(T=...),
        trade(t=...),
        wrapped({key: value for key, value in AGG.items() if key != "a"}),
        b'{"stream":"btcusdt@bookTicker"}',
    ],
    "malformed": [b"", b"{", b"<html>", book()[:-2], book() + b"}", b"{" * 100_000, b'{"x":' + b"[" * 100_000],
    "bad_utf8": [b'{"stream":"\xff"}', book().replace(b"3.78", b"\xc3\x28"), b"\xff"],
    "oversized": [b" " * (MAX_BYTES + 1), b"1" * 10_000_000],
    "bad_time": [trade(T=0), trade(T=-1), trade(T=1723161254199 + 120_000)],
    "unknown_event": [wrapped({"e": "jackpot"})],
    "unknown_shape": [b"{}", wrapped({"x": 1}), b'{"hello":1}'],
    "error_reply": [b'{"error":{"code":2,"msg":"no"},"id":3}', b'{"code":2,"msg":"Invalid request"}'],
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
        (b'{"result":null,"id":1}', "reply"),
        (b'{"result":["btcusdt@trade"],"id":"a"}', "reply"),
        (
            wrapped({"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 1, "u": 2, "b": [["1", "2"]], "a": []}),
            "depthUpdate",
        ),
        (wrapped({"e": "kline", "E": 1, "s": "BTCUSDT", "k": {"t": 1}}), "kline"),
        (wrapped({"lastUpdateId": 1, "bids": [], "asks": []}, "btcusdt@depth20"), "depth_snapshot"),
        (b'{"lastUpdateId":1,"bids":[],"asks":[]}', "depth_snapshot"),
        (book(s="DOGEUSDT"), "other_symbol"),
        (trade(s="DOGEUSDT"), "other_symbol"),
    ],
)
def test_known_frames_of_no_use_are_ignored(raw: bytes, reason: str) -> None:
    assert parser().parse(raw, NOW) == Ignored(reason)


@pytest.mark.parametrize("raw", [wrapped({"e": "serverShutdown", "E": 1}), b'{"e":"serverShutdown","E":1}'])
def test_the_shutdown_is_announced(raw: bytes) -> None:
    assert parser().parse(raw, NOW) == ShutdownAnnounced()


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_no_input_raises(raw: bytes | str) -> None:
    assert isinstance(parser().parse(raw, NOW), Dropped | Ignored)


@given(st.sampled_from([BOOK, TRADE, AGG]), st.data())
def test_one_changed_value_never_raises_nor_gives_a_senseless_price(frame: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(frame)))
    text = st.text(max_size=8) | st.floats().map(str) | st.integers().map(str)
    value = data.draw(st.none() | st.booleans() | st.floats() | st.integers() | text)
    parsed = parser().parse(wrapped(frame | {key: value}, "btcusdt@bookTicker" if frame is BOOK else "x"), NOW)
    if isinstance(parsed, SpotTicked):
        assert 0 < parsed.price < float("inf")


# --- recorded frames ------------------------------------------------------------------------------


class Oracle:
    """What a frame means, read with nothing but `json`: a tick (asset, price, kind, event_ns) or the word ignore."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], int] = {}
        self.assets = {symbol.upper(): asset for symbol, asset in ASSETS.items()}

    def read(self, raw: str) -> tuple[Any, ...] | str:
        outer = json.loads(raw)
        frame = outer.get("data", outer)
        event = frame.get("e")
        is_book = event is None and set(frame) == set("usbBaA")
        if not is_book and event not in ("trade", "aggTrade"):
            return "ignore"
        kind = event or "book"
        asset = self.assets.get(frame["s"])
        number = frame[{"book": "u", "trade": "t", "aggTrade": "a"}[kind]]
        if asset is None:
            return "ignore"
        if number <= self.last.get((frame["s"], kind), -1):
            return "drop"
        self.last[frame["s"], kind] = number
        if is_book:
            return asset, (float(frame["b"]) + float(frame["a"])) / 2, "book", None
        return asset, float(frame["p"]), "trade", frame["T"] * 1_000_000


def recorded(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["recv_ns"], row["raw"]


@pytest.mark.recorded
@pytest.mark.skipif(not FRAMES.is_dir(), reason="the recorded frames are not beside the project")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "combined_btcusdt_20240808",
            {"book BTC": 4346, "trade BTC": 1123, "ignored depthUpdate": 530, "ignored depth_snapshot": 1},
        ),
        (
            "combined_ethusdt_20240808",
            {"book ETH": 1528, "trade ETH": 279, "ignored depthUpdate": 192, "ignored depth_snapshot": 1},
        ),
        (
            "cryptofeed_binance_2021",
            {
                "book NKN": 47,
                "book LRC": 4,
                "book BLZ": 1,
                "trade NKN": 1,
                "ignored depthUpdate": 105,
                "ignored kline": 1,
            },
        ),
        (
            "nautilus_fixtures",
            {
                "ignored executionReport": 18,
                "ignored user_data": 2,
                "ignored outboundAccountPosition": 1,
                "ignored balanceUpdate": 1,
                "ignored 24hrTicker": 1,
            },
        ),
    ],
)
def test_every_recorded_frame(name: str, expected: dict[str, int]) -> None:
    one, oracle, counts = parser(), Oracle(), Counter[str]()
    for received, raw in recorded(FRAMES / f"{name}.jsonl"):
        truth, parsed = oracle.read(raw), one.parse(raw.encode(), Nanos(received))
        if isinstance(parsed, SpotTicked):
            assert truth == (parsed.asset, parsed.price, parsed.kind, parsed.event_ns), raw
            assert parsed.received_ns == received
            counts[f"{parsed.kind} {parsed.asset}"] += 1
        else:
            assert isinstance(parsed, Ignored), (raw, parsed)
            assert truth == "ignore", raw
            counts[f"ignored {parsed.reason}"] += 1
    assert counts == expected
