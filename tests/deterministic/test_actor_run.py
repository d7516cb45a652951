"""The whole program in virtual time: repeatable from its seed, lawful in every order of events, judged from outside."""

from collections.abc import Iterator
from pathlib import Path

import pykka
import pytest

from mmactors.actors import addresses
from mmactors.backtest import runner
from mmactors.backtest.actor_run import ActorRun
from mmactors.config import Config, load
from mmactors.feeds.sources import SOURCES
from mmactors.messages import FairMoved, SpotTicked, Stop
from mmactors.runtime.lanes import Lane
from mmactors.units import Nanos

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def config(seed: int, sessions: str = "[{asset: BTC, duration: 1M}]", **more: str) -> Config:
    environ = {
        **({} if "feeds" in more else {"MM__feeds__coinbase__enabled": "false"}),
        "MM__simulator__world__seed": str(seed),
        "MM__assets": "[BTC]",
        "MM__simulator__sessions": sessions,
    }
    return load(CONF, environ | {f"MM__{key}": value for key, value in more.items()})


def test_the_same_seed_gives_the_same_trace_and_another_seed_another():
    hashes = []
    for seed in (11, 11, 12):
        twin = ActorRun(config(seed))
        twin.run(20)
        hashes.append(twin.runtime.trace_hash())
    assert hashes[0] == hashes[1] != hashes[2]


def test_every_price_source_at_once_is_repeatable_and_each_of_them_counts():
    every = {f"feeds__{source}__enabled": "true" for source in SOURCES}
    hashes, sources = [], set()

    def watch(_now: Nanos, _name: str, message: object) -> None:
        if isinstance(message, SpotTicked):
            sources.add(message.source)

    for seed in (11, 11, 12):
        twin = ActorRun(config(seed, feeds="{}", **every), observer=watch)
        twin.run(20)
        hashes.append(twin.runtime.trace_hash())
        assert twin.venue.account("mmactors").live, "it quotes"
    assert hashes[0] == hashes[1] != hashes[2]
    assert sources == set(SOURCES)


def test_another_interleaving_is_another_trace_and_repeatable_too():
    hashes = []
    for interleaving in (None, 1, 1, 2):
        twin = ActorRun(config(11), interleaving=interleaving)
        twin.run(10)
        hashes.append(twin.runtime.trace_hash())
    assert hashes[1] == hashes[2]
    assert len(set(hashes)) == 3


def most_dollars_per_bp(limit: float) -> float:
    """The largest exposure of BTC, by the marks that risk hears, in three markets of one session."""
    marks: dict[str, float] = {}
    most = 0.0

    def watch(_now: Nanos, name: str, message: object) -> None:
        nonlocal most
        if name == addresses.RISK and isinstance(message, FairMoved):
            marks[message.market] = message.net * message.delta_per_dollar * message.spot * 1e-4
            most = max(most, abs(sum(marks.values())))

    sessions = "[{asset: BTC, duration: 5M, strikes: 3}]"
    ActorRun(config(3, sessions, risk__max_asset_delta=str(limit)), observer=watch).run(150)
    return most


def test_an_assets_exposure_is_limited_over_all_its_markets_together():
    free = most_dollars_per_bp(100.0)
    limited = most_dollars_per_bp(free / 8)
    assert limited < 0.6 * free  # what rested and was in flight when the limit was reached still fills


@pytest.mark.parametrize("interleaving", [None, 1, 2])
@pytest.mark.parametrize("seed", [3, 7])
def test_whole_sessions_break_no_rule_in_any_order_of_events(seed, interleaving):
    found = runner.run(config(seed), 3, interleaving=interleaving)
    assert found.complete
    assert len(found.reports) == 3
    assert {name: count for name, count in found.violations.items() if count} == {}, found.examples
    assert found.dead_letters == 0
    assert found.restarts == 0
    assert sum(report.fills for report in found.reports) > 0


def test_the_ledger_is_the_venues_to_the_micro_dollar():
    twin = ActorRun(config(5))
    twin.run(130)
    account = twin.venue.account("mmactors")
    assert twin.desk.account.cash_micros == account.cash
    assert len(twin.sessions) == 2
    assert {fill.fill_id for fill in account.fills} == {
        name for inventory in twin.desk.account.positions.values() for name in inventory._seen
    }


def test_a_stop_cancels_everything_and_says_so():
    twin = ActorRun(config(5))
    twin.run(20)
    assert twin.venue.account("mmactors").live
    twin.runtime.tell("supervisor", Stop("test"))
    twin.run(2)
    assert twin.ended[:1] == [(0, "test")]
    assert not twin.venue.account("mmactors").live


def test_a_market_actor_that_dies_starts_again_and_its_session_goes_on(monkeypatch):
    twin = ActorRun(config(5, feeds__coinbase__enabled="false"))
    twin.run(20)
    (name,) = [name for name in twin.runtime.names() if name.startswith("market:")]
    before = twin.runtime.incarnation(name)
    with monkeypatch.context() as patch:
        patch.setattr("mmactors.core.quoting.maker.Quoter.target", lambda *_: 1 / 0)
        twin.run(0.2)
    twin.run(5)
    assert twin.runtime.incarnation(name) != before
    assert twin.venue.account("mmactors").live, "it quotes again"
    twin.run(60)
    assert len(twin.sessions) == 1
    assert twin.desk.account.cash_micros == twin.venue.account("mmactors").cash
    assert twin.runtime.statistics().dead_letters[Lane.MONEY] == 0


def test_a_reference_that_dies_is_followed_again(monkeypatch):
    twin = ActorRun(config(5))
    twin.run(20)
    with monkeypatch.context() as patch:
        patch.setattr("mmactors.core.reference.reference.Reference.on_timer", lambda *_: 1 / 0)
        twin.run(0.2)
    twin.run(5)
    assert twin.runtime.incarnation("reference:BTC") is not None
    assert twin.venue.account("mmactors").live
    twin.run(60)
    assert len(twin.sessions) == 1


def test_the_death_of_an_essential_actor_ends_the_run(monkeypatch):
    twin = ActorRun(config(5))
    twin.run(20)
    with monkeypatch.context() as patch:
        patch.setattr("mmactors.core.desk.desk.OrderDesk.check", lambda *_: 1 / 0)
        twin.run(0.2)
    assert twin.ended
    assert twin.ended[0][0] == 70


def test_both_sources_are_heard_and_one_alone_carries_the_session():
    heard = {}
    for feeds in ("{coinbase: {enabled: true}}", "{binance: {enabled: false}, coinbase: {enabled: true}}"):
        twin = ActorRun(config(5, feeds=feeds))
        twin.run(30)
        heard[feeds] = sorted(name for name in twin.runtime.names() if name.startswith("feed:"))
        assert twin.venue.account("mmactors").live
        assert twin.desk.account.cash_micros == twin.venue.account("mmactors").cash
    assert list(heard.values()) == [["feed:binance", "feed:coinbase"], ["feed:coinbase"]]


def test_coinbase_leaves_the_world_and_the_takers_as_they_are():
    prices = []
    for enabled in ("true", "false"):
        twin = ActorRun(config(5, feeds__coinbase__enabled=enabled))
        twin.run(20)
        prices.append(twin.venue.world.price("BTC"))
    assert prices[0] == prices[1]
