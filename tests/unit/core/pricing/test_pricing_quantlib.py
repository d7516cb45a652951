"""The fair value against QuantLib's cash-or-nothing digital, an implementation that shares nothing with ours."""

import math

import pytest

from mmactors.core.pricing.settlement import LastPrint
from mmactors.messages import SettlementRule
from mmactors.units import YEAR_S

ql = pytest.importorskip("QuantLib", reason="a dev dependency", exc_type=ImportError)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 3.0])
@pytest.mark.parametrize("tau_s", [1.0, 30.0, 300.0, 3_600.0, 86_400.0])
def test_the_fair_value_is_quantlibs_digital(sigma: float, tau_s: float) -> None:
    root = sigma * math.sqrt(tau_s / YEAR_S)
    for deviations in (-4.0, -1.5, -0.3, 0.0, 0.01, 0.7, 2.0, 5.0):
        spot = 97_000.0 * math.exp(deviations * root)
        payoff = ql.CashOrNothingPayoff(ql.Option.Call, 97_000.0, 1.0)
        digital = ql.BlackCalculator(payoff, spot, root, 1.0).value()
        assert LastPrint(SettlementRule()).fair_value(spot, 97_000.0, sigma, tau_s) == pytest.approx(digital, abs=1e-12)
