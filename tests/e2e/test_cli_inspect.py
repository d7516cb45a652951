"""`python -m mmactors inspect` reads a market's log back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from patience import patience

from mmactors.messages import Market, MarketListed, MarketStatus, OrderFilled, Outcome
from mmactors.ops.market_log import MarketLogs
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
NOW = Nanos(1_795_000_000 * SECOND)
ID = "BTC-5M-20261122T1405Z"


@pytest.fixture
def instance(tmp_path):
    logs = MarketLogs(tmp_path / "var" / "sim" / "run-00001" / "markets", 1)
    for name in (ID, "BTC-1M-20261122T1405Z"):
        logs.write(MarketListed(Market(name, "BTC", 97_000.0, MarketStatus.OPEN, NOW, Nanos(NOW + 300 * SECOND))), NOW)
        for number in range(400):
            logs.write(
                OrderFilled(
                    *(name, "r1-1", f"f-{number}", Outcome.NO, Ticks(48), Contracts(30), Micros(0), Contracts(30)),
                    maker=True,
                    venue_ns=NOW,
                ),
                NOW,
            )
    logs.close()
    return tmp_path


def inspect(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmactors", "inspect", *args],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=patience(60),
    )


def test_a_market_is_found_by_the_beginning_of_its_id(instance):
    done = inspect(instance, "BTC-5M", "--last", "2")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{ID}, run 1"
    assert lines[1].split()[:2] == ["time", "(UTC)"]
    assert len(lines) == 4


def test_as_json_every_line_is_a_record(instance):
    done = inspect(instance, ID, "--json", "--dir", "var/sim")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["type"] for record in records] == ["life"] + ["fill"] * 400


def test_a_configuration_says_where_the_logs_are(instance):
    (instance / "c.yaml").write_text("{name: sim, logs: {dir: var}}")
    assert inspect(instance, ID, "--conf", "c.yaml").returncode == 0
    (instance / "c.yaml").write_text("{name: other, logs: {dir: var}}")
    done = inspect(instance, ID, "--conf", "c.yaml")
    assert (done.returncode, done.stderr) == (66, "mmactors: no market logs in var/other\n")


def test_an_unknown_market_is_one_line_with_the_nearest(instance):
    done = inspect(instance, "BTC-5M-20261122T1410Z")
    assert done.returncode == 66
    assert (
        done.stderr == f"mmactors: no market 'BTC-5M-20261122T1410Z' in var/sim; nearest: {ID}, BTC-1M-20261122T1405Z\n"
    )


def test_a_reader_that_has_seen_enough_is_no_error(instance):
    shell = f"{sys.executable} -m mmactors inspect {ID} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        cwd=instance,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=patience(60),
    )
    assert (done.returncode, done.stderr) == (0, "")
