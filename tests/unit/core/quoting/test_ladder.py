"""The ladder: examples of every rule, and properties that hold whatever the inputs."""

import math
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from depth import examples
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from mmactors.core.params import InventoryParams, MakerParams, QuotingParams, RiskParams
from mmactors.core.pricing.binary import delta_per_dollar, normal_pdf
from mmactors.core.quoting.ladder import QuoteInputs, Quoter
from mmactors.core.quoting.ladder_cache import LadderCache
from mmactors.core.quoting.schedule import Phase
from mmactors.messages import Market, MarketStatus, Outcome, SettlementRule
from mmactors.units import SECOND, YEAR_S, Contracts, Micros, Nanos, Ticks, micros, nanos

STRIKE = 97_000.0
MARKET = Market("m", "BTC", STRIKE, MarketStatus.OPEN, Nanos(0), nanos(300))
PARAMS = MakerParams()
EXACT = MakerParams(quoting=QuotingParams(hysteresis=0.0))


def inputs(spot=STRIKE, tau_s=300.0, net=0, **changes):
    tau = nanos(tau_s)
    made = QuoteInputs(
        spot=spot,
        strike=STRIKE,
        sigma=0.5,
        tau_ns=tau,
        age_s=0.0,
        latency_s=0.1,
        net=net,
        yes_committed=0,
        no_committed=0,
        cash_micros=micros(100_000),
        limit_tau_ns=tau,
    )
    return replace(made, **changes)


def quote(made, market, params):
    """The ladder with all its figures in one place."""
    quoter = Quoter(market, params)
    target, capacity = quoter.target(made), quoter.capacity(made)
    ladder = quoter.ladder(made, target, capacity)
    figures = {**asdict(target), **asdict(capacity), "half_spread": target.half_spread}
    return SimpleNamespace(bids=ladder.bids, asks=ladder.asks, why=ladder.why, **figures)


def spot_at(deviations, tau_s=300.0, sigma=0.5):
    """Return the spot this many standard deviations above the strike."""
    sd = sigma * math.sqrt(tau_s / YEAR_S)
    return STRIKE * math.exp(deviations * sd + sd * sd / 2)


def prices(levels):
    return [ticks for ticks, _ in levels]


def total(levels):
    return sum(size for _, size in levels)


# --- the shape ------------------------------------------------------------------------------------


def test_at_the_money_both_sides_stand_around_a_half():
    ladder = quote(inputs(spot_at(0.0), latency_s=0.0), MARKET, PARAMS)
    assert ladder.bids == ((48, 30), (47, 30), (46, 30))
    assert ladder.asks == ((52, 30), (53, 30), (54, 30))
    assert ladder.phase == Phase.EARLY
    assert ladder.why == "lean +0.0c, room 1000"


def test_note_3_the_ladder_follows_the_distance_to_the_strike():
    mids = []
    for spot in (STRIKE - 100, STRIKE - 50, STRIKE, STRIKE + 50, STRIKE + 100):
        ladder = quote(inputs(spot), MARKET, PARAMS)
        mids.append(ladder.bids[0][0] + ladder.asks[0][0])
    assert mids == sorted(mids)
    assert mids[0] < 100 - 40 < 100 + 40 < mids[-1]


def test_notes_1_and_2_spread_size_levels_and_spacing():
    params = MakerParams(quoting=QuotingParams(spread=0.10, size=Contracts(7), levels=2, spacing=0.03, k_lat=0.0))
    ladder = quote(inputs(), MARKET, params)
    assert ladder.bids == ((44, 7), (41, 7))
    assert ladder.asks == ((55, 7), (58, 7))


def test_seed_defect_02_rounding_floors_bids_and_ceils_asks():
    # The raw targets of 0.475 and 0.505 became 0.47 and 0.51 by luck of round(); 0.4751 and 0.5049 never were.
    assert Quoter(MARKET, PARAMS).with_hysteresis(47.5, 50.5, None, None) == (47, 51)
    assert Quoter(MARKET, PARAMS).with_hysteresis(47.99, 50.01, None, None) == (47, 51)
    # A price on the tick stays there, whatever the float's noise.
    assert Quoter(MARKET, PARAMS).with_hysteresis(47.0 - 1e-12, 51.0 + 1e-12, None, None) == (47, 51)


def test_seed_defect_03_clamping_one_side():
    for deviations in (-6.0, -3.0, -2.0, 2.0, 3.0, 6.0):
        ladder = quote(inputs(spot_at(deviations)), MARKET, PARAMS)
        assert all(1 <= ticks <= 99 for ticks in prices(ladder.bids) + prices(ladder.asks))
        # Dropped, not moved onto the bound: what is left stands where the formula put it.
        best_bid, best_ask = math.floor(ladder.raw_bid + 1e-9), math.ceil(ladder.raw_ask - 1e-9)
        assert prices(ladder.bids) == [p for p in range(best_bid, best_bid - 3, -1) if 1 <= p <= 99]
        assert prices(ladder.asks) == [p for p in range(best_ask, best_ask + 3) if 1 <= p <= 99]


def test_seed_defect_03_ladders_do_not_collapse_onto_one_price():
    ladder = quote(inputs(spot_at(-2.0)), MARKET, PARAMS)
    assert len(ladder.bids) < 3
    assert len(set(prices(ladder.bids))) == len(ladder.bids)
    # A spacing below the tick still gives one level per tick.
    fine = quote(inputs(), MARKET, MakerParams(quoting=QuotingParams(spacing=0.001)))
    assert prices(fine.bids) == [47, 46, 45]


def test_seed_defect_03_skewed_prices_are_on_the_tick():
    ladder = quote(inputs(net=137), MARKET, PARAMS)
    assert all(isinstance(ticks, int) for ticks in prices(ladder.bids) + prices(ladder.asks))


def test_a_finer_tick():
    fine = replace(MARKET, tick_micros=Micros(1_000))
    params = MakerParams(quoting=QuotingParams(k_lat=0.0))
    ladder = quote(inputs(spot_at(0.0)), fine, params)
    assert ladder.bids == ((490, 30), (480, 30), (470, 30))
    assert ladder.asks == ((510, 30), (520, 30), (530, 30))


# --- the half-spread ------------------------------------------------------------------------------


def test_the_quote_widens_with_age_and_latency():
    def half(**changes):
        return quote(inputs(**changes), MARKET, PARAMS).half_spread

    assert half(age_s=1.5) > half(age_s=0.5) > half()
    assert half(latency_s=0.4) > half()
    assert half(age_s=0.3, latency_s=0.1) == pytest.approx(half(age_s=0.1, latency_s=0.3))
    expected = 0.01 + PARAMS.quoting.k_lat * normal_pdf(0.0) * math.sqrt(0.4 / 300)
    assert expected == pytest.approx(half(spot=spot_at(0.0), latency_s=0.4), abs=1e-9)


def test_sources_apart_widen_by_what_their_doubt_is_worth():
    def half(**changes):
        return quote(inputs(**changes), MARKET, PARAMS).half_spread

    at_the_money, doubt = quote(inputs(), MARKET, PARAMS), 10.0
    worth = doubt * delta_per_dollar(at_the_money.d2, STRIKE, 0.5, 300.0)
    assert half(uncertainty=doubt) - half() == pytest.approx(worth)
    assert half(uncertainty=doubt, tau_s=30.0) > half(uncertainty=doubt)
    assert "sources apart: price +-$10.00" in quote(inputs(uncertainty=doubt), MARKET, PARAMS).why
    assert "apart" not in at_the_money.why


def test_the_latency_has_a_floor():
    a, b = (quote(inputs(latency_s=latency), MARKET, PARAMS).half_spread for latency in (0.0, 0.02))
    assert a == b > 0.01


def test_the_own_spread_is_never_below_its_minimum():
    params = MakerParams(
        quoting=QuotingParams(spread=0.001, k_lat=0.0), risk=RiskParams(min_spread_micros=micros(0.05))
    )
    ladder = quote(inputs(), MARKET, params)
    assert ladder.asks[0][0] - ladder.bids[0][0] >= 5


def test_fees_widen_and_rebates_narrow():
    def half(**changes):
        return quote(inputs(spot_at(0.0), **changes), MARKET, PARAMS).half_spread

    assert half(fee_micros=micros(0.004)) == pytest.approx(half() + 0.004)
    assert half(fee_micros=micros(-0.004)) == pytest.approx(half() - 0.004)
    assert half(fee_micros=micros(-0.5)) == 0.01


def test_the_markets_fee_is_a_share_of_each_sides_price():
    spot = spot_at(1.0)
    free = quote(inputs(spot), MARKET, PARAMS)
    charged = quote(inputs(spot), replace(MARKET, maker_bps=200.0), PARAMS)
    assert free.raw_bid - charged.raw_bid == pytest.approx(2 * free.fair, abs=1e-9)
    assert charged.raw_ask - free.raw_ask == pytest.approx(2 * (1 - free.fair), abs=1e-9)


# --- the lean -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("f", "dollars_at_full"), [(1.0, 0.25), (0.75, 0.25), (0.675, 0.5), (0.6, 0.75), (0.3, 0.75)])
def test_note_5_the_lean_ramps_in(f, dollars_at_full):
    ladder = quote(inputs(tau_s=300 * f, net=100), MARKET, PARAMS)
    assert ladder.lean == pytest.approx(dollars_at_full / 10)


def test_note_5_the_reducing_side_gives_a_little_late_and_nothing_early():
    early = quote(inputs(spot_at(0.0), net=-900), MARKET, PARAMS)
    late = quote(inputs(spot_at(0.0, 100), tau_s=100, net=-200), MARKET, PARAMS)
    assert early.raw_bid == pytest.approx(50)
    assert late.raw_bid == pytest.approx(53)
    assert quote(inputs(spot_at(0.0, 100), tau_s=100, net=200), MARKET, PARAMS).raw_ask == pytest.approx(47)


def test_note_5_the_more_is_held_the_more_is_given():
    for net, cents in ((-100, 2.0), (-400, 5.0), (-1000, 11.0)):
        ladder = quote(inputs(spot_at(0.0, 100), tau_s=100, net=net), MARKET, PARAMS)
        assert ladder.raw_bid == pytest.approx(50 + cents)
    constant = replace(PARAMS, inventory=replace(PARAMS.inventory, give_full=0.0))
    assert quote(inputs(spot_at(0.0, 100), tau_s=100, net=-400), MARKET, constant).raw_bid == pytest.approx(51)


def test_what_reduces_stays_on_the_last_tick_while_that_gives_little():
    decided = inputs(spot_at(3.0, 100), tau_s=100, net=10)  # fair 0.9987
    ladder = quote(decided, MARKET, PARAMS)
    assert prices(ladder.asks) == [99]
    assert ladder.bids[0][0] == 97  # the own spread holds
    assert quote(replace(decided, net=-10), MARKET, PARAMS).asks == ()  # what adds is dropped there
    assert quote(replace(decided, net=0), MARKET, PARAMS).asks == ()
    stingy = replace(PARAMS, inventory=replace(PARAMS.inventory, give=0.005))
    assert quote(decided, MARKET, stingy).asks == ()
    early = inputs(spot_at(3.0, 300), tau_s=300, net=10)
    assert quote(early, MARKET, PARAMS).asks == ()
    lost = quote(inputs(spot_at(-3.0, 100), tau_s=100, net=-10), MARKET, PARAMS)
    assert prices(lost.bids) == [1]
    assert lost.asks[0][0] == 3


# --- the room -------------------------------------------------------------------------------------


def test_seed_defect_04_room_counts_net_and_what_may_still_fill():
    ladder = quote(inputs(net=940, yes_committed=25), MARKET, PARAMS)
    assert total(ladder.bids) == 1000 - 940 - 25
    assert ladder.bids[0][1] == 30
    full = quote(inputs(net=1000), MARKET, PARAMS)
    assert full.bids == ()
    assert full.why.endswith("no room for YES")
    short = quote(inputs(net=-980, no_committed=15), MARKET, PARAMS)
    assert total(short.asks) == 5


def test_seed_defect_04_a_side_over_its_room_is_not_quoted():
    ladder = quote(inputs(tau_s=90, net=800), MARKET, PARAMS)
    assert ladder.position_limit < 800
    assert ladder.bids == ()
    assert total(ladder.asks) == 90


def test_sizes_are_cut_from_the_outer_levels_inward():
    assert [size for _, size in quote(inputs(net=955), MARKET, PARAMS).bids] == [30, 15]


def test_the_venues_sizes_are_respected():
    assert quote(inputs(net=955), replace(MARKET, min_size=Contracts(20)), PARAMS).bids == ((23, 30),)
    assert quote(inputs(), replace(MARKET, max_size=Contracts(10)), PARAMS).bids[0] == (47, 10)
    assert quote(inputs(), replace(MARKET, min_size=Contracts(50)), PARAMS).bids[0] == (47, 50)


def test_the_room_is_judged_at_its_own_time():
    ladder = quote(inputs(tau_s=31, net=12, limit_tau_ns=nanos(30)), MARKET, PARAMS)
    assert ladder.phase == Phase.REDUCE_ONLY
    assert ladder.bids == ()
    assert total(ladder.asks) == 12


def test_reduce_only_quotes_the_side_that_cuts_the_net_and_no_more_than_it():
    long = quote(inputs(tau_s=29, net=20, no_committed=5), MARKET, PARAMS)
    assert (long.bids, total(long.asks), long.phase) == ((), 15, Phase.REDUCE_ONLY)
    assert long.why == "reduce-only, net +20"
    short = quote(inputs(tau_s=29, net=-20), MARKET, PARAMS)
    assert (total(short.bids), short.asks) == (20, ())
    flat = quote(inputs(tau_s=29), MARKET, PARAMS)
    assert (flat.bids, flat.asks) == ((), ())


def test_a_reducing_account_only_cuts_the_net_whatever_the_time():
    ladder = quote(inputs(net=-40, reduce_only=True), MARKET, PARAMS)
    assert (total(ladder.bids), ladder.asks, ladder.phase) == (40, (), Phase.REDUCE_ONLY)


@pytest.mark.parametrize(("deviations", "net", "dead"), [(1.6, 20, Outcome.NO), (-1.6, -20, Outcome.YES)])
def test_note_4_no_bids_on_the_dead_side(deviations, net, dead):
    at = inputs(spot_at(deviations, 29), tau_s=29, net=net)
    ladder = quote(at, MARKET, PARAMS)
    assert (ladder.bids, ladder.asks, ladder.dead, ladder.phase) == ((), (), dead, Phase.DEAD_SIDE)
    assert ladder.why == f"dead side {dead}"
    # The winning side may still be bought to cut a position on the losing one.
    other = quote(replace(at, net=-net), MARKET, PARAMS)
    assert total(other.asks if dead is Outcome.YES else other.bids) == 20
    reducing = MakerParams(inventory=InventoryParams(dead_side="reduce_only"))
    ladder = quote(inputs(spot_at(0.8 * deviations, 29), tau_s=29, net=net, limit_tau_ns=nanos(18)), MARKET, reducing)
    assert ladder.dead is dead
    assert total(ladder.asks if dead is Outcome.NO else ladder.bids) == 20


def test_note_4_the_dead_side_is_alive_before_its_time():
    assert quote(inputs(spot_at(1.6, 60), tau_s=60), MARKET, PARAMS).dead is None
    assert quote(inputs(spot_at(1.4, 29), tau_s=29), MARKET, PARAMS).dead is None


def test_note_4_a_dead_side_before_reduce_only_leaves_the_winning_side_open():
    params = MakerParams(inventory=InventoryParams(dead_f=0.5))
    ladder = quote(inputs(spot_at(1.6, 120), tau_s=120), MARKET, params)
    assert ladder.asks == ()
    assert total(ladder.bids) == 90


@pytest.mark.parametrize("tau_s", [6.0, 1.0, 0.0, -1.0])
def test_seed_defect_13_closed_is_empty(tau_s):
    ladder = quote(inputs(tau_s=tau_s, net=50), MARKET, PARAMS)
    assert (ladder.bids, ladder.asks, ladder.phase, ladder.why) == ((), (), Phase.CLOSED, "closed")


def test_at_expiry_the_fair_value_is_the_rules():
    assert quote(inputs(tau_s=0.0), MARKET, PARAMS).fair == 0.0
    tie = SettlementRule(tie=Outcome.YES)
    assert quote(inputs(tau_s=0.0), replace(MARKET, settlement=tie), PARAMS).fair == 1.0


# --- cash -----------------------------------------------------------------------------------------


def cost(ladder):
    return sum(t * s for t, s in ladder.bids) * 10_000 + sum((100 - t) * s for t, s in ladder.asks) * 10_000


def test_a_ladder_costs_no_more_than_the_cash():
    ladder = quote(inputs(cash_micros=micros(30)), MARKET, PARAMS)
    assert 0 < cost(ladder) <= micros(30)
    assert total(ladder.bids) == total(ladder.asks)
    assert ladder.why.endswith("short of cash")
    assert cost(quote(inputs(cash_micros=Micros(-5)), MARKET, PARAMS)) == 0


def test_the_adding_side_shrinks_first():
    whole = quote(inputs(net=100), MARKET, PARAMS)
    ladder = quote(inputs(net=100, cash_micros=micros(60)), MARKET, PARAMS)
    assert ladder.asks == whole.asks
    assert total(ladder.bids) < total(whole.bids)
    mirrored = quote(inputs(net=-100, cash_micros=micros(60)), MARKET, PARAMS)
    assert total(mirrored.bids) == 90
    assert total(mirrored.asks) < 90


def test_what_a_cheap_side_leaves_over_is_the_others():
    ladder = quote(inputs(spot_at(1.5), cash_micros=micros(60)), MARKET, PARAMS)
    assert total(ladder.asks) == 90
    assert total(ladder.bids) > 50


def test_fees_are_paid_from_the_cash_too():
    dear = replace(MARKET, maker_bps=1000.0)
    ladder = quote(inputs(cash_micros=micros(20)), dear, PARAMS)
    assert cost(ladder) * 1.1 <= micros(20)


# --- hysteresis -----------------------------------------------------------------------------------


def test_a_side_moves_outwards_at_once():
    assert Quoter(MARKET, PARAMS).with_hysteresis(46.99, 53.01, Ticks(48), Ticks(52)) == (46, 54)


def test_a_side_moves_inwards_only_beyond_the_next_tick_by_the_hysteresis():
    assert Quoter(MARKET, PARAMS).with_hysteresis(48.2, 51.8, Ticks(47), Ticks(53)) == (47, 53)
    assert Quoter(MARKET, PARAMS).with_hysteresis(48.25, 51.75, Ticks(47), Ticks(53)) == (48, 52)
    assert Quoter(MARKET, PARAMS).with_hysteresis(50.1, 50.1, Ticks(47), Ticks(54)) == (49, 51)


def test_the_ladder_that_stands_is_kept_within_the_hysteresis():
    start = quote(inputs(), MARKET, PARAMS)
    cache = {"previous_bid": start.bids[0][0], "previous_ask": start.asks[0][0]}
    changes = 0
    for wobble in (0.3, -0.3) * 20:
        ladder = quote(inputs(STRIKE + wobble, **cache), MARKET, PARAMS)
        changes += (ladder.bids, ladder.asks) != (start.bids, start.asks)
    assert changes == 0


# --- crossing -------------------------------------------------------------------------------------


def cross(net, best_bid, best_ask, tau_s=45.0, params=PARAMS, market=MARKET, deviations=0.0, **changes):
    at = inputs(spot_at(deviations, tau_s), tau_s=tau_s, net=net, **changes)
    quoter = Quoter(market, params)
    return quoter.taker_order(at, quoter.target(at), quoter.capacity(at), best_bid, best_ask)


def test_crossing_buys_what_cuts_the_net_down_to_its_share():
    assert cross(150, 45, 55) == (Outcome.NO, 55, 130)
    assert cross(-150, 45, 55) == (Outcome.YES, 55, 130)
    assert cross(150, 45, 55, no_committed=100) == (Outcome.NO, 55, 30)


def test_crossing_waits_for_its_time_and_its_reason():
    assert cross(150, 45, 55, tau_s=61.0) is None
    assert cross(20, 45, 55) is None
    assert cross(150, None, 55) is None
    assert cross(-150, 45, None) is None
    assert cross(150, 45, 55, tau_s=5.0) is None
    assert cross(150, 45, 55, params=MakerParams(inventory=InventoryParams(cross=False))) is None
    assert cross(150, 45, 55, no_committed=130) is None


def test_crossing_pays_no_more_than_its_edge_with_the_fee():
    assert cross(150, 40, 60) is not None
    assert cross(150, 39, 61) is None
    assert cross(150, 41, 59, market=replace(MARKET, taker_bps=200.0)) is None
    assert cross(-150, 40, 61) is None


def test_crossing_does_not_buy_the_dead_side():
    assert cross(150, 93, 97, tau_s=29.0, deviations=1.6) is None
    assert cross(-150, 93, 97, tau_s=29.0, deviations=1.6) == (Outcome.YES, 97, 130)


def test_crossing_keeps_to_cash_and_sizes():
    assert cross(150, 45, 55, cash_micros=micros(11)) == (Outcome.NO, 55, 20)
    assert cross(150, 45, 55, market=replace(MARKET, max_size=Contracts(40))) == (Outcome.NO, 55, 40)
    assert cross(25, 45, 55, market=replace(MARKET, min_size=Contracts(6))) is None


# --- properties -----------------------------------------------------------------------------------


@st.composite
def cases(draw, hysteresis=True):
    duration_s = draw(st.sampled_from([60, 300, 900, 3600]))
    tau_s = draw(st.integers(0, 2000)) / 2000 * duration_s
    sigma = draw(st.integers(10, 300)) / 100
    tick = draw(st.sampled_from([1_000, 5_000, 10_000, 20_000]))
    per_dollar = 1_000_000 // tick
    previous = st.none() | st.integers(1, per_dollar - 1)
    committed = st.just(0) | st.integers(0, 30) | st.integers(0, 300)
    max_position = draw(st.integers(200, 2000) | st.integers(10, 2000))
    market = replace(
        MARKET,
        expires_venue_ns=nanos(duration_s),
        tick_micros=Micros(tick),
        min_size=Contracts(draw(st.sampled_from([1, 1, 1, 5, 40]))),
        max_size=Contracts(draw(st.sampled_from([45, 10_000]))),
        maker_bps=draw(st.sampled_from([0.0, 20.0, -20.0])),
    )
    params = MakerParams(
        quoting=QuotingParams(
            spread=draw(st.integers(1, 200)) / 1000,
            size=Contracts(draw(st.integers(1, 200))),
            levels=draw(st.integers(1, 6)),
            spacing=draw(st.integers(1, 60)) / 1000,
            k_lat=draw(st.integers(0, 40)) / 10,
            hysteresis=draw(st.sampled_from([0.0, 0.0025, 0.02])) if hysteresis else 0.0,
        ),
        inventory=InventoryParams(
            max_position=Contracts(max_position),
            lean_early=draw(st.integers(0, 50)) / 100,
            lean_late=draw(st.integers(0, 200)) / 100,
            give=draw(st.integers(0, 50)) / 1000,
            give_full=draw(st.integers(0, 200)) / 1000,
            late_room=draw(st.integers(0, 100)) / 100,
            dead_side=draw(st.sampled_from(["zero", "reduce_only"])),
        ),
        risk=RiskParams(min_spread_micros=micros(draw(st.sampled_from([0.01, 0.02, 0.035, 0.1])))),
    )
    tau = nanos(tau_s)
    made = QuoteInputs(
        spot=spot_at(draw(st.integers(-3000, 3000)) / 1000, max(tau_s, 0.01), sigma),
        strike=STRIKE,
        sigma=sigma,
        tau_ns=tau,
        age_s=draw(st.integers(0, 3000)) / 1000,
        latency_s=draw(st.integers(0, 1000)) / 1000,
        net=draw(st.integers(-25, 25) | st.integers(-120, 120)) * max_position // 100,
        yes_committed=draw(committed),
        no_committed=draw(committed),
        cash_micros=Micros(draw(st.sampled_from([10**12, 10**12, 10**12, 10**12, 40_000_000, 3_000_000, 0]))),
        limit_tau_ns=Nanos(max(tau - draw(st.sampled_from([0, SECOND // 2, 2 * SECOND])), 0)),
        previous_bid=draw(previous) if hysteresis else None,
        previous_ask=draw(previous) if hysteresis else None,
    )
    return made, market, params


@settings(max_examples=examples(600), deadline=None)
@given(cases())
def test_a_ladder_is_on_tick_within_the_scale_never_crossed_and_as_wide_as_it_must_be(case):
    made, market, params = case
    ladder = quote(made, market, params)
    for levels, sign in ((ladder.bids, -1), (ladder.asks, 1)):
        assert all(isinstance(t, int) and 1 <= t <= market.ticks_per_dollar - 1 for t, _ in levels)
        assert all(isinstance(s, int) and market.min_size <= s <= market.max_size for _, s in levels)
        assert all((b - a) * sign >= 1 for a, b in zip(prices(levels), prices(levels)[1:], strict=False))
        assert len(levels) <= params.quoting.levels
    if ladder.bids and ladder.asks:
        spread = ladder.asks[0][0] - ladder.bids[0][0]
        assert spread >= 1
        assert spread * market.tick_micros >= params.risk.min_spread_micros
    assert ladder.raw_ask - ladder.raw_bid >= 2 * params.risk.min_spread_micros / 2 / market.tick_micros - 1e-9


@settings(max_examples=examples(600), deadline=None)
@given(cases())
def test_the_sides_stay_within_room_and_cash_with_what_may_still_fill(case):
    made, market, params = case
    ladder = quote(made, market, params)
    yes, no = total(ladder.bids), total(ladder.asks)
    if yes:
        assert made.net + made.yes_committed + yes <= max(ladder.position_limit, 0)
    if no:
        assert -made.net + made.no_committed + no <= max(ladder.position_limit, 0)
    bought = sum(t * s for t, s in ladder.bids) + sum((market.ticks_per_dollar - t) * s for t, s in ladder.asks)
    assert bought * market.tick_micros <= made.cash_micros
    if made.limit_tau_ns <= params.inventory.reduce_only_f * market.duration_ns:
        assert yes <= max(-made.net - made.yes_committed, 0)
        assert no <= max(made.net - made.no_committed, 0)
    if ladder.dead is not None and params.inventory.dead_side == "zero":
        assert (yes if ladder.dead is Outcome.YES else no) == 0


@settings(max_examples=examples(300), deadline=None)
@given(cases(hysteresis=False), st.integers(1, 500))
def test_the_lean_is_monotone_in_the_net(case, more):
    made, market, params = case
    less, longer = quote(made, market, params), quote(replace(made, net=made.net + more), market, params)
    assert longer.lean >= less.lean
    assert longer.raw_bid <= less.raw_bid
    assert longer.raw_ask <= less.raw_ask
    # Of tops on the scale: where the first level is dropped, the next one is the best.
    if longer.bids and less.bids and less.raw_bid < market.ticks_per_dollar:
        assert longer.bids[0][0] <= less.bids[0][0]
    if longer.asks and less.asks and longer.raw_ask > 0:
        assert longer.asks[0][0] <= less.asks[0][0]


@settings(max_examples=examples(400), deadline=None)
@given(cases(hysteresis=False), st.floats(0, 3))
def test_the_ladder_is_monotone_in_the_spot(case, further):
    # With a lean against it, a side deep in the tail may also move because the pick-off cost does: see the next test.
    made, market, params = case
    made = replace(made, net=0)
    market = replace(market, maker_bps=0.0)
    sd = made.sigma * math.sqrt(max(made.tau_ns, 10_000_000) / SECOND / YEAR_S)
    low, high = (
        quote(made, market, params),
        quote(replace(made, spot=made.spot * math.exp(further * sd)), market, params),
    )
    assert high.fair >= low.fair
    if low.bids and high.bids:
        assert high.bids[0][0] >= low.bids[0][0]
    if low.asks and high.asks:
        assert high.asks[0][0] >= low.asks[0][0]


@settings(max_examples=examples(300), deadline=None)
@given(cases(hysteresis=False), st.floats(0, 3))
def test_the_ladder_is_monotone_in_the_spot_at_any_inventory_without_a_pick_off_cost(case, further):
    made, market, params = case
    params = replace(params, quoting=replace(params.quoting, k_lat=0.0))
    sd = made.sigma * math.sqrt(max(made.tau_ns, 10_000_000) / SECOND / YEAR_S)
    low, high = (
        quote(made, market, params),
        quote(replace(made, spot=made.spot * math.exp(further * sd)), market, params),
    )
    assert high.raw_bid >= low.raw_bid - 1e-9
    assert high.raw_ask >= low.raw_ask - 1e-9


@settings(max_examples=examples(400), deadline=None)
@given(cases())
def test_yes_and_no_are_mirror_images(case):
    made, market, params = case
    made = replace(made, limit_tau_ns=made.tau_ns)
    tau_s = max(made.tau_ns / SECOND, 1e-3)
    assume(made.tau_ns > 2_000_000)
    straight = quote(made, market, params)
    for raw in (straight.raw_bid, straight.raw_ask):
        for shift in (0.0, params.quoting.hysteresis * market.ticks_per_dollar):
            for moved in (raw - shift, raw + shift):
                assume(abs(moved - round(moved)) > 1e-6)
    assume(abs(abs(straight.d2) - params.inventory.dead_d2) > 1e-9)

    def mirrored(ticks):
        return None if ticks is None else Ticks(market.ticks_per_dollar - ticks)

    deviation = made.sigma * math.sqrt(tau_s / YEAR_S)
    mirror = replace(
        made,
        spot=made.strike**2 / made.spot * math.exp(deviation**2),
        net=-made.net,
        yes_committed=made.no_committed,
        no_committed=made.yes_committed,
        previous_bid=mirrored(made.previous_ask),
        previous_ask=mirrored(made.previous_bid),
    )
    reflected = quote(mirror, market, params)
    assert straight.d2 == pytest.approx(-reflected.d2, abs=1e-6)
    assert straight.bids == tuple((mirrored(ticks), size) for ticks, size in reflected.asks)
    assert straight.asks == tuple((mirrored(ticks), size) for ticks, size in reflected.bids)
    assert straight.dead is (reflected.dead.opposite if reflected.dead else None)


@settings(max_examples=examples(300), deadline=None)
@given(cases())
def test_a_ladder_made_again_from_itself_does_not_change(case):
    made, market, params = case
    first = quote(made, market, params)
    assume(first.raw_ask > 1 and first.raw_bid < market.ticks_per_dollar - 1)
    bid = first.bids[0][0] if first.bids else made.previous_bid
    ask = first.asks[0][0] if first.asks else made.previous_ask
    again = quote(replace(made, previous_bid=bid, previous_ask=ask), market, params)
    assert (first.bids, first.asks) == (again.bids, again.asks)


# --- the ladder that stands ---------------------------------------------------------------------------


@settings(max_examples=examples(600), deadline=None)
@given(cases(hysteresis=True), st.integers(-400, 400), st.integers(-3, 3))
def test_within_its_range_a_raw_price_leads_to_the_same_tick_and_beyond_it_to_another(case, hundredths, away):
    made, market, params = case
    quoter = Quoter(market, params)
    raw_bid, raw_ask = 40.0 + hundredths / 100, 60.0 - hundredths / 100
    previous = made.previous_bid, made.previous_ask
    bid, ask = quoter.with_hysteresis(raw_bid, raw_ask, *previous)
    ranges = (quoter.bid_range(bid, previous[0]), quoter.ask_range(ask, previous[1]))
    for side, (low, high) in enumerate(ranges):
        inside = [low + share * (high - low) for share in (1e-9, 0.3, 0.7, 1 - 1e-9)]
        outside = [low - 1e-6 - abs(away), high + 1e-6 + abs(away)]
        for raw, same in [(raw, True) for raw in inside] + [(raw, False) for raw in outside]:
            told = quoter.with_hysteresis(raw, raw, *previous)
            assert (told[side] == (bid, ask)[side]) is same


@settings(max_examples=examples(1500), deadline=None)
@given(
    cases(hysteresis=True),
    st.fixed_dictionaries(
        {},
        optional={
            "spot": st.integers(-300, 300).map(lambda n: n / 1e6),
            "tau_ns": st.integers(0, 2 * SECOND),
            "net": st.integers(-40, 40),
            "yes_committed": st.integers(0, 60),
            "no_committed": st.integers(0, 60),
            "cash_micros": st.integers(-(10**7), 10**7),
            "previous_bid": st.integers(-2, 2),
            "previous_ask": st.integers(-2, 2),
            "reduce_only": st.booleans(),
        },
    ),
)
def test_a_ladder_that_stands_is_the_one_that_would_be_made(case, changes):
    """Whatever changes: where `LadderCache` holds, the quoter makes the same levels again."""
    made, market, params = case
    quoter = Quoter(market, params)
    cache = LadderCache(quoter.ladder(made, quoter.target(made), quoter.capacity(made)), made, quoter)
    now = replace(made)
    for name, change in changes.items():
        value = getattr(now, name)
        if name == "spot":
            now.spot = value * (1 + change)
        elif name == "reduce_only":
            now.reduce_only = change
        elif name == "tau_ns":
            now.tau_ns, now.limit_tau_ns = Nanos(max(value - change, 0)), Nanos(max(now.limit_tau_ns - change, 0))
        elif value is not None:
            setattr(now, name, value + change)
    target, capacity = quoter.target(now), quoter.capacity(now)
    fresh = quoter.ladder(now, target, capacity)
    asks = tuple((quoter.per_dollar - ticks, size) for ticks, size in fresh.asks)
    if cache.is_valid(now, target, capacity):
        assert (cache.bids, cache.asks) == (fresh.bids, asks)
    else:
        event("another ladder" if (cache.bids, cache.asks) != (fresh.bids, asks) else "made again for nothing")


def test_what_changes_nothing_keeps_the_ladder():
    at = inputs(previous_bid=Ticks(47), previous_ask=Ticks(53))
    quoter = Quoter(MARKET, PARAMS)
    cache = LadderCache(quoter.ladder(at, quoter.target(at), quoter.capacity(at)), at, quoter)
    for same in (at, replace(at, spot=at.spot + 0.5), replace(at, yes_committed=30), replace(at, age_s=0.01)):
        assert cache.is_valid(same, quoter.target(same), quoter.capacity(same))
    for other in (replace(at, spot=at.spot + 50), replace(at, yes_committed=990), replace(at, cash_micros=Micros(1))):
        assert not cache.is_valid(other, quoter.target(other), quoter.capacity(other))
