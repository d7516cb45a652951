"""Recovery: markets that earlier runs traded and whose end none of them saw, until each is settled or reported.

Owns what is known of them: the journal's fills, those that the venue has beside them, and how they ended. Their money
has moved before this run began, so it books none of it; it says what to write down. It knows no clock and no order.
"""

from collections.abc import Container
from dataclasses import dataclass, field

from mmactors.core.desk.order_entry import Step
from mmactors.core.desk.reconciliation import filled
from mmactors.core.ledger.account import Account
from mmactors.core.ledger.inventory import Inventory
from mmactors.core.ledger.session_stats import past_report
from mmactors.messages import (
    EndUnknown,
    FetchFills,
    FetchMarkets,
    FillMissed,
    FillsFetched,
    Market,
    OrderFilled,
    PastHolding,
    PastSettlement,
    SettledAway,
    VenuePosition,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos

ASK_AGAIN_NS = Nanos(3 * SECOND)
"""How often the venue is asked about what it has not reported, ..."""

GIVEN_UP_NS = Nanos(30 * SECOND)
"""... for so long; then that is reported to the operator, once, and asked about every minute only."""

GIVEN_UP_ASK_NS = Nanos(60 * SECOND)


@dataclass(slots=True)
class _OrphanedHolding:
    """One market.

    `held`: it was not paid when this run began, so what it pays is booked as any other's. `claimed`: it has an actor of
    this run, which reports it.
    """

    merged: Contracts
    fills: list[OrderFilled] = field(default_factory=list)
    inventory: Inventory = field(default_factory=Inventory)
    end: Market | None = None
    held: bool = False
    claimed: bool = False
    reported: bool = False

    def add(self, fill: OrderFilled) -> bool:
        """Take in a fill; False if it is known."""
        known = not self.inventory.apply(fill, fill.tick_micros)
        if not known:
            self.fills.append(fill)
        return not known

    def merge(self) -> None:
        """Take out the pairs that were merged: which fills they are of changes no total."""
        pairs = min(self.merged, self.inventory.pairs)
        self.inventory.merge(Contracts(pairs))
        self.merged = Contracts(self.merged - pairs)


class Recovery:
    """What earlier runs left; empty as soon as all of it is settled.

    Args:
        account: learns what was held in a market that was settled, for the venue may correct that yet.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._orphaned: dict[str, _OrphanedHolding] = {}
        self._start_seq = 0
        self._began_ns: Nanos | None = None
        self._asked_ns = Nanos(0)
        self._fills_due = self._fills_in = False

    def __bool__(self) -> bool:
        return bool(self._orphaned)

    def restore(self, holding: PastHolding) -> None:
        """Take in what the journal knows of one market."""
        orphan = self._orphaned[holding.market] = _OrphanedHolding(holding.pairs)
        for fill in holding.fills:
            orphan.add(fill)
        orphan.merge()

    def hold(self, position: VenuePosition) -> None:
        """Note that the venue still has the position; its session's result is with the fees and merges of before."""
        orphan = self._orphaned.get(position.market)
        if orphan is not None and (position.yes or position.no):
            orphan.held = True
            inventory = self._account.position(position.market)
            inventory.fees_micros = orphan.inventory.fees_micros
            inventory.merged_micros = orphan.inventory.merged_micros

    def claim(self, market: str) -> None:
        """Note that an actor of this run has taken the market up."""
        if market in self._orphaned:
            self._orphaned[market].claimed = True

    def begin(self, start_seq: int, now: Nanos, step: Step) -> None:
        """Ask the venue, now that it is there; fills up to `start_seq` are those of earlier runs."""
        if self._orphaned and self._began_ns is None:
            self._began_ns, self._start_seq = now, start_seq
            if start_seq == 0:  # an account to which nothing ever happened
                self._complete(now, step)
            if self._orphaned:
                self._ask(now, step)

    def check(self, going_on: Container[str], now: Nanos, step: Step) -> None:
        """Let time pass: ask again, and tell of what is not answered; markets `going_on` are not over yet."""
        if self._began_ns is None:
            return
        given_up = now - self._began_ns > GIVEN_UP_NS
        missing = [name for name, orphan in self._orphaned.items() if orphan.end is None and name not in going_on]
        if now - self._asked_ns > (GIVEN_UP_ASK_NS if given_up else ASK_AGAIN_NS) and (missing or not self._fills_in):
            self._ask(now, step)
        if not given_up:
            return
        for name, orphan in self._orphaned.items():
            due = name in missing or (orphan.end is not None and not self._fills_in)
            if due and orphan.fills and not orphan.claimed and not orphan.reported:
                orphan.reported = True
                why = "how it ended" if self._fills_in else "of its fills"
                step.events.append(_unknown(name, orphan.inventory, f"the venue does not tell {why}"))

    def fetched(self, report: FillsFetched, now: Nanos, step: Step) -> None:
        """Take in the venue's fills since ever, and tell of those that are not written down."""
        self._fills_due = False
        if report.error is not None:
            return
        for fill in report.fills:
            orphan = self._orphaned.get(fill.market)
            if orphan is not None and fill.seq <= self._start_seq:
                event = filled(fill)
                if orphan.add(event):
                    step.events.append(FillMissed(event))
        self._complete(now, step)

    def fill(self, fill: OrderFilled) -> None:
        """Take in a fill of this run."""
        if fill.market in self._orphaned:
            self._orphaned[fill.market].add(fill)

    def resolved(self, market: Market, now: Nanos, step: Step) -> None:
        """Take in how a market ended."""
        orphan = self._orphaned.get(market.id)
        if orphan is not None:
            orphan.end = market
            self._settle(market.id, orphan, now, step)

    def _ask(self, now: Nanos, step: Step) -> None:
        self._asked_ns = now
        if not self._fills_in and not self._fills_due:
            self._fills_due = True
            step.requests.append(FetchFills(0, past=True))
        step.requests.append(FetchMarkets("RESOLVED"))

    def _complete(self, now: Nanos, step: Step) -> None:
        """Go by what is known now: there are no more fills."""
        self._fills_in = True
        for name, orphan in list(self._orphaned.items()):
            orphan.merge()
            if not orphan.fills and not orphan.held:
                del self._orphaned[name]  # orders rested, and none filled
            else:
                self._settle(name, orphan, now, step)

    def _settle(self, name: str, orphan: _OrphanedHolding, now: Nanos, step: Step) -> None:
        if not self._fills_in or orphan.end is None or orphan.end.resolution is None:
            return
        del self._orphaned[name]
        if orphan.claimed:
            return
        if orphan.held:
            position = self._account.position(name)
            if orphan.inventory.net != position.net:
                step.events.append(_unknown(name, position, "its fills are not all known"))
                return
            # Of the last moments, or of this run.
            orphan.merged = Contracts(max(0, orphan.inventory.yes - position.yes))
            orphan.merge()
        report = past_report(orphan.end, orphan.inventory, orphan.fills, orphan.end.resolution)
        if orphan.held:
            step.events.append(report)
            return
        self._account.restore(PastSettlement(name, report.outcome, report.yes, report.no))
        step.events.append(SettledAway(report, min(now, orphan.end.expires_venue_ns)))


def _unknown(market: str, held: Inventory, reason: str) -> EndUnknown:
    cost = Micros(held.cost_micros + held.fees_micros - held.merged_micros)
    return EndUnknown(market, held.yes, held.no, cost, reason)
