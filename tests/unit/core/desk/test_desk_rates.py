"""The order desk: rates."""

from dataclasses import replace

from desk_rig import CONNECTED, buy

from mmactors.messages import CancelAll, CancelItem, OrderDenied, SendBatch
from mmactors.units import SECOND


def slow(rig, per_s=10.0, burst=10.0):
    rig.report(replace(CONNECTED, orders_per_s=per_s, burst=burst))
    rig.report(rig.venue.snapshot())
    rig.settle()
    rig.clear()


def test_the_rate_budget_keeps_a_reserve_for_cancels(rig):
    rig.intend(places=[buy("run7-0", 40)])
    rig.settle()
    slow(rig)
    rig.intend(places=[buy(f"run7-{n}", 40 + n, 1) for n in range(1, 9)])
    denied = rig.told(OrderDenied)
    assert {d.rule for d in denied} == {"rate"}
    assert all(d.retry_after_ms > 0 for d in denied)
    assert 0 < len(denied) < 8
    rig.intend(cancels=["run7-0"])
    assert rig.asked(SendBatch)[-1].cancels == (CancelItem("run7-0", "o1"),)
    rig.now += SECOND
    rig.pulse()
    rig.clear()
    rig.intend(places=[buy("run7-20", 30, 1)])
    assert not rig.told(OrderDenied)


def test_cancels_cost_of_the_budget_but_are_never_refused(rig):
    rig.intend(places=[buy(f"run7-{n}", 10 + n, 1) for n in range(40)])
    rig.settle()
    slow(rig)
    rig.tell(CancelAll("m", "operator"))
    assert len(rig.out[-1].cancels) == 40
    assert rig.desk.entry.budget.tokens < 0
    rig.settle()
    rig.intend(places=[buy("run7-50")])
    assert rig.told(OrderDenied)[0].rule == "rate"


def test_a_venue_that_tells_no_rate_does_not_break_the_desk(rig):
    slow(rig, 0.0, 0.0)
    rig.intend(places=[buy()])
    assert rig.told(OrderDenied)[0].rule == "rate"
