"""What every runtime does for its actors: spawn, stop, deliver, notice hanging, count.

Owns the run's incarnation numbers and its count of lives. Does not know how an actor gets its time slices: that is the
difference between `threaded.py` (a thread each) and `deterministic.py` (one thread, virtual time). Actors see only this
class.
"""

import abc
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pykka
from loguru import logger

from mmactors.messages import ActorDied
from mmactors.runtime.actor import Actor, describe, name_of, trace_of
from mmactors.runtime.clock import Clock
from mmactors.runtime.directory import Directory
from mmactors.runtime.lanes import Lane
from mmactors.runtime.mailbox import Lanes
from mmactors.units import SECOND, Nanos

ActorFactory = Callable[["Runtime", str, int], Actor]
"""Makes an actor from its runtime, name and incarnation: a class, or a `functools.partial` of one."""


@dataclass(frozen=True, slots=True)
class Hung:
    """An actor that has been at one message for too long."""

    name: str
    incarnation: int
    doing: str
    age_ns: Nanos


@dataclass(frozen=True, slots=True)
class ActorStatistics:
    """One actor, looked at from outside. `doing` is None while it waits."""

    name: str
    incarnation: int
    kind: str
    handled: int
    depth: int
    max_depth: int
    conflated: int
    doing: str | None
    doing_ns: Nanos
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class RuntimeStatistics:
    """The run so far: lives begun and how they ended, letters nobody read, who lives."""

    spawned: int
    stopped: int
    died: int
    abandoned: int
    dead_letters: dict[Lane, int]
    actors: tuple[ActorStatistics, ...]


class Runtime(abc.ABC):
    """Actors, their names and their lives. `supervisor` is the name that hears `ActorReady` and `ActorDied`."""

    contained: ClassVar[tuple[type[BaseException], ...]]
    """What ends an actor when it escapes from one of its hooks; anything else passes through."""

    def __init__(self, clock: Clock, supervisor: str = "supervisor") -> None:
        self.clock = clock
        self.supervisor = supervisor
        self.directory = Directory()
        self._incarnations = itertools.count(1)
        self._lock = threading.Lock()
        self._spawned = self._stopped = self._died = self._abandoned = 0

    @abc.abstractmethod
    def new_mailbox(self) -> Lanes:
        """Make the mailbox of a new actor."""

    @abc.abstractmethod
    def launch(self, actor: Actor) -> None:
        """Let an actor's life begin."""

    @abc.abstractmethod
    def stop_all(self, order: Sequence[str] = (), timeout_s: float = 5.0) -> list[str]:
        """Stop every actor, one after the other: those not in `order` first, newest first, then those in it.

        For the edge of the program, never for an actor.

        Returns:
            The names of those that had not ended when the time was up.
        """

    def spawn(self, name: str, factory: ActorFactory) -> int:
        """Make an actor, give it its name, start it; return its incarnation, unique in the run.

        If it cannot be made or started, that is a death like any other: the supervisor hears of it.

        Raises:
            ValueError: if an actor of that name is alive.
        """
        if self.directory.alive(name):
            raise ValueError(f"an actor named {name} is alive")
        with self._lock:
            incarnation = next(self._incarnations)
            self._spawned += 1
        try:
            actor = factory(self, name, incarnation)
        except self.contained as error:
            self._stillborn(name, incarnation, error)
            return incarnation
        self.directory.add(actor)
        pykka.ActorRegistry.register(actor.actor_ref)
        try:
            actor._start_actor_loop()
        except self.contained as error:
            actor._end(error, begun=False)
        return incarnation

    def tell(self, to: str, message: object) -> None:
        """Tell an actor, by name, from any thread (not from a signal handler). Never raises."""
        self.directory.tell(to, message)

    def ask(self, to: str, message: object, timeout_s: float) -> Any:
        """Ask an actor and wait; only for the edge of the program, never for an actor.

        Raises:
            pykka.ActorDeadError: if there is no such actor or it ends before it answers.
            pykka.Timeout: if the answer does not come in time.
            Exception: what the actor raised; it has died of it.
        """
        actor = self.directory.get(to)
        if actor is None:
            raise pykka.ActorDeadError(f"no actor is named {to}")
        return actor.actor_ref.ask(message, block=False).get(timeout=timeout_s)

    def stop(self, name: str) -> bool:
        """Ask an actor to end after the message it is handling; its `ActorDied` says when. False if there is none."""
        actor = self.directory.get(name)
        if actor is None:
            return False
        actor.stop()
        return True

    def abandon(self, name: str, reason: str) -> bool:
        """Give up an actor that hangs: its name is free, its mailbox closed, and should it wake up nobody hears it.

        The supervisor hears of a death with that reason. Its thread cannot be killed; it ends if it ever wakes up.
        """
        actor = self.directory.get(name)
        if actor is None:
            return False
        actor.abandoned = True
        doing = name_of(actor.busy)
        queued, prices = actor.mailbox.close()
        if not self._leave(actor):
            return False
        lost = actor._lose([*queued, *prices])
        with self._lock:
            self._abandoned += 1
        actor.notes.error("{} is abandoned in {}: {}; lost: {}", actor, doing, reason, lost)
        self.tell_supervisor(actor, ActorDied(name, actor.incarnation, reason))
        return True

    def hung(self, limit_ns: int) -> list[Hung]:
        """Return the actors that have been at one message or hook for longer than this."""
        found = []
        for actor in self.directory.actors():
            busy = actor.busy
            if busy is not None and (age_ns := self.clock.now() - busy[1]) > limit_ns:
                found.append(Hung(actor.name, actor.incarnation, name_of(busy), Nanos(age_ns)))
        return found

    def abandon_hung(self, limit_ns: int, *, besides: str) -> None:
        """Give up the actors that hang, all but one."""
        for each in self.hung(limit_ns):
            if each.name != besides:
                self.abandon(each.name, f"it has been at {each.doing} for {each.age_ns / SECOND:.0f} s")

    def alive(self, name: str) -> bool:
        """Say whether an actor of that name lives."""
        return self.directory.alive(name)

    def incarnation(self, name: str) -> int | None:
        """Return the number of the life that now bears the name."""
        return self.directory.incarnation(name)

    def names(self) -> list[str]:
        """Return the names of all actors alive, oldest first."""
        return self.directory.names()

    def statistics(self) -> RuntimeStatistics:
        """Return the run's figures; cheap, from any thread."""
        now = self.clock.now()
        actors = []
        for actor in self.directory.actors():
            busy, mailbox = actor.busy, actor.mailbox
            actors.append(
                ActorStatistics(
                    name=actor.name,
                    incarnation=actor.incarnation,
                    kind=actor.kind,
                    handled=actor.handled,
                    depth=mailbox.depth,
                    max_depth=mailbox.max_depth,
                    conflated=mailbox.conflated,
                    doing=None if busy is None else name_of(busy),
                    doing_ns=Nanos(0 if busy is None else now - busy[1]),
                    counters=dict(actor.counters),
                )
            )
        with self._lock:
            return RuntimeStatistics(
                spawned=self._spawned,
                stopped=self._stopped,
                died=self._died,
                abandoned=self._abandoned,
                dead_letters=dict(self.directory.dead_letters),
                actors=tuple(actors),
            )

    def ended(self, actor: Actor, error: str | None) -> None:
        """Take note that an actor's life is over (called by the actor, last of all)."""
        if not self._leave(actor):
            return
        with self._lock:
            if error is None:
                self._stopped += 1
            else:
                self._died += 1
        self.tell_supervisor(actor, ActorDied(actor.name, actor.incarnation, error))

    def tell_supervisor(self, about: Actor, message: object) -> None:
        """Tell the supervisor about an actor; of itself it needs no news."""
        if about.name != self.supervisor:
            self.directory.tell(self.supervisor, message)

    def _stop_order(self, order: Sequence[str]) -> list[str]:
        return [*(name for name in reversed(self.names()) if name not in order), *order]

    def _leave(self, actor: Actor) -> bool:
        actor.actor_stopped.set()
        actor.mailbox.leave()
        pykka.ActorRegistry.unregister(actor.actor_ref)
        return self.directory.remove(actor)

    def _stillborn(self, name: str, incarnation: int, error: BaseException) -> None:
        with self._lock:
            self._died += 1
        logger.error("{}#{} died in its constructor\n{}", name, incarnation, trace_of(error))
        if name != self.supervisor:
            self.directory.tell(self.supervisor, ActorDied(name, incarnation, describe(error)))
