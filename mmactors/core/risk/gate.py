"""The gate that every order passes last.

Owns the named rules over one `OrderCheck`; the first that objects denies the order. It is called where the orders leave
(the desk), so nothing races it. It knows one order and what the desk knows of the account, and keeps nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from mmactors.core.params import MakerParams
from mmactors.core.quoting import schedule
from mmactors.messages import Market, MarketStatus, Outcome, TradingState
from mmactors.units import SECOND, Nanos, dollars

ON_THE_WAY_NS = Nanos(SECOND // 4)
"""What a price took to come here and an order takes to the venue: it must not be stale when it arrives there."""

HEARTBEAT_LIMIT_NS = Nanos(2 * SECOND)
"""Without risk's heartbeat for this long the gate admits only reducing orders."""


@dataclass(slots=True)  # not frozen: one is made for every item that leaves, and freezing costs the most of it
class OrderCheck:
    """One order about to leave, and all that the rules may know of its surroundings.

    Attributes:
        ticks, size: price and total size asked for; `remaining` is what of it may still fill.
        net: YES - NO held in the market.
        same: contracts of this outcome that may still fill, without this order.
        opposing_ticks: best own price on the other side, in that outcome's ticks, None if there is none.
        venue_tau_ns: time left by the venue's clock.
        priced_age_ns: age of the newest sign of life behind the price.
        cash_free: cash less what every other live order may cost.
        cost: what this one may cost at most, fees included.
        exposure_after: the account's worst-case loss with this order live.
        d2: distance to the strike in standard deviations, as the market saw it.
        blocked: direction in which the asset's exposure may not grow: 1 (YES), -1 (NO) or 0.
        f: share of the session left by the venue's clock.
    """

    market: Market
    params: MakerParams
    outcome: Outcome
    ticks: int
    size: int
    remaining: int
    net: int
    same: int
    opposing_ticks: int | None
    venue_tau_ns: int
    priced_age_ns: int
    cash_free: int
    cost: int
    exposure_after: int
    d2: float
    state: TradingState
    heartbeat_age_ns: int
    synced: bool
    blocked: int = 0
    f: float = field(init=False)

    def __post_init__(self) -> None:
        self.f = schedule.f(Nanos(self.venue_tau_ns), self.market.duration_ns)

    @property
    def signed_net(self) -> int:
        """The position in this order's direction: positive if the order adds to it."""
        return self.net if self.outcome is Outcome.YES else -self.net

    @property
    def reduces(self) -> bool:
        """Whether the order can only cut |net|, whatever else of its side fills."""
        return self.remaining + self.same <= -self.signed_net


Rule = Callable[[OrderCheck], str | None]


def _synced(p: OrderCheck) -> str | None:
    return None if p.synced else "the account is not reconciled with the venue"


def _state(p: OrderCheck) -> str | None:
    if p.state is TradingState.ACTIVE or (p.state is TradingState.REDUCING and p.reduces):
        return None
    return f"the account is {p.state}"


def _pulse(p: OrderCheck) -> str | None:
    if p.heartbeat_age_ns <= HEARTBEAT_LIMIT_NS or p.reduces:
        return None
    return "risk is silent"


def _market_open(p: OrderCheck) -> str | None:
    return None if p.market.status is MarketStatus.OPEN else f"the market is {p.market.status}"


def _close(p: OrderCheck) -> str | None:
    if p.venue_tau_ns > schedule.close_at_ns(p.market.duration_ns, p.params.inventory):
        return None
    return "past the closing threshold"


def _stale(p: OrderCheck) -> str | None:
    limit_ns = p.params.risk.stale_after_ns
    on_the_way_ns = min(ON_THE_WAY_NS, limit_ns // 8)
    return None if p.priced_age_ns <= limit_ns - on_the_way_ns else "the reference is stale"


def _price(p: OrderCheck) -> str | None:
    return None if 1 <= p.ticks < p.market.ticks_per_dollar else f"{p.ticks} ticks is no price"


def _size(p: OrderCheck) -> str | None:
    if p.remaining <= 0:
        return "all of it has filled"
    if p.market.min_size <= p.size <= p.market.max_size:
        return None
    return f"a size of {p.size} is outside {p.market.min_size}..{p.market.max_size}"


def _position_limit(p: OrderCheck) -> str | None:
    position_limit = schedule.position_limit(p.f, p.params.inventory)
    reach = p.signed_net + p.same + p.remaining
    return (
        None if reach <= position_limit or p.reduces else f"could take the position to {reach}, limit {position_limit}"
    )


def _reduce_only(p: OrderCheck) -> str | None:
    if p.f > p.params.inventory.reduce_only_f or p.reduces:
        return None
    return "late in the session only |net| may be cut"


def _dead_side(p: OrderCheck) -> str | None:
    inv = p.params.inventory
    losing = Outcome.NO if p.d2 > 0 else Outcome.YES
    if p.f > inv.dead_f or abs(p.d2) < inv.dead_d2 or p.outcome is not losing:
        return None
    if p.reduces and inv.dead_side == "reduce_only":
        return None
    return "the losing outcome gets no bids"


def _spread(p: OrderCheck) -> str | None:
    if p.opposing_ticks is None:
        return None
    own = p.market.ticks_per_dollar - p.ticks - p.opposing_ticks
    least = max(1, math.ceil(p.params.risk.min_spread_micros / p.market.tick_micros))
    return None if own >= least else f"own spread would be {own} ticks, least {least}"


def _cash(p: OrderCheck) -> str | None:
    return None if p.cost <= p.cash_free else f"costs ${dollars(p.cost):.2f}, free ${dollars(p.cash_free):.2f}"


def _exposure(p: OrderCheck) -> str | None:
    limit = p.params.risk.max_exposure
    if p.exposure_after <= limit or p.reduces:
        return None
    return f"worst-case loss ${dollars(p.exposure_after):.2f}, limit ${dollars(limit):.2f}"


def _asset(p: OrderCheck) -> str | None:
    if not p.blocked or (p.blocked > 0) != (p.outcome is Outcome.YES) or p.reduces:
        return None
    return f"the exposure to {p.market.asset} is at its limit, ${p.params.risk.max_asset_delta:g} per bp"


RULES: tuple[tuple[str, Rule], ...] = (
    ("synced", _synced),
    ("state", _state),
    ("pulse", _pulse),
    ("market", _market_open),
    ("close", _close),
    ("stale", _stale),
    ("price", _price),
    ("size", _size),
    ("room", _position_limit),
    ("reduce_only", _reduce_only),
    ("dead_side", _dead_side),
    ("spread", _spread),
    ("cash", _cash),
    ("exposure", _exposure),
    ("asset", _asset),
)


def gate(proposal: OrderCheck) -> tuple[str, str] | None:
    """Return the name and the words of the first rule that objects, or None: the order may leave."""
    for name, rule in RULES:
        objection = rule(proposal)
        if objection is not None:
            return name, objection
    return None
