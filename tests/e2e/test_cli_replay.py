"""A live run, with threads and sockets, replayed: every command again, byte for byte, even of a run that was killed."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from desktop import ROOT, eventually
from patience import patience

pytestmark = pytest.mark.e2e


def mmactors(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmactors", *args], cwd=ROOT, capture_output=True, text=True, timeout=patience(60)
    )


def replayed(log: Path) -> dict:
    done = mmactors("replay", str(log), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_live_run_is_replayed(desktop):
    run = desktop.start("run", "run.py", "conf/sim.yaml")
    eventually(lambda: run.said.count("first two-sided quote") >= 2, 20, lambda: run.said + run.complained)
    time.sleep(4.0)  # the world's own time: prices move
    assert run.stop(20) == 0, run.complained
    found = replayed(desktop.folder / "var" / "sim" / "run-00001")
    assert found["identical"] is True
    assert found["cut"] is None
    assert found["markets"] >= 2
    assert found["ladder_changes"] > 20


def test_a_killed_run_is_replayed_up_to_its_last_second(desktop):
    run = desktop.start("run", "run.py", "conf/sim.yaml")
    log = desktop.folder / "var" / "sim" / "run-00001" / "events.mmlog"
    eventually(lambda: log.exists() and log.stat().st_size > 15_000, 60, lambda: run.said + run.complained)
    run.process.kill()
    run.process.wait()
    found = replayed(log)
    assert found["identical"] is True
    assert found["steps"] > 100


def test_a_backtest_is_replayed(tmp_path):
    log = tmp_path / "b.mmlog"
    args = ["backtest", "conf/sim.yaml", "--session", "1M", "--sessions", "1", "--seed", "4", "--events", str(log)]
    assert mmactors(*args).returncode == 0
    assert replayed(log)["identical"] is True
    again = mmactors(*args)
    assert (again.returncode, again.stderr) == (64, f"mmactors: --events {log}: File exists\n")
