"""Which markets to quote when there are more of them than `risk.max_markets`.

Owns the choice and nothing else; knows no actor, price or order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MIN_F = 0.20
"""A market with less of its session left than this is not taken up: its position limit is that of the end."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A market that could be quoted; f is the share of its session left, net is YES minus NO in contracts.

    `asset_share` is how much of its asset's exposure limit is used, of either sign.
    """

    market: str
    f: float
    incumbent: bool = False
    net: int = 0
    max_position: int = 1000
    asset_share: float = 0.0


def score(candidate: Candidate) -> float:
    """Return how much a market is wanted: more time left, less exposure in it and in its asset are better."""
    return candidate.f - abs(candidate.net) / max(candidate.max_position, 1) - candidate.asset_share


def select(candidates: Sequence[Candidate], limit: int) -> list[str]:
    """Return the ids of the markets to quote: all scored, sorted by (-score, id), then cut to `limit`.

    Markets with inventory are never dropped, even beyond the limit; incumbents come before newcomers; a newcomer with
    less than 20 % of its session left, or at its asset's limit, is skipped.
    """
    ranked = sorted(candidates, key=lambda candidate: (-score(candidate), candidate.market))
    held = [candidate.market for candidate in ranked if candidate.net]
    kept = [candidate.market for candidate in ranked if not candidate.net and candidate.incumbent and candidate.f > 0]
    fresh = [c.market for c in ranked if not c.net and not c.incumbent and c.f >= MIN_F and c.asset_share < 1.0]
    return held + (kept + fresh)[: max(limit - len(held), 0)]
