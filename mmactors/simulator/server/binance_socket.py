"""The price feed's sockets, as Binance runs them: `/stream?streams=a/b` and `/ws/<stream>`.

Owns subscriptions, server pings, the inbound message limit and the delay of every frame. What a frame says is made by
`binance.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import msgspec
from aiohttp import WSMsgType, web

from mmactors.simulator.feeds.binance import Ticker, parse_stream
from mmactors.simulator.models.latency import Latency
from mmactors.simulator.prices.exchange import Exchange
from mmactors.simulator.server.encoder import encode
from mmactors.simulator.server.hub import WallClock
from mmactors.simulator.server.send_queue import Outbound
from mmactors.simulator.venue.replies import Json

INBOUND_PER_S = 5
MAX_FRAME_BYTES = 1 << 14


class FeedSocket:
    """One consumer. `combined` wraps every event in its stream's name."""

    def __init__(self, streams: list[str], combined: bool) -> None:
        self.streams: dict[str, None] = dict.fromkeys(streams)
        self.outbound: Outbound | None = None
        self.socket: web.WebSocketResponse | None = None
        self.combined = combined
        self.last_ping_ms = self.last_pong_ms = 0
        self.ping_payload = b""
        self._heard: list[int] = []

    def send(self, stream: str, event: Json) -> None:
        """Queue an event of a stream, if this socket follows it."""
        if self.outbound is not None and stream in self.streams:
            self.outbound.put(encode({"stream": stream, "data": event} if self.combined else event))

    def follows(self, symbol: str) -> bool:
        """Tell whether this socket is sent a symbol's every price."""
        return self.outbound is not None and f"{symbol}@bookTicker" in self.streams

    def too_many(self, now_ms: int) -> bool:
        """Count an inbound message and tell whether there were too many in the last second."""
        self._heard = [at for at in self._heard if at > now_ms - 1000]
        self._heard.append(now_ms)
        return len(self._heard) > INBOUND_PER_S

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


class Feed:
    """Every asset's ticker and everyone who listens.

    Args:
        exchange: the prices, and whether they are heard.
        ticks_per_s: bookTicker frames a second.
        trades_per_s: of each asset.
        latency: delay of each frame.
        ticked: told of each asset whose price went to anybody.
        ping_every_ms, pong_within_ms: the exchange's keep-alive.
    """

    def __init__(
        self,
        exchange: Exchange,
        clock: WallClock,
        ticks_per_s: float,
        trades_per_s: float,
        latency: Latency,
        seed: int,
        *,
        ticked: Callable[[str, int], None] | None = None,
        ping_every_ms: int = 20_000,
        pong_within_ms: int = 60_000,
    ) -> None:
        self.period_s = 1 / ticks_per_s
        self._exchange = exchange
        self._clock = clock
        self._latency = latency
        self._ticked = ticked
        self._ping_every_ms = ping_every_ms
        self._pong_within_ms = pong_within_ms
        self._tickers = [
            Ticker(asset, path, Random(f"{seed}:{asset}:feed"), clock.start_ms, trades_per_s)  # noqa: S311
            for asset, path in exchange.paths.items()
        ]
        self.sockets: set[FeedSocket] = set()

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [web.get("/stream", self._combined), web.get("/ws/{stream}", self._raw)]

    async def run(self) -> None:
        """Send ticks and pings until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._tick(self._clock.now_ms())
            for consumer in list(self.sockets):
                await self._keep_alive(consumer, self._clock.now_ms())
            due = max(due + self.period_s, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def shut_down(self) -> None:
        """Tell every consumer to go elsewhere, and close."""
        event = {"e": "serverShutdown", "E": self._clock.now_ms()}
        for consumer in self.sockets:
            if consumer.outbound is not None:
                consumer.outbound.put(encode(event))
                consumer.outbound.close(1001, "server shutdown")

    def _tick(self, now_ms: int) -> None:
        self._exchange.advance(now_ms)
        if self._exchange.state == "cut":
            for consumer in self.sockets:
                if consumer.outbound is not None:
                    consumer.outbound.close(1001, "cut")
        if self._exchange.state != "live":
            return
        for ticker in self._tickers:
            events = [(f"{ticker.symbol}@bookTicker", ticker.book_ticker())]
            events += [(f"{ticker.symbol}@aggTrade", trade) for trade in ticker.trades(now_ms)]
            for stream, event in events:
                for consumer in self.sockets:
                    consumer.send(stream, event)
            if self._ticked is not None and any(consumer.follows(ticker.symbol) for consumer in self.sockets):
                self._ticked(ticker.asset, now_ms)

    async def _keep_alive(self, consumer: FeedSocket, now_ms: int) -> None:
        if consumer.outbound is None or consumer.socket is None:
            return
        if now_ms - consumer.last_pong_ms > self._pong_within_ms:
            consumer.outbound.close(1008, "pong timeout")
        elif now_ms - consumer.last_ping_ms >= self._ping_every_ms:
            consumer.last_ping_ms = now_ms
            consumer.ping_payload = str(now_ms).encode()
            try:
                async with asyncio.timeout(1.0):
                    await consumer.socket.ping(consumer.ping_payload)
            except (OSError, TimeoutError):
                consumer.outbound.close(1008, "pong timeout")

    async def _combined(self, request: web.Request) -> web.WebSocketResponse:
        names = [name for name in request.query.get("streams", "").split("/") if name]
        return await self._serve(request, FeedSocket(names, combined=True))

    async def _raw(self, request: web.Request) -> web.WebSocketResponse:
        name = request.match_info["stream"]
        if parse_stream(name) is None:
            raise web.HTTPNotFound(text="no such stream")
        return await self._serve(request, FeedSocket([name], combined=False))

    async def _serve(self, request: web.Request, consumer: FeedSocket) -> web.WebSocketResponse:
        if self._exchange.state == "cut":
            raise web.HTTPServiceUnavailable

        async def attend(socket: web.WebSocketResponse, outbound: Outbound) -> None:
            consumer.outbound, consumer.socket = outbound, socket
            consumer.last_ping_ms = consumer.last_pong_ms = self._clock.now_ms()
            self.sockets.add(consumer)
            await self._read(socket, consumer, outbound)

        try:
            return await serve(request, self._latency, attend)
        finally:
            self.sockets.discard(consumer)

    async def _read(self, socket: web.WebSocketResponse, consumer: FeedSocket, outbound: Outbound) -> None:
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


async def serve(
    request: web.Request,
    latency: Latency,
    attend: Callable[[web.WebSocketResponse, Outbound], Awaitable[None]],
) -> web.WebSocketResponse:
    """Open a WebSocket whose frames are late by the latency, and close it when `attend` has read it to its end."""
    socket = web.WebSocketResponse(
        max_msg_size=MAX_FRAME_BYTES, timeout=2.0, autoping=False, autoclose=True, compress=False
    )
    await socket.prepare(request)

    def abort() -> None:
        if request.transport is not None:
            request.transport.abort()

    outbound = Outbound(socket, abort, latency.draw_s, lambda _: None)

    async def read() -> None:
        await attend(socket, outbound)

    try:
        await outbound.attend(asyncio.create_task(read()))
    finally:
        if not socket.closed:
            await socket.close(code=1011)
    return socket


def _complaint(code: int, message: str, request_id: object) -> Json:
    return {"error": {"code": code, "msg": message}, "id": request_id}
