"""The wire of Degen Terminal, v1: requests become frames, frames and REST bodies become `messages` and `replies`.

With its shapes (`wire.py`) and the reading of markets (`markets.py`) it owns the venue's JSON. Prices and money cross
here between dollars and integer micro-dollars, times between milliseconds and nanoseconds. What cannot be read raises
`WireError` with a reason to count by. It must not know a socket or a clock; its one state is which of our orders the
venue booked as sales (the wire's literal asks, see `wire_asks`).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Raw

from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    CancelItem,
    Market,
    OrderReported,
    Outcome,
    PlaceItem,
    ReplaceItem,
    VenueError,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from mmactors.units import DOLLAR, MILLISECOND, Micros, Nanos
from mmactors.venue.degen import wire
from mmactors.venue.degen.markets import read_markets
from mmactors.venue.degen.replies import (
    ACTIONS,
    Acked,
    AuthAcked,
    BookDelta,
    BookSnapshot,
    CancelAllAcked,
    Frame,
    Heartbeat,
    ItemReply,
    ItemsAcked,
    MarketInvalid,
    MarketsListed,
    Notice,
    OpFailed,
    Skipped,
)

MAX_BATCH = 50
"""Items in one batch frame, over its three lists."""

LATER = frozenset({"RATE_LIMITED"})
REFUSED = frozenset(
    {"INVALID_REQUEST", "INVALID_TICK", "INVALID_PRICE", "INVALID_SIZE", "UNAUTHORIZED", "TOKEN_EXPIRED", "FORBIDDEN"}
    | {"SIGNATURE_INVALID", "MARKET_NOT_FOUND", "ORDER_NOT_FOUND", "DUPLICATE_CLIENT_ORDER_ID", "ORDER_NOT_OPEN"}
    | {"POST_ONLY_WOULD_CROSS", "INSUFFICIENT_FUNDS", "POSITION_LIMIT", "MARKET_CLOSED", "MARKET_HALTED"}
)
CREDENTIAL_CODES = frozenset({"UNAUTHORIZED", "TOKEN_EXPIRED", "FORBIDDEN", "SIGNATURE_INVALID"})
STATUSES = frozenset({"OPEN", "PARTIAL", "FILLED", "CANCELLED", "EXPIRED", "REJECTED"})
REMEMBERED_SALES = 10_000

UNREADABLE = VenueError("unknown", "UNREADABLE", "the venue's answer could not be read")


def kind_of(code: str, status: int | None = None) -> Literal["refused", "later", "unknown"]:
    """Return how to read an error: a definite no, a later yes, or nobody knows (whatever is not a known no)."""
    if code in LATER or status == 429:
        return "later"
    if code in REFUSED or (status is not None and 400 <= status < 500):
        return "refused"
    return "unknown"


F = TypeVar("F")
"""What goes over a connection: the bytes of a frame; where both ends share a process, also objects."""


class FrameCodec(ABC, Generic[F]):
    """What an order session writes and reads, in frames of type `F`. It must not know the connection."""

    @abstractmethod
    def auth(self, op_id: int, token: str, session: str, heartbeat_ms: int, cod_timeout_ms: int) -> F:
        """Return the frame that logs in and arms cancel-on-disconnect."""

    @abstractmethod
    def subscribe(self, op_id: int, channel: str, market: str | None = None) -> F:
        """Return the frame that subscribes, or asks for a fresh snapshot."""

    @abstractmethod
    def heartbeat(self, now: Nanos) -> tuple[F, int]:
        """Return the heartbeat's frame and the time in it, ms, which the venue echoes."""

    @abstractmethod
    def logout(self) -> F:
        """Return the frame that ends the session; the venue cancels its orders."""

    @abstractmethod
    def cancel_all(self, op_id: int, market: str | None) -> F:
        """Return the frame that cancels everything of a market or of the account."""

    @abstractmethod
    def batch(
        self,
        op_id: int,
        cancels: Sequence[CancelItem],
        replaces: Sequence[ReplaceItem],
        places: Sequence[PlaceItem],
    ) -> F:
        """Return one frame for a ladder refresh, at most `MAX_BATCH` items."""

    @abstractmethod
    def single(self, op_id: int, item: CancelItem | ReplaceItem | PlaceItem) -> F:
        """Return one item as an operation of its own, for a venue without batches."""

    @abstractmethod
    def decode(self, raw: F) -> Frame:
        """Return a received frame, read.

        Raises:
            WireError: it cannot be read, or its type is unknown.
        """


class Codec(FrameCodec[bytes]):
    """The wire's JSON. `wire_asks`: a buy of NO at q leaves as an ask of YES; `sales`: the ids of orders booked so."""

    def __init__(self, wire_asks: Literal["buy_no", "as_ask"] = "buy_no") -> None:
        self.wire_asks = wire_asks
        self.sales: dict[str, None] = {}

    # --- outgoing ---------------------------------------------------------------------------------

    def auth(self, op_id: int, token: str, session: str, heartbeat_ms: int, cod_timeout_ms: int) -> bytes:
        return _encode(
            id=op_id,
            op="auth",
            token=token,
            session=session,
            cancel_on_disconnect=True,
            heartbeat_ms=heartbeat_ms,
            cod_timeout_ms=cod_timeout_ms,
        )

    def wallet_login(self, address: str, message: str, signature: str) -> bytes:
        """Return the body of `POST /auth`."""
        return _encode(address=address, message=message, signature=signature)

    def subscribe(self, op_id: int, channel: str, market: str | None = None) -> bytes:
        if market is None:
            return _encode(id=op_id, op="subscribe", channel=channel)
        return _encode(id=op_id, op="subscribe", channel=channel, market=market)

    def heartbeat(self, now: Nanos) -> tuple[bytes, int]:
        now_ms = now // MILLISECOND
        return _encode(op="hb", ts=now_ms), now_ms

    def logout(self) -> bytes:
        return _encode(op="logout")

    def cancel_all(self, op_id: int, market: str | None) -> bytes:
        if market is None:
            return _encode(id=op_id, op="cancel_all")
        return _encode(id=op_id, op="cancel_all", market=market)

    def batch(
        self,
        op_id: int,
        cancels: Sequence[CancelItem],
        replaces: Sequence[ReplaceItem],
        places: Sequence[PlaceItem],
    ) -> bytes:
        return _encode(
            id=op_id,
            op="batch",
            cancel=[self._item(item) for item in cancels],
            replace=[self._item(item) for item in replaces],
            place=[self._item(item) for item in places],
        )

    def single(self, op_id: int, item: CancelItem | ReplaceItem | PlaceItem) -> bytes:
        if isinstance(item, PlaceItem):
            return _encode(id=op_id, op="place", order=self._item(item))
        op = "cancel" if isinstance(item, CancelItem) else "replace"
        return _encode(id=op_id, op=op, **self._item(item))

    def rest_item(self, item: ReplaceItem | PlaceItem) -> bytes:
        """Return the body of `POST /orders` or `PATCH /orders/:id`."""
        body = self._item(item)
        body.pop("order_id", None)
        return _encode(**body)

    def merge(self, market: str, size: int) -> bytes:
        """Return the body of `POST /positions/merge`."""
        return _encode(market=market, size=size)

    def keep_alive(self, ttl_ms: int) -> bytes:
        """Return the body of `POST /heartbeat`."""
        return _encode(ttl_ms=ttl_ms)

    def _item(self, item: CancelItem | ReplaceItem | PlaceItem) -> dict[str, Any]:
        match item:
            case CancelItem(client_id, None):
                return {"client_order_id": client_id}
            case CancelItem(_, order_id):
                return {"order_id": order_id}
            case ReplaceItem():
                price = DOLLAR - item.price_micros if item.order_id in self.sales else item.price_micros
                return {"order_id": item.order_id, "price": price / DOLLAR, "size": item.size}
        ask = self.wire_asks == "as_ask" and item.outcome is Outcome.NO
        return {
            "market": item.market,
            "side": "ask" if ask else "bid",
            "outcome": "YES" if ask else item.outcome.value,
            "price": (DOLLAR - item.price_micros if ask else item.price_micros) / DOLLAR,
            "size": item.size,
            "client_order_id": item.client_id,
            "post_only": item.post_only,
            "tif": "IOC" if item.immediate else "GTC",
        }

    # --- incoming: WebSocket ----------------------------------------------------------------------

    def decode(self, raw: bytes) -> Frame:
        head = wire.read(raw, wire.Head)
        if head.type == "ack":
            return self._ack(raw, head.op)
        reader = _READERS.get((head.type, head.channel)) or _READERS.get((head.type, ""))
        if reader is None:
            raise wire.WireError("unknown_type", f"{head.type} {head.channel}".strip()[:60])
        return reader(self, raw)

    def _ack(self, raw: bytes, op: str) -> Frame:
        ack = wire.read(raw, wire.Ack)
        if ack.id is None:  # of an operation sent without one, such as the logout
            return Skipped("ack")
        if op == "auth":
            auth = wire.read(bytes(ack.result), wire.Auth)
            return AuthAcked(
                op_id=ack.id,
                account=auth.account,
                session=auth.session,
                expires_venue_ns=wire.ns_of(auth.expires_at) if auth.expires_at else None,
                server_ns=wire.ns_of(auth.server_time) if auth.server_time else None,
                capabilities=frozenset(auth.capabilities),
                orders_per_s=wire.finite(auth.limits.orders_per_s),
                burst=wire.finite(auth.limits.burst),
            )
        if op == "cancel_all":
            return CancelAllAcked(ack.id, tuple(wire.read(bytes(ack.result), wire.Cancelled).cancelled))
        if op == "batch":
            results = {action: [bytes(raw) for raw in ack.results.get(action, [])] for action in ACTIONS}
            return ItemsAcked(ack.id, {action: tuple(map(self.read_item, raws)) for action, raws in results.items()})
        for action in ACTIONS:
            if op == action:
                return ItemsAcked(ack.id, {action: (ItemReply(self._order_or_none(ack.order), None),)})
        return Acked(ack.id, op)

    def read_item(self, raw: bytes) -> ItemReply:
        """Read what became of one item of a batch; one that cannot be read says nothing of its neighbours."""
        try:
            item = wire.read(raw, wire.Item)
            if not item.ok or item.error is not None:
                return ItemReply(*self._refusal(item.error if item.error is not None else wire.Error()))
            return ItemReply(self._order(wire.read(bytes(item.order), wire.Order)), None)
        except wire.WireError:
            return ItemReply(None, UNREADABLE)

    def _refusal(self, error: wire.Error, status: int | None = None) -> tuple[VenueOrder | None, VenueError, bool]:
        try:
            data = (
                wire.read(bytes(error.data), wire.ErrorData)
                if bytes(error.data) not in (b"", b"null")
                else wire.ErrorData()
            )
            order = self._order_or_none(data.order)
        except wire.WireError:
            data, order = wire.ErrorData(), None
        retry_ms = error.retry_after_ms or 0.0
        retry_ms = min(max(retry_ms, 0.0), 3.6e6) if math.isfinite(retry_ms) else 0.0
        refusal = VenueError(kind_of(error.code, status), error.code[:60], error.message[:300], math.ceil(retry_ms))
        return order, refusal, (data.original_status or "").upper() == "CANCELLED"

    def _failed(self, raw: bytes) -> Frame:
        failure = wire.read(raw, wire.Failure)
        order, error, cancelled = self._refusal(failure.error)
        return OpFailed(failure.id, failure.op, error, order, cancelled)

    def _orders_snapshot(self, raw: bytes) -> Frame:
        snapshot = wire.read(raw, wire.OrdersSnapshot)
        return AccountSnapshot(
            snapshot.seq,
            tuple(self._order(order) for order in snapshot.orders),
            tuple(_position(position) for position in snapshot.positions),
            wire.money(snapshot.balance.cash, math.floor),
            wire.money(snapshot.balance.reserved, math.ceil),
        )

    def _order_event(self, raw: bytes) -> Frame:
        event = wire.read(raw, wire.OrderEvent)
        has_fill = bytes(event.fill) not in (b"", b"null", b"{}")
        if event.reason == "fill" and not has_fill:
            raise wire.WireError("missing_field", "fill")
        order = self._order(event.order)
        fill = self._fill(wire.read(bytes(event.fill), wire.Fill)) if has_fill else None
        return OrderReported(event.seq, event.reason, order, fill)

    def _account_event(self, raw: bytes) -> Frame:
        event = wire.read(raw, wire.AccountEvent)
        cash = wire.money(event.balance.cash, math.floor)
        if event.reason != "merge" or bytes(event.position) in (b"", b"null", b"{}"):
            return AccountReported(event.seq, event.reason, event.market, cash)
        held = _position(wire.read(bytes(event.position), wire.Position))
        return AccountReported(event.seq, event.reason, held.market, cash, held.yes, held.no)

    def _book(self, raw: bytes) -> Frame:
        book = wire.read(raw, wire.Book)
        bids = tuple((wire.price_of(price), wire.size_of(size)) for price, size in book.bids)
        asks = tuple((wire.price_of(price), wire.size_of(size)) for price, size in book.asks)
        return BookSnapshot(book.market, book.seq, bids, asks)

    def _delta(self, raw: bytes) -> Frame:
        delta = wire.read(raw, wire.Delta)
        return BookDelta(
            delta.market, delta.seq, tuple((s, wire.price_of(p), wire.size_of(n)) for s, p, n in delta.changes)
        )

    def _markets_snapshot(self, raw: bytes) -> Frame:
        snapshot = wire.read(raw, wire.MarketsSnapshot)
        return MarketsListed(snapshot.seq, "snapshot", *read_markets(snapshot.markets))

    def _market_event(self, raw: bytes) -> Frame:
        event = wire.read(raw, wire.MarketEvent)
        return MarketsListed(event.seq, event.event, *read_markets([event.market]))

    def _heartbeat(self, raw: bytes) -> Frame:
        beat = wire.read(raw, wire.Heartbeat)
        return Heartbeat(wire.ns_of(beat.ts), beat.echo or None, beat.seq.orders)

    def _notice(self, raw: bytes) -> Frame:
        notice = wire.read(raw, wire.Notice)
        return Notice(notice.code[:60], notice.message[:300])

    def _skipped(self, raw: bytes) -> Frame:
        return Skipped(wire.read(raw, wire.Head).type)

    # --- incoming: REST ---------------------------------------------------------------------------

    def orders(self, body: bytes) -> tuple[VenueOrder, ...]:
        """Read `GET /orders`. Raises WireError."""
        return tuple(self._order(order) for order in wire.read(body, wire.OrdersPage).orders)

    def fills(self, body: bytes) -> tuple[tuple[VenueFill, ...], int | None]:
        """Read a page of `GET /fills`: the fills and where the next page starts. Raises WireError."""
        page = wire.read(body, wire.FillsPage)
        return tuple(self._fill(fill) for fill in page.fills), page.next

    def positions(self, body: bytes) -> tuple[VenuePosition, ...]:
        """Read `GET /positions`. Raises WireError."""
        return tuple(_position(position) for position in wire.read(body, wire.PositionsPage).positions)

    def balance(self, body: bytes) -> tuple[Micros, Micros]:
        """Read `GET /balance`: cash and what of it is reserved. Raises WireError."""
        balance = wire.read(body, wire.Balance)
        return wire.money(balance.cash, math.floor), wire.money(balance.reserved, math.ceil)

    def markets(self, body: bytes) -> tuple[tuple[Market, ...], tuple[MarketInvalid, ...]]:
        """Read `GET /markets`: the good markets and the others. Raises WireError."""
        return read_markets(wire.read(body, wire.MarketsPage).markets)

    def cancelled(self, body: bytes) -> tuple[str, ...]:
        """Read `DELETE /orders`: the ids. Raises WireError."""
        return tuple(wire.read(body, wire.Cancelled).cancelled)

    def login_message(self, body: bytes) -> str:
        """Read `GET /auth/message`: what the wallet is to sign. Raises WireError."""
        return wire.read(body, wire.LoginMessage).message

    def token(self, body: bytes) -> str:
        """Read `POST /auth`. Raises WireError."""
        return wire.read(body, wire.Login).token

    def server_time(self, body: bytes) -> Nanos:
        """Read `GET /time`. Raises WireError."""
        return wire.ns_of(wire.read(body, wire.Time).server_time)

    def refusal(self, status: int, body: bytes) -> VenueError:
        """Read the body of an HTTP error; unreadable ones are judged by the status alone."""
        try:
            return self._refusal(wire.read(body, wire.RefusalError).error, status)[1]
        except wire.WireError:
            return VenueError(kind_of("", status), f"HTTP_{status}", "")

    def rest_order(self, body: bytes) -> ItemReply:
        """Read the answer about one order; what cannot be read is unknown."""
        try:
            return ItemReply(self._order(wire.read(body, wire.Order)), None)
        except wire.WireError:
            return ItemReply(None, UNREADABLE)

    def rest_refusal(self, status: int | None, body: bytes) -> ItemReply:
        """Read a refusal with the order that it tells of, if any."""
        try:
            return ItemReply(*self._refusal(wire.read(body, wire.RefusalError).error, status))
        except wire.WireError:
            return ItemReply(None, self.refusal(status or 0, body))

    # --- orders and fills -------------------------------------------------------------------------

    def _order_or_none(self, raw: Raw) -> VenueOrder | None:
        return self._order(wire.read(bytes(raw), wire.Order)) if bytes(raw) not in (b"", b"null", b"{}") else None

    def _order(self, order: wire.Order) -> VenueOrder:
        outcome, price, status = wire.outcome_of(order.outcome), wire.price_of(order.price), order.status.upper()
        side = order.side.lower()
        if side not in ("bid", "ask") or status not in STATUSES:
            raise wire.WireError("wrong_value", f"side {order.side!r}, status {order.status!r}"[:80])
        if side == "ask":  # the venue sells what we hold; to us that is a buy of the other outcome
            self.remember_sale(order.id)
            outcome, price = outcome.opposite, Micros(DOLLAR - price)
        return VenueOrder(
            order_id=order.id,
            client_id=order.client_order_id or "",
            market=order.market,
            outcome=outcome,
            price_micros=price,
            size=wire.size_of(order.size),
            filled=wire.size_of(order.filled),
            status=status,  # type: ignore[arg-type]
            version=order.version,
        )

    def remember_sale(self, order_id: str) -> None:
        """Note an order that the venue booked as a sale, until 10,000 later ones."""
        self.sales[order_id] = None
        if len(self.sales) > REMEMBERED_SALES:
            del self.sales[next(iter(self.sales))]

    def _fill(self, fill: wire.Fill) -> VenueFill:
        outcome, price = wire.outcome_of(fill.outcome), wire.price_of(fill.price)
        if fill.order_id in self.sales:
            outcome, price = outcome.opposite, Micros(DOLLAR - price)
        size = wire.size_of(fill.size)
        if size == 0:
            raise wire.WireError("wrong_value", "a fill of nothing")
        return VenueFill(
            fill_id=fill.fill_id,
            seq=fill.seq,
            order_id=fill.order_id,
            client_id=fill.client_order_id or "",
            market=fill.market,
            outcome=outcome,
            price_micros=price,
            size=size,
            fee_micros=wire.money(fill.fee, math.ceil),
            maker=fill.liquidity.lower() == "maker",
            venue_ns=wire.ns_of(fill.ts),
            filled_total=wire.size_of(fill.filled_total),
        )


_READERS: dict[tuple[str, str], Callable[[Codec, bytes], Frame]] = {
    ("error", ""): Codec._failed,
    ("snapshot", "orders"): Codec._orders_snapshot,
    ("order", ""): Codec._order_event,
    ("account", ""): Codec._account_event,
    ("snapshot", "orderbook"): Codec._book,
    ("delta", ""): Codec._delta,
    ("snapshot", "markets"): Codec._markets_snapshot,
    ("market", ""): Codec._market_event,
    ("hb", ""): Codec._heartbeat,
    ("notice", ""): Codec._notice,
    ("trade", ""): Codec._skipped,
}
"""How frames are read, by `type` and `channel`."""


def _position(position: wire.Position) -> VenuePosition:
    costs = wire.money(position.yes_cost, math.ceil), wire.money(position.no_cost, math.ceil)
    return VenuePosition(position.market, wire.size_of(position.yes), wire.size_of(position.no), *costs)


def _encode(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)
