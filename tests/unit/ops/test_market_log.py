"""The market log explains each ladder, to people and as JSON; `inspect` reads it back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mmactors.core.params import MakerParams
from mmactors.messages import (
    CancelOrder,
    MakerStarted,
    Market,
    MarketHydrated,
    MarketListed,
    MarketResolved,
    MarketRetired,
    MarketStatus,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderUnchanged,
    Outcome,
    PairsMerged,
    PlaceOrder,
    QuoteIntent,
    QuoteReason,
    ReplaceOrder,
    Resolution,
    SessionReport,
    TradingState,
    TradingStateChanged,
    VenueDisconnected,
)
from mmactors.ops.market_log import MarketLogs, file_stem
from mmactors.ops.market_log_table import NoSuchMarketError, as_json, find, table
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


def taking(**change) -> QuoteIntent:
    take = PlaceOrder("r1-9", Outcome.NO, Ticks(45), Contracts(20), post_only=False, immediate=True)
    return replace(intent(**change), places=(take,))


def fill(
    name: str = ID, outcome: Outcome = Outcome.NO, ticks: int = 48, size: int = 30, fill_id: str = "f-1", fee: int = 0
) -> OrderFilled:
    contracts = Contracts(size)
    return OrderFilled(name, "r1-1", fill_id, outcome, Ticks(ticks), contracts, Micros(fee), contracts, True, NOW)


def hydrated(yes: int = 0, no: int = 0, yes_cost: int = 0, no_cost: int = 0, name: str = ID) -> MarketHydrated:
    state = (Contracts(yes), Contracts(no), Micros(yes_cost), Micros(no_cost), TradingState.ACTIVE, Nanos(0), 0.1)
    return MarketHydrated(market(name), *state, Micros(0))


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


def quotes(folder: Path) -> list[str]:
    return [line for line in text_of(folder).splitlines() if " QUOTE " in line]


def test_a_ladders_line_has_every_figure_and_the_reason(logs, tmp_path):
    logs.write(MarketListed(market()), NOW)
    logs.write(MakerStarted(market(), 7, "r1-7", MakerParams()), NOW)
    logs.write(intent(), Nanos(NOW + 1_234_000_000))
    logs.close()
    line = text_of(tmp_path).splitlines()[-1]
    assert line == (
        "2026-11-18 11:06:41.234 QUOTE f 0.620 left 186.0s spot 97012.50 age 1.23s strike 97000.00 sigma 0.520 d2 +0.21"
        " fair 0.5830 lean -0.0120 half 0.0180 (0.0100+0.0080) room 600 net -30"
        " | bid 30@0.56 30@0.55 | ask 30@0.60 | FLATTENING: price moved"
    )


def test_what_a_market_is_quoted_with_and_what_it_begins_with_come_first(logs, tmp_path):
    logs.write(MakerStarted(market(), 7, "r1-7", MakerParams()), NOW)
    logs.write(hydrated(yes=40, yes_cost=19_200_000), NOW)
    logs.close()
    text = text_of(tmp_path)
    assert "incarnation 7 quotes: half = 0.0100 + k_lat 2.5" in text
    assert "3 x 30, 0.01 apart; at most room - net YES and room + net NO; max_position 1000, lean" in text
    assert "all cancelled 6 s before the end" in text
    assert "begins with 40 YES ($19.20) and 0 NO ($0.00) held, net +40; account ACTIVE" in text


def test_a_ladder_is_written_once_however_often_it_is_sent(logs, tmp_path):
    for spot in (97_012.5, 97_012.6, 97_012.7):
        logs.write(intent(spot=spot, why=f"lean +0.1c, room {spot:.0f}"), NOW)
    logs.close()
    assert len(quotes(tmp_path)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"bids": ((55, 30),)},
        {"asks": ((60, 20),)},
        {"net": 0},
        {"phase": "REDUCE_ONLY"},
        {"why": "price moved, short of cash"},
    ],
)
def test_a_ladder_that_differs_is_written_and_so_is_the_one_it_goes_back_to(logs, tmp_path, change):
    for each in ({}, change, change, {}):
        logs.write(intent(**each), NOW)
    logs.close()
    assert len(quotes(tmp_path)) == 3


def test_another_incarnations_ladder_is_written_anew(logs, tmp_path):
    logs.write(intent(), NOW)
    logs.write(replace(intent(), incarnation=2), NOW)
    logs.close()
    assert len(quotes(tmp_path)) == 2


def test_what_was_sent_for_a_ladder_already_written_counts_with_the_next(logs, tmp_path):
    for each in (intent(), intent(), intent(net=0)):
        logs.write(each, NOW)
    logs.close()
    records = [json.loads(line) for line in next(tmp_path.rglob("*.jsonl")).read_text().splitlines()]
    assert [record["sent"] for record in records if record["type"] == "quote"] == [[1, 0, 1], [2, 0, 2]]


def test_every_purchase_that_takes_is_written_with_its_price(logs, tmp_path):
    for _ in range(2):
        logs.write(taking(), NOW)
    logs.close()
    assert len(quotes(tmp_path)) == 2
    assert all("| ask 30@0.60 | take 20 NO@0.45 | FLATTENING" in line for line in quotes(tmp_path))
    assert all(row.endswith("FLATTENING: price moved | take 20 NO@0.45") for row in table(find(tmp_path, ID))[2:])


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
        "FILL  bought 30 NO at 0.48 (our YES ask at 0.52, fair -) edge -c net - fee 0.0000 maker order r1-1",
        "ORDER r1-2 rejected by the venue: INVALID_TICK off the tick",
        "ORDER r1-3 denied by our gate: room: could take the position to 900",
        "LIFE  resolved YES",
        "ENDED YES P&L +12.34 | edge at the fills -c (+0.00), markout (1 s) -c (+0.00) |",
        "| net at close +4 (at 10 % left +30, most 210) | fills 17 contracts 420 two-sided 72% messages 900",
        "retired",
    ):
        assert words in text


def test_a_fill_is_held_against_the_fair_value_and_says_the_net_it_leads_to(logs, tmp_path):
    logs.write(hydrated(yes=10), NOW)
    logs.write(intent(fair=0.50), NOW)
    logs.write(fill(ticks=48, fill_id="f-1"), NOW)
    logs.write(intent(fair=0.45), NOW)
    logs.write(fill(outcome=Outcome.YES, ticks=48, size=5, fill_id="f-2"), NOW)
    logs.close()
    text = text_of(tmp_path)
    assert "bought 30 NO at 0.48 (our YES ask at 0.52, fair 0.5000) edge +2.0c net -20 fee" in text
    assert "bought 5 YES at 0.48 (our YES bid at 0.48, fair 0.4500) edge -3.0c net -15 fee" in text


def test_a_sessions_end_says_what_its_profit_is_made_of(logs, tmp_path):
    logs.write(hydrated(), NOW)
    logs.write(intent(fair=0.50), NOW)
    logs.write(fill(outcome=Outcome.YES, ticks=45, size=50, fill_id="f-1"), NOW)
    logs.write(fill(outcome=Outcome.NO, ticks=49, size=30, fill_id="f-2", fee=100_000), NOW)
    # 30 pairs for 0.94 earn 1.80; 20 YES for 0.45 pay nothing: -9.00; fee 0.10
    logs.write(replace(report(), outcome=Resolution.NO, pnl_micros=Micros(-7_300_000)), NOW)
    logs.close()
    line = text_of(tmp_path).splitlines()[-1]
    assert "ENDED NO P&L -7.30 = 30 pairs at 0.9400 +1.80, 20 YES at 0.4500 -9.00, fees -0.10 |" in line
    assert "| edge at the fills +3.5c (+2.80), markout (1 s) +3.5c (+2.80) |" in line


def test_a_fill_is_held_against_the_fair_value_a_second_later_too(logs, tmp_path):
    for seconds, event in [
        (0.0, intent(fair=0.50)),
        (0.1, fill(ticks=48, fill_id="f-1")),  # +2 c at once
        (0.9, intent(fair=0.70, net=1)),  # and -18 c a second later
        (1.2, intent(fair=0.40, net=2)),
        (1.3, fill(ticks=48, fill_id="f-2")),  # +12 c, and nothing more is known
        (1.4, report()),
    ]:
        logs.write(event, Nanos(NOW + round(seconds * SECOND)))
    logs.close()
    assert "edge at the fills +7.0c (+4.20), markout (1 s) -3.0c (-1.80) |" in text_of(tmp_path)


def test_merged_pairs_are_part_of_what_a_profit_is_made_of(logs, tmp_path):
    logs.write(hydrated(yes=40, no=30, yes_cost=20_000_000, no_cost=12_000_000), NOW)
    logs.write(PairsMerged(ID, Contracts(30)), NOW)
    logs.write(replace(report(), outcome=Resolution.YES, pnl_micros=Micros(8_000_000)), NOW)
    logs.close()
    assert "30 pairs of YES and NO became a dollar each" in text_of(tmp_path)
    assert "P&L +8.00 = 10 YES at 0.5000 +5.00, merged +3.00 |" in text_of(tmp_path)


def test_a_profit_of_which_the_log_has_not_seen_all_is_not_taken_apart(logs, tmp_path):
    logs.write(hydrated(), NOW)
    logs.write(report(), NOW)
    logs.close()
    assert "P&L +12.34 | edge" in text_of(tmp_path)


def test_a_refused_order_is_named_by_what_it_was_to_buy(logs, tmp_path):
    move = ReplaceOrder("r1-1", Ticks(57), Contracts(20))
    logs.write(intent(), NOW)
    logs.write(OrderRejected(ID, "r1-1", "INVALID_TICK", "off the tick"), NOW)
    logs.write(replace(intent(), cancels=(), places=(), replaces=(move,)), NOW)
    logs.write(OrderUnchanged(ID, "r1-1", "replace", "DENIED_spread", "own spread", denied=True), NOW)
    logs.write(OrderUnchanged(ID, "r1-8", "cancel", "NOT_FOUND", "no such order"), NOW)
    logs.close()
    text = text_of(tmp_path)
    assert "ORDER r1-1 (30 YES at 0.56) rejected by the venue: INVALID_TICK off the tick" in text
    assert "ORDER r1-1 (20 YES at 0.57) replace denied by our gate, stands as it was: spread: own spread" in text
    assert "ORDER r1-8 cancel refused by the venue, stands as it was: NOT_FOUND no such order" in text


def test_what_concerns_all_markets_is_in_the_logs_of_those_that_live(logs, tmp_path):
    logs.write(MarketListed(market()), NOW)
    logs.write(MarketListed(market("gone")), NOW)
    logs.write(MarketRetired("gone", 1), NOW)
    logs.write(TradingStateChanged(TradingState.REDUCING, "the day's loss is $1001"), NOW)
    logs.write(VenueDisconnected("reset", NOW), NOW)
    logs.close()
    assert "LIFE  account REDUCING: the day's loss is $1001" in text_of(tmp_path)
    assert "LIFE  venue's connection lost: reset" in text_of(tmp_path)
    assert text_of(tmp_path, "gone").splitlines()[-1].endswith("LIFE  retired")


def test_a_retired_market_keeps_no_file_open_and_may_come_back(logs, tmp_path):
    logs.write(MarketRetired(ID, 1), NOW)
    assert logs._open == {}
    assert logs._builders == {}
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
    assert "-- FILL  bought 30 NO at 0.48 (our YES ask at 0.52, fair 0.5830) edge -6.3c" in lines[4]


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
    with pytest.raises(NoSuchMarketError) as told:
        find(two_runs, name)
    assert line in str(told.value)


def test_inspect_says_that_there_is_nothing(tmp_path):
    with pytest.raises(NoSuchMarketError, match="no market logs in"):
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
