"""Models of a one-way delay: which one the configuration names, and delays recorded in a file.

Owns what each model draws. The usual one, even around its base, is the floor's own (`floor.Latency`); the others are
drawn from in its place. Knows no clock: whoever sends things late asks for a delay and waits it out.
"""

import math
from functools import cache
from pathlib import Path
from random import Random

from mmactors.config.schema import SimulatorConfig


class LatenciesError(ValueError):
    """A file of latencies cannot be used; the text is one line for the user."""


class Latency:
    """A one-way delay: a base and a uniform jitter around it, both in milliseconds."""

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
    """Delays around a median, in milliseconds, that are sometimes much longer: what networks have."""

    def __init__(self, median_ms: int, log_sd: float, rng: Random) -> None:
        super().__init__(median_ms, 0, rng)
        self._median_s = median_ms / 1000
        self._log_sd = log_sd
        self._gauss = rng.gauss

    def draw_s(self) -> float:
        """Draw one delay in seconds."""
        return self._median_s * math.exp(self._gauss(0.0, self._log_sd))


class RecordedLatency(Latency):
    """Delays drawn from those measured, in milliseconds, each as likely as the next."""

    def __init__(self, measured_ms: tuple[float, ...], rng: Random) -> None:
        super().__init__(0, 0, rng)
        self._measured_s = tuple(each / 1000 for each in measured_ms)
        self._choice = rng.choice

    def draw_s(self) -> float:
        """Draw one delay in seconds."""
        return self._choice(self._measured_s)


def latency_of(config: SimulatorConfig, base_ms: int, rng: Random) -> Latency:
    """Return the delays of one direction; `base_ms` is their middle, but where they are recorded.

    Raises:
        LatenciesError: the recorded ones cannot be read.
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
