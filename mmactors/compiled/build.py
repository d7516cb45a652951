"""The same program in machine code: what long runs in virtual time are played with, made from the source by mypyc.

Owns which modules are compiled, how they are, where the result is kept, and when a command is carried out by it. The
result belongs to exactly the source it was made from: another source, and it is not used. Nothing here knows what a
module does.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

from mmactors.compiled.rewrite import RewriteError, spelled_out

PACKAGE = Path(__file__).resolve().parents[1]
PLACE = PACKAGE.parent / "build" / "compiled"
SETTINGS = PACKAGE.parent / "setup.cfg"

SWITCH = "MMACTORS_COMPILED"
"""In the environment: 0 has everything interpreted."""

KEPT = 3
"""How many sources' results stay: an earlier one may still be running."""

MODULES = (
    "messages/*",
    "units",
    "core/**/*",
    "runtime/lanes",
    "runtime/event_loop",
    "runtime/role",
    "actors/addresses",
    "actors/feed",
    "actors/gateway",
    "actors/market",
    "actors/reference",
    "actors/risk",
    "actors/routing",
    "actors/supervisor",
    "actors/tree",
    "venue/degen/batches",
    "venue/degen/capabilities",
    "venue/degen/codec",
    "venue/degen/protocol",
    "venue/degen/replies",
    "simulator/feeds/binance",
    "simulator/models/*",
    "simulator/prices/exchange",
    "simulator/prices/fixings",
    "simulator/prices/live",
    "simulator/prices/world",
    "simulator/server/encoder",
    "simulator/server/hub",
    "simulator/server/order_sessions",
    "simulator/venue/book",
    "simulator/venue/engine",
    "simulator/venue/ledger",
    "simulator/venue/market",
    "simulator/venue/matching",
    "simulator/venue/participants",
    "simulator/venue/simulation",
    "simulator/venue/venue_log",
    "backtest/audit_tap",
    "backtest/core_run",
    "backtest/environment",
    "backtest/journal_stand_in",
    "backtest/links",
    "backtest/object_links",
    "backtest/session_metrics",
    "audit/auditor",
    "audit/limits",
    "audit/order_rules",
    "audit/result",
    "audit/session",
)
"""What takes the time of a run, and what that calls."""

BASES = {
    "runtime/role": ("Out", "Role"),
    "simulator/venue/matching": ("Recorder",),
    "simulator/venue/simulation": ("SpotRecorder",),
    "backtest/links": ("VirtualFeed",),
    "backtest/session_metrics": ("SessionMetrics",),
}
"""Their classes that others inherit from which are not compiled."""

BUILD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.command.build_ext import build_ext

class Build(build_ext):
    def build_extensions(self):
        one = self.compiler.compile
        def several(sources, **options):
            with ThreadPoolExecutor() as pool:
                found = list(pool.map(lambda source: one([source], **options), sources))
            return [path for paths in found for path in paths]
        self.compiler.compile = several
        super().build_extensions()

settings = ["--config-file=setup.cfg", "--no-warn-unused-ignores"]
modules = mypycify([*settings, *sys.argv[1:]], opt_level="3", debug_level="0", multi_file=True)
build = Build(Distribution({"name": "mmactors", "ext_modules": modules, "packages": []}))
build.inplace = True
build.ensure_finalized()
build.run()
"""


class CompileError(Exception):
    """There is nothing to compile with, or it failed; says what to do."""


def digest() -> str:
    """Return what distinguishes this source, on this Python, from every other."""
    if is_running():
        return PACKAGE.parent.name
    found = blake2b((sysconfig.get_config_var("EXT_SUFFIX") or "").encode(), digest_size=8)
    for path in sorted(PACKAGE.rglob("*.py")):
        found.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes())
    return found.hexdigest()


def place() -> Path | None:
    """Return the folder that holds this source compiled, for `sys.path`; None if it is not compiled."""
    path = PLACE / digest()
    return path if (path / PACKAGE.name).is_dir() else None


def is_running() -> bool:
    """Say whether this very code is the compiled one's."""
    return PACKAGE.parents[1].parts[-2:] == PLACE.parts[-2:]


def take_over(argv: Sequence[str]) -> None:
    """Let the compiled program carry out a command in this one's stead, if this source is compiled: does not return."""
    path = None if is_running() or os.environ.get(SWITCH) == "0" else place()
    if path is not None:
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        paths = os.pathsep.join(filter(None, (str(path), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}  # processes started by it, too
        os.execve(sys.executable, [sys.executable, *flags, "-m", PACKAGE.name, *argv], environment)  # noqa: S606


def build() -> Path:
    """Compile this source, which takes a minute or two; return where it is.

    Raises:
        CompileError: mypyc or a C compiler is missing, or one of them refused.
    """
    found = place()
    if found is not None:
        return found
    if not SETTINGS.exists():
        raise CompileError("this is an installed package: compile in a checkout of the project")
    if find_spec("mypyc") is None or find_spec("setuptools") is None:
        raise CompileError("mypy and setuptools are needed for it: run `make compile`")
    if shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None:
        raise CompileError("a C compiler is needed for it: install gcc, as by `apt-get install gcc`")
    wanted = PLACE / digest()
    work = PLACE / f"making-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        shutil.copytree(PACKAGE, work / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(SETTINGS, work)
        paths = [path for each in MODULES for path in sorted(work.glob(f"{PACKAGE.name}/{each}.py"))]
        paths = [path for path in paths if path.name != "__init__.py"]
        for path in paths:
            name = str(path.relative_to(work / PACKAGE.name).with_suffix(""))
            path.write_text(spelled_out(path.read_text(), BASES.get(name, ())))
        command = [sys.executable, "-c", BUILD, *(str(path.relative_to(work)) for path in paths)]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise CompileError(_last_words(done.stdout + done.stderr))
        for path in (work / "build", work / ".mypy_cache"):
            shutil.rmtree(path, ignore_errors=True)
        work.rename(wanted)
        made = sorted((path for path in PLACE.iterdir() if "-" not in path.name), key=lambda path: path.stat().st_mtime)
        for old in made[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    except (RewriteError, OSError) as error:
        if not wanted.is_dir():  # another process may have been first
            raise CompileError(str(error)) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return wanted


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if "error" in line.lower()]
    return (lines or output.strip().splitlines() or ["no reason given"])[-1]
