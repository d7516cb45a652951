"""The order desk: the connection."""

from dataclasses import replace

from desk_rig import CONNECTED, YES, buy

from mmactors.messages import (
    AccountReported,
    FetchFills,
    FillsFetched,
    OrderCancelled,
    OrderDenied,
    OrderRejected,
    OrderReported,
    OrderUnknown,
    StreamGapped,
    VenueDisconnected,
    VenueStatus,
)
from mmactors.units import Nanos


def test_what_was_in_flight_when_the_connection_went_is_unknown_and_settled_after(rig):
    rig.intend(places=[buy("run7-1", 48), buy("run7-2", 47), buy("run7-3", 46), buy("run7-4", 45)])
    rig.settle()
    rig.clear()
    rig.intend(cancels=["run7-1"], replaces=[("run7-2", 44, 30)], places=[buy("run7-5", 43)])
    rig.intend(places=[buy("run7-6", 42)])
    rig.venue.take(rig.out.pop(0), answer=False)  # arrives, the answer does not
    rig.out.clear()  # the last frame does not arrive
    rig.venue.fill(rig.venue.of("run7-3"), 30)
    rig.venue.fill(rig.venue.of("run7-4"), 10)
    rig.venue.stream.clear()
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    assert sorted(e.client_id for e in rig.told(OrderUnknown)) == ["run7-1", "run7-2", "run7-5", "run7-6"]
    assert not rig.told(VenueStatus)[-1].connected
    rig.report(CONNECTED)
    rig.report(rig.venue.snapshot())
    rig.settle()
    rig.consistent()
    assert [e.client_id for e in rig.told(OrderRejected)] == ["run7-6"]
    assert rig.desk.synced


def test_cancel_on_disconnect_is_noticed_at_the_next_snapshot(resting):
    rig = resting
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.venue.end(rig.venue.of("run7-1"), "cod")
    rig.venue.stream.clear()
    rig.report(CONNECTED)
    rig.report(rig.venue.snapshot())
    assert not rig.told(OrderCancelled)  # first the fills
    rig.settle()
    assert [e.reason for e in rig.told(OrderCancelled)] == ["gone"]
    rig.consistent()


def test_a_page_of_fills_of_the_connection_before_does_not_count_as_reconciliation(resting):
    rig = resting
    rig.report(StreamGapped(1, 2))
    rig.report(rig.venue.snapshot())
    rig.send()
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.report(CONNECTED)
    rig.hear(rig.venue.rest)
    assert not rig.desk.synced
    rig.report(rig.venue.snapshot())
    rig.settle()
    assert rig.desk.synced


def test_the_fills_lost_in_a_stream_gap_are_fetched_from_before_it(resting):
    rig = resting
    order = rig.venue.of("run7-1")
    rig.venue.fill(order, 10)
    rig.venue.stream.clear()  # lost
    rig.venue.fill(order, 5)
    rig.report(StreamGapped(1, 2))
    rig.hear(rig.venue.stream)  # a message beyond the gap
    assert rig.desk.account.position("m").yes == 5
    rig.intend(places=[buy("run7-2")])
    assert rig.told(OrderDenied)[0].rule == "synced"
    rig.report(rig.venue.snapshot())
    rig.settle()
    assert rig.desk.account.position("m").yes == 15
    rig.consistent()


def test_a_page_of_fills_made_before_the_snapshot_does_not_end_the_orders_missing_in_it(resting):
    rig = resting
    rig.report(StreamGapped(1, 2))
    rig.report(rig.venue.snapshot())
    rig.send()  # the page of the first snapshot is made
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.venue.stream.clear()
    rig.report(StreamGapped(3, 4))
    rig.report(rig.venue.snapshot())
    rig.hear(rig.venue.rest)
    assert rig.desk.table.committed("m", YES) == 30
    assert not rig.desk.synced
    rig.settle()
    assert rig.desk.synced
    rig.consistent()


def test_a_second_gap_before_the_first_ones_fills_are_in_loses_no_fill(resting):
    """The page of the first gap comes after the second one: it knows nothing of the fill that was lost in that."""
    rig = resting
    rig.report(StreamGapped(1, 2))
    rig.report(rig.venue.snapshot())
    rig.send()  # the page is made
    rig.venue.fill(rig.venue.of("run7-1"), 10)
    rig.venue.stream.clear()  # lost
    rig.report(StreamGapped(3, 4))
    rig.hear(rig.venue.rest)
    assert not rig.desk.synced
    rig.venue.fill(rig.venue.of("run7-1"), 5)
    rig.hear(rig.venue.stream)  # beyond the second gap
    rig.report(rig.venue.snapshot())
    rig.settle()
    assert rig.desk.synced
    assert rig.desk.account.position("m").yes == 15
    rig.consistent()


def test_an_order_accepted_between_the_snapshot_and_the_fills_is_not_taken_for_gone(rig):
    rig.intend(places=[buy()])
    rig.report(StreamGapped(1, 2))
    rig.report(rig.venue.snapshot())  # taken before the place arrived
    rig.send()
    rig.hear(rig.venue.acks)
    rig.hear(rig.venue.rest)
    assert not rig.told(OrderCancelled, OrderRejected)
    rig.settle()
    rig.consistent()


def test_a_snapshot_taken_before_a_move_arrives_does_not_settle_the_move(resting):
    rig = resting
    rig.report(StreamGapped(1, 2))
    rig.desk.reconciliation.synced = True  # the move left just before the gap was seen
    rig.intend(replaces=[("run7-1", 47, 60)])
    rig.desk.reconciliation.synced = False
    rig.report(rig.venue.snapshot())
    assert rig.order("run7-1").worst_remaining == 60
    rig.settle()
    rig.consistent()


def test_the_sequence_never_goes_backwards(resting):
    rig = resting
    fill = rig.venue.fill(rig.venue.of("run7-1"), 1)
    rig.settle()
    seen = rig.desk.reconciliation.seq
    rig.report(OrderReported(3, "fill", rig.venue.of("run7-1").told(), fill))
    rig.report(AccountReported(2, "settle", "m", rig.desk.account.cash_micros))
    rig.report(FillsFetched(0, (fill,)))
    rig.report(replace(rig.venue.snapshot(), seq=1))
    assert rig.desk.reconciliation.seq >= seen
    assert rig.asked(FetchFills)[-1].since_seq >= seen


def test_requests_that_cannot_leave_while_the_venue_is_gone_are_not_repeated_at_every_look(resting):
    rig = resting
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.clear()
    for _ in range(100):
        rig.wait(0.1)
    assert len(rig.out) <= 10


def test_a_disconnection_is_told_once(resting):
    rig = resting
    for _ in range(3):
        rig.report(VenueDisconnected("cannot connect", Nanos(rig.now)))
    assert len(rig.told(VenueDisconnected)) == 1
