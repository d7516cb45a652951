"""What is valid: the files that come with the program, defaults, and what follows from what is given."""

import pytest
from guarded import ROOT

from mmactors.config import Config, load, resolve
from mmactors.config.schema import json_schema
from mmactors.core.params import MakerParams, RiskParams, VolatilityParams


def test_nothing_given_is_the_default_and_the_default_is_the_cores(loaded):
    config = loaded()
    assert config == Config()
    assert config.maker_params("BTC", 300) == MakerParams()
    assert config.volatility_params("BTC") == VolatilityParams()
    assert config.risk_params() == RiskParams()


def test_prod_yaml_trades_on_a_real_venue_and_real_prices():
    config = load(ROOT / "conf" / "prod.yaml", {})
    assert not config.simulator.embedded
    urls = config.urls()
    assert urls.rest_url.startswith("https://")
    assert urls.ws_url.startswith("wss://")
    assert urls.feeds["binance"].sockets[0] == "wss://stream.binance.com:9443/stream"


def test_paper_yaml_has_real_prices_and_no_real_venue():
    config = load(ROOT / "conf" / "paper.yaml", {})
    assert config.simulator.embedded
    assert config.simulator.world.live
    urls = config.urls()
    assert urls.rest_url == "http://127.0.0.1:7717"
    assert urls.feeds["binance"].sockets[0] == "wss://stream.binance.com:9443/stream"
    assert urls.feeds["coinbase"].sockets[0] == "wss://ws-feed.exchange.coinbase.com"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "feeds: {binance: {symbols: [btcusdt]}}",
            "feeds.binance.ws_url = nothing: the simulator would wait for its own",
        ),
        (
            "feeds: {binance: {ws_url: 'wss://a.example'}}\nsimulator: {world: {live: true, prices: a.csv}}",
            "simulator.world.prices = a.csv: prices come from the feeds or from a recording; keep one",
        ),
    ],
)
def test_live_prices_have_one_origin_and_it_is_elsewhere(refused, more, told):
    text = more if "simulator" in more else more + "\nsimulator: {world: {live: true}}"
    assert any(told in line for line in refused(text))


def test_every_key_says_its_unit_or_reason():
    sections = [node for node in json_schema()["$defs"].values() if "properties" in node]
    bare = [
        (node["title"], name)
        for node in sections
        for name, field in node["properties"].items()
        if "description" not in field and "$ref" not in field and name not in ("asset", "duration", "sessions")
    ]
    assert bare == []


EIGHT = """
quoting:
  spraed: 0.03              # 1 unknown key
  size: many                # 2 wrong type
  levels: 50                # 3 out of range
inventory:
  skew_factor: 0.02
  lean_late: 0.4            # 4 contradicts the line above
risk:
  stale_after: 1
  stale_after: 2            # 5 given twice
venue:
  api_key: hunter2          # 6 a secret
assets: [BTC, D.OGE]        # 7 a wrong entry of a list
overrides:
  - {duration: 2H}          # 8 a duration there is not
"""


def test_a_file_with_eight_errors_of_eight_kinds_lists_eight(refused):
    lines = refused(EIGHT)
    assert len(lines) == 8
    for start, word in [
        ("quoting.spraed: unknown key", "did you mean quoting.spread?"),
        ("quoting.size: got 'many'", "an integer > 0"),
        ("quoting.levels: got 50", "<= 20"),
        ("inventory.skew_factor = 0.02, inventory.lean_late = 0.4", "give it or them"),
        ("risk.stale_after: given twice", "in lines 10 and 11"),
        ("venue.api_key: refused", "DEGEN_API_KEY"),
        ("assets[1]: got 'D.OGE'", "an asset such as BTC"),
        ("overrides[0].duration: got '2H'", "one of 1M, 5M, 15M, 1H"),
    ]:
        assert [line for line in lines if line.startswith(start) and word in line], start


def test_symbols_and_sessions_follow_the_assets(loaded):
    config = loaded("assets: [BTC, eth, SOL]")
    assert config.assets == ("BTC", "ETH", "SOL")
    assert config.feeds.binance.symbols == ("btcusdt", "ethusdt", "solusdt")
    assert [(each.asset, each.duration) for each in config.simulator.sessions] == [
        (asset, duration) for asset in config.assets for duration in ("1M", "5M")
    ]


def test_what_is_given_does_not_follow(loaded):
    config = loaded(
        "{assets: [ETH], feeds: {binance: {symbols: [ethusdc]}}, simulator: {sessions: [{asset: ETH, duration: 1H}]}}"
    )
    assert config.feeds.binance.symbols == ("ethusdc",)
    assert [(each.asset, each.duration) for each in config.simulator.sessions] == [("ETH", "1H")]


def test_a_wrong_asset_is_one_mistake_and_not_one_of_its_symbol_too(refused):
    assert len(refused("assets: [BTC, 'E H']")) == 1


def test_where_each_value_comes_from(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("assets: [ETH]\nquoting: {size: 20}")
    origins = resolve(path, {"MM__quoting__size": "25", "MM__risk": "{max_markets: 3}"}).origins
    assert origins == {
        "assets[0]": "file",
        "quoting.size": "MM__quoting__size",
        "risk": "MM__risk",
        "feeds.binance.symbols": "assets",
        "simulator.sessions": "assets",
    }
