"""Real processes for the end-to-end tests: the program and the simulator, started as a user would start them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import patience

ROOT = Path(__file__).resolve().parents[2]
SETTLED = re.compile(r"settled (YES|NO): P&L")


class Program:
    """One process with its output in files that can be read while it runs."""

    def __init__(self, folder: Path, name: str, *args: str, environ: dict[str, str]) -> None:
        self.out = folder / f"{name}.out"
        self.err = folder / f"{name}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *args], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environ
            )

    @property
    def said(self) -> str:
        return self.out.read_text(encoding="utf-8")

    @property
    def complained(self) -> str:
        return self.err.read_text(encoding="utf-8")

    def says(self, text: str, within_s: float) -> str:
        """Wait until it has said something; fail with all it said if it does not."""
        eventually(lambda: text in self.said or text in self.complained, within_s, lambda: self.said + self.complained)
        return self.said

    def settles(self, within_s: float) -> None:
        """Wait until a session of its own has an outcome."""
        eventually(lambda: SETTLED.search(self.said) is not None, within_s, lambda: self.said + self.complained)

    def stop(self, within_s: float) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.ends(within_s)

    def ends(self, within_s: float) -> int:
        try:
            return self.process.wait(patience(within_s))
        except subprocess.TimeoutExpired:
            pytest.fail(f"it did not end:\n{self.said}\n{self.complained}")


def eventually(true: Callable[[], bool], within_s: float, told: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + patience(within_s)
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {patience(within_s):g} s\n{told()}")
        time.sleep(0.05)


class Desktop:
    """A folder, an environment, and what was started in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("MM__", "DEGEN_"))},
            "MM__logs__dir": str(folder / "var"),
            "MM__simulator__port": "0",
        }
        self.started: list[Program] = []

    def start(self, name: str, *args: str) -> Program:
        program = Program(self.folder, name, *args, environ=self.environ)
        self.started.append(program)
        return program

    def config(self, text: str) -> Path:
        path = self.folder / "conf.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def report(self) -> dict:
        return json.loads((self.folder / "r.json").read_text(encoding="utf-8"))

    def end(self) -> None:
        """Kill what still runs."""
        for program in self.started:
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait()
