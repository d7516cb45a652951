"""One session as the venue logged it: our orders and positions over time, and its figures.

Owns the books of a single market, in YES terms: a direction is +1 for orders that buy YES, -1 for those that buy NO. It
checks no rule and must not know the rest of the log.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from mmactors.audit.limits import YEAR_MS, Limits, normal_cdf

DOLLAR = 1_000_000
STEPS = 40
"""A session is tabulated at each fortieth of its length."""

_TABULATED = {8: "0.8", 16: "0.6", 24: "0.4", 28: "0.3", 32: "0.2", 36: "0.1", 40: "close"}
_EARLY_F = 0.7

Row = tuple[float, float | None, float | None, int | None, int | None, int, int]
"""f, spot, N(d2), bid and ask in YES ticks (None without), net, position limit."""


@dataclass(slots=True)
class Resting:
    """One order of ours; `left` contracts can still trade. An `ioc` order never rests."""

    direction: int
    yes_ticks: int
    left: int
    ioc: bool


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """The figures of one session, in dollars and seconds; nets are YES minus NO, None where the log does not reach.

    `pnl` is None until the market has resolved. `mid_correlation` and `mid_difference` compare our mid with N(d2) at
    the true spot once a second while two-sided. `realised_sigma` is annual, from the true price each second.
    `early_net` is the largest net held at f >= .7, `late_ms` the time from the closing threshold to the end of our last
    order.
    """

    market: str
    asset: str
    duration_s: int
    strike: float | None
    outcome: str | None
    pnl: float | None
    fills: int
    contracts: int
    two_sided_share: float | None
    spread: float | None
    max_abs_net: int
    nets: dict[str, int | None]
    net_now: int
    messages: int
    mid_correlation: float | None
    mid_difference: float | None
    samples: int
    realised_sigma: float | None
    early_net: int | None
    late_ms: int


@dataclass(slots=True)
class Sums:
    """Sums over pairs of (our mid, N(d2))."""

    n: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0
    apart: float = 0.0

    def add(self, x: float, y: float) -> None:
        """Add one pair."""
        self.n += 1
        self.x += x
        self.y += y
        self.xx += x * x
        self.yy += y * y
        self.xy += x * y
        self.apart += abs(x - y)

    def join(self, other: "Sums") -> None:
        """Add all pairs of another."""
        for name in ("n", "x", "y", "xx", "yy", "xy", "apart"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def correlation(self) -> float | None:
        """Return Pearson's coefficient; None for fewer than three pairs or a constant."""
        spread = (self.n * self.xx - self.x**2) * (self.n * self.yy - self.y**2)
        return (self.n * self.xy - self.x * self.y) / math.sqrt(spread) if self.n > 2 and spread > 1e-12 else None

    def difference(self) -> float | None:
        """Return the mean absolute difference."""
        return self.apart / self.n if self.n else None


@dataclass(slots=True)
class Session:
    """The state of one market. Times are milliseconds; `begun` is when the log first named it.

    `rows` and `track` (t, spot, bid, ask, net) are kept only if `keep`. `sigma` is the true one, if the log has it.
    `window` is that of the average it settles on, 0 for the price at the end; `fixings` counts the true prices in it so
    far, one a second, `fixing_sum` is their sum.
    """

    id: str
    asset: str
    opens: int
    expires: int
    tick: int
    limits: Limits
    begun: int
    keep: bool = False
    window: int = 0
    fixings: int = 0
    fixing_sum: float = 0.0
    strike: float | None = None
    outcome: str | None = None
    rates: tuple[int, int] = (0, 0)
    curved_fees: bool = False
    spot: float | None = None
    sigma: float | None = None
    orders: dict[str, Resting] = field(default_factory=dict)
    resting: list[int] = field(default_factory=lambda: [0, 0, 0])  # by direction: [0] unused, [1] YES, [-1] NO
    cost: list[int] = field(default_factory=lambda: [0, 0, 0])  # micro-dollars that the resting orders may cost
    bid: int = 0
    ask: int = 0
    yes: int = 0
    no: int = 0
    net: int = 0
    paid: int = 0
    payouts: list[int] = field(default_factory=list)
    fills: int = 0
    contracts: int = 0
    messages: int = 0
    max_abs_net: int = 0
    early_net: int = 0
    late_ms: int = 0
    seen: int = 0
    close_checked: bool = False
    stale_reported: bool = False
    over_limit: list[bool] = field(default_factory=lambda: [False, False, False])
    dead: int = 0
    dead_since: int = 0
    dead_reported: bool = False
    suspects: set[tuple[str, int]] = field(default_factory=set)
    sums: Sums = field(default_factory=Sums)
    sampled: tuple[int, float] | None = None
    quadratic: float = 0.0
    quadratic_ms: int = 0
    rows: list[Row] = field(default_factory=list)
    track: list[tuple[int, float | None, int, int, int]] = field(default_factory=list)
    nets: dict[str, int | None] = field(default_factory=dict)
    duration: int = 0
    ticks: int = 0
    close_at: float = 0.0
    step: int = 0
    step_at: float = 0.0
    former: tuple[int, int, int] | None = None
    quoted_since: int | None = None
    since: int = 0
    two_sided_ms: int = 0
    spread_ms: int = 0

    def __post_init__(self) -> None:
        self.duration = self.expires - self.opens
        self.ticks = self.ask = DOLLAR // self.tick
        self.close_at = self.expires - self.limits.close_ms(self.duration)
        self.step = max(0, math.ceil((self.begun - self.opens) * STEPS / self.duration))
        self.step_at = self.opens + self.step * self.duration / STEPS

    def end_at(self, expires: int, t: int) -> None:
        """Change the end at `t`; rows from then on are at shares of the new length."""
        self.former = (t, self.expires, self.duration)
        self.expires = expires
        self.duration = expires - self.opens
        self.close_at = expires - self.limits.close_ms(self.duration)
        self.close_checked = False
        self.step_at = self.opens + self.step * self.duration / STEPS

    def f(self, t: int) -> float:
        """Return the share of the session left."""
        return (self.expires - t) / self.duration

    def f_on_the_way(self, t: int, within_ms: int) -> float:
        """Return the share left as known to the sender of an order that arrives at `t`, if the end has just moved."""
        f = self.f(t)
        if self.former is not None and t - self.former[0] <= within_ms:
            _, expires, duration = self.former
            f = max(f, (expires - t) / duration)
        return f

    def advance(self, t: int) -> None:
        """Tabulate every fortieth of the session passed by now; to be called before anything changes."""
        while self.step_at <= t and self.step <= STEPS:
            f = 1.0 - self.step / STEPS
            if self.step in _TABULATED:
                self.nets[_TABULATED[self.step]] = self.net
            if self.keep:
                fair = None
                if self.spot is not None and self.strike is not None:
                    fair = normal_cdf(self.d2(self.step_at, self.spot))
                bid, ask = self.bid or None, self.ask if self.ask < self.ticks else None
                self.rows.append((f, self.spot, fair, bid, ask, self.net, self.limits.position_limit(f)))
            self.step += 1
            self.step_at = self.opens + self.step * self.duration / STEPS

    def note(self, t: int, spot: float) -> None:
        """Add the true price of the second as a fixing, if it is one: at whole seconds before expiry."""
        if self.expires - self.window < t <= self.expires and (self.expires - t) % 1000 == 0:
            self.fixings += 1
            self.fixing_sum += spot

    def d2(self, t: float, spot: float, sigma: float | None = None) -> float:
        """Return by how many standard deviations YES is ahead, with the given sigma or that of the limits.

        On an average, the fixings to come must make up for the past ones. The mean of k fixings a second apart moves as
        a price does in u + (k - 1)(2k - 1) / (6 k) seconds, u those to the next. It is 0 where the log lacks fixings.
        """
        assert self.strike is not None
        if not self.window:
            return self.limits.d2(spot, self.strike, self.expires - t, sigma)
        count = self.window // 1000
        due = count - min(math.ceil((self.expires - t) / 1000), count)
        if abs(due - self.fixings) > 1:
            return 0.0
        k = max(count - self.fixings, 1)
        needed = max((count * self.strike - self.fixing_sum) / k, 1e-6 * spot)
        left = max(self.expires - t - 1000 * (k - 1), 0) + 1000 * (k - 1) * (2 * k - 1) / (6 * k)
        return self.limits.d2(spot, needed, left, sigma)

    def sample(self, t: int, spot: float) -> None:
        """Add the true price of the second; while two-sided, compare our mid with N(d2) at it."""
        if self.strike is None or t >= self.expires:
            return
        if self.sampled is not None:
            self.quadratic += math.log(spot / self.sampled[1]) ** 2
            self.quadratic_ms += t - self.sampled[0]
        self.sampled = (t, spot)
        if not self.bid or self.ask >= self.ticks:
            return
        mid = (self.bid + self.ask) / 2 / self.ticks
        self.sums.add(mid, normal_cdf(self.d2(t, spot)))

    def put(self, order_id: str, order: Resting, t: int) -> Resting | None:
        """Add or replace an order; return what it was before."""
        self._accrue(t)
        before = self.orders.pop(order_id, None)
        if before is not None:
            self._commit(before, -before.left)
        elif self.quoted_since is None:
            self.quoted_since = self.since = t
        self.orders[order_id] = order
        self._commit(order, order.left)
        if before is not None and not before.ioc:
            self._find_best()
        elif not order.ioc:  # a new order can only narrow the quote
            if order.direction > 0:
                self.bid = max(self.bid, order.yes_ticks)
            else:
                self.ask = min(self.ask, order.yes_ticks)
        return before

    def drop(self, order_id: str, t: int) -> None:
        """Remove an order; an unknown one changes nothing."""
        self._accrue(t)
        order = self.orders.pop(order_id, None)
        if order is None:
            return
        self._commit(order, -order.left)
        self._find_best()
        if t > self.close_at:
            self.late_ms = max(self.late_ms, math.ceil(t - self.close_at))

    def fill(self, side: dict[str, Any], size: int, t: int) -> int:
        """Book our side of a trade; return the change of cash in micro-dollars."""
        buys, outcome_yes = side["side"] == "bid", side["outcome"] == "YES"
        signed = size if buys else -size
        if outcome_yes:
            self.yes += signed
        else:
            self.no += signed
        self.net = self.yes - self.no
        self.max_abs_net = max(self.max_abs_net, abs(self.net))
        if self.f(t) >= _EARLY_F and abs(self.net) > abs(self.early_net):
            self.early_net = self.net
        self.fills += 1
        self.contracts += size
        order = self.orders.get(side["order_id"])
        if order is not None:
            if order.left <= size:
                self.drop(side["order_id"], t)
            else:
                order.left -= size
                self._commit(order, -size)
        change = -int(side["price_ticks"]) * self.tick * signed - int(side["fee_micros"])
        self.paid -= change
        return change

    def worst_loss(self) -> int:
        """Return the loss in micro-dollars by the worse outcome, with every order on the loser filled; at least 0.

        Orders on the winner need not fill: each costs less than the dollar that it pays.
        """
        if_yes = self.paid + self.cost[-1] - self.yes * DOLLAR
        if_no = self.paid + self.cost[1] - self.no * DOLLAR
        return max(if_yes, if_no, 0)

    def figures(self, now: int) -> SessionFigures:
        """Return the figures up to `now`."""
        self._accrue(now)
        span = 0 if self.quoted_since is None else min(now, self.expires) - self.quoted_since
        return SessionFigures(
            market=self.id,
            asset=self.asset,
            duration_s=self.duration // 1000,
            strike=self.strike,
            outcome=self.outcome,
            pnl=None if self.outcome is None else (sum(self.payouts) - self.paid) / DOLLAR,
            fills=self.fills,
            contracts=self.contracts,
            two_sided_share=self.two_sided_ms / span if span > 0 else None,
            spread=self.spread_ms / self.two_sided_ms / self.ticks if self.two_sided_ms else None,
            max_abs_net=self.max_abs_net,
            nets={name: self.nets.get(name) for name in _TABULATED.values()},
            net_now=self.net,
            messages=self.messages,
            mid_correlation=self.sums.correlation(),
            mid_difference=self.sums.difference(),
            samples=self.sums.n,
            realised_sigma=math.sqrt(self.quadratic / self.quadratic_ms * YEAR_MS) if self.quadratic_ms else None,
            early_net=self.early_net if self.f(self.begun) > _EARLY_F else None,
            late_ms=self.late_ms,
        )

    @property
    def open_ms(self) -> tuple[int, int, int]:
        """Return the milliseconds since our first order, those two-sided, and those times the spread in ticks."""
        return (0 if self.quoted_since is None else self.since - self.quoted_since, self.two_sided_ms, self.spread_ms)

    def _accrue(self, t: int) -> None:
        t = min(t, self.expires)
        if self.quoted_since is None or t <= self.since:
            return
        if self.bid and self.ask < self.ticks:
            self.two_sided_ms += t - self.since
            self.spread_ms += (t - self.since) * (self.ask - self.bid)
        self.since = t

    def _commit(self, order: Resting, size: int) -> None:
        own = order.yes_ticks if order.direction > 0 else self.ticks - order.yes_ticks
        self.resting[order.direction] += size
        self.cost[order.direction] += size * own * self.tick

    def _find_best(self) -> None:
        bid, ask = 0, self.ticks
        for order in self.orders.values():
            at = order.yes_ticks
            if order.ioc:
                continue
            if order.direction > 0:
                if at > bid:
                    bid = at
            elif at < ask:
                ask = at
        self.bid, self.ask = bid, ask
