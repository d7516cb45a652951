"""Models that a configuration chooses, of delays, queue and fees: the same for both runtimes, and lawful."""

from pathlib import Path

import pykka
import pytest

from mmactors.backtest import runner
from mmactors.cli.main import main
from mmactors.config import Config, ConfigError, load

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"


@pytest.fixture(autouse=True)
def nobody_left():
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def config(**more: str) -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__assets": "[BTC]",
        "MM__simulator__sessions": "[{asset: BTC, duration: 1M}]",
        "MM__overrides": "[]",  # narrow enough to be in somebody's way
        "MM__quoting__k_lat": "1.5",
    }
    return load(CONF, environ | {f"MM__simulator__{key}": value for key, value in more.items()})


@pytest.fixture
def measured(tmp_path):
    path = tmp_path / "delays.txt"
    path.write_text("5\n40.5\n300\n")
    return path


@pytest.mark.parametrize(
    "more",
    [
        {"latency_model": "lognormal"},
        {"latency_model": "recorded", "latency_file": "measured"},
        {"queue": "behind"},
        {"fees": "quadratic", "taker_bps": "700", "maker_bps": "-100"},
    ],
)
def test_both_runtimes_do_the_same_by_every_model_and_break_no_rule(more, measured):
    more = {key: str(measured) if value == "measured" else value for key, value in more.items()}
    core, actors = (runner.run(config(**more), 1, runtime=runtime) for runtime in ("core", "actors"))
    plain = runner.run(config(), 1, runtime="core")
    assert core.orders_hash == actors.orders_hash != plain.orders_hash
    assert core.clean
    assert core.reports[0].fills > 0
    fees = core.rows()[0]["fees"]
    assert (fees != 0) is ("fees" in more)


def test_delays_that_cannot_be_are_one_line(tmp_path, capsys):
    path = tmp_path / "delays.txt"
    path.write_text("12\nsoon\n")
    with pytest.raises(ConfigError, match=r"latency_model = 'recorded', simulator\.latency_file = nothing"):
        config(latency_model="recorded")
    conf = tmp_path / "bad.yaml"
    conf.write_text(f"simulator: {{latency_model: recorded, latency_file: '{path}'}}\n")
    assert main(["backtest", str(conf), "--runtime", "core"]) == 78
    assert capsys.readouterr().err == f"mmactors: simulator.latency_file: {path}: 'soon' is no delay of 0 to 60000 ms\n"
