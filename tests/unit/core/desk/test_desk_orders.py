"""The order desk: orders."""

import pytest
from desk_rig import CONNECTED, MARKET, NO, REFUSED, YES, Rig, buy

from mmactors.messages import (
    BatchReported,
    CancelAllReported,
    FetchFills,
    FetchOrder,
    FillsFetched,
    ItemResult,
    MarketReported,
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderFetched,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderReported,
    OrderUnchanged,
    OrderUnknown,
    VenueError,
)
from mmactors.units import Nanos


def test_one_ladder_is_one_frame_and_one_answer(rig):
    rig.intend(places=[buy("run7-1", 48), buy("run7-2", 47), buy("run7-3", 50, outcome=NO)])
    (batch,) = rig.out
    assert [p.client_id for p in batch.places] == ["run7-1", "run7-2", "run7-3"]
    assert batch.places[2].outcome is NO
    assert batch.places[2].price_micros == 500_000
    rig.settle()
    assert len(rig.told(OrderAccepted)) == 3
    rig.consistent()


def test_a_batchs_results_go_to_the_orders_they_belong_to(resting):
    rig = resting
    rig.intend(places=[buy("run7-2", 47), buy("run7-3", 46)])
    rig.settle()
    rig.clear()
    rig.venue.refusals += [
        ("replace", REFUSED, False),
        ("place", VenueError("refused", "INSUFFICIENT_FUNDS", ""), False),
    ]
    rig.intend(cancels=["run7-1"], replaces=[("run7-2", 45, 30), ("run7-3", 44, 30)], places=[buy("run7-4", 43)])
    rig.settle()
    assert [(e.client_id, e.reason) for e in rig.told(OrderCancelled)] == [("run7-1", "cancel")]
    assert [(e.client_id, e.action, e.code) for e in rig.told(OrderUnchanged)] == [
        ("run7-2", "replace", "MARKET_HALTED")
    ]
    assert [(e.client_id, e.ticks) for e in rig.told(OrderReplaced)] == [("run7-3", 44)]
    assert [(e.client_id, e.code) for e in rig.told(OrderRejected)] == [("run7-4", "INSUFFICIENT_FUNDS")]
    rig.consistent()


@pytest.mark.parametrize("first", ["acks", "stream"])
def test_the_stream_and_the_answers_may_come_in_either_order(first):
    rig = Rig()
    rig.intend(places=[buy()])
    rig.send()
    rig.venue.fill(rig.venue.of("run7-1"), 10)
    second = {"acks": "stream", "stream": "acks"}[first]
    rig.hear(getattr(rig.venue, first))
    rig.hear(getattr(rig.venue, second))
    assert len(rig.told(OrderAccepted)) == len(rig.told(OrderFilled)) == 1
    rig.consistent()


def test_a_fill_is_told_once_by_stream_and_page(resting):
    rig = resting
    fill = rig.venue.fill(rig.venue.of("run7-1"), 10)
    rig.settle()
    rig.report(FillsFetched(0, (fill,)))
    rig.report(OrderReported(fill.seq, "fill", rig.venue.of("run7-1").told(), fill))
    assert len(rig.told(OrderFilled)) == 1
    assert rig.desk.counters["duplicate_fills"] == 2
    rig.consistent()


def test_hummingbot_2945_fills_are_not_counted_twice_after_a_restart(resting):
    venue = resting.venue
    venue.fill(venue.of("run7-1"), 10)
    venue.stream.clear()
    rig = Rig(start=False)
    rig.venue = venue
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(venue.snapshot())
    rig.report(FillsFetched(0, tuple(venue.fills)[:0]))
    rig.settle()
    assert rig.desk.account.position("m").yes == 10
    rig.consistent()


def test_hummingbot_4738_a_failed_cancel_does_not_stop_the_tracking_and_the_fill_is_not_lost(resting):
    rig = resting
    rig.venue.refusals.append(("cancel", REFUSED, False))
    rig.intend(cancels=["run7-1"])
    rig.settle()
    assert rig.order("run7-1").worst_remaining == 30
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.settle()
    assert rig.desk.account.position("m").yes == 30
    rig.consistent()


def test_a_cancel_that_tells_of_more_fills_than_were_seen_owes_them_and_asks(resting):
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 10)
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.order("run7-1").missing_fills == 10
    assert rig.desk.table.committed("m", YES) == 10
    rig.wait(3)
    assert 1 <= len(rig.asked(FetchFills)) <= 2  # not at every look
    rig.send()
    rig.hear(rig.venue.rest)
    assert len(rig.desk.table) == 0
    rig.settle()
    assert rig.desk.account.position("m").yes == 10


def test_a_replace_below_what_has_filled_ends_the_order_with_the_unheard_fills_owed(resting):
    rig = resting
    rig.intend(replaces=[("run7-1", 47, 10)])
    rig.venue.fill(rig.venue.of("run7-1"), 20)
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.order("run7-1").missing_fills == 20
    rig.settle()
    assert len(rig.desk.table) == 0
    rig.consistent()


def test_a_replace_refused_with_the_original_cancelled_ends_the_order(resting):
    rig = resting
    rig.venue.refusals.append(("replace", VenueError("refused", "POST_ONLY_WOULD_CROSS", ""), True))
    rig.intend(replaces=[("run7-1", 49, 30)])
    rig.send()
    rig.hear(rig.venue.acks)
    (gone,) = rig.told(OrderCancelled)
    assert gone.reason == "POST_ONLY_WOULD_CROSS"
    assert len(rig.desk.table) == 0
    rig.settle()
    assert len(rig.told(OrderCancelled)) == 1


def test_order_not_open_with_the_final_order_ends_it_and_owes_its_fills(resting):
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.order("run7-1").missing_fills == 30
    rig.settle()
    assert len(rig.desk.table) == 0
    rig.consistent()


def test_order_not_open_without_the_final_order_is_asked_about_and_does_not_spin(resting):
    rig = resting
    rig.venue.refusals.append(("cancel", VenueError("refused", "ORDER_NOT_OPEN", ""), False))
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.told(OrderUnknown)
    assert len(rig.out) == 1
    assert isinstance(rig.out[0], FetchOrder)


def test_moves_in_flight_are_answered_in_order(resting):
    rig = resting
    for ticks in (47, 46, 45):
        rig.intend(replaces=[("run7-1", ticks, 30)])
    assert rig.order("run7-1").worst_ticks == 48
    rig.send()
    rig.hear(rig.venue.acks)
    assert [e.ticks for e in rig.told(OrderReplaced)] == [47, 46, 45]
    assert rig.order("run7-1").ticks == 45
    rig.settle()
    rig.consistent()


def test_a_second_order_of_the_same_name_is_denied_and_the_first_not_forgotten(resting):
    rig = resting
    rig.intend(places=[buy(ticks=40, size=1)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["duplicate"]
    rig.consistent()


def test_an_answer_about_an_order_long_gone_changes_nothing(rig):
    result = ItemResult("cancel", "nobody", None, REFUSED)
    rig.report(BatchReported(99, (result,), Nanos(0)))
    rig.report(OrderFetched("nobody", None))
    rig.report(CancelAllReported(99, ("o77",), None))
    assert not rig.events
    assert not rig.out


def test_an_immediate_order_ends_with_its_answer(rig):
    rig.intend(places=[buy(post_only=False, immediate=True)])
    assert rig.out[0].places[0].immediate
    rig.settle()
    assert len(rig.desk.table) == 0
