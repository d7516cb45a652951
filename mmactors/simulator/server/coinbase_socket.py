"""The price feed's sockets, as Coinbase Exchange runs them: `/coinbase`, subscribed to by message.

Owns subscriptions, the five seconds in which one must come, the heartbeat and the delay of every frame. What a frame
says is made by `coinbase.py`.
"""

import asyncio
from collections.abc import Callable
from random import Random

import msgspec
from aiohttp import WSMsgType, web

from mmactors.simulator.feeds.coinbase import Product, Topic, refusal, subscriptions, topics_of
from mmactors.simulator.models.latency import Latency
from mmactors.simulator.prices.exchange import Exchange
from mmactors.simulator.server.binance_socket import serve
from mmactors.simulator.server.encoder import encode
from mmactors.simulator.server.hub import VenueClock
from mmactors.simulator.server.send_queue import Outbound
from mmactors.simulator.venue.replies import Json

PERIOD_S = 0.05
HEARTBEAT_MS = 1000


class _Consumer:
    def __init__(self, outbound: Outbound, now_ms: int) -> None:
        self.outbound = outbound
        self.since_ms = now_ms
        self.topics: dict[Topic, None] = {}


class CoinbaseFeed:
    """Every asset's product and everyone who listens.

    Args:
        exchange: the prices, and whether they are heard.
        trades_per_s: of each product.
        latency: delay of each frame.
        ticked: told of each asset whose price, or sign of life, went to anybody.
        subscribe_within_ms: a connection that has subscribed to nothing by then is closed.
    """

    def __init__(
        self,
        exchange: Exchange,
        clock: VenueClock,
        trades_per_s: float,
        latency: Latency,
        seed: int,
        *,
        ticked: Callable[[str, int], None] | None = None,
        subscribe_within_ms: int = 5000,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._latency = latency
        self._ticked = ticked
        self._within_ms = subscribe_within_ms
        self._products = {
            product.id: product
            for product in (
                Product(asset, path, Random(f"{seed}:{asset}:coinbase"), clock.start_ms, trades_per_s)  # noqa: S311
                for asset, path in exchange.paths.items()
            )
        }
        self._next_beat_ms = clock.start_ms + HEARTBEAT_MS
        self._consumers: set[_Consumer] = set()

    @property
    def sockets(self) -> int:
        """How many are connected."""
        return len(self._consumers)

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [web.get("/coinbase", self._serve)]

    async def run(self) -> None:
        """Send prices and heartbeats until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._tick(self._clock.now_ms())
            due = max(due + PERIOD_S, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def shut_down(self) -> None:
        """Close every connection, as the exchange does: without a word before."""
        for consumer in self._consumers:
            consumer.outbound.close(1001, "going away")

    def _tick(self, now_ms: int) -> None:
        self._exchange.advance(now_ms)
        events: list[tuple[Topic, Json]] = []
        for product in self._products.values():
            events += [((channel, product.id), event) for channel, event in product.trades(now_ms)]
        if now_ms >= self._next_beat_ms:
            self._next_beat_ms = now_ms + HEARTBEAT_MS
            events += [(("heartbeat", product.id), product.heartbeat(now_ms)) for product in self._products.values()]
        if self._ticked is not None and self._exchange.state == "live":
            heard = {topic[1] for topic, _ in events if any(topic in consumer.topics for consumer in self._consumers)}
            for product_id in sorted(heard):
                self._ticked(product_id.split("-")[0], now_ms)
        for consumer in self._consumers:
            if self._exchange.state == "cut":
                consumer.outbound.close(1001, "cut")
            elif not consumer.topics and now_ms - consumer.since_ms >= self._within_ms:
                consumer.outbound.close(1008, "no subscription")
            elif self._exchange.state == "live":
                for topic, event in events:
                    if topic in consumer.topics:
                        consumer.outbound.put(encode(event))

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
                self._hear(consumer, message.data)

    def _hear(self, consumer: _Consumer, data: str) -> None:
        put = consumer.outbound.put
        try:
            request = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            put(encode({"type": "error", "message": "MalformedError JSON"}))
            return
        kind = request.get("type") if isinstance(request, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            put(encode(refusal("Type has to be either subscribe or unsubscribe")))
            return
        topics = topics_of(request, self._products)
        if isinstance(topics, dict):
            put(encode(topics))
            return
        fresh = [topic for topic in dict.fromkeys(topics) if topic not in consumer.topics]
        if kind == "subscribe":
            consumer.topics.update(dict.fromkeys(fresh))
        else:
            for topic in topics:
                consumer.topics.pop(topic, None)
            fresh = []
        put(encode(subscriptions(consumer.topics)))
        if self._exchange.state == "live":
            for channel, product in fresh:
                latest = self._products[product].latest(channel)
                if latest is not None:
                    put(encode(latest))
                    if self._ticked is not None:
                        self._ticked(product.split("-")[0], self._clock.now_ms())
