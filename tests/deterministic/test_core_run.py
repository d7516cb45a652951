"""The core's objects alone give exactly the orders, fills and cash that the whole program gives."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec
import pykka
import pytest

from mmactors.audit import Auditor
from mmactors.backtest import runner
from mmactors.backtest.actor_run import ActorRun
from mmactors.backtest.core_run import CoreRun
from mmactors.config import Config, load
from mmactors.feeds.binance import BinanceParser
from mmactors.messages import SpotTicked
from mmactors.simulator.feeds.binance import Ticker

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"
ONE_5M = "[{asset: BTC, duration: 5M}]"
DEFAULT = "[{asset: BTC, duration: 1M}, {asset: BTC, duration: 5M, elapsed_s: 120}]"
TWO_ASSETS = "[{asset: BTC, duration: 1M, elapsed_s: 20}, {asset: ETH, duration: 5M}]"
AVERAGED = "[{asset: BTC, duration: 1M, settlement: {type: avg, window_s: 40, tie: YES}, strike: avg}]"
SAME_MOMENTS = {"simulator__latency_jitter_ms": "0", "simulator__order_latency_ms": "50"}
"""Frames arrive exactly when timers fire: the order within a moment must be the actors'."""


def config(seed: int, sessions: str, **more: str) -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__simulator__world__seed": str(seed),
        "MM__assets": "[BTC]",
        "MM__simulator__sessions": sessions,
    }
    return load(CONF, environ | {f"MM__{key}": value for key, value in more.items()})


def seen(config: Config, kind: type[ActorRun] | type[CoreRun], seconds: float) -> dict[str, object]:
    """Run one of the two and return all that both can be compared by."""
    auditor = Auditor(None, account=None)
    tap = runner.AuditTap(auditor)
    run = ActorRun(config, recorder=tap, trace=False) if kind is ActorRun else CoreRun(config, tap)
    tap.world = run.venue.world
    run.run(seconds)
    account, audit = run.venue.account("mmactors"), auditor.result()
    found = {
        "lines": audit.lines,
        "orders_hash": tap.digest(),
        "reports": list(run.sessions.values()),
        "venue's cash": account.cash,
        "our cash": run.desk.account.cash_micros,
        "fills": [(fill.fill_id, fill.ts) for fill in account.fills],
        "counters": dict(run.desk.counters),
        "violations": audit.violations,
        "dead letters": run.dead_letters,
        "failures": (run.restarts, run.ended),
    }
    run.end()
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)
    return found


@pytest.mark.parametrize(
    ("seed", "sessions", "seconds", "more"),
    [
        (11, ONE_5M, 310, {}),
        (7, DEFAULT, 130, {}),
        (3, TWO_ASSETS, 75, {"assets": "[BTC, ETH]", "feeds__binance__symbols": "[btcusdt, ethusdt]"}),
        (5, DEFAULT, 75, {"venue__wire_asks": "as_ask"}),
        (11, DEFAULT, 70, SAME_MOMENTS),
        (4, DEFAULT, 75, {"risk__max_markets": "1", "simulator__maker_bps": "-3", "simulator__taker_bps": "20"}),
        (21, ONE_5M, 130, {"simulator__orders_per_s": "3", "simulator__burst": "6"}),
        (5, AVERAGED, 130, {}),
        (9, ONE_5M, 150, {"simulator__order_latency_ms": "0", "simulator__feed_latency_ms": "0"}),
    ],
)
def test_both_runtimes_do_the_same(seed, sessions, seconds, more):
    given = config(seed, sessions, **more)
    actors, core = seen(given, ActorRun, seconds), seen(given, CoreRun, seconds)
    assert core == actors
    assert actors["fills"]


@pytest.mark.parametrize("kind", [ActorRun, CoreRun])
def test_the_delay_of_orders_is_measured(kind):
    run = kind(config(3, "[{asset: BTC, duration: 1M}]", simulator__order_latency_ms="300"))
    run.run(20)
    assert run.desk.entry.latency_s == pytest.approx(0.305, abs=0.01)
    run.end()
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def test_another_seed_is_another_hash():
    hashes = {seen(config(seed, ONE_5M), CoreRun, 20)["orders_hash"] for seed in (1, 1, 2)}
    assert len(hashes) == 2


def test_the_backtests_figures_are_the_same_but_for_speed_and_trace():
    figures = []
    for runtime in ("actors", "core"):
        found = runner.run(config(8, "[{asset: BTC, duration: 1M}]"), 1, runtime=runtime).figures()
        assert found.pop("runtime") == runtime
        for name in [name for name in found if "second" in name and name != "virtual_seconds"]:
            del found[name]
        assert bool(found.pop("trace_hash")) is (runtime == "actors")
        figures.append(found)
    assert figures[0] == figures[1]
    assert figures[0]["sessions"] == 1


@pytest.mark.parametrize("more", [{"interleaving": 1}, {"events": object()}])
def test_what_only_actors_can_do_is_refused(more):
    with pytest.raises(ValueError, match="use the actors"):
        runner.run(config(8, ONE_5M), 1, runtime="core", **more)


@dataclass
class Price:
    price: float
    sigma: float = 0.5
    end_ms: int | None = None


@pytest.mark.parametrize("start", [0.004, 0.37, 3.99999, 2500.005, 97_000.0, 1_234_567.89])
def test_an_unwritten_price_is_what_its_frame_would_read(start):
    rng, path = Random(1), Price(start)
    text, typed = (Ticker("BTC", path, Random(2), 1_800_000_000_000) for _ in range(2))
    parser = BinanceParser({"btcusdt": "BTC"})
    for step in range(2000):
        now_ms = 1_800_000_000_000 + 100 * step
        path.price = start * (1 + rng.uniform(-0.01, 0.01))
        told = [
            parser.parse(msgspec.json.encode(event), now_ms * 1_000_000)
            for event in (text.book_ticker(), *text.trades(now_ms))
        ]
        assert all(isinstance(tick, SpotTicked) for tick in told)
        bid, ask = typed.book()
        assert [tick.price for tick in told] == [(bid + ask) / 2, *typed.prints(now_ms)]
