"""The frames that one WebSocket still has to send, in order and late by the simulated latency.

Owns the delay, the limit of a slow reader, and the close. Frames of a book are dropped if the reader is slow, and its
owner then sends a new snapshot; no other frame is dropped. It must not know what frames mean.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

MAX_FRAMES = 1000
MAX_BYTES = 4 << 20
CLOSE_WITHIN_S = 2.0
SLOW_READER = 4008


class Wire(Protocol):
    """The methods of a WebSocket that are used here."""

    async def send_str(self, data: str) -> None:
        """Send one text frame; wait while the peer does not read."""

    async def close(self, *, code: int, message: bytes) -> bool:
        """Send a close frame and wait for the answer."""


class _Frame(NamedTuple):
    due: float
    text: str
    book: str | None


class Outbound:
    """The frames waiting on one socket.

    Args:
        wire: the socket.
        abort: cuts the connection without a closing handshake.
        latency_s: draws the delay of a frame, seconds.
        on_caught_up: called when a slow reader has caught up, with the books whose frames were dropped.
    """

    def __init__(
        self,
        wire: Wire,
        abort: Callable[[], None],
        latency_s: Callable[[], float],
        on_caught_up: Callable[[frozenset[str]], None],
    ) -> None:
        self.stale: set[str] = set()
        self._wire = wire
        self._abort = abort
        self._latency_s = latency_s
        self._on_caught_up = on_caught_up
        self._frames: deque[_Frame] = deque()
        self._bytes = 0
        self._last_due = 0.0
        self._wake = asyncio.Event()
        self._closing: tuple[int, str] | None = None

    @property
    def closing(self) -> bool:
        """Whether the socket is to be closed; nothing more is queued then."""
        return self._closing is not None

    def put(self, text: str, book: str | None = None) -> None:
        """Queue a frame; `book` names the market whose book it is about. A closing socket queues nothing."""
        if self._closing is not None or (book is not None and book in self.stale):
            return
        self._last_due = max(self._last_due, asyncio.get_running_loop().time() + self._latency_s())
        self._frames.append(_Frame(self._last_due, text, book))
        self._bytes += len(text)
        self._wake.set()
        if self._full(1.0):
            self._drop_books()
            if self._full(1.0):
                self._frames.clear()
                self.close(SLOW_READER, "slow reader")

    def close(self, code: int, reason: str) -> None:
        """Close once the queued frames are sent; only the first call counts."""
        if self._closing is None:
            self._closing = (code, reason)
            self._wake.set()

    async def attend(self, reading: "asyncio.Task[None]", *working: "asyncio.Task[None]") -> None:
        """Send while the reader and the workers run; when one of them ends, end all and close.

        The reader must end before the closing handshake, which reads, too.

        Raises:
            Exception: what a reader or worker failed with.
        """
        sending = asyncio.create_task(self._send())
        tasks = {reading, sending, *working}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._closing is not None:
                await asyncio.wait((sending,))
            for task in done | {sending} if sending.done() else done:
                task.result()
        except (OSError, TimeoutError):
            self._abort()
            return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._closing is None:
            return
        code, reason = self._closing
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._wire.close(code=code, message=reason.encode())
        except (OSError, TimeoutError):
            self._abort()

    async def _send(self) -> None:
        while self._frames or self._closing is None:
            if not self._frames:
                self._wake.clear()
                await self._wake.wait()
                continue
            delay = self._frames[0].due - asyncio.get_running_loop().time()
            if delay > 0:
                await asyncio.sleep(delay)
                continue
            frame = self._frames.popleft()
            self._bytes -= len(frame.text)
            await self._sent_or_overrun(asyncio.ensure_future(self._wire.send_str(frame.text)))
            if self.stale and not self._full(0.5):
                books = frozenset(self.stale)
                self.stale.clear()
                self._on_caught_up(books)

    async def _sent_or_overrun(self, sending: "asyncio.Task[None]") -> None:
        """Wait until a frame is sent: once closing for a limited time, for a slow reader not at all."""
        try:
            while not sending.done():
                if self._closing is not None:
                    if self._closing[0] == SLOW_READER:
                        return
                    async with asyncio.timeout(CLOSE_WITHIN_S):
                        await sending
                self._wake.clear()
                woken = asyncio.ensure_future(self._wake.wait())
                await asyncio.wait((sending, woken), return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
            sending.result()
        finally:
            sending.add_done_callback(_take_exception)
            sending.cancel()

    def _full(self, share: float) -> bool:
        return len(self._frames) > MAX_FRAMES * share or self._bytes > MAX_BYTES * share

    def _drop_books(self) -> None:
        kept = deque(frame for frame in self._frames if frame.book is None)
        self.stale.update(frame.book for frame in self._frames if frame.book is not None)
        self._frames = kept
        self._bytes = sum(len(frame.text) for frame in kept)


def _take_exception(task: "asyncio.Task[None]") -> None:
    """Take the error of a send that nothing waits for, which asyncio would report."""
    if not task.cancelled():
        task.exception()
