"""What travels unwritten says the same as the wire's text would."""

from random import Random

import msgspec
import pytest
from venue_fixture import CENT, MARKET, T0, Trading

from mmactors.backtest.object_links import ObjectCodec, ObjectEncoder, trade
from mmactors.messages import CancelItem, Outcome, PlaceItem, ReplaceItem
from mmactors.simulator.server.encoder import TextEncoder
from mmactors.simulator.venue.operations import OrderOperations
from mmactors.units import Contracts, Micros
from mmactors.venue.degen.codec import Codec
from mmactors.venue.degen.replies import ItemsAcked

SESSION = "s"


def random_items(
    rng: Random, orders: list[tuple[str, str]], step: int
) -> tuple[list[CancelItem], list[ReplaceItem], list[PlaceItem]]:
    """Orders of all kinds: good, crossing, too large, of no market, off the scale; ids known and unknown."""

    def price() -> Micros:
        return Micros(rng.choice((rng.randint(1, 99), rng.randint(40, 60), rng.randint(45, 55), 100)) * CENT)

    def known() -> tuple[str, str]:
        return rng.choice(orders) if orders and rng.random() < 0.9 else ("o-none", "none")

    cancels = []
    for _ in range(rng.randint(0, 2)):
        order_id, client_id = known()
        cancels.append(CancelItem(client_id, order_id if rng.random() < 0.5 else None))
    replaces = [
        ReplaceItem(client_id, order_id, price(), Contracts(rng.choice((0, 5, 20, 60))))
        for order_id, client_id in (known() for _ in range(rng.randint(0, 2)))
    ]
    places = [
        PlaceItem(
            client_id=f"c{step}-{number}" if rng.random() < 0.9 else "c0-0",
            market=MARKET if rng.random() < 0.95 else "none",
            outcome=rng.choice((Outcome.YES, Outcome.NO)),
            price_micros=price(),
            size=Contracts(rng.choice((1, 10, 30, 20_000))),
            post_only=(kind := rng.choice(("post", "ioc", "plain"))) == "post",
            immediate=kind == "ioc",
        )
        for number in range(rng.randint(0, 3))
    ]
    return cancels, replaces, places


@pytest.mark.parametrize("wire_asks", ["buy_no", "as_ask"])
@pytest.mark.parametrize("fees", [{}, {"maker_bps": -2.5, "taker_bps": 35.0}])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_frames_unwritten_are_frames_written_and_read(seed, fees, wire_asks):
    rng = Random(seed)
    limits = {"orders_per_s": 200.0, "burst": 8.0}
    text, typed = (Trading(**limits, **fees) for _ in range(2))
    codec, typed_codec = Codec(wire_asks), ObjectCodec(wire_asks)
    voice, typed_voice = TextEncoder(), ObjectEncoder()
    desk = OrderOperations(text.venue)
    orders: list[tuple[str, str]] = []
    seen = {"refused": 0, "sold": 0, "filled": 0}
    for step in range(400):
        now = T0 + 17 * step
        items = random_items(rng, orders, step)
        answer = desk.submit(text.ann, msgspec.json.decode(codec.batch(step, *items)), now, SESSION)
        told = codec.decode(voice.encode(answer))
        assert typed_codec.decode(trade(typed.venue, typed.ann, typed_codec.batch(step, *items), now, SESSION)) == told
        assert isinstance(told, ItemsAcked)
        replies = [reply for kind in told.replies.values() for reply in kind]
        seen["refused"] += sum(reply.error is not None for reply in replies)
        orders += [(reply.order.order_id, reply.order.client_id) for reply in replies if reply.order is not None]
        orders = orders[-20:]
        taker = rng.choice(("YES", "NO")), rng.randint(30, 70), rng.choice((5, 40))
        for side in (text, typed):
            side.venue.cancel_all(side.bob, now)
            side.buy(side.bob, *taker, now=now)
        for one, other in zip(text.ann.outbox, typed.ann.outbox, strict=True):
            read = codec.decode(voice.account_event(one))
            assert typed_codec.decode(typed_voice.account_event(other)) == read
            seen["sold"] += one.order.side == "ask"
            seen["filled"] += one.reason == "fill"
        text.ann.outbox.clear()
        typed.ann.outbox.clear()
        if text.market.book.touched:
            read = codec.decode(voice.book_delta(text.market, now))
            assert typed_codec.decode(typed_voice.book_delta(typed.market, now)) == read
    assert seen["refused"] > 50
    assert seen["filled"] > 50
    assert (seen["sold"] > 5) is (wire_asks == "as_ask")


def test_money_and_heartbeats_say_the_same_too():
    text, typed = Trading(), Trading()
    for side in (text, typed):
        side.buy(side.bob, "NO", 40, 30)
        side.buy(side.ann, "YES", 60, 30)
        side.ann.outbox.clear()
        side.venue.resolve_market(MARKET, "YES", 97_001.0, T0 + 60_000)
    (one,), (other,) = text.ann.outbox, typed.ann.outbox
    codec, typed_codec = Codec(), ObjectCodec()
    assert typed_codec.decode(ObjectEncoder().account_event(other)) == codec.decode(TextEncoder().account_event(one))
    for beat in ({"type": "hb", "ts": T0, "seq": {"orders": 7}, "echo": 5}, {"type": "hb", "ts": T0, "seq": {}}):
        assert typed_codec.decode(ObjectEncoder().encode(beat)) == codec.decode(TextEncoder().encode(beat))
    (written, at), (unwritten, typed_at) = codec.heartbeat(1_234_000_000), typed_codec.heartbeat(1_234_000_000)
    assert (msgspec.json.decode(written), at) == (unwritten, typed_at)
