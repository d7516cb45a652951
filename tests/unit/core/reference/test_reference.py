"""One asset's reference: book before trades, staleness by our own clock, jumps held, latency measured."""

import math

import pytest

from mmactors.core.params import VolatilityParams
from mmactors.core.reference.reference import Reference
from mmactors.messages import FeedWentStale, ReferenceLost, ReferenceMoved, SpotTicked
from mmactors.units import Nanos, nanos

START = 1_700_000_000.0


def at(offset_s):
    return nanos(START + offset_s)


def tick(price, offset_s, kind="book", event_s=None, source="binance", asset="BTC"):
    event = None if event_s is None else at(event_s)
    return SpotTicked(source, asset, price, kind, received_ns=at(offset_s), event_ns=event)


@pytest.fixture
def reference():
    return Reference("BTC", VolatilityParams(), stale_after_ns=nanos(2))


def take(reference, price, offset_s, **kwargs):
    return reference.on_price(tick(price, offset_s, **kwargs), at(offset_s))


def test_the_first_price_moves_it(reference):
    moved = take(reference, 97_000.0, 0)
    assert isinstance(moved, ReferenceMoved)
    assert (97_000.0, 0.5, at(0), ("binance",)) == (moved.price, moved.sigma, moved.price_ns, moved.sources)


def test_an_unchanged_price_is_life_told_by_the_timer(reference):
    take(reference, 97_000.0, 0)
    assert take(reference, 97_000.0, 1) is None
    moved = reference.on_timer(at(1.1))
    assert isinstance(moved, ReferenceMoved)
    assert at(1) == moved.life_ns
    assert reference.on_timer(at(1.2)) is None


def test_a_fresh_book_is_preferred_to_trades(reference):
    take(reference, 97_000.0, 0)
    assert take(reference, 97_010.0, 0.5, kind="trade") is None
    assert reference.snapshot().price == 97_000.0
    assert reference.snapshot().life_ns == at(0.5)
    assert take(reference, 97_020.0, 1.5, kind="trade").price == 97_020.0


def test_seed_defect_09_silence_is_found_by_our_own_clock(reference):
    take(reference, 97_000.0, 0)
    assert not isinstance(reference.on_timer(at(2.0)), ReferenceLost)
    lost = reference.on_timer(at(2.1))
    assert isinstance(lost, ReferenceLost)
    assert at(0) == lost.since_ns
    assert reference.on_timer(at(2.2)) is None
    assert reference.snapshot() is None


def test_the_same_price_again_ends_the_loss(reference):
    take(reference, 97_000.0, 0)
    reference.on_timer(at(3))
    moved = take(reference, 97_000.0, 3.5)
    assert isinstance(moved, ReferenceMoved)
    assert at(3.5) == moved.life_ns


def test_a_feed_that_says_it_is_stale_is_believed(reference):
    take(reference, 97_000.0, 0)
    lost = reference.on_feed_stale(FeedWentStale("binance", "BTC", at(0.1), "disconnected"), at(0.2))
    assert lost == ReferenceLost("BTC", at(0), "binance: disconnected")
    assert reference.on_feed_stale(FeedWentStale("binance", "BTC", at(0.1), "disconnected"), at(0.3)) is None
    assert isinstance(take(reference, 97_001.0, 0.4), ReferenceMoved)


def test_a_price_overtaken_by_the_word_of_silence_revives_nothing(reference):
    take(reference, 97_000.0, 0)
    reference.on_feed_stale(FeedWentStale("binance", "BTC", at(0.1), "disconnected"), at(0.2))
    assert reference.on_price(tick(97_001.0, 0.1), at(0.3)) is None
    assert reference.counts["late"] == 1


def test_one_living_source_is_enough(reference):
    take(reference, 97_000.0, 0)
    take(reference, 97_001.0, 0.1, source="coinbase")
    assert reference.on_feed_stale(FeedWentStale("binance", "BTC", at(0), "quiet"), at(0.2)) is None
    assert reference.snapshot().sources == ("coinbase",)
    assert reference.on_feed_stale(FeedWentStale("coinbase", "BTC", at(0), "quiet"), at(0.3)) is not None


def test_word_of_an_unknown_source_or_asset_is_nothing(reference):
    assert reference.on_feed_stale(FeedWentStale("kraken", "BTC", at(0), "quiet"), at(1)) is None
    assert reference.on_timer(at(1)) is None
    assert reference.snapshot() is None
    assert take(reference, 3_000.0, 0, asset="ETH") is None
    assert reference.counts["foreign"] == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -1.0, 5e-324, 1e300])
def test_what_is_no_price_is_counted_and_dropped(reference, bad):
    take(reference, 97_000.0, 0)
    assert take(reference, bad, 0.1) is None
    assert reference.counts["invalid"] == 1
    assert (97_000.0, at(0)) == (reference.snapshot().price, reference.snapshot().life_ns)


def test_a_jump_is_held_until_confirmed(reference):
    take(reference, 97_000.0, 0)
    assert take(reference, 98_000.0, 0.1) is None
    assert reference.snapshot().price == 97_000.0
    assert take(reference, 98_010.0, 0.2).price == 98_010.0
    assert (reference.counts["jump_held"], reference.counts["jump_confirmed"]) == (1, 1)


def test_a_single_wild_price_leaves_no_trace(reference):
    take(reference, 97_000.0, 0)
    sigma = reference.sigma()
    assert take(reference, 9_700.0, 0.1) is None
    assert take(reference, 97_001.0, 0.2).price == 97_001.0
    assert take(reference, 9_700.0, 0.3) is None
    assert tuple(reference.counts[f"jump_{what}"] for what in ("held", "dropped", "confirmed")) == (2, 1, 0)
    for k in range(40):
        take(reference, 97_001.0, 0.4 + k / 2)
    assert reference.sigma() < sigma


def test_wild_prices_are_no_sign_of_life(reference):
    take(reference, 97_000.0, 0)
    for k, price in enumerate((90_000.0, 80_000.0, 70_000.0, 60_000.0)):
        take(reference, price, 0.5 + k / 2)
    assert isinstance(reference.on_timer(at(2.1)), ReferenceLost)


def test_a_small_move_is_never_held(reference):
    take(reference, 97_000.0, 0)
    assert take(reference, 97_000.0 * 1.0029, 0.01) is not None


def test_a_large_move_over_a_long_time_is_no_jump(reference):
    take(reference, 97_000.0, 0)
    reference.on_timer(at(600))
    assert take(reference, 97_000.0 * 1.01, 600.0) is not None


def test_latency_is_the_median_of_event_to_receipt(reference):
    take(reference, 97_000.0, 0)
    for k in range(64):
        take(reference, 97_000.0, 0.01 * k, kind="trade", event_s=0.01 * k - (0.8 if k % 4 == 0 else 0.05))
    reference.on_timer(at(0.7))
    assert reference.snapshot().feed_latency_s == pytest.approx(0.05, abs=1e-6)


def test_an_event_time_of_another_clock_measures_nothing(reference):
    """Captured frames replayed years later made the reaction time a second and the spread 28 c."""
    two_years_s = 2 * 365 * 86_400
    for k in range(5):
        take(reference, 97_000.0, k, kind="trade", event_s=k - two_years_s)
    assert reference.snapshot().feed_latency_s == 0.0
    assert reference.counts["other_clock"] == 5


@pytest.mark.parametrize(("delay_s", "expected"), [(-3.0, 0.0), (1.5, 1.0)])
def test_latency_is_within_its_bounds(reference, delay_s, expected):
    moved = take(reference, 97_000.0, 0, kind="trade", event_s=-delay_s)
    assert expected == moved.feed_latency_s


def test_receipt_in_the_future_is_now(reference):
    moved = reference.on_price(tick(97_000.0, 3_600), at(0))
    assert at(0) == moved.life_ns == moved.price_ns


def test_sigmas_clock_runs_between_ticks(reference):
    price = 97_000.0
    for k in range(120):
        price *= 1.0005 if k % 2 else 1 / 1.0005
        take(reference, price, k)
    loud = reference.sigma()
    for k in range(1, 601):
        take(reference, price, 119 + k, kind="book") if k % 2 else reference.on_timer(Nanos(at(119 + k)))
    assert reference.sigma() < 0.9 * loud
