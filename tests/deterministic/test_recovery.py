"""What earlier runs left: written once, counted in the day once, corrected as the next revision, told of in a line."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pykka
import pytest
from loguru import logger

from mmactors.actors import addresses
from mmactors.actors.gateway import GatewayRole
from mmactors.actors.journal import JournalRole
from mmactors.actors.risk import RiskRole
from mmactors.core.desk.desk import OrderDesk
from mmactors.core.params import MakerParams, RiskParams
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import (
    AccountSnapshot,
    EndUnknown,
    FetchFills,
    FetchMarkets,
    FillMissed,
    FillsFetched,
    Market,
    MarketReported,
    MarketResolved,
    MarketStatus,
    OrderFilled,
    Outcome,
    PastSettlement,
    Resolution,
    SessionReport,
    SettledAway,
    VenueConnected,
    VenueFill,
)
from mmactors.ops.console import ConsoleReporter
from mmactors.ops.event_log import EventLog
from mmactors.ops.journal import DAY_NS, JournalStore, Settlement
from mmactors.ops.market_log import MarketLogs
from mmactors.runtime.actor import hosted
from mmactors.runtime.deterministic import DeterministicRuntime
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks, nanos

NOW = Nanos(20_000 * DAY_NS + 600 * SECOND)
ENDED = Nanos(20_000 * DAY_NS - 60 * SECOND)  # yesterday
MARKET = Market("m", "BTC", 97_000.0, MarketStatus.RESOLVED, Nanos(ENDED - 300 * SECOND), ENDED)
NAN = float("nan")
REPORT = SessionReport(
    *("m", "BTC", 300, 97_000.0, Resolution.YES, Micros(15_599_993), 30, 30, 30, NAN, 1, 30, NAN, 0),
    *(Contracts(30), Contracts(0)),
)
FILL = OrderFilled(
    *("m", "r1-1", "f1", Outcome.YES, Ticks(48), Contracts(30), Micros(7), Contracts(30), True),
    Nanos(ENDED - 99 * SECOND),
)


class Venue:
    """Answers what a desk asks at the start: an account with these fills, and no position left."""

    def __init__(self, fills: list[VenueFill], ended: list[Market]) -> None:
        self.fills = fills
        self.ended = ended

    def connect(self, deliver: Callable[[object], None]) -> "Venue":
        self.deliver = deliver
        return self

    def start(self) -> None:
        self.deliver(VenueConnected("a", "s", frozenset(), 10.0, 10.0, None, NOW))
        self.deliver(AccountSnapshot(100, (), (), Micros(900_000_000), Micros(0)))

    def submit(self, request: object) -> None:
        if isinstance(request, FetchFills):
            after = tuple(fill for fill in self.fills if fill.seq > request.since_seq)
            self.deliver(FillsFetched(request.since_seq, after))
        elif isinstance(request, FetchMarkets):
            for market in self.ended:
                self.deliver(MarketReported("snapshot", market))

    def stop(self) -> None:
        pass


class Life:
    """One run: an actor on a journal, what it says, and its sessions."""

    def __init__(self, folder: Path) -> None:
        self.store = JournalStore.open(folder / "journal.sqlite")
        self.run = self.store.begin_run(NOW)
        self.left = self.store.unsettled(NOW)
        self.sessions: dict[str, SessionReport] = {}
        self.said: list[str] = []
        self.warned: list[str] = []
        self._sink = logger.add(self.warned.append, level="WARNING", format="{message}")
        self.runtime = DeterministicRuntime(NOW)
        self.runtime.spawn(
            addresses.JOURNAL,
            hosted(
                lambda: JournalRole(
                    store=self.store,
                    console=ConsoleReporter(self.said.append),
                    logs=MarketLogs(folder / f"markets{self.run}", self.run),
                    events=EventLog(folder / f"events{self.run}", run=self.run, config="{}"),
                    sessions=self.sessions,
                )
            ),
        )

    def tell(self, *events: object) -> None:
        for event in events:
            self.runtime.tell(addresses.JOURNAL, event)
        self.wait(1)

    def wait(self, seconds: int) -> None:
        self.runtime.run_until(self.runtime.clock.now() + seconds * SECOND)

    def trade(self, venue: "Venue") -> RiskRules:
        """Connect to a venue, and let a minute pass."""
        desk = OrderDesk(lambda _: MakerParams(), prefix=f"r{self.run}", ack_timeout_ns=nanos(2))
        settled = [PastSettlement(each.market, each.resolution, each.yes, each.no) for each in self.store.settlements()]
        desk.restore(settled, self.left)
        day = NOW // DAY_NS
        rules = RiskRules(RiskParams(), earned_before=self.store.day_pnl(day), day=day)
        self.runtime.spawn(addresses.RISK, hosted(lambda: RiskRole(rules=rules)))
        self.runtime.spawn(
            addresses.GATEWAY,
            hosted(lambda: GatewayRole(desk=desk, connect=venue.connect, latencies_us=deque())),
        )
        self.wait(60)
        return rules

    def end(self) -> None:
        self.runtime.stop_all((addresses.GATEWAY, addresses.RISK, addresses.JOURNAL))
        self.store.close()
        logger.remove(self._sink)
        for ref in pykka.ActorRegistry.get_all():
            pykka.ActorRegistry.unregister(ref)


def test_what_ended_while_no_run_was_there_is_settled_on_its_day_and_a_second_restart_finds_nothing(tmp_path):
    first = Life(tmp_path)
    first.tell(FILL)
    first.end()
    second = Life(tmp_path)
    assert [(left.market, left.fills) for left in second.left] == [("m", (FILL,))]
    missed = replace(FILL, fill_id="f2")
    second.tell(FillMissed(missed), FillMissed(FILL), SettledAway(REPORT, ENDED))
    was = Settlement("m", Resolution.YES, Contracts(30), Contracts(0), REPORT.pnl_micros, 0)
    assert second.store.settlements() == [was]
    assert (second.store.day_pnl(19_999), second.store.day_pnl(20_000)) == (REPORT.pnl_micros, 0)
    assert [(fill.fill_id, fill.run) for fill in second.store.fills()] == [("f1", 1), ("f2", 1)]
    assert second.sessions == {"m": REPORT}
    assert any("settled YES: P&L +$15.60" in " ".join(line.split()) for line in second.said)
    assert not second.warned
    corrected = MarketResolved(replace(MARKET, resolution=Resolution.NO), Resolution.NO, Micros(-30_000_000))
    second.tell(corrected)
    (now,) = second.store.settlements()
    assert (now.revision, now.resolution, now.pnl_micros) == (1, Resolution.NO, REPORT.pnl_micros - 30_000_000)
    second.end()
    third = Life(tmp_path)
    assert third.left == []
    third.end()


@pytest.mark.parametrize("after_ns", [0, DAY_NS + 10 * SECOND])
def test_what_the_venue_does_not_tell_is_one_warning_and_no_row(tmp_path, after_ns):
    first = Life(tmp_path)
    first.tell(FILL)
    first.end()
    second = Life(tmp_path)
    held = Contracts(30), Contracts(0), Micros(14_400_007)
    second.tell(EndUnknown("m", *held, "the venue does not tell how it ended"))
    assert second.warned == [
        "m: an earlier run held 30 YES and 0 NO, paid for with $14.40; the venue does not tell how it ended: "
        "no settlement is written\n"
    ]
    assert second.store.settlements() == []
    assert bool(second.store.unsettled(Nanos(NOW + after_ns))) == (after_ns == 0), "asked about for a day"
    second.end()


def fill_of_venue(seq: int, fill_id: str) -> VenueFill:
    return VenueFill(
        *(fill_id, seq, "o", "r1-1", "m", Outcome.YES, Micros(480_000), Contracts(30), Micros(7), True, FILL.venue_ns),
        Contracts(30),
    )


@pytest.mark.parametrize("today", [True, False])
def test_after_a_restart_journal_and_risk_have_the_market_once_and_another_restart_changes_nothing(tmp_path, today):
    end_ns = Nanos(ENDED + 300 * SECOND) if today else ENDED
    ended = replace(MARKET, expires_venue_ns=end_ns, resolution=Resolution.NO)
    venue = Venue([fill_of_venue(50, "f1"), fill_of_venue(51, "f2")], [ended])
    first = Life(tmp_path)
    first.tell(FILL)
    first.end()
    lost = 2 * (30 * 480_000 + 7)
    expected = [Settlement("m", Resolution.NO, Contracts(60), Contracts(0), Micros(-lost), 0)]
    for life in range(2):
        again = Life(tmp_path)
        rules = again.trade(venue)
        assert again.store.settlements() == expected, life
        assert rules.day_pnl() == (-lost if today else 0), life
        assert len(again.store.fills()) == 2
        assert not again.warned
        again.end()


def test_a_venue_that_has_forgotten_the_market_is_asked_and_then_told_of_once(tmp_path):
    first = Life(tmp_path)
    first.tell(FILL)
    first.end()
    second = Life(tmp_path)
    rules = second.trade(Venue([], []))
    assert [line.split(":")[0] for line in second.warned] == ["m"]
    assert second.store.settlements() == []
    assert rules.day_pnl() == 0
    second.end()
