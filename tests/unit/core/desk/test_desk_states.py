"""The order desk: states and the stop."""

import pytest
from desk_rig import NO, START, UNKNOWN, buy

from mmactors.messages import (
    AllCancelled,
    AssetExposed,
    CancelAll,
    CancelAllReported,
    FetchOrder,
    OrderDenied,
    OrderFetched,
    SendBatch,
    SendCancelAll,
    TradingState,
    TradingStateChanged,
    VenueDisconnected,
    VenueError,
    VenueStatus,
)
from mmactors.units import SECOND, Nanos, nanos


def long_position(rig, size=50):
    rig.intend(places=[buy("run7-long", 48, size)])
    rig.settle()
    rig.venue.fill(rig.venue.of("run7-long"), size)
    rig.settle()


def test_seed_defect_06_reducing_cancels_the_adding_orders_and_keeps_the_reducing_ones(rig):
    long_position(rig)
    rig.intend(places=[buy("run7-1", 47), buy("run7-2", 48, 30, NO), buy("run7-3", 47, 20, NO)])
    rig.settle()
    rig.tell(TradingStateChanged(TradingState.REDUCING, "the day's loss"))
    rig.settle()
    assert sorted(o.client_id for o in rig.venue.live()) == ["run7-2", "run7-3"]
    rig.intend(places=[buy("run7-4", 46)])
    assert rig.told(OrderDenied)[-1].rule == "state"
    rig.venue.end(rig.venue.of("run7-3"))
    rig.settle()
    rig.intend(places=[buy("run7-5", 46, 20, NO)])
    rig.settle()
    assert rig.order("run7-5") is not None


def test_a_barred_asset_has_its_adding_orders_cancelled_and_no_new_ones(rig):
    long_position(rig)
    rig.intend(places=[buy("run7-1", 47), buy("run7-2", 48, 30, NO)])
    rig.settle()
    rig.tell(AssetExposed("ETH", 120.0, 1.2, 1))
    rig.tell(AssetExposed("BTC", 90.0, 0.9, 0))
    assert sorted(o.client_id for o in rig.venue.live()) == ["run7-1", "run7-2"]
    rig.tell(AssetExposed("BTC", 120.0, 1.2, 1))
    rig.settle()
    assert sorted(o.client_id for o in rig.venue.live()) == ["run7-2"]
    rig.intend(places=[buy("run7-4", 46)])
    assert rig.told(OrderDenied)[-1].rule == "asset"
    rig.tell(AssetExposed("BTC", 70.0, 0.7, 0))
    rig.intend(places=[buy("run7-5", 46)])
    rig.settle()
    assert rig.order("run7-5") is not None


def test_reducing_orders_that_together_go_beyond_flat_are_adding(rig):
    long_position(rig)
    rig.intend(places=[buy("run7-2", 48, 30, NO), buy("run7-3", 47, 30, NO)])
    rig.settle()
    rig.tell(TradingStateChanged(TradingState.REDUCING, ""))
    rig.settle()
    assert not rig.venue.live()


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.TRAPPED])
def test_halted_and_trapped_cancel_everything_and_let_nothing_but_cancels_out(resting, state):
    rig = resting
    rig.tell(TradingStateChanged(state, "operator"))
    assert isinstance(rig.out[-1], SendCancelAll)
    rig.intend(cancels=["run7-1"], places=[buy("run7-2")])
    assert rig.told(OrderDenied)[-1].rule == "state"
    assert rig.asked(SendBatch)[-1].cancels
    rig.settle()
    assert not rig.venue.live()


def test_trapped_cancels_are_repeated_until_the_venue_takes_them(resting):
    rig = resting
    rig.tell(TradingStateChanged(TradingState.TRAPPED, "the venue refuses cancels"))
    for _ in range(3):
        request = rig.out.pop(0)
        rig.out.clear()
        rig.report(CancelAllReported(request.op_id, (), VenueError("unknown", "UNAVAILABLE", "")))
        rig.wait(2.1)
        assert isinstance(rig.out[-1], SendCancelAll)
        rig.out = rig.out[-1:]
    rig.settle()
    assert not rig.venue.live()
    rig.clear()
    rig.wait(10)
    assert not rig.asked(SendCancelAll)


def test_the_stop_is_reported_once_when_everything_is_cancelled(resting):
    rig = resting
    rig.tell(CancelAll(None, "SIGTERM"))
    assert not rig.told(VenueStatus)[-1].connected, "the markets go on asking"
    rig.check(0.1)
    assert not rig.told(AllCancelled)
    rig.send()
    rig.check(0.1)
    assert not rig.told(AllCancelled)
    rig.settle()
    for _ in range(50):
        rig.check(0.1)
        rig.settle()
    assert len(rig.told(AllCancelled)) == 1
    assert len(rig.asked(SendCancelAll)) == 1
    rig.tell(TradingStateChanged(TradingState.ACTIVE, "a new UTC day"))
    rig.intend(places=[buy("run7-2")])
    assert rig.told(OrderDenied)[-1].rule == "state"
    rig.tell(CancelAll(None, "again"))
    rig.settle()
    rig.check()
    assert len(rig.told(AllCancelled)) == 2


def test_the_stop_waits_for_the_venues_word_even_with_nothing_known_to_rest(rig):
    rig.tell(CancelAll(None, "SIGTERM"))
    rig.check(0.1)
    assert not rig.told(AllCancelled)
    rig.settle()
    rig.check(0.1)
    assert rig.told(AllCancelled)


def test_the_stop_is_repeated_until_it_is_answered_and_doubts_are_still_asked_about(resting):
    """The repeated cancel-all must not keep pushing back the question about an unknown order."""
    rig = resting
    rig.desk.ack_timeout_ns = nanos(0.5)
    rig.intend(places=[buy("run7-2", 47)])
    rig.out.clear()  # never arrives
    rig.tell(CancelAll(None, "SIGTERM"))
    first = rig.out.pop(0)
    rig.report(CancelAllReported(first.op_id, (), UNKNOWN))
    for _ in range(80):
        rig.wait(0.1)
        for report in [r for r in rig.out if isinstance(r, FetchOrder)][:1]:
            rig.out.remove(report)
            if rig.now < START + 3 * SECOND:
                rig.report(OrderFetched(report.client_id, None, "timeout"))
            else:
                rig.venue.take(report)
        rig.settle()
    assert len(rig.told(AllCancelled)) == 1
    assert not rig.venue.live()


def test_the_stop_works_over_rest_when_the_socket_is_gone(resting):
    rig = resting
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.tell(CancelAll(None, "SIGTERM"))
    rig.send()
    rig.venue.stream.clear()
    for _ in range(60):
        rig.wait(0.1)
        rig.send()
        rig.venue.stream.clear()
        rig.hear(rig.venue.acks, rig.venue.rest)
    assert len(rig.told(AllCancelled)) == 1
