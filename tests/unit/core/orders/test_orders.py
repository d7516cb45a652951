"""The order table under any order of events, and the diff that turns a ladder into few messages."""

import pytest
from depth import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mmactors.core.orders.diff import MOST_PENDING_REPLACES, diff
from mmactors.core.orders.table import OrderState, OrderTable, movable
from mmactors.messages import (
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnchanged,
    OrderUnknown,
    Outcome,
    PlaceOrder,
    ReplaceOrder,
)
from mmactors.units import Contracts, Micros, Nanos, Ticks

M = "m"


def placed(size=30, ticks=48, *, accepted=True, immediate=False, cid="a", table=None):
    table = table if table is not None else OrderTable()
    order = PlaceOrder(cid, Outcome.YES, Ticks(ticks), Contracts(size), immediate=immediate)
    working = table.place(M, order, Nanos(0))
    if accepted:
        table.apply(OrderAccepted(M, cid, "o-" + cid))
    return table, working


def filled(size, total=None, cid="a", number=0):
    return OrderFilled(
        M,
        cid,
        f"f{number}",
        Outcome.YES,
        Ticks(48),
        Contracts(size),
        Micros(0),
        Contracts(total or size),
        True,
        Nanos(0),
    )


def cancelled(total=0, cid="a"):
    return OrderCancelled(M, cid, Contracts(total), "cancel")


def unchanged(action, cid="a", **more):
    return OrderUnchanged(M, cid, action, "CODE", "", **more)


# --- the table, one order of events after the other --------------------------------------------------


def test_an_order_is_pending_until_the_venue_speaks_then_open_then_gone():
    table, order = placed(accepted=False)
    assert order.state is OrderState.PENDING
    assert order.in_flight
    assert order.worst_remaining == 30
    table.apply(OrderAccepted(M, "a", "o"))
    assert order.state is OrderState.OPEN
    assert not order.in_flight
    table.cancel("a", Nanos(1))
    assert order.state is OrderState.CANCELLING
    assert order.worst_remaining == 30  # until the venue says so
    table.apply(cancelled())
    assert order.state is OrderState.FINAL
    assert len(table) == 0


def test_a_fill_before_the_ack_counts_and_the_late_ack_changes_nothing():
    table, order = placed(accepted=False)
    table.apply(filled(10))
    assert order.state is OrderState.PENDING
    assert order.worst_remaining == 20
    table.apply(OrderAccepted(M, "a", "o"))
    assert order.state is OrderState.OPEN
    assert order.worst_remaining == 20


def test_an_order_filled_whole_before_its_ack_ends_and_the_ack_does_not_bring_it_back():
    table, _ = placed(accepted=False)
    table.apply(filled(30))
    table.apply(OrderAccepted(M, "a", "o"))
    assert len(table) == 0


def test_partial_fills_take_the_remainder_down_to_the_end():
    table, order = placed()
    for number in range(3):
        assert order.worst_remaining == 30 - 10 * number
        table.apply(filled(10, 10 * number + 10, number=number))
    assert len(table) == 0


def test_an_overfill_ends_the_order_and_never_counts_below_zero():
    table, order = placed()
    table.replace(ReplaceOrder("a", Ticks(47), Contracts(40)), Nanos(1))
    table.apply(filled(60))
    assert order.worst_remaining == 0
    table.apply(OrderReplaced(M, "a", Ticks(47), Contracts(40)))
    assert len(table) == 0


def test_a_fill_after_the_cancel_is_paid_off_what_is_owed():
    table, order = placed()
    table.cancel("a", Nanos(1))
    table.apply(filled(5))
    table.apply(cancelled(20))
    assert order.state is OrderState.FINAL
    assert order.missing_fills == order.worst_remaining == 15
    assert not order.in_flight
    table.apply(filled(10, 15, number=1))
    assert order.worst_remaining == 5
    table.apply(filled(5, 20, number=2))
    assert len(table) == 0


def test_a_cancel_that_tells_fewer_fills_than_were_seen_owes_nothing():
    table, _ = placed()
    table.apply(filled(20))
    table.apply(cancelled(5))
    assert len(table) == 0


def test_a_second_end_of_an_owed_order_does_not_forget_the_debt():
    table, order = placed()
    table.apply(cancelled(20))
    table.apply(unchanged("cancel"))
    table.apply(OrderUnknown(M, "a", "late"))
    assert order.missing_fills == 20
    assert len(table) == 1


@pytest.mark.parametrize("last", [OrderRejected(M, "a", "X", ""), OrderDenied(M, "a", "room", "")])
def test_what_never_rested_is_final(last):
    table, _ = placed(accepted=False)
    table.apply(last)
    assert len(table) == 0
    table.apply(filled(3))  # and an event about an order not held changes nothing


def test_moves_are_pipelined_and_answered_in_order():
    table, order = placed()
    for ticks, size in ((47, 30), (49, 20), (46, 35)):
        table.replace(ReplaceOrder("a", Ticks(ticks), Contracts(size)), Nanos(1))
    assert order.state is OrderState.REPLACING
    assert order.target == (46, 35)
    assert (order.worst_ticks, order.worst_remaining) == (49, 35)
    table.apply(OrderReplaced(M, "a", Ticks(47), Contracts(30)))
    assert (order.ticks, order.size, len(order.pending_replaces)) == (47, 30, 2)
    table.apply(OrderReplaced(M, "a", Ticks(49), Contracts(20)))
    assert (order.worst_ticks, order.worst_remaining) == (49, 35)
    table.apply(OrderReplaced(M, "a", Ticks(46), Contracts(35)))
    assert order.state is OrderState.OPEN
    assert (order.worst_ticks, order.worst_remaining) == (46, 35)


def test_a_move_refused_with_the_order_alive_leaves_it_where_it_was():
    table, order = placed()
    table.replace(ReplaceOrder("a", Ticks(50), Contracts(60)), Nanos(1))
    table.apply(unchanged("replace"))
    assert (order.ticks, order.size, order.pending_replaces) == (48, 30, [])
    assert order.state is OrderState.OPEN


def test_a_move_refused_with_the_original_cancelled_ends_the_order_and_its_other_moves():
    table, order = placed()
    table.replace(ReplaceOrder("a", Ticks(50), Contracts(60)), Nanos(1))
    table.replace(ReplaceOrder("a", Ticks(51), Contracts(60)), Nanos(1))
    table.apply(cancelled(7))
    assert order.worst_remaining == 7  # owed
    assert order.pending_replaces == []


def test_a_filled_order_with_a_move_in_flight_lives_until_the_move_is_answered():
    table, order = placed()
    table.replace(ReplaceOrder("a", Ticks(48), Contracts(50)), Nanos(1))
    table.apply(filled(30))
    assert order.worst_remaining == 20
    table.apply(unchanged("replace"))
    assert len(table) == 0


def test_a_denied_move_is_taken_back_and_those_in_flight_stay():
    table, order = placed()
    table.replace(ReplaceOrder("a", Ticks(47), Contracts(60)), Nanos(1))
    table.replace(ReplaceOrder("a", Ticks(46), Contracts(20)), Nanos(1))
    table.apply(unchanged("replace", denied=True))
    assert order.pending_replaces == [(47, 60)]


def test_a_refusal_does_not_settle_what_is_unknown():
    """A cancel of a doubtful order that could not be sent says nothing about what became of it."""
    table, order = placed(accepted=False)
    table.apply(OrderUnknown(M, "a", "connection lost"))
    table.cancel("a", Nanos(1))
    table.apply(unchanged("cancel"))
    assert order.state is OrderState.UNKNOWN
    table.apply(unchanged("replace", denied=True))
    assert order.state is OrderState.UNKNOWN
    table.apply(OrderAccepted(M, "a", "o"))
    assert order.state is OrderState.OPEN


def test_an_unknown_order_counts_as_live_until_found_or_not_found():
    table, order = placed()
    table.replace(ReplaceOrder("a", Ticks(50), Contracts(40)), Nanos(1))
    table.apply(OrderUnknown(M, "a", "timeout"))
    assert order.state is OrderState.UNKNOWN
    assert (order.worst_ticks, order.worst_remaining) == (50, 40)
    assert not movable(order)
    table.apply(OrderReplaced(M, "a", Ticks(50), Contracts(40)))  # found
    assert order.state is OrderState.OPEN
    table.apply(OrderUnknown(M, "a", "timeout"))
    table.apply(cancelled())  # not found, and every fill is in
    assert len(table) == 0


def test_committed_counts_every_order_of_a_side_but_one():
    table, _ = placed()
    placed(size=20, ticks=47, cid="b", table=table)
    table.apply(OrderUnknown(M, "b", "timeout"))
    assert table.committed(M, Outcome.YES) == 50
    assert table.committed(M, Outcome.YES, besides="a") == 20
    assert table.committed(M, Outcome.NO) == table.committed("other", Outcome.YES) == 0


def test_a_side_is_sorted_by_where_its_orders_will_stand_and_changes_with_each():
    table, _ = placed(ticks=48)
    placed(ticks=50, cid="b", table=table)
    side = table.side(M, Outcome.YES)
    assert [o.client_id for o in side.ladder] == ["b", "a"]
    assert (side.best, side.committed, side.cost, side.resting) == (50, 60, 30 * 98, 2)
    before = side.version
    table.replace(ReplaceOrder("a", Ticks(51), Contracts(40)), Nanos(1))
    assert side.version != before
    assert [o.client_id for o in side.ladder] == ["a", "b"]
    assert (side.best, side.committed, side.cost) == (51, 70, 40 * 51 + 30 * 50)
    table.cancel("a", Nanos(2))
    assert side.best == 50


def test_a_side_goes_with_its_last_order_unless_it_is_held():
    table, _ = placed()
    table.apply(cancelled())
    assert not table.sides
    held = table.hold(M, Outcome.YES)
    placed(table=table)
    assert held.committed == 30
    table.apply(cancelled())
    assert table.side(M, Outcome.YES) is held
    assert (held.committed, held.cost, held.resting, held.best) == (0, 0, 0, None)


def test_an_order_has_a_name_of_its_own():
    table, _ = placed()
    with pytest.raises(ValueError, match="live already"):
        placed(ticks=40, table=table)


# --- the table against a venue, any order of events ---------------------------------------------------


class TableAgainstVenue(RuleBasedStateMachine):
    """One order at a model venue. Requests travel in order, answers in order, fills on a stream of their own."""

    def __init__(self):
        super().__init__()
        self.begin()

    @precondition(lambda self: not (self.to_venue or self.answers or self.fills or self.alive))
    @rule()
    def begin(self):
        self.table, self.order = placed(size=20, accepted=False)
        self.to_venue = [("place", 48, 20)]
        self.answers = []
        self.fills = []
        self.price, self.size, self.filled = 0, 0, 0
        self.alive = self.ended = False
        self.number = 0

    # what the program does
    @precondition(lambda self: "a" in self.table.orders and movable(self.order) and self.order.order_id)
    @rule(ticks=st.integers(40, 55), size=st.integers(1, 60))
    def move(self, ticks, size):
        self.table.replace(ReplaceOrder("a", Ticks(ticks), Contracts(size)), Nanos(1))
        self.to_venue.append(("replace", ticks, size))

    @precondition(lambda self: "a" in self.table.orders and not self.order.final and not self.order.cancelling)
    @rule()
    def cancel(self):
        self.table.cancel("a", Nanos(1))
        self.to_venue.append(("cancel", 0, 0))

    @precondition(lambda self: "a" in self.table.orders and self.order.in_flight)
    @rule()
    def give_up_waiting(self):
        self.table.apply(OrderUnknown(M, "a", "no answer"))

    # what the venue does
    @precondition(lambda self: self.to_venue)
    @rule(mood=st.sampled_from(["yes", "yes", "yes", "no", "kill"]))
    def request_arrives(self, mood):
        action, ticks, size = self.to_venue.pop(0)
        if action == "place":
            if mood != "yes":
                self.answers.append(OrderRejected(M, "a", "X", ""))
                self.ended = True
                return
            self.alive, self.price, self.size = True, ticks, size
            self.answers.append(OrderAccepted(M, "a", "o"))
        elif not self.alive:
            self.answers.append(self._gone())
        elif action == "cancel":
            self._answer_cancel(mood)
        elif mood == "yes":
            self.price, self.size = ticks, size
            self.alive = size > self.filled
            gone = self._gone()
            self.answers.append(OrderReplaced(M, "a", Ticks(ticks), Contracts(size)) if self.alive else gone)
        elif mood == "no":
            self.answers.append(unchanged("replace"))
        else:
            self.alive = False
            self.answers.append(self._gone())

    def _answer_cancel(self, mood):
        if mood == "no":
            self.answers.append(unchanged("cancel"))
        else:
            self.alive = False
            self.answers.append(self._gone())

    def _gone(self):
        return OrderRejected(M, "a", "X", "") if self.ended else cancelled(self.filled)

    @precondition(lambda self: self.alive)
    @rule(size=st.integers(1, 25))
    def trade(self, size):
        size = min(size, self.size - self.filled)
        self.filled += size
        self.number += 1
        self.fills.append(filled(size, self.filled, number=self.number))
        if self.filled == self.size:
            self.alive = False

    # what is heard
    @precondition(lambda self: self.answers)
    @rule()
    def answer_is_heard(self):
        self.table.apply(self.answers.pop(0))

    @precondition(lambda self: self.fills)
    @rule()
    def fill_is_heard(self):
        self.table.apply(self.fills.pop(0))

    # the truth
    @invariant()
    def the_worst_case_is_an_upper_bound(self):
        coming = [(t, s) for action, t, s in self.to_venue if action != "cancel"]
        unheard = sum(f.size for f in self.fills)
        possible, top = unheard, 0
        if self.alive or (self.to_venue and self.to_venue[0][0] == "place"):
            sizes = [s for _, s in coming] + ([self.size] if self.alive else [])
            possible += max(0, max(sizes) - self.filled)
            top = max([t for t, _ in coming] + ([self.price] if self.alive else []))
        order = self.table.orders.get("a")
        assert possible <= (order.worst_remaining if order is not None else 0)
        if self.alive and possible > unheard:
            assert order.worst_ticks >= top

    @invariant()
    def the_sums_are_those_of_the_orders(self):
        side, orders = self.table.side(M, Outcome.YES), list(self.table)
        assert list(side.orders.values()) == orders
        assert side.committed == sum(o.worst_remaining for o in orders)
        assert side.outside == sum(o.worst_remaining for o in orders if o.final or o.unknown or o.immediate)
        assert side.cost == sum(o.worst_remaining * o.worst_ticks for o in orders)
        assert side.resting == sum(o.order_id is not None and o.worst_remaining > 0 for o in orders)
        assert side.ladder == [o for o in orders if movable(o)]
        assert side.best == (side.ladder[0].target[0] if side.ladder else None)

    @invariant()
    def nothing_stays_once_all_is_heard(self):
        if not (self.to_venue or self.answers or self.fills or self.alive):
            assert "a" not in self.table.orders


TestTableAgainstVenue = TableAgainstVenue.TestCase
TestTableAgainstVenue.settings = settings(max_examples=examples(150), stateful_step_count=30, deadline=None)


# --- the diff -----------------------------------------------------------------------------------------

LADDER = ((50, 30), (49, 30), (48, 30))


def resting(*levels):
    table = OrderTable()
    for number, (ticks, size) in enumerate(levels):
        placed(size=size, ticks=ticks, cid=str(number), table=table)
    return table


def side(table):
    return table.side(M, Outcome.YES).ladder


def carry_out(table, changes):
    """Do what was asked, with the venue agreeing at once."""
    for cancel in changes.cancels:
        table.apply(cancelled(cid=cancel.client_id))
    for move in changes.outward + changes.inward:
        table.replace(move, Nanos(1))
        table.apply(OrderReplaced(M, move.client_id, move.ticks, move.size))
    for number, (ticks, size) in enumerate(changes.places):
        placed(size=size, ticks=ticks, cid=f"n{len(table)}-{number}", table=table)


def messages(changes):
    return len(changes.cancels) + len(changes.outward) + len(changes.inward) + len(changes.places)


def test_an_empty_book_is_filled_by_places_alone():
    changes = diff([], LADDER)
    assert changes.places == LADDER
    assert not changes.urgent
    assert messages(changes) == 3


def test_seed_defect_10_nothing_is_sent_when_nothing_changed():
    assert not diff(side(resting(*LADDER)), LADDER)
    assert not diff([], ())


@pytest.mark.parametrize(("shift", "urgent"), [(-1, True), (1, False)])
def test_seed_defect_10_a_shift_by_one_tick_costs_one_replace_per_side(shift, urgent):
    changes = diff(side(resting(*LADDER)), [(ticks + shift, size) for ticks, size in LADDER])
    assert messages(changes) == 1
    assert len(changes.outward if urgent else changes.inward) == 1
    assert changes.urgent is urgent


def test_seed_defect_10_the_endangered_order_is_the_one_that_moves():
    (move,) = diff(side(resting(*LADDER)), ((49, 30), (48, 30), (47, 30))).outward
    assert (move.client_id, move.ticks) == ("0", 47)


def test_partial_fills_do_not_cost_a_message_until_half_is_gone():
    table = resting(*LADDER)
    table.apply(filled(15, cid="0"))
    assert not diff(side(table), LADDER)
    table.apply(filled(1, 16, cid="0", number=1))
    (top_up,) = diff(side(table), LADDER).inward
    assert (top_up.ticks, top_up.size) == (50, 46)


def test_a_smaller_size_is_a_cut_in_place_and_urgent():
    changes = diff(side(resting(*LADDER)), ((50, 30), (49, 30), (48, 10)))
    assert changes.outward == (ReplaceOrder("2", Ticks(48), Contracts(10)),)
    assert changes.urgent
    assert messages(changes) == 1


def test_cuts_and_retreats_are_told_apart_from_additions():
    changes = diff(side(resting((50, 30), (47, 5))), ((50, 10), (47, 30), (46, 30)))
    assert [m.client_id for m in changes.outward] == ["0"]
    assert [m.client_id for m in changes.inward] == ["1"]
    assert changes.places == ((46, 30),)


def test_a_move_up_with_less_size_is_a_cut_too():
    changes = diff(side(resting((48, 30))), ((50, 10),))
    assert changes.outward == (ReplaceOrder("0", Ticks(50), Contracts(10)),)


def test_what_the_ladder_does_not_want_is_cancelled():
    changes = diff(side(resting(*LADDER)), ((50, 30),))
    assert sorted(c.client_id for c in changes.cancels) == ["1", "2"]
    assert len(diff(side(resting(*LADDER)), ()).cancels) == 3


def test_two_orders_on_one_price_become_one():
    changes = diff(side(resting((50, 30), (50, 30))), ((50, 30),))
    assert len(changes.cancels) == 1
    changes = diff(side(resting((50, 30), (50, 30))), ((50, 30), (49, 30)))
    assert [(m.ticks, m.size) for m in changes.outward] == [(49, 30)]
    assert not changes.cancels
    assert not changes.places


def test_orders_in_doubt_are_left_alone_and_not_counted_as_levels():
    table = resting((50, 30), (49, 30), (48, 30))
    table.apply(OrderUnknown(M, "0", "timeout"))
    table.cancel("1", Nanos(1))
    placed(size=30, ticks=47, cid="ioc", immediate=True, table=table)
    changes = diff(side(table), ())
    assert [c.client_id for c in changes.cancels] == ["2"]


def test_a_pending_order_above_the_ladder_is_cancelled_by_its_client_id():
    table, _ = placed(ticks=51, accepted=False)
    changes = diff(side(table), ((50, 30),))
    assert [c.client_id for c in changes.cancels] == ["a"]


def test_a_pending_order_below_the_ladder_takes_a_levels_place_until_it_can_move():
    table, _ = placed(ticks=49, accepted=False)
    assert not diff(side(table), ((50, 30),))
    table.apply(OrderAccepted(M, "a", "o"))
    assert len(diff(side(table), ((50, 30),)).inward) == 1


def test_a_pending_order_that_is_too_large_is_cancelled():
    table, _ = placed(ticks=50, size=30, accepted=False)
    assert len(diff(side(table), ((50, 10),)).cancels) == 1


def test_an_order_moves_inwards_only_while_few_moves_are_in_flight_but_always_outwards():
    table = resting((40, 30))
    for ticks in range(41, 41 + MOST_PENDING_REPLACES):
        (move,) = diff(side(table), ((ticks, 30),)).inward
        table.replace(move, Nanos(1))
    assert not diff(side(table), ((50, 30),))
    assert len(diff(side(table), ((39, 30),)).outward) == 1


levels = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 40)), max_size=4, unique_by=lambda level: level[0]).map(
    lambda found: tuple(sorted(found, reverse=True))
)
orders = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 40), st.integers(0, 39)), max_size=5)


@settings(max_examples=examples(600), deadline=None)
@given(orders, levels)
def test_carrying_out_a_diff_leaves_nothing_to_do(start, wanted):
    table = resting(*[(ticks, size) for ticks, size, _ in start])
    for number, (_, size, done) in enumerate(start):
        if 0 < done < size:
            table.apply(filled(done, cid=str(number), number=number))
    before = {o.client_id: o.target[1] - o.filled for o in table}
    changes = diff(side(table), wanted)
    carry_out(table, changes)
    assert not diff(side(table), wanted)
    standing = {o.ticks: o.size - o.filled for o in side(table)}
    assert len(standing) == len(side(table)), "two orders on one price"
    assert standing.keys() == dict(wanted).keys()
    assert all(size // 2 <= standing[ticks] <= size for ticks, size in wanted)
    touched = [x.client_id for x in (*changes.cancels, *changes.outward, *changes.inward)]
    assert len(touched) == len(set(touched)), "one order, one message"
    assert all(before[c] for c in touched)
