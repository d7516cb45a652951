"""The program as a user runs it: whole sessions over real sockets, orderly ends, violent ends."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
from pathlib import Path

import jwt
import pytest
import requests
from desktop import Desktop, eventually
from patience import patience

from mmactors.simulator.server.tokens import DEVELOPMENT_SECRET

pytestmark = pytest.mark.e2e

SHORT = """
name: e2e
assets: [BTC]
simulator:
  sessions:
    - {asset: BTC, duration: 1M, elapsed_s: 40, strike_offset_share: 0}
    - {asset: BTC, duration: 5M, elapsed_s: 200, strike_offset_share: 0}
  takers: {noise_per_s: 3}
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def resting(port: str) -> int:
    token = jwt.encode({"sub": "mmactors", "exp": 4_000_000_000}, DEVELOPMENT_SECRET, algorithm="HS256")
    url = f"http://127.0.0.1:{port}/orders?status=OPEN"
    return len(requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=patience(5)).json()["orders"])


def test_a_session_is_traded_from_tick_to_settlement_and_the_ledger_matches(desktop: Desktop) -> None:
    conf = desktop.config(SHORT)
    report = desktop.folder / "r.json"
    program = desktop.start("run", "run.py", str(conf), "--report", str(report))
    program.says("first two-sided quote", 12)
    program.settles(60)
    assert program.stop(20) == 0, program.said + program.complained
    told = desktop.report()
    assert told["totals"]["sessions_settled"] >= 1
    with contextlib.closing(sqlite3.connect(desktop.folder / "var/e2e/journal.sqlite")) as journal:  # of all sessions
        (market,) = journal.execute("SELECT market FROM fills LIMIT 1").fetchone()
    assert told["venue_check"] == {"resting_orders": 0, "fills_match": True, "cash_match": True, "details": []}
    assert told["actors"]["restarts"] == 0
    assert told["actors"]["dead_letters"] == 0
    assert told["latency_us"]["tick_to_quote"]["n"] > 10
    assert "Traceback" not in program.complained
    inspect = desktop.start("inspect", "-m", "mmactors", "inspect", market, "--dir", str(desktop.folder / "var/e2e"))
    assert inspect.ends(20) == 0, inspect.complained
    assert "fair" in inspect.said


def test_old_runs_make_room_for_the_present_one_and_are_missed_in_one_line(desktop: Desktop) -> None:
    conf, instance = desktop.config(SHORT), desktop.folder / "var" / "e2e"
    for number in (1, 2):
        (instance / f"run-0000{number}" / "markets").mkdir(parents=True)
        with (instance / f"run-0000{number}" / "events.mmlog").open("wb") as file:
            file.truncate(700_000_000)  # takes no room
    desktop.environ["MM__logs__keep_gb"] = "1"
    program = desktop.start("run", "run.py", str(conf), "--stop-after", "2")
    program.says("run-00001 deleted, 700 MB: logs.keep_gb is 1", 20)
    assert program.ends(60) == 0, program.said + program.complained
    names = {path.name for path in instance.iterdir()}
    assert {"journal.sqlite", "run-00002", "run-00003"} <= names
    assert "run-00001" not in names
    for command in (["replay", str(instance / "run-00001")], ["inspect", "BTC", "--dir", str(instance / "run-00001")]):
        reader = desktop.start(command[0], "-m", "mmactors", *command)
        assert reader.ends(20) == 66
        assert len(reader.complained.splitlines()) == 1


def test_sigterm_cancels_everything_and_prints_the_sessions(desktop: Desktop) -> None:
    program = desktop.start("run", "run.py", str(desktop.config(SHORT)))
    program.says("first two-sided quote", 15)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(12) == 0
    assert "stopping (SIGTERM)" in program.said
    assert "everything matches, nothing rests" in program.said


def test_kill_9_of_the_simulator_is_one_clear_line_and_an_orderly_end(desktop: Desktop) -> None:
    program = desktop.start("run", "run.py", str(desktop.config(SHORT)))
    program.says("first two-sided quote", 15)
    (simulator,) = children_of(program.process.pid)
    os.kill(simulator, signal.SIGKILL)
    assert program.ends(15) == 69
    (line,) = [line for line in program.complained.splitlines() if " ERROR " in line]
    assert "was killed by SIGKILL: there is nothing to trade on" in line
    assert "unconfirmed" not in program.said
    assert "Traceback" not in program.complained


def test_kill_9_of_the_program_leaves_no_orphan(desktop: Desktop) -> None:
    program = desktop.start("run", "run.py", str(desktop.config(SHORT)))
    program.says("first two-sided quote", 15)
    (simulator,) = children_of(program.process.pid)
    program.process.send_signal(signal.SIGKILL)
    program.ends(5)
    eventually(lambda: not alive(simulator), 10)
    assert program.complained.count("trading program went away") == 1


def test_cancel_all_works_with_the_program_dead(desktop: Desktop) -> None:
    """On a venue of its own, before the venue's own dead man's switch would have done it."""
    conf = desktop.config(SHORT + "\nvenue: {cod_timeout_ms: 60000}\n")
    venue = desktop.start("venue", "-m", "mmactors", "simulator", str(conf))
    eventually(lambda: "listening" in venue.said, 15, lambda: venue.complained)
    port = re.search(r'"port": ?(\d+)', venue.said)
    assert port is not None
    desktop.environ |= {"MM__simulator__embedded": "false", "MM__simulator__port": port[1]}
    program = desktop.start("run", "run.py", str(conf))
    program.says("first two-sided quote", 15)
    eventually(lambda: resting(port[1]) > 0, 5)
    program.process.send_signal(signal.SIGKILL)
    program.ends(5)
    cancel = desktop.start("cancel", "-m", "mmactors", "cancel-all", str(conf))
    assert cancel.ends(20) == 0, cancel.complained
    found = re.search(r"cancel-all: (\d+) orders cancelled", cancel.said)
    assert found is not None
    assert int(found[1]) > 0
    again = desktop.start("again", "-m", "mmactors", "cancel-all", str(conf))
    assert again.ends(20) == 0
    assert "cancel-all: 0 orders cancelled" in again.said
    venue.process.send_signal(signal.SIGKILL)
    venue.ends(5)
    nobody = desktop.start("nobody", "-m", "mmactors", "cancel-all", str(conf))
    assert nobody.ends(30) == 69
    assert len(nobody.complained.strip().splitlines()) == 1
    assert "Traceback" not in nobody.complained


def test_a_run_without_the_journal_of_the_last_takes_none_of_its_client_ids(desktop: Desktop) -> None:
    """Killed, its folder deleted, started again: run 1 once more, at a venue that knows every id of the first."""
    conf = desktop.config(SHORT)
    venue = desktop.start("venue", "-m", "mmactors", "simulator", str(conf))
    eventually(lambda: "listening" in venue.said, 15, lambda: venue.complained)
    port = str(json.loads(venue.said)["listening"]["port"])
    desktop.environ |= {"MM__simulator__embedded": "false", "MM__simulator__port": port}
    for name in ("first", "second"):
        program = desktop.start(name, "run.py", str(conf))
        program.says("first two-sided quote", 15)
        eventually(lambda: resting(port) > 0, 5)
        if name == "first":
            program.process.send_signal(signal.SIGKILL)
            program.ends(5)
            shutil.rmtree(desktop.folder / "var/e2e")
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(12) == 0
    assert "everything matches, nothing rests" in program.said
    with contextlib.closing(sqlite3.connect(desktop.folder / "var/e2e/journal.sqlite")) as journal:
        refused = journal.execute("SELECT body FROM events WHERE body LIKE '%DUPLICATE%'").fetchall()
    assert refused == []
    assert resting(port) == 0


def test_another_program_on_the_account_is_told(desktop: Desktop) -> None:
    """Each takes the other's orders for a stranger's: with folders of their own no lock keeps them apart."""
    conf = desktop.config(SHORT)
    venue = desktop.start("venue", "-m", "mmactors", "simulator", str(conf))
    eventually(lambda: "listening" in venue.said, 15, lambda: venue.complained)
    port = str(json.loads(venue.said)["listening"]["port"])
    desktop.environ |= {"MM__simulator__embedded": "false", "MM__simulator__port": port}
    first = desktop.start("first", "run.py", str(conf))
    first.says("first two-sided quote", 15)
    assert "another program" not in first.complained
    desktop.environ["MM__logs__dir"] = str(desktop.folder / "elsewhere")
    desktop.start("second", "run.py", str(conf))
    first.says("does another program use the account?", 15)


def test_a_second_instance_is_refused_at_once(desktop: Desktop) -> None:
    conf = desktop.config(SHORT)
    first = desktop.start("first", "run.py", str(conf))
    first.says("first two-sided quote", 15)
    second = desktop.start("second", "run.py", str(conf))
    assert second.ends(10) == 75
    assert len(second.complained.strip().splitlines()) == 1
