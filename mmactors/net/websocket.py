"""One WebSocket, owned by one thread for reading and for writing, and what that thread waits with.

Knows framing, pings, closing and the wake-up descriptor; knows nothing of what the messages mean. Reading and writing
never block: on TLS a second thread at the same socket kills the connection, so others leave their messages in a queue
and ring the owner's `Wake`. Only the handshake blocks; it runs in a thread of its own (`Dial`).
"""

import re
import select
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import websocket
from websocket import ABNF

from mmactors.net.proxies import is_direct, proxy_variable
from mmactors.net.tls import tls_reason
from mmactors.units import MILLISECOND, Nanos

MAX_FRAME_BYTES = 4 * 1024 * 1024
"""A longer message is skipped unread."""

MAX_UNSENT_BYTES = 4 * 1024 * 1024
"""A peer that leaves this much unread is taken for dead."""

PONG_SPACING_NS = 250 * MILLISECOND
"""At most four pongs a second (Binance admits five messages); only the newest ping needs an answer (RFC 6455 5.5.3)."""

_READ_BYTES = 65_536
_NOT_READY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SocketLostError(Exception):
    """The connection is gone; `code` is the close frame's, None without one."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class ConnectError(Exception):
    """No connection came about; `status` is the HTTP status of a refused handshake."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Wake:
    """A descriptor that any thread may ring and one thread waits on."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def ring(self) -> None:
        """Wake the waiting thread; a bell that rings already, or is gone, is left alone."""
        try:
            self._writer.send(b"\0")
        except OSError:
            return

    def clear(self) -> None:
        """Silence the bell."""
        try:
            while self._reader.recv(4096):
                pass
        except OSError:
            return

    def fileno(self) -> int:
        return self._reader.fileno()

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


class FrameTooLongError(Exception):
    """The frame begun is longer than is read; `bytes` is its payload's length."""

    def __init__(self, length: int) -> None:
        super().__init__(f"a frame of {length} bytes")
        self.bytes = length


class FrameReader:
    """The library's reader of frames, made never to wait: the one place that knows websocket-client from inside.

    setup.cfg pins the minor release whose inside this is; each hook has a test:

    - `frame_buffer.recv(n)`: the library calls it for at most n bytes; after an error, it goes on with the frame begun;
    - `frame_buffer.length`, `frame_buffer.mask_value`: of the frame begun, None until that part of its header is read;
    - `frame_buffer.header[0]`: whether the frame begun is the last of its message;
    - `frame_buffer.clear()`: forgets the frame begun;
    - `sock`: the connected socket, with TLS or without.
    """

    def __init__(self, connection: Any, max_bytes: int) -> None:
        """Take over the reading of a connected `WebSocket`; a frame longer than `max_bytes` is not read."""
        connection.settimeout(0)
        connection.frame_buffer.recv = self.take
        self.sock: Any = connection.sock
        self._connection = connection
        self._max_bytes = max_bytes
        self._inbound = b""
        self._inbound_at = 0

    def next(self) -> Any:
        """Return the next frame.

        Raises:
            FrameTooLongError: it is longer than is read; to go on, `give_up` on it and `take` its bytes.
            SocketLostError: the peer hung up.
            OSError: the frame is not all there yet, or the connection is gone.
        """
        return self._connection.recv_frame()

    def give_up(self) -> bool:
        """Forget the frame begun; return whether it is the last of its message."""
        final = bool(self._connection.frame_buffer.header[0])
        self._connection.frame_buffer.clear()
        return final

    def take(self, most: int) -> bytes:
        """Return at most this many bytes of what the peer has sent.

        Raises:
            FrameTooLongError, SocketLostError, OSError: as for `next`.
        """
        buffer = self._connection.frame_buffer
        if buffer.length is not None and buffer.length > self._max_bytes and buffer.mask_value is not None:
            raise FrameTooLongError(buffer.length)
        if self._inbound_at >= len(self._inbound):
            self._inbound = self.sock.recv(_READ_BYTES)
            self._inbound_at = 0
            if not self._inbound:
                raise SocketLostError("the peer hung up")
        taken = self._inbound[self._inbound_at : self._inbound_at + most]
        self._inbound_at += len(taken)
        return taken

    def close(self) -> None:
        """Close the connection at once."""
        self._connection.shutdown()


class FrameSocket:
    """A connected WebSocket. All methods belong to the owning thread.

    `oversized` counts the messages that were skipped for their length.
    """

    def __init__(
        self, url: str, timeout_s: float, sslopt: dict[str, Any] | None = None, max_bytes: int = MAX_FRAME_BYTES
    ) -> None:
        """Connect, blocking for at most about `timeout_s` per step.

        Raises:
            ConnectError: nobody answered, or not with a WebSocket.
        """
        try:
            connection = websocket.create_connection(
                url,
                timeout=timeout_s,
                sslopt=sslopt or {},
                enable_multithread=False,
                skip_utf8_validation=True,
                redirect_limit=0,
                **_around_proxies(url),
            )
        except websocket.WebSocketBadStatusException as error:
            raise ConnectError(f"HTTP {error.status_code} at the handshake", error.status_code) from None
        except websocket.WebSocketProxyException as error:
            wants = " (it wants a user and a password)" if "407" in str(error) else ""
            raise ConnectError(f"the proxy named by {proxy_variable(url)} refuses: {error}{wants}") from None
        except (websocket.WebSocketException, OSError, ValueError) as error:
            os_reason = error.strerror if isinstance(error, OSError) else None
            by = proxy_variable(url)
            through = f", through the proxy named by {by}" if by else ""
            plain = re.sub(r"^\[Errno -?\d+\] ", "", str(error))
            raise ConnectError((tls_reason(error) or os_reason or plain or type(error).__name__) + through) from None
        self._reader = FrameReader(connection, max_bytes)
        self._sock = self._reader.sock
        self._max_bytes = max_bytes
        self._outbound = bytearray()
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._spoiled = False
        self._skip_bytes = 0
        self._ping: bytes | None = None
        self._pong_at_ns = 0
        self._more = False
        self._lost: SocketLostError | None = None
        self.oversized = 0

    def fileno(self) -> int:
        return int(self._sock.fileno())

    @property
    def unsent(self) -> bool:
        """Whether bytes of earlier messages still wait for the peer to read."""
        return bool(self._outbound)

    @property
    def ready(self) -> bool:
        """Whether `receive` has something to say without waiting."""
        return self._more or self._lost is not None

    @property
    def pong_due(self) -> bool:
        return self._ping is not None

    def send(self, payload: bytes) -> None:
        """Send one text message, or queue what the peer is not ready for.

        Raises:
            SocketLostError: the connection is gone, or the peer reads nothing.
        """
        self._queue(payload, ABNF.OPCODE_TEXT)
        self.flush()

    def flush(self) -> None:
        """Write what is queued, as far as the peer takes it.

        Raises:
            SocketLostError: the connection is gone, or the peer reads nothing.
        """
        try:
            while self._outbound:
                sent = self._sock.send(self._outbound)
                del self._outbound[:sent]
        except _NOT_READY:
            if len(self._outbound) > MAX_UNSENT_BYTES:
                raise SocketLostError("the peer does not read") from None
        except OSError as error:
            raise SocketLostError(f"write failed: {error}") from None

    def receive(self, now: Nanos, most: int = 256) -> list[bytes]:
        """Return the whole messages at hand, from at most `most` frames; answer pings.

        Raises:
            SocketLostError: the connection is gone; messages that came before were returned by the call before.
        """
        if self._lost is not None:
            raise self._lost
        messages: list[bytes] = []
        self._more = True
        try:
            for _ in range(most):
                message = self._next()
                if message is not None:
                    messages.append(message)
        except _NOT_READY:
            self._more = False
        except SocketLostError as lost:
            self._lost = lost
        except (websocket.WebSocketException, OSError) as error:
            self._lost = SocketLostError(str(error) or type(error).__name__)
        if self._ping is not None and self._lost is None and now - self._pong_at_ns >= PONG_SPACING_NS:
            self._queue(self._ping, ABNF.OPCODE_PONG)
            self._ping = None
            self._pong_at_ns = now
            try:
                self.flush()
            except SocketLostError as lost:
                self._lost = lost
        if self._lost is not None and not messages:
            raise self._lost
        return messages

    def close(self) -> None:
        """Say goodbye if the peer listens, and close; never blocks, never raises."""
        if self._lost is None:
            try:
                self._queue(b"\x03\xe8", ABNF.OPCODE_CLOSE)  # 1000
                self.flush()
            except SocketLostError:
                pass
        self._reader.close()

    def _queue(self, payload: bytes, opcode: int) -> None:
        self._outbound += ABNF.create_frame(payload, opcode).format()

    def _next(self) -> bytes | None:
        if self._skip_bytes:
            self._skip_bytes -= len(self._reader.take(self._skip_bytes))
            return None
        try:
            frame = self._reader.next()
        except FrameTooLongError as error:
            self._skip_bytes = error.bytes
            self._spoil(self._reader.give_up())
            return None
        if frame.opcode == ABNF.OPCODE_PING:
            self._ping = frame.data
        elif frame.opcode == ABNF.OPCODE_CLOSE:
            code = int.from_bytes(frame.data[:2], "big") if len(frame.data) >= 2 else None
            text = frame.data[2:].decode("utf-8", "replace")
            raise SocketLostError(f"closed by the peer ({code or 'no code'}{': ' + text if text else ''})", code)
        elif frame.opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY, ABNF.OPCODE_CONT):
            return self._join(frame.data, bool(frame.fin))
        return None

    def _join(self, data: bytes, final: bool) -> bytes | None:
        if self._spoiled:
            self._spoiled = not final
            return None
        if final and not self._parts:
            return data
        self._parts.append(data)
        self._parts_bytes += len(data)
        if self._parts_bytes > self._max_bytes:
            self._spoil(final)
            return None
        if not final:
            return None
        whole = b"".join(self._parts)
        self._parts, self._parts_bytes = [], 0
        return whole

    def _spoil(self, final: bool) -> None:
        self._parts, self._parts_bytes = [], 0
        self._spoiled = not final
        self.oversized += 1


class Dial:
    """One attempt to connect, in a thread of its own; rings `wake` when it is decided."""

    def __init__(self, url: str, wake: Wake, timeout_s: float, sslopt: dict[str, Any] | None = None) -> None:
        self._lock = threading.Lock()
        self._abandoned = False
        self._outcome: FrameSocket | ConnectError | None = None
        thread = threading.Thread(target=self._run, args=(url, wake, timeout_s, sslopt), name="dial", daemon=True)
        thread.start()

    @property
    def decided(self) -> bool:
        return self._outcome is not None

    def socket(self) -> FrameSocket:
        """Return the connected socket, which is the caller's from now on.

        Raises:
            ConnectError: no connection came about.
        """
        assert self._outcome is not None
        if isinstance(self._outcome, ConnectError):
            raise self._outcome
        return self._outcome

    def abandon(self) -> None:
        """Close the connection if it comes about after all."""
        with self._lock:
            self._abandoned = True
            if isinstance(self._outcome, FrameSocket):
                self._outcome.close()

    def _run(self, url: str, wake: Wake, timeout_s: float, sslopt: dict[str, Any] | None) -> None:
        outcome: FrameSocket | ConnectError
        try:
            outcome = FrameSocket(url, timeout_s, sslopt)
        except ConnectError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            outcome = ConnectError(repr(error))
        with self._lock:
            if self._abandoned and isinstance(outcome, FrameSocket):
                outcome.close()
            self._outcome = outcome
        wake.ring()


def _around_proxies(url: str) -> dict[str, Any]:
    """Options that keep an address on this machine from a proxy of the environment.

    The library heeds `http_no_proxy` only beside a proxy's host; that one is never used then.
    """
    return {"http_proxy_host": "unused", "http_no_proxy": [urlsplit(url).hostname]} if is_direct(url) else {}


def wait(wake: Wake, sockets: Sequence[FrameSocket], timeout_s: float) -> None:
    """Wait until the bell rings, a socket can be read (or written, if it owes bytes), or the time is up."""
    if any(each.ready for each in sockets):
        timeout_s = 0.0
    if any(each.pong_due for each in sockets):
        timeout_s = min(timeout_s, PONG_SPACING_NS / 1e9)
    poll = select.poll()
    poll.register(wake.fileno(), select.POLLIN)
    for each in sockets:
        poll.register(each.fileno(), select.POLLIN | (select.POLLOUT if each.unsent else 0))
    poll.poll(max(0.0, timeout_s) * 1000)
    wake.clear()
