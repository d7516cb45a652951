"""Prices from outside: a venue that begins with the first, halts without one, and settles on none that is dead."""

from random import Random
from typing import Any

import pytest

from mmactors.config.simulator_sections import SessionsConfig, SimulatorConfig
from mmactors.core.params import VolatilityParams
from mmactors.core.reference.reference import Reference
from mmactors.messages import SpotTicked
from mmactors.runtime.clock import VirtualClock
from mmactors.simulator.prices.live import LivePath
from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.simulation import SimulatedVenue
from mmactors.units import MILLISECOND, SECOND, Nanos

START = 1_795_000_000_000
CONFIG = SimulatorConfig(sessions=(SessionsConfig(duration="1M", elapsed_s=20.0, strike_offset_share=0.0),))


class Paper:
    """A venue on one outside price, told of it every 100 ms."""

    def __init__(self) -> None:
        self.now_ms = START
        self.clock = VirtualClock(START * MILLISECOND)
        self.path = LivePath(Reference("BTC", VolatilityParams(), Nanos(2 * SECOND)), self.clock)
        self.venue = SimulatedVenue(CONFIG, START, world=World.of({"BTC": self.path}))
        self.noise = Random(3)

    def run(self, seconds: float, price: float | None) -> None:
        for _ in range(round(seconds * 10)):
            self.now_ms += 100
            self.clock.set(self.now_ms * MILLISECOND)
            if price is not None:
                said = price * (1 + self.noise.gauss(0, 1e-6))
                self.path.take(SpotTicked("binance", "BTC", said, "book", self.clock.now()))
            self.venue.advance(self.now_ms)

    @property
    def markets(self) -> list[Any]:
        return list(self.venue.venue.markets.values())


def test_nothing_is_listed_before_the_first_price_and_the_strike_is_that_price() -> None:
    paper = Paper()
    paper.run(30, None)
    assert paper.markets == []
    paper.run(1, 61_234.0)
    (market,) = paper.markets
    assert (market.status, market.strike) == ("OPEN", pytest.approx(61_234.0, rel=1e-4))
    assert market.expires_at - paper.now_ms == pytest.approx(39_000, abs=200), "as old as configured"
    assert paper.venue.notices[0].endswith("its sessions begin")


def test_a_price_that_dies_halts_its_markets_and_one_that_comes_back_opens_them() -> None:
    paper = Paper()
    paper.run(1, 61_234.0)
    paper.run(1.5, None)
    assert paper.markets[0].status == "OPEN"
    paper.run(1, None)
    assert paper.markets[0].status == "HALTED"
    fills = len(paper.venue.venue.matching.trades)
    paper.run(5, None)
    assert len(paper.venue.venue.matching.trades) == fills
    struck = paper.markets[0].strike
    paper.run(1, 61_250.0)
    assert (paper.markets[0].status, paper.markets[0].strike) == ("OPEN", struck)
    paper.run(40, 61_250.0)
    assert (paper.markets[0].outcome, paper.markets[0].settlement_price) == ("YES", pytest.approx(61_250.0, rel=1e-4))


def test_a_market_that_ends_without_a_price_is_void_and_the_next_is_struck_when_there_is_one() -> None:
    paper = Paper()
    paper.run(1, 61_234.0)
    paper.run(45, None)
    first, second = paper.markets
    assert (first.outcome, first.settlement_price) == ("VOID", None)
    assert (second.status, second.strike) == ("PENDING", None)
    paper.run(1, 61_300.0)
    assert (second.status, second.strike) == ("OPEN", pytest.approx(61_300.0, rel=1e-4))


def test_a_session_that_never_had_a_price_is_void() -> None:
    paper = Paper()
    paper.run(1, 61_234.0)
    paper.run(105, None)
    assert [market.outcome for market in paper.markets[:2]] == ["VOID", "VOID"]
