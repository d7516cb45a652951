"""The supervisor role: starts everyone, restarts the dead, spawns markets as they are listed, ends the run in order.

```
supervisor
|- journal, gateway, risk      their death ends the run: cancel all by REST, exit 70
|- feed:SOURCE                 permanent
|- reference:ASSET             permanent; its markets subscribe again
`- market:ID                   transient; its orders are cancelled before it lives again
```
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmactors.actors import addresses
from mmactors.core.universe.selection import MIN_F, Candidate
from mmactors.core.universe.universe import MarketUniverse
from mmactors.messages import (
    ActorDied,
    ActorReady,
    AllCancelled,
    AssetExposed,
    CancelAll,
    Market,
    MarketChanged,
    MarketListed,
    MarketOverdue,
    MarketResolved,
    MarketRetired,
    Stop,
    SubscribeReference,
    TimePassed,
    VenueConnected,
    VenueDisconnected,
    VenuePosition,
    VenueStatus,
)
from mmactors.runtime.role import Out, Role, RoleFactory
from mmactors.runtime.supervision import Escalate, Restart, RestartPolicy, SupervisionRules
from mmactors.units import SECOND, Nanos

CHECK_EVERY_NS = Nanos(SECOND)
HUNG_AFTER_NS = Nanos(5 * SECOND)

CANCEL_WITHIN_NS = Nanos(5 * SECOND)
"""How long a stop waits for the venue to confirm that nothing rests."""

ESSENTIAL = RestartPolicy(intensity=0)
PERMANENT = RestartPolicy(intensity=10)
PER_MARKET = RestartPolicy(kind="transient", intensity=3)


@dataclass(frozen=True, slots=True)
class Respawn:
    """Start a child again, now that its backoff is over (supervisor -> itself)."""

    name: str


@dataclass(frozen=True, slots=True)
class VenueOverdue:
    """The venue has had its time to be there at the start (supervisor -> itself)."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The time for an orderly end is over (supervisor -> itself)."""


class SupervisorRole(Role):
    """The root of the tree.

    Args:
        children: names and factories in starting order; journal, gateway and risk are essential.
        market_factory: makes the factory of one market's role.
        assets: the assets to trade; markets of others are left alone.
        max_markets: most markets quoted at once.
        venue_within_ns: a venue that has not been there for so long after the start ends the run; once it was, it is
            waited for. None: for ever.
        finished: called once, with an exit code and a reason, when the run is over (0: everything cancelled).
    """

    def __init__(
        self,
        *,
        children: Mapping[str, RoleFactory],
        market_factory: Callable[[Market], RoleFactory],
        assets: frozenset[str],
        max_markets: int,
        random: Callable[[], float],
        finished: Callable[[int, str], None],
        venue_within_ns: Nanos | None = None,
    ) -> None:
        self._factories: dict[str, RoleFactory] = dict(children)
        self._market_factory = market_factory
        self._universe = MarketUniverse(assets, max_markets)
        self._rules = SupervisionRules(random)
        self._finished = finished
        self._explained: set[str] = set()
        self._stopping: str | None = None
        self._venue_within_ns = venue_within_ns
        self._venue_seen = False
        self._no_venue = ""

    def begin(self, out: Out) -> None:
        for child in self._factories:
            essential = child in (addresses.JOURNAL, addresses.GATEWAY, addresses.RISK)
            self._rules.watch(child, ESSENTIAL if essential else PERMANENT)
            out.spawn(child, self._factories[child])
        out.every(CHECK_EVERY_NS, TimePassed())
        if self._venue_within_ns is not None:
            out.after(self._venue_within_ns, VenueOverdue())

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        match message:
            case ActorReady():
                self._rules.child_started(message.name, now)
                self._introduce(message.name, out)
            case ActorDied():
                self._died(message, now, out)
            case Respawn() if self._stopping is None and message.name in self._factories:
                out.counters["restarts"] += 1
                out.notes.warning("{} starts again", message.name)
                out.spawn(message.name, self._factories[message.name])
            case MarketListed() | MarketChanged():
                self._universe.note(message.market)
                self._choose(now, out)
            case MarketResolved():
                settled = self._universe.resolve(message.market, self._is_taken(message.market.id))
                if settled is not None and addresses.reference(settled.asset) in self._factories:
                    out.tell(addresses.reference(settled.asset), settled)
            case MarketRetired():
                self._retire(message, out)
            case MarketOverdue():
                self._overdue(message, now, out)
            case VenuePosition():
                self._universe.found[message.market] = message.yes - message.no
            case AssetExposed():
                self._universe.expose(message)
            case VenueStatus():
                self._universe.offset_ns = message.offset_ns
            case VenueConnected():
                self._venue_seen = True
            case VenueDisconnected():
                self._no_venue = message.reason
                if message.unfit:
                    self._conclude(78, f"this venue cannot be traded on: {message.reason}")
                elif message.fatal:
                    self._conclude(77, f"the venue refuses our credentials: {message.reason}")
            case VenueOverdue() if not self._venue_seen and self._stopping is None:
                waited = (self._venue_within_ns or 0) / SECOND
                self._conclude(69, f"no venue within {waited:g} s of the start: {self._no_venue or 'no answer'}")
            case TimePassed():
                out.abandon_hung(HUNG_AFTER_NS)
                self._choose(now, out)
            case Stop() if self._stopping is None:
                self._stopping = message.reason
                if self._venue_seen:
                    out.tell(addresses.GATEWAY, CancelAll(None, message.reason))
                    out.after(CANCEL_WITHIN_NS, GiveUp())
                elif self._no_venue:
                    self._conclude(69, f"the venue was not there: {self._no_venue}")
                else:  # it has not answered yet, and there is nothing of ours to wait for
                    self._conclude(0, message.reason)
            case AllCancelled() if self._stopping is not None:
                self._conclude(0, self._stopping)
            case GiveUp():
                self._conclude(69, "the venue did not confirm that everything is cancelled")
            case Respawn() | Stop() | AllCancelled() | VenueOverdue():
                pass
            case _:
                out.unexpected(message)

    def _choose(self, now: Nanos, out: Out) -> None:
        """Spawn actors for the best markets there is room for; one that has begun is never dropped."""
        if self._stopping is not None:
            return
        fresh, left = self._universe.choose(now, self._is_taken)
        self._explain(left, out)
        for market in fresh:
            name = addresses.market(market.id)
            self._factories[name] = self._market_factory(market)
            self._rules.watch(name, PER_MARKET)
            out.spawn(name, self._factories[name])

    def _is_taken(self, market_id: str) -> bool:
        return addresses.market(market_id) in self._factories

    def _explain(self, left: list[Candidate], out: Out) -> None:
        """Say once of each market why it is not quoted."""
        for each in left:
            if each.market not in self._explained:
                self._explained.add(each.market)
                late = f"is not taken up: less than {MIN_F:.0%} of its session is left"
                full = each.asset_share >= 1.0
                why = (
                    "its asset's exposure is at risk.max_asset_delta" if full else "risk.max_markets are quoted already"
                )
                text = late if each.f < MIN_F else f"waits: {why}"
                out.notes.info("market {} {}", each.market, text)
        self._explained &= self._universe.markets.keys()

    def _introduce(self, name: str, out: Out) -> None:
        """Let the markets of an asset follow its reference's new life."""
        for market in self._universe.markets.values():
            if name == addresses.reference(market.asset) and self._is_taken(market.id):
                out.tell(name, SubscribeReference(addresses.market(market.id), market.settlement.fixings))

    def _retire(self, message: MarketRetired, out: Out) -> None:
        name = addresses.market(message.market)
        if out.incarnation_of(name) != message.incarnation:
            return
        out.counters["retired"] += 1
        out.tell(addresses.GATEWAY, message)
        out.tell(addresses.JOURNAL, message)
        self._rules.forget(name)
        self._factories.pop(name, None)
        self._universe.retire(message.market)
        out.stop(name)

    def _overdue(self, message: MarketOverdue, now: Nanos, out: Out) -> None:
        """Tell of a position that nobody settles; a market of which nothing is held is let go."""
        market = message.market
        if message.yes or message.no:
            late_s = (now + self._universe.offset_ns - market.expires_venue_ns) / SECOND
            text = "market {} ended {:.0f} s ago and is not resolved: {} YES and {} NO stay exposure until it is"
            out.notes.warning(text, market.id, late_s, message.yes, message.no)
        elif (life := out.incarnation_of(addresses.market(market.id))) is not None:
            self._retire(MarketRetired(market.id, life), out)

    def _died(self, death: ActorDied, now: Nanos, out: Out) -> None:
        verdict = self._rules.child_died(death.name, now, death.error)
        if self._stopping is not None:
            return
        prefix = addresses.market("")
        if death.name.startswith(prefix):
            out.tell(addresses.GATEWAY, CancelAll(death.name.removeprefix(prefix), f"{death.name} died"))
        match verdict:
            case Restart():
                out.after(verdict.after_ns, Respawn(death.name))
            case Escalate() if death.name.startswith(prefix):
                out.notes.error("{}: this market is left alone", verdict.reason)
            case Escalate():
                self._conclude(70, verdict.reason)

    def _conclude(self, code: int, reason: str) -> None:
        self._stopping = self._stopping or reason
        self._finished(code, reason)
