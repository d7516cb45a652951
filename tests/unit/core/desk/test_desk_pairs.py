"""The order desk: pairs, fees and cash."""

from dataclasses import replace

import pytest
from desk_rig import ACK, CONNECTED, MARKET, NO, YES, Rig, buy

from mmactors.core.desk.desk import OrderDesk
from mmactors.messages import (
    FetchMarkets,
    MarketOverdue,
    MarketReported,
    MergePairs,
    MergeReported,
    OrderDenied,
    PairsMerged,
    VenueDisconnected,
    VenueStatus,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos


def holding_pairs(yes=40, no=25, *, below=10**12, capabilities=("replace", "merge"), market=MARKET):
    rig = Rig(start=False, market=market)
    rig.desk = OrderDesk(lambda _: rig.params, prefix="run7", ack_timeout_ns=ACK, merge_below=Micros(below))
    rig.report(replace(CONNECTED, capabilities=frozenset(capabilities)))
    rig.report(MarketReported("created", market))
    rig.report(rig.venue.snapshot())
    rig.settle()
    rig.ready()
    rig.settle()
    rig.pulse()
    for number, (outcome, size) in enumerate(((YES, yes), (NO, no))):
        rig.intend(places=[buy(f"run7-{number}", 48, size, outcome)])
        rig.settle()
        rig.venue.fill(rig.venue.of(f"run7-{number}"), size)
        rig.settle()
    rig.clear()
    return rig


def test_short_of_cash_the_pairs_are_merged_once():
    rig = holding_pairs()
    rig.check(2)
    assert rig.asked(MergePairs) == [MergePairs("m", Contracts(25))]
    rig.settle()
    assert rig.told(PairsMerged) == [PairsMerged("m", Contracts(25))]
    assert rig.told(VenueStatus)[-1].cash_micros == rig.venue.cash
    rig.consistent()
    rig.wait(3)
    assert len(rig.asked(MergePairs)) == 1


@pytest.mark.parametrize("more", [{"below": 1}, {"capabilities": ("replace",)}])
def test_with_cash_enough_or_a_venue_that_cannot_pairs_are_kept(more):
    rig = holding_pairs(**more)
    rig.venue.cash = rig.desk.account.cash_micros = Micros(10**9)
    rig.wait(3)
    assert not rig.asked(MergePairs)


def test_a_merge_that_is_refused_is_not_asked_for_again_at_once():
    rig = holding_pairs()
    rig.check(2)
    rig.out.clear()
    rig.report(MergeReported("m", "INVALID_SIZE"))
    rig.wait(20)
    assert not rig.asked(MergePairs)
    rig.wait(10.5)
    assert len(rig.asked(MergePairs)) == 1
    assert rig.desk.counters["merges_failed"] == 1


def test_the_word_on_a_merge_told_twice_is_booked_once():
    rig = holding_pairs()
    rig.check(2)
    rig.send()
    told = rig.venue.stream[-1]
    rig.settle()
    rig.report(replace(told, seq=told.seq + 1))
    rig.venue.seq += 1
    rig.consistent()
    assert len(rig.told(PairsMerged)) == 1


def test_a_merge_whose_word_was_lost_with_the_connection_is_found_in_the_snapshot():
    rig = holding_pairs()
    rig.intend(places=[buy("run7-8", 47, 30, YES), buy("run7-9", 47, 30, NO)])
    rig.settle()
    rig.check(2)
    rig.send()
    rig.venue.fill(rig.venue.of("run7-8"), 5)  # in the snapshot
    rig.venue.stream.clear()
    rig.report(VenueDisconnected("gone", Nanos(rig.now)))
    rig.report(replace(CONNECTED, capabilities=frozenset({"replace", "merge"})))
    rig.report(rig.venue.snapshot())
    for name in ("run7-8", "run7-9"):
        rig.venue.fill(rig.venue.of(name), 4)  # after it
    rig.venue.stream.clear()
    rig.settle()
    assert rig.told(PairsMerged) == [PairsMerged("m", Contracts(25))]
    rig.consistent()


def test_a_merge_that_never_reached_the_venue_is_not_booked():
    rig = holding_pairs()
    rig.check(2)
    rig.out.clear()
    rig.report(VenueDisconnected("gone", Nanos(rig.now)))
    rig.report(replace(CONNECTED, capabilities=frozenset({"replace", "merge"})))
    rig.report(rig.venue.snapshot())
    rig.settle()
    assert not rig.told(PairsMerged)
    rig.consistent()


@pytest.mark.parametrize(("maker", "taker"), [(10.0, 0.0), (-5.0, 20.0)])
def test_fees_count_as_cash_that_an_order_needs(maker, taker):
    rig = Rig(market=replace(MARKET, maker_bps=maker, taker_bps=taker))
    price = 30 * 480_000
    rate = max(maker, taker)
    rig.desk.account.cash_micros = Micros(price + 20)
    rig.intend(places=[buy()])
    assert rig.told(OrderDenied)[0].rule == "cash"
    rig.desk.account.cash_micros = Micros(price + round(price * rate * 1e-4) + 30)
    rig.intend(places=[buy("run7-2")])
    assert len(rig.told(OrderDenied)) == 1
    assert rig.desk.portfolio.free_cash(besides="") < 1


def test_fees_paid_and_to_be_paid_are_in_the_worst_case():
    rig = Rig(market=replace(MARKET, maker_bps=100.0))
    rig.intend(places=[buy()])
    rig.settle()
    worst = rig.desk.portfolio.worst_losses["m"]
    assert 30 * 484_800 <= worst <= 30 * 484_801
    rig.venue.fill(rig.venue.of("run7-1"), 30, fee=144_000)
    rig.settle()
    assert rig.desk.portfolio.worst_losses["m"] == 30 * 484_800


def test_new_fees_count_for_the_orders_that_rest_already(resting):
    rig = resting
    free = rig.desk.portfolio.free_cash(besides="")
    rig.report(MarketReported("updated", replace(MARKET, maker_bps=100.0)))
    assert rig.desk.portfolio.free_cash(besides="") == free - 144_000 - 30
    assert rig.desk.portfolio.worst_losses["m"] == 30 * 484_801


def test_merging_changes_nothing_of_the_worst_case():
    rig = holding_pairs(market=replace(MARKET, maker_bps=50.0))
    before = rig.desk.portfolio.worst_losses["m"]
    rig.check(2)
    rig.settle()
    assert rig.told(PairsMerged)
    assert rig.desk.portfolio.worst_losses["m"] == before


def test_a_market_overdue_is_told_once_and_asked_about_less_often():
    rig = Rig()
    ended = rig.market.expires_venue_ns - rig.now
    rig.wait(ended / SECOND + 100)
    assert not rig.told(MarketOverdue)
    often = len(rig.asked(FetchMarkets))
    assert often > 20
    rig.wait(200)
    assert [each.market.id for each in rig.told(MarketOverdue)] == ["m"]
    assert len(rig.asked(FetchMarkets)) - often < 15


def test_what_is_priced_for_an_old_strike_does_not_leave_and_what_should_have_gone_outwards_goes(resting):
    rig = resting
    rig.report(MarketReported("opened", replace(MARKET, strike=97_100.0)))
    rig.intend(places=[buy("run7-2", 40)])
    assert rig.told(OrderDenied)[0].rule == "strike"
    rig.intend(replaces=[("run7-1", 45, 30)])
    rig.settle()
    assert not rig.venue.live()
    rig.consistent()
