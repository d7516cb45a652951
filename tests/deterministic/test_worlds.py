"""A backtest cut into worlds: the same whoever plays them, the first of them a short run; and what it tells of each."""

import csv
import json
import math
from pathlib import Path

import pyarrow.parquet as pq
import pykka
import pytest

from mmactors.backtest import results, runner
from mmactors.cli.main import main
from mmactors.config import Config, load

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"


@pytest.fixture(autouse=True)
def nobody_left():
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


@pytest.fixture
def small_worlds(monkeypatch):
    monkeypatch.setattr(runner, "WORLD_S", 60)
    monkeypatch.setattr(runner, "WARM_UP_S", 60)


def config(seed: int = 11, **more: str) -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__simulator__world__seed": str(seed),
        "MM__assets": "[BTC]",
        "MM__simulator__sessions": "[{asset: BTC, duration: 1M}]",
    }
    return load(CONF, environ | {f"MM__{key}": value for key, value in more.items()})


def test_the_first_world_is_a_short_run_and_the_others_are_others(small_worlds):
    long, short = (runner.run(config(), sessions, runtime="core", processes=1) for sessions in (2, 1))
    assert long.worlds[0].orders_hash == short.orders_hash != long.worlds[1].orders_hash
    assert long.orders_hash not in (short.orders_hash, long.worlds[1].orders_hash)
    assert long.rows()[:1] == short.rows()
    names = [row["market"] for row in long.rows()]
    assert names == [report.market for report in long.reports]
    assert names == ["BTC-1M-20270115T080000Z", "1:BTC-1M-20270115T080100Z"]  # after one to warm up


def test_worlds_depend_on_the_configuration_alone():
    assert runner.cut(config(simulator__sessions="[{asset: BTC, duration: 5M}]"), 55) == [25, 25, 5]
    assert runner.cut(config(simulator__sessions="[{asset: BTC, duration: 1H, strikes: 2}]"), 5) == [4, 1]
    assert runner.warm_up_of(config(simulator__sessions="[{asset: BTC, duration: 5M, strikes: 3}]")) == 6
    seeds = {runner.world_of(run, world).simulator.world.seed for run in (config(1), config(2)) for world in range(50)}
    assert len(seeds) == 100
    assert all(abs(seed) <= 10**15 for seed in seeds)


def test_an_interleaving_is_of_one_world(small_worlds):
    found = runner.run(config(), 2, interleaving=3)
    assert [len(world.reports) for world in found.worlds] == [2]
    assert found.complete


def test_recorded_prices_are_played_to_their_end_and_say_so(tmp_path):
    path = tmp_path / "made.csv"
    wave = [97_000 * math.exp(2e-4 * math.sin(second / 20) + 1e-4 * math.sin(second)) for second in range(150)]
    path.write_text("ts_ms,price\n" + "".join(f"{1_700_000_000_000 + 1000 * at},{p}\n" for at, p in enumerate(wave)))
    lines = []
    core, actors = (
        runner.run(config(simulator__world__prices=str(path)), 50, runtime=runtime, progress=lines.append, processes=2)
        for runtime in ("core", "actors")
    )
    assert core.orders_hash == actors.orders_hash
    assert lines[0].startswith("prices made.csv: 150 rows of BTC")
    assert (len(core.reports), core.exhausted, core.clean) == (2, True, True)
    assert core.reports[0].strike == pytest.approx(wave[0], abs=0.01)
    assert sum(report.fills for report in core.reports) > 0
    assert "the recorded prices end: 2 sessions of 50 are settled" in core.lines()


def test_recorded_prices_that_cannot_be_used_are_one_line(tmp_path, capsys):
    path = tmp_path / "made.csv"
    path.write_text("ts_ms,price\n1700000000000,97000\n")
    assert main(["backtest", str(CONF), "--session", "5M", "--prices", str(path)]) == 78
    error = capsys.readouterr().err
    assert error.startswith(f"mmactors: {path}: too short")
    assert error.count("\n") == 1


@pytest.fixture(scope="module")
def two_sessions():
    return runner.run(config(8), 2, runtime="core")


def test_the_ruler_and_the_program_agree(two_sessions):
    for report, row in zip(two_sessions.reports, two_sessions.rows(), strict=True):
        assert row["pnl"] == pytest.approx(report.pnl_micros / 1e6)
        assert (row["fills"], row["contracts"]) == (report.fills, report.contracts)
        assert row["max_abs_net"] == report.max_abs_net
        assert row["net_at_close"] == report.net_at_close
        assert row["two_sided_share"] == pytest.approx(report.two_sided_share, abs=0.05)
    found = two_sessions.figures()
    pnls = [report.pnl_micros / 1e6 for report in two_sessions.reports]
    assert found["pnl_mean"] == pytest.approx(sum(pnls) / 2)
    assert found["sharpe"] == pytest.approx(found["pnl_mean"] / found["pnl_sd"])
    gained = sum(row["markout_1s"] for row in two_sessions.rows())
    assert found["markout_1s_cents"] == pytest.approx(100 * gained / sum(r.contracts for r in two_sessions.reports))


def test_the_figures_are_json_even_without_a_session():
    empty = results.Backtest([], 3, "core", 0.0, 1, 1000)
    found = json.loads(json.dumps({**empty.figures(), "per_session": empty.rows()}, allow_nan=False))
    assert found["pnl_mean"] is None
    assert found["complete"] is False
    assert any("no session was settled" in line for line in empty.lines())


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_sessions_go_to_a_file(two_sessions, ending, tmp_path):
    path, rows = tmp_path / f"sessions{ending}", two_sessions.rows()
    results.write(path, rows)
    if ending == ".parquet":
        assert pq.read_table(path).to_pylist() == rows
    else:
        with path.open(newline="") as file:
            read = list(csv.DictReader(file))
        assert [row["market"] for row in read] == [row["market"] for row in rows]
        assert all(math.isclose(float(mine["pnl"]), theirs["pnl"]) for mine, theirs in zip(read, rows, strict=True))


@pytest.mark.parametrize(
    ("name", "why"), [("sessions.txt", "must end in .parquet or .csv"), ("none/sessions.csv", "can be written to")]
)
def test_a_file_that_cannot_be_is_refused_before_anything_is_played(name, why, tmp_path):
    with pytest.raises(results.WriteError, match=why):
        results.check_ending(tmp_path / name)
