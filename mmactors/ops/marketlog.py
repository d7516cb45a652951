"""One log per market that explains each ladder: a line for people (`.log`) and the same as JSON (`.jsonl`).

Owns the files' names, the records' shape and when they reach the disk: at the latest a second after they were written,
if the owner calls `flush` that often. Knows nothing of actors; a disk that refuses is counted, never an exception: no
explanation is worth a quote.
"""

import math
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import msgspec

from mmactors.messages import (
    Market,
    MarketChanged,
    MarketListed,
    MarketResolved,
    MarketRetired,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderUnchanged,
    OrderUnknown,
    Outcome,
    QuoteIntent,
    SessionReport,
)
from mmactors.units import DOLLAR, SECOND, Micros, Nanos, dollars

MARKETS = "markets"
"""The folder of market logs inside an instance's own."""

_CENT = Micros(10_000)
_LONGEST_NAME = 120


def file_stem(market: str) -> str:
    """Return the name of a market's files, without suffix: the id, with what a file system minds escaped."""
    stem = quote(market, safe="").replace(".", "%2E")
    if len(stem) > _LONGEST_NAME:
        stem = f"{stem[:_LONGEST_NAME]}~{zlib.crc32(stem.encode()):08x}"
    return stem or "%"


def plain(text: str) -> str:
    """Return text from outside as one harmless line: no control characters, no line ends."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def clock(at_ns: Nanos) -> str:
    """Return a time as the logs write it: UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ns / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def number(value: float | None, form: str) -> str:
    """Return a number in a format, or a dash for one that is not known."""
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def ladder(levels: list[list[float]]) -> str:
    """Return levels of (price, size) as text, best first."""
    return " ".join(f"{size:g}@{price:.4f}".removesuffix("00") for price, size in levels) or "none"


def sentence(kind: str, record: dict[str, Any]) -> str:
    """Return a record of a market's log as its line for people, without the time.

    Raises:
        KeyError: a field is missing, as in the log of another version.
    """
    return _SENTENCES[kind](record)


class _Files:
    """The two open files of one market."""

    def __init__(self, stem: Path, tick: Micros) -> None:
        self.tick = tick
        self.text: IO[str] = stem.with_name(stem.name + ".log").open("a", encoding="utf-8")
        self.json: IO[bytes] = stem.with_name(stem.name + ".jsonl").open("ab", buffering=1 << 16)
        if self.json.tell():
            # A line torn by the death of an earlier run must not swallow the first of this one.
            self.json.write(b"\n")


class MarketLogs:
    """The logs of all markets of one run."""

    def __init__(self, folder: Path, run: int) -> None:
        self.lost = 0
        self._folder = folder
        self._run = run
        self._ticks: dict[str, Micros] = {}
        self._open: dict[str, _Files] = {}
        self._flushed_ns = Nanos(0)

    def write(self, event: object, now: Nanos) -> None:
        """Write down one message if it explains anything; the rest is ignored. `MarketRetired` closes the files."""
        match event:
            case QuoteIntent():
                self._put(event.market, now, "quote", self._quote(event))
            case OrderFilled():
                price = event.ticks * self._ticks.get(event.market, _CENT) / DOLLAR
                self._put(event.market, now, "fill", _fill(event, price))
            case OrderRejected() | OrderDenied() | OrderUnknown() | OrderUnchanged():
                self._put(event.market, now, "refusal", _refusal(event))
            case MarketListed(market):
                self._listed(market, "listed", now)
            case MarketChanged(market, what):
                self._listed(market, what, now)
            case MarketResolved(market, resolution):
                self._listed(market, f"resolved {resolution}", now)
            case SessionReport():
                self._put(event.market, now, "session", _session(event))
            case MarketRetired(market_id, _):
                self.note(market_id, "retired", now)
                self.close(market_id)

    def note(self, market: str, text: str, now: Nanos) -> None:
        """Write one line of the market's life."""
        self._put(market, now, "life", {"what": text})

    def flush(self, now: Nanos = Nanos(0)) -> None:
        """Hand everything written to the operating system."""
        self._flushed_ns = max(now, self._flushed_ns)
        for files in self._open.values():
            try:
                files.text.flush()
                files.json.flush()
            except OSError:
                self.lost += 1

    def close(self, market: str | None = None) -> None:
        """Close one market's files, or all."""
        for name in [market] if market is not None else list(self._open):
            files = self._open.pop(name, None)
            for file in (files.text, files.json) if files is not None else ():
                try:
                    file.close()
                except OSError:
                    self.lost += 1

    def _listed(self, market: Market, what: str, now: Nanos) -> None:
        self._ticks[market.id] = market.tick_micros
        record = {
            "what": what,
            "asset": market.asset,
            "strike": market.strike,
            "duration_s": market.duration_s,
            "status": market.status.value,
            "settled_at": market.settlement_price,
        }
        self._put(market.id, now, "life", record)

    def _quote(self, intent: QuoteIntent) -> dict[str, Any]:
        tick = self._ticks.get(intent.market, _CENT)
        why = intent.reason
        fields = ("f", "spot", "strike", "sigma", "d2", "fair", "lean", "half_spread", "room", "net", "phase", "why")
        return {
            **{name: getattr(why, name) for name in fields},
            "bids": _priced(why.bids, tick),
            "asks": _priced(why.asks, tick),
            "sent": [len(intent.cancels), len(intent.replaces), len(intent.places)],
        }

    def _put(self, market: str, now: Nanos, kind: str, record: dict[str, Any]) -> None:
        try:
            files = self._open.get(market) or self._opened(market)
            files.text.write(f"{clock(now)} {plain(sentence(kind, record))}\n")
            files.json.write(msgspec.json.encode({"t": now, "run": self._run, "type": kind, **record}) + b"\n")
        except OSError:
            self.lost += 1
        if now - self._flushed_ns >= SECOND:
            self.flush(now)

    def _opened(self, market: str) -> _Files:
        self._folder.mkdir(parents=True, exist_ok=True)
        files = _Files(self._folder / file_stem(market), self._ticks.get(market, _CENT))
        self._open[market] = files
        files.text.write(f"--- {plain(market)}, run {self._run}\n")
        files.json.write(msgspec.json.encode({"type": "market", "market": market, "run": self._run}) + b"\n")
        return files


def _priced(levels: tuple[tuple[int, int], ...], tick: Micros) -> list[list[float]]:
    return [[ticks * tick / DOLLAR, size] for ticks, size in levels]


def _quote_line(q: dict[str, Any]) -> str:
    return (
        f"QUOTE f {q['f']:.3f} spot {number(q['spot'], '.2f')} strike {number(q['strike'], '.2f')}"
        f" sigma {number(q['sigma'], '.3f')} d2 {number(q['d2'], '+.2f')} fair {number(q['fair'], '.4f')}"
        f" lean {q['lean']:+.4f} half {number(q['half_spread'], '.4f')} room {q['room']} net {q['net']:+d}"
        f" | bid {ladder(q['bids'])} | ask {ladder(q['asks'])} | {q['phase']}: {q['why']}"
    )


def _fill(event: OrderFilled, price: float) -> dict[str, Any]:
    return {
        "outcome": event.outcome.value,
        "size": event.size,
        "price": price,
        "fee": dollars(event.fee_micros),
        "maker": event.maker,
        "order": event.client_id,
        "fill_id": event.fill_id,
    }


def _fill_line(fill: dict[str, Any]) -> str:
    yes = fill["price"] if fill["outcome"] == Outcome.YES else 1 - fill["price"]
    side = "bid" if fill["outcome"] == Outcome.YES else "ask"
    return (
        f"FILL  bought {fill['size']} {fill['outcome']} at {fill['price']:.2f} (our YES {side} at {yes:.2f})"
        f" fee {fill['fee']:.4f} {'maker' if fill['maker'] else 'taker'} order {fill['order']}"
    )


def _refusal(event: OrderRejected | OrderDenied | OrderUnknown | OrderUnchanged) -> dict[str, Any]:
    match event:
        case OrderRejected():
            who, what = "rejected by the venue", f"{event.code} {event.message}"
        case OrderDenied():
            who, what = "denied by our gate", f"{event.rule}: {event.message}"
        case OrderUnchanged():
            who, what = f"{event.action} refused, stands as it was", f"{event.code} {event.message}"
        case OrderUnknown():
            who, what = "fate unknown, counted as live", event.reason
    return {"order": event.client_id, "who": who, "what": what}


def _refusal_line(refusal: dict[str, Any]) -> str:
    return f"ORDER {refusal['order']} {refusal['who']}: {refusal['what']}"


def _life_line(life: dict[str, Any]) -> str:
    if "asset" not in life:
        return f"LIFE  {life['what']}"
    ended = "" if life["settled_at"] is None else f", settled at {life['settled_at']:.2f}"
    return (
        f"LIFE  {life['what']}: {life['asset']} {life['duration_s']} s, strike {number(life['strike'], '.2f')},"
        f" {life['status']}{ended}"
    )


def _session(event: SessionReport) -> dict[str, Any]:
    return {
        "outcome": event.outcome.value,
        "pnl": dollars(event.pnl_micros),
        "net_at_close": event.net_at_close,
        "max_abs_net": event.max_abs_net,
        "fills": event.fills,
        "contracts": event.contracts,
        "two_sided_share": event.two_sided_share,
        "order_messages": event.order_messages,
    }


def _session_line(s: dict[str, Any]) -> str:
    return (
        f"ENDED {s['outcome']} P&L {s['pnl']:+.2f} net at close {s['net_at_close']:+d} (most {s['max_abs_net']})"
        f" fills {s['fills']} contracts {s['contracts']} two-sided {number(s['two_sided_share'], '.0%')}"
        f" messages {s['order_messages']}"
    )


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "quote": _quote_line,
    "fill": _fill_line,
    "refusal": _refusal_line,
    "life": _life_line,
    "session": _session_line,
}
