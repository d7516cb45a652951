"""The wire without its text: the channels of `links.py` with the frequent frames handed over as objects.

Owns what the JSON of such a frame would have said to its reader: order events, book changes, batches and their answers
on the order session, prices on the feed. Every other frame is the wire's own text, written and read by the real codecs.
The same frames travel in the same order, so the delays drawn for them are the same. It decides nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mmactors.backtest.environment import Environment
from mmactors.backtest.links import SOURCE, VirtualFeed, VirtualLink
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
    VenueReport,
)
from mmactors.simulator.feeds.binance import Ticker
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
from mmactors.venue.degen.codec import Codec
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


class ObjectEncoder:
    """The venue's voice: what happens to orders and books goes as it is, all else as text."""

    def account_event(self, event: OrderEvent | AccountEvent) -> Any:
        """Hand over one message of the `orders` channel."""
        return event

    def book_delta(self, market: Market, _now_ms: int, /) -> Any:
        """Hand over the levels changed since the last delta."""
        tick = market.tick
        changes: Any = tuple([(side, at * tick, size) for side, at, size in replies.take_changes(market)])
        return BookDelta(market.id, market.book_seq, changes)

    def encode(self, message: Json) -> Any:
        """Write any message of the contract; a heartbeat is handed over."""
        if message["type"] == "hb":
            return Heartbeat(
                Nanos(message["ts"] * MILLISECOND), message.get("echo") or None, message["seq"].get("orders")
            )
        return encode(message)


class ObjectCodec(Codec):
    """The client's codec for a venue that speaks through `ObjectEncoder`."""

    def batch(
        self,
        op_id: int,
        cancels: Sequence[CancelItem],
        replaces: Sequence[ReplaceItem],
        places: Sequence[PlaceItem],
    ) -> Any:
        """Return one frame for a ladder refresh."""
        return Batch(
            op_id,
            [item.order_id or f"c:{item.client_id}" for item in cancels],
            [(item.order_id, self._price_of(item), item.size) for item in replaces],
            [self._place_of(item) for item in places],
        )

    def heartbeat(self, now: Nanos) -> Any:
        """Return the heartbeat's frame and the time in it, ms, which the venue echoes."""
        now_ms = now // MILLISECOND
        return {"op": "hb", "ts": now_ms}, now_ms

    def decode(self, raw: Any) -> Frame:
        """Return what one frame says.

        Raises:
            WireError: it is text that cannot be read.
        """
        kind = type(raw)
        if kind is OrderEvent:
            order = self.order_of(raw.order)
            return OrderReported(raw.seq, raw.reason, order, None if raw.fill is None else self.fill_of(raw.fill))
        if kind is BookDelta or kind is Heartbeat:
            return raw  # type: ignore[no-any-return]
        if kind is BatchAck:
            answers = {action: tuple(map(self._answer, raw.answers[action])) for action in ACTIONS}
            return ItemsAcked(raw.op_id, answers)
        if kind is AccountEvent:
            return AccountReported(raw.seq, raw.reason, raw.position.market, Micros(raw.cash), *_held(raw))
        return super().decode(raw)

    def order_of(self, told: Order) -> VenueOrder:
        """Return an order of the venue's in the program's terms."""
        outcome, price = OUTCOMES[told.outcome], told.ticks * told.tick
        if told.side == "ask":
            self._remember_sale(told.id)
            outcome, price = outcome.opposite, DOLLAR - price
        return VenueOrder(
            told.id,
            told.client_order_id or "",
            told.market,
            outcome,
            Micros(price),
            Contracts(told.size),
            Contracts(told.filled),
            told.status,
            told.version,
        )

    def fill_of(self, told: Fill) -> VenueFill:
        """Return a fill of the venue's in the program's terms."""
        outcome, price = OUTCOMES[told.outcome], told.ticks * told.tick
        if told.order_id in self._sales:
            outcome, price = outcome.opposite, DOLLAR - price
        return VenueFill(
            told.fill_id,
            told.seq,
            told.order_id,
            told.client_order_id or "",
            told.market,
            outcome,
            Micros(price),
            Contracts(told.size),
            Micros(told.fee),
            told.maker,
            Nanos(told.ts * MILLISECOND),
            Contracts(told.filled_total),
        )

    def _place_of(self, item: PlaceItem) -> NewOrder:
        ask = self.wire_asks == "as_ask" and item.outcome is Outcome.NO
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

    def _answer(self, told: Order | bytes) -> ItemReply:
        if isinstance(told, bytes):
            return self._reply(msgspec.Raw(told))
        return ItemReply(self.order_of(told), None)


class ObjectLink(VirtualLink):
    """The gateway's link to a floor that speaks through `ObjectEncoder`.

    Args:
        stage: where the floor is.
        deliver: takes a report.
        deliver_last: takes the last report of a frame.
    """

    def __init__(self, environment: Environment, deliver: port.Deliver, deliver_last: port.Deliver) -> None:
        self._hearing = False
        self._reports: list[VenueReport] = []
        self._tell, self._tell_last = deliver, deliver_last
        super().__init__(environment, self._collect, ObjectCodec(environment.config.venue.wire_asks))

    def _collect(self, report: VenueReport) -> None:
        if self._hearing:
            self._reports.append(report)
        else:
            self._tell(report)

    def _reach_us(self, frame: Any) -> None:
        self._hearing = True
        super()._reach_us(frame)
        self._hearing = False
        reports = self._reports
        if reports:
            last = reports.pop()
            for report in reports:
                self._tell(report)
            reports.clear()
            self._tell_last(last)

    def _receive(self, frame: Any) -> None:
        account = self._socket.account
        if type(frame) is dict:
            self._socket.handle(frame)
        elif type(frame) is Batch and account is not None:
            session = self._socket.session
            name = None if session is None else session.name
            simulation = self._hub.simulation
            self._socket.put(trade(simulation.venue, account, frame, simulation.now_ms, name))
            self._hub.publish()
        else:
            super()._receive(frame)


def trade(venue: Venue, account: Account, batch: Batch, now_ms: int, session: str | None) -> BatchAck:
    """Apply a batch to the venue; return its answer."""
    answers: dict[Action, list[Order | bytes]] = {
        "cancel": [_answer(venue.cancel, account, key, now_ms) for key in batch.cancels],
        "replace": [_answer(venue.replace, account, *move, None, now_ms) for move in batch.replaces],
        "place": [_answer(_placed, venue, account, body, now_ms, session) for body in batch.places],
    }
    return BatchAck(batch.op_id, answers)


def _held(told: AccountEvent) -> tuple[Contracts | None, Contracts | None]:
    if told.reason != "merge":
        return None, None
    return Contracts(told.position.yes), Contracts(told.position.no)


def _placed(venue: Venue, account: Account, body: NewOrder, now_ms: int, session: str | None) -> Order:
    return venue.place(account, body, now_ms, session)[0]


def _answer(operate: Callable[..., Order], *args: Any) -> Order | bytes:
    try:
        return operate(*args).snapshot()
    except RefusalError as refusal:
        return msgspec.json.encode({"ok": False, "error": replies.error_json(refusal)})


class ObjectFeed(VirtualFeed):
    """The feed's socket, its prices unwritten."""

    def _send(self, asset: str, ticker: Ticker, now_ms: int) -> None:
        bid, ask = ticker.book()
        self._channel.send((asset, (bid + ask) / 2, None))
        for price in ticker.prints(now_ms):
            self._channel.send((asset, price, Nanos(now_ms * MILLISECOND)))

    def _arrive(self, told: Any) -> None:
        asset, price, event_ns = told
        kind = "book" if event_ns is None else "trade"
        self._deliver(SpotTicked(SOURCE, asset, price, kind, self._timeline.clock.now(), event_ns))  # type: ignore[arg-type]
