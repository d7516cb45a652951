"""Markets struck and settled at averages through the whole program: priced, quoted, closed, settled, audited."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pykka
import pytest

from mmactors.actors import addresses
from mmactors.backtest import runner
from mmactors.backtest.actor_run import ActorRun
from mmactors.config import Config, load
from mmactors.messages import PricesKnown, QuoteIntent
from mmactors.research.arena import arena
from mmactors.simulator.venue.participants import fair_of, fair_value
from mmactors.units import MILLISECOND, SECOND, Nanos

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"
AVERAGED = "[{asset: BTC, duration: 5M, settlement: {type: avg}, strike: avg}]"
SHORT = "[{asset: BTC, duration: 1M, settlement: {type: avg, window_s: 40, tie: 'YES'}, strike: avg}]"


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def config(seed: int, sessions: str = AVERAGED, **more: str) -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__simulator__world__seed": str(seed),
        "MM__simulator__sessions": sessions,
    }
    return load(CONF, environ | {f"MM__{key}": value for key, value in more.items()})


class Watch:
    """Compares every price we name with the venue's own of the same moment; has the last minute apart."""

    def __init__(self) -> None:
        self.twin: ActorRun | None = None
        self.off: list[float] = []
        self.late: list[float] = []
        self.late_as_spot: list[float] = []
        self.last_ms: dict[str, int] = defaultdict(int)
        self.told_past: list[str] = []

    def saw(self, now: Nanos, name: str, message: object) -> None:
        if isinstance(message, PricesKnown):
            self.told_past.append(name)
        if self.twin is None or name != addresses.GATEWAY or not isinstance(message, QuoteIntent):
            return
        venue, now_ms = self.twin.venue, now // MILLISECOND
        market = venue.venue.markets[message.market]
        if message.reason.fair != message.reason.fair or market.status != "OPEN":
            return
        path = venue.world.paths[market.asset]
        off = abs(message.reason.fair - fair_of(market, path, now_ms))
        self.off.append(off)
        if message.places or message.replaces:
            self.last_ms[message.market] = now_ms
        if market.expires_at - now_ms <= 1000 * market.window_s and market.strike is not None:
            self.late.append(off)
            spot = fair_value(path.price, market.strike, path.sigma, (market.expires_at - now_ms) / 1000)
            self.late_as_spot.append(abs(message.reason.fair - spot))


def watched(given: Config, seconds: float) -> tuple[ActorRun, Watch]:
    watch = Watch()
    watch.twin = twin = ActorRun(given, observer=watch.saw)
    twin.run(seconds)
    return twin, watch


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_an_averaged_session_is_quoted_to_its_close_and_settled_as_the_venue_says():
    twin, watch = watched(config(26), 305)
    (market,) = [each for each in twin.venue.venue.markets.values() if each.status == "RESOLVED"]
    (report,) = twin.sessions.values()
    account = twin.venue.account("mmactors")
    assert twin.desk.account.cash_micros == account.cash
    assert report.outcome == market.outcome
    assert report.fills > 20
    # Flat, it quotes until only reducing is allowed: a tenth of the session before its end.
    assert market.expires_at - watch.last_ms[market.id] < 32_000
    # Ours knows the price of 50 ms ago and its own sigma; by the spot alone it would be far off.
    assert len(watch.late) > 100
    assert mean(watch.late) < 0.02 < 0.1 < mean(watch.late_as_spot)


@pytest.mark.parametrize("seed", [1, 3])
def test_what_is_still_held_of_an_averaged_session_is_worked_off_to_its_close(seed):
    twin = ActorRun(config(seed))
    twin.run(260)
    (market,) = [each for each in twin.venue.venue.markets.values() if each.status == "OPEN"]
    rests = []
    for _ in range(400):
        twin.run(0.1)
        if any(order.market == market.id for order in twin.venue.account("mmactors").live.values()):
            rests.append(market.expires_at - twin.runtime.clock.now() // MILLISECOND)
    assert 5_900 <= min(rests) < 7_000, "everything is cancelled 6 s before the end, and not earlier"
    assert sum(left_ms <= 60_000 for left_ms in rests) > 200, "through most of the window it quotes"
    twin.run(10)
    assert twin.sessions[market.id].outcome == market.outcome


@pytest.mark.parametrize("interleaving", [None, 1])
def test_averaged_sessions_break_no_rule_and_lose_no_fortune(interleaving):
    found = runner.run(config(7, SHORT), 4, interleaving=interleaving)
    assert found.complete
    assert {name: count for name, count in found.violations.items() if count} == {}, found.examples
    assert (found.dead_letters, found.restarts) == (0, 0)
    assert sum(report.fills for report in found.reports) > 0
    assert all(abs(report.pnl_micros) < 150_000_000 for report in found.reports)


def test_priced_as_an_average_it_is_nearer_the_truth_than_the_spots_price():
    _, watch = watched(config(5, SHORT), 125)
    assert len(watch.late) > 50
    assert mean(watch.late) < 0.04 < mean(watch.late_as_spot)


def test_a_market_actor_that_dies_mid_window_knows_the_prints_again(monkeypatch):
    twin, watch = watched(config(5, SHORT), 35)
    (name,) = [each for each in twin.runtime.names() if each.startswith("market:")]
    before = twin.runtime.incarnation(name)
    with monkeypatch.context() as patch:
        patch.setattr("mmactors.core.quoting.maker.Quoter.target", lambda *_: 1 / 0)
        twin.run(0.2)
    watch.off.clear()
    watch.told_past.clear()
    twin.run(15)
    assert twin.runtime.incarnation(name) != before
    assert watch.told_past.count(name) == 1
    assert len(watch.off) > 5
    assert mean(watch.off) < 0.04
    twin.run(15)
    assert len(twin.sessions) == 1
    assert twin.desk.account.cash_micros == twin.venue.account("mmactors").cash


def test_a_spot_market_is_told_no_past():
    twin, watch = watched(config(5, "[{asset: BTC, duration: 1M}]"), 20)
    assert watch.told_past == []
    assert watch.off
    assert twin.runtime.clock.now() > SECOND


def test_the_arena_whose_rivals_price_the_spot_refuses_an_average():
    with pytest.raises(ValueError, match="play them on spot"):
        arena.run(config(5), ("ours",), 1, 1)
