"""What a run leaves on the disk has the names that others read: report, journal, logs."""

import json
from pathlib import Path

import guarded
import pytest
from desktop import Desktop
from guarded import expect, known, within

pytestmark = pytest.mark.e2e

SHORT = """
name: guarded
assets: [BTC]
simulator:
  sessions:
    - {asset: BTC, duration: 1M, elapsed_s: 42, strike_offset_share: 0}
    - {asset: BTC, duration: 5M, elapsed_s: 200, strike_offset_share: 0}
  takers: {noise_per_s: 3}
"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance that has run once; its report beside its journal."""
    desktop = Desktop(tmp_path_factory.mktemp("desktop"))
    folder = desktop.folder / "var" / "guarded"
    conf, report = desktop.config(SHORT), desktop.folder / "r.json"
    program = desktop.start("run", "run.py", str(conf), "--report", str(report))
    try:
        program.says("first two-sided quote", 20)
        program.settles(60)
        assert program.stop(20) == 0, program.said + program.complained
    finally:
        program.process.kill()
        program.process.wait()
    report.replace(folder / "report.json")
    return folder


def of_the_run(instance: Path, name: str) -> Path:
    (found,) = instance.glob(f"run-*/{name}")
    return found


def test_the_report_has_the_same_keys(instance):
    found = json.loads((instance / "report.json").read_text(encoding="utf-8"))
    assert found["sessions"]
    expect("report", sorted(set(guarded.paths(found))))


def test_the_files_have_the_same_names(instance):
    expect("files", sorted({_spared(path) for path in instance.rglob("*") if path.is_file()} - {"report.json"}))


def _spared(path: Path) -> str:
    return f"markets/*{path.suffix}" if path.parent.name == "markets" else path.name


def test_the_venues_log_has_no_other_keys(instance):
    golden = known("venue.jsonl")
    found = guarded.venue_log(guarded.json_lines(of_the_run(instance, "venue.jsonl")))
    within(found["keys"], {**golden["keys"], "run": ["t type run seed"]})
    assert set(found["words"]["cash.account"]) == {"house-informed", "house-noise", "house-outside", "mmactors"}
    assert {"run", "market", "order", "fill", "cash", "session", "spot"} <= set(found["keys"])


def test_the_event_log_has_no_other_names(instance):
    header, content = guarded.event_log(of_the_run(instance, "events.mmlog"))
    found = guarded.event_names(content)
    within(found, known("events.mmlog"))
    assert header == ["log", "format", "program", "run", "config"]
    assert {"maker: market", "maker: params", "ReferenceMoved", "command QuoteIntent", "OrderFilled"} <= set(found)


def test_the_markets_logs_have_no_other_keys(instance):
    found = guarded.market_logs(of_the_run(instance, "markets"))
    within(found, known("markets/*.jsonl"))
    assert set(found) >= {"market", "life", "quote", "fill", "session"}


def test_the_journal_has_the_same_tables_and_no_other_names(instance):
    journal = instance / "journal.sqlite"
    assert guarded.journal_tables(journal) == known("journal.sqlite")
    found = guarded.journal_events(journal)
    within(found, known("journal.sqlite: events"))
    assert {"FeedConnected", "MarketListed", "OrderAccepted", "VenueConnected"} <= set(found)
