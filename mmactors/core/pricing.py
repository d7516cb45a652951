"""Fair value of a binary option: the probability that YES wins, and its sensitivities.

Owns the formulas and nothing else; knows no market, order or position. Volatilities are annualised, times in seconds.
"""

import math

from mmactors.messages import Outcome, SettlementRule
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


def decided(price: float, strike: float, settlement: SettlementRule) -> float:
    """Return P(YES) once the settlement price is known: 1 above the strike, 0 below, the rule's tie at it."""
    if price == strike:
        return 1.0 if settlement.tie is Outcome.YES else 0.0
    return 1.0 if price > strike else 0.0


def fair_value(spot: float, strike: float, sigma: float, tau_s: float, settlement: SettlementRule) -> float:
    """Return P(YES) = N(d2), unclamped; at or after expiry the settlement rule decides, ties included.

    Raises:
        ValueError: spot, strike or sigma is not a positive number, or tau is not a number.
    """
    if tau_s <= 0.0:
        if not (0.0 < spot < _INF and 0.0 < strike < _INF):
            raise ValueError(f"not positive: spot {spot} or strike {strike}")
        return decided(spot, strike, settlement)
    return normal_cdf(d2(spot, strike, sigma, tau_s))


def fair_value_average(
    spot: float,
    strike: float,
    sigma: float,
    tau_s: float,
    settlement: SettlementRule,
    locked_sum: float = 0.0,
    locked: int = 0,
) -> float:
    """Return P(YES) when the mean of one-second prints over the last `settlement.window_s` seconds decides.

    The mean of the prints is taken as normal: expectation (a + k S) / n with `locked_sum` = a of `locked` prints
    fixed and k = n - locked to come; variance s^2 (tau - 2n/3) before the window, s^2 tau^3 / (3 n^2) inside it,
    s = S sigma in dollars per square root of a second.

    Raises:
        ValueError: spot, strike, sigma or the window is not positive, or more prints are locked than there are.
    """
    prints = settlement.window_s
    if not (0.0 < spot < _INF and 0.0 < strike < _INF and 0.0 < sigma < _INF):
        raise ValueError(f"not positive: spot {spot}, strike {strike} or sigma {sigma}")
    if prints <= 0 or not 0 <= locked <= prints:
        raise ValueError(f"{locked} prints locked of a window of {prints}")
    mean = (locked_sum + (prints - locked) * spot) / prints
    if tau_s <= 0.0 or locked == prints:
        return decided(mean, strike, settlement)
    seconds = tau_s - 2.0 * prints / 3.0 if tau_s >= prints else tau_s**3 / (3.0 * prints**2)
    return normal_cdf((mean - strike) / (spot * sigma * math.sqrt(seconds / YEAR_S)))


def delta_per_dollar(d2: float, spot: float, sigma: float, tau_s: float) -> float:
    """Return the change of P(YES) per dollar of spot: phi(d2) / (S sigma sqrt(T))."""
    return normal_pdf(d2) / (spot * sigma * math.sqrt(tau_s / YEAR_S))


def fair_sd(d2: float, reaction_s: float, tau_s: float) -> float:
    """Return the standard deviation of P(YES) over a reaction time: phi(d2) sqrt(reaction / max(tau, .5)).

    From dP = phi(d2) / sqrt(tau) dW: sigma cancels.
    """
    return normal_pdf(d2) * math.sqrt(reaction_s / max(tau_s, 0.5))
