"""What is installed, and from what: setup.cfg, the locks and everything that installs from them are in step."""

import re
from configparser import ConfigParser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mmactors import __version__

ROOT = Path(__file__).parents[2]
UNIT = ("systemd", "mmactors@.service")
LOCKS = {path.stem: path.read_text() for path in sorted((ROOT / "requirements").glob("*.txt"))}


def asked() -> dict[str, list[Requirement]]:
    """What setup.cfg asks for, by the lock that must hold it."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    parts = {"run": settings["options"]["install_requires"], **settings["options.extras_require"]}
    return {part: [Requirement(line) for line in lines_of(text)] for part, text in parts.items()}


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def locked(*parts: str) -> dict[str, list[Requirement]]:
    """The packages of locks that this machine needs, each with its pins."""
    pins: dict[str, list[Requirement]] = {}
    for part in dict.fromkeys(parts):
        for line in re.findall(r"^[^\s#].*==[^\\\n]*", LOCKS[part], re.MULTILINE):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate():
                pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


def needed(requirements: list[Requirement]) -> set[str]:
    """The packages that these need, and those need, as they are installed here."""
    found: set[str] = set()
    open_ = [(canonicalize_name(each.name), frozenset(each.extras)) for each in requirements]
    seen = set(open_)
    while open_:
        name, extras = open_.pop()
        found.add(name)
        for line in distribution(name).requires or ():
            each = Requirement(line)
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                entry = (canonicalize_name(each.name), frozenset(each.extras))
                if entry not in seen:
                    seen.add(entry)
                    open_.append(entry)
    return found


@pytest.mark.parametrize("part", asked())
def test_what_setup_cfg_asks_for_is_locked(part):
    pins = locked("run", part)
    for each in asked()[part]:
        (pin,) = pins[canonicalize_name(each.name)]
        (version,) = (specifier.version for specifier in pin.specifier)
        assert each.specifier.contains(version), f"{each} is locked as {version}: make lock"


def test_every_extra_has_a_lock_and_every_lock_an_extra():
    assert sorted(asked()) == sorted(LOCKS)
    assert set(re.search(r"^EXTRAS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()) == (
        set(LOCKS) - {"run", "dev"}
    )


def test_the_programs_lock_holds_what_it_needs_and_nothing_else():
    assert set(locked("run")) == needed(asked()["run"])


def test_the_other_locks_hold_what_they_need_beside_the_programs():
    run = set(locked("run"))
    for part in set(LOCKS) - {"run", "dev"}:
        assert set(locked(part)) == needed(asked()[part]) - run, part
    everything = [each for requirements in asked().values() for each in requirements]
    assert set(locked("dev")) == needed(everything) - run


def test_the_locks_agree_on_every_version():
    pins: dict[tuple[str, str], set[str]] = {}
    for text in LOCKS.values():
        for name, version, marker in re.findall(r"^([^\s#=]+)==([^\s;\\]+)(.*?)\\?$", text, re.MULTILINE):
            where = re.findall(r"python_full_version [<>=]+ '[\d.]+'", marker)
            pins.setdefault((name, "".join(where)), set()).add(version)
    assert [key for key, versions in pins.items() if len(versions) > 1] == []


def test_every_pin_has_digests_and_no_lock_says_where_from():
    for part, text in LOCKS.items():
        for pin in re.split(r"^(?=[^\s#])", text, flags=re.MULTILINE)[1:]:
            assert re.match(r"[\w.-]+==\S+ .*\\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", pin), (part, pin[:80])
        assert "://" not in text
        assert not re.search(r"^-", text, re.MULTILINE)


def test_the_image_and_the_service_install_from_the_lock_and_run_what_make_runs():
    image, unit, make = (ROOT.joinpath(*at).read_text() for at in (["Dockerfile"], UNIT, ["Makefile"]))
    run = re.search(r"^run: install\n\t@exec \$\(BIN\)/python (.*)$", make, re.MULTILINE)[1]
    assert re.search(r"^install:\n\t@\$\(PYTHON\) install\.py$", make, re.MULTILINE)
    assert "\nRUN python3 install.py\n" in image
    assert "`python3 install.py`" in unit
    python = "/opt/mmactors/.venv/bin/python"
    assert f'ENTRYPOINT ["{python}", "{run.split()[0]}"]\nCMD ["{run.split()[1]}"]\n' in image
    assert f"ExecStart={python} {run.split()[0]} conf/%i.yaml\n" in unit


def test_the_image_has_what_its_commands_need():
    image, wanted = (ROOT / "Dockerfile").read_text(), (ROOT / ".dockerignore").read_text().splitlines()
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", image, re.MULTILINE) for name in line.split()]
    assert sorted(copied) == sorted(line[1:] for line in wanted if line.startswith("!"))
    assert all((ROOT / name).exists() for name in copied)
    lowest = tuple(map(int, re.search(r"python_requires = >=(\d+)\.(\d+)", (ROOT / "setup.cfg").read_text()).groups()))
    assert tuple(map(int, re.search(r"^FROM python:(\d+)\.(\d+)-slim$", image, re.MULTILINE).groups())) >= lowest


def test_the_version_has_its_changes():
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(__version__)}\b", changes, re.MULTILINE)
