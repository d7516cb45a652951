"""Virtual time without actors: what is due when, and who is told what in which order.

Owns the order of events, which is the canonical order of `runtime/deterministic.py`: every message is handled at the
instant it arrives, first come first served, with all its consequences, before the next thing due. A `LoopMailbox` keeps
the rules of a mailbox (`runtime/lanes.py` says which messages are conflated), so the same program given the same
messages does the same. Nothing is contained: an error ends the run. It knows no message but by its type's lane.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Any

from mmactors.runtime.lanes import ENDS, SLOTS, Key, is_money
from mmactors.units import Nanos

NEVER = 1 << 62


class Now:
    """The time of a timeline, set by it alone."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = Nanos(ns)

    def now(self) -> Nanos:
        """Return nanoseconds UTC."""
        return self.ns


class Timeline:
    """Lets time pass. `dead_letters` counts messages about money whose addressee had ended."""

    def __init__(self, start_ns: int) -> None:
        self.clock = Now(start_ns)
        self.dead_letters = 0
        self.ready: deque[Callable[[], None]] = deque()
        self._due: list[tuple[Nanos, int, Callable[[], None]]] = []
        self._order = count().__next__

    def call_at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Let something happen at a time; a time past means now."""
        now = self.clock.ns
        heappush(self._due, (due_ns if due_ns > now else now, self._order(), call))  # type: ignore[misc]

    def run_until(self, end_ns: Nanos) -> None:
        """Let everything happen that is due up to and including this time; the clock then stands there."""
        due, ready, clock = self._due, self.ready, self.clock
        take = ready.popleft
        while True:
            while ready:
                take()()
            if not due or due[0][0] > end_ns:
                break
            now, _, call = heappop(due)
            clock.ns = now
            call()
        clock.ns = end_ns


class _Timer:
    __slots__ = ("due_ns", "message", "period_ns", "turn")

    def __init__(self, due_ns: int, message: object, period_ns: int, turn: Callable[["_Timer"], None]) -> None:
        self.due_ns = due_ns
        self.turn = partial(turn, self)
        self.message = message
        self.period_ns = period_ns


class LoopMailbox:
    """Where one part of the program is told things.

    Args:
        timeline: gives the turns.
        begin: what the first turn does.
        receive: takes one message and the time.
        end: what the last turn does, after `close` was asked for.
    """

    def __init__(
        self,
        timeline: Timeline,
        begin: Callable[[], None],
        receive: Callable[[Any, Nanos], None],
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._timeline = timeline
        self._clock, self._call_at = timeline.clock, timeline.call_at
        self._begin: Callable[[], None] | None = begin
        self._receive = receive
        self._end = end
        self._usual = False  # begun, and its end was not asked for
        self._closed = False
        self._fifo: deque[Any] = deque()
        self._slots: dict[Key, Any] = {}
        self._timers: list[tuple[int, int, _Timer]] = []
        self._due_ns = NEVER  # of the earliest of them
        self._order = count().__next__
        self._next = self._turn
        self._waiting = timeline.ready
        self._ready = timeline.ready.append
        self._ready(self._next)

    def tell(self, message: object) -> None:
        """Leave a message."""
        if self._closed:
            self._timeline.dead_letters += is_money(message)
            return
        kind = type(message)
        if kind in SLOTS:
            self._slots[SLOTS[kind](message)] = message
        else:
            if self._slots and kind in ENDS:
                self._empty_slots(ENDS[kind](message))
            self._fifo.append(message)
        self._ready(self._next)

    def tell_last(self, message: object) -> None:
        """Leave a message as the last thing one does in one's own turn; it is handled at once if it is next anyway."""
        now = self._clock.ns
        if self._waiting or self._fifo or self._slots or self._due_ns <= now or not self._usual:
            self.tell(message)
        else:
            self._receive(message, now)

    def every(self, period_ns: int, message: object) -> None:
        """Tell oneself at every multiple of a period from now."""
        self._arm(_Timer(self._clock.ns + period_ns, message, period_ns, self._ring))

    def close(self) -> None:
        """Ask for the end; it does not queue."""
        self._usual = False
        self._ready(self._next)

    def _turn(self) -> None:
        """Handle one message, if one waits."""
        if not self._usual:
            self._begin_or_end()
            return
        now, fifo = self._clock.ns, self._fifo
        if self._due_ns <= now:
            self._collect(now)
        if fifo:
            item = fifo.popleft()
            if type(item) is _Timer:
                item.due_ns += item.period_ns
                self._arm(item)
                item = item.message
        elif self._slots:
            item = self._slots.pop(next(iter(self._slots)))
        else:
            return
        self._receive(item, now)

    def _ring(self, timer: _Timer) -> None:
        """A timer's turn; as a rule nothing else waits and it is the timer itself that is handled."""
        now, timers = self._clock.ns, self._timers
        if self._fifo or self._slots or not self._usual or timers[0][2] is not timer or timer.due_ns > now:
            self._turn()
            return
        timer.due_ns = due_ns = timer.due_ns + timer.period_ns
        if len(timers) == 1:
            timers[0] = (due_ns, 0, timer)  # alone: its place among others is no matter
            self._due_ns = due_ns
        else:
            heapreplace(timers, (due_ns, self._order(), timer))
            self._due_ns = timers[0][0]
        self._call_at(due_ns, timer.turn)
        if self._due_ns <= now:
            self._collect(now)
        self._receive(timer.message, now)

    def _begin_or_end(self) -> None:
        if self._begin is not None:
            begin, self._begin, self._usual = self._begin, None, True
            begin()
        elif not self._closed:
            self._closed = True
            waiting = [*self._fifo, *self._slots.values()]
            self._timeline.dead_letters += sum(is_money(message) for message in waiting)
            self._end()

    def _collect(self, now: int) -> None:
        """Let the timers that are due queue up."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            self._fifo.append(heappop(timers)[2])
        self._due_ns = timers[0][0] if timers else NEVER

    def _arm(self, timer: _Timer) -> None:
        heappush(self._timers, (timer.due_ns, self._order(), timer))
        self._due_ns = self._timers[0][0]
        self._call_at(timer.due_ns, timer.turn)

    def _empty_slots(self, prefixes: tuple[Key, ...]) -> None:
        for key in [key for key in self._slots if any(key[: len(prefix)] == prefix for prefix in prefixes)]:
            del self._slots[key]
