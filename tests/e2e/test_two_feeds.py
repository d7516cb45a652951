"""The program on two price feeds: one may go, quoting goes on; and what it records is what it plays."""

import json
import signal
import socket
import time
import urllib.request
from pathlib import Path

import pytest
from desktop import Desktop, eventually
from patience import patience

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
    with urllib.request.urlopen(request, timeout=patience(5)) as answer:
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


def trials(desktop: Desktop, port: int, count: int) -> list[tuple[int, int, int]]:
    """Take both feeds away and bring them back, and show an outlier of 1 %, so many times in one run.

    Return for each trial the ms after the last price at which an order was last accepted and at which one last rested,
    and by how many ticks the outlier moved the quotes in its half second.
    """
    desktop.environ["MM__simulator__port"] = str(port)
    program = desktop.start("run", "run.py", str(desktop.config(CONF)))
    program.says("first two-sided quote", 30)
    shown: list[int] = []
    gone: list[tuple[int, int]] = []
    for number in range(count):
        time.sleep(2.0)  # the world's own time; nothing is waited for
        shown.append(switch(port, ("binance", "coinbase")[number % 2], outlier_bp=(100, -100)[number // 2 % 2]))
        time.sleep(1.0)
        switch(port, "coinbase", state="silent")
        lost = switch(port, "binance", state="silent")
        program.says("no live price", 10)
        time.sleep(3.3)
        gone.append((lost, switch(port, "binance", state="live")))
        switch(port, "coinbase", state="live")
        eventually(lambda n=number: program.said.count("live again") > n, 10, lambda: program.said)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(40) == 0, program.complained
    (log,) = desktop.folder.rglob("venue.jsonl")
    judged = desktop.start("audit", "-m", "mmactors", "audit", str(log), "--json")
    assert judged.ends(30) == 0, judged.said
    orders = [row for row in venue_log(desktop.folder) if row["type"] == "order" and row["account"] == "mmactors"]
    entered = [row for row in orders if row["event"] in ("accepted", "replaced")]
    ended = [row for row in orders if row["event"] in ("cancelled", "expired")]

    def moved(at: int) -> int:
        by_side: dict[str, list[int]] = {}
        for row in entered:
            if at - 1500 <= row["t"] < at:
                by_side.setdefault(row["outcome"], []).append(row["price_ticks"])
        strayed = [
            max(min(known) - row["price_ticks"], row["price_ticks"] - max(known))
            for row in entered
            if at <= row["t"] <= at + 500 and (known := by_side.get(row["outcome"]))
        ]
        return max([0, *strayed])

    return [
        (
            max([0, *(row["t"] - lost for row in entered if lost < row["t"] < back)]),
            max([0, *(row["t"] - lost for row in ended if lost < row["t"] < back)]),
            moved(outlier),
        )
        for (lost, back), outlier in zip(gone, shown, strict=True)
    ]


def test_both_feeds_gone_ends_every_order_and_an_outlier_moves_none(desktop: Desktop, free_port: int) -> None:
    for accepted_ms, rested_ms, strayed in trials(desktop, free_port, 3):
        assert accepted_ms <= 2300, "an order was accepted on a dead price (2 s, and both ways)"
        assert rested_ms <= 3000, "an order rested a second after its price was dead"
        assert strayed <= 6, "an outlier moved a quote"


def test_what_is_recorded_can_be_played(desktop: Desktop) -> None:
    pytest.importorskip("pyarrow")
    out = desktop.folder / "rec.parquet"
    conf = desktop.config(CONF.replace("duration: 5M", "duration: 1M, elapsed_s: 44"))
    program = desktop.start("record", "-m", "mmactors", "record", str(conf), "--out", str(out), "--stop-after", "30")
    assert program.ends(50) == 0, program.complained
    for told in ("binance BTC book", "coinbase BTC book", "coinbase BTC trade"):
        assert told in program.said
    report = desktop.folder / "r.json"
    play = desktop.start("run", "run.py", str(conf), "--prices", str(out), "--report", str(report))
    play.settles(60)
    assert play.stop(20) == 0, play.said + play.complained
    told = desktop.report()
    assert told["totals"]["sessions_settled"] == 1, play.said
    assert told["venue_check"]["details"] == []
    assert "first two-sided quote" in play.said


def test_a_recording_that_cannot_be_written_is_one_line(desktop: Desktop) -> None:
    out = desktop.folder / "nosuch" / "rec.csv"
    program = desktop.start("record", "-m", "mmactors", "record", str(desktop.config(CONF)), "--out", str(out))
    assert program.ends(20) == 64
    assert program.complained == f"mmactors: --out {out}: cannot be written (No such file or directory)\n"
