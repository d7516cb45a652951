"""One session of ours played again and written down: what rested, what we and the world thought it worth, our fills.

Owns the choice of the session and the playing. The session is an arena's; that it is the same one again is judged by
its P&L, not assumed. Prices are dollars of YES, times seconds left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmactors.backtest.core_run import CoreRun
from mmactors.backtest.environment import START_NS
from mmactors.backtest.links import ACCOUNT
from mmactors.backtest.session_metrics import SAMPLE_EVERY_MS, SessionFigures, SessionMetrics
from mmactors.config import Config
from mmactors.research.arena.arena import WARM_UP_S, on_excerpt, world_of
from mmactors.research.arena.recorded_worlds import cut
from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.ledger import Fill, Order
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.participants import fair_of
from mmactors.simulator.venue.simulation import build_world
from mmactors.units import MILLISECOND

CANDIDATES = 10
"""The session shown is one of so many first ones: a later one takes as long to reach as all before it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment: our best bid and ask at the venue, our fair value and the true one; NaN where there is none."""

    left_s: float
    bid: float
    ask: float
    ours: float
    true: float
    net: int


@dataclass(frozen=True, slots=True)
class Bought:
    """A fill of ours: the price in YES terms, whichever outcome it bought."""

    left_s: float
    yes: bool
    price: float
    size: int


@dataclass(slots=True)
class Example:
    """A session of ours as it went, every quarter of a second.

    `recorded_pnl` is what the arena has for it, `figures` what it was this time.
    """

    market: str
    duration_s: int
    strike: float
    outcome: str
    recorded_pnl: float
    figures: SessionFigures
    samples: list[Sample] = field(default_factory=list)
    fills: list[Bought] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether this was the arena's session again, to the cent."""
        return abs(self.figures.pnl - self.recorded_pnl) < 0.005


def choose(sessions: Sequence[SessionFigures]) -> int:
    """Return which of the first sessions has the median P&L (the upper one of two)."""
    first = sessions[:CANDIDATES]
    return sorted(range(len(first)), key=lambda index: first[index].pnl)[len(first) // 2]


def play_again(
    config: Config, seed: int, sessions: Sequence[SessionFigures], prices: Path | None = None
) -> Example | None:
    """Play an arena's world of ours up to the session chosen, and write that one down.

    Args:
        config: what the arena was played with.
        seed: the arena's.
        sessions: ours, as the arena has them, in its order.
        prices: the recording, if it was played on one.

    Returns:
        None if the world does not have that session.

    Raises:
        PricesError: the recording cannot be played.
    """
    index = choose(sessions)
    wanted = sessions[index]
    world: World | None = None
    if prices is None:
        number, _, name = wanted.market.partition(":")
        config = world_of(config, seed, int(number))
        place = -(-WARM_UP_S // wanted.duration_s) + index
    else:
        name, asset = wanted.market, config.simulator.sessions[0].asset
        cuts = cut(prices, asset, wanted.duration_s)
        places = {start: (number, place) for number, each in enumerate(cuts) for place, start in each.counted}
        if name not in places:
            return None
        piece, place = places[name]
        config = on_excerpt(world_of(config, seed, piece), cuts[piece])
        world = build_world(config.simulator, START_NS // MILLISECOND, {asset: cuts[piece].recording})
    tape = _Tape(place)
    run = CoreRun(config, tape, world)
    tape.world = run.venue.world
    account = run.venue.account(ACCOUNT)

    def sample() -> None:
        now = run.runtime.clock.now()
        tape.sample(now // MILLISECOND, account)
        market = tape.shown
        if market is not None and market.status == "OPEN":
            tape.samples.append(_sampled(run, market, now // MILLISECOND))
        run.runtime.call_at(now + SAMPLE_EVERY_MS * MILLISECOND, sample)

    sample()
    while len(tape.done) <= place:
        run.run(10.0)
    market, figures = tape.shown, tape.done[place]
    if market is None or market.strike is None or (prices is None and market.id != name):
        return None
    return Example(
        name, wanted.duration_s, market.strike, market.outcome or "", wanted.pnl, figures, tape.samples, tape.fills
    )


class _Tape(SessionMetrics):
    """The ruler of every session, which also keeps one market, by its place, and our fills in it."""

    def __init__(self, place: int) -> None:
        super().__init__(ACCOUNT)
        self.shown: Market | None = None
        self.samples: list[Sample] = []
        self.fills: list[Bought] = []
        self._place = place
        self._opened: set[str] = set()

    def market(self, event: str, market: Market, now_ms: int) -> None:
        super().market(event, market, now_ms)
        if event == "opened" and market.id not in self._opened:
            if len(self._opened) == self._place:
                self.shown = market
            self._opened.add(market.id)

    def fill(
        self, market: Market, trade_id: str, yes_ticks: int, size: int, sides: tuple[tuple[Order, Fill], ...]
    ) -> None:
        super().fill(market, trade_id, yes_ticks, size, sides)
        for order, fill in sides if market is self.shown else ():
            if order.account.name == ACCOUNT:
                left_s = (market.expires_at - fill.ts) / 1000
                self.fills.append(Bought(left_s, order.buys_yes, yes_ticks / market.ticks, size))


def _sampled(run: CoreRun, market: Market, now_ms: int) -> Sample:
    account = run.venue.account(ACCOUNT)
    bid, ask = 0, market.ticks
    for order in account.live.values():
        if order.market == market.id:
            if order.buys_yes:
                bid = max(bid, order.yes_ticks)
            else:
                ask = min(ask, order.yes_ticks)
    position = account.positions.get(market.id)
    fair = run.fair(market.id)
    return Sample(
        left_s=(market.expires_at - now_ms) / 1000,
        bid=bid / market.ticks if bid else math.nan,
        ask=ask / market.ticks if ask < market.ticks else math.nan,
        ours=math.nan if fair is None else fair,
        true=fair_of(market, run.venue.world.paths[market.asset], now_ms),
        net=0 if position is None else position.yes - position.no,
    )
