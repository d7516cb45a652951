"""What the sockets of every price feed have in common: how one is served, and when one is closed.

Owns the delay of frames and the patience with a client. Knows no protocol.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from mmactors.simulator.models.latency import Latency
from mmactors.simulator.server.send_queue import Outbound

MAX_FRAME_BYTES = 1 << 14


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """When exchanges close a connection, in milliseconds.

    Attributes:
        ping_every, pong_within: between pings, and after the last pong.
        subscribe_within: of a connection that follows nothing.
        active_within: of a connection without a frame in either direction.
    """

    ping_every: int = 20_000
    pong_within: int = 60_000
    subscribe_within: int = 5000
    active_within: int = 30_000


class FeedServer(Protocol):
    """Serves one exchange's feed."""

    @property
    def connected(self) -> int:
        """How many clients there are."""

    @property
    def path(self) -> str:
        """Where its sockets are."""

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""

    async def run(self) -> None:
        """Send what is new until cancelled."""

    def shut_down(self) -> None:
        """Close every connection as the exchange does."""


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
