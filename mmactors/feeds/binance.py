"""Binance spot: the address of a combined stream, what each of its frames means, and its klines of 1 s.

Owns the exchange's JSON and the order of its ids. Knows no socket and no clock: when a frame was received is an
argument, and a bad frame is an answer (`Dropped`), never an exception.
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
    SequenceGuard,
    ShutdownAnnounced,
    by_symbol,
    price_of,
    reason_of,
)
from mmactors.feeds.source import Ask, History, PriceSource
from mmactors.messages import SpotTicked
from mmactors.units import MILLISECOND, Nanos

STREAMS = ("bookTicker", "aggTrade")

PASSED_OVER = (
    {"depthUpdate", "kline", "avgPrice", "24hrTicker", "24hrMiniTicker", "1hTicker", "4hTicker", "1dTicker"}
    | {"executionReport", "listStatus", "outboundAccountPosition", "balanceUpdate", "externalLockUpdate"}
    | {"eventStreamTerminated", "listenKeyExpired"}
)
"""Events that are known and of no use here."""


def stream_url(base: str, symbols: Iterable[str], streams: Iterable[str] = STREAMS) -> str:
    """Return the address of one combined stream; a base that already names its streams stays as it is."""
    if "streams=" in base:
        return base
    names = "/".join(f"{symbol.lower()}@{stream}" for symbol in symbols for stream in streams)
    return f"{base.rstrip('/').removesuffix('/stream')}/stream?streams={names}"


KLINES_A_REQUEST = 1000


def klines(ask: Ask, symbol: str, since_ns: Nanos, now_ns: Nanos) -> list[Any]:
    """Return the klines of a span, asked for page by page."""
    rows: list[Any] = []
    since_ms, now_ms = since_ns // MILLISECOND, now_ns // MILLISECOND
    while since_ms < now_ms:
        query = {"symbol": symbol.upper(), "interval": "1s", "limit": KLINES_A_REQUEST}
        page = ask("/api/v3/klines", {**query, "startTime": since_ms, "endTime": now_ms})
        rows += page
        opened = [row[0] for row in page if isinstance(row, list) and row and isinstance(row[0], int)]
        if len(page) < KLINES_A_REQUEST or not opened or max(opened) < since_ms:
            break
        since_ms = max(opened) + 1
    return rows


class _Payload(Struct):
    """Every field of a bookTicker, an aggTrade and a trade; the same letter means different things by event."""

    e: str | UnsetType = UNSET
    s: str | UnsetType = UNSET
    u: int | UnsetType = UNSET
    b: msgspec.Raw = msgspec.Raw()
    a: msgspec.Raw = msgspec.Raw()
    t: int | UnsetType = UNSET
    p: str | UnsetType = UNSET
    T: int | UnsetType = UNSET


class _Frame(_Payload):
    """A combined frame, or a bare payload."""

    stream: str | UnsetType = UNSET
    data: _Payload | UnsetType = UNSET
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    code: int | UnsetType = UNSET
    id: msgspec.Raw = msgspec.Raw()
    event: msgspec.Raw = msgspec.Raw()
    lastUpdateId: int | UnsetType = UNSET  # noqa: N815 - the exchange's name


_FRAME = msgspec.json.Decoder(_Frame)
_TEXT = msgspec.json.Decoder(str)
_INT = msgspec.json.Decoder(int)


class BinanceParser:
    """Turn the frames of one combined stream into ticks. Remembers the last id of each symbol and kind."""

    def __init__(self, assets: Mapping[str, str], source: str = "binance") -> None:
        """Args:
        assets: the asset of each symbol followed.
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
        if isinstance(raw, bytes):
            raw.decode()  # msgspec does not look into strings that nobody asked for
        frame = _FRAME.decode(raw)
        payload: _Payload = frame
        if frame.stream is not UNSET:
            if frame.data is UNSET:
                return Dropped("missing_field")
            payload = frame.data
        elif bytes(frame.error) or (frame.code is not UNSET):
            return Dropped("error_reply")
        elif bytes(frame.id) and bytes(frame.result):
            return Ignored("reply")
        elif bytes(frame.event):
            return Ignored("user_data")
        elif frame.lastUpdateId is not UNSET:
            return Ignored("depth_snapshot")
        return self._event(payload, frame.stream if frame.stream is not UNSET else "", received_ns)

    def _event(self, payload: _Payload, stream: str, received_ns: Nanos) -> Parsed:
        event = payload.e
        if event == "serverShutdown":
            return ShutdownAnnounced()
        if event is UNSET:
            if stream.endswith("@bookTicker") or (not stream and payload.u is not UNSET):
                return self._book(payload, received_ns)
            return Ignored("depth_snapshot") if "@depth" in stream else Dropped("unknown_shape")
        if event == "aggTrade":
            return self._trade(payload, _integer(payload.a), received_ns)
        if event == "trade":
            return self._trade(payload, payload.t, received_ns)
        if event in PASSED_OVER:
            return Ignored(event)
        return Dropped("unknown_event")

    def _book(self, payload: _Payload, received_ns: Nanos) -> Parsed:
        symbol, update = payload.s, payload.u
        if symbol is UNSET or update is UNSET:
            return Dropped("missing_field")
        asset = self._assets.get(symbol)
        if asset is None:
            return Ignored("other_symbol")
        bid, ask = price_of(_text(payload.b)), price_of(_text(payload.a))
        if bid > ask:
            return Dropped("crossed")
        self._order.advance(symbol, "book", update)
        return SpotTicked(self._source, asset, (bid + ask) / 2, "book", received_ns)

    def _trade(self, payload: _Payload, trade: int | UnsetType, received_ns: Nanos) -> Parsed:
        symbol, text, at_ms = payload.s, payload.p, payload.T
        if symbol is UNSET or text is UNSET or at_ms is UNSET or trade is UNSET:
            return Dropped("missing_field")
        asset = self._assets.get(symbol)
        if asset is None:
            return Ignored("other_symbol")
        price = price_of(text)
        event_ns = Nanos(at_ms * MILLISECOND)
        if not 0 < event_ns <= received_ns + FUTURE_NS:
            return Dropped("bad_time")
        self._order.advance(symbol, str(payload.e), trade)
        return SpotTicked(self._source, asset, price, "trade", received_ns, event_ns)


def _text(raw: msgspec.Raw) -> str:
    if not bytes(raw):
        raise BadFrameError("missing_field")
    return _TEXT.decode(raw)


def _integer(raw: msgspec.Raw) -> int:
    if not bytes(raw):
        raise BadFrameError("missing_field")
    return _INT.decode(raw)


BINANCE = PriceSource(
    name="binance",
    parser=BinanceParser,
    address=stream_url,
    history=History(step_s=1.0, time_ns=MILLISECOND, close_at=4, rows=klines),
)
