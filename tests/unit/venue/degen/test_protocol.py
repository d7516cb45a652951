"""One connection's conversation, without a socket and in virtual time."""

import json
from typing import Any

import pytest
from loguru import logger

from mmactors.messages import (
    AccountSnapshot,
    BatchReported,
    BookReported,
    CancelAllReported,
    CancelItem,
    ClockMeasured,
    MarketReported,
    OrderReported,
    Outcome,
    PlaceItem,
    SendBatch,
    SendCancelAll,
    StreamGapped,
    VenueConnected,
    VenueReport,
    WatchBook,
)
from mmactors.units import MILLISECOND, SECOND, Contracts, Micros, Nanos
from mmactors.venue.degen.capabilities import EVERYTHING
from mmactors.venue.degen.codec import Codec
from mmactors.venue.degen.protocol import Counters, SessionOverError, SessionProtocol, SessionTerms

START = Nanos(1_795_355_900 * SECOND)
ORDER: dict[str, Any] = {"id": "o-1", "market": "M", "side": "bid", "outcome": "NO", "price": 0.48, "size": 10}
ORDER |= {"filled": 0, "status": "OPEN", "client_order_id": "c1"}
REFUSED = {"code": "INVALID_PRICE", "message": "no"}


class Talk:
    """A conversation with a venue played by the test."""

    def __init__(self, watched: set[str] | None = None, **terms: Any) -> None:
        self.now = START
        self.sent: list[dict[str, Any]] = []
        self.told: list[VenueReport] = []
        self.tally = Counters()
        self.it = SessionProtocol(
            SessionTerms("mm1-7", **terms),
            Codec(),
            lambda raw: self.sent.append(json.loads(raw)),
            self.told.append,
            watched or set(),
            self.tally,
        )
        self.it.begin("SECRET", self.now)

    def hear(self, **frame: Any) -> None:
        self.it.receive(json.dumps(frame).encode(), self.now)

    def take(self, op: str) -> dict[str, Any]:
        frame = next(frame for frame in self.sent if frame["op"] == op)
        self.sent.remove(frame)
        return frame

    def ack_login(self, **result: Any) -> None:
        result = {
            "account": "a-1",
            "capabilities": sorted(EVERYTHING.usable),
            "limits": {"orders_per_s": 50, "burst": 100},
        } | result
        self.hear(id=self.take("auth")["id"], type="ack", op="auth", result=result)

    def snapshot(self, seq: int = 770) -> None:
        balance = {"cash": 100.0, "reserved": 0}
        self.hear(type="snapshot", channel="orders", seq=seq, orders=[], positions=[], balance=balance)

    def order(self, seq: int) -> None:
        self.hear(type="order", channel="orders", seq=seq, reason="new", order=ORDER, fill=None)

    def of(self, kind: type) -> list[Any]:
        return [report for report in self.told if isinstance(report, kind)]

    def forget(self) -> None:
        self.sent.clear()
        self.told.clear()


@pytest.fixture
def talk() -> Talk:
    one = Talk()
    one.ack_login()
    one.snapshot()
    one.forget()
    return one


def places(count: int) -> tuple[PlaceItem, ...]:
    return tuple(PlaceItem(f"p{n}", "M", Outcome.NO, Micros(480_000), Contracts(10), True, False) for n in range(count))


def test_login_then_subscriptions_then_connected_before_the_snapshot() -> None:
    one = Talk(watched={"M"})
    assert [frame["op"] for frame in one.sent] == ["auth"]
    assert one.told == []
    one.ack_login(server_time=0, expires_at=1_795_400_000_000)
    assert [frame.get("channel") for frame in one.sent] == ["orders", "markets"]
    assert not one.it.up
    one.snapshot()
    assert one.it.up
    connected, snapshot = one.told
    assert connected == VenueConnected(
        "a-1", "mm1-7", EVERYTHING.usable, 50.0, 100.0, Nanos(1_795_400_000 * SECOND), START
    )
    assert isinstance(snapshot, AccountSnapshot)
    assert one.sent[-1] == {"id": 4, "op": "subscribe", "channel": "orderbook", "market": "M"}


@pytest.mark.parametrize(("code", "fatal"), [("UNAUTHORIZED", True), ("TOKEN_EXPIRED", True), ("UNAVAILABLE", False)])
def test_a_refused_login_ends_it(code: str, fatal: bool) -> None:
    one = Talk()
    with pytest.raises(SessionOverError, match=f"login refused: {code}") as over:
        one.hear(id=1, type="error", op="auth", error={"code": code, "message": "no"})
    assert over.value.fatal == fatal
    assert "SECRET" not in str(over.value)


def test_no_answer_to_the_login_in_time() -> None:
    one = Talk(timeout_s=5.0)
    one.it.run_timers(Nanos(START + 5 * SECOND))
    with pytest.raises(SessionOverError, match="answer to the login"):
        one.it.run_timers(Nanos(START + 5 * SECOND + 1))


def test_heartbeats_at_their_time_and_the_clock_from_the_quickest_echo(talk: Talk) -> None:
    offset = 123 * MILLISECOND
    for trip_ms in (40, 10, 30):
        due = talk.it.run_timers(talk.now)
        beat = talk.take("hb")
        assert due == talk.now + SECOND
        server_ms = (talk.now + offset + trip_ms * MILLISECOND // 2) // MILLISECOND
        talk.now = Nanos(talk.now + trip_ms * MILLISECOND)
        talk.hear(type="hb", ts=server_ms, echo=beat["ts"], seq={"orders": 770})
        talk.now = due
    assert [(m.offset_ns, m.round_trip_ns // MILLISECOND) for m in talk.of(ClockMeasured)] == [
        (offset, 40),
        (offset, 10),
    ]


def test_silence_of_three_heartbeats_ends_it(talk: Talk) -> None:
    talk.it.run_timers(Nanos(START + 3 * SECOND))
    with pytest.raises(SessionOverError, match="silent for 3 s"):
        talk.it.run_timers(Nanos(START + 3 * SECOND + 1))


def test_a_gap_asks_for_one_snapshot_and_passes_everything_on(talk: Talk) -> None:
    talk.order(771)
    talk.order(774)
    talk.order(778)
    assert talk.of(StreamGapped) == [StreamGapped(772, 774)]
    assert [frame["channel"] for frame in talk.sent] == ["orders"]
    assert [report.seq for report in talk.of(OrderReported)] == [771, 774, 778]
    talk.snapshot(780)
    talk.order(781)
    assert len(talk.of(StreamGapped)) == 1
    talk.order(783)
    assert talk.of(StreamGapped)[-1] == StreamGapped(782, 783)


def test_duplicates_of_the_stream_are_dropped(talk: Talk) -> None:
    for seq in (771, 771, 770):
        talk.order(seq)
    assert [report.seq for report in talk.of(OrderReported)] == [771]
    assert talk.tally.counters["duplicates"] == 2


def test_a_lost_tail_shows_in_the_heartbeats(talk: Talk) -> None:
    for ahead_ms in (0, 500):
        talk.now = Nanos(START + ahead_ms * MILLISECOND)
        talk.hear(type="hb", ts=1, echo=0, seq={"orders": 772})
    assert talk.of(StreamGapped) == [], "an event may be on its way for a heartbeat"
    talk.now = Nanos(START + 1001 * MILLISECOND)
    talk.hear(type="hb", ts=1, echo=0, seq={"orders": 772})
    assert talk.of(StreamGapped) == [StreamGapped(771, 772)]


def test_an_event_on_its_way_is_no_gap(talk: Talk) -> None:
    talk.hear(type="hb", ts=1, echo=0, seq={"orders": 771})
    talk.order(771)
    talk.now = Nanos(START + 2 * SECOND)
    talk.hear(type="hb", ts=1, echo=0, seq={"orders": 772})
    assert talk.of(StreamGapped) == []


def test_an_unreadable_order_event_is_dropped_counted_and_shows_as_a_gap(talk: Talk) -> None:
    talk.hear(type="order", channel="orders", seq=771, reason="fill", order=ORDER, fill={"price": "NaN"})
    assert talk.tally.counters["dropped_missing_field"] == 1
    talk.order(772)
    assert talk.of(StreamGapped) == [StreamGapped(771, 772)]


def test_a_batch_is_one_frame_and_its_results_pair_by_position(talk: Talk) -> None:
    talk.it.send_batch(SendBatch(77, (CancelItem("c9", "o-9"),), (), places(2)), talk.now)
    frame = talk.take("batch")
    assert (len(frame["cancel"]), len(frame["replace"]), len(frame["place"])) == (1, 0, 2)
    results = {
        "cancel": [{"ok": True, "order": ORDER | {"id": "o-9", "client_order_id": "c9", "status": "CANCELLED"}}],
        "replace": [],
        "place": [{"ok": True, "order": ORDER}, {"ok": False, "error": REFUSED}],
    }
    talk.hear(id=frame["id"], type="ack", op="batch", results=results)
    (report,) = talk.of(BatchReported)
    assert report.op_id == 77
    assert [(r.action, r.client_id, r.error and r.error.code) for r in report.results] == [
        ("cancel", "c9", None),
        ("place", "p0", None),
        ("place", "p1", "INVALID_PRICE"),
    ]
    talk.hear(id=frame["id"], type="ack", op="batch", results=results)
    assert len(talk.of(BatchReported)) == 1, "the same answer again says nothing"


def test_an_answer_too_short_leaves_the_rest_unknown(talk: Talk) -> None:
    talk.it.send_batch(SendBatch(77, (), (), places(2)), talk.now)
    talk.hear(id=talk.take("batch")["id"], type="ack", op="batch", results={"place": [{"ok": True, "order": ORDER}]})
    (report,) = talk.of(BatchReported)
    assert [r.error and r.error.kind for r in report.results] == [None, "unknown"]


@pytest.mark.parametrize(
    ("code", "kind"), [("INVALID_REQUEST", "refused"), ("RATE_LIMITED", "later"), ("INTERNAL", "unknown")]
)
def test_the_refusal_of_a_batch_is_that_of_each_item(talk: Talk, code: str, kind: str) -> None:
    talk.it.send_batch(SendBatch(77, (CancelItem("c9", "o-9"),), (), places(1)), talk.now)
    error = {"code": code, "message": "no", "retry_after_ms": 5}
    talk.hear(id=talk.take("batch")["id"], type="error", op="batch", error=error)
    (report,) = talk.of(BatchReported)
    assert [(r.client_id, r.error.kind, r.error.retry_after_ms) for r in report.results] == [
        ("c9", kind, 5),
        ("p0", kind, 5),
    ]


def test_a_long_batch_travels_in_frames_of_fifty_and_is_reported_once(talk: Talk) -> None:
    cancels = tuple(CancelItem(f"c{n}", f"o-{n}") for n in range(30))
    talk.it.send_batch(SendBatch(77, cancels, (), places(40)), talk.now)
    first, second = talk.take("batch"), talk.take("batch")
    assert [len(first["cancel"]), len(first["place"]), len(second["cancel"]), len(second["place"])] == [30, 20, 0, 20]
    for frame in (second, first):
        assert talk.of(BatchReported) == []
        answers = {key: [{"ok": True, "order": ORDER}] * len(frame[key]) for key in ("cancel", "replace", "place")}
        talk.hear(id=frame["id"], type="ack", op="batch", results=answers)
    (report,) = talk.of(BatchReported)
    assert [r.client_id for r in report.results] == [f"c{n}" for n in range(30)] + [f"p{n}" for n in range(40)]


def test_without_batches_items_travel_alone_in_order_and_are_reported_together() -> None:
    one = Talk()
    one.ack_login(capabilities=sorted(EVERYTHING.usable - {"batch"}))
    one.snapshot()
    one.forget()
    one.it.send_batch(SendBatch(77, (CancelItem("c9", "o-9"),), (), places(2)), one.now)
    assert [frame["op"] for frame in one.sent] == ["cancel", "place", "place"]
    cancel, first, second = one.sent
    one.hear(id=cancel["id"], type="ack", op="cancel", order=ORDER | {"status": "CANCELLED"})
    one.hear(id=first["id"], type="ack", op="place", order=ORDER)
    assert one.of(BatchReported) == []
    one.hear(id=second["id"], type="error", op="place", error=REFUSED)
    (report,) = one.of(BatchReported)
    assert [(r.action, r.order is not None, r.error and r.error.code) for r in report.results] == [
        ("cancel", True, None),
        ("place", True, None),
        ("place", False, "INVALID_PRICE"),
    ]


def test_cancel_all_answered_refused_and_unanswered(talk: Talk) -> None:
    for op_id in (1, 2, 3):
        talk.it.send_cancel_all(SendCancelAll(op_id, None))
    first, second, _ = talk.sent
    talk.hear(id=first["id"], type="ack", op="cancel_all", result={"cancelled": ["o-1"]})
    talk.hear(id=second["id"], type="error", op="cancel_all", error={"code": "CANCEL_ONLY", "message": ""})
    done, failed = talk.of(CancelAllReported)
    assert (done.op_id, done.order_ids, done.error) == (1, ("o-1",), None)
    assert (failed.op_id, failed.error.kind) == (2, "unknown")
    assert talk.it.end() == (SendCancelAll(3, None),)


def test_the_end_invents_no_results(talk: Talk) -> None:
    talk.it.send_batch(SendBatch(77, (), (), places(2)), talk.now)
    talk.it.end()
    assert talk.told == []


def level(seq: int, *changes: list[Any]) -> dict[str, Any]:
    return {"type": "delta", "channel": "orderbook", "market": "M", "seq": seq, "changes": list(changes), "ts": 0}


def test_a_book_is_told_when_its_best_changes_and_unknown_in_a_gap(talk: Talk) -> None:
    talk.it.watch(WatchBook("M", True))
    assert talk.take("subscribe")["market"] == "M"
    whole = {"type": "snapshot", "channel": "orderbook", "market": "M", "ts": 0}
    talk.hear(**level(9, ["bid", 0.40, 1]))
    talk.hear(**whole, seq=10, bids=[[0.48, 300], [0.47, 5]], asks=[[0.52, 100]])
    talk.hear(**level(10, ["bid", 0.51, 1]))  # already in the snapshot
    talk.hear(**level(11, ["bid", 0.47, 200], ["ask", 0.60, 0]))
    talk.hear(**level(12, ["bid", 0.48, 0], ["ask", 0.51, 7]))
    talk.hear(**level(14, ["bid", 0.50, 1]))
    assert talk.take("subscribe")["market"] == "M"
    talk.hear(**level(15, ["bid", 0.50, 1]))
    talk.hear(**whole, seq=15, bids=[], asks=[[0.55, 1]])
    assert talk.told == [
        BookReported("M", Micros(480_000), Micros(520_000)),
        BookReported("M", Micros(470_000), Micros(510_000)),
        BookReported("M", None, None),
        BookReported("M", None, Micros(550_000)),
    ]
    talk.it.watch(WatchBook("M", False))
    talk.hear(**whole, seq=99, bids=[[0.1, 1]], asks=[])
    assert len(talk.told) == 4


def market(name: str, **changes: Any) -> dict[str, Any]:
    whole = {"id": name, "asset": "BTC", "strike": 97000, "status": "OPEN", "opens_at": 1000, "expires_at": 2000}
    return whole | changes


def test_markets_are_told_one_by_one_the_invalid_skipped_with_one_line(talk: Talk) -> None:
    lines: list[str] = []
    talk.tally.warn_once = lambda key, line: lines.append(line)  # type: ignore[method-assign]
    talk.hear(type="snapshot", channel="markets", seq=1, markets=[market("A"), market("B", strike=0), market("C")])
    talk.hear(type="market", event="opened", seq=2, market=market("D"))
    assert [(m.event, m.market.id) for m in talk.of(MarketReported)] == [
        ("snapshot", "A"),
        ("snapshot", "C"),
        ("opened", "D"),
    ]
    (line,) = lines
    assert "market B skipped" in line
    assert talk.sent == []
    talk.hear(type="market", event="opened", seq=4, market=market("E"))
    assert talk.take("subscribe")["channel"] == "markets"


def test_unknown_frames_are_counted_and_told_once(talk: Talk) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    for _ in range(3):
        talk.hear(type="gift", channel="x")
    talk.hear(type="other")
    assert talk.tally.counters["dropped_unknown_type"] == 4
    logger.remove(sink)
    assert ["gift x" in line for line in lines] == [True, False]


def test_the_markets_refusal_does_not_end_it(talk: Talk) -> None:
    talk.it.watch(WatchBook("M", True))
    op_id = talk.take("subscribe")["id"]
    talk.hear(id=op_id, type="error", op="subscribe", error={"code": "MARKET_NOT_FOUND", "message": ""})
    assert talk.tally.counters["subscriptions_refused"] == 1
