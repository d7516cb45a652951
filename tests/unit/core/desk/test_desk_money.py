"""The order desk: money."""

from dataclasses import replace

import pytest
from desk_rig import CONNECTED, START, YES, Rig

from mmactors.core.params import InventoryParams, MakerParams
from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    BatchReported,
    BatchWritten,
    OrderReported,
    VenueOrder,
    VenueStatus,
    WatchBook,
)
from mmactors.units import MILLISECOND, SECOND, Contracts, Micros, Nanos


def test_the_cash_ledger_is_exact_to_the_micro_dollar_with_fees_and_off_tick_prices(resting):
    rig = resting
    order = rig.venue.of("run7-1")
    rig.venue.fill(order, 7, fee=3)
    order.price = 483_337  # price improvement, off the tick
    rig.venue.fill(order, 5, fee=-1)
    rig.settle()
    rig.consistent()
    odd = rig.venue.foreign("human", "unlisted", 10, 123_457)
    rig.venue.fill(odd, 3)
    rig.settle()
    rig.consistent()
    assert rig.desk.account.cash_micros == rig.venue.cash


def test_an_adjustment_by_the_venue_is_taken_over_and_told(rig):
    rig.report(AccountReported(9999, "adjust", None, Micros(5)))
    assert rig.desk.account.cash_micros == 5
    assert rig.told(VenueStatus)[-1].cash_micros == 5
    rig.report(AccountReported(10_000, "settle", None, Micros(7)))
    assert rig.desk.account.cash_micros == 5


def test_a_book_is_followed_only_from_shortly_before_it_can_matter(rig):
    rig.wait(0.74 * 300 - (rig.now - START) / SECOND)
    assert not rig.asked(WatchBook)
    rig.wait(0.02 * 300)
    assert rig.asked(WatchBook) == [WatchBook("m", on=True)]
    rig.settle()
    rig.ready(incarnation=2)  # an actor that begins later needs it at once
    rig.settle()
    rig.check(0.1)
    assert rig.asked(WatchBook) == [WatchBook("m", on=True)] * 2


def test_where_nothing_is_post_only_the_book_is_followed_from_the_start():
    rig = Rig(connected=replace(CONNECTED, capabilities=frozenset({"replace"})))
    rig.check(0.1)
    assert rig.asked(WatchBook) == [WatchBook("m", on=True)]


def test_a_book_that_nobody_reads_is_not_followed():
    rig = Rig(MakerParams(inventory=InventoryParams(cross=False)))
    rig.wait(290.0)
    assert not rig.asked(WatchBook)


def test_the_order_delay_is_measured_from_the_socket_to_the_answer(rig):
    before = rig.desk.entry.latency_s
    rig.desk.report(CONNECTED, Nanos(rig.now))
    rig.report(BatchWritten(5, Nanos(rig.now)))
    rig.report(BatchReported(5, (), Nanos(rig.now + 20 * MILLISECOND)))
    assert rig.desk.entry.latency_s == pytest.approx(before + 0.1 * (0.010 - before))


def test_what_the_venue_says_about_a_market_nobody_listed_does_not_raise(rig):
    order = VenueOrder("o9", "run7-9", "x", YES, Micros(1), Contracts(1), Contracts(0), "OPEN")
    rig.report(OrderReported(500, "new", order, None))
    rig.report(AccountSnapshot(501, (order,), (), Micros(0), Micros(0)))
    rig.settle()
    assert WatchBook("x", on=True) not in rig.venue.received
