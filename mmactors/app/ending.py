"""How a run ends: the supervisor's verdict, or a signal that asks for an end in order.

Owns the exit code and its reason. It stops nobody: the main thread looks, and does.
"""

import signal
import time
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Ending:
    """How the run ends: set once by an actor or a signal, read by the main thread."""

    code: int = 0
    reason: str | None = None
    finished: bool = False
    signals: int = 0

    def finish(self, code: int, reason: str) -> None:
        """Note the supervisor's verdict; the first counts."""
        if not self.finished:
            self.code, self.reason, self.finished = code, reason, True

    def wait(self, timeout_s: float) -> None:
        """Wait for the supervisor's verdict; none in time is one, too."""
        deadline = time.monotonic() + timeout_s
        while not self.finished:
            if time.monotonic() >= deadline:
                self.finish(70, "the supervisor did not end the run in time")
            time.sleep(0.02)

    def on_signals(self) -> None:
        """Let the signals that end programs end this one in order; what is ignored (nohup) stays so."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, self.on_signal)

    def on_signal(self, signum: int, _frame: FrameType | None) -> None:
        """Note a signal; the main thread looks every tenth of a second."""
        self.signals += 1
        self.reason = self.reason or signal.Signals(signum).name
