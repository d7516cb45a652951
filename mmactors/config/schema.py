"""The configuration's sections: every field with its unit, default and reason, and what follows from what is given.

Owns the keys and what one says of another. The core's own parameter objects (`core/params.py`) are made here, for one
asset and duration at a time. It knows nothing of files (`loading.py`) and judges no combination (`contradictions.py`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mmactors.config.errors import Schema
from mmactors.config.vocabulary import (
    DURATIONS,
    Asset,
    Basis,
    Bps,
    Capability,
    Cents,
    Duration,
    FilePath,
    Heartbeat,
    Host,
    HttpUrl,
    Millis,
    Prices,
    Probability,
    Product,
    Rate,
    Seconds,
    Size,
    SocketUrl,
    Symbol,
    Usd,
    allowed,
    asset_of,
    keys_upper,
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
from mmactors.units import MILLISECOND, SECOND, Contracts, Micros, Nanos, dollars, micros, nanos

_VOLATILITY, _REFERENCE, _QUOTING = VolatilityParams(), ReferenceParams(), QuotingParams()
_INVENTORY, _RISK = InventoryParams(), RiskParams()
"""The core's own defaults: a section's are these, in its own units."""


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("true and false are no values here")
        return value

    def given(self) -> dict[str, object]:
        """Return the values set explicitly, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


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


class VolatilityConfig(Section):
    """How sigma is estimated; annualised, as a fraction."""

    prior: PositiveFloat = Field(default=_VOLATILITY.prior, description="a year; before any data")
    floor: PositiveFloat = Field(
        default=_VOLATILITY.floor, description="a year; a quiet minute is no proof of a quiet session"
    )
    cap: PositiveFloat = Field(default=_VOLATILITY.cap, description="a year; one bad print must not stop trading")
    step_s: Seconds = Field(
        default=_VOLATILITY.step_s, description="s; clock on which prices are resampled, whatever the feed's rate"
    )
    lag_s: Seconds = Field(
        default=_VOLATILITY.lag_s, description="s; span of a return, long enough to see through smoothing"
    )
    half_life_s: Seconds = Field(
        default=_VOLATILITY.half_life_s, description="s; of the level, an average of squared returns"
    )
    fast_lag_s: Seconds = Field(
        default=_VOLATILITY.fast_lag_s, description="s; span of returns that tell the present liveliness"
    )
    fast_half_life_s: Seconds = Field(default=_VOLATILITY.fast_half_life_s, description="s; of that liveliness")
    fast_share: Probability = Field(
        default=_VOLATILITY.fast_share, description="power of the liveliness in the variance; 0: none"
    )
    prior_weight_s: Seconds = Field(
        default=_VOLATILITY.prior_weight_s, description="s; of data that weigh as much as the prior"
    )


class ReferenceConfig(Section):
    """How several price sources become one price; a bp is 1e-4 of the price. One source alone needs none of it."""

    anchor: Annotated[str, Field(pattern=r"^[a-z]*$"), allowed("a source's name, or nothing")] = Field(
        default=_REFERENCE.anchor, description="source at whose level the reference is; empty: the middle of all"
    )
    basis_half_life_s: PositiveFloat = Field(
        default=_REFERENCE.basis_half_life_s, description="s; of what is learned of a source's basis"
    )
    max_basis_bp: Basis = Field(
        default=_REFERENCE.max_basis_bp, description="bp; a source further off is wrong, not different"
    )
    noise_bp: Basis = Field(
        default=_REFERENCE.noise_bp, description="bp; sd of one source's price about the common one, at no age"
    )
    jump_bp: Basis = Field(
        default=_REFERENCE.jump_bp, description="bp; a price this far off waits for another source's word"
    )
    widen_bp: Basis = Field(
        default=_REFERENCE.widen_bp, description="bp apart from which sources make the price uncertain"
    )
    stop_bp: Basis = Field(default=_REFERENCE.stop_bp, description="bp apart from which they end quoting")
    hold_s: Annotated[float, Field(gt=0, le=5)] = Field(
        default=_REFERENCE.hold_s, description="s; how long they may contradict so"
    )
    index: bool = Field(default=_REFERENCE.index, description="whether resolved markets teach the basis to their index")


class QuotingConfig(Section):
    """The ladder's shape. Prices in dollars, sizes in contracts."""

    spread: Cents = Field(default=_QUOTING.spread, description="$; total, without the latency's share")
    size: Size = Field(default=_QUOTING.size, description="contracts per level; clips of 100 lose on recorded prices")
    levels: Annotated[int, Field(ge=1, le=20)] = Field(default=_QUOTING.levels, description="per side")
    spacing: Cents = Field(default=_QUOTING.spacing, description="$; between levels")
    k_lat: Annotated[float, Field(ge=0, le=10)] = Field(
        default=_QUOTING.k_lat, description="half-spread per sd of fair over the reaction"
    )
    hysteresis: Annotated[float, Field(ge=0, lt=0.1)] = Field(
        default=_QUOTING.hysteresis, description="$; before a level moves inwards"
    )
    refresh_ms: Millis = Field(
        default=_QUOTING.refresh_ns // MILLISECOND, description="ms; least time between changes that are not urgent"
    )
    latency_floor_ms: Millis = Field(
        default=round(_QUOTING.latency_floor_s * 1000), description="ms; least reaction time assumed"
    )
    pause_ms: Millis = Field(
        default=round(_QUOTING.pause_s * 1000), description="ms; a silence of the reference up to this does not widen"
    )


class InventoryConfig(Section):
    """How much may be held and how it is worked off. `skew_factor`: one constant lean instead of two."""

    max_position: Size = Field(
        default=_INVENTORY.max_position, description="contracts; largest |YES - NO| of a market, pairs are cash"
    )
    skew_factor: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None, description="$; sets lean_early and lean_late"
    )
    lean_early: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=_INVENTORY.lean_early, description="$ at full position, f >= .75"
    )
    lean_late: Annotated[float, Field(ge=0, lt=5)] = Field(
        default=_INVENTORY.lean_late, description="$ at full position, f <= .60"
    )
    give: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        default=_INVENTORY.give, description="$ beyond fair that reducing may give away, late"
    )
    give_full: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        default=_INVENTORY.give_full, description="$ more at full position; in proportion below"
    )
    late_room: Probability = Field(
        default=_INVENTORY.late_room, description="share of max_position left as room at f <= .20"
    )
    close_threshold: Seconds = Field(
        default=_INVENTORY.close_threshold_s, description="s; most time before expiry at which all is cancelled"
    )
    close_fraction: Probability = Field(
        default=_INVENTORY.close_fraction, description="share of the session; the same, where it is less"
    )
    reduce_only_f: Probability = Field(
        default=_INVENTORY.reduce_only_f, description="share left; from here only |net| is cut"
    )
    dead_f: Probability = Field(
        default=_INVENTORY.dead_f, description="share left; from here the losing outcome may be dead"
    )
    dead_d2: PositiveFloat = Field(default=_INVENTORY.dead_d2, description="sd from the strike at which it is")
    dead_side: Literal["zero", "reduce_only"] = Field(
        default=_INVENTORY.dead_side, description="bids for it: none, or reducing ones"
    )
    cross: bool = Field(default=_INVENTORY.cross, description="whether an order may take liquidity to flatten")
    cross_f: Probability = Field(default=_INVENTORY.cross_f, description="share left; from here it may")
    cross_edge: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=_INVENTORY.cross_edge, description="$; most given up, fee included"
    )
    cross_to: Probability = Field(
        default=_INVENTORY.cross_to, description="share of max_position down to which it flattens"
    )

    def given(self) -> dict[str, object]:
        """Return the values set explicitly; a skew factor sets both leans."""
        values = super().given()
        if values.get("skew_factor") is not None:
            values = {"lean_early": self.skew_factor, "lean_late": self.skew_factor, **values}
        return values


class RiskConfig(Section):
    """The limits. Money in dollars, times in seconds."""

    max_markets: Annotated[int, Field(gt=0, le=1000)] = Field(default=_RISK.max_markets, description="quoted at once")
    max_daily_loss: Usd = Field(
        default=dollars(_RISK.max_daily_loss), description="$ of equity in a UTC day; then only |net| is cut"
    )
    min_spread: Cents = Field(default=dollars(_RISK.min_spread_micros), description="$; own spread is never less")
    max_exposure: Usd = Field(
        default=dollars(_RISK.max_exposure), description="$; worst case if any subset of live orders fills"
    )
    merge_below: Annotated[float, Field(ge=0, le=1e9)] = Field(
        default=1000.0, description="$ of free cash; with less, pairs are merged where the venue can; 0: never"
    )
    max_asset_delta: Annotated[float, Field(gt=0, le=1e6)] = Field(
        default=_RISK.max_asset_delta,
        description="$ per bp of an asset, its sessions together; a jump of 10 bp is a day's loss",
    )
    stale_after: Annotated[float, Field(gt=0, le=5)] = Field(
        default=_RISK.stale_after_ns / SECOND, description="s; a lifeless reference's quotes go"
    )
    freeze_contracts: PositiveInt = Field(
        default=_RISK.freeze_contracts, description="filled on one side within freeze_window freeze a market"
    )
    freeze_window: Seconds = Field(default=_RISK.freeze_window_ns / SECOND, description="s")
    freeze_for: Seconds = Field(default=_RISK.freeze_ns / SECOND, description="s")


class Override(Section):
    """Values for one asset, one duration, or both, laid over `quoting`, `inventory` and `volatility`."""

    asset: Asset | None = None
    duration: Duration | None = None
    quoting: QuotingConfig = QuotingConfig()
    inventory: InventoryConfig = InventoryConfig()
    volatility: VolatilityConfig = VolatilityConfig()


class SettlementConfig(Section):
    """What decides a simulated market: the price at its end, or the mean of one-second prints up to it."""

    type: Literal["spot", "avg"] = Field(default="spot", description="real venues average: Kalshi, Polymarket")
    window_s: Annotated[int, Field(ge=1, le=300)] = Field(
        default=60, description="s; prints of an average, of the strike's too; 60 is what real venues take"
    )
    tie: Literal["NO", "YES"] = Field(default="NO", description="who wins exactly at the strike")


class SessionsConfig(Section):
    """One rolling series of sessions of the embedded venue."""

    asset: Asset = "BTC"
    duration: Duration = "5M"
    elapsed_s: NonNegativeFloat = Field(default=0.0, description="s; age of the first session at the start")
    strike_offset_share: Probability = Field(
        default=0.3, description="of sessions struck within +-2 sd, not at the price"
    )
    tick: Cents = Field(default=0.01, description="$; a whole number of them makes a dollar")
    strikes: Annotated[int, Field(ge=1, le=9)] = Field(default=1, description="markets per session, side by side")
    strike_spacing_sd: Annotated[float, Field(gt=0, le=3)] = Field(
        default=0.5, description="sd of the session between those strikes"
    )
    settlement: SettlementConfig = SettlementConfig()
    strike: Literal["spot", "avg"] = Field(
        default="spot", description="the price at the open, or the mean of the prints before it"
    )


class WorldConfig(Section):
    """The simulated prices: strategy.md's synthetic process, or a recording."""

    seed: Annotated[int, Field(ge=-(10**15), le=10**15)] = Field(
        default=7, description="same seed, same prices and takers"
    )
    start_prices: Annotated[dict[str, Annotated[float, Field(gt=0, le=1e9)]], BeforeValidator(keys_upper)] = Field(
        default={"BTC": 97_000.0, "ETH": 3_400.0, "SOL": 180.0}, description="$"
    )
    annual_vol: Annotated[float, Field(gt=0, le=100)] = Field(default=0.50, description="a year")
    log_vol_sd: NonNegativeFloat = Field(default=0.35, description="of the log of volatility")
    log_vol_half_life_s: Seconds = Field(default=1800.0, description="s; its return to the mean")
    jumps_per_s: Rate = Field(default=1 / 300, description="one in five minutes")
    jump_sd_bp: NonNegativeFloat = Field(default=5.0, description="basis points")
    prices: Prices | None = Field(
        default=None, description="recording (columns ts_ms, price) instead of the process; one, or one by asset"
    )
    prices_from_s: NonNegativeFloat = Field(
        default=0.0, description="s into the recording at which play begins; what is before is its past"
    )
    speed: Annotated[float, Field(ge=1, le=1000)] = Field(default=1.0, description="of a recording; 1 is life's own")
    live: bool = Field(
        default=False,
        description="paper: the prices of feeds.*.ws_url instead; a backtest simulates all the same",
    )


class TakersConfig(Section):
    """Who trades: noise takers, informed takers, a thin outside book. Sizes in contracts, prices in dollars."""

    noise_per_s: Rate = Field(default=0.5, description="arrivals a second")
    noise_size_mean: PositiveFloat = Field(default=40.0, description="contracts, exponential")
    noise_edge: NonNegativeFloat = Field(default=0.03, description="$; how badly they may price, at the money")
    noise_edge_floor: NonNegativeFloat = Field(default=0.005, description="$; and far from it")
    informed_per_step: Probability = Field(default=0.3, description="chance that they look, per step")
    informed_edge: NonNegativeFloat = Field(default=0.01, description="$; beyond fees, for which they act")
    informed_max_size: NonNegativeInt = Field(default=150, description="contracts per sweep")
    outside_half_spread: Cents = Field(default=0.04, description="$")
    outside_size_per_s: Annotated[float, Field(ge=0, le=1e6)] = Field(default=50.0, description="contracts a second")
    outside_delay_ms: Millis = Field(default=200, description="ms; age of the price it quotes on")


class ExchangeConfig(Section):
    """How one simulated exchange has the world's prices: off by a basis, noisy, late; or a recording of its own."""

    basis_bp: Annotated[float, Field(ge=-500, le=500)] = Field(default=0.0, description="bp above the world's price")
    noise_bp: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.0, description="bp; sd of its own wandering around that, half gone in 2 s"
    )
    latency_ms: Millis | None = Field(default=None, description="ms; price to feed; unset: feed_latency_ms")
    trades_per_s: Annotated[float, Field(gt=0, le=1000)] = Field(default=3.0, description="of each asset")
    prices: Prices | None = Field(
        default=None, description="recording of this exchange, where its times meet the world's recording"
    )


class ExchangesConfig(Section):
    """The simulated exchanges."""

    binance: ExchangeConfig = ExchangeConfig()
    coinbase: ExchangeConfig = ExchangeConfig(noise_bp=0.2, latency_ms=80)
    okx: ExchangeConfig = ExchangeConfig(noise_bp=0.2, latency_ms=60)

    @property
    def by_source(self) -> dict[str, ExchangeConfig]:
        """Every exchange's section by the name of its price source."""
        return {name: getattr(self, name) for name in SOURCES}


class SimulatorConfig(Section):
    """The embedded venue and feeds. `embedded: false` trades on whatever answers at the URLs given."""

    embedded: bool = Field(default=True, description="whether run.py starts it")
    host: Host = Field(default="127.0.0.1", description="it listens on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=7717, description="it listens on; 0 takes a free one")
    log: FilePath | None = Field(default=None, description="the venue's own record, the truth to check against")
    step_ms: Annotated[int, Field(ge=5, le=1000)] = Field(default=50, description="ms; of the world's clock")
    feed_latency_ms: Millis = Field(default=50, description="ms; from the price to the feed")
    order_latency_ms: Millis = Field(default=50, description="ms; from the order to the book")
    latency_jitter_ms: Millis = Field(default=10, description="ms; most added to either")
    latency_model: Literal["uniform", "lognormal", "recorded"] = Field(
        default="uniform", description="within the jitter; or with these as medians; or as latency_file says"
    )
    latency_log_sd: Annotated[float, Field(gt=0, le=3)] = Field(default=0.5, description="of the lognormal delays")
    latency_file: FilePath | None = Field(default=None, description="recorded one-way delays, in ms, one a line")
    feed_ticks_per_s: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=10.0, description="Binance's book updates a second"
    )
    feeds: ExchangesConfig = ExchangesConfig()
    start_cash: Usd = Field(default=100_000.0, description="$ of a new account")
    orders_per_s: Annotated[float, Field(ge=0.001, le=1e6)] = Field(default=100.0, description="rate limit")
    burst: Annotated[float, Field(ge=1, le=1e6)] = Field(default=200.0, description="its bucket")
    tls: bool = Field(default=False, description="whether it serves https and wss, with a certificate of its own")
    certificate: FilePath | None = Field(
        default=None, description="where that goes; unset: simulator.pem in logs.dir/name"
    )
    without: tuple[Capability, ...] = Field(
        default=(), description="what the venue lacks of the contract, to see what the program does instead"
    )
    wallet_token_s: Seconds = Field(default=3600.0, description="s; life of a token given for a wallet's login")
    listed_before_s: Annotated[float, Field(ge=-86_400, le=86_400)] = Field(
        default=10.0, description="s; before the open; negative: late"
    )
    maker_bps: Bps = Field(default=0.0, description="fee; negative pays")
    taker_bps: Bps = Field(default=0.0, description="fee")
    fees: Literal["of_price", "quadratic"] = Field(
        default="of_price", description="what the bps are of: p, or p (1 - p) as at Kalshi, whose takers pay 700"
    )
    queue: Literal["price_time", "behind"] = Field(
        default="price_time", description="behind: clients' orders are last at their price, whenever they came"
    )
    sessions: tuple[SessionsConfig, ...] = Field(
        default=(SessionsConfig(duration="1M"), SessionsConfig(duration="5M", elapsed_s=175.0)),
        description="rolling series; unset: these of every asset",
    )
    world: WorldConfig = WorldConfig()
    takers: TakersConfig = TakersConfig()


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
