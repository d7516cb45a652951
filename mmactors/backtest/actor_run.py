"""The deterministic twin: the same actors, the same wire, the same venue, under virtual time.

Owns the putting together of the program's actors with the stage (`stage.py`) and the ways to it (`connection.py`). The
client's conversation and the venue's floor are the real ones, so a run goes through the codec of both sides. Same
configuration and seed, same trace.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mmactors.actors import addresses
from mmactors.actors.feed import FeedActor
from mmactors.actors.gateway import GatewayActor, Link
from mmactors.actors.market import MarketActor
from mmactors.actors.reference import ReferenceActor
from mmactors.actors.risk import RiskActor
from mmactors.actors.supervisor import SupervisorActor
from mmactors.backtest.environment import PREFIX, START_NS, Environment
from mmactors.backtest.links import SOURCE, Deliver, VirtualCoinbaseFeed, VirtualFeed, VirtualLink
from mmactors.config import Config
from mmactors.core.ledger.session_stats import corrected
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import JournalSynced, MakerStarted, MakerStepped, MarketResolved, SessionReport, SyncJournal
from mmactors.ops.event_log import EventLog
from mmactors.runtime.actor import Actor
from mmactors.runtime.deterministic import DeterministicRuntime, Observer
from mmactors.runtime.lanes import Lane
from mmactors.runtime.runtime import ActorFactory, Runtime
from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.simulation import SpotRecorder
from mmactors.units import nanos


class ResultsActor(Actor):
    """Stands where the journal is: keeps the sessions' reports, and the event log if there is one; is never behind."""

    drains = True

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        incarnation: int,
        *,
        sessions: dict[str, SessionReport],
        events: EventLog | None,
    ) -> None:
        super().__init__(runtime, name, incarnation)
        self._sessions = sessions
        self._events = events

    def receive(self, message: Any) -> None:
        if isinstance(message, SessionReport):
            self._sessions[message.market] = message
        elif isinstance(message, MarketResolved):
            if (known := self._sessions.get(message.market.id)) and (new := corrected(known, message)):
                self._sessions[new.market] = new
        elif isinstance(message, SyncJournal):
            self.tell(addresses.RISK, JournalSynced())
        elif self._events is not None and isinstance(message, MakerStarted | MakerStepped):
            self._events.add(message)
            self._events.flush(self.clock.now())


@dataclass
class ActorRun:
    """A whole program and its venue in virtual time.

    Args:
        config: the configuration; its simulator section is the world.
        interleaving: seed of a random legal order of events, None for the canonical one.
        recorder: is told what truly happens at the venue.
        trace: whether to keep the hash of everything handled.
        events: is told what every Maker handled; its owner closes it, after `end`.
        link: makes the way to the venue.
        feed: makes the way from the exchange.
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
        self.latencies_us: deque[float] = deque(maxlen=100)
        self.stage = Environment(config, self.runtime, self.recorder, world=self.world)
        self.desk, self.venue, self.floor = self.stage.desk, self.stage.venue, self.stage.floor
        self.runtime.spawn(
            addresses.SUPERVISOR,
            partial(
                SupervisorActor,
                children=self._children(),
                market_factory=lambda market: partial(
                    MarketActor,
                    market=market,
                    prefix=PREFIX,
                    params=self.stage.params(market),
                    recorded=self.events is not None,
                ),
                assets=frozenset(config.assets),
                max_markets=config.risk.max_markets,
                random=self.stage.random("backoff").random,
                finished=lambda code, reason: self.ended.append((code, reason)),
            ),
        )

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

    def _children(self) -> dict[str, ActorFactory]:
        config, stage = self.config, self.stage
        risk = config.risk_params()
        return {
            addresses.JOURNAL: partial(ResultsActor, sessions=self.sessions, events=self.events),
            addresses.GATEWAY: partial(
                GatewayActor, desk=self.desk, latencies_us=self.latencies_us, connect=partial(self.link, stage)
            ),
            addresses.RISK: partial(RiskActor, rules=RiskRules(risk)),
            **{
                addresses.reference(asset): partial(
                    ReferenceActor,
                    asset=asset,
                    params=config.volatility_params(asset),
                    stale_after_ns=risk.stale_after_ns,
                    fusion=config.reference_params(),
                )
                for asset in config.assets
            },
            **{addresses.feed(source): partial(FeedActor, connect=self._feed(source)) for source in stage.exchanges},
        }

    def _feed(self, source: str) -> Callable[[Deliver], VirtualFeed]:
        return partial(self.feed if source == SOURCE else VirtualCoinbaseFeed, self.stage)
