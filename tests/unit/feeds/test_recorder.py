"""What is recorded is what `--prices` plays; a file that cannot be is one line."""

import sys
from pathlib import Path

import pytest

from mmactors.feeds.recorder import COLUMNS, Recorder, RecordingError
from mmactors.messages import FeedLived, SpotTicked
from mmactors.simulator.prices.recording import load_recordings
from mmactors.units import Nanos

START_S = 1_700_000_000


def record(path: Path) -> None:
    recorder = Recorder(path)
    for n in range(10):
        at = Nanos((START_S + n) * 10**9)
        for source, off in (("binance", 0.0), ("coinbase", 0.5)):
            recorder.take(SpotTicked(source, "BTC", 100.0 + n + off, "book", at))
            recorder.take(SpotTicked(source, "BTC", 7.0, "trade", at))
        recorder.take(SpotTicked("coinbase", "ETH", 10.0 + n, "trade", at))
        recorder.take(FeedLived("coinbase", "BTC", at))
        if n == 5:
            recorder.write()
    recorder.close()
    assert recorder.counts["binance BTC book"] == 10
    assert sum(recorder.counts.values()) == 50


@pytest.mark.parametrize("name", ["r.csv", "r.parquet"])
def test_what_is_recorded_is_played_one_source_and_its_books(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    record(path)
    found = load_recordings(path, ("BTC", "ETH"), prefer="coinbase")
    assert found.by_asset["BTC"].prices == [100.5 + n for n in range(10)]
    assert found.by_asset["BTC"].first_ms == START_S * 1000
    assert found.by_asset["ETH"].prices == [10.0 + n for n in range(10)], "no books: its trades"
    assert "(source coinbase)" in found.report
    assert load_recordings(path, ("BTC",), prefer="kraken").by_asset["BTC"].prices[0] in (100.0, 100.5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nosuch/r.parquet", "No such file or directory"),
        ("nosuch/r.csv", "No such file or directory"),
        ("r.txt", "must end in .parquet or .csv"),
        (".", "must end in"),
    ],
)
def test_a_file_that_cannot_be_is_one_line(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(RecordingError, match=words) as failed:
        Recorder(tmp_path / name)
    assert "\n" not in str(failed.value)


def test_without_pyarrow_the_line_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecordingError, match=r"needs the research extra .* \.csv needs nothing"):
        Recorder(tmp_path / "r.parquet")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (tmp_path / "r.csv").symlink_to("/dev/full")
    with pytest.raises(RecordingError, match="No space left"):
        record(tmp_path / "r.csv")


def test_the_columns_are_what_the_simulator_reads(tmp_path: Path) -> None:
    Recorder(tmp_path / "r.csv").close()
    assert (tmp_path / "r.csv").read_text().strip() == ",".join(COLUMNS)
