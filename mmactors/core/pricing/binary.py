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


def to_come(strike: float, prints: int, tau_s: float, locked_sum: float, locked: int) -> tuple[float, float]:
    """Return an average's market as one of the spot: the strike and the seconds left that price alike.

    Of n = `prints` one second apart, the last at expiry, `locked` are fixed and make `locked_sum` = a; k are to come.
    Their mean must beat (n K - a) / k. Its variance is that of a price over u + (k - 1)(2k - 1) / (6 k) seconds with
    u seconds to the next print: of the increments between prints the first counts in k of them, the last in one, so
    s^2 (u k^2 + sum_{j<k} j^2) / k^2. (strategy.md's tau - 40 and tau^3 / (3 n^2) are its limits of many prints.)
    As both the strike and the time are those of an ordinary market, so are d2, delta = phi(d2) / (S sigma sqrt(t)) =
    phi(d2) (k / n) / sd of the average, and dP = phi(d2) / sqrt(t) dW.

    Raises:
        ValueError: nothing is to come, or more prints are locked than there are.
    """
    k = prints - locked
    if not 0 < k <= prints:
        raise ValueError(f"{locked} prints locked of a window of {prints}")
    wait_s = tau_s - (k - 1)
    return (prints * strike - locked_sum) / k, (wait_s if wait_s > 0.0 else 0.0) + (k - 1) * (2 * k - 1) / (6 * k)


def prints_to_come(prints: int, tau_s: float) -> int:
    """Return how many of the prints, one second apart and the last at expiry, are still to come."""
    return min(max(math.ceil(tau_s), 0), prints)


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

    `locked_sum` is the sum of the `locked` prints that are fixed; the formula is `to_come`'s.

    Raises:
        ValueError: spot, strike, sigma or the window is not positive, or more prints are locked than there are.
    """
    prints = settlement.window_s
    if not (0.0 < spot < _INF and 0.0 < strike < _INF and 0.0 < sigma < _INF):
        raise ValueError(f"not positive: spot {spot}, strike {strike} or sigma {sigma}")
    if prints <= 0 or not 0 <= locked <= prints:
        raise ValueError(f"{locked} prints locked of a window of {prints}")
    if tau_s <= 0.0 or locked == prints:
        return decided((locked_sum + (prints - locked) * spot) / prints, strike, settlement)
    needed, left_s = to_come(strike, prints, tau_s, locked_sum, locked)
    return normal_cdf(d2(spot, needed, sigma, left_s)) if needed > 0.0 else 1.0


def delta_per_dollar(d2: float, spot: float, sigma: float, tau_s: float) -> float:
    """Return the change of P(YES) per dollar of spot: phi(d2) / (S sigma sqrt(T))."""
    return normal_pdf(d2) / (spot * sigma * math.sqrt(tau_s / YEAR_S))


def fair_sd(d2: float, reaction_s: float, tau_s: float, times: float = 1.0) -> float:
    """Return so many standard deviations of P(YES) over a reaction time: each is phi(d2) sqrt(reaction / max(tau, .5)).

    From dP = phi(d2) / sqrt(tau) dW: sigma cancels.
    """
    return times * normal_pdf(d2) * math.sqrt(reaction_s / (tau_s if tau_s > 0.5 else 0.5))
