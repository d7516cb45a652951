"""The field's published strategies, as formulas: what each would have resting, given what it sees.

Owns each rival's arithmetic and cadence (strategy.md section 5) and nothing of how orders travel. A rival only buys, as
we do: what its project would sell is the same purchase of the other outcome, and pairs are merged before it looks.
Prices are dollars inside, whole cents in what is wanted, rounded as the rival's project rounds or down to a cent.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

Wanted = dict[tuple[str, int], int]
"""Contracts that should rest, by outcome ("YES" or "NO") and its own price in cents."""

_NOISE = 1e-9


@dataclass(frozen=True, slots=True)
class View:
    """What a rival sees when it looks.

    Attributes:
        price: P(YES) in dollars: the venue's mid as published, our fair value for a steelman; None if there is none.
        spot, strike: the underlying and what it is measured against.
        left_s, duration_s: time left and length of the session.
        yes, no: contracts held; after merging one of them is 0.
        cash: dollars.
        resting: what rests of its own, by outcome and cents.
        flow_z: the recent order flow's z-score, buyers of YES positive.
    """

    price: float | None
    spot: float
    strike: float
    left_s: float
    duration_s: float
    yes: int
    no: int
    cash: float
    resting: Mapping[tuple[str, int], int]
    flow_z: float = 0.0

    @property
    def net(self) -> int:
        """YES minus NO."""
        return self.yes - self.no


class Rival(ABC):
    """One strategy in one session.

    `every_s` is how often it looks as published, `merges` whether its pairs are turned back into cash before it does. A
    steelman is given our fair value as its price.
    """

    every_s: ClassVar[float]
    merges: ClassVar[bool] = True

    def __init__(self, max_position: int = 1000, *, steelman: bool = False) -> None:
        self.max_position = max_position
        self.steelman = steelman
        self._spots: deque[float] = deque(maxlen=101)
        self._prices: deque[float] = deque(maxlen=101)
        self._received_s = -math.inf

    def listens(self, now_s: float) -> bool:
        """Tell whether it would keep a price now."""
        return now_s - self._received_s >= 1.0 - _NOISE

    def on_price(self, spot: float, price: float | None, now_s: float) -> None:
        """Take the underlying and the price it works with, as often as they come; it keeps one a second."""
        if self.listens(now_s):
            self._received_s = now_s
            self._spots.append(spot)
            if price is not None:
                self._prices.append(price)

    def remember(self, former: "Rival") -> None:
        """Take over what it has seen of the underlying in the session before; prices of another market mean nothing."""
        self._spots.extend(former._spots)

    @abstractmethod
    def wanted(self, view: View) -> Wanted | None:
        """Return what should rest, or None to leave everything as it is."""


def floor_cents(dollars: float) -> int:
    """Return the price in whole cents, rounded down."""
    return math.floor(dollars * 100 + _NOISE)


def _add(wanted: Wanted, outcome: str, cents: int, size: float) -> None:
    if 1 <= cents <= 99 and size >= 1.0:
        wanted[outcome, cents] = wanted.get((outcome, cents), 0) + int(size + _NOISE)


class SeedsV1(Rival):
    """The specification's market maker, read charitably: limits that work, prices put on the tick.

    Volatility from the last 100 prices a second apart (3.2), N(d2) clamped (3.1), spread .04 in three levels of 100
    (4.1), skew of 2 c (5.2), `max_position` per outcome (5.3), nothing in the last 30 s (6.1). It keeps its pairs.
    """

    every_s: ClassVar[float] = 0.1
    merges: ClassVar[bool] = False

    def volatility(self) -> float | None:
        """Return its annualised volatility; None before it has enough prices, or if they stood still."""
        if len(self._spots) < 12:
            return None
        returns = [math.log(b / a) for a, b in pairwise(self._spots)]
        mean = sum(returns) / len(returns)
        variance = sum((r - mean) ** 2 for r in returns) / (len(returns) - 1)
        return math.sqrt(variance * 365 * 24 * 60 * 60) or None

    def fair(self, view: View) -> float | None:
        """Return its fair value (3.1), or as a steelman the one it is given."""
        if self.steelman:
            return view.price
        sigma = self.volatility()
        if sigma is None or view.left_s <= 0:
            return None
        d2 = math.log(view.spot / view.strike) / (sigma * math.sqrt(view.left_s / (365 * 24 * 60 * 60)))
        return max(0.01, min(0.99, 0.5 * math.erfc(-d2 / math.sqrt(2.0))))

    def wanted(self, view: View) -> Wanted | None:
        fair = self.fair(view)
        if view.left_s < 30 or fair is None:
            return {}
        skew = view.net / self.max_position * 0.02
        wanted: Wanted = {}
        for level in range(3):
            bid = max(0.01, max(0.01, round(fair - 0.02 - 0.01 * level, 2)) - skew)
            ask = min(0.99, min(0.99, round(fair + 0.02 + 0.01 * level, 2)) - skew)
            if view.yes < self.max_position:
                _add(wanted, "YES", round(bid * 100), 100)
            if view.no < self.max_position:
                _add(wanted, "NO", 100 - round(ask * 100), 100)
        return wanted


class SimpleMM(Rival):
    """The specification's `simple_mm` (11): 100 on either side, 2 c from the mid, every second; never a cancel."""

    every_s: ClassVar[float] = 1.0

    def wanted(self, view: View) -> Wanted | None:
        if view.price is None:
            return None
        wanted = dict(view.resting)
        _add(wanted, "YES", round((view.price - 0.02) * 100), 100)
        _add(wanted, "NO", 100 - round((view.price + 0.02) * 100), 100)
        return wanted


class Bands(Rival):
    """poly-market-maker's bands: per token keep each band's amount between its least and its most."""

    every_s: ClassVar[float] = 30.0
    BANDS = ((0.01, 0.01, 0.02), (0.02, 0.02, 0.03), (0.03, 0.03, 0.04))
    LEAST, AVERAGE, MOST, SMALLEST = 10, 20, 30, 15

    def wanted(self, view: View) -> Wanted | None:
        if view.price is None:
            return {}
        wanted: Wanted = {}
        cash = view.cash
        for outcome, price in (("YES", view.price), ("NO", 1.0 - view.price)):
            mine = {cents: size for (side, cents), size in view.resting.items() if side == outcome}
            for least, average, most in self.BANDS:
                low, high = price - most, price - least
                inside = {c: s for c, s in sorted(mine.items()) if low + _NOISE < c / 100 <= high + _NOISE}
                while sum(inside.values()) > self.MOST:  # the furthest out go first
                    del inside[next(iter(inside))]
                for cents, size in inside.items():
                    _add(wanted, outcome, cents, size)
                missing = self.AVERAGE - sum(inside.values())
                cents = floor_cents(price - average)
                affordable = missing * max(cents, 0) / 100 <= cash + _NOISE
                if sum(inside.values()) < self.LEAST and missing >= self.SMALLEST and cents >= 1 and affordable:
                    _add(wanted, outcome, cents, missing)
                    cash -= missing * cents / 100
        return wanted


class ConcentratedAMM(Rival):
    """poly-market-maker's AMM: concentrated liquidity on both tokens, its levels as orders."""

    every_s: ClassVar[float] = 30.0
    P_MIN, P_MAX, SPREAD, DELTA, DEPTH, COLLATERAL = 0.05, 0.95, 0.01, 0.01, 0.1, 200.0

    def wanted(self, view: View) -> Wanted | None:
        if view.price is None or not self.P_MIN < view.price < self.P_MAX:
            return {}
        yes, no = view.price, 1.0 - view.price
        sells_yes, sells_no = self.sells(yes, view.yes), self.sells(no, view.no)
        phi_yes, phi_no = self._phi(yes), self._phi(no)
        money = min(self.COLLATERAL, view.cash)
        first_yes = sells_yes[0][1] if sells_yes else 0.0
        first_no = sells_no[0][1] if sells_no else 0.0
        share = min(max((first_yes - first_no + money * phi_no) / (phi_yes + phi_no), 0.0), money)
        wanted: Wanted = {}
        for outcome, other, price, cash, sells in (
            ("YES", "NO", yes, share, sells_yes),
            ("NO", "YES", no, money - share, sells_no),
        ):
            for level, size in self.buys(price, cash):
                _add(wanted, outcome, floor_cents(level), size)
            for level, size in sells:
                _add(wanted, other, 100 - math.ceil(level * 100 - _NOISE), size)
        return wanted

    def buys(self, price: float, cash: float) -> list[tuple[float, float]]:
        """Return the levels below a token's price and their sizes."""
        low = max(price - self.DEPTH, self.P_MIN)
        if cash <= 0.0 or price - self.SPREAD < low:
            return []
        liquidity = cash / (math.sqrt(price) - math.sqrt(low))
        return self._levels(price, -1, low, lambda t: liquidity * (1 / math.sqrt(t) - 1 / math.sqrt(price)))

    def sells(self, price: float, tokens: float) -> list[tuple[float, float]]:
        """Return the levels above a token's price and their sizes."""
        high = min(price + self.DEPTH, self.P_MAX)
        if tokens <= 0 or price + self.SPREAD > high:
            return []
        liquidity = tokens / (1 / math.sqrt(price) - 1 / math.sqrt(high))
        top = liquidity / math.sqrt(high)
        return self._levels(price, 1, high, lambda t: top - liquidity / math.sqrt(t) + tokens)

    def _levels(
        self, price: float, sign: int, end: float, total: Callable[[float], float]
    ) -> list[tuple[float, float]]:
        levels, before, step = [], 0.0, 0
        while (level := price + sign * (self.SPREAD + step * self.DELTA)) * sign <= end * sign + _NOISE:
            levels.append((level, total(level) - before))
            before = total(level)
            step += 1
        return levels

    def _phi(self, price: float) -> float:
        low = max(price - self.DEPTH, self.P_MIN)
        return (1 / math.sqrt(price - self.SPREAD) - 1 / math.sqrt(price)) / (math.sqrt(price) - math.sqrt(low))


class PureMarketMaking(Rival):
    """hummingbot's pure market making with inventory skew: sizes from 0 to twice, linear in the share of YES held."""

    every_s: ClassVar[float] = 30.0
    SPREAD, SIZE, TARGET = 0.02, 100, 0.5

    def wanted(self, view: View) -> Wanted | None:
        if view.price is None:
            return {}
        share = min(max(0.5 + view.net / (2 * self.max_position), 0.0), 1.0)
        wanted: Wanted = {}
        _add(wanted, "YES", floor_cents(view.price - self.SPREAD), self.SIZE * 2 * (1 - share) * (1 - self.TARGET) * 2)
        _add(wanted, "NO", floor_cents(1 - view.price - self.SPREAD), self.SIZE * 2 * share * self.TARGET * 2)
        return wanted


class AvellanedaStoikov(Rival):
    """Avellaneda and Stoikov (2008) as hummingbot runs it: reservation price and optimal spread, one level."""

    every_s: ClassVar[float] = 30.0
    GAMMA, KAPPA, VARIANCE, SIZE = 1.0, 60.0, 0.004, 100

    def quotes(self, price: float, inventory: float, variance: float, left: float) -> tuple[float, float]:
        """Return bid and ask from the price, the inventory's and the time left's shares, and the session's variance."""
        reservation = price - inventory * self.GAMMA * variance * left
        spread = self.GAMMA * variance * left + 2 / self.GAMMA * math.log(1 + self.GAMMA / self.KAPPA)
        return reservation - spread / 2, reservation + spread / 2

    def wanted(self, view: View) -> Wanted | None:
        if view.price is None:
            return {}
        moves = [(b - a) ** 2 for a, b in pairwise(self._prices)]
        variance = sum(moves) / len(moves) * view.duration_s if moves else self.VARIANCE
        bid, ask = self.quotes(view.price, view.net / self.max_position, variance, view.left_s / view.duration_s)
        wanted: Wanted = {}
        if view.net < self.max_position:
            _add(wanted, "YES", floor_cents(bid), self.SIZE)
        if -view.net < self.max_position:
            _add(wanted, "NO", 100 - math.ceil(ask * 100 - _NOISE), self.SIZE)
        return wanted


class PolyMaker(Rival):
    """poly-maker v2: skewed around its fair value, wider with volatility and toxicity, two layers, adding side off."""

    every_s: ClassVar[float] = 1.0
    GAMMA, DELTA_MIN, C_VOL, C_TOX, ORDER, Q_MAX, LAYERS, STEP, OFF = 0.5, 2, 1.2, 2.0, 50.0, 500.0, 2, 2, 0.6
    TICK = 0.01

    def __init__(self, max_position: int = 1000, *, steelman: bool = False) -> None:
        super().__init__(max_position, steelman=steelman)
        self._quoted: tuple[float, int] | None = None

    def sigma(self) -> float:
        """Return the sd of its price over a second, from the last minute and a half."""
        moves = [(b - a) ** 2 for a, b in pairwise(self._prices)]
        return math.sqrt(sum(moves) / len(moves)) if moves else self.TICK

    def quotes(self, price: float, net: int, sigma: float, toxicity: float) -> tuple[float, float]:
        """Return what it bids for YES and for NO, in dollars, with its fair value, net, 1 s sigma and toxicity."""
        skew = min(max(net / (self.Q_MAX / price), -1.0), 1.0)
        reservation = price - self.GAMMA * sigma * skew
        delta = max(self.DELTA_MIN * self.TICK + self.C_VOL * sigma + self.C_TOX * toxicity, self.TICK)
        return min(reservation - delta, price - self.TICK), (1.0 - reservation) - delta

    def wanted(self, view: View) -> Wanted | None:
        if view.price is None:
            return {}
        price = min(max(view.price + 0.5 * view.flow_z * self.TICK, self.TICK), 1.0 - self.TICK)
        unmoved = self._quoted is not None and abs(price - self._quoted[0]) < 2 * self.TICK - _NOISE
        if unmoved and view.resting and self._quoted is not None and view.net == self._quoted[1]:
            return None
        self._quoted = (price, view.net)
        yes, no = self.quotes(price, view.net, self.sigma(), 0.0)
        use = min(max(view.net / (self.Q_MAX / price), -1.0), 1.0)
        wanted: Wanted = {}
        for layer in range(self.LAYERS):
            back = layer * self.STEP
            if use < self.OFF and (cents := floor_cents(yes) - back) >= 1:
                _add(wanted, "YES", cents, self.ORDER / (cents / 100))
            if use > -self.OFF and (cents := floor_cents(no) - back) >= 1:
                _add(wanted, "NO", cents, self.ORDER / (cents / 100))
        return wanted


class LmsrSkew(Rival):
    """A Kalshi maker's skew by the logarithmic market scoring rule: reservation from inventory, half-spread 2 c."""

    every_s: ClassVar[float] = 1.0
    SIZE, HALF = 30, 2

    def reservation(self, mid_cents: float, net: float, scale: float) -> float:
        """Return 100 / (1 + (100 / m - 1) e^(q / b)), in cents."""
        return 100.0 / (1.0 + (100.0 / mid_cents - 1.0) * math.exp(net / scale))

    def wanted(self, view: View) -> Wanted | None:
        if view.price is None or not 0.0 < view.price < 1.0:
            return {}
        scale = max(self.max_position / math.log(9.0), 25.0 * self.SIZE)
        reservation = self.reservation(view.price * 100, view.net, scale)
        wanted: Wanted = {}
        if view.net < self.max_position:
            _add(wanted, "YES", math.floor(reservation - self.HALF + _NOISE), self.SIZE)
        if -view.net < self.max_position:
            _add(wanted, "NO", 100 - math.ceil(reservation + self.HALF - _NOISE), self.SIZE)
        return wanted


RIVALS: dict[str, type[Rival]] = {
    "v1": SeedsV1,
    "simple_mm": SimpleMM,
    "bands": Bands,
    "amm": ConcentratedAMM,
    "pmm": PureMarketMaking,
    "avellaneda": AvellanedaStoikov,
    "poly_maker": PolyMaker,
    "lmsr": LmsrSkew,
}
"""By name, as the arena's `--only` takes them."""
