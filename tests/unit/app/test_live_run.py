"""What earlier runs of the day leave of risk."""

import pytest

from mmactors.app.live_run import risk_rules
from mmactors.config import Config
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import (
    FairMoved,
    OrderFilled,
    Outcome,
    PairsMerged,
    TradingState,
    TradingStateChanged,
    VenuePosition,
    VenueStatus,
)
from mmactors.ops.journal import DAY_NS, JournalStore
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks, micros

NOON = Nanos(20_000 * DAY_NS + DAY_NS // 2)
ELSEWHERE = Config(simulator={"embedded": False})  # type: ignore[arg-type]


class Venue:
    """An account of one market: what it holds, and the events that made it so."""

    def __init__(self) -> None:
        self.cash = micros(10_000.0)
        self.held = VenuePosition("m", Contracts(0), Contracts(0), Micros(0), Micros(0))

    def status(self) -> VenueStatus:
        return VenueStatus(True, Nanos(0), 0.1, self.cash)

    def buy(self, number: int, outcome: Outcome, size: int, ticks: int, fee: int) -> OrderFilled:
        held, yes = self.held, outcome is Outcome.YES
        cost = size * ticks * 10_000
        self.cash = Micros(self.cash - cost - fee)
        self.held = VenuePosition(
            "m",
            Contracts(held.yes + size * yes),
            Contracts(held.no + size * (not yes)),
            Micros(held.yes_cost_micros + cost * yes),
            Micros(held.no_cost_micros + cost * (not yes)),
        )
        made = (Ticks(ticks), Contracts(size), Micros(fee), Contracts(size), True, NOON)
        return OrderFilled("m", "r1-1", f"f{number}", outcome, *made)

    def merge(self, pairs: int) -> PairsMerged:
        held = self.held
        self.cash = Micros(self.cash + pairs * 1_000_000)
        self.held = VenuePosition(
            "m",
            Contracts(held.yes - pairs),
            Contracts(held.no - pairs),
            Micros(held.yes_cost_micros * (held.yes - pairs) // held.yes),
            Micros(held.no_cost_micros * (held.no - pairs) // held.no),
        )
        return PairsMerged("m", Contracts(pairs))


@pytest.fixture
def store(tmp_path):
    opened = JournalStore.open(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def trade(store: JournalStore, venue: Venue, fair: float) -> RiskRules:
    """Lose in a market that is not settled, as far as the journal tells; nothing ends in order."""
    store.begin_run(NOON)
    rules = risk_rules(ELSEWHERE, store, NOON)
    rules.handle(venue.status(), NOON)
    bought = [
        venue.buy(1, Outcome.YES, 3000, 50, fee=2_000_000),
        venue.buy(2, Outcome.NO, 1000, 60, fee=1_000_000),
        venue.merge(600),
    ]
    for event in (*bought, FairMoved("m", "BTC", fair, 0.0, venue.held.yes - venue.held.no)):
        for change in rules.handle(event, NOON):
            if isinstance(change, TradingStateChanged):
                store.change_state(change, NOON)
    store.record(bought, NOON)
    store.commit()
    return rules


def test_a_loss_beyond_the_limit_that_nothing_has_settled_is_reducing_after_a_restart(store: JournalStore) -> None:
    venue = Venue()
    assert trade(store, venue, 0.05).state is TradingState.REDUCING
    again = risk_rules(ELSEWHERE, store, Nanos(NOON + 5 * SECOND))
    (change,) = again.judge(Nanos(NOON + 5 * SECOND))
    assert change.state is TradingState.REDUCING
    assert "the day's loss is $" in change.reason


def test_an_unsettled_loss_below_the_limit_is_the_same_to_the_micro_dollar_after_a_restart(store: JournalStore) -> None:
    venue = Venue()
    first = trade(store, venue, 0.41)
    assert first.state is TradingState.ACTIVE
    assert first.day_pnl() < -micros(200.0)
    again = risk_rules(ELSEWHERE, store, Nanos(NOON + 5 * SECOND))
    assert again.judge(NOON) == []
    for event in (venue.held, venue.status(), FairMoved("m", "BTC", 0.41, 0.0, venue.held.yes - venue.held.no)):
        again.handle(event, NOON)
    assert again.day_pnl() == first.day_pnl()


def test_a_new_day_and_the_embedded_simulators_fresh_account_begin_with_nothing(store: JournalStore) -> None:
    trade(store, Venue(), 0.05)
    tomorrow = Nanos(NOON + DAY_NS)
    for config, now in ((ELSEWHERE, tomorrow), (Config(), NOON)):
        rules = risk_rules(config, store, now)
        assert rules.judge(now) == []
        assert rules.day_pnl() == 0
