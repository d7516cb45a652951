"""Faults for the deterministic twin: a schedule drawn from a seed, and the ways to the world that suffer it.

Owns what goes wrong and when, on the order session, the venue's REST interface and the feed. The client's conversation
and the venue's floor are the real ones; what a broken connection does to them is done here as `venue/session.py` does
it live. What the program should make of it is the oracle's and the auditor's to say.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Literal

import jwt
import msgspec

from mmactors.messages import (
    BatchReported,
    BatchWritten,
    CancelAllReported,
    FetchFills,
    FetchMarkets,
    FetchOrder,
    FillsFetched,
    ItemResult,
    MarketReported,
    MergePairs,
    MergeReported,
    OrderFetched,
    SendBatch,
    SendCancelAll,
    VenueDisconnected,
    VenueRequest,
    WatchBook,
)
from mmactors.research.connection import ACCOUNT, Deliver, TwinFeed
from mmactors.research.stage import Stage, Timeline
from mmactors.simulator import DEVELOPMENT_SECRET, wire
from mmactors.simulator.floor import Latency
from mmactors.simulator.venue_socket import VenueSocket
from mmactors.units import MILLISECOND, nanos
from mmactors.venue.batches import items_of
from mmactors.venue.codec import Codec
from mmactors.venue.conversation import Conversation, ConversationOver, Tally, Terms
from mmactors.venue.link import NOT_SENT

Kind = Literal["cut", "late", "lost_acks", "errors", "no_rest", "silent"]
"""What can go wrong.

cut: the order session's connection breaks and cannot be had again. late: what the venue says arrives after the fault.
lost_acks: batches are carried out and never answered. errors: batches are answered with a server error, carried out or
not. no_rest: most of what is asked over REST fails. silent: the feed's connection stands and says nothing.
"""
KINDS: tuple[Kind, ...] = ("cut", "late", "lost_acks", "errors", "silent")
LENGTHS_S: dict[Kind, tuple[float, float]] = {
    "cut": (0.2, 6.0),
    "late": (2.1, 2.9),
    "lost_acks": (0.3, 2.0),
    "errors": (0.2, 1.0),
    "no_rest": (0.0, 7.0),
    "silent": (2.5, 6.0),
}
FIRST_S = 6.0
PAUSE_S = (7.0, 15.0)
"""Nothing goes wrong before the program is up, nor for so long after each fault: then all must be well again."""

OVERLAP = 50
"""A page of fills begins so far before what was asked for, as a careless venue's does."""

RECONNECT_S = (0.1, 0.6)
REST_FAILS = 0.7
_FLAWED = {"code": "INTERNAL", "message": "injected"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong between two times, nanoseconds."""

    kind: Kind
    from_ns: int
    until_ns: int


class Trouble:
    """A schedule of faults, in order of time; `random` is for what they leave to chance."""

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.from_ns))
        self.random = Random(f"{seed}:trouble")  # noqa: S311  reproducible from the seed

    def now(self, kind: Kind, now: int) -> Fault | None:
        """Return the fault of a kind that is on, if any."""
        for fault in self.faults:
            if fault.kind == kind and fault.from_ns <= now < fault.until_ns:
                return fault
        return None

    def quiet(self, now: int, for_ns: int, *, besides: Kind | None = None) -> bool:
        """Tell whether nothing has gone wrong for so long, one kind of fault apart."""
        faults = (fault for fault in self.faults if fault.kind != besides)
        return not any(fault.from_ns <= now < fault.until_ns + for_ns for fault in faults)


def draw(seed: int, start_ns: int, length_s: float, kinds: Sequence[Kind] = KINDS) -> Trouble:
    """Draw the faults of a run: one after the other, of these kinds; REST often fails beside a lost answer."""
    random = Random(f"{seed}:faults")  # noqa: S311  reproducible from the seed
    faults: list[Fault] = []
    at_s = FIRST_S
    while kinds:
        kind = random.choice(kinds)
        ends_s = at_s + random.uniform(*LENGTHS_S[kind])
        if ends_s > length_s:
            break
        faults.append(Fault(kind, start_ns + nanos(at_s), start_ns + nanos(ends_s)))
        if kind in ("late", "lost_acks", "errors") and random.random() < 0.5:
            ends_s = max(ends_s, at_s + random.uniform(*LENGTHS_S["no_rest"]))
            faults.append(Fault("no_rest", start_ns + nanos(at_s), start_ns + nanos(ends_s)))
        at_s = ends_s + random.uniform(*PAUSE_S)
    return Trouble(faults, seed)


class _Way:
    """One direction of a connection, in order and late; closed, it loses what is on it."""

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


class _Speaker:
    """What the venue's socket says things through."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self.closing = False
        self._put = put

    def put(self, text: str, _book: str | None = None) -> None:
        if not self.closing:
            self._put(text)

    def close(self, _code: int, _reason: str) -> None:
        self.closing = True


class FaultyLink:
    """The gateway's link with everything that can happen to it; its connections come and go."""

    def __init__(self, trouble: Trouble, stage: Stage, deliver: Deliver) -> None:
        """Args:
        trouble: what goes wrong.
        stage, deliver: as `TwinLink` has them.
        """
        config = stage.config
        self._trouble = trouble
        self._timeline = stage.timeline
        self._floor = stage.floor
        self._deliver = deliver
        self._codec = Codec(config.venue.wire_asks)
        venue, simulator = config.venue, config.simulator
        self._terms = Terms("twin", venue.wire_asks, venue.heartbeat_ms, venue.cod_timeout_ms)
        self._latencies = {
            name: Latency(simulator.order_latency_ms, simulator.latency_jitter_ms, stage.random(name))
            for name in ("out", "in", "rest")
        }
        self._rest = _Way(stage.timeline, self._latencies["rest"], self._answer)
        self._watched: set[str] = set()
        self._tally = Tally()
        self._talk: Conversation | None = None
        self._lives = 0
        self._stopped = False

    def start(self) -> None:
        """Connect, and be cut off when the time comes."""
        for fault in self._trouble.faults:
            if fault.kind == "cut":
                self._timeline.call_at(fault.from_ns, partial(self._break, "connection reset"))
        self._connect()

    def stop(self) -> None:
        """Hang up."""
        self._stopped = True
        self._talk = None

    def submit(self, request: VenueRequest) -> None:
        """Take a request; what cannot leave comes back as not sent, as from the real link."""
        now = self._timeline.clock.now()
        talk = self._talk if self._talk is not None and self._talk.up else None
        match request:
            case WatchBook():
                (self._watched.add if request.on else self._watched.discard)(request.market)
                if self._talk is not None:
                    self._talk.watch(request)
            case SendBatch() if talk is not None:
                talk.send_batch(request, now)
                self._deliver(BatchWritten(request.op_id, now))
            case SendBatch():
                unsent = tuple(ItemResult(action, item.client_id, None, NOT_SENT) for action, item in items_of(request))
                self._deliver(BatchReported(request.op_id, unsent, now))
            case SendCancelAll() if talk is not None:
                talk.send_cancel_all(request)
            case SendCancelAll() | FetchFills() | FetchOrder() | FetchMarkets() | MergePairs():
                self._rest.send(request)

    # --- a connection's life ------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._stopped or self._talk is not None:
            return
        cut = self._trouble.now("cut", self._timeline.clock.now())
        if cut is not None:
            self._retry(cut.until_ns)
            return
        self._lives += 1
        self._socket = VenueSocket(self._floor, self._latencies["out"], self._lives)
        self._out = _Way(self._timeline, self._latencies["out"], self._reach_venue)
        self._in = _Way(self._timeline, self._latencies["in"], self._reach_us)
        self._speaker = _Speaker(partial(self._say, self._in))
        self._socket.speak_through(self._speaker)
        self._floor.listeners.add(self._socket)
        self._talk = Conversation(self._terms, self._out.send, self._deliver, self._watched, self._tally)
        token = jwt.encode({"sub": ACCOUNT, "exp": 4_000_000_000}, DEVELOPMENT_SECRET, algorithm="HS256")
        self._talk.begin(token, self._timeline.clock.now())
        self._tend(self._talk)

    def _break(self, reason: str) -> None:
        talk = self._talk
        if talk is None or self._stopped:
            return
        self._talk = None
        if self._trouble.random.random() < 0.5:  # the venue still reads what was on its way; its answers reach nobody
            for frame in self._out.waiting:
                self._hear(frame)
        self._out.waiting.clear()
        self._in.waiting.clear()
        self._speaker.closing = True
        self._floor.leave(self._socket)
        for request in talk.end():
            self._rest.send(request)
        self._deliver(VenueDisconnected(reason, self._timeline.clock.now()))
        self._retry(self._timeline.clock.now())

    def _retry(self, from_ns: int) -> None:
        self._timeline.call_at(from_ns + nanos(self._trouble.random.uniform(*RECONNECT_S)), self._connect)

    def _tend(self, talk: Conversation) -> None:
        if talk is not self._talk:
            return
        try:
            due = talk.tend(self._timeline.clock.now())
        except ConversationOver as over:
            self._break(over.reason)
        else:
            self._timeline.call_at(due + MILLISECOND, partial(self._tend, talk))  # as the real session's wait

    # --- frames -------------------------------------------------------------------------------------

    def _reach_venue(self, frame: bytes) -> None:
        fault = self._trouble.now("errors", self._timeline.clock.now())
        if fault is not None and b'"batch"' in frame and self._trouble.random.random() < 0.5:
            self._speaker.put(_failed(msgspec.json.decode(frame)["id"]))
            return
        self._hear(frame)

    def _hear(self, frame: bytes) -> None:
        now_ms = self._floor.clock.now_ms()
        self._floor.simulation.advance(now_ms)
        if self._socket.session is not None:
            self._socket.session.last_frame_ms = now_ms
        self._socket.hear(frame)

    def _say(self, way: _Way, text: str) -> None:
        now = self._timeline.clock.now()
        if '"type":"ack","op":"batch"' in text:
            if self._trouble.now("lost_acks", now) is not None:
                return
            if self._trouble.now("errors", now) is not None:
                text = _failed(msgspec.json.decode(text)["id"])
        late = self._trouble.now("late", now)
        way.send(text, late.until_ns if late is not None else 0)

    def _reach_us(self, text: str) -> None:
        if self._talk is not None:
            try:
                self._talk.hear(text.encode(), self._timeline.clock.now())
            except ConversationOver as over:
                self._break(over.reason)

    def _answer(self, request: SendCancelAll | FetchFills | FetchOrder | FetchMarkets | MergePairs) -> None:
        """Answer over REST."""
        flaky = self._trouble.now("no_rest", self._timeline.clock.now()) is not None
        down = flaky and self._trouble.random.random() < REST_FAILS
        self._floor.simulation.advance(self._floor.clock.now_ms())
        account = self._floor.simulation.account(ACCOUNT)
        match request:
            case SendCancelAll():
                frame = {"op": "cancel_all"} | ({} if request.market is None else {"market": request.market})
                reply = self._floor.submit(account, frame)
                self._floor.publish()
                self._deliver(CancelAllReported(request.op_id, tuple(reply["result"]["cancelled"]), None))
            case MergePairs() if down:
                self._deliver(MergeReported(request.market, "name resolution failed"))
            case MergePairs():
                self._floor.submit(account, {"op": "merge", "market": request.market, "size": request.size})
                self._floor.publish()
            case FetchFills() if down:
                self._deliver(FillsFetched(request.since_seq, (), "name resolution failed"))
            case FetchFills():
                since = request.since_seq - OVERLAP
                told = [wire.fill_json(fill) for fill in account.fills if fill.seq > since]
                fills, _ = self._codec.fills(msgspec.json.encode({"fills": told, "next": None}))
                self._deliver(FillsFetched(request.since_seq, fills))
            case FetchMarkets() if not down:
                now_ms = self._floor.clock.now_ms()
                listed = [
                    m for m in self._floor.simulation.venue.markets.values() if m.listed and m.status == request.status
                ]
                raw = msgspec.json.encode({"markets": [wire.market_json(market, now_ms) for market in listed]})
                for market in self._codec.markets(raw)[0]:
                    self._deliver(MarketReported("snapshot", market))
            case FetchOrder() if down:
                self._deliver(OrderFetched(request.client_id, None, "name resolution failed"))
            case FetchOrder():
                claim = account.claims.get(request.client_id)
                orders = [] if claim is None else [wire.order_json(claim[0])]
                found = self._codec.orders(msgspec.json.encode({"orders": orders}))
                self._deliver(OrderFetched(request.client_id, found[0] if found else None))


class FaultyFeed(TwinFeed):
    """The feed's socket, silent at times though it stands."""

    def __init__(self, trouble: Trouble, stage: Stage, deliver: Deliver) -> None:
        super().__init__(stage, deliver)
        self._trouble = trouble

    def _tick(self) -> None:
        now = self._timeline.clock.now()
        if self.live and self._trouble.now("silent", now) is not None:
            self._timeline.call_at(now + self._period_ns, self._tick)
        else:
            super()._tick()


def _failed(op_id: int) -> str:
    return msgspec.json.encode({"id": op_id, "type": "error", "op": "batch", "error": _FLAWED}).decode()
