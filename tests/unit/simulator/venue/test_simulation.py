"""The venue without sockets: sessions from listing to payout, the crowd, reproducibility, and its log."""

import io
import itertools
import json
import math
import statistics
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mmactors.config.simulator_sections import SessionsConfig, SimulatorConfig, TakersConfig, WorldConfig
from mmactors.simulator.prices.recording import load_recordings
from mmactors.simulator.prices.world import SyntheticPath
from mmactors.simulator.venue.engine import MarketChange
from mmactors.simulator.venue.matching import Trade
from mmactors.simulator.venue.participants import fair_value
from mmactors.simulator.venue.simulation import SimulatedVenue, build_world
from mmactors.simulator.venue.venue_log import VenueLog
from mmactors.units import DOLLAR, YEAR_S

START = 1_795_000_000_000
ONE_MINUTE = SimulatorConfig(sessions=(SessionsConfig(duration="1M"),))
QUIET = TakersConfig(noise_per_s=0.0, informed_max_size=0, outside_size_per_s=0.0)


def simulate(config: SimulatorConfig = ONE_MINUTE, **more: Any) -> SimulatedVenue:
    return SimulatedVenue(config, START, **more)


def money(simulated: SimulatedVenue) -> int:
    venue = simulated.venue
    pairs = sum(market.pairs for market in venue.markets.values())
    return sum(account.cash for account in venue.accounts.values()) + pairs * DOLLAR + venue.matching.fees


def place(simulated: SimulatedVenue, name: str, now: int, **order: Any) -> dict[str, Any]:
    market = next(m.id for m in simulated.venue.markets.values() if m.status == "OPEN")
    body = {"market": market, "side": "bid", "outcome": "YES", "price": 0.5, "size": 10, **order}
    return simulated.submit(simulated.account(name), {"id": 1, "op": "place", "order": body}, now)


def test_a_session_goes_from_listing_to_payout() -> None:
    simulated = simulate()
    simulated.advance(START + 125_000)
    changes = [item for item in simulated.take_public() if isinstance(item, MarketChange)]
    first, second = list(simulated.venue.markets.values())[:2]
    assert [c.event for c in changes if c.market is first] == ["created", "opened", "closed", "resolved"]
    assert [c.seq for c in changes] == list(range(1, len(changes) + 1))
    assert first.outcome in ("YES", "NO")
    assert (second.status, second.strike) == ("RESOLVED", second.strike)


def test_the_price_at_the_close_decides_not_a_later_one() -> None:
    simulated = simulate()
    simulated.advance(START + 60_000)
    at_close = simulated.world.price("BTC")
    simulated.advance(START + 61_000)
    first = next(iter(simulated.venue.markets.values()))
    assert first.settlement_price == at_close != simulated.world.price("BTC")


def test_pending_markets_have_no_strike_and_take_no_orders() -> None:
    simulated = simulate()
    simulated.advance(START + 55_000)
    pending = [m for m in simulated.venue.markets.values() if m.status == "PENDING"]
    assert [m.strike for m in pending] == [None]
    reply = place(simulated, "a", START + 55_000, market=pending[0].id)
    assert reply["error"]["code"] == "MARKET_CLOSED"


def test_same_seed_same_everything_another_seed_not() -> None:
    def run(seed: int) -> tuple[Any, ...]:
        simulated = simulate(ONE_MINUTE.model_copy(update={"world": WorldConfig(seed=seed)}))
        trades = []
        for second in range(200):
            simulated.advance(START + second * 1000)
            place(simulated, "a", START + second * 1000, price=0.40 + second % 20 / 100)
            trades += [(t.trade_id, t.ticks, t.size, t.ts) for t in simulated.take_public() if isinstance(t, Trade)]
        return trades, simulated.world.price("BTC"), [a.cash for a in simulated.venue.accounts.values()]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_how_often_time_is_told_does_not_matter() -> None:
    often, once = simulate(), simulate()
    for ms in range(0, 70_000, 7):
        often.advance(START + ms)
    often.advance(START + 70_000)
    once.advance(START + 70_000)
    assert [a.cash for a in often.venue.accounts.values()] == [a.cash for a in once.venue.accounts.values()]


def test_money_is_conserved_over_sessions_with_everybody_trading() -> None:
    config = ONE_MINUTE.model_copy(update={"taker_bps": 3.3, "maker_bps": -1.1})
    simulated = simulate(config)
    rng = Random(1)
    simulated.account("maker")
    deposits = money(simulated)
    for second in range(300):
        now = START + second * 1000
        simulated.advance(now)
        for outcome in ("YES", "NO"):
            place(simulated, "maker", now, outcome=outcome, price=rng.randint(20, 60) / 100, ttl_ms=3000)
        assert money(simulated) == deposits
    assert len(simulated.account("maker").fills) > 20


def test_nothing_rests_past_the_close() -> None:
    simulated = simulate()
    simulated.advance(START + 59_950)
    market = next(iter(simulated.venue.markets.values()))
    assert market.live
    simulated.advance(START + 60_000)
    assert (market.live, market.book.bids(), market.book.asks()) == ({}, [], [])


def test_the_outside_book_stands_around_the_fair_value_of_a_while_ago() -> None:
    takers = TakersConfig(noise_per_s=0.0, informed_max_size=0)
    simulated = simulate(SimulatorConfig(sessions=(SessionsConfig(duration="5M"),), takers=takers))
    fairs = []
    path = simulated.world.paths["BTC"]
    for step in range(400):
        simulated.advance(START + step * 50)
        market = next(iter(simulated.venue.markets.values()))
        assert market.strike is not None
        fairs.append(fair_value(path.price, market.strike, path.sigma, 300 - step / 20))
        if step >= 24:
            old = fairs[-5]
            assert market.book.best_bid == math.floor((old - 0.04) * 100 + 1e-9)
            assert market.book.best_ask == math.ceil((old + 0.04) * 100 - 1e-9)
            assert all(1 <= size <= 50 for _, size in market.book.bids() + market.book.asks())


def test_informed_takers_pick_off_a_quote_the_price_has_left() -> None:
    takers = TakersConfig(noise_per_s=0.0, outside_size_per_s=0.0, informed_per_step=1.0)
    simulated = simulate(ONE_MINUTE.model_copy(update={"takers": takers}))
    simulated.advance(START)
    place(simulated, "a", START, price=0.99, size=200)
    simulated.advance(START + 50)
    (fill,) = simulated.account("a").fills
    assert (fill.outcome, fill.size, fill.maker) == ("YES", 150, True)


def test_informed_takers_leave_a_fair_quote_alone() -> None:
    takers = TakersConfig(noise_per_s=0.0, outside_size_per_s=0.0, informed_per_step=1.0)
    series = SessionsConfig(duration="1H", strike_offset_share=0.0)
    simulated = simulate(SimulatorConfig(sessions=(series,), takers=takers))
    simulated.advance(START)
    place(simulated, "a", START, price=0.45)
    place(simulated, "a", START, price=0.45, outcome="NO")
    simulated.advance(START + 1000)
    assert simulated.account("a").fills == []


def test_noise_takers_come_at_their_rate_on_both_sides() -> None:
    takers = TakersConfig(noise_per_s=2.0, informed_max_size=0, outside_half_spread=0.001, outside_size_per_s=1000.0)
    simulated = simulate(SimulatorConfig(sessions=(SessionsConfig(duration="1H"),), takers=takers))
    simulated.advance(START + 600_000)
    trades = [t for t in simulated.take_public() if isinstance(t, Trade)]
    sides = Counter(trade.taker_buys for trade in trades)
    assert 800 < len(trades) < 1300
    assert abs(sides[True] - sides[False]) < 150
    assert 25 < statistics.mean(trade.size for trade in trades) < 50


def test_synthetic_prices_have_the_configured_volatility() -> None:
    config = WorldConfig(annual_vol=0.5, log_vol_sd=0.0, jumps_per_s=0.0)
    path = SyntheticPath(config, 100.0, START, 50, Random(1))
    logs = []
    for second in range(20_000):
        path.advance(START + second * 1000)
        logs.append(math.log(path.price))
    moves = [b - a for a, b in itertools.pairwise(logs)]
    assert statistics.pstdev(moves) * math.sqrt(YEAR_S) == pytest.approx(0.5, rel=0.03)
    assert path.sigma == pytest.approx(0.5)


def test_log_volatility_spreads_as_configured() -> None:
    config = WorldConfig(log_vol_sd=0.35, log_vol_half_life_s=60.0)
    path = SyntheticPath(config, 100.0, START, 1000, Random(5))
    found = []
    for minute in range(5000):
        path.advance(START + minute * 60_000)
        found.append(math.log(path.sigma / 0.5))
    assert statistics.pstdev(found) == pytest.approx(0.35, rel=0.1)


def test_recorded_prices_drive_strike_and_settlement_and_end(tmp_path: Path) -> None:
    rows = [f"{k * 1000},{100 + k}" for k in range(131)]
    (tmp_path / "p.csv").write_text("ts_ms,price\n" + "\n".join(rows) + "\n")
    config = SimulatorConfig(sessions=(SessionsConfig(duration="1M", strike_offset_share=0.0),), takers=QUIET)
    recordings = load_recordings(tmp_path / "p.csv", ("BTC",)).by_asset
    simulated = simulate(config, world=build_world(config, START, recordings))
    simulated.advance(START + 300_000)
    found = [(m.strike, m.settlement_price, m.outcome) for m in simulated.venue.markets.values()]
    assert found == [(100.0, 160.0, "YES"), (160.0, 220.0, "YES")]
    assert simulated.notices == ["the recorded prices end soon: no new sessions after those listed"]


def test_a_recording_too_short_for_any_session_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("ts_ms,price\n0,100\n20000,100\n")
    recordings = load_recordings(tmp_path / "p.csv", ("BTC",)).by_asset
    with pytest.raises(ValueError, match=r"no session .* within the prices"):
        simulate(world=build_world(ONE_MINUTE, START, recordings))


def test_resolved_markets_are_forgotten_after_a_day() -> None:
    config = SimulatorConfig(sessions=(SessionsConfig(duration="1H"),), takers=QUIET, step_ms=1000)
    simulated = simulate(config)
    simulated.advance(START + 30 * 3_600_000)
    assert 24 <= len(simulated.venue.markets) <= 27


class TestTruthLog:
    """Every line stands alone, and the lines add up."""

    @pytest.fixture
    def lines(self) -> list[dict[str, Any]]:
        file = io.BytesIO()
        file.close = lambda: None  # type: ignore[method-assign]
        world = build_world(ONE_MINUTE, START)
        truth = VenueLog(file, world.price)
        simulated = simulate(world=world, recorder=truth)
        for second in range(100):
            now = START + second * 1000
            simulated.advance(now)
            place(simulated, "a", now, price=0.5, client_order_id=f"c{second}", ttl_ms=2500)
            place(simulated, "a", now, price=0.501, client_order_id=f"d{second}")
        truth.close()
        self.cash = {name: account.cash for name, account in simulated.venue.accounts.items()}
        self.fills = simulated.account("a").fills
        return [json.loads(line) for line in file.getvalue().splitlines()]

    def test_cash_lines_add_up_to_the_cash(self, lines: list[dict[str, Any]]) -> None:
        cash: Counter[str] = Counter()
        for line in lines:
            if line["type"] == "cash":
                cash[line["account"]] += line["change_micros"]
                assert cash[line["account"]] == line["cash_micros"]
        assert dict(cash) == self.cash

    def test_every_fill_is_there_with_both_sides(self, lines: list[dict[str, Any]]) -> None:
        fills = [line for line in lines if line["type"] == "fill"]
        mine = [side["fill_id"] for line in fills for side in line["sides"] if side["account"] == "a"]
        assert mine == [fill.fill_id for fill in self.fills]
        assert mine
        assert all(len(line["sides"]) == 2 for line in fills)

    def test_orders_are_followed_to_their_end(self, lines: list[dict[str, Any]]) -> None:
        events = Counter(line["event"] for line in lines if line["type"] == "order")
        assert events["accepted"] + events["rejected"] == 200
        assert events["rejected"] == 100
        assert events["expired"] > 0
        rejected = next(line for line in lines if line.get("event") == "rejected")
        assert (rejected["reason"], rejected["price_micros"], rejected["account"]) == ("INVALID_TICK", 501_000, "a")

    def test_markets_and_prices_are_there(self, lines: list[dict[str, Any]]) -> None:
        assert {"created", "opened", "closed", "resolved"} <= {
            line["event"] for line in lines if line["type"] == "market"
        }
        assert sum(line["type"] == "spot" for line in lines) == 100
        assert all(line["spot"] > 0 for line in lines if line["type"] in ("order", "fill", "market"))


def test_a_house_of_participants_never_reaches_its_limit() -> None:
    simulated = simulate()
    simulated.advance(START + 600_000)
    assert all(abs(a.cash - 10**9 * DOLLAR) < 10**6 * DOLLAR for a in simulated.venue.accounts.values())
