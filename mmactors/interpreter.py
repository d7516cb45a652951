"""Which Python carries the program out: this one if it has what is needed, else that of `.venv` beside the program.

Imports nothing that has to be installed, and reads on an old Python.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

NEEDED = ("aiohttp", "jwt", "loguru", "msgspec", "numpy", "pydantic", "pykka", "requests", "websocket", "yaml")
ROOT = Path(__file__).resolve().parents[1]
NOT_INSTALLED = 78
"""The exit code: trying again does not help."""


def must_do(command: list[str]) -> None:
    """Go on here if this Python will do; else let the other one carry out `command` instead, or end with a line."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if sys.version_info >= (3, 11) and not missing:
        return
    venv = ROOT / ".venv"
    python = venv / "bin" / "python"
    if Path(sys.prefix) != venv and python.exists():
        os.execv(str(python), [str(python), *command, *sys.argv[1:]])  # noqa: S606 - our own interpreter
    what = "the package " + missing[0] if sys.version_info >= (3, 11) else "Python 3.11 or newer"
    do = f"run `make install` in {ROOT}" if (ROOT / "install.py").exists() else "install mmactors again"
    sys.stderr.write(f"mmactors: {what} is missing: {do} first\n")
    sys.exit(NOT_INSTALLED)
