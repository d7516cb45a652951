"""The sockets of a price feed that is subscribed to by message, at `/<name of the source>`.

Owns who follows what, the times in which an exchange expects a subscription or a sign of life, and the delay of every
frame. What is in a frame, and what a client's message means, is the exchange's own.
"""

import asyncio
from collections.abc import Callable

from aiohttp import WSMsgType, web

from mmactors.simulator.feeds.source import SimulatedSource, SubscribedFrames, Topic
from mmactors.simulator.models.latency import Latency
from mmactors.simulator.prices.exchange import Exchange
from mmactors.simulator.server.encoder import encode
from mmactors.simulator.server.feed_socket import FeedLimits, serve
from mmactors.simulator.server.hub import VenueClock
from mmactors.simulator.server.send_queue import Outbound
from mmactors.simulator.venue.replies import Json


class _Consumer:
    def __init__(self, outbound: Outbound, now_ms: int) -> None:
        self.outbound = outbound
        self.since_ms = self.active_ms = now_ms
        self.topics: dict[Topic, None] = {}

    def put(self, frame: Json | str, now_ms: int) -> None:
        self.active_ms = now_ms
        self.outbound.put(frame if isinstance(frame, str) else encode(frame))


class SubscriptionFeed:
    """One exchange's feed and its clients.

    Args:
        source: the exchange's name and patience.
        exchange: the prices, and whether they are published.
        frames: what they are published as.
        clock: the time.
        latency: delay of each frame.
        limits: when a connection is closed.
        ticked: called with each asset whose price, or sign of life, went to anybody, and when.
    """

    def __init__(
        self,
        source: SimulatedSource,
        exchange: Exchange,
        frames: SubscribedFrames,
        clock: VenueClock,
        latency: Latency,
        limits: FeedLimits,
        ticked: Callable[[str, int], None] | None,
    ) -> None:
        self.path = f"/{source.name}"
        self._source = source
        self._exchange = exchange
        self._frames = frames
        self._clock = clock
        self._latency = latency
        self._limits = limits
        self._ticked = ticked
        self._consumers: set[_Consumer] = set()

    @property
    def connected(self) -> int:
        """How many clients there are."""
        return len(self._consumers)

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [web.get(self.path, self._serve)]

    async def run(self) -> None:
        """Send what is new until cancelled."""
        loop = asyncio.get_running_loop()
        due, period_s = loop.time(), self._frames.period_ns / 1e9
        while True:
            self._tick(self._clock.now_ms())
            due = max(due + period_s, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def shut_down(self) -> None:
        """Close every connection, as exchanges do: without a word before."""
        for consumer in self._consumers:
            consumer.outbound.close(1001, "going away")

    def _tick(self, now_ms: int) -> None:
        self._exchange.advance(now_ms)
        new = self._frames.events(now_ms)
        for consumer in self._consumers:
            self._close_if_due(consumer, now_ms)
        if self._exchange.state != "live":
            return
        for asset, events in new:
            followed = False
            for topic, event in events:
                for consumer in self._consumers:
                    if topic in consumer.topics:
                        consumer.put(event, now_ms)
                        followed = True
            if followed and self._ticked is not None:
                self._ticked(asset, now_ms)

    def _close_if_due(self, consumer: _Consumer, now_ms: int) -> None:
        source, limits = self._source, self._limits
        if self._exchange.state == "cut":
            consumer.outbound.close(1001, "cut")
        elif source.subscribes and not consumer.topics and now_ms - consumer.since_ms >= limits.subscribe_within:
            consumer.outbound.close(1008, "no subscription")
        elif source.pings and now_ms - consumer.active_ms >= limits.active_within:
            consumer.outbound.close(1008, "no data")

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        if self._exchange.state == "cut":
            raise web.HTTPServiceUnavailable
        consumers: list[_Consumer] = []

        async def attend(socket: web.WebSocketResponse, outbound: Outbound) -> None:
            consumer = _Consumer(outbound, self._clock.now_ms())
            consumers.append(consumer)
            self._consumers.add(consumer)
            await self._read(socket, consumer)

        try:
            return await serve(request, self._latency, attend)
        finally:
            self._consumers.difference_update(consumers)

    async def _read(self, socket: web.WebSocketResponse, consumer: _Consumer) -> None:
        async for message in socket:
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                self._receive(consumer, message.data)

    def _receive(self, consumer: _Consumer, text: str) -> None:
        now_ms = self._clock.now_ms()
        answers, fresh = self._frames.control(text, consumer.topics)
        for answer in answers:
            consumer.put(answer, now_ms)
        if self._exchange.state != "live":
            return
        for topic in fresh:
            latest = self._frames.latest(topic)
            if latest is not None:
                consumer.put(latest, now_ms)
                if self._ticked is not None:
                    self._ticked(self._frames.assets[topic[1]], now_ms)
