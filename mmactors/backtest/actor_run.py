"""The whole program in virtual time: the same actors, the same wire, the same venue.

Owns the ports that the program's tree (`actors/tree.py`) is given here: the environment (`environment.py`), the links
to it (`links.py`) and what stands in the journal's place. The client's session protocol and the venue's hub are the
real ones, so a run goes through the codec of both sides. Same configuration and seed, same trace.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mmactors.actors import addresses, tree
from mmactors.backtest.environment import START_NS, Environment
from mmactors.backtest.journal_stand_in import JournalStandIn
from mmactors.backtest.links import Deliver, VirtualFeed, VirtualLink
from mmactors.config import LEADING, Config
from mmactors.messages import SessionReport
from mmactors.ops.event_log import EventLog
from mmactors.runtime.actor import hosted
from mmactors.runtime.deterministic import DeterministicRuntime, Observer
from mmactors.runtime.lanes import Lane
from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.simulation import SpotRecorder
from mmactors.units import nanos
from mmactors.venue.port import Link


@dataclass
class ActorRun:
    """A whole program and its venue in virtual time.

    Args:
        config: the configuration; its simulator section is the world.
        interleaving: seed of a random legal order of events, None for the canonical one.
        recorder: receives what truly happens at the venue.
        trace: whether to keep the hash of everything handled.
        events: records what every Maker handled; its owner closes it, after `end`.
        link: makes the way to the venue.
        feed: makes the way from the leading source's exchange.
        world: the prices; synthetic ones from the configuration if not given.
    """

    config: Config
    interleaving: int | None = None
    recorder: SpotRecorder | None = None
    trace: bool = True
    observer: Observer | None = None
    events: EventLog | None = None
    link: Callable[..., Link] = VirtualLink
    feed: Callable[..., VirtualFeed] = VirtualFeed
    world: World | None = None
    sessions: dict[str, SessionReport] = field(default_factory=dict)
    ended: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = self.config
        self.runtime = DeterministicRuntime(
            START_NS, interleaving=self.interleaving, trace=self.trace, observer=self.observer
        )
        self.environment = Environment(config, self.runtime, self.recorder, world=self.world)
        self.desk, self.venue, self.hub = self.environment.desk, self.environment.venue, self.environment.hub
        ports = self.environment.ports(
            journal=partial(JournalStandIn, self.sessions, self.events),
            link=partial(self.link, self.environment),
            feeds={source: self._feed(source) for source in self.environment.exchanges},
            finished=lambda code, reason: self.ended.append((code, reason)),
            recorded=self.events is not None,
        )
        self.runtime.spawn(addresses.SUPERVISOR, hosted(tree.root(config, ports)))

    def run(self, duration_s: float) -> None:
        """Let virtual time pass."""
        self.runtime.run_until(self.runtime.clock.now() + nanos(duration_s))

    def end(self) -> None:
        """Stop every actor; what the market actors still hold for the event log is handed over."""
        self.runtime.stop(addresses.SUPERVISOR)  # or it would start them again
        self.runtime.stop_all((addresses.RISK, addresses.GATEWAY, addresses.JOURNAL))

    @property
    def trace_hash(self) -> str:
        """The digest of everything handled so far."""
        return self.runtime.trace_hash()

    @property
    def dead_letters(self) -> int:
        """Messages about money that nobody received."""
        return self.runtime.statistics().dead_letters[Lane.MONEY]

    @property
    def restarts(self) -> int:
        """Actors that died or were given up."""
        statistics = self.runtime.statistics()
        return statistics.died + statistics.abandoned

    def _feed(self, source: str) -> Callable[[Deliver], VirtualFeed]:
        return partial(self.feed if source == LEADING else VirtualFeed, self.environment, source)
