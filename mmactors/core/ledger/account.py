"""The account's ledger: cash and one inventory per market, changed by fills and settlements only, in exact integers."""

import math
from collections.abc import Mapping

from mmactors.core.ledger.inventory import Inventory
from mmactors.messages import Market, OrderFilled, PastSettlement, Resolution, VenuePosition
from mmactors.units import DOLLAR, Contracts, Micros

_YES_PAYS = {Resolution.YES: DOLLAR, Resolution.NO: 0, Resolution.VOID: DOLLAR // 2}


def with_fees(market: Market | None, cost: int, contracts: int) -> int:
    """Return the most that so many contracts can cost, fees included, in micro-dollars; of a rebate nothing is counted.

    A venue may round the fee up for each contract.
    """
    if market is None or (market.maker_bps <= 0.0 and market.taker_bps <= 0.0):
        return cost
    return cost + math.ceil(cost * max(market.maker_bps, market.taker_bps) * 1e-4) + contracts


class Account:
    """Cash and positions. Cash includes what open orders reserve."""

    def __init__(self, cash_micros: Micros = Micros(0)) -> None:
        self.cash_micros = cash_micros
        self.positions: dict[str, Inventory] = {}
        self._unsettled: dict[str, Inventory] = {}  # of them: markets come and go, and equity is summed at every mark
        self._paid: dict[str, int] = {}

    def position(self, market: str) -> Inventory:
        """The market's inventory, empty if nothing was ever bought there."""
        position = self.positions.get(market)
        if position is None:
            position = self.positions[market] = self._unsettled[market] = Inventory()
        return position

    def adopt(self, position: VenuePosition) -> None:
        """Take over a position held from before this run."""
        self.positions[position.market] = self._unsettled[position.market] = Inventory(
            yes=position.yes,
            no=position.no,
            yes_cost_micros=position.yes_cost_micros,
            no_cost_micros=position.no_cost_micros,
        )

    def restore(self, settled: PastSettlement) -> None:
        """Know again what an earlier run held in a market when it was settled and paid; cash stays as it is."""
        self.positions[settled.market] = Inventory(yes=settled.yes, no=settled.no, resolution=settled.resolution)
        self._paid[settled.market] = self._value(settled.market, settled.resolution)

    def fill(self, fill: OrderFilled) -> bool:
        """Book a fill, even a late one. Returns False, and books nothing, if its id is already booked."""
        inventory = self.position(fill.market)
        if not inventory.apply(fill, fill.tick_micros):
            return False
        self.cash_micros = Micros(self.cash_micros - fill.ticks * fill.tick_micros * fill.size - fill.fee_micros)
        if inventory.resolution is not None:
            self._pay(fill.market, inventory.resolution)
        return True

    def merge(self, market: str, pairs: Contracts) -> None:
        """Turn pairs back into cash.

        Raises:
            ValueError: there are not so many.
        """
        self.cash_micros = Micros(self.cash_micros + self.position(market).merge(pairs))

    def resolve(self, market: Market, resolution: Resolution) -> Micros:
        """Pay a market out. Returns the change of cash: 0 the second time, the difference if it was corrected."""
        self.position(market.id).settle(resolution)
        self._unsettled.pop(market.id, None)
        return self._pay(market.id, resolution)

    def equity(self, fairs: Mapping[str, float]) -> int:
        """Cash plus every unsettled position at its fair value; without one, at cost."""
        total = int(self.cash_micros)
        for market, inventory in self._unsettled.items():
            fair = fairs.get(market)
            if fair is None:
                total += inventory.cost_micros
            else:
                total += round(DOLLAR * (fair * inventory.yes + (1.0 - fair) * inventory.no))
        return total

    def _pay(self, market: str, resolution: Resolution) -> Micros:
        value = self._value(market, resolution)
        change = Micros(value - self._paid.get(market, 0))
        self._paid[market] = value
        self.cash_micros = Micros(self.cash_micros + change)
        return change

    def _value(self, market: str, resolution: Resolution) -> int:
        inventory, pays = self.positions[market], _YES_PAYS[resolution]
        return inventory.yes * pays + inventory.no * (DOLLAR - pays)
