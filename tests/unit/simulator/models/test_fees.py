"""Fees are charged as their model says."""

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.simulator.models.fees import Fees, QuadraticFees, fees_of
from mmactors.simulator.venue.market import Market


def test_a_fee_may_follow_the_distance_from_certainty():
    fees = QuadraticFees(taker_bps=700)
    assert fees.fee(500_000, 100, False) == 1_750_000  # 7 % of .5 * .5, a hundred times
    assert fees.fee(990_000, 100, False) == 69_300
    assert fees.fee(990_000, 100, True) == 0
    market = Market("m", "BTC", duration_s=60, opens_at=0, expires_at=60_000, fees=fees)
    assert market.unit_reserve(50) >= 50 * 10_000 + 17_500


def test_a_takers_fee_at_fair_value_is_of_the_contract_bought():
    assert Fees(taker_bps=700).of_taker(0.75, True) == 0.07 * 0.75
    assert Fees(taker_bps=700).of_taker(0.75, False) == 0.07 * 0.25
    both = {QuadraticFees(taker_bps=700).of_taker(0.75, buys_yes) for buys_yes in (True, False)}
    assert both == {0.07 * (0.75 * 0.25)}


def test_the_configuration_names_the_model_and_its_rates():
    fees = fees_of(SimulatorConfig(fees="quadratic", maker_bps=-1, taker_bps=7))
    assert (type(fees), fees.maker_bps, fees.taker_bps) == (QuadraticFees, -1, 7)
    assert type(fees_of(SimulatorConfig())) is Fees
