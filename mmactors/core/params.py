"""What the core is configured with, in the core's units. `config/` checks the user's values and makes these."""

from dataclasses import dataclass
from typing import Literal

from mmactors.units import Contracts, Micros, Nanos


@dataclass(frozen=True, slots=True)
class VolatilityParams:
    """How sigma is estimated; volatilities are annualised.

    Attributes:
        prior: sigma before any data; its weight fades as data comes in.
        floor: sigma is never below this.
        cap: sigma is never above this.
        step_s: spacing of the clock on which prices are resampled, in seconds.
        lag_s: span of one (overlapping) return, in seconds; a multiple of `step_s`.
        half_life_s: half-life of the level, an EWMA of squared returns, in seconds.
        fast_lag_s, fast_half_life_s: span and half-life of the returns that tell how lively the market is just now.
        fast_share: how much of that goes into the variance, as a power.
        prior_weight_s: seconds of data that weigh as much as the prior.
    """

    prior: float = 0.50
    floor: float = 0.10
    cap: float = 3.0
    step_s: float = 1.0
    lag_s: float = 15.0
    half_life_s: float = 1800.0
    fast_lag_s: float = 1.0
    fast_half_life_s: float = 60.0
    fast_share: float = 1.0
    prior_weight_s: float = 120.0


@dataclass(frozen=True, slots=True)
class ReferenceParams:
    """How several sources become one price; a bp is 1e-4 of the price. With one source none of it matters.

    Attributes:
        anchor: the source at whose level the reference is; empty or unheard: the middle of all.
        basis_half_life_s: half-life of what is learned of a source's basis.
        max_basis_bp: a source further away than this has no basis but is wrong.
        noise_bp: standard deviation of one source's price about the common one, at no age.
        jump_bp: a price this far from the reference waits for another source's word.
        widen_bp: sources further apart than this make the price uncertain, by half of what is beyond.
        stop_bp: sources further apart than this for `hold_s` end quoting.
        hold_s: how long a contradiction may last.
        index: whether the basis to the settlement index is learned from resolved markets.
    """

    anchor: str = ""
    basis_half_life_s: float = 300.0
    max_basis_bp: float = 30.0
    noise_bp: float = 0.5
    jump_bp: float = 10.0
    widen_bp: float = 3.0
    stop_bp: float = 25.0
    hold_s: float = 0.5
    index: bool = False


@dataclass(frozen=True, slots=True)
class QuotingParams:
    """The ladder's shape. Dollars unless the name says otherwise.

    Attributes:
        spread: total spread at no latency.
        size: contracts per level.
        levels: levels per side.
        spacing: distance between levels.
        k_lat: half-spread per standard deviation of the fair value over the reaction time.
        hysteresis: how far beyond a tick the fair value must move before a level moves *inwards*.
        refresh_ns: least time between two changes that are not urgent.
        latency_floor_s: least reaction time assumed.
        pause_s: the reference's silence up to this is no age: between two ticks it would only cost messages.
    """

    spread: float = 0.02
    size: Contracts = Contracts(30)
    levels: int = 3
    spacing: float = 0.01
    k_lat: float = 2.5
    hysteresis: float = 0.0025
    refresh_ns: Nanos = Nanos(100_000_000)
    latency_floor_s: float = 0.02
    pause_s: float = 0.25


@dataclass(frozen=True, slots=True)
class InventoryParams:
    """How much may be held and how it is worked off; f is the share of the session left.

    Attributes:
        max_position: largest |YES - NO| in one market.
        lean_early, lean_late: dollars by which the ladder leans at full position, early (f >= .75) and late (f <= .60).
        give: dollars beyond the fair value that the reducing side may give away, late.
        give_full: how much more it may at full position; in proportion below.
        late_room: share of max_position that is the position limit at f <= .20.
        close_threshold_s, close_fraction: all is cancelled at min(threshold, max(1 s, fraction * duration)) left.
        reduce_only_f: from here on only the side that cuts |net| is quoted, at most |net| of it.
        dead_f, dead_d2: from f <= dead_f with |d2| >= dead_d2 the losing outcome gets no bids.
        dead_side: no bids at all there, or reducing ones still.
        cross: whether an order may take liquidity to flatten below `cross_f`.
        cross_edge: most dollars, fee included, given up against the fair value by such an order.
        cross_to: share of max_position down to which it flattens.
    """

    max_position: Contracts = Contracts(1000)
    lean_early: float = 0.25
    lean_late: float = 0.75
    give: float = 0.01
    give_full: float = 0.10
    late_room: float = 0.03
    close_threshold_s: float = 30.0
    close_fraction: float = 0.02
    reduce_only_f: float = 0.10
    dead_f: float = 0.10
    dead_d2: float = 1.5
    dead_side: Literal["zero", "reduce_only"] = "zero"
    cross: bool = True
    cross_f: float = 0.20
    cross_edge: float = 0.10
    cross_to: float = 0.02


@dataclass(frozen=True, slots=True)
class RiskParams:
    """The limits.

    Attributes:
        max_markets: most markets quoted at once.
        max_daily_loss: loss of equity in one UTC day at which trading only reduces.
        min_spread_micros: own spread is never below this.
        max_exposure: worst-case loss of the account if any subset of live orders fills.
        max_asset_delta: dollars per basis point of an asset that its sessions may gain or lose together.
        stale_after_ns: age of the newest sign of life of a reference beyond which its quotes are cancelled.
        freeze_contracts, freeze_window_ns: more contracts than this filled on one side in the window freeze the market.
        freeze_ns: how long a market stays frozen.
    """

    max_markets: int = 10
    max_daily_loss: Micros = Micros(1_000_000_000)
    min_spread_micros: Micros = Micros(20_000)
    max_exposure: Micros = Micros(5_000_000_000)
    max_asset_delta: float = 100.0
    stale_after_ns: Nanos = Nanos(2_000_000_000)
    freeze_contracts: Contracts = Contracts(600)
    freeze_window_ns: Nanos = Nanos(15_000_000_000)
    freeze_ns: Nanos = Nanos(5_000_000_000)


@dataclass(frozen=True, slots=True)
class MakerParams:
    """All that one market's Maker is configured with."""

    quoting: QuotingParams = QuotingParams()
    inventory: InventoryParams = InventoryParams()
    risk: RiskParams = RiskParams()
