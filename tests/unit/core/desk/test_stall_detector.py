"""The standstill: told once when nothing is taken, with the commonest reason, and once when it is over."""

import pytest

from mmactors.core.desk.stall_detector import StallDetector
from mmactors.messages import OrderAccepted, OrderDenied, OrderRejected, OrderReplaced, OrderUnknown
from mmactors.units import SECOND, Contracts, Nanos, Ticks

DENIED = OrderDenied("m", "r1-1", "rate", "the rate budget is spent", 100)
REJECTED = OrderRejected("m", "r1-1", "INSUFFICIENT_FUNDS", "no cash")
UNKNOWN = OrderUnknown("m", "r1-1", "UNAVAILABLE")
ACCEPTED = OrderAccepted("m", "r1-1", "o-1")
MOVED = OrderReplaced("m", "r1-1", Ticks(5), Contracts(30))


def reported(standstill: StallDetector, event: object, seconds: range) -> list[str]:
    """What it says when an event comes every second."""
    said = []
    for second in seconds:
        standstill.on_event(event, Nanos(second * SECOND))
        said.append(standstill.evaluate(Nanos(second * SECOND)))
    return [words for words in said if words is not None]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (DENIED, "our gate says rate: the rate budget is spent"),
        (REJECTED, "the venue says INSUFFICIENT_FUNDS: no cash"),
        (UNKNOWN, "their fate is unknown: UNAVAILABLE"),
    ],
)
def test_that_nothing_is_taken_is_told_once_with_its_reason_and_once_that_it_is_over(event, why):
    standstill = StallDetector()
    assert reported(standstill, event, range(10)) == []
    (line,) = reported(standstill, event, range(10, 60))
    assert line.startswith("nothing is quoted: of 11 orders in 10 s none was taken")
    assert line.endswith(why)
    assert reported(standstill, MOVED, range(60, 70)) == ["orders are taken again"]
    assert len(reported(standstill, event, range(70, 90))) == 1


def test_refusals_among_orders_that_are_taken_are_no_news():
    standstill = StallDetector()
    for start in range(0, 60, 5):
        assert reported(standstill, REJECTED, range(start, start + 4)) == []
        assert reported(standstill, ACCEPTED, range(start + 4, start + 5)) == []


def test_a_few_refusals_in_a_quiet_market_are_no_news():
    standstill = StallDetector()
    assert reported(standstill, DENIED, range(9)) == []
    assert standstill.evaluate(Nanos(1000 * SECOND)) is None
