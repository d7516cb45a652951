"""The order session's thread, and the link around it, against a venue played by the test over real sockets."""

import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from aiohttp import WSMsgType
from fake_server import Connection, FakeServer, eventually

from mmactors.config.schema import VenueConfig
from mmactors.messages import (
    AccountSnapshot,
    BatchReported,
    BatchWritten,
    CancelAllReported,
    CancelItem,
    ClockMeasured,
    FetchFills,
    FillsFetched,
    OrderReported,
    Outcome,
    PlaceItem,
    SendBatch,
    SendCancelAll,
    VenueConnected,
    VenueDisconnected,
    VenueReport,
    WatchBook,
)
from mmactors.units import Contracts, Micros, Nanos
from mmactors.venue.degen.capabilities import EVERYTHING
from mmactors.venue.degen.client import DegenLink
from mmactors.venue.degen.credentials import Credentials, MissingSecretError

BATCH = SendBatch(
    7,
    (CancelItem("c9", "o-9"),),
    (),
    (PlaceItem("c1", "M", Outcome.YES, Micros(480_000), Contracts(5), True, False),),
)
ORDER: dict[str, Any] = {"id": "o-1", "market": "M", "side": "bid", "outcome": "YES", "price": 0.48, "size": 5}
ORDER |= {"filled": 0, "status": "OPEN", "client_order_id": "c1"}


def now() -> Nanos:
    return Nanos(time.monotonic_ns() + 1_700_000_000_000_000_000)


class Client:
    def __init__(self, server: FakeServer, token: Callable[[], str] = lambda: "SECRET-TOKEN", **config: Any) -> None:
        self.told: list[VenueReport] = []
        self.link = DegenLink(
            config=VenueConfig(**({"heartbeat_ms": 100, "request_timeout_s": 1.0} | config)),
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            session="mm1-7",
            token=Credentials(token, where="the test", rotates=False),
            deliver=self.told.append,
            now=now,
            random=Random(1),
        )
        self.link.start()

    def of(self, kind: type) -> list[Any]:
        return [report for report in list(self.told) if isinstance(report, kind)]

    def wait(self, kind: type, count: int = 1) -> Any:
        return eventually(lambda: len(self.of(kind)) >= count and self.of(kind), kind.__name__)[count - 1]


def answer_heartbeats(connection: Connection, frame: dict[str, Any]) -> None:
    if frame.get("op") == "hb":
        connection.send({"type": "hb", "ts": frame["ts"] + 250, "echo": frame["ts"], "seq": {}})


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        running.echo = answer_heartbeats
        yield running


@pytest.fixture
def client(server: FakeServer) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(**more: Any) -> Client:
        made.append(Client(server, **more))
        return made[-1]

    yield make
    for each in made:
        each.link.stop()


MakeClient = Callable[..., Client]


def welcome(server: FakeServer, number: int = 0, capabilities: frozenset[str] = EVERYTHING.usable) -> Connection:
    """Play the venue's part up to the account's snapshot."""
    peer = server.connection(number)
    auth = peer.next()
    assert auth["token"] == "SECRET-TOKEN"
    assert (auth["session"], auth["cancel_on_disconnect"]) == ("mm1-7", True)
    result = {"account": "a-1", "session": "mm1-7", "capabilities": sorted(capabilities), "limits": {"orders_per_s": 9}}
    peer.send({"id": auth["id"], "type": "ack", "op": "auth", "result": result})
    for channel in ("orders", "markets"):
        frame = peer.next()
        assert (frame["op"], frame["channel"]) == ("subscribe", channel)
        peer.send({"id": frame["id"], "type": "ack", "op": "subscribe"})
    peer.send(
        {"type": "snapshot", "channel": "orders", "seq": 1, "orders": [], "positions": [], "balance": {"cash": 5}}
    )
    return peer


def test_login_batch_answer_goodbye(server: FakeServer, client: MakeClient) -> None:
    one = client()
    peer = welcome(server)
    one.wait(AccountSnapshot)
    assert one.link.connected
    one.link.submit(BATCH)
    frame = peer.next()
    assert frame["op"] == "batch"
    assert one.wait(BatchWritten).op_id == 7
    assert one.of(BatchReported) == []
    placed, gone = {"ok": True, "order": ORDER}, {"ok": True, "order": ORDER | {"status": "CANCELLED"}}
    peer.send({"id": frame["id"], "type": "ack", "op": "batch", "results": {"cancel": [gone], "place": [placed]}})
    report = one.wait(BatchReported)
    assert [result.client_id for result in report.results] == ["c9", "c1"]
    clock = one.wait(ClockMeasured)
    assert abs(clock.offset_ns - 250_000_000) < 50_000_000
    one.link.submit(SendBatch(8, (), (), BATCH.places))
    one.link.stop()
    assert [peer.next()["op"], peer.next()["op"]] == ["batch", "logout"], "what is queued leaves before the goodbye"
    assert one.of(VenueDisconnected) == []


@pytest.mark.parametrize("code", [4001, 4003, 4401])
def test_fatal_close_codes_end_it_for_good(server: FakeServer, client: MakeClient, code: int) -> None:
    one = client()
    welcome(server).close(code)
    lost = one.wait(VenueDisconnected)
    assert lost.fatal
    assert str(code) in lost.reason
    one.link.submit(BATCH)  # still answered, truthfully
    assert {result.error.code for result in one.wait(BatchReported).results} == {"NOT_SENT"}
    assert len(server.connections) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_handshake_is_fatal(server: FakeServer, client: MakeClient, status: int) -> None:
    server.refuse = [status]
    lost = client().wait(VenueDisconnected)
    assert lost.fatal
    assert str(status) in lost.reason


def test_a_missing_token_is_fatal_and_says_what_to_do(client: MakeClient) -> None:
    def token() -> str:
        raise MissingSecretError("no venue token: set DEGEN_API_KEY")

    lost = client(token=token).wait(VenueDisconnected)
    assert (lost.fatal, lost.reason) == (True, "no venue token: set DEGEN_API_KEY")


@pytest.mark.parametrize("how", ["cut", 1012, 4008, 4009])
def test_a_lost_session_comes_back_and_nothing_is_sent_twice(
    server: FakeServer, client: MakeClient, how: str | int
) -> None:
    server.refuse = [500]
    one = client()
    peer = welcome(server)
    one.wait(VenueConnected)
    one.link.submit(BATCH)
    assert peer.next()["op"] == "batch"
    peer.cut() if isinstance(how, str) else peer.close(how)
    assert not one.wait(VenueDisconnected, 2).fatal  # the first was the 500
    again = welcome(server, 1)
    one.wait(VenueConnected, 2)
    one.link.submit(SendBatch(8, (), (), ()))
    one.wait(BatchReported)
    assert {frame["op"] for frame in list(again.inbox.queue)} <= {"hb"}
    assert [report.op_id for report in one.of(BatchReported)] == [8], "no result is invented for what was in flight"


def test_a_silent_venue_is_left(client: MakeClient, server: FakeServer) -> None:
    server.echo = None
    one = client()
    welcome(server)
    lost = one.wait(VenueDisconnected)
    assert "silent for 0.3 s" in lost.reason
    server.connection(1)


def test_requests_without_a_session_are_returned_unsent(server: FakeServer, client: MakeClient) -> None:
    server.refuse = [503] * 100
    server.answer = lambda method, path, query: (200, {"cancelled": ["o-1"]}, {})
    one = client()
    one.wait(VenueDisconnected)
    one.link.submit(BATCH)
    one.link.submit(SendCancelAll(9, None))
    (first, second) = one.wait(BatchReported).results
    assert (first.error.kind, first.error.code) == (second.error.kind, second.error.code) == ("later", "NOT_SENT")
    assert one.wait(CancelAllReported) == CancelAllReported(9, ("o-1",), None)
    assert [(method, path) for method, path, *_ in server.requests] == [("DELETE", "/orders")]


def test_a_cancel_all_that_nobody_answered_goes_by_rest(server: FakeServer, client: MakeClient) -> None:
    server.answer = lambda method, path, query: (200, {"cancelled": []}, {})
    one = client()
    peer = welcome(server)
    one.wait(VenueConnected)
    one.link.submit(SendCancelAll(9, "M"))
    assert peer.next()["op"] == "cancel_all"
    peer.cut()
    assert one.wait(CancelAllReported) == CancelAllReported(9, (), None)
    method, path, query, header = server.requests[0]
    assert (method, path, query) == ("DELETE", "/orders", {"market": "M"})
    assert header == "Bearer SECRET-TOKEN"


def test_watched_books_are_subscribed_again(server: FakeServer, client: MakeClient) -> None:
    one = client()
    one.link.submit(WatchBook("M", True))
    peer = welcome(server)
    assert peer.next()["market"] == "M"
    one.link.submit(WatchBook("N", True))
    assert peer.next()["market"] == "N"
    one.link.submit(WatchBook("M", False))
    one.link.submit(SendCancelAll(1, None))
    peer.next("cancel_all")
    peer.cut()
    assert welcome(server, 1).next()["market"] == "N"


def test_bad_frames_do_not_end_the_session(server: FakeServer, client: MakeClient) -> None:
    one = client()
    peer = welcome(server)
    one.wait(VenueConnected)
    for junk in (b"", b"\xff", b"<html>", b"[1]", b'{"type":"order"}', b'{"type":"gift"}', b"x" * 5_000_000):
        peer.raw(junk)
    peer.raw(b"are you there", WSMsgType.PING)
    peer.send({"type": "order", "channel": "orders", "seq": 2, "reason": "new", "order": ORDER})
    assert one.wait(OrderReported).order.client_id == "c1"
    eventually(lambda: peer.pongs == [b"are you there"])
    assert one.link.counters["dropped_oversized"] == 1
    assert sum(count for name, count in one.link.counters.items() if name.startswith("dropped_")) == 7
    assert len(server.connections) == 1


def test_fills_are_fetched_by_rest_beside_the_session(server: FakeServer, client: MakeClient) -> None:
    server.answer = lambda method, path, query: (200, {"fills": [], "next": None}, {})
    one = client()
    welcome(server)
    one.link.submit(FetchFills(770))
    assert one.wait(FillsFetched) == FillsFetched(770, ())


def test_the_token_is_never_logged(server: FakeServer, client: MakeClient, capfd: pytest.CaptureFixture[str]) -> None:
    one = client()
    peer = server.connection()
    auth = peer.next()
    peer.send({"id": auth["id"], "type": "error", "op": "auth", "error": {"code": "UNAUTHORIZED", "message": "no"}})
    assert one.wait(VenueDisconnected).fatal
    one.link.stop()
    said = capfd.readouterr()
    assert "SECRET-TOKEN" not in said.out + said.err + repr(vars(one.link)) + repr(vars(one.link.session))
