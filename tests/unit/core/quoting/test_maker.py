"""The Maker: what it asks for as prices, time, fills and refusals come in; and that it never raises."""

import math
from dataclasses import replace

import pytest
from depth import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mmactors.core.orders.table import OrderTable
from mmactors.core.params import InventoryParams, MakerParams, QuotingParams, RiskParams
from mmactors.core.quoting import schedule
from mmactors.core.quoting.maker import TAKE_EVERY_NS, Maker
from mmactors.core.quoting.side import Side
from mmactors.messages import (
    BookChanged,
    FairMoved,
    Market,
    MarketChanged,
    MarketHydrated,
    MarketResolved,
    MarketStatus,
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
    QuoteIntent,
    ReferenceLost,
    ReferenceMoved,
    ReplaceOrder,
    RequoteDue,
    Resolution,
    SessionReport,
    TimePassed,
    TradingState,
    TradingStateChanged,
    VenueStatus,
)
from mmactors.units import MILLISECOND, SECOND, YEAR_S, Contracts, Micros, Nanos, Ticks, micros, nanos

START = 1_800_000_000 * SECOND
STRIKE = 97_000.0
MARKET = Market("m", "BTC", STRIKE, MarketStatus.OPEN, Nanos(START), Nanos(START + 300 * SECOND))
PARAMS = MakerParams()
YES, NO = Outcome.YES, Outcome.NO
HYDRATED = MarketHydrated(
    market=MARKET,
    yes=Contracts(0),
    no=Contracts(0),
    yes_cost_micros=Micros(0),
    no_cost_micros=Micros(0),
    state=TradingState.ACTIVE,
    offset_ns=Nanos(0),
    order_latency_s=0.05,
    cash_micros=micros(100_000.0),
)


class Bench:
    """A Maker and a venue that agrees at once, unless told to be silent."""

    def __init__(self, params=PARAMS, *, f=0.9, start=True, agrees=True, **hydrated):
        self.maker = Maker("m", 1, "run7-m", params)
        self.now = START + round((1.0 - f) * 300 * SECOND)
        self.spot = STRIKE
        self.agrees = agrees
        self.intents, self.marks, self.reports = [], [], []
        self.fills = 0
        if start:
            self.tell(replace(HYDRATED, **hydrated))
            self.price()

    def tell(self, event):
        decision = self.maker.handle(event, Nanos(self.now))
        if decision.requote:
            decision = self.maker.handle(RequoteDue(), Nanos(self.now))
        for command in decision.commands:
            {QuoteIntent: self.intents, FairMoved: self.marks, SessionReport: self.reports}[type(command)].append(
                command
            )
        for command in decision.commands:
            if isinstance(command, QuoteIntent):
                assert decision.reason is command.reason
                if self.agrees:
                    self.agree(command)
        return decision

    def agree(self, intent):
        for cancel in intent.cancels:
            order = self.maker.table.orders[cancel.client_id]
            self.tell(OrderCancelled("m", cancel.client_id, Contracts(order.filled), "cancel"))
        for move in intent.replaces:
            self.tell(OrderReplaced("m", move.client_id, move.ticks, move.size))
        for place in intent.places:
            self.tell(OrderAccepted("m", place.client_id, "o-" + place.client_id))
            if place.immediate:
                self.tell(OrderCancelled("m", place.client_id, Contracts(0), "IOC"))

    def price(self, spot=None, age_s=0.0, sigma=0.5):
        self.spot = self.spot if spot is None else spot
        seen = Nanos(self.now - round(age_s * SECOND))
        return self.tell(ReferenceMoved("BTC", self.spot, sigma, seen, seen, 0.02, ("binance",)))

    def pass_time(self, seconds, *, live=True):
        for _ in range(max(1, round(seconds * 10))):
            self.now += SECOND // 10
            if live:
                self.price()
            self.tell(TimePassed())

    def to(self, f):
        """Jump to a share of the session left."""
        self.now = START + round((1.0 - f) * 300 * SECOND)
        self.price()
        self.pass_time(0.2)

    def fill(self, outcome, size, order=None):
        order = order or max(self.maker.table.of("m", outcome), key=lambda o: o.ticks)
        return self.tell(self.filled(order, size))

    def filled(self, order, size):
        self.fills += 1
        return OrderFilled(
            "m",
            order.client_id,
            f"f{self.fills}",
            order.outcome,
            order.ticks,
            Contracts(size),
            Micros(0),
            Contracts(order.filled + size),
            True,
            Nanos(0),
        )

    def buy(self, outcome, size):
        """A fill out of nowhere: a position."""
        self.fills += 1
        self.tell(
            OrderFilled(
                "m", "x", f"f{self.fills}", outcome, Ticks(50), Contracts(size), Micros(0), Contracts(0), True, Nanos(0)
            )
        )

    def levels(self, outcome):
        return sorted(((o.target[0], o.target[1] - o.filled) for o in self.maker.table.of("m", outcome)), reverse=True)

    def prices(self, outcome):
        return [ticks for ticks, _ in self.levels(outcome)]

    def why(self):
        return self.intents[-1].reason.why


def spot_at(deviations, f, sigma=0.5):
    return STRIKE * math.exp(deviations * sigma * math.sqrt(f * 300 / YEAR_S))


@pytest.fixture
def bench():
    return Bench()


# --- the ladder ---------------------------------------------------------------------------------------


def test_the_first_price_brings_a_two_sided_ladder_in_one_intent(bench):
    (intent,) = bench.intents
    assert not intent.cancels
    assert not intent.replaces
    assert len(intent.places) == 6
    assert all(p.post_only and not p.immediate and p.size == 30 for p in intent.places)
    assert len({p.client_id for p in intent.places}) == 6
    assert all(p.client_id.startswith("run7-m-") for p in intent.places)
    assert (intent.market, intent.incarnation, intent.priced_ns) == ("m", 1, bench.now)
    assert intent.origin_ns == bench.now
    yes, no = bench.prices(YES), bench.prices(NO)
    assert yes == [yes[0], yes[0] - 1, yes[0] - 2]
    assert 100 - no[0] - yes[0] >= 2
    assert intent.reason.fair == pytest.approx(0.5, abs=0.01)


def test_nothing_is_asked_before_the_state_and_the_price_are_known():
    maker = Bench(start=False)
    maker.price()
    maker.tell(TimePassed())
    maker.tell(VenueStatus(True, Nanos(0), 0.1, micros(1.0)))
    maker.tell(MarketChanged(MARKET, "opened"))
    assert not maker.intents
    maker = Bench(start=False)
    maker.tell(HYDRATED)
    maker.pass_time(1, live=False)
    assert not maker.intents


@pytest.mark.parametrize("way", [1, -1])
def test_note_3_the_ladder_follows_the_spot_on_both_sides(bench, way):
    before = bench.prices(YES), bench.prices(NO)
    bench.now += SECOND
    bench.price(STRIKE * (1 + way * 0.0005))
    bench.pass_time(0.5)
    after = bench.prices(YES), bench.prices(NO)
    assert way * (after[0][0] - before[0][0]) > 5
    assert way * (after[1][0] - before[1][0]) < -5
    assert 100 - after[0][0] - after[1][0] >= 2


def test_seed_defect_10_an_unchanged_price_sends_nothing(bench):
    bench.pass_time(1)
    sent = len(bench.intents)
    for _ in range(100):
        bench.now += MILLISECOND
        bench.price()
    assert len(bench.intents) == sent


def test_what_stands_too_close_goes_at_once_and_the_rest_waits_for_the_refresh(bench):
    bench.pass_time(1)
    bench.intents.clear()
    bench.now += MILLISECOND
    bench.price(STRIKE * 1.0005)  # YES rises: the NO side is endangered
    (first,) = bench.intents
    assert {bench.maker.table.orders[m.client_id].outcome for m in first.replaces[:1]} == {NO}
    bench.now += MILLISECOND
    bench.price(STRIKE * 1.00053)
    assert all(i.replaces or i.cancels for i in bench.intents)


def test_the_retreating_side_is_told_before_the_following_one(bench):
    bench.pass_time(1)
    bench.intents.clear()
    bench.now += SECOND
    bench.price(STRIKE * 1.0005)
    sides = [bench.maker.table.orders[m.client_id].outcome for m in bench.intents[0].replaces]
    assert sides == sorted(sides, key=lambda o: o is YES)
    assert sides[0] is NO
    assert sides[-1] is YES


def test_note_5_the_ladder_leans_against_the_position_and_more_so_late():
    def mid(f, net):
        maker = Bench(f=f)
        maker.buy(YES if net > 0 else NO, abs(net))
        maker.pass_time(0.5)
        return maker.intents[-1].reason

    early, late = mid(0.9, 200), mid(0.5, 200)
    assert 0 < early.lean < late.lean
    assert mid(0.9, -200).lean == -early.lean


def test_note_5_late_in_the_session_only_the_net_is_cut_and_at_most_the_net():
    maker = Bench(f=0.15)
    maker.buy(YES, 20)
    maker.to(0.095)
    assert not maker.levels(YES)
    assert sum(size for _, size in maker.levels(NO)) == 20


def test_a_fill_changes_the_ladder_at_once(bench):
    bench.pass_time(1)
    bench.intents.clear()
    bench.fill(YES, 30)
    (intent,) = bench.intents
    assert intent.reason.net == 30
    assert bench.maker.record.fills == 1


def test_a_fill_told_twice_counts_once(bench):
    order = bench.maker.table.of("m", YES)[0]
    event = bench.filled(order, 10)
    bench.tell(event)
    bench.tell(event)
    assert bench.maker.inventory.yes == 10


def test_note_4_the_dead_side_gets_no_bids():
    maker = Bench(f=0.12)
    maker.buy(NO, 50)
    maker.spot = spot_at(-2.0, 0.09)
    maker.to(0.09)  # YES is losing, and YES is what would flatten
    assert not maker.levels(YES)
    assert not maker.levels(NO)
    assert maker.why() == "dead side YES"


def test_seed_defect_13_everything_is_cancelled_before_the_closing_threshold():
    maker = Bench(f=0.9)
    maker.buy(YES, 25)
    maker.to(0.05)
    assert maker.levels(NO)
    while maker.levels(NO):
        maker.pass_time(0.1)
    left = MARKET.expires_venue_ns - maker.now
    assert 6.0 < left / SECOND <= 6.0 + 0.4 + 2 * 0.05 + 0.1 + 1e-9
    assert maker.why() == "closing"
    maker.intents.clear()
    maker.pass_time(8)
    assert not maker.intents


def test_the_venues_clock_decides_when_to_close():
    maker = Bench(f=0.05)
    maker.buy(YES, 25)
    maker.pass_time(0.1)
    assert maker.levels(NO)
    maker.tell(VenueStatus(True, nanos(10.0), 0.05, micros(1000.0)))
    assert not maker.levels(NO)
    assert maker.why() == "closing"


# --- what must make it cancel -------------------------------------------------------------------------


def assert_all_cancelled(bench, why):
    assert not len(bench.maker.table)
    assert bench.why() == why
    assert bench.intents[-1].cancels
    assert not bench.intents[-1].places


def test_seed_defect_09_a_stale_reference_cancels_and_does_not_merely_stop(bench):
    bench.pass_time(2.0, live=False)
    assert len(bench.maker.table) == 6
    bench.pass_time(0.2, live=False)
    assert_all_cancelled(bench, "reference stale")
    bench.price()
    bench.pass_time(0.3)
    assert len(bench.maker.table) == 6


def test_py_clob_292_a_reference_that_moves_without_life_is_stale(bench):
    bench.now += SECOND
    bench.price(STRIKE * 1.0001, age_s=2.5)
    assert_all_cancelled(bench, "reference stale")


def test_a_lost_reference_cancels_with_its_reason(bench):
    bench.tell(ReferenceLost("BTC", Nanos(bench.now), "binance disagrees with itself"))
    assert_all_cancelled(bench, "binance disagrees with itself")


def test_poly_maker_no_price_is_no_random_price(bench):
    for price, sigma in (
        (float("nan"), 0.5),
        (0.0, 0.5),
        (-1.0, 0.5),
        (math.inf, 0.5),
        (STRIKE, 0.0),
        (STRIKE, math.nan),
    ):
        bench.now += SECOND
        bench.tell(ReferenceMoved("BTC", price, sigma, Nanos(bench.now), Nanos(bench.now), 0.02, ("binance",)))
        assert_all_cancelled(bench, "the figures make no price")
        bench.now += SECOND
        bench.price(STRIKE)
        assert len(bench.maker.table) == 6


def test_a_venue_out_of_step_cancels(bench):
    bench.tell(VenueStatus(False, Nanos(0), 0.05, micros(1000.0)))
    assert_all_cancelled(bench, "venue not in step")


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.TRAPPED])
def test_a_halt_cancels(bench, state):
    bench.tell(TradingStateChanged(state, "operator"))
    assert_all_cancelled(bench, f"account {state.lower()}")
    bench.tell(TradingStateChanged(TradingState.ACTIVE, "operator"))
    bench.pass_time(0.2)
    assert len(bench.maker.table) == 6


def test_reducing_keeps_only_what_cuts_the_net(bench):
    bench.buy(NO, 40)
    bench.pass_time(0.3)
    bench.tell(TradingStateChanged(TradingState.REDUCING, "the day's loss"))
    bench.pass_time(0.3)
    assert not bench.levels(NO)
    assert sum(size for _, size in bench.levels(YES)) == 40


@pytest.mark.parametrize("status", [MarketStatus.HALTED, MarketStatus.CLOSED, MarketStatus.PENDING])
def test_a_market_that_is_not_open_is_left(bench, status):
    bench.tell(MarketChanged(replace(MARKET, status=status), "halted"))
    assert_all_cancelled(bench, f"market {status.lower()}")


def test_a_market_without_a_sound_strike_or_length_is_not_quoted(bench):
    for change in (
        {"strike": None},
        {"strike": -5.0},
        {"strike": math.nan},
        {"opens_venue_ns": MARKET.expires_venue_ns},
    ):
        bench.tell(MarketChanged(replace(MARKET, **change), "changed"))
        assert not len(bench.maker.table)
        bench.tell(MarketChanged(MARKET, "changed"))
        bench.pass_time(0.2)
        assert len(bench.maker.table) == 6


def test_a_burst_of_fills_on_one_side_freezes_the_market_for_a_while():
    maker = Bench(replace(PARAMS, risk=RiskParams(freeze_contracts=Contracts(50))))
    maker.fill(YES, 30)
    maker.fill(NO, 30)  # the other side does not add up
    maker.pass_time(0.2)
    assert len(maker.maker.table) == 6
    maker.fill(YES, 21)
    assert_all_cancelled(maker, "frozen after a burst of fills")
    maker.pass_time(4.9)
    assert not len(maker.maker.table)
    maker.pass_time(0.3)
    assert len(maker.maker.table) == 6


def test_fills_spread_over_more_than_the_window_do_not_freeze():
    maker = Bench(replace(PARAMS, risk=RiskParams(freeze_contracts=Contracts(50))))
    for _ in range(3):
        maker.fill(YES, 30)
        maker.pass_time(15.2)
    assert len(maker.maker.table) == 6


# --- refusals -----------------------------------------------------------------------------------------


def test_a_post_only_rejection_keeps_the_side_below_that_price_for_a_while(bench):
    bench.pass_time(1)
    top = bench.prices(YES)[0]
    order = bench.maker.table.of("m", YES)[0]
    bench.tell(OrderCancelled("m", order.client_id, Contracts(0), "POST_ONLY_WOULD_CROSS"))
    assert top not in bench.prices(YES)
    bench.pass_time(0.1)
    assert top not in bench.prices(YES)
    bench.pass_time(0.5)
    bench.price(STRIKE * 1.00002)
    bench.pass_time(0.2)
    assert bench.prices(YES)[0] == top


def test_a_post_only_rejection_of_a_new_order_caps_too():
    maker = Bench(agrees=False)
    (intent,) = maker.intents
    best = max((p for p in intent.places if p.outcome is NO), key=lambda p: p.ticks)
    maker.tell(OrderRejected("m", best.client_id, "POST_ONLY_WOULD_CROSS", ""))
    maker.now += 200 * MILLISECOND
    maker.tell(TimePassed())
    assert best.ticks not in maker.prices(NO)


@pytest.mark.parametrize("retry_ms", [0, 800])
def test_a_refused_order_pauses_its_sides_additions_so_that_no_storm_begins(retry_ms):
    maker = Bench(agrees=False)
    (intent,) = maker.intents
    refused = [p for p in intent.places if p.outcome is YES]
    for place in refused:
        maker.tell(OrderRejected("m", place.client_id, "INSUFFICIENT_FUNDS", "", retry_ms))
    assert len(maker.intents) == 1
    until = maker.now + max(retry_ms, 250) * MILLISECOND
    while not any(p.outcome is YES for i in maker.intents[1:] for p in i.places):
        maker.now += 10 * MILLISECOND
        maker.price()
    assert until <= maker.now <= until + 110 * MILLISECOND


def test_a_denial_for_the_rate_waits_as_long_as_it_is_told():
    maker = Bench(agrees=False)
    for place in maker.intents[0].places:
        maker.tell(OrderDenied("m", place.client_id, "rate", "", 120))
    maker.now += 110 * MILLISECOND
    maker.tell(TimePassed())
    assert len(maker.intents) == 1
    maker.now += 10 * MILLISECOND
    maker.tell(TimePassed())
    assert len(maker.intents[-1].places) == 6


def test_the_time_alone_is_looked_at_only_after_a_while_without_anything_else():
    maker = Bench(agrees=False)
    maker.maker.reference = replace(maker.maker.reference, price=STRIKE * 1.0002)  # not told: no look of its own
    maker.now += 90 * MILLISECOND
    maker.tell(TimePassed())
    assert len(maker.intents) == 1
    maker.now += 10 * MILLISECOND
    maker.tell(TimePassed())
    assert len(maker.intents) == 2


def test_a_refused_cancel_is_repeated_at_a_human_pace_and_not_at_the_refusals():
    """The venue's client answers NOT_SENT within microseconds while the connection is gone."""
    maker = Bench()
    maker.agrees = False
    maker.tell(VenueStatus(False, Nanos(0), 0.05, micros(1000.0)))
    (*_, intent) = maker.intents
    assert len(intent.cancels) == 6
    maker.intents.clear()
    for _ in range(1000):
        maker.now += MILLISECOND
        for order in list(maker.maker.table):
            if order.cancelling:
                maker.tell(OrderUnchanged("m", order.client_id, "cancel", "NOT_SENT", ""))
        maker.tell(TimePassed())
    assert len(maker.intents) <= 5 * 6
    assert len(maker.maker.table) == 6
    assert maker.intents, "given up"


def test_a_refused_retreat_is_repeated_but_does_not_spin(bench):
    bench.pass_time(1)
    bench.agrees = False
    bench.intents.clear()
    bench.price(STRIKE * 0.9995)
    moved = [m.client_id for m in bench.intents[0].replaces if bench.maker.table.orders[m.client_id].outcome is YES]
    assert moved
    sent = len(bench.intents)
    for _ in range(200):
        bench.now += MILLISECOND
        for order in bench.maker.table.of("m", YES):
            if order.pending_replaces:
                bench.tell(OrderUnchanged("m", order.client_id, "replace", "MARKET_HALTED", ""))
    assert len(bench.intents) == sent
    bench.pass_time(0.3)
    assert len(bench.intents) > sent


def test_an_order_found_alive_by_query_is_cancelled_again_at_once(bench):
    bench.agrees = False
    bench.tell(TradingStateChanged(TradingState.HALTED, ""))
    order = bench.maker.table.of("m", YES)[0]
    bench.intents.clear()
    bench.tell(OrderUnchanged("m", order.client_id, "cancel", "ALIVE", ""))
    assert [c.client_id for c in bench.intents[-1].cancels] == [order.client_id]


def test_orders_in_doubt_count_against_the_room_and_are_not_asked_about_here():
    params = replace(PARAMS, inventory=InventoryParams(max_position=Contracts(90)))
    maker = Bench(params, agrees=False)
    for place in maker.intents[0].places:
        maker.tell(OrderAccepted("m", place.client_id, "o"))
    for order in maker.maker.table.of("m", YES):
        maker.tell(OrderUnknown("m", order.client_id, "no answer"))
    maker.intents.clear()
    maker.pass_time(1)
    assert maker.maker.table.committed("m", YES) == 90
    assert not any(p.outcome is YES for i in maker.intents for p in i.places)


def test_a_ladder_in_doubt_is_not_sent_again_until_the_venue_says_what_became_of_it():
    """A venue in maintenance answers every order with "unavailable": eight ladders a second, all counted as live."""
    maker = Bench(agrees=False)
    sent = maker.intents[0].places
    for place in sent:
        maker.tell(OrderUnknown("m", place.client_id, "UNAVAILABLE"))
    for second in range(10):
        maker.price(STRIKE * (1 + second * 1e-4))
        maker.pass_time(1)
    assert len(maker.intents) == 1
    for place in sent:
        maker.tell(OrderRejected("m", place.client_id, "LOST", "the venue knows no such order"))
    maker.pass_time(1)
    assert sum(len(intent.places) for intent in maker.intents[1:]) == 6


@pytest.mark.parametrize("rung", [0, 1, 2])
def test_one_order_in_doubt_keeps_its_own_place_in_the_ladder_and_no_other(rung):
    maker = Bench(agrees=False)
    for place in maker.intents[0].places:
        maker.tell(OrderAccepted("m", place.client_id, "o"))
    before = maker.levels(YES)
    maker.agrees = True
    doubted = sorted(maker.maker.table.of("m", YES), key=lambda order: -order.ticks)[rung]
    maker.tell(OrderUnknown("m", doubted.client_id, "no answer"))
    maker.pass_time(1)
    assert maker.levels(YES) == before
    maker.price(STRIKE * 1.0002)
    maker.pass_time(1)
    assert len(maker.prices(YES)) == len(set(maker.prices(YES))) == 3


def test_a_cut_on_its_way_is_not_taken_back_while_all_together_is_above_the_room():
    """What is cut counts in full until the venue says so; that is no leave to let it grow again."""
    table = OrderTable()
    side = Side("m", NO, table)
    for n, ticks in enumerate((78, 75, 74)):
        table.place("m", PlaceOrder(f"o{n}", NO, Ticks(ticks), Contracts(30)), Nanos(START))
        table.apply(OrderAccepted("m", f"o{n}", f"v{n}"))
    table.replace(ReplaceOrder("o0", Ticks(78), Contracts(9)), Nanos(START))
    wanted = tuple((Ticks(ticks), Contracts(size)) for ticks, size in ((73, 30), (72, 30), (71, 6)))
    sizes = {move.client_id: move.size for move in side.changes(wanted, 66, Nanos(START)).outward}
    assert sizes == {"o0": 9, "o1": 30, "o2": 6}
    table.apply(OrderReplaced("m", "o0", Ticks(78), Contracts(9)))
    sizes = {move.client_id: move.size for move in side.changes(wanted, 99, Nanos(START)).outward}
    assert sizes == {"o0": 30, "o1": 30, "o2": 6}


def test_an_order_in_doubt_of_which_nothing_is_left_to_fill_takes_no_place():
    maker = Bench(agrees=False)
    for place in maker.intents[0].places:
        maker.tell(OrderAccepted("m", place.client_id, "o"))
    maker.price(STRIKE * 1.0005)
    doubted = maker.maker.table.of("m", NO)
    assert all(order.pending_replaces for order in doubted)
    for order in doubted:
        maker.tell(OrderUnknown("m", order.client_id, "no answer"))
    maker.agrees = True
    for order in doubted[:2]:
        maker.fill(NO, order.size, order)
    maker.pass_time(PARAMS.risk.freeze_ns / SECOND + 1)
    assert [order.worst_remaining for order in doubted] == [0, 0, doubted[2].size]
    assert sum(order.worst_remaining > 0 for order in maker.maker.table.of("m", NO)) == 3


def test_a_cut_on_its_way_does_not_cut_the_rest_of_the_ladder_tick_after_tick(bench):
    """What is on its way out may still fill, but that holds additions back; it does not empty the book."""
    bench.buy(NO, 70)
    bench.pass_time(0.3)
    bench.agrees = False
    bench.intents.clear()
    bench.tell(TradingStateChanged(TradingState.REDUCING, ""))
    for _ in range(50):
        bench.now += MILLISECOND
        bench.price()
    (intent,) = bench.intents
    assert len(intent.cancels) == 3  # the other side
    assert [m.size for m in intent.replaces] == [10]
    assert sum(size for _, size in bench.levels(YES)) == 70


def test_an_addition_waits_until_what_makes_room_for_it_is_gone():
    params = replace(PARAMS, inventory=InventoryParams(max_position=Contracts(30)))
    bench = Bench(params)
    (order,) = bench.maker.table.of("m", YES)
    bench.agrees = False
    bench.maker.table.cancel(order.client_id, Nanos(bench.now))
    bench.intents.clear()
    bench.pass_time(1)
    assert not any(p.outcome is YES for i in bench.intents for p in i.places)
    bench.tell(OrderCancelled("m", order.client_id, Contracts(0), "cancel"))
    assert any(p.outcome is YES for i in bench.intents for p in i.places)


def test_an_order_that_fills_while_its_move_is_on_its_way_ends_when_the_desk_says_that_it_is_gone(bench):
    order = bench.maker.table.of("m", YES)[0]
    bench.agrees = False
    bench.price(STRIKE * 0.999)
    assert order.pending_replaces
    bench.tell(bench.filled(order, 30))
    bench.price(STRIKE * 0.998)
    assert order.client_id in bench.maker.table.orders
    bench.tell(OrderCancelled("m", order.client_id, Contracts(0), "gone"))
    assert order.client_id not in bench.maker.table.orders


def test_seed_defect_11_an_order_lives_until_the_venue_says_otherwise(bench):
    bench.agrees = False
    bench.tell(TradingStateChanged(TradingState.HALTED, ""))
    bench.pass_time(5)
    assert len(bench.maker.table) == 6
    assert bench.maker.table.committed("m", YES) == 90
    assert not bench.maker.done


# --- taking to flatten --------------------------------------------------------------------------------


def crossing_bench(net=-200, f=0.15, **more):
    """Short, late, with somebody else's ask at a fair price."""
    maker = Bench(replace(PARAMS, inventory=replace(PARAMS.inventory, **more)), f=0.3)
    maker.buy(NO if net < 0 else YES, abs(net))
    maker.to(f)
    return maker


def taken(maker):
    return [p for i in maker.intents for p in i.places if p.immediate]


def test_late_a_fair_book_is_taken_to_flatten():
    maker = crossing_bench()
    assert not taken(maker)
    maker.tell(BookChanged("m", Ticks(40), Ticks(55)))
    maker.pass_time(0.1)
    maker.pass_time(0.1)
    order = taken(maker)[0]
    assert (order.outcome, order.ticks, order.post_only) == (YES, 55, False)
    assert 90 < order.size <= 180
    assert "taking to flatten" in next(i for i in maker.intents if order in i.places).reason.why


def test_what_rests_and_what_is_taken_never_go_beyond_flat_together():
    """The gate would refuse them together: what rests gives way first, and only then is taken."""
    maker = crossing_bench(net=-100)
    maker.agrees = False
    assert sum(size for _, size in maker.levels(YES)) > 20
    maker.tell(BookChanged("m", Ticks(40), Ticks(55)))
    maker.intents.clear()
    maker.pass_time(0.2)
    assert not taken(maker)
    staying = [o for o in maker.maker.table.of("m", YES) if not o.cancelling]
    assert sum(o.target[1] for o in staying) == 20
    maker.agrees = True
    for intent in list(maker.intents):
        maker.agree(intent)
    maker.pass_time(0.1)
    assert [p.size for p in taken(maker)] == [80]
    maker.pass_time(2)
    assert sum(size for _, size in maker.levels(YES)) == 20
    assert {p.size for p in taken(maker)} == {80}


def test_taking_is_not_repeated_sooner_than_half_a_second():
    maker = crossing_bench()
    maker.tell(BookChanged("m", Ticks(40), Ticks(55)))
    maker.intents.clear()
    for _ in range(100):
        maker.now += 10 * MILLISECOND
        maker.price()
    assert len(taken(maker)) <= 2 + SECOND // TAKE_EVERY_NS


@pytest.mark.parametrize(
    ("ask", "f", "more"), [(61, 0.15, {}), (55, 0.25, {}), (None, 0.15, {}), (55, 0.15, {"cross": False})]
)
def test_nothing_is_taken_early_or_dear_or_against_the_configuration(ask, f, more):
    maker = crossing_bench(f=f, **more)
    maker.tell(BookChanged("m", Ticks(40), None if ask is None else Ticks(ask)))
    maker.pass_time(1)
    assert not taken(maker)


def test_our_own_ask_is_not_taken():
    maker = Bench(f=0.3)
    maker.buy(NO, 40)
    maker.to(0.18)
    best = 100 - maker.prices(NO)[0] if maker.prices(NO) else 55
    maker.tell(BookChanged("m", Ticks(40), Ticks(best)))
    maker.pass_time(0.3)
    assert bool(taken(maker)) is not bool(maker.prices(NO))


def test_a_refused_taking_order_is_not_repeated_at_the_pace_of_refusals():
    maker = crossing_bench()
    maker.agrees = False
    maker.tell(BookChanged("m", Ticks(40), Ticks(55)))
    count = 0
    for _ in range(1000):
        maker.now += MILLISECOND
        maker.tell(TimePassed())
        for order in list(maker.maker.table):
            if order.immediate:
                count += 1
                maker.tell(OrderDenied("m", order.client_id, "spread", ""))
            elif order.order_id is None:
                maker.tell(OrderAccepted("m", order.client_id, "o"))
            elif order.pending_replaces:
                maker.tell(OrderReplaced("m", order.client_id, *order.pending_replaces[0]))
            elif order.cancelling:
                maker.tell(OrderCancelled("m", order.client_id, Contracts(order.filled), "cancel"))
    assert 1 <= count <= 3


# --- the session --------------------------------------------------------------------------------------


def resolve(maker, resolution=Resolution.YES):
    ended = replace(MARKET, status=MarketStatus.RESOLVED, resolution=resolution)
    maker.tell(MarketResolved(ended, resolution))


def test_the_session_report_tells_what_happened():
    maker = Bench(f=0.9)
    maker.fill(YES, 30)
    maker.pass_time(1)
    maker.fill(NO, 10)
    cost = maker.maker.inventory.cost_micros
    maker.to(0.5)
    maker.tell(OrderFilled("m", "x", "z1", NO, Ticks(50), Contracts(15), Micros(7), Contracts(15), True, Nanos(0)))
    maker.to(0.09)
    assert maker.maker.record.net_at_10pct == 5
    maker.tell(OrderFilled("m", "x", "z2", NO, Ticks(50), Contracts(2), Micros(0), Contracts(17), True, Nanos(0)))
    sent = sum(len(i.cancels) + len(i.replaces) + len(i.places) for i in maker.intents)
    fair = maker.maker.record.fair_at_close
    maker.now = MARKET.expires_venue_ns + SECOND
    resolve(maker)
    (report,) = maker.reports
    sent = sum(len(i.cancels) + len(i.replaces) + len(i.places) for i in maker.intents)
    assert report.order_messages == sent
    assert (report.market, report.asset, report.duration_s, report.strike) == ("m", "BTC", 300, STRIKE)
    assert report.outcome is Resolution.YES
    assert report.pnl_micros == micros(30.0) - cost - micros(8.5) - 7
    assert (report.net_at_close, report.net_at_10pct, report.max_abs_net) == (3, 5, 30)
    assert (report.fills, report.contracts) == (4, 57)
    assert report.risk_at_close == pytest.approx(3 * math.sqrt(fair * (1 - fair)))
    assert 0.0 < report.two_sided_share < 1.0


@pytest.mark.parametrize("priced", [True, False])
def test_what_an_earlier_run_left_counts_as_held(priced):
    maker = Bench(f=0.9, start=False)
    maker.tell(replace(HYDRATED, no=Contracts(40), no_cost_micros=micros(18.0)))
    if priced:
        maker.price()
    resolve(maker)
    assert (maker.reports[0].net_at_close, maker.reports[0].max_abs_net) == (-40, 40)


def test_what_an_earlier_run_left_counts_as_held_even_if_it_is_worked_off():
    maker = Bench(f=0.9, no=Contracts(40), no_cost_micros=micros(18.0))
    maker.fill(YES, 30)
    resolve(maker)
    assert (maker.reports[0].net_at_close, maker.reports[0].max_abs_net) == (-10, 40)


def test_the_two_sided_share_is_of_the_time_the_session_ran():
    maker = Bench(f=0.9)
    maker.pass_time(10)
    maker.tell(TradingStateChanged(TradingState.HALTED, ""))
    maker.pass_time(10)
    resolve(maker)
    assert maker.reports[0].two_sided_share == pytest.approx(0.5, abs=0.02)


def test_one_side_alone_is_not_two_sided():
    maker = Bench(f=0.9)
    maker.tell(TradingStateChanged(TradingState.HALTED, ""))
    maker.tell(TradingStateChanged(TradingState.REDUCING, ""))
    maker.buy(YES, 100)
    maker.pass_time(10)
    assert maker.levels(NO)
    resolve(maker)
    assert maker.reports[0].two_sided_share == 0.0


def test_a_session_without_a_price_is_reported_all_the_same():
    maker = Bench(start=False)
    maker.tell(HYDRATED)
    resolve(maker, Resolution.VOID)
    (report,) = maker.reports
    assert report.pnl_micros == report.net_at_close == report.net_at_10pct == report.order_messages == 0
    assert report.two_sided_share == 0.0


def test_seed_defect_08_a_late_fill_and_a_correction_settle_again():
    maker = Bench()
    maker.buy(YES, 10)
    resolve(maker, Resolution.YES)
    resolve(maker, Resolution.YES)
    maker.buy(YES, 5)
    resolve(maker, Resolution.NO)
    paid = 500_000
    assert [r.pnl_micros for r in maker.reports] == [
        10 * (1_000_000 - paid),
        10 * (1_000_000 - paid),
        15 * (1_000_000 - paid),
        -15 * paid,
    ]
    assert maker.reports[2].net_at_close == 15


def test_it_is_done_when_the_market_is_settled_and_nothing_can_still_fill():
    maker = Bench()
    assert not maker.maker.done
    resolve(maker)
    assert not maker.maker.done
    for order in list(maker.maker.table):
        maker.tell(OrderCancelled("m", order.client_id, Contracts(0), "market_closed"))
    assert maker.maker.done
    maker.intents.clear()
    maker.price()
    maker.pass_time(1)
    assert not maker.intents


def test_a_life_that_begins_after_the_settlement_reports_and_is_done():
    ended = replace(MARKET, status=MarketStatus.RESOLVED, resolution=Resolution.NO)
    maker = Bench(start=False)
    maker.tell(replace(HYDRATED, market=ended, no=Contracts(10), no_cost_micros=micros(4.0)))
    assert [r.pnl_micros for r in maker.reports] == [micros(6.0)]
    assert maker.maker.done


def test_a_new_life_takes_over_the_position():
    maker = Bench(start=False)
    maker.tell(replace(HYDRATED, yes=Contracts(200), yes_cost_micros=micros(90.0)))
    maker.price()
    assert maker.intents[0].reason.net == 200
    assert maker.intents[0].reason.lean > 0


def test_marks_are_told_to_risk_at_a_bounded_pace_and_at_every_fill(bench):
    bench.marks.clear()
    for _ in range(100):
        bench.now += 10 * MILLISECOND
        bench.price()
    assert 3 <= len(bench.marks) <= 5
    bench.marks.clear()
    bench.fill(YES, 10)
    assert [m.net for m in bench.marks] == [10]
    assert bench.marks[0].fair == pytest.approx(0.5, abs=0.01)
    assert bench.marks[0].delta_per_dollar > 0


# --- garbage ------------------------------------------------------------------------------------------

names = st.sampled_from([f"run7-m-{n}" for n in range(1, 14)] + ["x"])
small = st.integers(0, 60)
figures = st.sampled_from(
    [STRIKE, STRIKE * 1.0007, STRIKE * 0.9993, STRIKE * 1.1, 0.0, -1.0, math.nan, math.inf, 1e-300]
)
markets = st.sampled_from(
    [
        MARKET,
        replace(MARKET, strike=None, status=MarketStatus.PENDING),
        replace(MARKET, status=MarketStatus.HALTED),
        replace(MARKET, strike=0.0),
        replace(MARKET, expires_venue_ns=MARKET.opens_venue_ns),
        replace(MARKET, status=MarketStatus.RESOLVED, resolution=Resolution.VOID),
        replace(MARKET, tick_micros=Micros(1000)),
    ]
)
events = st.one_of(
    st.builds(OrderAccepted, st.just("m"), names, st.just("o")),
    st.builds(OrderReplaced, st.just("m"), names, st.integers(1, 99), small),
    st.builds(
        OrderUnchanged,
        st.just("m"),
        names,
        st.sampled_from(["replace", "cancel"]),
        st.sampled_from(["X", "ALIVE", "POST_ONLY_WOULD_CROSS", "DENIED_rate"]),
        st.just(""),
        small,
        st.booleans(),
    ),
    st.builds(OrderRejected, st.just("m"), names, st.sampled_from(["X", "POST_ONLY_WOULD_CROSS"]), st.just("")),
    st.builds(OrderDenied, st.just("m"), names, st.just("room"), st.just("")),
    st.builds(OrderUnknown, st.just("m"), names, st.just("")),
    st.builds(OrderCancelled, st.just("m"), names, small, st.sampled_from(["cancel", "POST_ONLY_WOULD_CROSS"])),
    st.builds(
        OrderFilled,
        st.just("m"),
        names,
        st.sampled_from([f"f{n}" for n in range(20)]),
        st.sampled_from(Outcome),
        st.integers(1, 99),
        small,
        st.just(Micros(0)),
        small,
        st.booleans(),
        st.just(Nanos(0)),
    ),
    st.builds(
        ReferenceMoved,
        st.just("BTC"),
        figures,
        st.sampled_from([0.5, 3.0, 0.0, math.nan]),
        st.just(Nanos(START)),
        st.integers(START - SECOND, START + 300 * SECOND),
        st.sampled_from([0.0, 0.1]),
        st.just(()),
    ),
    st.builds(ReferenceLost, st.just("BTC"), st.just(Nanos(0)), st.just("lost")),
    st.builds(BookChanged, st.just("m"), st.none() | st.integers(1, 99), st.none() | st.integers(1, 99)),
    st.builds(VenueStatus, st.booleans(), st.sampled_from([0, SECOND, -SECOND]), st.just(0.1), st.integers(-5, 10**9)),
    st.builds(TradingStateChanged, st.sampled_from(TradingState), st.just("")),
    st.builds(MarketChanged, markets, st.just("changed")),
    st.builds(MarketResolved, markets, st.sampled_from(Resolution)),
    st.builds(lambda market: replace(HYDRATED, market=market), markets),
    st.just(TimePassed()),
    st.just("what nobody expects"),
)


@settings(max_examples=examples(400), deadline=None)
@given(st.booleans(), st.lists(st.tuples(events, st.integers(-SECOND, 20 * SECOND)), min_size=5, max_size=40))
def test_seed_defect_12_no_order_of_events_makes_it_raise(hydrated, told):
    maker = Maker("m", 1, "run7-m", PARAMS)
    now = START
    if hydrated:
        maker.handle(HYDRATED, Nanos(now))
        maker.handle(ReferenceMoved("BTC", STRIKE, 0.5, Nanos(now), Nanos(now), 0.1, ()), Nanos(now))
    for event, step in told:
        now += step
        for command in maker.handle(event, Nanos(now)).commands:
            if isinstance(command, QuoteIntent):
                live = maker.table.orders
                assert all(x.client_id in live for x in (*command.cancels, *command.replaces, *command.places))
                assert all(p.size > 0 and p.ticks > 0 for p in command.places)


# --- the ladder's own invariants under random prices and fills -----------------------------------------


@settings(max_examples=examples(150), deadline=None)
@given(
    st.sampled_from([1, 3, 6]),
    st.lists(
        st.tuples(
            st.sampled_from(["spot", "fill", "fill", "time", "jump"]), st.floats(-1, 1), st.sampled_from(Outcome)
        ),
        max_size=60,
    ),
)
def test_the_ladder_is_never_crossed_and_never_beyond_the_room(levels, pending_replaces):
    params = replace(PARAMS, quoting=replace(QuotingParams(), levels=levels, size=Contracts(40)))
    params = replace(params, inventory=replace(params.inventory, max_position=Contracts(150)))
    bench = Bench(params)
    for kind, amount, outcome in pending_replaces:
        if kind == "spot":
            bench.now += 20 * MILLISECOND
            bench.price(bench.spot * (1 + amount * 0.0004))
        elif kind == "fill" and bench.maker.table.of("m", outcome):
            order = max(bench.maker.table.of("m", outcome), key=lambda o: o.ticks)
            bench.fill(outcome, max(1, round(abs(amount) * (order.size - order.filled))))
        elif kind == "jump":
            bench.now += round(abs(amount) * 20 * SECOND)
            bench.price()
        else:
            bench.pass_time(0.1)
        yes, no = bench.prices(YES), bench.prices(NO)
        assert not yes or not no or yes[0] + no[0] <= 98
        assert len(set(yes)) == len(yes)
        assert len(set(no)) == len(no)
        left = max(0, MARKET.expires_venue_ns - bench.now)
        position_limit = schedule.position_limit(schedule.f(Nanos(left), MARKET.duration_ns), params.inventory)
        net = bench.maker.inventory.net
        assert sum(size for _, size in bench.levels(YES)) <= max(0, position_limit - net)
        assert sum(size for _, size in bench.levels(NO)) <= max(0, position_limit + net)


# --- what is remembered from look to look changes nothing ---------------------------------------------


class Forgetful(Maker):
    """A Maker that works everything out anew at every step."""

    def handle(self, event, now):
        self._cache = None
        for side in (self._yes, self._no):
            side._settled_version = -1
        return super().handle(event, now)


walks = st.one_of(
    st.tuples(st.just("spot"), st.floats(-0.0003, 0.0003)),
    st.tuples(st.just("spot"), st.floats(-0.00001, 0.00001)),
    st.tuples(st.just("time"), st.integers(1, 300 * MILLISECOND)),
    st.tuples(st.just("time"), st.integers(1, 10 * SECOND)),
    st.tuples(st.just("fill"), st.sampled_from(Outcome)),
    st.tuples(st.just("event"), events),
)


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from([0.99, 0.76, 0.5, 0.21, 0.12]), st.booleans(), st.lists(walks, min_size=10, max_size=60))
def test_a_maker_that_remembers_decides_as_one_that_does_not(f, agrees, walk):
    params = replace(PARAMS, inventory=replace(PARAMS.inventory, max_position=Contracts(200)))
    makers = [kind("m", 1, "run7-m", params) for kind in (Maker, Forgetful)]
    now, spot, fills = START + round((1.0 - f) * 300 * SECOND), STRIKE, 0

    def tell(event):
        told = [maker.handle(event, Nanos(now)) for maker in makers]
        assert told[0] == told[1]
        assert repr(told[0]) == repr(told[1])
        for command in told[0].commands:
            if isinstance(command, QuoteIntent) and agrees:
                for move in command.replaces:
                    tell(OrderReplaced("m", move.client_id, move.ticks, move.size))
                for place in command.places:
                    tell(OrderAccepted("m", place.client_id, "o"))
                for cancel in command.cancels:
                    tell(OrderCancelled("m", cancel.client_id, Contracts(0), "cancel"))
        if told[0].requote:
            tell(RequoteDue())

    tell(HYDRATED)
    for kind, what in walk:
        if kind == "spot":
            spot *= 1 + what
        elif kind == "time":
            now += what
        elif kind == "event":
            tell(what)
        elif makers[0].table.of("m", what):
            order, fills = makers[0].table.of("m", what)[0], fills + 1
            size = Contracts(max(1, order.worst_remaining // 2))
            price, total = (order.ticks, Micros(0)), (Contracts(order.filled + size), True, Nanos(0))
            tell(OrderFilled("m", order.client_id, f"w{fills}", what, price[0], size, price[1], *total))
        tell(ReferenceMoved("BTC", spot, 0.5, Nanos(now), Nanos(now), 0.02, ("binance",)))
        tell(TimePassed())
    reports = [maker.handle(MarketResolved(MARKET, Resolution.YES), Nanos(now)).commands for maker in makers]
    assert reports[0] == reports[1]
