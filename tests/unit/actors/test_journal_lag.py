"""A commit that the disk holds up, on threads: risk hears nothing of the journal, and the account may only reduce."""

import functools
import queue
import sqlite3

import pytest
from patience import patience

from mmactors.actors import addresses
from mmactors.actors.journal import JournalRole
from mmactors.actors.risk import RiskRole
from mmactors.core.params import RiskParams
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import OrderAccepted, TradingState, TradingStateChanged
from mmactors.ops.console import ConsoleReporter
from mmactors.ops.event_log import EventLog
from mmactors.ops.journal import JournalStore
from mmactors.ops.market_log import MarketLogs
from mmactors.runtime import Actor, ThreadedRuntime, hosted
from mmactors.units import Nanos

WAIT_S = patience(20)


class Gateway(Actor):
    """Hands on the states it hears of."""

    def __init__(self, runtime, name, incarnation, states):
        super().__init__(runtime, name, incarnation)
        self._states = states

    def receive(self, message):
        if isinstance(message, TradingStateChanged):
            self._states.put(message.state)


@pytest.fixture
def store(tmp_path):
    opened = JournalStore.open(tmp_path / "journal.sqlite")
    opened.begin_run(Nanos(0))
    opened._database.execute(f"PRAGMA busy_timeout={WAIT_S * 1000}")
    yield opened
    opened.close()


def test_a_commit_that_hangs_reduces_until_it_is_done(store, tmp_path):
    states = queue.SimpleQueue()
    runtime = ThreadedRuntime()
    journal = functools.partial(
        JournalRole,
        store=store,
        console=ConsoleReporter(lambda line: None),
        logs=MarketLogs(tmp_path / "markets", 1),
        events=EventLog(tmp_path / "events.mmlog", run=1, config="{}"),
        sessions={},
    )
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # the journal's next commit waits for this to end
    runtime.spawn(addresses.JOURNAL, hosted(journal))
    runtime.spawn(addresses.GATEWAY, functools.partial(Gateway, states=states))
    runtime.spawn(addresses.RISK, hosted(functools.partial(RiskRole, rules=RiskRules(RiskParams()))))
    runtime.tell(addresses.JOURNAL, OrderAccepted("m", "c", "o"))
    try:
        assert states.get(timeout=WAIT_S) is TradingState.REDUCING
        other.execute("ROLLBACK")
        assert states.get(timeout=WAIT_S) is TradingState.ACTIVE
    finally:
        other.close()
        assert runtime.stop_all((addresses.RISK, addresses.JOURNAL), timeout_s=WAIT_S) == []
    assert store.pending == 0
