"""The venue's hub: between the simulation, which owns no time, and the sockets, which trade and subscribe.

Owns the clock, the subscriptions, the deadlines of order sessions, and publishing after every change. It must not know
sockets (only `Subscriber`) or the form of frames (only `FrameEncoder`).
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from mmactors.simulator.server.encoder import FrameEncoder, TextEncoder
from mmactors.simulator.server.order_sessions import OrderSession, Sessions
from mmactors.simulator.server.tokens import Identity, WalletLogin, identify
from mmactors.simulator.venue import replies, requests
from mmactors.simulator.venue.engine import MarketChange
from mmactors.simulator.venue.ledger import Account
from mmactors.simulator.venue.matching import RefusalError
from mmactors.simulator.venue.replies import Json
from mmactors.simulator.venue.simulation import SimulatedVenue

WriteLine = Callable[[str], None]


class VenueClock(Protocol):
    """The venue's time."""

    @property
    def start_ms(self) -> int:
        """When it started, milliseconds UTC."""

    def now_ms(self) -> int:
        """Return the time, milliseconds UTC."""


class WallClock:
    """A clock that never jumps: the wall clock at its start plus monotonic time since."""

    def __init__(self) -> None:
        self.start_ms = time.time_ns() // 1_000_000
        self._origin = time.monotonic()

    def now_ms(self) -> int:
        """Return the time, milliseconds UTC."""
        return self.start_ms + int((time.monotonic() - self._origin) * 1000)


class Subscriber(Protocol):
    """A venue socket, as the hub knows it."""

    account: Account | None
    session: OrderSession | None

    def put(self, frame: Any, book: str | None = None) -> None:
        """Send an encoded frame; `book` names the market whose book it is about."""

    def close(self, code: int, reason: str) -> None:
        """Close the socket after the frames already sent."""


class VenueHub:
    """The venue's hub.

    Args:
        simulation: the venue without sockets.
        clock: the venue's time.
        secret: signs tokens.
        write_line: writes a line for the operator.
        encoder: encodes frames; as JSON text if not given.

    Attributes:
        connected: every open venue socket.
    """

    def __init__(
        self,
        simulation: SimulatedVenue,
        clock: VenueClock,
        secret: str,
        write_line: WriteLine,
        encoder: FrameEncoder | None = None,
    ) -> None:
        self.simulation = simulation
        self.clock = clock
        self.write_line = write_line
        self.encoder = encoder or TextEncoder()
        self.sessions = Sessions()
        self.connected: set[Subscriber] = set()
        self.wallets = WalletLogin(secret, simulation.config.wallet_token_s)
        self._secret = secret
        self._unknown: dict[str, int] = {}
        self._channels: dict[tuple[str, str], dict[Subscriber, None]] = {}
        self._books: dict[str, dict[Subscriber, None]] = {}
        """The channels of books, by market."""
        self._attached: dict[tuple[str, str], Subscriber] = {}

    def identify(self, token: object) -> tuple[Identity, Account]:
        """Return a token's identity and its account, opened and funded if it is new.

        Raises:
            RefusalError: UNAUTHORIZED or TOKEN_EXPIRED.
        """
        identity = identify(token, self._secret, self.clock.now_ms())
        return identity, self.simulation.account(identity.account)

    def submit(self, account: Account, frame: Json, session: OrderSession | None = None) -> Json:
        """Apply one trading operation now; the caller sends the answer, then publishes."""
        name = None if session is None else session.name
        return self.simulation.submit(account, frame, self.clock.now_ms(), name)

    def count_unknown(self, op: object) -> None:
        """Count an unknown operation, and write a line the first time."""
        name = str(op)[:40]
        if name not in self._unknown and len(self._unknown) < 20:
            self.write_line(f"unknown operation {name!r} ignored")
        self._unknown[name] = self._unknown.get(name, 0) + 1

    def attach(self, subscriber: Subscriber, session: OrderSession) -> None:
        """Attach a socket to an order session; the session's former socket is closed."""
        key = (session.account, session.name)
        former = self._attached.get(key)
        if former is not None and former is not subscriber:
            former.session = None
            former.close(4009, "superseded session")
        for other in [each for each, holder in self._attached.items() if holder is subscriber]:
            del self._attached[other]
        self._attached[key] = subscriber
        self._log_session("up", session)

    def leave(self, subscriber: Subscriber) -> None:
        """Detach a socket; its session's orders stay until the session lapses."""
        self.connected.discard(subscriber)
        for subscribers in self._channels.values():
            subscribers.pop(subscriber, None)
        session = subscriber.session
        if session is not None and self._attached.get((session.account, session.name)) is subscriber:
            del self._attached[session.account, session.name]
            self._log_session("down", session)

    def subscribe(self, subscriber: Subscriber, channel: object, market_id: object) -> None:
        """Start a subscription and send its snapshot, if the channel has one.

        Raises:
            RefusalError: UNAUTHORIZED, MARKET_NOT_FOUND or INVALID_REQUEST; nothing was subscribed.
        """
        self.publish()
        key = self._key(subscriber, channel, market_id)
        now = self.clock.now_ms()
        subscribers = self._channels.setdefault(key, {})
        if key[0] == "orderbook":
            self._books[key[1]] = subscribers
            market = self.simulation.venue.markets[key[1]]
            if not subscribers:
                market.book.touched.clear()
            subscriber.put(self.encoder.encode(replies.book_snapshot(market, now)), market.id)
        elif key[0] == "orders" and subscriber.account is not None:
            subscriber.put(self.encoder.encode(replies.account_snapshot(subscriber.account)))
        elif key[0] == "markets":
            venue = self.simulation.venue
            shown = [replies.market_json(m, now) for m in venue.markets.values() if m.listed and m.status != "RESOLVED"]
            snapshot = {"type": "snapshot", "channel": "markets", "seq": venue.market_seq, "markets": shown, "ts": now}
            subscriber.put(self.encoder.encode(snapshot))
        subscribers[subscriber] = None

    def check_channel(self, subscriber: Subscriber, channel: object, market_id: object) -> None:
        """Check that a subscription is possible.

        Raises:
            RefusalError: UNAUTHORIZED, MARKET_NOT_FOUND or INVALID_REQUEST.
        """
        self._key(subscriber, channel, market_id)

    def unsubscribe(self, subscriber: Subscriber, channel: object, market_id: object) -> None:
        """End a subscription, if there is one."""
        name = channel if isinstance(channel, str) else ""
        detail = market_id if isinstance(market_id, str) else ""
        if name == "orders" and subscriber.account is not None:
            detail = subscriber.account.name
        self._channels.get((name, detail), {}).pop(subscriber, None)

    def resend_books(self, subscriber: Subscriber, market_ids: frozenset[str]) -> None:
        """Send new snapshots of the books whose deltas a slow reader missed."""
        self.publish()
        now = self.clock.now_ms()
        for market_id in sorted(market_ids):
            market = self.simulation.venue.markets.get(market_id)
            if market is not None and subscriber in self._channels.get(("orderbook", market_id), {}):
                subscriber.put(self.encoder.encode(replies.book_snapshot(market, now)), market_id)

    def cancel_session(self, session: OrderSession, reason: str = "cod") -> None:
        """Cancel a session's orders now, if it is armed; its next `auth` reports it."""
        if not session.armed:
            return
        account = self.simulation.account(session.account)
        now = self.clock.now_ms()
        session.cancelled = self.simulation.venue.cancel_all(account, now, session=session.name, reason=reason)
        session.triggered = True

    def advance(self) -> None:
        """Advance the venue to now, cancel the orders of silent sessions and accounts, and publish."""
        now = self.clock.now_ms()
        self.simulation.advance(now)
        for session in self.sessions.lapsing(now):
            self.cancel_session(session)
            subscriber = self._attached.get((session.account, session.name))
            if subscriber is not None:
                subscriber.close(1000, "silent for too long")
        for name in self.sessions.missed(now):
            account = self.simulation.account(name)
            cancelled = self.simulation.venue.cancel_all(account, now, reason="cod")
            self.write_line(f"account {name} missed its heartbeat: {len(cancelled)} orders cancelled")
        self.publish()
        while self.simulation.notices:
            self.write_line(self.simulation.notices.pop(0))

    def publish(self) -> None:
        """Send the events since the last call to their subscribers."""
        simulation, channels = self.simulation, self._channels
        venue = simulation.venue
        for item in simulation.take_public():
            now = self.clock.now_ms()
            if isinstance(item, MarketChange):
                if channels.get(("markets", "")):
                    self._send(("markets", ""), self.encoder.encode(replies.market_change(item, now)))
                if item.event == "resolved":
                    channels.pop(("orderbook", item.market.id), None)
                    self._books.pop(item.market.id, None)
                    channels.pop(("trades", item.market.id), None)
            elif channels.get(("trades", item.market.id)):
                self._send(("trades", item.market.id), self.encoder.encode(replies.trade_json(item)))
        for account in venue.accounts.values():
            if account.outbox:
                has_subscribers = bool(channels.get(("orders", account.name)))
                for event in simulation.take_events(account):
                    if has_subscribers:
                        self._send(("orders", account.name), self.encoder.account_event(event))
        for market_id, subscribers in self._books.items():
            market = venue.markets.get(market_id)
            if market is not None and subscribers and market.book.touched:
                frame = self.encoder.book_delta(market, self.clock.now_ms())
                for subscriber in subscribers:
                    subscriber.put(frame, market_id)

    def _log_session(self, event: str, session: OrderSession) -> None:
        if self.simulation.recorder is not None:
            self.simulation.recorder.session(event, session.account, session.name, self.clock.now_ms())

    def _send(self, key: tuple[str, str], frame: Any) -> None:
        for subscriber in self._channels[key]:
            subscriber.put(frame)

    def _key(self, subscriber: Subscriber, channel: object, market_id: object) -> tuple[str, str]:
        if channel == "orders":
            if subscriber.account is None:
                raise RefusalError("UNAUTHORIZED", "the orders channel needs a token")
            return "orders", subscriber.account.name
        if channel == "markets":
            return "markets", ""
        if channel in ("orderbook", "trades"):
            if not isinstance(market_id, str):
                raise requests.bad_request(f"the {channel} channel needs a market")
            if market_id not in self.simulation.venue.markets:
                raise RefusalError("MARKET_NOT_FOUND", f"no market {market_id}")
            return str(channel), market_id
        raise requests.bad_request("channel must be orders, orderbook, trades or markets")
