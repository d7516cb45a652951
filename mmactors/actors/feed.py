"""The feed actor: one price source. It owns the source's socket and passes what it says to the assets' references."""

from collections.abc import Callable
from typing import Any, Protocol

from mmactors.actors import addresses
from mmactors.messages import FeedConnected, FeedLived, FeedWentStale, SpotTicked
from mmactors.runtime.actor import Actor
from mmactors.runtime.runtime import Runtime


class Socket(Protocol):
    """What an actor needs of a feed's socket; `counters` are its drops by reason."""

    counters: dict[str, int]

    def start(self) -> None: ...
    def stop(self) -> None: ...


class FeedActor(Actor):
    """Owns one socket for as long as it lives."""

    def __init__(
        self, runtime: Runtime, name: str, incarnation: int, *, connect: Callable[[Callable[[object], None]], Socket]
    ) -> None:
        super().__init__(runtime, name, incarnation)
        self._socket = connect(self._heard)

    def on_begin(self) -> None:
        self._socket.start()

    def on_end(self) -> None:
        self._socket.stop()
        self.counters.update(self._socket.counters)
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.counters.items()))
        dropped = any(name.startswith("dropped_") for name in self.counters)
        self.notes.log("INFO" if dropped else "DEBUG", "{}: {}", self.name, told or "nothing came")

    def receive(self, message: Any) -> None:
        match message:
            case SpotTicked() | FeedLived():
                self.tell(addresses.reference(message.asset), message)
            case FeedWentStale() | FeedConnected():
                self.tell(addresses.reference(message.asset), message)
                self.tell(addresses.JOURNAL, message)
            case _:
                self.unexpected(message)

    def _heard(self, message: object) -> None:
        self.runtime.tell(self.name, message)  # from the socket's thread into this actor's mailbox
