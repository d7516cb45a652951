"""Roles in virtual time without actors: what is due when, and who receives what in which order.

Owns the order of events, which is the canonical order of `runtime/deterministic.py`: every message is handled at the
instant it arrives, first come first served, with all its consequences, before the next thing due. A `LoopMailbox` keeps
the rules of a mailbox (`runtime/lanes.py` says which messages are conflated), so the same roles given the same messages
do the same. Nothing is contained: an error ends the run. It knows no message but by its type's lane, and lives.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Any

from loguru import logger

from mmactors.messages import ActorDied, ActorReady
from mmactors.runtime.lanes import ENDS, SLOTS, Key, is_money
from mmactors.runtime.role import Out, Role, RoleFactory, new_counters
from mmactors.units import Nanos

NEVER = 1 << 62


class Now:
    """The time of a loop, set by it alone."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = Nanos(ns)

    def now(self) -> Nanos:
        """Return nanoseconds UTC."""
        return self.ns


class EventLoop:
    """Lets time pass for roles and for the world around them.

    `dead_letters` counts messages about money that found nobody. `supervisor` is the name that hears of lives.
    The last message of a turn is held back until the turn is over: if it is next anyway, it is handled without a turn
    of its own, which saves a hand-over in most.
    """

    def __init__(self, start_ns: int, supervisor: str = "supervisor") -> None:
        self.clock = Now(start_ns)
        self.supervisor = supervisor
        self.dead_letters = 0
        self.ready: deque[Callable[[], None]] = deque()
        self._due: list[tuple[Nanos, int, Callable[[], None]]] = []
        self._order = count().__next__
        self._incarnation = 0
        self._mailboxes: dict[str, LoopMailbox] = {}
        self._last_to: LoopMailbox | None = None
        self._last: object = None

    def call_at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Let something happen at a time; a time past means now."""
        now = self.clock.ns
        heappush(self._due, (due_ns if due_ns > now else now, self._order(), call))  # type: ignore[misc]

    def tell(self, to: str, message: object) -> None:
        """Leave a message in a mailbox, by name; without one it is a dead letter."""
        mailbox = self._mailboxes.get(to)
        if mailbox is None:
            self.dead_letters += is_money(message)
            return
        takes = mailbox.takes
        if takes is not None and type(message) not in takes:
            return
        if self._last_to is not None:
            self._last_to.post(self._last)
        self._last_to, self._last = mailbox, message

    def spawn(self, name: str, make: RoleFactory) -> None:
        """Let a role live under a name.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._mailboxes:
            raise ValueError(f"a role named {name} is alive")
        self._post_last()
        self._incarnation += 1
        self._mailboxes[name] = LoopMailbox(self, name, self._incarnation, make())

    def stop(self, name: str) -> None:
        """Ask a role to end."""
        self._post_last()
        mailbox = self._mailboxes.get(name)
        if mailbox is not None:
            mailbox.close()

    def incarnation(self, name: str) -> int | None:
        """Return the number of the life that now bears the name."""
        mailbox = self._mailboxes.get(name)
        return None if mailbox is None else mailbox.incarnation

    def ended(self, name: str) -> None:
        """Free the name of a role that has ended."""
        del self._mailboxes[name]

    def run_until(self, end_ns: Nanos) -> None:
        """Let everything happen that is due up to and including this time; the clock then stands there."""
        due, ready, clock = self._due, self.ready, self.clock
        take = ready.popleft
        if self._last_to is not None:
            self._finish_turn()
        while True:
            while ready:
                take()()
                if self._last_to is not None:
                    self._finish_turn()
            if not due or due[0][0] > end_ns:
                break
            now, _, call = heappop(due)
            clock.ns = now
            call()
            if self._last_to is not None:
                self._finish_turn()
        clock.ns = end_ns

    def _finish_turn(self) -> None:
        """Deliver the turn's last message, and the last one that comes of it, for as long as it is next anyway."""
        while self._last_to is not None:
            mailbox, self._last_to = self._last_to, None
            mailbox.post_last(self._last)

    def _post_last(self) -> None:
        """Post the message held back: it comes before what is about to happen."""
        if self._last_to is not None:
            self._last_to.post(self._last)
            self._last_to = None


class _Timer:
    """A message to oneself that is still to come; once, if the period is 0."""

    __slots__ = ("due_ns", "message", "period_ns", "turn")

    def __init__(self, due_ns: int, message: object, period_ns: int, turn: Callable[["_Timer"], None]) -> None:
        self.due_ns = due_ns
        self.turn = partial(turn, self)
        self.message = message
        self.period_ns = period_ns


class LoopMailbox(Out):
    """Where one role's messages wait, and what it acts through: the host of its life."""

    def __init__(self, loop: EventLoop, name: str, incarnation: int, role: Role) -> None:
        super().__init__(name, incarnation, logger.bind(actor=name, incarnation=incarnation), new_counters())
        self.takes = role.takes
        self._loop = loop
        self._clock, self._call_at = loop.clock, loop.call_at
        self._role = role
        self._begun = self._stopping = False
        self._usual = False  # begun, and its end was not asked for
        self._closed = False
        self._fifo: deque[Any] = deque()
        self._slots: dict[Key, Any] = {}
        self._timers: list[tuple[int, int, _Timer]] = []
        self._due_ns = NEVER  # of the earliest of them
        self._order = count().__next__
        self._next = self._turn
        self._waiting = loop.ready
        self._ready = loop.ready.append
        self._ready(self._next)

    # --- what the role acts through ---

    def now(self) -> Nanos:
        """Return the time."""
        return self._clock.ns

    def tell(self, to: str, message: object) -> None:
        """Tell a role, by name."""
        self._loop.tell(to, message)

    def after(self, delay_ns: int, message: object) -> None:
        """Tell oneself once this much time has passed."""
        self._arm(_Timer(self._clock.ns + delay_ns, message, 0, self._ring))

    def every(self, period_ns: int, message: object) -> None:
        """Tell oneself at every multiple of a period from now."""
        self._arm(_Timer(self._clock.ns + period_ns, message, period_ns, self._ring))

    def spawn(self, name: str, make: RoleFactory) -> None:
        """Let a role live under a name."""
        self._loop.spawn(name, make)

    def stop(self, name: str) -> None:
        """Ask a role to end."""
        self._loop.stop(name)

    def incarnation_of(self, name: str) -> int | None:
        """Return the number of the life that now bears the name."""
        return self._loop.incarnation(name)

    def abandon_hung(self, limit_ns: int) -> None:
        """Nobody hangs here: whoever took for ever would end the run."""

    # --- what the loop does with it ---

    def post(self, message: object) -> None:
        """Leave a message."""
        if self._closed:
            self._loop.dead_letters += is_money(message)
            return
        kind = type(message)
        if kind in SLOTS:
            self._slots[SLOTS[kind](message)] = message
        else:
            if self._slots and kind in ENDS:
                self._empty_slots(ENDS[kind](message))
            self._fifo.append(message)
        self._ready(self._next)

    def post_last(self, message: object) -> None:
        """Leave a message as the last thing of a turn; it is handled at once if it is next anyway."""
        now = self._clock.ns
        if self._waiting or self._fifo or self._slots or self._due_ns <= now or not self._usual:
            self.post(message)
        else:
            self._role.receive(message, now, self)

    def close(self) -> None:
        """Ask for the end; it does not queue."""
        self._usual, self._stopping = False, True
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
                if item.period_ns:
                    item.due_ns += item.period_ns
                    self._arm(item)
                item = item.message
        elif self._slots:
            item = self._slots.pop(next(iter(self._slots)))
        else:
            return
        self._role.receive(item, now, self)

    def _ring(self, timer: _Timer) -> None:
        """A timer's turn; as a rule nothing else waits and it is the timer itself that is handled."""
        now, timers = self._clock.ns, self._timers
        if (
            self._fifo
            or self._slots
            or not self._usual
            or not timer.period_ns
            or timers[0][2] is not timer
            or timer.due_ns > now
        ):
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
        self._role.receive(timer.message, now, self)

    def _begin_or_end(self) -> None:
        loop = self._loop
        if not self._begun:
            self._begun, self._usual = True, not self._stopping
            self._role.begin(self)
            if self.name != loop.supervisor:
                loop.tell(loop.supervisor, ActorReady(self.name, self.incarnation))
        elif not self._closed:
            self._closed = True
            waiting = [*self._fifo, *self._slots.values()]
            loop.dead_letters += sum(is_money(message) for message in waiting)
            self._role.end(self)
            loop.ended(self.name)
            if self.name != loop.supervisor:
                loop.tell(loop.supervisor, ActorDied(self.name, self.incarnation, None))

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
