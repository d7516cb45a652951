"""Admission: what of a market's intent may leave, and as which batch.

Every new order and every move goes before the gate together with all that is live at that moment, the intent's earlier
items included. A move that may not happen leaves as a cancel if the order must not stay where it is. Cancels are never
held back. What the venue answers is not known here.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from mmactors.core.desk.order_entry import OrderEntry, Step
from mmactors.core.desk.portfolio import Portfolio
from mmactors.core.ledger.account import with_fees
from mmactors.core.orders.table import WorkingOrder
from mmactors.core.params import MakerParams
from mmactors.core.risk.gate import OrderCheck, gate
from mmactors.messages import (
    Market,
    OrderCancelled,
    OrderDenied,
    OrderUnchanged,
    Outcome,
    PlaceOrder,
    QuoteIntent,
    ReplaceOrder,
    TradingState,
)
from mmactors.units import Contracts, Nanos
from mmactors.value import value


@value
class Conditions:
    """What the gate must know of the account as a whole at this moment. `offset_ns`: the venue's clock minus ours.

    `blocked` is the direction in which the market's asset may not be added to.
    """

    now: Nanos
    offset_ns: Nanos
    state: TradingState
    heartbeat_age_ns: int
    synced: bool
    blocked: int = 0


class Denial(NamedTuple):
    """Which rule says no, in which words, and when it may say yes if it is a matter of time."""

    rule: str
    words: str
    wait_ms: int = 0


class Admission:
    """Decides what leaves, enters it in the portfolio, and sends it.

    `can_replace` is whether the venue can move an order; where it cannot, an order that is to move is cancelled, and
    its market places it anew once that is confirmed.
    """

    def __init__(
        self,
        params_of: Callable[[Market], MakerParams],
        portfolio: Portfolio,
        entry: OrderEntry,
        counters: Counter[str],
    ) -> None:
        self._params_of = params_of
        self._portfolio = portfolio
        self._table = portfolio.table
        self._entry = entry
        self._counters = counters
        self.can_replace = True

    def admit(self, intent: QuoteIntent, market: Market, conditions: Conditions, step: Step) -> None:
        """Send what may leave of an intent, and tell the market of the rest."""
        orders, now = self._table.orders, conditions.now
        context = _Context(intent, market, self._params_of(market), conditions)
        self._entry.budget.refill(now)
        for name in [c.client_id for c in intent.cancels] + [r.client_id for r in intent.replaces]:
            if name not in orders:  # the market may think that it was growing when it filled
                step.events.append(OrderCancelled(market.id, name, Contracts(0), "gone"))
        cancels = [c.client_id for c in intent.cancels if c.client_id in orders]
        replaces: list[ReplaceOrder] = []
        for replace in intent.replaces:
            order = orders.get(replace.client_id)
            if order is None or order.final or order.market != market.id:
                continue
            denial = self._denied_replace(context, replace, order)
            if denial is None:
                self._portfolio.replace(replace, now)
                replaces.append(replace)
                context.moved.add(order.client_id)
                continue
            self._counters[f"denied_{denial.rule}"] += 1
            code = f"DENIED_{denial.rule}"
            step.events.append(
                OrderUnchanged(market.id, order.client_id, "replace", code, denial.words, denial.wait_ms, denied=True)
            )
            must_not_stay = (
                denial.rule == "replace" or replace.ticks < order.target[0] or replace.size < order.target[1]
            )
            if must_not_stay and not order.cancelling and order.client_id not in cancels:
                cancels.append(order.client_id)
                context.leaving.add(order.client_id)
        for name in cancels:
            self._table.cancel(name, now)
            self._entry.budget.take_cancels()
        places: list[PlaceOrder] = []
        for place in intent.places:
            if place.client_id in orders:
                denial = Denial("duplicate", "an order of this name is live")
            else:
                denial = self._denied(context, place, place.outcome)
            if denial is None:
                self._portfolio.place(market.id, place, now)
                places.append(place)
                continue
            self._counters[f"denied_{denial.rule}"] += 1
            step.events.append(OrderDenied(market.id, place.client_id, *denial))
        if cancels or replaces or places:
            self._entry.send(market, cancels, replaces, places, step)

    def _denied_replace(self, context: "_Context", move: ReplaceOrder, order: WorkingOrder) -> Denial | None:
        if order.cancelling:
            return Denial("cancelling", "it is being cancelled")
        if order.unknown:
            return Denial("unknown", "nobody knows where it stands")
        if not self.can_replace:
            return Denial("replace", "the venue cannot move an order: it is cancelled, to be placed anew")
        denial = self._denied(context, move, order.outcome, order)
        if denial is None and order.order_id is None:
            return Denial("unknown", "it is not known to rest")
        return denial

    def _denied(
        self, context: "_Context", item: PlaceOrder | ReplaceOrder, outcome: Outcome, order: WorkingOrder | None = None
    ) -> Denial | None:
        portfolio, name = self._portfolio, item.client_id
        market, conditions = context.market, context.conditions
        remaining = item.size - (0 if order is None else order.filled)
        contracts, ticks = remaining, remaining * item.ticks
        if order is not None:
            contracts, ticks = order.cost_of_replace(item.ticks, remaining)
        cost = with_fees(market, ticks * market.tick_micros, contracts)
        objection = gate(
            OrderCheck(
                market=market,
                params=context.params,
                outcome=outcome,
                ticks=item.ticks,
                size=item.size,
                remaining=remaining,
                net=portfolio.account.position(market.id).net,
                same=self._table.committed(market.id, outcome, besides=name),
                opposing_ticks=self._opposing_ticks(context, outcome),
                venue_tau_ns=market.expires_venue_ns - (conditions.now + conditions.offset_ns),
                priced_age_ns=conditions.now - context.intent.priced_ns,
                cash_free=portfolio.free_cash(besides=name),
                cost=cost,
                exposure_after=portfolio.worst_loss(market.id, outcome, cost, besides=name),
                d2=context.intent.reason.d2,
                state=conditions.state,
                heartbeat_age_ns=conditions.heartbeat_age_ns,
                synced=conditions.synced,
                blocked=conditions.blocked,
            )
        )
        if objection is not None:
            return Denial(*objection)
        if context.intent.reason.strike != market.strike:
            return Denial("strike", f"it is priced for a strike of {context.intent.reason.strike:g}")
        budget = self._entry.budget
        return None if budget.take() else Denial("rate", "the rate budget is spent", budget.wait_ms)

    def _opposing_ticks(self, context: "_Context", outcome: Outcome) -> int | None:
        """The best price of the other outcome's orders that may stay, in its ticks.

        What this intent moves or cancels is done before what comes after it; of what was sent earlier and is not
        answered, nobody knows yet whether the venue did it.
        """
        best: int | None = None
        for order in self._table.side(context.market.id, outcome.opposite).orders.values():
            if not (order.final or order.client_id in context.leaving):
                ticks = order.target[0] if order.client_id in context.moved else order.worst_ticks
                if best is None or ticks > best:
                    best = ticks
        return best


class _Context:
    """What is the same for every item of an intent."""

    __slots__ = ("conditions", "intent", "leaving", "market", "moved", "params")

    def __init__(self, intent: QuoteIntent, market: Market, params: MakerParams, conditions: Conditions) -> None:
        self.intent = intent
        self.market = market
        self.params = params
        self.conditions = conditions
        self.leaving = {cancel.client_id for cancel in intent.cancels}
        self.moved: set[str] = set()
