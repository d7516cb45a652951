"""The sections of the embedded venue and its world: sessions, prices, takers, exchanges.

Owns the keys of `simulator`. It knows nothing of how they are carried out.
"""

from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
)

from mmactors.config.feed_sections import SOURCES
from mmactors.config.section import Section
from mmactors.config.vocabulary import (
    Asset,
    Bps,
    Capability,
    Cents,
    Duration,
    FilePath,
    Host,
    Millis,
    Prices,
    Probability,
    Rate,
    Seconds,
    Usd,
    keys_upper,
)


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
