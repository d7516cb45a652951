"""Runs' folders stay within a size: the oldest finished ones go, then settled markets' logs; never anything else."""

import os
import time

import pytest
from loguru import logger

from mmactors.messages import Market, MarketListed, MarketRetired, MarketStatus
from mmactors.ops import market_log_table
from mmactors.ops.event_log import EVENTS, EventLogError, EventLogReader
from mmactors.ops.market_log import MarketLogs
from mmactors.ops.retention import EVERY_NS, Retention
from mmactors.units import MILLISECOND, SECOND, Nanos

MB = 1_000_000
NOW = Nanos(1_795_000_000 * SECOND)
ID = "BTC-5M-20261122T1405Z"


def fill(path, size_mb):
    """Make a file of this size that takes no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size_mb * MB)


@pytest.fixture
def instance(tmp_path):
    """Three finished runs of 100 MB each and the present one of 50 MB, numbered 9 to 12."""
    for number in (9, 10, 11):
        run = tmp_path / f"run-{number:05d}"
        fill(run / EVENTS, 60)
        fill(run / "markets" / "A.log", 30)
        fill(run / "markets" / "A.jsonl", 10)
    fill(tmp_path / "run-00012" / EVENTS, 50)
    return tmp_path


@pytest.fixture
def lines():
    told = []
    sink = logger.add(told.append, format="{level} {message}", level="INFO")
    yield told
    logger.remove(sink)


def kept(instance, keep_mb):
    return Retention(instance / "run-00012", keep_mb * MB)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_oldest_finished_runs_go_until_the_rest_fits_and_one_line_tells(instance, lines):
    kept(instance, 170).prune(())
    assert names(instance) == ["run-00011", "run-00012"]
    (line,) = lines
    assert line.strip() == "INFO 2 runs deleted, run-00009 to run-00010, 200 MB: logs.keep_gb is 0.17"


def test_what_fits_exactly_stays_and_nothing_is_told(instance, lines):
    kept(instance, 350).prune(())
    assert len(names(instance)) == 4
    assert lines == []


def test_a_byte_too_many_is_a_run(instance, lines):
    fill(instance / "run-00012" / "run.log", 1)
    kept(instance, 350).prune(())
    assert names(instance) == ["run-00010", "run-00011", "run-00012"]
    assert "run-00009 deleted, 100 MB" in lines[0]


def test_what_is_no_finished_runs_folder_stays_whatever_its_size(instance, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    fill(elsewhere / "precious", 500)
    others = (
        "journal.sqlite",
        "journal.sqlite-wal",
        "run-00001.tar",
        "run-best/x",
        "run-7x/x",
        "run-00013/x",
        "runs/x",
    )
    for other in others:
        fill(instance / other, 500)
    fill(instance / "run-00002", 500)  # a file, not a folder
    (instance / "run-00001").symlink_to(elsewhere)
    (instance / "run-00009" / "more").symlink_to(elsewhere)
    (instance / "run-00009" / "link").symlink_to(elsewhere / "precious")
    kept(instance, 1).prune(())
    gone = {"run-00009", "run-00010", "run-00011"}
    assert gone.isdisjoint(names(instance))
    assert all((instance / other).exists() for other in (*others, "run-00001", "run-00002", "run-00012"))
    assert names(elsewhere) == ["precious"]


def test_a_run_that_alone_is_too_large_loses_its_oldest_settled_markets_logs(instance, lines):
    markets = instance / "run-00012" / "markets"
    for age, name in enumerate(("open", "new", "middle", "old")):
        for suffix in ("log", "jsonl"):
            fill(markets / f"{name}.{suffix}", 20)
            os.utime(markets / f"{name}.{suffix}", (NOW / 1e9 - age, NOW / 1e9 - age))
    keeper = kept(instance, 140)
    keeper.prune({"old", "middle", "new"})
    assert names(instance) == ["run-00012"]
    assert names(markets) == ["new.jsonl", "new.log", "open.jsonl", "open.log"]
    assert len(lines) == 2
    assert lines[1].startswith("WARNING this run alone holds 210 MB, logs.keep_gb is 0.14")

    fill(markets / "open.log", 100)
    keeper.prune({"new"})
    assert names(markets) == ["open.jsonl", "open.log"]
    assert (instance / "run-00012" / EVENTS).exists()
    assert len(lines) == 2  # said once


def test_only_market_logs_go_from_the_present_run(instance):
    markets = instance / "run-00012" / "markets"
    fill(markets / "a.txt", 100)
    fill(markets / "a.log" / "x", 100)
    (markets / "a.jsonl").symlink_to(instance / "run-00012" / EVENTS)
    fill(instance / "run-00012" / "a.log", 100)
    keeper = kept(instance, 1)
    keeper.prune({"a"})
    assert names(instance / "run-00012") == ["a.log", EVENTS, "markets"]
    assert names(markets) == ["a.log", "a.txt"]
    assert keeper.failed == 0


def test_what_cannot_be_deleted_is_told_once_counted_and_costs_no_newer_run(instance, lines, monkeypatch):
    unlink, stuck = os.unlink, str(instance / "run-00009")

    def refusing(path, **how):
        if str(path).startswith(stuck):
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, **how)

    monkeypatch.setattr(os, "unlink", refusing)
    keeper = kept(instance, 250)
    keeper.prune(())
    keeper.prune(())
    assert names(instance) == ["run-00009", "run-00010", "run-00011", "run-00012"]
    assert keeper.failed == 3
    (line,) = lines
    assert line.startswith(f"WARNING {stuck}")
    assert "Permission denied" in line
    kept(instance, 150).prune(())
    assert names(instance) == ["run-00009", "run-00011", "run-00012"]


def test_a_folder_that_cannot_be_read_is_told_once_and_the_others_are_kept_small(instance, lines, monkeypatch):
    scandir, locked = os.scandir, str(instance / "run-00009" / "markets")

    def refusing(path):
        if str(path) == locked:
            raise PermissionError(13, "Permission denied", locked)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    keeper = kept(instance, 160)
    keeper.prune(())
    keeper.prune(())
    assert names(instance) == ["run-00009", "run-00011", "run-00012"]
    assert keeper.failed == 1
    assert len([line for line in lines if "Permission denied" in line]) == 1


def test_an_instances_folder_that_is_gone_is_no_crash(tmp_path, lines):
    keeper = Retention(tmp_path / "gone" / "run-00001", 1)
    keeper.prune(())
    assert keeper.failed == 0
    assert lines == []


def test_it_is_done_at_once_and_every_ten_minutes_beside_the_caller(instance):
    keeper = kept(instance, 1)
    asked = []

    def settled():
        asked.append(None)
        return ()

    for at in (0, 100 * MILLISECOND, EVERY_NS - 1):
        keeper.keep(Nanos(NOW + at), settled)
        assert keeper.ended(within_s=10)
    assert len(asked) == 1
    assert names(instance) == ["run-00012"]
    fill(instance / "run-00011" / EVENTS, 50)
    keeper.keep(Nanos(NOW + EVERY_NS), settled)
    assert keeper.ended(within_s=10)
    assert len(asked) == 2
    assert names(instance) == ["run-00012"]


def test_a_settled_market_is_one_whose_logs_are_closed(tmp_path):
    logs = MarketLogs(tmp_path / "run-00012" / "markets", 12)
    for name in (ID, "ETH.1"):
        market = Market(name, "BTC", 97_000.0, MarketStatus.OPEN, NOW, Nanos(NOW + 300 * SECOND))
        logs.write(MarketListed(market), NOW)
    assert logs.closed() == frozenset()
    logs.write(MarketRetired("ETH.1", 1), NOW)
    assert logs.closed() == {"ETH%2E1"}
    Retention(tmp_path / "run-00012", 1).prune(logs.closed())
    assert names(tmp_path / "run-00012" / "markets") == [f"{ID}.jsonl", f"{ID}.log"]
    logs.note("ETH.1", "corrected", NOW)
    assert logs.closed() == frozenset()
    logs.close()


def test_a_pruned_runs_logs_are_missed_in_one_line(instance):
    kept(instance, 1).prune(())
    with pytest.raises(EventLogError, match="No such file"):
        EventLogReader(instance / "run-00009" / EVENTS)
    with pytest.raises(market_log_table.NoSuchMarketError, match="no market logs in"):
        market_log_table.find(instance, "A")


def test_a_day_of_market_logs_is_measured_and_deleted_quickly(tmp_path):
    folder = tmp_path / "run-00001" / "markets"
    folder.mkdir(parents=True)
    for number in range(10_000):
        (folder / f"{number}.log").touch()
    (folder / "0.log").write_bytes(b"xx")
    (tmp_path / "run-00002").mkdir()
    began = time.process_time()
    Retention(tmp_path / "run-00002", 1).prune(())
    assert time.process_time() - began < 5
    assert names(tmp_path) == ["run-00002"]
