"""The rules of matching: price, time, complement crossing, self-trade, post-only, IOC, the literal ask form, fees."""

import pytest
from venue_fixture import CENT, MARKET, T0, Trading, refusal

from mmactors.units import DOLLAR


@pytest.fixture
def t() -> Trading:
    return Trading()


def test_a_no_bid_is_a_yes_ask_at_the_complement(t: Trading) -> None:
    t.buy(t.ann, "NO", 48, 10)
    assert t.asks() == [(52, 10)]


def test_two_opposite_bids_that_make_a_dollar_mint_a_pair_at_the_resting_price(t: Trading) -> None:
    t.buy(t.ann, "NO", 48, 10)
    order = t.buy(t.bob, "YES", 55, 10)
    assert (order.status, order.notional) == ("FILLED", 10 * 52 * CENT)
    assert (t.holds(t.ann), t.holds(t.bob)) == ((0, 10), (10, 0))
    assert t.ann.cash == 1000 * DOLLAR - 10 * 48 * CENT
    assert t.bob.cash == 1000 * DOLLAR - 10 * 52 * CENT
    assert t.market.pairs == 10


def test_bids_that_make_less_than_a_dollar_do_not_cross(t: Trading) -> None:
    t.buy(t.ann, "NO", 48, 10)
    t.buy(t.bob, "YES", 51, 10)
    assert (t.bids(), t.asks()) == ([(51, 10)], [(52, 10)])


def test_the_better_price_goes_first_then_the_earlier_order(t: Trading) -> None:
    late = t.buy(t.ann, "YES", 50, 5)
    later = t.buy(t.bob, "YES", 50, 5)
    best = t.buy(t.bob, "YES", 51, 5)
    t.buy(t.eve, "NO", 50, 12)
    assert (best.filled, late.filled, later.filled) == (5, 5, 2)


def test_a_no_taker_pays_the_complement_of_the_resting_yes_price(t: Trading) -> None:
    t.buy(t.ann, "YES", 60, 10)
    taker = t.buy(t.bob, "NO", 45, 10)
    assert taker.notional == 10 * 40 * CENT


def test_what_a_taker_does_not_find_rests_at_its_limit(t: Trading) -> None:
    t.buy(t.ann, "YES", 50, 4)
    order = t.buy(t.bob, "NO", 52, 10)
    assert (order.status, t.bids(), t.asks()) == ("PARTIAL", [], [(48, 6)])


def test_a_self_trade_cancels_the_resting_order_and_the_incoming_goes_on(t: Trading) -> None:
    mine = t.buy(t.ann, "YES", 51, 5)
    theirs = t.buy(t.bob, "YES", 50, 5)
    t.reasons(t.ann)
    incoming = t.buy(t.ann, "NO", 50, 8)
    assert (mine.status, mine.filled) == ("CANCELLED", 0)
    assert (theirs.filled, incoming.filled, incoming.status) == (5, 5, "PARTIAL")
    assert t.reasons(t.ann) == ["new", "cancel", "fill"]


def test_post_only_is_refused_when_it_would_cross_even_its_own_order(t: Trading) -> None:
    mine = t.buy(t.ann, "YES", 51, 5)
    refused = refusal(lambda: t.buy(t.ann, "NO", 49, 5, post_only=True))
    assert (refused.code, mine.status, t.ann.reserved) == ("POST_ONLY_WOULD_CROSS", "OPEN", 5 * 51 * CENT)


def test_ioc_cancels_its_remainder_and_never_rests(t: Trading) -> None:
    t.buy(t.ann, "YES", 50, 4)
    t.reasons(t.bob)
    order = t.buy(t.bob, "NO", 50, 10, ioc=True)
    assert (order.status, order.filled, order.remaining) == ("CANCELLED", 4, 0)
    assert (t.bids(), t.asks(), t.bob.reserved) == ([], [], 0)
    assert t.reasons(t.bob) == ["new", "fill", "cancel"]


def test_new_precedes_its_fills_and_seq_has_no_gap(t: Trading) -> None:
    t.buy(t.ann, "NO", 50, 10)
    t.buy(t.bob, "YES", 50, 3)
    t.buy(t.bob, "YES", 50, 7)
    assert [event.reason for event in t.ann.outbox] == ["new", "fill", "fill"]
    assert [event.seq for event in t.ann.outbox] == [1, 2, 3]
    assert [fill.filled_total for fill in t.ann.fills] == [3, 10]


def test_an_event_shows_the_order_as_it_was_then(t: Trading) -> None:
    t.buy(t.ann, "NO", 50, 10)
    t.buy(t.bob, "YES", 50, 3)
    t.buy(t.bob, "YES", 50, 7)
    assert [(e.order.status, e.order.filled) for e in t.ann.outbox] == [  # type: ignore[union-attr]
        ("OPEN", 0),
        ("PARTIAL", 3),
        ("FILLED", 10),
    ]


class TestLiteralAsk:
    """`side: ask` sells what is held if that covers the whole size, else it is the opposite bid."""

    def test_without_holdings_it_is_the_opposite_bid_for_the_whole_size(self, t: Trading) -> None:
        order = t.sell(t.ann, "YES", 60, 10)
        assert (order.side, order.outcome, order.ticks, order.size) == ("bid", "NO", 40, 10)
        assert t.asks() == [(60, 10)]

    def test_partly_covered_it_is_the_opposite_bid_too(self, t: Trading) -> None:
        t.buy(t.bob, "NO", 50, 5)
        t.buy(t.ann, "YES", 50, 5)
        assert t.sell(t.ann, "YES", 60, 6).side == "bid"

    def test_covered_it_sells_the_holdings(self, t: Trading) -> None:
        t.buy(t.bob, "NO", 50, 5)
        t.buy(t.ann, "YES", 50, 5)
        order = t.sell(t.ann, "YES", 60, 5)
        assert (order.side, order.outcome, order.ticks) == ("ask", "YES", 60)
        t.buy(t.eve, "YES", 60, 5)
        assert (t.holds(t.ann), t.holds(t.eve), t.market.pairs) == ((0, 0), (5, 0), 5)
        assert t.ann.cash == 1000 * DOLLAR + 5 * 10 * CENT
        assert t.ann.positions[MARKET].realized == 5 * 10 * CENT

    def test_the_same_contracts_are_not_sold_twice(self, t: Trading) -> None:
        t.buy(t.bob, "NO", 50, 5)
        t.buy(t.ann, "YES", 50, 5)
        t.sell(t.ann, "YES", 60, 5)
        assert t.sell(t.ann, "YES", 61, 1).side == "bid"

    def test_two_sellers_of_a_pair_give_the_dollar_back(self, t: Trading) -> None:
        t.buy(t.bob, "NO", 50, 5)
        t.buy(t.ann, "YES", 50, 5)
        t.sell(t.ann, "YES", 40, 5)
        t.sell(t.bob, "NO", 60, 5)
        assert (t.holds(t.ann), t.holds(t.bob), t.market.pairs) == ((0, 0), (0, 0), 0)
        assert (t.ann.cash, t.bob.cash) == (1000 * DOLLAR - 50 * CENT, 1000 * DOLLAR + 50 * CENT)


class TestFees:
    """Fees are whole micro-dollars, rounded against the payer, and were reserved."""

    def test_a_fee_is_rounded_up(self) -> None:
        t = Trading(taker_bps=0.33)
        t.buy(t.ann, "NO", 67, 1)
        t.buy(t.bob, "YES", 33, 1)
        assert t.bob.cash == 1000 * DOLLAR - 330_000 - 11  # 10.89

    def test_a_rebate_is_rounded_down(self) -> None:
        t = Trading(maker_bps=-0.33)
        t.buy(t.ann, "NO", 67, 1)
        t.buy(t.bob, "YES", 33, 1)
        assert t.ann.cash == 1000 * DOLLAR - 670_000 + 22  # 22.11

    def test_fees_cannot_overdraw_what_was_reserved(self) -> None:
        t = Trading(cash=10 * DOLLAR, taker_bps=7.77, maker_bps=3.21)
        size = 10 * DOLLAR // t.market.unit_reserve(50)
        t.buy(t.ann, "YES", 50, size)
        for _ in range(size):
            t.buy(t.bob, "NO", 50, 1)
        assert t.ann.cash >= 0
        assert t.ann.reserved == 0
        assert t.money() == 30 * DOLLAR


def test_public_trades_are_in_yes_terms(t: Trading) -> None:
    t.buy(t.ann, "YES", 60, 10, now=T0 + 5)
    t.buy(t.bob, "NO", 45, 10, now=T0 + 6)
    (trade,) = t.venue.matching.trades
    assert (trade.ticks, trade.size, trade.taker_buys, trade.seq, trade.ts) == (60, 10, False, 1, T0 + 6)
