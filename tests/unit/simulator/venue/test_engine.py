"""The rules of orders: replace in every case, cancels, client ids, prices and sizes, rate limit, time to live."""

import pytest
from venue_fixture import CENT, MARKET, T0, Trading, refusal

from mmactors.simulator.venue.ledger import NewOrder
from mmactors.units import DOLLAR


@pytest.fixture
def t() -> Trading:
    return Trading()


class TestReplace:
    """An order keeps its id and its version goes up."""

    def test_same_price_and_smaller_size_keeps_the_queue_place(self, t: Trading) -> None:
        first = t.buy(t.ann, "YES", 50, 10)
        second = t.buy(t.bob, "YES", 50, 10)
        moved = t.move(t.ann, first, 50, 6)
        t.buy(t.eve, "NO", 50, 7)
        assert (moved.id, moved.version, first.filled, second.filled) == (first.id, 2, 6, 1)
        assert t.ann.reserved == 0

    def test_a_larger_size_loses_the_queue_place(self, t: Trading) -> None:
        first = t.buy(t.ann, "YES", 50, 10)
        second = t.buy(t.bob, "YES", 50, 10)
        t.move(t.ann, first, 50, 11)
        t.buy(t.eve, "NO", 50, 10)
        assert (first.filled, second.filled) == (0, 10)

    def test_a_new_price_moves_the_order_and_its_reservation(self, t: Trading) -> None:
        order = t.buy(t.ann, "NO", 40, 10)
        t.move(t.ann, order, 45, 8)
        assert (t.asks(), t.ann.reserved) == ([(55, 8)], 8 * 45 * CENT)

    def test_size_is_the_total_including_fills(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10)
        t.buy(t.bob, "NO", 50, 4)
        t.move(t.ann, order, 49, 10)
        assert (order.status, order.remaining, t.bids()) == ("PARTIAL", 6, [(49, 6)])

    def test_a_size_not_above_what_is_filled_ends_it_as_cancelled(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10)
        t.buy(t.bob, "NO", 50, 4)
        t.move(t.ann, order, 50, 4, "b")
        assert (order.status, order.filled, t.bids(), t.ann.reserved) == ("CANCELLED", 4, [], 0)
        assert (order.version, order.client_order_id, t.venue.find(t.ann, "c:b")) == (2, "b", order)

    def test_failing_post_only_cancels_the_original(self, t: Trading) -> None:
        t.buy(t.bob, "NO", 48, 5)
        order = t.buy(t.ann, "YES", 50, 10, post_only=True)
        refused = refusal(lambda: t.move(t.ann, order, 52, 10))
        assert (refused.code, refused.original_status, order.status) == (
            "POST_ONLY_WOULD_CROSS",
            "CANCELLED",
            "CANCELLED",
        )
        assert (t.bids(), t.ann.reserved) == ([], 0)

    def test_failing_funds_cancels_the_original(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10)
        refused = refusal(lambda: t.move(t.ann, order, 50, 2001))
        assert (refused.code, refused.original_status, order.status) == ("INSUFFICIENT_FUNDS", "CANCELLED", "CANCELLED")

    def test_its_own_reservation_counts_towards_the_new_one(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 2000)
        t.move(t.ann, order, 40, 2500)
        assert t.ann.available == 0

    @pytest.mark.parametrize(
        ("cents", "size", "code"),
        [(50.5, 10, "INVALID_TICK"), (0, 10, "INVALID_PRICE"), (100, 10, "INVALID_PRICE"), (50, -1, "INVALID_SIZE")],
    )
    def test_any_other_failure_changes_nothing(self, t: Trading, cents: float, size: int, code: str) -> None:
        order = t.buy(t.ann, "YES", 50, 10)
        assert refusal(lambda: t.move(t.ann, order, cents, size)).code == code
        assert (order.status, order.version, t.bids()) == ("OPEN", 1, [(50, 10)])

    def test_without_post_only_it_may_trade_at_once(self, t: Trading) -> None:
        t.buy(t.bob, "NO", 45, 4)
        order = t.buy(t.ann, "YES", 50, 10)
        t.reasons(t.ann)
        t.move(t.ann, order, 56, 10)
        assert (order.filled, t.bids()) == (4, [(56, 6)])
        assert t.reasons(t.ann) == ["replace", "fill"]

    def test_the_new_client_id_takes_over_and_the_old_stays_taken(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10, client_order_id="a")
        t.move(t.ann, order, 51, 10, "b")
        assert order.client_order_id == "b"
        assert t.venue.find(t.ann, "c:b") is order
        assert refusal(lambda: t.buy(t.ann, "YES", 40, 1, client_order_id="a")).code == "DUPLICATE_CLIENT_ORDER_ID"

    def test_a_client_id_already_used_changes_nothing(self, t: Trading) -> None:
        t.buy(t.ann, "YES", 40, 1, client_order_id="a")
        order = t.buy(t.ann, "YES", 50, 10, client_order_id="b")
        assert refusal(lambda: t.move(t.ann, order, 51, 10, "a")).code == "DUPLICATE_CLIENT_ORDER_ID"
        assert (order.ticks, order.status) == (50, "OPEN")

    def test_a_refused_replace_does_not_use_up_its_client_id(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10, client_order_id="a")
        refusal(lambda: t.move(t.ann, order, 50, 5000, "b"))
        assert t.buy(t.ann, "YES", 50, 10, client_order_id="b").status == "OPEN"

    def test_an_order_that_has_ended_is_not_open(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10)
        t.venue.cancel(t.ann, order.id, T0)
        refused = refusal(lambda: t.move(t.ann, order, 51, 10))
        assert (refused.code, refused.order) == ("ORDER_NOT_OPEN", order)

    def test_a_sale_of_holdings_can_be_moved(self, t: Trading) -> None:
        t.buy(t.bob, "NO", 50, 5)
        t.buy(t.ann, "YES", 50, 5)
        order = t.sell(t.ann, "YES", 60, 5)
        t.move(t.ann, order, 70, 5)
        assert (t.asks(), t.ann.positions[MARKET].yes_held) == ([(70, 5)], 5)
        assert refusal(lambda: t.move(t.ann, order, 70, 6)).code == "INSUFFICIENT_FUNDS"
        assert t.ann.positions[MARKET].yes_held == 0


class TestClientOrderId:
    """Unique for a day; the same body again is the same order."""

    def test_the_same_body_again_is_the_original_order(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10, client_order_id="a")
        body = NewOrder(MARKET, "bid", "YES", 50 * CENT, 10, "a")
        assert t.venue.place(t.ann, body, T0) == (order, True)
        assert t.bids() == [(50, 10)]

    def test_even_after_it_ended(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10, client_order_id="a")
        t.venue.cancel(t.ann, "c:a", T0)
        t.venue.close_market(MARKET, T0 + 60_000)
        again = t.venue.place(t.ann, NewOrder(MARKET, "bid", "YES", 50 * CENT, 10, "a"), T0 + 60_001)
        assert again == (order, True)

    def test_another_body_is_refused(self, t: Trading) -> None:
        t.buy(t.ann, "YES", 50, 10, client_order_id="a")
        assert refusal(lambda: t.buy(t.ann, "YES", 50, 11, client_order_id="a")).code == "DUPLICATE_CLIENT_ORDER_ID"

    def test_a_refused_order_does_not_use_up_its_id(self, t: Trading) -> None:
        refusal(lambda: t.buy(t.ann, "YES", 50, 5000, client_order_id="a"))
        assert t.buy(t.ann, "YES", 50, 10, client_order_id="a").status == "OPEN"

    def test_accounts_do_not_share_ids(self, t: Trading) -> None:
        t.buy(t.ann, "YES", 50, 10, client_order_id="a")
        assert t.buy(t.bob, "YES", 49, 10, client_order_id="a").status == "OPEN"

    def test_a_day_later_it_is_free_and_the_order_forgotten(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10, client_order_id="a")
        t.venue.cancel(t.ann, order.id, T0)
        t.venue.forget(T0 + 24 * 3600 * 1000 + 1)
        assert refusal(lambda: t.venue.find(t.ann, order.id)).code == "ORDER_NOT_FOUND"
        assert t.buy(t.ann, "YES", 50, 11, client_order_id="a").size == 11


class TestRefusals:
    """A wrong value has its own code."""

    @pytest.mark.parametrize(
        ("price", "size", "code"),
        [
            (505_000, 10, "INVALID_TICK"),
            (0, 10, "INVALID_PRICE"),
            (DOLLAR, 10, "INVALID_PRICE"),
            (-CENT, 10, "INVALID_PRICE"),
            (50 * CENT, 0, "INVALID_SIZE"),
            (50 * CENT, 10_001, "INVALID_SIZE"),
            (50 * CENT, 2001, "INSUFFICIENT_FUNDS"),
        ],
    )
    def test_of_a_place(self, t: Trading, price: int, size: int, code: str) -> None:
        body = NewOrder(MARKET, "bid", "YES", price, size)
        assert refusal(lambda: t.venue.place(t.ann, body, T0)).code == code
        assert (t.ann.reserved, t.bids(), t.ann.outbox) == (0, [], [])

    def test_finer_ticks_are_the_markets_own(self) -> None:
        t = Trading(tick=1000)
        assert t.buy(t.ann, "YES", 50.5, 10).ticks == 505

    def test_of_markets(self, t: Trading) -> None:
        nowhere = NewOrder("nowhere", "bid", "YES", 50 * CENT, 1)
        assert refusal(lambda: t.venue.place(t.ann, nowhere, T0)).code == "MARKET_NOT_FOUND"
        t.venue.halt_market(MARKET, T0)
        assert refusal(lambda: t.buy(t.ann, "YES", 50, 1)).code == "MARKET_HALTED"
        t.venue.close_market(MARKET, T0)
        assert refusal(lambda: t.buy(t.ann, "YES", 50, 1)).code == "MARKET_CLOSED"

    def test_orders_of_others_do_not_exist(self, t: Trading) -> None:
        order = t.buy(t.ann, "YES", 50, 10)
        assert refusal(lambda: t.venue.cancel(t.bob, order.id, T0)).code == "ORDER_NOT_FOUND"

    def test_reserved_cash_cannot_be_spent_twice(self, t: Trading) -> None:
        t.buy(t.ann, "YES", 50, 1500)
        assert refusal(lambda: t.buy(t.ann, "NO", 40, 700)).code == "INSUFFICIENT_FUNDS"
        assert t.buy(t.ann, "NO", 40, 625).status == "OPEN"


def test_cancel_twice_says_order_not_open_with_the_final_order(t: Trading) -> None:
    order = t.buy(t.ann, "YES", 50, 10)
    t.venue.cancel(t.ann, order.id, T0)
    refused = refusal(lambda: t.venue.cancel(t.ann, order.id, T0))
    assert (refused.code, refused.order) == ("ORDER_NOT_OPEN", order)


def test_cancel_all_by_market_outcome_and_session(t: Trading) -> None:
    yes, no = t.buy(t.ann, "YES", 40, 10), t.buy(t.ann, "NO", 40, 10)
    other = t.venue.place(t.ann, NewOrder(MARKET, "bid", "YES", 39 * CENT, 1), T0, session="s2")[0]
    theirs = t.buy(t.bob, "YES", 41, 1)
    assert t.venue.cancel_all(t.ann, T0, market="elsewhere") == []
    assert t.venue.cancel_all(t.ann, T0, outcome="NO") == [no.id]
    assert t.venue.cancel_all(t.ann, T0, session="s1", reason="cod") == [yes.id]
    assert t.venue.cancel_all(t.ann, T0) == [other.id]
    assert theirs.status == "OPEN"


def test_an_order_ends_when_its_time_to_live_is_over(t: Trading) -> None:
    order = t.buy(t.ann, "YES", 50, 10, ttl_ms=5000)
    t.venue.expire(T0 + 4999)
    assert order.status == "OPEN"
    t.reasons(t.ann)
    t.venue.expire(T0 + 5000)
    assert (order.status, t.bids(), t.ann.reserved, t.reasons(t.ann)) == ("EXPIRED", [], 0, ["expire"])


class TestRateLimit:
    """place and replace cost 1, cancel 0.2, cancel_all nothing; refused operations cost too."""

    def venue(self) -> Trading:
        return Trading(orders_per_s=10.0, burst=3.0)

    def test_the_bucket_empties_and_refills(self) -> None:
        t = self.venue()
        for _ in range(3):
            t.buy(t.ann, "YES", 10, 1)
        refused = refusal(lambda: t.buy(t.ann, "YES", 10, 1))
        assert refused.code == "RATE_LIMITED"
        assert 100 <= refused.retry_after_ms <= 101
        assert t.buy(t.ann, "YES", 10, 1, now=T0 + refused.retry_after_ms).status == "OPEN"

    def test_refused_operations_cost_too(self) -> None:
        t = self.venue()
        for _ in range(3):
            assert refusal(lambda: t.buy(t.ann, "YES", 0, 1)).code == "INVALID_PRICE"
        assert refusal(lambda: t.buy(t.ann, "YES", 10, 1)).code == "RATE_LIMITED"

    def test_a_cancel_costs_a_fifth(self) -> None:
        t = self.venue()
        for _ in range(15):
            assert refusal(lambda: t.venue.cancel(t.ann, "o-none", T0)).code == "ORDER_NOT_FOUND"
        assert refusal(lambda: t.venue.cancel(t.ann, "o-none", T0)).code == "RATE_LIMITED"

    def test_cancel_all_is_never_refused(self) -> None:
        t = self.venue()
        orders = [t.buy(t.ann, "YES", 10, 1) for _ in range(3)]
        assert t.venue.cancel_all(t.ann, T0) == [order.id for order in orders]

    def test_accounts_have_a_bucket_each(self) -> None:
        t = self.venue()
        for _ in range(3):
            t.buy(t.ann, "YES", 10, 1)
        assert t.buy(t.bob, "YES", 10, 1).status == "OPEN"


def test_ids_of_two_runs_differ() -> None:
    one, two = Trading(run="a"), Trading(run="b")
    assert one.buy(one.ann, "YES", 50, 1).id != two.buy(two.ann, "YES", 50, 1).id
