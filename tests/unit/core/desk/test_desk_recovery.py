"""The order desk: what ended while no run was there."""

from dataclasses import replace

import pytest
from desk_rig import CONNECTED, MARKET, NO, REFUSED, START, YES, Rig, buy, past

from mmactors.messages import (
    BookReported,
    EndUnknown,
    FetchFills,
    FetchMarkets,
    FillMissed,
    FillsFetched,
    MarketHeartbeat,
    MarketHydrated,
    MarketReported,
    MarketResolved,
    MarketStatus,
    OrderDenied,
    OrderFilled,
    PastHolding,
    Resolution,
    SendBatch,
    SessionReport,
    SettledAway,
    VenueDisconnected,
    VenueFill,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks, micros


def bought(number, outcome, ticks, size, *, fee=0, client="run6-1", at_s=10, tick=10_000):
    at = Nanos(START + at_s * SECOND)
    return OrderFilled(
        *("past", client, f"x{number}", outcome, Ticks(ticks), Contracts(size), Micros(fee), Contracts(size), True),
        *(at, Micros(tick)),
    )


def missed(seq, number, outcome, price, size, *, fee=0, market="past", at_s=20):
    at = Nanos(START + at_s * SECOND)
    return VenueFill(
        *(f"x{number}", seq, "o", "run6-2", market, outcome, Micros(price), Contracts(size), Micros(fee), True, at),
        Contracts(size),
    )


LEFT = PastHolding("past", (bought(1, YES, 48, 30, fee=7), bought(2, NO, 40, 10)), Contracts(5))
WRITTEN = [missed(1, 1, YES, 480_000, 30, fee=7), missed(2, 2, NO, 400_000, 10)]


def away(*holdings, fills=(), settled=(), answers=True):
    """A desk that begins after earlier runs left these holdings, beside a venue that has these old fills."""
    rig = Rig(start=False)
    rig.venue.fills = list(fills)
    rig.desk.restore(settled, holdings)
    if not answers:
        take = rig.venue.take
        rig.venue.take = lambda request, **_: take(request, answer=request != FetchFills(0, past=True))
    begin(rig)
    return rig


def held(yes, no, *holdings, fills=()):
    """As `away`, but the venue still has the position."""
    rig = Rig(start=False)
    rig.venue.fills = list(fills)
    rig.venue.held = {("past", YES): yes, ("past", NO): no}
    rig.desk.restore((), holdings)
    begin(rig)
    return rig


def begin(rig):
    rig.report(CONNECTED)
    rig.report(rig.venue.snapshot())
    rig.settle()


def test_a_market_settled_while_no_run_was_there_is_settled_once_to_the_micro_dollar():
    rig = away(LEFT, fills=WRITTEN)
    cash = rig.desk.account.cash_micros
    rig.report(past(Resolution.YES, "snapshot"))
    rig.report(past(Resolution.YES, "snapshot"))
    rig.wait(200)
    (told,) = rig.told(SettledAway)
    report = told.report
    assert (report.market, report.outcome, report.yes, report.no) == ("past", Resolution.YES, 25, 5)
    assert report.pnl_micros == micros(30 + 0 - 30 * 0.48 - 10 * 0.40) - 7
    assert (report.net_at_close, report.max_abs_net, report.fills, report.contracts) == (20, 30, 2, 40)
    assert told.at_ns == START
    assert rig.desk.account.cash_micros == cash, "it was paid before this run began"
    assert not rig.told(MarketResolved, EndUnknown, FillMissed, OrderFilled)


def test_what_was_settled_away_is_of_the_day_on_which_it_ended():
    rig = away(LEFT, fills=WRITTEN)
    ended = past(Resolution.VOID, "snapshot").market
    rig.report(MarketReported("snapshot", replace(ended, expires_venue_ns=Nanos(START - 7_200 * SECOND))))
    (told,) = rig.told(SettledAway)
    assert told.at_ns == START - 7_200 * SECOND
    assert told.report.pnl_micros == micros(20 - 30 * 0.48 - 10 * 0.40) - 7


def test_the_venue_is_asked_once_for_what_earlier_runs_left_and_only_if_they_left_anything():
    rig = away()
    assert rig.asked(FetchFills, FetchMarkets) == [FetchFills(100)]
    rig = away(LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES, "snapshot"))
    rig.wait(200)
    assert rig.asked(FetchFills, FetchMarkets) == [FetchFills(100), FetchFills(0, past=True), FetchMarkets("RESOLVED")]


@pytest.mark.parametrize("known", [LEFT, PastHolding("past", (), Contracts(0))])
def test_fills_that_nobody_lived_to_write_down_are_had_from_the_venue(known):
    more = [missed(3, 3, YES, 505_000, 4, fee=3), missed(4, 4, YES, 500_000, 1, market="other")]
    rig = away(known, fills=[*WRITTEN, *more])
    rig.report(past(Resolution.NO, "snapshot"))
    new = [told.fill for told in rig.told(FillMissed)]
    assert [fill.fill_id for fill in new] == (["x3"] if known.fills else ["x1", "x2", "x3"])
    assert new[-1].ticks * new[-1].tick_micros == 505_000
    (told,) = rig.told(SettledAway)
    assert (told.report.yes, told.report.no) == (34 - known.pairs, 10 - known.pairs)
    assert told.report.pnl_micros == micros(10 - 30 * 0.48 - 10 * 0.40 - 4 * 0.505) - 10
    assert not rig.told(OrderFilled), "their cost is in the cash that was adopted"


def test_a_market_in_which_nothing_was_ever_bought_leaves_nothing():
    rig = away(PastHolding("past", (), Contracts(0)))
    rig.report(past(Resolution.NO, "snapshot"))
    rig.wait(200)
    assert not rig.told(SettledAway, EndUnknown)


@pytest.mark.parametrize("event", ["resolved", "snapshot"])
def test_what_was_settled_while_no_run_was_there_can_be_corrected_in_this_one(event):
    rig = away(LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES, "snapshot"))
    cash = rig.desk.account.cash_micros
    rig.report(past(Resolution.NO, event))
    rig.report(past(Resolution.NO, event))
    (told,) = rig.told(MarketResolved)
    assert told.corrected_micros == -micros(20.0)
    assert rig.desk.account.cash_micros == cash - micros(20.0)
    assert len(rig.told(SettledAway)) == 1


def test_a_venue_that_no_longer_tells_how_a_market_ended_is_told_of_once_and_nothing_is_invented():
    rig = away(LEFT, fills=WRITTEN)
    rig.wait(20)
    assert not rig.told(EndUnknown)
    rig.wait(300)
    (told,) = rig.told(EndUnknown)
    assert (told.market, told.yes, told.no, told.cost_micros) == ("past", 25, 5, micros(30 * 0.48 + 10 * 0.40 - 5) + 7)
    assert not rig.told(SettledAway)
    asked = len(rig.asked(FetchMarkets))
    assert 10 <= asked <= 20, "in the end every minute only"
    rig.report(past(Resolution.YES, "snapshot"))
    assert rig.told(SettledAway), "late is better than never"


def test_without_the_venues_fills_nothing_is_settled_and_they_are_asked_for_again():
    rig = away(LEFT, fills=[*WRITTEN, missed(3, 3, YES, 500_000, 4)], answers=False)
    rig.report(past(Resolution.YES, "snapshot"))
    rig.report(FillsFetched(0, (), "no answer"))
    assert rig.desk.synced
    rig.wait(60)
    (told,) = rig.told(EndUnknown)
    assert "fills" in told.reason
    assert not rig.told(SettledAway)
    assert rig.asked(FetchFills).count(FetchFills(0, past=True)) == 2
    rig.report(FillsFetched(0, tuple(rig.venue.fills)))
    assert [each.report.yes for each in rig.told(SettledAway)] == [29]


def test_a_market_still_held_at_the_start_that_nobody_takes_up_is_settled_from_all_its_fills():
    rig = held(29, 5, LEFT, fills=[*WRITTEN, missed(3, 3, YES, 500_000, 4)])
    rig.report(MarketReported("snapshot", replace(MARKET, id="past", status=MarketStatus.CLOSED)))
    rig.wait(200)
    assert not rig.told(EndUnknown), "it may be resolved yet"
    rig.events.clear()
    rig.report(past(Resolution.YES))
    (report,) = rig.told(SessionReport)
    assert (report.yes, report.no) == (29, 5)
    assert report.pnl_micros == micros(34 - 30 * 0.48 - 10 * 0.40 - 4 * 0.50) - 7
    assert rig.told(MarketResolved)
    assert not rig.told(SettledAway), "its payment is this run's"


def test_a_fill_of_this_run_is_not_missed_but_counts():
    rig = Rig(start=False)
    rig.venue.held = {("past", YES): 25, ("past", NO): 5}
    rig.desk.restore((), [LEFT])
    rig.report(CONNECTED)
    rig.report(rig.venue.snapshot())
    rig.report(FillsFetched(100, ()))
    order = rig.venue.foreign("other", "past")  # somebody else trades on the account
    fresh = rig.venue.fill(order, 2)
    rig.report(FillsFetched(0, (*WRITTEN, fresh)))
    assert not rig.told(FillMissed)
    rig.hear(rig.venue.stream)
    assert [fill.fill_id for fill in rig.told(OrderFilled)] == [fresh.fill_id]
    rig.report(past(Resolution.YES))
    (report,) = rig.told(SessionReport)
    assert (report.yes, report.fills, report.contracts) == (27, 3, 42)


def test_pairs_whose_merge_nobody_lived_to_write_down_change_what_was_held_and_no_total():
    rig = held(20, 0, LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES))
    (report,) = rig.told(SessionReport)
    assert (report.yes, report.no) == (20, 0)
    assert report.pnl_micros == micros(30 - 30 * 0.48 - 10 * 0.40) - 7


def test_a_position_of_nothing_is_none():
    rig = held(0, 0, LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES))
    assert rig.told(SettledAway)


def test_a_position_of_which_no_fill_is_known_is_told_of():
    rig = held(5, 0, PastHolding("past", (), Contracts(0)))
    rig.report(past(Resolution.YES))
    assert [(told.yes, told.no) for told in rig.told(EndUnknown)] == [(5, 0)]


def test_an_account_that_begins_anew_has_no_fills_to_ask_for():
    rig = Rig(start=False)
    rig.venue.seq = 0
    rig.desk.restore((), [LEFT, PastHolding("n", (), Contracts(0))])
    begin(rig)
    rig.wait(60)
    assert FetchFills(0, past=True) not in rig.asked(FetchFills)
    assert [told.reason for told in rig.told(EndUnknown)] == ["the venue does not tell how it ended"]


def test_another_connection_asks_nothing_again():
    rig = away(LEFT, fills=WRITTEN)
    rig.report(VenueDisconnected("gone", Nanos(rig.now)))
    begin(rig)
    assert rig.asked(FetchMarkets) == [FetchMarkets("RESOLVED")]
    assert rig.asked(FetchFills).count(FetchFills(0, past=True)) == 1


def test_nothing_is_told_of_a_market_in_which_nothing_is_known_to_have_been_bought():
    rig = away(PastHolding("past", (), Contracts(0)), answers=False)
    rig.wait(100)
    assert not rig.told(EndUnknown)


def test_the_report_of_what_was_settled_away_follows_the_fills_in_the_order_in_which_they_happened():
    fills = bought(1, YES, 48, 30, at_s=50), bought(2, NO, 48, 10, at_s=290)
    rig = away(PastHolding("past", fills, Contracts(0)), fills=[missed(3, 3, NO, 400_000, 30, at_s=10)])
    rig.report(past(Resolution.NO))
    (report,) = [told.report for told in rig.told(SettledAway)]
    assert (report.max_abs_net, report.net_at_10pct, report.net_at_close) == (30, 0, -10)


def test_a_position_that_the_known_fills_do_not_explain_is_told_of_and_nothing_is_invented():
    rig = held(26, 5, LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES))
    (told,) = rig.told(EndUnknown)
    assert (told.yes, told.no) == (26, 5)
    assert not rig.told(SettledAway, SessionReport)


@pytest.mark.parametrize("answers", [True, False])
def test_a_market_that_an_actor_takes_up_again_is_that_actors_to_report(answers):
    rig = Rig(start=False)
    rig.venue.fills = [*WRITTEN, missed(3, 3, YES, 500_000, 4)]
    rig.venue.held = {("past", YES): 29, ("past", NO): 5}
    rig.desk.restore((), [LEFT])
    rig.report(CONNECTED)
    rig.report(MarketReported("snapshot", replace(MARKET, id="past")))
    rig.report(rig.venue.snapshot())
    rig.ready("past")
    if answers:
        rig.settle()
        assert [told.fill.fill_id for told in rig.told(FillMissed)] == ["x3"]
    else:
        rig.out.clear()
        rig.report(FillsFetched(100, ()))
    rig.report(past(Resolution.YES))
    rig.wait(60)
    assert rig.told(MarketResolved)
    assert not rig.told(SettledAway, SessionReport, EndUnknown)


def test_a_market_of_others_is_neither_listed_nor_resolved_when_it_is_over(rig):
    over = replace(MARKET, id="x", status=MarketStatus.RESOLVED, resolution=Resolution.YES)
    rig.report(MarketReported("resolved", over))
    assert not rig.events


def test_books_are_told_in_ticks_and_only_of_known_markets(rig):
    rig.report(BookReported("m", Micros(470_000), None))
    rig.report(BookReported("x", Micros(470_000), None))
    assert [(b.market, b.bid_ticks, b.ask_ticks) for b in rig.events] == [("m", 47, None)]


def test_an_intent_for_a_market_that_the_desk_does_not_know_is_denied(rig):
    rig.ready("ghost", 4)
    rig.intend(market="ghost", incarnation=4, places=[buy()], cancels=["x"], replaces=[("y", 40, 1)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["market"]
    assert not rig.asked(SendBatch)


def test_an_actors_new_life_gets_its_state_only_when_the_old_orders_are_final(resting):
    rig = resting
    rig.ready(incarnation=2)
    assert not rig.told(MarketHydrated)
    rig.venue.fill(rig.venue.of("run7-1"), 12)  # the cancel comes too late for these
    rig.send()
    rig.hear(rig.venue.acks)
    assert not rig.told(MarketHydrated), "contracts are owed"
    rig.settle()
    (hydrated,) = rig.told(MarketHydrated)
    assert (hydrated.yes, hydrated.yes_cost_micros) == (12, micros(12 * 0.48))
    assert hydrated.cash_micros == rig.venue.cash


def test_a_refused_cancel_of_an_old_lifes_order_is_repeated_so_the_new_life_can_begin(resting):
    rig = resting
    rig.venue.refusals.append(("cancel", REFUSED, False))
    rig.ready(incarnation=2)
    rig.settle()
    assert rig.venue.live()
    assert not rig.told(MarketHydrated)
    for _ in range(7):
        rig.now += SECOND // 10
        rig.check()
        rig.settle()
    assert not rig.venue.live()
    assert len(rig.asked(SendBatch)) == 2
    assert len(rig.told(MarketHydrated)) == 1


def test_an_intent_of_an_earlier_life_is_fenced_off(rig):
    rig.ready(incarnation=2)
    rig.settle()
    rig.clear()
    rig.intend(places=[buy()], incarnation=1)
    assert not rig.events
    assert not rig.out
    assert rig.desk.counters["fenced_intents"] == 1


def test_a_market_unheard_for_three_seconds_has_its_orders_cancelled(resting):
    rig = resting
    rig.now += 3 * SECOND
    rig.check()
    assert not rig.asked(SendBatch)
    rig.check(0.2)
    rig.settle()
    assert not rig.venue.live()


def test_a_silent_markets_cancel_is_repeated_if_refused_but_not_at_every_look(resting):
    rig = resting
    rig.venue.refusals += [("cancel", REFUSED, False)] * 2
    rig.now += 3 * SECOND
    for _ in range(15):
        rig.check(0.1)
        rig.settle()
    assert len(rig.asked(SendBatch)) == 3
    assert not rig.venue.live()


def test_a_pulse_of_an_earlier_life_does_not_count(resting):
    rig = resting
    rig.now += 3 * SECOND + 1
    rig.tell(MarketHeartbeat("m", 0))
    rig.check()
    assert rig.asked(SendBatch)


def test_a_forgotten_markets_orders_are_cancelled_all_the_same(resting):
    rig = resting
    rig.desk.forget("m")
    rig.check(1.0)
    rig.settle()
    assert not rig.venue.live()
