"""Fixings: what is realised of an average, for who was there and who came late; and the Maker that prices by them."""

from dataclasses import replace
from random import Random

import pytest

from mmactors.core.params import MakerParams, ReferenceParams, VolatilityParams
from mmactors.core.pricing.fixings import Fixings, PriceLog, Realised
from mmactors.core.pricing.settlement import MeanOfFixings
from mmactors.core.quoting.maker import Maker
from mmactors.core.reference.reference import Reference
from mmactors.messages import (
    FairMoved,
    HistoryFetched,
    Market,
    MarketHydrated,
    MarketStatus,
    Outcome,
    PricesKnown,
    QuoteIntent,
    ReferenceLost,
    ReferenceMoved,
    SettlementRule,
    SpotTicked,
    TimePassed,
    TradingState,
)
from mmactors.units import MILLISECOND, SECOND, Contracts, Micros, Nanos, micros

START = 1_800_000_000 * SECOND
EXPIRY = START + 300 * SECOND
RULE = SettlementRule("avg", 60, Outcome.YES)
STRIKE = 97_000.0
MARKET = Market("m", "BTC", STRIKE, MarketStatus.OPEN, Nanos(START), Nanos(EXPIRY), settlement=RULE)
OFFSET = Nanos(3 * MILLISECOND)
LAG_S = 0.02


def moved(now, price):
    return ReferenceMoved("BTC", price, 0.5, Nanos(now), Nanos(now), LAG_S, ("binance",))


def walk(seed=3, seconds=300, every_ms=100):
    """Prices about the strike, one each tenth of a second, a little after it."""
    rng, price = Random(seed), STRIKE
    for step in range(seconds * 1000 // every_ms):
        price += rng.gauss(0.0, 2.7)
        yield START + step * every_ms * MILLISECOND + 7 * MILLISECOND, round(price, 2)


def fixings_by_hand(seen, now):
    """Sum and count of the fixings realised by now: at each venue second, the last price received a lag after it."""
    total, count = 0.0, 0
    for back in range(60):
        at = EXPIRY - OFFSET - back * SECOND + round(LAG_S * SECOND)
        if at <= now:
            total += [price for when, price in seen if when <= at][-1]
            count += 1
    return total, count


class Desk:
    """A Maker of the averaged market, with a venue that answers nothing."""

    def __init__(self, now, no=0):
        self.maker = Maker("m", 1, "m", MakerParams())
        self.fairs, self.intents = {}, []
        if now is not None:
            self.hydrate(now, no)

    def hydrate(self, now, no=0):
        held = Contracts(0), Contracts(no), Micros(0), Micros(no * 500_000)
        self.tell(now, MarketHydrated(MARKET, *held, TradingState.ACTIVE, OFFSET, 0.05, micros(1e5)))

    def tell(self, now, event):
        for command in self.maker.handle(event, Nanos(now)).commands:
            if isinstance(command, FairMoved):
                self.fairs[now] = command.fair
            elif isinstance(command, QuoteIntent):
                self.intents.append(command)


def test_a_maker_prices_the_average_with_the_fixings_so_far():
    desk, seen = Desk(START), []
    for now, price in walk():
        seen.append((now, price))
        desk.tell(now, moved(now, price))
        if now in desk.fairs:
            total, count = fixings_by_hand(seen, now)
            tau_s = (EXPIRY - now - OFFSET) / SECOND + LAG_S
            by_hand = MeanOfFixings(RULE).fair_value(price, STRIKE, 0.5, tau_s, Realised(total, count))
            assert desk.fairs[now] == pytest.approx(by_hand, abs=1e-9)
    assert len([now for now in desk.fairs if now > EXPIRY - 60 * SECOND]) > 150


@pytest.mark.parametrize("born_s", [5, 200, 250, 271, 288])
def test_a_maker_restarted_mid_window_prices_as_one_that_was_there(born_s):
    reference = Reference("BTC", VolatilityParams(), Nanos(2 * SECOND), ReferenceParams())
    reference.past(RULE.fixings)
    veteran, late = Desk(START), None
    for now, price in walk():
        told = reference.on_price(SpotTicked("binance", "BTC", price, "book", Nanos(now)), Nanos(now))
        if told is None:
            continue
        if late is None and now >= START + born_s * SECOND:
            late = Desk(now)
            late.tell(now, reference.past(RULE.fixings))
            veteran.maker._marked_ns = 0  # both tell their marks at the same moments
        veteran.tell(now, told)
        if late is not None:
            late.tell(now, told)
    assert late is not None
    both = late.fairs.keys() & veteran.fairs.keys()
    assert len(both) > 20
    assert {now: late.fairs[now] for now in both} == {now: veteran.fairs[now] for now in both}


def test_what_is_told_before_the_market_is_known_counts_too():
    now = EXPIRY - 50 * SECOND
    veteran, late = Desk(now, no=100), Desk(None)
    past = PricesKnown("BTC", 60, ((Nanos(EXPIRY - 61 * SECOND), STRIKE),))
    for desk in (veteran, late):
        desk.tell(now, past)
        desk.tell(now + SECOND, moved(now + SECOND, STRIKE + 5.0))
        desk.tell(now + 20 * SECOND, moved(now + 20 * SECOND, STRIKE - 5.0))
    late.hydrate(now + 25 * SECOND, no=100)
    veteran.maker._marked_ns = 0
    veteran.tell(now + 25 * SECOND, TimePassed())
    assert late.fairs[now + 25 * SECOND] == veteran.fairs[now + 25 * SECOND]


def test_without_the_fixings_it_does_not_quote_and_says_why():
    now = EXPIRY - 30 * SECOND
    desk = Desk(now, no=100)
    desk.tell(now, moved(now, STRIKE))
    assert desk.intents == []
    desk.tell(now, PricesKnown("BTC", 60, ((Nanos(EXPIRY - 61 * SECOND), STRIKE + 5.0),)))
    desk.tell(Nanos(now + SECOND // 5), TimePassed())
    assert desk.intents[-1].places
    assert desk.intents[-1].reason.fair > 0.55


def test_what_rests_goes_when_a_window_begins_whose_fixings_are_not_known():
    # Its settlement becomes an average while it runs: nobody kept the prices.
    now = EXPIRY - 30 * SECOND
    desk = Desk(now - SECOND)
    desk.maker._learn(replace(MARKET, settlement=SettlementRule()), desk.maker._venue)
    desk.tell(now - SECOND, moved(now - SECOND, STRIKE))
    assert desk.intents[-1].places
    desk.maker._learn(MARKET, desk.maker._venue)
    desk.tell(now, moved(now, STRIKE))
    assert desk.intents[-1].reason.why == "prints of the average not known"


def test_as_fixings_are_realised_the_spot_matters_less_and_the_spread_narrows():
    fairs, spreads = {}, {}
    for left_s in (58, 30, 10):
        now = EXPIRY - left_s * SECOND
        desk = Desk(now, no=100)
        desk.tell(now, PricesKnown("BTC", 60, ((Nanos(EXPIRY - 70 * SECOND), STRIKE + 20.0),)))
        desk.tell(now, moved(now, STRIKE))
        reason = desk.intents[-1].reason
        fairs[left_s], spreads[left_s] = reason.fair, reason.half_spread
    assert fairs[58] < 0.6 < 0.7 < fairs[30] < 0.98 < fairs[10]
    assert spreads[10] < min(spreads[58], spreads[30])


def test_the_dead_side_goes_by_the_average_and_not_by_the_spot():
    # The spot is a shade below the strike, what is realised far above it: NO is the loser.
    now = EXPIRY - 20 * SECOND
    desk = Desk(now, no=100)
    desk.tell(now, PricesKnown("BTC", 60, ((Nanos(EXPIRY - 70 * SECOND), STRIKE + 20.0),)))
    desk.tell(now, moved(now, STRIKE - 2.0))
    (intent,) = desk.intents
    assert intent.reason.why.startswith("dead side NO")
    assert intent.reason.d2 > 1.5
    assert {place.outcome for place in intent.places} <= {Outcome.YES}


def test_through_a_gap_the_last_price_holds():
    log = PriceLog(60)
    for at_s, price in ((-70, 10.0), (-55, 20.0), (-2, 30.0)):
        log.add(Nanos(EXPIRY + at_s * SECOND), price)
    assert Fixings(log, 60).realised(EXPIRY, EXPIRY, 0) == Realised(4 * 10.0 + 53 * 20.0 + 3 * 30.0, 60, 0)


def test_a_log_keeps_what_a_window_needs_and_no_more():
    log, prices = PriceLog(60), {}
    for step in range(20_000):
        at = Nanos(START + step * 20 * MILLISECOND)
        log.add(at, float(step))
        prices[at] = float(step)
    assert len(log.entries) < 2 * 66 * 50 + 2
    last = START + 19_999 * 20 * MILLISECOND
    moments = range(last - 60 * SECOND, last, SECOND)
    assert log.total(moments) == sum(prices[moment] for moment in moments)
    assert log.total([START]) is None


def test_what_comes_out_of_order_or_at_once_is_one_price():
    log = PriceLog(60)
    log.add(Nanos(START), 1.0)
    log.add(Nanos(START + 2), 2.0)
    log.add(Nanos(START - SECOND), 3.0)
    assert log.entries == ((START + 2, 3.0),)
    log.learn([(Nanos(START - 5), 0.5), (Nanos(START + 9), 9.0)])
    assert [price for _, price in log.entries] == [0.5, 3.0]


def test_the_window_before_the_first_price_comes_from_a_one_second_history():
    reference = Reference("BTC", VolatilityParams(), Nanos(2 * SECOND), ReferenceParams())
    reference.on_price(SpotTicked("binance", "BTC", 97_000.0, "book", Nanos(START)), Nanos(START))
    reference.on_timer(Nanos(START))
    assert len(reference.past(60).prices) == 1
    closes = tuple((Nanos(START + (at - 400) * SECOND), 96_000.0 + at) for at in range(400))
    assert reference.on_history(HistoryFetched("BTC", "binance", 1.0, closes), Nanos(START + SECOND))
    known = reference.past(60).prices
    assert len(known) == 301
    assert known[-2:] == ((START - SECOND, 96_399.0), (START, 97_000.0))


def test_a_lost_reference_cancels_an_averaged_market_too():
    now = EXPIRY - 100 * SECOND
    desk = Desk(now)
    desk.tell(now, moved(now, STRIKE))
    desk.tell(now, ReferenceLost("BTC", Nanos(now), "gone"))
    assert desk.intents[-1].reason.why == "gone"
