"""Time, as everything above the core is given it.

Owns the one reading of the system's clocks. A time is nanoseconds UTC that never jumps: the wall clock is read once,
the monotonic clock counts from there, so an administrator or a leap second cannot make a price young or a timer early.
"""

import time
from typing import Protocol

from mmactors.units import Nanos


class Clock(Protocol):
    """Tell the time."""

    def now(self) -> Nanos:
        """Return nanoseconds UTC; never less than before."""
        ...


class SystemClock:
    """The machine's time, anchored to the wall clock when made and monotonic from then on."""

    __slots__ = ("_anchor_ns",)

    def __init__(self) -> None:
        self._anchor_ns = time.time_ns() - time.monotonic_ns()

    def now(self) -> Nanos:
        """Return nanoseconds UTC."""
        return Nanos(self._anchor_ns + time.monotonic_ns())


class VirtualClock:
    """A time that moves when it is set."""

    __slots__ = ("_now_ns",)

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = Nanos(start_ns)

    def now(self) -> Nanos:
        """Return nanoseconds UTC."""
        return self._now_ns

    def advance(self, duration_ns: int) -> None:
        """Let this much time pass.

        Raises:
            ValueError: if the duration is negative.
        """
        self.set(self._now_ns + duration_ns)

    def set(self, now_ns: int) -> None:
        """Make it this late.

        Raises:
            ValueError: if that is in the past.
        """
        if now_ns < self._now_ns:
            raise ValueError(f"time does not run backwards: {now_ns} is before {self._now_ns}")
        self._now_ns = Nanos(now_ns)
