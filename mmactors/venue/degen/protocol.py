"""The session protocol over one connection to the venue, from the login to its end.

Owns login, subscriptions, heartbeats, sequence numbers, books and the pairing of answers with what was asked. Knows no
socket, no thread and no clock: frames come in with the time, frames go out through `send`, reports through `deliver`.
What is not answered before the end is forgotten, never guessed at.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from loguru import logger

from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    BatchReported,
    BookReported,
    CancelAllReported,
    ClockMeasured,
    MarketReported,
    OrderReported,
    SendBatch,
    SendCancelAll,
    StreamGapped,
    TokenRenewed,
    VenueConnected,
    WatchBook,
)
from mmactors.units import MILLISECOND, Micros, Nanos, nanos
from mmactors.venue.degen.batches import Batches
from mmactors.venue.degen.capabilities import EVERYTHING, Capabilities, hold_back
from mmactors.venue.degen.codec import CREDENTIAL_CODES, F, FrameCodec
from mmactors.venue.degen.credentials import decode_expiry, utc
from mmactors.venue.degen.replies import (
    Acked,
    AuthAcked,
    BookDelta,
    BookSnapshot,
    CancelAllAcked,
    Frame,
    Heartbeat,
    ItemsAcked,
    MarketsListed,
    Notice,
    OpFailed,
    Skipped,
)
from mmactors.venue.degen.top_of_book import Book
from mmactors.venue.degen.wire import WireError
from mmactors.venue.port import Deliver

RENEWAL = "token's renewal"

UNNAMED = "the venue keeps no client order ids: after a lost answer nobody could tell which orders are ours"

EXCHANGES = 60
"""Heartbeats among which the one with the least round trip tells the clock's offset."""


class SessionOverError(Exception):
    """The connection is of no more use; `fatal` if another would fare no better, `expired` if a newer token might.

    `unfit`: the venue lacks what nothing replaces.
    """

    def __init__(self, reason: str, fatal: bool = False, expired: bool = False, unfit: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fatal = fatal or unfit
        self.expired = expired
        self.unfit = unfit


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """What we ask of a session: its name and its timing.

    Attributes:
        session: this run's name; the same name again takes over its orders.
        heartbeat_ms: our heartbeat; three of them without a frame from the venue end the connection.
        cod_timeout_ms: after how much silence of ours the venue cancels our orders.
        timeout_s: limit of each step of connecting, of the login and of a snapshot.
    """

    session: str
    heartbeat_ms: int = 1000
    cod_timeout_ms: int = 3000
    timeout_s: float = 5.0


class Counters:
    """Counters by name, and lines that are logged once; outlives connections."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self._logged: set[str] = set()

    def count(self, name: str) -> None:
        """Add one."""
        self.counters[name] = self.counters.get(name, 0) + 1

    def warn_once(self, key: str, line: str) -> None:
        """Log a line unless one of this key was logged before; past 10,000 keys nothing more is."""
        if key not in self._logged and len(self._logged) < 10_000:
            self._logged.add(key)
            logger.warning("venue: {}", line)


class SessionProtocol(Generic[F]):
    """One connection's state.

    Attributes:
        up: whether the account's first snapshot is in.
        ends_venue_ns: when the token in use ends, by the venue's clock; None if not known.
        expiring: the venue has announced that end.
        capabilities: what the venue can do.
    """

    def __init__(
        self,
        terms: SessionTerms,
        codec: FrameCodec[F],
        send: Callable[[F], None],
        deliver: Deliver,
        watched: set[str],
        counters: Counters,
    ) -> None:
        """Args:
        terms: the session's name and its timing.
        codec: writes and reads frames.
        send: sends one frame.
        deliver: takes each report.
        watched: the markets whose books are wanted.
        counters: where events are counted.
        """
        self.up = False
        self.ends_venue_ns: Nanos | None = None
        self.expiring = False
        self.capabilities = EVERYTHING
        self._terms = terms
        self._send = send
        self._deliver = deliver
        self._counters = counters
        self._heartbeat_ns = Nanos(terms.heartbeat_ms * MILLISECOND)
        self._codec = codec
        self._batches = Batches(codec)
        self._last_id = 0
        self._pending: dict[int, str] = {}
        self._cancel_alls: dict[int, SendCancelAll] = {}
        self._books = {market: Book() for market in sorted(watched)}
        self._best: dict[str, tuple[Micros | None, Micros | None]] = {}
        self._login: AuthAcked | None = None
        self._token_ends: Nanos | None = None
        self._renewed: Callable[[bool], None] | None = None
        self._login_sent_ns = Nanos(0)
        self._received_ns = Nanos(0)
        self._heartbeat_due_ns = Nanos(0)
        self._heartbeats: dict[int, Nanos] = {}
        self._exchanges: deque[tuple[int, int]] = deque(maxlen=EXCHANGES)
        self._best_exchange: tuple[int, int] | None = None
        self._snapshot_due_ns: Nanos | None = None
        self._orders_seq = 0
        self._ahead: tuple[int, Nanos] | None = None
        self._markets_seq: int | None = None

    # --- outgoing ---------------------------------------------------------------------------------

    def begin(self, token: str, now: Nanos) -> None:
        """Log in."""
        self._login_sent_ns = self._received_ns = now
        self._snapshot_due_ns = Nanos(now + nanos(self._terms.timeout_s))
        self._authenticate("login", token)

    @property
    def offset_ns(self) -> Nanos:
        """The venue's clock minus ours, as far as is known."""
        return Nanos(0 if self._best_exchange is None else self._best_exchange[1])

    def renew(self, token: str, done: Callable[[bool], None]) -> None:
        """Log in again with a newer token, on the live connection; `done` learns whether the venue takes it."""
        if self._login is not None and self._renewed is None:
            self._renewed = done
            self._authenticate(RENEWAL, token)

    def _authenticate(self, what: str, token: str) -> None:
        self._token_ends = decode_expiry(token)
        terms = self._terms
        op_id = self._next_id(what)
        self._send(self._codec.auth(op_id, token, terms.session, terms.heartbeat_ms, terms.cod_timeout_ms))

    def run_timers(self, now: Nanos) -> Nanos:
        """Do what is due and return when something will be.

        Raises:
            SessionOverError: the venue is silent.
        """
        if self._snapshot_due_ns is not None and now > self._snapshot_due_ns:
            raise SessionOverError(f"no {'snapshot of the account' if self._login else 'answer to the login'} in time")
        if self._login is None:
            return Nanos(now + self._heartbeat_ns)
        if now - self._received_ns > 3 * self._heartbeat_ns:
            raise SessionOverError(f"the venue was silent for {3 * self._terms.heartbeat_ms / 1000:g} s")
        if now >= self._heartbeat_due_ns:
            frame, sent_ms = self._codec.heartbeat(now)
            self._send(frame)
            self._heartbeats[sent_ms] = now
            while len(self._heartbeats) > EXCHANGES:
                del self._heartbeats[next(iter(self._heartbeats))]
            self._heartbeat_due_ns = Nanos(now + self._heartbeat_ns)
        return Nanos(min(self._heartbeat_due_ns, self._received_ns + 3 * self._heartbeat_ns))

    def send_batch(self, batch: SendBatch, now: Nanos) -> None:
        """Send a ladder refresh: one frame, or several where the venue's limits ask for it."""
        batch = self.hold_back(batch, now)
        frames = self._batches.cut(batch, self._last_id + 1, self.capabilities.batch)
        self._last_id += len(frames)
        for frame in frames:
            self._send(frame)
        if not frames:
            self._deliver(BatchReported(batch.op_id, (), now))

    def hold_back(self, batch: SendBatch, now: Nanos) -> SendBatch:
        """Return a batch without what must rest and would take instead; that is reported as refused.

        Where the venue keeps post-only itself, all of it.
        """
        if self.capabilities.post_only:
            return batch
        kept, refused = hold_back(batch, self._books)
        if refused:
            self._deliver(BatchReported(batch.op_id, refused, now))
        return kept

    def send_cancel_all(self, request: SendCancelAll) -> None:
        """Cancel everything of a market or of the account."""
        self._last_id += 1
        self._cancel_alls[self._last_id] = request
        self._send(self._codec.cancel_all(self._last_id, request.market))

    def watch(self, request: WatchBook) -> None:
        """Follow a book, or leave it."""
        if not request.on:
            self._books.pop(request.market, None)
            self._best.pop(request.market, None)
        elif request.market not in self._books:
            self._books[request.market] = Book()
            if self.up:
                self._subscribe("orderbook", request.market)

    def log_out(self) -> None:
        """Log out; the venue cancels our resting orders."""
        self._send(self._codec.logout())

    def end(self) -> tuple[SendCancelAll, ...]:
        """Take the connection for gone: books are unknown; return the cancel-alls that nobody answered."""
        for market, book in self._books.items():
            book.drop()
            if market in self._best:
                self._report_book(market)
        return tuple(self._cancel_alls.values())

    def _subscribe(self, channel: str, market: str | None = None) -> None:
        op_id = self._next_id(f"{channel} {market}" if market else channel)
        self._send(self._codec.subscribe(op_id, channel, market))

    def _next_id(self, what: str) -> int:
        """Return the number of an operation that is about to be sent, and note what its answer will be to."""
        self._last_id += 1
        self._pending[self._last_id] = what
        return self._last_id

    # --- incoming ---------------------------------------------------------------------------------

    def receive(self, raw: F, now: Nanos) -> None:
        """Take in one frame, received at `now`; one that cannot be read is counted and dropped.

        Raises:
            SessionOverError: the venue will not have us.
        """
        self._received_ns = now
        try:
            frame = self._codec.decode(raw)
        except WireError as error:
            self.drop(error)
        else:
            self._on_frame(frame, now)

    def drop(self, error: WireError) -> None:
        """Count a frame that cannot be used."""
        self._counters.count(f"dropped_{error.reason}")
        detail = error.detail if error.reason == "unknown_type" else ""
        self._counters.warn_once(error.reason + detail, f"dropped a frame: {error}; further ones are counted")

    def _on_frame(self, frame: Frame, now: Nanos) -> None:
        match frame:
            case OrderReported() if not (frame.order.client_id or self.capabilities.client_order_id):
                raise SessionOverError(UNNAMED, unfit=True)
            case OrderReported() | AccountReported():
                if self._in_order(frame.seq, now):
                    self._deliver(frame)
            case ItemsAcked():
                self._report_batch(self._batches.answered(frame, now))
            case BookSnapshot() | BookDelta():
                self._on_book(frame)
            case Heartbeat():
                self._on_heartbeat(frame, now)
            case MarketsListed():
                self._on_markets(frame)
            case AccountSnapshot():
                self._on_snapshot(frame, now)
            case CancelAllAcked():
                request = self._cancel_alls.pop(frame.op_id, None)
                if request is not None:
                    self._deliver(CancelAllReported(request.op_id, frame.order_ids, None))
            case AuthAcked():
                self._on_login(frame, now)
            case OpFailed():
                self._on_failure(frame, now)
            case Acked():
                self._pending.pop(frame.op_id, None)
            case Notice():
                self.expiring = self.expiring or frame.code == "AUTH_EXPIRING"
                logger.warning("venue: notice {} {}", frame.code, frame.message)
            case Skipped():
                self._counters.count(f"skipped_{frame.type}")

    def _on_login(self, login: AuthAcked, now: Nanos) -> None:
        self._pending.pop(login.op_id, None)
        ends = [end for end in (login.expires_venue_ns, self._token_ends) if end is not None]
        if self._login is not None:
            if self._renewed is not None:
                self.ends_venue_ns, self.expiring = min(ends, default=None), False
                self._renewal_decided(accepted=True)
                logger.info("venue: the token is renewed on the live session, good until {}", utc(self.ends_venue_ns))
                self._deliver(TokenRenewed(self.ends_venue_ns, now))
            return
        self._login = login
        self.capabilities = Capabilities.of(login.capabilities)
        if self.capabilities.missing:
            self._counters.warn_once(
                "capabilities" + self.capabilities.missing, f"it lacks something. {self.capabilities.missing}"
            )
        self.ends_venue_ns = min(ends, default=None)
        self._heartbeat_due_ns = now
        if login.server_ns is not None:
            self._measure(self._login_sent_ns, now, login.server_ns)
        self._subscribe("orders")
        self._subscribe("markets")

    def _renewal_decided(self, *, accepted: bool) -> None:
        done, self._renewed = self._renewed, None
        if done is not None:
            done(accepted)

    def _on_snapshot(self, snapshot: AccountSnapshot, now: Nanos) -> None:
        login = self._login
        if login is None:
            return
        self._snapshot_due_ns = self._ahead = None
        self._orders_seq = snapshot.seq
        if not self.up:
            self.up = True
            self._counters.count("connects")
            logger.debug("venue: order session {} of account {} is up", self._terms.session, login.account)
            self._deliver(
                VenueConnected(
                    account=login.account,
                    session=login.session or self._terms.session,
                    capabilities=self.capabilities.usable,
                    orders_per_s=login.orders_per_s,
                    burst=login.burst,
                    expires_venue_ns=self.ends_venue_ns,
                    at_ns=now,
                )
            )
            for market in self._books:
                self._subscribe("orderbook", market)
        self._deliver(snapshot)

    def _in_order(self, seq: int, now: Nanos) -> bool:
        if seq <= self._orders_seq:
            self._counters.count("duplicates")
            return False
        if seq > self._orders_seq + 1:
            self._on_gap(seq, now)
        self._orders_seq = seq
        return True

    def _on_gap(self, seen: int, now: Nanos) -> None:
        self._counters.count("gaps")
        if self._snapshot_due_ns is None:
            logger.warning("venue: the orders stream jumped from {} to {}: fetching it anew", self._orders_seq, seen)
            self._snapshot_due_ns = Nanos(now + nanos(self._terms.timeout_s))
            self._deliver(StreamGapped(self._orders_seq + 1, seen))
            self._subscribe("orders")

    def _on_heartbeat(self, beat: Heartbeat, now: Nanos) -> None:
        sent_ns = self._heartbeats.pop(beat.echo_ms, None) if beat.echo_ms is not None else None
        if sent_ns is not None:
            self._measure(sent_ns, now, beat.server_ns)
        if not self.up or beat.orders_seq is None or beat.orders_seq <= self._orders_seq:
            self._ahead = None
        elif self._ahead is None or self._ahead[0] <= self._orders_seq:
            self._ahead = (beat.orders_seq, now)
        elif now - self._ahead[1] > self._heartbeat_ns:  # a whole heartbeat later still not here: lost
            self._ahead = None
            self._on_gap(beat.orders_seq, now)

    def _measure(self, sent_ns: Nanos, received_ns: Nanos, server_ns: Nanos) -> None:
        self._exchanges.append((received_ns - sent_ns, server_ns - (sent_ns + received_ns) // 2))
        best = min(self._exchanges)
        if best != self._best_exchange:
            self._best_exchange = best
            self._deliver(ClockMeasured(Nanos(best[1]), Nanos(best[0])))

    def _on_markets(self, listed: MarketsListed) -> None:
        last, self._markets_seq = self._markets_seq, listed.seq
        if listed.event != "snapshot" and last is not None and listed.seq > last + 1:
            self._counters.count("markets_gaps")
            self._subscribe("markets")
        for bad in listed.invalid:
            self._counters.count("markets_invalid")
            self._counters.warn_once(f"market {bad.market}", f"market {bad.market} skipped: {bad.reason}")
        for market in listed.markets:
            self._deliver(MarketReported(listed.event, market))

    def _on_book(self, frame: BookSnapshot | BookDelta) -> None:
        book = self._books.get(frame.market)
        if book is None:
            return
        if isinstance(frame, BookSnapshot):
            book.reset(frame)
        elif not book.apply(frame):
            self._counters.count("book_gaps")
            self._subscribe("orderbook", frame.market)
        elif not book.usable:
            return
        self._report_book(frame.market)

    def _report_book(self, market: str) -> None:
        best = self._books[market].best
        if self._best.get(market) != best:
            self._best[market] = best
            self._deliver(BookReported(market, *best))

    def _on_failure(self, failure: OpFailed, now: Nanos) -> None:
        error, op_id = failure.error, failure.op_id if failure.op_id is not None else -1
        text = f"{error.code} {error.message}".strip()
        what = self._pending.pop(op_id, None)
        request = self._cancel_alls.pop(op_id, None)
        if what in ("login", "orders"):
            expired = error.code == "TOKEN_EXPIRED"
            raise SessionOverError(f"{what} refused: {text}", error.code in CREDENTIAL_CODES, expired)
        if what == RENEWAL:
            self._counters.warn_once(what + text, f"the newer token was refused: {text}")
            self._renewal_decided(accepted=False)
            return
        if what is not None:
            self._counters.count("subscriptions_refused")
            self._counters.warn_once(what + error.code, f"subscription to {what} refused: {text}")
        elif request is not None:
            self._deliver(CancelAllReported(request.op_id, (), error))
        elif op_id >= 0:
            self._report_batch(self._batches.failed(failure, now))
        else:
            self._counters.count("refused_unread")
            self._counters.warn_once(f"unread {error.code}", f"the venue could not read a frame of ours: {text}")

    def _report_batch(self, report: BatchReported | None) -> None:
        if report is not None:
            self._deliver(report)
