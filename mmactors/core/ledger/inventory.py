"""One market's inventory: contracts of both outcomes with what they cost, marked and settled exactly.

Owns pairs, net, cost, fees and the P&L of one session, in integers. Knows no order, schedule or price source. A pair of
YES and NO is a dollar whatever happens; exposure is the net.
"""

from dataclasses import dataclass, field
from typing import Protocol

from mmactors.messages import Outcome, Resolution
from mmactors.units import DOLLAR, Contracts, Micros, Ticks

_YES_PAYS = {Resolution.YES: DOLLAR, Resolution.NO: 0, Resolution.VOID: DOLLAR // 2}


class Fill(Protocol):
    """What of a fill the inventory looks at; `OrderFilled` is one."""

    @property
    def fill_id(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def ticks(self) -> Ticks: ...
    @property
    def size(self) -> Contracts: ...
    @property
    def fee_micros(self) -> Micros: ...


@dataclass(slots=True)
class Inventory:
    """Contracts held in one market, their cost, and the cash already taken out by merging pairs.

    Attributes:
        yes, no: contracts held.
        yes_cost_micros, no_cost_micros: what those contracts cost, fees apart.
        fees_micros: fees paid so far; negative for rebates.
        merged_micros: profit booked by merging pairs.
        resolution: how the market was settled, None while it is open.
    """

    yes: Contracts = Contracts(0)
    no: Contracts = Contracts(0)
    yes_cost_micros: Micros = Micros(0)
    no_cost_micros: Micros = Micros(0)
    fees_micros: Micros = Micros(0)
    merged_micros: Micros = Micros(0)
    resolution: Resolution | None = None
    _seen: set[str] = field(default_factory=set, repr=False)

    @property
    def net(self) -> int:
        """YES minus NO, in contracts."""
        return self.yes - self.no

    @property
    def pairs(self) -> Contracts:
        """Pairs of YES and NO held."""
        return min(self.yes, self.no)

    @property
    def cost_micros(self) -> Micros:
        """What all contracts held cost, fees apart."""
        return Micros(self.yes_cost_micros + self.no_cost_micros)

    def apply(self, fill: Fill, tick_micros: Micros) -> bool:
        """Book a fill once; return False if its id was seen before. A late one counts after settlement, too."""
        if fill.fill_id in self._seen:
            return False
        self._seen.add(fill.fill_id)
        cost = fill.ticks * tick_micros * fill.size
        if fill.outcome is Outcome.YES:
            self.yes = Contracts(self.yes + fill.size)
            self.yes_cost_micros = Micros(self.yes_cost_micros + cost)
        else:
            self.no = Contracts(self.no + fill.size)
            self.no_cost_micros = Micros(self.no_cost_micros + cost)
        self.fees_micros = Micros(self.fees_micros + fill.fee_micros)
        return True

    def merge(self, pairs: Contracts) -> Micros:
        """Turn pairs back into cash at their average cost; return the cash received.

        Raises:
            ValueError: more pairs than are held, or fewer than none.
        """
        if not 0 <= pairs <= self.pairs:
            raise ValueError(f"cannot merge {pairs} pairs of {self.pairs}")
        if pairs:
            yes_cost = self.yes_cost_micros * pairs // self.yes
            no_cost = self.no_cost_micros * pairs // self.no
            self.yes = Contracts(self.yes - pairs)
            self.no = Contracts(self.no - pairs)
            self.yes_cost_micros = Micros(self.yes_cost_micros - yes_cost)
            self.no_cost_micros = Micros(self.no_cost_micros - no_cost)
            self.merged_micros = Micros(self.merged_micros + pairs * DOLLAR - yes_cost - no_cost)
        return Micros(pairs * DOLLAR)

    def mark(self, fair: float) -> Micros:
        """Return the session's P&L with YES worth `fair` dollars and NO the rest of the dollar."""
        value = self.pairs * DOLLAR + round(abs(self.net) * (fair if self.net > 0 else 1.0 - fair) * DOLLAR)
        return self._pnl(value)

    def pnl_if(self, resolution: Resolution) -> Micros:
        """Return the session's P&L, fees included, if it ended so."""
        yes_pays = _YES_PAYS[resolution]
        return self._pnl(self.yes * yes_pays + self.no * (DOLLAR - yes_pays))

    def settle(self, resolution: Resolution) -> Micros:
        """Settle the market and return the session's total P&L; the same again, however often it is settled.

        After a late fill or a corrected resolution, a further call gives the new total.
        """
        self.resolution = resolution
        return self.pnl_if(resolution)

    def _pnl(self, value: int) -> Micros:
        return Micros(value - self.cost_micros - self.fees_micros + self.merged_micros)
