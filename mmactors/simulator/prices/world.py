"""The true prices: each asset's spot and volatility at every moment, synthetic or recorded.

Owns how a path moves: synthetic ones by strategy.md's simulation rules, recorded ones by a `Recording`. A driver
advances it; its price is that of the moment it was advanced to. It must not know markets, venues or files.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from random import Random

from mmactors.config.simulator_sections import WorldConfig
from mmactors.simulator.prices.recording import Recording
from mmactors.units import YEAR_S

VOL_STEP_MS = 1000
"""Time between moves of a synthetic path's volatility."""

PAST_S = 3600
"""Length of the past that a path knows, before its start."""


class PricePath(ABC):
    """One asset's true price and annualised volatility now.

    Attributes:
        end_ms: when a recording ends, milliseconds UTC.
        live: whether there is a price.
        received_ms: when a live price was last received, milliseconds UTC.
    """

    price: float
    sigma: float
    end_ms: int | None = None
    live: bool = True
    received_ms: int | None = None

    @abstractmethod
    def advance(self, to_ms: int) -> None:
        """Advance to this time, milliseconds UTC."""

    @abstractmethod
    def past(self) -> list[tuple[int, float]]:
        """Return times (milliseconds UTC) and prices from before the start, oldest first; empty if there are none."""


class SyntheticPath(PricePath):
    """Log price with an Ornstein-Uhlenbeck log volatility (moved once a second) and rare jumps, in steps of `step_ms`.

    Source: strategy.md section 3, simulation rules.
    """

    def __init__(
        self, config: WorldConfig, start_price: float, start_ms: int, step_ms: int, rng: Random, past_seed: str = ""
    ) -> None:
        self.price = start_price
        self._past_seed = past_seed
        self._rng = rng
        self._step_ms = step_ms
        self._now_ms = start_ms
        self._annual_vol = config.annual_vol
        self._root_dt = math.sqrt(step_ms / 1000 / YEAR_S)
        self._keep = 0.5 ** (VOL_STEP_MS / 1000 / config.log_vol_half_life_s)
        self._log_vol_step = config.log_vol_sd * math.sqrt(1 - self._keep**2)
        self._jumps_per_ms = config.jumps_per_s / 1000
        self._jump_sd = config.jump_sd_bp / 10_000
        self._log_vol = rng.gauss(0.0, config.log_vol_sd)
        self._next_vol_ms = start_ms + VOL_STEP_MS
        self._next_jump_ms = math.inf
        self._plan_jump(float(start_ms))
        self.sigma = self._annual_vol * math.exp(self._log_vol)
        self._move_sd = self.sigma * self._root_dt
        self._began = (start_ms, start_price, self._log_vol)

    def past(self) -> list[tuple[int, float]]:
        """Return the hour before the start, one price a second: the same process, run backwards.

        It has randomness of its own, so that asking for the past does not change the future.
        """
        at_ms, price, log_vol = self._began
        rng = Random(self._past_seed)  # noqa: S311  a simulation, reproducible from its seed
        found: list[tuple[int, float]] = []
        for _ in range(PAST_S):
            log_vol = self._keep * log_vol + self._log_vol_step * rng.gauss(0.0, 1.0)
            move = rng.gauss(0.0, self._annual_vol * math.exp(log_vol) * math.sqrt(1 / YEAR_S))
            if rng.random() < self._jumps_per_ms * 1000:
                move += rng.gauss(0.0, self._jump_sd)
            price *= math.exp(-move)
            at_ms -= 1000
            found.append((at_ms, price))
        return found[::-1]

    def advance(self, to_ms: int) -> None:
        """Advance by whole steps, up to this time."""
        gauss, step_ms = self._rng.gauss, self._step_ms
        now = self._now_ms + step_ms
        while now <= to_ms:
            if now >= self._next_vol_ms:
                self._next_vol_ms += VOL_STEP_MS
                self._log_vol = self._keep * self._log_vol + self._log_vol_step * gauss(0.0, 1.0)
                self.sigma = self._annual_vol * math.exp(self._log_vol)
                self._move_sd = self.sigma * self._root_dt
            move = gauss(0.0, self._move_sd)
            while now >= self._next_jump_ms:
                self._plan_jump(self._next_jump_ms)
                move += gauss(0.0, self._jump_sd)
            self.price *= math.exp(move)
            self._now_ms = now
            now += step_ms

    def _plan_jump(self, after_ms: float) -> None:
        if self._jumps_per_ms:
            self._next_jump_ms = after_ms + self._rng.expovariate(self._jumps_per_ms)


class RecordedPath(PricePath):
    """A recording whose first row is at `start_ms`; a price holds until the next row, the last one for good.

    `speed` is how many seconds of the recording pass in one.
    """

    def __init__(self, recording: Recording, start_ms: int, speed: float = 1.0) -> None:
        self._times = recording.times_ms
        self._prices = recording.prices
        self._sigmas = recording.sigmas
        self._past = recording.past
        self._start_ms = start_ms
        self._speed = speed
        self._sigma_factor = math.sqrt(speed)
        self._at = 0
        self.price = recording.prices[0]
        self.sigma = recording.sigmas[0] * self._sigma_factor
        self.end_ms = start_ms + int(recording.times_ms[-1] / speed)

    def advance(self, to_ms: int) -> None:
        """Advance to the newest row not after this time."""
        elapsed = max(0, int((to_ms - self._start_ms) * self._speed))
        times, at, last = self._times, self._at, len(self._times) - 1
        while at < last and times[at + 1] <= elapsed:
            at += 1
        self._at = at
        self.price = self._prices[at]
        self.sigma = self._sigmas[min(elapsed // 1000, len(self._sigmas) - 1)] * self._sigma_factor

    def past(self) -> list[tuple[int, float]]:
        """Return the rows of the file in the hour before the first one played."""
        return [(self._start_ms + int(at / self._speed), price) for at, price in self._past]


class World:
    """Every asset's path, advanced together.

    Args:
        config: the synthetic process; `start_prices` names the assets that it can have.
        assets: the assets wanted; each has randomness of its own, from the one seed.
        recordings: by asset; with any at all, an asset without one is not in the world.

    Raises:
        ValueError: an asset has neither start price nor recording.
    """

    def __init__(
        self,
        config: WorldConfig,
        assets: tuple[str, ...],
        start_ms: int,
        step_ms: int,
        recordings: dict[str, Recording] | None = None,
    ) -> None:
        self.paths: dict[str, PricePath] = {}
        for asset in assets:
            if recordings is not None:
                if asset in recordings:
                    self.paths[asset] = RecordedPath(recordings[asset], start_ms, config.speed)
                continue
            if asset not in config.start_prices:
                raise ValueError(f"simulator.world.start_prices has no price for {asset}")
            rng = Random(f"{config.seed}:{asset}:path")  # noqa: S311  a simulation, reproducible from its seed
            past = f"{config.seed}:{asset}:past"
            self.paths[asset] = SyntheticPath(config, config.start_prices[asset], start_ms, step_ms, rng, past)

    @classmethod
    def of(cls, paths: Mapping[str, PricePath]) -> "World":
        """Return a world of given paths."""
        world = cls(WorldConfig(), (), 0, 1)
        world.paths.update(paths)
        return world

    def advance(self, to_ms: int) -> None:
        """Advance every path to this time, milliseconds UTC."""
        for path in self.paths.values():
            path.advance(to_ms)

    def price(self, asset: str) -> float:
        """Return an asset's true price now."""
        return self.paths[asset].price
