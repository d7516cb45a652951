"""The world's prices taken from real exchanges' feeds: what paper trading strikes, trades and settles on.

Owns the sockets to the feeds and, for each asset, their prices fused to one with its volatility, or the word that there
is none. Knows no market: what a venue does without a price is the venue's (`simulation.py`).
"""

from collections import deque
from collections.abc import Callable
from random import Random

from mmactors.config import Config
from mmactors.core.reference.reference import Reference
from mmactors.feeds.connection import FeedMessage, FeedSocket
from mmactors.feeds.history import RETRY_S, HistoryThread
from mmactors.feeds.source import feed_sockets, history_sources
from mmactors.messages import FeedLived, FeedWentStale, HistoryFetched, ReferenceLost, ReferenceMoved, SpotTicked
from mmactors.net.backoff import Backoff
from mmactors.net.tls import trusted
from mmactors.runtime.clock import Clock, SystemClock
from mmactors.simulator.prices.world import PricePath, World


class LivePath(PricePath):
    """One asset's price as its feeds tell it. `live` only while there is one: before the first and after the last, not.

    Args:
        reference: fuses the feeds and says when they are silent or contradict each other.
        clock: the time; the feeds' own.
    """

    def __init__(self, reference: Reference, clock: Clock) -> None:
        self.price = 0.0
        self.sigma = reference.sigma()
        self.live = False
        self._reference = reference
        self._clock = clock
        self._told: deque[FeedMessage | HistoryFetched] = deque()

    def hear(self, message: FeedMessage | HistoryFetched) -> None:
        """Take a feed's message, in any thread."""
        self._told.append(message)

    def advance(self, to_ms: int) -> None:
        """Take in what the feeds have told since the last call."""
        now = self._clock.now()
        while self._told:
            match self._told.popleft():
                case SpotTicked() as tick:
                    self.received_ms = to_ms
                    self._take(self._reference.on_price(tick, now))
                case FeedLived() as life:
                    self._reference.on_heartbeat(life, now)
                case FeedWentStale() as stale:
                    self._take(self._reference.on_feed_stale(stale, now))
                case HistoryFetched() as history:
                    self._reference.on_history(history, now)
        self._take(self._reference.on_timer(now))

    def past(self) -> list[tuple[int, float]]:
        """Return nothing: whoever wants the past asks the exchange."""
        return []

    def _take(self, news: ReferenceMoved | ReferenceLost | None) -> None:
        if isinstance(news, ReferenceLost):
            self.live = False
        elif news is not None:
            self.live = True
            self.price, self.sigma = news.price, news.sigma


class LiveFeeds:
    """The enabled feeds of a configuration, and the world they tell of.

    Args:
        config: names the feeds; a feed without an address would be the simulator's own.

    Raises:
        CertificatesError: `ca_file` of a feed cannot be used.
    """

    def __init__(self, config: Config) -> None:
        clock = SystemClock()
        self._paths = {
            series.asset: LivePath(
                Reference(
                    series.asset,
                    config.volatility_params(series.asset),
                    config.risk_params().stale_after_ns,
                    config.reference_params(),
                ),
                clock,
            )
            for series in config.simulator.sessions
        }
        self.world = World.of(self._paths)
        urls = config.urls()
        connects: list[Callable[[Callable[[FeedMessage], None]], FeedSocket]]
        connects = list(feed_sockets(config, urls, clock.now, trusted(config.feed_ca).sslopt).values())
        self._sockets = [connect(self._hear) for connect in connects]
        self._history = HistoryThread(
            history_sources(config, urls),
            self._hear,
            clock.now,
            Backoff(Random(), *RETRY_S),  # noqa: S311
        )
        addresses = {"binance": urls.binance_url, "coinbase": urls.coinbase_url}
        self.waiting_for = ", ".join(f"{source} ({addresses[source]})" for source in config.feeds.enabled)

    def start(self) -> None:
        """Connect."""
        for socket in self._sockets:
            socket.start()
        self._history.start()

    def stop(self) -> None:
        """Hang up."""
        self._history.stop()
        for socket in self._sockets:
            socket.stop()

    def _hear(self, message: FeedMessage | HistoryFetched) -> None:
        path = self._paths.get(message.asset)
        if path is not None:
            path.hear(message)
