"""What install.py does about the environment that it finds: nothing, add to it, or make it anew."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "install.py"


def install_in(folder: Path):
    """The script as a clone's own."""
    spec = importlib.util.spec_from_file_location("install", folder / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "a clone"
    (folder / "requirements").mkdir(parents=True)
    shutil.copy(SCRIPT, folder)
    for part in ("run", "wallet", "dev"):
        (folder / "requirements" / f"{part}.txt").write_text(f"{part}-package==1.0 \\\n    --hash=sha256:00\n")
    return folder


@pytest.fixture
def did(monkeypatch):
    """What was done, in order; `setup` is the script with that alone in place of venv and pip."""
    done: list[object] = []

    def setup(folder: Path, *extras: str, fails: BaseException | str | None = None, python: str | None = None) -> int:
        script = install_in(folder)

        def make_anew() -> None:
            done.append("anew")
            shutil.rmtree(script.VENV, ignore_errors=True)
            (script.VENV / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
            script.PYTHON.parent.mkdir()
            script.PYTHON.symlink_to(sys.executable)

        def fetch(parts: list[str]) -> None:
            done.append(parts)
            if fails:
                raise script.SetupError(fails) if isinstance(fails, str) else fails

        monkeypatch.setattr(script, "make_anew", make_anew)
        monkeypatch.setattr(script, "fetch", fetch)
        if python:
            monkeypatch.setattr(sys, "version", python)
        return script.main(list(extras))

    done.append(setup)
    return done


def test_the_program_is_installed_once(clone, did):
    setup = did.pop()
    assert setup(clone) == setup(clone) == 0
    assert did == ["anew", ["run"]]


def test_an_extra_is_added_to_what_is_there(clone, did):
    setup = did.pop()
    setup(clone)
    assert setup(clone, "wallet") == setup(clone, "wallet") == setup(clone) == 0
    assert did == ["anew", ["run"], ["wallet"]]


def test_everything_has_the_extras_within_it(clone, did):
    setup = did.pop()
    setup(clone, "dev")
    assert setup(clone, "wallet") == 0
    assert did == ["anew", ["run", "dev"]]


@pytest.mark.parametrize("part", ["run", "wallet"])
def test_another_lock_makes_it_anew(clone, did, part):
    setup = did.pop()
    setup(clone, "wallet")
    (clone / "requirements" / f"{part}.txt").write_text("other==2.0")
    assert setup(clone, "wallet") == 0
    assert did == ["anew", ["run", "wallet"]] * 2


def test_a_lock_that_is_not_installed_may_change(clone, did):
    setup = did.pop()
    setup(clone)
    (clone / "requirements" / "dev.txt").write_text("other==2.0")
    assert setup(clone) == 0
    assert did == ["anew", ["run"]]


def test_a_moved_folder_makes_it_anew(clone, did):
    setup = did.pop()
    setup(clone)
    moved = clone.rename(clone.with_name("moved"))
    assert setup(moved) == 0
    assert did == ["anew", ["run"]] * 2
    (pth,) = moved.glob(".venv/lib/python*/site-packages/mmactors.pth")
    assert pth.read_text().strip() == str(moved)


def test_another_python_makes_it_anew(clone, did):
    setup = did.pop()
    setup(clone)
    assert setup(clone, python="3.99.0") == 0
    assert did == ["anew", ["run"]] * 2


def test_a_python_that_is_gone_makes_it_anew(clone, did):
    setup = did.pop()
    setup(clone)
    python = clone / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(clone / "gone")
    assert setup(clone) == 0
    assert did == ["anew", ["run"]] * 2


@pytest.mark.parametrize(("fails", "code"), [(KeyboardInterrupt(), 130), ("no network", 1)])
def test_an_installation_cut_short_makes_it_anew(clone, did, fails, code):
    setup = did.pop()
    assert setup(clone, fails=fails) == code
    assert setup(clone) == 0
    assert did == ["anew", ["run"]] * 2


def test_an_extra_cut_short_makes_it_anew(clone, did):
    setup = did.pop()
    setup(clone)
    assert setup(clone, "wallet", fails=KeyboardInterrupt()) == 130
    assert setup(clone) == 0
    assert did == ["anew", ["run"], ["wallet"], "anew", ["run"]]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"for": 1, "parts": {}}', "\x00"])
def test_a_record_that_says_nothing_makes_it_anew(clone, did, content):
    setup = did.pop()
    setup(clone)
    (clone / ".venv" / "installed.json").write_text(content)
    assert setup(clone) == 0
    assert did == ["anew", ["run"]] * 2


def test_an_unknown_extra_is_one_line(clone, did, capsys):
    setup = did.pop()
    assert setup(clone, "walet") == 1
    assert capsys.readouterr().err == "mmactors: there is no extra walet; there are dev, run, wallet\n"
    assert did == []


def test_an_old_python_is_one_line_where_there_is_no_newer(clone, did, capsys, monkeypatch):
    setup = did.pop()
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert setup(clone) == 1
    assert capsys.readouterr().err.startswith("mmactors: Python 3.11 or newer is needed, and this is ")


def test_an_old_python_hands_over_to_a_newer(clone, did, monkeypatch):
    setup = did.pop()
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}" if name == "python3.12" else None)
    monkeypatch.setattr(os, "execv", lambda *call: (_ for _ in ()).throw(KeyError(call)))
    with pytest.raises(KeyError) as handed:
        setup(clone, "wallet")
    script = str(clone / "install.py")
    assert handed.value.args[0] == ("/opt/python3.12", ["/opt/python3.12", script, "wallet"])
