"""OKX spot: what is subscribed to, what each frame of the subscription means, and its candles of 1 min.

Written from "OKX API guide" (v5), https://www.okx.com/docs-v5/en/, sections "WebSocket: Connect, Subscribe,
Notification", "WS / Order book channel" (`bbo-tbt`), "WS / Trades channel" and "GET / Candlesticks". Owns the
exchange's JSON and the order of its ids. Knows no socket and no clock: when a frame was received is an argument, and a
bad frame is an answer (`Dropped`), never an exception.

`bbo-tbt` has a frame whenever the best bid or ask changes and none else, so a quiet book is a stale one. A `pong` says
that the connection lives, not that its prices do: it is no sign of life. A frame of `trades` may sum up several matches
of one order and has the newest last. A new sequence after the exchange's maintenance begins lower: its frames are
dropped until the feed reconnects for their silence.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

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
    ShutdownAnnounced,
    by_symbol,
    price_of,
    reason_of,
)
from mmactors.feeds.source import Ask, History, KeepAlive, PriceSource
from mmactors.messages import SpotTicked
from mmactors.units import MILLISECOND, Nanos

CHANNELS = ("bbo-tbt", "trades")

CLOSING = "64008"
"""Code of the notice that the connection will soon be closed for an upgrade."""

LONGEST_REASON = 200
"""How much of the exchange's own words is repeated."""

CANDLES = 61
"""The past hour in minutes, and the one that is not over."""


def subscription(instruments: Iterable[str]) -> bytes:
    """Return the message that subscribes to both channels of every instrument."""
    wanted = [{"channel": channel, "instId": instrument} for instrument in instruments for channel in CHANNELS]
    return msgspec.json.encode({"op": "subscribe", "args": wanted})


class _Arg(Struct):
    channel: str | UnsetType = UNSET
    instId: str | UnsetType = UNSET  # noqa: N815 - the exchange's name


class _Frame(Struct):
    """Every field we read of any frame; `data` waits for the channel."""

    arg: _Arg | UnsetType = UNSET
    data: msgspec.Raw = msgspec.Raw()
    event: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    msg: str | UnsetType = UNSET


class _Book(Struct):
    """The best level of each side: price, size, a zero, number of orders."""

    asks: list[list[str]]
    bids: list[list[str]]
    ts: str
    seqId: int  # noqa: N815 - the exchange's name


class _Trade(Struct):
    tradeId: str  # noqa: N815 - the exchange's name
    px: str
    ts: str


_FRAME = msgspec.json.Decoder(_Frame)
_BOOKS = msgspec.json.Decoder(list[_Book])
_TRADES = msgspec.json.Decoder(list[_Trade])


class OkxParser:
    """Turn the frames of one subscription into ticks. Remembers the last id of each instrument and channel."""

    def __init__(self, assets: Mapping[str, str], source: str = "okx") -> None:
        """Args:
        assets: the asset of each instrument followed (`BTC-USDT`).
        source: the name that the ticks carry.
        """
        self.counters: dict[str, int] = {}
        self._assets = by_symbol(assets)
        self._source = source
        self._order = SequenceGuard()

    def forget(self) -> None:
        """Forget the ids: the next connection does not overlap the last."""
        self._order.forget()

    def parse(self, raw: bytes | str, received_ns: Nanos) -> Parsed:
        """Return what one frame says. `received_ns` is when it came, on the local clock."""
        try:
            return self._parse(raw, received_ns)
        except UNREADABLE as error:
            return Dropped(reason_of(error))

    def _parse(self, raw: bytes | str, received_ns: Nanos) -> Parsed:
        if len(raw) > MAX_BYTES:
            return Dropped("oversized")
        text = raw.decode() if isinstance(raw, bytes) else raw
        if text == "pong":
            return Ignored("pong")
        frame = _FRAME.decode(text)
        if frame.event is not UNSET:
            return _control(frame.event, frame)
        arg = frame.arg
        if arg is UNSET:
            return Dropped("unknown_shape")
        if arg.channel is UNSET or arg.instId is UNSET or not bytes(frame.data):
            return Dropped("missing_field")
        if arg.channel not in CHANNELS:
            return Dropped("unknown_event")
        asset = self._assets.get(arg.instId)
        if asset is None:
            return Ignored("other_instrument")
        read = self._book if arg.channel == "bbo-tbt" else self._trade
        return read(arg.instId, asset, frame.data, received_ns)

    def _book(self, instrument: str, asset: str, data: msgspec.Raw, received_ns: Nanos) -> Parsed:
        books = _BOOKS.decode(data)
        if not books:
            return Dropped("missing_field")
        book = books[-1]
        event_ns = _nanos(book.ts, received_ns)
        if not book.bids or not book.asks:
            return Dropped("one_sided")
        bid, ask = _price(book.bids[0]), _price(book.asks[0])
        if bid > ask:
            return Dropped("crossed")
        self._order.advance(instrument, "book", book.seqId)
        return SpotTicked(self._source, asset, (bid + ask) / 2, "book", received_ns, event_ns)

    def _trade(self, instrument: str, asset: str, data: msgspec.Raw, received_ns: Nanos) -> Parsed:
        trades = _TRADES.decode(data)
        if not trades:
            return Dropped("missing_field")
        trade = trades[-1]
        price, event_ns = price_of(trade.px), _nanos(trade.ts, received_ns)
        self._order.advance(instrument, "trade", _integer(trade.tradeId))
        return SpotTicked(self._source, asset, price, "trade", received_ns, event_ns)


def _control(event: str, frame: _Frame) -> Parsed:
    if event == "error":
        words = [part for part in (frame.code, frame.msg) if part is not UNSET]
        return Refused(" ".join(" ".join(words).split())[:LONGEST_REASON] or "no reason given")
    if event == "notice" and frame.code == CLOSING:
        return ShutdownAnnounced()
    return Ignored(event) if event in ("subscribe", "unsubscribe", "notice") else Dropped("unknown_event")


def _price(level: list[str]) -> float:
    if not level:
        raise BadFrameError("missing_field")
    return price_of(level[0])


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadFrameError("not_a_number")
    return int(text)


def _nanos(text: str, received_ns: Nanos) -> Nanos:
    event_ns = Nanos(_integer(text) * MILLISECOND)
    if not 0 < event_ns <= received_ns + FUTURE_NS:
        raise BadFrameError("bad_time")
    return event_ns


def candles(ask: Ask, symbol: str, _since_ns: Nanos, _now_ns: Nanos) -> list[Any]:
    """Return the newest candles, times as numbers."""
    rows = ask("/api/v5/market/candles", {"instId": symbol.upper(), "bar": "1m", "limit": CANDLES})
    return [[int(row[0]), *row[1:]] if _is_row(row) else row for row in rows]


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and bool(row) and isinstance(row[0], str) and row[0].isdecimal() and len(row[0]) < 20


def unwrap(answer: Any) -> Any:
    """Return the rows of an answer, or why there are none."""
    if not isinstance(answer, dict):
        return None
    if answer.get("code") != "0":
        return Refused(" ".join(f"{answer.get('code')} {answer.get('msg')}".split())[:LONGEST_REASON])
    return answer.get("data")


OKX = PriceSource(
    name="okx",
    parser=OkxParser,
    subscription=subscription,
    keep_alive=KeepAlive(b"ping", after_s=5.0),
    history=History(step_s=60.0, time_ns=MILLISECOND, close_at=4, rows=candles, unwrap=unwrap),
)
