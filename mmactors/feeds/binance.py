"""Binance spot: the address of a combined stream, and what each of its frames means.

Owns the exchange's JSON and the order of its ids. Knows no socket and no clock: when a frame was received is an
argument, and a bad frame is an answer (`Dropped`), never an exception.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, Struct, UnsetType

from mmactors.messages import SpotTicked
from mmactors.units import MILLISECOND, SECOND, Nanos

DEFAULT_URLS = ("wss://stream.binance.com:9443", "wss://data-stream.binance.vision")
STREAMS = ("bookTicker", "aggTrade")

MAX_BYTES = 1_048_576
"""No frame of these streams comes near this."""

FUTURE_NS = 60 * SECOND
"""An exchange time further ahead of the receipt than this is no time."""

PASSED_OVER = (
    {"depthUpdate", "kline", "avgPrice", "24hrTicker", "24hrMiniTicker", "1hTicker", "4hTicker", "1dTicker"}
    | {"executionReport", "listStatus", "outboundAccountPosition", "balanceUpdate", "externalLockUpdate"}
    | {"eventStreamTerminated", "listenKeyExpired"}
)
"""Events that are known and of no use here."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A good frame that is of no use here."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A bad frame."""

    reason: str


@dataclass(frozen=True, slots=True)
class ShutdownAnnounced:
    """The server is about to go: open the next socket now."""


Parsed = SpotTicked | Ignored | Dropped | ShutdownAnnounced


def stream_url(base: str, symbols: Iterable[str], streams: Iterable[str] = STREAMS) -> str:
    """Return the address of one combined stream; a base that already names its streams stays as it is."""
    if "streams=" in base:
        return base
    names = "/".join(f"{symbol.lower()}@{stream}" for symbol in symbols for stream in streams)
    return f"{base.rstrip('/').removesuffix('/stream')}/stream?streams={names}"


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


class _BadFrame(Exception):  # noqa: N818
    """Why a frame is bad."""


class BinanceParser:
    """Turn the frames of one combined stream into ticks. Remembers the last id of each symbol and kind."""

    def __init__(self, assets: Mapping[str, str], source: str = "binance") -> None:
        """Args:
        assets: the asset of each symbol followed.
        source: the name that the ticks carry.
        """
        self._assets = {symbol.upper(): asset for symbol, asset in assets.items()}
        self._source = source
        self._last: dict[tuple[str, str], int] = {}

    def forget(self) -> None:
        """Forget the ids: the next connection does not overlap the last."""
        self._last.clear()

    def parse(self, raw: bytes | str, received_ns: Nanos) -> Parsed:
        """Return what one frame says. `received_ns` is when it came, on the local clock."""
        try:
            return self._parse(raw, received_ns)
        except _BadFrame as bad:
            return Dropped(str(bad))
        except (UnicodeDecodeError, UnicodeEncodeError):
            return Dropped("bad_utf8")
        except msgspec.ValidationError as error:
            return Dropped("out_of_range" if "out of range" in str(error) else "wrong_type")
        except (msgspec.DecodeError, RecursionError):
            return Dropped("malformed")

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
        bid, ask = _price(_text(payload.b)), _price(_text(payload.a))
        if bid > ask:
            return Dropped("crossed")
        self._advance(symbol, "book", update)
        return SpotTicked(self._source, asset, (bid + ask) / 2, "book", received_ns)

    def _trade(self, payload: _Payload, trade: int | UnsetType, received_ns: Nanos) -> Parsed:
        symbol, text, at_ms = payload.s, payload.p, payload.T
        if symbol is UNSET or text is UNSET or at_ms is UNSET or trade is UNSET:
            return Dropped("missing_field")
        asset = self._assets.get(symbol)
        if asset is None:
            return Ignored("other_symbol")
        price = _price(text)
        event_ns = Nanos(at_ms * MILLISECOND)
        if not 0 < event_ns <= received_ns + FUTURE_NS:
            return Dropped("bad_time")
        self._advance(symbol, str(payload.e), trade)
        return SpotTicked(self._source, asset, price, "trade", received_ns, event_ns)

    def _advance(self, symbol: str, kind: str, number: int) -> None:
        last = self._last.get((symbol, kind), -1)
        if number <= last:
            raise _BadFrame("duplicate" if number == last else "out_of_order" if number >= 0 else "negative")
        self._last[symbol, kind] = number


def _text(raw: msgspec.Raw) -> str:
    if not bytes(raw):
        raise _BadFrame("missing_field")
    return _TEXT.decode(raw)


def _integer(raw: msgspec.Raw) -> int:
    if not bytes(raw):
        raise _BadFrame("missing_field")
    return _INT.decode(raw)


def _price(text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        raise _BadFrame("not_a_number") from None
    if "_" in text or text != text.strip():  # Python's float is more tolerant than JSON's numbers
        raise _BadFrame("not_a_number")
    if not math.isfinite(price):
        raise _BadFrame("not_finite")
    if price <= 0:
        raise _BadFrame("negative" if price < 0 else "zero")
    return price
