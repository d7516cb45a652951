"""A tiny venue for the core's tests: the contract's order rules for one account, with every queue in the test's hand.

It knows what really rests. Acknowledgements, the user stream and REST answers wait in queues of their own, each in
order, until the test delivers them; requests are applied when the test says so.
"""

from collections import deque
from dataclasses import dataclass, field

from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    BatchReported,
    CancelAllReported,
    CancelItem,
    FetchFills,
    FetchMarkets,
    FetchOrder,
    FillsFetched,
    ItemResult,
    MergePairs,
    OrderFetched,
    OrderReported,
    Outcome,
    PlaceItem,
    ReplaceItem,
    SendBatch,
    SendCancelAll,
    VenueError,
    VenueFill,
    VenueOrder,
    VenuePosition,
    WatchBook,
)
from mmactors.units import Contracts, Micros, Nanos

ALIVE = ("OPEN", "PARTIAL")


@dataclass
class Order:
    order_id: str
    client_id: str
    market: str
    outcome: Outcome
    price: int
    size: int
    filled: int = 0
    status: str = "OPEN"
    version: int = 1

    @property
    def left(self) -> int:
        return self.size - self.filled if self.status in ALIVE else 0

    def told(self) -> VenueOrder:
        return VenueOrder(
            self.order_id,
            self.client_id,
            self.market,
            self.outcome,
            Micros(self.price),
            Contracts(self.size),
            Contracts(self.filled),
            self.status,
            self.version,
        )


@dataclass
class VenueModel:
    cash: int = 1_000_000_000_000
    seq: int = 100
    orders: dict[str, Order] = field(default_factory=dict)
    fills: list[VenueFill] = field(default_factory=list)
    held: dict[tuple[str, Outcome], int] = field(default_factory=dict)
    acks: deque = field(default_factory=deque)
    stream: deque = field(default_factory=deque)
    rest: deque = field(default_factory=deque)
    refusals: deque = field(default_factory=deque)  # (action, VenueError, original_cancelled), taken when it fits
    received: list = field(default_factory=list)

    # --- the truth --------------------------------------------------------------------------------

    def live(self, outcome: Outcome | None = None, market: str | None = None) -> list[Order]:
        return [
            o
            for o in self.orders.values()
            if o.left and (outcome is None or o.outcome is outcome) and (market is None or o.market == market)
        ]

    def of(self, client_id: str) -> Order | None:
        return next((o for o in self.orders.values() if o.client_id == client_id), None)

    def net(self, market: str) -> int:
        return self.held.get((market, Outcome.YES), 0) - self.held.get((market, Outcome.NO), 0)

    def snapshot(self) -> AccountSnapshot:
        markets = sorted({market for market, _ in self.held})
        positions = tuple(
            VenuePosition(
                m,
                Contracts(self.held.get((m, Outcome.YES), 0)),
                Contracts(self.held.get((m, Outcome.NO), 0)),
                Micros(sum(f.price_micros * f.size for f in self.fills if (f.market, f.outcome) == (m, Outcome.YES))),
                Micros(sum(f.price_micros * f.size for f in self.fills if (f.market, f.outcome) == (m, Outcome.NO))),
            )
            for m in markets
        )
        return AccountSnapshot(self.seq, tuple(o.told() for o in self.live()), positions, Micros(self.cash), Micros(0))

    # --- what happens -----------------------------------------------------------------------------

    def fill(self, order: Order, size: int, fee: int = 0) -> VenueFill:
        size = min(size, order.left)
        order.filled += size
        order.status = "FILLED" if order.filled == order.size else "PARTIAL"
        fill = VenueFill(
            f"f{len(self.fills) + 1}",
            self.seq + 1,
            order.order_id,
            order.client_id,
            order.market,
            order.outcome,
            Micros(order.price),
            Contracts(size),
            Micros(fee),
            True,
            Nanos(0),
            Contracts(order.filled),
        )
        self.fills.append(fill)
        self.cash -= order.price * size + fee
        self.held[order.market, order.outcome] = self.held.get((order.market, order.outcome), 0) + size
        self.say("fill", order, fill)
        return fill

    def merge(self, market: str, pairs: int) -> None:
        for outcome in Outcome:
            self.held[market, outcome] -= pairs
        self.cash += pairs * 1_000_000
        self.seq += 1
        held = (Contracts(self.held[market, outcome]) for outcome in Outcome)
        self.stream.append(AccountReported(self.seq, "merge", market, Micros(self.cash), *held))

    def end(self, order: Order, reason: str = "cancel") -> None:
        order.status = "CANCELLED"
        self.say(reason, order)

    def foreign(self, client_id: str, market: str, size: int = 10, price: int = 400_000) -> Order:
        order = Order(f"o{len(self.orders) + 1}", client_id, market, Outcome.YES, price, size)
        self.orders[order.order_id] = order
        self.say("new", order)
        return order

    def say(self, reason: str, order: Order, fill: VenueFill | None = None) -> None:
        self.seq += 1
        self.stream.append(OrderReported(self.seq, reason, order.told(), fill))

    def take(self, request: object, *, answer: bool = True) -> None:
        """Apply a request; with `answer` false its acknowledgement is lost."""
        self.received.append(request)
        match request:
            case SendBatch():
                items = (*request.cancels, *request.replaces, *request.places)
                results = tuple(self._item(item) for item in items)
                if answer:
                    self.acks.append(BatchReported(request.op_id, results, Nanos(0)))
            case SendCancelAll():
                gone = tuple(o.order_id for o in self.live(market=request.market))
                for order_id in gone:
                    self.end(self.orders[order_id])
                if answer:
                    self.acks.append(CancelAllReported(request.op_id, gone, None))
            case FetchFills() if answer:
                fills = tuple(f for f in self.fills if f.seq > request.since_seq)
                self.rest.append(FillsFetched(request.since_seq, fills))
            case FetchOrder() if answer:
                order = self.of(request.client_id)
                self.rest.append(OrderFetched(request.client_id, order.told() if order is not None else None))
            case MergePairs() if answer:
                self.merge(request.market, request.size)
            case MergePairs() | WatchBook() | FetchFills() | FetchOrder() | FetchMarkets():
                pass
            case _:
                raise AssertionError(f"unexpected {request}")

    def _item(self, item: CancelItem | ReplaceItem | PlaceItem) -> ItemResult:
        action = {CancelItem: "cancel", ReplaceItem: "replace", PlaceItem: "place"}[type(item)]
        if self.refusals and self.refusals[0][0] == action:
            _, error, original_cancelled = self.refusals.popleft()
            order = self.of(item.client_id)
            if original_cancelled and order is not None and order.left:
                self.end(order, "replace")
            told = order.told() if original_cancelled and order is not None else None
            return ItemResult(action, item.client_id, told, error, original_cancelled)
        if isinstance(item, PlaceItem):
            order = Order(
                f"o{len(self.orders) + 1}", item.client_id, item.market, item.outcome, item.price_micros, item.size
            )
            self.orders[order.order_id] = order
            self.say("new", order)
            if item.immediate:
                self.end(order)
            return ItemResult(action, item.client_id, order.told(), None)
        order = self.orders.get(item.order_id or "") or self.of(item.client_id)
        if order is None:
            return ItemResult(action, item.client_id, None, VenueError("refused", "ORDER_NOT_FOUND", ""))
        if order.status not in ALIVE:
            return ItemResult(action, item.client_id, order.told(), VenueError("refused", "ORDER_NOT_OPEN", ""))
        if isinstance(item, CancelItem):
            self.end(order)
        else:
            order.version += 1
            order.price, order.size = item.price_micros, item.size
            if order.size <= order.filled:
                self.end(order)
            else:
                self.say("replace", order)
        return ItemResult(action, item.client_id, order.told(), None)
