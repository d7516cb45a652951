"""Sigma starts warm from an exchange's history, and what was seen live stays."""

import math
import random

import pytest

from mmactors.core.params import VolatilityParams
from mmactors.core.reference.reference import Reference
from mmactors.core.reference.warm_start import usable, warmed
from mmactors.messages import HistoryFetched, SpotTicked
from mmactors.units import SECOND, YEAR_S, Nanos, nanos

START = nanos(1_700_000_000)
PRICE = 97_000.0
PARAMS = VolatilityParams(prior=0.5)


def closes(step_s, *, sigma=0.25, span_s=3600, seed=1, end=START):
    """A history of an hour at a known volatility; the last close is one step before `end`."""
    draw, price, found = random.Random(seed), PRICE, []
    for k in range(span_s // step_s, 0, -1):
        price *= math.exp(draw.gauss(0.0, sigma * math.sqrt(step_s / YEAR_S)))
        found.append((Nanos(end - k * step_s * SECOND), price))
    return tuple(found)


def fetched(step_s, source="binance", asset="BTC", **kwargs):
    return HistoryFetched(asset, source, float(step_s), closes(step_s, **kwargs))


def reference():
    return Reference("BTC", PARAMS, nanos(2))


def tick(price, now):
    return SpotTicked("binance", "BTC", price, "book", now)


@pytest.mark.parametrize("step_s", [1, 5, 60])
@pytest.mark.parametrize("sigma", [0.25, 1.0])
def test_sigma_begins_at_the_last_hours(step_s, sigma):
    held = reference()
    assert held.on_history(fetched(step_s, sigma=sigma), START)
    held.on_price(tick(PRICE, START), START)
    # One-minute candles are a sixth as many samples as ten-second returns: the prior keeps a larger share.
    assert held.sigma() == pytest.approx(sigma, rel=0.2 if step_s < 60 else 0.35)


def test_a_history_is_no_price():
    held = reference()
    held.on_history(fetched(1), START)
    assert held.snapshot() is None
    assert held.on_timer(START) is None


def test_what_was_seen_live_comes_after_the_history():
    early, late = reference(), reference()
    early.on_history(fetched(1), START)
    for held in (early, late):
        for k in range(300):
            now = Nanos(START + k * SECOND // 10)
            held.on_price(tick(PRICE * (1.0 + 1e-5 * (k % 7)), now), now)
            held.on_timer(now)
    assert late.sigma() > 1.2 * early.sigma()
    assert late.on_history(fetched(1, end=Nanos(START + 20 * SECOND)), now)  # its last seconds are known better already
    assert late.sigma() == pytest.approx(early.sigma(), rel=0.02)


def test_a_history_half_an_hour_late_still_comes_before_all_that_was_seen():
    early, late = reference(), reference()
    early.on_history(fetched(1, sigma=1.0), START)
    for k in range(18_000):
        now = Nanos(START + k * SECOND // 10)
        for held in (early, late):
            held.on_price(tick(PRICE * (1.0 + 1e-5 * (k % 7)), now), now)
            held.on_timer(now)
    assert early.sigma() > 1.1 * late.sigma()
    assert late.on_history(fetched(1, sigma=1.0), now)
    assert late.sigma() == pytest.approx(early.sigma(), rel=1e-9)
    assert not late.on_history(fetched(1, sigma=1.0), now), "once"


def test_a_history_that_comes_too_late_is_left_alone():
    held = reference()
    for k in range(3610):
        now = Nanos(START + k * SECOND)
        held.on_price(tick(PRICE, now), now)
        held.on_timer(now)
    sigma = held.sigma()
    assert not held.on_history(fetched(1, sigma=2.0), now)
    assert held.sigma() == sigma
    assert held.counts["history_late"] == 1


def test_the_finest_history_counts():
    held = reference()
    assert held.on_history(fetched(60, "coinbase"), START)
    assert held.on_history(fetched(1, sigma=0.8), START)
    assert not held.on_history(fetched(60, "coinbase"), START)
    assert not held.on_history(fetched(1, "other", sigma=0.2), START)
    assert held.sigma() == pytest.approx(0.8, rel=0.2)


def test_a_history_of_another_asset_or_of_nothing_is_nothing():
    held = reference()
    assert not held.on_history(fetched(1, asset="ETH"), START)
    assert not held.on_history(HistoryFetched("BTC", "binance", 1.0, ()), START)
    assert not held.on_history(HistoryFetched("BTC", "binance", math.nan, closes(1)), START)
    assert held.sigma() == PARAMS.prior
    assert held.counts["history_short"] == 2


def test_closes_that_are_no_prices_or_out_of_order_are_left_out():
    bad = [(Nanos(1), 1.0), (Nanos(3), math.nan), (Nanos(2), -1.0), (Nanos(4), 2.0), (Nanos(4), 3.0), (Nanos(9), 4.0)]
    assert usable(bad, Nanos(9)) == [(1, 1.0), (4, 2.0)]


def test_one_wild_candle_is_not_the_hours_level():
    calm = closes(60)
    wild = (*calm[:30], (calm[30][0], calm[30][1] * 1.05), *calm[31:])
    assert warmed(PARAMS, wild, 60.0).sigma() < 1.6 * warmed(PARAMS, calm, 60.0).sigma()
