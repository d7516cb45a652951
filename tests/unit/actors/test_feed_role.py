"""What a feed's thread receives goes to whom it concerns, without a turn of the feed's own actor."""

from typing import Any

import pytest
from loguru import logger

from mmactors.actors import addresses
from mmactors.actors.feed import FeedRole
from mmactors.messages import FeedConnected, FeedLived, FeedWentStale, HistoryFetched, SpotTicked
from mmactors.runtime.actor import hosted
from mmactors.runtime.deterministic import DeterministicRuntime
from mmactors.runtime.lanes import Lane
from mmactors.runtime.role import Out, Role, new_counters
from mmactors.units import Nanos

NOW = Nanos(1)
REFERENCE = addresses.reference("BTC")


class Sent(Out):
    """Notes what a role tells."""

    def __init__(self) -> None:
        super().__init__("feed:s", 7, logger, new_counters())
        self.sent: list[tuple[str, object]] = []

    def tell(self, to: str, message: object) -> None:
        self.sent.append((to, message))


class Socket:
    """A socket that receives what it is made to."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {"dropped_late": 3}
        self.state = ""

    def connect(self, deliver: Any) -> "Socket":
        self.deliver = deliver
        return self

    def start(self) -> None:
        self.state = "started"

    def stop(self) -> None:
        self.state = "stopped"


@pytest.mark.parametrize(
    ("message", "recipients"),
    [
        (SpotTicked("s", "BTC", 1.0, "book", NOW), [REFERENCE]),
        (FeedLived("s", "BTC", NOW), [REFERENCE]),
        (FeedConnected("s", "BTC", NOW), [REFERENCE, addresses.JOURNAL]),
        (FeedWentStale("s", "BTC", NOW, "gone"), [REFERENCE, addresses.JOURNAL]),
        (HistoryFetched("BTC", "s", 1.0, ()), ["feed:s"]),
    ],
)
def test_each_kind_goes_to_whom_it_concerns(message: object, recipients: list[str]) -> None:
    socket, out = Socket(), Sent()
    FeedRole(socket.connect).begin(out)
    assert socket.state == "started"
    socket.deliver(message)
    assert out.sent == [(to, message) for to in recipients]


def test_its_end_stops_the_socket_and_keeps_its_counters() -> None:
    socket, out = Socket(), Sent()
    role = FeedRole(socket.connect)
    role.begin(out)
    role.end(out)
    assert (socket.state, out.counters) == ("stopped", {"dropped_late": 3})


class Reference(Role):
    def __init__(self, received: list[object]) -> None:
        self.received = received

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        self.received.append(message)


def test_the_socket_of_a_feed_given_up_as_hung_is_not_heard() -> None:
    received: list[object] = []
    socket, runtime = Socket(), DeterministicRuntime(0)
    runtime.spawn(REFERENCE, hosted(lambda: Reference(received)))
    runtime.spawn("feed:s", hosted(lambda: FeedRole(socket.connect)))
    runtime.run_until(1)
    first, second = (SpotTicked("s", "BTC", price, "book", NOW) for price in (1.0, 2.0))
    socket.deliver(first)
    runtime.run_until(2)
    runtime.abandon("feed:s", "test")
    socket.deliver(second)
    runtime.run_until(3)
    assert received == [first]
    assert runtime.statistics().dead_letters[Lane.MONEY] == 0
    runtime.stop_all()
