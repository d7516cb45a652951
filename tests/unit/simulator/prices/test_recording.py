"""Recorded prices: what is played of a good file, and one clear line for a bad one."""

import gzip
import math
from pathlib import Path

import pytest

from mmactors.simulator.prices.recording import PricesError, load_recordings
from mmactors.simulator.prices.world import RecordedPath

DATA = Path(__file__).parents[5] / "shared" / "data" / "prices"


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def seconds(*times: float, price: float = 100.0) -> list[str]:
    return [f"{round(at * 1000)},{price + at}" for at in times]


def load(path: Path, *assets: str) -> tuple[list[int], list[float], str]:
    found = load_recordings(path, assets or ("BTC",))
    recording = next(iter(found.by_asset.values()))
    return recording.times_ms, recording.prices, found.report


def test_rows_are_sorted_and_the_last_of_a_time_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", ["ts_ms,price", "3000,103", "1000,101", "2000,102", "2000,102.5"])
    times, prices, report = load(path)
    assert (times, prices) == ([0, 1000, 2000], [101.0, 102.5, 103.0])
    assert "4 rows of BTC" in report
    assert "1 duplicate times, 1 out of order, 0 gaps" in report


def test_the_longest_piece_without_a_gap_is_played(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", ["ts_ms,price", *seconds(0, 10, 20, 60, 70, 80, 90, 200, 201)])
    times, prices, report = load(path)
    assert (times, prices[0]) == ([0, 10_000, 20_000, 30_000], 160.0)
    assert "2 gaps over 30 s" in report


def test_coarse_files_have_a_coarser_gap(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", ["ts_ms,price", *seconds(*range(0, 600, 60))])
    assert len(load(path)[0]) == 10


def test_times_of_a_spreadsheet_have_a_decimal_point(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", ["ts_ms,price", "1700000000000.0,100", "1.700000001e12,101", "1700000002000.5,7"])
    times, _, report = load(path)
    assert times == [0, 1000]
    assert report.endswith("1 unusable rows dropped")


def test_unusable_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    bad = ["5000,nan", "6000,-1", "7000,0", "8000,inf", "x,100", "9000", "9000,abc", ""]
    path = write(tmp_path / "p.csv", ["ts_ms,price", *seconds(0, 1, 2), *bad])
    times, _, report = load(path)
    assert len(times) == 3
    assert report.endswith("7 unusable rows dropped")


def test_columns_may_come_in_any_order_with_others(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", ["\ufeffvenue,price,ts_ms", "x,100,0", "x,101,1000"])
    assert load(path)[1] == [100.0, 101.0]


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(b"ts_ms,price\n0,100\n1000,101\n"))
    assert load(path)[1] == [100.0, 101.0]


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"ts_ms": [0, 1000, 2000], "price": [1.0, float("nan"), 3.0], "symbol": ["BTCUSD"] * 3})
    pq.write_table(table, tmp_path / "p.parquet")
    assert load(tmp_path / "p.parquet")[:2] == ([0, 2000], [1.0, 3.0])


def test_symbols_choose_the_asset(tmp_path: Path) -> None:
    rows = ["0,100,BTCUSD", "0,3,ETHUSD", "1000,101,BTCUSD", "1000,4,ETHUSD"]
    path = write(tmp_path / "p.csv", ["ts_ms,price,symbol", *rows])
    found = load_recordings(path, ("ETH", "BTC")).by_asset
    assert found["ETH"].prices == [3.0, 4.0]
    assert found["BTC"].prices == [100.0, 101.0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "wrong columns: needs ts_ms and price, ts_ms and price not among"),
        (["time,price", "0,1"], "wrong columns: needs ts_ms and price, ts_ms not among time, price"),
        (["ts_ms,price"], "no usable rows"),
        (["ts_ms,price", "0,nan", "1,-3"], r"no usable rows \(2 unusable\)"),
        (["ts_ms,price", "0,100"], "too short"),
        (["ts_ms,price", "0,100", "60000,100"], None),
        (["ts_ms,price", "0,100", "500,100"], "too short"),
        (["ts_ms,price", *(f"{1_700_000_000 + k},100" for k in range(300))], "too short: .*; is ts_ms in milliseconds"),
        (["ts_ms,price", *(f"17000000000000{k:02},100" for k in range(60))], r"no usable rows \(60 unus.* since 1970"),
        (["ts_ms,price", "-2000,100", "-1000,100"], r"no usable rows \(2 unusable\)"),
        (["ts_ms,price", *(f"{k * 86_400_000},100" for k in range(300))], "too short"),
        (["ts_ms,price,symbol", "0,100,ETHUSD", "1000,100,ETHUSD"], "has prices of ETHUSD only, and none of BTC"),
    ],
)
def test_bad_files_give_one_line(tmp_path: Path, lines: list[str], message: str | None) -> None:
    path = write(tmp_path / "p.csv", lines)
    if message is None:
        assert len(load(path)[0]) == 2
        return
    with pytest.raises(PricesError, match=message) as raised:
        load(path)
    assert not raised.value.missing
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("name", ["p.csv", "p.csv.gz", "p.parquet"])
def test_garbage_is_an_error_of_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(PricesError) as raised:
        load(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(PricesError, match="no such file") as raised:
        load(tmp_path / "nowhere.csv")
    assert raised.value.missing


def test_a_path_plays_the_newest_row_not_after_the_time(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", ["ts_ms,price", *seconds(50, 51, 53)])
    recorded = RecordedPath(load_recordings(path, ("BTC",)).by_asset["BTC"], start_ms=1_000_000)
    seen = []
    for at in (1_000_000, 1_000_999, 1_001_000, 1_002_999, 1_003_000, 1_009_000):
        recorded.advance(at)
        seen.append(recorded.price)
    assert seen == [150.0, 150.0, 151.0, 151.0, 153.0, 153.0]
    assert recorded.end_ms == 1_003_000


def test_sigma_is_the_volatility_of_the_prices(tmp_path: Path) -> None:
    step = 0.5 * math.sqrt(1 / (365 * 24 * 3600))
    rows = [f"{k * 1000},{100 * math.exp(step * sum((-1) ** (j // 20) for j in range(k)))}" for k in range(400)]
    found = load_recordings(write(tmp_path / "p.csv", ["ts_ms,price", *rows]), ("BTC",)).by_asset["BTC"]
    assert len(found.sigmas) == 400
    assert 0.5 < found.sigmas[-1] < 0.5 * math.sqrt(10)


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("name", "asset", "least_s"),
    [
        ("btcusd_chainlink_1s", "BTC", 36_000),
        ("btcusd_coinbase_trades", "BTC", 600),
        ("btcusdt_binance_bbo", "BTC", 300),
        ("btcusdt_binance_trades", "BTC", 300),
        ("btcusdt_binance_1m_2025-12", "BTC", 36_000),
        ("ethusdt_binance_bbo", "ETH", 300),
        ("ethusdt_binance_trades", "ETH", 300),
        ("multi_consensus_20s", "BTC", 36_000),
    ],
)
def test_every_recording_has_a_piece_to_play(name: str, asset: str, least_s: int) -> None:
    pytest.importorskip("pyarrow")
    path = DATA / f"{name}.parquet"
    if not path.is_file():
        pytest.skip("the recorded data is not here")
    times, prices, report = load(path, asset)
    assert times[-1] >= least_s * 1000
    assert min(prices) > 0
    assert times == sorted(set(times))
    assert f"rows of {asset}" in report
