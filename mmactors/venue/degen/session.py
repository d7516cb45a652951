"""The order session: one thread that owns the venue's WebSocket and keeps it up.

Owns connecting, reconnecting and the queue of requests; the frames of a connection are `protocol.py`'s. It must not
know actors, and decides nothing about orders: requests come in through `submit`, reports go out through `deliver`.
"""

import threading
import traceback
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Literal

from loguru import logger
from pydantic import SecretStr

from mmactors.messages import (
    BatchWritten,
    SendBatch,
    SendCancelAll,
    VenueDisconnected,
    VenueRequest,
    WatchBook,
)
from mmactors.net.backoff import Backoff
from mmactors.net.websocket import ConnectError, Dial, FrameSocket, SocketLostError, Wake, wait
from mmactors.units import MILLISECOND, SECOND, Nanos, nanos, seconds
from mmactors.venue.degen.capabilities import EVERYTHING
from mmactors.venue.degen.codec import Codec
from mmactors.venue.degen.credentials import Credentials, MissingSecretError, decode_expiry, utc
from mmactors.venue.degen.protocol import Counters, SessionOverError, SessionProtocol, SessionTerms
from mmactors.venue.degen.rest import CredentialsRefusedError, VenueRefusedError, VenueUnreachableError
from mmactors.venue.degen.rest_worker import KeepAlive
from mmactors.venue.degen.token_renewal import Renewal, TokenRequest
from mmactors.venue.degen.wire import WireError
from mmactors.venue.port import Deliver

FATAL_CLOSES = {4001: "login refused", 4003: "forbidden"}
TOKEN_EXPIRED_CLOSE = 4401

RENEW_BEFORE_NS = Nanos(300 * SECOND)
DAY_NS = Nanos(86_400 * SECOND)

UNASKED_OP = 0
"""The number of a cancel-all that nobody asked for."""

LINGER_S = 1.0
"""For how long a logout waits for the venue's last frames, seconds."""


class VenueSession:
    """The WebSocket session and its thread. `counters` are plain numbers by name."""

    def __init__(
        self,
        *,
        url: str,
        terms: SessionTerms,
        wire_asks: Literal["buy_no", "as_ask"],
        token: Credentials,
        deliver: Deliver,
        unsent: Callable[[VenueRequest], None],
        by_rest: Callable[[SendBatch | KeepAlive], None],
        now: Callable[[], Nanos],
        random: Random,
        renew_before_ns: Nanos = RENEW_BEFORE_NS,
        sslopt: dict[str, Any] | None = None,
    ) -> None:
        """Args:
        url: the venue's WebSocket.
        terms: the session's name and its timing.
        wire_asks: see `Codec`.
        token: asked at each login, and for a newer one before its end.
        deliver: called in the session's thread with each report; must not block or raise.
        unsent: called likewise with requests that provably never left, and with cancel-alls that nobody answered.
        by_rest: called likewise with what this venue takes over REST only.
        now: the clock, nanoseconds UTC, never going back.
        random: for the jitter.
        renew_before_ns: how long before a token's end a newer one is looked for.
        sslopt: passed to the TLS layer.
        """
        self._url = url
        self._terms = terms
        self._wire_asks = wire_asks
        self._token = token
        self._deliver = deliver
        self._unsent = unsent
        self._by_rest = by_rest
        self._keep_alive_due_ns = 0
        self._unfit = False
        self._now = now
        self._backoff = Backoff(random)
        self._sslopt = sslopt
        self._counters = Counters()
        self._requests: deque[VenueRequest] = deque()
        self._watched: set[str] = set()
        self._capabilities = EVERYTHING
        self._writing: list[int] = []
        self._wake = Wake()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="venue-session", daemon=True)
        self._socket: FrameSocket | None = None
        self._protocol: SessionProtocol[bytes] | None = None
        self._renew_before_ns = renew_before_ns
        self._renewal: Renewal | None = None
        self._token_in_use = SecretStr("")  # the token of the last login
        self._expired_token: SecretStr | None = None  # one that has expired

    # --- from any thread --------------------------------------------------------------------------

    @property
    def counters(self) -> dict[str, int]:
        return self._counters.counters

    @property
    def connected(self) -> bool:
        """Whether requests can be sent just now."""
        protocol = self._protocol
        return protocol is not None and protocol.up

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, request: VenueRequest) -> None:
        """Queue a request; never blocks."""
        self._requests.append(request)
        self._wake.ring()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Send what is queued, log out and end the thread, waiting at most `timeout_s` for it."""
        self._stopping.set()
        self._wake.ring()
        if self._thread.ident is None:
            self._wake.close()
        else:
            self._thread.join(timeout_s)

    # --- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        logged = ""
        while not self._stopping.is_set():
            began = self._now()
            reason, fatal = self._run_connection()
            was_up = self._end_connection()
            if was_up and not self._capabilities.cancel_on_disconnect and not self._stopping.is_set():
                self._unsent(SendCancelAll(UNASKED_OP, None))  # nobody looks after what rests
            if self._stopping.is_set():
                break
            if was_up or fatal or reason != logged:
                logged = reason
                # The end of what was up, and a refusal for good, are logged by whoever receives the report.
                logger.log("DEBUG" if was_up or fatal else "WARNING", "venue: {}; trying again", reason)
                self._deliver(VenueDisconnected(reason, self._now(), fatal, self._unfit))
            if fatal:
                break
            self._pause(self._backoff.next_s(seconds(self._now() - began)))
        while not self._stopping.is_set():  # refused for good: answer what still comes in
            wait(self._wake, (), 60.0)
            self._return_requests()
        self._return_requests()
        self._wake.close()

    def _run_connection(self) -> tuple[str, bool]:
        """Keep one connection up; return why it ended and whether for good."""
        try:
            self._connect()
            while not self._stopping.is_set():
                self._step(self._now())
            self._log_out()
        except SocketLostError as lost:
            if lost.code == TOKEN_EXPIRED_CLOSE:
                return self._expired(lost.reason)
            if lost.code in FATAL_CLOSES:
                return f"{FATAL_CLOSES[lost.code]}: {lost.reason}", True
            return lost.reason, False
        except SessionOverError as over:
            self._unfit = over.unfit
            return self._expired(over.reason) if over.expired else (over.reason, over.fatal)
        except ConnectError as failed:
            where = self._url.split("?", 1)[0]
            refused = failed.status in (401, 403)
            reason = f"cannot connect to {where}: {failed.reason}"
            return self._expired(reason) if refused and self._token_has_ended() else (reason, refused)
        except MissingSecretError as missing:
            return str(missing), not (self._token.renewable and self._token_in_use)
        except CredentialsRefusedError as refused_login:
            return str(refused_login), True
        except (VenueUnreachableError, VenueRefusedError) as failed_login:
            return f"no token: {failed_login}", False
        except Exception as error:  # noqa: BLE001 - the session must not die in silence
            logger.error("venue: the session failed by an error of its own\n{}", traceback.format_exc())
            return f"internal error {type(error).__name__}", False
        return "stopped", False

    def _expired(self, reason: str) -> tuple[str, bool]:
        """A token's end is for good only where no other can be had."""
        if not self._token.renewable:
            return f"token expired: {reason}; {self._token.where} cannot change while the program runs", True
        self._expired_token = self._token_in_use
        return f"token expired: {reason}; waiting for a fresh one from {self._token.where}", False

    def _token_has_ended(self) -> bool:
        ends = decode_expiry(self._token_in_use.get_secret_value())
        return ends is not None and ends <= self._now()

    def _get_token(self) -> str:
        request = TokenRequest(self._token.log_in if self._expired_token is None else self._token.renew, self._wake)
        while not request.decided:
            if self._stopping.is_set():
                raise ConnectError("stopped")
            wait(self._wake, (), 1.0)
            self._return_requests()
        token = request.token()
        if SecretStr(token) == self._expired_token:
            raise SessionOverError(f"token expired: waiting for a fresh one from {self._token.where}")
        self._token.accept(token)
        return token

    def _connect(self) -> None:
        token = self._get_token()
        self._token_in_use = SecretStr(token)
        dial = Dial(self._url, self._wake, self._terms.timeout_s, self._sslopt)
        while not dial.decided:
            if self._stopping.is_set():
                dial.abandon()
                raise ConnectError("stopped")
            wait(self._wake, (), 1.0)
            self._return_requests()
        self._socket = dial.socket()
        self._protocol = SessionProtocol(
            self._terms, Codec(self._wire_asks), self._socket.send, self._deliver, self._watched, self._counters
        )
        self._renewal = Renewal(self._token, token, self._wake, self._renew_before_ns, self._now())
        self._protocol.begin(token, self._now())

    def _step(self, now: Nanos) -> None:
        assert self._socket is not None
        assert self._protocol is not None
        if self._protocol.up:
            self._keep_orders_safe(self._protocol, now)
            self._send_requests(self._protocol)
        else:
            self._return_requests()
        self._renew(self._protocol, now)
        due = self._protocol.run_timers(now)
        self._note_written(self._socket)
        wait(self._wake, (self._socket,), seconds(due - now) + 0.001)
        self._read(self._socket, self._protocol)

    def _renew(self, protocol: SessionProtocol[bytes], now: Nanos) -> None:
        assert self._renewal is not None
        if not protocol.up or protocol.ends_venue_ns is None:
            return
        ends = Nanos(protocol.ends_venue_ns - protocol.offset_ns)
        if not self._token.renewable and ends - now < DAY_NS:
            where = self._token.where
            line = (
                f"the token ends {utc(protocol.ends_venue_ns)}; {where} cannot change, so trading ends shortly before"
            )
            self._counters.warn_once("token's end", line)
        token = self._renewal.next(ends, now, urged=protocol.expiring)
        if token is not None:
            renewal = self._renewal

            def decided(accepted: bool) -> None:
                if accepted:
                    self._token_in_use = SecretStr(token)
                    renewal.accepted(token, self._now())
                else:
                    renewal.refused(token)

            protocol.renew(token, decided)

    def _read(self, socket: FrameSocket, protocol: SessionProtocol[bytes]) -> None:
        if socket.unsent:
            socket.flush()
        self._note_written(socket)
        skipped = socket.oversized
        for raw in socket.receive(self._now()):
            protocol.receive(raw, self._now())
        if socket.oversized > skipped:
            protocol.drop(WireError("oversized"))

    def _send_requests(self, protocol: SessionProtocol[bytes]) -> None:
        while self._requests:
            match self._requests.popleft():
                case SendBatch() as batch if not protocol.capabilities.ws_orders:
                    self._by_rest(protocol.hold_back(batch, self._now()))
                case SendBatch() as batch:
                    protocol.send_batch(batch, self._now())
                    self._writing.append(batch.op_id)
                case SendCancelAll() as request if (
                    protocol.capabilities.ws_orders and protocol.capabilities.mass_cancel
                ):
                    protocol.send_cancel_all(request)
                case WatchBook() as request:
                    self._watch(request)
                case request:
                    self._unsent(request)

    def _keep_orders_safe(self, protocol: SessionProtocol[bytes], now: Nanos) -> None:
        """Where the venue does not cancel for a client that goes silent, see to it by other means."""
        begins, self._capabilities = protocol.capabilities is not self._capabilities, protocol.capabilities
        if begins and not protocol.capabilities.cancel_on_disconnect:
            self._unsent(SendCancelAll(UNASKED_OP, None))
        if not protocol.capabilities.cancel_on_disconnect and now >= self._keep_alive_due_ns:
            self._keep_alive_due_ns = now + self._terms.heartbeat_ms * MILLISECOND
            self._by_rest(KeepAlive(self._terms.cod_timeout_ms))

    def _note_written(self, socket: FrameSocket) -> None:
        if self._writing and not socket.unsent:
            now = self._now()
            for op_id in self._writing:
                self._deliver(BatchWritten(op_id, now))
            self._writing.clear()

    def _return_requests(self) -> None:
        while self._requests:
            request = self._requests.popleft()
            if isinstance(request, WatchBook):
                self._watch(request)
            else:
                self._unsent(request)

    def _watch(self, request: WatchBook) -> None:
        (self._watched.add if request.on else self._watched.discard)(request.market)
        if self._protocol is not None:
            self._protocol.watch(request)

    def _pause(self, pause_s: float) -> None:
        until = self._now() + nanos(pause_s)
        while not self._stopping.is_set() and (left := until - self._now()) > 0:
            wait(self._wake, (), seconds(left))
            self._return_requests()

    def _log_out(self) -> None:
        assert self._socket is not None
        assert self._protocol is not None
        if self._protocol.up:
            self._send_requests(self._protocol)
        self._protocol.log_out()
        until = self._now() + nanos(LINGER_S)
        while (left := until - self._now()) > 0:
            wait(self._wake, (self._socket,), seconds(left))
            self._read(self._socket, self._protocol)

    def _end_connection(self) -> bool:
        """Take down what is left of a connection; return whether it had been up."""
        protocol, socket = self._protocol, self._socket
        self._protocol = self._socket = self._renewal = None
        self._writing.clear()
        if socket is not None:
            socket.close()
        if protocol is None:
            return False
        for request in protocol.end():
            self._unsent(request)  # cancelling twice does no harm
        return protocol.up
