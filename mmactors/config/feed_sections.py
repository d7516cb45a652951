"""The sections of the price sources: where each is, what it follows, and their one list.

Owns the names under which sources are configured. It knows no frame (`feeds/`) and no simulated exchange.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from pydantic import (
    Field,
)

from mmactors.config.section import Section
from mmactors.config.vocabulary import (
    FilePath,
    HttpUrl,
    Product,
    SocketUrl,
    Symbol,
    asset_of,
)


@dataclass(frozen=True, slots=True)
class FeedUrls:
    """Where one price source is: its sockets, the first preferred, and its REST history if it has one."""

    sockets: tuple[str, ...]
    history: str | None


class SourceConfig(Section):
    """What every price source's section has. Without an address the embedded simulator is the exchange."""

    simulated_at: ClassVar[str]
    """Path at which the simulator serves the source's socket."""

    ws_url: SocketUrl | None = Field(default=None, description="unset: the simulator's feed")
    history_url: HttpUrl | None = Field(
        default=None, description="REST, for the past hour; unset: the simulator's if ws_url is, else none"
    )
    symbols: tuple[str, ...] = ()
    enabled: bool = Field(default=False, description="whether to connect at all")

    @classmethod
    def asset(cls, symbol: str) -> str | None:
        """Return the asset that a symbol of this source prices, None if it prices none in dollars."""
        return asset_of(symbol.replace("-", "", 1))

    @classmethod
    def usual(cls, asset: str) -> str:
        """Return the symbol that prices an asset unless another is given."""
        raise NotImplementedError

    def assets(self, of: Iterable[str]) -> dict[str, str]:
        """Return the asset of each symbol followed; without symbols, those usual for the assets given."""
        priced = {symbol: self.asset(symbol) for symbol in self.symbols or map(self.usual, of)}
        return {symbol: asset for symbol, asset in priced.items() if asset is not None}

    def urls(self, sockets: str, history: str) -> FeedUrls:
        """Return where the source is; the arguments are the simulator's own bases (ws://host, http://host)."""
        first = self.ws_url or sockets + self.simulated_at
        return FeedUrls((first, *self.fallbacks), self.history_url or (None if self.ws_url else history))

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Where the same stream is as well."""
        return ()


class BinanceConfig(SourceConfig):
    """Binance spot: its WebSocket and the symbols it follows (btcusdt means asset BTC)."""

    simulated_at: ClassVar[str] = "/stream"

    ws_url: SocketUrl | None = Field(default=None, description="combined stream; unset: the simulator's feed")
    symbols: tuple[Symbol, ...] = Field(
        default=("btcusdt",), description="one per asset; unset: those of the assets, in USDT"
    )
    enabled: bool = Field(default=True, description="whether to connect at all")
    ws_fallbacks: tuple[SocketUrl, ...] = Field(
        default=(),
        description="the same stream elsewhere, tried in turn where a host blocks our location (451, 403)",
    )

    @classmethod
    def usual(cls, asset: str) -> str:
        """Return btcusdt for BTC."""
        return f"{asset.lower()}usdt"

    def urls(self, sockets: str, history: str) -> FeedUrls:
        """Return where the combined streams are: the specification names the single ones (/ws) beside them."""
        found = super().urls(sockets, history)
        return FeedUrls(tuple(re.sub(r"/ws$", "/stream", url) for url in found.sockets), found.history)

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Where the same stream is as well."""
        return self.ws_fallbacks


class CoinbaseConfig(SourceConfig):
    """Coinbase Exchange: its WebSocket and the products it follows."""

    simulated_at: ClassVar[str] = "/coinbase"

    symbols: tuple[Product, ...] = Field(default=(), description="one per asset; unset: ASSET-USD of every asset")

    @classmethod
    def usual(cls, asset: str) -> str:
        """Return BTC-USD for BTC."""
        return f"{asset}-USD"


class OkxConfig(SourceConfig):
    """OKX spot: its WebSocket and the instruments it follows."""

    simulated_at: ClassVar[str] = "/okx"

    symbols: tuple[Product, ...] = Field(default=(), description="one per asset; unset: ASSET-USDT of every asset")

    @classmethod
    def usual(cls, asset: str) -> str:
        """Return BTC-USDT for BTC."""
        return f"{asset}-USDT"


class FeedsConfig(Section):
    """The price sources, the leading one first: its symbols name the assets, and a core run follows it alone."""

    binance: BinanceConfig = BinanceConfig()
    coinbase: CoinbaseConfig = CoinbaseConfig()
    okx: OkxConfig = OkxConfig()
    ca_file: FilePath | None = Field(
        default=None, description="PEM; certificates to trust at every feed instead of the system's"
    )

    @property
    def by_source(self) -> dict[str, SourceConfig]:
        """Every source's section by its name."""
        return {name: getattr(self, name) for name in SOURCES}

    @property
    def enabled(self) -> tuple[str, ...]:
        """The names of those that are followed."""
        return tuple(name for name, section in self.by_source.items() if section.enabled)


SOURCES: dict[str, type[SourceConfig]] = {
    name: field.annotation
    for name, field in FeedsConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, SourceConfig)
}
"""The section of every price source by its name."""

LEADING = next(iter(SOURCES))
"""The source whose symbols name the assets, and which a run without actors follows alone."""


def alone() -> dict[str, str]:
    """Return the environment's values that leave the leading source alone."""
    return {f"MM__feeds__{name}__enabled": "false" for name in SOURCES if name != LEADING}
