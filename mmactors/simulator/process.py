"""The embedded simulator as a child process of the program that trades on it.

Owns its start, watch and end. The child ends when its standard input closes, so it cannot outlive its parent. It must
not know what the simulator does.
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
    """The simulator did not start; `exit_code` is the program's own then.

    The text is empty if the simulator has written the reason itself.
    """

    def __init__(self, message: str, exit_code: int = 69) -> None:
        super().__init__(message)
        self.exit_code = exit_code


EXPLAINED = (66, 69, 70, 78)
"""Exit codes with which the simulator has written the reason itself."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a simulator listens."""

    port: int
    rest_url: str
    ws_url: str
    binance_url: str


class SimulatorProcess:
    """One simulator, in a process session of its own: a Ctrl-C for the program does not reach it."""

    def __init__(
        self, conf: Path, *, prices: Path | None, log: Path, environ: Mapping[str, str], start_timeout_s: float = 20.0
    ) -> None:
        """Start the simulator and wait until it listens.

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
            return Address(int(listening["port"]), listening["rest_url"], listening["ws_url"], listening["binance_url"])
        except (ValueError, KeyError, TypeError):
            code = self.stop()
            if code in EXPLAINED:
                raise SimulatorError("", code) from None
            raise SimulatorError(f"the embedded simulator {_ended(code)} before it listened") from None

    def ended(self) -> str | None:
        """Return how the simulator ended, in words; None while it runs."""
        code = self._process.poll()
        return None if code is None else _ended(code)

    def stop(self, timeout_s: float = 5.0) -> int:
        """End the simulator, or kill it after `timeout_s` seconds; return its exit code."""
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
