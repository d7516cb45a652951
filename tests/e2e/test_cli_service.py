"""The systemd unit is one systemd understands, and hardened."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from patience import patience

from mmactors.config import Config

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"),
]

UNIT = Path(__file__).parents[2] / "systemd" / "mmactors@.service"


@pytest.fixture
def unit(tmp_path):
    """The unit with its program where there is one: what is not installed cannot be verified."""
    python = tmp_path / "opt" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/mmactors", str(tmp_path / "opt")))
    return copy


def analyze(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, args)], capture_output=True, text=True, timeout=patience(60))


def test_systemd_has_nothing_to_say_against_the_unit(unit):
    done = analyze("verify", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_typo_would_be_noticed(unit):
    unit.write_text(unit.read_text().replace("TimeoutStopSec", "TimeoutStopSecs"))
    assert "TimeoutStopSecs" in analyze("verify", unit).stderr


def test_the_unit_is_hardened(unit):
    done = analyze("security", "--offline=true", "--threshold=20", unit)
    assert done.returncode == 0, done.stdout[-200:]


def test_what_cannot_help_is_not_restarted_and_the_stop_has_time():
    text = UNIT.read_text()
    assert "RestartPreventExitStatus=64 66 77 78" in text
    assert int(re.search(r"TimeoutStopSec=(\d+)", text)[1]) > 10
    assert re.search(r"ExecStopPost=.* cancel-all ", text)


def test_a_venue_that_is_away_for_long_does_not_use_up_the_starts():
    text = UNIT.read_text()
    interval_s, burst = (int(re.search(rf"StartLimit{name}=(\d+)", text)[1]) for name in ("IntervalSec", "Burst"))
    assert (Config().venue.start_within_s + int(re.search(r"RestartSec=(\d+)", text)[1])) * burst > interval_s
