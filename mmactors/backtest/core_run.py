"""The program's roles in one event loop, without actors and without the wire's text: the same orders, faster.

Owns the ports that the program's tree (`actors/tree.py`) is given here. On the same configuration and seed orders,
fills and cash are those of `actor_run.py` in canonical order. Nothing contains failures here: an error ends the run.
"""

from functools import partial

from mmactors.actors import addresses, tree
from mmactors.backtest.environment import START_NS, Environment
from mmactors.backtest.journal_stand_in import JournalStandIn
from mmactors.backtest.object_links import ObjectEncoder, ObjectFeed, ObjectLink
from mmactors.config import LEADING, Config
from mmactors.messages import SessionReport
from mmactors.runtime.event_loop import EventLoop
from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.simulation import SpotRecorder
from mmactors.units import Nanos, nanos


class CoreRun:
    """A whole program and its venue in virtual time, without actors.

    Args:
        config: the configuration; its simulator section is the world.
        recorder: receives what truly happens at the venue.
        world: the prices; synthetic ones from the configuration if not given.

    Raises:
        ValueError: another source than the leading one is enabled.
    """

    restarts = 0
    trace_hash = ""

    def __init__(self, config: Config, recorder: SpotRecorder | None = None, world: World | None = None) -> None:
        if config.feeds.enabled != (LEADING,):
            others = ", ".join(f"feeds.{source}" for source in config.feeds.enabled if source != LEADING)
            raise ValueError(f"the core follows {LEADING} alone; switch off {others}, or use the actors")
        self.config = config
        self.runtime = EventLoop(START_NS, addresses.SUPERVISOR)
        self.environment = Environment(config, self.runtime, recorder, ObjectEncoder(), world)
        self.desk, self.venue = self.environment.desk, self.environment.venue
        self.sessions: dict[str, SessionReport] = {}
        self.ended: list[tuple[int, str]] = []
        ports = self.environment.ports(
            journal=partial(JournalStandIn, self.sessions),
            link=partial(ObjectLink, self.environment),
            feeds={LEADING: partial(ObjectFeed, self.environment, LEADING)},
            finished=lambda code, reason: self.ended.append((code, reason)),
            recorded=False,
        )
        self.runtime.spawn(addresses.SUPERVISOR, tree.root(config, ports))

    @property
    def dead_letters(self) -> int:
        """Messages about money that nobody received."""
        return self.runtime.dead_letters

    def run(self, duration_s: float) -> None:
        """Let virtual time pass."""
        self.runtime.run_until(Nanos(self.runtime.clock.now() + nanos(duration_s)))

    def end(self) -> None:
        """There is nobody to stop."""

    def fair(self, market: str) -> float | None:
        """Return what a YES of the market is worth, as its Maker last reported to risk; None before it did."""
        mark = self.environment.rules.fairs.get(market)
        return None if mark is None else mark.fair
