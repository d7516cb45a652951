"""Models of a one-way delay: even around a base, lognormal, or drawn from a file of measured ones.

Owns what each model draws. It must not know a clock: the sender draws a delay and waits it out.
"""

import math
from functools import cache
from pathlib import Path
from random import Random

from mmactors.config.simulator_sections import SimulatorConfig


class LatenciesError(ValueError):
    """A file of delays cannot be used; the text is one line for the user."""


class Latency:
    """Delays spread evenly around a base, by a jitter; both in milliseconds."""

    def __init__(self, base_ms: int, jitter_ms: int, rng: Random) -> None:
        jitter_ms = min(jitter_ms, base_ms)
        self._base_ms = base_ms
        self._low_ms, self._width_ms = -jitter_ms, 2 * jitter_ms
        self._random = rng.random

    def draw_s(self) -> float:
        """Draw one delay in seconds."""
        delay_ms = self._base_ms + (self._low_ms + self._width_ms * self._random())
        return delay_ms / 1000 if delay_ms > 0.0 else 0.0


class LognormalLatency(Latency):
    """Lognormal delays with a median in milliseconds: some are much longer, as in networks."""

    def __init__(self, median_ms: int, log_sd: float, rng: Random) -> None:
        super().__init__(median_ms, 0, rng)
        self._median_s = median_ms / 1000
        self._log_sd = log_sd
        self._gauss = rng.gauss

    def draw_s(self) -> float:
        """Draw one delay in seconds."""
        return self._median_s * math.exp(self._gauss(0.0, self._log_sd))


class RecordedLatency(Latency):
    """Delays drawn evenly from measured ones, in milliseconds."""

    def __init__(self, measured_ms: tuple[float, ...], rng: Random) -> None:
        super().__init__(0, 0, rng)
        self._measured_s = tuple(each / 1000 for each in measured_ms)
        self._choice = rng.choice

    def draw_s(self) -> float:
        """Draw one delay in seconds."""
        return self._choice(self._measured_s)


def latency_of(config: SimulatorConfig, base_ms: int, rng: Random) -> Latency:
    """Return the delays of one direction, around `base_ms` unless they are recorded.

    Raises:
        LatenciesError: the file of recorded ones cannot be used.
    """
    if config.latency_model == "lognormal":
        return LognormalLatency(base_ms, config.latency_log_sd, rng)
    if config.latency_model == "recorded" and config.latency_file is not None:
        return RecordedLatency(_read(config.latency_file), rng)
    return Latency(base_ms, config.latency_jitter_ms, rng)


@cache
def _read(path: Path) -> tuple[float, ...]:
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise LatenciesError(f"simulator.latency_file: {path}: cannot be read ({_why(error)})") from None
    found: list[float] = []
    for line in lines:
        try:
            delay_ms = float(line)
        except ValueError:
            delay_ms = math.nan
        if not 0.0 <= delay_ms <= 60_000.0:
            raise LatenciesError(f"simulator.latency_file: {path}: {line[:40]!r} is no delay of 0 to 60000 ms")
        found.append(delay_ms)
    if not found:
        raise LatenciesError(f"simulator.latency_file: {path}: is empty; one delay in ms a line")
    return tuple(found)


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "not text"
