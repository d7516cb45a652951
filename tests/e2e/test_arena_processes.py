"""The arena in several processes, and interrupted."""

import json
import signal
import subprocess
import sys

import pytest
from guarded import ROOT
from patience import patience

from mmactors.config import load
from mmactors.research.arena import arena

pytestmark = pytest.mark.e2e

CONF = ROOT / "conf" / "arena.yaml"
ONE_MINUTE = {"MM__simulator__sessions": "[{asset: BTC, duration: 1M}]"}


def test_a_whole_arena_in_two_processes():
    found = arena.run(load(CONF, ONE_MINUTE), ("ours", "v1"), 2, 7, processes=2)
    assert found.complete
    assert {name: len(played) for name, played in found.sessions.items()} == {"ours": 2, "v1": 2}
    assert any(line.startswith("ours ") for line in found.lines())


def test_ctrl_c_tells_what_is_done():
    command_line = [sys.executable, "-m", "mmactors", "arena", "--only", "bands", "--session", "1M"]
    started = subprocess.Popen(
        [*command_line, "--sessions", "9000", "--processes", "1", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert started.stderr is not None
    assert "worlds played" in started.stderr.readline()
    started.send_signal(signal.SIGINT)
    told, complained = started.communicate(timeout=patience(60))
    assert started.returncode == 130
    assert complained.startswith("mmactors: interrupted: ")
    found = json.loads(told)
    assert found["complete"] is False
    assert found["table"]["bands"]["sessions"] >= 50
