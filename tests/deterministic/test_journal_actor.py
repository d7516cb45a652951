"""The journal actor: logs that cannot be written are told once, and do not keep the journal from its work."""

from loguru import logger

from mmactors.actors import names
from mmactors.actors.journal import JournalActor
from mmactors.messages import MarketListed
from mmactors.ops.console import Narrator
from mmactors.ops.eventlog import EventLog
from mmactors.ops.journal import JournalStore
from mmactors.ops.marketlog import MarketLogs
from mmactors.runtime.deterministic import DeterministicRuntime
from mmactors.units import SECOND
from tests.unit.ops.test_journal_store import market

START = 1_795_000_000 * SECOND


def test_market_logs_that_cannot_be_written_are_one_line_and_the_journal_goes_on(tmp_path):
    (tmp_path / "markets").write_text("a file in the folder's place")
    store = JournalStore.open(tmp_path / "journal.sqlite")
    store.begin_run(START)
    runtime = DeterministicRuntime(START)
    lines = []
    sink = logger.add(lines.append, format="{message}", level="ERROR")
    runtime.spawn(
        names.JOURNAL,
        lambda *life: JournalActor(
            *life,
            store=store,
            narrator=Narrator(lambda line: None, colour=False),
            logs=MarketLogs(tmp_path / "markets", 1),
            events=EventLog(tmp_path / "events.mmlog", run=1, config="{}"),
            sessions={},
        ),
    )
    for second in range(1, 4):
        runtime.tell(names.JOURNAL, MarketListed(market(10_000)))
        runtime.run_until(START + second * SECOND)
    logger.remove(sink)
    assert len([line for line in lines if "the markets' logs cannot be written" in line]) == 1
    assert store.pending == 0
    assert runtime.stop_all() == []
    store.close()
