"""Fair value of a binary option: the probability that YES wins, and its sensitivities.

Owns the formulas and nothing else; knows no market, settlement rule, order or position. Volatilities are annualised,
times in seconds.
"""

import math

from mmactors.units import YEAR_S

_INF = math.inf
_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


def normal_cdf(x: float) -> float:
    """Return the standard normal distribution function at `x`, accurate in both tails."""
    return 0.5 * math.erfc(-x * _SQRT_HALF)


def normal_pdf(x: float) -> float:
    """Return the standard normal density at `x`."""
    return _INV_SQRT_2PI * math.exp(-0.5 * x * x)


def d2(spot: float, strike: float, sigma: float, tau_s: float) -> float:
    """Return how many standard deviations the spot is above the strike.

    ln(S/K) / (sigma sqrt(T)) - sigma sqrt(T) / 2 with T in years (Black and Scholes 1973, no drift).

    Raises:
        ValueError: spot, strike, sigma or tau is not a positive number.
    """
    if not (0.0 < spot < _INF and 0.0 < strike < _INF and 0.0 < sigma < _INF and 0.0 < tau_s < _INF):
        raise ValueError(f"not positive: spot {spot}, strike {strike}, sigma {sigma} or tau {tau_s} s")
    deviation = sigma * math.sqrt(tau_s / YEAR_S)
    return math.log(spot / strike) / deviation - 0.5 * deviation


def delta_per_dollar(d2: float, spot: float, sigma: float, tau_s: float) -> float:
    """Return the change of P(YES) per dollar of spot: phi(d2) / (S sigma sqrt(T))."""
    return normal_pdf(d2) / (spot * sigma * math.sqrt(tau_s / YEAR_S))


def fair_sd(d2: float, reaction_s: float, tau_s: float, times: float = 1.0) -> float:
    """Return so many standard deviations of P(YES) over a reaction time: each is phi(d2) sqrt(reaction / max(tau, .5)).

    From dP = phi(d2) / sqrt(tau) dW: sigma cancels.
    """
    return times * normal_pdf(d2) * math.sqrt(reaction_s / (tau_s if tau_s > 0.5 else 0.5))
