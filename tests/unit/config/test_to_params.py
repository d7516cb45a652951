"""Every field reaches the core in its unit, overrides applied."""

import pytest
from guarded import ROOT

from mmactors.config import Config, load
from mmactors.core.params import MakerParams, RiskParams, VolatilityParams
from mmactors.units import Micros, Nanos


def test_sim_yaml_says_the_defaults_and_what_is_particular_to_one_minute():
    given = load(ROOT / "conf" / "sim.yaml", {})
    assert given.feeds.coinbase.enabled, "two sources offline, one unless asked for elsewhere"
    told = {
        "assets": ["BTC", "ETH", "SOL"],
        "feeds": {"coinbase": {"enabled": True}},
        "overrides": [{"duration": "1M", "quoting": {"k_lat": 3.5}}],
    }
    assert given.maker_params("ETH", 60).quoting.k_lat == 3.5
    assert given.maker_params("ETH", 300) == MakerParams()
    assert given == Config.model_validate({**told, "simulator": {"orders_per_s": 300, "burst": 600}})
    assert len({(series.asset, series.duration) for series in given.simulator.sessions}) == 6


SPECIFICATION = """
feeds: {binance: {ws_url: 'wss://stream.binance.com:9443/ws', symbols: [btcusdt, ethusdt, solusdt]}}
quoting: {spread: 0.04, size: 100, levels: 3, spacing: 0.01}
inventory: {max_position: 1000, skew_factor: 0.02, close_threshold: 30}
risk: {max_markets: 10, max_daily_loss: 1000, min_spread: 0.02}
"""


def test_every_key_of_the_specifications_config_has_its_place(loaded):
    config = loaded(SPECIFICATION)
    params = config.maker_params("SOL", 300)
    assert config.assets == ("BTC", "ETH", "SOL")
    assert (params.quoting.spread, params.quoting.size, params.quoting.levels, params.quoting.spacing) == (
        *(0.04, 100, 3),
        0.01,
    )
    assert (params.inventory.max_position, params.inventory.close_threshold_s) == (1000, 30.0)
    assert (params.inventory.lean_early, params.inventory.lean_late) == (0.02, 0.02)
    assert (params.risk.max_markets, params.risk.max_daily_loss) == (10, Micros(1_000_000_000))
    assert params.risk.min_spread_micros == Micros(20_000)
    assert config.urls().feeds["binance"].sockets[0] == "wss://stream.binance.com:9443/stream"


def test_every_field_reaches_the_core_in_its_unit(loaded):
    config = loaded(
        """
        quoting: {k_lat: 2, hysteresis: 0.005, refresh_ms: 250, latency_floor_ms: 40}
        inventory: {give: 0.02, give_full: 0.2, late_room: 0.05, close_fraction: 0.03, reduce_only_f: 0.15,
                    dead_f: 0.2, dead_d2: 2, dead_side: reduce_only, cross: false, cross_f: 0.3, cross_edge: 0.05,
                    cross_to: 0.01}
        risk: {max_exposure: 77.5, max_asset_delta: 4.5, stale_after: 1.5, freeze_contracts: 5, freeze_window: 2,
               freeze_for: 0.5}
        volatility: {prior: 0.6, floor: 0.2, cap: 2, step_s: 0.5, lag_s: 10, half_life_s: 60, prior_weight_s: 30,
                     fast_lag_s: 1, fast_half_life_s: 20, fast_share: 0.5}
        """
    )
    params = config.maker_params("BTC", 300)
    assert params.quoting.refresh_ns == Nanos(250_000_000)
    assert params.quoting.latency_floor_s == 0.04
    assert (params.quoting.k_lat, params.quoting.hysteresis) == (2, 0.005)
    inv = params.inventory
    assert (inv.give, inv.give_full, inv.late_room, inv.close_fraction, inv.reduce_only_f) == (
        0.02,
        0.2,
        0.05,
        0.03,
        0.15,
    )
    assert (inv.dead_f, inv.dead_d2, inv.dead_side, inv.cross) == (0.2, 2, "reduce_only", False)
    assert (inv.cross_f, inv.cross_edge, inv.cross_to) == (0.3, 0.05, 0.01)
    assert params.risk == config.risk_params()
    assert params.risk == RiskParams(
        max_exposure=Micros(77_500_000),
        max_asset_delta=4.5,
        stale_after_ns=Nanos(1_500_000_000),
        freeze_contracts=5,
        freeze_window_ns=Nanos(2_000_000_000),
        freeze_ns=Nanos(500_000_000),
    )
    assert config.volatility_params("BTC") == VolatilityParams(
        prior=0.6,
        floor=0.2,
        cap=2,
        step_s=0.5,
        lag_s=10,
        half_life_s=60,
        fast_lag_s=1,
        fast_half_life_s=20,
        fast_share=0.5,
        prior_weight_s=30,
    )


OVERRIDES = """
assets: [BTC, ETH]
feeds: {binance: {symbols: [btcusdt, ethusdt]}}
overrides:
  - {asset: eth, duration: 5M, quoting: {size: 50}}
  - {duration: 5m, quoting: {size: 40, spread: 0.04}}
  - {asset: ETH, quoting: {size: 30, levels: 2}, volatility: {prior: 0.7}, inventory: {skew_factor: 0.05}}
"""


@pytest.mark.parametrize(
    ("asset", "seconds", "size", "spread", "levels"),
    [
        ("ETH", 300, 50, 0.04, 2),
        ("ETH", 60, 30, 0.02, 2),
        ("BTC", 300, 40, 0.04, 3),
        ("BTC", 60, 30, 0.02, 3),
        ("BTC", 333, 30, 0.02, 3),  # a length that has no name
    ],
)
def test_overrides_apply_by_asset_then_duration_then_both(loaded, asset, seconds, size, spread, levels):
    quoting = loaded(OVERRIDES).maker_params(asset, seconds).quoting
    assert (quoting.size, quoting.spread, quoting.levels) == (size, spread, levels)


def test_an_override_may_set_volatility_and_leans_of_its_asset(loaded):
    config = loaded(OVERRIDES)
    assert config.volatility_params("ETH").prior == 0.7
    assert config.volatility_params("BTC").prior == 0.5
    assert config.maker_params("ETH", 60).inventory.lean_late == 0.05
    assert config.maker_params("BTC", 60).inventory.lean_late == 0.75


def test_an_override_of_a_lean_wins_over_the_general_skew_factor(loaded):
    config = loaded("inventory: {skew_factor: 0.02}\noverrides: [{asset: BTC, inventory: {lean_late: 0.5}}]")
    inventory = config.maker_params("BTC", 60).inventory
    assert (inventory.lean_early, inventory.lean_late) == (0.02, 0.5)


@pytest.mark.parametrize(
    ("text", "port", "rest", "socket", "feed"),
    [
        ("", None, "http://127.0.0.1:7717", "ws://127.0.0.1:7717/ws", "ws://127.0.0.1:7717/stream"),
        ("simulator: {port: 0}", 4242, "http://127.0.0.1:4242", "ws://127.0.0.1:4242/ws", "ws://127.0.0.1:4242/stream"),
        (
            "{simulator: {embedded: false}, venue: {ws_url: 'wss://v.example/x/ws'}}",
            *(None, "https://v.example/x", "wss://v.example/x/ws", "ws://127.0.0.1:7717/stream"),
        ),
        (
            "{simulator: {embedded: false}, venue: {rest_url: 'https://v.example:81/'}, "
            "feeds: {binance: {ws_url: 'wss://f.example/ws'}}}",
            *(None, "https://v.example:81", "wss://v.example:81/ws", "wss://f.example/stream"),
        ),
    ],
)
def test_urls_are_the_given_ones_or_derived(loaded, text, port, rest, socket, feed):
    urls = loaded(text).urls(port)
    assert (urls.rest_url, urls.ws_url, urls.feeds["binance"].sockets[0]) == (rest, socket, feed)


def test_a_configuration_written_out_reads_back_the_same(loaded, tmp_path):
    config = loaded(OVERRIDES, MM__simulator__world__jumps_per_s="0.00001")
    again = tmp_path / "resolved.json"
    again.write_text(config.model_dump_json(exclude_unset=True))
    assert load(again, {}) == config
