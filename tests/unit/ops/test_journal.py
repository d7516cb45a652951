"""The journal: nothing committed is lost, nothing is written twice, one instance at a time."""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from mmactors.messages import (
    EndUnknown,
    Market,
    MarketHydrated,
    MarketListed,
    MarketStatus,
    OrderAccepted,
    OrderFilled,
    Outcome,
    PairsMerged,
    PastHolding,
    Resolution,
    TradingState,
    TradingStateChanged,
)
from mmactors.ops.journal import DAY_NS, JournalError, JournalStore, LockHeldError, Settlement
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks

NOW = Nanos(1_795_000_000 * SECOND)


def fill(
    number: int, market: str = "M", client: str = "1-1", outcome: Outcome = Outcome.YES, tick: int = 10_000
) -> OrderFilled:
    return OrderFilled(
        *(market, client, f"f-{number}", outcome, Ticks(48), Contracts(10), Micros(0), Contracts(10), True, NOW),
        Micros(tick),
    )


def market(tick: int) -> Market:
    return Market("M", "BTC", 97_000.0, MarketStatus.OPEN, NOW, Nanos(NOW + 60 * SECOND), tick_micros=Micros(tick))


@pytest.fixture
def store(tmp_path):
    opened = JournalStore.open(tmp_path / "var" / "journal.db")
    yield opened
    opened.close()


def reopened(store: JournalStore) -> JournalStore:
    store.close()
    return JournalStore.open(store.path)


def test_a_runs_number_is_on_disk_before_it_is_known(store):
    assert store.begin_run(NOW) == 1
    other = sqlite3.connect(store.path)
    assert other.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    other.close()
    assert store.begin_run(NOW) == 2


def test_run_numbers_go_on_after_a_restart(store):
    store.begin_run(NOW)
    again = reopened(store)
    assert again.begin_run(NOW) == 2
    again.close()


def test_a_fill_told_twice_is_written_once(store):
    store.begin_run(NOW)
    store.record_fills([fill(1), fill(2)], NOW)
    store.commit()
    store.record([fill(2), fill(3)], NOW)
    store.commit()
    assert [f.fill_id for f in store.fills()] == ["f-1", "f-2", "f-3"]


def test_the_same_fill_id_of_another_order_is_another_fill(store):
    store.record_fills([fill(1), fill(1, client="2-1")], NOW)
    store.commit()
    assert len(store.fills()) == 2


def test_a_fill_comes_back_whole_and_with_its_own_price_even_between_its_markets_ticks(store):
    store.begin_run(NOW)
    store.record([MarketListed(market(tick=10_000)), fill(1, outcome=Outcome.NO, tick=1_000)], NOW)
    store.commit()
    (got,) = store.fills()
    assert (got.fill_id, got.client_id, got.market, got.run) == ("f-1", "1-1", "M", 1)
    assert (got.outcome, got.ticks, got.price_micros, got.size, got.maker) == (Outcome.NO, 48, 48_000, 10, True)


def test_fills_are_found_by_run_and_by_market(store):
    store.begin_run(NOW)
    store.record_fills([fill(1), fill(2, market="N")], NOW)
    store.commit()
    store.begin_run(NOW)
    store.record_fills([fill(3)], NOW)
    store.commit()
    assert [f.fill_id for f in store.fills(since_run=2)] == ["f-3"]
    assert [f.fill_id for f in store.fills(market="N")] == ["f-2"]


def test_what_is_buffered_is_pending_until_it_is_committed(store):
    store.record([OrderAccepted("M", "1-1", "o-1")], NOW)
    assert store.pending == 1
    assert store.commit() == 1
    assert store.pending == 0


def test_a_settlement_is_on_disk_at_once_and_counted_once(store):
    ended = Settlement("M", Resolution.YES, Contracts(30), Contracts(10), Micros(5_000_000))
    assert store.settle(ended, NOW)
    assert not store.settle(ended, NOW)
    assert store.settlements() == [replace(ended, revision=0)]
    assert store.day_pnl(NOW // DAY_NS) == 5_000_000


def test_a_corrected_settlement_replaces_the_first_on_the_same_day(store):
    store.settle(Settlement("M", Resolution.YES, Contracts(30), Contracts(10), Micros(5_000_000)), NOW)
    corrected = Settlement("M", Resolution.NO, Contracts(30), Contracts(10), Micros(-7_000_000), revision=1)
    assert store.settle(replace(corrected, revision=None), Nanos(NOW + DAY_NS))
    assert not store.settle(corrected, Nanos(NOW + DAY_NS))
    assert store.settlements() == [corrected]
    assert store.day_pnl(NOW // DAY_NS) == -7_000_000
    assert store.day_pnl(NOW // DAY_NS + 1) == 0


def test_settlements_are_found_by_time_and_by_market(store):
    ends = [Settlement(name, Resolution.YES, Contracts(30), Contracts(10), Micros(5), 0) for name in "AB"]
    for late, end in enumerate(ends):
        store.settle(end, Nanos(NOW + late))
    assert store.settlements(since_ns=Nanos(NOW + 1)) == ends[1:]
    assert store.settlements(market="A") == ends[:1]


def hydrated(name: str) -> MarketHydrated:
    nothing = (Contracts(0), Contracts(0), Micros(0), Micros(0))
    listed = replace(market(tick=10_000), id=name)
    return MarketHydrated(listed, *nothing, TradingState.ACTIVE, Nanos(0), 0.1, Micros(0))


def test_markets_whose_end_no_run_saw_are_found_with_their_fills_and_merged_pairs(store):
    store.begin_run(NOW)
    bought = [fill(1, "A", outcome=Outcome.NO, tick=5_000), fill(2, "A"), fill(3, "B")]
    store.record([*bought, PairsMerged("A", Contracts(3)), PairsMerged("A", Contracts(4))], NOW)
    quoted = [replace(market(tick=10_000), id=name) for name in "CD"]
    store.record([*map(MarketListed, quoted), hydrated("C")], NOW)
    store.settle(Settlement("B", Resolution.YES, Contracts(10), Contracts(0), Micros(5)), NOW)
    assert store.unsettled(NOW) == [
        PastHolding("A", tuple(bought[:2]), Contracts(7)),
        PastHolding("C", (), Contracts(0)),  # the fills of its last moments may be missing
    ]
    later = Nanos(NOW + DAY_NS + 1)
    assert [left.market for left in store.unsettled(later)] == ["A"]


def test_a_market_of_which_the_venue_no_longer_tells_is_given_up_after_a_day(store):
    store.begin_run(NOW)
    store.record([fill(1), EndUnknown("M", Contracts(10), Contracts(0), Micros(5), "why")], NOW)
    store.commit()
    assert store.unsettled(Nanos(NOW + DAY_NS))
    assert not store.unsettled(Nanos(NOW + DAY_NS + 1))


def test_a_fill_that_an_earlier_run_did_not_write_is_that_runs(store):
    store.begin_run(NOW)
    store.record_fills([fill(1)], NOW)
    store.begin_run(NOW)
    store.record_fills([fill(1), fill(2)], NOW, missed=True)
    store.commit()
    assert [(f.fill_id, f.run) for f in store.fills()] == [("f-1", 1), ("f-2", 1)]


def test_a_change_of_state_outlives_the_process_unasked(store):
    assert store.state() is None
    change = TradingStateChanged(TradingState.REDUCING, "the day's loss is $1001")
    store.change_state(change, NOW)
    other = sqlite3.connect(store.path)
    assert other.execute("SELECT count(*) FROM states").fetchone() == (1,)
    other.close()
    assert store.state() == change


def test_an_earlier_days_change_of_state_is_not_found(store):
    store.change_state(TradingStateChanged(TradingState.REDUCING, "the day's loss is $1001"), NOW)
    assert store.state(since_ns=Nanos(NOW + 1)) is None


def test_a_journal_with_the_table_of_days_that_earlier_versions_made_is_read(store):
    store._database.execute("CREATE TABLE days (day INTEGER PRIMARY KEY, pnl_micros INTEGER NOT NULL)")
    again = reopened(store)
    assert again.begin_run(NOW) == 1
    again.close()


def test_a_second_instance_is_told_who_holds_the_lock(store):
    with pytest.raises(LockHeldError, match=f"process {os.getpid()}") as told:
        JournalStore.open(store.path)
    assert told.value.exit_code == 75


def test_the_lock_goes_with_its_holder(store):
    reopened(store).close()


def test_a_file_that_is_no_journal_gives_one_line(tmp_path):
    path = tmp_path / "journal.db"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(JournalError, match="not a database"):
        JournalStore.open(path)
    with pytest.raises(JournalError):  # and the lock was let go: the same error, not LockHeldError
        JournalStore.open(path)


def test_a_newer_schema_is_refused(store):
    store.close()
    database = sqlite3.connect(store.path)
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(JournalError, match="schema 99"):
        JournalStore.open(store.path)


def test_a_changed_row_is_found_by_its_checksum(store):
    store.record_fills([fill(1), fill(2)], NOW)
    store.commit()
    other = sqlite3.connect(store.path)
    other.execute("UPDATE fills SET size = 11 WHERE fill_id = 'f-2'")
    other.commit()
    other.close()
    with pytest.raises(JournalError, match="fills row 2"):
        store.fills()


def test_a_failed_commit_keeps_everything_for_the_next(store):
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store._database.execute("PRAGMA busy_timeout=1")
    store.record_fills([fill(1)], NOW)
    with pytest.raises(JournalError, match="locked"):
        store.commit()
    assert store.pending == 1
    other.execute("ROLLBACK")
    other.close()
    assert store.commit() == 1
    assert len(store.fills()) == 1


def test_a_new_journal_goes_on_after_the_runs_that_only_their_logs_tell_of(tmp_path: Path) -> None:
    store = JournalStore.open(tmp_path / "journal.sqlite")
    assert store.begun() == 0
    assert store.begin_run(NOW, after=7) == 8
    assert store.begin_run(Nanos(NOW + 1), after=3) == 9
    assert store.begun() == NOW
    store.close()


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite.lock"])
@pytest.mark.parametrize("how", ["deleted", "replaced", "moved"])
def test_a_file_taken_away_while_in_use_fails_the_next_commit(tmp_path: Path, name: str, how: str) -> None:
    folder = tmp_path / "sim"
    store = JournalStore.open(folder / "journal.sqlite")
    store.begin_run(NOW)
    store.record_fills([fill(1)], NOW)
    assert store.commit() == 1
    if how == "moved":
        folder.rename(tmp_path / "elsewhere")
    else:
        (folder / name).unlink()
    if how == "replaced":
        (folder / name).touch()
    with pytest.raises(JournalError, match="while in use"):
        store.commit()
    with pytest.raises(JournalError, match="while in use"):
        store.close()
    again = JournalStore.open(folder / "journal.sqlite")  # the lock went with it
    again.close()
