"""The market log explains each ladder, to people and as JSON; `inspect` reads it back."""

import json
from pathlib import Path

import pytest

from mmactors.messages import (
    CancelOrder,
    Market,
    MarketListed,
    MarketResolved,
    MarketRetired,
    MarketStatus,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    Outcome,
    PlaceOrder,
    QuoteIntent,
    QuoteReason,
    Resolution,
    SessionReport,
)
from mmactors.ops.inspection import NoSuchMarket, as_json, find, table
from mmactors.ops.marketlog import MarketLogs, file_stem
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks

NOW = Nanos(1_795_000_000 * SECOND)
ID = "BTC-5M-20261122T1405Z"


def market(name: str = ID) -> Market:
    return Market(name, "BTC", 97_000.0, MarketStatus.OPEN, NOW, Nanos(NOW + 300 * SECOND))


def intent(name: str = ID, **change) -> QuoteIntent:
    reason = {
        "why": "price moved",
        "spot": 97_012.5,
        "strike": 97_000.0,
        "f": 0.62,
        "sigma": 0.52,
        "d2": 0.21,
        "fair": 0.583,
        "lean": -0.012,
        "half_spread": 0.018,
        "room": 600,
        "net": -30,
        "phase": "FLATTENING",
        "bids": ((56, 30), (55, 30)),
        "asks": ((60, 30),),
        **change,
    }
    place = PlaceOrder("r1-1", Outcome.YES, Ticks(56), Contracts(30))
    return QuoteIntent(name, 1, (CancelOrder("r1-0"),), (), (place,), QuoteReason(**reason), NOW)


def fill(name: str = ID) -> OrderFilled:
    return OrderFilled(name, "r1-1", "f-1", Outcome.NO, Ticks(48), Contracts(30), Micros(0), Contracts(30), True, NOW)


def report(name: str = ID) -> SessionReport:
    return SessionReport(
        name, "BTC", 300, 97_000.0, Resolution.YES, Micros(12_340_000), 4, 30, 210, 0.4, 17, 420, 0.72, 900
    )


@pytest.fixture
def logs(tmp_path):
    opened = MarketLogs(tmp_path / "run-00001" / "markets", run=1)
    yield opened
    opened.close()


def text_of(folder: Path, name: str = ID) -> str:
    return next(folder.rglob(f"{file_stem(name)}.log")).read_text()


def test_a_ladders_line_has_every_figure_and_the_reason(logs, tmp_path):
    logs.write(MarketListed(market()), NOW)
    logs.write(intent(), Nanos(NOW + 1_234_000_000))
    logs.close()
    line = text_of(tmp_path).splitlines()[-1]
    assert line == (
        "2026-11-18 11:06:41.234 QUOTE f 0.620 spot 97012.50 strike 97000.00 sigma 0.520 d2 +0.21 fair 0.5830"
        " lean -0.0120 half 0.0180 room 600 net -30 | bid 30@0.56 30@0.55 | ask 30@0.60 | FLATTENING: price moved"
    )


def test_the_same_is_there_as_json(logs, tmp_path):
    logs.write(MarketListed(market()), NOW)
    logs.write(intent(), NOW)
    logs.close()
    record = json.loads(next(tmp_path.rglob("*.jsonl")).read_text().splitlines()[-1])
    assert (record["t"], record["run"], record["type"]) == (NOW, 1, "quote")
    assert (record["bids"], record["asks"]) == ([[0.56, 30], [0.55, 30]], [[0.60, 30]])
    assert (record["fair"], record["net"], record["why"], record["sent"]) == (0.583, -30, "price moved", [1, 0, 1])


def test_prices_are_in_the_markets_own_tick(logs, tmp_path):
    fine = Market(ID, "BTC", 1.0, MarketStatus.OPEN, NOW, Nanos(NOW + SECOND), tick_micros=Micros(1_000))
    logs.write(MarketListed(fine), NOW)
    logs.write(intent(bids=((563, 30),)), NOW)
    logs.close()
    assert "bid 30@0.5630 |" in text_of(tmp_path)


def test_what_is_not_known_is_a_dash(logs, tmp_path):
    logs.write(intent(sigma=float("nan"), fair=float("nan"), bids=(), asks=(), why="no price"), NOW)
    logs.close()
    assert "sigma - d2 +0.21 fair -" in text_of(tmp_path)
    assert "| bid none | ask none |" in text_of(tmp_path)
    assert "NaN" not in next(tmp_path.rglob("*.jsonl")).read_text()
    assert any("no price" in line for line in table(find(tmp_path, ID)))


def test_fills_refusals_and_life_are_in_the_same_file(logs, tmp_path):
    logs.write(MarketListed(market()), NOW)
    logs.write(fill(), NOW)
    logs.write(OrderRejected(ID, "r1-2", "INVALID_TICK", "off the tick"), NOW)
    logs.write(OrderDenied(ID, "r1-3", "room", "could take the position to 900"), NOW)
    logs.write(MarketResolved(market(), Resolution.YES), NOW)
    logs.write(report(), NOW)
    logs.write(MarketRetired(ID, 1), NOW)
    text = text_of(tmp_path)
    for words in (
        "LIFE  listed: BTC 300 s, strike 97000.00, OPEN",
        "FILL  bought 30 NO at 0.48 (our YES ask at 0.52) fee 0.0000 maker order r1-1",
        "ORDER r1-2 rejected by the venue: INVALID_TICK off the tick",
        "ORDER r1-3 denied by our gate: room: could take the position to 900",
        "LIFE  resolved YES",
        "ENDED YES P&L +12.34 net at close +4 (most 210) fills 17",
        "retired",
    ):
        assert words in text


def test_a_retired_market_keeps_no_file_open_and_may_come_back(logs, tmp_path):
    logs.write(MarketRetired(ID, 1), NOW)
    assert logs._open == {}
    logs.write(fill(), NOW)
    logs.close()
    assert "FILL" in text_of(tmp_path)


def test_lines_reach_the_file_within_a_second_of_the_next_write_or_flush(logs, tmp_path):
    logs.write(fill(), NOW)
    logs.write(intent(), Nanos(NOW + SECOND // 2))
    assert "QUOTE" not in text_of(tmp_path)
    logs.flush(Nanos(NOW + SECOND))
    assert "QUOTE" in text_of(tmp_path)


def test_ids_and_words_from_the_venue_do_no_harm(logs, tmp_path):
    name = "../../etc/\x1b[31m\n" + "x" * 300
    logs.write(OrderRejected(name, "r1", "CODE", "two\nlines \x1b[2J"), NOW)
    logs.close()
    (path,) = tmp_path.rglob("*.log")
    assert path.parent == tmp_path / "run-00001" / "markets"
    assert "two?lines ?[2J" in path.read_text()
    assert "\x1b" not in path.read_text()


def test_a_disk_that_refuses_is_counted(tmp_path):
    (tmp_path / "file").write_text("")
    logs = MarketLogs(tmp_path / "file" / "markets", run=1)
    logs.write(fill(), NOW)
    assert logs.lost == 1


# --- inspect ---


@pytest.fixture
def two_runs(tmp_path):
    for run in (1, 2):
        logs = MarketLogs(tmp_path / f"run-0000{run}" / "markets", run)
        for name in (ID, "BTC-1M-20261122T1405Z"):
            logs.write(MarketListed(market(name)), NOW)
            logs.write(intent(name, net=run), NOW)
            logs.write(fill(name), NOW)
        logs.close()
    return tmp_path


def test_inspect_shows_the_newest_run_first_as_aligned_columns(two_runs):
    lines = table(find(two_runs, ID))
    assert [line for line in lines if "run" in line] == [f"{ID}, run 2", f"{ID}, run 1"]
    heading, quote = lines[1], lines[3]
    assert heading.index("net") == quote.index(" +2")
    assert "30@0.56 30@0.55" in quote
    assert quote.endswith("FLATTENING: price moved")
    assert "-- FILL  bought 30 NO at 0.48 (our YES ask at 0.52)" in lines[4]


def test_inspect_takes_a_unique_beginning_of_an_id(two_runs):
    assert find(two_runs, "btc-5m") == find(two_runs, ID)
    assert len(find(two_runs, ID)) == 2


def test_inspect_looks_into_a_run_or_a_folder_of_logs(two_runs):
    assert len(find(two_runs / "run-00001", ID)) == 1
    assert len(find(two_runs / "run-00001" / "markets", ID)) == 1


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("BTC", "'BTC' is the beginning of 2 markets: BTC-5M-20261122T1405Z, BTC-1M-20261122T1405Z"),
        ("BTC-5M-20261122T1410Z", "nearest: BTC-5M-20261122T1405Z"),
        ("ETHEREUM", "newest: BTC-"),
    ],
)
def test_inspect_names_what_there_is_if_none_or_several_are_meant(two_runs, name, line):
    with pytest.raises(NoSuchMarket) as told:
        find(two_runs, name)
    assert line in str(told.value)


def test_inspect_says_that_there_is_nothing(tmp_path):
    with pytest.raises(NoSuchMarket, match="no market logs in"):
        find(tmp_path, ID)


def test_inspect_may_show_the_last_records_only_and_as_json(two_runs):
    records = [json.loads(line) for line in as_json(find(two_runs, ID), last=1)]
    assert [(record["run"], record["type"]) for record in records] == [(2, "fill"), (1, "fill")]


def test_a_torn_last_line_is_passed_over_and_does_not_swallow_the_next(two_runs):
    path = find(two_runs, ID)[0]
    path.write_bytes(path.read_bytes()[:-20])
    before = len(as_json([path]))
    again = MarketLogs(path.parent, run=2)
    again.write(fill(), NOW)
    again.close()
    assert len(as_json([path])) == before + 1
    assert table([path])
