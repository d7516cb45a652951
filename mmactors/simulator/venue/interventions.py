"""Interventions in a market beside the calendar: halt, another end or strike, void, correction.

Owns the kinds and the status that each needs. The simulation carries them out; this must not know a clock.
"""

from typing import Annotated, Literal

import msgspec

from mmactors.simulator.venue.market import Market, Resolution

Kind = Literal["halt", "reopen", "close_early", "extend", "restrike", "void", "correct", "never_resolve", "delist"]

_ALIVE = ("PENDING", "OPEN", "HALTED")
_WHEN: dict[Kind, tuple[str, ...]] = {
    "halt": ("OPEN",),
    "reopen": ("HALTED",),
    "close_early": ("OPEN", "HALTED"),
    "extend": _ALIVE,
    "restrike": ("OPEN", "HALTED"),
    "void": (*_ALIVE, "CLOSED"),
    "correct": ("RESOLVED",),
    "never_resolve": (*_ALIVE, "CLOSED"),
    "delist": (*_ALIVE, "CLOSED"),
}


class MarketIntervention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One intervention in a market.

    Attributes:
        kind: the intervention. `delist` ends trading and takes the market off every list, unresolved.
        strike: the new strike, for `restrike`.
        by_s: seconds by which the end moves, for `extend`; negative for earlier.
        outcome: the new outcome, for `correct`.
    """

    kind: Kind
    strike: Annotated[float, msgspec.Meta(gt=0, le=1e12)] | None = None
    by_s: Annotated[float, msgspec.Meta(ge=-86_400, le=86_400)] = 0.0
    outcome: Resolution | None = None

    def check(self, market: Market, now_ms: int) -> None:
        """Check that the market's status allows this now.

        Raises:
            ValueError: it does not; the text says why.
        """
        if market.status not in _WHEN[self.kind]:
            raise ValueError(f"{self.kind}: market {market.id} is {market.status}")
        if self.kind == "restrike" and self.strike is None:
            raise ValueError("restrike: strike is missing")
        if self.kind == "correct" and self.outcome is None:
            raise ValueError("correct: outcome is missing")
        if self.kind == "extend" and market.expires_at + round(self.by_s * 1000) <= now_ms:
            raise ValueError(f"extend: market {market.id} would have ended already")
