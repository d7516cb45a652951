"""The roles around price sources: a feed owns one source's socket, history fetches the past hour once."""

from collections.abc import Callable
from typing import Any, Protocol

from mmactors.actors import addresses
from mmactors.messages import FeedConnected, FeedLived, FeedWentStale, HistoryFetched, SpotTicked
from mmactors.runtime.role import Out, Role
from mmactors.units import Nanos


class Socket(Protocol):
    """What an actor needs of a feed's socket; `counters` are its drops by reason."""

    counters: dict[str, int]

    def start(self) -> None: ...
    def stop(self) -> None: ...


class FeedRole(Role):
    """Owns one socket for as long as it lives.

    The socket's thread tells the assets' references itself: a hand-over to this actor, only to pass a price on, would
    cost more than the price's way through it.
    """

    def __init__(self, connect: Callable[[Callable[[object], None]], Socket]) -> None:
        self._connect = connect
        self._references: dict[str, str] = {}  # the address of each asset's
        self._out: Out
        self._socket: Socket

    def begin(self, out: Out) -> None:
        self._out = out
        self._socket = self._connect(self._deliver)
        self._socket.start()

    def end(self, out: Out) -> None:
        self._socket.stop()
        out.counters.update(self._socket.counters)
        figures = ", ".join(f"{name} {count}" for name, count in sorted(out.counters.items()))
        dropped = any(name.startswith("dropped_") for name in out.counters)
        out.notes.log("INFO" if dropped else "DEBUG", "{}: {}", out.name, figures or "nothing came")

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        out.unexpected(message)

    def _deliver(self, message: Any) -> None:
        """Tell whom it concerns what the socket received; runs in the socket's thread."""
        kind = type(message)
        if kind is SpotTicked or kind is FeedLived:
            self._out.tell(self._reference(message.asset), message)
        elif kind is FeedWentStale or kind is FeedConnected:
            self._out.tell(self._reference(message.asset), message)
            self._out.tell(addresses.JOURNAL, message)
        else:
            self._out.tell(self._out.name, message)

    def _reference(self, asset: str) -> str:
        address = self._references.get(asset)
        if address is None:
            address = self._references[asset] = addresses.reference(asset)
        return address


class HistoryRole(Role):
    """Hands each asset's reference the past hour that a thread of its own fetches, once it can."""

    def __init__(self, connect: Callable[[Callable[[object], None]], Socket]) -> None:
        self._connect = connect
        self._fetching: Socket

    def begin(self, out: Out) -> None:
        def deliver(message: object) -> None:  # from the thread into this actor's mailbox
            out.tell(out.name, message)

        self._fetching = self._connect(deliver)
        self._fetching.start()

    def end(self, out: Out) -> None:
        self._fetching.stop()
        out.counters.update(self._fetching.counters)

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        if type(message) is not HistoryFetched:
            out.unexpected(message)
            return
        out.notes.debug("history: {} closes of {} from {}", len(message.closes), message.asset, message.source)
        out.tell(addresses.reference(message.asset), message)
