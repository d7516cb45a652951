"""The venue's word against ours: each kind of difference is found and named."""

import json
from dataclasses import replace

import pytest

from mmactors.messages import Outcome, VenueFill, VenueOrder
from mmactors.ops.venue_check import VenueCheck, check_rest, check_venue_log
from mmactors.units import Contracts, Micros, Nanos

OURS = VenueFill(
    *("f1-1", 771, "o-1", "r1-1", "M", Outcome.NO, Micros(480_000), Contracts(30), Micros(1_500), True),
    *(Nanos(2_000_000_000), Contracts(30)),
)


def order(status: str, number: int = 2, account: str = "mmactors") -> dict:
    names = {"order_id": f"o-{number}", "client_order_id": f"r1-{number}", "account": account}
    return {"t": 1000, "type": "order", "event": "accepted", "status": status, **names}


def side(account: str = "mmactors", **change) -> dict:
    names = {"account": account, "fill_id": "f1-1", "order_id": "o-1", "client_order_id": "r1-1"}
    return {**names, "outcome": "NO", "price_ticks": 48, "fee_micros": 1500, "status": "FILLED", **change}


def trade(*sides: dict, t: int = 2000) -> dict:
    return {"t": t, "type": "fill", "market": "M", "tick_micros": 10_000, "size": 30, "sides": list(sides)}


def cash(amount: int, account: str = "mmactors", reason: str = "fill") -> dict:
    return {"t": 1, "type": "cash", "account": account, "reason": reason, "cash_micros": amount}


WHOLE = (
    cash(100, reason="deposit"),
    {"t": 1, "type": "market", "market": "M"},
    {"t": 1, "type": "spot", "asset": "BTC", "price": 1.0},
    order("OPEN", 1),
    order("OPEN", 2),
    order("OPEN", 9, account="someone"),
    trade(side(), side("noise", fill_id="f1-2", outcome="YES")),
    cash(85, "noise"),
    cash(85),
    order("CANCELLED", 2),
)


@pytest.fixture
def check(tmp_path):
    def make(lines, fills=(OURS,), money=85, tail=b"", **options) -> VenueCheck:
        path = tmp_path / "venue.jsonl"
        path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines) + tail)
        return check_venue_log(path, "mmactors", fills=fills, cash_micros=Micros(money), **options)

    return make


def test_a_whole_account_matches_and_nothing_rests(check):
    assert check(WHOLE) == VenueCheck(0, fills_match=True, cash_match=True)
    assert check(WHOLE).clean


def test_an_order_that_rests_is_counted_and_named(check):
    found = check([*WHOLE, order("PARTIAL", 7)])
    assert (found.resting_orders, found.details) == (1, ("order r1-7 still rests",))
    assert not found.clean


def test_a_partly_filled_order_rests_until_it_is_gone(check):
    lines = [cash(85, reason="deposit"), order("OPEN", 1), trade(side(status="PARTIAL"))]
    assert check(lines).resting_orders == 1
    assert check([*lines, order("CANCELLED", 1)]).resting_orders == 0


def test_a_venue_that_starts_anew_has_empty_books(check):
    assert check([cash(1, reason="deposit"), order("OPEN", 5), *WHOLE]).resting_orders == 0


def test_a_fill_missing_in_the_journal_is_named(check):
    found = check(WHOLE, fills=())
    assert not found.fills_match
    assert found.details == ("fill f1-1 is missing in the journal: 30 NO at 0.4800 fee 0.001500 in M",)


def test_a_fill_from_before_our_time_may_be_missing(check):
    assert check(WHOLE, fills=(), since_ns=Nanos(2_000_000_001)).fills_match
    assert not check(WHOLE, fills=(), since_ns=Nanos(2_000_000_000)).fills_match


def test_a_fill_the_venue_does_not_know_is_named(check):
    found = check(WHOLE, fills=(OURS, replace(OURS, fill_id="f1-9")))
    assert not found.fills_match
    assert "fill f1-9 is unknown to the venue" in found.details[0]


@pytest.mark.parametrize(
    "change",
    [
        {"size": Contracts(29)},
        {"price_micros": Micros(490_000)},
        {"outcome": Outcome.YES},
        {"fee_micros": Micros(0)},
        {"market": "N"},
    ],
)
def test_a_fill_that_differs_in_anything_is_named(check, change):
    found = check(WHOLE, fills=(replace(OURS, **change),))
    assert not found.fills_match
    assert "fill f1-1 differs" in found.details[0]


def test_a_micro_dollar_of_cash_matters(check):
    found = check(WHOLE, money=86)
    assert not found.cash_match
    assert found.details == ("cash: venue $0.000085, we $0.000086",)


def test_no_word_of_our_cash_is_no_match(check):
    assert not check([order("OPEN", 9, "someone")], fills=()).cash_match


def test_a_torn_last_line_is_passed_over_but_no_other(check):
    assert check(WHOLE, tail=b'{"t":1,"ty').clean
    assert not check(WHOLE, tail=b'{"t":1,"ty\n').fills_match


def test_a_foreign_venue_is_compared_by_what_it_says():
    resting = VenueOrder("o-3", "", "M", Outcome.YES, Micros(1), Contracts(1), Contracts(0), "OPEN")
    good = check_rest([], [OURS], Micros(85), fills=[OURS], cash_micros=Micros(85))
    assert good.clean
    bad = check_rest([resting], [], Micros(84), fills=[OURS], cash_micros=Micros(85))
    assert (bad.resting_orders, bad.fills_match, bad.cash_match) == (1, False, False)
    assert "order o-3 still rests" in bad.details


def test_many_differences_are_cut_short():
    many = [replace(OURS, fill_id=f"f-{n}") for n in range(50)]
    found = check_rest([], many, Micros(0), fills=[], cash_micros=Micros(0))
    assert len(found.details) == 21
    assert found.details[-1] == "and 30 more"
