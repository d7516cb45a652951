"""The whole configuration: its sections together, and what follows from what is given.

Owns what one key says of another. The core's parameter objects (`core/params.py`) are made here, for one asset and
duration at a time. It knows nothing of files (`loading.py`) and judges no combination (`contradictions.py`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from mmactors.config.errors import Schema
from mmactors.config.feed_sections import LEADING, SOURCES, FeedsConfig, FeedUrls
from mmactors.config.section import Section
from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.config.strategy_sections import (
    InventoryConfig,
    Override,
    QuotingConfig,
    ReferenceConfig,
    RiskConfig,
    VolatilityConfig,
)
from mmactors.config.vocabulary import (
    DURATIONS,
    Asset,
    FilePath,
    Heartbeat,
    HttpUrl,
    Seconds,
    SocketUrl,
    allowed,
    upper,
)
from mmactors.core.params import (
    InventoryParams,
    MakerParams,
    QuotingParams,
    ReferenceParams,
    RiskParams,
    VolatilityParams,
)
from mmactors.units import MILLISECOND, Contracts, Micros, Nanos, micros, nanos


class VenueConfig(Section):
    """Where the venue is and how to log in. URLs left out mean the simulator's own."""

    rest_url: HttpUrl | None = Field(default=None, description="unset: derived from ws_url, else the simulator's")
    ws_url: SocketUrl | None = Field(default=None, description="unset: derived from rest_url, else the simulator's")
    api_key_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$"), allowed("the NAME of an environment variable")] = (
        Field(default="DEGEN_API_KEY", description="where the JWT is looked for first")
    )
    api_key_file: FilePath | None = Field(default=None, description="file with the JWT, for systemd's LoadCredential")
    ca_file: FilePath | None = Field(
        default=None, description="PEM; certificates to trust instead of the system's, for a private authority"
    )
    wire_asks: Literal["buy_no", "as_ask"] = Field(
        default="buy_no", description="how a YES ask leaves; NO bids need no stock"
    )
    request_timeout_s: Seconds = Field(default=5.0, description="s; one REST request")
    ack_timeout_s: Seconds = Field(default=2.0, description="s; then an order's fate is unknown and asked for")
    start_within_s: Seconds = Field(
        default=60.0, description="s; a venue that is not there by then ends the run (69); later it is waited for"
    )
    heartbeat_ms: Heartbeat = Field(default=1000, description="ms; three fit into the dead man's switch")
    cod_timeout_ms: Heartbeat = Field(default=3000, description="ms; silence after which the venue cancels what rests")
    renew_before_s: Seconds = Field(
        default=300.0, description="s before the token's end; from here a newer one is looked for"
    )
    reduce_before_s: Seconds = Field(default=60.0, description="s before the token's end; from here only |net| is cut")
    cancel_before_s: Seconds = Field(default=10.0, description="s before the token's end; from here nothing rests")


class LogsConfig(Section):
    """Where the program keeps its journal and logs, how much of them, and how much it says on the console."""

    dir: FilePath = Field(
        default=Path("var"), description="the journal and logs are in a folder of the configuration's name"
    )
    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(upper)] = Field(
        default="INFO", description="of the console"
    )
    keep_gb: Annotated[float, Field(ge=0, le=1e6)] = Field(
        default=10.0, description="GB; beyond it the oldest runs' folders are deleted, never the journal; 0 keeps all"
    )


@dataclass(frozen=True, slots=True)
class Urls:
    """Where to connect."""

    rest_url: str
    ws_url: str
    feeds: Mapping[str, FeedUrls]


S = TypeVar("S", bound=Section)


class Config(Section):
    """The whole configuration."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$"), allowed("1 to 20 of a-z, 0-9 and -")] = Field(
        default="sim", description="of this instance: its folder, its order session"
    )
    assets: Annotated[tuple[Asset, ...], Field(min_length=1)] = Field(
        default=("BTC",), description="traded; unset: those the feed's symbols price"
    )
    venue: VenueConfig = VenueConfig()
    feeds: FeedsConfig = FeedsConfig()
    reference: ReferenceConfig = ReferenceConfig()
    volatility: VolatilityConfig = VolatilityConfig()
    quoting: QuotingConfig = QuotingConfig()
    inventory: InventoryConfig = InventoryConfig()
    risk: RiskConfig = RiskConfig()
    overrides: tuple[Override, ...] = ()
    simulator: SimulatorConfig = SimulatorConfig()
    logs: LogsConfig = LogsConfig()

    @model_validator(mode="before")
    @classmethod
    def _with_derived(cls, tree: Any) -> Any:
        """Assets, symbols and sessions follow from each other; the specification's CONFIG names symbols only."""
        for key, (_, value) in (derived(tree) if isinstance(tree, dict) else {}).items():
            *sections, name = key.split(".")
            tree = node = dict(tree)
            for section in sections:
                node[section] = node = dict(node.get(section) or {})
            node[name] = value
        return tree

    def symbols(self, source: str) -> dict[str, str]:
        """Return the asset of each symbol that a source follows."""
        return self.feeds.by_source[source].assets(() if source == LEADING else self.assets)

    @property
    def folder(self) -> Path:
        """Where this instance keeps its journal and logs."""
        return self.logs.dir / self.name

    @property
    def simulator_certificate(self) -> Path:
        """Where the simulator's own certificate is."""
        return self.simulator.certificate or self.folder / "simulator.pem"

    @property
    def venue_ca(self) -> Path | None:
        """The certificates to trust at the venue: those given, our own simulator's, or (None) the system's."""
        ours = self.simulator.tls and self.venue.rest_url is None and self.venue.ws_url is None
        return self.venue.ca_file or (self.simulator_certificate if ours else None)

    @property
    def feed_ca(self) -> Path | None:
        """The certificates to trust at every feed, likewise."""
        ours = self.simulator.tls and self.feeds.by_source[LEADING].ws_url is None
        return self.feeds.ca_file or (self.simulator_certificate if ours else None)

    def overrides_for(self, asset: str | None, duration: str | None) -> list[tuple[int, Override]]:
        """Return the overrides that apply, with their indices, weakest first: by asset, by duration, by both."""
        hits = [
            (2 * (over.duration is not None) + (over.asset is not None), index, over)
            for index, over in enumerate(self.overrides)
            if over.asset in (None, asset) and over.duration in (None, duration)
        ]
        return [(index, over) for _, index, over in sorted(hits, key=lambda hit: hit[:2])]

    def maker_params(self, asset: str, duration_s: int) -> MakerParams:
        """Return what the Maker of a session of this asset and length (seconds) is configured with."""
        duration = next((name for name, length in DURATIONS.items() if length == duration_s), None)
        overs = [over for _, over in self.overrides_for(asset, duration)]
        quoting = _laid(QuotingConfig(), [self.quoting, *(over.quoting for over in overs)])
        inventory = _laid(InventoryConfig(), [self.inventory, *(over.inventory for over in overs)])
        return MakerParams(
            quoting=QuotingParams(
                **quoting.model_dump(exclude={"refresh_ms", "latency_floor_ms", "pause_ms"}),
                refresh_ns=Nanos(quoting.refresh_ms * MILLISECOND),
                latency_floor_s=quoting.latency_floor_ms / 1000,
                pause_s=quoting.pause_ms / 1000,
            ),
            inventory=InventoryParams(
                **inventory.model_dump(exclude={"skew_factor", "close_threshold"}),
                close_threshold_s=inventory.close_threshold,
            ),
            risk=self.risk_params(),
        )

    def volatility_params(self, asset: str) -> VolatilityParams:
        """Return how the asset's sigma is estimated; it is one for all its sessions."""
        overs = [over.volatility for _, over in self.overrides_for(asset, None)]
        return VolatilityParams(**_laid(VolatilityConfig(), [self.volatility, *overs]).model_dump())

    def reference_params(self) -> ReferenceParams:
        """Return how sources are fused; it is one for all assets."""
        return ReferenceParams(**self.reference.model_dump())

    def risk_params(self) -> RiskParams:
        """Return the account's limits."""
        risk = self.risk
        return RiskParams(
            max_markets=risk.max_markets,
            max_daily_loss=micros(risk.max_daily_loss),
            min_spread_micros=micros(risk.min_spread),
            max_exposure=micros(risk.max_exposure),
            max_asset_delta=risk.max_asset_delta,
            stale_after_ns=nanos(risk.stale_after),
            freeze_contracts=Contracts(risk.freeze_contracts),
            freeze_window_ns=nanos(risk.freeze_window),
            freeze_ns=nanos(risk.freeze_for),
        )

    def merge_below(self) -> Micros:
        """Return below how much free cash pairs are merged; 0 where asks sell what is held, so that there are none."""
        return Micros(0) if self.venue.wire_asks == "as_ask" else micros(self.risk.merge_below)

    def urls(self, port: int | None = None) -> Urls:
        """Return where to connect; `port` is the simulator's actual one if it took a free one."""
        where = f"{self.simulator.host}:{self.simulator.port if port is None else port}"
        rest, socket = self.venue.rest_url, self.venue.ws_url
        secure = "s" if self.simulator.tls else ""
        if rest is None:
            rest = "http" + socket[2:].removesuffix("/ws") if socket else f"http{secure}://{where}"
        if socket is None:
            socket = "ws" + rest[4:] + "/ws"
        bases = f"ws{secure}://{where}", f"http{secure}://{where}"
        feeds = {source: section.urls(*bases) for source, section in self.feeds.by_source.items()}
        return Urls(rest, socket, feeds)


def derived(tree: Mapping[str, Any]) -> dict[str, tuple[str, list[Any]]]:
    """Return what a tree leaves out and another of its keys says: by key, which one, and the value.

    The leading source's symbols price assets, assets have its usual symbols, and sessions of 1M and 5M each.
    """
    feeds = _section(tree, "feeds")
    leading = None if feeds is None else _section(feeds, LEADING)
    simulator = _section(tree, "simulator")
    found: dict[str, tuple[str, list[Any]]] = {}
    assets, symbols = _words(tree.get("assets")), _words((leading or {}).get("symbols"))
    source, section = "assets", SOURCES[LEADING]
    if "assets" not in tree and symbols and (assets := [priced for priced in map(section.asset, symbols) if priced]):
        source = f"feeds.{LEADING}.symbols"
        found["assets"] = (source, list(dict.fromkeys(assets)))
    assets = list(dict.fromkeys(asset.upper() for asset in assets))
    if not assets:
        return found
    if leading is not None and "symbols" not in leading:
        found[f"feeds.{LEADING}.symbols"] = ("assets", [section.usual(asset) for asset in assets])
    if simulator is not None and "sessions" not in simulator:
        usual = [series.model_dump(exclude_unset=True) for series in SimulatorConfig().sessions]
        found["simulator.sessions"] = (source, [{"asset": asset, **series} for asset in assets for series in usual])
    return found


def _section(tree: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """A section of plain values, empty if it is not there; None if something else is in its place."""
    found = tree.get(name, {})
    return found if isinstance(found, dict) else None


def _words(value: Any) -> list[str]:
    words = value if isinstance(value, list | tuple) else []
    return list(words) if all(isinstance(word, str) and re.fullmatch(r"\w{2,16}", word) for word in words) else []


def _laid(base: S, layers: Sequence[S]) -> S:
    for layer in layers:
        base = base.model_copy(update=layer.given())
    return base


@cache
def json_schema() -> Schema:
    """Return the schema as JSON schema: what `load` words its errors from, and what a reader of the keys may print."""
    return Config.model_json_schema()
