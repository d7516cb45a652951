"""The live venue: the simulation on the wall clock, and who hears what of it.

Owns the clock, the subscriptions, the order sessions' deadlines and the publishing of events after every change. It
knows sockets only as listeners that take frames, and their form only as a voice (`voice.py`).
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from mmactors.simulator.server.encoder import FrameEncoder, TextEncoder
from mmactors.simulator.server.order_sessions import OrderSession, Sessions
from mmactors.simulator.server.tokens import Identity, WalletDesk, identify
from mmactors.simulator.venue import replies, requests
from mmactors.simulator.venue.engine import MarketChange
from mmactors.simulator.venue.ledger import Account
from mmactors.simulator.venue.matching import RefusalError
from mmactors.simulator.venue.replies import Json
from mmactors.simulator.venue.simulation import SimulatedVenue

Say = Callable[[str], None]


class VenueClock(Protocol):
    """The venue's time."""

    @property
    def start_ms(self) -> int:
        """When it started."""

    def now_ms(self) -> int:
        """Return milliseconds UTC."""


class WallClock:
    """Milliseconds UTC that never jump: the wall clock at the start plus monotonic time since."""

    def __init__(self) -> None:
        self.start_ms = time.time_ns() // 1_000_000
        self._origin = time.monotonic()

    def now_ms(self) -> int:
        """Return the time."""
        return self.start_ms + int((time.monotonic() - self._origin) * 1000)


class Subscriber(Protocol):
    """A venue socket, as the floor sees it."""

    account: Account | None
    session: OrderSession | None

    def put(self, frame: Any, book: str | None = None) -> None:
        """Send a frame, as the floor's voice wrote it; `book` names the market whose book it is about."""

    def close(self, code: int, reason: str) -> None:
        """Close the socket after what was sent."""


class VenueHub:
    """The venue as the server sees it.

    Args:
        simulation: the venue itself.
        clock: the time.
        secret: what tokens are signed with.
        say: takes a line for the operator.
        voice: writes the frames; JSON text if not given.
    """

    def __init__(
        self, simulation: SimulatedVenue, clock: VenueClock, secret: str, say: Say, voice: FrameEncoder | None = None
    ) -> None:
        self.simulation = simulation
        self.clock = clock
        self.say = say
        self.voice = voice or TextEncoder()
        self.sessions = Sessions()
        self.listeners: set[Subscriber] = set()
        self.wallets = WalletDesk(secret, simulation.config.wallet_token_s)
        self._secret = secret
        self._unknown: dict[str, int] = {}
        self._channels: dict[tuple[str, str], dict[Subscriber, None]] = {}
        self._books: dict[str, dict[Subscriber, None]] = {}
        """Of the channels those of books, by market."""
        self._attached: dict[tuple[str, str], Subscriber] = {}

    def identify(self, token: object) -> tuple[Identity, Account]:
        """Return a token's identity and its account, opened and funded if new.

        Raises:
            RefusalError: UNAUTHORIZED or TOKEN_EXPIRED.
        """
        identity = identify(token, self._secret, self.clock.now_ms())
        return identity, self.simulation.account(identity.account)

    def submit(self, account: Account, frame: Json, session: OrderSession | None = None) -> Json:
        """Apply one trading operation now; the caller sends the answer and then publishes."""
        name = None if session is None else session.name
        return self.simulation.submit(account, frame, self.clock.now_ms(), name)

    def note_unknown(self, op: object) -> None:
        """Count an operation nobody knows; say so the first time."""
        name = str(op)[:40]
        if name not in self._unknown and len(self._unknown) < 20:
            self.say(f"unknown operation {name!r} ignored")
        self._unknown[name] = self._unknown.get(name, 0) + 1

    def take_over(self, listener: Subscriber, session: OrderSession) -> None:
        """Make this socket the session's one; another that was is closed."""
        key = (session.account, session.name)
        former = self._attached.get(key)
        if former is not None and former is not listener:
            former.session = None
            former.close(4009, "superseded session")
        for left in [other for other, holder in self._attached.items() if holder is listener]:
            del self._attached[left]
        self._attached[key] = listener
        self._note("up", session)

    def leave(self, listener: Subscriber) -> None:
        """Forget a socket; its session's orders stay until their time is over."""
        self.listeners.discard(listener)
        for subscribers in self._channels.values():
            subscribers.pop(listener, None)
        session = listener.session
        if session is not None and self._attached.get((session.account, session.name)) is listener:
            del self._attached[session.account, session.name]
            self._note("down", session)

    def subscribe(self, listener: Subscriber, channel: object, market_id: object) -> None:
        """Start a subscription and send its snapshot, if the channel has one.

        Raises:
            RefusalError: UNAUTHORIZED, MARKET_NOT_FOUND or INVALID_REQUEST; nothing was subscribed.
        """
        self.publish()
        key = self._key(listener, channel, market_id)
        now = self.clock.now_ms()
        subscribers = self._channels.setdefault(key, {})
        if key[0] == "orderbook":
            self._books[key[1]] = subscribers
            market = self.simulation.venue.markets[key[1]]
            if not subscribers:
                market.book.touched.clear()
            listener.put(self.voice.say(replies.book_snapshot(market, now)), market.id)
        elif key[0] == "orders" and listener.account is not None:
            listener.put(self.voice.say(replies.account_snapshot(listener.account)))
        elif key[0] == "markets":
            venue = self.simulation.venue
            shown = [replies.market_json(m, now) for m in venue.markets.values() if m.listed and m.status != "RESOLVED"]
            snapshot = {"type": "snapshot", "channel": "markets", "seq": venue.market_seq, "markets": shown, "ts": now}
            listener.put(self.voice.say(snapshot))
        subscribers[listener] = None

    def check_channel(self, listener: Subscriber, channel: object, market_id: object) -> None:
        """Tell whether a subscription could be had.

        Raises:
            RefusalError: UNAUTHORIZED, MARKET_NOT_FOUND or INVALID_REQUEST.
        """
        self._key(listener, channel, market_id)

    def unsubscribe(self, listener: Subscriber, channel: object, market_id: object) -> None:
        """End a subscription, if there is one."""
        name = channel if isinstance(channel, str) else ""
        detail = market_id if isinstance(market_id, str) else ""
        if name == "orders" and listener.account is not None:
            detail = listener.account.name
        self._channels.get((name, detail), {}).pop(listener, None)

    def resend_books(self, listener: Subscriber, market_ids: frozenset[str]) -> None:
        """Send fresh snapshots for the books whose deltas a slow reader missed."""
        self.publish()
        now = self.clock.now_ms()
        for market_id in sorted(market_ids):
            market = self.simulation.venue.markets.get(market_id)
            if market is not None and listener in self._channels.get(("orderbook", market_id), {}):
                listener.put(self.voice.say(replies.book_snapshot(market, now)), market_id)

    def drop_session(self, session: OrderSession, reason: str = "cod") -> None:
        """Cancel a session's orders now, if it asked for that; it is told at its next `auth`."""
        if not session.armed:
            return
        account = self.simulation.account(session.account)
        now = self.clock.now_ms()
        session.cancelled = self.simulation.venue.cancel_all(account, now, session=session.name, reason=reason)
        session.triggered = True

    def advance(self) -> None:
        """Let the venue's time pass, end what has gone silent, and publish."""
        now = self.clock.now_ms()
        self.simulation.advance(now)
        for session in self.sessions.lapsing(now):
            self.drop_session(session)
            listener = self._attached.get((session.account, session.name))
            if listener is not None:
                listener.close(1000, "silent for too long")
        for name in self.sessions.missed(now):
            account = self.simulation.account(name)
            cancelled = self.simulation.venue.cancel_all(account, now, reason="cod")
            self.say(f"account {name} missed its heartbeat: {len(cancelled)} orders cancelled")
        self.publish()
        while self.simulation.notices:
            self.say(self.simulation.notices.pop(0))

    def publish(self) -> None:
        """Send everything that has happened since the last time to whoever subscribed to it."""
        simulation, channels = self.simulation, self._channels
        venue = simulation.venue
        for item in simulation.take_public():
            now = self.clock.now_ms()
            if isinstance(item, MarketChange):
                if channels.get(("markets", "")):
                    self._send(("markets", ""), self.voice.say(replies.market_change(item, now)))
                if item.event == "resolved":
                    channels.pop(("orderbook", item.market.id), None)
                    self._books.pop(item.market.id, None)
                    channels.pop(("trades", item.market.id), None)
            elif channels.get(("trades", item.market.id)):
                self._send(("trades", item.market.id), self.voice.say(replies.trade_json(item)))
        for account in venue.accounts.values():
            if account.outbox:
                heard = bool(channels.get(("orders", account.name)))
                for event in simulation.take_events(account):
                    if heard:
                        self._send(("orders", account.name), self.voice.account_event(event))
        for market_id, subscribers in self._books.items():
            market = venue.markets.get(market_id)
            if market is not None and subscribers and market.book.touched:
                frame = self.voice.book_delta(market, self.clock.now_ms())
                for listener in subscribers:
                    listener.put(frame, market_id)

    def _note(self, event: str, session: OrderSession) -> None:
        if self.simulation.recorder is not None:
            self.simulation.recorder.session(event, session.account, session.name, self.clock.now_ms())

    def _send(self, key: tuple[str, str], frame: Any) -> None:
        for listener in self._channels[key]:
            listener.put(frame)

    def _key(self, listener: Subscriber, channel: object, market_id: object) -> tuple[str, str]:
        if channel == "orders":
            if listener.account is None:
                raise RefusalError("UNAUTHORIZED", "the orders channel needs a token")
            return "orders", listener.account.name
        if channel == "markets":
            return "markets", ""
        if channel in ("orderbook", "trades"):
            if not isinstance(market_id, str):
                raise requests.bad_request(f"the {channel} channel needs a market")
            if market_id not in self.simulation.venue.markets:
                raise RefusalError("MARKET_NOT_FOUND", f"no market {market_id}")
            return str(channel), market_id
        raise requests.bad_request("channel must be orders, orderbook, trades or markets")
