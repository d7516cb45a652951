"""Order sessions with cancel on disconnect, and the REST heartbeat of accounts.

Owns their deadlines: which sessions and accounts are silent for too long. It must not know sockets, orders or a clock.
"""

from dataclasses import dataclass, field

DEFAULT_COD_TIMEOUT_MS = 3000


@dataclass(slots=True)
class OrderSession:
    """One client's order session; it outlives its sockets. Times are milliseconds.

    Attributes:
        armed: whether its orders are cancelled `timeout_ms` after `last_frame_ms`.
        watched: whether silence closes its socket.
        lapsed: whether the silence was noticed.
        triggered: whether orders were cancelled, and the client does not know it yet.
        cancelled: ids of those orders.
    """

    account: str
    name: str
    armed: bool = False
    watched: bool = False
    timeout_ms: int = DEFAULT_COD_TIMEOUT_MS
    last_frame_ms: int = 0
    lapsed: bool = False
    triggered: bool = False
    cancelled: list[str] = field(default_factory=list)


class Sessions:
    """Every order session and every account's REST heartbeat."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], OrderSession] = {}
        self.heartbeats: dict[str, int] = {}

    def attach(
        self, account: str, name: str, *, armed: bool, watched: bool, timeout_ms: int, now_ms: int
    ) -> OrderSession:
        """Start or resume a session."""
        session = self._sessions.setdefault((account, name), OrderSession(account, name))
        session.armed, session.watched, session.timeout_ms = armed, watched, timeout_ms
        session.last_frame_ms = now_ms
        session.lapsed = False
        return session

    def disarm(self, session: OrderSession) -> None:
        """Stop watching a session: its orders are cancelled already, or are to stay."""
        session.armed = session.watched = False

    def lapsing(self, now_ms: int) -> list[OrderSession]:
        """Return the sessions silent for too long, once each."""
        found = [
            session
            for session in self._sessions.values()
            if now_ms - session.last_frame_ms >= session.timeout_ms
            and not session.lapsed
            and (session.armed or session.watched)
        ]
        for session in found:
            session.lapsed = True
        return found

    def heartbeat(self, account: str, ttl_ms: int, now_ms: int) -> int:
        """Renew an account's heartbeat for `ttl_ms`; return when it expires, milliseconds UTC."""
        self.heartbeats[account] = now_ms + ttl_ms
        return self.heartbeats[account]

    def missed(self, now_ms: int) -> list[str]:
        """Return the accounts whose heartbeat has expired, once each."""
        if not self.heartbeats:
            return []
        found = [account for account, due in self.heartbeats.items() if due <= now_ms]
        for account in found:
            del self.heartbeats[account]
        return found
