"""The sweep in processes of its own: one is lost, or somebody presses Ctrl-C; the tables do not change."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from guarded import ROOT
from patience import patience

from mmactors.research.sweep import executors, grid, sweep
from mmactors.research.sweep.executors import SweepStoppedError
from mmactors.research.sweep.results import SESSIONS, SETS

pytestmark = pytest.mark.e2e

TINY = {"session": "1M", "sessions": 2, "world_sessions": 1, "warm_up_s": 60, "seed": 5}
FOUR = {"quoting.spread": [0.02, 0.03], "inventory.lean_late": [0.5, 0.75]}


def written(folder, **more):
    path = folder / "g.yaml"
    path.write_text(json.dumps({"config": str(ROOT / "conf" / "arena.yaml"), **TINY, **more, "parameters": FOUR}))
    return path


def tiny(folder):
    return grid.load(written(folder), {})


def tables(folder):
    return pq.read_table(folder / SETS), pq.read_table(folder / SESSIONS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Four sets in two worlds, and nothing goes wrong."""
    folder = tmp_path_factory.mktemp("whole")
    sweep.run(tiny(folder), folder, executors.Processes(2))
    return tables(folder)


def test_a_pool_that_loses_a_process_finishes_all_the_same(tmp_path, whole):
    """A process is killed as soon as the first unit is done."""

    class Attacked(executors.Processes):
        def play(self, units):
            killed = False
            for result in super().play(units):
                yield result
                if result is not None and not killed:
                    killed = True
                    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    told = []
    sweep.run(tiny(tmp_path), tmp_path, Attacked(2), progress=told.append)
    assert sum("a process was lost" in line for line in told) == 1
    assert all(ours.equals(theirs) for ours, theirs in zip(tables(tmp_path), whole, strict=True))


def test_units_that_kill_their_process_end_the_sweep_and_not_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "NEW_POOLS", 0)

    class Besieged(executors.Processes):
        def play(self, units):
            for result in super().play(units):
                yield result
                for child in multiprocessing.active_children():
                    os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(SweepStoppedError, match=r"processes were lost 1 times; .* keeps what is done") as caught:
        sweep.run(tiny(tmp_path), tmp_path, Besieged(2))
    assert caught.value.exit_code == 70


def command(*args):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MM__")}
    return subprocess.Popen(
        [sys.executable, "-m", "mmactors", "sweep", *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=clean,
    )  # fmt: skip


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path):
    path = written(tmp_path, sessions=500)
    process = command(path, "--out", tmp_path / "o", "--processes", 1)
    deadline = time.monotonic() + patience(60)
    journal = tmp_path / "o" / sweep.UNITS
    while not (journal.exists() and journal.stat().st_size):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=patience(30))
    assert process.returncode == 130
    assert (
        told.splitlines()[-1] == f"mmactors: interrupted; {tmp_path / 'o'} keeps what is done, the same command goes on"
    )
    assert "Traceback" not in told


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path):
    process = command(written(tmp_path), "--out", tmp_path / "o", "--scheduler", "http://127.0.0.1:9")
    _, told = process.communicate(timeout=patience(60))
    assert process.returncode == 69
    assert told.startswith("mmactors: --scheduler http://127.0.0.1:9: no Dask scheduler there")
    assert told.count("\n") == 1
