"""The history client against a server that answers well, badly, or not at all: one line, never an exception more."""

import json
import time
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

import pytest
from fake_server import FakeServer, eventually
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger
from patience import patience

from mmactors.feeds.history import SPAN_S, HistoryError, HistorySource, HistoryThread, _closes, fetch
from mmactors.messages import HistoryFetched
from mmactors.net.backoff import Backoff
from mmactors.units import Nanos

NOW_S = 1_700_003_600
NOW = Nanos(NOW_S * 10**9 + 123)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


def binance(server: FakeServer) -> HistorySource:
    return HistorySource("binance", "BTC", server.rest_url, "btcusdt")


def coinbase(server: FakeServer) -> HistorySource:
    return HistorySource("coinbase", "BTC", server.rest_url, "BTC-USD")


def kline(second: int, close: object = "100.5") -> list[Any]:
    return [second * 1000, "100", "101", "99", close, "1", second * 1000 + 999, "1", 1, "1", "1", "0"]


def klines(_method: str, path: str, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
    assert path == "/api/v3/klines"
    assert (query["symbol"], query["interval"]) == ("BTCUSDT", "1s")
    first = -(-int(query["startTime"]) // 1000)
    last = int(query["endTime"]) // 1000
    return 200, [kline(s, str(100 + s % 10)) for s in range(first, last + 1)][: int(query["limit"])], {}


def test_klines_are_fetched_page_by_page_and_the_unfinished_one_is_left_out(server: FakeServer) -> None:
    server.answer = klines
    told = fetch(binance(server), NOW)
    assert len(server.requests) == 4
    assert (told.asset, told.source, told.step_s, len(told.closes)) == ("BTC", "binance", 1.0, SPAN_S)
    assert told.closes[0] == ((NOW_S - SPAN_S + 1) * 10**9, 100.0 + (NOW_S - SPAN_S) % 10)
    assert told.closes[-1][0] == NOW_S * 10**9


def test_candles_come_newest_first_and_are_told_oldest_first(server: FakeServer) -> None:
    rows = [[NOW_S - 60 * n, 99.0, 101.0, 100.0, 100.0 + n, 5.0] for n in range(60)]
    server.answer = lambda *_: (200, rows, {})
    told = fetch(coinbase(server), NOW)
    assert server.requests[0][1:3] == (
        "/products/BTC-USD/candles",
        {"granularity": "60", "start": str(NOW_S - SPAN_S), "end": str(NOW_S)},
    )
    assert told.step_s == 60.0
    assert told.closes[-1] == (NOW_S * 10**9, 101.0), "the newest minute is not over"
    assert len(told.closes) == 59


def test_unusable_rows_are_left_out_and_doubles_count_once(server: FakeServer) -> None:
    bad: list[Any] = [kline(NOW_S - 9, close) for close in ("nan", "inf", "-1", "0", None, True, [], {}, "1e999", "x")]
    bad += [None, 5, [], [1], {"a": 1}, kline(NOW_S + 900), [str(NOW_S), *kline(NOW_S)[1:]], [10**30, *kline(1)[1:]]]
    good = [kline(NOW_S - 3, "3"), kline(NOW_S - 5, "5"), kline(NOW_S - 5, "5.5"), kline(NOW_S - 4, 4.0)]
    server.answer = lambda *_: (200, bad + good, {})
    told = fetch(binance(server), NOW)
    assert told.closes == tuple(((NOW_S - n + 1) * 10**9, price) for n, price in ((5, 5.5), (4, 4.0), (3, 3.0)))


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (451, {"msg": "Service unavailable from a restricted location"}, "HTTP 451"),
        (500, b"<html>\noops</html>", "HTTP 500 <html> oops</html>"),
        (200, b"<html>", "not JSON"),
        (200, b"\xff\xfe", "not JSON"),
        (200, b"[" * 100_000, "not JSON"),
        (200, {"code": -1121}, "no list of rows"),
        (200, [], "none of 0 rows"),
        (200, [[1, 2]], "none of 1 rows"),
        (200, b"[" + b" " * 10_000_000 + b"]", "more than 8 MB"),
    ],
)
def test_a_bad_answer_is_one_line(server: FakeServer, status: int, body: Any, words: str) -> None:
    server.answer = lambda *_: (status, body, {})
    with pytest.raises(HistoryError) as failed:
        fetch(binance(server), NOW)
    assert words in str(failed.value)
    assert str(failed.value).startswith("no history of BTC from binance at http://127.0.0.1")
    assert "\n" not in str(failed.value)


def test_nobody_there_and_a_server_that_does_not_answer(server: FakeServer) -> None:
    with pytest.raises(HistoryError, match="Connection refused"):
        fetch(HistorySource("coinbase", "BTC", "http://127.0.0.1:9", "BTC-USD"), NOW)

    def slow(*_: object) -> tuple[int, Any, dict[str, str]]:
        time.sleep(0.5)  # the server's slowness, not the test's patience
        return 200, [], {}

    server.answer = slow
    began = time.monotonic()
    with pytest.raises(HistoryError, match="Time"):
        fetch(binance(server), NOW, timeout_s=0.1)
    assert time.monotonic() - began < patience(2)


def test_a_server_that_repeats_its_page_does_not_hold_us(server: FakeServer) -> None:
    page = [kline(NOW_S - SPAN_S - 5000 + n) for n in range(1000)]
    server.answer = lambda *_: (200, page, {})
    assert len(fetch(binance(server), NOW).closes) == 1000
    assert len(server.requests) == 1


def test_each_asset_comes_from_the_first_source_that_has_it(server: FakeServer) -> None:
    def answer(method: str, path: str, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        if query.get("symbol") == "ETHUSDT":
            return 400, {"code": -1121, "msg": "Invalid symbol."}, {}
        if path.endswith("klines"):
            return 200, [kline(NOW_S - 10)], {}
        return 200, [[NOW_S - 120, 1.0, 1.0, 1.0, 1.0, 1.0]], {}

    server.answer = answer
    url, told = server.rest_url, list[HistoryFetched]()
    sources = [HistorySource("binance", asset, url, f"{asset}usdt") for asset in ("BTC", "ETH")]
    sources += [HistorySource("coinbase", asset, url, f"{asset}-USD") for asset in ("BTC", "ETH")]
    thread = HistoryThread(sources, told.append, lambda: NOW, Backoff(Random(1)))
    thread.start()
    eventually(lambda: len(told) == 2)
    assert [(each.asset, each.source) for each in told] == [("BTC", "binance"), ("ETH", "coinbase")]
    assert thread.counters == {"fetched": 2, "failed": 1}
    thread.stop()


def test_a_host_that_is_away_at_first_is_asked_again_until_it_answers(server: FakeServer) -> None:
    answers: list[int] = []

    def answer(*_: object) -> tuple[int, Any, dict[str, str]]:
        answers.append(503 if len(answers) < 3 else 200)
        return answers[-1], [kline(NOW_S - 10)], {}

    server.answer = answer
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    told: list[HistoryFetched] = []
    thread = HistoryThread([binance(server)], told.append, lambda: NOW, Backoff(Random(1), 0.01, 0.02))
    thread.start()
    eventually(lambda: told, "the history")
    logger.remove(sink)
    assert thread.counters == {"failed": 3, "fetched": 1}
    (line,) = [line for line in lines if "asking again" in line]
    assert "HTTP 503" in line
    thread.stop()


def test_it_is_asked_for_no_longer_than_live_prices_need_to_fill_the_hour(server: FakeServer) -> None:
    clock = count(NOW, 400 * 10**9)
    thread = HistoryThread(
        [binance(server)], lambda _: None, lambda: Nanos(next(clock)), Backoff(Random(1), 0.01, 0.02)
    )
    thread.start()
    eventually(lambda: not thread.alive, "the end")
    assert 2 <= thread.counters["failed"] <= 9
    assert len(server.requests) == thread.counters["failed"]


def test_it_stops_while_it_waits_to_ask_again(server: FakeServer) -> None:
    thread = HistoryThread([binance(server)], lambda _: None, lambda: NOW, Backoff(Random(1), 60.0, 60.0))
    thread.start()
    eventually(lambda: thread.counters.get("failed"), "the failure")
    thread.stop()
    eventually(lambda: not thread.alive, "the end")


@settings(max_examples=200)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5), st.lists))
def test_no_row_raises_nor_gives_a_senseless_close(rows: Any) -> None:
    rows = json.loads(json.dumps(rows))
    if isinstance(rows, list):
        closes = _closes([*rows, [1, 2, 3, 4, rows]], 4, 10**9, 10**9, NOW)
        assert all(0 < price < float("inf") and 0 < at <= NOW for at, price in closes)
