"""Feeds taken away and made to lie, twenty times each: judged by the venue's own log and by what the reference said."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pykka
import pytest

from mmactors.audit import Auditor, Rules
from mmactors.backtest.actor_run import ActorRun
from mmactors.backtest.audit_tap import AuditTap
from mmactors.backtest.links import Deliver, VirtualFeed
from mmactors.config import Config, load
from mmactors.units import MILLISECOND

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"
WARM_S = 20.0
TRIALS = range(20)


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def config(seed: int) -> Config:
    """Two feeds, one session, no jumps: what a price may do by itself is small."""
    return load(
        CONF,
        {
            "MM__assets": "[BTC]",
            "MM__simulator__sessions": "[{asset: BTC, duration: 5M}]",
            "MM__simulator__world__seed": str(seed),
            "MM__simulator__world__jumps_per_s": "0",
        },
    )


class Rubbish(VirtualFeed):
    """A feed whose prices, and nothing else of it, can turn into what is none; heartbeats stay good."""

    price = ""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        say = self._channel.send
        self._channel.send = lambda raw: say(self._turned(raw))  # type: ignore[method-assign]

    def _turned(self, raw: bytes) -> bytes:
        if self.price and b"eartbeat" not in raw:
            for name in (b'"b":"', b'"a":"', b'"p":"', b'"price":"', b'"best_bid":"', b'"best_ask":"'):
                before, found, after = raw.partition(name)
                raw = before + found + self.price.encode() + b'"' + after.partition(b'"')[2] if found else raw
        return raw


class TwinOfRubbish(ActorRun):
    """A twin on such feeds."""

    feeds: dict[str, Rubbish]

    def _feed(self, source: str) -> Callable[[Deliver], VirtualFeed]:
        def connect(deliver: Deliver) -> VirtualFeed:
            made = Rubbish(self.environment, source, deliver)
            self.feeds = {**getattr(self, "feeds", {}), source: made}
            return made

        return connect


@dataclass
class Watched:
    """A program in virtual time with the auditor at its venue, and how often which side rested."""

    seed: int
    kind: type[ActorRun] = ActorRun
    gaps_ms: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = config(self.seed)
        self.auditor = Auditor(Rules(settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)))
        tap = AuditTap(self.auditor)
        self.twin = self.kind(settings, recorder=tap, trace=False)
        tap.world = self.twin.venue.world

    def live(self) -> dict[int, int]:
        """Count what rests at the venue, by direction."""
        resting = {1: 0, -1: 0}
        for order in self.twin.venue.account("mmactors").live.values():
            resting[1 if order.outcome == "YES" else -1] += 1
        return resting

    def longest_gap_ms(self, seconds: float, step_ms: int = 50) -> int:
        """Run on; return the longest time without both sides resting."""
        longest = gap = 0
        for _ in range(round(seconds * 1000 / step_ms)):
            self.twin.run(step_ms / 1000)
            gap = 0 if all(self.live().values()) else gap + step_ms
            longest = max(longest, gap)
        return longest

    def broken(self) -> dict[str, int]:
        return {check.name: check.count for check in self.auditor.result().checks if check.count}


@pytest.mark.parametrize("source", ["binance", "coinbase"])
@pytest.mark.parametrize("seed", TRIALS[::2])
def test_one_feed_of_two_lost_leaves_no_gap(seed: int, source: str) -> None:
    gaps = []
    for lost in (False, True):
        watched = Watched(seed)
        watched.twin.run(WARM_S + random.Random(seed).random())
        if lost:
            watched.twin.environment.exchanges[source].state = "silent"
        gaps.append(watched.longest_gap_ms(10.0))
        assert watched.broken() == {}
    usual, after = gaps
    assert after <= max(usual, 0) + 500


@pytest.mark.parametrize("seed", TRIALS)
def test_both_feeds_lost_leaves_nothing_to_stand_on(seed: int) -> None:
    watched = Watched(seed)
    watched.twin.run(WARM_S + random.Random(seed).random())
    assert sum(watched.live().values()) > 0
    rng = random.Random(seed)
    for exchange in watched.twin.environment.exchanges.values():
        exchange.state = "silent"
        watched.twin.run(rng.random() * 0.3)
    lost_ns = watched.twin.runtime.clock.now()
    stale_s = watched.twin.config.risk.stale_after
    watched.twin.run(stale_s + 1.0)
    assert sum(watched.live().values()) == 0
    account = watched.twin.venue.account("mmactors")
    latest = max(order.created_at for order in account.orders.values())
    assert latest <= lost_ns // MILLISECOND + stale_s * 1000 + 250
    watched.twin.run(5.0)
    assert watched.broken() == {}
    for exchange in watched.twin.environment.exchanges.values():
        exchange.state = "live"
    watched.twin.run(5.0)
    assert any(watched.live().values()), "they are back, and so are the quotes"


@pytest.mark.parametrize("price", ["NaN", "-1", "0", "1e999", "x"])
@pytest.mark.parametrize("seed", TRIALS[:2])
def test_feeds_that_talk_nothing_but_rubbish_are_as_good_as_lost(seed: int, price: str) -> None:
    watched = Watched(seed, TwinOfRubbish)
    watched.twin.run(WARM_S + random.Random(seed).random())
    assert sum(watched.live().values()) > 0
    feeds = watched.twin.feeds  # type: ignore[attr-defined]
    assert set(feeds) == {"binance", "coinbase"}
    for feed in feeds.values():
        feed.price = price
    lost_ns = watched.twin.runtime.clock.now()
    stale_s = watched.twin.config.risk.stale_after
    watched.twin.run(stale_s + 1.0)
    assert sum(watched.live().values()) == 0
    latest = max(order.created_at for order in watched.twin.venue.account("mmactors").orders.values())
    assert latest <= lost_ns // MILLISECOND + stale_s * 1000 + 250
    watched.twin.run(5.0)
    assert sum(watched.live().values()) == 0
    for feed in feeds.values():
        assert feed.counters["Dropped"] > 10
        feed.price = ""
    watched.twin.run(5.0)
    assert any(watched.live().values()), "they make sense again, and so the quotes are back"


def orders_around(seed: int, wrong: float | str | None, for_ms: int = 200) -> list[tuple[object, ...]]:
    """Let one feed of two show a price that is off by so many bp, or none at all; return the orders of a second more.

    An order is told with its latest price and size, the time of that and how often it was changed.
    """
    watched, rng = Watched(seed, TwinOfRubbish), random.Random(seed)
    twin = watched.twin
    twin.run(WARM_S + rng.random())
    source = rng.choice(["binance", "coinbase"])
    since_ms = twin.runtime.clock.now() // MILLISECOND
    if isinstance(wrong, float):
        twin.environment.exchanges[source].show_outlier(wrong, since_ms, for_ms)
    twin.feeds[source].price = wrong if isinstance(wrong, str) else ""  # type: ignore[attr-defined]
    twin.run(for_ms / 1000)
    twin.feeds[source].price = ""  # type: ignore[attr-defined]
    twin.run(1.0)
    assert watched.broken() == {}
    return [
        (order.id, order.outcome, order.ticks, order.size, order.version, order.updated_at, order.status)
        for order in twin.venue.account("mmactors").orders.values()
        if order.updated_at >= since_ms
    ]


@pytest.mark.parametrize("first", TRIALS[::5])
def test_an_outlier_of_one_percent_moves_no_quote(first: int) -> None:
    """Up, down or more: to the millisecond the same orders; and those of no number at all, at another moment at most.

    They are not always those of the undisturbed run: for a fifth of a second one source's true price is missing.
    """
    undisturbed = 0
    for seed in range(first, first + 5):
        up, down, far, none = (orders_around(seed, wrong) for wrong in (100.0, -100.0, 300.0, "NaN"))
        assert up == down == far, f"seed {seed}"
        assert [order[:4] for order in up] == [order[:4] for order in none], f"seed {seed}"
        undisturbed += up == orders_around(seed, None)
    assert undisturbed >= 2
