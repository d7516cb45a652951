"""Every kind of bug that faults.md found in the field, planted in the real program, is caught by the oracle.

Each plant changes one decision. The same seeds draw the same faults for all of them: the program without a plant must
come through every seed that was needed to catch one.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

import pykka
import pytest

from mmactors.config import Config, load
from mmactors.core.desk.reconciliation import Reconciliation
from mmactors.core.ledger.inventory import Inventory
from mmactors.core.quoting.maker import Maker
from mmactors.core.reference.reference import Reference
from mmactors.faults import search
from mmactors.faults.search import Finding
from mmactors.messages import OrderCancelled, OrderFetched, OrderRejected, Outcome
from mmactors.units import SECOND

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"
SESSION_S = 72.0
"""One session of a minute and its settlement."""

MOST_SEEDS = 12
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


@cache
def config() -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__simulator__world__seed": "5",
        "MM__assets": "[BTC]",
        "MM__simulator__sessions": "[{asset: BTC, duration: 1M}]",
    }
    return load(CONF, environ)


def checked(seed: int) -> Finding:
    return search.run(config(), seed, SESSION_S)


unplanted = cache(checked)


# --- the plants: each is one wrong decision -------------------------------------------------------------


def a_network_error_is_not_found(patch: Patch) -> None:
    fetched = Reconciliation.fetched

    def planted(self, report, now, step):
        fetched(self, OrderFetched(report.client_id, report.order), now, step)

    patch.setattr(Reconciliation, "fetched", planted)


def a_timeout_is_a_rejection(patch: Patch) -> None:
    doubt = Reconciliation._mark_unconfirmed

    def planted(self, order, reason, now, step):
        if order.order_id is None:
            self._happened(OrderRejected(order.market, order.client_id, "TIMEOUT", reason), step)
        else:
            doubt(self, order, reason, now, step)

    patch.setattr(Reconciliation, "_mark_unconfirmed", planted)


def a_failed_cancel_ends_the_tracking(patch: Patch) -> None:
    result, fill = Reconciliation.result, Reconciliation.fill
    dropped = set()

    def planted_result(self, item, now, step):
        order = self._table.orders.get(item.client_id)
        if item.action == "cancel" and item.error is not None and order is not None and not order.final:
            dropped.add(item.client_id)
            self._happened(OrderCancelled(order.market, order.client_id, order.filled, "cancelled"), step)
        else:
            result(self, item, now, step)

    def planted_fill(self, told, step):
        if told.client_id not in dropped:
            fill(self, told, step)

    patch.setattr(Reconciliation, "result", planted_result)
    patch.setattr(Reconciliation, "fill", planted_fill)


def fills_count_twice(patch: Patch) -> None:
    apply = Inventory.apply

    def planted(self, fill, tick_micros):
        self._seen.discard(fill.fill_id)
        return apply(self, fill, tick_micros)

    patch.setattr(Inventory, "apply", planted)


def an_error_means_no_orders(patch: Patch) -> None:
    fetched = Reconciliation.fetched

    def planted(self, report, now, step):
        fetched(self, report, now, step)
        if report.error is not None:
            for order in self._table:
                self._end(order, order.filled, "gone", step)

    patch.setattr(Reconciliation, "fetched", planted)


def a_lost_price_is_made_up(patch: Patch) -> None:
    handle, random = Maker.handle, Random(1)

    def planted(self, event, now):
        known = self.reference
        decision = handle(self, event, now)
        if known is not None and (self.reference is None or now - self.reference.life_ns > SECOND):
            self.reference = replace(known, price=known.price * random.uniform(0.9999, 1.0001), life_ns=now)
        return decision

    patch.setattr(Maker, "handle", planted)


def an_unconfirmed_order_is_rejected_after_retries(patch: Patch) -> None:
    fetched = Reconciliation.fetched
    tries: Counter[str] = Counter()

    def planted(self, report, now, step):
        fetched(self, report, now, step)
        tries[report.client_id] += report.error is not None
        order = self._table.orders.get(report.client_id)
        if tries[report.client_id] > 1 and order is not None and not order.final:
            self._happened(OrderRejected(order.market, order.client_id, "UNCONFIRMED", "retries exhausted"), step)

    patch.setattr(Reconciliation, "fetched", planted)


def a_standing_connection_is_a_living_price(patch: Patch) -> None:
    tick = Reference.on_timer

    def planted(self, now):
        for source in self._sources.values():
            self._lives(source, now)
        return tick(self, now)

    patch.setattr(Reference, "on_timer", planted)


def fills_of_cross_matches_are_missed(patch: Patch) -> None:
    fill = Reconciliation.fill

    def planted(self, told, step):
        if told.outcome is not Outcome.NO:  # a NO bid meets a YES bid: both buy, and a pair is minted
            fill(self, told, step)

    patch.setattr(Reconciliation, "fill", planted)


@dataclass(frozen=True)
class Plant:
    """A bug: where it was found, how it is planted, and the rules that may tell of it first."""

    found: str
    plant: Callable[[Patch], None]
    rules: tuple[str, ...]


PLANTS = [
    Plant("hummingbot #8457", a_network_error_is_not_found, ("V3 orders", "V5 room", "V9 spread")),
    Plant("hummingbot #3374, py-clob-client #273", a_timeout_is_a_rejection, ("V3 orders", "V5 room", "V9 spread")),
    Plant("hummingbot #4738", a_failed_cancel_ends_the_tracking, ("V1 fills", "V2 ledger", "V3 orders")),
    Plant("hummingbot #2945", fills_count_twice, ("V1 fills", "V2 ledger", "V5 room", "reduce-only")),
    Plant("poly-market-maker, orders", an_error_means_no_orders, ("V3 orders", "V5 room", "V9 spread")),
    Plant("poly-market-maker, midpoint", a_lost_price_is_made_up, ("V4 accepted", "V4 resting")),
    Plant("nautilus_trader", an_unconfirmed_order_is_rejected_after_retries, ("V3 orders", "V5 room", "V9 spread")),
    Plant(
        "py-clob-client #292, nautilus #4901", a_standing_connection_is_a_living_price, ("V4 accepted", "V4 resting")
    ),
    Plant("nautilus #3345", fills_of_cross_matches_are_missed, ("V1 fills", "V2 ledger", "V5 room")),
]


@pytest.mark.parametrize("case", PLANTS, ids=lambda case: case.plant.__name__)
def test_a_planted_bug_is_caught_and_the_program_without_it_is_clean(case, monkeypatch):
    virtual_s = cpu_s = 0.0
    for seed in range(MOST_SEEDS):
        with monkeypatch.context() as patch:
            case.plant(patch)
            finding = checked(seed)
        virtual_s, cpu_s = virtual_s + finding.virtual_s, cpu_s + finding.cpu_s
        clean = unplanted(seed)
        assert clean.rule is None, clean
        if finding.rule is not None:
            break
    caught = finding.rule or "not caught"
    print(f"\n{case.found:<38} {caught:<16} seed {seed:<3} {virtual_s:>5.0f} virtual s {cpu_s:>6.2f} s CPU")
    print(f"    {case.plant.__name__}: {finding.words}")
    assert finding.rule in case.rules
