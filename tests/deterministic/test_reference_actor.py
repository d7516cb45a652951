"""The reference actor: two feeds' prices to every market, sigma from a history, the loss and the leader made known."""

import math
import random

import pykka
import pytest

from mmactors.actors import addresses
from mmactors.actors.reference import ReferenceRole
from mmactors.core.params import VolatilityParams
from mmactors.messages import (
    FeedWentStale,
    HistoryFetched,
    ReferenceLost,
    ReferenceMoved,
    SpotTicked,
    SubscribeReference,
)
from mmactors.runtime import Actor, hosted
from mmactors.runtime.deterministic import DeterministicRuntime
from mmactors.units import SECOND, YEAR_S, nanos

START = 1_700_000_000 * SECOND
NAME = addresses.reference("BTC")
PRICE = 97_000.0


class Recorder(Actor):
    """Notes what it hears."""

    def __init__(self, runtime, name, incarnation, heard):
        super().__init__(runtime, name, incarnation)
        self.heard = heard

    def receive(self, message):
        self.heard.append(message)


class Stage:
    """One reference actor, a subscriber and a journal that note what they hear."""

    def __init__(self):
        self.market, self.journal = [], []
        self.runtime = DeterministicRuntime(START)
        for name, heard in (("supervisor", []), (addresses.JOURNAL, self.journal), ("market", self.market)):
            self.runtime.spawn(name, lambda *life, heard=heard: Recorder(*life, heard))
        self.runtime.spawn(
            NAME, hosted(lambda: ReferenceRole(asset="BTC", params=VolatilityParams(), stale_after_ns=nanos(2)))
        )
        self.runtime.tell(NAME, SubscribeReference("market"))

    def hear(self, price, *sources, seconds=0.1):
        now = self.runtime.clock.now()
        for source in sources:
            self.runtime.tell(NAME, SpotTicked(source, "BTC", price, "book", now))
        self.runtime.run_until(now + round(seconds * SECOND))

    def counters(self):
        (gauge,) = (each for each in self.runtime.statistics().actors if each.name == NAME)
        return gauge.counters


@pytest.fixture
def stage():
    yield Stage()
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def test_markets_hear_of_one_feed_while_the_other_is_gone(stage):
    for _ in range(20):
        stage.hear(PRICE, "binance", "coinbase")
    stage.runtime.tell(NAME, FeedWentStale("binance", "BTC", stage.runtime.clock.now(), "gone"))
    stage.market.clear()
    for k in range(50):
        stage.hear(PRICE + k, "coinbase")
    assert all(isinstance(told, ReferenceMoved) for told in stage.market)
    assert stage.market[-1].sources == ("coinbase",)
    assert len(stage.market) >= 49
    stage.market.clear()
    stage.runtime.run_until(stage.runtime.clock.now() + 3 * SECOND)
    assert [type(told) for told in stage.market[-1:]] == [ReferenceLost]
    assert [type(told) for told in stage.journal] == [ReferenceLost]


def test_sigma_comes_warm_from_the_history(stage):
    draw, price, closes = random.Random(1), PRICE, []
    for k in range(3600, 0, -1):
        price *= math.exp(draw.gauss(0.0, 1.2 / math.sqrt(YEAR_S)))
        closes.append((START - k * SECOND, price))
    stage.hear(price, "binance")
    stage.runtime.tell(NAME, HistoryFetched("BTC", "binance", 1.0, tuple(closes)))
    stage.hear(price + 1.0, "binance")
    assert stage.market[-1].sigma == pytest.approx(1.2, rel=0.2)


def test_who_leads_is_among_the_counters(stage):
    draw, path = random.Random(2), [PRICE] * 3
    for k in range(700):
        path.append(path[-1] * math.exp(draw.gauss(0.0, 3e-5)))
        stage.hear(path[-1], "coinbase", seconds=0.0)
        stage.hear(path[k], "binance")
    assert stage.counters()["lead_binance_coinbase"] == pytest.approx(-300, abs=40)
    assert abs(stage.counters()["basis_binance"]) < 100
