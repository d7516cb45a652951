"""The sockets of a price feed whose addresses name streams: `/stream?streams=a/b` and `/ws/<stream>`.

Owns subscriptions, server pings and the inbound message limit, as Binance has them (venue-contract.md section 4). What
is in a frame is the exchange's own.
"""

import asyncio
import re
from collections.abc import Callable

import msgspec
from aiohttp import WSMsgType, web

from mmactors.simulator.feeds.source import Frames
from mmactors.simulator.models.latency import Latency
from mmactors.simulator.prices.exchange import Exchange
from mmactors.simulator.server.encoder import encode
from mmactors.simulator.server.feed_socket import FeedLimits, serve
from mmactors.simulator.server.hub import VenueClock
from mmactors.simulator.server.send_queue import Outbound
from mmactors.simulator.venue.replies import Json

INBOUND_PER_S = 5
STREAM = re.compile(r"[a-z0-9]{2,20}@(bookTicker|aggTrade)")


class StreamConsumer:
    """One client. `combined` wraps every event in its stream's name."""

    def __init__(self, streams: list[str], combined: bool) -> None:
        self.streams: dict[str, None] = dict.fromkeys(streams)
        self.outbound: Outbound | None = None
        self.socket: web.WebSocketResponse | None = None
        self.combined = combined
        self.last_ping_ms = self.last_pong_ms = 0
        self.ping_payload = b""
        self._received: list[int] = []

    def send(self, stream: str, event: Json) -> None:
        """Queue an event of a stream, if this socket follows it."""
        if self.outbound is not None and stream in self.streams:
            self.outbound.put(encode({"stream": stream, "data": event} if self.combined else event))

    def follows(self, stream: str) -> bool:
        """Return whether this socket is sent a stream."""
        return self.outbound is not None and stream in self.streams

    def too_many(self, now_ms: int) -> bool:
        """Count an inbound message and return whether there were too many in the last second."""
        self._received = [at for at in self._received if at > now_ms - 1000]
        self._received.append(now_ms)
        return len(self._received) > INBOUND_PER_S

    def control(self, data: str) -> Json:
        """Answer a control message."""
        request_id: object = None
        try:
            request = msgspec.json.decode(data)
            request_id = request.get("id")
            method, names = request.get("method"), request.get("params", [])
            if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
                if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
                    return _complaint(2, "Invalid request: params must be a list of stream names", request_id)
                for name in names:
                    if method == "SUBSCRIBE":
                        self.streams[name] = None
                    else:
                        self.streams.pop(name, None)
                return {"result": None, "id": request_id}
            if method == "LIST_SUBSCRIPTIONS":
                return {"result": list(self.streams), "id": request_id}
        except (msgspec.DecodeError, AttributeError, RecursionError):
            return _complaint(3, "Invalid JSON: expected an object", request_id)
        return _complaint(2, "Invalid request: unknown method", request_id)


class StreamFeed:
    """One exchange's feed and its clients.

    Args:
        exchange: the prices, and whether they are published.
        frames: what they are published as.
        clock: the time.
        latency: delay of each frame.
        limits: the exchange's keep-alive.
        ticked: called with each asset whose price went to anybody, and when.
    """

    path = "/stream"

    def __init__(
        self,
        exchange: Exchange,
        frames: Frames,
        clock: VenueClock,
        latency: Latency,
        limits: FeedLimits,
        ticked: Callable[[str, int], None] | None,
    ) -> None:
        self._exchange = exchange
        self._frames = frames
        self._clock = clock
        self._latency = latency
        self._ticked = ticked
        self._limits = limits
        self._consumers: set[StreamConsumer] = set()

    @property
    def connected(self) -> int:
        """How many clients there are."""
        return len(self._consumers)

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [web.get(self.path, self._combined), web.get("/ws/{stream}", self._raw)]

    async def run(self) -> None:
        """Send ticks and pings until cancelled."""
        loop = asyncio.get_running_loop()
        due, period_s = loop.time(), self._frames.period_ns / 1e9
        while True:
            self._tick(self._clock.now_ms())
            for consumer in list(self._consumers):
                await self._keep_alive(consumer, self._clock.now_ms())
            due = max(due + period_s, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def shut_down(self) -> None:
        """Ask every client to go elsewhere, and close."""
        event = {"e": "serverShutdown", "E": self._clock.now_ms()}
        for consumer in self._consumers:
            if consumer.outbound is not None:
                consumer.outbound.put(encode(event))
                consumer.outbound.close(1001, "server shutdown")

    def _tick(self, now_ms: int) -> None:
        self._exchange.advance(now_ms)
        if self._exchange.state == "cut":
            for consumer in self._consumers:
                if consumer.outbound is not None:
                    consumer.outbound.close(1001, "cut")
        if self._exchange.state != "live":
            return
        for asset, events in self._frames.events(now_ms):
            named = [(f"{symbol}@{kind}", event) for (kind, symbol), event in events]
            for stream, event in named:
                for consumer in self._consumers:
                    consumer.send(stream, event)
            book = named[0][0]
            if self._ticked is not None and any(consumer.follows(book) for consumer in self._consumers):
                self._ticked(asset, now_ms)

    async def _keep_alive(self, consumer: StreamConsumer, now_ms: int) -> None:
        if consumer.outbound is None or consumer.socket is None:
            return
        if now_ms - consumer.last_pong_ms > self._limits.pong_within:
            consumer.outbound.close(1008, "pong timeout")
        elif now_ms - consumer.last_ping_ms >= self._limits.ping_every:
            consumer.last_ping_ms = now_ms
            consumer.ping_payload = str(now_ms).encode()
            try:
                async with asyncio.timeout(1.0):
                    await consumer.socket.ping(consumer.ping_payload)
            except (OSError, TimeoutError):
                consumer.outbound.close(1008, "pong timeout")

    async def _combined(self, request: web.Request) -> web.WebSocketResponse:
        names = [name for name in request.query.get("streams", "").split("/") if name]
        return await self._serve(request, StreamConsumer(names, combined=True))

    async def _raw(self, request: web.Request) -> web.WebSocketResponse:
        name = request.match_info["stream"]
        if STREAM.fullmatch(name) is None:
            raise web.HTTPNotFound(text="no such stream")
        return await self._serve(request, StreamConsumer([name], combined=False))

    async def _serve(self, request: web.Request, consumer: StreamConsumer) -> web.WebSocketResponse:
        if self._exchange.state == "cut":
            raise web.HTTPServiceUnavailable

        async def attend(socket: web.WebSocketResponse, outbound: Outbound) -> None:
            consumer.outbound, consumer.socket = outbound, socket
            consumer.last_ping_ms = consumer.last_pong_ms = self._clock.now_ms()
            self._consumers.add(consumer)
            await self._read(socket, consumer, outbound)

        try:
            return await serve(request, self._latency, attend)
        finally:
            self._consumers.discard(consumer)

    async def _read(self, socket: web.WebSocketResponse, consumer: StreamConsumer, outbound: Outbound) -> None:
        async for message in socket:
            now_ms = self._clock.now_ms()
            if consumer.too_many(now_ms):
                outbound.close(1008, "too many requests")
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                if bytes(message.data) == consumer.ping_payload:
                    consumer.last_pong_ms = now_ms
            elif message.type is WSMsgType.TEXT:
                outbound.put(encode(consumer.control(message.data)))


def _complaint(code: int, message: str, request_id: object) -> Json:
    return {"error": {"code": code, "msg": message}, "id": request_id}
