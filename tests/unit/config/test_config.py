"""Configuration: every mistake at once, one line each, and no secret ever shown."""

import time
from pathlib import Path

import pytest

from mmactors.config import Config, ConfigError, load, resolve
from mmactors.config.contradictions import contradictions, odd
from mmactors.config.errors import masked, without_tokens
from mmactors.config.schema import json_schema
from mmactors.core.params import MakerParams, RiskParams, VolatilityParams
from mmactors.units import Micros, Nanos

ROOT = Path(__file__).parents[3]

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhLTEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
WALLET = "4c0883a69102937d6231471b5dbb6204fe512961708279f2e3e8a5d4b8e3a1f0"
PASSWORD = "hunter2"
SECRETS = (JWT, WALLET, PASSWORD)


@pytest.fixture
def loaded(tmp_path):
    def make(text: str = "", **environ: str) -> Config:
        path = tmp_path / "conf.yaml"
        path.write_text(text)
        return load(path, environ)

    return make


@pytest.fixture
def refused(loaded):
    def make(text: str = "", **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as told:
            loaded(text, **environ)
        assert told.value.exit_code == 78
        shown = "\n".join([*told.value.lines, str(told.value), repr(told.value)])
        assert not [secret for secret in SECRETS if secret in shown]
        assert all("\n" not in line for line in told.value.lines)
        return told.value.lines

    return make


# --- what is valid ---


def test_nothing_given_is_the_default_and_the_default_is_the_cores(loaded):
    config = loaded()
    assert config == Config()
    assert config.maker_params("BTC", 300) == MakerParams()
    assert config.volatility_params("BTC") == VolatilityParams()
    assert config.risk_params() == RiskParams()


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


# --- what is odd, but lawful ---


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("inventory: {max_position: 400}", "risk.max_exposure = 5000.0, risk.max_markets = 10, inventory.max_position"),
        ("venue: {heartbeat_ms: 2000}", "venue.heartbeat_ms = 2000, venue.cod_timeout_ms = 3000: a single late"),
        ("overrides: [{asset: BTC}]", "overrides[0]: sets nothing"),
        (
            "{assets: [BTC], feeds: {binance: {symbols: [btcusdt, ethusdt]}}}",
            "feeds.binance.symbols: ETH is priced, but not one of assets",
        ),
        ("{assets: [BTC, ETH], simulator: {sessions: [{}]}}", "simulator.sessions: ETH is one of assets, but has no"),
        (
            "{risk: {max_markets: 5}, simulator: {sessions: [{strikes: 6}]}}",
            "6 markets are open at a time, so some are",
        ),
    ],
)
def test_what_is_merely_odd_is_said_and_not_refused(loaded, text, line):
    config = loaded(text)
    assert [said for said in odd(config, frozenset({"inventory.max_position"})) if line in said]


def test_the_defaults_and_the_files_we_ship_are_not_odd():
    assert odd(Config()) == []
    for name in ("sim", "prod"):
        assert odd(load(ROOT / "conf" / f"{name}.yaml", {})) == []


# --- YAML as it looks ---


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("simulator: {port: 1_000}", ("simulator", "port"), 1000),
        ("simulator: {port: 0}", ("simulator", "port"), 0),
        ("simulator: {port: 0x1F}", ("simulator", "port"), 31),
        ("simulator: {port: 0o777}", ("simulator", "port"), 511),
        ("quoting: {spread: 0.06}", ("quoting", "spread"), 0.06),
        ("quoting: {size: '30'}", ("quoting", "size"), 30),
        ("quoting: {size: 3e1}", ("quoting", "size"), 30),
        ("quoting: {spread: 2e-2}", ("quoting", "spread"), 0.02),
        ("\ufeffquoting: {size: 31}", ("quoting", "size"), 31),
        ("name: yes", ("name",), "yes"),
        ("name: 2026-01-01", ("name",), "2026-01-01"),
        ("inventory: {cross: no}", ("inventory", "cross"), False),
        ("logs: {level: debug}", ("logs", "level"), "DEBUG"),
        ("quoting: &q {size: 40}\noverrides: [{asset: BTC, quoting: {<<: *q, levels: 2}}]", ("quoting", "size"), 40),
    ],
)
def test_plain_words_mean_what_they_look_like(loaded, text, key, value):
    found = loaded(text)
    for part in key:
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize("number", ["0777", "010", "-010", "+08", "00"])
def test_a_number_that_may_be_octal_is_refused_with_its_place(refused, number):
    (line,) = refused(f"simulator:\n  port: {number}")
    why = "a number with a leading zero: write it without, octal as 0o..., text in quotes"
    assert line == f"malformed YAML at line 2, column 9: {why}"
    (line,) = refused(MM__simulator__port=number)
    assert line == f"MM__simulator__port: the value is not YAML ({why})"


@pytest.mark.parametrize("number", ["1:30", "12:30:45", "0b11", "1,5", "1 000"])
def test_what_only_some_readers_of_yaml_take_for_a_number_is_none(refused, number):
    (line,) = refused(f"risk:\n  max_daily_loss: {number}")
    assert line.startswith(f"risk.max_daily_loss: got '{number}'; allowed: a number > 0")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("assets: [BTC!]", "assets[0]: got 'BTC!'"),
        ("assets: [null]", "assets[0]: got nothing"),
        ("{assets: [BTC, 5], overrides: [{asset: ETH}]}", "assets[1]: got 5"),
        ("{assets: [X!], simulator: {sessions: [{asset: ETH}]}}", "assets[0]: got 'X!'"),
        ("{assets: no, simulator: {sessions: [{asset: ETH}]}}", "assets: got 'no'"),
        (
            "{feeds: {binance: {symbols: [ethusdt, eth!]}}, simulator: {sessions: [{asset: ETH}]}}",
            "feeds.binance.symbols[1]: got 'eth!'",
        ),
    ],
)
def test_a_wrong_asset_is_one_line_and_others_are_not_judged_by_it(refused, text, line):
    (told,) = refused(text)
    assert told.startswith(f"{line}; allowed: ")


def test_assets_that_are_right_judge_others_although_there_are_other_mistakes(refused):
    first, second = refused("{assets: [BTC], overrides: [{asset: ETH}], quoting: {size: 0}}")
    assert first.startswith("quoting.size: got 0")
    assert "overrides[0].asset = 'ETH': not one of assets (BTC)" in second


def test_an_anchors_copies_are_overridden_one_by_one(loaded):
    text = "quoting: &q {size: 40}\noverrides: [{asset: BTC, quoting: *q}]"
    config = loaded(text, MM__quoting__size="50")
    assert (config.quoting.size, config.overrides[0].quoting.size) == (50, 40)


def test_an_unreadable_device_is_no_endless_read():
    with pytest.raises(ConfigError, match="more than 1,000,000 bytes"):
        load(Path("/dev/zero"), {})


# --- what follows from what ---


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


# --- the environment ---


def test_the_environment_wins_over_the_file(loaded):
    config = loaded(
        "quoting: {spread: 0.04}",
        MM__quoting__spread="0.06",
        MM__SIMULATOR__Port="0",
        MM__feeds__binance__ws_url="wss://f.example/stream",
        MM__inventory__cross="false",
        MM__assets="[btc, ETH]",
        mm__feeds__binance__symbols="[btcusdt, ethusdc]",
        MM__simulator__world__start_prices__btc="50000",
        OTHER="x",
    )
    assert (config.quoting.spread, config.simulator.port, config.inventory.cross) == (0.06, 0, False)
    assert config.feeds.binance.ws_url == "wss://f.example/stream"
    assert config.assets == ("BTC", "ETH")
    assert config.simulator.world.start_prices == {"BTC": 50_000.0, "ETH": 3_400.0, "SOL": 180.0}


def test_the_environment_reaches_into_lists_of_the_file(loaded):
    config = loaded("simulator: {sessions: [{duration: 1M}]}", MM__simulator__sessions__0__duration="15m")
    assert config.simulator.sessions[0].duration == "15M"


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        (
            "MM__quoting__spred",
            "1",
            "quoting.spred: unknown key; did you mean quoting.spread? [set by MM__quoting__spred]",
        ),
        (
            "MM__quoting__spraed",
            "1",
            "quoting.spraed: unknown key; did you mean quoting.spread? [set by MM__quoting__sp",
        ),
        ("MM__quotin__spread", "0.1", "quotin: unknown key; did you mean quoting? [set by MM__quotin__spread]"),
        ("MM__quoting", "{sized: 1}", "quoting.sized: unknown key; did you mean quoting.size? [set by MM__quoting]"),
        ("MM_quoting__spread", "0.1", "MM_quoting__spread: would be ignored; write MM__section__key"),
        ("MM_QUOTING_SPREAD", "0.1", "MM_QUOTING_SPREAD: would be ignored; write MM__section__key"),
        ("mm__Quoting__Spread", "nan", "quoting.spread: got 'nan'; allowed: a number > 0 and < 1"),
        ("MM__quoting", "{size: 1, size: 2}", "quoting.size: given twice, in lines 1 and 1; keep one [set by MM__quot"),
        ("MM__overrides__0__asset", "DOGE", "overrides[0].asset = 'DOGE': not one of assets (BTC) [set by MM__over"),
        ("MM__overrides__0__duration", "7M", "overrides[0].duration: got '7M'; allowed: one of 1M, 5M, 15M, 1H [set"),
        ("MM__overrides__0__quoting__spraed", "1", "did you mean overrides[0].quoting.spread? [set by MM__overrides__"),
        ("MM__quoting__spread__x", "1", "MM__quoting__spread__x: quoting.spread is a value, not a section"),
        ("MM__", "1", "MM__: write MM__section__key=value"),
        ("MM__quoting____spread", "1", "MM__quoting____spread: write MM__section__key=value"),
        ("MM__quoting__size", "[1", "MM__quoting__size: the value is not YAML"),
        ("MM__simulator__sessions__5__asset", "X", "simulator.sessions is not in the file; give the whole list"),
        ("MM__overrides__7__asset", "X", "overrides has 1 entries in the file, numbered from 0; '7' is none"),
        ("MM__QUOTING__LEVELS", "0", "quoting.levels: got 0; allowed: an integer >= 1 and <= 20"),
        ("MM__api_key", JWT, "api_key: refused: secrets come from the environment DEGEN_API_KEY"),
    ],
)
def test_a_wrong_override_is_one_line_naming_the_variable(refused, variable, value, line):
    lines = refused("{quoting: {spread: 0.04}, overrides: [{asset: BTC}]}", **{variable: value})
    assert len(lines) == 1
    assert line in lines[0]


def test_one_key_set_by_two_variables_is_refused(refused):
    assert refused(MM__quoting__size="10", MM__QUOTING__SIZE="20") == [
        "MM__QUOTING__SIZE, MM__quoting__size: both set quoting.size; keep one"
    ]


def test_a_section_from_the_environment_is_laid_before_the_keys_in_it(loaded):
    config = loaded(MM__quoting__size="10", mm__quoting="{size: 20, levels: 2}")
    assert (config.quoting.size, config.quoting.levels) == (10, 2)


# --- what is wrong, one line each ---

WRONG = [
    ("quoting: {spred: 0.02}", "quoting.spred: unknown key; did you mean quoting.spread?"),
    ("quoting: {max_position: 5}", "quoting.max_position: unknown key; did you mean inventory.max_position?"),
    ("venues: {}", "venues: unknown key; did you mean venue?"),
    ("quoting: {xyzzy: 1}", "quoting.xyzzy: unknown key; known here: spread, size"),
    ("quoting: {spread: 1.5}", "quoting.spread: got 1.5; allowed: a number > 0 and < 1"),
    ("quoting: {spread: wide}", "quoting.spread: got 'wide'; allowed: a number"),
    ("quoting: {spread: .nan}", "quoting.spread: got nan; allowed: a number"),
    ("quoting: {size: .inf}", "quoting.size: got inf; allowed: an integer"),
    ("quoting: {size: -3}", "quoting.size: got -3; allowed: an integer > 0"),
    ("quoting: {size: 1.5}", "quoting.size: got 1.5; allowed: an integer"),
    ("quoting: {size: true}", "quoting.size: got true; allowed: an integer"),
    ("quoting: {size: [1, 2]}", "quoting.size: got a list of 2; allowed: an integer"),
    ("quoting: {levels: }", "quoting.levels: got nothing; allowed: an integer"),
    ("quoting: 3", "quoting: got 3; allowed: a section with spread, size"),
    ("inventory: {dead_side: none}", "inventory.dead_side: got 'none'; allowed: one of zero, reduce_only"),
    ("inventory: {cross: maybe}", "inventory.cross: got 'maybe'; allowed: true or false"),
    ("risk: {stale_after: 5.5}", "risk.stale_after: got 5.5; allowed: a number > 0 and <= 5"),
    ("name: 'Has Spaces'", "name: got 'Has Spaces'; allowed: 1 to 20 of a-z, 0-9 and -"),
    ("assets: []", "assets: got a list of 0; allowed: a list, each entry an asset such as BTC"),
    ("logs: {level: LOUD}", "logs.level: got 'LOUD'; allowed: one of DEBUG, INFO, WARNING, ERROR"),
    ("logs: {keep_gb: -1}", "logs.keep_gb: got -1; allowed: a number >= 0 and <= 1000000"),
    ("logs: {keep_gb: 10GB}", "logs.keep_gb: got '10GB'; allowed: a number >= 0 and <= 1000000"),
    ("feeds: {binance: {symbols: [btceur]}}", "feeds.binance.symbols[0]: got 'btceur'; allowed: a symbol"),
    (
        "feeds: {binance: {ws_url: 'https://x'}}",
        "feeds.binance.ws_url: got 'https://x'; allowed: a ws:// or wss:// URL",
    ),
    (
        "{simulator: {embedded: false}, venue: {rest_url: 'ws://x'}}",
        "venue.rest_url: got 'ws://x'; allowed: an http://",
    ),
    ("{simulator: {embedded: false}, venue: {ws_url: 'ws://x:99999'}}", "venue.ws_url: got 'ws://x:99999'; allowed"),
    ("simulator: {port: 70000}", "simulator.port: got 70000; allowed: an integer >= 0 and <= 65535"),
    (
        "simulator: {world: {start_prices: {BTC: -1}}}",
        "simulator.world.start_prices.BTC: got -1; allowed: a number > 0",
    ),
    (
        "simulator: {sessions: [{duration: 7M}]}",
        "simulator.sessions[0].duration: got '7M'; allowed: one of 1M, 5M, 15M",
    ),
    ("overrides: [{duration: 2H}]", "overrides[0].duration: got '2H'; allowed: one of 1M, 5M, 15M, 1H"),
    ("overrides: [{asset: BTC, quoting: {sized: 1}}]", "overrides[0].quoting.sized: unknown key; did you mean"),
    ("overrides: [{asset: BTC, quoting: {size: 0}}]", "overrides[0].quoting.size: got 0; allowed: an integer > 0"),
    ("overrides: [{asset: BTC, risk: {min_spread: 0.1}}]", "overrides[0].risk: unknown key"),
    ("1: 2", "1: unknown key"),
    ("on: 2", "on: unknown key"),
    ("null: 2", "null: unknown key"),
    ("'': 2", "'': unknown key"),
    ("quoting.spread: 0.02", "quoting.spread: unknown key; did you mean quoting: {spread: ...}?"),
    ("quoting:\n  spread:0.02", "allowed: a section with spread, size"),
    ("quoting:\n  spread:0.02", "; YAML needs a space after the colon"),
    ("overrides: [{asset: BTC, spread: 0.03}]", "unknown key; did you mean overrides[0].quoting.spread?"),
    ("overrides: [{asset: BTC, quoting: {max_position: 9}}]", "did you mean overrides[0].inventory.max_position?"),
    ("overrides: {asset: BTC}", "overrides: got a section of 1 keys; allowed: a list, each entry a section with asset"),
    ("overrides: [{asset: [BTC, ETH]}]", "overrides[0].asset: got a list of 2; allowed: an asset such as BTC"),
    ("assets: BTC", "assets: got 'BTC'; allowed: a list, each entry an asset such as BTC"),
    ("assets: [BTC, null]", "assets[1]: got nothing; allowed: an asset such as BTC"),
    # values that YAML 1.1 would have read as something else
    ("quoting: {size: 1:30}", "quoting.size: got '1:30'; allowed: an integer"),
    ("logs: {level: off}", "logs.level: got 'OFF'; allowed: one of DEBUG"),
    # values that are numbers, but not of this world
    (f"simulator: {{world: {{seed: {'9' * 5000}}}}}", "simulator.world.seed: got '9999"),
    ("quoting: {size: 1e400}", "quoting.size: got inf; allowed: an integer > 0 and <= 10000000"),
    ("venue: {request_timeout_s: 1e300}", "venue.request_timeout_s: got 1e+300; allowed: a number > 0 and <= 1000000"),
    ("venue: {cod_timeout_ms: 99999999999999}", "venue.cod_timeout_ms: got 99999999999999; allowed: an integer > 0"),
    ("simulator: {orders_per_s: 0}", "simulator.orders_per_s: got 0; allowed: a number >= 0.001"),
    ("simulator: {burst: 0.5}", "simulator.burst: got 0.5; allowed: a number >= 1"),
    ("simulator: {taker_bps: 20000}", "simulator.taker_bps: got 20000; allowed: a number >= -1000 and <= 1000"),
    # addresses and paths
    ("simulator: {host: 'http://x'}", "simulator.host: got 'http://x'; allowed: a host name or address"),
    ("simulator: {host: ''}", "simulator.host: got ''; allowed: a host name or address"),
    ("logs: {dir: ''}", "logs.dir: got ''; allowed: a path"),
    ("feeds: {binance: {ws_url: 'wss://h/x?streams=a'}}", "feeds.binance.ws_url: got 'wss://h/x?***'; allowed"),
    # twice
    ("quoting: {size: 1, size: 2}", "size: given twice, in lines 1 and 1"),
    ("quoting: {size: 1}\nrisk: {}\nquoting: {size: 2}", "quoting: given twice, in lines 1 and 3"),
    # secrets
    (f"api_key: {JWT}", "api_key: refused: secrets come from the environment DEGEN_API_KEY or venue.api_key_file"),
    (f"venue: {{api_key: {JWT}}}", "venue.api_key: refused: secrets come from the environment DEGEN_API_KEY"),
    (f"wallet_key: '{WALLET}'", "wallet_key: refused"),
    (f"venue: {{api_key_env: {JWT}}}", "venue.api_key_env: got ***; allowed: the NAME of an environment variable"),
    (f"logs: {{level: '0x{WALLET}'}}", "logs.level: got '***'; allowed"),
    (f"{JWT}: 1", "***: unknown key"),
    (f"feeds: {{binance: {{ws_url: 'http://u:{PASSWORD}@h/'}}}}", "feeds.binance.ws_url: got 'http://***@h/'"),
    (f"{{simulator: {{embedded: false}}, venue: {{rest_url: 'https://u:{PASSWORD}@h'}}}}", "got 'https://***@h'"),
    (f"venue: {{api_key_file: {JWT}}}", "venue.api_key_file: refused: a secret stands there itself"),
    (f"venue: {{DEGEN_API_KEY: {JWT}}}", "venue.DEGEN_API_KEY: refused: secrets come from the environment"),
    # contradictions
    (
        "inventory: {max_position: 40, lean_early: 0.7}",
        "inventory.lean_early = 0.7, quoting.size = 30, inventory.max_position = 40: one level filled would lean",
    ),
    (
        "risk: {max_exposure: 20000}",
        "risk.max_exposure = 20000.0, risk.max_markets = 10, inventory.max_position = 1000: can never bind: all markets"
        " together can lose $10,000",
    ),
    (
        "{risk: {max_exposure: 3000}, inventory: {max_position: 200}}",
        "risk.max_exposure = 3000.0, risk.max_markets = 10, inventory.max_position = 200: can never bind",
    ),
    (
        "{risk: {max_exposure: 900, max_daily_loss: 100}, simulator: {start_cash: 800}}",
        "risk.max_exposure = 900.0, simulator.start_cash = 800.0: can never bind: there is less to lose",
    ),
    (
        "simulator: {start_cash: 999}",
        "risk.max_daily_loss = 1000.0, simulator.start_cash = 999.0: can never bind: there is less to lose",
    ),
    (
        "risk: {freeze_contracts: 2001}",
        "risk.freeze_contracts = 2001, inventory.max_position = 1000: can never bind: one side takes a market from",
    ),
    (
        "inventory: {close_threshold: 300}",
        "inventory.close_threshold = 300.0: longer than the sessions it is for (the longest is 5M, 300 s)",
    ),
    (
        "overrides: [{duration: 1M, inventory: {close_threshold: 90}}]",
        "overrides[0].inventory.close_threshold = 90.0: longer than the sessions it is for (the longest is 1M, 60 s)",
    ),
    (
        "simulator: {feed_ticks_per_s: 0.2}",
        "simulator.feed_ticks_per_s = 0.2, risk.stale_after = 2.0: every price would be stale before the next",
    ),
    (
        "{simulator: {order_latency_ms: 500}, venue: {ack_timeout_s: 0.5}}",
        "simulator.order_latency_ms = 500, venue.ack_timeout_s = 0.5: every order's fate would be unknown",
    ),
    (
        "simulator: {sessions: [{duration: 1M, settlement: {type: avg, window_s: 90}}]}",
        "simulator.sessions[0].settlement.window_s = 90, simulator.sessions[0].duration = '1M': the average would",
    ),
    (
        "simulator: {sessions: [{duration: 1M, strike: avg, settlement: {window_s: 61}}]}",
        "simulator.sessions[0].settlement.window_s = 61, simulator.sessions[0].duration = '1M': the average would",
    ),
    ("simulator: {sessions: []}", "simulator.embedded = true, simulator.sessions = a list of 0: there is nothing to"),
    (
        "overrides: [{asset: BTC, quoting: {size: 10}}, {duration: 5M, quoting: {size: 20}}]",
        "overrides[0].quoting.size = 10, overrides[1].quoting.size = 20: both hold for asset: BTC, duration: 5M; say"
        " which in an entry for {asset: BTC, duration: 5M}",
    ),
    ("risk: {min_spread: 0.03}", "risk.min_spread = 0.03, quoting.spread = 0.02: the least spread may not exceed"),
    ("quoting: {size: 1001}", "quoting.size = 1001, inventory.max_position = 1000: one level must fit"),
    ("quoting: {levels: 10, spacing: 0.06}", "quoting.levels = 10, quoting.spacing = 0.06: the outermost level lies"),
    (
        "reference: {widen_bp: 25}",
        "reference.widen_bp = 25.0, reference.stop_bp = 25.0: sources would end quoting before they widen it",
    ),
    (
        "reference: {jump_bp: 30}",
        "reference.jump_bp = 30.0, reference.stop_bp = 25.0: a price would end quoting before it is held",
    ),
    ("volatility: {floor: 0.6}", "volatility.floor = 0.6, volatility.prior = 0.5: needs floor <= prior <= cap"),
    ("volatility: {cap: 0.4}", "volatility.prior = 0.5, volatility.cap = 0.4: needs floor <= prior <= cap"),
    ("volatility: {lag_s: 2.5}", "volatility.lag_s = 2.5, volatility.step_s = 1.0: the lag must be a whole multiple"),
    ("inventory: {skew_factor: 0.02, lean_late: 0.5}", "inventory.skew_factor = 0.02, inventory.lean_late = 0.5:"),
    (
        "inventory: {lean_early: 0.9}",
        "inventory.lean_early = 0.9, inventory.lean_late = 0.75: the lean must not weaken",
    ),
    ("inventory: {reduce_only_f: 0.02}", "inventory.close_fraction = 0.02, inventory.reduce_only_f = 0.02: the market"),
    ("inventory: {reduce_only_f: 0.8}", "inventory.reduce_only_f = 0.8: only reducing would start while a lean"),
    ("inventory: {dead_f: 0.01}", "inventory.close_fraction = 0.02, inventory.dead_f = 0.01: the market would close"),
    (
        "inventory: {cross_f: 0.02}",
        "inventory.cross_f = 0.02, inventory.close_fraction = 0.02, inventory.cross = true:",
    ),
    ("inventory: {cross_f: 0.9}", "inventory.cross_f = 0.9, inventory.cross = true: crossing would start while"),
    ("venue: {rest_url: 'http://h'}", "simulator.embedded = true, venue.rest_url = 'http://h': the embedded simulator"),
    ("simulator: {embedded: false, port: 0}", "simulator.embedded = false, simulator.port = 0: nothing says where"),
    ("venue: {heartbeat_ms: 3000}", "venue.heartbeat_ms = 3000, venue.cod_timeout_ms = 3000: a heartbeat must come"),
    (
        "{assets: [BTC, ETH], feeds: {binance: {symbols: [btcusdt]}}}",
        "assets, feeds.binance.symbols: no symbol prices ETH; add ethusdt",
    ),
    (
        "venue: {reduce_before_s: 400}",
        "venue.renew_before_s = 300.0, venue.reduce_before_s = 400.0, venue.cancel_before_s = 10.0: a token is renewed",
    ),
    (
        "{simulator: {embedded: false}, venue: {rest_url: 'http://venue.example'}}",
        "venue.rest_url = 'http://venue.example': would send the token in clear; use https:// and wss://",
    ),
    (
        "{simulator: {embedded: false}, venue: {ws_url: 'ws://10.0.0.7:7717/ws'}}",
        "venue.ws_url = 'ws://10.0.0.7:7717/ws': would send the token in clear",
    ),
    ("assets: [BTC, btc]", "assets: BTC is listed twice"),
    ("feeds: {binance: {symbols: [btcusdt, btcusdc]}}", "feeds.binance.symbols: two symbols price BTC; keep one"),
    ("feeds: {binance: {enabled: false}}", "feeds.binance.enabled = false: no price source is left"),
    ("simulator: {sessions: [{asset: ETH}]}", "simulator.sessions[0].asset = 'ETH': not one of assets (BTC)"),
    ("simulator: {sessions: [{}, {}]}", "simulator.sessions: BTC 5M is listed twice"),
    ("simulator: {sessions: [{elapsed_s: 300}]}", "simulator.sessions[0].elapsed_s = 300.0, simulator.sessions[0].dur"),
    ("simulator: {sessions: [{tick: 0.03}]}", "simulator.sessions[0].tick = 0.03: a whole number of ticks must make"),
    (
        "{quoting: {spacing: 0.05}, simulator: {sessions: [{tick: 0.05}]}}",
        "quoting.spread = 0.02, simulator.sessions[0].tick = 0.05: less than one",
    ),
    ("{quoting: {spacing: 0.005}, simulator: {sessions: [{}]}}", "quoting.spacing = 0.005, simulator.sessions[0].tick"),
    ("simulator: {world: {start_prices: {}}, sessions: [{}]}", "simulator.sessions[0].asset = 'BTC': needs simulator"),
    ("overrides: [{quoting: {size: 5}}]", "overrides[0]: names neither an asset nor a duration"),
    ("overrides: [{asset: ETH}]", "overrides[0].asset = 'ETH': not one of assets (BTC)"),
    ("overrides: [{duration: 5M}, {duration: 5m}]", "overrides[0], overrides[1]: all for 5M; make them one"),
    ("overrides: [{duration: 5M, volatility: {prior: 1}}]", "overrides[0].volatility: an asset has one volatility"),
    (
        "overrides: [{asset: BTC, quoting: {spread: 0.01}}]",
        "risk.min_spread = 0.02, overrides[0].quoting.spread = 0.01",
    ),
    ("overrides: [{asset: BTC, inventory: {skew_factor: 0.1, lean_early: 0.1}}]", "overrides[0].inventory.skew_factor"),
]


@pytest.mark.parametrize(("text", "line"), WRONG, ids=[line[:40] for _, line in WRONG])
def test_each_mistake_is_one_line_with_key_value_and_what_is_allowed(refused, text, line):
    lines = refused(text)
    assert len(lines) == 1
    assert line in lines[0]


def test_a_contradiction_may_come_from_two_overrides_together(refused):
    lines = refused("overrides: [{asset: BTC, quoting: {size: 500}}, {duration: 5M, inventory: {max_position: 400}}]")
    assert lines == [
        "overrides[0].quoting.size = 500, overrides[1].inventory.max_position = 400: "
        "one level must fit into the position limit"
    ]


def test_a_file_with_ten_mistakes_of_every_kind_lists_ten(refused):
    lines = refused(
        f"""
        api_key: {JWT}
        quoting: {{spread: 1.5, sized: 100, levels: true}}
        inventory: {{skew_factor: 0.02, lean_late: 0.4, dead_side: none}}
        risk: {{stale_after: 6, stale_after: 7}}
        volatility: {{floor: 0.6}}
        venue: {{heartbeat_ms: 5000}}
        """,
        MM__risk__max_markets="0",
    )
    found = [line.split(":")[0].split(" ")[0].rstrip(",") for line in lines]
    assert sorted(found) == sorted(
        [
            *("api_key", "quoting.spread", "quoting.sized", "quoting.levels", "inventory.skew_factor"),
            *("inventory.dead_side", "risk.stale_after", "risk.stale_after", "risk.max_markets", "volatility.floor"),
            "venue.heartbeat_ms",
        ]
    )
    assert len(lines) == 11  # the key given twice is also out of its range


def test_a_value_that_is_wrong_hides_the_contradictions_it_is_part_of(refused):
    lines = refused("{quoting: {spread: wide}, risk: {min_spread: 0.9}}")
    assert len(lines) == 1


# --- files ---

LAUGHS = [(n, (b"a" if n == 0 else b"a%d" % (n - 1), b"a%d" % n)) for n in range(30)]


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (None, 66, "no such file"),
        (b"quoting: {spread: 0.02\nrisk: 1", 78, "malformed YAML at line 2, column 5"),
        (b"quoting:\n\tspread: 1", 78, "malformed YAML at line 2, column 1"),
        (b"a: b: c", 78, "malformed YAML at line 1, column 5"),
        (b"a: \x00", 78, "malformed YAML at line 1, column 4"),
        (b"a: !!python/object:os.system {}", 78, "malformed YAML at line 1, column 4"),
        (b"a: *nowhere", 78, "malformed YAML at line 1, column 4"),
        (b"--- {}\n--- {}", 78, "malformed YAML at line 2, column 1"),
        (b"a: !!timestamp abc", 78, "malformed YAML at line 1, column 4: a tag; write plain values"),
        (b"quoting: {size: !!int abc}", 78, "malformed YAML at line 1, column 17: not what its tag says (int)"),
        (b"quoting: &q {size: *q}", 78, "malformed YAML at line 1, column 10: an anchor that contains itself"),
        (b"quoting: &q\n  <<: *q", 78, "malformed YAML at line 1, column 10: an anchor that contains itself"),
        (b"<<: 3", 78, "malformed YAML at line 1, column 5: << merges sections only"),
        (b"? [a]\n: 1", 78, "malformed YAML at line 1, column 3: a key must be a word"),
        (b"%YAML 9.9\n---\na: 1", 78, "malformed YAML at line 1, column 1"),
        (b"{", 78, "malformed YAML at line 1, column 2"),
        (b"quoting:\n spread: 0.02\n   size: 3", 78, "malformed YAML at line 3, column 8"),
        (b"a: &a [x,x]\n" + b"".join(b"b%d: &%s [*%s,*%s]\n" % (n, c, p, p) for n, (p, c) in LAUGHS), 78, "too many"),
        (b"#" * 1_000_001, 78, "more than 1,000,000 bytes are no configuration"),
        (b"[" * 5000, 78, "malformed YAML"),
        (b"- 1\n- 2", 78, "expected sections (key: value), found a list of 2"),
        (b"just words", 78, "expected sections (key: value), found 'just words'"),
        (b"name: \xff\xfe", 78, "not UTF-8 text (byte 6)"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_line(tmp_path, content, code, line):
    path = tmp_path / "conf.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as told:
        load(path, {})
    assert told.value.exit_code == code
    assert len(told.value.lines) == 1
    assert line in told.value.lines[0]


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="Is a directory") as told:
        load(tmp_path, {})
    assert told.value.exit_code == 66


def test_malformed_yaml_does_not_show_the_line_it_is_in(tmp_path):
    path = tmp_path / "conf.yaml"
    path.write_text(f"api_key: {JWT}: {JWT}")
    with pytest.raises(ConfigError) as told:
        load(path, {})
    assert JWT not in str(told.value)
    assert told.value.__cause__ is None


@pytest.mark.parametrize("text", [f"token {JWT} end", f"0x{WALLET}", WALLET, f"https://u:{PASSWORD}@h/x"])
def test_tokens_are_masked_wherever_they_stand(text):
    for hide in (masked, without_tokens):
        assert not [secret for secret in SECRETS if secret in hide(text)]
        assert "***" in hide(text)


@pytest.mark.parametrize("text", ["BTC-15M-20261122T1405Z", "wss://h/stream", "/opt/mmactors/conf/prod.yaml"])
def test_what_is_no_secret_is_not_masked(text):
    assert masked(text) == without_tokens(text) == text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "0.0.0.0"])
def test_a_venue_on_this_machine_may_be_spoken_to_in_clear(host: str) -> None:
    venue = {"rest_url": f"http://{host}:7717", "ws_url": f"ws://{host}:7717/ws"}
    config = Config.model_validate({"simulator": {"embedded": False}, "venue": venue})
    assert contradictions(config) == []


def test_a_simulator_with_tls_is_found_and_believed_without_more() -> None:
    config = Config.model_validate({"simulator": {"tls": True}, "logs": {"dir": "var"}})
    urls = config.urls(4242)
    assert (urls.rest_url, urls.ws_url) == ("https://127.0.0.1:4242", "wss://127.0.0.1:4242/ws")
    assert urls.feeds["binance"].sockets[0] == "wss://127.0.0.1:4242/stream"
    assert config.venue_ca == config.feed_ca == Path("var/sim/simulator.pem")
    named = Config.model_validate({"simulator": {"tls": True}, "venue": {"ca_file": "mine.pem"}})
    assert named.venue_ca == Path("mine.pem")
    assert Config().venue_ca is None


def test_one_file_of_certificates_is_for_every_feed(tmp_path: Path) -> None:
    assert Config.model_validate({"feeds": {"ca_file": "mine.pem"}}).feed_ca == Path("mine.pem")
    path = tmp_path / "conf.yaml"
    path.write_text("feeds: {binance: {ca_file: mine.pem}, coinbase: {ca_file: mine.pem}}\nvenue: {ca_fil: x}\n")
    with pytest.raises(ConfigError) as told:
        load(path, {})
    lines = "\n".join(told.value.lines)
    for source in ("binance", "coinbase"):
        assert f"feeds.{source}.ca_file: unknown key; did you mean feeds.ca_file?" in lines
    assert "venue.ca_fil: unknown key; did you mean venue.ca_file?" in lines


def test_fallbacks_without_a_first_host_are_refused() -> None:
    alone = Config.model_validate({"feeds": {"binance": {"ws_fallbacks": ["wss://x.example/stream"]}}})
    (problem,) = contradictions(alone)
    assert problem.keys == ("feeds.binance.ws_fallbacks", "feeds.binance.ws_url")
    paper = load(ROOT / "conf" / "paper.yaml", {}).urls()
    assert paper.feeds["binance"].sockets[1:] == ("wss://data-stream.binance.vision/stream",)


def feeds(text: str, **environ: str) -> Config:
    import yaml

    return Config.model_validate(yaml.safe_load(text) | environ)


def test_coinbase_follows_every_asset_unless_told_which():
    every = feeds("{assets: [BTC, ETH], feeds: {coinbase: {enabled: true}}}")
    assert every.symbols("coinbase") == {"BTC-USD": "BTC", "ETH-USD": "ETH"}
    some = feeds("{assets: [BTC, ETH], feeds: {coinbase: {symbols: [eth-usd, btcusd]}}}")
    assert some.symbols("coinbase") == {"ETH-USD": "ETH", "BTC-USD": "BTC"}
    assert feeds("{}").symbols("binance") == {"btcusdt": "BTC"}


@pytest.mark.parametrize(
    ("section", "socket", "history"),
    [
        ("{}", "ws://127.0.0.1:9/coinbase", "http://127.0.0.1:9"),
        ("{ws_url: 'wss://x.example'}", "wss://x.example", None),
        ("{ws_url: 'wss://x.example', history_url: 'https://y.example/'}", "wss://x.example", "https://y.example"),
        ("{history_url: 'https://y.example'}", "ws://127.0.0.1:9/coinbase", "https://y.example"),
    ],
)
def test_where_coinbase_and_its_history_are(section: str, socket: str, history: str | None):
    urls = feeds(f"{{feeds: {{coinbase: {section}}}}}").urls(9)
    assert (urls.feeds["coinbase"].sockets[0], urls.feeds["coinbase"].history) == (socket, history)
    assert urls.feeds["binance"].history == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("feeds: {binance: {enabled: false}}", "feeds.binance.enabled = false: no price source is left"),
        (
            "feeds: {binance: {enabled: false}, coinbase: {enabled: false}}",
            "feeds.binance.enabled = false, feeds.coinbase.enabled = false: no price source is left",
        ),
        (
            "feeds: {coinbase: {symbols: [btc-usd, BTCUSD]}}",
            "feeds.coinbase.symbols: two symbols price BTC; keep one",
        ),
        (
            "feeds: {coinbase: {symbols: [btc-eur]}}",
            "feeds.coinbase.symbols[0]: got 'btc-eur'; allowed: a product priced in dollars, such as btc-usd",
        ),
        ("simulator: {world: {speed: 0.5}}", "simulator.world.speed: got 0.5; allowed: a number >= 1 and <= 1000"),
        (
            "simulator: {feeds: {coinbase: {noise_bp: -1}}}",
            "simulator.feeds.coinbase.noise_bp: got -1; allowed: a number >= 0 and <= 100",
        ),
    ],
)
def test_mistakes_about_the_feeds_are_told(tmp_path, text: str, line: str):
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(path, {})
    assert any(told.startswith(line) for told in error.value.lines), error.value.lines


def test_an_asset_priced_by_one_enabled_source_is_enough(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("{assets: [BTC, ETH], feeds: {coinbase: {enabled: true}}}", encoding="utf-8")
    assert load(path, {}).feeds.coinbase.enabled


def test_recordings_by_asset_from_the_file_and_the_environment(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("simulator: {world: {prices: {btc: a.csv}}}", encoding="utf-8")
    given = load(path, {"MM__simulator__feeds__coinbase__prices": "b.csv"})
    assert given.simulator.world.prices == {"BTC": Path("a.csv")}
    assert given.simulator.feeds.coinbase.prices == Path("b.csv")
    assert Config.model_validate_json(given.model_dump_json(exclude_unset=True)) == given


@pytest.mark.parametrize("piece", ["a", "1", "a?", "a="])
def test_masking_a_long_value_does_not_take_its_length_squared(piece):
    start = time.process_time()
    masked(piece * 100_000)
    assert time.process_time() - start < 1.0
