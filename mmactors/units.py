"""The program's units. Money, sizes and times are integers; a price is a whole number of one market's ticks."""

from typing import NewType

Ticks = NewType("Ticks", int)
"""A price in ticks of *that* market; 1 <= ticks < ticks_per_dollar."""

Contracts = NewType("Contracts", int)
"""A number of contracts; each pays $1 if its outcome wins."""

Micros = NewType("Micros", int)
"""Money in millionths of a dollar."""

Nanos = NewType("Nanos", int)
"""A time (nanoseconds UTC) or a duration in nanoseconds."""

DOLLAR = 1_000_000
"""Micro-dollars in a dollar."""

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
"""Nanoseconds in a millisecond and in a second."""

YEAR_S = 365 * 24 * 3600.0
"""Seconds in the year by which volatilities are annualised."""


def seconds(duration_ns: int) -> float:
    """Return a duration given in nanoseconds in seconds."""
    return duration_ns / SECOND


def nanos(duration_s: float) -> Nanos:
    """Return a duration given in seconds in nanoseconds."""
    return Nanos(round(duration_s * SECOND))


def dollars(money: int) -> float:
    """Return money given in micro-dollars in dollars, for showing only."""
    return money / DOLLAR


def micros(amount: float) -> Micros:
    """Return money given in dollars in micro-dollars."""
    return Micros(round(amount * DOLLAR))
