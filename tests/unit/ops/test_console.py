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
from mmactors.ops.console import Narrator
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


def fill(outcome: Outcome, maker: bool = True) -> OrderFilled:
    return OrderFilled(
        "BTC-5M-X", "r1-1", "f-1", outcome, Ticks(48), Contracts(30), Micros(0), Contracts(30), maker, NOW
    )


@pytest.fixture
def lines():
    return []


@pytest.fixture
def narrator(lines):
    return Narrator(lines.append)


def said(narrator: Narrator, event: object) -> str:
    (line,) = narrator.narrate(event)
    return line


def test_a_session_is_listed_once_and_opened_with_its_strike(narrator):
    assert "listed: BTC above its price at the open? 300 s, pending" in said(narrator, MarketListed(MARKET))
    assert narrator.narrate(MarketListed(MARKET)) == []
    assert "opened: strike 97,000.00, 300 s" in said(narrator, MarketChanged(OPEN, "opened"))
    assert narrator.narrate(MarketChanged(OPEN, "opened")) == []
    assert "closed by the venue" in said(narrator, MarketChanged(OPEN, "closed"))


def test_the_first_two_sided_quote_is_shown_in_both_views_and_only_the_first(narrator):
    assert narrator.narrate(intent(asks=())) == []
    line = said(narrator, intent())
    assert "first two-sided quote: YES 30 at 0.52 / 30 at 0.56 (the ask is a NO bid at 0.44)" in line
    assert "fair 0.540, spot 97,012.50, strike 97,000.00" in line
    assert narrator.narrate(intent(spot=1.0)) == []


def test_each_phase_is_told_when_it_begins(narrator):
    narrator.narrate(intent())
    told = [
        narrator.narrate(intent(phase=phase, f=f, why=why))
        for phase, f, why in [
            *(("FLATTENING", 0.74, "lean"), ("FLATTENING", 0.5, "lean"), ("REDUCE_ONLY", 0.1, "reduce-only")),
            *(("DEAD_SIDE", 0.09, "dead side"), ("CLOSED", 0.02, "closing")),
        ]
    ]
    assert [len(lines) for lines in told] == [1, 0, 1, 1, 1]
    assert "exposure is worked off from here with 74% left; net +0" in told[0][0]
    assert "reduce-only with 10% left" in told[2][0]
    assert "dead side" in told[3][0]
    assert "everything cancelled before the close with 2% left" in told[4][0]


def test_a_pause_that_concerns_all_is_no_end_of_every_market(narrator):
    narrator.narrate(intent())
    nothing = {"bids": (), "asks": (), "phase": "CLOSED", "fair": math.nan}
    for why in ("binance: the peer hung up", "venue not in step", "account halted"):
        assert narrator.narrate(intent(why=why, **nothing)) == []
        assert narrator.narrate(intent()) == []


def test_a_frozen_market_says_so_once_and_when_it_thaws(narrator):
    narrator.narrate(intent())
    frozen = intent(why="frozen after a burst of fills", bids=(), asks=(), net=-610)
    assert "frozen after a burst of fills: its quotes are pulled; net -610" in said(narrator, frozen)
    assert narrator.narrate(frozen) == []
    assert "quoting again" in said(narrator, intent())


def test_orders_that_went_unknown_with_the_connection_are_told_by_its_line_alone(narrator):
    assert narrator.narrate(OrderUnknown("BTC-5M-X", "r1-1", "connection lost")) == []
    assert "r1-2: fate unknown (no answer)" in said(narrator, OrderUnknown("BTC-5M-X", "r1-2", "no answer"))


def test_a_feed_that_connects_again_and_again_without_a_word_is_told_once(narrator):
    connected, stale = FeedConnected("binance", "BTC", NOW), FeedWentStale("binance", "BTC", NOW, "no tick for 2 s")
    told = [len(narrator.narrate(event)) for event in (connected, stale, connected, connected, stale, connected)]
    assert told == [1, 1, 1, 0, 1, 1]


def test_a_fill_says_outcome_size_price_net_and_cash(narrator):
    state = (Contracts(40), Contracts(0), Micros(0), Micros(0), TradingState.ACTIVE, Nanos(0), 0.1)
    narrator.narrate(MarketHydrated(OPEN, *state, Micros(1000 * DOLLAR)))
    line = said(narrator, fill(Outcome.NO))
    assert "bought 30 NO at 0.48 (sold YES at 0.52); net +10, cash $985.60" in line
    assert "bought 30 YES at 0.48 as taker; net +40, cash $971.20" in said(narrator, fill(Outcome.YES, maker=False))
    exact = narrator.narrate(fill(Outcome.YES), net=7, cash=Micros(DOLLAR))
    assert "net +7, cash $1.00" in exact[0]


def test_a_settlement_says_profit_and_net_and_a_second_one_that_it_is(narrator):
    resolved = replace(OPEN, settlement_price=97_100.0)
    line = said(narrator, MarketResolved(resolved, Resolution.YES))
    assert "resolved YES at 97,100.00, strike 97,000.00" in line
    assert "settled YES: P&L -$12.34, net at close +4 (at 10 % left +30, most 210), 17 fills" in said(narrator, REPORT)
    assert "settled again" in said(narrator, REPORT)


def test_venue_feeds_and_states_are_told(narrator):
    up = VenueConnected("a-1", "sim-1", frozenset(), 50.0, 100.0, None, NOW)
    assert "connected as a-1, session sim-1" in said(narrator, up)
    assert "connection lost: reset; what rests there counts as live" in said(narrator, VenueDisconnected("reset", NOW))
    assert "reconnected as a-1" in said(narrator, up)
    assert "binance BTC" in said(narrator, FeedWentStale("binance", "BTC", NOW, "silent for 2 s"))
    moved = ReferenceMoved("BTC", 97_000.0, 0.5, NOW, NOW, 0.05, ("binance",))
    assert narrator.narrate(moved) == []
    assert "no live price" in said(narrator, ReferenceLost("BTC", NOW, "every source silent"))
    assert "live again at 97,000.00" in said(narrator, moved)
    assert narrator.narrate(moved) == []
    assert "REDUCING: the day's loss" in said(
        narrator, TradingStateChanged(TradingState.REDUCING, "the day's loss is $1001")
    )
    assert "died (incarnation 2): boom" in said(narrator, ActorDied("market:X", 2, "boom"))
    assert narrator.narrate(ActorDied("market:X", 2, None)) == []


def test_lines_are_written_with_the_time(narrator, lines):
    narrator.tell(fill(Outcome.YES), NOW)
    narrator.tell(object(), NOW)
    assert len(lines) == 1
    assert lines[0].startswith("11:06:40.000 BTC-5M-X ")


def test_colour_only_where_it_is_asked_for():
    plain, coloured = Narrator(print), Narrator(print, colour=True)
    assert "\x1b[" not in said(plain, REPORT)
    assert "\x1b[31m" in said(coloured, REPORT)


def test_words_of_the_venue_cannot_steer_the_terminal(narrator):
    assert "\x1b" not in said(narrator, VenueDisconnected("bye \x1b[2J\n", NOW))


def test_a_share_that_nobody_knows_is_a_dash_and_spoils_no_average(narrator):
    unknown = replace(REPORT, market="BTC-5M-Y", two_sided_share=math.nan, risk_at_close=math.nan)
    _, _, known, row, _, totals = narrator.summary([REPORT, unknown])
    assert known.split()[-2] == totals.split()[-2]
    assert row.split()[-2] == "-"


def test_the_last_word_is_a_table_of_all_sessions_and_their_totals(narrator):
    other = replace(REPORT, market="BTC-1M-Y", pnl_micros=Micros(20_000_000), outcome=Resolution.NO, duration_s=60)
    lines = narrator.summary([REPORT, other, REPORT], cash=Micros(1_234 * DOLLAR))
    assert lines[0].split()[:4] == ["market", "strike", "outcome", "P&L"]
    assert len({len(line) for line in lines[:-1]}) == 1
    assert lines[-2].split()[:4] == ["2", "sessions", "1Y/1N", "+7.66"]
    assert lines[-1] == "cash $1,234.00"
    assert narrator.summary([]) == ["no session was settled"]


def test_what_is_still_held_is_the_very_last_word(narrator):
    narrator.narrate(intent(net=-85))
    narrator.narrate(replace(intent(net=3), market="BTC-1M-Y"))
    narrator.narrate(replace(REPORT, market="BTC-1M-Y"))
    paired = narrator.summary([], cash=Micros(DOLLAR), pairs=3350)[1]
    assert paired == "cash $1.00, and $3,350 to come for pairs of YES and NO, however their markets end"
    assert narrator.summary([], cash=Micros(DOLLAR))[1:] == ["cash $1.00", "held, not settled (YES - NO): BTC-5M-X -85"]
