"""What connects the price sources that a configuration follows, and where their history is. Knows no exchange."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from mmactors.config import Config, Urls
from mmactors.feeds.connection import FeedMessage, FeedSocket, FeedTiming
from mmactors.feeds.history import HistorySource
from mmactors.feeds.source import PriceSource
from mmactors.feeds.sources import SOURCES
from mmactors.units import Nanos

Deliver = Callable[[FeedMessage], None]


def feed_sockets(
    config: Config, urls: Urls, now: Callable[[], Nanos], sslopt: dict[str, Any] | None = None
) -> dict[str, Callable[[Deliver], FeedSocket]]:
    """Name every enabled price source, with what connects it; `sslopt` is passed to the TLS layer."""
    timing = FeedTiming(stale_after=config.risk.stale_after)

    def connect(source: PriceSource, deliver: Deliver) -> FeedSocket:
        return FeedSocket(
            source,
            urls=urls.feeds[source.name].sockets,
            assets=config.symbols(source.name),
            deliver=deliver,
            now=now,
            random=Random(),  # noqa: S311
            timing=timing,
            sslopt=sslopt,
        )

    return {name: partial(connect, SOURCES[name]) for name in config.feeds.enabled}


def history_sources(config: Config, urls: Urls) -> list[HistorySource]:
    """Name where each asset's past hour can be had, the finest first."""
    return [
        HistorySource(name, asset, where, symbol)
        for name in SOURCES
        if name in config.feeds.enabled and (where := urls.feeds[name].history) is not None
        for symbol, asset in config.symbols(name).items()
    ]
