"""When a command is carried out by the compiled program, and what is said where there is none."""

import os
import sys
from pathlib import Path

import pytest

from mmactors.cli import main as program
from mmactors.compiled import build

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Nothing is compiled yet."""
    monkeypatch.setattr(build, "PLACE", tmp_path / "build" / "compiled")
    monkeypatch.delenv(build.SWITCH, raising=False)
    return tmp_path / "build" / "compiled"


@pytest.fixture
def executed(monkeypatch):
    calls = []
    monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
    return calls


def test_where_nothing_is_compiled_a_command_is_carried_out_here(elsewhere, executed) -> None:
    build.take_over(["backtest"])
    assert (build.place(), build.is_running(), executed) == (None, False, [])


def test_what_is_compiled_takes_over_with_the_same_arguments(elsewhere, executed, monkeypatch) -> None:
    path = elsewhere / build.digest()
    (path / "mmactors").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", "somewhere")

    build.take_over(["backtest", "conf/sim.yaml"])

    [(python, arguments, environment)] = executed
    assert python == sys.executable
    assert arguments[-4:] == ["-m", "mmactors", "backtest", "conf/sim.yaml"]
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(path), "somewhere"]
    assert environment["PYTHONSAFEPATH"] == "1"


def test_another_source_s_result_is_not_used(elsewhere, executed) -> None:
    (elsewhere / "0123456789abcdef" / "mmactors").mkdir(parents=True)
    build.take_over(["backtest"])
    assert executed == []


def test_it_can_be_switched_off(elsewhere, executed, monkeypatch) -> None:
    (elsewhere / build.digest() / "mmactors").mkdir(parents=True)
    monkeypatch.setenv(build.SWITCH, "0")
    build.take_over(["backtest"])
    assert executed == []


def test_the_digest_is_of_every_line(tmp_path, monkeypatch) -> None:
    before = build.digest()
    for path in build.PACKAGE.rglob("*.py"):
        copy = tmp_path / "mmactors" / path.relative_to(build.PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(build, "PACKAGE", tmp_path / "mmactors")
    assert build.digest() == before
    with (tmp_path / "mmactors" / "units.py").open("a") as file:
        file.write("\n")
    assert build.digest() != before


def test_a_command_of_this_process_is_handed_over_but_no_other(monkeypatch) -> None:
    handed = []
    monkeypatch.setattr(build, "take_over", lambda argv: handed.append(list(argv)))
    program.main(["backtest", "missing.yaml"])
    assert handed == []
    monkeypatch.setattr(sys, "argv", ["mmactors", "backtest", "missing.yaml"])
    assert program.main() == 66
    assert handed == [["backtest", "missing.yaml"]]
    monkeypatch.setattr(sys, "argv", ["mmactors", "check", "missing.yaml"])
    program.main()
    assert len(handed) == 1


@pytest.mark.parametrize(
    ("what", "value", "said"),
    [
        ("SETTINGS", Path("nowhere") / "setup.cfg", "compile in a checkout"),
        ("find_spec", lambda _name: None, "run `make compile`"),
    ],
    ids=["installed", "no mypyc"],
)
def test_what_is_missing_is_said_in_one_line(elsewhere, monkeypatch, capsys, what, value, said) -> None:
    monkeypatch.setattr(build, what, value)
    assert program.main(["compile"]) == 69
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("mmactors: not compiled, the program is interpreted and slower: ")
    assert said in last
    assert not list(elsewhere.glob("*"))


def test_without_a_c_compiler_it_says_so(elsewhere, monkeypatch, capsys) -> None:
    monkeypatch.setattr(build.sysconfig, "get_config_var", lambda _name: "no-such-compiler -pthread")
    assert program.main(["compile"]) == 69
    assert "a C compiler is needed" in capsys.readouterr().err
