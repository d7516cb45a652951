"""The ladder: what one market should have resting, from spot, strike, volatility, time and inventory.

Owns the formula of the quotes in integer ticks and the words for why they are what they are. Pure; knows no order ids,
no diff, no account. A YES ask at p leaves as a NO buy at 1 - p: both sides of a ladder are purchases.
"""

import math
from dataclasses import dataclass

from mmactors.core import schedule
from mmactors.core.params import MakerParams
from mmactors.core.pricing import d2, delta_per_dollar, fair_value, normal_cdf, normal_pdf
from mmactors.core.schedule import Phase
from mmactors.messages import Market, Outcome, SettlementRule
from mmactors.units import DOLLAR, SECOND, Contracts, Micros, Nanos, Ticks

_EPSILON = 1e-9
"""Float noise, in ticks: a price this close to a tick is on it."""

_LEAST_TAU_S = 1e-3
"""d2 is told as of this much time left when there is less."""

Level = tuple[Ticks, Contracts]


@dataclass(frozen=True, slots=True)
class QuoteInputs:
    """What a ladder is made from.

    Attributes:
        spot, strike, sigma: the underlying; sigma annualised.
        tau_ns, duration_ns: time left and length of the session.
        age_s: time since any sign of life of the reference.
        latency_s: measured feed and order latency.
        net: YES minus NO held.
        yes_committed, no_committed: contracts that may still be bought by orders outside this ladder.
        cash_micros: cash the ladder may spend.
        room_tau_ns: time left at which the room, reduce-only and the dead side are judged.
        fee_micros: maker's fee per contract, negative for a rebate; None takes the market's rate of each side's price.
        settlement: the rule deciding at expiry; None takes the market's.
        previous_bid, previous_ask: best prices of the ladder that stands, for hysteresis.
        reduce_only: the account may only cut |net|, whatever the time.
        uncertainty: dollars by which the underlying's sources are in doubt.
    """

    spot: float
    strike: float
    sigma: float
    tau_ns: Nanos
    duration_ns: Nanos
    age_s: float
    latency_s: float
    net: int
    yes_committed: int
    no_committed: int
    cash_micros: Micros
    room_tau_ns: Nanos
    fee_micros: Micros | None = None
    settlement: SettlementRule | None = None
    previous_bid: Ticks | None = None
    previous_ask: Ticks | None = None
    reduce_only: bool = False
    uncertainty: float = 0.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """What should rest, best first, in YES ticks; and every figure behind it (dollars unless named otherwise).

    `raw_bid` and `raw_ask` are the targets in ticks before rounding and hysteresis.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    fair: float
    d2: float
    lean: float
    half_spread: float
    room: int
    f: float
    sigma: float
    phase: str
    dead: Outcome | None
    why: str
    raw_bid: float
    raw_ask: float


def with_hysteresis(
    raw_bid: float,
    raw_ask: float,
    previous_bid: Ticks | None,
    previous_ask: Ticks | None,
    params: MakerParams,
    market: Market,
) -> tuple[Ticks, Ticks]:
    """Return the best bid and ask: outwards at once, inwards only `hysteresis` beyond the next tick.

    The result is never further in than the raw targets floored and ceiled.
    """
    margin = params.quoting.hysteresis * market.ticks_per_dollar - _EPSILON
    bid = math.floor(raw_bid + _EPSILON)
    if previous_bid is not None and bid > previous_bid:
        bid = max(previous_bid, math.floor(raw_bid - margin))
    ask = math.ceil(raw_ask - _EPSILON)
    if previous_ask is not None and ask < previous_ask:
        ask = min(previous_ask, math.ceil(raw_ask + margin))
    return Ticks(bid), Ticks(ask)


def quote(inputs: QuoteInputs, market: Market, params: MakerParams) -> Ladder:
    """Return the ladder for these inputs.

    Raises:
        ValueError: spot, strike, sigma or the duration is not positive.
    """
    quoting, limits = params.quoting, params.inventory
    per_dollar = market.ticks_per_dollar
    net = inputs.net
    f = schedule.f(inputs.tau_ns, inputs.duration_ns)
    f_room = schedule.f(inputs.room_tau_ns, inputs.duration_ns)
    room = schedule.room(f_room, limits)

    tau_s = inputs.tau_ns / SECOND
    deviations = d2(inputs.spot, inputs.strike, inputs.sigma, max(tau_s, _LEAST_TAU_S))
    if tau_s > _LEAST_TAU_S:
        fair = normal_cdf(deviations)
    else:
        fair = fair_value(inputs.spot, inputs.strike, inputs.sigma, tau_s, inputs.settlement or market.settlement)

    # Strategy: reaction time widens, inventory leans, and the reducing side may give a little, late.
    reaction_s = max(inputs.latency_s, quoting.latency_floor_s) + max(inputs.age_s, 0.0)
    pick_off = quoting.k_lat * normal_pdf(deviations) * math.sqrt(reaction_s / max(tau_s, 0.5))
    half = quoting.spread / 2 + pick_off
    if inputs.uncertainty > 0.0:
        half += inputs.uncertainty * delta_per_dollar(deviations, inputs.spot, inputs.sigma, max(tau_s, 0.5))
    if inputs.fee_micros is None:
        yes_fee, no_fee = market.maker_bps * 1e-4 * fair, market.maker_bps * 1e-4 * (1.0 - fair)
    else:
        yes_fee = no_fee = inputs.fee_micros / DOLLAR
    least = params.risk.min_spread_micros / DOLLAR / 2
    half_bid, half_ask = max(least, half + yes_fee), max(least, half + no_fee)
    weight = schedule.lean_weight(f)
    lean = (limits.lean_early + (limits.lean_late - limits.lean_early) * weight) * net / limits.max_position
    give = limits.give * weight
    raw_bid = min(fair - lean - half_bid, fair + give if net < 0 else fair) * per_dollar
    raw_ask = max(fair - lean + half_ask, fair - give if net > 0 else fair) * per_dollar

    phase = schedule.phase(f, inputs.duration_ns, limits)
    reduce_only = inputs.reduce_only or f_room <= limits.reduce_only_f
    dead = _dead_side(inputs, f_room, params)
    yes_left = max(room - net - inputs.yes_committed, 0)
    no_left = max(room + net - inputs.no_committed, 0)
    yes_cut = max(-net - inputs.yes_committed, 0)
    no_cut = max(net - inputs.no_committed, 0)
    if reduce_only or dead is Outcome.YES:
        yes_left = min(yes_left, 0 if dead is Outcome.YES and limits.dead_side == "zero" else yes_cut)
    if reduce_only or dead is Outcome.NO:
        no_left = min(no_left, 0 if dead is Outcome.NO and limits.dead_side == "zero" else no_cut)
    if phase is Phase.CLOSED:
        yes_left = no_left = 0
    elif dead is not None:
        phase = Phase.DEAD_SIDE
    elif reduce_only:
        phase = Phase.REDUCE_ONLY

    bid, ask = with_hysteresis(raw_bid, raw_ask, inputs.previous_bid, inputs.previous_ask, params, market)
    spacing = max(math.ceil(quoting.spacing * per_dollar - _EPSILON), 1)
    bids = _levels(bid, -spacing, yes_left, market, params)
    asks = _levels(ask, spacing, no_left, market, params)
    short_of_cash = _cost(bids, market, Outcome.YES) + _cost(asks, market, Outcome.NO) > inputs.cash_micros
    if short_of_cash:
        bids, asks = _within_cash(bids, asks, inputs, market)
    return Ladder(
        bids=bids,
        asks=asks,
        fair=fair,
        d2=deviations,
        lean=lean,
        half_spread=(half_bid + half_ask) / 2,
        room=room,
        f=f,
        sigma=inputs.sigma,
        phase=phase,
        dead=dead,
        why=_why(phase, dead, lean, room, net, weight, yes_left, no_left, short_of_cash, inputs.uncertainty),
        raw_bid=raw_bid,
        raw_ask=raw_ask,
    )


def crossing(
    inputs: QuoteInputs,
    ladder: Ladder,
    best_bid: Ticks | None,
    best_ask: Ticks | None,
    params: MakerParams,
    market: Market,
) -> tuple[Outcome, Ticks, Contracts] | None:
    """Return the immediate purchase that flattens, late, when the book's price is fair enough; None if there is none.

    At f <= cross_f with |net| above `cross_to * max_position`: the outcome that cuts |net|, at the book's best price,
    down to that share, if price - fair + taker's fee <= cross_edge. `best_bid` and `best_ask` are the rest of the
    book's, in YES ticks. Until it is decided, the caller counts the purchase as committed.
    """
    limits = params.inventory
    target = math.floor(limits.cross_to * limits.max_position + _EPSILON)
    excess = abs(inputs.net) - target
    if not limits.cross or ladder.phase == Phase.CLOSED or ladder.f > limits.cross_f or excess <= 0:
        return None
    if inputs.net < 0:
        outcome, ticks, fair, committed = Outcome.YES, best_ask, ladder.fair, inputs.yes_committed
    else:
        outcome, fair, committed = Outcome.NO, 1.0 - ladder.fair, inputs.no_committed
        ticks = None if best_bid is None else Ticks(market.ticks_per_dollar - best_bid)
    if ticks is None or (ladder.dead is outcome and limits.dead_side == "zero"):
        return None
    price = ticks * market.tick_micros / DOLLAR
    if price - fair + market.taker_bps * 1e-4 * price > limits.cross_edge + _EPSILON:
        return None
    affordable = int(inputs.cash_micros / (price * (1.0 + max(market.taker_bps, 0.0) * 1e-4) * DOLLAR))
    size = min(excess - committed, market.max_size, affordable)
    return (outcome, ticks, Contracts(size)) if size >= market.min_size else None


def _dead_side(inputs: QuoteInputs, f_room: float, params: MakerParams) -> Outcome | None:
    limits = params.inventory
    if f_room > limits.dead_f:
        return None
    tau_s = max(min(inputs.room_tau_ns, inputs.tau_ns) / SECOND, _LEAST_TAU_S)
    then = d2(inputs.spot, inputs.strike, inputs.sigma, tau_s)
    if abs(then) < limits.dead_d2:
        return None
    return Outcome.NO if then > 0 else Outcome.YES


def _levels(best: Ticks, spacing: int, left: int, market: Market, params: MakerParams) -> tuple[Level, ...]:
    size = min(max(params.quoting.size, market.min_size), market.max_size)
    levels: list[Level] = []
    for ticks in range(best, best + spacing * params.quoting.levels, spacing):
        here = min(size, left)
        if here < market.min_size:
            break
        # Levels off the scale are dropped, never moved onto its end.
        if 1 <= ticks < market.ticks_per_dollar:
            levels.append((Ticks(ticks), Contracts(here)))
            left -= here
    return tuple(levels)


def _price_micros(ticks: Ticks, market: Market, outcome: Outcome) -> int:
    paid = (ticks if outcome is Outcome.YES else market.ticks_per_dollar - ticks) * market.tick_micros
    return paid + math.ceil(paid * market.maker_bps * 1e-4) if market.maker_bps > 0 else paid


def _cost(levels: tuple[Level, ...], market: Market, outcome: Outcome) -> int:
    return sum(_price_micros(ticks, market, outcome) * size for ticks, size in levels)


def _within_cash(
    bids: tuple[Level, ...], asks: tuple[Level, ...], inputs: QuoteInputs, market: Market
) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    cash = max(inputs.cash_micros, 0)
    bid_cost, ask_cost = _cost(bids, market, Outcome.YES), _cost(asks, market, Outcome.NO)
    if inputs.net < 0:
        bid_cash, ask_cash = cash, max(cash - bid_cost, 0)
    elif inputs.net > 0:
        bid_cash, ask_cash = max(cash - ask_cost, 0), cash
    else:
        # Flat: half each, and what one side leaves over is the other's.
        bid_cash, ask_cash = max(cash // 2, cash - ask_cost), max(cash // 2, cash - bid_cost)
    return _funded(bids, bid_cash, market, Outcome.YES), _funded(asks, ask_cash, market, Outcome.NO)


def _funded(levels: tuple[Level, ...], cash: int, market: Market, outcome: Outcome) -> tuple[Level, ...]:
    funded: list[Level] = []
    for ticks, size in levels:
        price = _price_micros(ticks, market, outcome)
        here = min(size, cash // price)
        if here < market.min_size:
            break
        funded.append((ticks, Contracts(here)))
        cash -= here * price
    return tuple(funded)


def _why(
    phase: Phase,
    dead: Outcome | None,
    lean: float,
    room: int,
    net: int,
    weight: float,
    yes_left: int,
    no_left: int,
    short_of_cash: bool,
    uncertainty: float,
) -> str:
    if phase is Phase.CLOSED:
        return "closed"
    if dead is not None:
        said = f"dead side {dead}"
    elif phase is Phase.REDUCE_ONLY:
        said = f"reduce-only, net {net:+d}"
    else:
        said = f"lean {lean * 100:+.1f}c, room {room}"
        if weight > 0.0 and net:
            said += f", flattening net {net:+d}"
        if yes_left == 0:
            said += ", no room for YES"
        if no_left == 0:
            said += ", no room for NO"
    if uncertainty > 0.0:
        said += f", sources apart: price +-${uncertainty:.2f}"
    return said + ", short of cash" if short_of_cash else said
