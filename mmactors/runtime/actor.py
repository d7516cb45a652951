"""The base of every actor: one life from begin to end, contained.

Owns what Pykka's actor lacks: a name and an incarnation, timers, counters, an exact report of how the life ended, and
the rule that nothing an actor does can hurt another. Touches neither threads nor clocks itself: all of that comes from
the `Runtime` it is given, so the same class runs on a thread of its own or under virtual time.
"""

import abc
import sys
import traceback
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pykka
from loguru import logger
from pykka._envelope import Envelope

from mmactors.messages import ActorReady
from mmactors.runtime.mailbox import STOP, Lanes, Timer, refuse
from mmactors.runtime.role import Out, Role, RoleFactory, new_counters
from mmactors.units import Nanos

if TYPE_CHECKING:
    from mmactors.runtime.runtime import Runtime

ERROR_LENGTH = 300
"""How much of an error's text travels in `ActorDied`; the log has all of it."""


class Actor(pykka.ThreadingActor):
    """One actor. Subclasses define `receive`, and may define `on_begin` and `on_end`.

    `counters` are plain ints for a reporter to copy. `notes` is the log, bound to this life. `busy` is what it is
    doing and since when, None while it waits. With `drains` set, a stop first handles the FIFO lane.
    """

    use_daemon_thread = True
    drains = False

    def __init__(self, runtime: "Runtime", name: str, incarnation: int) -> None:
        self.runtime = runtime
        self.clock = runtime.clock
        self.mailbox: Lanes = runtime.new_mailbox()
        super().__init__()
        self.name = name
        self.incarnation = incarnation
        self.kind = type(self).__name__
        self.counters = new_counters()
        self.handled = 0
        self.busy: tuple[object, Nanos] | None = None
        self.abandoned = False
        self.notes = logger.bind(actor=name, incarnation=incarnation)
        self._deliver = runtime.directory.tell

    def __str__(self) -> str:
        return f"{self.name}#{self.incarnation}"

    @abc.abstractmethod
    def receive(self, message: Any) -> object:
        """Handle one message; what is returned answers an `ask` and is otherwise ignored."""

    def on_begin(self) -> None:
        """Begin: runs before the first message. An exception here ends the life like one in a handler."""

    def on_end(self) -> None:
        """End: release what is owned. Runs however a life that had begun ended, unless it was abandoned as hung."""

    def tell(self, to: str, message: object) -> None:
        """Tell another actor, by name. Never raises; an abandoned actor's messages go nowhere."""
        if self.abandoned:
            self.counters["unheard"] += 1
        else:
            self._deliver(to, message)

    def at(self, due_ns: int, message: object) -> Timer:
        """Tell oneself at a time (nanoseconds UTC on this clock)."""
        return self.mailbox.arm(Nanos(due_ns), message)

    def after(self, delay_ns: int, message: object) -> Timer:
        """Tell oneself once this much time has passed."""
        return self.mailbox.arm(Nanos(self.clock.now() + delay_ns), message)

    def every(self, period_ns: int, message: object) -> Timer:
        """Tell oneself at every multiple of a period from now; rounds missed while busy are skipped.

        Raises:
            ValueError: if the period is not positive.
        """
        if period_ns <= 0:
            raise ValueError(f"a timer's period must be positive, not {period_ns} ns")
        return self.mailbox.arm(Nanos(self.clock.now() + period_ns), message, Nanos(period_ns))

    def stop(self) -> None:
        """End this life after the message being handled; `on_end` runs then."""
        self.mailbox.request_stop()

    def unexpected(self, message: object) -> None:
        """Count a message that `receive` has no case for; the first of its type is worth a line."""
        kind = type(message).__name__
        self.counters[f"unexpected_{kind}"] += 1
        if self.counters[f"unexpected_{kind}"] == 1:
            self.notes.warning("{} has no use for {}", self, kind)

    # --- the life, as the runtimes drive it ---

    def _create_actor_inbox(self) -> Lanes:  # type: ignore[override]
        return self.mailbox

    def _start_actor_loop(self) -> None:
        self.runtime.launch(self)

    def _begin(self) -> bool:
        self.busy = ("on_begin", self.clock.now())
        try:
            self.on_begin()
        except self.runtime.contained as error:
            self._end(error, begun=False)
            return False
        self.busy = None
        if not self.abandoned:
            self.notes.debug("{} has begun", self)
            self.runtime.tell_supervisor(self, ActorReady(self.name, self.incarnation))
        return True

    def _step(self, item: Any) -> bool:
        if item is STOP:
            self._end(None)
            return False
        try:
            self._handle(item)
        except self.runtime.contained as error:
            self._end(error)
            return False
        self.busy = None
        return True

    def _handle(self, item: Any) -> None:
        if type(item) is not Envelope:
            self.busy = (type(item), self.clock.now())
            self.receive(item)
        elif item.reply_to is not None:
            self.busy = (type(item.message), self.clock.now())
            try:
                item.reply_to.set(self.receive(item.message))
            except BaseException:
                item.reply_to.set_exception(sys.exc_info())
                raise
        self.handled += 1

    def _end(self, error: BaseException | None, *, begun: bool = True) -> None:
        if self.abandoned:
            self.notes.warning("{} woke up after it had been abandoned, and ends", self)
            return
        doing = self.busy
        queued, prices = self.mailbox.close()
        waiting = deque(queued)
        if error is None and self.drains:
            try:
                while waiting:
                    self._handle(waiting.popleft())
            except self.runtime.contained as failure:
                error, doing = failure, self.busy
        lost = self._lose([*waiting, *prices])
        if begun:
            self.busy = ("on_end", self.clock.now())
            try:
                self.on_end()
            except self.runtime.contained as failure:
                if error is None:
                    error, doing = failure, self.busy
                else:
                    self.notes.error("{} failed once more in on_end: {}", self, describe(failure))
        self.busy = None
        if error is not None:
            self.notes.error("{} died in {}; lost: {}\n{}", self, name_of(doing), lost, trace_of(error))
        elif not self.abandoned:
            self.notes.debug("{} has ended", self)
        self.runtime.ended(self, None if error is None else describe(error))

    def _lose(self, letters: list[Any]) -> str:
        for letter in letters:
            if type(letter) is Envelope:
                refuse(letter)
        messages = [letter for letter in letters if type(letter) is not Envelope]
        self.runtime.directory.bury(self.name, messages)
        kinds = Counter(type(message).__name__ for message in messages)
        return ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())) or "nothing"


class RoleActor(Actor):
    """The Pykka host of a role: its life on a thread of its own or under virtual time."""

    def __init__(self, runtime: "Runtime", name: str, incarnation: int, *, make: RoleFactory) -> None:
        super().__init__(runtime, name, incarnation)
        self.role: Role = make()
        self.drains = self.role.drains
        self.kind = type(self.role).__name__
        self._out = ActorOut(self)
        self._receive = self.role.receive
        self._now = self.clock.now

    def on_begin(self) -> None:
        self.role.begin(self._out)

    def on_end(self) -> None:
        self.role.end(self._out)

    def receive(self, message: Any) -> None:
        self._receive(message, self._now(), self._out)


class ActorOut(Out):
    """What a role may do by means of its actor."""

    def __init__(self, actor: RoleActor) -> None:
        super().__init__(actor.name, actor.incarnation, actor.notes, actor.counters)
        self._actor = actor

    def now(self) -> Nanos:
        return self._actor.clock.now()

    def tell(self, to: str, message: object) -> None:
        self._actor.tell(to, message)

    def after(self, delay_ns: int, message: object) -> None:
        self._actor.after(delay_ns, message)

    def every(self, period_ns: int, message: object) -> None:
        self._actor.every(period_ns, message)

    def spawn(self, name: str, make: RoleFactory) -> None:
        self._actor.runtime.spawn(name, hosted(make))

    def stop(self, name: str) -> None:
        self._actor.runtime.stop(name)

    def incarnation_of(self, name: str) -> int | None:
        return self._actor.runtime.incarnation(name)

    def abandon_hung(self, limit_ns: int) -> None:
        self._actor.runtime.abandon_hung(limit_ns, besides=self.name)


def hosted(make: RoleFactory) -> Callable[["Runtime", str, int], Actor]:
    """Return the factory of actors with this role."""
    return partial(RoleActor, make=make)


def name_of(doing: tuple[object, Nanos] | None) -> str:
    """Return what an actor is (or was) doing: a hook's name or a message's type."""
    what = "nothing" if doing is None else doing[0]
    return what.__name__ if isinstance(what, type) else str(what)


def describe(error: BaseException) -> str:
    """Return an error's type and the beginning of its text, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:ERROR_LENGTH]


def trace_of(error: BaseException) -> str:
    """Return an error's traceback as text: lines of code, never the values of variables."""
    return "".join(traceback.format_exception(error))
