"""The gate, rule by rule, and the rules that decide the account's state."""

from dataclasses import replace

import pytest

from mmactors.core.orders.table import WorkingOrder
from mmactors.core.params import InventoryParams, MakerParams, RiskParams
from mmactors.core.risk.gate import RULES, OrderCheck, gate
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import (
    AssetExposed,
    FairMoved,
    FillMissed,
    JournalSynced,
    Market,
    MarketResolved,
    MarketStatus,
    OrderFilled,
    Outcome,
    PastHolding,
    Resolution,
    SessionReport,
    SettledAway,
    SyncJournal,
    TokenRenewed,
    TradingState,
    TradingStateChanged,
    VenueConnected,
    VenuePosition,
    VenueStatus,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks, micros, nanos

MARKET = Market("m", "BTC", 97_000.0, MarketStatus.OPEN, Nanos(0), nanos(300))
PARAMS = MakerParams()
YES, NO = Outcome.YES, Outcome.NO


def proposal(f=0.9, **changes):
    made = OrderCheck(
        market=MARKET,
        params=PARAMS,
        outcome=YES,
        ticks=48,
        size=30,
        remaining=30,
        net=0,
        same=0,
        opposing_ticks=None,
        venue_tau_ns=round(f * 300 * SECOND),
        priced_age_ns=0,
        cash_free=micros(1000.0),
        cost=micros(14.40),
        exposure_after=micros(10.0),
        d2=0.0,
        state=TradingState.ACTIVE,
        heartbeat_age_ns=0,
        synced=True,
    )
    return replace(made, **changes)


SHORT = {"net": -100}  # buying YES cuts |net|

BAD = {
    "synced": {"synced": False},
    "state": {"state": TradingState.REDUCING},
    "pulse": {"heartbeat_age_ns": 2 * SECOND + 1},
    "market": {"market": replace(MARKET, status=MarketStatus.HALTED)},
    "close": {"f": 0.02, **SHORT},
    "stale": {"priced_age_ns": 2 * SECOND + 1},
    "price": {"ticks": 100},
    "size": {"size": 10_001, "remaining": 1},
    "room": {"net": 971},
    "reduce_only": {"f": 0.10},
    "dead_side": {"f": 0.10, "d2": -1.5, **SHORT},
    "spread": {"opposing_ticks": 51},
    "cash": {"cash_free": micros(14.39)},
    "exposure": {"exposure_after": micros(5000.01)},
    "asset": {"blocked": 1},
}


def test_an_order_that_nothing_speaks_against_may_leave():
    assert gate(proposal()) is None


def test_every_rule_has_a_case_here():
    assert [name for name, _ in RULES] == list(BAD)


@pytest.mark.parametrize("name", BAD)
def test_each_rule_denies_by_its_name_and_nothing_else_would(monkeypatch, name):
    """Each case fails by this rule alone: it passes once the rule is taken out of the gate."""
    bad = proposal(**BAD[name])
    verdict = gate(bad)
    assert verdict is not None
    assert verdict[0] == name
    assert verdict[1]
    monkeypatch.setattr("mmactors.core.risk.gate.RULES", tuple(r for r in RULES if r[0] != name))
    assert gate(bad) is None


# --- where each rule begins ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.TRAPPED])
def test_halted_and_trapped_deny_even_what_reduces(state):
    assert gate(proposal(state=state, **SHORT))[0] == "state"


def test_reducing_admits_what_can_only_cut_the_net():
    assert gate(proposal(state=TradingState.REDUCING, **SHORT)) is None
    assert gate(proposal(state=TradingState.REDUCING, **SHORT, same=70)) is None
    assert gate(proposal(state=TradingState.REDUCING, **SHORT, same=71))[0] == "state"
    assert gate(proposal(state=TradingState.REDUCING, net=100, outcome=NO)) is None
    assert gate(proposal(state=TradingState.REDUCING, net=100))[0] == "state"


def test_without_the_pulse_of_risk_only_reducing_orders_leave():
    assert gate(proposal(heartbeat_age_ns=2 * SECOND)) is None
    assert gate(proposal(heartbeat_age_ns=10 * SECOND, **SHORT)) is None


@pytest.mark.parametrize("status", [s for s in MarketStatus if s is not MarketStatus.OPEN])
def test_only_an_open_market_is_traded(status):
    assert gate(proposal(market=replace(MARKET, status=status)))[0] == "market"


@pytest.mark.parametrize(("duration_s", "close_s"), [(60, 1.2), (300, 6.0), (900, 18.0), (3600, 30.0)])
def test_seed_defect_13_the_closing_threshold_is_a_fraction_of_the_session(duration_s, close_s):
    market = replace(MARKET, expires_venue_ns=nanos(duration_s))
    assert gate(proposal(market=market, venue_tau_ns=nanos(close_s), **SHORT))[0] == "close"
    assert gate(proposal(market=market, venue_tau_ns=nanos(close_s) + 1, **SHORT)) is None


def test_seed_defect_09_a_price_two_seconds_without_a_sign_of_life_is_not_traded_on():
    assert gate(proposal(priced_age_ns=SECOND * 7 // 4)) is None
    assert gate(proposal(priced_age_ns=SECOND * 7 // 4 + 1, **SHORT))[0] == "stale"  # it would be on arrival


@pytest.mark.parametrize("ticks", [-1, 0, 100, 1000])
def test_a_price_outside_the_scale_is_denied(ticks):
    assert gate(proposal(ticks=ticks, cash_free=micros(1e6)))[0] == "price"


@pytest.mark.parametrize(("size", "remaining"), [(0, 0), (30, 0), (30, -5), (10_001, 30)])
def test_a_size_the_market_does_not_take_is_denied(size, remaining):
    assert gate(proposal(size=size, remaining=remaining))[0] == "size"


def test_seed_defect_04_the_room_is_on_the_net_with_everything_that_may_still_fill():
    assert gate(proposal(net=970)) is None
    assert gate(proposal(net=900, same=70)) is None
    assert gate(proposal(net=900, same=71))[0] == "room"
    assert gate(proposal(net=-971, outcome=NO))[0] == "room"
    assert gate(proposal(net=-2000)) is None  # works a position off, however large


def test_the_room_shrinks_with_the_session():
    assert gate(proposal(f=0.20)) is None
    assert gate(proposal(f=0.20, same=1))[0] == "room"


def test_late_only_the_side_that_cuts_the_net_leaves_and_at_most_the_net():
    assert gate(proposal(f=0.10, **SHORT)) is None
    assert gate(proposal(f=0.10, net=-29))[0] == "reduce_only"
    assert gate(proposal(f=0.10, net=29, size=1, remaining=1))[0] == "reduce_only"


def test_note_4_the_losing_outcome_gets_no_bids_late():
    assert gate(proposal(f=0.10, d2=-1.49, **SHORT)) is None
    assert gate(proposal(f=0.10, d2=1.5, net=100, outcome=NO))[0] == "dead_side"
    assert gate(proposal(f=0.10, d2=1.5, **SHORT)) is None  # the winning outcome
    assert gate(proposal(f=0.101, d2=-3.0, **SHORT)) is None
    reducing = replace(PARAMS, inventory=InventoryParams(dead_side="reduce_only"))
    assert gate(proposal(f=0.10, d2=-3.0, params=reducing, **SHORT)) is None
    assert gate(proposal(f=0.10, d2=-3.0, params=reducing, net=-29)) is not None


def test_seed_defect_05_the_gate_looks_at_the_own_spread_on_both_sides():
    for outcome in Outcome:
        assert gate(proposal(opposing_ticks=50, outcome=outcome)) is None
        assert gate(proposal(opposing_ticks=51, outcome=outcome))[0] == "spread"
        assert gate(proposal(opposing_ticks=52, outcome=outcome))[0] == "spread"


def test_the_own_spread_is_never_below_one_tick_whatever_the_configuration():
    none = replace(PARAMS, risk=RiskParams(min_spread_micros=Micros(0)))
    assert gate(proposal(params=none, opposing_ticks=51)) is None
    assert gate(proposal(params=none, opposing_ticks=52))[0] == "spread"
    fine = replace(MARKET, tick_micros=Micros(1000))
    assert gate(proposal(market=fine, ticks=480, opposing_ticks=500)) is None
    assert gate(proposal(market=fine, ticks=481, opposing_ticks=500))[0] == "spread"


def test_cash_pays_for_what_may_still_fill():
    assert gate(proposal(cash_free=micros(14.40))) is None
    assert gate(proposal(cash_free=micros(14.39), **SHORT))[0] == "cash"


@pytest.mark.parametrize(
    ("ticks", "remaining", "contracts", "cost"),
    [
        (48, 20, 20, 20 * 48),  # as it stands
        (50, 20, 20, 20 * 50),  # dearer: all of it may fill there
        (40, 20, 20, 20 * 48),  # cheaper: all of it may fill before
        (40, 30, 30, 20 * 48 + 10 * 40),  # cheaper and more: the rest only there
        (50, 10, 20, 20 * 48),  # dearer and fewer: all that rests may fill before
    ],
)
def test_a_move_may_cost_what_rests_at_the_old_price_and_the_rest_at_the_new(ticks, remaining, contracts, cost):
    order = WorkingOrder("o", "m", YES, Ticks(48), 30, Nanos(0), order_id="1", filled=10)
    assert order.cost_of_replace(ticks, remaining) == (contracts, cost)


def test_the_worst_case_loss_is_limited_but_reducing_always_possible():
    assert gate(proposal(exposure_after=micros(5000.0))) is None
    assert gate(proposal(exposure_after=micros(9000.0), **SHORT)) is None


# --- the rules of the account -------------------------------------------------------------------------

DAY = 86_400 * SECOND
NOON = Nanos(20_000 * DAY + DAY // 2)
STATUS = VenueStatus(True, Nanos(0), 0.1, micros(10_000.0))


def bought(number, size, ticks=50, outcome=YES, market="m", fee=0):
    return OrderFilled(
        market,
        "c",
        f"f{number}",
        outcome,
        Ticks(ticks),
        Contracts(size),
        Micros(fee),
        Contracts(size),
        True,
        Nanos(0),
    )


def fair(value, market="m", asset="BTC", delta=0.0, net=0):
    return FairMoved(market, asset, value, delta, net, 100_000.0)


def resolved(resolution, market="m"):
    ended = replace(MARKET, id=market, status=MarketStatus.RESOLVED, resolution=resolution)
    return MarketResolved(ended, resolution)


def rules(**more):
    made = RiskRules(RiskParams(), **more)
    assert made.handle(STATUS, NOON) == []
    return made


def states(changes):
    return [change.state for change in changes if isinstance(change, TradingStateChanged)]


def blocked(changes):
    return [(change.asset, change.blocked) for change in changes if isinstance(change, AssetExposed)]


def test_seed_defect_06_the_days_loss_is_of_equity_and_latches():
    made = rules()
    assert made.handle(bought(1, 3000), NOON) == []  # $1,500 into YES at its cost: nothing lost yet
    assert made.day_pnl() == 0
    assert made.handle(fair(0.17), NOON) == []
    assert states(made.handle(fair(0.16), NOON)) == [TradingState.REDUCING]  # $1,020 lost, nothing realised
    assert made.handle(fair(0.10), NOON) == []  # told once
    assert made.handle(fair(0.60), NOON) == []  # a recovery does not unlatch
    assert made.state is TradingState.REDUCING


def test_seed_defect_06_the_latch_resets_when_the_utc_day_turns():
    made = rules()
    made.handle(bought(1, 3000), NOON)
    made.handle(fair(0.10), NOON)
    last = Nanos(20_001 * DAY - 1)
    assert made.judge(last) == []
    assert states(made.judge(Nanos(last + 1))) == [TradingState.ACTIVE]
    assert made.day_pnl() == 0
    assert states(made.handle(fair(0.0), Nanos(last + 2))) == []  # $300 of the new day
    assert made.day_pnl() == -micros(300.0)


def test_the_latch_closes_again_on_the_new_day():
    made = rules()
    made.handle(bought(1, 3000), NOON)
    made.handle(fair(0.10), NOON)
    made.judge(Nanos(NOON + DAY))
    assert made.handle(bought(2, 2000), Nanos(NOON + DAY)) == []  # $800 below its cost at once
    assert states(made.handle(fair(0.0), Nanos(NOON + DAY))) == [TradingState.REDUCING]


def test_a_clock_set_back_over_midnight_does_not_reset_the_days_loss():
    made = RiskRules(RiskParams())
    morning = Nanos(20_001 * DAY + SECOND)
    made.handle(STATUS, morning)
    made.handle(bought(1, 3000), morning)
    assert states(made.handle(fair(0.10), morning)) == [TradingState.REDUCING]
    assert made.judge(Nanos(morning - 3600 * SECOND)) == []
    assert made.judge(morning) == []
    assert made.state is TradingState.REDUCING


def test_seed_defect_06_an_earlier_runs_loss_of_the_day_is_carried():
    made = rules(earned_before=-micros(600.0), day=20_000)
    made.handle(bought(1, 1000), NOON)
    assert made.handle(fair(0.11), NOON) == []
    assert states(made.handle(fair(0.10), NOON)) == [TradingState.REDUCING]


def test_seed_defect_06_a_restart_after_the_latch_is_reducing_before_anything_is_known():
    made = RiskRules(RiskParams(), earned_before=-micros(1000.0), day=20_000)
    assert states(made.judge(NOON)) == [TradingState.REDUCING]
    assert made.handle(STATUS, NOON) == []
    assert made.state is TradingState.REDUCING


def test_an_earlier_days_loss_is_not_carried():
    made = RiskRules(RiskParams(), earned_before=-micros(1000.0), day=19_999)
    assert made.judge(NOON) == []
    assert made.day_pnl() == 0


def test_nothing_is_judged_before_the_account_is_known():
    made = RiskRules(RiskParams())
    assert made.handle(replace(STATUS, connected=False), NOON) == []
    assert made.judge(NOON) == []
    assert made.handle(STATUS, NOON) == []
    assert made.equity() == micros(10_000.0)


def test_fills_fetched_before_the_account_is_told_do_not_hide_a_loss():
    """The cash then told is after those fills: what they bought belongs to the start of the day's equity."""
    made = RiskRules(RiskParams())
    made.handle(bought(1, 4000), NOON)
    made.handle(replace(STATUS, cash_micros=micros(8000.0)), NOON)
    assert made.day_pnl() == 0
    assert states(made.handle(fair(0.25), NOON)) == [TradingState.REDUCING]


def test_a_position_held_before_the_run_counts_in_the_equity_and_its_settlement():
    made = RiskRules(RiskParams())
    held = VenuePosition("m", Contracts(4000), Contracts(0), micros(2000.0), Micros(0))
    made.handle(held, NOON)
    made.handle(STATUS, NOON)
    assert made.day_pnl() == 0
    assert states(made.handle(resolved(Resolution.NO), NOON)) == [TradingState.REDUCING]
    assert made.day_pnl() == -micros(2000.0)


def test_equity_is_cash_and_both_outcomes_at_fair_value():
    made = rules()
    made.handle(bought(1, 100, 40, fee=7), NOON)
    made.handle(bought(2, 60, 55, NO), NOON)
    made.handle(bought(3, 10, 30, market="n"), NOON)  # without a fair value: at cost
    made.handle(fair(0.5), NOON)
    assert made.equity() == micros(10_000.0 - 40.0 - 33.0 + 80.0) - 7
    made.handle(resolved(Resolution.YES), NOON)
    assert made.equity() == micros(10_000.0 - 40.0 - 33.0 + 100.0) - 7


def test_a_settlement_told_twice_or_corrected_is_paid_right():
    made = rules()
    made.handle(bought(1, 100), NOON)
    for resolution, pnl in ((Resolution.YES, 50.0), (Resolution.YES, 50.0), (Resolution.VOID, 0.0)):
        made.handle(resolved(resolution), NOON)
        assert made.day_pnl() == micros(pnl)


def test_a_correction_of_what_an_earlier_run_held_is_of_this_day():
    made = rules()
    made.handle(replace(resolved(Resolution.NO), corrected_micros=-micros(1000.0)), NOON)
    assert made.day_pnl() == -micros(1000.0)
    assert made.state is TradingState.REDUCING


def settled_away(pnl, at, market="past"):
    net, nan = 20, float("nan")
    report = SessionReport(
        *(market, "BTC", 300, 97_000.0, Resolution.NO, micros(pnl), net, net, net, nan, 2, 40, nan, 0),
    )
    return SettledAway(report, Nanos(at))


@pytest.mark.parametrize(
    ("earned", "away", "lost"),
    [
        (0.0, -1000.0, 1000.0),
        (-600.0, -400.0, 1000.0),
        (500.0, -800.0, 300.0),
        (-600.0, 400.0, 200.0),
        (0.0, 50.0, 0.0),
    ],
)
def test_what_was_settled_today_while_no_run_was_there_counts_in_the_days_loss(earned, away, lost):
    made = rules(earned_before=micros(earned), day=20_000)
    states_told = states(made.handle(settled_away(away, NOON), NOON))
    assert made.day_pnl() == -micros(lost)
    assert states_told == ([TradingState.REDUCING] if lost >= 1000.0 else [])


def test_what_was_settled_on_an_earlier_day_is_not_of_this_one():
    made = rules(day=20_000)
    assert made.handle(settled_away(-1000.0, NOON - DAY), NOON) == []
    assert made.day_pnl() == 0
    freed = RiskRules(RiskParams(), earned_before=-micros(1000.0), day=20_000)
    assert states(freed.judge(NOON)) == [TradingState.REDUCING]
    assert states(freed.handle(settled_away(-1.0, NOON + DAY), Nanos(NOON + DAY))) == [TradingState.ACTIVE]
    turned = RiskRules(RiskParams(), day=19_999)
    assert states(turned.handle(settled_away(-1000.0, NOON), NOON)) == [TradingState.REDUCING]


def test_a_state_that_an_earlier_run_of_the_day_latched_holds_on_until_the_day_turns():
    latched = TradingStateChanged(TradingState.REDUCING, "the day's loss is $1001.00")
    made = RiskRules(RiskParams(), day=20_000, before=latched)
    assert made.judge(NOON) == [latched]
    assert made.handle(STATUS, NOON) == []
    assert made.handle(fair(0.9), NOON) == []
    assert states(made.judge(Nanos(NOON + DAY))) == [TradingState.ACTIVE]


def test_a_halt_that_no_rule_measures_outlives_a_restart_and_a_renewed_token():
    before = TradingStateChanged(TradingState.HALTED, "the ledger does not match the venue's")
    made = RiskRules(RiskParams(), day=20_000, before=before)
    assert made.judge(NOON) == [before]
    assert made.handle(connected(Nanos(NOON + 3600 * SECOND)), NOON) == []
    assert made.handle(JournalSynced(), NOON) == []
    assert made.state is TradingState.HALTED


@pytest.mark.parametrize(
    "reason", ["the venue's token ends in 5 s and is not renewed", "the journal is more than a second behind"]
)
def test_what_a_run_measures_itself_it_does_not_take_over(reason):
    made = RiskRules(RiskParams(), day=20_000, before=TradingStateChanged(TradingState.HALTED, reason))
    assert made.judge(NOON) == []
    both = TradingStateChanged(TradingState.HALTED, f"{reason}; the day's loss is $1001.00")
    made = RiskRules(RiskParams(), day=20_000, before=both)
    assert made.judge(NOON) == [TradingStateChanged(TradingState.REDUCING, "the day's loss is $1001.00")]


def test_the_last_word_on_the_state_names_every_reason_for_the_next_run_to_know():
    made = rules(day=20_000)
    made.handle(connected(Nanos(NOON + 5 * SECOND)), NOON)
    made.handle(bought(1, 3000), NOON)
    (halted,) = (each for each in made.handle(fair(0.10), NOON) if isinstance(each, TradingStateChanged))
    assert halted.state is TradingState.HALTED
    assert "the venue's token ends" in halted.reason
    after = RiskRules(RiskParams(), day=20_000, before=halted)
    assert states(after.judge(NOON)) == [TradingState.REDUCING]


def test_fees_and_merged_pairs_of_a_market_not_settled_are_of_the_days_loss():
    fills = tuple(replace(each, venue_ns=NOON) for each in (bought(1, 1000, 60, fee=7), bought(2, 600, 60, NO, fee=8)))
    made = rules(day=20_000, left=[PastHolding("m", fills, Contracts(500))])
    assert made.day_pnl() == -micros(100.0) - 15  # of 500 pairs at $1.20
    made.handle(settled_away(-250.0, NOON, "m"), NOON)
    assert made.day_pnl() == -micros(250.0), "its settlement counts all of it, once"
    assert rules(day=20_001, left=[PastHolding("m", fills, Contracts(500))]).day_pnl() == 0


def test_the_fee_of_a_fill_that_no_run_wrote_down_is_of_the_days_loss_and_counted_once():
    made = rules(day=20_000)
    made.handle(FillMissed(replace(bought(1, 100, fee=9), venue_ns=NOON)), NOON)
    assert made.day_pnl() == -9
    made.handle(settled_away(-50.0, NOON, "m"), NOON)
    assert made.day_pnl() == -micros(50.0)


def test_a_journal_that_owes_its_answer_for_a_second_reduces_until_it_answers():
    made = rules()
    half = SECOND // 2
    assert made.ask_journal() == SyncJournal()
    assert made.judge(NOON) == []
    assert made.ask_journal() is None
    assert made.judge(Nanos(NOON + half)) == []
    assert made.ask_journal() is None
    (change,) = made.judge(Nanos(NOON + 2 * half))
    assert change == TradingStateChanged(TradingState.REDUCING, "the journal is more than a second behind")
    (change,) = made.handle(JournalSynced(), Nanos(NOON + 3 * half))
    assert change == TradingStateChanged(TradingState.ACTIVE, "the journal has caught up")
    assert made.ask_journal() == SyncJournal()


def test_exposure_is_summed_by_asset():
    made = rules()
    made.handle(fair(0.5, "m", delta=0.001, net=100), NOON)
    made.handle(fair(0.5, "n", delta=0.002, net=-30), NOON)
    made.handle(fair(0.5, "e", "ETH", delta=0.01, net=10), NOON)
    assert made.exposure() == pytest.approx({"BTC": 0.04, "ETH": 0.1})


def test_exposure_per_basis_point_is_comparable_among_assets():
    made = rules()
    made.handle(fair(0.5, "m", delta=0.001, net=100), NOON)  # $0.1 a dollar, and a bp of 100,000 is ten of them
    made.handle(fair(0.5, "n", delta=0.002, net=-30), NOON)
    assert made.dollars_per_bp() == pytest.approx({"BTC": 0.4})


@pytest.mark.parametrize("side", [1, -1])
def test_the_sessions_of_an_asset_together_reach_its_limit_in_one_direction(side):
    made = rules()  # $100 a bp
    assert blocked(made.handle(fair(0.5, "m", delta=0.01, net=600 * side), NOON)) == [("BTC", 0)]  # 60 %: told
    assert blocked(made.handle(fair(0.5, "e", "ETH", delta=0.01, net=900 * side), NOON)) == [("ETH", 0)]
    assert blocked(made.handle(fair(0.5, "n", delta=0.01, net=400 * side), NOON)) == [("BTC", side)]
    assert blocked(made.handle(fair(0.5, "n", delta=0.01, net=250 * side), NOON)) == [("BTC", side)]  # 85 %: not freed
    assert blocked(made.handle(fair(0.5, "n", delta=0.01, net=190 * side), NOON)) == [("BTC", 0)]
    assert blocked(made.handle(fair(0.5, "m", delta=0.01, net=-1600 * side), NOON)) == [("BTC", -side)]


def test_a_fill_counts_before_its_market_marks_it():
    made = rules()
    made.handle(fair(0.5, delta=0.01, net=0), NOON)
    assert blocked(made.handle(bought(1, 1000), NOON)) == [("BTC", 1)]


def test_exposure_that_hardly_moves_is_not_told():
    made = rules()
    assert blocked(made.handle(fair(0.5, delta=0.01, net=300), NOON)) == [("BTC", 0)]
    assert blocked(made.handle(fair(0.5, delta=0.01, net=399), NOON)) == []
    assert blocked(made.handle(fair(0.5, delta=0.01, net=400), NOON)) == [("BTC", 0)]


def test_a_settled_session_frees_its_asset():
    made = rules()
    made.handle(bought(1, 100), NOON)
    assert blocked(made.handle(fair(0.5, delta=0.01, net=1000), NOON)) == [("BTC", 1)]
    assert blocked(made.handle(resolved(Resolution.YES), NOON)) == [("BTC", 0)]


def test_a_barred_asset_admits_the_other_direction_and_what_reduces():
    assert gate(proposal(blocked=-1)) is None
    assert gate(proposal(blocked=1, outcome=NO)) is None
    assert gate(proposal(blocked=-1, outcome=NO))[0] == "asset"
    assert gate(proposal(blocked=1, **SHORT)) is None


def test_a_mark_that_comes_after_the_settlement_is_no_exposure():
    made = rules()
    made.handle(bought(1, 100), NOON)
    made.handle(resolved(Resolution.YES), NOON)
    made.handle(fair(0.9, delta=0.001, net=100), NOON)
    assert made.exposure() == {}


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_mark_that_is_no_probability_is_dropped(nonsense):
    made = rules()
    made.handle(bought(1, 100), NOON)
    made.handle(fair(nonsense), NOON)
    assert made.equity() == micros(10_000.0)


def test_what_does_not_concern_risk_is_ignored():
    assert rules().handle("something else", NOON) == []


def connected(expires_ns):
    return VenueConnected("a-1", "s-1", frozenset(), 50.0, 100.0, expires_ns, NOON)


def test_a_token_that_nobody_renews_reduces_and_then_halts_and_a_newer_one_ends_that():
    made = rules(reduce_before_ns=Nanos(60 * SECOND), cancel_before_ns=Nanos(10 * SECOND))
    ends = Nanos(NOON + 100 * SECOND)
    assert made.handle(connected(ends), NOON) == []
    assert made.judge(Nanos(ends - 60 * SECOND - 1)) == []
    (change,) = made.judge(Nanos(ends - 60 * SECOND))
    assert change.state is TradingState.REDUCING
    assert "ends in 60 s" in change.reason
    assert made.judge(Nanos(ends - 11 * SECOND)) == []
    assert states(made.judge(Nanos(ends - 10 * SECOND))) == [TradingState.HALTED]
    assert made.judge(Nanos(ends + 3600 * SECOND)) == [], "an end that is past is no permission"
    renewed = TokenRenewed(Nanos(ends + 3600 * SECOND), ends)
    (change,) = made.handle(renewed, Nanos(ends - SECOND))
    assert (change.state, change.reason) == (TradingState.ACTIVE, "the venue's token is renewed")


def test_a_tokens_end_is_by_the_venues_clock():
    made = rules()
    made.handle(connected(Nanos(NOON + 100 * SECOND)), NOON)
    assert states(made.handle(replace(STATUS, offset_ns=Nanos(50 * SECOND)), NOON)) == [TradingState.REDUCING]


def test_a_renewed_token_does_not_lift_the_days_latch():
    made = rules()
    made.handle(connected(Nanos(NOON + 5 * SECOND)), NOON)
    assert made.state is TradingState.HALTED
    made.handle(bought(1, 3000), NOON)
    made.handle(fair(0.10), NOON)
    assert states(made.handle(TokenRenewed(None, NOON), NOON)) == [TradingState.REDUCING]
