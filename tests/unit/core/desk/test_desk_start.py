"""The order desk: start."""

import pytest
from desk_rig import CONNECTED, MARKET, NO, REFUSED, UNKNOWN, YES, Rig, buy

from mmactors.messages import (
    MarketHydrated,
    MarketReported,
    OrderAccepted,
    OrderDenied,
    OrderFilled,
    RiskHeartbeat,
    SendBatch,
    StreamGapped,
    VenuePosition,
    VenueStatus,
)
from mmactors.units import SECOND, Nanos


def test_before_the_account_is_reconciled_nothing_is_admitted():
    rig = Rig(start=False)
    rig.pulse()
    rig.report(MarketReported("created", MARKET))
    rig.ready()
    for message in (CONNECTED, rig.venue.snapshot()):
        rig.intend(places=[buy()])
        assert rig.told(OrderDenied)[-1].rule == "synced"
        rig.report(message)
    rig.intend(places=[buy()])
    assert rig.told(OrderDenied)[-1].rule == "synced"  # the fills are not in yet
    assert not rig.told(MarketHydrated)
    rig.settle()
    assert len(rig.told(MarketHydrated)) == 1
    assert rig.told(VenueStatus)[-1].connected
    rig.pulse()
    rig.intend(places=[buy()])
    rig.settle()
    assert rig.told(OrderAccepted)


def test_without_the_pulse_of_risk_nothing_is_admitted():
    rig = Rig()
    rig.now += 3 * SECOND
    rig.intend(places=[buy()])
    assert rig.told(OrderDenied)[0].rule == "pulse"
    rig.tell(RiskHeartbeat(Nanos(rig.now)))
    rig.intend(places=[buy("run7-2")])
    assert len(rig.told(OrderDenied)) == 1


def test_the_position_held_before_the_run_is_taken_over_and_told():
    rig = Rig(start=False)
    rig.venue.held = {("m", YES): 40, ("gone", NO): 7}
    order = rig.venue.foreign("run6-9", "m", 5)
    rig.venue.fill(order, 5)
    rig.venue.stream.clear()
    rig.start()
    assert rig.desk.account.position("m").yes == 45
    rig.consistent()
    rig = Rig(start=False)
    rig.venue.held = {("m", YES): 40}
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(rig.venue.snapshot())
    assert [(p.market, p.yes) for p in rig.told(VenuePosition)] == [("m", 40)]
    rig.ready()
    rig.settle()
    assert rig.told(MarketHydrated)[0].yes == 40


def test_fills_between_the_snapshot_and_the_page_are_booked_once():
    rig = Rig(start=False)
    order = rig.venue.foreign("run6-9", "m", 30)
    rig.venue.stream.clear()
    rig.venue.fill(order, 10)
    rig.venue.stream.clear()  # in the snapshot
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(rig.venue.snapshot())
    rig.venue.fill(order, 8)  # on the stream and in the page
    rig.settle()
    assert rig.desk.account.position("m").yes == 18
    assert [f.size for f in rig.told(OrderFilled)] == [8]
    rig.consistent()


def test_strangers_are_cancelled_and_counted_until_they_are_gone():
    rig = Rig(start=False)
    rig.venue.foreign("run6-1", "m")
    rig.venue.foreign("", "m")
    rig.venue.foreign("", "elsewhere")
    rig.venue.stream.clear()
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(rig.venue.snapshot())
    assert len(rig.desk.table) == 3
    assert rig.desk.table.committed("m", YES) == 20
    rig.ready()
    assert not rig.told(MarketHydrated), "hydrated while old orders may fill"
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0
    assert rig.desk.counters["strangers_cancelled"] == 3
    assert len(rig.told(MarketHydrated)) == 1


@pytest.mark.parametrize("error", [REFUSED, UNKNOWN])
def test_a_stranger_whose_cancel_fails_is_kept_at_without_spinning(error):
    rig = Rig(start=False)
    rig.venue.foreign("", "m")
    rig.venue.stream.clear()
    rig.venue.refusals += [("cancel", error, False)] * 3
    rig.start()
    assert rig.venue.live()
    assert not rig.desk.account.position("m").yes
    for _ in range(100):
        rig.now += SECOND // 10
        rig.pulse()
        rig.check()
        rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0
    assert len(rig.asked(SendBatch)) <= 3
    assert rig.told(MarketHydrated)


def test_a_stranger_the_venue_does_not_know_any_more_is_gone_without_spinning():
    rig = Rig(start=False)
    order = rig.venue.foreign("", "m")
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(rig.venue.snapshot())
    del rig.venue.orders[order.order_id]
    rig.settle()
    assert len(rig.desk.table) == 0


def test_a_strangers_fills_are_counted_once_whether_told_before_or_after_the_snapshot():
    rig = Rig()
    order = rig.venue.foreign("human", "m", 30)
    rig.venue.fill(order, 10)
    rig.venue.stream.clear()  # missed
    rig.report(StreamGapped(1, 3))
    rig.report(rig.venue.snapshot())
    assert rig.order("human").worst_remaining == 20
    rig.send()  # both the cancel, and the page with the fill of 10
    rig.hear(rig.venue.rest)
    assert rig.desk.account.position("m").yes == 10
    assert rig.order("human").worst_remaining == 20
    rig.settle()
    assert len(rig.desk.table) == 0


def test_a_foreign_order_that_appears_later_is_cancelled():
    rig = Rig()
    rig.venue.foreign("human", "m")
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0
