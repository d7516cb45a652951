"""One rival in the simulated world: it sees late, its orders arrive late, and the venue's own engine trades with it.

Owns the way between a rival's wishes and the venue: its cadence, its delays, the difference between what rests and what
it wants, merging of pairs. The rival is a formula (`strategies.py`), the world the same one we trade in, same seed,
same paths and takers.
"""

import math
from collections import deque
from random import Random

from mmactors.backtest.session_metrics import SessionMetrics
from mmactors.config import Config
from mmactors.core.pricing.settlement import LastPrint
from mmactors.core.reference.volatility import Volatility
from mmactors.messages import SettlementRule
from mmactors.research.arena.strategies import RIVALS, Rival, View, Wanted
from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.ledger import LIVE, NewOrder, OrderEvent, Outcome
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.matching import RefusalError
from mmactors.simulator.venue.simulation import SimulatedVenue
from mmactors.units import DOLLAR, MILLISECOND, Nanos

ACCOUNT = "rival"
STEELMAN_EVERY_S = 0.1
"""Our own cadence."""

RULE = LastPrint(SettlementRule())
FLOW_HALF_LIFE_S = 10.0


Sight = tuple[int, float, int, int]
"""What was true at a moment, to be seen later: the time in ms, spot, and the book's best bid and ask in ticks."""


class Competitor:
    """A rival with an account at a simulated venue.

    Args:
        config: the world; latencies are its simulator's.
        name: of `rivals.RIVALS`.
        steelman: whether it works with our fair value at our cadence, instead of the venue's mid at its own.
        start_ms: when the world begins.
        world: its prices; synthetic ones from the configuration if not given.
    """

    def __init__(self, config: Config, name: str, *, steelman: bool, start_ms: int, world: World | None = None) -> None:
        simulator = config.simulator
        self.metrics = SessionMetrics(ACCOUNT)
        self.simulation = SimulatedVenue(simulator, start_ms, world=world, recorder=self.metrics, run="arena")
        self.metrics.world = self.simulation.world
        self._account = self.simulation.account(ACCOUNT)
        self._account.bucket = None  # a rival is not judged by our venue's rate limit
        self._account.house = False
        self._kind = RIVALS[name]
        self._steelman = steelman
        self._asset = simulator.sessions[0].asset
        self._path = self.simulation.world.paths[self._asset]
        self._max_position = config.inventory.max_position
        self._rival = self._new_rival(None)
        self._volatility = Volatility(config.volatility_params(self._asset))
        self._random = Random(f"{simulator.world.seed}:{name}:latency")  # noqa: S311  reproducible from the seed
        self._step_ms = simulator.step_ms
        self._feed_ms, self._order_ms = simulator.feed_latency_ms, simulator.order_latency_ms
        self._jitter_ms = simulator.latency_jitter_ms
        self._every_ms = round((STEELMAN_EVERY_S if steelman else self._rival.every_s) * 1000)
        self._now_ms = self._next_evaluation = start_ms
        self._sights: deque[Sight] = deque()
        self._market: Market | None = None
        self._outgoing: deque[tuple[int, Market, Wanted]] = deque()
        self._resting: dict[tuple[str, int], dict[str, int]] = {}
        self._flow, self._flow_square = 0.0, 1.0
        self._flow_keep = 0.5 ** (self._step_ms / 1000 / FLOW_HALF_LIFE_S)

    def run(self, sessions: int) -> None:
        """Let the world go on until so many sessions are settled in all."""
        while len(self.metrics.done) < sessions:
            self._step()

    def _step(self) -> None:
        now = self._now_ms = self._now_ms + self._step_ms
        self.simulation.advance(now)
        self._follow_flow()
        self.simulation.venue.changes.clear()
        self.metrics.sample(now, self._account)
        market = self._market
        if market is None or market.status != "OPEN":
            market = self._choose_market(now)
        if self._outgoing and self._outgoing[0][0] <= now:
            self._arrive(now)
        if market is None:
            return
        sights, seen_ms = self._sights, now - self._feed_ms
        sights.append((now, self._path.price, market.book.best_bid, market.book.best_ask))
        while sights[0][0] < seen_ms and sights[1][0] <= seen_ms:
            sights.popleft()
        if now % 100 < self._step_ms:
            spot = sights[0][1]
            if self._steelman:
                self._volatility.update(spot, Nanos(now * MILLISECOND))
            if self._rival.listens(now / 1000):
                self._rival.on_price(spot, self._price(market, now), now / 1000)
        if now >= self._next_evaluation:
            self._next_evaluation = now + self._every_ms
            self._evaluate(market, now)

    def _choose_market(self, now: int) -> Market | None:
        opened = [m for m in self.simulation.venue.markets.values() if m.status == "OPEN" and m.strike is not None]
        market = opened[0] if opened else None
        if market is not self._market:
            self._rival = self._new_rival(self._rival)
            self._sights.clear()
            self._next_evaluation = now
        self._market = market
        return market

    def _new_rival(self, former: Rival | None) -> Rival:
        rival = self._kind(self._max_position, steelman=self._steelman)
        if former is not None:
            rival.remember(former)
        return rival

    def _price(self, market: Market, now: int) -> float | None:
        _, spot, bid, ask = self._sights[0]
        if self._steelman:
            assert market.strike is not None
            left_s = (market.expires_at - now) / 1000
            return RULE.fair_value(spot, market.strike, self._volatility.sigma(), left_s)
        if bid <= 0 or ask >= market.ticks:
            return None
        return (bid + ask) / 2 / market.ticks

    def _evaluate(self, market: Market, now: int) -> None:
        left_ms = market.expires_at - now
        if left_ms <= 0 or market.strike is None:
            return
        if self._rival.merges:
            self._merge(market, now)
        position = self._account.positions.get(market.id)
        self._note_orders()
        resting = {key: sum(orders.values()) for key, orders in self._resting.items()}
        view = View(
            price=self._price(market, now),
            spot=self._sights[0][1],
            strike=market.strike,
            left_s=left_ms / 1000,
            duration_s=market.duration_s,
            yes=0 if position is None else position.yes,
            no=0 if position is None else position.no,
            cash=self._account.available / DOLLAR,
            resting=resting,
            flow_z=max(min(self._flow / math.sqrt(self._flow_square), 2.0), -2.0),
        )
        wanted = self._rival.wanted(view)
        if wanted is not None and wanted != resting:
            due = now + self._order_ms + self._random.randrange(self._jitter_ms + 1)
            self._outgoing.append((due, market, wanted))

    def _note_orders(self) -> None:
        """Follow what rests by what the venue says of it: a rival that never cancels has thousands of orders."""
        for event in self._account.outbox:
            if isinstance(event, OrderEvent):
                order = event.order
                key = (order.outcome, order.ticks)
                orders = self._resting.setdefault(key, {})
                if order.status in LIVE:
                    orders[order.id] = order.size - order.filled
                else:
                    orders.pop(order.id, None)
                    if not orders:
                        del self._resting[key]
        self._account.outbox.clear()

    def _merge(self, market: Market, now: int) -> None:
        position = self._account.positions.get(market.id)
        pairs = 0 if position is None else min(position.yes, position.no)
        if pairs:
            self.simulation.venue.merge(self._account, market.id, pairs, now)

    def _arrive(self, now: int) -> None:
        """Apply what has reached the venue since the last step: cancels first, then what is missing."""
        while self._outgoing and self._outgoing[0][0] <= now:
            _, market, wanted = self._outgoing.popleft()
            if market.status != "OPEN":
                continue
            missing = dict(wanted)
            venue = self.simulation.venue
            self._note_orders()
            for key, orders in self._resting.items():
                room = missing.get(key, 0)
                for order_id, left in orders.items():
                    if left <= room:
                        room -= left
                    else:
                        venue.cancel(self._account, order_id, now)
                if key in missing:
                    missing[key] = room
            for (outcome, ticks), size in missing.items():
                if size > 0:
                    self._place(market, "YES" if outcome == "YES" else "NO", ticks, size, now)

    def _place(self, market: Market, outcome: Outcome, ticks: int, size: int, now: int) -> None:
        try:
            self.simulation.venue.place(
                self._account, NewOrder(market.id, "bid", outcome, ticks * market.tick, min(size, market.max_size)), now
            )
        except RefusalError as refusal:
            if refusal.code != "INSUFFICIENT_FUNDS":
                raise

    def _follow_flow(self) -> None:
        signed, trades = 0, self.simulation.venue.matching.trades
        if trades:
            for trade in trades:
                signed += trade.size if trade.taker_buys else -trade.size
            trades.clear()
        self._flow = self._flow * self._flow_keep + signed
        self._flow_square = self._flow_square * self._flow_keep + signed * signed
