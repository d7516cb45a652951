"""Every simulated exchange with its sockets and its history, made by the list of them. Knows no exchange."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from random import Random
from typing import Any, cast

from aiohttp import web

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.simulator.feeds.source import SimulatedSource, SubscribedFrames
from mmactors.simulator.feeds.sources import SOURCES
from mmactors.simulator.models.latency import latency_of
from mmactors.simulator.prices.bars import Bars
from mmactors.simulator.prices.exchange import Exchange, exchange, own_paths
from mmactors.simulator.prices.recording import Recording
from mmactors.simulator.prices.world import World
from mmactors.simulator.server.feed_socket import FeedLimits, FeedServer
from mmactors.simulator.server.history_rest import History
from mmactors.simulator.server.hub import VenueClock
from mmactors.simulator.server.stream_socket import StreamFeed
from mmactors.simulator.server.subscription_socket import SubscriptionFeed


class PriceFeeds:
    """The exchanges.

    Args:
        config: the simulator's configuration.
        world: the prices.
        clock: the time.
        recordings: recorded prices by asset that the world plays, if it does.
        own: an exchange's own recordings by asset, by exchange.
        orders_random: draws the delays of orders, and those of a feed whose seed is the same.
        limits: when the exchanges close a connection.
        ticked: called with each asset whose price went to anybody, and when.

    Raises:
        PricesError: an exchange's recording does not fit the world's.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        world: World,
        clock: VenueClock,
        recordings: Mapping[str, Recording] | None,
        own: Mapping[str, Mapping[str, Recording]],
        orders_random: tuple[str, Random],
        limits: FeedLimits,
        ticked: Callable[[str, int], None] | None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._randoms = dict([orders_random])
        self._limits = limits
        self._ticked = ticked
        self._servers: dict[str, FeedServer] = {}
        self.exchanges: list[Exchange] = []
        histories: list[tuple[SimulatedSource, dict[str, Bars]]] = []
        for name, source in SOURCES.items():
            played = None
            if name in own:
                played = own_paths(name, own[name], recordings, clock.start_ms, config.world.speed)
            each = exchange(name, config.feeds.by_source[name], world, config.world.seed, played)
            self.exchanges.append(each)
            histories.append((source, self._serve(source, each)))
        self._history = History(histories, clock)

    def _serve(self, source: SimulatedSource, each: Exchange) -> dict[str, Bars]:
        """Make an exchange's sockets; return the bars of its symbols."""
        config, seed = self._config, self._config.world.seed

        def random(asset: str) -> Random:
            return Random(f"{seed}:{asset}:{source.seeds.frames}")  # noqa: S311  a simulation

        frames = source.frames(each.paths, random, self._clock.start_ms, config)
        label, delay_ms = source.seeds.latency, config.feeds.by_source[source.name].latency_ms
        delays = self._randoms.setdefault(label, Random(f"{seed}{label}"))  # noqa: S311  a simulation
        latency = latency_of(config, config.feed_latency_ms if delay_ms is None else delay_ms, delays)
        common = self._clock, latency, self._limits, self._ticked
        self._servers[source.name] = (
            StreamFeed(each, frames, *common)
            if source.by == "address"
            else SubscriptionFeed(source, each, cast("SubscribedFrames", frames), *common)
        )
        return {symbol.upper(): Bars(each.paths[asset]) for symbol, asset in frames.assets.items()}

    @property
    def connected(self) -> int:
        """How many clients there are."""
        return sum(server.connected for server in self._servers.values())

    @property
    def paths(self) -> dict[str, str]:
        """Where each exchange's sockets are."""
        return {name: server.path for name, server in self._servers.items()}

    def routes(self) -> Iterator[web.RouteDef]:
        """Return every route."""
        for server in self._servers.values():
            yield from server.routes()
        yield from self._history.routes()

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """Return what sends each exchange's prices until cancelled."""
        return [server.run() for server in self._servers.values()]

    def note(self) -> None:
        """Take every price as it is now into the histories."""
        self._history.note()

    def shut_down(self) -> None:
        """Close every connection, as each exchange does."""
        for server in self._servers.values():
            server.shut_down()
