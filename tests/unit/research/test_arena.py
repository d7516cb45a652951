"""The arena: the same worlds for everybody, one ruler, paired differences; and the ruler against the venue's cash."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from loguru import logger

from mmactors.config import load
from mmactors.research import arena
from mmactors.research.field import Competitor
from mmactors.research.tally import SessionFigures, mean_ci, summary

CONF = Path(__file__).parents[3] / "conf" / "arena.yaml"
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
    paid = sum(each.pnl for each in competitor.tally.done)
    assert account.cash / 1e6 - 100_000 + open_cost == pytest.approx(paid, abs=0.01)
    assert sum(each.fills for each in competitor.tally.done) > 0


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


def test_a_whole_arena_in_two_processes():
    found = arena.run(load(CONF, ONE_MINUTE), ("ours", "v1"), 2, 7, processes=2)
    assert found.complete
    assert {name: len(played) for name, played in found.sessions.items()} == {"ours": 2, "v1": 2}
    assert any(line.startswith("ours ") for line in found.lines())


def test_an_entrant_that_does_not_exist_is_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "mmactors", "arena", "--only", "ours,v3"],
        capture_output=True,
        text=True,
        cwd=CONF.parents[1],
        check=False,
    )
    assert done.returncode == 64
    assert done.stderr.startswith("mmactors: --only v3: entrants are ours, v1, ")
    assert done.stderr.count("\n") == 1
