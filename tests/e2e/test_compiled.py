"""Compiling, and that the compiled program does what the interpreted one does, to the byte."""

import json
import os
import subprocess
import sys

import pytest
from guarded import CONF, ROOT
from patience import patience

from mmactors.cli import main as program
from mmactors.compiled import build

pytestmark = pytest.mark.e2e

RUNS = {
    "core": ("--runtime", "core", "--session", "5M", "--sessions", "4"),
    "core, all markets": ("--runtime", "core", "--sessions", "8"),
    "actors": ("--runtime", "actors", "--session", "1M", "--sessions", "4"),
    "actors, all feeds": ("--runtime", "actors", "--session", "1M", "--sessions", "3", "--feeds", "all"),
    "actors, interleaved": ("--runtime", "actors", "--session", "1M", "--sessions", "3", "--interleaving", "5"),
}
NOT_COMPARED = {
    "compiled",
    "wall_seconds",
    "cpu_seconds",
    "virtual_seconds_per_second",
    "virtual_seconds_per_cpu_second",
}
LONG = {
    "867b84d8edd08a424a43ad491cbfb260": ("core", "5M", "40", "11"),
    "e59dcf24213bb759cf46123effd0b609": ("actors", "1M", "40", "5"),
    "b19e7c86bb4b1065347d32551cc1ef00": ("core", "15M", "12", "3"),
}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Nothing is compiled yet."""
    monkeypatch.setattr(build, "PLACE", tmp_path / "build" / "compiled")
    monkeypatch.delenv(build.SWITCH, raising=False)
    return tmp_path / "build" / "compiled"


def backtest(switch: str, *options: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "mmactors", "backtest", "conf/sim.yaml", "--seed", "3", "--json", *options],
        cwd=ROOT,
        env={**os.environ, build.SWITCH: switch},
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_the_compiled_program_does_exactly_the_same(options: tuple[str, ...]) -> None:
    if build.place() is None:
        pytest.skip("this source is not compiled (python -m mmactors compile)")
    interpreted, machine_code = backtest("0", *options), backtest("1", *options)
    assert (interpreted["compiled"], machine_code["compiled"]) == (False, True)
    assert interpreted["orders_hash"]
    differing = {key for key in interpreted.keys() | machine_code if interpreted.get(key) != machine_code.get(key)}
    assert differing <= NOT_COMPARED


def test_it_decides_the_same_byte_for_byte(tmp_path) -> None:
    if build.place() is None:
        pytest.skip("this source is not compiled (python -m mmactors compile)")
    for switch in "01":
        backtest(switch, "--session", "1M", "--sessions", "2", "--events", str(tmp_path / switch))
    assert len((tmp_path / "0").read_bytes()) > 10_000
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def test_what_the_compiler_refuses_is_said_in_one_line(elsewhere, monkeypatch, capsys) -> None:
    monkeypatch.setattr(build, "BUILD", "raise SystemExit('mmactors/core/desk.py:7: error: it is wrong')")
    assert program.main(["compile"]) == 69
    assert "mmactors/core/desk.py:7: error: it is wrong" in capsys.readouterr().err.splitlines()[-1]
    assert build.place() is None


def test_the_last_results_are_kept_and_older_ones_are_not(elsewhere, monkeypatch, capsys) -> None:
    monkeypatch.setattr(build, "BUILD", "")
    for number in range(4):
        old = elsewhere / f"{number:016x}"
        old.mkdir(parents=True)
        os.utime(old, (number, number))
    assert program.main(["compile"]) == 0
    assert capsys.readouterr().out == f"compiled: {elsewhere / build.digest()}\n"
    assert sorted(path.name for path in elsewhere.iterdir()) == sorted([build.digest(), f"{2:016x}", f"{3:016x}"])
    assert program.main(["compile"]) == 0
    assert "compiling" not in capsys.readouterr().err


def test_another_process_may_have_been_first(elsewhere, monkeypatch, capsys) -> None:
    first = elsewhere / build.digest() / "mmactors"
    monkeypatch.setattr(build, "BUILD", f"import os; os.makedirs({str(first)!r})")
    assert program.main(["compile"]) == 0
    assert capsys.readouterr().out == f"compiled: {first.parent}\n"
    assert [path.name for path in elsewhere.iterdir()] == [build.digest()]


@pytest.mark.timeout(patience(300))
@pytest.mark.parametrize("orders", LONG)
def test_the_compiled_program_gives_the_same_orders_in_long_runs(orders):
    if build.place() is None:
        pytest.skip("this source is not compiled (python -m mmactors compile)")
    runtime, session, sessions, seed = LONG[orders]
    options = ("--runtime", runtime, "--session", session, "--sessions", sessions, "--seed", seed)
    done = subprocess.run(
        [sys.executable, "-m", "mmactors", "backtest", str(CONF), "--json", *options],
        cwd=ROOT,
        env={**os.environ, build.SWITCH: "1"},
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["compiled"]
    assert found["orders_hash"] == orders
