"""A simulator on a free port and a client that speaks the contract by hand, for the simulator's contract tests."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
from patience import patience

from mmactors.config.simulator_sections import SessionsConfig, SimulatorConfig, TakersConfig
from mmactors.simulator.server.server import SimulatorServer

SECRET = "a secret for tests, at least 32 bytes long"
Frame = dict[str, Any]
QUIET = TakersConfig(noise_per_s=0.0, informed_max_size=0, outside_size_per_s=0.0)
DEADLINE_S = patience(5.0)


def token(account: str = "a-1", seconds: float = 3600.0, secret: str = SECRET, **claims: Any) -> str:
    """Sign a token."""
    return jwt.encode({"sub": account, "exp": int(time.time() + seconds), **claims}, secret, algorithm="HS256")


class Peer:
    """One WebSocket of a client."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.frames: list[Frame] = []

    async def send(self, **frame: Any) -> None:
        """Send one frame."""
        await self.socket.send_str(json.dumps(frame))

    async def until(self, wanted: Callable[[Frame], Any]) -> Frame:
        """Return the next frame that fits; every frame passed is kept in `frames`."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise AssertionError(f"closed with {self.socket.close_code} before it came; saw {self.frames}")
                frame = json.loads(message.data)
                self.frames.append(frame)
                if wanted(frame):
                    return dict(frame)

    async def call(self, number: int, op: str, **frame: Any) -> Frame:
        """Send an operation and return its answer."""
        await self.send(id=number, op=op, **frame)
        return await self.until(lambda answer: answer.get("id") == number)

    async def log_in(self, account: str = "a-1", session: str = "s-1", **frame: Any) -> Frame:
        """Authenticate and subscribe to the account's orders; return the ack."""
        ack = await self.call(1, "auth", token=token(account), session=session, **frame)
        assert ack["type"] == "ack", ack
        await self.call(2, "subscribe", channel="orders")
        await self.until(lambda f: f["type"] == "snapshot" and f["channel"] == "orders")
        return ack

    async def closed(self) -> int | None:
        """Read to the end and return the close code."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.frames.append(json.loads(message.data))
                elif message.type in (
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.CLOSING,
                    aiohttp.WSMsgType.ERROR,
                ):
                    return self.socket.close_code


class Scene:
    """A running simulator and what a client needs to talk to it."""

    def __init__(self, server: SimulatorServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http
        self.url = f"http://127.0.0.1:{server.port}"
        self.market = next(m.id for m in server.simulation.venue.markets.values() if m.status == "OPEN")

    async def peer(self, path: str = "/ws", **options: Any) -> Peer:
        """Open a WebSocket."""
        return Peer(await self.http.ws_connect(self.url + path, **options))

    def order(self, price: float = 0.4, size: int = 10, outcome: str = "YES", **more: Any) -> Frame:
        """Make an order's body in the open market."""
        return {"market": self.market, "side": "bid", "outcome": outcome, "price": price, "size": size, **more}

    async def rest(
        self, method: str, path: str, body: object = None, account: str | None = "a-1", **options: Any
    ) -> tuple[int, Any]:
        """Make a REST request; return status and body."""
        headers = {} if account is None else {"Authorization": f"Bearer {token(account)}"}
        async with self.http.request(method, self.url + path, json=body, headers=headers, **options) as response:
            return response.status, await response.json()

    async def eventually(self, found: Callable[[], Any], what: str = "it") -> Any:
        """Poll until `found` returns something true."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            if result := found():
                return result
            await asyncio.sleep(0.005)
        raise AssertionError(f"{what} did not happen")


@asynccontextmanager
async def running(*, server: dict[str, Any] | None = None, **config: Any) -> AsyncIterator[Scene]:
    """Run a simulator on a free port, quiet and fast unless told otherwise."""
    settings = {
        "port": 0,
        "step_ms": 10,
        "feed_latency_ms": 0,
        "order_latency_ms": 0,
        "latency_jitter_ms": 0,
        "takers": QUIET,
        "sessions": (SessionsConfig(duration="1H", strike_offset_share=0.0),),
        **config,
    }
    simulator = SimulatorServer(SimulatorConfig(**settings), SECRET, lambda line: None, **(server or {}))
    await simulator.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Scene(simulator, http)
    finally:
        await simulator.stop()
