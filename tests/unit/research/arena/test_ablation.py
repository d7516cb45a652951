"""Ablation: every variant is a valid change of configuration, pairs are pairs, and the verdict follows its rule."""

from pathlib import Path

import pytest

from mmactors.backtest.session_metrics import PARTS, SessionFigures
from mmactors.cli.main import main
from mmactors.config import load
from mmactors.research.arena import ablation
from mmactors.research.arena.ablation import DEFAULT, VARIANTS, Ablation, verdict

CONF = Path(__file__).parents[4] / "conf" / "arena.yaml"
ONE_MINUTE = {"MM__simulator__sessions": "[{asset: BTC, duration: 1M}]"}


def sessions(pnls, *, half=0, messages=100, risk=0.0):
    return [
        SessionFigures(
            f"0:{k}", 60, pnl=pnl, messages=messages, risk_at_close=risk, net_by_part=[half] * PARTS, spread=0.03
        )
        for k, pnl in enumerate(pnls)
    ]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_is_a_change_that_the_configuration_accepts(variant):
    as_it_is = load(CONF, {})
    changed = load(CONF, {f"MM__{key.replace('.', '__')}": value for key, value in variant.changes.items()})
    assert (changed.maker_params("BTC", 300), changed.volatility_params("BTC")) != (
        as_it_is.maker_params("BTC", 300),
        as_it_is.volatility_params("BTC"),
    )
    assert changed.simulator == as_it_is.simulator


def test_a_term_pays_where_the_default_is_better_on_every_seed():
    better, worse = sessions([5.0, 6.0, 7.0, 6.0]), sessions([1.0, 2.5, 2.0, 2.0])
    assert verdict([(better, worse), (better, worse)], None) == "P&L"
    assert verdict([(worse, better), (worse, better)], None) == "nothing (worse in P&L)"
    # Much better on one seed and worse on another is luck.
    lucky = sessions([50.0, 51.0, 52.0, 50.5])
    assert verdict([(lucky, worse), (worse, better)], None) == "nothing"


def test_a_term_also_pays_in_risk_neutrality_and_messages():
    plain = sessions([4.0, 5.0, 6.0])
    assert verdict([(plain, sessions([4.0, 5.0, 6.0], risk=2.0))], None) == "risk"
    assert verdict([(plain, sessions([4.0, 5.0, 6.0], half=-300))], None) == "note 5"
    assert verdict([(plain, sessions([4.0, 5.0, 6.0], messages=300))], None) == "messages"
    assert verdict([(plain, plain)], None) == "nothing"
    assert verdict([(plain, plain)], 4) == "note 4"
    wild = sessions([25.0, -15.0] * 10), sessions([5.0] * 10 + [5.1] * 10)
    assert verdict([(wild[1], wild[0])], None) == "risk"


def test_only_sessions_that_both_played_are_compared():
    variant = VARIANTS[0]
    found = Ablation("1M", (1,), 1000, (variant, VARIANTS[1]))
    found.played = {
        (DEFAULT, "", 1): sessions([5.0, 6.0, 100.0]),
        (variant.name, "", 1): sessions([1.0, 4.0]),
    }
    figures = found.figures()
    assert list(figures["variants"]) == [variant.name]
    assert figures["variants"][variant.name]["sessions"] == 2
    assert figures["variants"][variant.name]["pnl_difference"] == pytest.approx(3.0)
    assert any(line.startswith(f"| {variant.name} ") and "+3.00" in line for line in found.lines())


def test_a_whole_ablation_on_the_same_worlds():
    chosen = [variant for variant in VARIANTS if variant.name in ("no latency widening", "no age widening")]
    found = ablation.run(CONF, ONE_MINUTE, chosen, 2, (5,), processes=1)
    markets = {key[:2]: [each.market for each in played] for key, played in found.played.items()}
    assert len(markets) == 4
    assert len(set(map(tuple, markets.values()))) == 1
    pnls = {key[:2]: [each.pnl for each in played] for key, played in found.played.items()}
    assert pnls[DEFAULT, ""] != pnls["no latency widening", ""]
    assert pnls[DEFAULT, ""] != pnls[DEFAULT, ablation.SLOW_FEED] != pnls["no age widening", ablation.SLOW_FEED]
    assert set(found.figures()["variants"]) == {"no latency widening", "no age widening"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "no lean,no luck"], "--only no luck: there are terms, values, no latency widening, "),
        (["--seed", "1,x"], "--seed 1,x: not whole numbers with commas between"),
        (["--session", "7M"], "conf/arena.yaml: simulator.sessions"),
    ],
)
def test_bad_arguments_get_one_line(capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(CONF.parents[1])
    assert main(["ablate", *arguments]) in (64, 78)
    err = capsys.readouterr().err
    assert err.startswith(f"mmactors: {said}")
    assert err.count("\n") == 1
