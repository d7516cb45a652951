"""The ladder: what one market should have resting, from spot, strike, volatility, time and inventory.

Owns the formula of the quotes in integer ticks and the words for why they are what they are. Pure; knows no order ids,
no diff, no account. A YES ask at p leaves as a NO buy at 1 - p: both sides of a ladder are purchases.

The formula has three parts: the `TargetQuote` (prices, from the underlying), the `SideCapacity` (contracts, from time
and position), and the levels that follow from both. The first two are cheap and change at every evaluation; the third
is not and seldom does, see `ladder_cache`.
"""

import math
from dataclasses import dataclass

from mmactors.core.params import MakerParams
from mmactors.core.pricing.binary import d2, delta_per_dollar, fair_sd, normal_cdf
from mmactors.core.pricing.fixings import NOTHING_REALISED, Realised
from mmactors.core.pricing.settlement import settlement_of
from mmactors.core.quoting import schedule
from mmactors.core.quoting.schedule import Phase
from mmactors.messages import Market, Outcome
from mmactors.units import DOLLAR, Contracts, Micros, Nanos, Ticks

_EPSILON = 1e-9
"""Float noise, in ticks: a price this close to a tick is on it."""

_HAIR = 1e-11
"""More than the rounding of a price in ticks, and less than anybody would notice."""

_LEAST_TAU_S = 1e-3
"""d2 is given as of this much time left when there is less."""

Level = tuple[Ticks, Contracts]


# Not frozen, as what follows: one is made at every evaluation, and freezing costs the most of it.
@dataclass(slots=True)
class QuoteInputs:
    """What a ladder is made from.

    Attributes:
        spot, strike, sigma: the underlying; sigma annualised.
        tau_ns: time left of the session.
        age_s: time since any sign of life of the reference.
        latency_s: measured feed and order latency.
        net: YES minus NO held.
        yes_committed, no_committed: contracts that may still be bought by orders outside this ladder.
        cash_micros: cash the ladder may spend.
        limit_tau_ns: time left at which the position limit, reduce-only and the dead side are judged.
        previous_bid, previous_ask: best prices of the ladder that stands, for hysteresis.
        reduce_only: the account may only cut |net|, whatever the time.
        fee_micros: maker's fee per contract, negative for a rebate; None takes the market's rate of each side's price.
        uncertainty: dollars by which the underlying's sources are apart.
        realised: what of a market's average is realised, if it settles on one.
    """

    spot: float
    strike: float
    sigma: float
    tau_ns: Nanos
    age_s: float
    latency_s: float
    net: int
    yes_committed: int
    no_committed: int
    cash_micros: Micros
    limit_tau_ns: Nanos
    previous_bid: Ticks | None = None
    previous_ask: Ticks | None = None
    reduce_only: bool = False
    fee_micros: Micros | None = None
    uncertainty: float = 0.0
    realised: Realised = NOTHING_REALISED


@dataclass(slots=True)
class TargetQuote:
    """Where the best prices should be, before they are whole ticks (dollars unless named otherwise).

    `raw_bid` and `raw_ask` are in ticks; `lean_weight` is how far the lean has ramped in, 0 to 1; `uncertainty` as
    in the inputs; `left_s` the seconds that the underlying's deviation is of: to expiry, or fewer for an average.
    """

    d2: float
    fair: float
    f: float
    lean_weight: float
    lean: float
    half_bid: float
    half_ask: float
    raw_bid: float
    raw_ask: float
    uncertainty: float = 0.0
    left_s: float = 0.0

    @property
    def half_spread(self) -> float:
        """The mean of both sides' distance from where the ladder leans to."""
        return (self.half_bid + self.half_ask) / 2


@dataclass(slots=True)
class SideCapacity:
    """How many contracts either side may yet have resting, and why."""

    phase: Phase
    position_limit: int
    reduce_only: bool
    dead: Outcome | None
    yes_left: int
    no_left: int


@dataclass(slots=True)
class Ladder:
    """What should rest, best first, in YES ticks; and every figure behind it.

    `best_bid` and `best_ask` are the target in whole ticks, whether or not anything may rest there.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    best_bid: Ticks
    best_ask: Ticks
    short_of_cash: bool
    target: TargetQuote
    capacity: SideCapacity
    net: int

    @property
    def why(self) -> str:
        """What holds the ladder where it is, in words."""
        target, capacity = self.target, self.capacity
        if capacity.phase is Phase.CLOSED:
            return "closed"
        if capacity.dead is not None:
            text = f"dead side {capacity.dead}"
        elif capacity.phase is Phase.REDUCE_ONLY:
            text = f"reduce-only, net {self.net:+d}"
        else:
            text = f"lean {target.lean * 100:+.1f}c, room {capacity.position_limit}"
            if target.lean_weight > 0.0 and self.net:
                text += f", flattening net {self.net:+d}"
            if capacity.yes_left == 0:
                text += ", no room for YES"
            if capacity.no_left == 0:
                text += ", no room for NO"
        if target.uncertainty > 0.0:
            text += f", sources apart: price +-${target.uncertainty:.2f}"
        return text + ", short of cash" if self.short_of_cash else text


class Quoter:
    """One market's formula, its constants worked out once.

    Args:
        market: its terms.
        params: how to quote.

    Attributes:
        per_dollar: ticks in a dollar.
        duration_ns, close_ns: length of the session, and the time left at which all is cancelled.
        full: contracts of a whole side of the ladder.
        settlement: what decides the market.
        cross_f: share of the session left from which liquidity may be taken; negative for never.
    """

    def __init__(self, market: Market, params: MakerParams) -> None:
        quoting, limits = params.quoting, params.inventory
        self.market = market
        self.params = params
        self._sound = market.strike is not None and 0.0 < market.strike < math.inf and market.duration_ns > 0
        self.per_dollar = market.ticks_per_dollar
        self.duration_ns = market.duration_ns
        self.close_ns = schedule.close_at_ns(market.duration_ns, limits)
        self.settlement = settlement_of(market.settlement)
        self.full = min(max(quoting.size, market.min_size), market.max_size) * quoting.levels
        self._margin = quoting.hysteresis * self.per_dollar - _EPSILON
        # More than two whole sides can cost: with this much cash, cash is no matter.
        self._dearest = 2 * self.full * (DOLLAR + math.ceil(DOLLAR * max(market.maker_bps, 0.0) * 1e-4))
        self._flat_enough = math.floor(limits.cross_to * limits.max_position + _EPSILON)
        self._size = min(max(quoting.size, market.min_size), market.max_size)
        self._count = quoting.levels
        self._spacing = max(math.ceil(quoting.spacing * self.per_dollar - _EPSILON), 1)
        self._half = quoting.spread / 2
        self._k_lat = quoting.k_lat
        self._latency_floor_s = quoting.latency_floor_s
        self._fee = market.maker_bps * 1e-4
        self._least = params.risk.min_spread_micros / DOLLAR / 2
        self._lean_early = limits.lean_early
        self._lean_more = limits.lean_late - limits.lean_early
        self._max_position = limits.max_position
        self._concession, self._concession_full = limits.give, limits.give_full
        self.cross_f = limits.cross_f if limits.cross else -1.0
        self._late_f = max(limits.reduce_only_f, limits.dead_f)
        # From here on the phase is looked up, above it is only early or flattening.
        self._phased_f = max(limits.reduce_only_f, (self.close_ns + 1) / max(self.duration_ns, 1))

    def prices(self, spot: float, sigma: float, tau_ns: int) -> bool:
        """Whether these figures make a price."""
        return self._sound and tau_ns > 0 and 0.0 < spot < math.inf and 0.0 < sigma < math.inf

    def target(self, inputs: QuoteInputs) -> TargetQuote:
        """Return where the best prices should be.

        Raises:
            ValueError: spot, strike, sigma or the duration is not positive.
        """
        strike, tau_s = self.settlement.as_spot(inputs.strike, inputs.spot, inputs.tau_ns, inputs.realised)
        if tau_s > _LEAST_TAU_S:
            deviations = d2(inputs.spot, strike, inputs.sigma, tau_s)
            fair = normal_cdf(deviations)
        else:
            deviations = d2(inputs.spot, strike, inputs.sigma, _LEAST_TAU_S)
            if tau_s > 0.0:
                fair = normal_cdf(d2(inputs.spot, strike, inputs.sigma, tau_s))
            else:
                fair = self.settlement.decided(inputs.spot, strike)

        # Strategy: reaction time widens, inventory leans, and the reducing side may give a little, late.
        reaction_s = inputs.latency_s if inputs.latency_s > self._latency_floor_s else self._latency_floor_s
        if inputs.age_s > 0.0:
            reaction_s += inputs.age_s
        pick_off = fair_sd(deviations, reaction_s, tau_s, self._k_lat)
        half_bid = half_ask = self._half + pick_off
        if inputs.uncertainty > 0.0:
            worth = delta_per_dollar(deviations, inputs.spot, inputs.sigma, tau_s if tau_s > 0.5 else 0.5)
            half_bid = half_ask = half_bid + inputs.uncertainty * worth
        if inputs.fee_micros is not None:
            half_bid = half_ask = half_bid + inputs.fee_micros / DOLLAR
        elif self._fee:
            half_bid, half_ask = half_bid + self._fee * fair, half_ask + self._fee * (1.0 - fair)
        if half_bid < self._least:
            half_bid = self._least
        if half_ask < self._least:
            half_ask = self._least
        net = inputs.net
        f = schedule.f(inputs.tau_ns, self.duration_ns)
        lean_weight = schedule.lean_weight(f)
        lean = (self._lean_early + self._lean_more * lean_weight) * net / self._max_position
        concession = (self._concession + self._concession_full * abs(net) / self._max_position) * lean_weight
        highest = fair + concession if net < 0 else fair
        lowest = fair - concession if net > 0 else fair
        raw_bid = min(fair - lean - half_bid, highest) * self.per_dollar
        raw_ask = max(fair - lean + half_ask, lowest) * self.per_dollar
        # What reduces is not driven off the scale while its last tick costs no more than that.
        last = self.per_dollar - 1
        if net > 0 and raw_ask > last >= lowest * self.per_dollar:
            raw_bid, raw_ask = min(raw_bid, last - 2 * self._least * self.per_dollar), float(last)
        elif net < 0 and raw_bid < 1 <= highest * self.per_dollar:
            raw_bid, raw_ask = 1.0, max(raw_ask, 1 + 2 * self._least * self.per_dollar)
        halves = half_bid, half_ask
        return TargetQuote(deviations, fair, f, lean_weight, lean, *halves, raw_bid, raw_ask, inputs.uncertainty, tau_s)

    def capacity(self, inputs: QuoteInputs) -> SideCapacity:
        """Return how many contracts either side may have resting."""
        limits, net = self.params.inventory, inputs.net
        f_limit = schedule.f(inputs.limit_tau_ns, self.duration_ns)
        position_limit = schedule.position_limit(f_limit, limits)
        yes_left = position_limit - net - inputs.yes_committed
        no_left = position_limit + net - inputs.no_committed
        reduce_only, dead = inputs.reduce_only, None
        f = schedule.f(inputs.tau_ns, self.duration_ns)
        if reduce_only or f_limit <= self._late_f:
            reduce_only = reduce_only or f_limit <= limits.reduce_only_f
            dead = self._dead_side(inputs, f_limit)
            if reduce_only or dead is Outcome.YES:
                cut = 0 if dead is Outcome.YES and limits.dead_side == "zero" else -net - inputs.yes_committed
                yes_left = min(yes_left, cut)
            if reduce_only or dead is Outcome.NO:
                cut = 0 if dead is Outcome.NO and limits.dead_side == "zero" else net - inputs.no_committed
                no_left = min(no_left, cut)
        phase = Phase.EARLY if f >= schedule.EARLY_F else Phase.FLATTENING
        if f <= self._phased_f:
            phase = schedule.phase(f, self.duration_ns, limits)
        if phase is Phase.CLOSED:
            yes_left = no_left = 0
        elif dead is not None:
            phase = Phase.DEAD_SIDE
        elif reduce_only:
            phase = Phase.REDUCE_ONLY
        return SideCapacity(
            phase, position_limit, reduce_only, dead, yes_left if yes_left > 0 else 0, no_left if no_left > 0 else 0
        )

    def ladder(self, inputs: QuoteInputs, target: TargetQuote, capacity: SideCapacity) -> Ladder:
        """Return the ladder for these inputs, of which `target` and `capacity` are made."""
        bid, ask = self.with_hysteresis(target.raw_bid, target.raw_ask, inputs.previous_bid, inputs.previous_ask)
        bids = self._levels(bid, -self._spacing, capacity.yes_left)
        asks = self._levels(ask, self._spacing, capacity.no_left)
        short_of_cash = inputs.cash_micros < self._dearest and (
            self._cost(bids, Outcome.YES) + self._cost(asks, Outcome.NO) > inputs.cash_micros
        )
        if short_of_cash:
            bids, asks = self._within_cash(bids, asks, inputs)
        return Ladder(bids, asks, bid, ask, short_of_cash, target, capacity, inputs.net)

    def with_hysteresis(
        self, raw_bid: float, raw_ask: float, previous_bid: Ticks | None, previous_ask: Ticks | None
    ) -> tuple[Ticks, Ticks]:
        """Return the best bid and ask: outwards at once, inwards only `hysteresis` beyond the next tick.

        The result is never further in than the raw targets floored and ceiled.
        """
        bid = math.floor(raw_bid + _EPSILON)
        if previous_bid is not None and bid > previous_bid:
            bid = max(previous_bid, math.floor(raw_bid - self._margin))
        ask = math.ceil(raw_ask - _EPSILON)
        if previous_ask is not None and ask < previous_ask:
            ask = min(previous_ask, math.ceil(raw_ask + self._margin))
        return Ticks(bid), Ticks(ask)

    def bid_range(self, bid: int, previous: int | None) -> tuple[float, float]:
        """Return between which raw bids `with_hysteresis` says `bid`; a hair less than all of them."""
        low = bid - _EPSILON if previous is None or bid <= previous else bid + self._margin
        high = bid + 1 - _EPSILON if previous is None or bid < previous else bid + 1 + self._margin
        return low + _HAIR, high - _HAIR

    def ask_range(self, ask: int, previous: int | None) -> tuple[float, float]:
        """Return between which raw asks `with_hysteresis` says `ask`; a hair less than all of them."""
        low, high = self.bid_range(-ask, None if previous is None else -previous)
        return -high, -low

    def taker_order(
        self,
        inputs: QuoteInputs,
        target: TargetQuote,
        capacity: SideCapacity,
        best_bid: Ticks | None,
        best_ask: Ticks | None,
    ) -> tuple[Outcome, Ticks, Contracts] | None:
        """Return the immediate purchase that flattens, late, when the book's price is fair enough; None if none is.

        At f <= cross_f with |net| above `cross_to * max_position`: the outcome that cuts |net|, at the book's best
        price, down to that share, if price - fair + taker's fee <= cross_edge. `best_bid` and `best_ask` are the rest
        of the book's, in YES ticks. Until it is decided, the caller counts the purchase as committed.
        """
        market, limits = self.market, self.params.inventory
        excess = abs(inputs.net) - self._flat_enough
        if target.f > self.cross_f or capacity.phase is Phase.CLOSED or excess <= 0:
            return None
        if inputs.net < 0:
            outcome, ticks, fair, committed = Outcome.YES, best_ask, target.fair, inputs.yes_committed
        else:
            outcome, fair, committed = Outcome.NO, 1.0 - target.fair, inputs.no_committed
            ticks = None if best_bid is None else Ticks(self.per_dollar - best_bid)
        if ticks is None or (capacity.dead is outcome and limits.dead_side == "zero"):
            return None
        price = ticks * market.tick_micros / DOLLAR
        if price - fair + market.taker_bps * 1e-4 * price > limits.cross_edge + _EPSILON:
            return None
        affordable = int(inputs.cash_micros / (price * (1.0 + max(market.taker_bps, 0.0) * 1e-4) * DOLLAR))
        size = min(excess - committed, market.max_size, affordable)
        return (outcome, ticks, Contracts(size)) if size >= market.min_size else None

    def _dead_side(self, inputs: QuoteInputs, f_limit: float) -> Outcome | None:
        limits = self.params.inventory
        if f_limit > limits.dead_f:
            return None
        ahead_ns = max(inputs.tau_ns - inputs.limit_tau_ns, 0)
        strike, tau_s = self.settlement.as_spot(inputs.strike, inputs.spot, inputs.tau_ns, inputs.realised, ahead_ns)
        then = d2(inputs.spot, strike, inputs.sigma, max(tau_s, _LEAST_TAU_S))
        if abs(then) < limits.dead_d2:
            return None
        return Outcome.NO if then > 0 else Outcome.YES

    def _levels(self, best: Ticks, spacing: int, left: int) -> tuple[Level, ...]:
        levels: list[Level] = []
        for ticks in range(best, best + spacing * self._count, spacing):
            here = self._size if self._size < left else left
            if here < self.market.min_size:
                break
            # Levels off the scale are dropped, never moved onto its end.
            if 1 <= ticks < self.per_dollar:
                levels.append((Ticks(ticks), Contracts(here)))
                left -= here
        return tuple(levels)

    def _price_micros(self, ticks: Ticks, outcome: Outcome) -> int:
        market = self.market
        paid = (ticks if outcome is Outcome.YES else self.per_dollar - ticks) * market.tick_micros
        return paid + math.ceil(paid * market.maker_bps * 1e-4) if market.maker_bps > 0 else paid

    def _cost(self, levels: tuple[Level, ...], outcome: Outcome) -> int:
        return sum([self._price_micros(ticks, outcome) * size for ticks, size in levels])

    def _within_cash(
        self, bids: tuple[Level, ...], asks: tuple[Level, ...], inputs: QuoteInputs
    ) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        cash = max(inputs.cash_micros, 0)
        bid_cost, ask_cost = self._cost(bids, Outcome.YES), self._cost(asks, Outcome.NO)
        if inputs.net < 0:
            bid_cash, ask_cash = cash, max(cash - bid_cost, 0)
        elif inputs.net > 0:
            bid_cash, ask_cash = max(cash - ask_cost, 0), cash
        else:
            # Flat: half each, and what one side leaves over is the other's.
            bid_cash, ask_cash = max(cash // 2, cash - ask_cost), max(cash // 2, cash - bid_cost)
        return self._funded(bids, bid_cash, Outcome.YES), self._funded(asks, ask_cash, Outcome.NO)

    def _funded(self, levels: tuple[Level, ...], cash: int, outcome: Outcome) -> tuple[Level, ...]:
        funded: list[Level] = []
        for ticks, size in levels:
            price = self._price_micros(ticks, outcome)
            here = min(size, cash // price)
            if here < self.market.min_size:
                break
            funded.append((ticks, Contracts(here)))
            cash -= here * price
        return tuple(funded)
