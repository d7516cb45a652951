"""A backtest in several processes is the same; Ctrl-C ends it with what is settled."""

import os
import signal

import pykka
import pytest
from guarded import CONF

from mmactors.backtest import runner
from mmactors.config import Config, load

pytestmark = pytest.mark.e2e


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


def told(found: runner.Backtest) -> dict[str, object]:
    """All that does not depend on the machine."""
    figures = {**found.figures(), "rows": found.rows(), "reports": found.reports}
    for name in ("processes", "wall_seconds", "cpu_seconds"):
        del figures[name]
    return {name: value for name, value in figures.items() if not name.startswith("virtual_seconds_per")}


def test_it_is_the_same_backtest_however_many_play_it(small_worlds):
    runs = [
        runner.run(config(), 3, runtime=runtime, processes=processes)
        for runtime, processes in (("core", 1), ("core", 2), ("actors", 2))
    ]
    assert [run.processes for run in runs] == [1, 2, 2]
    core, again, actors = map(told, runs)
    assert core == again
    assert core["worlds"] == core["sessions"] == 3
    assert core.pop("trace_hash") == "" != actors.pop("trace_hash")
    assert core.pop("runtime") != actors.pop("runtime")
    assert core == actors
    assert runs[0].clean


def test_an_interrupted_backtest_tells_what_is_settled():
    lines = []

    def interrupt(line: str) -> None:
        lines.append(line)
        if len(lines) == 12:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "REPORT_EVERY_S", 0.0)
            found = runner.run(config(), 30, runtime="core", progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not found.complete
    assert len(found.reports) == 1
    assert "ended early" in "\n".join(found.lines())
