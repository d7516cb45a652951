"""The runtime of virtual life: the same actors on one thread, in an order that a seed decides.

Owns virtual time and the order in which actors get their turns. In canonical order every message is handled at the
instant it arrives, first come first served, with all its consequences, before the next thing due; with an interleaving
seed the actor to run next is drawn at random, and may pause after a message, as threads do. Both keep the order within
a mailbox's lanes, so whatever happens could have happened live. Nothing here sleeps, locks or reads a clock.
"""

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Any, ClassVar

import msgspec
import pykka
from pykka._envelope import Envelope

from mmactors.runtime.actor import Actor
from mmactors.runtime.clock import VirtualClock
from mmactors.runtime.mailbox import STOP, Lanes, Timer
from mmactors.runtime.runtime import Runtime
from mmactors.units import Nanos, nanos

MAX_STEPS = 1_000_000
"""Steps within one instant after which time is taken to stand still for good."""

Observer = Callable[[Nanos, str, object], None]
"""Called after every message handled, with the time, the actor's name and the message."""


class LivelockError(RuntimeError):
    """Actors keep each other busy without time passing."""


class VirtualMailbox(Lanes):
    """Lanes whose every arrival is a turn for their actor."""

    def __init__(self, runtime: "DeterministicRuntime") -> None:
        super().__init__(runtime.clock)
        self.actor: Actor | None = None
        self.begun = False
        self.paused_until = 0
        self.frozen = False
        self.stuck: Any = None
        self.held_turns = 0
        self._runtime = runtime

    def post(self, message: object) -> bool:
        """Leave a message; return False if the mailbox is closed."""
        if not Lanes.post(self, message):
            return False
        self._runtime.ready.append(self)
        return True

    def request_stop(self, future: pykka.Future[Any] | None = None) -> None:
        """Ask for the end; it does not queue."""
        super().request_stop(future)
        self._runtime.ready.append(self)

    def _push(self, timer: Timer) -> None:
        super()._push(timer)
        self._runtime.wake_at(timer.due_ns, self)


class DeterministicRuntime(Runtime):
    """Run every actor in virtual time.

    `interleaving` is the seed of a random order (None: canonical order) and `max_pause_ns` how long an actor may then
    be slow after a message. `trace` switches the hash of everything handled, `observer` sees it.
    """

    contained: ClassVar[tuple[type[BaseException], ...]] = (Exception, SystemExit)
    clock: VirtualClock

    def __init__(
        self,
        start_ns: int = 0,
        *,
        interleaving: int | None = None,
        max_pause_ns: int = 0,
        trace: bool = True,
        observer: Observer | None = None,
        supervisor: str = "supervisor",
    ) -> None:
        super().__init__(VirtualClock(start_ns), supervisor)
        self.ready: deque[VirtualMailbox] = deque()
        self._running = False
        self._instant_steps = 0
        self._due: list[tuple[int, int, VirtualMailbox | Callable[[], None]]] = []
        self._order = count()
        self._random = None if interleaving is None else Random(interleaving)  # noqa: S311
        self._max_pause_ns = max_pause_ns
        self._hash = blake2b(digest_size=16) if trace else None
        self._encode = msgspec.msgpack.Encoder(enc_hook=_type_name, order="deterministic").encode
        self._observer = observer

    def new_mailbox(self) -> VirtualMailbox:
        """Make a mailbox that reports its arrivals."""
        return VirtualMailbox(self)

    def launch(self, actor: Actor) -> None:
        """Give the actor its first turn, in which it begins."""
        mailbox = actor.mailbox
        assert isinstance(mailbox, VirtualMailbox)
        mailbox.actor = actor
        self.ready.append(mailbox)

    def call_at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Let the world outside act at a time: a price, a fill, a fault. A time past means now; errors pass through."""
        self._schedule(due_ns, call)

    def wake_at(self, due_ns: int, mailbox: VirtualMailbox) -> None:
        """Give a mailbox's actor a turn at a time (its timers ask for it)."""
        self._schedule(due_ns, mailbox)

    def run_until(self, end_ns: int) -> None:
        """Let everything happen that is due up to and including this time; the clock then stands there.

        Raises:
            LivelockError: if an instant does not end.
            RuntimeError: if called by what is being run.
            ValueError: if the time is past.
        """
        if self._running:
            raise RuntimeError("the runtime is running: an actor must not wait")
        self._running = True
        try:
            self._run_ready()
            while self._due and self._due[0][0] <= end_ns:
                self._next_due()
                self._run_ready()
            self.clock.set(end_ns)
        finally:
            self._running = False

    def ask(self, to: str, message: object, timeout_s: float) -> Any:
        """Ask an actor from outside, letting virtual time pass only if it must.

        Raises:
            pykka.ActorDeadError: if there is no such actor or it ends before it answers.
            pykka.Timeout: if the answer does not come in time.
            Exception: what the actor raised; it has died of it.
        """
        actor = self.directory.get(to)
        if actor is None:
            raise pykka.ActorDeadError(f"no actor is named {to}")
        future = actor.actor_ref.ask(message, block=False)
        self.run_until(self.clock.now())
        try:
            return future.get(timeout=0)
        except pykka.Timeout:
            self.run_until(self.clock.now() + nanos(timeout_s))
            return future.get(timeout=0)

    def stop_all(self, order: Sequence[str] = (), timeout_s: float = 5.0) -> list[str]:
        """Stop every actor, one after the other, the newest first; those in `order` last. The time limit is virtual."""
        for name in self._stop_order(order):
            end_ns = self.clock.now() + nanos(timeout_s)
            self.stop(name)
            self.run_until(self.clock.now())
            while self.alive(name) and self._due and self._due[0][0] <= end_ns:
                self.run_until(self._due[0][0])
        return self.names()

    def freeze(self, name: str) -> Callable[[], None]:
        """Let an actor hang in its next message (a fault to inject); return what wakes it up, abandoned or not.

        Raises:
            LookupError: if there is no such actor.
        """
        actor = self.directory.get(name)
        if actor is None:
            raise LookupError(f"no actor is named {name}")
        mailbox = actor.mailbox
        assert isinstance(mailbox, VirtualMailbox)
        mailbox.frozen = True

        def thaw() -> None:
            mailbox.frozen = False
            item, mailbox.stuck = mailbox.stuck, None
            if item is not None:
                self._handle(mailbox, item)
            self.ready.extend([mailbox] * mailbox.held_turns)
            mailbox.held_turns = 0

        return thaw

    def trace_hash(self) -> str:
        """Return the digest of everything handled so far: time, actor, message, in order."""
        return "" if self._hash is None else self._hash.hexdigest()

    def _schedule(self, due_ns: int, what: VirtualMailbox | Callable[[], None]) -> None:
        heapq.heappush(self._due, (max(due_ns, self.clock.now()), next(self._order), what))

    def _next_due(self) -> None:
        due, now = self._due, self._due[0][0]
        if now > self.clock.now():
            self.clock.set(now)
            self._instant_steps = 0
        while True:
            what = heapq.heappop(due)[2]
            if isinstance(what, VirtualMailbox):
                self.ready.append(what)
            else:
                what()
            if self._random is None or not due or due[0][0] > now:
                return

    def _run_ready(self) -> None:
        ready, draw = self.ready, self._random
        while ready:
            if draw is not None:
                ready.rotate(-draw.randrange(len(ready)))
            self._turn(ready.popleft())

    def _turn(self, mailbox: VirtualMailbox) -> None:
        actor = mailbox.actor
        if actor is None or mailbox.closed:
            return
        if mailbox.paused_until > self.clock.now():
            self._schedule(mailbox.paused_until, mailbox)
        elif not mailbox.begun:
            mailbox.begun = True
            self._record(actor.name, "on_begin")
            actor._begin()
        elif not mailbox.frozen:
            item = mailbox.poll()
            if item is not None:
                self._handle(mailbox, item)
        elif mailbox.stuck is not None or mailbox.stopping:
            mailbox.held_turns += 1
        else:
            mailbox.stuck = mailbox.poll()
            if mailbox.stuck is not None:
                actor.busy = (type(mailbox.stuck), self.clock.now())

    def _handle(self, mailbox: VirtualMailbox, item: Any) -> None:
        actor = mailbox.actor
        assert actor is not None
        message = item.message if type(item) is Envelope else item
        self._record(actor.name, "stop" if item is STOP else message)
        actor._step(item)
        if self._random is not None and self._max_pause_ns:
            mailbox.paused_until = self.clock.now() + self._random.randrange(self._max_pause_ns + 1)
        if self._observer is not None:
            self._observer(self.clock.now(), actor.name, message)

    def _record(self, name: str, message: object) -> None:
        self._instant_steps += 1
        if self._instant_steps > MAX_STEPS:
            raise LivelockError(f"more than {MAX_STEPS} messages at {self.clock.now()} ns")
        if self._hash is not None:
            self._hash.update(self._encode((self.clock.now(), name, type(message).__name__, message)))


def _type_name(thing: object) -> str:
    return type(thing).__name__
