"""Who is in the tree: every actor's name, order and role, from a configuration and the tree's ports.

Owns the one list of children, for life and for virtual time. What differs between them (sockets or their models, a
journal on disk or a stand-in, where randomness comes from) is in `Ports`; whoever makes those knows the venue and the
exchanges, the tree does not.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from mmactors.actors import addresses
from mmactors.actors.feed import FeedRole, HistoryRole, Socket
from mmactors.actors.gateway import GatewayRole
from mmactors.actors.market import MarketRole
from mmactors.actors.reference import ReferenceRole
from mmactors.actors.risk import RiskRole
from mmactors.actors.supervisor import SupervisorRole
from mmactors.config import Config
from mmactors.core.desk.desk import OrderDesk
from mmactors.core.params import MakerParams
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import Market
from mmactors.runtime.role import RoleFactory
from mmactors.units import Nanos
from mmactors.venue.port import Connect

Deliver = Callable[[object], None]
"""Takes what a socket received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a tree is connected to.

    Args:
        journal: makes the journal, or what stands in its place.
        desk: the gateway's, with what earlier runs left.
        rules: the risk actor's, likewise.
        link: makes the way to the venue.
        feeds: makes each enabled price source's socket, by its name.
        history: makes what fetches past prices; None: nothing does.
        params: how a market is quoted.
        prefix: what the client ids of the run begin with.
        random: numbers in [0, 1) for the supervisor's backoff.
        finished: takes an exit code and a reason, once, when the run is over.
        recorded: whether the journal receives every step of every Maker.
        venue_within_ns: for so long a venue that is not there at the start is waited for; None: for ever.
        latencies_us: receives what each frame of orders took, from the price that caused it to the socket.
    """

    journal: RoleFactory
    desk: OrderDesk
    rules: RiskRules
    link: Connect
    feeds: Mapping[str, Callable[[Deliver], Socket]]
    history: Callable[[Deliver], Socket] | None
    params: Callable[[Market], MakerParams]
    prefix: str
    random: Callable[[], float]
    finished: Callable[[int, str], None]
    recorded: bool
    venue_within_ns: Nanos | None = None
    latencies_us: deque[float] = field(default_factory=lambda: deque(maxlen=100))


def root(config: Config, ports: Ports) -> RoleFactory:
    """Return the factory of the supervisor, which starts all others."""
    return partial(
        SupervisorRole,
        children=children(config, ports),
        market_factory=partial(market, ports),
        assets=frozenset(config.assets),
        max_markets=config.risk.max_markets,
        random=ports.random,
        finished=ports.finished,
        venue_within_ns=ports.venue_within_ns,
    )


def children(config: Config, ports: Ports) -> dict[str, RoleFactory]:
    """Name every actor that is not a market, with its factory, in starting order."""
    found: dict[str, RoleFactory] = {
        addresses.JOURNAL: ports.journal,
        addresses.GATEWAY: partial(
            GatewayRole,
            desk=ports.desk,
            connect=ports.link,
            latencies_us=ports.latencies_us,
            assets=frozenset(config.assets),
        ),
        addresses.RISK: partial(RiskRole, rules=ports.rules),
    }
    for asset in config.assets:
        found[addresses.reference(asset)] = partial(
            ReferenceRole,
            asset=asset,
            params=config.volatility_params(asset),
            stale_after_ns=config.risk_params().stale_after_ns,
            fusion=config.reference_params(),
        )
    for source, connect in ports.feeds.items():
        found[addresses.feed(source)] = partial(FeedRole, connect=connect)
    if ports.history is not None:
        found[addresses.HISTORY] = partial(HistoryRole, connect=ports.history)
    return found


def market(ports: Ports, listed: Market) -> RoleFactory:
    """Return the factory of one market's role."""
    return partial(MarketRole, market=listed, prefix=ports.prefix, params=ports.params(listed), recorded=ports.recorded)
