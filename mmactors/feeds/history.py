"""The past hour of an asset from an exchange's REST history.

Owns the requests, the reading of rows and what makes them usable: closes in order, in the past, positive. It blocks, so
it is for a thread of its own (`HistoryThread`); knows nothing of actors. History is a help, not a need: a failure is
one line, the next source is asked, and all of them again later, until what was seen live is an hour itself.
"""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import requests
from loguru import logger

from mmactors.feeds.frames import Refused
from mmactors.feeds.source import History
from mmactors.feeds.sources import SOURCES
from mmactors.messages import HistoryFetched
from mmactors.net.backoff import Backoff
from mmactors.net.proxies import is_direct
from mmactors.units import SECOND, Nanos

SPAN_S = 3600
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

    source: str
    asset: str
    base_url: str
    symbol: str

    @property
    def history(self) -> History:
        """How the exchange is asked."""
        return SOURCES[self.source].history


def fetch(source: HistorySource, now_ns: Nanos, *, span_s: int = SPAN_S, timeout_s: float = 5.0) -> HistoryFetched:
    """Return the closes of the span before now, oldest first; each has the time at which its interval ended.

    Raises:
        HistoryError: unreachable, refused, unreadable, or not a single usable close.
    """
    history = source.history
    with requests.Session() as session:
        session.trust_env = not is_direct(source.base_url)
        ask = partial(_get, session, source, timeout_s)
        rows = history.rows(ask, source.symbol, Nanos(now_ns - span_s * SECOND), now_ns)
    closes = _closes(rows, history.close_at, history.time_ns, round(history.step_s * SECOND), now_ns)
    if not closes:
        raise HistoryError(f"{_where(source)}: none of {len(rows)} rows is usable")
    return HistoryFetched(source.asset, source.source, history.step_s, closes)


def _get(
    session: requests.Session, source: HistorySource, timeout_s: float, path: str, query: Mapping[str, Any]
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
        words = " ".join(body[:200].decode(errors="replace").split())
        raise HistoryError(f"{_where(source)}: HTTP {status} {words}")
    if len(body) > MAX_BYTES:
        raise HistoryError(f"{_where(source)}: an answer of more than {MAX_BYTES >> 20} MB")
    try:
        rows = source.history.unwrap(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise HistoryError(f"{_where(source)}: the answer is not JSON") from None
    if isinstance(rows, Refused):
        raise HistoryError(f"{_where(source)}: the exchange refuses: {rows.reason}")
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
        self._logged: set[tuple[str, str]] = set()
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
            if not self._stopping.is_set() and same not in self._logged:
                self._logged.add(same)
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
