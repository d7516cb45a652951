"""The account's ledger: exact integers, each fill once, settlement in every order."""

import pytest
from depth import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mmactors.core.ledger.account import Account
from mmactors.messages import Market, MarketStatus, OrderFilled, Outcome, Resolution, VenuePosition
from mmactors.units import DOLLAR, Contracts, Micros, Nanos, Ticks, micros, nanos

MARKET = Market("m", "BTC", 97_000.0, MarketStatus.OPEN, Nanos(0), nanos(300))
YES, NO = Outcome.YES, Outcome.NO


def fill(number, size, ticks=50, outcome=YES, fee=0, tick=10_000):
    return OrderFilled(
        "m",
        "c",
        f"f{number}",
        outcome,
        Ticks(ticks),
        Contracts(size),
        Micros(fee),
        Contracts(size),
        True,
        Nanos(0),
        Micros(tick),
    )


def test_a_fill_moves_cash_by_its_price_and_fee_exactly():
    account = Account(micros(100.0))
    assert account.fill(fill(1, 7, 43, fee=3))
    assert account.cash_micros == 100_000_000 - 7 * 430_000 - 3
    assert account.fill(fill(2, 3, 431, NO, fee=-2, tick=1000))
    assert account.cash_micros == 100_000_000 - 7 * 430_000 - 3 - 3 * 431_000 + 2
    assert account.position("m").net == 4


def test_a_fill_is_booked_once_by_its_id():
    account = Account()
    assert account.fill(fill(1, 10))
    assert not account.fill(fill(1, 10))
    assert account.cash_micros == -micros(5.0)
    assert account.position("m").yes == 10


@pytest.mark.parametrize(("resolution", "pays"), [("YES", 100.0), ("NO", 40.0), ("VOID", 70.0)])
def test_seed_defect_08_each_resolution_pays_what_it_should(resolution, pays):
    account = Account()
    account.fill(fill(1, 100))
    account.fill(fill(2, 40, outcome=NO))
    before = account.cash_micros
    assert account.resolve(MARKET, Resolution(resolution)) == micros(pays)
    assert account.cash_micros == before + micros(pays)


def test_seed_defect_01_the_specifications_example():
    """100 YES at 0.40 and 500 NO at 0.55: YES wins -215, NO wins +185."""
    for resolution, pnl in ((Resolution.YES, -215.0), (Resolution.NO, 185.0)):
        account = Account()
        account.fill(fill(1, 100, 40))
        account.fill(fill(2, 500, 55, NO))
        account.resolve(MARKET, resolution)
        assert account.cash_micros == micros(pnl)


def test_seed_defect_08_settling_is_idempotent_corrected_and_late_fills_settle_again():
    account = Account()
    account.fill(fill(1, 100))
    assert account.resolve(MARKET, Resolution.YES) == micros(100.0)
    assert account.resolve(MARKET, Resolution.YES) == 0
    assert account.resolve(MARKET, Resolution.NO) == -micros(100.0)
    assert account.cash_micros == -micros(50.0)
    account.fill(fill(2, 20, outcome=NO))
    assert account.cash_micros == -micros(50.0) + micros(10.0)
    assert account.equity({"m": 0.5}) == account.cash_micros


def test_a_market_nobody_held_settles_to_nothing():
    assert Account().resolve(MARKET, Resolution.YES) == 0


def test_an_adopted_position_settles_and_takes_fills():
    account = Account(micros(10.0))
    account.adopt(VenuePosition("m", Contracts(10), Contracts(4), Micros(5_000_000), Micros(1_000_000)))
    account.fill(fill(1, 6, outcome=NO))
    assert account.equity({}) == micros(10.0) - micros(3.0) + micros(9.0)
    account.resolve(MARKET, Resolution.NO)
    assert account.cash_micros == micros(17.0)


def test_equity_without_a_fair_value_is_at_cost_and_with_one_at_the_mark():
    account = Account(micros(100.0))
    account.fill(fill(1, 10, 40))
    assert account.equity({}) == micros(100.0)
    assert account.equity({"m": 0.7}) == micros(103.0)


resolutions = st.sampled_from(Resolution)
fills = st.lists(
    st.tuples(
        st.integers(1, 8), st.integers(1, 200), st.integers(1, 99), st.sampled_from(Outcome), st.integers(-50, 50)
    ),
    max_size=8,
    unique_by=lambda told: told[0],
)


@settings(max_examples=examples(300), deadline=None)
@given(fills, st.lists(resolutions, max_size=3), resolutions, st.data())
def test_cash_is_the_same_whatever_the_order_of_fills_and_settlements(told, before, last, data):
    events = [fill(n, size, ticks, outcome, fee) for n, size, ticks, outcome, fee in told]
    events = data.draw(st.permutations([*events, *events, *before]))
    account = Account(micros(1000.0))
    for event in [*events, last]:
        if isinstance(event, OrderFilled):
            account.fill(event)
        else:
            account.resolve(MARKET, event)
    cost = sum(ticks * 10_000 * size + fee for _, size, ticks, _, fee in told)
    yes_pays = {Resolution.YES: DOLLAR, Resolution.NO: 0, Resolution.VOID: DOLLAR // 2}[last]
    paid = sum(size * (yes_pays if outcome is YES else DOLLAR - yes_pays) for _, size, _, outcome, _ in told)
    assert account.cash_micros == micros(1000.0) - cost + paid
    assert account.equity({"m": 0.3}) == account.cash_micros
