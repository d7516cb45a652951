"""The console tells the story of a session in lines that can be followed."""

import math
from dataclasses import replace

import pytest

from mmactors.messages import (
    ActorDied,
    FeedConnected,
    FeedWentStale,
    Market,
    MarketChanged,
    MarketHydrated,
    MarketListed,
    MarketResolved,
    MarketStatus,
    OrderFilled,
    OrderUnknown,
    Outcome,
    QuoteIntent,
    QuoteReason,
    ReferenceLost,
    ReferenceMoved,
    Resolution,
    SessionReport,
    TradingState,
    TradingStateChanged,
    VenueConnected,
    VenueDisconnected,
)
from mmactors.ops.console import ConsoleReporter
from mmactors.units import DOLLAR, SECOND, Contracts, Micros, Nanos, Ticks

NOW = Nanos(1_795_000_000 * SECOND)
MARKET = Market("BTC-5M-X", "BTC", None, MarketStatus.PENDING, NOW, Nanos(NOW + 300 * SECOND))
OPEN = replace(MARKET, strike=97_000.0, status=MarketStatus.OPEN)
REASON = QuoteReason(
    *("price moved", 97_012.5, 97_000.0, 0.9, 0.5, 0.1, 0.54, 0.0, 0.02, 1000, 0),
    *(((52, 30), (51, 30)), ((56, 30),), "EARLY"),
)
REPORT = SessionReport(
    "BTC-5M-X", "BTC", 300, 97_000.0, Resolution.YES, Micros(-12_340_000), 4, 30, 210, 0.4, 17, 420, 0.72, 900
)


def intent(**change) -> QuoteIntent:
    return QuoteIntent("BTC-5M-X", 1, (), (), (), replace(REASON, **change), NOW)


def fill(outcome: Outcome, maker: bool = True, ticks: int = 48, market: str = "BTC-5M-X") -> OrderFilled:
    size = Contracts(30)
    return OrderFilled(market, "r1-1", "f-1", outcome, Ticks(ticks), size, Micros(0), size, maker, NOW)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def reporter(lines):
    return ConsoleReporter(lines.append)


def told(reporter: ConsoleReporter, event: object) -> list[str]:
    return reporter.lines(event, NOW)


def said(reporter: ConsoleReporter, event: object) -> str:
    (line,) = told(reporter, event)
    return line


def hydrated(market: Market = OPEN, yes: int = 0) -> MarketHydrated:
    state = (Contracts(yes), Contracts(0), Micros(0), Micros(0), TradingState.ACTIVE, Nanos(0), 0.1)
    return MarketHydrated(market, *state, Micros(1000 * DOLLAR))


def at(seconds: float) -> Nanos:
    return Nanos(NOW + round(seconds * SECOND))


def test_a_session_is_listed_once_and_opened_with_its_strike(reporter):
    assert "listed: BTC above its price at the open? 300 s, pending" in said(reporter, MarketListed(MARKET))
    assert told(reporter, MarketListed(MARKET)) == []
    assert "opened: strike 97,000.00, 300 s" in said(reporter, MarketChanged(OPEN, "opened"))
    assert told(reporter, MarketChanged(OPEN, "opened")) == []
    assert "closed by the venue" in said(reporter, MarketChanged(OPEN, "closed"))


def test_that_a_market_closes_at_its_end_is_no_news_but_before_it_is(reporter):
    told_at = [reporter.lines(MarketChanged(OPEN, "closed"), at(seconds)) for seconds in (290, 299, 301)]
    assert [len(lines) for lines in told_at] == [1, 0, 0]
    assert "halted by the venue" in reporter.lines(MarketChanged(OPEN, "halted"), at(299))[0]


def test_after_a_missed_event_a_market_is_told_by_what_became_of_it(reporter):
    told(reporter, MarketListed(MARKET))
    assert "opened: strike 97,000.00, 300 s" in said(reporter, MarketChanged(OPEN, "snapshot"))
    assert told(reporter, MarketChanged(OPEN, "opened")) == []
    halted = replace(OPEN, status=MarketStatus.HALTED)
    assert "halted by the venue" in said(reporter, MarketChanged(halted, "snapshot"))
    assert "opened: strike" in said(reporter, MarketChanged(OPEN, "snapshot"))
    assert "terms changed by the venue" in said(reporter, MarketChanged(replace(OPEN, strike=97_001.0), "snapshot"))
    closed = MarketChanged(replace(OPEN, status=MarketStatus.CLOSED), "snapshot")
    assert "closed by the venue" in said(reporter, closed)


def test_a_market_that_was_halted_and_is_opened_again_is_told(reporter):
    events = [("opened", MarketStatus.OPEN), ("halted", MarketStatus.HALTED), ("opened", MarketStatus.OPEN)]
    changes = [MarketChanged(replace(OPEN, status=status), what) for what, status in events]
    assert ["opened" in said(reporter, change) for change in changes] == [True, False, True]


def test_the_first_two_sided_quote_is_shown_in_both_views_and_only_the_first(reporter):
    told(reporter, hydrated())
    assert told(reporter, intent(asks=())) == []
    line = said(reporter, intent())
    assert "first two-sided quote: YES 30 at 0.52 / 30 at 0.56 (NO at 0.44)" in line
    assert "fair 0.540, 270 s left, spot 97,012.50, sigma 0.50" in line
    assert told(reporter, intent(spot=1.0)) == []


def test_each_phase_is_told_when_it_begins(reporter):
    told(reporter, hydrated())
    told(reporter, intent())
    phases = [
        told(reporter, intent(phase=phase, f=f, why=why))
        for phase, f, why in [
            *(("FLATTENING", 0.74, "lean"), ("FLATTENING", 0.5, "lean"), ("REDUCE_ONLY", 0.1, "reduce-only")),
            *(("DEAD_SIDE", 0.09, "dead side"), ("CLOSED", 0.02, "closing")),
        ]
    ]
    assert [len(lines) for lines in phases] == [1, 0, 1, 1, 1]
    assert "exposure is worked off from here with 74% left; net +0, lean +0.0c, fair 0.540" in phases[0][0]
    assert "reduce-only with 10% left" in phases[2][0]
    assert "dead side" in phases[3][0]
    assert "everything cancelled before the close with 2% left" in phases[4][0]


def test_phases_that_take_turns_are_told_once_and_again_after_a_change_of_state(reporter):
    phases = ["EARLY", "FLATTENING", "REDUCE_ONLY", "DEAD_SIDE", "REDUCE_ONLY", "DEAD_SIDE", "REDUCE_ONLY"]
    assert [len(told(reporter, intent(phase=phase))) for phase in phases] == [1, 1, 1, 1, 0, 0, 0]
    told(reporter, TradingStateChanged(TradingState.REDUCING, "the day's loss"))
    assert [len(told(reporter, intent(phase=phase))) for phase in ("REDUCE_ONLY", "REDUCE_ONLY")] == [1, 0]


def test_a_pause_that_concerns_all_is_no_end_of_every_market(reporter):
    told(reporter, intent())
    nothing = {"bids": (), "asks": (), "phase": "CLOSED", "fair": math.nan}
    for why in ("binance: the peer hung up", "venue not in step", "account halted"):
        assert told(reporter, intent(why=why, **nothing)) == []
        assert told(reporter, intent()) == []


def test_a_frozen_market_says_so_once_and_when_it_thaws(reporter):
    told(reporter, intent())
    frozen = intent(why="frozen after a burst of fills", bids=(), asks=(), net=-610)
    assert "frozen after a burst of fills: its quotes are pulled; net -610" in said(reporter, frozen)
    assert told(reporter, frozen) == []
    assert "quoting again" in said(reporter, intent())


def test_orders_that_went_unknown_with_the_connection_are_told_by_its_line_alone(reporter, lines):
    reporter.write(OrderUnknown("BTC-5M-X", "r1-1", "connection lost"), at(0))
    reporter.flush(at(1))
    assert lines == []


def test_a_single_order_of_unknown_fate_is_told_by_its_name(reporter, lines):
    reporter.write(OrderUnknown("BTC-5M-X", "r1-2", "no answer"), at(0))
    reporter.flush_due(at(5))
    (line,) = lines
    assert "order r1-2: unconfirmed (no answer); counted as live, queried" in line


def test_an_outage_is_one_line_in_five_seconds_for_each_market_with_the_count(reporter, lines):
    for number in range(200):  # twenty seconds
        for market in ("BTC-5M-X", "ETH-5M-X"):
            reason = "HTTP 500" if number % 4 else "no answer"
            reporter.write(OrderUnknown(market, f"r1-{number}", reason), at(number / 10))
        reporter.flush_due(at(number / 10))
    reporter.flush(at(20))
    assert [sum(market in line for line in lines) for market in ("BTC-5M-X", "ETH-5M-X")] == [4, 4]
    counts = [int(line.split(" orders: unconfirmed")[0].split()[-1]) for line in lines if "BTC-5M-X" in line]
    assert sum(counts) == 200  # none is lost, none told twice
    assert "51 orders: unconfirmed (38 HTTP 500, 13 no answer); counted as live, queried" in lines[0]


def test_of_many_reasons_the_most_frequent_are_named(reporter, lines):
    for number, reason in enumerate(["a", "a", "a", "b", "b", "c", "c", "d", "e"]):
        reporter.write(OrderUnknown("BTC-5M-X", f"r1-{number}", reason), at(0))
    reporter.flush(at(0))
    assert "9 orders: unconfirmed (3 a, 2 b, 2 c, 2 other);" in lines[0]


def test_orders_of_unknown_fate_are_told_before_their_market_ends(reporter, lines):
    reporter.write(OrderUnknown("BTC-5M-X", "r1-2", "no answer"), at(0))
    reporter.write(fill(Outcome.YES), at(0))
    reporter.write(MarketResolved(OPEN, Resolution.YES), at(1))
    assert ["unconfirmed" in line for line in lines] == [False, True, False]


def test_a_feed_that_connects_again_and_again_without_a_word_is_told_once(reporter):
    connected, stale = FeedConnected("binance", "BTC", NOW), FeedWentStale("binance", "BTC", NOW, "no tick for 2 s")
    counts = [len(told(reporter, event)) for event in (connected, stale, connected, connected, stale, connected)]
    assert counts == [1, 1, 1, 0, 1, 1]


def test_a_markets_fills_are_one_line_with_their_edge_and_the_net_after(reporter, lines):
    reporter.write(hydrated(yes=40), NOW)
    reporter.write(intent(fair=0.54, lean=0.01), NOW)
    lines.clear()
    reporter.write(fill(Outcome.YES), at(0))  # worth 0.54: 6 c
    reporter.write(fill(Outcome.NO, ticks=44), at(1))  # worth 0.46: 2 c
    reporter.write(intent(fair=0.50, lean=0.02), at(2))
    reporter.write(fill(Outcome.NO, ticks=49, maker=False), at(2))  # worth 0.50: 1 c
    reporter.flush_due(at(4.9))
    assert lines == []
    reporter.flush_due(at(5))
    (line,) = lines
    assert line.startswith("11:06:45.000 BTC-5M-X ")
    assert (
        "bought   30 YES,   60 NO in   3 fills, edge  +3.0c, markout  +3.0c; net   +10, lean  +2.0c, cash $957.70"
        in line
    )
    assert line.endswith("; 30 taken")


def test_fills_make_one_line_in_five_seconds_for_each_market(reporter, lines):
    for tenth in range(200):  # twenty seconds
        reporter.write(fill(Outcome.YES), at(tenth / 10))
        reporter.write(fill(Outcome.NO, market="ETH-5M-X"), at(tenth / 10))
        reporter.flush_due(at(tenth / 10))
    assert [sum(market in line for line in lines) for market in ("BTC-5M-X", "ETH-5M-X")] == [3, 3]
    reporter.flush(at(20))
    assert len(lines) == 8
    bought = [int(line.split("bought")[1].split()[0]) for line in lines if "BTC-5M-X" in line]
    assert sum(bought) == 200 * 30  # none is lost, none told twice
    reporter.flush(at(21))
    reporter.flush_due(at(60))
    assert len(lines) == 8


@pytest.mark.parametrize("end", [REPORT, MarketResolved(OPEN, Resolution.YES)])
def test_fills_are_told_before_their_market_ends_and_those_of_others_wait(reporter, lines, end):
    reporter.write(fill(Outcome.YES), at(0))
    reporter.write(fill(Outcome.YES, market="ETH-5M-X"), at(0))
    reporter.write(end, at(1))
    assert ["bought" in line for line in lines] == [True, False]
    assert all("BTC-5M-X" in line for line in lines)
    reporter.flush_due(at(5))
    assert "ETH-5M-X" in lines[2]


def test_an_edge_without_a_fair_value_is_a_dash(reporter, lines):
    reporter.write(fill(Outcome.YES), NOW)
    reporter.write(intent(fair=math.nan, bids=(), asks=(), phase="CLOSED", why="no price"), NOW)
    reporter.write(fill(Outcome.YES), NOW)
    reporter.flush(NOW)
    assert "in   2 fills, edge     -c, markout     -c; net   +60" in lines[0]


def test_an_edge_that_the_news_behind_the_fill_took_away_is_seen(reporter, lines):
    reporter.write(intent(fair=0.56), at(0))
    lines.clear()
    reporter.write(fill(Outcome.NO, ticks=33), at(0))
    reporter.write(intent(fair=0.87), at(0.1))
    reporter.flush_due(at(5))
    assert "edge +11.0c, markout -20.0c;" in lines[0]


def test_a_settlement_says_profit_and_net_and_a_second_one_that_it_is(reporter):
    resolved = replace(OPEN, settlement_price=97_100.0)
    line = said(reporter, MarketResolved(resolved, Resolution.YES))
    assert "resolved YES at 97,100.00, strike 97,000.00" in line
    settled = (
        "settled YES: P&L    -$12.34, net at close   +4 (at 10 % left  +30, most  210),  17 fills,   420 contracts"
    )
    assert settled in said(reporter, REPORT)
    assert "settled again" in said(reporter, REPORT)


def test_settlements_stand_below_each_other_however_they_end(reporter):
    ends = [(Resolution.YES, 1_000_000), (Resolution.NO, -999_990_000), (Resolution.VOID, 0)]
    lines = [said(ConsoleReporter(print), replace(REPORT, outcome=how, pnl_micros=Micros(pnl))) for how, pnl in ends]
    assert len({line.index(", net at close") for line in lines}) == 1
    assert len({len(line) for line in lines}) == 1


def test_venue_feeds_and_states_are_told(reporter):
    up = VenueConnected("a-1", "sim-1", frozenset(), 50.0, 100.0, None, NOW)
    assert "connected as a-1, session sim-1" in said(reporter, up)
    assert "connection lost: reset; what rests there counts as live" in said(reporter, VenueDisconnected("reset", NOW))
    assert "reconnected as a-1" in said(reporter, up)
    assert "binance BTC" in said(reporter, FeedWentStale("binance", "BTC", NOW, "silent for 2 s"))
    moved = ReferenceMoved("BTC", 97_000.0, 0.5, NOW, NOW, 0.05, ("binance",))
    assert told(reporter, moved) == []
    assert "no live price" in said(reporter, ReferenceLost("BTC", NOW, "every source silent"))
    assert "live again at 97,000.00" in said(reporter, moved)
    assert told(reporter, moved) == []
    assert "REDUCING: the day's loss" in said(
        reporter, TradingStateChanged(TradingState.REDUCING, "the day's loss is $1001")
    )
    assert "died (incarnation 2): boom" in said(reporter, ActorDied("market:X", 2, "boom"))
    assert told(reporter, ActorDied("market:X", 2, None)) == []


def test_lines_are_written_with_the_time(reporter, lines):
    reporter.write(REPORT, NOW)
    reporter.write(object(), NOW)
    assert len(lines) == 1
    assert lines[0].startswith("11:06:40.000 BTC-5M-X ")


def test_what_is_said_begins_in_one_column_also_after_a_longer_name(reporter, lines):
    long = "KXBTCD-25NOV2314-T97249.99-X"
    for event in (MarketListed(OPEN), MarketListed(replace(OPEN, id=long)), REPORT):
        reporter.write(event, NOW)
    assert [line.find(word) for line, word in zip(lines, ("listed", "listed", "settled"), strict=True)] == [38, 42, 42]


def test_no_line_is_longer_than_160_and_nothing_of_a_longer_one_is_lost(reporter, lines):
    words = [f"word-{number}" for number in range(60)]
    expensive = replace(OPEN, id="SHIB-1000-" + "X" * 300, strike=1e12)
    reporter.write(MarketListed(expensive), NOW)
    reporter.write(VenueDisconnected(" ".join(words), NOW), NOW)
    reporter.write(replace(intent(spot=1e12, net=-10_000, phase="FLATTENING"), market=expensive.id), NOW)
    reporter.write(fill(Outcome.NO, maker=False, market=expensive.id), NOW)
    reporter.write(replace(REPORT, market=expensive.id, pnl_micros=Micros(-(10**13)), contracts=10**6), NOW)
    assert max(map(len, lines)) <= 160
    assert all(any(word in line.split() for line in lines) for word in words[:-1])
    begun = [line for line in lines if line[0] != " "]
    assert len(begun) == 6
    table = reporter.summary([replace(REPORT, market=expensive.id, strike=1e12)], cash=Micros(DOLLAR))
    assert max(map(len, table)) <= 160


def test_colour_only_where_it_is_asked_for():
    plain, coloured = ConsoleReporter(print), ConsoleReporter(print, colour=True)
    assert "\x1b[" not in said(plain, REPORT)
    assert "\x1b[31m" in said(coloured, REPORT)


def test_words_of_the_venue_cannot_steer_the_terminal(reporter):
    assert "\x1b" not in said(reporter, VenueDisconnected("bye \x1b[2J\n", NOW))


def test_a_share_that_nobody_knows_is_a_dash_and_spoils_no_average(reporter):
    unknown = replace(REPORT, market="BTC-5M-Y", two_sided_share=math.nan, risk_at_close=math.nan)
    _, _, known, row, _, totals = reporter.summary([REPORT, unknown])
    assert known.split()[-2] == totals.split()[-2]
    assert row.split()[-2] == "-"


def test_the_last_word_is_a_table_of_all_sessions_and_their_totals(reporter):
    other = replace(REPORT, market="BTC-1M-Y", pnl_micros=Micros(20_000_000), outcome=Resolution.NO, duration_s=60)
    lines = reporter.summary([REPORT, other, REPORT], cash=Micros(1_234 * DOLLAR))
    assert lines[0].split()[:4] == ["market", "strike", "outcome", "P&L"]
    assert len({len(line) for line in lines[:-1]}) == 1
    assert lines[-2].split()[:4] == ["2", "sessions", "1Y/1N", "+7.66"]
    assert lines[-1] == "cash $1,234.00"
    assert reporter.summary([]) == ["no session was settled"]


def test_what_is_still_held_is_the_very_last_word(reporter):
    told(reporter, hydrated(yes=10))
    told(reporter, fill(Outcome.NO))
    told(reporter, hydrated(replace(OPEN, id="BTC-1M-Y"), yes=3))
    told(reporter, replace(REPORT, market="BTC-1M-Y"))
    paired = reporter.summary([], cash=Micros(DOLLAR), pairs=3350)[1]
    assert paired == "cash $1.00, and $3,350 to come for pairs of YES and NO, however their markets end"
    assert reporter.summary([], cash=Micros(DOLLAR))[1:] == ["cash $1.00", "held, not settled (YES - NO): BTC-5M-X -20"]
