"""Fees, rebates and short cash: the program's books against the venue's, in virtual time."""

from collections.abc import Iterator
from pathlib import Path

import pykka
import pytest

from mmactors.audit import Auditor, Rules
from mmactors.backtest.actor_run import ActorRun
from mmactors.backtest.audit_tap import AuditTap
from mmactors.backtest.core_run import CoreRun
from mmactors.config import Config, load

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


class Books:
    """A run of either runtime with an auditor at its venue."""

    def __init__(self, kind: type[ActorRun] | type[CoreRun] = ActorRun, **more: str) -> None:
        settings = config(**more)
        self.auditor = Auditor(Rules(settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)))
        tap = AuditTap(self.auditor)
        self.run = kind(settings, recorder=tap)
        tap.world = self.run.venue.world
        self.desk, self.account = self.run.desk, self.run.venue.account("mmactors")

    def conclude(self) -> None:
        assert self.desk.account.cash_micros == self.account.cash
        for name, position in self.account.positions.items():
            held = self.desk.account.positions[name]
            assert (held.yes, held.no) == (position.yes, position.no)
        result = self.auditor.result()
        assert {check.name: check.examples for check in result.checks if check.count} == {}
        assert self.run.dead_letters == 0
        assert self.run.restarts == 0
        for name, report in self.run.sessions.items():
            assert report.pnl_micros == self.desk.account.position(name).pnl_if(report.outcome)
        settled = sum(
            inventory.pnl_if(inventory.resolution)
            for inventory in self.desk.account.positions.values()
            if inventory.resolution is not None
        )
        open_cost = sum(
            inventory.cost_micros + inventory.fees_micros - inventory.merged_micros
            for inventory in self.desk.account.positions.values()
            if inventory.resolution is None
        )
        start = 1_000_000 * round(self.run.config.simulator.start_cash)
        assert start + settled - open_cost == self.account.cash
        self.run.end()


@pytest.mark.parametrize(("maker", "taker"), [(10, 20), (-5, 20), (0.37, 1.13)])
@pytest.mark.parametrize("kind", [ActorRun, CoreRun])
def test_fees_and_rebates_are_in_the_books_to_the_micro_dollar(kind, maker, taker):
    books = Books(kind, simulator__maker_bps=str(maker), simulator__taker_bps=str(taker))
    books.run.run(125)
    paid = sum(fill.fee for fill in books.account.fills)
    assert paid * maker > 0
    assert sum(inventory.fees_micros for inventory in books.desk.account.positions.values()) == paid
    assert any(not fill.maker for fill in books.account.fills), "nothing was taken: the taker's fee is not tried"
    assert len(books.run.sessions) == 2
    books.conclude()


@pytest.mark.parametrize("kind", [ActorRun, CoreRun])
@pytest.mark.parametrize("fees", [0, 40])
def test_short_of_cash_pairs_are_merged_and_both_sides_go_on(kind, fees):
    books = Books(
        kind,
        simulator__start_cash="300",
        simulator__maker_bps=str(fees),
        simulator__taker_bps=str(fees),
        simulator__sessions="[{asset: BTC, duration: 5M}]",
        simulator__takers="{noise_per_s: 3}",
        risk__max_exposure="300",
        risk__max_daily_loss="200",
    )
    sides, looks = 0, 0
    for _ in range(270):
        books.run.run(1)
        looks += 1
        sides += len({order.outcome for order in books.account.live.values()}) == 2
    assert not [name for name in books.desk.counters if "INSUFFICIENT" in name], books.desk.counters
    assert sum(inventory.merged_micros for inventory in books.desk.account.positions.values())
    books.run.run(35)
    books.conclude()
    assert sides > 0.7 * looks  # without merging it is a tenth: all cash is in pairs soon
