"""Who is who: names to actors, and letters that found nobody.

Owns the addresses and the count of dead letters. Nobody holds another actor's ref: a name outlives its actors, a ref
does not, and telling a dead one must never hurt the teller. One lock guards changes; looking up needs none.
"""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from loguru import logger

from mmactors.runtime.lanes import Lane, lane_of

if TYPE_CHECKING:
    from mmactors.runtime.actor import Actor


class Directory:
    """The actors alive, by name."""

    def __init__(self) -> None:
        self.dead_letters: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self._actors: dict[str, Actor] = {}
        self._lock = threading.Lock()

    def tell(self, name: str, message: object) -> bool:
        """Leave a message in an actor's mailbox; if there is none it is a dead letter. Never raises for that."""
        actor = self._actors.get(name)
        if actor is not None and actor.mailbox.post(message):
            return True
        self.bury(name, (message,))
        return False

    def bury(self, name: str, letters: Iterable[object]) -> None:
        """Count letters that nobody will read; money among them is an alarm (at the 1st, 2nd, 4th, 8th ... letter)."""
        for letter in letters:
            lane = lane_of(letter)
            with self._lock:
                self.dead_letters[lane] += 1
                nth = self.dead_letters[lane]
            if lane is Lane.MONEY and nth & (nth - 1) == 0:
                logger.error("{} to {} found nobody: money dead letter no. {}", type(letter).__name__, name, nth)

    def add(self, actor: "Actor") -> None:
        """Give an actor its name.

        Raises:
            ValueError: if another actor has it.
        """
        with self._lock:
            if actor.name in self._actors:
                raise ValueError(f"an actor named {actor.name} is alive")
            self._actors[actor.name] = actor

    def remove(self, actor: "Actor") -> bool:
        """Free an actor's name; False if it is not (or no longer) this actor's."""
        with self._lock:
            if self._actors.get(actor.name) is not actor:
                return False
            del self._actors[actor.name]
            return True

    def get(self, name: str) -> "Actor | None":
        """Return the actor of a name."""
        return self._actors.get(name)

    def alive(self, name: str) -> bool:
        """Say whether an actor of that name lives (it may hang: see `Runtime.hung`)."""
        return name in self._actors

    def incarnation(self, name: str) -> int | None:
        """Return the number of the life that now bears the name."""
        actor = self._actors.get(name)
        return None if actor is None else actor.incarnation

    def names(self) -> list[str]:
        """Return the names of all actors alive, oldest first."""
        return list(self._actors)

    def actors(self) -> "list[Actor]":
        """Return all actors alive, oldest first."""
        return list(self._actors.values())
