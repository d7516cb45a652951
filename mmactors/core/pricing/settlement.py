"""Settlement: what decides a market, one class per rule.

A rule says how its market ends and, until then, as which ordinary market of the spot it prices: the equivalent strike
and time. It knows no volatility but the one it is given, no quote and no position. A venue that settles otherwise gets
a class of its own here, chosen in `settlement_of`.
"""

import math
from abc import ABC, abstractmethod

from mmactors.core.pricing.binary import d2, normal_cdf
from mmactors.core.pricing.fixings import NOTHING_REALISED, Realised, fixings_to_come
from mmactors.messages import Outcome, SettlementRule
from mmactors.units import SECOND

_INF = math.inf

_LEAST_NEEDED = 1e-6
"""What is to come of an average must beat at least this share of the spot: then d2 is a number, and decided."""


class Settlement(ABC):
    """One market's settlement rule.

    Args:
        rule: as the venue states it.

    Attributes:
        fixings: one-second fixings that it counts, the last at expiry; 0 if it counts none.
    """

    def __init__(self, rule: SettlementRule) -> None:
        self.fixings = 0
        self._at_strike = 1.0 if rule.tie is Outcome.YES else 0.0

    def decided(self, price: float, strike: float) -> float:
        """Return P(YES) once the settlement price is known: 1 above the strike, 0 below, the rule's tie at it."""
        if price == strike:
            return self._at_strike
        return 1.0 if price > strike else 0.0

    @abstractmethod
    def as_spot(
        self, strike: float, spot: float, tau_ns: int, realised: Realised, ahead_ns: int = 0
    ) -> tuple[float, float]:
        """Return the strike and the seconds left of the ordinary market of the spot that prices alike.

        With `ahead_ns`, so much later, if the spot stands still until then.
        """

    @abstractmethod
    def fair_value(
        self, spot: float, strike: float, sigma: float, tau_s: float, realised: Realised = NOTHING_REALISED
    ) -> float:
        """Return P(YES) = N(d2), unclamped; at or after expiry the rule decides, ties included.

        Raises:
            ValueError: spot, strike or sigma is not a positive number, or more fixings are realised than there are.
        """


class LastPrint(Settlement):
    """The price at expiry decides: the market is an ordinary one of the spot, and nothing of it is realised."""

    def as_spot(
        self,
        strike: float,
        spot: float,  # noqa: ARG002
        tau_ns: int,
        realised: Realised,  # noqa: ARG002
        ahead_ns: int = 0,
    ) -> tuple[float, float]:
        """Return the strike and the seconds left as they are."""
        return strike, (tau_ns - ahead_ns) / SECOND

    def fair_value(
        self,
        spot: float,
        strike: float,
        sigma: float,
        tau_s: float,
        realised: Realised = NOTHING_REALISED,  # noqa: ARG002
    ) -> float:
        """Return P(YES) of the spot."""
        if tau_s <= 0.0:
            if not (0.0 < spot < _INF and 0.0 < strike < _INF):
                raise ValueError(f"not positive: spot {spot} or strike {strike}")
            return self.decided(spot, strike)
        return normal_cdf(d2(spot, strike, sigma, tau_s))


class MeanOfFixings(Settlement):
    """The mean of one-second fixings over a window that ends at expiry decides.

    Raises:
        ValueError: the window holds no fixing.
    """

    def __init__(self, rule: SettlementRule) -> None:
        super().__init__(rule)
        if rule.window_s <= 0:
            raise ValueError(f"no fixings in a window of {rule.window_s} s")
        self.fixings = rule.window_s

    def as_spot(
        self, strike: float, spot: float, tau_ns: int, realised: Realised, ahead_ns: int = 0
    ) -> tuple[float, float]:
        """Return the strike that the fixings to come must beat, and the seconds that their mean varies like."""
        tau_s = (tau_ns - ahead_ns + realised.lag_ns) / SECOND
        count, total = realised.count, realised.total
        if ahead_ns:
            more = max(self.fixings - max(fixings_to_come(self.fixings, tau_s), 1) - count, 0)
            count, total = count + more, total + more * spot
        needed, left_s = mean_to_come(strike, self.fixings, tau_s, total, min(count, self.fixings - 1))
        return max(needed, _LEAST_NEEDED * spot), left_s

    def fair_value(
        self, spot: float, strike: float, sigma: float, tau_s: float, realised: Realised = NOTHING_REALISED
    ) -> float:
        """Return P(YES) of the mean; the formula is `mean_to_come`'s."""
        fixings, count, total = self.fixings, realised.count, realised.total
        if not (0.0 < spot < _INF and 0.0 < strike < _INF and 0.0 < sigma < _INF):
            raise ValueError(f"not positive: spot {spot}, strike {strike} or sigma {sigma}")
        if not 0 <= count <= fixings:
            raise ValueError(f"{count} fixings realised of a window of {fixings}")
        if tau_s <= 0.0 or count == fixings:
            return self.decided((total + (fixings - count) * spot) / fixings, strike)
        needed, left_s = mean_to_come(strike, fixings, tau_s, total, count)
        return normal_cdf(d2(spot, needed, sigma, left_s)) if needed > 0.0 else 1.0


def settlement_of(rule: SettlementRule) -> Settlement:
    """Return the class that prices and decides by a rule."""
    return MeanOfFixings(rule) if rule.fixings else LastPrint(rule)


def mean_to_come(strike: float, fixings: int, tau_s: float, total: float, count: int) -> tuple[float, float]:
    """Return an average's market as one of the spot: the strike and the seconds left that price alike.

    Of n = `fixings` one second apart, the last at expiry, `count` are realised and make `total` = a; k are to come.
    Their mean must beat (n K - a) / k. Its variance is that of a price over u + (k - 1)(2k - 1) / (6 k) seconds with
    u seconds to the next fixing: of the increments between fixings the first counts in k of them, the last in one, so
    s^2 (u k^2 + sum_{j<k} j^2) / k^2. (strategy.md's tau - 40 and tau^3 / (3 n^2) are its limits of many fixings.)
    As both the strike and the time are those of an ordinary market, so are d2, delta = phi(d2) / (S sigma sqrt(t)) =
    phi(d2) (k / n) / sd of the average, and dP = phi(d2) / sqrt(t) dW.

    Raises:
        ValueError: nothing is to come, or more fixings are realised than there are.
    """
    k = fixings - count
    if not 0 < k <= fixings:
        raise ValueError(f"{count} fixings realised of a window of {fixings}")
    wait_s = tau_s - (k - 1)
    return (fixings * strike - total) / k, (wait_s if wait_s > 0.0 else 0.0) + (k - 1) * (2 * k - 1) / (6 * k)
