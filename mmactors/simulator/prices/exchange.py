"""One simulated exchange: the world's prices as it has them, and whether it publishes them.

Owns the exchange's basis, its noise, the outliers it is asked to show, and the switch that tests take a feed away with.
Knows no protocol: an exchange's frames are its file's in `feeds/`.
"""

import math
from collections.abc import Mapping
from random import Random
from typing import Literal

from mmactors.config.simulator_sections import ExchangeConfig
from mmactors.simulator.prices.recording import PricesError, Recording
from mmactors.simulator.prices.world import PricePath, RecordedPath, World

NOISE_HALF_LIFE_S = 2.0

State = Literal["live", "silent", "cut"]


class ExchangePath:
    """One asset's price on one exchange: the world's, or the exchange's own recording, off by a basis and a noise.

    Args:
        path: the price it follows.
        config: basis and noise.
        rng: of the noise.
        own: whether nobody else moves the path on.
    """

    def __init__(self, path: PricePath, config: ExchangeConfig, rng: Random, *, own: bool = False) -> None:
        self.outlier = 1.0
        self._basis = 1 + config.basis_bp / 10_000
        self._path = path
        self._own = own
        self._noise_sd = config.noise_bp / 10_000
        self._noise = 0.0
        self._rng = rng
        self._now_ms: int | None = None

    @property
    def price(self) -> float:
        """The exchange's price now."""
        return self.quiet * math.exp(self._noise) * self.outlier

    @property
    def quiet(self) -> float:
        """The same without noise and outliers: what history remembers."""
        return self._path.price * self._basis

    def advance(self, now_ms: int) -> None:
        """Let the noise wander, and the recording go on if it is the exchange's own."""
        if self._own:
            self._path.advance(now_ms)
        if self._noise_sd and (self._now_ms is None or now_ms > self._now_ms):
            elapsed_s = math.inf if self._now_ms is None else (now_ms - self._now_ms) / 1000
            keep = 0.5 ** (elapsed_s / NOISE_HALF_LIFE_S)
            self._noise = keep * self._noise + self._noise_sd * math.sqrt(1 - keep**2) * self._rng.gauss(0.0, 1.0)
            self._now_ms = now_ms

    def past(self) -> list[tuple[int, float]]:
        """Return times (milliseconds) and prices from before the start, oldest first, without the noise."""
        return [(at, price * self._basis) for at, price in self._path.past()]


class Exchange:
    """An exchange's prices and its switch.

    `state` is `live`; `silent`: sockets stay and are answered, but no prices nor heartbeats come; `cut`: no sockets.
    """

    def __init__(self, name: str, paths: Mapping[str, ExchangePath]) -> None:
        self.name = name
        self.paths = dict(paths)
        self.state: State = "live"
        self._outlier_until_ms: int | None = None

    def advance(self, now_ms: int) -> None:
        """Move every price on."""
        if self._outlier_until_ms is not None and now_ms >= self._outlier_until_ms:
            self._show(1.0, None)
        for path in self.paths.values():
            path.advance(now_ms)

    def show_outlier(self, basis_points: float, now_ms: int, for_ms: int) -> None:
        """Show prices that are off by so much, for so long, to its subscribers; the world's stay as they are."""
        self._show(1 + basis_points / 10_000, now_ms + for_ms)

    def _show(self, factor: float, until_ms: int | None) -> None:
        self._outlier_until_ms = until_ms
        for path in self.paths.values():
            path.outlier = factor


def exchange(
    name: str, config: ExchangeConfig, world: World, seed: int, own: "Mapping[str, PricePath] | None" = None
) -> Exchange:
    """Make an exchange that follows the world, or recordings of its own by asset."""
    paths = {
        asset: ExchangePath(
            (own or {}).get(asset, path),
            config,
            Random(f"{seed}:{asset}:{name}:noise"),  # noqa: S311  reproducible from the seed
            own=own is not None and asset in own,
        )
        for asset, path in world.paths.items()
    }
    return Exchange(name, paths)


def own_paths(
    name: str, own: Mapping[str, Recording], played: Mapping[str, Recording] | None, start_ms: int, speed: float
) -> dict[str, PricePath]:
    """Return an exchange's own recordings as paths, each at the moment that the world's recording of the asset plays.

    Raises:
        PricesError: the world is not recorded, or was at another time.
    """
    if played is None:
        raise PricesError(f"simulator.feeds.{name}.prices: the world's own prices are no recording; give it one")
    paths: dict[str, PricePath] = {}
    for asset in own.keys() & played.keys():
        offset_ms = own[asset].first_ms - played[asset].first_ms
        if not -own[asset].times_ms[-1] < offset_ms < played[asset].times_ms[-1]:
            raise PricesError(f"simulator.feeds.{name}.prices: {asset} was recorded at another time than the world's")
        paths[asset] = RecordedPath(own[asset], start_ms + int(offset_ms / speed), speed)
    return paths
