"""Links of a run in virtual time that suffer the faults of a schedule.

Owns what a fault does to the order session, to REST and to the feed. The client's protocol and the venue's hub are the
real ones; a broken connection has the effects that `venue/degen/session.py` has live. It must not know what the program
should do about a fault.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import jwt
import msgspec

from mmactors.backtest.environment import Environment, Timeline
from mmactors.backtest.links import ACCOUNT, Deliver, VirtualFeed
from mmactors.faults.schedule import FaultSchedule
from mmactors.messages import (
    BatchWritten,
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
    VenueDisconnected,
    VenueReport,
    VenueRequest,
    WatchBook,
)
from mmactors.simulator.models.latency import Latency
from mmactors.simulator.server.tokens import DEVELOPMENT_SECRET
from mmactors.simulator.server.venue_socket import VenueSocket
from mmactors.simulator.venue import replies
from mmactors.units import MILLISECOND, nanos
from mmactors.venue import port
from mmactors.venue.degen.batches import not_sent
from mmactors.venue.degen.codec import Codec
from mmactors.venue.degen.protocol import Counters, SessionOverError, SessionProtocol, SessionTerms

OVERLAP = 50
"""A page of fills begins so many fills too early, as a careless venue's does."""

RECONNECT_S = (0.1, 0.6)
REST_FAILS = 0.7
REST_TAKES_S = (0.3, 3.0)
"""Delay of an answer over slow REST, seconds; less than the client's timeout."""

_Call = SendCancelAll | FetchFills | FetchOrder | FetchMarkets | MergePairs
_FLAWED = {"code": "INTERNAL", "message": "injected"}


class _FaultyChannel:
    """One direction of a connection: in order, late, and with the loss of what is on it when the connection breaks."""

    def __init__(self, timeline: Timeline, latency: Latency, arrive: Callable[[Any], None]) -> None:
        self.waiting: deque[Any] = deque()
        self._timeline = timeline
        self._latency = latency
        self._arrive = arrive
        self._due_ns = 0

    def send(self, thing: Any, not_before_ns: int = 0) -> None:
        self._due_ns = max(self._due_ns, not_before_ns, self._timeline.clock.now() + nanos(self._latency.draw_s()))
        self.waiting.append(thing)
        self._timeline.call_at(self._due_ns, self._next)

    def _next(self) -> None:
        if self.waiting:
            self._arrive(self.waiting.popleft())


class _Calls:
    """REST calls, one after the other as in the real worker; slow while a fault says so."""

    def __init__(
        self,
        schedule: FaultSchedule,
        timeline: Timeline,
        latency: Latency,
        answer: Callable[[_Call], list[VenueReport]],
        deliver: port.Deliver,
    ) -> None:
        self._schedule = schedule
        self._timeline = timeline
        self._latency = latency
        self._answer = answer
        self._deliver = deliver
        self._waiting: deque[_Call] = deque()
        self._busy = False

    def make(self, call: _Call) -> None:
        if isinstance(call, FetchOrder) and call in self._waiting:
            return
        self._waiting.append(call)
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            arrives_ns = self._timeline.clock.now() + nanos(self._latency.draw_s())
            self._timeline.call_at(arrives_ns, partial(self._arrived, self._waiting.popleft()))

    def _arrived(self, call: _Call) -> None:
        now, reports = self._timeline.clock.now(), self._answer(call)
        if self._schedule.now("slow_rest", now) is None:
            self._deliver_all(reports)
        else:
            takes_s = self._schedule.random.uniform(*REST_TAKES_S)
            self._timeline.call_at(now + nanos(takes_s), partial(self._deliver_all, reports))

    def _deliver_all(self, reports: list[VenueReport]) -> None:
        for report in reports:
            self._deliver(report)
        self._next()


class _Sender:
    """Sends the frames of the venue's socket."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self.closing = False
        self._put = put

    def put(self, text: str, _book: str | None = None) -> None:
        if not self.closing:
            self._put(text)

    def close(self, _code: int, _reason: str) -> None:
        self.closing = True


class FaultyLink:
    """The port's `Link` under faults."""

    def __init__(self, schedule: FaultSchedule, environment: Environment, deliver: port.Deliver) -> None:
        """Args:
        schedule: the faults.
        environment, deliver: as in `VirtualLink`.
        """
        config = environment.config
        self._schedule = schedule
        self._timeline = environment.timeline
        self._hub = environment.hub
        self._deliver = deliver
        self._wire_asks = config.venue.wire_asks
        self._codec = Codec(self._wire_asks)
        venue, simulator = config.venue, config.simulator
        self._terms = SessionTerms("twin", venue.heartbeat_ms, venue.cod_timeout_ms)
        self._latencies = {
            name: Latency(simulator.order_latency_ms, simulator.latency_jitter_ms, environment.random(name))
            for name in ("out", "in", "rest")
        }
        rest = self._latencies["rest"]
        self._queries = _Calls(schedule, environment.timeline, rest, self._answer, deliver)
        self._cancels = _Calls(schedule, environment.timeline, rest, self._answer, deliver)
        self._watched: set[str] = set()
        self._counters = Counters()
        self._protocol: SessionProtocol[bytes] | None = None
        self._connections = 0
        self._stopped = False

    def start(self) -> None:
        """Connect, and break the connection at every cut of the schedule."""
        for fault in self._schedule.faults:
            if fault.kind == "cut":
                self._timeline.call_at(fault.from_ns, partial(self._break, "connection reset"))
        self._connect()

    def stop(self) -> None:
        """Disconnect."""
        self._stopped = True
        self._protocol = None

    def submit(self, request: VenueRequest) -> None:
        """Send a request; one that cannot be sent is reported as not sent, as by the real link."""
        now = self._timeline.clock.now()
        protocol = self._protocol if self._protocol is not None and self._protocol.up else None
        match request:
            case WatchBook():
                (self._watched.add if request.on else self._watched.discard)(request.market)
                if self._protocol is not None:
                    self._protocol.watch(request)
            case SendBatch() if protocol is not None:
                protocol.send_batch(request, now)
                self._deliver(BatchWritten(request.op_id, now))
            case SendBatch():
                self._deliver(not_sent(request, now))
            case SendCancelAll() if protocol is not None:
                protocol.send_cancel_all(request)
            case SendCancelAll():
                self._cancels.make(request)
            case FetchFills() | FetchOrder() | FetchMarkets() | MergePairs():
                self._queries.make(request)

    # --- a connection's life ------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._stopped or self._protocol is not None:
            return
        cut = self._schedule.now("cut", self._timeline.clock.now())
        if cut is not None:
            self._retry(cut.until_ns)
            return
        self._connections += 1
        self._socket = VenueSocket(self._hub, self._latencies["out"], self._connections)
        self._out = _FaultyChannel(self._timeline, self._latencies["out"], self._reach_venue)
        self._in = _FaultyChannel(self._timeline, self._latencies["in"], self._reach_program)
        self._sender = _Sender(partial(self._send_to_program, self._in))
        self._socket.send_through(self._sender)
        self._hub.connected.add(self._socket)
        self._protocol = SessionProtocol(
            self._terms, Codec(self._wire_asks), self._out.send, self._deliver, self._watched, self._counters
        )
        token = jwt.encode({"sub": ACCOUNT, "exp": 4_000_000_000}, DEVELOPMENT_SECRET, algorithm="HS256")
        self._protocol.begin(token, self._timeline.clock.now())
        self._run_timers(self._protocol)

    def _break(self, reason: str) -> None:
        protocol = self._protocol
        if protocol is None or self._stopped:
            return
        self._protocol = None
        if self._schedule.random.random() < 0.5:  # the venue reads the last frames; its answers are lost
            for frame in self._out.waiting:
                self._reach_socket(frame)
        self._out.waiting.clear()
        self._in.waiting.clear()
        self._sender.closing = True
        self._hub.leave(self._socket)
        for request in protocol.end():
            self._cancels.make(request)
        self._deliver(VenueDisconnected(reason, self._timeline.clock.now()))
        self._retry(self._timeline.clock.now())

    def _retry(self, from_ns: int) -> None:
        self._timeline.call_at(from_ns + nanos(self._schedule.random.uniform(*RECONNECT_S)), self._connect)

    def _run_timers(self, protocol: SessionProtocol[bytes]) -> None:
        if protocol is not self._protocol:
            return
        try:
            due = protocol.run_timers(self._timeline.clock.now())
        except SessionOverError as over:
            self._break(over.reason)
        else:
            self._timeline.call_at(due + MILLISECOND, partial(self._run_timers, protocol))  # as the real session waits

    # --- frames -------------------------------------------------------------------------------------

    def _reach_venue(self, frame: bytes) -> None:
        fault = self._schedule.now("errors", self._timeline.clock.now())
        if fault is not None and b'"batch"' in frame and self._schedule.random.random() < 0.5:
            self._sender.put(_failed(msgspec.json.decode(frame)["id"]))
            return
        self._reach_socket(frame)

    def _reach_socket(self, frame: bytes) -> None:
        now_ms = self._hub.clock.now_ms()
        self._hub.simulation.advance(now_ms)
        if self._socket.session is not None:
            self._socket.session.last_frame_ms = now_ms
        self._socket.receive(frame)

    def _send_to_program(self, channel: _FaultyChannel, text: str) -> None:
        now = self._timeline.clock.now()
        lost_news = self._schedule.now("lost_news", now) is not None
        if lost_news and '"type":"order"' in text:
            return
        if '"type":"ack","op":"batch"' in text:
            if lost_news or self._schedule.now("lost_acks", now) is not None:
                return
            if self._schedule.now("errors", now) is not None:
                text = _failed(msgspec.json.decode(text)["id"])
        late = self._schedule.now("late", now)
        channel.send(text, late.until_ns if late is not None else 0)

    def _reach_program(self, text: str) -> None:
        if self._protocol is not None:
            try:
                self._protocol.receive(text.encode(), self._timeline.clock.now())
            except SessionOverError as over:
                self._break(over.reason)

    def _answer(self, request: _Call) -> list[VenueReport]:
        """Return the reports of a REST call: the venue's answer, or the failure."""
        flaky = self._schedule.now("no_rest", self._timeline.clock.now()) is not None
        down = flaky and self._schedule.random.random() < REST_FAILS
        self._hub.simulation.advance(self._hub.clock.now_ms())
        account = self._hub.simulation.account(ACCOUNT)
        match request:
            case SendCancelAll():
                frame = {"op": "cancel_all"} | ({} if request.market is None else {"market": request.market})
                reply = self._hub.submit(account, frame)
                self._hub.publish()
                return [CancelAllReported(request.op_id, tuple(reply["result"]["cancelled"]), None)]
            case MergePairs() if down:
                return [MergeReported(request.market, "name resolution failed")]
            case MergePairs():
                self._hub.submit(account, {"op": "merge", "market": request.market, "size": request.size})
                self._hub.publish()
                return [MergeReported(request.market, None)]
            case FetchFills() if down:
                return [FillsFetched(request.since_seq, (), "name resolution failed")]
            case FetchFills():
                since = request.since_seq - OVERLAP
                missed = [replies.fill_json(fill) for fill in account.fills if fill.seq > since]
                fills, _ = self._codec.fills(msgspec.json.encode({"fills": missed, "next": None}))
                return [FillsFetched(request.since_seq, fills)]
            case FetchMarkets() if not down:
                now_ms = self._hub.clock.now_ms()
                listed = [
                    m for m in self._hub.simulation.venue.markets.values() if m.listed and m.status == request.status
                ]
                raw = msgspec.json.encode({"markets": [replies.market_json(market, now_ms) for market in listed]})
                return [MarketReported("snapshot", market) for market in self._codec.markets(raw)[0]]
            case FetchOrder() if down:
                return [OrderFetched(request.client_id, None, "name resolution failed")]
            case FetchOrder():
                claim = account.claims.get(request.client_id)
                orders = [] if claim is None else [replies.order_json(claim[0])]
                found = self._codec.orders(msgspec.json.encode({"orders": orders}))
                return [OrderFetched(request.client_id, found[0] if found else None)]
        return []


class FaultyFeed(VirtualFeed):
    """The feed's socket, silent during a fault though connected."""

    def __init__(self, schedule: FaultSchedule, environment: Environment, source: str, deliver: Deliver) -> None:
        super().__init__(environment, source, deliver)
        self._schedule = schedule

    def _tick(self) -> None:
        now = self._timeline.clock.now()
        if self.live and self._schedule.now("silent", now) is not None:
            self._timeline.call_at(now + self._period_ns, self._tick)
        else:
            super()._tick()


def _failed(op_id: int) -> str:
    return msgspec.json.encode({"id": op_id, "type": "error", "op": "batch", "error": _FLAWED}).decode()
