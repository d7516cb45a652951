"""What an actor does, apart from how it lives: a role, and what its host lets it do.

A role is a plain object: messages and the time go in, what it does goes out through `Out`. It knows neither threads nor
mailboxes nor clocks, so that one table serves every host: the Pykka actor on a thread (`actor.py`), the same under
virtual time (`deterministic.py`), and the event loop without actors (`event_loop.py`).
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar

from mmactors.units import Nanos


class Out:
    """What one life of a role may do; each host has its own. `notes` is the log, `counters` are for a reporter to copy.

    All but `tell` is for the role's own turns; `tell` may be called by a socket's thread, too.
    """

    def __init__(self, name: str, incarnation: int, notes: Any, counters: dict[str, int]) -> None:
        self.name = name
        self.incarnation = incarnation
        self.notes = notes
        self.counters = counters

    def __str__(self) -> str:
        return f"{self.name}#{self.incarnation}"

    def now(self) -> Nanos:
        """Return the time, nanoseconds UTC."""
        raise NotImplementedError

    def tell(self, to: str, message: object) -> None:
        """Tell an actor, by name. Never raises."""
        raise NotImplementedError

    def after(self, delay_ns: int, message: object) -> None:
        """Tell oneself once this much time has passed."""
        raise NotImplementedError

    def every(self, period_ns: int, message: object) -> None:
        """Tell oneself at every multiple of a period from now."""
        raise NotImplementedError

    def spawn(self, name: str, make: "RoleFactory") -> None:
        """Let an actor of this role live."""
        raise NotImplementedError

    def stop(self, name: str) -> None:
        """Ask an actor to end."""
        raise NotImplementedError

    def incarnation_of(self, name: str) -> int | None:
        """Return the number of the life that now bears the name."""
        raise NotImplementedError

    def abandon_hung(self, limit_ns: int) -> None:
        """Give up every other actor that has been at one message for longer than this."""
        raise NotImplementedError

    def unexpected(self, message: object) -> None:
        """Count a message that the role has no case for; the first of its type is worth a line."""
        key = f"unexpected_{type(message).__name__}"
        self.counters[key] = self.counters.get(key, 0) + 1
        if self.counters[key] == 1:
            self.notes.warning("{} has no use for {}", self, type(message).__name__)


class Role:
    """One actor's dispatch table, timers and addresses.

    With `drains` set, a role whose end is asked for first handles what is queued. `takes` are the kinds of message that
    it has a use for (None: all): a host may spare it the others.
    """

    drains: ClassVar[bool] = False
    takes: ClassVar[frozenset[type] | None] = None

    def begin(self, out: Out) -> None:
        """Begin: runs before the first message."""

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        """Handle one message, at this time."""
        raise NotImplementedError

    def end(self, out: Out) -> None:
        """End: release what is owned. Runs however a life that had begun ended."""


RoleFactory = Callable[[], Role]
"""Makes the role of one life: a class, or a `functools.partial` of one."""


def new_counters() -> dict[str, int]:
    """Return counters that begin at 0."""
    return defaultdict(int)
