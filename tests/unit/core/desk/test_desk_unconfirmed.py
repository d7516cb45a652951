"""The order desk: unconfirmed orders."""

import pytest
from desk_rig import CONNECTED, UNKNOWN, YES, buy

from mmactors.messages import (
    CancelAll,
    FetchFills,
    FetchOrder,
    FillsFetched,
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderFetched,
    OrderRejected,
    OrderReplaced,
    OrderUnchanged,
    OrderUnknown,
    SendBatch,
    VenueDisconnected,
)
from mmactors.units import Nanos


def test_hummingbot_3374_and_py_clob_273_a_timeout_is_no_rejection_and_a_live_order_is_found(rig):
    rig.intend(places=[buy()])
    rig.send(answer=False)
    rig.venue.stream.clear()
    rig.wait(1.9)
    assert not rig.told(OrderUnknown)
    rig.wait(0.3)
    assert len(rig.told(OrderUnknown)) == 1
    assert rig.desk.table.committed("m", YES) == 30
    assert [r.client_id for r in rig.out] == ["run7-1"]
    rig.settle()
    assert rig.told(OrderAccepted)
    assert not rig.told(OrderRejected)
    assert len(rig.venue.orders) == 1  # nothing was resent
    rig.consistent()


def test_nautilus_an_order_unconfirmed_is_not_rejected_however_long_the_venue_says_nothing(rig):
    rig.intend(places=[buy()])
    rig.out.clear()  # the frame never left, nor does any question
    for _ in range(30):
        rig.wait(1)
        rig.out.clear()
        for report in (OrderFetched("run7-1", None, "503"), OrderFetched("run7-1", None, "DNS")):
            rig.report(report)
    assert not rig.told(OrderRejected, OrderCancelled)
    assert len(rig.told(OrderUnknown)) == 1
    assert rig.desk.table.committed("m", YES) == 30


def test_an_order_not_found_twice_is_lost(rig):
    rig.intend(places=[buy()])
    rig.out.clear()
    rig.wait(2.1)
    rig.settle()
    assert not rig.told(OrderRejected), "it may still be on its way"
    rig.wait(2.2)
    rig.settle()
    assert [e.code for e in rig.told(OrderRejected)] == ["LOST"]
    assert len(rig.desk.table) == 0


def test_an_order_that_lands_after_it_was_given_up_is_cancelled(rig):
    rig.intend(places=[buy()])
    late = rig.out.pop()
    for _ in range(2):
        rig.wait(2.2)
        rig.settle()
    assert rig.told(OrderRejected)
    rig.venue.take(late)
    assert rig.venue.live()
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0


def test_an_order_that_lands_between_two_questions_is_found(rig):
    rig.intend(places=[buy()])
    late = rig.out.pop()
    rig.wait(2.2)
    rig.settle()
    rig.venue.take(late)
    rig.settle()
    assert [type(e) for e in rig.told(OrderAccepted, OrderRejected)] == [OrderAccepted]
    rig.consistent()


def test_poly_maker_an_error_when_asking_is_not_no_orders(resting):
    rig = resting
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.report(CONNECTED)
    rig.report(FillsFetched(0, (), "timeout"))
    rig.report(rig.venue.snapshot())
    rig.report(FillsFetched(0, (), "timeout"))
    assert not rig.desk.synced
    assert not rig.told(OrderCancelled)
    rig.intend(places=[buy("run7-2")])
    assert rig.told(OrderDenied)[0].rule == "synced"
    rig.out.clear()
    rig.wait(2.2)
    assert rig.asked(FetchFills)
    rig.settle()
    assert rig.desk.synced
    rig.consistent()


def test_hummingbot_8457_connection_errors_do_not_make_six_orders_forgotten(rig):
    rig.intend(places=[buy(f"run7-{n}", 40 + n, 10) for n in range(6)])
    rig.settle()
    rig.intend(cancels=[f"run7-{n}" for n in range(6)])
    rig.out.clear()
    rig.wait(2.2)
    for _ in range(5):
        for n in range(6):
            rig.report(OrderFetched(f"run7-{n}", None, "cannot resolve the host"))
        rig.out.clear()
        rig.wait(2)
    assert len(rig.desk.table) == 6
    rig.out = [request for request in rig.out if isinstance(request, FetchOrder)]  # the repeated cancels are lost, too
    rig.settle()
    assert len(rig.told(OrderUnchanged)) == 6
    rig.intend(cancels=[f"run7-{n}" for n in range(6)])
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0


@pytest.mark.parametrize("action", ["place", "replace", "cancel"])
def test_a_server_error_is_asked_about_once_and_never_resent(resting, action):
    rig = resting
    rig.venue.refusals.append((action, UNKNOWN, False))
    if action == "place":
        rig.intend(places=[buy("run7-2", 47)])
    elif action == "replace":
        rig.intend(replaces=[("run7-1", 47, 30)])
    else:
        rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert len(rig.told(OrderUnknown)) == 1
    assert all(isinstance(r, FetchOrder) for r in rig.out)
    rig.wait(1)
    assert len(rig.out) == 1
    rig.settle()
    for _ in range(30):
        rig.wait(0.1)
        rig.settle()
    assert len(rig.asked(SendBatch)) == 1
    rig.consistent()


@pytest.mark.parametrize("known", [True, False])
def test_what_stays_in_doubt_because_rest_is_away_is_cancelled_over_the_session(resting, known):
    """Else it rests at a price of long ago, and takes the place of a new order, for as long as REST is away."""
    rig = resting
    if known:
        rig.intend(replaces=[("run7-1", 47, 30)])
    else:
        rig.intend(cancels=["run7-1"], places=[buy("run7-2", 47)])
    rig.send(answer=False)
    rig.venue.stream.clear()
    for second in range(12):
        rig.wait(1)
        rig.send(answer=second > 8)  # the first cancel's answer is lost, too
        for question in [r for r in rig.venue.rest if isinstance(r, OrderFetched)]:
            rig.report(OrderFetched(question.client_id, None, "cannot resolve the host"))
        rig.venue.rest.clear()
        rig.hear(rig.venue.acks)
        if second < 5:
            assert len(rig.venue.live()) == 1
    assert len(rig.desk.table) == 0
    assert not rig.venue.live()
    assert not rig.told(OrderRejected)


def test_404_on_a_cancel_is_not_final_until_the_fills_are_in(resting):
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.venue.stream.clear()  # lost
    rig.venue.orders.clear()  # and the venue has forgotten the order
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.desk.table.committed("m", YES) == 30
    rig.settle()
    assert rig.desk.account.position("m").yes == 30
    assert len(rig.desk.table) == 0


def test_an_order_that_vanished_ends_once_the_fills_are_in_and_is_not_asked_about_for_ever(resting):
    rig = resting
    rig.venue.orders.clear()
    rig.intend(cancels=["run7-1"])
    rig.settle()
    assert len(rig.told(OrderCancelled)) == 1
    assert len(rig.desk.table) == 0
    rig.clear()
    rig.wait(5)
    assert not rig.out


def test_an_answer_to_a_question_no_longer_open_changes_nothing(resting):
    rig = resting
    old = rig.venue.of("run7-1").told()
    rig.intend(replaces=[("run7-1", 47, 60)])
    rig.report(OrderFetched("run7-1", old))
    rig.report(OrderFetched("run7-1", None))
    assert rig.order("run7-1").worst_remaining == 60
    assert not rig.told(OrderReplaced, OrderRejected, OrderCancelled)


def test_a_late_answer_to_a_move_that_a_query_settled_does_not_turn_the_order_back(resting):
    rig = resting
    rig.intend(replaces=[("run7-1", 40, 30)])
    rig.intend(replaces=[("run7-1", 47, 30)])
    rig.send()
    rig.wait(2.2)
    rig.send()
    rig.hear(rig.venue.rest)
    assert rig.order("run7-1").ticks == 47
    rig.intend(replaces=[("run7-1", 45, 40)])
    rig.hear(rig.venue.acks)  # of the first two
    assert rig.order("run7-1").ticks == 47
    assert rig.order("run7-1").worst_remaining == 40
    rig.settle()
    rig.consistent()


def test_an_unknown_order_is_not_moved(resting):
    rig = resting
    rig.venue.refusals.append(("cancel", UNKNOWN, False))
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    rig.out.clear()
    rig.intend(replaces=[("run7-1", 49, 30)])
    assert [e.denied for e in rig.told(OrderUnchanged)] == [True]
    assert not rig.out


def test_a_move_of_an_order_that_the_desk_is_cancelling_is_answered_and_not_left_in_the_air(resting):
    rig = resting
    rig.tell(CancelAll("m", "operator"))
    rig.intend(replaces=[("run7-1", 47, 30)])
    (event,) = rig.told(OrderUnchanged)
    assert event.denied
    assert event.action == "replace"
    assert len(rig.out) == 1  # the cancel, once


def test_a_move_of_an_order_that_has_just_filled_is_answered(resting):
    """Else the market's table, which thinks the order is growing, would keep it for ever."""
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.settle()
    rig.intend(replaces=[("run7-1", 47, 60)])
    assert [(e.client_id, e.reason) for e in rig.told(OrderCancelled)] == [("run7-1", "gone")]
    assert not rig.out
