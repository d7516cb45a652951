"""Fair value against scipy, its edges, and the sensitivities against finite differences."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import norm

from mmactors.core.pricing.binary import (
    d2,
    delta_per_dollar,
    fair_sd,
    normal_cdf,
    normal_pdf,
)
from mmactors.core.pricing.fixings import Realised
from mmactors.core.pricing.settlement import LastPrint, MeanOfFixings, mean_to_come
from mmactors.messages import Outcome, SettlementRule
from mmactors.units import YEAR_S

SPOT = LastPrint(SettlementRule())
AVERAGE = MeanOfFixings(SettlementRule(kind="avg", window_s=60))


def test_fair_value_agrees_with_scipy_over_a_grid():
    for moneyness, sigma, tau_s in itertools.product(
        (0.9, 0.99, 0.999, 0.9999, 1.0, 1.0001, 1.001, 1.01, 1.1),
        (0.05, 0.3, 0.5, 1.0, 3.0),
        (0.05, 1, 30, 300, 86_400),
    ):
        root = math.sqrt(tau_s / YEAR_S)
        expected = norm.cdf(math.log(97_000 * moneyness / 97_000) / (sigma * root) - sigma * root / 2)
        assert expected == pytest.approx(SPOT.fair_value(97_000 * moneyness, 97_000, sigma, tau_s), abs=1e-12)


def test_normal_functions_agree_with_scipy():
    grid = np.linspace(-12, 12, 4801)
    assert norm.cdf(grid) == pytest.approx([normal_cdf(x) for x in grid], abs=1e-14)
    assert norm.cdf(-30.0) == pytest.approx(normal_cdf(-30.0), rel=1e-11)
    assert norm.pdf(grid) == pytest.approx([normal_pdf(x) for x in grid], abs=1e-14)


def test_one_day_keeps_the_variance_term():
    # With the term 0.8800, without it 0.8826 (strategy, section 2): chosen so that ln(S/K) / deviation = N^-1(.8826).
    sigma = 0.5 / math.sqrt(0.5)
    deviation = sigma * math.sqrt(1 / 365)
    spot = 100_000 * math.exp(norm.ppf(0.8826) * deviation)
    value = SPOT.fair_value(spot, 100_000, sigma, 86_400)
    assert norm.cdf(norm.ppf(0.8826) - deviation / 2) == pytest.approx(value, abs=1e-12)
    assert value < 0.8826 - 0.002


def test_fair_value_is_not_clamped():
    assert 0 < SPOT.fair_value(96_000, 97_000, 0.5, 300) < 1e-6
    assert SPOT.fair_value(98_000, 97_000, 0.5, 300) > 1 - 1e-6


@pytest.mark.parametrize("tau_s", [0.0, -5.0])
def test_the_rule_decides_at_and_after_expiry(tau_s):
    assert SPOT.fair_value(97_000.01, 97_000, 0.5, tau_s) == 1.0
    assert SPOT.fair_value(96_999.99, 97_000, 0.5, tau_s) == 0.0
    assert SPOT.fair_value(97_000, 97_000, 0.5, tau_s) == 0.0
    assert LastPrint(SettlementRule(tie=Outcome.YES)).fair_value(97_000, 97_000, 0.5, tau_s) == 1.0


@pytest.mark.parametrize("position", [0, 1, 2, 3])
@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_d2_refuses_what_is_not_positive(position, bad):
    arguments = [97_000.0, 97_000.0, 0.5, 300.0]
    arguments[position] = bad
    with pytest.raises(ValueError, match="not positive"):
        d2(*arguments)


def test_fair_value_refuses_a_bad_price_at_expiry_too():
    with pytest.raises(ValueError, match="not positive"):
        SPOT.fair_value(math.nan, 97_000, 0.5, 0.0)
    with pytest.raises(ValueError, match="not positive"):
        SPOT.fair_value(97_000, 97_000, 0.5, math.nan)


def test_delta_is_the_slope_of_the_fair_value():
    for spot, tau_s in itertools.product((96_900.0, 97_000.0, 97_050.0), (5.0, 60.0, 300.0)):
        slope = (
            SPOT.fair_value(spot + 0.01, 97_000, 0.5, tau_s) - SPOT.fair_value(spot - 0.01, 97_000, 0.5, tau_s)
        ) / 0.02
        assert slope == pytest.approx(delta_per_dollar(d2(spot, 97_000, 0.5, tau_s), spot, 0.5, tau_s), rel=1e-5)


@pytest.mark.parametrize(("tau_s", "cents"), [(300, 1.0), (30, 3.3), (5, 8.0)])
def test_standard_deviation_over_the_reaction_time(tau_s, cents):
    assert cents == pytest.approx(100 * fair_sd(0.0, 0.2, tau_s), abs=0.05)


def test_standard_deviation_is_bounded_at_the_end():
    assert fair_sd(0.0, 0.2, 0.0) == fair_sd(0.0, 0.2, 0.5)


def test_average_settlement_knows_what_is_realised():
    # With 15 s left and the spot at the strike, the realised average $20 above it, a spot model says 0.50.
    value = AVERAGE.fair_value(97_000, 97_000, 0.5, 15, Realised(45 * 97_020.0, 45))
    assert SPOT.fair_value(97_000, 97_000, 0.5, 15) == pytest.approx(0.5, abs=1e-3)
    # 15 fixings to come, the next in a second: 225 + 14 * 15 * 29 / 6 of 3600.
    assert value == pytest.approx(norm.cdf(15 / (97_000 * 0.5 * math.sqrt(1240 / 3600 / YEAR_S))), abs=1e-4)
    assert value == pytest.approx(0.998, abs=1e-3)


def test_average_settlement_is_within_half_a_cent_of_a_simulation_through_the_last_minute():
    generator = np.random.default_rng(11)
    strike, sigma, paths = 97_000.0, 0.5, 200_000
    per_second = sigma / math.sqrt(YEAR_S)
    for tau_s in (90.0, 60.0, 59.5, 45.0, 30.0, 15.0, 14.75, 8.0, 4.2, 2.0, 1.0, 0.4):
        k = min(math.ceil(tau_s), 60)
        gaps = np.array([tau_s - (k - 1)] + [1.0] * (k - 1))
        pending_replaces = generator.normal(0.0, per_second, (paths, k)) * np.sqrt(gaps)
        ahead = np.exp(np.cumsum(pending_replaces, axis=1)).mean(axis=1)  # of the fixings to come, per dollar of spot
        deviation = strike * per_second * math.sqrt(tau_s)
        for away in (-2.0, -0.7, 0.0, 0.4, 1.5):
            spot = strike + away * deviation
            for realised_above in (-20.0, -3.0, 0.0, 5.0, 25.0):
                total = (60 - k) * (strike + realised_above)
                simulated = ((total + k * spot * ahead) / 60 > strike).mean()
                value = AVERAGE.fair_value(spot, strike, sigma, tau_s, Realised(total, 60 - k))
                assert value == pytest.approx(simulated, abs=0.005), (tau_s, spot, realised_above)


def test_an_averages_sensitivity_is_the_slope_of_its_fair_value():
    for tau_s, realised in ((90.0, 0), (30.0, 30), (7.5, 52), (0.5, 59)):
        total = realised * 97_001.0

        def fair(spot):
            return AVERAGE.fair_value(spot, 97_000, 0.5, tau_s, Realised(total, realised))  # noqa: B023

        needed, left_s = mean_to_come(97_000, 60, tau_s, total, realised)
        delta = delta_per_dollar(d2(96_999.0, needed, 0.5, left_s), 96_999.0, 0.5, left_s)
        assert (fair(96_999.01) - fair(96_998.99)) / 0.02 == pytest.approx(delta, rel=1e-4)


def test_average_settlement_agrees_with_a_simulation():
    generator = np.random.default_rng(5)
    strike, spot, sigma, paths = 97_000.0, 97_010.0, 0.5, 40_000
    steps = generator.normal(0.0, spot * sigma * math.sqrt(1 / YEAR_S), (paths, 120))
    prices = spot + np.cumsum(steps, axis=1)
    simulated = (prices[:, 60:].mean(axis=1) > strike).mean()
    value = AVERAGE.fair_value(spot, strike, sigma, 120)
    assert simulated == pytest.approx(value, abs=4 * math.sqrt(0.25 / paths))


def test_average_settlement_at_its_edges():
    assert AVERAGE.fair_value(90_000, 97_000, 0.5, 0, Realised(60 * 97_001.0, 60)) == 1.0
    assert AVERAGE.fair_value(90_000, 97_000, 0.5, 0, Realised(60 * 97_000.0, 60)) == 0.0
    for before, after in ((60.0, 60.0 - 1e-9),):
        assert AVERAGE.fair_value(97_010, 97_000, 0.5, before) == pytest.approx(
            AVERAGE.fair_value(97_010, 97_000, 0.5, after), abs=1e-9
        )
    with pytest.raises(ValueError, match="realised"):
        AVERAGE.fair_value(97_000, 97_000, 0.5, 15, Realised(0.0, 61))
    with pytest.raises(ValueError, match="not positive"):
        AVERAGE.fair_value(0.0, 97_000, 0.5, 15)
