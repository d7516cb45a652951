"""The past hour of an asset from an exchange's REST history: Binance's klines of 1 s, Coinbase's candles of 1 min.

Owns the requests, the reading of rows and what makes them usable: closes in order, in the past, positive. It blocks, so
it is for a thread of its own (`HistoryThread`); knows nothing of actors. History is a help, not a need: a failure is
one line, the next source is asked, and all of them again later, until what was seen live is an hour itself.
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import requests
from loguru import logger

from mmactors.messages import HistoryFetched
from mmactors.net.backoff import Backoff
from mmactors.net.proxies import is_direct
from mmactors.units import MILLISECOND, SECOND, Nanos

SPAN_S = 3600
KLINES_A_REQUEST = 1000
RETRY_S = 1.0, 60.0
"""Least and most pause before a history that failed is asked for again."""

MAX_BYTES = 8 << 20
"""A thousand klines have 200 kB."""

Close = tuple[Nanos, float]


class HistoryError(Exception):
    """No history was to be had; the text is one line that says from where and why."""


@dataclass(frozen=True, slots=True)
class HistorySource:
    """Where one asset's past is: an exchange, the base of its REST address, and the asset's symbol there."""

    source: Literal["binance", "coinbase"]
    asset: str
    base_url: str
    symbol: str

    @property
    def step_s(self) -> float:
        """Seconds between closes."""
        return 1.0 if self.source == "binance" else 60.0


def fetch(source: HistorySource, now_ns: Nanos, *, span_s: int = SPAN_S, timeout_s: float = 5.0) -> HistoryFetched:
    """Return the closes of the span before now, oldest first; each has the time at which its interval ended.

    Raises:
        HistoryError: unreachable, refused, unreadable, or not a single usable close.
    """
    with requests.Session() as session:
        session.trust_env = not is_direct(source.base_url)
        if source.source == "binance":
            rows = _klines(session, source, now_ns // MILLISECOND, span_s, timeout_s)
            close_at, time_ns, step_ns = 4, MILLISECOND, SECOND
        else:
            rows = _candles(session, source, now_ns // SECOND, span_s, timeout_s)
            close_at, time_ns, step_ns = 4, SECOND, 60 * SECOND
    closes = _closes(rows, close_at, time_ns, step_ns, now_ns)
    if not closes:
        raise HistoryError(f"{_where(source)}: none of {len(rows)} rows is usable")
    return HistoryFetched(source.asset, source.source, source.step_s, closes)


def _klines(session: requests.Session, source: HistorySource, now_ms: int, span_s: int, timeout_s: float) -> list[Any]:
    rows: list[Any] = []
    since_ms = now_ms - span_s * 1000
    while since_ms < now_ms:
        query = {"symbol": source.symbol.upper(), "interval": "1s", "limit": KLINES_A_REQUEST}
        page = _get(session, source, "/api/v3/klines", {**query, "startTime": since_ms, "endTime": now_ms}, timeout_s)
        rows += page
        opened = [row[0] for row in page if isinstance(row, list) and row and isinstance(row[0], int)]
        if len(page) < KLINES_A_REQUEST or not opened or max(opened) < since_ms:
            break
        since_ms = max(opened) + 1
    return rows


def _candles(session: requests.Session, source: HistorySource, now_s: int, span_s: int, timeout_s: float) -> list[Any]:
    query = {"granularity": 60, "start": now_s - span_s, "end": now_s}
    return _get(session, source, f"/products/{source.symbol.upper()}/candles", query, timeout_s)


def _get(
    session: requests.Session, source: HistorySource, path: str, query: dict[str, Any], timeout_s: float
) -> list[Any]:
    url = source.base_url.rstrip("/") + path
    try:
        with session.get(url, params=query, timeout=timeout_s, stream=True) as response:
            body = response.raw.read(MAX_BYTES + 1, decode_content=True)
            status = response.status_code
    except (requests.RequestException, OSError) as error:
        raise HistoryError(f"{_where(source)}: {_short(error)}") from None
    except Exception as error:  # noqa: BLE001 - urllib3 has errors of its own that requests does not wrap here
        raise HistoryError(f"{_where(source)}: {_short(error)}") from None
    if status != 200:
        said = " ".join(body[:200].decode(errors="replace").split())
        raise HistoryError(f"{_where(source)}: HTTP {status} {said}")
    if len(body) > MAX_BYTES:
        raise HistoryError(f"{_where(source)}: an answer of more than {MAX_BYTES >> 20} MB")
    try:
        rows = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise HistoryError(f"{_where(source)}: the answer is not JSON") from None
    if not isinstance(rows, list):
        raise HistoryError(f"{_where(source)}: the answer is no list of rows")
    return rows


def _closes(rows: Sequence[Any], close_at: int, time_ns: int, step_ns: int, now_ns: Nanos) -> tuple[Close, ...]:
    """Return each interval's end and close; unusable rows and an interval that is not over are left out."""
    found: dict[int, float] = {}
    for row in rows:
        if not isinstance(row, list) or len(row) <= close_at:
            continue
        began, price = row[0], row[close_at]
        if isinstance(began, bool) or not isinstance(began, int) or isinstance(price, bool):
            continue
        try:
            close = float(price)
        except (TypeError, ValueError, OverflowError):
            continue
        ended = began * time_ns + step_ns
        if 0.0 < close < math.inf and 0 < ended <= now_ns:
            found[ended] = close
    return tuple((Nanos(at), found[at]) for at in sorted(found))


def _where(source: HistorySource) -> str:
    return f"no history of {source.asset} from {source.source} at {source.base_url}"


def _short(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__ or (getattr(cause, "reason", None) if cause is error else None)
        if not isinstance(cause, BaseException):
            break
    return type(error).__name__


class HistoryThread:
    """Fetches every asset's past once, each from the first of its sources that has it, in a thread of its own.

    What none of them has is asked for again, less and less often, for an hour.
    """

    def __init__(
        self,
        sources: Sequence[HistorySource],
        deliver: Callable[[HistoryFetched], None],
        now: Callable[[], Nanos],
        backoff: Backoff,
    ) -> None:
        """Args:
        sources: where to ask, the best first for each asset.
        deliver: called in the thread with what was fetched; must not block or raise.
        now: the clock, nanoseconds UTC.
        backoff: how long to wait before what failed is asked for again.
        """
        self.counters: dict[str, int] = {}
        self._sources = tuple(sources)
        self._deliver = deliver
        self._now = now
        self._backoff = backoff
        self._have: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end after its present request; nothing is delivered any more."""
        self._stopping.set()

    @property
    def alive(self) -> bool:
        """Whether it still asks."""
        return self._thread.is_alive()

    def _run(self) -> None:
        until = self._now() + SPAN_S * SECOND
        while True:
            for source in self._sources:
                if self._stopping.is_set():
                    return
                if source.asset not in self._have:
                    self._try(source)
            missing = {source.asset for source in self._sources} - self._have
            if not missing or self._now() >= until or self._stopping.wait(self._backoff.next_s()):
                return

    def _try(self, source: HistorySource) -> None:
        try:
            fetched = fetch(source, self._now())
        except HistoryError as failed:
            self._count("failed")
            same = (source.source, str(failed).partition(source.base_url)[2])
            if not self._stopping.is_set() and same not in self._told:
                self._told.add(same)
                logger.warning("{}; sigma starts without it; asking again", failed)
            return
        except Exception as error:  # noqa: BLE001 - a help that fails must not look like one that hangs
            self._count("failed")
            logger.error("{}: {}", _where(source), type(error).__name__)
            return
        self._have.add(source.asset)
        self._count("fetched")
        if not self._stopping.is_set():
            self._deliver(fetched)

    def _count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1
