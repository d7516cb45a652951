"""Models that a configuration chooses, of delays, queue and fees: the same for both runtimes, and lawful."""

import statistics
from pathlib import Path
from random import Random

import pykka
import pytest

from mmactors.backtest import runner
from mmactors.cli.main import main
from mmactors.config import Config, ConfigError, load
from mmactors.config.schema import SimulatorConfig
from mmactors.simulator.models.latency import latency_of
from mmactors.simulator.venue.book import Market, PatientBook
from mmactors.simulator.venue.ledger import Account
from mmactors.simulator.venue.matching import Matching

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"


@pytest.fixture(autouse=True)
def nobody_left():
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def config(**more: str) -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__assets": "[BTC]",
        "MM__simulator__sessions": "[{asset: BTC, duration: 1M}]",
        "MM__overrides": "[]",  # narrow enough to be in somebody's way
        "MM__quoting__k_lat": "1.5",
    }
    return load(CONF, environ | {f"MM__simulator__{key}": value for key, value in more.items()})


@pytest.fixture
def measured(tmp_path):
    path = tmp_path / "delays.txt"
    path.write_text("5\n40.5\n300\n")
    return path


def drawn(count: int, **settings: object) -> list[float]:
    latency = latency_of(SimulatorConfig(**settings), 80, Random(3))
    return [latency.draw_s() for _ in range(count)]


def test_delays_are_as_the_model_says(measured):
    even = drawn(2000, latency_jitter_ms=20)
    assert 0.06 <= min(even) < 0.061 < 0.099 < max(even) <= 0.1
    skewed = drawn(4000, latency_model="lognormal", latency_log_sd=0.8)
    assert statistics.median(skewed) == pytest.approx(0.08, rel=0.05)
    assert statistics.fmean(skewed) == pytest.approx(0.08 * 2.71828 ** (0.8**2 / 2), rel=0.05)
    assert set(drawn(200, latency_model="recorded", latency_file=measured)) == {0.005, 0.0405, 0.3}


@pytest.mark.parametrize(
    "more",
    [
        {"latency_model": "lognormal"},
        {"latency_model": "recorded", "latency_file": "measured"},
        {"queue": "behind"},
        {"fees": "quadratic", "taker_bps": "700", "maker_bps": "-100"},
    ],
)
def test_both_runtimes_do_the_same_by_every_model_and_break_no_rule(more, measured):
    more = {key: str(measured) if value == "measured" else value for key, value in more.items()}
    core, actors = (runner.run(config(**more), 1, runtime=runtime) for runtime in ("core", "actors"))
    plain = runner.run(config(), 1, runtime="core")
    assert core.orders_hash == actors.orders_hash != plain.orders_hash
    assert core.clean
    assert core.reports[0].fills > 0
    fees = core.rows()[0]["fees"]
    assert (fees != 0) is ("fees" in more)


def test_a_fee_may_follow_the_distance_from_certainty():
    market = Market("m", "BTC", duration_s=60, opens_at=0, expires_at=60_000, taker_bps=700, quadratic=True)
    assert market.fee(50 * 10_000 * 100, False, 50) == 1_750_000  # 7 % of .5 * .5, a hundred times
    assert market.fee(99 * 10_000 * 100, False, 99) == 69_300
    assert market.fee(99 * 10_000 * 100, True, 99) == 0
    assert market.unit_reserve(50) >= 50 * 10_000 + 17_500


@pytest.mark.parametrize(("book", "first"), [(None, "client"), (PatientBook, "house")])
def test_a_client_may_be_last_in_every_queue(book, first):
    market = Market("m", "BTC", duration_s=60, opens_at=0, expires_at=60_000)
    if book is not None:
        market.book = book(market.ticks)
    client, house, taker = (Account(name, 10**12, None) for name in ("client", "house", "taker"))
    client.house = False
    matching = Matching()
    orders = {}
    for account in (client, house):
        order = orders[account.name] = matching.new_order(account, market, "bid", "YES", 40, 10, 0)
        matching.enter(order, market, 0)
    matching.enter(matching.new_order(taker, market, "bid", "NO", 60, 10, 1), market, 1)
    assert {name: order.filled for name, order in orders.items()} == {"client": 0, "house": 0, first: 10}
    matching.enter(matching.new_order(taker, market, "bid", "NO", 60, 10, 2), market, 2)
    assert {order.filled for order in orders.values()} == {10}
    assert market.book.best_bid == 0


def test_delays_that_cannot_be_are_one_line(tmp_path, capsys):
    path = tmp_path / "delays.txt"
    path.write_text("12\nsoon\n")
    with pytest.raises(ConfigError, match=r"latency_model = 'recorded', simulator\.latency_file = nothing"):
        config(latency_model="recorded")
    conf = tmp_path / "bad.yaml"
    conf.write_text(f"simulator: {{latency_model: recorded, latency_file: '{path}'}}\n")
    assert main(["backtest", str(conf), "--runtime", "core"]) == 78
    assert capsys.readouterr().err == f"mmactors: simulator.latency_file: {path}: 'soon' is no delay of 0 to 60000 ms\n"
