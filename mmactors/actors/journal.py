"""The journal role: writes down what happened, off the price path: journal, event log, market logs, console."""

from dataclasses import replace
from typing import Any, ClassVar

from mmactors.actors import addresses
from mmactors.core.ledger.session_stats import corrected
from mmactors.messages import (
    EndUnknown,
    FillMissed,
    JournalSynced,
    MakerStarted,
    MakerStepped,
    MarketResolved,
    OrderFilled,
    QuoteIntent,
    SessionReport,
    SettledAway,
    SyncJournal,
    TimePassed,
    TradingStateChanged,
)
from mmactors.ops.console import ConsoleReporter
from mmactors.ops.event_log import EventLog
from mmactors.ops.journal import JournalStore, Settlement
from mmactors.ops.market_log import MarketLogs
from mmactors.ops.retention import Retention
from mmactors.runtime.role import Out, Role
from mmactors.units import MILLISECOND, Micros, Nanos, dollars

COMMIT_EVERY_NS = Nanos(100 * MILLISECOND)


class JournalRole(Role):
    """The actor of the journal's store, the event log, the market logs and the console.

    `sessions` receives each settled session's report by market; the program's edge reads it when the run is over.
    Without `retention` nothing on the disk is ever deleted.
    """

    drains: ClassVar[bool] = True

    def __init__(
        self,
        *,
        store: JournalStore,
        console: ConsoleReporter,
        logs: MarketLogs,
        events: EventLog,
        sessions: dict[str, SessionReport],
        retention: Retention | None = None,
    ) -> None:
        self._store = store
        self._console = console
        self._logs = logs
        self._events = events
        self._sessions = sessions
        self._retention = retention
        self._asked = False

    def begin(self, out: Out) -> None:
        out.every(COMMIT_EVERY_NS, TimePassed())

    def end(self, out: Out) -> None:
        self._store.commit()
        self._console.flush(out.now())
        self._logs.close()
        self._events.close()

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        match message:
            case TimePassed():
                self._store.commit()
                if self._asked:
                    self._asked = False
                    out.tell(addresses.RISK, JournalSynced())
                self._console.flush_due(now)
                self._logs.flush(now)
                self._flush_events(now, out)
                if self._logs.lost and not out.counters["market_lines_lost"]:
                    out.counters["market_lines_lost"] = self._logs.lost
                    out.notes.error("the markets' logs cannot be written: what they lose is not reported again")
                if self._retention is not None:
                    self._retention.keep(now, self._logs.closed)
                    out.counters["undeletable"] = self._retention.failed
                return
            case SyncJournal():
                self._asked = True
                return
            case MakerStarted() | MakerStepped():
                self._events.add(message)
                if isinstance(message, MakerStarted):
                    self._logs.write(message, now)
                return
            case TradingStateChanged():
                self._store.change_state(message, now)
            case SessionReport():
                self._settle(message, now)
            case MarketResolved():
                self._store.record((message,), now)
                if known := self._sessions.get(message.market.id):
                    if new := corrected(known, message):
                        self._settle(new, now)
                else:
                    self._correct(message, now, out)
            case SettledAway(report, at_ns):
                out.notes.info("{}: ended while the program was away", report.market)
                self._settle(report, at_ns)
                message = report
            case OrderFilled():
                self._store.record_fills((message,), now)
            case FillMissed(fill):
                self._store.record_fills((fill,), now, missed=True)
            case EndUnknown():
                self._store.record((message,), now)
                parts = message.market, message.yes, message.no, dollars(message.cost_micros), message.reason
                text = "{}: an earlier run held {} YES and {} NO, paid for with ${:.2f}; {}: no settlement is written"
                out.notes.warning(text, *parts)
            case QuoteIntent():
                pass  # the market's log has it; the journal keeps what came of it
            case _:
                self._store.record((message,), now)
        self._logs.write(message, now)
        self._console.write(message, now)

    def _settle(self, report: SessionReport, now: Nanos) -> None:
        self._sessions[report.market] = report
        settlement = Settlement(report.market, report.outcome, report.yes, report.no, report.pnl_micros)
        self._store.settle(settlement, now)

    def _correct(self, message: MarketResolved, now: Nanos, out: Out) -> None:
        """Correct what an earlier run wrote, if one did."""
        for was in self._store.settlements(market=message.market.id):
            if was.resolution is message.resolution:
                continue
            pnl = Micros(was.pnl_micros + message.corrected_micros)
            self._store.settle(replace(was, resolution=message.resolution, pnl_micros=pnl, revision=None), now)
            parts = was.market, was.resolution, message.resolution, dollars(was.pnl_micros), dollars(pnl)
            out.notes.warning("{}: settled by an earlier run {}, now corrected to {}: P&L {:+.2f}, now {:+.2f}", *parts)

    def _flush_events(self, now: Nanos, out: Out) -> None:
        self._events.flush(now)
        if self._events.failed is not None and not out.counters["event_log_lost"]:
            out.counters["event_log_lost"] = 1
            out.notes.error("the event log ends here, this run cannot be replayed whole: {}", self._events.failed)
