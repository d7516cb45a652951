"""The result of an audit: the rules by name, how often each was broken, with examples, and the totals of all sessions.

Owns counting and wording. It must not know when a rule is broken, or where lines come from.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from mmactors.audit.session import Session, SessionFigures, Sums

CHECKS = {
    "V2 conservation": "cash is what fills, fees, merges and settlements make it, to the micro-dollar",
    "V4 accepted": "no order accepted on a price older than the stale limit (half a second on top for both ways)",
    "V4 resting": "nothing rests later than the stale limit and a second after the last price",
    "V5 room": "no order accepted that could take |net| beyond the room of that moment",
    "V5 resting": "nothing rests a second later that could take |net| beyond the shrinking room",
    "V5 exposure": "no order accepted with which the account could lose more than max_exposure, whatever fills",
    "V7 accepted": "no order accepted at or after the closing threshold",
    "V7 resting": "nothing rests past the closing threshold",
    "V7 market_closed": "nothing left for the venue to cancel at the close",
    "V9 price": "prices on the tick, 1 to 99 cents",
    "V9 spread": "own spread at least the minimum after every event",
    "V9 self-cross": "never a bid of ours at or above an ask of ours",
    "V9 one per price": "one order of ours per price and side",
    "V10 settlement": "every market settled once",
    "dead side accepted": "no adding order accepted on the losing outcome, late and far from the strike",
    "dead side resting": "nothing rests on the losing outcome a second later (half as far again: sigmas differ)",
    "reduce-only": "late, no order accepted that could take |net| up",
}
NEUTRAL_SHARE = 0.05
EXAMPLES = 3
_LASTING = frozenset(("V5 room", "V9 spread", "V9 self-cross", "V9 one per price"))


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of a rule: the check, the time (milliseconds UTC), the market, and the figures in words."""

    check: str
    t: int
    market: str | None
    words: str


@dataclass(slots=True)
class Check:
    """How often a rule was broken, and the first examples.

    `lasted` of them were still there when the venue's clock next advanced; the others were undone by the same batch,
    within which no other account can trade. It is None for a rule that is broken at a moment only.
    """

    name: str
    rule: str
    count: int = 0
    lasted: int | None = None
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Totals:
    """All sessions together, in dollars. Shares of time are weighted by time, the others by settled session."""

    sessions: int
    settled: int
    pnl: float
    pnl_mean: float | None
    pnl_sd: float | None
    fills: int
    contracts: int
    messages: int
    two_sided_share: float | None
    spread: float | None
    within_5pct_share: float | None
    mid_correlation: float | None
    mid_difference: float | None
    early_net_mean: float | None
    early_net_left_at_30pct: float | None
    early_net_left_at_close: float | None


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit so far."""

    account: str | None
    lines: int
    violations: int
    checks: tuple[Check, ...]
    sessions: tuple[SessionFigures, ...]
    totals: Totals

    def as_dict(self) -> dict[str, Any]:
        """Return the audit as an object for JSON."""
        return asdict(self)


class CheckCounts:
    """Counts breaches of the rules and keeps the first examples.

    Args:
        on_violation: called with each violation at once.
    """

    def __init__(self, on_violation: Callable[[Violation], None] | None = None) -> None:
        self.checks = {name: Check(name, rule, lasted=0 if name in _LASTING else None) for name, rule in CHECKS.items()}
        self._on_violation = on_violation

    def broken(self, name: str, t: int, where: Session | str | None, figures: str) -> None:
        """Count a breach at `t` (milliseconds UTC) in a session, in a market that is not open, or of the account."""
        check = self.checks[name]
        check.count += 1
        if self._on_violation is None and len(check.examples) == EXAMPLES:
            return
        market = where.id if isinstance(where, Session) else where
        at = datetime.fromtimestamp(t / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
        left = f" (f {where.f(t):.3f})" if isinstance(where, Session) else ""
        words = f"{at} {market or 'account'}{left}: {figures}"
        if len(check.examples) < EXAMPLES:
            check.examples.append(words)
        if self._on_violation is not None:
            self._on_violation(Violation(name, t, market, words))

    def lasted(self, name: str) -> None:
        """Count a breach that is still there after its moment."""
        check = self.checks[name]
        check.lasted = (check.lasted or 0) + 1


def _mean(values: list[float]) -> float | None:
    return sum(values, 0.0) / len(values) if values else None


def totals(judged: list[tuple[SessionFigures, Session]]) -> Totals:
    """Return the totals of these sessions."""
    figures = [one for one, _ in judged]
    settled = [one for one in figures if one.outcome is not None]
    pnl = [one.pnl for one in settled if one.pnl is not None]
    mean = _mean(pnl)
    sd = None if mean is None or len(pnl) < 2 else math.sqrt(sum(((x - mean) ** 2 for x in pnl), 0.0) / (len(pnl) - 1))
    open_ms, two_sided_ms, spread = 0, 0, 0.0
    sums = Sums()
    near = 0
    for one, session in judged:
        span, both, ticks_ms = session.open_ms
        open_ms += span
        two_sided_ms += both
        spread += ticks_ms / session.ticks
        sums.join(session.sums)
        if one.outcome is not None:
            near += abs(session.net) <= NEUTRAL_SHARE * session.limits.max_position
    early = [one for one in settled if one.early_net]
    return Totals(
        sessions=len(figures),
        settled=len(settled),
        pnl=sum(pnl, 0.0),
        pnl_mean=mean,
        pnl_sd=sd,
        fills=sum(one.fills for one in figures),
        contracts=sum(one.contracts for one in figures),
        messages=sum(one.messages for one in figures),
        two_sided_share=two_sided_ms / open_ms if open_ms else None,
        spread=spread / two_sided_ms if two_sided_ms else None,
        within_5pct_share=near / len(settled) if settled else None,
        mid_correlation=sums.correlation(),
        mid_difference=sums.difference(),
        early_net_mean=_mean([float(abs(one.early_net or 0)) for one in early]),
        early_net_left_at_30pct=_mean([float(abs(one.nets["0.3"] or 0)) for one in early]),
        early_net_left_at_close=_mean([float(abs(one.nets["close"] or 0)) for one in early]),
    )
