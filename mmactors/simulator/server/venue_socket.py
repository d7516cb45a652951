"""One client's WebSocket at the venue: `/ws` of the contract.

Owns the protocol on one socket: authentication, subscriptions, heartbeats, order operations in the order they came, and
their latency. It must not know what an operation does.
"""

import asyncio
from typing import Any, Protocol

import msgspec
from aiohttp import WSMsgType, web

from mmactors.simulator.models.latency import Latency
from mmactors.simulator.server.hub import VenueHub
from mmactors.simulator.server.order_sessions import DEFAULT_COD_TIMEOUT_MS, OrderSession
from mmactors.simulator.server.send_queue import Outbound
from mmactors.simulator.server.tokens import Identity
from mmactors.simulator.venue import replies, requests
from mmactors.simulator.venue.ledger import Account
from mmactors.simulator.venue.matching import RefusalError
from mmactors.simulator.venue.replies import Json

MAX_FRAME_BYTES = 1 << 20
EXPIRING_NOTICE_MS = 30_000
ABUSE_AFTER = 1000
"""Operations in a row that the rate limit refuses before the socket is closed."""


class Sender(Protocol):
    """Sends a socket's frames."""

    @property
    def closing(self) -> bool:
        """Whether the socket is to be closed."""

    def put(self, frame: Any, book: str | None = None) -> None:
        """Send an encoded frame; `book` names the market whose book it is about."""

    def close(self, code: int, reason: str) -> None:
        """Close after the frames already sent."""


class VenueSocket:
    """One connection, from handshake to close."""

    def __init__(self, hub: VenueHub, latency: Latency, number: int) -> None:
        self.account: Account | None = None
        self.session: OrderSession | None = None
        self._hub = hub
        self._latency = latency
        self._number = number
        self._identity: Identity | None = None
        self._expiry_noticed = False
        self._heartbeat_ms = 0
        self._next_heartbeat = 0
        self._limited = 0
        self._inbox: asyncio.Queue[tuple[float, str | bytes]] = asyncio.Queue()
        self._sender: Sender | None = None

    async def serve(self, request: web.Request, token: str | None) -> web.WebSocketResponse:
        """Serve a connection; return when the socket is closed."""
        socket = web.WebSocketResponse(max_msg_size=MAX_FRAME_BYTES, timeout=2.0, compress=False)
        await socket.prepare(request)

        def abort() -> None:
            if request.transport is not None:
                request.transport.abort()

        outbound = Outbound(socket, abort, self._latency.draw_s, self._resend)
        self.send_through(outbound)
        self._hub.connected.add(self)
        if token is not None:
            self.handle({"op": "auth", "token": token})
        try:
            await outbound.attend(asyncio.create_task(self._read(socket)), asyncio.create_task(self._work()))
        finally:
            self._hub.leave(self)
            if not socket.closed:
                await socket.close(code=1011)
        return socket

    def send_through(self, sender: Sender) -> None:
        """Send frames through this sender; `serve` sets one itself."""
        self._sender = sender

    def receive(self, data: str | bytes) -> None:
        """Handle one frame as it was received, now."""
        if self._sender is not None and self._sender.closing:
            return
        try:
            frame = requests.mapping(msgspec.json.decode(data), "a frame")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._refuse({}, requests.bad_request("the frame is not JSON"))
        except RefusalError as refusal:
            self._refuse({}, refusal)
        else:
            self.handle(frame)

    def put(self, frame: Any, book: str | None = None) -> None:
        """Send an encoded frame; `book` names the market whose book it is about."""
        if self._sender is not None:
            self._sender.put(frame, book)

    def close(self, code: int, reason: str) -> None:
        """Close the socket after the frames already sent."""
        if self._sender is not None:
            self._sender.close(code, reason)

    def on_timer(self, now_ms: int) -> None:
        """Send a heartbeat if it is due, and a notice before the token expires; close when it has."""
        if self._heartbeat_ms and now_ms >= self._next_heartbeat:
            self._next_heartbeat = now_ms + self._heartbeat_ms
            self._send(self._heartbeat(now_ms))
        identity = self._identity
        if identity is None:
            return
        if now_ms >= identity.expires_at:
            if self.session is not None:
                self._hub.cancel_session(self.session)
                self._hub.sessions.disarm(self.session)
            self._identity = None
            self.account = None
            self.close(4401, "token expired")
        elif not self._expiry_noticed and now_ms >= identity.expires_at - EXPIRING_NOTICE_MS:
            self._expiry_noticed = True
            self._send({"type": "notice", "code": "AUTH_EXPIRING", "expires_at": identity.expires_at})

    async def _read(self, socket: web.WebSocketResponse) -> None:
        loop = asyncio.get_running_loop()
        due = 0.0
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            if self.session is not None:
                self.session.last_frame_ms = self._hub.clock.now_ms()
            due = max(due, loop.time() + self._latency.draw_s())
            self._inbox.put_nowait((due, message.data))

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._inbox.get()
            await asyncio.sleep(max(0.0, due - loop.time()))  # even without latency other tasks get their turn
            self.receive(data)

    def handle(self, frame: Json) -> None:
        """Handle one decoded frame, now."""
        op = frame.get("op")
        try:
            if self._hub.simulation.takes(op):
                self._trade(frame)
            elif op == "hb":
                self._send(self._heartbeat(self._hub.clock.now_ms()) | {"echo": frame.get("ts", 0)})
            elif op == "auth":
                self._authenticate(frame)
            elif op == "logout":
                self._log_out(frame)
            elif op == "subscribe":
                self._hub.check_channel(self, frame.get("channel"), frame.get("market"))
                self._acknowledge(frame, self._channel_of(frame))
                self._hub.subscribe(self, frame.get("channel"), frame.get("market"))
            elif op == "unsubscribe":
                self._hub.unsubscribe(self, frame.get("channel"), frame.get("market"))
                self._acknowledge(frame, self._channel_of(frame))
            else:
                self._hub.count_unknown(op)
                raise requests.bad_request("unknown operation")
        except RefusalError as refusal:
            self._refuse(frame, refusal)

    def _trade(self, frame: Json) -> None:
        if self.account is None:
            raise RefusalError("UNAUTHORIZED", "authenticate first")
        if "ws_orders" not in self._hub.simulation.capabilities:
            raise requests.bad_request("this venue takes orders over REST only")
        reply = self._hub.submit(self.account, frame, self.session)
        self._send(reply)
        self._hub.publish()
        self._limited = self._limited + 1 if reply.get("error", {}).get("code") == "RATE_LIMITED" else 0
        if self._limited > ABUSE_AFTER:
            self.close(4029, "rate abuse")

    def _authenticate(self, frame: Json) -> None:
        try:
            identity, account = self._hub.identify(frame.get("token"))
        except RefusalError as refusal:
            self._refuse(frame, refusal)
            if self.account is not None:  # a bad newer token leaves the one in use
                return
            self.close(4401 if refusal.code == "TOKEN_EXPIRED" else 4001, refusal.message)
            return
        if self.account is not None and self.account is not account:
            raise RefusalError("FORBIDDEN", "this socket belongs to another account")
        given = frame.get("session")
        if given is not None and (not isinstance(given, str) or not requests.CLIENT_ID.fullmatch(given)):
            raise requests.bad_request("session must be 1 to 64 of A-Z a-z 0-9 : _ -")
        if given is None and self.session is None:
            given = f"socket-{self._number}"
        now = self._hub.clock.now_ms()
        if given is not None:
            armed = requests.flag(frame, "cancel_on_disconnect")
            armed = armed and "cancel_on_disconnect" in self._hub.simulation.capabilities
            heartbeat_ms = requests.milliseconds(frame, "heartbeat_ms") or 0
            timeout_ms = requests.milliseconds(frame, "cod_timeout_ms") or DEFAULT_COD_TIMEOUT_MS
            self._heartbeat_ms = heartbeat_ms
            self._next_heartbeat = now + heartbeat_ms
            self.session = self._hub.sessions.attach(
                account.name, given, armed=armed, watched=heartbeat_ms > 0, timeout_ms=timeout_ms, now_ms=now
            )
            self._hub.attach(self, self.session)
        session = self.session
        self.account, self._identity, self._expiry_noticed = account, identity, False
        config = self._hub.simulation.config
        result: Json = {
            "account": account.name,
            "session": None if session is None else session.name,
            "expires_at": identity.expires_at,
            "server_time": now,
            "capabilities": list(self._hub.simulation.capabilities),
            "limits": {"orders_per_s": config.orders_per_s, "burst": config.burst},
        }
        self._acknowledge(frame, {"result": result})
        if session is not None and session.triggered:
            cancelled, session.cancelled, session.triggered = session.cancelled, [], False
            notice = {"type": "notice", "code": "COD_TRIGGERED", "session": session.name, "cancelled": cancelled}
            self._send(notice)

    def _log_out(self, frame: Json) -> None:
        if self.session is not None:
            self._hub.cancel_session(self.session)
            self.session.triggered = False
            self._hub.sessions.disarm(self.session)
        self._acknowledge(frame, {})
        self._hub.publish()
        self.close(1000, "logged out")

    def _heartbeat(self, now_ms: int) -> Json:
        seq = {} if self.account is None else {"orders": self.account.seq}
        return {"type": "hb", "ts": now_ms, "seq": seq}

    def _send(self, message: Json) -> None:
        self.put(self._hub.encoder.encode(message))

    def _resend(self, market_ids: frozenset[str]) -> None:
        self._hub.resend_books(self, market_ids)

    def _acknowledge(self, frame: Json, result: Json) -> None:
        reply: Json = {"id": frame["id"]} if "id" in frame else {}
        self._send({**reply, "type": "ack", "op": frame.get("op"), **result})

    def _refuse(self, frame: Json, refusal: RefusalError) -> None:
        reply: Json = {"id": frame["id"]} if "id" in frame else {}
        self._send({**reply, "type": "error", "op": frame.get("op"), "error": replies.error_json(refusal)})

    @staticmethod
    def _channel_of(frame: Json) -> Json:
        return {key: frame[key] for key in ("channel", "market") if key in frame}
