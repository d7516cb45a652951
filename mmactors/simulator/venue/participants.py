"""The other participants of a market: noise takers, informed takers, a thin outside quote.

Owns how they trade (strategy.md section 3, simulation rules): once per step, from house accounts, on the true price and
volatility. They must not know a clock or another market; randomness is passed in.
"""

import math
from collections import deque
from dataclasses import dataclass
from random import Random

from mmactors.config.simulator_sections import TakersConfig
from mmactors.simulator.prices.world import PricePath
from mmactors.simulator.venue.ledger import LIVE, Account, Order, Outcome
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.matching import Matching
from mmactors.units import YEAR_S

_ROOT_2_PER_YEAR = math.sqrt(2.0 / YEAR_S)
_ROUNDING = 1e-9


def fair_value(price: float, strike: float, sigma: float, seconds_left: float) -> float:
    """Return the probability that the price ends above the strike: N(ln(S/K) / (sigma sqrt(tau)))."""
    spread = sigma * math.sqrt(seconds_left) * _ROOT_2_PER_YEAR
    return 0.5 * math.erfc(-math.log(price / strike) / spread)


def fair_of(market: Market, path: PricePath, now_ms: int) -> float:
    """Return the probability that a market with a strike ends YES, by the true price and volatility.

    Raises:
        ValueError: it has no strike yet.
    """
    if market.strike is None:
        raise ValueError(f"market {market.id} has no strike")
    if market.average is not None:
        return market.average.fair(now_ms)
    return fair_value(path.price, market.strike, path.sigma, max(market.expires_at - now_ms, 1) / 1000)


@dataclass(frozen=True, slots=True)
class HouseAccounts:
    """The accounts that participants trade from."""

    noise: Account
    informed: Account
    outside: Account


class _OutsideQuote:
    """One side of the outside quote: an order that follows a price and refills at a steady rate."""

    __slots__ = ("_market", "_matching", "_outcome", "account", "allowance", "order")

    def __init__(self, matching: Matching, market: Market, account: Account, outcome: Outcome) -> None:
        self._matching = matching
        self._market = market
        self._outcome = outcome
        self.account = account
        self.allowance = 0.0
        self.order: Order | None = None

    def follow(self, yes_ticks: int, refill: float, cap: float, now_ms: int) -> None:
        """Quote this price without crossing, or nothing if it is off the scale."""
        order = self.order
        if order is not None and order.status not in LIVE:
            order = self.order = None
        resting = 0 if order is None else order.size - order.filled
        room = cap - resting
        self.allowance = allowance = min(self.allowance + refill, room) if room > 0 else 0.0
        if order is not None and order.yes_ticks == yes_ticks and allowance < cap / 5:
            return
        market = self._market
        book = market.book
        buys = self._outcome == "YES"
        yes_ticks = min(yes_ticks, book.best_ask - 1) if buys else max(yes_ticks, book.best_bid + 1)
        if not 1 <= yes_ticks < market.ticks:
            if order is not None:
                self._matching.finish(order, market, "CANCELLED", "cancel", now_ms)
                self.allowance += resting
                self.order = None
            return
        added = int(allowance)
        self.allowance -= added
        ticks = yes_ticks if buys else market.ticks - yes_ticks
        if order is not None:
            if added or yes_ticks != order.yes_ticks:
                self._matching.amend(order, market, ticks, order.size + added, now_ms)
        elif added:
            self.order = self._matching.new_order(self.account, market, "bid", self._outcome, ticks, added, now_ms)
            self._matching.enter(self.order, market, now_ms)


class TakerFlow:
    """The participants of one market, from its open to its close.

    Args:
        step_ms: time between calls of `step`, milliseconds.
        rng: randomness of this market's participants.

    Raises:
        ValueError: the market has no strike yet.
    """

    def __init__(
        self,
        matching: Matching,
        market: Market,
        path: PricePath,
        house_accounts: HouseAccounts,
        config: TakersConfig,
        step_ms: int,
        now_ms: int,
        rng: Random,
    ) -> None:
        if market.strike is None:
            raise ValueError(f"market {market.id} has no strike")
        self._matching = matching
        self._market = market
        self._strike = market.strike
        self._path = path
        self._house_accounts = house_accounts
        self._config = config
        self._half_spread = config.outside_half_spread
        self._rng = rng
        self._random = rng.random
        self._informed_per_step = config.informed_per_step if config.informed_max_size else 0.0
        self._refill = config.outside_size_per_s * step_ms / 1000
        self._cap = max(1.0, config.outside_size_per_s) if config.outside_size_per_s else 0.0
        self._fairs: deque[float] = deque(maxlen=config.outside_delay_ms // step_ms + 1)
        self._bid = _OutsideQuote(matching, market, house_accounts.outside, "YES")
        self._ask = _OutsideQuote(matching, market, house_accounts.outside, "NO")
        self._last_bid = 0
        self._next_noise_ms = math.inf
        self._plan_noise(float(now_ms))

    def restrike(self) -> None:
        """Use the market's new strike."""
        if self._market.strike is not None:
            self._strike = self._market.strike
        self._fairs.clear()

    def step(self, now_ms: int) -> None:
        """Let every participant act once."""
        market = self._market
        left_ms = market.expires_at - now_ms
        if left_ms <= 0 or market.status != "OPEN":
            return
        path = self._path
        if market.average is None:
            fair = fair_value(path.price, self._strike, path.sigma, left_ms / 1000)
        else:
            fair = market.average.fair(now_ms)
        fairs = self._fairs
        fairs.append(fair)
        if self._cap:
            old, ticks, half = fairs[0], market.ticks, self._half_spread
            bid = math.floor((old - half) * ticks + _ROUNDING)
            ask = math.ceil((old + half) * ticks - _ROUNDING)
            if bid > self._last_bid:  # the side in front moves first, so that they never cross
                self._ask.follow(ask, self._refill, self._cap, now_ms)
                self._bid.follow(bid, self._refill, self._cap, now_ms)
            else:
                self._bid.follow(bid, self._refill, self._cap, now_ms)
                self._ask.follow(ask, self._refill, self._cap, now_ms)
            self._last_bid = bid
        while self._next_noise_ms <= now_ms:
            self._plan_noise(self._next_noise_ms)
            self._trade_noise(fair, now_ms)
        if self._random() < self._informed_per_step:
            self._trade_informed(fair, now_ms)

    def _plan_noise(self, after_ms: float) -> None:
        rate = self._config.noise_per_s
        self._next_noise_ms = after_ms + self._rng.expovariate(rate) * 1000 if rate else math.inf

    def _trade_noise(self, fair: float, now_ms: int) -> None:
        config, rng = self._config, self._rng
        size = max(1, round(rng.expovariate(1 / config.noise_size_mean)))
        reach = rng.expovariate(1.0) * (config.noise_edge * math.sqrt(4 * fair * (1 - fair)) + config.noise_edge_floor)
        if rng.random() < 0.5:
            self._buy_now(self._house_accounts.noise, "YES", fair + reach, size, now_ms)
        else:
            self._buy_now(self._house_accounts.noise, "NO", fair - reach, size, now_ms)

    def _trade_informed(self, fair: float, now_ms: int) -> None:
        config, book, ticks = self._config, self._market.book, self._market.ticks
        fees, informed, size = self._market.fees, self._house_accounts.informed, config.informed_max_size
        edge = config.informed_edge + fees.of_taker(fair, True)
        if book.best_ask < (fair - edge) * ticks - _ROUNDING:
            self._buy_now(informed, "YES", fair - edge - _ROUNDING, size, now_ms)
            return
        edge = config.informed_edge + fees.of_taker(fair, False)
        if book.best_bid > (fair + edge) * ticks + _ROUNDING:
            self._buy_now(informed, "NO", fair + edge + _ROUNDING, size, now_ms)

    def _buy_now(self, account: Account, outcome: Outcome, yes_price: float, size: int, now_ms: int) -> None:
        """Buy an outcome at once, up to a price in YES terms; what is not filled is cancelled."""
        market = self._market
        if outcome == "YES":
            ticks = min(math.floor(yes_price * market.ticks), market.ticks - 1)
            yes_ticks = ticks
        else:
            yes_ticks = max(math.ceil(yes_price * market.ticks), 1)
            ticks = market.ticks - yes_ticks
        if ticks < 1 or not market.book.crosses(outcome == "YES", yes_ticks):
            return
        order = self._matching.new_order(account, market, "bid", outcome, ticks, size, now_ms)
        order.ioc = True
        self._matching.enter(order, market, now_ms)
