"""The venue's REST interface: what is asked, what is read, and how each failure is told."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from fake_server import FakeServer, eventually
from loguru import logger

from mmactors.messages import FetchFills, FetchOrder, FillsFetched, MergePairs, MergeReported, Outcome
from mmactors.units import SECOND, Contracts, Nanos
from mmactors.venue.degen.credentials import MissingSecretError, TokenSource, decode_expiry
from mmactors.venue.degen.rest import CredentialsRefusedError, VenueRefusedError, VenueRest, VenueUnreachableError
from mmactors.venue.degen.rest_worker import RestWorker

FIXTURES = Path(__file__).parent / "fixtures"
FILL = json.loads((FIXTURES / "in_order_fill.json").read_text())["fill"]
ORDER = json.loads((FIXTURES / "in_order_fill.json").read_text())["order"]
MARKETS = json.loads((FIXTURES / "in_snapshot_markets.json").read_text())["markets"]


def now() -> Nanos:
    return Nanos(time.monotonic_ns() + 1_700_000_000_000_000_000)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def rest(server: FakeServer, pauses: list[float]) -> Iterator[VenueRest]:
    one = VenueRest(server.rest_url, lambda: "SECRET-TOKEN", now, timeout_s=0.5, pause=pauses.append)
    yield one
    one.close()


def always(server: FakeServer, status: int, body: Any, **headers: str) -> None:
    server.answer = lambda *_: (status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def test_what_is_asked_and_read(server: FakeServer, rest: VenueRest) -> None:
    bodies = {
        "/markets": {"markets": [*MARKETS, MARKETS[0] | {"id": "bad", "strike": -1}]},
        "/orders": {"orders": [ORDER]},
        "/positions": {"positions": [{"market": "M", "yes": 3, "no": 0}]},
        "/balance": {"cash": 12.5, "reserved": 1},
    }
    server.answer = lambda method, path, query: (200, bodies[path], {})
    assert [market.id for market in rest.markets()] == [market["id"] for market in MARKETS]
    assert [order.order_id for order in rest.open_orders()] == ["o-1"]
    order = rest.order_by_client_id("mm1:7:1")
    assert order is not None
    assert order.filled == 40
    assert rest.order_by_client_id("another") is None
    assert [(position.market, position.yes) for position in rest.positions()] == [("M", 3)]
    assert rest.balance() == (12_500_000, 1_000_000)
    assert [(method, path, query) for method, path, query, _ in server.requests] == [
        ("GET", "/markets", {"status": "OPEN"}),
        ("GET", "/orders", {"status": "OPEN"}),
        ("GET", "/orders", {"client_order_id": "mm1:7:1"}),
        ("GET", "/orders", {"client_order_id": "another"}),
        ("GET", "/positions", {}),
        ("GET", "/balance", {}),
    ]
    assert {header for *_, header in server.requests} == {"Bearer SECRET-TOKEN"}


def test_cancel_all(server: FakeServer, rest: VenueRest) -> None:
    always(server, 200, {"cancelled": ["o-1"]})
    assert rest.cancel_all() == ("o-1",)
    assert rest.cancel_all("a market/&") == ("o-1",)
    assert [query for *_, query, _ in server.requests] == [{}, {"market": "a market/&"}]


def test_the_clock(server: FakeServer, rest: VenueRest) -> None:
    server.answer = lambda *_: (200, {"server_time": (now() + 3 * SECOND) // 1_000_000}, {})
    measured = rest.server_time()
    assert abs(measured.offset_ns - 3 * SECOND) <= measured.round_trip_ns + 1_000_000


def test_fills_page_until_the_end_oldest_first(server: FakeServer, rest: VenueRest) -> None:
    pages = {"5": ([8, 7], 8), "8": ([9], 9), "9": ([], None)}

    def answer(method: str, path: str, query: dict[str, str]) -> Any:
        seqs, after = pages[query["since"]]
        return 200, {"fills": [FILL | {"seq": seq, "fill_id": f"f{seq}"} for seq in seqs], "next": after}, {}

    server.answer = answer
    assert [fill.seq for fill in rest.fills(5)] == [7, 8, 9]
    pages["9"] = ([], 5)
    with pytest.raises(VenueUnreachableError, match="in a circle"):
        rest.fills(5)


def test_fills_of_sales_come_back_as_buys_of_the_other_outcome(server: FakeServer) -> None:
    sale = ORDER | {"side": "ask", "outcome": "YES", "price": 0.52}
    bodies = {
        "/orders": {"orders": [sale]},
        "/fills": {"fills": [FILL | {"outcome": "YES", "price": 0.52}], "next": None},
    }
    server.answer = lambda method, path, query: (200, bodies[path], {})
    one = VenueRest(server.rest_url, lambda: "t", now, wire_asks="as_ask")
    (fill,) = one.fills(0)
    assert (fill.outcome, fill.price_micros) == (Outcome.NO, 480_000)
    one.close()


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, {"error": {"code": "UNAUTHORIZED", "message": "who?"}}, CredentialsRefusedError, "UNAUTHORIZED who?"),
        (403, b"<html>", CredentialsRefusedError, "HTTP_403"),
        (400, {"error": {"code": "INVALID_REQUEST", "message": "what?"}}, VenueRefusedError, "INVALID_REQUEST what?"),
        (404, b"", VenueRefusedError, "HTTP_404"),
        (500, {"error": {"code": "INTERNAL", "message": ""}}, VenueUnreachableError, "HTTP 500"),
        (503, {"error": {"code": "CANCEL_ONLY", "message": ""}}, VenueUnreachableError, "HTTP 503"),
        (502, b"<html>Bad Gateway</html>", VenueUnreachableError, "HTTP 502"),
        (302, b"", VenueUnreachableError, "HTTP 302"),
        (200, b"<html>maintenance</html>", VenueUnreachableError, "unreadable"),
        (200, b'{"orders":[{"id":"o-1"', VenueUnreachableError, "unreadable"),
        (200, {"error": {"code": "INTERNAL", "message": ""}}, VenueUnreachableError, "unreadable"),
        (200, b" " * 5_000_000, VenueUnreachableError, "too much"),
    ],
)
def test_failures_are_one_of_three(
    server: FakeServer, rest: VenueRest, status: int, body: Any, error: type[Exception], said: str
) -> None:
    always(server, status, body)
    with pytest.raises(error, match=said) as caught:
        rest.open_orders()
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_order_is_none_not_an_error(server: FakeServer, rest: VenueRest) -> None:
    always(server, 404, {"error": {"code": "ORDER_NOT_FOUND", "message": ""}})
    assert rest.order_by_client_id("c") is None


def test_retry_after_is_honoured(server: FakeServer, rest: VenueRest, pauses: list[float]) -> None:
    answers = [(429, {}, {"Retry-After": "2"}), (429, {"error": {"code": "RATE_LIMITED", "retry_after_ms": 180}}, {})]
    server.answer = lambda *_: answers.pop(0) if answers else (200, {"orders": []}, {})
    assert rest.open_orders() == ()
    assert pauses == [2.0, 0.18]


def test_retry_after_ends(server: FakeServer, rest: VenueRest, pauses: list[float]) -> None:
    always(server, 429, b"", Retry_After="1")
    with pytest.raises(VenueRefusedError) as refused:
        rest.open_orders()
    assert refused.value.error.kind == "later"
    assert len(server.requests) == 3
    always(server, 429, b"", Retry_After="3600")
    with pytest.raises(VenueRefusedError):
        rest.open_orders()
    assert pauses == [1.0, 1.0]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9", "no connection to the venue at http://127.0.0.1:9: .*refused"),
        ("http://no-such-host.invalid", "no connection to the venue at http://no-such-host.invalid"),
        ("nonsense", "cannot be asked"),
    ],
)
def test_nobody_there_is_one_clear_line(url: str, said: str) -> None:
    one = VenueRest(url, lambda: "SECRET", now, timeout_s=2)
    with pytest.raises(VenueUnreachableError, match=said) as caught:
        one.open_orders()
    assert "object at 0x" not in str(caught.value)
    assert "\n" not in str(caught.value)
    one.close()


def test_a_venue_that_does_not_answer(server: FakeServer, rest: VenueRest) -> None:
    server.answer = lambda *_: time.sleep(0.7) or (200, {"orders": []}, {})  # type: ignore[func-returns-value]
    with pytest.raises(VenueUnreachableError, match=r"did not answer within 0.5 s"):
        rest.open_orders()


# --- credentials ----------------------------------------------------------------------------------


def test_the_token_comes_from_the_environment_else_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-file\n")
    assert TokenSource("KEY", file, {"KEY": " from-env "})() == "from-env"
    source = TokenSource("KEY", file, {"KEY": ""})
    assert source() == "from-file"
    file.write_text("renewed")
    assert source() == "renewed"
    assert "renewed" not in repr(source) + str(vars(source))


def test_a_missing_token_names_the_variable_and_the_file(tmp_path: Path) -> None:
    with pytest.raises(MissingSecretError, match=r"set KEY or configure venue.api_key_file"):
        TokenSource("KEY", None, {})()
    absent = tmp_path / "absent"
    with pytest.raises(MissingSecretError, match=f"KEY is not set and {absent} cannot be read .No such file"):
        TokenSource("KEY", absent, {})()
    absent.write_text("\n")
    with pytest.raises(MissingSecretError, match=f"set KEY or put it into {absent}"):
        TokenSource("KEY", absent, {})()


@pytest.mark.parametrize("token", ["two words", "a\nb", "caf\u00e9"])
def test_a_token_that_cannot_be_one_is_not_shown(token: str) -> None:
    with pytest.raises(MissingSecretError) as caught:
        TokenSource("KEY", None, {"KEY": token})()
    assert token not in str(caught.value)


def test_a_token_s_expiry() -> None:
    token = jwt.encode({"sub": "a", "exp": 1_795_400_000}, "x" * 32, algorithm="HS256")
    assert decode_expiry(token) == 1_795_400_000 * SECOND
    assert decode_expiry(jwt.encode({"sub": "a"}, "x" * 32, algorithm="HS256")) is None
    assert decode_expiry("not a token") is None


def test_a_question_that_fails_again_and_again_is_one_line_until_it_was_answered(
    server: FakeServer, rest: VenueRest
) -> None:
    heard: list[FillsFetched] = []
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    worker = RestWorker("audit", rest, heard.append, now)  # type: ignore[arg-type]
    worker.start()
    try:
        for status in (500, 500, 500, 200, 500):
            server.answer = lambda *_, status=status: (status, {"fills": [], "next": None}, {})  # type: ignore[misc]
            told = len(heard)
            worker.submit(FetchFills(0))
            eventually(lambda told=told: len(heard) > told, "the answer")  # type: ignore[misc]
    finally:
        worker.stop()
        logger.remove(sink)
    assert [report.error is None for report in heard] == [False, False, False, True, False]
    assert len([line for line in lines if "FetchFills failed: " in line]) == 2


def test_a_slow_venue_is_not_asked_twice_what_it_has_not_been_asked_once(server: FakeServer, rest: VenueRest) -> None:
    """Each order in doubt is asked about every two seconds; a hundred of them at ten answers a second never ended."""
    heard: list[Any] = []
    go = threading.Event()

    def answer(*_: object) -> tuple[int, dict[str, Any], dict[str, str]]:
        go.wait(0.3)
        return 200, {"orders": []}, {}

    server.answer = answer
    worker = RestWorker("audit", rest, heard.append, now)
    worker.start()
    for _ in range(20):
        for name in ("a", "b", "c"):
            worker.submit(FetchOrder(name))
    go.set()
    worker.stop(5.0)
    names = [report.client_id for report in heard]
    assert sorted(set(names)) == ["a", "b", "c"]
    assert len(names) <= 4  # the one that was being asked about may be asked about again
    worker = RestWorker("audit", rest, heard.append, now)
    worker.start()
    for _ in range(2):
        told = len(heard)
        worker.submit(FetchOrder("a"))
        eventually(lambda told=told: len(heard) > told)  # type: ignore[misc]
    worker.stop()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"position": {}, "balance": {}}, None),
        (400, {"error": {"code": "INVALID_SIZE", "message": "3 pairs"}}, "INVALID_SIZE"),
        (503, {}, "503"),
    ],
)
def test_pairs_are_merged_and_a_refusal_is_told(
    server: FakeServer, rest: VenueRest, status: int, body: Any, error: str | None
) -> None:
    always(server, status, body)
    heard: list[Any] = []
    worker = RestWorker("audit", rest, heard.append, now)
    worker.start()
    worker.submit(MergePairs("M", Contracts(7)))
    eventually(lambda: heard)
    worker.stop()
    (report,) = heard
    assert isinstance(report, MergeReported)
    assert (report.error is None) if error is None else (error in str(report.error))
