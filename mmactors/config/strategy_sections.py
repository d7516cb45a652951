"""The sections of what quotes do: volatility, reference, ladder, inventory, limits, and overrides of them.

Owns the users' units and bounds. The defaults are the core's own (`core/params.py`).
"""

from typing import Annotated, Literal

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
)

from mmactors.config.section import Section
from mmactors.config.vocabulary import (
    Asset,
    Basis,
    Cents,
    Duration,
    Millis,
    Probability,
    Seconds,
    Size,
    Usd,
    allowed,
)
from mmactors.core.params import (
    InventoryParams,
    QuotingParams,
    ReferenceParams,
    RiskParams,
    VolatilityParams,
)
from mmactors.units import MILLISECOND, SECOND, dollars

_VOLATILITY, _REFERENCE, _QUOTING = VolatilityParams(), ReferenceParams(), QuotingParams()

_INVENTORY, _RISK = InventoryParams(), RiskParams()
"""The core's own defaults: a section's are these, in its own units."""


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
