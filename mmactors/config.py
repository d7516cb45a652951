"""The configuration's schema: every field with its unit, default and reason; and how a file becomes one.

`load` reads YAML, lays environment overrides (`MM__section__key=value`) over it and reports every mistake at once. The
core's own parameter objects (`core/params.py`) are made here, for one asset and duration at a time.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

Probability = Annotated[float, Field(ge=0, le=1)]
Cents = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VenueConfig(Section):
    """Where the venue is and how to log in. URLs left out mean the simulator's own."""

    rest_url: str | None = None
    ws_url: str | None = None
    api_key_env: str = "DEGEN_API_KEY"
    api_key_file: Path | None = None
    wire_asks: Literal["buy_no", "as_ask"] = "buy_no"
    request_timeout_s: PositiveFloat = 5.0
    ack_timeout_s: PositiveFloat = 2.0
    heartbeat_ms: PositiveInt = 1000
    cod_timeout_ms: PositiveInt = 3000


class FeedConfig(Section):
    """One price source: its WebSocket and the symbols it follows (btcusdt means asset BTC)."""

    ws_url: str | None = None
    symbols: tuple[str, ...] = ("btcusdt",)
    enabled: bool = True


class FeedsConfig(Section):
    """The price sources."""

    binance: FeedConfig = FeedConfig()


class VolatilityConfig(Section):
    """How sigma is estimated; annualised, as a fraction."""

    prior: PositiveFloat = 0.50
    floor: PositiveFloat = 0.10
    cap: PositiveFloat = 3.0
    step_s: PositiveFloat = 1.0
    lag_s: PositiveFloat = 10.0
    half_life_s: PositiveFloat = 600.0
    prior_weight_s: PositiveFloat = 120.0


class QuotingConfig(Section):
    """The ladder's shape. Prices in dollars, sizes in contracts."""

    spread: Cents = 0.02
    size: PositiveInt = 30
    levels: Annotated[int, Field(ge=1, le=20)] = 3
    spacing: Cents = 0.01
    k_lat: Annotated[float, Field(ge=0, le=10)] = 1.5
    hysteresis: Annotated[float, Field(ge=0, lt=0.1)] = 0.0025
    refresh_ms: Annotated[int, Field(ge=0, le=10_000)] = 100
    latency_floor_ms: Annotated[int, Field(ge=0, le=10_000)] = 20


class InventoryConfig(Section):
    """How much may be held and how it is worked off. `skew_factor`: one constant lean instead of two."""

    max_position: PositiveInt = 1000
    skew_factor: Annotated[float, Field(ge=0, lt=1)] | None = None
    lean_early: Annotated[float, Field(ge=0, lt=1)] = 0.25
    lean_late: Annotated[float, Field(ge=0, lt=5)] = 0.75
    give: Annotated[float, Field(ge=0, lt=0.5)] = 0.01
    late_room: Probability = 0.03
    close_threshold: PositiveFloat = 30.0
    close_fraction: Probability = 0.02
    reduce_only_f: Probability = 0.10
    dead_f: Probability = 0.10
    dead_d2: PositiveFloat = 1.5
    dead_side: Literal["zero", "reduce_only"] = "zero"
    cross: bool = True
    cross_f: Probability = 0.20
    cross_edge: Annotated[float, Field(ge=0, lt=1)] = 0.10
    cross_to: Probability = 0.02


class RiskConfig(Section):
    """The limits. Money in dollars, times in seconds."""

    max_markets: PositiveInt = 10
    max_daily_loss: PositiveFloat = 1000.0
    min_spread: Cents = 0.02
    max_exposure: PositiveFloat = 5000.0
    stale_after: Annotated[float, Field(gt=0, le=5)] = 2.0
    freeze_contracts: PositiveInt = 600
    freeze_window: PositiveFloat = 15.0
    freeze_for: PositiveFloat = 5.0


class Override(Section):
    """Values for one asset, one duration, or both, laid over `quoting`, `inventory` and `volatility`."""

    asset: str | None = None
    duration: str | None = None
    quoting: dict[str, object] = {}
    inventory: dict[str, object] = {}
    volatility: dict[str, object] = {}


class SessionsConfig(Section):
    """One rolling series of sessions of the embedded venue: 1M, 5M, 15M or 1H of one asset.

    `elapsed_s` is how far the first session has come when the simulator starts; `strike_offset_share` the share of
    sessions whose strike is drawn within +-2 session sigmas of the price instead of at it.
    """

    asset: str = "BTC"
    duration: str = "5M"
    elapsed_s: Annotated[float, Field(ge=0)] = 0.0
    strike_offset_share: Probability = 0.3
    tick: Cents = 0.01


class WorldConfig(Section):
    """The simulated prices: strategy.md's synthetic process, or a recording."""

    seed: int = 7
    start_prices: dict[str, PositiveFloat] = {"BTC": 97_000.0, "ETH": 3_400.0, "SOL": 180.0}
    annual_vol: PositiveFloat = 0.50
    log_vol_sd: Annotated[float, Field(ge=0)] = 0.35
    log_vol_half_life_s: PositiveFloat = 1800.0
    jumps_per_s: Annotated[float, Field(ge=0)] = 1 / 300
    jump_sd_bp: Annotated[float, Field(ge=0)] = 5.0
    prices: Path | None = None


class TakersConfig(Section):
    """Who trades: noise takers, informed takers, a thin outside book. Sizes in contracts, prices in dollars."""

    noise_per_s: Annotated[float, Field(ge=0)] = 0.5
    noise_size_mean: PositiveFloat = 40.0
    noise_edge: Annotated[float, Field(ge=0)] = 0.03
    noise_edge_floor: Annotated[float, Field(ge=0)] = 0.005
    informed_per_step: Probability = 0.3
    informed_edge: Annotated[float, Field(ge=0)] = 0.01
    informed_max_size: Annotated[int, Field(ge=0)] = 150
    outside_half_spread: Cents = 0.04
    outside_size_per_s: Annotated[float, Field(ge=0)] = 50.0
    outside_delay_ms: Annotated[int, Field(ge=0)] = 200


class SimulatorConfig(Section):
    """The embedded venue and feeds. `embedded: false` trades on whatever answers at the URLs given."""

    embedded: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 7717
    log: Path | None = None
    step_ms: Annotated[int, Field(ge=5, le=1000)] = 50
    feed_latency_ms: Annotated[int, Field(ge=0)] = 50
    order_latency_ms: Annotated[int, Field(ge=0)] = 50
    latency_jitter_ms: Annotated[int, Field(ge=0)] = 10
    feed_ticks_per_s: PositiveFloat = 10.0
    start_cash: PositiveFloat = 100_000.0
    orders_per_s: PositiveFloat = 100.0
    burst: PositiveFloat = 200.0
    listed_before_s: Annotated[float, Field(ge=0)] = 10.0
    maker_bps: float = 0.0
    taker_bps: float = 0.0
    sessions: tuple[SessionsConfig, ...] = (
        SessionsConfig(duration="1M"),
        SessionsConfig(duration="5M", elapsed_s=120.0),
    )
    world: WorldConfig = WorldConfig()
    takers: TakersConfig = TakersConfig()


class LogsConfig(Section):
    """Where the program keeps its journal and logs, and how much it says on the console."""

    dir: Path = Path("var")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Config(Section):
    """The whole configuration."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$")] = "sim"
    assets: tuple[str, ...] = ("BTC",)
    venue: VenueConfig = VenueConfig()
    feeds: FeedsConfig = FeedsConfig()
    volatility: VolatilityConfig = VolatilityConfig()
    quoting: QuotingConfig = QuotingConfig()
    inventory: InventoryConfig = InventoryConfig()
    risk: RiskConfig = RiskConfig()
    overrides: tuple[Override, ...] = ()
    simulator: SimulatorConfig = SimulatorConfig()
    logs: LogsConfig = LogsConfig()
