"""Which prices are held back: a jump must be confirmed before it moves a reference.

Owns the rule and its counts. Knows no fused price beyond the level it is given, and does not decide what a lasting
contradiction means.
"""

import math
from collections import Counter
from collections.abc import Collection

from mmactors.core.params import ReferenceParams
from mmactors.core.reference.fusion import BP
from mmactors.core.reference.source import Source
from mmactors.units import SECOND, Nanos

JUMP_SD = 8.0
JUMP_SHARE = 0.003
"""A price beyond both of these from the last is held until it is confirmed; `jump_bp` beside another live source."""

CONFIRM_SHARE = 0.001
"""How close the second price must be to the held one."""

HOLD_TIMES = 3
"""So often a price beside another live source must repeat itself to count without that one's word."""


class JumpFilter:
    """The jump rule over the sources of one asset.

    Alone, a source confirms itself with a second price. Beside another that lives, the other's word is needed: a price
    of its own, held or not, nearer to the new one than the reference is. Failing that, a price that repeats itself
    `HOLD_TIMES` over `hold_s` counts if it is within `stop_bp`: a disagreement that widens, not one that ends quoting.
    """

    def __init__(self, params: ReferenceParams, counts: Counter[str]) -> None:
        self._params = params
        self._counts = counts

    def plausible(
        self,
        source: Source,
        price: float,
        received: Nanos,
        move: float,
        sd: float,
        sources: Collection[Source],
        alone: bool,
    ) -> list[Source] | None:
        """Say whether a price counts: None if it is held, else the sources whose held prices it confirms.

        Args:
            source: whose price it is.
            price: the price.
            received: when it came.
            move: the size of its logarithm's distance from the level.
            sd: the standard deviation of the level since it was last received.
            sources: every source ever received.
            alone: whether no other source lives.
        """
        if move <= (JUMP_SHARE if alone else self._params.jump_bp * BP) or move <= JUMP_SD * sd:
            if source.held is not None:
                self._counts["jump_dropped"] += 1
                source.held = None
            return []
        near = min(CONFIRM_SHARE, move / 2)
        adjusted = math.log(price) - source.basis
        others = [other for other in sources if alone or other is not source]
        waiting = [other for other in others if other.held is not None and _is_near(other.held, other, adjusted, near)]
        if waiting or any(other.alive and _is_near(other.price, other, adjusted, near) for other in others):
            self._counts["jump_confirmed"] += 1
            return [] if alone else [other for other in waiting if not other.spoilt]
        return [] if self._persists(source, price, received, move, near) else None

    def insisted_bp(self, sources: Collection[Source], log_level: float, within_ns: Nanos, now: Nanos) -> float:
        """Return how far from the level the price is that one source of two insists on; 0 if none does.

        Of three or more, one alone is outvoted. A price last repeated longer ago than `within_ns` is none any more.
        """
        furthest = 0.0
        for source in sources:
            if source.held is None or source.held_times < 2 or source.spoilt or source.held_ns <= source.lost_ns:
                continue
            others = sum(other.alive for other in sources if other is not source)
            if others == 1 and now - source.held_ns <= within_ns:
                furthest = max(furthest, abs(math.log(source.held) - source.basis - log_level) / BP)
        return furthest

    def _persists(self, source: Source, price: float, received: Nanos, move: float, near: float) -> bool:
        self._counts["jump_held"] += 1
        repeats = source.held is not None and abs(price / source.held - 1.0) <= near
        source.hold(price, received, repeats=repeats)
        if not repeats:
            source.judged(good=False)
        long = source.held_times >= HOLD_TIMES and received - source.held_since >= self._params.hold_s * SECOND
        if long and move < self._params.stop_bp * BP:
            self._counts["jump_persisted"] += 1
            return True
        return False


def _is_near(price: float, source: Source, adjusted: float, near: float) -> bool:
    return abs(adjusted - math.log(price) + source.basis) <= near
