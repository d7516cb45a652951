"""The history actor: hands each asset's reference the past hour that a thread of its own fetches, once it can."""

from collections.abc import Callable
from typing import Any

from mmactors.actors import addresses
from mmactors.actors.feed import Socket
from mmactors.messages import HistoryFetched
from mmactors.runtime.actor import Actor
from mmactors.runtime.runtime import Runtime


class HistoryActor(Actor):
    """Owns the fetching; it has nothing more to do when that is over."""

    def __init__(
        self, runtime: Runtime, name: str, incarnation: int, *, connect: Callable[[Callable[[object], None]], Socket]
    ) -> None:
        super().__init__(runtime, name, incarnation)
        self._fetching = connect(self._heard)

    def on_begin(self) -> None:
        self._fetching.start()

    def on_end(self) -> None:
        self._fetching.stop()
        self.counters.update(self._fetching.counters)

    def receive(self, message: Any) -> None:
        match message:
            case HistoryFetched():
                told = len(message.closes), message.asset, message.source
                self.notes.debug("history: {} closes of {} from {}", *told)
                self.tell(addresses.reference(message.asset), message)
            case _:
                self.unexpected(message)

    def _heard(self, message: object) -> None:
        self.runtime.tell(self.name, message)  # from the thread into this actor's mailbox
