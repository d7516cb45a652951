"""Markets that settle on an average, or are struck at one: by the prints, as the participants see it, on the wire."""

import math

import pytest

from mmactors.config.simulator_sections import SessionsConfig, SettlementConfig, SimulatorConfig
from mmactors.core.pricing.fixings import Realised
from mmactors.core.pricing.settlement import MeanOfFixings
from mmactors.messages import SettlementRule
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.participants import fair_of
from mmactors.simulator.venue.replies import market_json
from mmactors.simulator.venue.simulation import SimulatedVenue

START = 1_795_000_000_000


def simulate(duration="1M", strike="avg", elapsed_s=0.0, **settlement):
    rule = SettlementConfig(**{"type": "avg", "window_s": 20} | settlement)
    series = SessionsConfig(
        duration=duration, settlement=rule, strike=strike, elapsed_s=elapsed_s, strike_offset_share=0.0
    )
    return SimulatedVenue(SimulatorConfig(sessions=(series,)), START)


@pytest.mark.parametrize("elapsed_s", [0.0, 0.5])
def test_the_strike_and_the_settlement_are_means_of_one_second_prints(elapsed_s):
    simulated, prints = simulate(elapsed_s=elapsed_s), {}
    ahead_ms = round(elapsed_s * 1000)
    for at_ms in range(START + 1000 - ahead_ms, START + 122_000, 1000):
        simulated.advance(at_ms)
        prints[at_ms] = simulated.world.price("BTC")
    markets = list(simulated.venue.markets.values())
    second = markets[1]
    assert second.opens_at == START - ahead_ms + 60_000
    before = [prints[second.opens_at - 1000 * back] for back in range(20)]
    during = [prints[second.expires_at - 1000 * back] for back in range(20)]
    assert second.strike == round(math.fsum(before) / 20, 2)
    assert second.settlement_price == pytest.approx(math.fsum(during) / 20, rel=1e-14)
    assert second.outcome == ("YES" if second.settlement_price > second.strike else "NO")
    assert second.settlement_price != prints[second.expires_at]


def test_the_first_strike_is_an_average_of_the_past():
    simulated = simulate()
    path = simulated.world.paths["BTC"]
    past = [price for _, price in path.past()[-19:]]
    now = path.price
    simulated.advance(START)
    (market,) = [each for each in simulated.venue.markets.values() if each.strike is not None]
    assert market.strike == round(math.fsum([*past, now]) / 20, 2)


@pytest.mark.parametrize("window_s", [1, 20, 60])
def test_the_participants_and_the_program_agree_on_an_average(window_s):
    simulated = simulate(strike="spot", window_s=window_s)
    simulated.advance(START)
    (market,) = [each for each in simulated.venue.markets.values() if each.strike is not None]
    path, prints, seen = simulated.world.paths["BTC"], [], set()
    for at_ms in range(START, START + 60_000, 50):
        simulated.advance(at_ms)
        left_ms = market.expires_at - at_ms
        if left_ms % 1000 == 0 and left_ms < window_s * 1000:
            prints.append(path.price)
        rule = SettlementRule("avg", window_s)
        realised = Realised(math.fsum(prints), len(prints))
        ours = MeanOfFixings(rule).fair_value(path.price, market.strike, path.sigma, left_ms / 1000, realised)
        assert fair_of(market, path, at_ms) == pytest.approx(ours, abs=5e-4)
        seen.add(round(ours, 2))
    assert len(seen) > 15


def test_the_wire_tells_the_rule():
    simulated = simulate(tie="YES")
    simulated.advance(START)
    (market,) = list(simulated.venue.markets.values())[:1]
    assert market_json(market, START)["settlement"] == {
        "type": "avg",
        "window_s": 20,
        "tie": "YES",
        "index": "composite",
    }
    assert market.decide(market.strike) == "YES"


def test_a_market_without_a_strike_has_no_fair_value():
    market = Market("m", "BTC", duration_s=60, opens_at=START, expires_at=START + 60_000)
    with pytest.raises(ValueError, match="no strike"):
        fair_of(market, simulate().world.paths["BTC"], START)
