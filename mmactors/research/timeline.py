"""Virtual time without actors: what is due when, and who is told what in which order.

Owns the order of events, which is the canonical order of `runtime/deterministic.py`: every message is handled at the
instant it arrives, first come first served, with all its consequences, before the next thing due. A `Post` keeps the
rules of a mailbox (`runtime/lanes.py` says which messages are conflated), so the same program told the same things does
the same. Nothing is contained: an error ends the run. It knows no message but by its type's lane.
"""

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from mmactors.runtime.clock import VirtualClock
from mmactors.runtime.lanes import ENDS, SLOTS, Key, is_money
from mmactors.units import Nanos


class Timeline:
    """Lets time pass. `dead_letters` counts messages about money whose addressee had ended."""

    def __init__(self, start_ns: int) -> None:
        self.clock = VirtualClock(start_ns)
        self.dead_letters = 0
        self.ready: deque[Post] = deque()
        self._due: list[tuple[int, int, Post | Callable[[], None]]] = []
        self._order = count()

    def call_at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Let the world outside act at a time; a time past means now."""
        heapq.heappush(self._due, (max(due_ns, self.clock.now()), next(self._order), call))

    def wake_at(self, due_ns: int, post: "Post") -> None:
        """Give a post a turn at a time."""
        heapq.heappush(self._due, (due_ns, next(self._order), post))

    def run_until(self, end_ns: int) -> None:
        """Let everything happen that is due up to and including this time; the clock then stands there."""
        due, ready, clock, pop = self._due, self.ready, self.clock, heapq.heappop
        while True:
            while ready:
                ready.popleft().turn()
            if not due or due[0][0] > end_ns:
                break
            now, _, what = pop(due)
            clock.set(now)
            if type(what) is Post:
                what.turn()
            else:
                what()  # type: ignore[operator]
        clock.set(end_ns)


class _Timer:
    __slots__ = ("due_ns", "message", "period_ns")

    def __init__(self, due_ns: int, message: object, period_ns: int) -> None:
        self.due_ns = due_ns
        self.message = message
        self.period_ns = period_ns


class Post:
    """Where one part of the program is told things.

    Args:
        timeline: gives the turns.
        begin: what the first turn does.
        receive: takes one message and the time.
        end: what the last turn does, after `close` was asked for.
    """

    __slots__ = ("_begin", "_end", "_fifo", "_order", "_receive", "_slots", "_timeline", "_timers", "closed", "closing")

    def __init__(
        self,
        timeline: Timeline,
        begin: Callable[[], None],
        receive: Callable[[Any, Nanos], None],
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self.closed = False
        self.closing = False
        self._timeline = timeline
        self._begin: Callable[[], None] | None = begin
        self._receive = receive
        self._end = end
        self._fifo: deque[Any] = deque()
        self._slots: dict[Key, Any] = {}
        self._timers: list[tuple[int, int, _Timer]] = []
        self._order = count()
        timeline.ready.append(self)

    def tell(self, message: object) -> None:
        """Leave a message."""
        if self.closed:
            self._timeline.dead_letters += is_money(message)
            return
        kind = type(message)
        slot = SLOTS.get(kind)
        if slot is not None:
            self._slots[slot(message)] = message
        else:
            if self._slots and kind in ENDS:
                self._empty_slots(ENDS[kind](message))
            self._fifo.append(message)
        self._timeline.ready.append(self)

    def every(self, period_ns: int, message: object) -> None:
        """Tell oneself at every multiple of a period from now."""
        self._arm(_Timer(self._timeline.clock.now() + period_ns, message, period_ns))

    def close(self) -> None:
        """Ask for the end; it does not queue."""
        self.closing = True
        self._timeline.ready.append(self)

    def turn(self) -> None:
        """Handle one message, if one waits."""
        if self.closed:
            return
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin()
            return
        if self.closing:
            self._close()
            return
        now = self._timeline.clock.now()
        timers, fifo = self._timers, self._fifo
        while timers and timers[0][0] <= now:
            fifo.append(heapq.heappop(timers)[2])
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

    def _arm(self, timer: _Timer) -> None:
        heapq.heappush(self._timers, (timer.due_ns, next(self._order), timer))
        self._timeline.wake_at(timer.due_ns, self)

    def _close(self) -> None:
        self.closed = True
        waiting = [*self._fifo, *self._slots.values()]
        self._timeline.dead_letters += sum(is_money(message) for message in waiting)
        self._end()

    def _empty_slots(self, prefixes: tuple[Key, ...]) -> None:
        for key in [key for key in self._slots if any(key[: len(prefix)] == prefix for prefix in prefixes)]:
            del self._slots[key]
