"""The runtime of real life: a thread for each actor.

Owns the threads. What threads share is this and nothing more: mailboxes (a lock each), the directory (a lock for
changes; looking up is one dictionary read), and, read without a lock by reporters, an actor's `busy`, `handled`,
`counters` and its mailbox's gauges, which only that actor writes. Messages are immutable. Everything else belongs to
one actor.
"""

import threading
import time
from collections.abc import Sequence
from typing import ClassVar

from mmactors.runtime.actor import Actor
from mmactors.runtime.clock import Clock, SystemClock
from mmactors.runtime.mailbox import Mailbox
from mmactors.runtime.runtime import Runtime


class ThreadedRuntime(Runtime):
    """Run every actor on a daemon thread of its own."""

    contained: ClassVar[tuple[type[BaseException], ...]] = (BaseException,)

    def __init__(self, clock: Clock | None = None, supervisor: str = "supervisor") -> None:
        super().__init__(clock or SystemClock(), supervisor)
        self._threads: dict[int, threading.Thread] = {}

    def new_mailbox(self) -> Mailbox:
        """Make a mailbox that a thread can wait at."""
        return Mailbox(self.clock)

    def launch(self, actor: Actor) -> None:
        """Start the actor's thread; a daemon, so that a hung one cannot keep the program from ending."""
        thread = threading.Thread(target=_live, args=(actor,), name=str(actor), daemon=True)
        self._threads[actor.incarnation] = thread
        thread.start()

    def ended(self, actor: Actor, error: str | None) -> None:
        """Take note that an actor's life is over."""
        self._threads.pop(actor.incarnation, None)
        super().ended(actor, error)

    def stop_all(self, order: Sequence[str] = (), timeout_s: float = 5.0) -> list[str]:
        """Stop every actor and wait for its thread, one after the other, the newest first; those in `order` last."""
        deadline = time.monotonic() + timeout_s
        late = []
        for name in self._stop_order(order):
            actor = self.directory.get(name)
            thread = None if actor is None else self._threads.get(actor.incarnation)
            self.stop(name)
            if thread is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    late.append(name)
        return late


def _live(actor: Actor) -> None:
    mailbox = actor.mailbox
    assert isinstance(mailbox, Mailbox)
    if actor._begin():
        while actor._step(mailbox.take()):
            pass
