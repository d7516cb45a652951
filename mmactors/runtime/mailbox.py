"""An actor's mailbox: lanes instead of a queue, and the actor's timers.

Owns what waits for one actor and the order in which it is handed out: a request to stop first; then the FIFO lane,
every message of it; then the slots, each with only its newest value. A timer that has come due joins the end of the
FIFO lane when it is noticed: it waits for what was known before it and can be starved by nothing that comes after.
Knows nothing of actors, names or what messages mean (`lanes.py` says which go where).

`Lanes` is the plain structure, `Mailbox` the one for threads: any thread posts, one takes.
"""

import heapq
import threading
from collections import deque
from itertools import count
from typing import Any, Final

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from mmactors.runtime.clock import Clock
from mmactors.runtime.lanes import ENDS, SLOTS, Key
from mmactors.units import SECOND, Nanos

STOP: Final = _ActorStop()
"""What a mailbox hands out when its actor is to end; Pykka's own message for it."""

COMPACT_ABOVE = 64
"""Timers below this number are not worth tidying."""


class Timer:
    """A message to oneself that is still to come."""

    __slots__ = ("_lanes", "active", "due_ns", "message", "period_ns")

    def __init__(self, lanes: "Lanes", due_ns: Nanos, message: object, period_ns: Nanos | None) -> None:
        self._lanes = lanes
        self.due_ns = due_ns
        self.message = message
        self.period_ns = period_ns
        self.active = True

    def cancel(self) -> None:
        """Take the message back, even one that has come due but was not handled yet; twice is harmless."""
        if self.active:
            self.active = False
            self._lanes.cancelled_timers += 1


class Lanes:
    """The lanes and timers of one mailbox, for one thread."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.closed = False
        self.stopping = False
        self.left = False
        self.conflated = 0
        self.max_depth = 0
        self.cancelled_timers = 0
        self._fifo: deque[Any] = deque()
        self._slots: dict[Key, Any] = {}
        self._timers: list[tuple[Nanos, int, Timer]] = []
        self._order = count()
        self._stop_futures: list[pykka.Future[Any]] = []

    @property
    def depth(self) -> int:
        """How many messages wait, timers that are not due aside."""
        return len(self._fifo) + len(self._slots)

    def post(self, message: object) -> bool:
        """Leave a message; return False if the mailbox is closed."""
        if self.closed:
            return False
        fifo, slots = self._fifo, self._slots
        kind = type(message)
        slot = SLOTS.get(kind)
        if slot is not None:
            key = slot(message)
            if key in slots:
                self.conflated += 1
            slots[key] = message
        else:
            if slots and kind in ENDS:
                self._empty_slots(ENDS[kind](message))
            fifo.append(message)
        depth = len(fifo) + len(slots)
        if depth > self.max_depth:
            self.max_depth = depth
        return True

    def request_stop(self, future: pykka.Future[Any] | None = None) -> None:
        """Ask for the end; it does not queue. The future is resolved when the actor has ended."""
        self.stopping = True
        if future is None:
            return
        if self.left:
            future.set(None)
        else:
            self._stop_futures.append(future)

    def arm(self, due_ns: Nanos, message: object, period_ns: Nanos | None = None) -> Timer:
        """Set a timer for a time, once or then every period (missed rounds are skipped, not made up for)."""
        if len(self._timers) > COMPACT_ABOVE and 2 * self.cancelled_timers > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].active]
            heapq.heapify(self._timers)
            self.cancelled_timers = 0
        timer = Timer(self, due_ns, message, period_ns)
        self._push(timer)
        return timer

    def poll(self) -> Any:
        """Return the next message, `STOP` if the actor is to end, or None if nothing waits."""
        if self.stopping or self.closed:
            return STOP
        fifo, timers = self._fifo, self._timers
        if timers:
            now = self.clock.now()
            while timers and timers[0][0] <= now:
                fifo.append(heapq.heappop(timers)[2])
        while fifo:
            item = fifo.popleft()
            if type(item) is not Timer:
                return item
            if item.active:
                self._settle(item)
                return item.message
        if self._slots:
            return self._slots.pop(next(iter(self._slots)))
        return None

    def next_due_ns(self) -> Nanos | None:
        """Return when the next timer comes due."""
        while self._timers and not self._timers[0][2].active:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def close(self) -> tuple[list[Any], list[Any]]:
        """Take no more messages; return what was never handled of the FIFO lane and of the slots, timers aside."""
        self.closed = True
        queued = [item for item in self._fifo if type(item) is not Timer]
        prices = list(self._slots.values())
        self._fifo.clear()
        self._slots.clear()
        self._timers.clear()
        return queued, prices

    def leave(self) -> None:
        """Let those know who wait for the end: it is over."""
        self.left = True
        while self._stop_futures:
            self._stop_futures.pop().set(None)

    def put(self, envelope: Envelope[Any], /) -> None:
        """Pykka's way in (`ActorRef.tell`, `ask`, `stop`): an envelope without a reply is opened here."""
        future = envelope.reply_to
        if isinstance(envelope.message, _ActorStop):
            self.request_stop(future)
        elif future is None:
            self.post(envelope.message)
        elif not self.post(envelope):
            refuse(envelope)

    def get(self) -> Envelope[Any]:
        """Pykka's way out, wrapped again; an empty mailbox without a thread to wait in is an error.

        Raises:
            LookupError: if nothing waits.
        """
        item = self.poll()
        if item is None:
            raise LookupError("the mailbox is empty")
        return item if isinstance(item, Envelope) else Envelope(item)

    def empty(self) -> bool:
        """Say whether no message waits."""
        return self.depth == 0

    def _empty_slots(self, prefixes: tuple[Key, ...]) -> None:
        for key in [key for key in self._slots if any(key[: len(prefix)] == prefix for prefix in prefixes)]:
            del self._slots[key]
            self.conflated += 1

    def _settle(self, timer: Timer) -> None:
        if timer.period_ns is None:
            timer.active = False
            return
        behind = self.clock.now() - timer.due_ns
        timer.due_ns = Nanos(timer.due_ns + timer.period_ns * (behind // timer.period_ns + 1))
        self._push(timer)

    def _push(self, timer: Timer) -> None:
        heapq.heappush(self._timers, (timer.due_ns, next(self._order), timer))


class Mailbox(Lanes):
    """Lanes that any thread may post to and one thread waits at.

    Not for signal handlers: one that interrupts a `post` of its own thread would wait for itself.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._lock = threading.Lock()
        self._wake = threading.Lock()
        self._wake.acquire()
        self._waiting = False

    def post(self, message: object) -> bool:
        """Leave a message; return False if the mailbox is closed."""
        with self._lock:
            posted = Lanes.post(self, message)
            if self._waiting:
                self._rouse()
        return posted

    def request_stop(self, future: pykka.Future[Any] | None = None) -> None:
        """Ask for the end; it does not queue."""
        with self._lock:
            super().request_stop(future)
            self._rouse()

    def arm(self, due_ns: Nanos, message: object, period_ns: Nanos | None = None) -> Timer:
        """Set a timer for a time, once or then every period."""
        with self._lock:
            timer = super().arm(due_ns, message, period_ns)
            self._rouse()
        return timer

    def close(self) -> tuple[list[Any], list[Any]]:
        """Take no more messages; return what was never handled."""
        with self._lock:
            left = super().close()
            self._rouse()
        return left

    def leave(self) -> None:
        """Let those know who wait for the end: it is over."""
        with self._lock:
            super().leave()

    def take(self) -> Any:
        """Return the next message or `STOP`; wait for it."""
        while True:
            with self._lock:
                item = self.poll()
                if item is not None:
                    return item
                due_ns = self.next_due_ns()
                self._waiting = True
            timeout = -1 if due_ns is None else max(0.0, (due_ns - self.clock.now()) / SECOND)
            if not self._wake.acquire(timeout=timeout):
                with self._lock:
                    if self._waiting:
                        self._waiting = False
                    else:  # roused just as the wait ran out
                        self._wake.acquire()

    def get(self) -> Envelope[Any]:
        """Pykka's way out: `take`, wrapped again."""
        item = self.take()
        return item if isinstance(item, Envelope) else Envelope(item)

    def _rouse(self) -> None:
        if self._waiting:
            self._waiting = False
            self._wake.release()


def refuse(envelope: Envelope[Any]) -> None:
    """Tell the asker that nobody will answer."""
    if envelope.reply_to is not None:
        error = pykka.ActorDeadError("the actor ended before it handled the question")
        envelope.reply_to.set_exception((type(error), error, None))
