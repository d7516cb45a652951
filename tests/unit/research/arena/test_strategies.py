"""The rivals' arithmetic, held against the check values given for each (strategy.md, section 5)."""

import math

import pytest

from mmactors.research.arena.strategies import (
    RIVALS,
    AvellanedaStoikov,
    Bands,
    ConcentratedAMM,
    LmsrSkew,
    PolyMaker,
    PureMarketMaking,
    SeedsV1,
    SimpleMM,
    View,
)


def view(price=0.5, *, yes=0, no=0, cash=1000.0, left_s=200.0, resting=None, spot=97_000.0):
    return View(price, spot, 97_000.0, left_s, 300.0, yes, no, cash, resting or {})


def test_bands_at_even_odds_buys_twenty_of_each_at_three_prices():
    assert Bands().wanted(view()) == {(side, cents): 20 for side in ("YES", "NO") for cents in (49, 48, 47)}


def test_bands_near_the_edge_drops_what_is_no_price():
    assert Bands().wanted(view(0.02)) == {("YES", 1): 20} | {("NO", cents): 20 for cents in (97, 96, 95)}


def test_bands_keeps_what_is_inside_and_cancels_the_rest():
    wanted = Bands().wanted(view(0.5, resting={("YES", 49): 12, ("YES", 44): 20, ("NO", 48): 40}))
    assert wanted[("YES", 49)] == 12  # between the band's least and most: left alone
    assert ("YES", 44) not in wanted
    assert wanted[("NO", 48)] == 20  # above the most: cancelled, then placed anew


def test_the_amm_at_even_odds():
    buys = {round(level, 2): size for level, size in ConcentratedAMM().buys(0.5, 100.0)}
    assert [math.floor(100 * buys[level]) for level in (0.49, 0.48, 0.47, 0.40)] == [
        1923,
        1983,
        2046,
        2598,
    ]  # truncated
    assert sum(level * size for level, size in ConcentratedAMM().buys(0.5, 100.0)) == pytest.approx(100.0, rel=0.02)
    assert sum(size for _, size in ConcentratedAMM().sells(0.5, 100)) == pytest.approx(100.0)
    wanted = ConcentratedAMM().wanted(view())
    assert wanted[("YES", 49)] == wanted[("NO", 49)] == 19


def test_avellaneda_stoikov():
    bid, ask = AvellanedaStoikov().quotes(0.5, 0.3, 0.004, 1.0)
    assert (round(bid, 6), round(ask, 6)) == (0.480271, 0.517329)


def test_lmsr():
    assert LmsrSkew().reservation(50, 10, 250) == pytest.approx(49.0001, abs=5e-5)
    assert LmsrSkew().reservation(20, 20, 250) == pytest.approx(18.7507, abs=5e-5)


def test_poly_maker_by_hand():
    yes, no = PolyMaker().quotes(0.5, 500, 0.01, 0.0)
    assert yes == pytest.approx(0.5 - 0.5 * 0.01 * 0.5 - 0.032)
    assert no == pytest.approx(0.5 + 0.5 * 0.01 * 0.5 - 0.032)
    assert not any(side == "YES" for side, _ in PolyMaker().wanted(view(yes=700)))
    assert PolyMaker().wanted(view())[("YES", 46)] == 108  # $50 at 0.46, one second's sd still taken as a cent


def test_poly_maker_stays_until_two_ticks():
    maker = PolyMaker()
    first = maker.wanted(view(0.50))
    assert maker.wanted(view(0.515, resting=first)) is None
    assert maker.wanted(view(0.52, resting=first)) is not None


def test_the_specification_fed_a_second_apart():
    v1 = SeedsV1()
    for second in range(101):
        v1.on_price(97_000.0 * math.exp(1e-4 * (second % 2)), None, float(second))
    assert v1.volatility() == pytest.approx(1e-4 * math.sqrt(365 * 86_400), rel=0.02)
    assert v1.fair(view()) == 0.5
    flat = v1.wanted(view())
    assert flat == {(side, cents): 100 for side in ("YES", "NO") for cents in (48, 47, 46)}
    assert set(v1.wanted(view(yes=500))) == {("YES", 47), ("YES", 46), ("YES", 45), ("NO", 49), ("NO", 48), ("NO", 47)}
    assert not any(side == "YES" for side, _ in v1.wanted(view(yes=1000)))
    assert v1.wanted(view(left_s=29.0)) == {}


def test_simple_mm_never_cancels():
    assert SimpleMM().wanted(view(resting={("YES", 30): 100})) == {("YES", 30): 100, ("YES", 48): 100, ("NO", 48): 100}


def test_pmm_doubles_the_side_that_rebalances():
    assert PureMarketMaking().wanted(view()) == {("YES", 48): 100, ("NO", 48): 100}
    assert PureMarketMaking().wanted(view(yes=500)) == {("YES", 48): 50, ("NO", 48): 150}
    assert PureMarketMaking().wanted(view(yes=1000)) == {("NO", 48): 200}


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("price", [None, 0.005, 0.01, 0.3, 0.5, 0.99, 0.995])
@pytest.mark.parametrize("net", [-1500, 0, 40, 1500])
def test_no_rival_ever_wants_what_is_no_order(name, price, net):
    rival = RIVALS[name]()
    for second in range(30):
        rival.on_price(97_000.0 + second % 3, price, float(second))
    wanted = rival.wanted(view(price, yes=max(net, 0), no=max(-net, 0)))
    for (side, cents), size in (wanted or {}).items():
        assert side in ("YES", "NO")
        assert 1 <= cents <= 99
        assert size >= 1
