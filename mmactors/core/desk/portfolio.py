"""The portfolio: the account with its live orders, and the worst that can come of them.

Owns positions, cash and the order table as one thing, so that whatever changes one of them changes the worst-case loss
with it. An order in flight, unknown or cancelling counts in full. It knows no limit: those are the gate's.
"""

from typing import NamedTuple

from mmactors.core.ledger.account import Account, with_fees
from mmactors.core.orders.table import OrderTable, WorkingOrder
from mmactors.messages import (
    Market,
    OrderEvent,
    OrderFilled,
    Outcome,
    PlaceOrder,
    ReplaceOrder,
    Resolution,
    VenueOrder,
    VenuePosition,
)
from mmactors.units import DOLLAR, Contracts, Micros, Nanos, Ticks

DEFAULT_TICK = Micros(10_000)


class _Stake(NamedTuple):
    """What one market can cost, in micro-dollars, fees included.

    `if_yes` is the loss if YES wins and all that can make it worse fills, negative for a gain; `live` what all of its
    live orders may cost.
    """

    if_yes: int
    if_no: int
    live: int


_NO_STAKE = _Stake(0, 0, 0)


class Portfolio:
    """What the account holds, and what it may yet buy.

    Attributes:
        account: cash and positions.
        table: every order that may still fill.
        markets: the markets that the venue has reported.
        worst_losses: of every market not settled, the most it can lose if any subset of its live orders fills, in
            micro-dollars.
    """

    def __init__(self) -> None:
        self.account = Account()
        self.table = OrderTable()
        self.markets: dict[str, Market] = {}
        self.worst_losses: dict[str, int] = {}
        self._stakes: dict[str, _Stake] = {}  # by market; kept as they change, ...
        self._live = self._worst = 0  # ... with their sums: the gate asks for those with every order

    def tick(self, market: str) -> Micros:
        """Return the market's tick; a cent where the market is not known."""
        known = self.markets.get(market)
        return known.tick_micros if known is not None else DEFAULT_TICK

    def ticks(self, market: str, price_micros: Micros) -> Ticks:
        """Return a price in the market's ticks."""
        return Ticks(price_micros // self.tick(market))

    # --- what changes it --------------------------------------------------------------------------

    def learn(self, market: Market) -> None:
        """Take in a market's terms."""
        self.markets[market.id] = market
        if market.id in self._stakes:
            self._reassess(market.id)

    def adopt(self, position: VenuePosition) -> None:
        """Take over a position held from before this run."""
        self.account.adopt(position)
        self._reassess(position.market)

    def adopt_order(self, client_id: str, venue_order: VenueOrder, now: Nanos) -> WorkingOrder:
        """Take in an order that rests though it was not placed here, under this name."""
        market = venue_order.market
        ticks = self.ticks(market, venue_order.price_micros)
        order = WorkingOrder(client_id, market, venue_order.outcome, ticks, venue_order.size, now)
        order.order_id, order.filled, order.version = venue_order.order_id, venue_order.filled, venue_order.version
        self.table.enter(order)
        self._reassess(market)
        return order

    def place(self, market: str, order: PlaceOrder, now: Nanos) -> None:
        """Enter an order that is on its way out."""
        self.table.place(market, order, now)
        self._reassess(market)

    def replace(self, order: ReplaceOrder, now: Nanos) -> None:
        """Note a replace that is on its way out."""
        self.table.replace(order, now)
        self._reassess(self.table.orders[order.client_id].market)

    def apply(self, event: OrderEvent) -> None:
        """Change an order by what happened to it."""
        self.table.apply(event)
        self._reassess(event.market)

    def book(self, fill: OrderFilled) -> bool:
        """Book a fill's contracts and cost; False, and nothing booked, if its id is booked already.

        The order itself is changed by `apply`.
        """
        if not self.account.fill(fill):
            return False
        self._reassess(fill.market)
        return True

    def merge(self, market: str, pairs: Contracts) -> None:
        """Turn pairs back into cash."""
        self.account.merge(market, pairs)
        self._reassess(market)

    def mergeable(self) -> tuple[str, Contracts]:
        """Return the market not settled with the most pairs, and how many; none held: ("", 0)."""
        best = "", Contracts(0)
        for name, position in self.account.positions.items():
            if position.resolution is None and position.pairs > best[1]:
                best = name, position.pairs
        return best

    def settle(self, market: Market, resolution: Resolution) -> Micros:
        """Pay a market out; return the change of cash."""
        change = self.account.resolve(market, resolution)
        self._reassess(market.id)
        return change

    # --- what can come of it ----------------------------------------------------------------------

    def free_cash(self, *, besides: str) -> int:
        """Cash less what every live order but one may cost, fees included."""
        return self.account.cash_micros - self._live + self._cost(besides)

    def worst_loss(self, market: str, outcome: Outcome, cost: int, *, besides: str) -> int:
        """The most the account can lose if any subset of its live orders fills, `cost` more on one outcome of a market.

        Fees are included, and `cost` has to include its own.

        `besides` names the order of that side which the addition replaces, which does not count.
        """
        elsewhere = self._worst - self.worst_losses.get(market, 0)
        if_yes, if_no, _ = self._stakes.get(market, _NO_STAKE)
        # Only the losing outcome's orders are sure to make it worse; of the winner's, none may fill.
        if outcome is Outcome.YES:
            if_no += cost - self._cost(besides)
        else:
            if_yes += cost - self._cost(besides)
        return elsewhere + max(if_yes, if_no, 0)

    def adding(self) -> list[WorkingOrder]:
        """The orders of every side that could grow a position if all of it filled."""
        adding = []
        for order in self.table:
            net = self.account.position(order.market).net
            signed = net if order.outcome is Outcome.YES else -net
            if self.table.committed(order.market, order.outcome) > -signed:
                adding.append(order)
        return adding

    def _reassess(self, market: str) -> None:
        """Bring the sums up to date with a change of one market."""
        position = self.account.position(market)
        yes, no = self.table.side(market, Outcome.YES), self.table.side(market, Outcome.NO)
        yes_cost, no_cost = self._dearest(market, yes.cost, yes.committed), self._dearest(market, no.cost, no.committed)
        spent = position.yes_cost_micros + position.no_cost_micros + position.fees_micros - position.merged_micros
        if_yes, if_no = spent + no_cost - position.yes * DOLLAR, spent + yes_cost - position.no * DOLLAR
        live = yes_cost + no_cost
        self._live += live - self._stakes.get(market, _NO_STAKE).live
        self._stakes[market] = _Stake(if_yes, if_no, live)
        self._worst -= self.worst_losses.pop(market, 0)
        if position.resolution is None:
            self.worst_losses[market] = worst = max(if_yes, if_no, 0)
            self._worst += worst
        elif not live:
            del self._stakes[market]  # markets come and go

    def _cost(self, client_id: str) -> int:
        order = self.table.orders.get(client_id)
        return 0 if order is None else self._dearest(order.market, order.counted[2], order.counted[0])

    def _dearest(self, market: str, cost: int, contracts: int) -> int:
        """What contracts that cost so many ticks together may cost, fees included, in micro-dollars."""
        return with_fees(self.markets.get(market), cost * self.tick(market), contracts)
