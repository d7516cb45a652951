"""The arena: the same worlds for everybody, one ruler, paired differences; and the ruler against the venue's cash."""

import math
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from loguru import logger
from scipy.special import stdtrit

from mmactors.backtest.session_metrics import SessionFigures, mean_ci, student_t, summary
from mmactors.cli.main import main
from mmactors.config import load
from mmactors.research.arena import arena, sensitivity
from mmactors.research.arena.recorded_worlds import cut
from mmactors.research.arena.rival_run import Competitor
from mmactors.simulator.venue.simulation import SimulatedVenue, build_world

CONF = Path(__file__).parents[4] / "conf" / "arena.yaml"
VARIANT = {"takers.informed_per_step": 0.0}
ONE_MINUTE = {"MM__simulator__sessions": "[{asset: BTC, duration: 1M}]"}


@pytest.fixture(autouse=True)
def _quiet():
    logger.disable("mmactors")
    yield
    logger.enable("mmactors")


def world(seed=5):
    return arena.world_of(load(CONF, ONE_MINUTE), seed, 0)


def test_everybody_meets_the_same_strikes_and_outcomes():
    markets = {}
    for name in ("ours", "v1", "lmsr+"):
        played = arena.play(world(), arena.Task(name, 0, 3))
        markets[name] = [each.market for each in played]
        assert len(played) == 3
    assert markets["ours"] == markets["v1"] == markets["lmsr+"]


def test_the_same_seed_is_the_same_game_and_another_is_not():
    first, again, other = (
        [each.pnl for each in arena.play(world(seed), arena.Task("v1+", 0, 3))] for seed in (5, 5, 6)
    )
    assert first == again != other


def test_the_rulers_pnl_is_the_cash_that_the_venue_paid():
    competitor = Competitor(world(), "lmsr", steelman=True, start_ms=1_800_000_000_000)
    competitor.run(4)
    account = competitor.simulation.account("rival")
    open_cost = sum(p.yes_cost + p.no_cost for p in account.positions.values()) / 1e6
    paid = sum(each.pnl for each in competitor.metrics.done)
    assert account.cash / 1e6 - 100_000 + open_cost == pytest.approx(paid, abs=0.01)
    assert sum(each.fills for each in competitor.metrics.done) > 0


def figures(pnl, market="m", **more):
    return SessionFigures(market, 60, pnl=pnl, **more)


def test_differences_are_paired_by_world_and_market():
    found = arena.Arena("1M", 1, 1000)
    found.sessions = {
        "ours": [figures(5.0, "0:a"), figures(1.0, "0:b"), figures(9.0, "1:a")],
        "v1": [figures(1.0, "0:b"), figures(4.0, "0:a")],
    }
    versus = found.figures()["ours_minus"]["v1"]
    assert versus["sessions"] == 2
    assert versus["pnl_difference"] == pytest.approx(0.5)


def test_the_summary_by_hand():
    played = [figures(10.0, contracts=100, edge=2.0, net_at_close=20), figures(-4.0, contracts=50, net_at_close=-80)]
    found = summary(played, 1000)
    assert found["pnl_mean"] == 3.0
    assert found["pnl_sd"] == pytest.approx(math.sqrt(98))
    assert found["net_within_5pct_share"] == 0.5
    assert found["abs_net_at_close_mean"] == 50
    assert found["worst_1pct_mean"] == -4.0
    assert found["edge_cents"] == pytest.approx(100 * 2 / 150)
    mean, low, high = mean_ci([1.0, 2.0, 3.0])
    assert (mean, round(high - mean, 3)) == (2.0, 1.132)
    assert low == pytest.approx(2 * mean - high)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 10, 29, 30, 199, 1000, 4999])
def test_students_t_is_the_usual_one(freedom):
    assert student_t(freedom) == pytest.approx(float(stdtrit(freedom, 0.975)), rel=1e-12)


def recording(tmp_path, seconds):
    rng, price, lines = Random(2), 60_000.0, ["ts_ms,price"]
    for second in range(seconds):
        lines.append(f"{(1_780_000_200 + second) * 1000},{price:.2f}")
        price *= math.exp(rng.gauss(0.0, 0.5 / math.sqrt(365 * 86_400)))
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_on_a_recording_everybody_meets_its_strikes_and_outcomes(tmp_path):
    path = recording(tmp_path, 3600 + 330)
    config = load(CONF, ONE_MINUTE)
    (piece,) = cut(path, "BTC", 60, 3)
    piece = replace(
        piece, counted=tuple((place - 58, name) for place, name in piece.counted), recording=late(piece, 58)
    )
    for name in ("ours", "lmsr"):
        played = arena.play(config, arena.Task(name, 0, 3), piece)
        assert [each.market for each in played] == ["2026-05-28T21:30Z", "2026-05-28T21:31Z", "2026-05-28T21:32Z"]
        assert all(each.two_sided_share > 0.0 for each in played), [each.two_sided_share for each in played]


def late(piece, minutes):
    """The recording without the beginning of its warm-up, for speed."""
    at, rows = minutes * 60_000, piece.recording
    first = rows.times_ms.index(at)
    times = [time - at for time in rows.times_ms[first:]]
    return replace(rows, times_ms=times, prices=rows.prices[first:], sigmas=rows.sigmas[minutes * 60 :])


def test_on_a_recording_strikes_and_outcomes_are_the_recordings(tmp_path):
    path = recording(tmp_path, 3600 + 330)
    (piece,) = cut(path, "BTC", 60, 3)
    config = arena.on_excerpt(load(CONF, ONE_MINUTE), piece)
    start_ms = 1_800_000_000_000
    venue = SimulatedVenue(
        config.simulator, start_ms, world=build_world(config.simulator, start_ms, {"BTC": piece.recording})
    )
    venue.advance(start_ms + 63 * 60_000 + 2000)
    markets = list(venue.venue.markets.values())[60:63]
    prices = dict(zip(piece.recording.times_ms, piece.recording.prices, strict=True))
    for place, market in enumerate(markets, 60):
        strike, end = prices[place * 60_000], prices[(place + 1) * 60_000]
        assert market.strike == strike
        assert market.outcome == ("YES" if end > strike else "NO")


def test_a_recordings_intervals_are_clustered_by_its_hours():
    found = arena.Arena("5M", 1, 1000, prices="p.csv")
    pnls = {"T01:00Z": 10.0, "T01:05Z": 12.0, "T02:00Z": -4.0, "T02:05Z": -6.0, "T03:00Z": 3.0}
    found.sessions = {"ours": [figures(pnl, f"2026-06-08{start}") for start, pnl in pnls.items()]}
    row = found.figures()["table"]["ours"]
    sums = (22.0 - 6.0, -10.0 - 6.0, 0.0)
    error = math.sqrt(3 / 2 * sum(each**2 for each in sums)) / 5
    assert row["pnl_mean"] == 3.0
    assert row["pnl_ci"] == pytest.approx([3.0 - 4.302653 * error, 3.0 + 4.302653 * error], rel=1e-6)
    assert found.figures()["intervals_clustered_by"] == "hour of the recording"


@pytest.mark.parametrize("name", sensitivity.VARIANTS)
def test_a_variant_changes_what_it_says(name):
    before = load(CONF, ONE_MINUTE)
    changes = {f"MM__simulator__{path.replace('.', '__')}": str(v) for path, v in sensitivity.VARIANTS[name].items()}
    assert sensitivity.variant_of(before, name).simulator == load(CONF, {**ONE_MINUTE, **changes}).simulator


def test_nobody_is_told_of_a_latency_and_we_find_out():
    spreads = []
    for variant in (sensitivity.AS_COMMITTED, "latency 400 ms"):
        played = arena.play(sensitivity.variant_of(world(), variant), arena.Task("ours", 0, 2))
        spreads.append([each.spread for each in played])
    assert all(later > usual + 0.02 for usual, later in zip(*spreads, strict=True))


def test_every_variant_has_a_row_for_every_entrant(monkeypatch):
    monkeypatch.setattr(sensitivity, "VARIANTS", {"as committed": {}, "no informed takers": VARIANT})
    found = sensitivity.run(load(CONF, ONE_MINUTE), ("bands", "lmsr"), 1, 7, processes=1)
    rows = [line.split("  ")[0] for line in found.lines()]
    assert found.complete
    assert rows.count("as committed") == rows.count("no informed takers") == 2
    assert set(found.figures()["variants"]["no informed takers"]["table"]) == {"bands", "lmsr"}
    assert found.figures()["variants"]["no informed takers"]["changes"] == VARIANT


@pytest.fixture
def command(capsys, monkeypatch):
    monkeypatch.chdir(CONF.parents[1])

    def made(*arguments):
        return main(["arena", *arguments]), *capsys.readouterr()

    return made


def test_more_sessions_than_the_file_has_is_said_and_what_there_is_is_played(command, tmp_path):
    saved = tmp_path / "a.arena"
    path = recording(tmp_path, 3600 + 130)
    code, out, err = command(
        "--prices", str(path), "--session", "1M", "--sessions", "9", "--only", "bands", "--save", str(saved)
    )
    assert code == 0
    assert err == f"mmactors: {path}: 2 sessions of 1M can be played, not 9; these are\n"
    assert "2 sessions of 1M each, recorded in prices.csv" in out
    read = arena.Arena.load(saved)
    assert [each.market for each in read.sessions["bands"]] == ["2026-05-28T21:30Z", "2026-05-28T21:31Z"]
    assert read.prices == "prices.csv"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--only", "ours,v3"), 64, "--only v3: entrants are ours, v1, "),
        (("--prices", "no-such.csv"), 66, "--prices no-such.csv: no such file"),
        (("--prices", "README.md"), 78, "--prices README.md: wrong columns: needs ts_ms and price"),
        (("--latency-ms", "fast"), 64, "argument --latency-ms: 'fast' is not a number of milliseconds"),
        (("--save", "conf"), 64, "--save conf: not a file in a folder that can be written to"),
        (("--sensitivity", "--save", "x"), 64, "--save keeps one arena, and --sensitivity plays many"),
    ],
)
def test_bad_input_is_one_line(command, arguments, code, said):
    ended, _, err = command(*arguments)
    assert ended == code
    assert err.startswith(f"mmactors: {said}")
    assert err.count("\n") == 1
