"""The program on two price feeds: one may go, quoting goes on; and what it records is what it plays."""

import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.conftest import Desktop, eventually

pytestmark = pytest.mark.e2e

CONF = """
name: two
feeds: {coinbase: {enabled: true}}
simulator:
  sessions:
    - {asset: BTC, duration: 5M}
"""


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def switch(port: int, source: str, **wish: object) -> int:
    """Tell the simulator what to do with a feed; return the venue's time in milliseconds."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/simulator/feeds/{source}", json.dumps(wish).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return int(json.load(answer)["at"])


def venue_log(folder: Path) -> list[dict]:
    (log,) = folder.rglob("venue.jsonl")
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


@pytest.mark.parametrize("state", ["silent", "cut"])
@pytest.mark.parametrize("source", ["binance", "coinbase"])
def test_one_feed_gone_is_told_and_quoting_goes_on(desktop: Desktop, free_port: int, source: str, state: str) -> None:
    desktop.environ["MM__simulator__port"] = str(free_port)
    report = desktop.folder / "r.json"
    program = desktop.start("run", "run.py", str(desktop.config(CONF)), "--report", str(report))
    program.says("first two-sided quote", 30)
    gone_ms = switch(free_port, source, state=state)
    eventually(lambda: f"{source} BTC" in program.said and "stale:" in program.said, 15, lambda: program.said)

    def quoted_since() -> bool:
        told = ((row.get("type"), row.get("event"), row["t"]) for row in venue_log(desktop.folder))
        return any(k == "order" and e in ("accepted", "replaced") and t > gone_ms + 2500 for k, e, t in told)

    eventually(quoted_since, 20, lambda: "no order after the one feed was found dead\n" + program.said)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(40) == 0, program.complained
    assert "no live price" not in program.said
    assert desktop.report()["venue_check"]["details"] == []


def test_what_is_recorded_can_be_played(desktop: Desktop) -> None:
    out = desktop.folder / "rec.csv"
    program = desktop.start(
        "record", "-m", "mmactors", "record", str(desktop.config(CONF)), "--out", str(out), "--stop-after", "4"
    )
    assert program.ends(30) == 0, program.complained
    for told in ("binance BTC book", "coinbase BTC book", "coinbase BTC trade"):
        assert told in program.said
    header, *rows = out.read_text(encoding="utf-8").splitlines()
    assert header == "ts_ms,price,source,asset,kind"
    assert len(rows) > 30


def test_a_recording_that_cannot_be_written_is_one_line(desktop: Desktop) -> None:
    out = desktop.folder / "nosuch" / "rec.csv"
    program = desktop.start("record", "-m", "mmactors", "record", str(desktop.config(CONF)), "--out", str(out))
    assert program.ends(20) == 64
    assert program.complained == f"mmactors: --out {out}: cannot be written (No such file or directory)\n"
