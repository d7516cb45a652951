"""Markets that end early, late, twice or never, halt, or are struck anew: the program in virtual time, judged."""

from collections.abc import Iterator
from pathlib import Path

import pykka
import pytest
from loguru import logger

from mmactors.audit import Auditor, Rules
from mmactors.backtest.actor_run import ActorRun
from mmactors.backtest.audit_tap import AuditTap
from mmactors.config import Config, load
from mmactors.messages import QuoteIntent
from mmactors.simulator.venue.interventions import MarketIntervention
from mmactors.simulator.venue.market import Market
from mmactors.units import MILLISECOND, SECOND, Nanos

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def config(**more: str) -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__simulator__world__seed": "5",
        "MM__simulator__sessions": "[{asset: BTC, duration: 1M}]",
    }
    return load(CONF, environ | {f"MM__{key}": value for key, value in more.items()})


class Scene:
    """A twin with an auditor at its venue, and what its Makers decided."""

    def __init__(self, interleaving: int | None = None, **more: str) -> None:
        settings = config(**more)
        self.auditor = Auditor(Rules(settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)))
        tap = AuditTap(self.auditor)
        self.intents: list[tuple[Nanos, QuoteIntent]] = []
        self.twin = ActorRun(settings, interleaving=interleaving, recorder=tap, trace=False, observer=self._watch)
        tap.world = self.twin.venue.world
        self.desk = self.twin.desk
        self.account = self.twin.venue.account("mmactors")

    def _watch(self, now: Nanos, name: str, message: object) -> None:
        if name == "gateway" and isinstance(message, QuoteIntent):
            self.intents.append((now, message))

    @property
    def now_ms(self) -> int:
        return self.twin.runtime.clock.now() // MILLISECOND

    @property
    def market(self) -> Market:
        """The market that is running or halted."""
        return next(m for m in self.twin.venue.venue.markets.values() if m.status in ("OPEN", "HALTED"))

    def alter(self, market: Market, kind: str, **more: object) -> None:
        self.twin.venue.intervene(market.id, MarketIntervention(kind, **more), self.now_ms)  # type: ignore[arg-type]

    def resting(self, market: Market) -> list[str]:
        return [order.outcome for order in self.account.live.values() if order.market == market.id]

    def told(self, market: Market) -> object:
        return self.desk.markets[market.id]

    def conclude(self) -> None:
        """Check the books against the venue's, and every order against the rules."""
        assert self.desk.account.cash_micros == self.account.cash
        for name, position in self.account.positions.items():
            held = self.desk.account.positions[name]
            assert (held.yes, held.no) == (position.yes, position.no)
        result = self.auditor.result()
        broken = {check.name: check.examples for check in result.checks if check.count}
        assert broken == {}
        assert self.twin.dead_letters == 0
        assert self.twin.restarts == 0
        refused = [n for name, n in self.desk.counters.items() if name.startswith("rejected_MARKET")]
        assert sum(refused) <= 6  # the ladder that was on its way when a market stopped
        self.twin.end()


def test_quotes_go_while_a_market_is_halted_and_come_back():
    scene = Scene()
    scene.twin.run(20)
    market = scene.market
    assert len(set(scene.resting(market))) == 2
    scene.alter(market, "halt")
    scene.twin.run(1)
    assert scene.resting(market) == []
    scene.twin.run(4)
    assert scene.resting(market) == []
    scene.alter(market, "reopen")
    scene.twin.run(2)
    assert len(set(scene.resting(market))) == 2
    scene.twin.run(60)
    assert market.status == "RESOLVED"
    assert market.id in scene.twin.sessions
    scene.conclude()


def test_a_market_that_closes_while_halted_is_settled():
    scene = Scene()
    scene.twin.run(40)
    market = scene.market
    scene.alter(market, "halt")
    scene.twin.run(30)
    assert market.status == "RESOLVED"
    assert market.id in scene.twin.sessions
    scene.conclude()


def test_a_market_that_closes_early_is_settled_then():
    scene = Scene()
    scene.twin.run(30)
    market = scene.market
    scene.alter(market, "close_early")
    scene.twin.run(5)
    assert market.status == "RESOLVED"
    assert market.id in scene.twin.sessions
    assert scene.desk.account.position(market.id).resolution == market.outcome
    scene.twin.run(60)
    scene.conclude()


def test_a_new_strike_is_priced_at_once_and_never_the_old_one_again():
    scene = Scene()
    scene.twin.run(20)
    market, spot = scene.market, scene.twin.venue.world.price("BTC")
    old = market.strike
    scene.alter(market, "restrike", strike=round(spot * 1.0008, 2))
    changed_at = scene.twin.runtime.clock.now()
    scene.twin.run(10)
    known_at = changed_at + 80 * MILLISECOND
    later = [intent for at, intent in scene.intents if at > known_at and intent.market == market.id]
    assert later
    assert all(intent.reason.strike == market.strike != old for intent in later)
    within = [at for at, intent in scene.intents if changed_at < at and intent.reason.strike == market.strike]
    assert within[0] - changed_at < SECOND // 4
    scene.twin.run(50)
    assert scene.twin.sessions[market.id].strike == market.strike
    scene.conclude()


def test_an_extended_market_is_quoted_to_its_new_end():
    scene = Scene()
    scene.twin.run(50)
    market, old = scene.market, scene.market.expires_at
    scene.alter(market, "extend", by_s=60.0)
    scene.twin.run(25)  # beyond the old end
    assert market.status == "OPEN"
    assert scene.now_ms > old
    assert scene.resting(market)
    scene.twin.run(80)
    assert market.status == "RESOLVED"
    assert market.id in scene.twin.sessions
    scene.conclude()


def test_an_extension_after_the_closing_threshold_starts_quoting_again():
    scene = Scene()
    scene.twin.run(59.2)
    market = scene.market
    assert scene.resting(market) == []
    scene.alter(market, "extend", by_s=60.0)
    scene.twin.run(3)
    assert scene.resting(market)
    scene.twin.run(80)
    assert market.status == "RESOLVED"
    scene.conclude()


def test_an_end_moved_forward_is_kept():
    scene = Scene()
    scene.twin.run(20)
    market = scene.market
    scene.alter(market, "extend", by_s=-25.0)
    scene.twin.run(14.2)  # past the new threshold
    assert scene.resting(market) == []
    scene.twin.run(3)
    assert market.status == "RESOLVED"
    scene.twin.run(30)
    scene.conclude()


def test_a_void_pays_half_a_dollar_for_either_outcome():
    scene = Scene()
    scene.twin.run(40)
    market = scene.market
    held = scene.account.positions[market.id]
    assert held.yes != held.no
    scene.alter(market, "void")
    scene.twin.run(5)
    assert scene.desk.account.position(market.id).resolution == "VOID"
    assert scene.twin.sessions[market.id].outcome == "VOID"
    scene.twin.run(60)
    scene.conclude()


@pytest.mark.parametrize("after_s", [1.0, 30.0])
@pytest.mark.parametrize("void", [True, False])
def test_a_correction_pays_the_difference_once(after_s, void):
    scene = Scene()
    scene.twin.run(40)
    market = scene.market
    scene.twin.run(21.5)
    assert market.status == "RESOLVED"
    scene.twin.run(after_s)  # the market's actor waits two seconds for late fills, then retires
    first = scene.desk.account.cash_micros
    other = "VOID" if void else "NO" if market.outcome == "YES" else "YES"
    yes, no = market.paid["mmactors"]
    assert yes != no
    scene.alter(market, "correct", outcome=other)
    scene.twin.run(1)
    assert scene.desk.account.position(market.id).resolution == other
    if after_s > 10:
        scene.alter(market, "correct", outcome="YES")
        scene.twin.run(0.5)
        scene.alter(market, "correct", outcome=other)
        scene.twin.run(0.5)
    else:
        assert scene.desk.account.cash_micros != first
    scene.twin.run(30)
    assert scene.twin.sessions[market.id].outcome == other
    assert scene.twin.sessions[market.id].pnl_micros == scene.desk.account.position(market.id).pnl_if(other)
    scene.conclude()


@pytest.mark.parametrize(("late_s", "taken"), [(24, True), (46, True), (49, False)])
def test_a_market_listed_late_is_taken_up_if_a_fifth_of_it_is_left(late_s, taken):
    scene = Scene(simulator__listed_before_s=str(-late_s))
    scene.twin.run(late_s + 3)
    market = scene.market
    assert bool(scene.resting(market)) is taken
    scene.twin.run(65)
    assert (market.id in scene.twin.sessions) is taken
    scene.conclude()


def test_a_market_that_never_resolves_stays_exposure_and_is_told_once():
    scene = Scene()
    told: list[str] = []
    sink = logger.add(told.append, level="WARNING", format="{message}")
    scene.twin.run(40)
    market = scene.market
    scene.alter(market, "never_resolve")
    scene.twin.run(300)
    logger.remove(sink)
    assert market.status == "CLOSED"
    assert [line for line in told if market.id in line and "stay exposure" in line] == told
    assert len(told) == 1
    position = scene.account.positions[market.id]
    assert position.yes != position.no
    assert scene.desk.account.position(market.id).resolution is None
    assert scene.desk.portfolio.worst_losses[market.id] > 0
    assert len(scene.twin.sessions) >= 1  # the others go on
    scene.conclude()


@pytest.mark.parametrize("at_s", [20, 55])
def test_a_delisted_market_stays_exposure_and_disturbs_no_other(at_s):
    scene = Scene()
    scene.twin.run(at_s)
    market = scene.market
    scene.alter(market, "delist")
    scene.twin.run(110)
    assert scene.resting(market) == []
    assert market.id not in scene.twin.sessions
    assert scene.twin.sessions
    scene.conclude()


def test_a_market_taken_off_before_it_opens_is_let_go():
    scene = Scene()
    scene.twin.run(53)
    market = next(m for m in scene.twin.venue.venue.markets.values() if m.status == "PENDING")
    assert f"market:{market.id}" in scene.twin.runtime.names()
    scene.alter(market, "delist")
    scene.twin.run(200)
    assert f"market:{market.id}" not in scene.twin.runtime.names()
    assert len(scene.twin.sessions) >= 2
    scene.conclude()


def test_a_market_that_ends_before_its_actor_knows_it_is_settled_and_retired(monkeypatch):
    scene = Scene()
    scene.twin.run(20)
    market = scene.market
    name = f"market:{market.id}"
    with monkeypatch.context() as patch:
        patch.setattr("mmactors.core.quoting.maker.Quoter.target", lambda *_: 1 / 0)
        scene.twin.run(0.2)
    scene.alter(market, "void")
    scene.twin.run(10)
    assert scene.twin.sessions[market.id].outcome == "VOID"
    assert name not in scene.twin.runtime.names()
    assert scene.desk.account.cash_micros == scene.account.cash
    scene.twin.end()


@pytest.mark.parametrize("interleaving", [None, 1, 2])
def test_one_change_after_another_breaks_no_rule_in_any_order_of_events(interleaving):
    scene = Scene(interleaving)
    changes: list[tuple[float, str, dict[str, object]]] = [
        (15.0, "halt", {}),
        (0.3, "restrike", {"strike": 97_020.0}),
        (0.2, "reopen", {}),
        (0.1, "extend", {"by_s": 30.0}),
        (10.0, "restrike", {"strike": 96_990.0}),
        (0.05, "halt", {}),
        (0.05, "reopen", {}),
        (20.0, "extend", {"by_s": -20.0}),
        (5.0, "close_early", {}),
    ]
    scene.twin.run(5)
    market = scene.market
    for wait_s, kind, more in changes:
        scene.twin.run(wait_s)
        scene.alter(market, kind, **more)
    scene.twin.run(1.5)
    scene.alter(market, "correct", outcome="VOID")
    scene.twin.run(0.01)
    scene.alter(market, "correct", outcome="NO")
    scene.twin.run(70)
    assert scene.twin.sessions[market.id].outcome == "NO"
    scene.conclude()
