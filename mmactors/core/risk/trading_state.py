"""The trading state: what the account may do, decided from its equity, its journal and its venue token's life.

Owns the account's ledger as risk counts it, the day's loss and the exposure by asset. It knows no order: those are the
gate's.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from mmactors.core.ledger.account import Account
from mmactors.core.ledger.inventory import Inventory
from mmactors.core.params import RiskParams
from mmactors.messages import (
    AssetExposed,
    FairMoved,
    FillMissed,
    JournalSynced,
    MarketResolved,
    OrderFilled,
    PairsMerged,
    PastHolding,
    SettledAway,
    SyncJournal,
    TokenRenewed,
    TradingState,
    TradingStateChanged,
    VenueConnected,
    VenuePosition,
    VenueStatus,
)
from mmactors.units import SECOND, Micros, Nanos, dollars

FREED_AT = 0.8
"""An asset whose exposure reached its limit is freed when it is below this share of it."""

PUBLISH_EVERY = 0.1
"""How much of the limit an asset's exposure moves before it is published again."""

REDUCE_BEFORE_NS, CANCEL_BEFORE_NS = Nanos(60 * SECOND), Nanos(10 * SECOND)
"""How long before the end of a token that is not renewed trading reduces, and everything is cancelled."""

JOURNAL_HEARTBEATS = 2
"""A journal that owes its answer for so many heartbeats of risk, a second, is behind."""

DAY_NS = 86_400 * SECOND

_TOKEN, _LOSS, _JOURNAL = "the venue's token", "the day's loss", "the journal"
"""How the reasons of a state begin. They are on disk: by them an earlier run's are known again."""

_SEVERITY = {state: rank for rank, state in enumerate(TradingState)}

_ENDS = {_TOKEN: "the venue's token is renewed", _LOSS: "a new UTC day", _JOURNAL: "the journal has caught up"}


class _Cause(NamedTuple):
    """Why the account is not ACTIVE."""

    name: str
    state: TradingState
    reason: str


def _carried_over(before: TradingStateChanged | None) -> _Cause | None:
    """Return what holds on of an earlier run's state: all but what this run measures itself, token and journal."""
    if before is None or before.state is TradingState.ACTIVE:
        return None
    held = [reason for reason in before.reason.split("; ") if not reason.startswith((_TOKEN, _JOURNAL))]
    if not held:
        return None
    only_loss = all(reason.startswith(_LOSS) for reason in held)
    return _Cause(_LOSS, TradingState.REDUCING if only_loss else before.state, "; ".join(held))


def _booked(holding: PastHolding, day: int) -> int:
    """Return what fees and merged pairs of a market not settled came to, if it was last traded on this day."""
    if not any(fill.venue_ns // DAY_NS == day for fill in holding.fills):
        return 0
    inventory = Inventory()
    for fill in holding.fills:
        inventory.apply(fill, fill.tick_micros)
    inventory.merge(min(holding.pairs, inventory.pairs))
    return inventory.merged_micros - inventory.fees_micros


class RiskRules:
    """Decides the trading state from equity, and sums exposure by asset.

    Equity is cash + P * YES + (1 - P) * NO over all markets. A loss of `max_daily_loss` since the UTC day's start
    latches REDUCING until the day turns; `earned_before` (micro-dollars) carries an earlier run's loss of the same day,
    whereas its profit does not widen the limit.

    `left` is what earlier runs did in markets not settled yet: fees and merged pairs (as if merged last) are of the
    day, too. What is still held there begins at its cost, so its marks bring the rest of the loss back.

    `before` is the state in which an earlier run of the same day ended. The day's loss, and every reason that these
    rules cannot measure (an operator's halt, a ledger that does not match), hold on until the day turns.

    A journal that does not answer within a second is REDUCING until it does: what it is sent may be lost.

    A venue token that nobody renews does the same in time: REDUCING `reduce_before_ns` before its end, HALTED (and so
    everything cancelled) `cancel_before_ns` before it, until a newer one is in use.
    """

    def __init__(
        self,
        params: RiskParams,
        *,
        earned_before: Micros = Micros(0),
        day: int = 0,
        left: Iterable[PastHolding] = (),
        before: TradingStateChanged | None = None,
        reduce_before_ns: Nanos = REDUCE_BEFORE_NS,
        cancel_before_ns: Nanos = CANCEL_BEFORE_NS,
    ) -> None:
        self.params = params
        self.account = Account()
        self.state = TradingState.ACTIVE
        self.fairs: dict[str, FairMoved] = {}
        self._values: dict[str, float] = {}  # of them, the fair values
        self.day = day
        self._booked = {holding.market: _booked(holding, day) for holding in left}
        self._earned_before: int = earned_before + sum(self._booked.values())
        self._start_equity: int | None = None
        self._latch = _carried_over(before)
        self._latched_on = day
        self._causes: tuple[_Cause, ...] = ()
        self._owed = 0  # heartbeats since the journal was asked, that one included; 0: it has answered
        self._published: dict[str, AssetExposed] = {}
        self._margins = ((cancel_before_ns, TradingState.HALTED), (reduce_before_ns, TradingState.REDUCING))
        self._offset_ns = 0
        self._expires_venue_ns: Nanos | None = None

    def handle(self, event: object, now: Nanos) -> list[TradingStateChanged | AssetExposed]:
        """Take in one event and return what it changes."""
        match event:
            case FairMoved() if 0.0 <= event.fair <= 1.0 and self.account.position(event.market).resolution is None:
                self.fairs[event.market] = event
                self._values[event.market] = event.fair
                return [*self.judge(now), *self._exposed()]
            case VenueStatus():
                self._offset_ns = event.offset_ns
                if self._start_equity is None and event.connected:
                    self.account.cash_micros = event.cash_micros
                    self._start_equity = self.equity()
            case VenueConnected() | TokenRenewed():
                self._expires_venue_ns = event.expires_venue_ns
            case JournalSynced():
                self._owed = 0
            case VenuePosition():  # held from before this run, reported once, before any fill
                self.account.adopt(event)
            case OrderFilled():
                self.account.fill(event)
                marked = self.fairs.get(event.market)
                if marked is not None:  # the market's own next mark may be a quarter of a second away
                    self.fairs[event.market] = replace(marked, net=self.account.position(event.market).net)
                    return [*self.judge(now), *self._exposed()]
            case PairsMerged():
                self.account.merge(event.market, event.pairs)
            case MarketResolved():
                change = self.account.resolve(event.market, event.resolution)
                if event.corrected_micros:  # of what an earlier run held, this account knows nothing
                    self.account.cash_micros = Micros(self.account.cash_micros + event.corrected_micros - change)
                self.fairs.pop(event.market.id, None)
                self._values.pop(event.market.id, None)
                return [*self.judge(now), *self._exposed()]
            case FillMissed(fill) if fill.venue_ns // DAY_NS == self.day:
                self._booked[fill.market] = self._booked.get(fill.market, 0) - fill.fee_micros
                self._earned_before -= fill.fee_micros
            case SettledAway():  # paid before this run, so no part of its equity
                turned = self.judge(now)
                if event.at_ns // DAY_NS == self.day:
                    self._earned_before += event.report.pnl_micros - self._booked.pop(event.report.market, 0)
                return [*turned, *self.judge(now)]
            case _:
                return []
        return [*self.judge(now)]

    def _exposed(self) -> list[AssetExposed]:
        """What of the exposures is worth publishing: a direction blocked or freed, or a tenth of the limit."""
        found = self.dollars_per_bp()
        changes: list[AssetExposed] = []
        for asset in {**self._published, **found}:
            value = found.get(asset, 0.0)
            share = value / self.params.max_asset_delta
            published = self._published.get(asset, AssetExposed(asset, 0.0, 0.0, 0))
            side = 1 if share > 0 else -1
            blocked = side if abs(share) >= (FREED_AT if published.blocked == side else 1.0) else 0
            if blocked != published.blocked or abs(share - published.share) >= PUBLISH_EVERY:
                self._published[asset] = AssetExposed(asset, value, share, blocked)
                changes.append(self._published[asset])
        return changes

    def ask_journal(self) -> SyncJournal | None:
        """Count a heartbeat, half a second; return the next question to the journal, None while it owes an answer."""
        self._owed += 1
        return SyncJournal() if self._owed == 1 else None

    def judge(self, now: Nanos) -> list[TradingStateChanged]:
        """Compare the day's loss with its limit; latch, and reset when the UTC day turns.

        A change of the reasons is published even if the state stays: the journal's last word must name all of them.
        """
        today = now // DAY_NS
        if today > self.day:  # a clock set back does not end a day
            if self.day:
                self._earned_before = 0
                self._booked.clear()
                if self._start_equity is not None:
                    self._start_equity = self.equity()
            self.day = today
        loss = -self.day_pnl()
        if self._latched_on != self.day:
            self._latch = None
        if self._latch is None and loss >= self.params.max_daily_loss:
            self._latch, self._latched_on = (
                _Cause(_LOSS, TradingState.REDUCING, f"{_LOSS} is ${dollars(loss):.2f}"),
                self.day,
            )
        token, journal = self._by_token(now), self._by_journal()
        if token is None and self._latch is None and journal is None and not self._causes:  # as a rule
            return []
        return self._changed(tuple(cause for cause in (token, self._latch, journal) if cause is not None))

    def _changed(self, causes: tuple[_Cause, ...]) -> list[TradingStateChanged]:
        were = self._causes
        if [cause[:2] for cause in causes] == [cause[:2] for cause in were]:
            return []
        self._causes = causes
        if causes:
            worst_first = sorted(causes, key=lambda cause: _SEVERITY[cause.state], reverse=True)
            self.state, reasons = worst_first[0].state, [cause.reason for cause in worst_first]
        else:
            self.state, reasons = TradingState.ACTIVE, [_ENDS[cause.name] for cause in were]
        return [TradingStateChanged(self.state, "; ".join(reasons))]

    def _by_token(self, now: Nanos) -> _Cause | None:
        if self._expires_venue_ns is not None:
            left = self._expires_venue_ns - (now + self._offset_ns)
            for margin, state in self._margins:
                if left <= margin:
                    reason = f"{_TOKEN} ends in {max(0, left) / SECOND:.0f} s and is not renewed"
                    return _Cause(_TOKEN, state, reason)
        return None

    def _by_journal(self) -> _Cause | None:
        if self._owed <= JOURNAL_HEARTBEATS:
            return None
        return _Cause(_JOURNAL, TradingState.REDUCING, f"{_JOURNAL} is more than a second behind")

    def day_pnl(self) -> int:
        """Profit since the UTC day's start, in micro-dollars, unrealised included."""
        carried = min(0, self._earned_before)
        return carried if self._start_equity is None else self.equity() - self._start_equity + carried

    def equity(self) -> int:
        """Cash and positions at fair value, in micro-dollars; a position without a fair value counts at its cost."""
        return self.account.equity(self._values)

    def exposure(self) -> dict[str, float]:
        """Dollars gained per dollar the asset rises, by asset: all its sessions move together."""
        total: dict[str, float] = {}
        for moved in self.fairs.values():
            total[moved.asset] = total.get(moved.asset, 0.0) + moved.net * moved.delta_per_dollar
        return total

    def dollars_per_bp(self) -> dict[str, float]:
        """Dollars gained per basis point (0.01 %) that the asset rises, by asset: comparable among assets."""
        total: dict[str, float] = {}
        for moved in self.fairs.values():
            gain = moved.net * moved.delta_per_dollar * moved.spot * 1e-4
            total[moved.asset] = total.get(moved.asset, 0.0) + gain
        return total
