"""A stall: orders go out, and none is taken. It finds the words for the operator, and decides nothing.

A market's ladder says what is wanted; that nothing of it rests is seen where all orders pass, and nowhere else. It
knows neither the venue nor the gate, only what became of orders.
"""

from collections import Counter

from mmactors.messages import OrderAccepted, OrderDenied, OrderRejected, OrderReplaced, OrderUnknown
from mmactors.units import SECOND, Nanos

REPORT_AFTER_NS = Nanos(10 * SECOND)
FEWEST = 10
"""Refusals: fewer may be one market that has reached its position limit."""


class StallDetector:
    """Watches what becomes of orders, all markets together."""

    def __init__(self) -> None:
        self._since_ns: Nanos | None = None
        self._why: Counter[str] = Counter()
        self._reported = False

    def on_event(self, event: object, now: Nanos) -> None:
        """Take in what became of an order; other events are nothing to it."""
        match event:
            case OrderAccepted() | OrderReplaced():
                self._since_ns = None
                self._why.clear()
            case OrderRejected():
                self._refused(f"the venue says {event.code}: {event.message}", now)
            case OrderDenied():
                self._refused(f"our gate says {event.rule}: {event.message}", now)
            case OrderUnknown():
                self._refused(f"their fate is unknown: {event.reason}", now)

    def evaluate(self, now: Nanos) -> str | None:
        """Return what is to be reported, once for each stall and once for its end; mostly nothing is."""
        if self._since_ns is None:
            reported, self._reported = self._reported, False
            return "orders are taken again" if reported else None
        refused = self._why.total()
        if self._reported or refused < FEWEST or now - self._since_ns < REPORT_AFTER_NS:
            return None
        self._reported = True
        ((why, _),) = self._why.most_common(1)
        return f"nothing is quoted: of {refused:,} orders in {REPORT_AFTER_NS // SECOND} s none was taken; {why}"

    def _refused(self, why: str, now: Nanos) -> None:
        self._why[why] += 1
        if self._since_ns is None:
            self._since_ns = now
