"""The limits that a session is judged by."""

import math

import pytest

from mmactors.audit import AuditError, Limits, Rules
from mmactors.audit.limits import read_rules


@pytest.mark.parametrize(
    ("f", "room"), [(1.0, 1000), (0.75, 1000), (0.475, 515), (0.5, 559), (0.2, 30), (0.1, 30), (0.0, 30)]
)
def test_the_room_shrinks_as_the_strategy_says(f, room):
    assert room == Limits().position_limit(f)


@pytest.mark.parametrize(("duration_s", "seconds"), [(10, 1), (60, 1.2), (300, 6), (900, 18), (3600, 30)])
def test_the_closing_threshold(duration_s, seconds):
    assert pytest.approx(seconds * 1000) == Limits().close_ms(duration_s * 1000)


def test_limits_from_a_configuration_with_overrides(tmp_path):
    conf = tmp_path / "c.yaml"
    conf.write_text(
        "inventory: {max_position: 500, late_room: 0.1, dead_side: reduce_only}\n"
        "risk: {min_spread: 0.03}\n"
        "volatility: {prior: 0.6}\n"
        "overrides:\n"
        "- {asset: BTC, duration: 1M, inventory: {max_position: 50}}\n"
        "- {asset: BTC, inventory: {max_position: 70, close_threshold: 3}}\n"
    )
    rules = read_rules(conf)

    assert Limits(500, 0.1, dead_side="reduce_only", min_spread_micros=30_000, sigma=0.6) == rules.limits("ETH", 60)
    assert (rules.limits("BTC", 60).max_position, rules.limits("BTC", 60).close_threshold) == (50, 3)
    assert rules.limits("BTC", 300).max_position == 70


@pytest.mark.parametrize(
    "tree",
    [{"inventory": {"late_room": "much"}}, {"inventory": 3}, {"risk": {"min_spread": math.nan}}, {"overrides": 1}],
)
def test_a_configuration_that_cannot_be_used_is_refused(tree):
    with pytest.raises(AuditError) as refused:
        Rules(tree)
    assert refused.value.exit_code == 78
