"""Every command of README.md and docs/, as it stands there, in the order of its page.

Those in ```sh blocks are carried out, each page's in a folder of its own; a block below `<!-- parsed: REASON -->`, and
what stands in the text as `code`, is only read by the command line's own parser.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from patience import patience

from mmactors.cli import main

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(patience(300))]

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PARSED = re.compile(r"<!-- parsed: \S.* -->")
INLINE = re.compile(r"`((?:python (?:run\.py|-m mmactors)|make)(?: [^`]*)?)`")
PLACEHOLDER = re.compile(r"\[|(?<![\w=])[A-Z]{2,}\b(?!__)")
OTHERS = {"curl", "systemctl", "chromium"}


class Command(NamedTuple):
    """A command, the variables set before it, and whether it is carried out."""

    words: list[str]
    environ: dict[str, str]
    run: bool


def commands(page: Path) -> Iterator[Command]:
    fence: str | None = None
    parsed = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fence = line[3:].strip() if fence is None else None
            parsed = parsed and fence is not None
        elif fence == "sh":
            words = shlex.split(line, comments=True)
            if words:
                yield command(words, run=not parsed)
        elif fence is None:
            parsed = PARSED.fullmatch(line) is not None or (parsed and not line)
            for found in INLINE.finditer(line):
                if not PLACEHOLDER.search(found[1]):
                    yield command(shlex.split(found[1]), run=False)


def command(words: list[str], *, run: bool) -> Command:
    environ = {}
    while re.fullmatch(r"\w+=.*", words[0]):
        name, _, value = words.pop(0).partition("=")
        environ[name] = value
    return Command(words, environ, run)


def read(words: list[str]) -> None:
    """Have the command line's parser, or make, read a command without carrying it out."""
    match words:
        case ["python", "run.py", *rest]:
            main.parser().parse_args(["run", *rest])
        case ["python", "-m", "mmactors"]:
            pass
        case ["python", "-m", "mmactors", *rest]:
            main.parser().parse_args(rest)
        case ["python", "-m", "pytest", *rest]:
            assert [path for path in rest if path.startswith("tests/") and not (ROOT / path).exists()] == []
        case ["python", script]:
            assert (ROOT / script).is_file()
        case ["make", target]:
            subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True, timeout=patience(60))
        case [program, *_]:
            assert program in OTHERS, f"what is {program}?"


def readable(words: list[str]) -> bool:
    """Whether the parser takes a command; a request for help ends it with 0."""
    try:
        read(words)
    except SystemExit as end:
        return end.code == 0
    return True


def carry_out(words: list[str], environ: dict[str, str], folder: Path) -> None:
    assert words[0] == "python", f"mark it as parsed: {shlex.join(words)}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MM__", "DEGEN_"))}
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), "MM__simulator__port": "0", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(200),
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout[-2000:]}\n{done.stderr}"
    assert done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_page_does_what_it_should(page, tmp_path):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "run.py").symlink_to(ROOT / "run.py")
    for words, environ, run in commands(page):
        assert readable(words), shlex.join(words)
        if run:
            carry_out(words, environ, tmp_path)


def test_commands_are_found_where_they_should_be():
    found = {page.name: list(commands(page)) for page in PAGES}
    assert sum(each.run for each in found["README.md"]) >= 4
    assert sum(each.run for each in found["start.md"]) >= 5
    assert len([each for each in found["operate.md"] if not each.run]) >= 6
    assert ["make", "install-research"] in [each.words for each in found["research.md"]]
