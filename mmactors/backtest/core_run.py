"""The program without its actors: the core's objects told the same things in the same order, for speed.

Owns who tells whom, in place of the shells in `actors/`, whose tables (`tree.py`, `routing.py`) and periods it goes by,
and the putting together with the environment. On the same configuration and seed orders, fills and cash are those of
the actors in canonical order. What the shells do about failures is not here: an error ends the run. It decides nothing.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

from mmactors.actors import addresses, gateway, market, reference, risk, supervisor, tree
from mmactors.actors.routing import HEARERS, MARKET, MARKETS, market_of
from mmactors.backtest.environment import START_NS, Environment
from mmactors.backtest.object_links import ObjectEncoder, ObjectFeed, ObjectLink
from mmactors.config import LEADING, Config
from mmactors.core.ledger.session_stats import corrected
from mmactors.core.quoting.maker import Command, Maker
from mmactors.core.reference.reference import Reference
from mmactors.core.universe.universe import MarketUniverse
from mmactors.messages import (
    ActorDied,
    ActorReady,
    AssetExposed,
    FairMoved,
    IndexSettled,
    Market,
    MarketChanged,
    MarketHeartbeat,
    MarketHydrated,
    MarketListed,
    MarketOverdue,
    MarketReady,
    MarketResolved,
    MarketRetired,
    QuoteIntent,
    ReferenceLost,
    ReferenceMoved,
    RequoteDue,
    RiskHeartbeat,
    SessionReport,
    SpotTicked,
    SubscribeReference,
    TimePassed,
    TradingStateChanged,
    UnsubscribeReference,
    VenueConnected,
    VenuePosition,
    VenueStatus,
)
from mmactors.runtime.event_loop import LoopMailbox, Timeline
from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.simulation import SpotRecorder
from mmactors.units import Nanos, nanos

REPORTS = frozenset(gateway.REPORTS)


class CoreRun:
    """A whole program and its venue in virtual time, without actors.

    Args:
        config: the configuration; its simulator section is the world.
        recorder: is told what truly happens at the venue.
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
        self.runtime = Timeline(START_NS)
        self.stage = Environment(config, self.runtime, recorder, ObjectEncoder(), world)
        self.desk, self.venue = self.stage.desk, self.stage.venue
        self.sessions: dict[str, SessionReport] = {}
        self.ended: list[tuple[int, str]] = []
        self.ports = self.stage.ports(
            journal=_nobody, link=_nobody, feeds={LEADING: _nobody}, finished=_nobody, recorded=False
        )
        self.incarnations = count(1)
        self.markets: dict[str, _MarketPart] = {}
        next(self.incarnations)  # the supervisor's
        self.supervisor = _SupervisorPart(self)
        self.gateway: _GatewayPart
        self.risk: _RiskPart
        self.references: dict[str, _ReferencePart] = {}

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
        """Return what a YES of the market is worth, as its Maker last told risk; None before it did."""
        mark = self.risk.fairs.get(market)
        return None if mark is None else mark.fair

    def begin(self) -> None:
        """Make everyone but the markets, in the tree's order."""
        parts: dict[str, Callable[[], object]] = {
            addresses.JOURNAL: lambda: None,
            addresses.GATEWAY: self._make_gateway,
            addresses.RISK: self._make_risk,
            **{addresses.reference(asset): partial(self._make_reference, asset) for asset in self.config.assets},
            addresses.feed(LEADING): partial(_FeedPart, self),
        }
        for name in tree.children(self.config, self.ports):
            next(self.incarnations)
            parts[name]()

    def _make_gateway(self) -> None:
        self.gateway = _GatewayPart(self)

    def _make_risk(self) -> None:
        self.risk = _RiskPart(self)

    def _make_reference(self, asset: str) -> None:
        self.references[asset] = _ReferencePart(self, asset)


def _nobody(*_: Any) -> Any:
    """Stand for what only actors are connected to."""
    raise NotImplementedError


class _SupervisorPart:
    def __init__(self, run: CoreRun) -> None:
        self._run = run
        self._roster = MarketUniverse(frozenset(run.config.assets), run.config.risk.max_markets)
        self.post = LoopMailbox(run.runtime, self._begin, self._receive)

    def _begin(self) -> None:
        self._run.begin()
        self.post.every(supervisor.LOOK_EVERY_NS, TimePassed())

    def _receive(self, message: Any, now: Nanos) -> None:
        match message:
            case MarketListed() | MarketChanged():
                self._roster.note(message.market)
                self._choose(now)
            case MarketResolved():
                settled = self._roster.resolve(message.market, self._is_taken(message.market.id))
                if settled is not None and settled.asset in self._run.references:
                    self._run.references[settled.asset].post.tell(settled)
                known = self._run.sessions.get(message.market.id)
                if known is not None and (new := corrected(known, message)) is not None:
                    self._run.sessions[new.market] = new
            case MarketOverdue():
                part = self._run.markets.get(message.market.id)
                if part is not None and not (message.yes or message.no):
                    self._retire(MarketRetired(message.market.id, part.incarnation))
            case MarketRetired():
                self._retire(message)
            case VenuePosition():
                self._roster.found[message.market] = message.yes - message.no
            case AssetExposed():
                self._roster.expose(message)
            case VenueStatus():
                self._roster.offset_ns = message.offset_ns
            case TimePassed():
                self._choose(now)

    def _choose(self, now: Nanos) -> None:
        run = self._run
        for fresh in self._roster.choose(now, self._is_taken)[0]:
            run.markets[fresh.id] = _MarketPart(run, fresh, next(run.incarnations))

    def _is_taken(self, market_id: str) -> bool:
        return market_id in self._run.markets

    def _retire(self, message: MarketRetired) -> None:
        self._run.gateway.post.tell(message)
        self._roster.retire(message.market)
        self._run.markets.pop(message.market).post.close()


class _GatewayPart:
    def __init__(self, run: CoreRun) -> None:
        self._run = run
        self._desk = run.desk
        self._known: dict[str, LoopMailbox] = {}
        self.post = LoopMailbox(run.runtime, self._begin, self._receive)
        self._link = ObjectLink(run.stage, self.post.tell, self.post.tell_last)

    def _begin(self) -> None:
        # The journal only writes down; nobody is there for it.
        self._others = {addresses.RISK: self._run.risk.post, addresses.SUPERVISOR: self._run.supervisor.post}
        self._link.start()
        self.post.every(gateway.LOOK_EVERY_NS, TimePassed())

    def _receive(self, message: Any, now: Nanos) -> None:
        kind = type(message)
        if kind in REPORTS:
            if kind is VenueConnected:
                self._run.supervisor.post.tell(message)
                self._run.risk.post.tell(message)
            step = self._desk.report(message, now)
        elif kind is TimePassed:
            step = self._desk.check(now)
        elif kind is MarketRetired:
            self._known.pop(message.market, None)
            self._desk.forget(message.market)
            return
        else:
            if kind is MarketReady:
                self._known[message.market] = self._run.markets[message.market].post
            step = self._desk.tell(message, now)
            if kind is TradingStateChanged:
                for post in self._known.values():
                    post.tell(message)
        for request in step.requests:
            self._link.submit(request)
        if step.events:
            hearers = [(post, event) for event in step.events for post in self._hearers(event)]
            if hearers:
                last, told_last = hearers.pop()
                for post, event in hearers:
                    post.tell(event)
                last.tell_last(told_last)

    def _hearers(self, event: object) -> list[LoopMailbox]:
        found: list[LoopMailbox] = []
        for hearer in HEARERS[type(event)]:
            if hearer == MARKET:
                post = self._known.get(market_of(event))
                if post is not None:
                    found.append(post)
            elif hearer == MARKETS:
                found += self._known.values()
            elif hearer in self._others:
                found.append(self._others[hearer])
        return found


class _RiskPart:
    def __init__(self, run: CoreRun) -> None:
        self._run = run
        self._rules = run.ports.rules
        self.fairs = self._rules.fairs
        self.post = LoopMailbox(run.runtime, self._begin, self._receive)

    def _begin(self) -> None:
        now = self._run.runtime.clock.now()
        self._tell_changes(self._rules.judge(now))
        self._run.gateway.post.tell(RiskHeartbeat(now))
        self.post.every(risk.PULSE_EVERY_NS, TimePassed())

    def _receive(self, message: Any, now: Nanos) -> None:
        if type(message) is TimePassed:
            self._tell_changes(self._rules.judge(now))
            self._run.gateway.post.tell_last(RiskHeartbeat(now))
        else:
            self._tell_changes(self._rules.handle(message, now))

    def _tell_changes(self, changes: Sequence[TradingStateChanged | AssetExposed]) -> None:
        for change in changes:
            self._run.gateway.post.tell(change)
            if type(change) is AssetExposed:
                self._run.supervisor.post.tell(change)


class _ReferencePart:
    def __init__(self, run: CoreRun, asset: str) -> None:
        params, stale_after_ns = run.config.volatility_params(asset), run.config.risk_params().stale_after_ns
        self._reference = Reference(asset, params, stale_after_ns, run.config.reference_params())
        self._run = run
        self._subscribers: dict[str, LoopMailbox] = {}
        self.post = LoopMailbox(run.runtime, self._begin, self._receive)

    def _begin(self) -> None:
        self.post.every(reference.LOOK_EVERY_NS, TimePassed())

    def _receive(self, message: Any, now: Nanos) -> None:
        kind = type(message)
        news: ReferenceMoved | ReferenceLost | None = None
        if kind is SpotTicked:
            news = self._reference.ticked(message, now)
        elif kind is TimePassed:
            news = self._reference.tick(now)
        elif kind is SubscribeReference:
            post = self._subscribers[message.subscriber] = self._run.markets[message.subscriber].post
            if message.past_s:
                post.tell(self._reference.past(message.past_s))
            snapshot = self._reference.snapshot()
            if snapshot is not None:
                post.tell(snapshot)
        elif kind is UnsubscribeReference:
            self._subscribers.pop(message.subscriber, None)
        elif kind is IndexSettled:
            self._reference.settled(message)
        if news is not None and self._subscribers:
            *others, last = self._subscribers.values()
            for post in others:
                post.tell(news)
            last.tell_last(news)


class _FeedPart:
    """Hands prices straight on: when one arrives, nothing else waits that a turn of its own could let by."""

    def __init__(self, run: CoreRun) -> None:
        self._posts = {asset: part.post for asset, part in run.references.items()}
        socket = ObjectFeed(run.stage, LEADING, self._heard)
        LoopMailbox(run.runtime, socket.start, lambda _message, _now: None)

    def _heard(self, message: Any) -> None:
        if type(message) is SpotTicked and message.asset in self._posts:
            self._posts[message.asset].tell_last(message)


class _MarketPart:
    def __init__(self, run: CoreRun, listed: Market, incarnation: int) -> None:
        self._run = run
        self._market = listed
        self.incarnation = incarnation
        self._maker = Maker(listed.id, incarnation, f"{run.ports.prefix}-{incarnation}", run.ports.params(listed))
        self._settled_ns: Nanos | None = None
        self._gateway, self._risk = run.gateway.post, run.risk.post
        self.post = LoopMailbox(run.runtime, self._begin, self._receive, self._end)

    def _begin(self) -> None:
        name = self._market.id
        self._gateway.tell(MarketReady(name, self.incarnation))
        self._run.references[self._market.asset].post.tell(SubscribeReference(name, self._market.settlement.prints))
        self.post.every(market.LOOK_EVERY_NS, TimePassed())
        self.post.every(market.PULSE_EVERY_NS, MarketHeartbeat(name, self.incarnation))
        self._run.supervisor.post.tell(ActorReady(name, self.incarnation))

    def _end(self) -> None:
        self._run.references[self._market.asset].post.tell(UnsubscribeReference(self._market.id))
        self._run.supervisor.post.tell(ActorDied(self._market.id, self.incarnation, None))

    def _receive(self, message: Any, now: Nanos) -> None:
        kind = type(message)
        if kind is MarketHeartbeat:
            self._gateway.tell_last(message)
            return
        if kind is MarketResolved or (kind is MarketHydrated and message.market.resolution is not None):
            self._settled_ns = now
        decision = self._maker.handle(message, now)
        if decision.requote:
            self.post.tell(RequoteDue())
        settled_ns = self._settled_ns
        if settled_ns is not None and now - settled_ns > market.GRACE_NS and self._maker.done:
            self._settled_ns = None
            self._carry_out(decision.commands)
            self._run.supervisor.post.tell(MarketRetired(self._market.id, self.incarnation))
        elif decision.commands:
            self._carry_out(decision.commands)

    def _carry_out(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            if type(command) is QuoteIntent:
                self._gateway.tell_last(command)  # a Maker's last word
            elif type(command) is FairMoved:
                self._risk.tell(command)
            elif type(command) is SessionReport:
                self._run.sessions[command.market] = command
