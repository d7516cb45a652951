"""What a simulated exchange must say of itself: its frames, its history, and what its randomness is seeded with.

Owns the descriptor that every exchange's file fills in; the list of them is `sources.py`. Pure: knows no socket.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.simulator.prices.bars import Bars
from mmactors.simulator.prices.exchange import ExchangePath
from mmactors.simulator.venue.replies import Json

Topic = tuple[str, str]
"""A channel and a symbol."""


class UnwrittenPrices(Protocol):
    """One asset's prices as its frames would have them, without the frames; randomness moves on alike."""

    def book(self) -> tuple[float, float]:
        """Return the best bid and ask."""

    def prints(self, now_ms: int) -> list[float]:
        """Return the trades' prices since the last call."""


class Frames(Protocol):
    """Every asset's frames on one exchange."""

    @property
    def assets(self) -> Mapping[str, str]:
        """The asset of each symbol."""

    @property
    def period_ns(self) -> int:
        """How often the exchange looks for what is new."""

    def events(self, now_ms: int) -> list[tuple[str, list[tuple[Topic, Json]]]]:
        """Return what is new of each asset since the last call."""

    def unwritten(self) -> Mapping[str, UnwrittenPrices]:
        """Return every asset's prices without their frames; nothing if the exchange has no such."""


class SubscribedFrames(Frames, Protocol):
    """The frames of an exchange that is subscribed to by message."""

    def control(self, text: str, topics: dict[Topic, None]) -> tuple[list[Json | str], list[Topic]]:
        """Carry out a client's message on what it follows; return the answers and what it follows anew."""

    def latest(self, topic: Topic) -> Json | None:
        """Return what a new subscriber of a topic is sent at once."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """What tells an exchange's randomness from all other: these texts are data, recorded orders depend on them.

    Attributes:
        frames: of an asset's frames at the server, after the world's seed and the asset.
        latency: of the delays at the server, after the world's seed.
        twin_frames: of an asset's frames in virtual time, before the asset.
        twin_latency: of the delays in virtual time.
    """

    frames: str
    latency: str
    twin_frames: str
    twin_latency: str


@dataclass(frozen=True, slots=True)
class HistoryRoute:
    """An exchange's REST history.

    Attributes:
        path: the route's path.
        answer: makes status and body from each symbol's bars, the query and the time in milliseconds.
    """

    path: str
    answer: Callable[[Mapping[str, Bars], Mapping[str, str], int], tuple[int, object]]


@dataclass(frozen=True, slots=True)
class SimulatedSource:
    """One exchange as the simulator has it.

    Attributes:
        name: its price source's.
        frames: makes the frames from every asset's path, the randomness of an asset, the start in milliseconds and
            the configuration.
        history: its REST history.
        seeds: of its randomness.
        by: whether the address of a socket says what is followed, or a message.
        subscribes: whether a connection that follows nothing is closed in time.
        pings: whether a connection without frames in either direction is closed in time.
    """

    name: str
    frames: Callable[[Mapping[str, ExchangePath], Callable[[str], Random], int, SimulatorConfig], Frames]
    history: HistoryRoute
    seeds: Seeds
    by: Literal["address", "message"] = "message"
    subscribes: bool = False
    pings: bool = False
