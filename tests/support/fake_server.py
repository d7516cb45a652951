"""A small WebSocket and HTTP server in a thread, told by the test what to say."""

import asyncio
import json
import queue
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web
from patience import patience

DEADLINE_S = 15.0


def eventually(found: Callable[[], Any], what: str = "it", within_s: float = DEADLINE_S) -> Any:
    """Poll until `found` returns something true."""
    until = time.monotonic() + patience(within_s)
    while time.monotonic() < until:
        if result := found():
            return result
        time.sleep(0.002)
    raise AssertionError(f"{what} did not happen within {within_s} s")


class Connection:
    """One accepted WebSocket."""

    def __init__(self, server: "FakeServer", ws: web.WebSocketResponse, path: str) -> None:
        self._server = server
        self.ws = ws
        self.path = path
        self.inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self.pongs: list[bytes] = []
        self.closed = threading.Event()

    def send(self, frame: dict[str, Any]) -> None:
        self.raw(json.dumps(frame).encode())

    def raw(self, payload: bytes, opcode: WSMsgType = WSMsgType.TEXT) -> None:
        self._server.run(self.ws.send_frame(payload, opcode))

    def close(self, code: int = 1000) -> None:
        self._server.run(self.ws.close(code=code))

    def cut(self) -> None:
        """Drop the connection without a word."""
        transport = self.ws._req.transport  # type: ignore[union-attr]
        self._server.loop.call_soon_threadsafe(transport.abort)

    def next(self, op: str | None = None) -> dict[str, Any]:
        """Return the next frame of the client, heartbeats left out unless asked for."""
        while True:
            frame = self.inbox.get(timeout=DEADLINE_S)
            if frame.get("op") == op or (op is None and frame.get("op") != "hb"):
                return frame


class FakeServer:
    """Accepts WebSockets on any path but `/rest`, which `routes` answer."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self.connections: list[Connection] = []
        self.refuse: list[int] = []
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        self.answer: Callable[[str, str, dict[str, str]], tuple[int, Any, dict[str, str]]] = lambda *_: (404, {}, {})
        self.echo: Callable[[Connection, dict[str, Any]], None] | None = None
        self._tls = tls
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self.port = 0

    def __enter__(self) -> "FakeServer":
        self._thread.start()
        assert self._ready.wait(DEADLINE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._shut_down())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    @property
    def ws_url(self) -> str:
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}/ws"

    @property
    def rest_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/rest"

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE_S)

    def connection(self, number: int = 0) -> Connection:
        """Wait for the n-th connection."""
        eventually(lambda: len(self.connections) > number, f"connection {number}")
        return self.connections[number]

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._start())
        self._ready.set()
        self.loop.run_forever()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/rest/{tail:.*}", self._rest)
        app.router.add_get("/{tail:.*}", self._socket)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _shut_down(self) -> None:
        await self._runner.cleanup()
        for transport in list(self.loop._transports.values()):  # type: ignore[attr-defined]
            transport.abort()  # half-made TLS connections are nobody's
        for _ in range(5):
            await asyncio.sleep(0)
        await self.loop.shutdown_default_executor()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.refuse:
            return web.Response(status=self.refuse.pop(0))
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        connection = Connection(self, ws, str(request.rel_url))
        self.connections.append(connection)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                frame = json.loads(message.data)
                connection.inbox.put(frame)
                if self.echo is not None:
                    self.loop.run_in_executor(None, self.echo, connection, frame)
            elif message.type is WSMsgType.PONG:
                connection.pongs.append(bytes(message.data))
        connection.closed.set()
        return ws

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/rest")
        query = dict(request.query)
        self.requests.append((request.method, path, query, request.headers.get("Authorization", "")))
        status, body, headers = self.answer(request.method, path, query)
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=headers)
        return web.json_response(body, status=status, headers=headers)
