"""The wire, frame by frame, against golden JSON."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    CancelItem,
    Market,
    MarketStatus,
    OrderReported,
    Outcome,
    PlaceItem,
    ReplaceItem,
    Resolution,
    VenueError,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from mmactors.units import Contracts, Micros, Nanos
from mmactors.venue.degen.codec import Codec, kind_of
from mmactors.venue.degen.replies import (
    Acked,
    AuthAcked,
    BookDelta,
    BookSnapshot,
    CancelAllAcked,
    Heartbeat,
    ItemReply,
    ItemsAcked,
    MarketInvalid,
    MarketsListed,
    Notice,
    OpFailed,
    Skipped,
)
from mmactors.venue.degen.wire import MAX_BYTES, WireError

FIXTURES = Path(__file__).parents[3] / "contract" / "fixtures"
MARKET = "BTC-5M-20261122T1405Z"
ORDER = VenueOrder("o-1", "mm1:7:1", MARKET, Outcome.NO, Micros(480_000), Contracts(100), Contracts(40), "PARTIAL", 2)
FILL = VenueFill(
    "f-9",
    771,
    "o-1",
    "mm1:7:1",
    MARKET,
    Outcome.NO,
    Micros(480_000),
    Contracts(40),
    Micros(12_000),
    True,
    Nanos(1_795_355_901_000_000_000),
    Contracts(40),
)
OPEN = Market(
    MARKET,
    "BTC",
    97_000.0,
    MarketStatus.OPEN,
    Nanos(1_795_355_800_000_000_000),
    Nanos(1_795_356_100_000_000_000),
)


def golden(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def replaced(order: VenueOrder, **changes: object) -> VenueOrder:
    fields = {name: getattr(order, name) for name in VenueOrder.__slots__}
    return VenueOrder(**{**fields, **changes})  # type: ignore[arg-type]


INCOMING = {
    "in_ack_auth": AuthAcked(
        1,
        "a-1",
        "mm1-7",
        Nanos(1_795_400_000_000_000_000),
        Nanos(1_795_355_917_600_000_000),
        frozenset({"batch", "replace"}),
        50.0,
        100.0,
    ),
    "in_ack_subscribe": Acked(2, "subscribe"),
    "in_snapshot_orders": AccountSnapshot(
        770,
        (ORDER,),
        (VenuePosition(MARKET, Contracts(10), Contracts(40), Micros(5_200_000), Micros(19_200_000)),),
        Micros(99_975_600_000),
        Micros(28_800_000),
    ),
    "in_order_fill": OrderReported(771, "fill", ORDER, FILL),
    "in_order_new": OrderReported(
        772,
        "new",
        replaced(
            ORDER,
            outcome=Outcome.YES,
            price_micros=Micros(515_000),
            filled=Contracts(0),
            status="OPEN",
            version=0,
        ),
        None,
    ),
    "in_account": AccountReported(774, "settle", MARKET, Micros(100_015_600_000)),
    "in_account_merge": AccountReported(
        775, "merge", MARKET, Micros(100_015_600_000), yes=Contracts(3), no=Contracts(0)
    ),
    "in_snapshot_book": BookSnapshot(
        MARKET,
        10,
        ((Micros(480_000), Contracts(300)), (Micros(470_000), Contracts(50))),
        ((Micros(520_000), Contracts(100)),),
    ),
    "in_delta": BookDelta(
        MARKET, 11, (("bid", Micros(480_000), Contracts(200)), ("ask", Micros(530_000), Contracts(0)))
    ),
    "in_trade": Skipped("trade"),
    "in_snapshot_markets": MarketsListed(
        3,
        "snapshot",
        (
            OPEN,
            Market(
                "BTC-1M-20261122T1406Z",
                "BTC",
                None,
                MarketStatus.PENDING,
                OPEN.opens_venue_ns,
                OPEN.expires_venue_ns,
            ),
        ),
        (),
    ),
    "in_market_resolved": MarketsListed(
        4,
        "resolved",
        (
            Market(
                MARKET,
                "BTC",
                97_000.0,
                MarketStatus.RESOLVED,
                OPEN.opens_venue_ns,
                OPEN.expires_venue_ns,
                resolution=Resolution.VOID,
                settlement_price=97_001.5,
            ),
        ),
        (),
    ),
    "in_ack_place": ItemsAcked(10, {"place": (ItemReply(replaced(ORDER, filled=Contracts(0), status="OPEN"), None),)}),
    "in_ack_cancel_all": CancelAllAcked(13, ("o-1", "o-2")),
    "in_ack_batch": ItemsAcked(
        14,
        {
            "cancel": (ItemReply(replaced(ORDER, status="CANCELLED"), None),),
            "replace": (
                ItemReply(
                    replaced(ORDER, status="CANCELLED"),
                    VenueError("refused", "POST_ONLY_WOULD_CROSS", "would cross"),
                    True,
                ),
            ),
            "place": (ItemReply(None, VenueError("later", "RATE_LIMITED", "slow down", 180)),),
        },
    ),
    "in_hb": Heartbeat(Nanos(1_795_355_917_650_000_000), 1_795_355_917_600, 771),
    "in_error": OpFailed(10, "place", VenueError("later", "RATE_LIMITED", "too fast", 180), None, False),
    "in_notice": Notice("AUTH_EXPIRING", "in 30 s"),
}

PLACE_NO = PlaceItem("mm1:7:4", MARKET, Outcome.NO, Micros(480_000), Contracts(100), True, False)
PLACE_YES = PlaceItem("mm1:7:5", MARKET, Outcome.YES, Micros(515_000), Contracts(7), False, True)
REPLACE = ReplaceItem("mm1:7:3", "o-3", Micros(470_000), Contracts(100))
CANCELS = (CancelItem("mm1:7:1", "o-1"), CancelItem("mm1:7:2", None))
CODEC = Codec()
OUTGOING = {
    "out_auth": CODEC.auth(1, "SECRET", "mm1-7", 1000, 3000),
    "out_subscribe": CODEC.subscribe(2, "orders"),
    "out_subscribe_book": CODEC.subscribe(3, "orderbook", MARKET),
    "out_hb": CODEC.heartbeat(Nanos(1_795_355_917_600_999_999))[0],
    "out_logout": CODEC.logout(),
    "out_cancel_all": CODEC.cancel_all(13, None),
    "out_cancel_all_market": CODEC.cancel_all(13, MARKET),
    "out_batch": CODEC.batch(14, CANCELS, (REPLACE,), (PLACE_NO, PLACE_YES)),
    "out_place_as_ask": Codec("as_ask").single(15, PLACE_NO),
    "out_cancel": CODEC.single(16, CANCELS[0]),
    "out_replace": CODEC.single(17, REPLACE),
}


def test_every_golden_frame_is_tested() -> None:
    names = {path.stem for path in FIXTURES.glob("*.json") if path.stem.startswith(("in_", "out_"))}
    assert names == set(INCOMING) | set(OUTGOING) | {"in_order_sale"}


@pytest.mark.parametrize("name", sorted(INCOMING))
def test_incoming_frame(name: str) -> None:
    assert Codec().decode(golden(name)) == INCOMING[name]


@pytest.mark.parametrize("name", sorted(OUTGOING))
def test_outgoing_frame(name: str) -> None:
    assert json.loads(OUTGOING[name]) == json.loads(golden(name))


def test_a_sale_is_a_buy_of_the_other_outcome() -> None:
    codec = Codec("as_ask")
    report = codec.decode(golden("in_order_sale"))
    assert isinstance(report, OrderReported)
    assert report.fill is not None
    assert (report.order.outcome, report.order.price_micros) == (Outcome.NO, 480_000)
    assert (report.fill.outcome, report.fill.price_micros) == (Outcome.NO, 480_000)
    # Its replace leaves in the venue's terms, a fill told later over REST comes back in ours.
    moved = json.loads(codec.single(1, ReplaceItem("c", "o-2", Micros(470_000), Contracts(100))))
    assert moved["price"] == 0.53
    page = {"fills": [json.loads(golden("in_order_sale"))["fill"]], "next": None}
    (fill,), _ = codec.fills(json.dumps(page).encode())
    assert (fill.outcome, fill.price_micros) == (Outcome.NO, 480_000)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("POST_ONLY_WOULD_CROSS", None, "refused"),
        ("ORDER_NOT_OPEN", 409, "refused"),
        ("RATE_LIMITED", None, "later"),
        ("SOMETHING_NEW", 429, "later"),
        ("SOMETHING_NEW", 418, "refused"),
        ("SOMETHING_NEW", None, "unknown"),
        ("INTERNAL", 500, "unknown"),
        ("UNAVAILABLE", None, "unknown"),
        ("CANCEL_ONLY", 503, "unknown"),
    ],
)
def test_kinds_of_errors(code: str, status: int | None, kind: str) -> None:
    assert kind_of(code, status) == kind


def changed(name: str, path: str, value: object) -> bytes:
    frame = json.loads(golden(name))
    *parents, last = path.split(".")
    target = frame
    for key in parents:
        target = target[int(key) if key.isdigit() else key]
    if value is ...:
        del target[last]
    else:
        target[int(last) if last.isdigit() else last] = value
    return json.dumps(frame).encode()


KEYS = ("type", "id", "op", "channel", "seq", "order", "fill", "result", "results", "error", "data", "market")

BAD = [
    (b"", "malformed"),
    (b"<html>502 Bad Gateway</html>", "malformed"),
    (golden("in_order_fill")[:-20], "malformed"),
    (b"\xff\xfe", "malformed"),
    (b'{"type":"\xff"}', "malformed"),
    (b"[]", "wrong_type"),
    (b"null", "wrong_type"),
    (b'{"type":5}', "wrong_type"),
    (b'{"id":1}', "missing_field"),
    (b'{"type":"hb","ts":1,"x":' + b"[" * 100_000, "malformed"),
    (b'{"type":"gift"}', "unknown_type"),
    (b" " * (MAX_BYTES + 1), "oversized"),
    (changed("in_order_fill", "order.price", float("nan")), "malformed"),
    (golden("in_order_fill").replace(b'"price": 0.48', b'"price": 1e999', 1), "bad_number"),
    (changed("in_order_fill", "order.price", "NaN"), "bad_number"),
    (changed("in_order_fill", "order.price", "a lot"), "bad_number"),
    (changed("in_order_fill", "order.price", 0.48000001), "bad_number"),
    (changed("in_order_fill", "order.price", -0.48), "bad_price"),
    (changed("in_order_fill", "order.price", 1.0), "bad_price"),
    (changed("in_order_fill", "order.price", 0), "bad_price"),
    (changed("in_order_fill", "order.price", None), "wrong_type"),
    (changed("in_order_fill", "order.price", True), "wrong_type"),
    (changed("in_order_fill", "order.price", ...), "missing_field"),
    (changed("in_order_fill", "order.size", -1), "bad_size"),
    (changed("in_order_fill", "order.size", 1.5), "bad_size"),
    (changed("in_order_fill", "order.status", "LOST"), "wrong_value"),
    (changed("in_order_fill", "order.side", "buy"), "wrong_value"),
    (changed("in_order_fill", "order.outcome", "MAYBE"), "wrong_value"),
    (changed("in_order_fill", "fill", None), "missing_field"),
    (changed("in_order_fill", "fill.size", 0), "wrong_value"),
    (changed("in_order_fill", "fill.ts", -1), "bad_time"),
    (changed("in_order_fill", "seq", "771"), "wrong_type"),
    (changed("in_snapshot_orders", "balance", {}), "missing_field"),
    (changed("in_snapshot_orders", "orders.0.price", 7), "bad_price"),
    (changed("in_snapshot_book", "bids.0.1", -3), "bad_size"),
    (changed("in_delta", "changes.0.0", "buy"), "wrong_type"),
    (changed("in_ack_auth", "result", ...), "malformed"),
    (changed("in_hb", "ts", ...), "missing_field"),
]


@pytest.mark.parametrize(("raw", "reason"), BAD, ids=range(len(BAD)))
def test_bad_frames_are_refused_by_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        Codec().decode(raw)
    assert caught.value.reason == reason


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(KEYS),
                inner,
            )
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_input_raises_anything_else(raw: bytes) -> None:
    with contextlib.suppress(WireError):
        Codec().decode(raw)


@given(st.data())
def test_a_golden_frame_with_one_value_changed_raises_nothing_else(data: st.DataObject) -> None:
    frame = json.loads(golden(data.draw(st.sampled_from(sorted(INCOMING)))))
    junk = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.lists(st.integers())
    target = frame
    while True:
        key = data.draw(st.sampled_from(sorted(target) if isinstance(target, dict) else range(len(target))))
        if isinstance(target[key], dict | list) and target[key] and data.draw(st.booleans()):
            target = target[key]
        else:
            target[key] = data.draw(junk)
            break
    with contextlib.suppress(WireError):
        Codec().decode(json.dumps(frame).encode())


def test_an_unreadable_item_says_nothing_of_its_neighbours() -> None:
    ack = Codec().decode(changed("in_ack_batch", "results.cancel.0.order.price", "?"))
    assert isinstance(ack, ItemsAcked)
    assert ack.replies["cancel"][0].error is not None
    assert ack.replies["cancel"][0].error.kind == "unknown"
    assert ack.replies["place"] == INCOMING["in_ack_batch"].replies["place"]  # type: ignore[union-attr]


@pytest.mark.parametrize("cents", range(1, 100))
def test_every_cent_crosses_the_wire_exactly(cents: int) -> None:
    price = Micros(cents * 10_000)
    item = PlaceItem("c", "m", Outcome.YES, price, Contracts(1), True, False)
    sent = json.loads(Codec().single(1, item))["order"]["price"]
    assert str(sent) == f"0.{cents:02d}".rstrip("0")
    as_ask = PlaceItem("c", "m", Outcome.NO, price, Contracts(1), True, False)
    assert json.loads(Codec("as_ask").single(1, as_ask))["order"]["price"] == (100 - cents) / 100
    for written in (sent, str(sent)):
        report = Codec().decode(changed("in_order_new", "order.price", written))
        assert isinstance(report, OrderReported)
        assert report.order.price_micros == price


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("strike", 0, "not positive"),
        ("strike", -5.0, "not positive"),
        ("strike", None, "without a strike"),
        ("strike", "lots", "bad_number"),
        ("expires_at", 1_795_355_800_000, "expires before it opens"),
        ("opens_at", ..., "missing"),
        ("tick_size", 0.03, "does not divide"),
        ("tick_size", 0, "does not divide"),
        ("tick_size", 2, "does not divide"),
        ("min_size", 0, "sizes"),
        ("max_size", 0, "sizes"),
        ("status", "ASLEEP", "unknown status"),
        ("status", "RESOLVED", "without an outcome"),
        ("outcome", "MAYBE", "unknown outcome"),
        ("asset", "", "no id or asset"),
        ("settlement", {"type": "dice"}, "unknown settlement"),
        ("settlement", {"type": "avg", "window_s": 0}, "unknown settlement"),
        ("settlement", {"tie": "BOTH"}, "outcome"),
    ],
)
def test_invalid_markets_are_skipped_with_a_reason(field: str, value: object, why: str) -> None:
    listed = Codec().decode(changed("in_snapshot_markets", f"markets.0.{field}", value))
    assert isinstance(listed, MarketsListed)
    assert [market.id for market in listed.markets] == ["BTC-1M-20261122T1406Z"]
    (bad,) = listed.invalid
    assert bad.market == MARKET
    assert why in bad.reason


def test_the_ack_of_an_operation_without_an_id_is_passed_over() -> None:
    assert Codec().decode(b'{"type":"ack","op":"logout","result":{}}') == Skipped("ack")


def test_a_market_listed_twice_counts_once() -> None:
    listed = Codec().decode(changed("in_snapshot_markets", "markets.1.id", MARKET))
    assert isinstance(listed, MarketsListed)
    assert [market.id for market in listed.markets] == [MARKET]
    assert listed.invalid == (MarketInvalid(MARKET, "listed twice"),)


def test_fees_round_against_us() -> None:
    report = Codec().decode(changed("in_order_fill", "fill.fee", 0.0000011))
    assert isinstance(report, OrderReported)
    assert report.fill is not None
    assert report.fill.fee_micros == 2
