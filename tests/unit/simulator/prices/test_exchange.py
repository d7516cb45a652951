"""Exchanges as the simulator has them: their own basis, noise and recordings; what worlds can tell of their past."""

import math
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from mmactors.config.simulator_sections import ExchangeConfig, WorldConfig
from mmactors.simulator.feeds.coinbase import Product
from mmactors.simulator.prices.exchange import ExchangePath, exchange, own_paths
from mmactors.simulator.prices.recording import PricesError, Recording, load_prices
from mmactors.simulator.prices.world import RecordedPath, SyntheticPath, World

START = 1_800_000_000_000


def recording(prices: list[float], first_ms: int = START, past: tuple[tuple[int, float], ...] = ()) -> Recording:
    return Recording([1000 * n for n in range(len(prices))], prices, [0.5] * len(prices), first_ms, past)


def world(**config: float) -> World:
    return World(WorldConfig(**config), ("BTC",), START, 50)  # type: ignore[arg-type]


def test_without_basis_and_noise_an_exchange_has_the_world_s_price_to_the_bit() -> None:
    one = world()
    binance = exchange("binance", ExchangeConfig(), one, 7)
    for step in range(100):
        one.advance(START + 50 * step)
        binance.advance(START + 50 * step)
        assert binance.paths["BTC"].price == one.price("BTC")


def test_noise_has_its_size_wanders_and_leaves_the_world_alone() -> None:
    one, untouched = world(), world()
    coinbase = exchange("coinbase", ExchangeConfig(noise_bp=3.0, basis_bp=20.0), one, 7)
    found: list[float] = []
    for step in range(20_000):
        for each in (one, untouched):
            each.advance(START + 50 * step)
        coinbase.advance(START + 50 * step)
        found.append((coinbase.paths["BTC"].price / one.price("BTC") - 1) * 10_000)
    mean = sum(found) / len(found)
    sd = math.sqrt(sum((x - mean) ** 2 for x in found) / len(found))
    assert mean == pytest.approx(20.0, abs=1.0)
    assert sd == pytest.approx(3.0, rel=0.25)
    assert max(abs(b - a) for a, b in pairwise(found)) < 3.0, "in 50 ms it wanders a little"
    assert one.price("BTC") == untouched.price("BTC")


def test_a_synthetic_world_tells_the_hour_before_and_its_future_does_not_change() -> None:
    def path() -> SyntheticPath:
        return SyntheticPath(WorldConfig(), 97_000.0, START, 50, Random("x"), "seed")

    one, other = path(), path()
    past = one.past()
    assert past == other.past() == one.past()
    assert [at for at, _ in past] == list(range(START - 3_600_000, START, 1000))
    one.advance(START + 60_000)
    other.advance(START + 60_000)
    assert one.price == path_end(path(), START + 60_000) == other.price
    moves = [math.log(b / a) for (_, a), (_, b) in pairwise([*past, (START, 97_000.0)])]
    sigma = math.sqrt(sum(m * m for m in moves) / len(moves) * 365 * 86_400)
    assert 0.25 < sigma < 1.0
    assert max(map(abs, moves)) < 0.005, "no jump at the seam"


def path_end(path: SyntheticPath, to_ms: int) -> float:
    path.advance(to_ms)
    return path.price


def test_a_recording_is_played_faster_its_past_and_volatility_with_it() -> None:
    path = RecordedPath(recording([float(n + 1) for n in range(10)], past=((-2000, 9.0), (-1000, 8.0))), START, 4.0)
    assert path.past() == [(START - 500, 9.0), (START - 250, 8.0)]
    assert path.end_ms == START + 2250
    path.advance(START + 1000)
    assert (path.price, path.sigma) == (5.0, 1.0)


def test_an_exchange_s_own_recording_plays_at_the_same_moment_as_the_world_s() -> None:
    played = {"BTC": recording([100.0 + n for n in range(20)])}
    own = {"BTC": recording([200.0 + n for n in range(40)], first_ms=START - 10_000)}
    one = World(WorldConfig(), ("BTC",), START, 50, played)
    coinbase = exchange("coinbase", ExchangeConfig(), one, 7, own_paths("coinbase", own, played, START, 1.0))
    for second, price in ((0, 210.0), (5, 215.0)):
        one.advance(START + second * 1000)
        coinbase.advance(START + second * 1000)
        assert one.price("BTC") == 100.0 + second
        assert coinbase.paths["BTC"].price == price


def test_recordings_of_other_times_are_refused_in_a_line() -> None:
    played, own = {"BTC": recording([1.0] * 20)}, {"BTC": recording([1.0] * 20, first_ms=START + 86_400_000)}
    with pytest.raises(PricesError, match=r"simulator\.feeds\.coinbase\.prices: BTC was recorded at another time"):
        own_paths("coinbase", own, played, START, 1.0)
    with pytest.raises(PricesError, match="the world's own prices are no recording"):
        own_paths("coinbase", own, None, START, 1.0)


def test_a_file_by_asset_and_a_later_begin_with_its_past(tmp_path: Path) -> None:
    for asset, price in (("BTC", 100), ("ETH", 10)):
        rows = [f"{START + 1000 * n},{price + n}" for n in range(7200)]
        (tmp_path / f"{asset}.csv").write_text("ts_ms,price\n" + "\n".join(rows) + "\n")
    files = {asset: tmp_path / f"{asset}.csv" for asset in ("BTC", "ETH")}
    found = load_prices(files, ("BTC", "ETH", "SOL"), from_s=5000.0).by_asset
    assert {asset: each.prices[0] for asset, each in found.items()} == {"BTC": 5100.0, "ETH": 5010.0}
    assert found["BTC"].first_ms == START + 5_000_000
    assert len(found["BTC"].past) == 3600
    assert found["BTC"].past[-1] == (-1000, 5099.0)
    with pytest.raises(PricesError, match=r"all before prices_from_s"):
        load_prices(files, ("BTC",), from_s=7199.5)
    with pytest.raises(PricesError, match="given for BTC, ETH only"):
        load_prices(files, ("SOL",))


def test_a_product_s_two_frames_share_their_trade_and_times_go_on() -> None:
    path = ExchangePath(RecordedPath(recording([61_800.004] * 3), START), ExchangeConfig(), Random(1))
    product = Product("BTC", path, Random(2), START, 20.0)
    frames = [frame for ms in range(START, START + 2000, 50) for frame in product.trades(ms)]
    matches = [frame for channel, frame in frames if channel == "matches"]
    tickers = [frame for channel, frame in frames if channel == "ticker"]
    assert 15 < len(matches) == len(tickers) < 80
    for match, ticker in zip(matches, tickers, strict=True):
        assert {match[key] == ticker[key] for key in ("sequence", "trade_id", "time", "price")} == {True}
        assert (ticker["best_bid"], ticker["best_ask"]) == ("61800.00", "61800.01")
    assert [m["trade_id"] for m in matches] == list(
        range(matches[0]["trade_id"], matches[0]["trade_id"] + len(matches))
    )
    assert [m["sequence"] for m in matches] == sorted({m["sequence"] for m in matches})
    assert [m["time"] for m in matches] == sorted(m["time"] for m in matches)
