"""The embedded simulator as a child process: started, watched and ended by the program that trades on it.

The child reads a pipe and ends when that closes, so that it cannot outlive its parent, however that dies.
"""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SimulatorError(Exception):
    """The simulator did not start. `exit_code` is what the program should end with.

    The message is empty if the simulator itself has said why.
    """

    def __init__(self, message: str, exit_code: int = 69) -> None:
        super().__init__(message)
        self.exit_code = exit_code


EXPLAINED = (66, 69, 70, 78)
"""With these exit codes it has said why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a simulator listens."""

    port: int
    rest_url: str
    ws_url: str


class SimulatorProcess:
    """One simulator, in a session of its own (a Ctrl-C meant for the program does not reach it)."""

    def __init__(
        self, conf: Path, *, prices: Path | None, log: Path, environ: Mapping[str, str], start_timeout_s: float = 20.0
    ) -> None:
        """Start it and wait until it listens.

        Raises:
            SimulatorError: it ended first, or did not listen in time.
        """
        command = [sys.executable, "-m", "mmactors", "simulator", str(conf), "--watch-stdin"]
        if prices is not None:
            command += ["--prices", str(prices)]
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environ, "MM__simulator__log": str(log)},
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.address = self._await_address(start_timeout_s)

    def _await_address(self, timeout_s: float) -> Address:
        assert self._process.stdout is not None
        overdue = threading.Timer(timeout_s, self._process.kill)
        overdue.start()
        try:
            line = self._process.stdout.readline()
        finally:
            overdue.cancel()
        try:
            listening = json.loads(line)["listening"]
            return Address(int(listening["port"]), listening["rest_url"], listening["ws_url"])
        except (ValueError, KeyError, TypeError):
            code = self.stop()
            if code in EXPLAINED:
                raise SimulatorError("", code) from None
            raise SimulatorError(f"the embedded simulator {_ended(code)} before it listened") from None

    def ended(self) -> str | None:
        """Say how the simulator ended, or None while it runs."""
        code = self._process.poll()
        return None if code is None else _ended(code)

    def stop(self, timeout_s: float = 5.0) -> int:
        """End it, its log written; kill it if it does not listen. Returns its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        return self._process.returncode


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
