"""When sessions are listed, opened, closed and resolved.

Owns the rolling series of sessions and the strikes drawn for them. It returns what is due; the caller does it. It must
not know the venue, accounts or a clock.
"""

import heapq
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Literal

from mmactors.config.simulator_sections import SessionsConfig, SettlementConfig
from mmactors.units import YEAR_S

RESOLVE_AFTER_MS = 1000
"""Delay from a session's close to its resolution; the price at the close decides."""

STRIKE_SIGMAS = 2.0
"""An offset strike lies within this many session standard deviations of the price."""

_UNIT_MS = {"S": 1000, "M": 60_000, "H": 3_600_000, "D": 86_400_000}
Event = Literal["closed", "resolved", "opened", "listed"]
_ORDER: tuple[Event, ...] = ("closed", "resolved", "opened", "listed")
_ENDS = ("closed", "resolved")


def duration_ms(label: str) -> int:
    """Return the length of a session named like 1M, 5M, 15M or 1H, in milliseconds.

    Raises:
        ValueError: the label is not a number and one of S, M, H, D.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,5})([SMHD])", label)
    if match is None:
        raise ValueError(f"simulator.sessions: a duration is like 1M, 5M, 15M or 1H, not {label!r}")
    return int(match[1]) * _UNIT_MS[match[2]]


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a series; times in milliseconds UTC, `tick` in micro-dollars.

    `averaged_strike`: its strike is the mean of the fixings before its open, as many as its settlement has.
    """

    id: str
    asset: str
    duration_s: int
    opens_at: int
    expires_at: int
    tick: int
    settlement: SettlementConfig
    averaged_strike: bool


@dataclass(frozen=True, slots=True)
class Due:
    """One event of a session, and when it happens."""

    at_ms: int
    event: Event
    session: Session


class Series:
    """Sessions of one asset and length, one after the other; the first began `elapsed_s` before `start_ms`.

    With several strikes, that many sessions run at the same time, `-K1` to `-Kn` in the order of their strikes.
    """

    def __init__(self, config: SessionsConfig, start_ms: int, rng: Random, label: str) -> None:
        self.asset = config.asset
        self._config = config
        self._length_ms = duration_ms(config.duration)
        self.restart(start_ms)
        self._rng = rng
        self._label = label
        self._centre = (0, 0.0, 0.0)

    def restart(self, start_ms: int) -> None:
        """Start the series again, with a first session that began `elapsed_s` before this time."""
        self._next_open = start_ms - round(self._config.elapsed_s * 1000) % self._length_ms

    @property
    def next_span(self) -> tuple[int, int]:
        """When the next session opens and expires, milliseconds UTC."""
        return self._next_open, self._next_open + self._length_ms

    def take(self) -> list[Session]:
        """Return the next sessions, one for each strike, and advance to those after."""
        opens_at, expires_at = self.next_span
        self._next_open = expires_at
        stamp = datetime.fromtimestamp(opens_at / 1000, UTC).strftime("%Y%m%dT%H%M%S")
        name = f"{self.asset}-{self._config.duration}-{stamp}Z{self._label}"
        tick = round(self._config.tick * 1_000_000)
        ids = [name] if self._config.strikes == 1 else [f"{name}-K{n + 1}" for n in range(self._config.strikes)]
        terms = tick, self._config.settlement, self._config.strike == "avg"
        return [Session(each, self.asset, self._length_ms // 1000, opens_at, expires_at, *terms) for each in ids]

    def strike(self, session: Session, price: float, sigma: float) -> float:
        """Draw a strike at the open; strikes of the same open lie `strike_spacing_sd` session sigmas apart.

        The middle one is the price, or, for a configured share of the opens, within two session sigmas of it.
        """
        if self._centre[0] != session.opens_at:
            deviation = sigma * math.sqrt(self._length_ms / 1000 / YEAR_S)
            if self._rng.random() < self._config.strike_offset_share:
                price *= math.exp(self._rng.uniform(-STRIKE_SIGMAS, STRIKE_SIGMAS) * deviation)
            self._centre = (session.opens_at, price, deviation)
        _, price, deviation = self._centre
        if self._config.strikes > 1:
            number = int(session.id.rpartition("-K")[2])
            steps = number - (self._config.strikes + 1) / 2
            price *= math.exp(steps * self._config.strike_spacing_sd * deviation)
        return round(price, 2 if price >= 100 else 6)


class Calendar:
    """All series, and the events due next.

    Args:
        series: configured series; two alike get distinct ids.
        start_ms: when the simulation starts.
        listed_before_s: how long before its open a session is listed, seconds; negative for after it.
        seed: of the strikes.
        ends: when an asset's prices end, milliseconds UTC, None for never: no session is listed that expires later. An
            asset that is not a key has no sessions before `begin`.
    """

    def __init__(
        self,
        series: tuple[SessionsConfig, ...],
        start_ms: int,
        listed_before_s: float,
        seed: int,
        ends: dict[str, int | None],
    ) -> None:
        self._start_ms = start_ms
        self._listed_before_ms = round(listed_before_s * 1000)
        self._ends = ends
        self._agenda: list[tuple[int, int, int, str, Session | None]] = []
        self._series: list[Series] = []
        self._of: dict[str, Series] = {}
        self.running = 0
        alike: dict[tuple[str, str], int] = {}
        for config in series:
            count = alike[config.asset, config.duration] = alike.get((config.asset, config.duration), 0) + 1
            rng = Random(f"{seed}:{config.asset}:{config.duration}:{count}:strikes")  # noqa: S311  reproducible
            self._series.append(Series(config, start_ms, rng, "" if count == 1 else f"-{count}"))
        for number in range(len(self._series)):
            self._plan(number)

    def begin(self, asset: str, now_ms: int) -> None:
        """Start the sessions of an asset that had none, the first as old as configured."""
        self._start_ms = now_ms
        self._ends[asset] = None
        for number, series in enumerate(self._series):
            if series.asset == asset:
                series.restart(now_ms)
                self._plan(number)

    @property
    def next_ms(self) -> int | None:
        """When the next event is due, milliseconds UTC; None if there is none."""
        return self._agenda[0][0] if self._agenda else None

    def pop(self) -> Due:
        """Return the next event. A listing plans the session's later events and the next session of its series."""
        at_ms, kind, number, _, session = heapq.heappop(self._agenda)
        event = _ORDER[kind]
        if session is None:
            session, *others = self._series[number].take()
            for each in others:
                self._push(at_ms, "listed", number, each)
            self.running -= 1
            self._plan(number)
        if event == "listed":
            self._of[session.id] = self._series[number]
            self._push(max(session.opens_at, at_ms), "opened", number, session)
            self._push(session.expires_at, "closed", number, session)
            self._push(session.expires_at + RESOLVE_AFTER_MS, "resolved", number, session)
        elif event == "resolved":
            del self._of[session.id]
        return Due(at_ms, event, session)

    def move(self, session_id: str, closes_at: int) -> None:
        """Move the close and the resolution of a session that has not ended."""
        for entry in [each for each in self._agenda if each[3] == session_id and _ORDER[each[1]] in _ENDS]:
            self._agenda.remove(entry)
            _, kind, number, _, session = entry
            assert session is not None
            at_ms = closes_at if _ORDER[kind] == "closed" else closes_at + RESOLVE_AFTER_MS
            self._agenda.append((at_ms, kind, number, session_id, session))
        heapq.heapify(self._agenda)

    def remove(self, session_id: str, *events: Event) -> None:
        """Remove these events of a session, or all of them if none is named."""
        self._agenda = [
            each for each in self._agenda if each[3] != session_id or (events and _ORDER[each[1]] not in events)
        ]
        heapq.heapify(self._agenda)

    def strike(self, session: Session, price: float, sigma: float) -> float:
        """Draw a session's strike, at its open."""
        return self._of[session.id].strike(session, price, sigma)

    def _plan(self, number: int) -> None:
        series = self._series[number]
        opens_at, expires_at = series.next_span
        if series.asset not in self._ends:
            return
        end = self._ends[series.asset]
        if end is not None and expires_at > end:
            return
        self.running += 1
        at_ms = max(opens_at - self._listed_before_ms, self._start_ms)
        heapq.heappush(self._agenda, (at_ms, _ORDER.index("listed"), number, "~", None))

    def _push(self, at_ms: int, event: Event, number: int, session: Session) -> None:
        heapq.heappush(self._agenda, (at_ms, _ORDER.index(event), number, session.id, session))
