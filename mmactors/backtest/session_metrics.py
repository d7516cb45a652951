"""What one account did in every session, measured from the venue's side: the same ruler for us and for every rival.

Owns the figures of a session (P&L, |net|, spread, two-sided time, markouts, volume, messages) and how they are taken
from the venue's truth. Knows no strategy. Markouts are at the true fair value, which only a simulation knows.
"""

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.ledger import Account, Fill, NewOrder, Order
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.participants import fair_of
from mmactors.simulator.venue.simulation import SpotRecorder
from mmactors.units import DOLLAR

CLOSE_F = 0.02
NOTED_F = 0.10
"""Shares of the session left at which exposure is taken: where trading ends, and where only reducing is left."""

SAMPLE_EVERY_MS = 250
MARKOUTS_S = (1, 10)
PARTS = 20
"""Equal parts of a session over which P&L by time left is kept."""


@dataclass(slots=True)
class SessionFigures:
    """One session of one account. Money in dollars, times in milliseconds; exposure at `NOTED_F` and `CLOSE_F`.

    `markouts` are the dollars that all fills together gained against the true fair value 1 s and 10 s later;
    `edge` likewise at the moment of the fill. `pnl_by_part` marks to the true fair value.
    """

    market: str
    duration_s: int
    pnl: float = 0.0
    fees: float = 0.0
    net_at_close: int = 0
    net_noted: int = 0
    risk_at_close: float = 0.0
    risk_noted: float = 0.0
    max_abs_net: int = 0
    fills: int = 0
    contracts: int = 0
    messages: int = 0
    edge: float = 0.0
    markouts: dict[int, float] = field(default_factory=lambda: dict.fromkeys(MARKOUTS_S, 0.0))
    two_sided_share: float = 0.0
    spread: float = math.nan
    net_by_part: list[int] = field(default_factory=list)
    pnl_by_part: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    """A session that runs."""

    market: Market
    figures: SessionFigures
    cash: int = 0
    yes: int = 0
    no: int = 0
    samples: int = 0
    both: int = 0
    spreads: float = 0.0
    noted: bool = False
    closed: bool = False
    due: dict[int, deque[tuple[int, int, float, int]]] = field(
        default_factory=lambda: {horizon: deque() for horizon in MARKOUTS_S}
    )

    @property
    def net(self) -> int:
        return self.yes - self.no


class SessionMetrics(SpotRecorder):
    """Measures one account; to be looked at with `look` after every step of the world.

    Args:
        account: whose orders and fills.
        chained: is told everything, too.
    """

    def __init__(self, account: str, chained: SpotRecorder | None = None) -> None:
        self.done: list[SessionFigures] = []
        self.world: World | None = None
        self._account = account
        self._chained = chained
        self._open: dict[str, _Open] = {}
        self._next_sample = 0
        self._next_due: float = math.inf

    def sample(self, now_ms: int, account: Account) -> None:
        """Take what time does: markouts that are due, and every quarter of a second what rests."""
        if now_ms >= self._next_due:
            self._mark_out(now_ms)
        if now_ms < self._next_sample:
            return
        self._next_sample = now_ms + SAMPLE_EVERY_MS
        for each in self._open.values():
            self._sample(each, now_ms, account)

    def _mark_out(self, now_ms: int) -> None:
        self._next_due = math.inf
        for each in self._open.values():
            for horizon, waiting in each.due.items():
                while waiting and waiting[0][0] <= now_ms:
                    _, sign, price, size = waiting.popleft()
                    each.figures.markouts[horizon] += sign * (self._fair(each.market, now_ms) - price) * size
                if waiting and waiting[0][0] < self._next_due:
                    self._next_due = float(waiting[0][0])

    def _sample(self, each: _Open, now_ms: int, account: Account) -> None:
        market, figures = each.market, each.figures
        duration_ms = market.expires_at - market.opens_at
        left_ms = market.expires_at - now_ms
        if market.status != "OPEN" or left_ms <= 0:
            return
        bid, ask = 0, market.ticks
        for order in account.live.values():
            if order.market == market.id:
                if order.buys_yes:
                    bid = max(bid, order.yes_ticks)
                else:
                    ask = min(ask, order.yes_ticks)
        each.samples += 1
        if bid > 0 and ask < market.ticks:
            each.both += 1
            each.spreads += (ask - bid) / market.ticks
        if left_ms <= NOTED_F * duration_ms and not each.noted:
            each.noted, figures.net_noted, figures.risk_noted = True, each.net, self._risk(each, now_ms)
        if left_ms <= CLOSE_F * duration_ms and not each.closed:
            each.closed, figures.net_at_close, figures.risk_at_close = True, each.net, self._risk(each, now_ms)
        part = min(int((1.0 - left_ms / duration_ms) * PARTS), PARTS - 1)
        if len(figures.net_by_part) <= part:
            fair = self._fair(market, now_ms)
            while len(figures.net_by_part) <= part:
                figures.net_by_part.append(each.net)
                figures.pnl_by_part.append(each.cash / DOLLAR + each.yes * fair + each.no * (1.0 - fair))

    def _risk(self, each: _Open, now_ms: int) -> float:
        """The standard deviation of what the exposure will pay, in dollars."""
        fair = self._fair(each.market, now_ms)
        return abs(each.net) * math.sqrt(fair * (1.0 - fair))

    # --- the venue's recorder -----------------------------------------------------------------------

    def spot(self, asset: str, price: float, sigma: float, now_ms: int) -> None:
        """Pass on an asset's true price and volatility, which is nothing new."""
        if self._chained is not None:
            self._chained.spot(asset, price, sigma, now_ms)

    def price_published(self, asset: str, now_ms: int) -> None:
        """Pass on that a feed spoke."""
        if self._chained is not None:
            self._chained.price_published(asset, now_ms)

    def session(self, event: str, account: str, session: str, now_ms: int) -> None:
        """Pass on that an order session is up or down."""
        if self._chained is not None:
            self._chained.session(event, account, session, now_ms)

    def order(self, event: str, order: Order, reason: str, now_ms: int) -> None:
        """Count a message."""
        if self._chained is not None:
            self._chained.order(event, order, reason, now_ms)
        each = self._open.get(order.market)
        if each is not None and order.account.name == self._account and reason != "market_closed":
            each.figures.messages += 1

    def rejected(self, account: Account, body: NewOrder, code: str, now_ms: int) -> None:
        """Count a message that was refused."""
        if self._chained is not None:
            self._chained.rejected(account, body, code, now_ms)
        each = self._open.get(body.market)
        if each is not None and account.name == self._account:
            each.figures.messages += 1

    def fill(
        self, market: Market, trade_id: str, yes_ticks: int, size: int, sides: tuple[tuple[Order, Fill], ...]
    ) -> None:
        """Take in a trade."""
        if self._chained is not None:
            self._chained.fill(market, trade_id, yes_ticks, size, sides)
        each = self._open.get(market.id)
        for order, fill in sides:
            if order.account.name != self._account or each is None:
                continue
            bought_yes = order.buys_yes
            price, sign = yes_ticks / market.ticks, 1 if bought_yes else -1
            figures = each.figures
            figures.fills += 1
            figures.contracts += size
            figures.fees += fill.fee / DOLLAR
            figures.edge += sign * (self._fair(market, fill.ts) - price) * size
            for horizon, waiting in each.due.items():
                at_ms = min(fill.ts + horizon * 1000, market.expires_at - 1)
                waiting.append((at_ms, sign, price, size))
                self._next_due = min(self._next_due, at_ms)
            if bought_yes == (order.side == "bid"):
                each.yes += size if bought_yes else -size
            else:
                each.no += -size if bought_yes else size
            figures.max_abs_net = max(figures.max_abs_net, abs(each.net))

    def cash(self, account: Account, change: int, reason: str, market: str | None, now_ms: int) -> None:
        """Take in a change of cash."""
        if self._chained is not None:
            self._chained.cash(account, change, reason, market, now_ms)
        each = self._open.get(market) if market is not None else None
        if each is None or account.name != self._account:
            return
        each.cash += change
        if reason == "merge":
            each.yes -= change // DOLLAR
            each.no -= change // DOLLAR

    def market(self, event: str, market: Market, now_ms: int) -> None:
        """Begin a session when it opens, end it when it is resolved."""
        if self._chained is not None:
            self._chained.market(event, market, now_ms)
        if event == "opened" and market.id not in self._open:
            self._open[market.id] = _Open(market, SessionFigures(market.id, market.duration_s))
        elif event == "resolved" and (each := self._open.pop(market.id, None)) is not None:
            figures = each.figures
            figures.pnl = each.cash / DOLLAR
            figures.two_sided_share = each.both / each.samples if each.samples else 0.0
            figures.spread = each.spreads / each.both if each.both else math.nan
            self.done.append(figures)

    def _fair(self, market: Market, now_ms: int) -> float:
        assert self.world is not None
        return fair_of(market, self.world.paths[market.asset], now_ms)


def mean_ci(values: Sequence[float], clusters: Sequence[str] | None = None) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval; NaN where there are too few.

    With `clusters`, one label a value, values of one cluster may depend on each other: the interval is by Student's t
    on the clusters' sums of deviations (the usual cluster-robust error of a mean).
    """
    if not values:
        return math.nan, math.nan, math.nan
    mean = statistics.fmean(values)
    if clusters is None:
        half = 1.96 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        return mean, mean - half, mean + half
    sums: dict[str, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value - mean
    count = len(sums)
    if count < 2:
        return mean, math.nan, math.nan
    error = math.sqrt(count / (count - 1) * sum(each * each for each in sums.values())) / len(values)
    half = student_t(count - 1) * error
    return mean, mean - half, mean + half


@lru_cache(maxsize=1024)
def student_t(freedom: int) -> float:
    """Return what Student's t with this many degrees of freedom exceeds, either way, with probability 5 %.

    Its distribution is a finite sum over powers of a cosine (Abramowitz and Stegun, 26.7.3 and 26.7.4).
    """
    low, high = 0.0, math.pi / 2
    while low < (angle := (low + high) / 2) < high:
        if _within(angle, freedom) < 0.95:
            low = angle
        else:
            high = angle
    return math.sqrt(freedom) * math.tan(angle)


def _within(angle: float, freedom: int) -> float:
    """Return the probability that |t| is at most sqrt(freedom) tan(angle)."""
    square, odd = math.cos(angle) ** 2, freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for power in range(1 + odd, freedom, 2):
        total += term
        term *= square * power / (power + 1)
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total


def summary(
    sessions: Sequence[SessionFigures], max_position: int, clusters: Sequence[str] | None = None
) -> dict[str, float | int | list[float]]:
    """Return the figures over all sessions: dollars a session, shares 0..1, markouts in cents a contract.

    `clusters` as for `mean_ci`.
    """
    pnls = [each.pnl for each in sessions]
    mean, low, high = mean_ci(pnls, clusters)
    deviation = statistics.stdev(pnls) if len(pnls) > 1 else math.nan
    worst = sorted(pnls)[: max(1, len(pnls) // 100)]
    contracts = sum(each.contracts for each in sessions)
    spreads = [each.spread for each in sessions if not math.isnan(each.spread)]

    def average(values: Sequence[float]) -> float:
        return statistics.fmean(values) if values else math.nan

    return {
        "sessions": len(sessions),
        "pnl_mean": mean,
        "pnl_ci": [low, high],
        "pnl_sd": deviation,
        "sharpe": mean / deviation if deviation else math.nan,
        "worst_1pct_mean": average(worst),
        "abs_net_at_close_mean": average([abs(each.net_at_close) for each in sessions]),
        "net_within_5pct_share": average([abs(each.net_at_close) <= 0.05 * max_position for each in sessions]),
        "risk_at_close_mean": average([each.risk_at_close for each in sessions]),
        "abs_net_at_10pct_mean": average([abs(each.net_noted) for each in sessions]),
        "risk_at_10pct_mean": average([each.risk_noted for each in sessions]),
        "two_sided_share": average([each.two_sided_share for each in sessions]),
        "spread_mean": average(spreads),
        "fills_mean": average([each.fills for each in sessions]),
        "contracts_mean": contracts / len(sessions) if sessions else math.nan,
        "fees_mean": average([each.fees for each in sessions]),
        "edge_cents": 100 * sum((each.edge for each in sessions), 0.0) / contracts if contracts else math.nan,
        **{
            f"markout_{horizon}s_cents": (
                100 * sum((each.markouts[horizon] for each in sessions), 0.0) / contracts if contracts else math.nan
            )
            for horizon in MARKOUTS_S
        },
        "messages_mean": average([each.messages for each in sessions]),
    }
