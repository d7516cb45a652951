"""The venue's client as the gateway uses it: one `submit`, whatever carries the request.

Owns which way a request goes: orders and books by the WebSocket session, fetches and merges by REST, a cancel-all by
whichever way is open. It must not know actors.
"""

from collections.abc import Callable
from random import Random
from zlib import crc32

from loguru import logger

from mmactors.config.schema import VenueConfig
from mmactors.messages import (
    FetchFills,
    FetchMarkets,
    FetchOrder,
    MergePairs,
    SendBatch,
    SendCancelAll,
    VenueConnected,
    VenueReport,
    VenueRequest,
)
from mmactors.net.tls import Trust
from mmactors.units import Nanos, nanos, seconds
from mmactors.venue.degen.batches import apart, items_of, not_sent
from mmactors.venue.degen.capabilities import EVERYTHING, Capabilities
from mmactors.venue.degen.credentials import Credentials
from mmactors.venue.degen.protocol import SessionTerms
from mmactors.venue.degen.rest import VenueRest
from mmactors.venue.degen.rest_worker import KeepAlive, RestWorker
from mmactors.venue.degen.session import VenueSession
from mmactors.venue.port import Deliver

REST_LANES = 8
"""How many orders may be on their way at once where each is a request of its own."""


class DegenLink:
    """The port's `Link` to Degen Terminal: a WebSocket session and REST workers.

    One worker is for fetches, one for cancel-alls, which queue behind nothing; others carry orders and heartbeats where
    the venue takes them no other way.
    """

    def __init__(
        self,
        *,
        config: VenueConfig,
        ws_url: str,
        rest_url: str,
        session: str,
        token: Credentials,
        deliver: Deliver,
        now: Callable[[], Nanos],
        random: Random,
        trust: Trust | None = None,
    ) -> None:
        """Args:
        config: the venue's section of the configuration.
        ws_url: the WebSocket's address.
        rest_url: the REST root.
        session: this run's name.
        token: asked at each login and request.
        deliver: called, in the link's threads, with each report; must not block or raise.
        now: the clock, nanoseconds UTC, never going back.
        random: for the jitter of reconnecting.
        trust: whose certificates to believe; the system's without.
        """
        self._deliver = deliver
        self._now = now
        self._capabilities = EVERYTHING
        self._stopped = False
        terms = SessionTerms(
            session=session,
            heartbeat_ms=config.heartbeat_ms,
            cod_timeout_ms=config.cod_timeout_ms,
            timeout_s=config.request_timeout_s,
        )
        self.session = VenueSession(
            url=ws_url,
            terms=terms,
            wire_asks=config.wire_asks,
            token=token,
            deliver=self._on_report,
            unsent=self._unsent,
            by_rest=self._by_rest,
            now=now,
            random=random,
            renew_before_ns=nanos(config.renew_before_s),
            sslopt=None if trust is None else trust.sslopt,
        )

        def worker(name: str, attempts: int) -> RestWorker:
            rest = VenueRest(rest_url, token, now, config.request_timeout_s, config.wire_asks, attempts, trust=trust)
            return RestWorker(f"venue-{name}", rest, self._on_answer, now)

        self._worker = worker
        self._workers = {name: worker(name, attempts=3) for name in ("audit", "cancel")}

    @property
    def counters(self) -> dict[str, int]:
        return self.session.counters

    @property
    def connected(self) -> bool:
        return self.session.connected

    def start(self) -> None:
        """Start connecting."""
        for worker in self._workers.values():
            worker.start()
        self.session.start()

    def submit(self, request: VenueRequest) -> None:
        """Take a request; never blocks. What cannot leave is reported as `NOT_SENT`, it is not kept for later."""
        if isinstance(request, FetchFills | FetchOrder | FetchMarkets | MergePairs):
            self._workers["audit"].submit(request)
        elif isinstance(request, SendCancelAll) and not self.session.connected:
            self._workers["cancel"].submit(request)
        else:
            self.session.submit(request)

    def stop(self, timeout_s: float = 3.0) -> None:
        """Send what is queued, log out, and end the threads; the session and the rest get `timeout_s` each."""
        self._stopped = True
        self.session.stop(timeout_s)
        if any(name.startswith("dropped_") for name in self.counters):
            counts = ", ".join(f"{name} {count}" for name, count in sorted(self.counters.items()))
            logger.info("venue: {}", counts)
        workers, until = tuple(self._workers.values()), self._now() + nanos(timeout_s)
        for worker in workers:  # all are stopped before any is waited for
            worker.stop(0.0)
        for worker in workers:
            worker.stop(max(0.0, seconds(until - self._now())))

    def _on_report(self, report: VenueReport) -> None:
        if isinstance(report, VenueConnected):
            self._capabilities = Capabilities.of(report.capabilities)
            for worker in self._workers.values():
                worker.use(self._capabilities)
        self._deliver(report)

    def _on_answer(self, report: VenueReport) -> None:
        if not self._stopped:  # else whoever asked has gone
            self._deliver(report)

    def _by_rest(self, request: SendBatch | KeepAlive) -> None:
        """Take what the venue takes over REST only: what concerns one order in order, different orders side by side."""
        if isinstance(request, KeepAlive):
            beats = self._worker_for("heartbeat")
            if beats.idle:  # one that is late is not made up for
                beats.submit(request)
            return
        for single in apart(request):
            ((_, item),) = items_of(single)
            self._worker_for(f"orders-{crc32(item.client_id.encode()) % REST_LANES}").submit(single)

    def _worker_for(self, name: str) -> RestWorker:
        if name not in self._workers:
            self._workers[name] = self._worker(name, attempts=1)
            self._workers[name].use(self._capabilities)
            self._workers[name].start()
        return self._workers[name]

    def _unsent(self, request: VenueRequest) -> None:
        if isinstance(request, SendBatch):
            self._deliver(not_sent(request, self._now()))
        elif isinstance(request, SendCancelAll):
            self._workers["cancel"].submit(request)
