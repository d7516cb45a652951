"""Money over real sockets: pairs merged when cash is short, settlements while the program is away, or corrected so."""

import json
import re
import signal
import sqlite3
import urllib.request
from pathlib import Path

import pytest
from desktop import Desktop, eventually
from patience import patience

pytestmark = pytest.mark.e2e

CONF = """
name: money
assets: [BTC]
risk: {max_exposure: 300, max_daily_loss: 200}
inventory: {cross: false, lean_early: 0, lean_late: 0, give: 0, give_full: 0, late_room: 1, close_fraction: 0.099}
simulator:
  start_cash: 300
  sessions:
    - {asset: BTC, duration: 1M, elapsed_s: 34, strike_offset_share: 0, strikes: 3}
  takers: {noise_per_s: 10, noise_edge: 0.08}
"""


AWAY = """
name: money
assets: [BTC]
risk: {max_exposure: 300, max_daily_loss: 200}
simulator:
  start_cash: 10000
  maker_bps: 3
  sessions:
    - {asset: BTC, duration: 1M, elapsed_s: 30, strike_offset_share: 0}
  takers: {noise_per_s: 10, noise_edge: 0.08}
"""


def rows(database: Path, query: str) -> list[tuple]:
    with sqlite3.connect(database) as opened:
        found = opened.execute(query).fetchall()
    opened.close()
    return found


def correct(port: int, market: str, outcome: str) -> None:
    body = json.dumps({"kind": "correct", "outcome": outcome}).encode()
    where = f"http://127.0.0.1:{port}/simulator/markets/{market}"
    urllib.request.urlopen(urllib.request.Request(where, body, method="POST"), timeout=patience(5)).close()


def test_pairs_are_merged_and_a_correction_after_a_restart_is_in_the_journal(desktop: Desktop) -> None:
    conf = desktop.config(CONF)
    log = desktop.folder / "venue.jsonl"
    desktop.environ["MM__simulator__log"] = str(log)
    venue = desktop.start("venue", "-m", "mmactors", "simulator", str(conf))
    eventually(lambda: "listening" in venue.said, 20, lambda: venue.complained)
    port = int(re.search(r'"port": ?(\d+)', venue.said)[1])  # type: ignore[index]
    desktop.environ |= {"MM__simulator__embedded": "false", "MM__simulator__port": str(port)}
    journal = desktop.folder / "var" / "money" / "journal.sqlite"
    report = desktop.folder / "r.json"

    def truth(kind: str) -> list[dict]:
        told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        return [
            row for row in told if row["type"] == "cash" and row.get("reason") == kind and row["account"] == "mmactors"
        ]

    first = desktop.start("first", "run.py", str(conf), "--report", str(report))
    eventually(lambda: len(re.findall("settled (?:YES|NO)", first.said)) == 3, 60, lambda: first.said)
    first.process.send_signal(signal.SIGTERM)
    assert first.ends(20) == 0, first.said + first.complained
    assert desktop.report()["venue_check"]["details"] == []
    merges = rows(journal, "SELECT body FROM events WHERE type = 'PairsMerged'")
    assert merges, "cash was never short"
    merged = sum(row["change_micros"] for row in truth("merge"))
    assert 10**6 * sum(json.loads(body)["pairs"] for (body,) in merges) == merged

    settled = rows(journal, "SELECT market, resolution, yes, no, pnl_micros FROM settlements")
    paid = {row["market"]: row["change_micros"] for row in truth("settle")}
    for market, outcome, yes, no, _ in settled:
        assert 10**6 * (yes if outcome == "YES" else no) == paid.get(market, 0)
    market, outcome, yes, no, pnl = max(settled, key=lambda row: abs(row[2] - row[3]))
    assert yes != no
    other = "NO" if outcome == "YES" else "YES"

    correct(port, market, other)  # while the program is away
    second = desktop.start("second", "run.py", str(conf), "--report", str(report))
    second.says(f"now corrected to {other}", 30)
    query = f"SELECT revision, resolution, yes, no, pnl_micros FROM settlements WHERE market = '{market}'"
    swing = 10**6 * (no - yes if outcome == "YES" else yes - no)
    was, now = (0, outcome, yes, no, pnl), (1, other, yes, no, pnl + swing)
    eventually(lambda: rows(journal, query) == [was, now], 5, lambda: str(rows(journal, query)))
    correct(port, market, "VOID")  # while it is there
    second.says("now corrected to VOID", 10)
    half = 10**6 * (yes + no) // 2 - paid[market]
    void = (2, "VOID", yes, no, pnl + half)
    eventually(lambda: rows(journal, query) == [was, now, void], 5, lambda: str(rows(journal, query)))
    second.process.send_signal(signal.SIGTERM)
    assert second.ends(20) == 0, second.said + second.complained
    assert desktop.report()["venue_check"]["details"] == []
    assert "Traceback" not in second.complained


def test_a_market_settled_after_a_kill_and_before_the_restart_is_in_the_journal_once(desktop: Desktop) -> None:
    conf = desktop.config(AWAY)
    log = desktop.folder / "venue.jsonl"
    desktop.environ["MM__simulator__log"] = str(log)
    venue = desktop.start("venue", "-m", "mmactors", "simulator", str(conf))
    eventually(lambda: "listening" in venue.said, 20, lambda: venue.complained)
    port = int(re.search(r'"port": ?(\d+)', venue.said)[1])  # type: ignore[index]
    desktop.environ |= {"MM__simulator__embedded": "false", "MM__simulator__port": str(port)}
    journal = desktop.folder / "var" / "money" / "journal.sqlite"
    query = "SELECT market, revision, resolution, yes, no, pnl_micros FROM settlements"

    def truth() -> list[dict]:
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]

    def ours(market: str) -> list[tuple[dict, dict]]:
        fills = [row for row in truth() if row["type"] == "fill" and row["market"] == market]
        return [(row, side) for row in fills for side in row["sides"] if side["account"] == "mmactors"]

    def paid(market: str) -> list[int]:
        cash = [row for row in truth() if row["type"] == "cash" and row.get("market") == market]
        return [row["change_micros"] for row in cash if (row["account"], row["reason"]) == ("mmactors", "settle")]

    first = desktop.start("first", "run.py", str(conf))
    first.says("first two-sided quote", 20)
    eventually(lambda: bool(rows(journal, "SELECT market FROM fills")), 15, lambda: first.said)
    ((market,), *_) = rows(journal, "SELECT market FROM fills")
    eventually(lambda: sum(signed(*each) for each in ours(market)) != 0, 10, lambda: first.said)
    first.process.kill()
    first.ends(5)
    eventually(lambda: bool(paid(market)), 45, lambda: venue.complained)

    second = desktop.start("second", "run.py", str(conf), "--report", str(desktop.folder / "r.json"))
    second.says(f"{market:<24} settled", 20)
    fills = ours(market)
    held = {which: sum(row["size"] for row, side in fills if side["outcome"] == which) for which in ("YES", "NO")}
    cost = sum(row["size"] * side["price_ticks"] * row["tick_micros"] + side["fee_micros"] for row, side in fills)
    pnl = paid(market)[0] - cost
    outcome = next(row["outcome"] for row in truth() if row["type"] == "market" and row.get("outcome") is not None)
    was = (market, 0, outcome, held["YES"], held["NO"], pnl)
    assert rows(journal, query) == [was]
    assert len(rows(journal, f"SELECT * FROM fills WHERE market = '{market}'")) == len(fills), "the last ones, too"
    second.process.send_signal(signal.SIGTERM)
    assert second.ends(20) == 0, second.said + second.complained
    report = desktop.report()
    assert report["venue_check"]["details"] == []
    (shown,) = [each for each in report["sessions"] if each["market"] == market]
    assert (shown["pnl"], shown["fills"]) == (pnl / 10**6, len(fills))

    third = desktop.start("third", "run.py", str(conf))
    other = "NO" if outcome == "YES" else "YES"
    third.says("connected as mmactors", 20)
    correct(port, market, other)
    third.says(f"now corrected to {other}", 20)
    swing = 10**6 * (held[other] - held[outcome])
    found = rows(journal, f"{query} WHERE market = '{market}'")
    assert found == [was, (market, 1, other, held["YES"], held["NO"], pnl + swing)]
    third.process.send_signal(signal.SIGTERM)
    assert third.ends(20) == 0, third.said + third.complained
    assert "Traceback" not in first.complained + second.complained + third.complained


def signed(row: dict, side: dict) -> int:
    return row["size"] if side["outcome"] == "YES" else -row["size"]
