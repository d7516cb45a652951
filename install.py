"""Set up `.venv` with what the program needs, from the lock: `python3 install.py [EXTRA ...]`.

Owns the environment: it is made anew unless it is known to be whole, of this Python, in this folder and from these
locks. Knows no package by name. Needs nothing but Python, and reads on an old one, to say that it is too old.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = ROOT / "requirements"
WHOLE = VENV / "installed.json"
"""What is installed. Written last and removed first, so that an interrupted installation is none."""

PROGRAM, EVERYTHING = "run", "dev"
OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")


class SetupError(Exception):
    """The environment cannot be made; the text says why and what to do."""


def main(extras: list[str]) -> int:
    """Install the program, and the extras, as far as they are not there; return the exit code."""
    if sys.version_info < OLDEST:
        for name in NEWER:
            found = shutil.which(name)
            if found:
                os.execv(found, [found, __file__, *extras])  # noqa: S606 - the same script, by a newer Python
        tell(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and this is {sys.version.split()[0]}")
        return 1
    try:
        install([PROGRAM, *(extra for extra in extras if extra != PROGRAM)])
    except SetupError as error:
        tell(str(error))
        return 1
    except KeyboardInterrupt:
        tell("interrupted; the same command begins anew")
        return 130
    return 0


def install(parts: list[str]) -> None:
    """Make the environment have these parts, each a lock by its name.

    Raises:
        SetupError: there is no such part, or it cannot be installed.
    """
    known = sorted(path.stem for path in LOCKS.glob("*.txt"))
    if unknown := [part for part in parts if part not in known]:
        raise SetupError(f"there is no extra {', '.join(unknown)}; there are {', '.join(known)}")
    made_for = [sys.version, sys.base_prefix, str(ROOT)]
    wanted = {part: hashlib.sha256((LOCKS / f"{part}.txt").read_bytes()).hexdigest() for part in known}
    there = whole_parts(made_for, wanted)
    missing = [part for part in parts if part not in there and EVERYTHING not in there]
    if not missing:
        return
    began = time.monotonic()
    if not there:
        make_anew()
    WHOLE.unlink(missing_ok=True)
    fetch(missing)
    enter()
    WHOLE.write_text(json.dumps({"for": made_for, "parts": {part: wanted[part] for part in [*there, *missing]}}))
    packages = sum(1 for _ in VENV.glob("lib/python*/site-packages/*.dist-info"))
    size_mb = sum(path.lstat().st_size for path in VENV.rglob("*")) / 1e6
    tell(f"ready after {time.monotonic() - began:.0f} s: {packages} packages, {size_mb:.0f} MB in {VENV.name}")


def whole_parts(made_for: list[str], wanted: dict[str, str]) -> list[str]:
    """Return the parts that are installed; none if one of them is from another lock, or for another place."""
    try:
        there = json.loads(WHOLE.read_text())
        parts: dict[str, str] = there["parts"]
        as_wanted = there["for"] == made_for and all(wanted.get(part) == digest for part, digest in parts.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return list(parts) if as_wanted and os.access(PYTHON, os.X_OK) else []


def make_anew() -> None:
    """Make an empty environment in place of whatever is there."""
    tell(f"making {VENV.name} for Python {sys.version.split()[0]}")
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    python = getattr(sys, "_base_executable", sys.executable)  # not the one in the folder just removed
    done = subprocess.run(  # noqa: S603 - this very Python
        [python, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise SetupError(f"{python} -m venv failed: {' '.join(done.stdout.split())}")


def fetch(parts: list[str]) -> None:
    """Install what the locks of these parts name: exactly these versions, and only files with these digests."""
    locks = [f"requirements/{part}.txt" for part in parts]
    names = {name for lock in locks for name in locked(ROOT / lock)}
    tell(f"fetching {len(names)} packages of {', '.join(locks)}")
    options = ["--no-deps", "--require-hashes", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command = [str(PYTHON), "-m", "pip", "install", *options]
    for lock in locks:
        command += ["-r", lock]
    lines: list[str] = []
    fetched = 0
    with subprocess.Popen(  # noqa: S603 - pip of this environment
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            lines.append(line.strip())
            if line.startswith("Collecting "):
                fetched += 1
                show(f"{fetched}/{len(names)} {line.split()[1]}")
            elif line.startswith("Installing collected packages"):
                show("")
                tell("installing them")
    show("")
    if pip.returncode:
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise SetupError("\n".join(["pip could not install them; once that is mended, try again:", *errors[-5:]]))


def locked(lock: Path) -> set[str]:
    """Return the packages that a lock names for this kind of machine."""
    found = re.findall(r"^([\w.\[\]-]+)==[^;\s]+(.*)$", lock.read_text(), re.MULTILINE)
    return {name for name, condition in found if "'win32'" not in condition}


def enter() -> None:
    """Let the environment know this folder: `import mmactors` and the command `mmactors` work from anywhere."""
    for packages in VENV.glob("lib/python*/site-packages"):
        (packages / "mmactors.pth").write_text(f"{ROOT}\n")
    command = VENV / "bin" / "mmactors"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(str(PYTHON))} -m mmactors "$@"\n')
    command.chmod(0o755)


def tell(text: str) -> None:
    """Write lines about what goes on."""
    for line in text.splitlines():
        sys.stderr.write(f"mmactors: {line}\n")
    sys.stderr.flush()


def show(text: str) -> None:
    """Show on a terminal how far it is, in place of what was shown before."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        sys.stderr.write(f"\r{text[:70]:<70}\r")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
