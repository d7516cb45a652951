"""Trade: `python run.py CONF [--stop-after SECONDS] [--report FILE] [--prices FILE]`."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

NEEDED = "aiohttp jwt loguru msgspec numpy pydantic pykka requests websocket yaml"
venv = Path(__file__).resolve().parent / ".venv"
if sys.version_info < (3, 11) or not all(map(find_spec, NEEDED.split())):
    python = venv / "bin" / "python"
    if Path(sys.prefix) == venv or not python.exists():
        sys.exit("mmactors: Python 3.11+ or a package it needs is missing: run `make install` beside run.py first")
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - our own interpreter

if __name__ == "__main__":
    from mmactors.cli.main import main

    sys.exit(main(["run", *sys.argv[1:]]))
