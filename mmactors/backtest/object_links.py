"""The wire without its text: the channels of `links.py` with the frequent frames handed over as objects.

Owns what the reader of such a frame's JSON would have got: order events, book changes, batches and their answers
on the order session, prices on the feed. Every other frame is the wire's own text, written and read by the real codecs.
The same frames travel in the same order, so the delays drawn for them are the same. It decides nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from mmactors.backtest.environment import Environment
from mmactors.backtest.links import Deliver, SessionLink, VirtualFeed
from mmactors.messages import (
    AccountReported,
    CancelItem,
    OrderReported,
    Outcome,
    PlaceItem,
    ReplaceItem,
    SpotTicked,
    VenueFill,
    VenueOrder,
)
from mmactors.simulator.server.encoder import encode
from mmactors.simulator.venue import replies
from mmactors.simulator.venue.engine import Venue
from mmactors.simulator.venue.ledger import Account, AccountEvent, Fill, NewOrder, Order, OrderEvent
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.matching import RefusalError
from mmactors.simulator.venue.replies import Json
from mmactors.units import DOLLAR, MILLISECOND, Contracts, Micros, Nanos
from mmactors.value import value
from mmactors.venue import port
from mmactors.venue.degen.codec import Codec, FrameCodec
from mmactors.venue.degen.replies import ACTIONS, Action, BookDelta, Frame, Heartbeat, ItemReply, ItemsAcked

OUTCOMES = {"YES": Outcome.YES, "NO": Outcome.NO}


@value
class Batch:
    """A batch on its way to the venue: keys; keys, prices and sizes; new orders."""

    op_id: int
    cancels: list[str]
    replaces: list[tuple[str, int, int]]
    places: list[NewOrder]


@value
class BatchAck:
    """Its answer on the way back: each item's order as it stood then, or the JSON of its refusal."""

    op_id: int
    answers: dict[Action, list[Order | bytes]]


ObjectFrame = OrderEvent | BookDelta | BatchAck | AccountEvent | Heartbeat | Batch | Json | bytes | str
"""A frame as it travels here: objects both ways; ours are text as bytes, the venue's as str."""


class ObjectEncoder:
    """The venue's encoder: what happens to orders and books goes as it is, all else as text."""

    def account_event(self, event: OrderEvent | AccountEvent) -> OrderEvent | AccountEvent:
        """Hand over one message of the `orders` channel."""
        return event

    def book_delta(self, market: Market, _now_ms: int, /) -> BookDelta:
        """Hand over the levels changed since the last delta."""
        tick = market.tick
        changes: Any = tuple([(side, at * tick, size) for side, at, size in replies.take_changes(market)])
        return BookDelta(market.id, market.book_seq, changes)

    def encode(self, message: Json) -> Heartbeat | str:
        """Write any message of the contract; a heartbeat is handed over."""
        if message["type"] == "hb":
            return Heartbeat(
                Nanos(message["ts"] * MILLISECOND), message.get("echo") or None, message["seq"].get("orders")
            )
        return encode(message)


class ObjectCodec(FrameCodec[ObjectFrame]):
    """The client's codec for a venue that writes with `ObjectEncoder`; rare frames are the wire's own."""

    def __init__(self, wire_asks: Literal["buy_no", "as_ask"] = "buy_no") -> None:
        self._wire = Codec(wire_asks)
        self._sales = self._wire.sales
        self._asks = wire_asks == "as_ask"

    def auth(self, op_id: int, token: str, session: str, heartbeat_ms: int, cod_timeout_ms: int) -> bytes:
        return self._wire.auth(op_id, token, session, heartbeat_ms, cod_timeout_ms)

    def subscribe(self, op_id: int, channel: str, market: str | None = None) -> bytes:
        return self._wire.subscribe(op_id, channel, market)

    def logout(self) -> bytes:
        return self._wire.logout()

    def cancel_all(self, op_id: int, market: str | None) -> bytes:
        return self._wire.cancel_all(op_id, market)

    def single(self, op_id: int, item: CancelItem | ReplaceItem | PlaceItem) -> bytes:
        return self._wire.single(op_id, item)

    def batch(
        self,
        op_id: int,
        cancels: Sequence[CancelItem],
        replaces: Sequence[ReplaceItem],
        places: Sequence[PlaceItem],
    ) -> Batch:
        return Batch(
            op_id,
            [item.order_id or f"c:{item.client_id}" for item in cancels],
            [(item.order_id, self._price_of(item), item.size) for item in replaces],
            [self._place_of(item) for item in places],
        )

    def heartbeat(self, now: Nanos) -> tuple[Json, int]:
        now_ms = now // MILLISECOND
        return {"op": "hb", "ts": now_ms}, now_ms

    def decode(self, raw: ObjectFrame) -> Frame:
        if isinstance(raw, OrderEvent):
            order = self.order_of(raw.order)
            return OrderReported(raw.seq, raw.reason, order, None if raw.fill is None else self.fill_of(raw.fill))
        if isinstance(raw, BookDelta):
            return raw
        if isinstance(raw, BatchAck):
            return ItemsAcked(raw.op_id, {action: tuple(map(self._reply, raw.answers[action])) for action in ACTIONS})
        if isinstance(raw, AccountEvent):
            return AccountReported(raw.seq, raw.reason, raw.position.market, Micros(raw.cash), *_held(raw))
        if isinstance(raw, Heartbeat):
            return raw
        if isinstance(raw, str):
            return self._wire.decode(raw.encode())
        raise TypeError(f"{type(raw).__name__} is no frame of the venue's")

    def order_of(self, order: Order) -> VenueOrder:
        """Return an order of the venue's in the program's terms."""
        outcome, price = OUTCOMES[order.outcome], order.ticks * order.tick
        if order.side == "ask":
            self._wire.remember_sale(order.id)
            outcome, price = outcome.opposite, DOLLAR - price
        return VenueOrder(
            order.id,
            order.client_order_id or "",
            order.market,
            outcome,
            Micros(price),
            Contracts(order.size),
            Contracts(order.filled),
            order.status,
            order.version,
        )

    def fill_of(self, fill: Fill) -> VenueFill:
        """Return a fill of the venue's in the program's terms."""
        outcome, price = OUTCOMES[fill.outcome], fill.ticks * fill.tick
        if fill.order_id in self._sales:
            outcome, price = outcome.opposite, DOLLAR - price
        return VenueFill(
            fill.fill_id,
            fill.seq,
            fill.order_id,
            fill.client_order_id or "",
            fill.market,
            outcome,
            Micros(price),
            Contracts(fill.size),
            Micros(fill.fee),
            fill.maker,
            Nanos(fill.ts * MILLISECOND),
            Contracts(fill.filled_total),
        )

    def _place_of(self, item: PlaceItem) -> NewOrder:
        ask = self._asks and item.outcome is Outcome.NO
        return NewOrder(
            item.market,
            "ask" if ask else "bid",
            "YES" if ask else item.outcome.value,
            DOLLAR - item.price_micros if ask else item.price_micros,
            item.size,
            item.client_id,
            item.post_only,
            item.immediate,
        )

    def _price_of(self, item: ReplaceItem) -> int:
        return DOLLAR - item.price_micros if item.order_id in self._sales else item.price_micros

    def _reply(self, answer: Order | bytes) -> ItemReply:
        return self._wire.read_item(answer) if isinstance(answer, bytes) else ItemReply(self.order_of(answer), None)


class ObjectLink(SessionLink[ObjectFrame]):
    """The link to a hub that writes with `ObjectEncoder`."""

    def __init__(self, environment: Environment, deliver: port.Deliver) -> None:
        super().__init__(environment, deliver, ObjectCodec(environment.config.venue.wire_asks))

    def _put(self, frame: ObjectFrame) -> None:
        self._in.send(frame)

    def _reach_socket(self, frame: ObjectFrame) -> None:
        if isinstance(frame, dict):
            self._socket.handle(frame)
        elif isinstance(frame, bytes):
            self._socket.receive(frame)
        elif isinstance(frame, Batch):
            account, session = self._socket.account, self._socket.session
            assert account is not None
            name = None if session is None else session.name
            simulation = self._hub.simulation
            self._socket.put(trade(simulation.venue, account, frame, simulation.now_ms, name))
            self._hub.publish()


def trade(venue: Venue, account: Account, batch: Batch, now_ms: int, session: str | None) -> BatchAck:
    """Apply a batch to the venue; return its answer."""
    answers: dict[Action, list[Order | bytes]] = {
        "cancel": [_answer(venue.cancel, account, key, now_ms) for key in batch.cancels],
        "replace": [_answer(venue.replace, account, *move, None, now_ms) for move in batch.replaces],
        "place": [_answer(_placed, venue, account, body, now_ms, session) for body in batch.places],
    }
    return BatchAck(batch.op_id, answers)


def _held(event: AccountEvent) -> tuple[Contracts | None, Contracts | None]:
    if event.reason != "merge":
        return None, None
    return Contracts(event.position.yes), Contracts(event.position.no)


def _placed(venue: Venue, account: Account, body: NewOrder, now_ms: int, session: str | None) -> Order:
    return venue.place(account, body, now_ms, session)[0]


def _answer(operate: Callable[..., Order], *args: Any) -> Order | bytes:
    try:
        return operate(*args).snapshot()
    except RefusalError as refusal:
        return msgspec.json.encode({"ok": False, "error": replies.error_json(refusal)})


class ObjectFeed(VirtualFeed):
    """A price source's socket, its prices unwritten."""

    def __init__(self, environment: Environment, source: str, deliver: Deliver) -> None:
        super().__init__(environment, source, deliver)
        self._unwritten = self._frames.unwritten()

    def _publish(self, now_ms: int) -> None:
        send, event_ns = self._channel.send, Nanos(now_ms * MILLISECOND)
        for asset, prices in self._unwritten.items():
            self._note(asset, now_ms)
            bid, ask = prices.book()
            send((asset, (bid + ask) / 2, None))
            for price in prices.prints(now_ms):
                send((asset, price, event_ns))

    def _arrive(self, tick: Any) -> None:
        asset, price, event_ns = tick
        kind = "book" if event_ns is None else "trade"
        self._deliver(SpotTicked(self.source, asset, price, kind, self._timeline.clock.now(), event_ns))  # type: ignore[arg-type]
