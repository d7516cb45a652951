"""The order desk: the gate at the desk."""

from dataclasses import replace

import pytest
from desk_rig import MARKET, NO, START, YES, Rig, buy

from mmactors.core.params import MakerParams, RiskParams
from mmactors.messages import (
    ClockMeasured,
    MarketReported,
    MarketStatus,
    OrderDenied,
    OrderUnchanged,
    SendBatch,
    StreamGapped,
    VenueFill,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos, micros, nanos


def test_a_retreat_that_is_denied_becomes_a_cancel(resting):
    rig = resting
    rig.intend(replaces=[("run7-1", 47, 30)], age_s=3.0)
    (event,) = rig.told(OrderUnchanged)
    assert (event.code, event.denied) == ("DENIED_stale", True)
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0


def test_a_cut_that_is_denied_becomes_a_cancel_even_at_a_better_price(resting):
    rig = resting
    rig.intend(replaces=[("run7-1", 49, 10)], age_s=3.0)
    assert rig.out[0].cancels


@pytest.mark.parametrize(("ticks", "size"), [(49, 30), (48, 60)])
def test_an_advance_or_a_top_up_that_is_denied_leaves_the_order_where_it_is(resting, ticks, size):
    rig = resting
    rig.intend(replaces=[("run7-1", ticks, size)], age_s=3.0)
    assert [(e.action, e.code) for e in rig.told(OrderUnchanged)] == [("replace", "DENIED_stale")]
    assert not rig.out
    assert rig.venue.live()


def test_a_cut_is_admitted_where_the_larger_order_would_not_be(resting):
    """A smaller order at the same price is never worse: it need not be cancelled and placed again."""
    rig = resting
    rig.params = MakerParams(inventory=replace(rig.params.inventory, max_position=Contracts(10)))
    rig.intend(replaces=[("run7-1", 48, 10)])
    assert not rig.told(OrderUnchanged)
    rig.settle()
    rig.consistent()
    assert [o.left for o in rig.venue.live()] == [10]


def test_seed_defect_04_the_room_counts_resting_and_in_flight_orders_of_either_outcome():
    rig = Rig(MakerParams(inventory=replace(MakerParams().inventory, max_position=Contracts(60))))
    rig.intend(places=[buy("run7-1", 50, outcome=NO), buy("run7-2", 49, outcome=NO), buy("run7-3", 48, outcome=NO)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["room"]
    rig.settle()
    rig.intend(places=[buy("run7-4", 47, outcome=NO)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["room", "room"]
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.settle()
    assert rig.desk.account.position("m").net == -30
    rig.intend(places=[buy("run7-5", 47, outcome=NO), buy("run7-6", 40, 90)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["room"] * 3
    assert rig.order("run7-6") is not None


def test_pairs_are_cash_and_do_not_fill_the_room():
    rig = Rig(MakerParams(inventory=replace(MakerParams().inventory, max_position=Contracts(30))))
    for n in range(3):
        rig.intend(places=[buy(f"run7-y{n}", 48), buy(f"run7-n{n}", 48, outcome=NO)])
        rig.settle()
        for order in list(rig.venue.live()):
            rig.venue.fill(order, 30)
        rig.settle()
    assert not rig.told(OrderDenied)
    assert rig.desk.account.position("m").pairs == 90


def test_the_cash_of_every_live_order_is_counted():
    rig = Rig(start=False)
    rig.venue.cash = micros(20.0)
    rig.start()
    rig.intend(places=[buy("run7-1", 48, 30), buy("run7-2", 30, 30), buy("run7-3", 18, 30)])
    assert [(d.client_id, d.rule) for d in rig.told(OrderDenied)] == [("run7-2", "cash")]


def test_the_worst_case_loss_counts_every_market_and_the_positions_of_the_start():
    params = MakerParams(risk=RiskParams(max_exposure=micros(25.0)))
    rig = Rig(params, start=False)
    rig.venue.held = {("n", YES): 40}
    rig.venue.fills = [
        VenueFill("f0", 1, "o", "c", "n", YES, Micros(500_000), Contracts(40), Micros(0), True, Nanos(0), Contracts(40))
    ]
    rig.start()
    rig.intend(places=[buy("run7-1", 48, 10), buy("run7-2", 47, 10)])
    assert [d.client_id for d in rig.told(OrderDenied)] == ["run7-2"]
    assert rig.told(OrderDenied)[0].rule == "exposure"


def test_an_own_cross_is_denied_unless_the_opposing_order_leaves_first(resting):
    rig = resting
    rig.intend(places=[buy("run7-2", 52, outcome=NO)])
    assert rig.told(OrderDenied)[0].rule == "spread"
    rig.intend(cancels=["run7-1"], places=[buy("run7-3", 52, outcome=NO)])
    assert len(rig.told(OrderDenied)) == 1
    rig.settle()
    rig.consistent()


def test_both_sides_follow_the_price_in_one_frame(rig):
    rig.intend(places=[buy("run7-1", 49), buy("run7-2", 49, outcome=NO)])
    rig.settle()
    rig.clear()
    rig.intend(replaces=[("run7-2", 48, 30), ("run7-1", 50, 30)])
    assert not rig.told(OrderUnchanged)
    rig.settle()
    rig.consistent()


def test_a_slow_login_does_not_unsettle_a_clock_that_is_known_better(rig):
    """An answer 2.2 s late puts the clock off by a second, and the room is judged as of then."""
    rig.report(ClockMeasured(nanos(0.020), nanos(0.100)))
    rig.report(ClockMeasured(nanos(-1.080), nanos(2.200)))
    assert rig.desk.offset_ns == nanos(0.020)
    rig.report(ClockMeasured(nanos(0.030), nanos(0.090)))
    assert rig.desk.offset_ns == nanos(0.030)
    rig.report(ClockMeasured(nanos(1.500), nanos(2.200)))
    assert rig.desk.offset_ns == nanos(1.500), "half its round trip does not explain the difference"


def test_every_rule_meets_the_order_at_the_desk(rig):
    """The desk fills in each figure that a rule looks at."""
    cases = {
        "stale": {"age_s": 2.5, "places": [buy("run7-1")]},
        "price": {"places": [buy("run7-2", 100)]},
        "size": {"places": [buy("run7-3", 40, 10_001)]},
        "room": {"places": [buy("run7-4", 40, 1001)]},
    }
    for rule, intent in cases.items():
        rig.intend(**intent)
        assert rig.told(OrderDenied)[-1].rule == rule
    rig.now = START + 285 * SECOND
    rig.pulse()
    rig.intend(places=[buy("run7-5")])
    assert rig.told(OrderDenied)[-1].rule == "reduce_only"
    rig.intend(places=[buy("run7-6", outcome=NO)], d2=2.0)
    assert rig.told(OrderDenied)[-1].rule == "reduce_only"
    rig.report(ClockMeasured(nanos(10.0), nanos(0.01)))
    rig.intend(places=[buy("run7-7")])
    assert rig.told(OrderDenied)[-1].rule == "close"
    rig.report(MarketReported("closed", replace(MARKET, status=MarketStatus.CLOSED)))
    rig.intend(places=[buy("run7-8")])
    assert rig.told(OrderDenied)[-1].rule == "market"
    rig.report(StreamGapped(1, 2))
    rig.intend(places=[buy("run7-9")])
    assert rig.told(OrderDenied)[-1].rule == "synced"
    assert not rig.asked(SendBatch)
