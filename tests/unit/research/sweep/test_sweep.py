"""The sweep: grids and what is wrong with them; who plays and what is lost on the way does not change the tables."""

import json
import math
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from loguru import logger

from mmactors.config import ConfigError
from mmactors.research.sweep import executors, grid, sweep
from mmactors.research.sweep.executors import Result, SweepStoppedError
from mmactors.research.sweep.results import SESSIONS, SETS

ROOT = Path(__file__).parents[4]
TINY = {"session": "1M", "sessions": 2, "world_sessions": 1, "warm_up_s": 60, "seed": 5}
FOUR = {"quoting.spread": [0.02, 0.03], "inventory.lean_late": [0.5, 0.75]}


@pytest.fixture(autouse=True)
def _quiet():
    yield
    logger.enable("mmactors")  # playing in this process has disabled it


def written(folder, parameters, **more):
    path = folder / "g.yaml"
    path.write_text(json.dumps({"config": str(ROOT / "conf" / "arena.yaml"), **TINY, **more, "parameters": parameters}))
    return path


def tiny(folder, parameters=FOUR, **more):
    return grid.load(written(folder, parameters, **more), {})


def values(found):
    return [tuple(each.values.values()) for each in found.sets]


def tables(folder):
    return pq.read_table(folder / SETS), pq.read_table(folder / SESSIONS)


class Here:
    """Plays in this process, one after the other; stops after so many."""

    def __init__(self, most=math.inf, error=KeyboardInterrupt):
        self.note = ""
        self.played = 0
        self._most, self._error = most, error

    def play(self, units):
        for unit in units:
            if self.played >= self._most:
                raise self._error
            self.played += 1
            yield executors.play_unit(unit)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Four sets in two worlds, played here without any trouble."""
    folder = tmp_path_factory.mktemp("whole")
    try:
        sweep.run(tiny(folder), folder, Here())
    finally:
        logger.enable("mmactors")
    return tables(folder)


# --- the grid --------------------------------------------------------------------------------------------


def test_a_grid_is_every_combination_in_the_files_order(tmp_path):
    found = tiny(tmp_path, {"quoting.size": [10, 20], "quoting.spread": {"from": 0.02, "to": 0.08, "steps": 3}})
    assert found.names == ("quoting.size", "quoting.spread")
    assert values(found) == [(10, 0.02), (10, 0.05), (10, 0.08), (20, 0.02), (20, 0.05), (20, 0.08)]
    assert [each.config.quoting.spread for each in found.sets[:3]] == [0.02, 0.05, 0.08]
    assert {each.config.simulator.sessions[0].duration for each in found.sets} == {"1M"}


def test_a_range_of_whole_numbers_by_ratio_has_whole_numbers(tmp_path):
    found = tiny(tmp_path, {"quoting.size": {"from": 10, "to": 1000, "steps": 3, "log": True}})
    assert values(found) == [(10,), (100,), (1000,)]
    assert all(type(value) is int for (value,) in values(found))


def test_a_random_search_is_its_seeds_and_within_the_ranges(tmp_path):
    parameters = {"quoting.spread": {"from": 0.02, "to": 0.1, "log": True}, "quoting.size": [10, 20]}
    first, again, other = (
        values(tiny(tmp_path, parameters, search="random", samples=20, sample_seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(set(first)) == 20
    assert all(0.02 <= spread <= 0.1 and size in (10, 20) for spread, size in first)


def test_a_random_search_draws_no_set_twice_and_says_when_there_are_too_few(tmp_path):
    found = tiny(tmp_path, {"quoting.size": [10, 20, 30]}, search="random", samples=5)
    assert sorted(values(found)) == [(10,), (20,), (30,)]
    assert found.note == "samples: 5, but only 3 different sets were found"


def test_the_configuration_as_it_is_can_be_the_baseline(tmp_path):
    found = tiny(tmp_path, {"quoting.size": [10, 40]}, baseline="config")
    assert values(found) == [(30,), (10,), (40,)]


def test_all_mistakes_of_a_grid_are_told_at_once(tmp_path):
    parameters = {
        "quoting.spred": [0.02],
        "quoting.size": [30, 0, [1]],
        "quoting.levels": [1, 50],
        "inventory.lean_late": {"from": 1.0, "to": 0.5, "steps": 3},
        "inventory.give": {"from": 0.0, "to": 0.1, "steps": 3, "log": True},
        "inventory.give_full": {"form": 0.0},
        "inventory.dead_f": {"from": 0.0, "to": 0.1},
        "inventory.late_room": [],
        "inventory.dead_side": ["zero", "zero"],
        "simulator.world.seed": [1, 2],
        "quoting": [1],
        "risk.min_spread": 0.02,
    }
    path = written(tmp_path, parameters, sessions=0, samples=3)
    with pytest.raises(ConfigError) as caught:
        grid.load(path, {})
    assert caught.value.exit_code == 78
    starts = [
        "sessions: got 0; allowed: an integer >= 1",
        "samples: are for search: random",
        "parameters: quoting.spred: unknown key; did you mean quoting.spread?",
        "parameters.quoting.size[2]: got a list of 1; allowed: single values",
        "parameters: quoting.levels: got 50; allowed: an integer >= 1 and <= 20",
        "parameters.inventory.lean_late: from 1 must be less than to 0.5",
        "parameters.inventory.give: log needs from > 0, not 0",
        "parameters.inventory.give_full.form: unknown key; did you mean from?",
        "parameters.inventory.dead_f: a grid needs steps",
        "parameters.inventory.late_room: an empty list",
        "parameters.inventory.dead_side: 'zero' is listed twice",
        "parameters.simulator.world.seed: cannot be varied",
        "parameters: quoting: got 1; allowed: a section with spread",
        "parameters.risk.min_spread: got 0.02; allowed: a list of values",
    ]
    assert len(caught.value.lines) == len(starts)
    for line, start in zip(caught.value.lines, starts, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"config": "none.yaml"}, "config: none.yaml: no such file"),
        ({"search": "random"}, "samples: search: random needs how many"),
        ({"search": "best"}, "search: got 'best'; allowed: one of grid, random"),
        ({"config": str(ROOT / "conf" / "sim.yaml"), "session": None}, "say session: one of 1M, 5M"),
    ],
)
def test_what_else_can_be_wrong(tmp_path, more, line):
    with pytest.raises(ConfigError) as caught:
        tiny(tmp_path, **more)
    assert len(caught.value.lines) == 1
    assert line in caught.value.lines[0]
    assert caught.value.exit_code == (66 if "none.yaml" in line else 78)


def test_too_many_sets_and_none_at_all(tmp_path):
    sizes = {"from": 1, "to": 9000, "steps": 1000}
    with pytest.raises(ConfigError, match="1,000,000 sets are too many"):
        tiny(tmp_path, {"quoting.size": sizes, "inventory.max_position": {**sizes, "from": 10_000, "to": 99_000}})
    with pytest.raises(ConfigError, match="parameters: nothing to vary"):
        tiny(tmp_path, {})


def test_the_environment_holds_but_not_against_a_parameter(tmp_path):
    path = written(tmp_path, {"quoting.spread": [0.03, 0.04]})
    found = grid.load(path, {"MM__QUOTING__SPREAD": "0.5", "MM__quoting__size": "17"})
    assert values(found) == [(0.03,), (0.04,)]
    assert [(each.config.quoting.spread, each.config.quoting.size) for each in found.sets] == [(0.03, 17), (0.04, 17)]


def test_a_parameter_that_an_override_hides_is_a_mistake(tmp_path):
    conf = tmp_path / "c.yaml"
    conf.write_text("{overrides: [{asset: BTC, duration: 1M, quoting: {size: 10}}], inventory: {skew_factor: 0.3}}")
    parameters = {"quoting.size": [20], "quoting.spread": [0.03], "inventory.lean_late": [0.5]}
    with pytest.raises(ConfigError) as caught:
        tiny(tmp_path, parameters, config=str(conf))
    assert caught.value.lines == [
        "parameters.quoting.size: has no effect, overrides[0].quoting.size of the configuration holds; vary that",
        "parameters.inventory.lean_late: has no effect, inventory.skew_factor of the configuration holds; vary that",
    ]
    found = tiny(tmp_path, {"overrides[0].quoting.size": [20, 30]}, config=str(conf))
    params = [each.config.maker_params("BTC", 60) for each in found.sets]
    assert [each.quoting.size for each in params] == [20, 30]


def test_the_grid_that_comes_with_the_program_can_be_read():
    found = grid.load(ROOT / "conf" / "sweep.yaml", {})
    assert len(found.sets) == 13
    assert all(each.config is not None for each in found.sets)


# --- the tables ------------------------------------------------------------------------------------------


def test_rows_are_sets_with_their_parameters_figures_and_paired_differences(whole):
    sets, sessions = whole
    rows = sets.to_pylist()
    assert [(row["quoting.spread"], row["inventory.lean_late"]) for row in rows] == [
        (0.02, 0.5), (0.02, 0.75), (0.03, 0.5), (0.03, 0.75),
    ]  # fmt: skip
    pnls = {}
    for row in sessions.to_pylist():
        pnls.setdefault(row["set"], {})[row["world"], row["market"]] = row["pnl"]
    assert all(each.keys() == pnls[0].keys() and len(each) == 2 for each in pnls.values())
    for row in rows:
        both = [pnl - pnls[0][key] for key, pnl in pnls[row["set"]].items()]
        assert row["difference_mean"] == pytest.approx(sum(both) / 2)
        assert row["pnl_mean"] == pytest.approx(sum(pnls[row["set"]].values()) / 2)
    assert len({row["pnl_mean"] for row in rows}) > 1


def test_a_contradictory_set_is_a_row_with_its_reason(tmp_path):
    found = tiny(tmp_path, {"risk.min_spread": [0.04, 0.02]}, sessions=1)
    standings = sweep.run(found, tmp_path, Here())
    rows = tables(tmp_path)[0].to_pylist()
    assert [row["status"] for row in rows] == ["contradictory", "played"]
    assert "the least spread may not exceed the spread" in rows[0]["reason"]
    assert rows[0]["pnl_mean"] is None
    assert standings.figures()["baseline"] == 1
    assert any("contradictory: risk.min_spread = 0.04" in line for line in standings.lines())
    json.loads(json.dumps(standings.figures(), allow_nan=False))


def test_a_set_that_fails_in_the_play_is_a_row_and_not_kept(tmp_path):
    class Failing(Here):
        def play(self, units):
            for unit, result in zip(units, super().play(units), strict=True):
                bad = unit.config.quoting.size == 20
                yield Result(unit.key, [], "ValueError: nothing works") if bad else result

    found = tiny(tmp_path, {"quoting.size": [10, 20]}, sessions=1)
    sweep.run(found, tmp_path, Failing())
    rows = tables(tmp_path)[0].to_pylist()
    assert [row["status"] for row in rows] == ["played", "failed"]
    assert rows[1]["reason"] == "ValueError: nothing works"
    again = Here()
    sweep.run(found, tmp_path, again)
    assert again.played == 1


# --- what can go wrong ------------------------------------------------------------------------------------


def test_interrupted_and_resumed_is_the_same(tmp_path, whole):
    first, second, third = Here(most=3), Here(), Here()
    with pytest.raises(KeyboardInterrupt):
        sweep.run(tiny(tmp_path), tmp_path, first)
    assert not (tmp_path / SETS).exists()
    journal = tmp_path / sweep.UNITS
    journal.write_bytes(b"no unit\n" + journal.read_bytes()[:-5])
    told = []
    sweep.run(tiny(tmp_path), tmp_path, second, progress=told.append)
    assert second.played == 6
    assert any("the last line is cut off; its unit is played again" in line for line in told)
    assert any("1 lines are no units" in line for line in told)
    assert all(ours.equals(theirs) for ours, theirs in zip(tables(tmp_path), whole, strict=True))
    sweep.run(tiny(tmp_path), tmp_path, third)
    assert third.played == 0
    assert all(ours.equals(theirs) for ours, theirs in zip(tables(tmp_path), whole, strict=True))


def test_another_seed_configuration_or_program_is_another_unit(tmp_path, monkeypatch):
    config = tiny(tmp_path).sets[0].config
    keys = {executors.unit(config, 5, 0, 1, 60).key}
    keys |= {
        executors.unit(config, 6, 0, 1, 60).key,
        executors.unit(config, 5, 1, 1, 60).key,
        executors.unit(config, 5, 0, 2, 60).key,
    }
    keys |= {executors.unit(config, 5, 0, 1, 0).key, executors.unit(tiny(tmp_path).sets[1].config, 5, 0, 1, 60).key}
    monkeypatch.setattr(executors, "program_version", lambda: "0.0.9")
    keys |= {executors.unit(config, 5, 0, 1, 60).key}
    assert len(keys) == 7


def test_two_sweeps_in_one_folder_are_one_too_many(tmp_path):
    with sweep.Journal(tmp_path / sweep.UNITS), pytest.raises(SweepStoppedError, match="another sweep") as caught:
        sweep.Journal(tmp_path / sweep.UNITS)
    assert caught.value.exit_code == 75


# --- the command -----------------------------------------------------------------------------------------


def test_without_the_extra_a_scheduler_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        SweepStoppedError, match=r"needs the cluster extra \(pip install 'mmactors\[cluster\]'\)"
    ) as caught:
        executors.Cluster("tcp://127.0.0.1:8786")
    assert caught.value.exit_code == 64
