"""The journal actor: a market's fills reach the console together, in time, and none is left when it ends."""

import pykka
import pytest
from loguru import logger

from mmactors.actors import addresses
from mmactors.actors.journal import JournalRole
from mmactors.actors.risk import RiskRole
from mmactors.core.params import MakerParams, RiskParams
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import (
    JournalSynced,
    MakerStarted,
    Market,
    MarketListed,
    MarketRetired,
    MarketStatus,
    OrderFilled,
    Outcome,
    SessionReport,
    SyncJournal,
    TradingState,
    TradingStateChanged,
)
from mmactors.ops.console import ConsoleReporter
from mmactors.ops.event_log import EventLog
from mmactors.ops.journal import JournalStore
from mmactors.ops.market_log import MarketLogs
from mmactors.ops.retention import Retention
from mmactors.runtime import Actor, hosted
from mmactors.runtime.deterministic import DeterministicRuntime
from mmactors.units import MILLISECOND, SECOND, Contracts, Micros, Nanos, Ticks

START = Nanos(1_795_000_000 * SECOND)
ID = "BTC-5M-X"
MARKET = Market(ID, "BTC", 97_000.0, MarketStatus.OPEN, START, Nanos(START + 300 * SECOND))
OTHER = Market("M", "BTC", 97_000.0, MarketStatus.OPEN, START, Nanos(START + 60 * SECOND))


class Stage:
    """A journal in virtual time, and what it says on the console."""

    def __init__(self, folder, retention=None):
        self.lines: list[str] = []
        self.sessions: dict[str, SessionReport] = {}
        self.store = JournalStore.open(folder / "journal.sqlite")
        run = self.store.begin_run(START)
        self.runtime = DeterministicRuntime(START)
        self.runtime.spawn(
            addresses.JOURNAL,
            hosted(
                lambda: JournalRole(
                    store=self.store,
                    console=ConsoleReporter(self.lines.append),
                    logs=MarketLogs(folder / "markets", run),
                    events=EventLog(folder / "events.mmlog", run=run, config="{}"),
                    sessions=self.sessions,
                    retention=retention,
                )
            ),
        )

    def hear(self, *messages, seconds=0.0):
        for message in messages:
            self.runtime.tell(addresses.JOURNAL, message)
        self.runtime.run_until(Nanos(self.runtime.clock.now() + round(seconds * SECOND)))

    def end(self):
        self.runtime.stop_all((addresses.JOURNAL,), timeout_s=5.0)


@pytest.fixture
def present(tmp_path):
    """The present run's folder, within an instance's."""
    run = tmp_path / "run-00002"
    run.mkdir()
    return run


@pytest.fixture
def keeper(present):
    return Retention(present, 1)


@pytest.fixture
def stage(request, tmp_path):
    kept = {"present", "keeper"} <= set(request.fixturenames)
    stage = Stage(*map(request.getfixturevalue, ("present", "keeper"))) if kept else Stage(tmp_path)
    yield stage
    stage.end()
    stage.store.close()
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def fill(number: int) -> OrderFilled:
    size = Contracts(10)
    return OrderFilled(ID, "r1-1", f"f-{number}", Outcome.YES, Ticks(48), size, Micros(0), size, True, START)


def test_fills_are_one_line_after_five_seconds_though_nothing_else_happens(stage):
    stage.hear(fill(1), fill(2), fill(3), seconds=4.8)
    assert stage.lines == []
    stage.hear(seconds=0.4)
    (line,) = stage.lines
    assert "bought   30 YES,    0 NO in   3 fills" in line
    assert len(stage.store.fills()) == 3


def test_fills_that_are_not_due_are_told_at_the_end_of_the_run(stage):
    stage.hear(fill(1), seconds=0.2)
    stage.end()
    assert [line.split("bought")[1].split()[0] for line in stage.lines] == ["10"]


def test_what_a_market_is_quoted_with_is_in_its_log(stage, tmp_path):
    stage.hear(MakerStarted(MARKET, 7, "r1-7", MakerParams()), seconds=1.5)
    assert "incarnation 7 quotes: half = 0.0100" in (tmp_path / "markets" / f"{ID}.log").read_text()


def test_market_logs_that_cannot_be_written_are_one_line_and_the_journal_goes_on(tmp_path):
    (tmp_path / "markets").write_text("a file in the folder's place")
    store = JournalStore.open(tmp_path / "journal.sqlite")
    store.begin_run(START)
    runtime = DeterministicRuntime(START)
    lines = []
    sink = logger.add(lines.append, format="{message}", level="ERROR")
    runtime.spawn(
        addresses.JOURNAL,
        hosted(
            lambda: JournalRole(
                store=store,
                console=ConsoleReporter(lambda line: None),
                logs=MarketLogs(tmp_path / "markets", 1),
                events=EventLog(tmp_path / "events.mmlog", run=1, config="{}"),
                sessions={},
            )
        ),
    )
    for second in range(1, 4):
        runtime.tell(addresses.JOURNAL, MarketListed(OTHER))
        runtime.run_until(START + second * SECOND)
    logger.remove(sink)
    assert len([line for line in lines if "the markets' logs cannot be written" in line]) == 1
    assert store.pending == 0
    assert runtime.stop_all() == []
    store.close()


def test_old_runs_go_at_the_start_and_settled_markets_logs_ten_minutes_later(keeper, present, stage):
    old = present.with_name("run-00001")
    old.mkdir()
    (old / "run.log").write_text("old")
    stage.hear(MarketListed(MARKET), MarketListed(OTHER), seconds=0.2)
    assert keeper.ended(within_s=10)
    assert not old.exists()
    stage.hear(MarketRetired(ID, 1), seconds=599)
    assert keeper.ended(within_s=10)
    logs = present / "markets"
    assert {path.suffix for path in logs.iterdir() if path.stem == ID} == {".log", ".jsonl"}
    stage.hear(seconds=2)
    assert keeper.ended(within_s=10)
    assert {path.stem for path in logs.iterdir()} == {OTHER.id}
    assert (present / "journal.sqlite").exists()
    assert (present / "events.mmlog").exists()


class Recorder(Actor):
    """Notes what it hears."""

    def __init__(self, runtime, name, incarnation, heard):
        super().__init__(runtime, name, incarnation)
        self.heard = heard

    def receive(self, message):
        self.heard.append(message)


def recorder(runtime, name):
    heard = []
    runtime.spawn(name, lambda *life: Recorder(*life, heard))
    return heard


def risk(runtime):
    runtime.spawn(addresses.RISK, hosted(lambda: RiskRole(rules=RiskRules(RiskParams()))))


def states(heard):
    return [message.state for message in heard if isinstance(message, TradingStateChanged)]


def test_the_journals_answer_comes_after_what_it_was_told_before_is_on_disk(stage):
    heard = recorder(stage.runtime, addresses.RISK)
    stage.hear(seconds=0.05)
    stage.hear(fill(1), SyncJournal(), seconds=0.04)
    assert heard == []
    assert stage.store.fills() == []
    stage.hear(seconds=0.02)
    assert heard == [JournalSynced()]
    assert len(stage.store.fills()) == 1
    stage.hear(seconds=5)
    assert heard == [JournalSynced()], "one answer to one question"


def test_with_a_journal_that_keeps_up_the_state_stays(stage):
    gateway = recorder(stage.runtime, addresses.GATEWAY)
    risk(stage.runtime)
    for number in range(100):
        stage.hear(fill(number), seconds=0.1)
    assert states(gateway) == []


def test_a_journal_that_is_silent_for_a_second_is_reducing_until_it_answers():
    runtime = DeterministicRuntime(START)
    journal, gateway = recorder(runtime, addresses.JOURNAL), recorder(runtime, addresses.GATEWAY)
    risk(runtime)
    runtime.run_until(Nanos(START + SECOND - MILLISECOND))
    assert states(gateway) == []
    runtime.run_until(Nanos(START + SECOND))
    assert states(gateway) == states(journal) == [TradingState.REDUCING]
    assert journal.count(SyncJournal()) == 1, "nothing piles up before a journal that hangs"
    runtime.tell(addresses.RISK, JournalSynced())
    runtime.run_until(Nanos(START + 2 * SECOND - MILLISECOND))
    assert states(gateway) == [TradingState.REDUCING, TradingState.ACTIVE]
    runtime.stop_all()
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)
