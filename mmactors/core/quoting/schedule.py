"""Everything about time, as a function of f = time left / session length.

Owns when the ladder leans, how the position limit shrinks, when a market only reduces and when it closes. It knows no
price.
"""

from enum import StrEnum
from functools import lru_cache

from mmactors.core.params import InventoryParams
from mmactors.units import SECOND, Nanos

EARLY_F = 0.75
"""Down to here inventory may lean freely (note 5: the first 20-30 % of the session)."""

LEAN_F = 0.60
"""From here on the lean is at its late value (note 5: worked off below 60-70 % left)."""

LATE_F = 0.20
"""From here on the position limit is at its late value."""


class Phase(StrEnum):
    """What a market does at its time of life; DEAD_SIDE also depends on the price and is for the ladder to say."""

    EARLY = "EARLY"
    FLATTENING = "FLATTENING"
    REDUCE_ONLY = "REDUCE_ONLY"
    DEAD_SIDE = "DEAD_SIDE"
    CLOSED = "CLOSED"


def f(tau_ns: Nanos, duration_ns: Nanos) -> float:
    """Return the share of the session that is left, within 0..1.

    Raises:
        ValueError: the duration is not positive.
    """
    if duration_ns <= 0:
        raise ValueError(f"a session lasts longer than {duration_ns} ns")
    share = tau_ns / duration_ns
    return 0.0 if share < 0.0 else 1.0 if share > 1.0 else share


def lean_weight(f: float) -> float:
    """Return how far the lean has ramped in: 0 at f >= .75, 1 at f <= .60."""
    if f >= EARLY_F:
        return 0.0
    return (EARLY_F - f) / (EARLY_F - LEAN_F) if f > LEAN_F else 1.0


def position_limit(f: float, params: InventoryParams) -> int:
    """Return the largest |net| allowed, in contracts.

    `max_position` at f >= .75, falling linearly to `late_room * max_position` at f = .20 and constant below.
    """
    if f >= EARLY_F:
        return params.max_position
    share = (f - LATE_F) / (EARLY_F - LATE_F) if f > LATE_F else 0.0
    # Float noise must not take a contract from a whole number.
    return int(params.max_position * (params.late_room + (1.0 - params.late_room) * share) + 1e-9)


def close_at_ns(duration_ns: Nanos, params: InventoryParams) -> Nanos:
    """Return the time left at which everything is cancelled: min(threshold, max(1 s, fraction * duration))."""
    return _close_at_ns(duration_ns, params.close_fraction, params.close_threshold_s)


@lru_cache(maxsize=256)
def _close_at_ns(duration_ns: int, fraction: float, threshold_s: float) -> Nanos:
    return Nanos(min(round(threshold_s * SECOND), max(SECOND, round(fraction * duration_ns))))


def phase(f: float, duration_ns: Nanos, params: InventoryParams) -> Phase:
    """Return what the market does at this share of the session left, price apart."""
    if f * duration_ns <= close_at_ns(duration_ns, params):
        return Phase.CLOSED
    if f <= params.reduce_only_f:
        return Phase.REDUCE_ONLY
    return Phase.EARLY if f >= EARLY_F else Phase.FLATTENING
