"""What stands where the journal is, in virtual time: it keeps the sessions' reports, and the event log if there is one.

Owns no file but that log's, which is closed by whoever opened it.
"""

from typing import Any, ClassVar

from mmactors.actors import addresses
from mmactors.core.ledger.session_stats import corrected
from mmactors.messages import JournalSynced, MakerStarted, MakerStepped, MarketResolved, SessionReport, SyncJournal
from mmactors.ops.event_log import EventLog
from mmactors.runtime.role import Out, Role
from mmactors.units import Nanos


class JournalStandIn(Role):
    """Keeps each session's report by market, as corrected; it is never behind."""

    drains: ClassVar[bool] = True
    takes: ClassVar[frozenset[type] | None] = frozenset(
        (SessionReport, MarketResolved, SyncJournal, MakerStarted, MakerStepped)
    )

    def __init__(self, sessions: dict[str, SessionReport], events: EventLog | None = None) -> None:
        self._sessions = sessions
        self._events = events

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        if isinstance(message, SessionReport):
            self._sessions[message.market] = message
        elif isinstance(message, MarketResolved):
            if (known := self._sessions.get(message.market.id)) and (new := corrected(known, message)):
                self._sessions[new.market] = new
        elif isinstance(message, SyncJournal):
            out.tell(addresses.RISK, JournalSynced())
        elif self._events is not None and isinstance(message, MakerStarted | MakerStepped):
            self._events.add(message)
            self._events.flush(now)
