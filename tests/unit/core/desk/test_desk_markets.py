"""The order desk: markets."""

from dataclasses import replace

import pytest
from desk_rig import MARKET, Rig, past

from mmactors.messages import (
    FetchMarkets,
    MarketChanged,
    MarketListed,
    MarketReported,
    MarketResolved,
    MarketStatus,
    PastSettlement,
    Resolution,
)
from mmactors.units import Contracts, micros


def test_a_market_is_listed_changed_and_resolved_once_each(rig):
    other = replace(MARKET, id="n")
    rig.report(MarketReported("created", other))
    rig.report(MarketReported("created", other))
    assert [e.market.id for e in rig.told(MarketListed)] == ["n"]
    halted = replace(other, status=MarketStatus.HALTED)
    rig.report(MarketReported("halted", halted))
    rig.report(MarketReported("halted", halted))
    assert len(rig.told(MarketChanged)) == 1
    resolved = replace(other, status=MarketStatus.RESOLVED, resolution=Resolution.YES)
    rig.report(MarketReported("resolved", resolved))
    rig.report(MarketReported("resolved", resolved))
    rig.report(MarketReported("opened", other))  # late
    assert len(rig.told(MarketResolved)) == 1
    assert rig.desk.markets["n"].status is MarketStatus.RESOLVED


def test_seed_defect_08_a_market_settles_once_a_correction_and_a_late_fill_settle_again(resting):
    rig = resting
    order = rig.venue.of("run7-1")
    rig.venue.fill(order, 10)
    rig.settle()
    before = rig.desk.account.cash_micros
    rig.venue.fill(order, 5)
    late = rig.venue.stream.pop()
    for resolution, pays in ((Resolution.YES, 10.0), (Resolution.YES, 10.0), (Resolution.NO, 0.0)):
        rig.report(MarketReported("resolved", replace(MARKET, status=MarketStatus.RESOLVED, resolution=resolution)))
        assert rig.desk.account.cash_micros == before + micros(pays)
    assert [e.resolution for e in rig.told(MarketResolved)] == [Resolution.YES, Resolution.NO]
    rig.report(MarketReported("resolved", replace(MARKET, status=MarketStatus.RESOLVED, resolution=Resolution.VOID)))
    rig.report(late)
    assert rig.desk.account.cash_micros == before - micros(5 * 0.48) + micros(15 * 0.5)


def test_a_late_fill_of_a_settled_market_is_no_exposure(resting):
    rig = resting
    order = rig.venue.of("run7-1")
    rig.venue.fill(order, 30)
    late = rig.venue.stream.pop()
    rig.report(MarketReported("resolved", replace(MARKET, status=MarketStatus.RESOLVED, resolution=Resolution.NO)))
    rig.report(late)
    assert sum(rig.desk.portfolio.worst_losses.values()) == 0


def test_a_market_that_resolves_while_nobody_listens_is_asked_about_until_it_is_known(resting):
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.settle()
    rig.report(MarketReported("closed", replace(MARKET, status=MarketStatus.CLOSED)))
    rig.now = MARKET.expires_venue_ns
    rig.clear()
    rig.check(2.0)
    assert not rig.asked(FetchMarkets), "it may take the venue a moment"
    for _ in range(100):
        rig.check(0.1)
    assert rig.asked(FetchMarkets) == [FetchMarkets("RESOLVED")] * 3
    rig.report(MarketReported("snapshot", replace(MARKET, status=MarketStatus.RESOLVED, resolution=Resolution.YES)))
    assert [event.resolution for event in rig.told(MarketResolved)] == [Resolution.YES]
    assert rig.desk.account.cash_micros == rig.venue.cash + micros(30.0)
    rig.out.clear()
    for _ in range(100):
        rig.check(0.1)
    assert not rig.asked(FetchMarkets)


PAST = PastSettlement("past", Resolution.YES, Contracts(30), Contracts(10))


@pytest.mark.parametrize("event", ["resolved", "snapshot"])
def test_what_an_earlier_run_settled_can_be_corrected_in_this_one(event):
    rig = Rig(start=False)
    rig.desk.restore([PAST])
    rig.start()
    cash = rig.desk.account.cash_micros
    rig.report(past(Resolution.YES, event))
    assert not rig.told(MarketResolved), "as it was"
    rig = Rig(start=False)
    rig.desk.restore([PAST])
    rig.start()
    rig.report(past(Resolution.NO, event))
    rig.report(past(Resolution.NO, event))
    (told,) = rig.told(MarketResolved)
    assert (told.market.id, told.resolution, told.corrected_micros) == ("past", Resolution.NO, -micros(20.0))
    # What the venue's list says was so before this run began, and is in the cash that it began with.
    assert rig.desk.account.cash_micros == cash - (micros(20.0) if event == "resolved" else 0)
    rig.report(past(Resolution.VOID))
    assert rig.told(MarketResolved)[-1].corrected_micros == micros(10.0)


def test_the_venue_is_asked_once_how_past_markets_ended_and_only_if_there_were_any():
    rig = Rig(start=False)
    asked = []
    take = rig.venue.take
    rig.venue.take = lambda request, **more: (asked.append(request), take(request, **more))
    rig.start()
    assert FetchMarkets("RESOLVED") not in asked
    rig = Rig(start=False)
    take = rig.venue.take
    rig.venue.take = lambda request, **more: (asked.append(request), take(request, **more))
    rig.desk.restore([PAST])
    rig.start()
    rig.wait(5)
    assert asked.count(FetchMarkets("RESOLVED")) == 1
