"""TLS to a venue: many sockets under load, and certificates that are not to be believed."""

import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import trustme
from fake_server import FakeServer, eventually
from live_simulator import Desk, live, now
from simulator_client import token

from mmactors.config.schema import VenueConfig
from mmactors.messages import (
    AccountSnapshot,
    BatchReported,
    CancelItem,
    OrderReported,
    VenueConnected,
    VenueDisconnected,
    WatchBook,
)
from mmactors.net.tls import CertificatesError, trusted
from mmactors.venue.degen.client import DegenLink
from mmactors.venue.degen.credentials import Credentials
from mmactors.venue.degen.rest import VenueRest, VenueUnreachableError

SOCKETS, ROUNDS, LEVELS = 100, 5, 4


def test_a_hundred_sockets_under_load_both_ways_all_live() -> None:
    """Orders out, streams in, one owner per socket: not one connection dies, no answer is missing."""
    with live(tls=True, orders_per_s=1e5, burst=1e5) as venue:
        desks = []
        try:
            for number in range(SOCKETS):
                credentials = Credentials(lambda n=number: token(f"a-{n}"), where="the test", rotates=False)
                desks.append(Desk(venue, credentials, heartbeat_ms=5000, cod_timeout_ms=20_000))
            eventually(lambda: all(d.link.connected for d in desks), "100 logins", 30)
            market = desks[0].market
            for desk in desks:
                desk.link.submit(WatchBook(market, True))
            for turn in range(ROUNDS):
                for desk in desks:
                    places = tuple(desk.place(f"c{turn}-{level}", ticks=20 + level) for level in range(LEVELS))
                    cancels = tuple(CancelItem(f"c{turn - 1}-{level}", None) for level in range(LEVELS)) if turn else ()
                    desk.submit(cancels=cancels, places=places)
            eventually(lambda: all(d.counts[BatchReported] == ROUNDS for d in desks), "every answer", 60)
            assert [d.of(VenueDisconnected) for d in desks if d.of(VenueDisconnected)] == []
            assert all(len(d.of(VenueConnected)) == 1 for d in desks)
            errors = [
                item.error for d in desks for report in d.of(BatchReported) for item in report.results if item.error
            ]
            assert errors == []
            eventually(
                lambda: all(d.counts[OrderReported] == LEVELS * (2 * ROUNDS - 1) for d in desks), "the stream", 20
            )
        finally:
            stopping = [threading.Thread(target=d.link.stop) for d in desks]
            for thread in stopping:
                thread.start()
            for thread in stopping:
                thread.join()


def served(authority: trustme.CA, *names: str, **more: datetime) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, **more).configure_cert(context)
    return context


def pem(authority: trustme.CA, folder: Path) -> Path:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


CASES: dict[str, tuple[Callable[[trustme.CA], ssl.SSLContext], str]] = {
    "another authority": (lambda _: served(trustme.CA(), "127.0.0.1"), "unable to get local issuer certificate"),
    "another host": (lambda ca: served(ca, "venue.example"), "IP address mismatch"),
    "expired": (
        lambda ca: served(ca, "127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)),
        "certificate has expired",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_certificate_that_is_not_to_be_believed_is_one_clear_line_and_no_token_is_sent(
    case: str, tmp_path: Path
) -> None:
    make, words = CASES[case]
    authority = trustme.CA()
    told: list[object] = []
    with FakeServer(make(authority)) as server:
        trust = trusted(pem(authority, tmp_path))
        link = DegenLink(
            config=VenueConfig(request_timeout_s=2.0),
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            session="s",
            token=Credentials(lambda: "SECRET", where="the test", rotates=False),
            deliver=told.append,
            now=now,
            random=Random(1),
            trust=trust,
        )
        link.start()
        try:
            lost = eventually(lambda: [r for r in told if isinstance(r, VenueDisconnected)], "the refusal")[0]
        finally:
            link.stop()
        assert f"its certificate cannot be trusted: {words}" in lost.reason
        assert not lost.fatal, "a venue may mend its certificate"
        assert server.connections == []
        rest = VenueRest(server.rest_url, lambda: "SECRET", now, trust=trust)
        with pytest.raises(VenueUnreachableError, match=f"its certificate cannot be trusted: {words}") as refused:
            rest.open_orders()
        rest.close()
        assert "\n" not in str(refused.value)
        assert server.requests == []


def test_a_private_authority_is_believed_only_where_it_is_named(tmp_path: Path) -> None:
    authority = trustme.CA()
    with FakeServer(served(authority, "127.0.0.1")) as server:
        server.answer = lambda *_: (200, {"server_time": 1_700_000_000_000}, {})
        named = VenueRest(server.rest_url, None, now, trust=trusted(pem(authority, tmp_path)))
        assert named.server_time().offset_ns < 0
        named.close()
        system = VenueRest(server.rest_url, None, now)
        with pytest.raises(VenueUnreachableError, match="a private authority's certificate belongs in ca_file"):
            system.server_time()
        system.close()


def test_the_environment_lends_no_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir()
    theirs, ours = trustme.CA(), trustme.CA()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem(theirs, tmp_path / "theirs")))
    with FakeServer(served(theirs, "127.0.0.1")) as server:
        rest = VenueRest(server.rest_url, None, now, trust=trusted(pem(ours, tmp_path)))
        with pytest.raises(VenueUnreachableError, match="cannot be trusted"):
            rest.server_time()
        rest.close()


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("hello", "holds no certificate")])
def test_a_file_of_certificates_that_is_none_is_one_line(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(CertificatesError, match=why) as bad:
        trusted(path)
    assert str(path) in str(bad.value)


def test_the_simulators_own_certificate_is_believed_by_name_and_by_number() -> None:
    with live(tls=True) as venue, Desk(venue) as desk:
        desk.wait(AccountSnapshot)
        assert desk.send(places=(desk.place("c1"),)).results[0].error is None
        rest = VenueRest(venue.rest_url.replace("127.0.0.1", "localhost"), token, now, trust=trusted(venue.certificate))
        assert [order.client_id for order in rest.open_orders()] == ["c1"]
        rest.close()
