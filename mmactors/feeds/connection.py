"""One thread that keeps one price source connected and delivers its prices.

Owns connecting, reconnecting (by itself, with jittered backoff; before the exchange's 24-hour cut and on its announced
shutdown, the next socket first), subscribing and pinging where that takes a message, liveness by our own clock since
the last good tick or heartbeat, and the count of what was dropped. Knows nothing of actors: its messages go to the
callable `deliver`.
"""

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from loguru import logger

from mmactors.feeds.frames import Dropped, Ignored, Refused, ShutdownAnnounced
from mmactors.feeds.source import PriceSource
from mmactors.messages import FeedConnected, FeedLived, FeedWentStale, SpotTicked
from mmactors.net.backoff import Backoff
from mmactors.net.websocket import ConnectError, Dial, FrameSocket, SocketLostError, Wake, wait
from mmactors.units import Nanos, nanos, seconds

FeedMessage = FeedConnected | SpotTicked | FeedLived | FeedWentStale

GEO_BLOCKED = (403, 451)


@dataclass(frozen=True, slots=True)
class FeedTiming:
    """When a feed acts, in seconds.

    Attributes:
        stale_after: no good tick for this long: the feed is stale, reported once.
        silence: no good tick for this long: reconnect.
        lifetime: a socket this old is replaced (the exchange cuts at 24 h).
        connect: limit of each step of connecting.
        blocked_retry: pause once every host refused us for where we are.
    """

    stale_after: float = 2.0
    silence: float = 10.0
    lifetime: float = 23 * 3600 + 50 * 60
    connect: float = 5.0
    blocked_retry: float = 60.0


class FeedSocket:
    """One source's socket and the thread that owns it.

    `counters` are plain numbers: `ticks`, `heartbeats`, `connects`, `lost`, `ignored_<reason>`, `dropped_<reason>`, and
    the parser's own.
    """

    def __init__(
        self,
        source: PriceSource,
        *,
        urls: Sequence[str],
        assets: Mapping[str, str],
        deliver: Callable[[FeedMessage], None],
        now: Callable[[], Nanos],
        random: Random,
        timing: FeedTiming = FeedTiming(),
        sslopt: dict[str, Any] | None = None,
    ) -> None:
        """Args:
        source: which exchange.
        urls: bases of where to connect; the next one is tried when a host blocks us.
        assets: the asset of each symbol followed.
        deliver: called in the feed's thread with each message; must not block or raise.
        now: the clock, nanoseconds UTC, never going back.
        random: for the jitter.
        timing: when to act.
        sslopt: passed to the TLS layer.
        """
        self._source = source.name
        self._urls = tuple(source.address(base, assets) for base in urls)
        self._parser = source.parser(assets)
        self.counters = self._parser.counters
        self._deliver = deliver
        self._now = now
        self._timing = timing
        self._subscribe = None if source.subscription is None else source.subscription(assets)
        self._keep_alive = source.keep_alive
        self._sslopt = sslopt
        self._backoff = Backoff(random)
        self._wake = Wake()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed-{source.name}", daemon=True)
        self._url_at = 0
        self._blocked = 0
        self._live: FrameSocket | None = None
        self._fresh: FrameSocket | None = None
        self._dial: Dial | None = None
        self._dial_at_ns = now()
        self._connected_ns = now()
        self._active_ns = now()
        self._announced = False
        self._refused_for = self._lost_for = ""
        self._last_ns = dict.fromkeys(sorted(set(assets.values())), now())
        self._stale: set[str] = set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Close the socket and end the thread, waiting at most `timeout_s` for it."""
        self._stopping.set()
        self._wake.ring()
        if self._thread.ident is None:
            self._wake.close()
        else:
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                now = self._now()
                self._act(now)
                sockets = [each for each in (self._live, self._fresh) if each is not None]
                wait(self._wake, sockets, self._timeout_s(now))
                if self._fresh is not None:
                    self._read(self._fresh)
                if self._live is not None:
                    self._read(self._live)
        except Exception:  # noqa: BLE001 - a silent death would look like a silent exchange
            logger.error("feed {}: ended by an error of its own\n{}", self._source, traceback.format_exc())
            for asset in self._last_ns:
                self._report_stale(asset, "ended by an error")
        finally:
            for each in (self._live, self._fresh, self._dial):
                if isinstance(each, FrameSocket):
                    each.close()
                elif each is not None:
                    each.abandon()
            self._wake.close()

    def _act(self, now: Nanos) -> None:
        if self._dial is not None and self._dial.decided:
            dial, self._dial = self._dial, None
            try:
                self._connected(dial.socket(), now)
            except ConnectError as failed:
                self._refused(failed, now)
        newest = max(self._last_ns.values())
        if self._live is not None and now - max(newest, self._connected_ns) >= nanos(self._timing.silence):
            self._count("silences")
            self._drop_live(f"silent for {self._timing.silence:g} s", now)
        self._ping(now)
        due = self._live is None or now - self._connected_ns >= nanos(self._timing.lifetime)
        if due and self._dial is None and self._fresh is None and now >= self._dial_at_ns:
            url = self._urls[self._url_at % len(self._urls)]
            self._dial = Dial(url, self._wake, self._timing.connect, self._sslopt)
        for asset, last in self._last_ns.items():
            if asset not in self._stale and now - last >= nanos(self._timing.stale_after):
                self._report_stale(asset, f"no tick for {self._timing.stale_after:g} s")

    def _ping(self, now: Nanos) -> None:
        keep = self._keep_alive
        if keep is None or self._live is None or now - self._active_ns < nanos(keep.after_s):
            return
        self._active_ns = now
        self._count("pings")
        try:
            self._live.send(keep.message)
        except SocketLostError as lost:
            self._on_lost(self._live, lost)

    def _timeout_s(self, now: Nanos) -> float:
        due = [last + nanos(self._timing.stale_after) for a, last in self._last_ns.items() if a not in self._stale]
        if self._live is not None:
            due.append(nanos(self._timing.silence) + max(*self._last_ns.values(), self._connected_ns))
            if self._dial is None and self._fresh is None:
                due.append(max(self._connected_ns + nanos(self._timing.lifetime), self._dial_at_ns))
            if self._keep_alive is not None:
                due.append(Nanos(self._active_ns + nanos(self._keep_alive.after_s)))
        elif self._dial is None:
            due.append(self._dial_at_ns)
        return max(0.0, min([seconds(at - now) for at in due], default=1.0)) + 0.001

    def _connected(self, socket: FrameSocket, now: Nanos) -> None:
        self._count("connects")
        self._blocked = 0
        self._refused_for = ""
        if self._live is not None:
            self._fresh = socket  # takes over with its first tick
        else:
            self._live, self._connected_ns, self._announced = socket, now, False
            self._active_ns = now
            logger.debug("feed {}: connected", self._source)
        if self._subscribe is None:
            self._announce(now)
            return
        try:
            socket.send(self._subscribe)
        except SocketLostError as lost:
            self._on_lost(socket, lost)

    def _announce(self, now: Nanos) -> None:
        if not self._announced:
            self._announced = True
            for asset in self._last_ns:
                self._deliver(FeedConnected(self._source, asset, now))

    def _refused(self, failed: ConnectError, now: Nanos) -> None:
        self._count("refused")
        reason, url = failed.reason, self._urls[self._url_at % len(self._urls)]
        pause_s = self._backoff.next_s()
        if failed.status in GEO_BLOCKED:
            self._blocked += 1
            self._url_at += 1
            if self._blocked % len(self._urls):
                reason, pause_s = f"{reason}: blocked for this location, trying the next host", 0.0
            else:
                reason, pause_s = f"{reason}: blocked for this location on every host", self._timing.blocked_retry
        if reason != self._refused_for:
            self._refused_for = reason
            where = url.split("?", 1)[0]
            logger.warning("feed {}: cannot connect to {}: {}; trying again", self._source, where, reason)
        self._dial_at_ns = Nanos(now + nanos(pause_s))

    def _read(self, socket: FrameSocket) -> None:
        skipped = socket.oversized
        try:
            messages = socket.receive(self._now())
            if socket.unsent:
                socket.flush()
        except SocketLostError as lost:
            self._on_lost(socket, lost)
            return
        now = self._now()
        for raw in messages:
            if socket is not self._live and socket is not self._fresh:
                return
            self._on_message(raw, socket, now)
        if socket.oversized > skipped:
            self._drop("oversized", socket.oversized - skipped)

    def _on_message(self, raw: bytes, socket: FrameSocket, now: Nanos) -> None:
        if socket is self._live:
            self._active_ns = now
        parsed = self._parser.parse(raw, now)
        if isinstance(parsed, SpotTicked | FeedLived | Ignored):
            self._announce(now)
        if isinstance(parsed, SpotTicked | FeedLived):
            self._count("ticks" if isinstance(parsed, SpotTicked) else "heartbeats")
            self._lost_for = ""
            self._last_ns[parsed.asset] = now
            self._stale.discard(parsed.asset)
            if socket is self._fresh:
                self._take_over(now)
            self._deliver(parsed)
        elif isinstance(parsed, Ignored):
            self._count(f"ignored_{parsed.reason}")
        elif isinstance(parsed, Dropped):
            self._drop(parsed.reason)
        elif isinstance(parsed, Refused):
            self._count("refused_subscriptions")
            self._on_lost(socket, SocketLostError(f"the exchange refuses: {parsed.reason}"))
        elif socket is self._live:
            assert isinstance(parsed, ShutdownAnnounced)
            self._count("shutdowns")
            logger.info("feed {}: the server announced its shutdown, changing over", self._source)
            self._connected_ns = Nanos(now - nanos(self._timing.lifetime))
            self._dial_at_ns = now

    def _drop(self, reason: str, times: int = 1) -> None:
        if self._count(f"dropped_{reason}", times) == times:
            logger.warning("feed {}: dropped a frame ({}); further ones are counted", self._source, reason)

    def _take_over(self, now: Nanos) -> None:
        if self._live is not None:
            self._live.close()
        self._live, self._fresh, self._connected_ns, self._active_ns = self._fresh, None, now, now
        logger.info("feed {}: changed over to a new connection", self._source)

    def _on_lost(self, socket: FrameSocket, lost: SocketLostError) -> None:
        now = self._now()
        self._count("lost")
        if socket is self._fresh:
            socket.close()
            self._fresh = None
            self._dial_at_ns = Nanos(now + nanos(self._backoff.next_s()))
        elif self._fresh is not None:
            self._take_over(now)
        else:
            self._drop_live(lost.reason, now)

    def _drop_live(self, reason: str, now: Nanos) -> None:
        assert self._live is not None
        self._live.close()
        self._live = None
        if self._fresh is not None:
            self._take_over(now)
            return
        pause_s = self._backoff.next_s(seconds(now - self._connected_ns))
        self._dial_at_ns = Nanos(now + nanos(pause_s))
        self._parser.forget()
        live = [asset for asset in self._last_ns if asset not in self._stale]
        # A report of staleness gives the reason; only what it does not cover is worth a line of its own.
        level = "DEBUG" if live or reason == self._lost_for else "WARNING"
        logger.log(level, "feed {}: lost: {}; again in {:.2f} s", self._source, reason, pause_s)
        self._lost_for = reason
        for asset in live:
            self._report_stale(asset, reason)

    def _report_stale(self, asset: str, reason: str) -> None:
        self._stale.add(asset)
        self._deliver(FeedWentStale(self._source, asset, self._last_ns[asset], reason))

    def _count(self, name: str, by: int = 1) -> int:
        count = self.counters.get(name, 0) + by
        self.counters[name] = count
        return count
