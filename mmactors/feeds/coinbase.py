"""Coinbase Exchange: what is subscribed to, what each frame of the subscription means, and its candles of 1 min.

Owns the exchange's JSON and the order of its sequences. Knows no socket and no clock: when a frame was received is an
argument, and a bad frame is an answer (`Dropped`), never an exception. On these channels `sequence` jumps normally and
a trade's `match` and `ticker` share one, so it orders each channel by itself; `trade_id` is contiguous and shows gaps.
A heartbeat names the last trade: it is a sign of life unless that trade never came, or came unreadable.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from mmactors.feeds.frames import (
    FUTURE_NS,
    MAX_BYTES,
    UNREADABLE,
    BadFrameError,
    Dropped,
    Ignored,
    Parsed,
    Refused,
    SequenceGuard,
    by_symbol,
    price_of,
    reason_of,
)
from mmactors.feeds.source import Ask, History, PriceSource
from mmactors.messages import FeedLived, SpotTicked
from mmactors.units import SECOND, Nanos

CHANNELS = ("ticker", "matches", "heartbeat")

PASSED_OVER = {"subscriptions", "last_match", "snapshot", "l2update", "status", "auction"} | {
    "received",
    "open",
    "done",
    "change",
    "activate",
}
"""Frames that are known and of no use here; `last_match` is a trade from before we listened."""

LONGEST_REASON = 200
"""How much of the exchange's own words is repeated."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def subscription(products: Iterable[str]) -> bytes:
    """Return the message that must be sent within 5 s of connecting."""
    return msgspec.json.encode({"type": "subscribe", "product_ids": list(products), "channels": CHANNELS})


def candles(ask: Ask, symbol: str, since_ns: Nanos, now_ns: Nanos) -> list[Any]:
    """Return the candles of a span, at most 300."""
    query = {"granularity": 60, "start": since_ns // SECOND, "end": now_ns // SECOND}
    return ask(f"/products/{symbol.upper()}/candles", query)


class _Frame(Struct):
    """Every field we read of any frame."""

    type: str | UnsetType = UNSET
    product_id: str | UnsetType = UNSET
    sequence: int | UnsetType = UNSET
    trade_id: int | UnsetType = UNSET
    last_trade_id: int | UnsetType = UNSET
    time: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET
    price: str | UnsetType = UNSET
    best_bid: str | UnsetType = UNSET
    best_ask: str | UnsetType = UNSET
    message: msgspec.Raw = msgspec.Raw()
    reason: msgspec.Raw = msgspec.Raw()


_FRAME = msgspec.json.Decoder(_Frame)


class CoinbaseParser:
    """Turn the frames of one subscription into ticks and signs of life. Remembers the last number of each stream.

    `counters["trades_missed"]` counts the trades between two that came.
    """

    def __init__(self, assets: Mapping[str, str], source: str = "coinbase") -> None:
        """Args:
        assets: the asset of each product followed (`BTC-USD`).
        source: the name that the ticks carry.
        """
        self.counters: dict[str, int] = {}
        self._assets = by_symbol(assets)
        self._source = source
        self._order = SequenceGuard()
        self._trades: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def forget(self) -> None:
        """Forget the numbers: the next connection does not overlap the last."""
        self._order.forget()
        self._trades.clear()
        self._seen.clear()

    def parse(self, raw: bytes | str, received_ns: Nanos) -> Parsed:
        """Return what one frame says. `received_ns` is when it came, on the local clock."""
        try:
            return self._parse(raw, received_ns)
        except UNREADABLE as error:
            return Dropped(reason_of(error))

    def _parse(self, raw: bytes | str, received_ns: Nanos) -> Parsed:
        if len(raw) > MAX_BYTES:
            return Dropped("oversized")
        if isinstance(raw, bytes):
            raw.decode()  # msgspec does not look into strings that nobody asked for
        frame = _FRAME.decode(raw)
        kind = frame.type
        if kind is UNSET:
            return Dropped("unknown_shape")
        if kind == "error":
            words = [_words(part) for part in (frame.message, frame.reason)]
            return Refused(": ".join(word for word in words if word) or "no reason given")
        if kind in PASSED_OVER:
            return Ignored(kind)
        if kind not in ("ticker", "match", "heartbeat"):
            return Dropped("unknown_event")
        product = frame.product_id
        if product is UNSET:
            return Dropped("missing_field")
        asset = self._assets.get(product)
        if asset is None:
            return Ignored("other_product")
        if kind == "heartbeat":
            known = self._seen.get(product)
            if known is not None and frame.last_trade_id is not UNSET and frame.last_trade_id > known:
                return Ignored("trade_unseen")  # the price is another by now, and we do not know it
            return FeedLived(self._source, asset, received_ns)
        return self._tick(kind, product, asset, frame, received_ns)

    def _tick(self, kind: str, product: str, asset: str, frame: _Frame, received_ns: Nanos) -> Parsed:
        sequence, event_ns = frame.sequence, _nanos(frame.time)
        if sequence is UNSET or event_ns is None:
            return Dropped("missing_field")
        if kind == "ticker":
            bid, ask = _price(frame.best_bid), _price(frame.best_ask)
            if bid > ask:
                return Dropped("crossed")
            price = (bid + ask) / 2
        else:
            price = _price(frame.price)
            if frame.trade_id is UNSET:
                return Dropped("missing_field")
        if not 0 < event_ns <= received_ns + FUTURE_NS:
            return Dropped("bad_time")
        self._order.advance(product, kind, sequence)
        if frame.trade_id is not UNSET:
            self._seen[product] = max(frame.trade_id, self._seen.get(product, 0))
        if kind == "ticker":
            return SpotTicked(self._source, asset, price, "book", received_ns, event_ns)
        self._note_trade(product, frame.trade_id)
        return SpotTicked(self._source, asset, price, "trade", received_ns, event_ns)

    def _note_trade(self, product: str, trade: int | UnsetType) -> None:
        if trade is UNSET:
            return
        missed = trade - self._trades.get(product, trade) - 1
        if missed > 0:
            self.counters["trades_missed"] = self.counters.get("trades_missed", 0) + missed
        self._trades[product] = trade


def _nanos(time: datetime | UnsetType) -> Nanos | None:
    return None if time is UNSET else Nanos((time - _EPOCH) // _MICROSECOND * 1000)


def _price(text: str | UnsetType) -> float:
    if text is UNSET:
        raise BadFrameError("missing_field")
    return price_of(text)


def _words(raw: msgspec.Raw) -> str:
    """One line of what the exchange said, whatever it is made of."""
    if not bytes(raw):
        return ""
    words = msgspec.json.decode(raw)
    return " ".join(str(words).split())[:LONGEST_REASON] if words is not None else ""


COINBASE = PriceSource(
    name="coinbase",
    parser=CoinbaseParser,
    subscription=subscription,
    history=History(step_s=60.0, time_ns=SECOND, close_at=4, rows=candles),
)
