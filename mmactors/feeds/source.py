"""Which price sources a configuration names, and what connects each: the only module that knows all of them.

A new source is a parser in a file of its own and a few lines here.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from mmactors.config import Config, Urls
from mmactors.feeds.binance import BinanceParser, stream_url
from mmactors.feeds.coinbase import CoinbaseParser, subscription
from mmactors.feeds.connection import FeedMessage, FeedSocket, FeedTiming
from mmactors.feeds.history import HistorySource
from mmactors.units import Nanos

Deliver = Callable[[FeedMessage], None]


def feed_sockets(
    config: Config, urls: Urls, now: Callable[[], Nanos], sslopt: dict[str, Any] | None = None
) -> dict[str, Callable[[Deliver], FeedSocket]]:
    """Name every enabled price source, with what connects it; `sslopt` is passed to the TLS layer."""
    timing = FeedTiming(stale_after=config.risk.stale_after)
    binance, coinbase = config.symbols("binance"), config.symbols("coinbase")

    def connect_binance(deliver: Deliver) -> FeedSocket:
        return FeedSocket(
            source="binance",
            urls=[stream_url(url, binance) for url in (urls.binance_url, *urls.binance_fallbacks)],
            parser=BinanceParser(binance),
            assets=binance,
            deliver=deliver,
            now=now,
            random=Random(),  # noqa: S311
            timing=timing,
            sslopt=sslopt,
        )

    def connect_coinbase(deliver: Deliver) -> FeedSocket:
        return FeedSocket(
            source="coinbase",
            urls=[urls.coinbase_url],
            parser=CoinbaseParser(coinbase),
            assets=coinbase,
            deliver=deliver,
            now=now,
            random=Random(),  # noqa: S311
            timing=timing,
            sslopt=sslopt,
            subscribe=subscription(coinbase),
        )

    connects = {"binance": connect_binance, "coinbase": connect_coinbase}
    return {source: connects[source] for source in connects if getattr(config.feeds, source).enabled}


def history_sources(config: Config, urls: Urls) -> list[HistorySource]:
    """Name where each asset's past hour can be had, the finest first."""
    found: list[HistorySource] = []
    if config.feeds.binance.enabled and urls.binance_history_url is not None:
        where = urls.binance_history_url
        found += [HistorySource("binance", asset, where, s) for s, asset in config.symbols("binance").items()]
    if config.feeds.coinbase.enabled and urls.coinbase_history_url is not None:
        where = urls.coinbase_history_url
        found += [HistorySource("coinbase", asset, where, s) for s, asset in config.symbols("coinbase").items()]
    return found
