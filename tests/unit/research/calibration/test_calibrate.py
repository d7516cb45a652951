"""Calibration: the protocol's arithmetic on paths whose answer is known, and its figures on recorded prices."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from mmactors.cli import research as commands
from mmactors.cli.main import main
from mmactors.core.params import VolatilityParams
from mmactors.research.calibration import calibrate, estimators, market_mid
from mmactors.simulator.prices.recording import PricesError
from mmactors.units import YEAR_S

ROOT = Path(__file__).parents[4]
DATA = ROOT.parent / "shared" / "data"
CHAINLINK = DATA / "prices" / "btcusd_chainlink_1s.parquet"
COINBASE = DATA / "prices" / "btcusd_coinbase_trades.parquet"
KALSHI = DATA / "sessions" / "kalshi_btc15m_1s.parquet"
recorded = pytest.mark.recorded


def walk(seconds, sigma=0.5, seed=1, first_ms=1_800_000_000_000):
    rng = np.random.default_rng(seed)
    moves = rng.normal(0.0, sigma / math.sqrt(YEAR_S), seconds)
    return first_ms + 1000 * np.arange(seconds, dtype=np.int64), 97_000.0 * np.exp(np.cumsum(moves))


def needed(path):
    return pytest.mark.skipif(not path.is_file(), reason="recorded data is not here")


def test_the_grid_holds_the_last_price_and_knows_its_age():
    grid = calibrate.grid_of(np.array([1500, 900, 4200], dtype=np.int64), np.array([2.0, 1.0, 3.0]))
    assert grid.first_s == 1
    assert grid.prices.tolist() == [1.0, 2.0, 2.0, 2.0]
    assert grid.ages_s.tolist() == pytest.approx([0.1, 0.5, 1.5, 2.5])


def test_sessions_start_on_multiples_after_the_warm_up_and_never_span_a_gap():
    times_ms, prices = walk(6000)
    whole = calibrate.sessions_of(calibrate.grid_of(times_ms, prices), 300)
    assert (1_800_000_000 + whole.starts[0]) % 300 == 0
    assert whole.starts.tolist() == list(range(3600, 5700, 300))
    inside = (times_ms < times_ms[4000]) | (times_ms > times_ms[4011])
    cut = calibrate.sessions_of(calibrate.grid_of(times_ms[inside], prices[inside]), 300)
    assert set(whole.starts.tolist()) - set(cut.starts.tolist()) == {3900}


def test_the_true_sigma_has_a_z_of_one_and_a_wrong_one_its_ratio():
    times_ms, prices = walk(400_000, seed=3)
    grid = calibrate.grid_of(times_ms, prices)
    sessions = calibrate.sessions_of(grid, 300)
    right = calibrate.score(grid, sessions, np.full(prices.size, 0.5))
    half = calibrate.score(grid, sessions, np.full(prices.size, 0.25))
    assert right["z_rms"] == pytest.approx(1.0, abs=0.04)
    assert half["z_rms"] == pytest.approx(2 * right["z_rms"])
    assert right["log_loss"] < half["log_loss"]
    low, high = right["log_loss_ci"]
    assert low < right["log_loss"] < high
    assert sum(cell["count"] for cell in right["reliability"]["50%"]) == right["sessions"] == sessions.starts.size


@pytest.mark.parametrize("name", [name for name in estimators.RIVALS if name not in ("prior", "specification_100ms")])
def test_every_estimator_finds_the_volatility_of_a_plain_path(name):
    _, prices = walk(30_000, sigma=0.8)
    scale = 1.15 if "x1.15" in name else 1.0
    assert np.median(estimators.RIVALS[name](prices)[5000:]) == pytest.approx(0.8 * scale, rel=0.1)


def test_the_specification_fed_fast_understates_sigma():
    _, prices = walk(5000)
    fast = estimators.specification(prices, per_s=10)
    assert np.median(fast[1000:]) == pytest.approx(0.5 * math.sqrt(0.1), rel=0.15)


def test_estimators_know_nothing_of_the_future():
    _, prices = walk(3000)
    other = prices.copy()
    other[2000:] *= 1.01
    ages = np.zeros(prices.size)
    for estimate in (*estimators.RIVALS.values(), lambda p: estimators.ours(p, ages, VolatilityParams())):
        assert np.allclose(estimate(prices)[:2000], estimate(other)[:2000])


def written(path, times_ms, prices, header="ts_ms,price"):
    rows = (f"{t},{p}" for t, p in zip(times_ms, prices, strict=True))
    path.write_text("\n".join([header, *rows]))
    return path


def calibrated(path, **options):
    return calibrate.calibrate(path, {"5M": 300}, VolatilityParams(), **options)


def test_the_answer_does_not_depend_on_the_feeds_rate(tmp_path):
    rng = np.random.default_rng(4)
    times_ms = 1_800_000_000_000 + 50 * np.arange(20 * 5400, dtype=np.int64)
    logs = np.cumsum(rng.normal(0.0, 0.6 * math.sqrt(0.05 / YEAR_S), times_ms.size))
    # Ticks come when they come: a jitter of half the spacing, on the noise of a book's two sides.
    told_ms = times_ms + rng.integers(0, 25, times_ms.size)
    prices = 97_000.0 * np.exp(logs) * (1.0 + rng.choice([-1e-8, 1e-8], times_ms.size))
    full = calibrated(written(tmp_path / "full.csv", told_ms, prices))
    once = np.append(np.diff(told_ms // 1000) > 0, True)  # the last price of each second
    thin = calibrated(written(tmp_path / "thin.csv", told_ms[once], prices[once]))
    raised = full["5M"]["fed_at_20_hz"]
    for name in ("log_loss", "z_rms"):
        answer = full["5M"]["fed_as_recorded"][name]
        assert thin["5M"]["fed_as_recorded"][name] == pytest.approx(answer, rel=0.05)
        assert thin["5M"]["estimators"]["default"][name] == pytest.approx(answer, rel=0.05)
        assert raised[name] == pytest.approx(answer, rel=0.05)
    # The specification's answer does: it takes whatever comes for a second apart.
    assert full["5M"]["estimators"]["specification"]["z_rms"] > 3 * thin["5M"]["estimators"]["specification"]["z_rms"]


def test_sigma_is_the_same_at_every_moment_fed_at_20_hz_and_thinned():
    rng = np.random.default_rng(6)
    times_ms = 50 * np.arange(20 * 3600, dtype=np.int64)
    prices = 97_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.6 * math.sqrt(0.05 / YEAR_S), times_ms.size)))
    full = estimators.as_received(times_ms, prices, 0, 3600, VolatilityParams())
    thinned = estimators.as_received(times_ms[::20], prices[::20], 0, 3600, VolatilityParams())
    assert np.all(np.abs(thinned / full - 1.0)[600:] < 0.05)
    assert np.median(full[600:]) == pytest.approx(0.6, rel=0.1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, p: (t[:3000], p[:3000]), "too short: 0.8 h hold no two gapless sessions of 5M"),
        (lambda t, p: (t[::60], p[::60]), "too coarse: a row every 60 s"),
        (lambda t, p: (t // 1000, p), "too short: all rows are in January 1970; is ts_ms in milliseconds?"),
        (lambda t, p: (t * 1_000_000, p), "no usable rows (9000 unusable); need ts_ms (milliseconds since 1970)"),
        (lambda t, p: (t, np.where(t % 7000, p, 100 * p)), "are all rows in dollars, and of one asset?"),
        (lambda t, p: (np.delete(t, np.s_[::13]), np.delete(p, np.s_[::13])), None),
        (lambda t, p: (np.repeat(t, 2), np.repeat(p, 2)), None),
        (lambda t, p: (t + 300_000 * (t >= t[7000]), p), None),
        (lambda t, p: (t[::-1], p[::-1]), None),
    ],
    ids=["short", "coarse", "seconds", "nanoseconds", "cents", "holes", "duplicates", "gap", "backwards"],
)
def test_an_odd_file_is_scored_or_says_in_one_line_what_is_wrong(tmp_path, change, said):
    path = written(tmp_path / "odd.csv", *change(*walk(9000)))
    if said is None:
        assert calibrated(path)["5M"]["estimators"]["default"]["sessions"] >= 15
        return
    with pytest.raises(PricesError) as error:
        calibrated(path)
    assert said in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_wrong_columns_and_other_assets_say_so(tmp_path):
    path = written(tmp_path / "wrong.csv", *walk(10), header="time,price")
    with pytest.raises(PricesError, match="wrong columns: needs ts_ms and price, ts_ms not among time, price"):
        calibrated(path)
    times_ms, prices = walk(9000)
    path = written(tmp_path / "eth.csv", times_ms, [f"{p},ETHUSDT" for p in prices], header="ts_ms,price,symbol")
    with pytest.raises(PricesError, match="has prices of ETHUSDT only, and none of BTC"):
        calibrated(path)
    assert calibrated(path, asset="ETH")["5M"]["sessions"] >= 15


def quoted(folder, **changed):
    """Sessions of a recording, with a column changed: of the quotes, or of the markets."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    times_ms, prices = walk(5400)
    opens = times_ms[1800:5400:900]
    markets = {
        "market_id": [f"m{k}" for k in range(opens.size)],
        "strike": prices[1800:5400:900],
        "open_ts": opens,
        "close_ts": opens + 900_000,
        "outcome": [0, 1, 0, 1],
    }
    rows = {
        "market_id": np.repeat(markets["market_id"], 900).tolist(),
        "ts_ms": times_ms[1800:],
        "yes_bid": np.full(3600, 0.49),
        "yes_ask": np.full(3600, 0.51),
        "underlying": prices[1800:],
    }
    for name, change in changed.items():
        table = markets if name in ("strike", "open_ts", "close_ts") else rows
        table[name] = change(table[name])
    path = folder / "quotes.parquet"
    pq.write_table(pa.table(rows), path)
    pq.write_table(pa.table(markets), folder / "quotes_markets.parquet")
    return path, written(folder / "prices.csv", times_ms, prices)


def test_recorded_sessions_are_compared(tmp_path):
    found = market_mid.compare(*quoted(tmp_path), VolatilityParams())
    assert found["sessions"] == 4
    assert found["by_time_left"]["50%"]["market"] == pytest.approx(math.log(2), abs=0.03)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"yes_bid": lambda v: 100 * v, "yes_ask": lambda v: 100 * v}, "go up to 51; need dollars from 0 to 1"),
        ({"ts_ms": lambda v: v // 1000}, "ts_ms is about 1.8e+09; need milliseconds since 1970"),
        ({"open_ts": lambda v: v // 1000}, "open_ts of its markets is about 1.8e+09; need milliseconds"),
        ({"close_ts": lambda v: v * 1_000_000}, "close_ts of its markets is about 1.8e+18; need milliseconds"),
        ({"strike": lambda v: 100 * v}, "are 0.01 times the strikes; are both in dollars, and of one asset?"),
    ],
    ids=["cents", "seconds", "opening", "nanoseconds", "strikes"],
)
def test_sessions_in_other_units_say_so(tmp_path, changed, said):
    with pytest.raises(PricesError) as error:
        market_mid.compare(*quoted(tmp_path, **changed), VolatilityParams())
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@recorded
@needed(CHAINLINK)
def test_the_default_on_recorded_prices_is_within_its_targets():
    found = calibrate.calibrate(CHAINLINK, {"5M": 300, "15M": 900}, VolatilityParams())
    five, fifteen = found["5M"]["estimators"], found["15M"]["estimators"]
    assert five["default"]["sessions"] == 270
    assert five["default"]["log_loss"] <= 0.4515
    assert 0.9 <= five["default"]["z_rms"] <= 1.15
    assert fifteen["default"]["sessions"] == 87
    assert fifteen["default"]["log_loss"] <= 0.4036
    assert 0.85 <= fifteen["default"]["z_rms"] <= 1.15
    # Known from elsewhere (strategy.md, section 2), with other code: the protocol is the same.
    assert five["specification"]["log_loss"] == pytest.approx(0.4568, abs=0.002)
    assert five["rms_5s_600s"]["log_loss"] == pytest.approx(0.4466, abs=0.001)
    assert five["rms_5s_600s"]["z_rms"] == pytest.approx(1.23, abs=0.01)
    assert five["ewma_15s"]["log_loss"] == pytest.approx(0.4501, abs=0.001)
    assert fifteen["rms_5s_600s"]["log_loss"] == pytest.approx(0.3966, abs=0.001)
    for each in (found["5M"], found["15M"]):
        for rate in ("fed_as_recorded", "fed_at_20_hz"):
            assert 0.95 < each[rate]["sigma_ratio_p1"] <= each[rate]["sigma_ratio_p99"] < 1.05


@recorded
@needed(COINBASE)
def test_the_default_on_raw_trades_does_not_depend_on_their_rate():
    found = calibrate.calibrate(COINBASE, {"5M": 300}, VolatilityParams())["5M"]
    for rate in ("fed_as_recorded", "fed_at_20_hz"):
        assert found[rate]["log_loss"] == pytest.approx(found["estimators"]["default"]["log_loss"], rel=0.05)
        assert found[rate]["z_rms"] == pytest.approx(found["estimators"]["default"]["z_rms"], rel=0.05)
        assert 0.95 < found[rate]["sigma_ratio_p1"] <= found[rate]["sigma_ratio_p99"] < 1.05
    # These days had no part in choosing it.
    assert 0.85 <= found["estimators"]["default"]["z_rms"] <= 1.2
    assert found["estimators"]["default"]["log_loss"] < found["estimators"]["ewma_15s"]["log_loss"]


@recorded
@needed(KALSHI)
def test_our_price_is_no_worse_than_a_real_markets_mid():
    found = market_mid.compare(KALSHI, None, VolatilityParams())
    assert found["sessions"] >= 50
    assert found["log_loss_minus_market_ci"][0] < 0.0
    assert found["by_time_left"]["3%"]["mean_absolute_gap"] < 0.02


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 64, "needs --prices FILE"),
        (["--prices", "nowhere.csv"], 66, "nowhere.csv: no such file"),
        (["--prices", "nowhere.csv", "--session", "7M"], 64, "--session 7M: lengths are 1M, 5M, 15M, 1H"),
        (["--sessions", "nowhere.parquet"], 66, "nowhere.parquet"),
    ],
)
def test_bad_arguments_get_one_line(capsys, arguments, code, said):
    assert main(["calibrate", *arguments]) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_json_has_the_figures_by_name(capsys, tmp_path):
    path = tmp_path / "walk.csv"
    times_ms, prices = walk(9000)
    path.write_text("ts_ms,price\n" + "\n".join(f"{t},{p}" for t, p in zip(times_ms, prices, strict=True)))
    assert main(["calibrate", "--prices", str(path), "--session", "5M", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"log_loss", "brier", "z_rms", "sessions"} <= set(found["5M"]["estimators"]["default"])


def test_without_scipy_it_says_which_extra_is_needed(monkeypatch, capsys):
    monkeypatch.setattr(commands, "find_spec", lambda _name: None)
    assert main(["calibrate", "--prices", "none.csv"]) == 78
    assert capsys.readouterr().err == "mmactors: calibrate needs scipy: make install-research\n"
