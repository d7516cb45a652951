"""Tables of a single session: what cannot be known of one is a dash in its column, and null in JSON."""

import json
import math
import re
from pathlib import Path

import pytest

from mmactors.backtest.results import Backtest, Played
from mmactors.backtest.session_metrics import PARTS, SessionFigures
from mmactors.cli.main import main
from mmactors.ops.format import Figure, shown
from mmactors.research.arena.ablation import DEFAULT, VARIANTS, Ablation
from mmactors.research.arena.league_table import Arena
from mmactors.research.arena.sensitivity import AS_COMMITTED, Sensitivity
from mmactors.research.calibration import market_mid

CONF = Path(__file__).parents[3] / "conf" / "arena.yaml"
NAN = re.compile(r"\bnan\b|\binf\b", re.I)


def session(pnl: float = 1.5) -> SessionFigures:
    return SessionFigures("0:a", 60, pnl=pnl, net_by_part=[0] * PARTS, pnl_by_part=[0.0] * PARTS)


def arena(count: int) -> Arena:
    played = [session() for _ in range(count)]
    return Arena("1M", 7, 1000, sessions={"ours": played, "v1": played})


def test_what_is_known_is_formatted_as_ever_and_what_is_not_is_a_dash_as_wide():
    for form in ("+.2f", ">+9.2f", "<+8.2f", ".1%", ">12.1%", "+9.2f", "g", ""):
        assert format(Figure(0.25), form) == format(0.25, form)
        assert len(format(Figure(math.nan), form)) in (1, len(format(0.25, form)))
        assert format(Figure(math.nan), form).strip() == "-"
    assert [format(Figure(math.nan), form) for form in (">+9.2f", "<+8.2f", "+4.0f", "+.2f")] == [
        *("        -", "-       ", "   -", "-")
    ]


def test_figures_are_shown_as_deep_as_they_are():
    assert f"{shown({'a': [None, {'b': 2.0}], 'c': 3})}" == "{'a': [nan, {'b': 2.0}], 'c': 3}"
    assert f"{shown({'a': None})['a']:.2f}" == "-"
    assert shown("x") == "x"
    assert shown(True) is True


@pytest.mark.parametrize("count", [0, 1])
def test_a_backtest_leaves_out_the_interval_that_it_cannot_know(count):
    measured = [session()] * count
    world = Played(0, [], measured, {}, [], "h", "", 60.0, 1.0, {}, 0, 0, complete=True)
    told = Backtest([world], 1, "core", 0.0, 1, 1000).lines()
    assert not NAN.search("\n".join(told))
    (line,) = (line for line in told if line.startswith("P&L"))
    assert "95 %" not in line
    assert "sd -, Sharpe -" in line


def test_tables_of_one_session_have_dashes_in_the_columns_of_their_numbers():
    many, one = arena(2), arena(1)
    for found, known in (
        (one, many),
        (Sensitivity({AS_COMMITTED: one}), Sensitivity({AS_COMMITTED: many})),
    ):
        told = found.lines()
        assert not NAN.search("\n".join(told))
        assert [len(line) for line in told[:2]] == [len(line) for line in known.lines()[:2]]
        assert " - .. - " in told[1]


def test_an_ablation_of_one_session_has_dashes():
    found = Ablation("1M", (1,), 1000, (VARIANTS[0],))
    found.played = {(DEFAULT, "", 1): [session(3.0)], (VARIANTS[0].name, VARIANTS[0].condition, 1): [session()]}
    if VARIANTS[0].condition:
        found.played[DEFAULT, VARIANTS[0].condition, 1] = [session(3.0)]
    text = "\n".join(found.lines())
    assert not NAN.search(text)
    assert "+1.50 (-..-)" in text


def test_a_comparison_of_one_session_has_dashes():
    row = {
        "sessions": 1,
        "ours": 0.5,
        "market": 0.5,
        "difference_ci": [math.nan, math.nan],
        "mean_absolute_gap": 0.1,
    }
    found = {
        "sessions": 1,
        "log_loss_minus_market": 0.1,
        "log_loss_minus_market_ci": [math.nan, math.nan],
        "by_time_left": {"50%": row},
    }
    text = "\n".join(market_mid.lines(found))
    assert not NAN.search(text)
    assert "+0.1000 (-..-)" in text


def test_json_has_null_where_nothing_is_known(capsys):
    one = ["--session", "1M", "--sessions", "1", "--seed", "5", "--processes", "1", "--json"]
    assert main(["ablate", str(CONF), "--only", "no lean", *one]) == 0

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    found = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert found["variants"]["no lean"]["ci"] == [None, None]
