"""REST calls beside the order session: each worker is a thread that makes them one after the other.

Owns the threads and the reports of what came of each call; the calls themselves are `rest.py`'s and `rest_orders.py`'s.
Knows nothing of actors and of the WebSocket.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger

from mmactors.messages import (
    CancelAllReported,
    FetchFills,
    FetchMarkets,
    FetchOrder,
    FillsFetched,
    MarketReported,
    MergePairs,
    MergeReported,
    OrderFetched,
    SendBatch,
    SendCancelAll,
    VenueError,
    VenueReport,
    VenueRequest,
)
from mmactors.units import Nanos
from mmactors.venue.degen.capabilities import Capabilities
from mmactors.venue.degen.rest import VENUE_FAILURES, VenueRefusedError, VenueRest
from mmactors.venue.degen.rest_orders import RestOrders


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Set the venue's dead man's switch to so long from now (session -> worker); answered by nothing."""

    ttl_ms: int


class RestWorker:
    """A thread that makes REST calls one after the other and delivers what comes of them."""

    def __init__(
        self, name: str, rest: VenueRest, deliver: Callable[[VenueReport], None], now: Callable[[], Nanos]
    ) -> None:
        """Args:
        name: the thread's name.
        rest: used by this thread alone.
        deliver: takes each report; must not block or raise.
        now: the clock, nanoseconds UTC.
        """
        self._rest = rest
        self._orders = RestOrders(rest, deliver, now)
        self._deliver = deliver
        self._no_switch = False
        self._requests: deque[VenueRequest | KeepAlive] = deque()
        self._queries: set[str] = set()  # the orders that a queued request asks about
        self._bell = threading.Semaphore(0)
        self._last_failures: dict[str, str] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing is queued."""
        return not self._requests

    def use(self, capabilities: Capabilities) -> None:
        """Take note of what the venue can do."""
        self._rest.capabilities = capabilities

    def submit(self, request: VenueRequest | KeepAlive) -> None:
        """Queue a request; never blocks. A query about an order that is in the queue already is not repeated."""
        if isinstance(request, FetchOrder):
            if request.client_id in self._queries:
                return
            self._queries.add(request.client_id)
        self._requests.append(request)
        self._bell.release()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Finish what is queued and end the thread, waiting at most `timeout_s` for it."""
        self._stopping.set()
        self._bell.release()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            self._bell.acquire()
            if self._requests:
                request = self._requests.popleft()
                if isinstance(request, FetchOrder):
                    self._queries.discard(request.client_id)
                try:
                    self._serve(request)
                except Exception as error:  # noqa: BLE001 - one odd answer must not end the worker
                    logger.error("venue: {} failed: internal error {!r}", type(request).__name__, error)
            elif self._stopping.is_set():
                break
        self._rest.close()

    def _serve(self, request: VenueRequest | KeepAlive) -> None:
        name = type(request).__name__
        try:
            match request:
                case FetchFills(since):
                    self._deliver(FillsFetched(since, self._rest.fills(since)))
                case FetchOrder(client_id):
                    self._deliver(OrderFetched(client_id, self._rest.order_by_client_id(client_id)))
                case SendCancelAll(op_id, market):
                    self._deliver(CancelAllReported(op_id, self._rest.cancel_all(market), None))
                case KeepAlive(ttl_ms):
                    self._beat(ttl_ms)
                case MergePairs(market, size):
                    self._rest.merge(market, size)
                    self._deliver(MergeReported(market, None))
                case SendBatch():
                    self._orders.carry_out(request)
                case FetchMarkets(status):
                    for listed in self._rest.markets(status):
                        self._deliver(MarketReported("snapshot", listed))
            self._last_failures.pop(name, None)
        except VENUE_FAILURES as failure:
            if self._last_failures.get(name) != str(failure):  # whoever asked asks again and again
                self._last_failures[name] = str(failure)
                waits = isinstance(request, FetchFills) and not request.past
                so = "; nothing is quoted before the account is reconciled" if waits else ""
                logger.warning("venue: {} failed: {}{}; further such failures are not logged", name, failure, so)
            self._failed(request, failure)

    def _beat(self, ttl_ms: int) -> None:
        if not self._no_switch and not self._rest.keep_alive(ttl_ms):
            self._no_switch = True
            logger.warning(
                "venue: it has neither cancel-on-disconnect nor a heartbeat: "
                "should this program die, its orders rest until `cancel-all` or the next start"
            )

    def _failed(self, request: VenueRequest | KeepAlive, failure: Exception) -> None:
        match request:
            case FetchFills(since):
                self._deliver(FillsFetched(since, (), str(failure)))
            case FetchOrder(client_id):
                self._deliver(OrderFetched(client_id, None, str(failure)))
            case MergePairs(market, _):
                self._deliver(MergeReported(market, str(failure)))
            case SendCancelAll(op_id, _):
                unknown = VenueError("unknown", "UNREACHABLE", str(failure))
                error = failure.error if isinstance(failure, VenueRefusedError) else unknown
                self._deliver(CancelAllReported(op_id, (), error))
