"""The links between program and world where real life has sockets, in virtual time.

Owns the delays: frames of the order session and ticks of the feed arrive late by the simulator's latencies, each
direction in order. The client's session protocol and the venue's hub are the real ones. `VirtualLink` carries the JSON
of the wire through the codec of both sides; `object_links.py` has the same links without the text.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Generic, TypeVar

import jwt
import msgspec

from mmactors.backtest.environment import Environment, Timeline
from mmactors.feeds.sources import SOURCES
from mmactors.messages import (
    BatchWritten,
    FeedConnected,
    FeedLived,
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
    SpotTicked,
    VenueRequest,
    WatchBook,
)
from mmactors.simulator.feeds.sources import SOURCES as SIMULATED
from mmactors.simulator.models.latency import Latency, latency_of
from mmactors.simulator.server.tokens import DEVELOPMENT_SECRET
from mmactors.simulator.server.venue_socket import VenueSocket
from mmactors.simulator.venue import replies
from mmactors.units import MILLISECOND, SECOND
from mmactors.venue import port
from mmactors.venue.degen.codec import Codec, F, FrameCodec
from mmactors.venue.degen.protocol import Counters, SessionProtocol, SessionTerms

ACCOUNT = "mmactors"

Fetch = FetchFills | FetchOrder | FetchMarkets | MergePairs
"""What goes over REST in life."""

T = TypeVar("T")

Deliver = Callable[[object], None]


class DelayedChannel(Generic[T]):
    """One direction of a connection: everything arrives late by a draw of the latency, in order."""

    def __init__(self, timeline: Timeline, latency: Latency, arrive: Callable[[T], None]) -> None:
        self._clock = timeline.clock
        self._call_at = timeline.call_at
        self._draw_s = latency.draw_s
        self._arrive = arrive
        self._due_ns = 0

    def send(self, thing: T) -> None:
        """Let a thing arrive later."""
        due = self._clock.now() + round(self._draw_s() * SECOND)
        if due < self._due_ns:
            due = self._due_ns
        self._due_ns = due
        self._call_at(due, partial(self._arrive, thing))


class _Sender:
    """What the venue's socket sends through."""

    closing = False

    def __init__(self, send: Callable[[Any], None]) -> None:
        self._send = send

    def put(self, frame: Any, _book: str | None = None) -> None:
        self._send(frame)

    def close(self, _code: int, _reason: str) -> None:
        self.closing = True


class SessionLink(Generic[F]):
    """The port's `Link` in virtual time: the client's session protocol and the venue's socket, nothing between them.

    How a frame of ours reaches the venue, and what form one of the venue's has, the subclass says.
    """

    def __init__(self, environment: Environment, deliver: port.Deliver, codec: FrameCodec[F]) -> None:
        config, timeline = environment.config, environment.timeline
        simulator = config.simulator
        latency = latency_of(simulator, simulator.order_latency_ms, environment.random("out"))
        self._out: DelayedChannel[F | Fetch] = DelayedChannel(timeline, latency, self._reach_venue)
        latency = latency_of(simulator, simulator.order_latency_ms, environment.random("in"))
        self._in: DelayedChannel[F] = DelayedChannel(timeline, latency, self._reach_program)
        self._timeline = timeline
        self._hub = environment.hub
        self._deliver = deliver
        self._rest_codec = Codec(config.venue.wire_asks)
        self._socket = VenueSocket(environment.hub, Latency(0, 0, environment.random("unused")), 1)
        self._socket.send_through(_Sender(self._put))
        terms = SessionTerms("twin", config.venue.heartbeat_ms, config.venue.cod_timeout_ms)
        self._protocol = SessionProtocol(terms, codec, self._out.send, deliver, set(), Counters())
        self._live = False

    def start(self) -> None:
        """Connect and log in."""
        self._live = True
        self._hub.connected.add(self._socket)
        token = jwt.encode({"sub": ACCOUNT, "exp": 4_000_000_000}, DEVELOPMENT_SECRET, algorithm="HS256")
        self._protocol.begin(token, self._timeline.clock.now())
        self._run_timers()

    def submit(self, request: VenueRequest) -> None:
        """Take a request."""
        match request:
            case SendBatch():
                now = self._timeline.clock.now()
                self._protocol.send_batch(request, now)
                self._deliver(BatchWritten(request.op_id, now))
            case SendCancelAll():
                self._protocol.send_cancel_all(request)
            case WatchBook():
                self._protocol.watch(request)
            case FetchFills() | FetchOrder() | FetchMarkets() | MergePairs():
                self._out.send(request)

    def stop(self) -> None:
        """Hang up."""
        self._live = False

    def _run_timers(self) -> None:
        if self._live:
            self._timeline.call_at(self._protocol.run_timers(self._timeline.clock.now()), self._run_timers)

    def _reach_venue(self, frame: "F | Fetch") -> None:
        if not self._live:
            return
        now_ms = self._hub.clock.now_ms()
        self._hub.simulation.advance(now_ms)
        match frame:
            case FetchFills() | FetchOrder() | FetchMarkets() | MergePairs():
                self._fetch(frame)
            case _:
                if self._socket.session is not None:
                    self._socket.session.last_frame_ms = now_ms
                self._reach_socket(frame)

    def _reach_socket(self, frame: F) -> None:
        """Hand a frame of ours to the venue's socket."""
        raise NotImplementedError

    def _put(self, frame: Any) -> None:
        """Send us a frame as the venue's encoder wrote it."""
        raise NotImplementedError

    def _fetch(self, request: Fetch) -> None:
        account = self._hub.simulation.account(ACCOUNT)
        if isinstance(request, FetchMarkets):
            now_ms = self._hub.clock.now_ms()
            listed = [m for m in self._hub.simulation.venue.markets.values() if m.listed and m.status == request.status]
            raw = msgspec.json.encode({"markets": [replies.market_json(market, now_ms) for market in listed]})
            for market in self._rest_codec.markets(raw)[0]:
                self._deliver(MarketReported("snapshot", market))
        elif isinstance(request, MergePairs):
            frame = {"op": "merge", "market": request.market, "size": request.size}
            error = self._hub.submit(account, frame).get("error")
            self._hub.publish()
            self._deliver(MergeReported(request.market, None if error is None else str(error["code"])))
        elif isinstance(request, FetchFills):
            missed = [replies.fill_json(fill) for fill in account.fills if fill.seq > request.since_seq]
            fills, _ = self._rest_codec.fills(msgspec.json.encode({"fills": missed, "next": None}))
            self._deliver(FillsFetched(request.since_seq, fills))
        else:
            claim = account.claims.get(request.client_id)
            orders = [] if claim is None else [replies.order_json(claim[0])]
            found = self._rest_codec.orders(msgspec.json.encode({"orders": orders}))
            self._deliver(OrderFetched(request.client_id, found[0] if found else None))

    def _reach_program(self, frame: F) -> None:
        if self._live:
            self._protocol.receive(frame, self._timeline.clock.now())


class VirtualLink(SessionLink[bytes]):
    """The link that carries the wire's JSON."""

    def __init__(self, environment: Environment, deliver: port.Deliver) -> None:
        super().__init__(environment, deliver, Codec(environment.config.venue.wire_asks))

    def _reach_socket(self, frame: bytes) -> None:
        self._socket.receive(frame)

    def _put(self, frame: str) -> None:
        self._in.send(frame.encode())


class VirtualFeed:
    """A price source's socket: the exchange's frames through the source's own parser, without a socket.

    Args:
        environment: where the exchange is.
        source: the source's name.
        deliver: takes prices and signs of life.
    """

    def __init__(self, environment: Environment, source: str, deliver: Deliver) -> None:
        simulator, simulated = environment.config.simulator, SIMULATED[source]
        self.source = source
        self.counters: dict[str, int] = {}
        self.live = False
        self._exchange = environment.exchanges[source]
        self._timeline = environment.timeline
        self._recorder = environment.venue.recorder
        self._deliver = deliver
        seeds = simulated.seeds

        def random(asset: str) -> Random:
            return environment.random(f"{seeds.twin_frames}:{asset}")

        self._frames = simulated.frames(self._exchange.paths, random, environment.start_ms, simulator)
        self._parser = SOURCES[source].parser(self._frames.assets)
        self._period_ns = self._frames.period_ns
        delay_ms = simulator.feeds.by_source[source].latency_ms
        if delay_ms is None:
            delay_ms = simulator.feed_latency_ms
        latency = latency_of(simulator, delay_ms, environment.random(seeds.twin_latency))
        self._channel: DelayedChannel[Any] = DelayedChannel(environment.timeline, latency, self._arrive)

    def start(self) -> None:
        """Connect."""
        self.live = True
        now = self._timeline.clock.now()
        for asset in self._exchange.paths:
            self._deliver(FeedConnected(self.source, asset, now))
        self._tick()

    def stop(self) -> None:
        """Hang up."""
        self.live = False

    def _tick(self) -> None:
        if not self.live:
            return
        now = self._timeline.clock.now()
        self._exchange.advance(now // MILLISECOND)
        if self._exchange.state == "live":
            self._publish(now // MILLISECOND)
        self._timeline.call_at(now + self._period_ns, self._tick)

    def _publish(self, now_ms: int) -> None:
        for asset, events in self._frames.events(now_ms):
            if events:
                self._note(asset, now_ms)
            for _, event in events:
                self._channel.send(msgspec.json.encode(event))

    def _note(self, asset: str, now_ms: int) -> None:
        if self._recorder is not None:
            self._recorder.price_published(asset, now_ms)

    def _arrive(self, raw: bytes) -> None:
        parsed = self._parser.parse(raw, self._timeline.clock.now())
        if isinstance(parsed, SpotTicked | FeedLived):
            self._deliver(parsed)
        else:
            kind = type(parsed).__name__
            self.counters[kind] = self.counters.get(kind, 0) + 1
