"""What a venue can do to a market beside the calendar: halt it, move its end or its strike, void it, correct it.

Owns the kinds and when each may be asked for. Who carries one out is the simulation; this knows no time of its own.
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
    """One change of a market.

    Attributes:
        kind: what is done. `delist` ends trading and takes the market out of every list, unresolved.
        strike: the new one, for `restrike`.
        by_s: how many seconds later it ends, for `extend`; negative for earlier.
        outcome: the new one, for `correct`.
    """

    kind: Kind
    strike: Annotated[float, msgspec.Meta(gt=0, le=1e12)] | None = None
    by_s: Annotated[float, msgspec.Meta(ge=-86_400, le=86_400)] = 0.0
    outcome: Resolution | None = None

    def check(self, market: Market, now_ms: int) -> None:
        """Check that this can be done to the market now.

        Raises:
            ValueError: it cannot, and why.
        """
        if market.status not in _WHEN[self.kind]:
            raise ValueError(f"{self.kind}: market {market.id} is {market.status}")
        if self.kind == "restrike" and self.strike is None:
            raise ValueError("restrike: strike is missing")
        if self.kind == "correct" and self.outcome is None:
            raise ValueError("correct: outcome is missing")
        if self.kind == "extend" and market.expires_at + round(self.by_s * 1000) <= now_ms:
            raise ValueError(f"extend: market {market.id} would have ended already")
