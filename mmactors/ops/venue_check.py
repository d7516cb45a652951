"""The venue's word against ours: what rests there, which fills and how much cash it has for us.

Two sources for the venue's side: the simulator's log (its truth, written by other code) and, for a foreign venue, what
its REST interface says. Imports nothing of the program but its units and messages, so that no mistake is shared.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mmactors.messages import VenueFill, VenueOrder
from mmactors.units import MILLISECOND, Micros, Nanos, dollars

_LIVE = frozenset({"OPEN", "PARTIAL"})
_MOST_DETAILS = 20


class Fill(Protocol):
    """What is compared of a fill; price and outcome are those of our order."""

    @property
    def fill_id(self) -> str: ...
    @property
    def market(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def price_micros(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def fee_micros(self) -> int: ...
    @property
    def venue_ns(self) -> int: ...


@dataclass(frozen=True, slots=True)
class VenueCheck:
    """What the comparison found; `details` says in words what does not match."""

    resting_orders: int
    fills_match: bool
    cash_match: bool
    details: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing rests and all matches."""
        return self.resting_orders == 0 and self.fills_match and self.cash_match


@dataclass(frozen=True, slots=True)
class _TruthFill:
    fill_id: str
    market: str
    outcome: str
    price_micros: int
    size: int
    fee_micros: int
    venue_ns: int


@dataclass(slots=True)
class _Truth:
    """Our account as the simulator's log tells it."""

    account: str
    resting: dict[str, str] = field(default_factory=dict)
    fills: list[_TruthFill] = field(default_factory=list)
    cash: int | None = None
    unreadable: int = 0

    def take(self, line: dict[str, Any]) -> None:
        if line["type"] == "fill":
            for side in line["sides"]:
                if side["account"] == self.account:
                    self._fill(line, side)
        elif line.get("account") != self.account:
            return
        elif line["type"] == "order" and line["order_id"] is not None:
            self._rest(line["order_id"], line["status"], line["client_order_id"])
        elif line["type"] == "cash":
            self.cash = line["cash_micros"]
            if line["reason"] == "deposit":
                # A venue that opens the account anew has just started: its books are empty.
                self.resting.clear()

    def _fill(self, line: dict[str, Any], side: dict[str, Any]) -> None:
        price = side["price_ticks"] * line["tick_micros"]
        at_ns = line["t"] * MILLISECOND
        fill = _TruthFill(
            side["fill_id"], line["market"], side["outcome"], price, line["size"], side["fee_micros"], at_ns
        )
        self.fills.append(fill)
        self._rest(side["order_id"], side["status"], side["client_order_id"])

    def _rest(self, order_id: str, status: str, client_id: str) -> None:
        if status in _LIVE:
            self.resting[order_id] = client_id
        else:
            self.resting.pop(order_id, None)


def check_venue_log(
    path: Path, account: str, *, fills: Iterable[Fill], cash_micros: Micros, since_ns: Nanos = Nanos(0)
) -> VenueCheck:
    """Compare with the simulator's log.

    Args:
        path: the log; a last line torn by a crash is passed over.
        account: ours, as the venue named it.
        fills: the journal's, from `since_ns` (venue clock) on at least.
        cash_micros: our own count of cash.
        since_ns: the venue's fills before this need not be among `fills`.

    Raises:
        OSError: the log cannot be read.
    """
    log = _Truth(account)
    with path.open("rb") as file:
        for raw in file:
            try:
                log.take(msgspec.json.decode(raw))
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
                log.unreadable += raw.endswith(b"\n")
    details = [f"{log.unreadable} unreadable lines in {path}"] if log.unreadable else []
    return _compared(log.resting.values(), log.fills, log.cash, fills, cash_micros, since_ns, details)


def check_rest(
    resting: Iterable[VenueOrder],
    venue_fills: Iterable[VenueFill],
    venue_cash_micros: Micros,
    *,
    fills: Iterable[Fill],
    cash_micros: Micros,
    since_ns: Nanos = Nanos(0),
) -> VenueCheck:
    """Compare with what a venue's REST interface says: open orders, fills, the balance. Else as `check_venue_log`."""
    names = [order.client_id or order.order_id for order in resting]
    return _compared(names, venue_fills, venue_cash_micros, fills, cash_micros, since_ns, [])


def _compared(
    resting: Iterable[str],
    venue_fills: Iterable[Fill],
    venue_cash: int | None,
    fills: Iterable[Fill],
    cash: int,
    since_ns: int,
    details: list[str],
) -> VenueCheck:
    names = sorted(resting)
    details += [f"order {name} still rests" for name in names]
    bad = _unmatched({fill.fill_id: fill for fill in venue_fills}, {fill.fill_id: fill for fill in fills}, since_ns)
    fills_match = not bad and not any("unreadable" in line for line in details)
    details += bad
    if venue_cash is None:
        details.append("the venue says nothing of our cash")
    elif venue_cash != cash:
        details.append(f"cash: venue ${dollars(venue_cash):,.6f}, we ${dollars(cash):,.6f}")
    if len(details) > _MOST_DETAILS:
        details = [*details[:_MOST_DETAILS], f"and {len(details) - _MOST_DETAILS} more"]
    return VenueCheck(len(names), fills_match, venue_cash == cash, tuple(details))


def _unmatched(theirs: dict[str, Fill], ours: dict[str, Fill], since_ns: int) -> list[str]:
    lines = []
    for name, fill in theirs.items():
        known = ours.get(name)
        if known is None:
            if fill.venue_ns >= since_ns:
                lines.append(f"fill {name} is missing in the journal: {_words(fill)}")
        elif _terms(known) != _terms(fill):
            lines.append(f"fill {name} differs: venue {_words(fill)}; journal {_words(known)}")
    lines += [f"fill {name} is unknown to the venue: {_words(ours[name])}" for name in ours.keys() - theirs.keys()]
    return lines


def _terms(fill: Fill) -> tuple[str, str, int, int, int]:
    return fill.market, str(fill.outcome), fill.price_micros, fill.size, fill.fee_micros


def _words(fill: Fill) -> str:
    price, fee = dollars(fill.price_micros), dollars(fill.fee_micros)
    return f"{fill.size} {fill.outcome} at {price:.4f} fee {fee:.6f} in {fill.market}"
