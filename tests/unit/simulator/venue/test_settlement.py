"""What a market pays: the close, YES, NO and VOID, the tie, merging; and that no micro-dollar is made or lost."""

import contextlib

import pytest
from depth import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_fixture import CENT, MARKET, T0, Trading, refusal

from mmactors.simulator.venue.ledger import LIVE
from mmactors.simulator.venue.market import Resolution
from mmactors.simulator.venue.matching import RefusalError
from mmactors.units import DOLLAR


@pytest.fixture
def t() -> Trading:
    trading = Trading()
    trading.buy(trading.ann, "YES", 60, 10)
    trading.buy(trading.bob, "NO", 40, 10)
    return trading


@pytest.mark.parametrize(("outcome", "ann", "bob"), [("YES", 10.0, 0.0), ("NO", 0.0, 10.0), ("VOID", 5.0, 5.0)])
def test_payouts(t: Trading, outcome: Resolution, ann: float, bob: float) -> None:
    before = t.money()
    t.venue.close_market(MARKET, T0 + 60_000)
    t.venue.resolve_market(MARKET, outcome, 97_001.0, T0 + 61_000)
    assert t.ann.cash == 1000 * DOLLAR - 10 * 60 * CENT + round(ann * DOLLAR)
    assert t.bob.cash == 1000 * DOLLAR - 10 * 40 * CENT + round(bob * DOLLAR)
    assert (t.money(), t.market.status, t.market.outcome) == (before, "RESOLVED", outcome)


def test_the_position_leaves_and_the_stream_tells_of_it(t: Trading) -> None:
    t.ann.outbox.clear()
    t.venue.resolve_market(MARKET, "YES", 97_001.0, T0 + 61_000)
    (event,) = t.ann.outbox
    assert (event.reason, event.position.realized, event.cash) == ("settle", 4 * DOLLAR, t.ann.cash)  # type: ignore[union-attr]
    assert t.ann.positions == {}


def test_a_market_resolves_once(t: Trading) -> None:
    t.venue.resolve_market(MARKET, "YES", 97_001.0, T0)
    cash = t.ann.cash
    t.venue.resolve_market(MARKET, "NO", 96_999.0, T0)
    assert (t.ann.cash, t.market.outcome) == (cash, "YES")


@pytest.mark.parametrize(("price", "outcome"), [(97_000.01, "YES"), (97_000.0, "NO"), (96_999.99, "NO")])
def test_yes_only_above_the_strike_and_a_tie_is_no(t: Trading, price: float, outcome: str) -> None:
    assert t.market.decide(price) == outcome


def test_a_tie_is_yes_where_the_market_says_so(t: Trading) -> None:
    t.market.tie = "YES"
    assert t.market.decide(97_000.0) == "YES"


def test_the_close_cancels_what_rests(t: Trading) -> None:
    order = t.buy(t.eve, "YES", 30, 5)
    t.reasons(t.eve)
    t.venue.close_market(MARKET, T0 + 60_000)
    assert (order.status, t.eve.reserved, t.bids(), t.reasons(t.eve)) == ("CANCELLED", 0, [], ["market_closed"])


def test_merging_turns_pairs_into_cash(t: Trading) -> None:
    t.buy(t.eve, "YES", 30, 10)
    t.buy(t.ann, "NO", 70, 10)
    before = t.money()
    t.venue.merge(t.ann, MARKET, 7, T0)
    assert t.holds(t.ann) == (3, 3)
    assert t.ann.cash == 1000 * DOLLAR - 10 * 60 * CENT - 10 * 70 * CENT + 7 * DOLLAR
    assert t.money() == before
    assert refusal(lambda: t.venue.merge(t.ann, MARKET, 4, T0)).code == "INVALID_SIZE"


def test_pairs_promised_to_a_sale_cannot_be_merged(t: Trading) -> None:
    t.buy(t.eve, "YES", 30, 10)
    t.buy(t.ann, "NO", 70, 10)
    t.sell(t.ann, "YES", 80, 8)
    assert refusal(lambda: t.venue.merge(t.ann, MARKET, 3, T0)).code == "INVALID_SIZE"


_who = st.sampled_from(["ann", "bob", "eve"])
_step = st.one_of(
    st.tuples(
        st.just("place"), _who, st.sampled_from(["bid", "ask"]), st.sampled_from(["YES", "NO"]),
        st.integers(35, 65), st.integers(1, 60), st.sampled_from(["", "post_only", "ioc"]),
    ),
    st.tuples(st.just("replace"), _who, st.integers(0, 9), st.integers(35, 65), st.integers(0, 80)),
    st.tuples(st.just("cancel"), _who, st.integers(0, 9)),
    st.tuples(st.just("merge"), _who, st.integers(1, 20)),
)  # fmt: skip


def _apply(t: Trading, step: tuple[object, ...]) -> None:
    account = t.venue.accounts[str(step[1])]
    open_orders = list(account.live.values())
    match step:
        case ("place", _, side, outcome, int(cents), int(size), str(kind)):
            send = t.buy if side == "bid" else t.sell
            send(account, str(outcome), cents, size, **({kind: True} if kind else {}))
        case ("replace", _, int(which), int(cents), int(size)) if open_orders:
            t.move(account, open_orders[which % len(open_orders)], cents, size)
        case ("cancel", _, int(which)) if open_orders:
            t.venue.cancel(account, open_orders[which % len(open_orders)].id, T0)
        case ("merge", _, int(size)):
            t.venue.merge(account, MARKET, size, T0)


@given(
    steps=st.lists(_step, max_size=60),
    fees=st.tuples(st.sampled_from([-3.3, 0.0, 1.7]), st.sampled_from([0.0, 4.9])),
    outcome=st.sampled_from(["YES", "NO", "VOID"]),
)
@settings(max_examples=examples(150), deadline=None)
def test_money_is_conserved_and_the_book_never_crossed(
    steps: list[tuple[object, ...]], fees: tuple[float, float], outcome: Resolution
) -> None:
    t = Trading(cash=40 * DOLLAR, maker_bps=fees[0], taker_bps=fees[1])
    deposits = t.money()
    for step in steps:
        with contextlib.suppress(RefusalError):
            _apply(t, step)
        book = t.market.book
        assert t.money() == deposits
        assert book.best_bid < book.best_ask
        positions = t.market.positions.values()
        assert sum(p.yes for p in positions) == sum(p.no for p in positions) == t.market.pairs
        levels: dict[tuple[bool, int], int] = {}
        for account in t.venue.accounts.values():
            assert account.available >= 0
            assert account.reserved == sum(o.unit_reserve * o.remaining for o in account.live.values())
            for order in account.live.values():
                assert order.status in LIVE
                levels[order.buys_yes, order.yes_ticks] = (
                    levels.get((order.buys_yes, order.yes_ticks), 0) + order.remaining
                )
        shown = {(True, at): size for at, size in t.bids()} | {(False, at): size for at, size in t.asks()}
        assert shown == levels
    t.venue.close_market(MARKET, T0 + 60_000)
    t.venue.resolve_market(MARKET, outcome, 97_000.0, T0 + 61_000)
    assert t.money() == deposits
    assert [account.reserved for account in t.venue.accounts.values()] == [0, 0, 0]
