"""The order session: one thread that owns the venue's WebSocket and keeps it up.

Owns connecting, reconnecting and the queue of requests; what is said over a connection is `conversation.py`'s. Knows
nothing of actors and decides nothing about orders: requests come in through `submit`, reports go out through `deliver`.
"""

import threading
import traceback
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from loguru import logger

from mmactors.messages import (
    BatchWritten,
    SendBatch,
    SendCancelAll,
    VenueDisconnected,
    VenueReport,
    VenueRequest,
    WatchBook,
)
from mmactors.runtime.backoff import Backoff
from mmactors.runtime.sockets import ConnectFailed, Dial, FrameSocket, SocketLost, Wake, wait
from mmactors.units import Nanos, nanos, seconds
from mmactors.venue.conversation import Conversation, ConversationOver, Tally, Terms
from mmactors.venue.credentials import MissingSecret
from mmactors.venue.wire import WireError

FATAL_CLOSES = {4001: "login refused", 4003: "forbidden", 4401: "token expired"}

LINGER_S = 1.0
"""How long a goodbye waits for the venue's last words."""


class VenueSession:
    """The WebSocket session and its thread. `counters` are plain numbers by name."""

    def __init__(
        self,
        *,
        url: str,
        terms: Terms,
        token: Callable[[], str],
        deliver: Callable[[VenueReport], None],
        unsent: Callable[[VenueRequest], None],
        now: Callable[[], Nanos],
        random: Random,
        sslopt: dict[str, Any] | None = None,
    ) -> None:
        """Args:
        url: the venue's WebSocket.
        terms: the session's name and its timing.
        token: called at each login.
        deliver: called in the session's thread with each report; must not block or raise.
        unsent: called likewise with requests that provably never left, and with cancel-alls that nobody answered.
        now: the clock, nanoseconds UTC, never going back.
        random: for the jitter.
        sslopt: passed to the TLS layer.
        """
        self._url = url
        self._terms = terms
        self._token = token
        self._deliver = deliver
        self._unsent = unsent
        self._now = now
        self._backoff = Backoff(random)
        self._sslopt = sslopt
        self._tally = Tally()
        self._requests: deque[VenueRequest] = deque()
        self._watched: set[str] = set()
        self._writing: list[int] = []
        self._wake = Wake()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="venue-session", daemon=True)
        self._socket: FrameSocket | None = None
        self._talk: Conversation | None = None

    # --- from any thread --------------------------------------------------------------------------

    @property
    def counters(self) -> dict[str, int]:
        return self._tally.counters

    @property
    def connected(self) -> bool:
        """Whether requests can be sent just now."""
        talk = self._talk
        return talk is not None and talk.up

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
        told = ""
        while not self._stopping.is_set():
            began = self._now()
            reason, fatal = self._one_life()
            was_up = self._end_life()
            if self._stopping.is_set():
                break
            if was_up or fatal or reason != told:
                told = reason
                # The end of what was up, and a refusal for good, are told by whoever hears the report.
                logger.log("DEBUG" if was_up or fatal else "WARNING", "venue: {}; trying again", reason)
                self._deliver(VenueDisconnected(reason, self._now(), fatal))
            if fatal:
                break
            self._pause(self._backoff.next_s(seconds(self._now() - began)))
        while not self._stopping.is_set():  # refused for good: answer what still comes in
            wait(self._wake, (), 60.0)
            self._return_requests()
        self._return_requests()
        self._wake.close()

    def _one_life(self) -> tuple[str, bool]:
        """Live one connection's life; return why it ended and whether for good."""
        try:
            self._connect()
            while not self._stopping.is_set():
                self._round(self._now())
            self._say_goodbye()
        except SocketLost as lost:
            if lost.code in FATAL_CLOSES:
                return f"{FATAL_CLOSES[lost.code]}: {lost.reason}", True
            return lost.reason, False
        except ConversationOver as over:
            return over.reason, over.fatal
        except ConnectFailed as failed:
            where = self._url.split("?", 1)[0]
            return f"cannot connect to {where}: {failed.reason}", failed.status in (401, 403)
        except MissingSecret as missing:
            return str(missing), True
        except Exception as error:  # noqa: BLE001 - the session must not die in silence
            logger.error("venue: the session failed by an error of its own\n{}", traceback.format_exc())
            return f"internal error {type(error).__name__}", False
        return "stopped", False

    def _connect(self) -> None:
        token = self._token()
        dial = Dial(self._url, self._wake, self._terms.timeout_s, self._sslopt)
        while not dial.decided:
            if self._stopping.is_set():
                dial.abandon()
                raise ConnectFailed("stopped")
            wait(self._wake, (), 1.0)
            self._return_requests()
        self._socket = dial.socket()
        self._talk = Conversation(self._terms, self._socket.send, self._deliver, self._watched, self._tally)
        self._talk.begin(token, self._now())

    def _round(self, now: Nanos) -> None:
        assert self._socket is not None
        assert self._talk is not None
        if self._talk.up:
            self._send_requests(self._talk)
        else:
            self._return_requests()
        due = self._talk.tend(now)
        self._note_written(self._socket)
        wait(self._wake, (self._socket,), seconds(due - now) + 0.001)
        self._read(self._socket, self._talk)

    def _read(self, socket: FrameSocket, talk: Conversation) -> None:
        if socket.unsent:
            socket.flush()
        self._note_written(socket)
        skipped = socket.oversized
        for raw in socket.receive(self._now()):
            talk.hear(raw, self._now())
        if socket.oversized > skipped:
            talk.drop(WireError("oversized"))

    def _send_requests(self, talk: Conversation) -> None:
        while self._requests:
            match self._requests.popleft():
                case SendBatch() as batch:
                    talk.send_batch(batch, self._now())
                    self._writing.append(batch.op_id)
                case SendCancelAll() as request:
                    talk.send_cancel_all(request)
                case WatchBook() as request:
                    self._watch(request)
                case request:
                    self._unsent(request)

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
        if self._talk is not None:
            self._talk.watch(request)

    def _pause(self, pause_s: float) -> None:
        until = self._now() + nanos(pause_s)
        while not self._stopping.is_set() and (left := until - self._now()) > 0:
            wait(self._wake, (), seconds(left))
            self._return_requests()

    def _say_goodbye(self) -> None:
        assert self._socket is not None
        assert self._talk is not None
        if self._talk.up:
            self._send_requests(self._talk)
        self._talk.log_out()
        until = self._now() + nanos(LINGER_S)
        while (left := until - self._now()) > 0:
            wait(self._wake, (self._socket,), seconds(left))
            self._read(self._socket, self._talk)

    def _end_life(self) -> bool:
        """Take down what is left of a connection; return whether it had been up."""
        talk, socket = self._talk, self._socket
        self._talk = self._socket = None
        self._writing.clear()
        if socket is not None:
            socket.close()
        if talk is None:
            return False
        for request in talk.end():
            self._unsent(request)  # cancelling twice does no harm
        return talk.up
