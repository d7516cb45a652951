"""A venue that lacks one ability or another: what the link does instead, at the simulator doing without it."""

from collections.abc import Iterator

import pytest
from fake_server import eventually
from live_simulator import Desk, LiveVenue, live, now
from loguru import logger
from simulator_client import token

from mmactors.messages import (
    BookReported,
    CancelAllReported,
    CancelItem,
    FetchFills,
    FillsFetched,
    Outcome,
    ReplaceItem,
    SendCancelAll,
    VenueConnected,
    VenueDisconnected,
    WatchBook,
)
from mmactors.units import Contracts, Micros
from mmactors.venue.degen.capabilities import EVERYTHING, Capabilities
from mmactors.venue.degen.rest import VenueRest


@pytest.fixture
def lines() -> Iterator[list[str]]:
    said: list[str] = []
    sink = logger.add(lambda message: said.append(str(message)), level="WARNING", format="{message}")
    yield said
    logger.remove(sink)


def begun(desk: Desk) -> VenueConnected:
    """Wait until the session stands, and what was left from before is cancelled where nobody else sees to it."""
    connected: VenueConnected = desk.wait(VenueConnected)
    if "cancel_on_disconnect" not in connected.capabilities:
        assert desk.wait(CancelAllReported).op_id == 0
    return connected


def trade(desk: Desk) -> None:
    """Place, move, cancel, and be told what is wrong."""
    placed = desk.send(places=(desk.place("c1"), desk.place("c2", 41), desk.place("c3", 42)))
    assert [item.error for item in placed.results] == [None, None, None]
    first, second = (item.order for item in placed.results[:2])
    assert first is not None
    assert second is not None
    changed = desk.send(
        cancels=(CancelItem("c3", None), CancelItem("never", None)),
        replaces=(
            ReplaceItem("c1", first.order_id, Micros(390_000), Contracts(7)),
            ReplaceItem("c2", second.order_id, Micros(415), Contracts(7)),
        ),
        places=(desk.place("c4", 43),),
    )
    by_name = {item.client_id: item for item in changed.results}
    assert by_name["never"].error is not None
    assert by_name["never"].error.code == "ORDER_NOT_FOUND"
    assert by_name["c3"].order is not None
    assert by_name["c3"].order.status == "CANCELLED"
    moved = by_name["c1"].order
    assert moved is not None
    assert (moved.price_micros, moved.size, moved.version) == (390_000, 7, 2)
    assert by_name["c2"].error is not None
    assert by_name["c2"].error.kind == "refused"
    again = desk.send(cancels=(CancelItem("c3", None),)).results[0]
    assert again.error is not None
    assert again.error.code == "ORDER_NOT_OPEN"
    assert again.order is not None
    assert again.order.status == "CANCELLED"


@pytest.mark.parametrize("without", [(), ("batch",), ("ws_orders",), ("ws_orders", "batch")])
def test_orders_go_as_the_venue_takes_them_and_the_answers_are_the_same(without: tuple[str, ...]) -> None:
    with live(without=without) as venue, Desk(venue) as desk:
        connected = begun(desk)
        assert connected.capabilities == Capabilities.of(EVERYTHING.usable - set(without)).usable
        trade(desk)
        assert venue.resting() == 3
        desk.link.submit(SendCancelAll(99, None))
        (report,) = eventually(lambda: [r for r in desk.of(CancelAllReported) if r.op_id == 99], "the cancel")
        assert len(report.order_ids) == 3
        assert venue.resting() == 0


@pytest.mark.parametrize("without", [("mass_cancel",), ("mass_cancel", "ws_orders", "batch")])
def test_without_mass_cancel_each_order_is_cancelled(without: tuple[str, ...]) -> None:
    with live(without=without) as venue, Desk(venue) as desk:
        begun(desk)
        desk.send(places=(desk.place("c1"), desk.place("c2", 41)))
        desk.link.submit(SendCancelAll(99, None))
        (report,) = eventually(lambda: [r for r in desk.of(CancelAllReported) if r.op_id == 99], "the cancel")
        assert (report.op_id, report.error, len(report.order_ids)) == (99, None, 2)
        assert venue.resting() == 0
        desk.send(places=(desk.place("c3"),))
        rest = VenueRest(venue.rest_url, token, now)  # the command line knows nothing of capabilities
        assert len(rest.cancel_all()) == 1
        rest.close()


def watching(venue: LiveVenue, desk: Desk) -> None:
    desk.link.submit(WatchBook(desk.market, True))


def best(desk: Desk) -> tuple[int | None, int | None]:
    return desk.of(BookReported)[-1].bid_micros, desk.of(BookReported)[-1].ask_micros


def test_without_post_only_what_would_cross_the_known_book_stays_here(lines: list[str]) -> None:
    with live(without=("post_only",)) as venue, Desk(venue) as desk:
        assert "replace" not in desk.wait(VenueConnected).capabilities, "a move would keep no promise"
        (unknown,) = desk.send(places=(desk.place("c0"),)).results
        assert unknown.error is not None
        assert (unknown.error.kind, unknown.error.code) == ("later", "BOOK_UNKNOWN")
        watching(venue, desk)

        def first() -> bool:
            name = f"first-{len(desk.told)}"
            return desk.send(places=(desk.place(name, 40),)).results[0].error is None

        eventually(first, "the book")
        eventually(lambda: desk.of(BookReported) and best(desk) == (400_000, None), "our bid in the book")
        crossing = desk.send(places=(desk.place("no", 60, outcome=Outcome.NO), desk.place("ok", 39)))
        errors = {item.client_id: item.error and item.error.code for item in crossing.results}
        assert errors == {"no": "POST_ONLY_WOULD_CROSS", "ok": None}
        behind = desk.send(places=(desk.place("behind", 59, outcome=Outcome.NO),)).results[0]
        assert behind.error is None
        assert venue.resting() == 3
    assert len([line for line in lines if "no post_only" in line]) == 1


def test_without_fills_since_the_last_fills_are_read() -> None:
    with live(without=("fills_since",)) as venue, Desk(venue) as desk:
        desk.wait(VenueConnected)
        desk.link.submit(FetchFills(0))
        assert desk.wait(FillsFetched) == FillsFetched(0, ())


@pytest.mark.parametrize("without", ["cancel_on_disconnect", "ws_orders"])
def test_without_cancel_on_disconnect_the_heartbeat_over_rest_holds_the_switch(lines: list[str], without: str) -> None:
    """Orders over REST belong to no order session: it is no help to them."""
    with live(without=(without,)) as venue:
        with Desk(venue, cod_timeout_ms=2000) as desk:
            begun(desk)
            desk.send(places=(desk.place("c1"),))
            held = eventually(lambda: venue.ask(lambda: dict(venue.server.hub.sessions.heartbeats)), "a heartbeat")
            eventually(lambda: venue.ask(venue.server.hub.clock.now_ms) > held["a-1"] + 100, "its end")
            assert venue.resting() == 1, "kept up"
        eventually(lambda: venue.resting() == 0, "the switch going off")
    assert not [line for line in lines if "rest until" in line]


def test_without_either_it_is_said_and_a_lost_session_is_cancelled_over_rest(lines: list[str]) -> None:
    with live(without=("cancel_on_disconnect", "heartbeat")) as venue, Desk(venue) as desk:
        desk.wait(CancelAllReported)
        desk.send(places=(desk.place("c1"),))
        eventually(lambda: [line for line in lines if "its orders rest until" in line], "the warning")

        def drop() -> None:
            for listener in list(venue.server.hub.connected):
                listener.close(1012, "restart")

        venue.ask(drop)
        eventually(lambda: venue.resting() == 0, "the cancel")
        desk.wait(VenueConnected, 2)


@pytest.mark.parametrize("without", [("client_order_id",), ("client_order_id", "ws_orders")])
def test_a_venue_that_keeps_no_client_order_ids_is_not_traded_on(without: tuple[str, ...]) -> None:
    with live(without=without) as venue, Desk(venue, cod_timeout_ms=300) as desk:
        begun(desk)
        desk.submit(places=(desk.place("c1"),))
        lost = desk.wait(VenueDisconnected)
        assert (lost.fatal, lost.unfit) == (True, True)
        assert "keeps no client order ids" in lost.reason
        eventually(lambda: venue.resting() == 0, "the venue's own cancel")


def test_what_is_missing_is_one_line_and_nothing_missing_is_none() -> None:
    assert EVERYTHING.missing == ""
    assert Capabilities.of(EVERYTHING.usable) == EVERYTHING
    assert Capabilities.of(EVERYTHING.usable - {"ws_orders"}).cancel_on_disconnect is False
    assert Capabilities.of(EVERYTHING.usable - {"post_only"}).usable == EVERYTHING.usable - {"post_only", "replace"}
    assert Capabilities.of(frozenset()).missing.count(";") == len(EVERYTHING.usable) - 1
