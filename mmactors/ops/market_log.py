"""One log per market that explains each ladder: a line for people (`.log`) and the same as JSON (`.jsonl`).

Owns the files' names, the lines' words and when they reach the disk: at the latest a second after they were written,
if the owner calls `flush` that often. Which events are worth a record, and its figures, are `market_records.py`'s. It
must not know actors; a disk that refuses is counted, never an exception: no explanation is worth a quote.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import msgspec

from mmactors.messages import (
    Market,
    MarketRetired,
    Outcome,
    TradingStateChanged,
    VenueConnected,
    VenueDisconnected,
)
from mmactors.ops.format import cents, clock, number, plain
from mmactors.ops.market_records import MarketLogBuilder
from mmactors.units import SECOND, Nanos

MARKETS = "markets"
"""The folder of market logs inside an instance's own."""

SUFFIXES = (".log", ".jsonl")
"""Of a market's two files."""

_LONGEST_NAME = 120


def file_stem(market: str) -> str:
    """Return the name of a market's files, without suffix: the id, with what a file system minds escaped."""
    stem = quote(market, safe="").replace(".", "%2E")
    if len(stem) > _LONGEST_NAME:
        stem = f"{stem[:_LONGEST_NAME]}~{zlib.crc32(stem.encode()):08x}"
    return stem or "%"


def ladder(levels: list[list[float]]) -> str:
    """Return levels of (price, size) as text, best first."""
    return " ".join(f"{size:g}@{_price(price)}" for price, size in levels) or "none"


def takes(purchases: list[tuple[str, float, int]]) -> str:
    """Return what a ladder's orders take at once, (outcome, price, size) each, as text after a bar; most often none."""
    return "".join(f" | take {size:g} {outcome}@{_price(price)}" for outcome, price, size in purchases)


def sentence(kind: str, record: dict[str, Any]) -> str:
    """Return a record of a market's log as its line for people, without the time.

    Raises:
        KeyError: a field is missing, as in the log of another version.
    """
    return _SENTENCES[kind](record)


class _Files:
    """The two open files of one market."""

    def __init__(self, stem: Path) -> None:
        self.text: IO[str] = stem.with_name(stem.name + SUFFIXES[0]).open("a", encoding="utf-8")
        self.json: IO[bytes] = stem.with_name(stem.name + SUFFIXES[1]).open("ab", buffering=1 << 16)
        if self.json.tell():
            # A line torn by the death of an earlier run must not swallow the first of this one.
            self.json.write(b"\n")


class MarketLogs:
    """The logs of all markets of one run."""

    def __init__(self, folder: Path, run: int) -> None:
        self.lost = 0
        self._folder = folder
        self._run = run
        self._builders: dict[str, MarketLogBuilder] = {}
        self._open: dict[str, _Files] = {}
        self._closed: set[str] = set()
        self._flushed_ns = Nanos(0)

    def write(self, event: object, now: Nanos) -> None:
        """Write down one message if it explains anything; the rest is ignored. `MarketRetired` closes the files."""
        match event:
            case MarketRetired(market_id, _):
                self.note(market_id, "retired", now)
                self.close(market_id)
            case TradingStateChanged(state, reason):
                self._note_all(f"account {state}: {reason}", now)
            case VenueDisconnected():
                self._note_all(f"venue's connection lost: {event.reason}", now)
            case VenueConnected():
                self._note_all(f"venue connected, session {event.session}", now)
            case _:
                market = getattr(event, "market", None)
                name = market.id if isinstance(market, Market) else market
                if isinstance(name, str):
                    builder = self._builders.get(name) or MarketLogBuilder()
                    found = builder.record(event, now)
                    if found is not None:
                        self._builders[name] = builder
                        self._put(name, now, *found)

    def note(self, market: str, text: str, now: Nanos) -> None:
        """Write one line of the market's life."""
        self._put(market, now, "life", {"what": text})

    def _note_all(self, text: str, now: Nanos) -> None:
        for market in list(self._open):
            self.note(market, text, now)

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
            self._builders.pop(name, None)
            files = self._open.pop(name, None)
            if files is not None:
                self._closed.add(file_stem(name))
            for file in (files.text, files.json) if files is not None else ():
                try:
                    file.close()
                except OSError:
                    self.lost += 1

    def closed(self) -> frozenset[str]:
        """Return the names, without suffix, of this run's files that have been written and are not open."""
        return frozenset(self._closed)

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
        stem = file_stem(market)
        files = _Files(self._folder / stem)
        self._open[market] = files
        self._closed.discard(stem)
        files.text.write(f"--- {plain(market)}, run {self._run}\n")
        files.json.write(msgspec.json.encode({"type": "market", "market": market, "run": self._run}) + b"\n")
        return files


def _quote_line(q: dict[str, Any]) -> str:
    wider = "" if q["wider"] is None else f" ({number(q['half_spread'] - q['wider'], '.4f')}{q['wider']:+.4f})"
    return (
        f"QUOTE f {q['f']:.3f} left {number(q['left_s'], '.1f')}s spot {number(q['spot'], '.2f')}"
        f" age {number(q['age_s'], '.2f')}s strike {number(q['strike'], '.2f')}"
        f" sigma {number(q['sigma'], '.3f')} d2 {number(q['d2'], '+.2f')} fair {number(q['fair'], '.4f')}"
        f" lean {q['lean']:+.4f} half {number(q['half_spread'], '.4f')}{wider} room {q['room']} net {q['net']:+d}"
        f" | bid {ladder(q['bids'])} | ask {ladder(q['asks'])}{takes(q['takes'])} | {q['phase']}: {q['why']}"
    )


def _fill_line(fill: dict[str, Any]) -> str:
    yes = fill["price"] if fill["outcome"] == Outcome.YES else 1 - fill["price"]
    side = "bid" if fill["outcome"] == Outcome.YES else "ask"
    return (
        f"FILL  bought {fill['size']} {fill['outcome']} at {_price(fill['price'])} (our YES {side} at {_price(yes)},"
        f" fair {number(fill['fair'], '.4f')}) edge {cents(fill['edge'])} net {number(fill['net'], '+d')}"
        f" fee {fill['fee']:.4f} {'maker' if fill['maker'] else 'taker'} order {fill['order']}"
    )


def _refusal_line(refusal: dict[str, Any]) -> str:
    asked = "" if refusal["asked"] is None else f" ({refusal['asked']})"
    return f"ORDER {refusal['order']}{asked} {refusal['who']}: {refusal['what']}"


def _life_line(life: dict[str, Any]) -> str:
    if "asset" not in life:
        return f"LIFE  {life['what']}"
    ended = "" if life["settled_at"] is None else f", settled at {life['settled_at']:.2f}"
    return (
        f"LIFE  {life['what']}: {life['asset']} {life['duration_s']} s, strike {number(life['strike'], '.2f')},"
        f" {life['status']}{ended}"
    )


def _session_line(s: dict[str, Any]) -> str:
    parts, of = [], s["made_of"] or {}
    if of.get("pairs"):
        parts.append(f"{of['pairs']} pairs at {of['pair_price']:.4f} {of['pair_pnl']:+.2f}")
    if of.get("rest"):
        parts.append(f"{of['rest']} {of['rest_outcome']} at {of['rest_price']:.4f} {of['rest_pnl']:+.2f}")
    if of.get("merged"):
        parts.append(f"merged {of['merged']:+.2f}")
    if of.get("fees"):
        parts.append(f"fees {-of['fees']:+.2f}")
    made = f" = {', '.join(parts)}" if parts else ""
    return (
        f"ENDED {s['outcome']} P&L {s['pnl']:+.2f}{made} | edge at the fills {cents(s['edge'])} ({s['gained']:+.2f}),"
        f" markout (1 s) {cents(s['edge_1s'])} ({s['gained_1s']:+.2f})"
        f" | net at close {s['net_at_close']:+d} (at 10 % left {s['net_at_10pct']:+d}, most {s['max_abs_net']})"
        f" | fills {s['fills']} contracts {s['contracts']} two-sided {number(s['two_sided_share'], '.0%')}"
        f" messages {s['order_messages']}"
    )


def _price(value: float) -> str:
    return f"{value:.4f}".removesuffix("00")


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "quote": _quote_line,
    "fill": _fill_line,
    "refusal": _refusal_line,
    "life": _life_line,
    "session": _session_line,
}
