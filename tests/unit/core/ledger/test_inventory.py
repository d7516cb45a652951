"""Pairs, net, cost, settlement: exact to the micro-dollar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmactors.core.ledger.inventory import Inventory
from mmactors.messages import OrderFilled, Outcome, Resolution
from mmactors.units import DOLLAR, Contracts, Micros, Nanos, Ticks, dollars

CENT = Micros(10_000)


def filled(fill_id, outcome, ticks, size, fee=0):
    return OrderFilled(
        market="m",
        client_id="c",
        fill_id=fill_id,
        outcome=outcome,
        ticks=Ticks(ticks),
        size=Contracts(size),
        fee_micros=Micros(fee),
        filled_total=Contracts(size),
        maker=True,
        venue_ns=Nanos(0),
    )


def section_5_1():
    inventory = Inventory()
    inventory.apply(filled("1", Outcome.YES, 40, 100), CENT)
    inventory.apply(filled("2", Outcome.NO, 55, 500), CENT)
    return inventory


def test_seed_defect_01_section_5_1_figures():
    inventory = section_5_1()
    assert (dollars(inventory.yes_cost_micros), dollars(inventory.no_cost_micros)) == (40, 275)
    assert dollars(inventory.pnl_if(Resolution.YES)) == -215
    assert dollars(inventory.pnl_if(Resolution.NO)) == 185


def test_seed_defect_04_exposure_is_the_net_and_pairs_are_cash():
    inventory = section_5_1()
    assert (inventory.net, inventory.pairs) == (-400, 100)
    riskless = Inventory(Contracts(300), Contracts(300), Micros(150 * DOLLAR), Micros(140 * DOLLAR))
    assert riskless.net == 0
    assert {10 * DOLLAR} == {riskless.pnl_if(resolution) for resolution in Resolution}
    assert 10 * DOLLAR == riskless.mark(0.99) == riskless.mark(0.01)


def test_seed_defect_08_void_pays_half_a_dollar_of_either_side():
    assert dollars(section_5_1().settle(Resolution.VOID)) == 600 * 0.5 - 315


def test_seed_defect_08_settlement_is_idempotent():
    inventory = section_5_1()
    assert inventory.settle(Resolution.NO) == inventory.settle(Resolution.NO) == 185 * DOLLAR


def test_seed_defect_08_late_fills_settle_again():
    inventory = section_5_1()
    before = inventory.settle(Resolution.NO)
    assert inventory.apply(filled("late", Outcome.NO, 90, 10, fee=7), CENT)
    assert before + 10 * DOLLAR // 10 - 7 == inventory.settle(Resolution.NO)


def test_seed_defect_08_a_corrected_resolution_replaces_the_first():
    inventory = section_5_1()
    inventory.settle(Resolution.NO)
    assert dollars(inventory.settle(Resolution.YES)) == -215


def test_a_fill_counts_once():
    inventory = Inventory()
    assert inventory.apply(filled("1", Outcome.YES, 40, 100, fee=-250), CENT)
    assert not inventory.apply(filled("1", Outcome.YES, 40, 100, fee=-250), CENT)
    assert (inventory.yes, inventory.yes_cost_micros, inventory.fees_micros) == (100, 40 * DOLLAR, -250)


def test_mark_moves_from_one_resolution_to_the_other():
    inventory = section_5_1()
    assert inventory.mark(1.0) == inventory.pnl_if(Resolution.YES)
    assert inventory.mark(0.0) == inventory.pnl_if(Resolution.NO)
    assert inventory.mark(0.5) == inventory.pnl_if(Resolution.VOID)


def test_merge_refuses_more_pairs_than_there_are():
    with pytest.raises(ValueError, match="merge"):
        section_5_1().merge(Contracts(101))
    with pytest.raises(ValueError, match="merge"):
        section_5_1().merge(Contracts(-1))


def test_merge_of_none_and_of_an_empty_inventory():
    assert Inventory().merge(Contracts(0)) == 0


def test_the_ticks_are_the_markets():
    inventory = Inventory()
    inventory.apply(filled("1", Outcome.YES, 475, 3), Micros(1_000))
    assert inventory.yes_cost_micros == 1_425_000


FILLS = st.lists(
    st.tuples(st.sampled_from(Outcome), st.integers(1, 999), st.integers(1, 1000), st.integers(-500, 500)), max_size=20
)


@given(FILLS, st.lists(st.floats(0, 1), max_size=5), st.sampled_from(Resolution))
def test_money_is_conserved_whatever_is_filled_and_merged(fills, merges, resolution):
    inventory, cash = Inventory(), 0
    for number, (outcome, ticks, size, fee) in enumerate(fills):
        inventory.apply(filled(str(number), outcome, ticks, size, fee), Micros(1_000))
        cash -= ticks * 1_000 * size + fee
        if number < len(merges):
            cash += inventory.merge(Contracts(int(inventory.pairs * merges[number])))
    pays = {Resolution.YES: (DOLLAR, 0), Resolution.NO: (0, DOLLAR), Resolution.VOID: (DOLLAR // 2, DOLLAR // 2)}
    yes_pays, no_pays = pays[resolution]
    assert cash + inventory.yes * yes_pays + inventory.no * no_pays == inventory.settle(resolution)
    assert inventory.yes_cost_micros >= 0
    assert inventory.no_cost_micros >= 0
