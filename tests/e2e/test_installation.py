"""An environment made for real, and a program that runs with what is in it."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from hashlib import sha256
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from patience import patience

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


def test_the_program_imports_only_what_its_lock_installs():
    pins = re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE)
    run = {canonicalize_name(pin) for pin in pins}
    beside = {
        module
        for module, owners in packages_distributions().items()
        if not any(canonicalize_name(owner) in run for owner in owners)
    }
    code = f"""
import sys, pkgutil, importlib, mmactors
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(beside - {"mmactors", "sitecustomize"})!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
for module in pkgutil.walk_packages(mmactors.__path__, "mmactors."):
    importlib.import_module(module.name)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def wheel(folder: Path, name: str) -> str:
    """Make a package that says its name; return its line of a lock."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", f"NAME = {name!r}\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return f"{name}==1.0 \\\n    --hash=sha256:{sha256(path.read_bytes()).hexdigest()}\n"


def test_a_real_environment_from_half_a_one(tmp_path):
    clone = tmp_path / "a clone"
    (clone / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "install.py", clone)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (clone / "requirements" / "run.txt").write_text(wheel(wheels, "first"))
    (clone / "requirements" / "wallet.txt").write_text(
        wheel(wheels, "second").replace("sha256:", "sha256:00")[:-3] + "\n"
    )
    (clone / "mmactors").mkdir()
    (clone / "mmactors" / "__init__.py").write_text("")
    (clone / "mmactors" / "__main__.py").write_text("import sys, first; print(first.NAME, sys.argv[1:])")
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").write_text("half made")

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=patience(100))

    done = run(sys.executable, str(clone / "install.py"))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    said = done.stderr.splitlines()
    assert said[0].startswith("mmactors: making .venv for Python ")
    assert said[1:3] == ["mmactors: fetching 1 packages of requirements/run.txt", "mmactors: installing them"]
    assert said[3].startswith("mmactors: ready after ")
    command = clone / ".venv" / "bin" / "mmactors"
    assert command.stat().st_mode & stat.S_IXUSR
    assert run(str(command), "a b").stdout == "first ['a b']\n"
    assert json.loads((clone / ".venv" / "installed.json").read_text())["parts"].keys() == {"run"}

    done = run(sys.executable, str(clone / "install.py"), "wallet")
    assert done.returncode == 1
    assert "mmactors: pip could not install them; once that is mended, try again:" in done.stderr
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (clone / ".venv" / "installed.json").exists()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The program as its wheel has it, unpacked, and an empty folder to run it from."""
    source = tmp_path_factory.mktemp("source")
    for name in ("mmactors", "conf", "setup.cfg", "pyproject.toml", "README.md"):
        copy = shutil.copy if (ROOT / name).is_file() else shutil.copytree
        copy(ROOT / name, source / name, **({"symlinks": True} if copy is shutil.copytree else {}))
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    made = tmp_path_factory.mktemp("made")
    subprocess.run([sys.executable, "-c", build, str(made)], cwd=source, check=True, capture_output=True)
    (wheel,) = made.glob("mmactors-*.whl")
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    return folder


def of_wheel(site: Path, cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(site), "MM__simulator__port": "0", "MMACTORS_COMPILED": "0"}
    return subprocess.run(
        [sys.executable, "-m", "mmactors", *args],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        timeout=patience(100),
    )


def test_an_installed_program_plays_the_arena_from_an_empty_folder(installed, tmp_path):
    done = of_wheel(installed, tmp_path, "arena", "--session", "1M", "--sessions", "1", "--only", "ours,v1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(
        "mmactors: conf/arena.yaml is not in this folder: the one that comes with the program is used\n"
    )
    assert "ours" in done.stdout


def test_an_installed_program_trades_from_an_empty_folder(installed, tmp_path):
    done = of_wheel(installed, tmp_path, "run", "conf/sim.yaml", "--stop-after", str(patience(3)), "--report", "r.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first two-sided quote" in done.stdout
    assert json.loads((tmp_path / "r.json").read_text())


def test_a_configuration_of_ones_own_comes_first_and_prod_is_always_ones_own(installed, tmp_path):
    assert of_wheel(installed, tmp_path, "check", "conf/prod.yaml").returncode == 66
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "sim.yaml").write_text("quoting: {size: 17}\n")
    done = of_wheel(installed, tmp_path, "check", "conf/sim.yaml", "--json")
    assert json.loads(done.stdout)["values"]["quoting.size"]["value"] == 17
    assert done.stderr == ""


def test_the_wheel_has_the_command_and_says_who_made_it(installed):
    (info,) = installed.glob("mmactors-*.dist-info")
    assert "mmactors = mmactors.cli.main:main" in (info / "entry_points.txt").read_text()
    assert "\nAuthor: mmactors developers\n" in (info / "METADATA").read_text()
