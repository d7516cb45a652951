"""What a program in virtual time is set against: the venue, its hub, the exchanges' tickers and the clock's steps.

Owns their making from the configuration and the seed, the same for every runtime, so that all of them see the same
world; and of the program's decision-makers that outlive actors. It knows nothing of what the program does with them.
"""

from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Protocol

from mmactors.actors.feed import Socket
from mmactors.actors.tree import Deliver, Ports
from mmactors.config import Config
from mmactors.core.desk.desk import OrderDesk
from mmactors.core.params import MakerParams
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import Market
from mmactors.runtime.clock import Clock
from mmactors.runtime.role import RoleFactory
from mmactors.simulator.prices.exchange import exchange
from mmactors.simulator.prices.world import World
from mmactors.simulator.server.encoder import FrameEncoder
from mmactors.simulator.server.hub import VenueHub
from mmactors.simulator.server.tokens import DEVELOPMENT_SECRET
from mmactors.simulator.venue.simulation import SimulatedVenue, SpotRecorder
from mmactors.units import MILLISECOND, Nanos, nanos
from mmactors.venue.port import Connect

START_NS = Nanos(1_800_000_000 * 1_000_000_000)
"""When every run's time begins (15 January 2027, 08:00 UTC)."""

PREFIX = "r1"
"""What the client ids of such a run begin with."""


class Timeline(Protocol):
    """Whoever lets virtual time pass."""

    @property
    def clock(self) -> Clock:
        """Tells the time."""

    def call_at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Let the world outside act at a time; a time past means now."""


class VenueClock:
    """The venue's time, which is the timeline's."""

    def __init__(self, clock: Clock) -> None:
        self.start_ms = clock.now() // MILLISECOND
        self._clock = clock

    def now_ms(self) -> int:
        """Return milliseconds UTC."""
        return self._clock.now() // MILLISECOND


class Environment:
    """The venue with its hub and the tickers, moved on by a timeline from now on; the program's order desk and rules.

    Args:
        config: the configuration; its simulator section is the world.
        timeline: lets the time pass.
        recorder: receives what truly happens at the venue.
        voice: writes the venue's frames; JSON text if not given.
        world: the prices; synthetic ones from the configuration if not given.
    """

    def __init__(
        self,
        config: Config,
        timeline: Timeline,
        recorder: SpotRecorder | None = None,
        encoder: FrameEncoder | None = None,
        world: World | None = None,
    ) -> None:
        self.config = config
        self.timeline = timeline
        clock = VenueClock(timeline.clock)
        self.venue = SimulatedVenue(config.simulator, clock.start_ms, world=world, recorder=recorder, run="twin")
        self.hub = VenueHub(self.venue, clock, DEVELOPMENT_SECRET, lambda _line: None, encoder)
        feeds, seed = config.simulator.feeds, config.simulator.world.seed
        self.start_ms = clock.start_ms
        self.exchanges = {
            source: exchange(source, feeds.by_source[source], self.venue.world, seed) for source in config.feeds.enabled
        }
        self._maker_params = cache(config.maker_params)
        self.desk = OrderDesk(
            self.params,
            prefix=PREFIX,
            ack_timeout_ns=nanos(config.venue.ack_timeout_s),
            merge_below=config.merge_below(),
        )
        self.rules = RiskRules(config.risk_params())
        self._step_ns = config.simulator.step_ms * MILLISECOND
        self._due_ns = timeline.clock.now()
        self._hub_advance, self._call_at, self._again = self.hub.advance, timeline.call_at, self._advance
        self._advance()

    def random(self, part: str) -> Random:
        """Return the randomness of one part, from the world's seed."""
        return Random(f"{self.config.simulator.world.seed}:twin:{part}")  # noqa: S311  reproducible from the seed

    def params(self, market: Market) -> MakerParams:
        """Return how a market is quoted."""
        return self._maker_params(market.asset, market.duration_s)

    def ports(
        self,
        *,
        journal: RoleFactory,
        link: Connect,
        feeds: Mapping[str, Callable[[Deliver], Socket]],
        finished: Callable[[int, str], None],
        recorded: bool,
    ) -> Ports:
        """Return what the program's tree is connected to here; nothing fetches past prices, and no venue is late."""
        return Ports(
            journal=journal,
            desk=self.desk,
            rules=self.rules,
            link=link,
            feeds=feeds,
            history=None,
            params=self.params,
            prefix=PREFIX,
            random=self.random("backoff").random,
            finished=finished,
            recorded=recorded,
        )

    def _advance(self) -> None:
        self._hub_advance()
        self._due_ns = Nanos(self._due_ns + self._step_ns)
        self._call_at(self._due_ns, self._again)
