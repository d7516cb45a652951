"""The whole program in virtual time at a venue that lacks abilities: it trades, breaks no rule, and keeps the peace."""

from collections.abc import Iterator
from pathlib import Path

import pykka
import pytest

from mmactors.backtest import runner
from mmactors.config import Config, load

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def config(without: str) -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__simulator__world__seed": "7",
        "MM__assets": "[BTC]",
        "MM__simulator__sessions": "[{asset: BTC, duration: 1M}]",
    }
    return load(CONF, {**environ, "MM__simulator__without": f"[{without}]"})


@pytest.mark.parametrize("without", ["batch", "replace", "post_only", "batch, replace, post_only, mass_cancel, merge"])
def test_whole_sessions_break_no_rule(without: str) -> None:
    found = runner.run(config(without), 2)
    assert found.complete
    assert {name: count for name, count in found.violations.items() if count} == {}, found.examples
    assert (found.dead_letters, found.restarts) == (0, 0)
    assert sum(report.fills for report in found.reports) > 0
    messages = sum(report.order_messages for report in found.reports)
    assert messages < 120 * 40, "no storm: at most forty order messages a second"
