"""The report has the shape that others read."""

import json
import math
from dataclasses import replace

import pytest

from mmactors.messages import Resolution, SessionReport
from mmactors.ops.run_report import ActorCounts, write_report
from mmactors.ops.venue_check import VenueCheck
from mmactors.units import Micros

SESSION = SessionReport(
    "BTC-5M-X", "BTC", 300, 97_000.0, Resolution.YES, Micros(12_345_678), 4, 30, 210, 0.4, 17, 420, 0.72, 900
)
COUNTS = ActorCounts(spawned=9, retired=3, restarts=0, dead_letters=0)
CLEAN = VenueCheck(0, fills_match=True, cash_match=True)


def test_every_field_of_the_report_is_there(tmp_path):
    path = tmp_path / "r.json"
    returned = write_report(path, [SESSION], [100.0, 200.0, 300.0], COUNTS, CLEAN, max_position=1000)
    report = json.loads(path.read_text())
    assert report == returned
    assert report["sessions"] == [
        {
            "market": "BTC-5M-X",
            "asset": "BTC",
            "duration_s": 300,
            "strike": 97_000.0,
            "outcome": "YES",
            "pnl": 12.345678,
            "net_at_close": 4,
            "net_at_10pct": 30,
            "max_abs_net": 210,
            "risk_at_close": 0.4,
            "fills": 17,
            "contracts": 420,
            "two_sided_share": 0.72,
            "order_messages": 900,
        }
    ]
    assert report["totals"] == {"pnl": 12.345678, "fills": 17, "sessions_settled": 1, "within_5pct_share": 1.0}
    assert report["latency_us"] == {"tick_to_quote": {"p50": 200.0, "p99": 298.0, "n": 3}}
    assert report["actors"] == {"spawned": 9, "retired": 3, "restarts": 0, "dead_letters": 0}
    assert report["venue_check"] == {"resting_orders": 0, "fills_match": True, "cash_match": True, "details": []}
    assert list(tmp_path.iterdir()) == [path]


def test_a_session_told_twice_counts_as_last_told(tmp_path):
    corrected = replace(SESSION, pnl_micros=Micros(-1_000_000))
    report = write_report(tmp_path / "r.json", [SESSION, corrected], [], COUNTS, None, max_position=1000)
    assert report["totals"]["pnl"] == -1.0
    assert report["totals"]["sessions_settled"] == 1


@pytest.mark.parametrize(("net", "share"), [(50, 1.0), (-50, 1.0), (51, 0.0)])
def test_neutral_is_five_percent_of_the_position_limit(tmp_path, net, share):
    session = replace(SESSION, net_at_close=net)
    report = write_report(tmp_path / "r.json", [session], [], COUNTS, CLEAN, max_position=1000)
    assert report["totals"]["within_5pct_share"] == share


def test_the_position_limit_may_differ_by_asset_and_duration(tmp_path):
    session = replace(SESSION, net_at_close=6)
    limits = {("BTC", 300): 100}
    report = write_report(
        tmp_path / "r.json", [session], [], COUNTS, CLEAN, max_position=lambda asset, seconds: limits[asset, seconds]
    )
    assert report["totals"]["within_5pct_share"] == 0.0


def test_nothing_happened_is_a_report_too(tmp_path):
    report = write_report(tmp_path / "r.json", [], [], COUNTS, None, max_position=1000)
    assert report["latency_us"]["tick_to_quote"] == {"p50": None, "p99": None, "n": 0}
    assert report["totals"]["within_5pct_share"] is None
    assert report["venue_check"]["fills_match"] is None


def test_what_is_no_number_is_null_and_the_file_stays_json(tmp_path):
    write_report(tmp_path / "r.json", [replace(SESSION, risk_at_close=math.nan)], [], COUNTS, CLEAN, max_position=1000)
    assert json.loads((tmp_path / "r.json").read_text())["sessions"][0]["risk_at_close"] is None


def test_an_old_report_survives_a_failure(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_report(path, [SESSION], [], COUNTS, CLEAN, max_position=lambda *_: 1 // 0)
    with pytest.raises(OSError, match="No such file"):
        write_report(tmp_path / "none" / "r.json", [SESSION], [], COUNTS, CLEAN, max_position=1)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
