"""Configuration: every mistake at once, one line each, and no secret ever shown."""

from pathlib import Path

import pytest

from mmactors.config import Config, ConfigError, load, schema
from mmactors.config_file import masked, without_tokens
from mmactors.core.params import MakerParams, RiskParams, VolatilityParams
from mmactors.units import Micros, Nanos

ROOT = Path(__file__).parents[2]

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


def test_sim_yaml_says_the_defaults():
    given = load(ROOT / "conf" / "sim.yaml", {})
    assert given.feeds.coinbase.enabled, "two sources offline, one unless asked for elsewhere"
    assert given == Config.model_validate({"feeds": {"coinbase": {"enabled": True}}})


def test_prod_yaml_trades_on_a_real_venue_and_real_prices():
    config = load(ROOT / "conf" / "prod.yaml", {})
    assert not config.simulator.embedded
    urls = config.urls()
    assert urls.rest_url.startswith("https://")
    assert urls.ws_url.startswith("wss://")
    assert urls.binance_url == "wss://stream.binance.com:9443/stream"


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
    assert config.urls().binance_url == "wss://stream.binance.com:9443/stream"


def test_every_field_reaches_the_core_in_its_unit(loaded):
    config = loaded(
        """
        quoting: {k_lat: 2, hysteresis: 0.005, refresh_ms: 250, latency_floor_ms: 40}
        inventory: {give: 0.02, late_room: 0.05, close_fraction: 0.03, reduce_only_f: 0.15, dead_f: 0.2, dead_d2: 2,
                    dead_side: reduce_only, cross: false, cross_f: 0.3, cross_edge: 0.05, cross_to: 0.01}
        risk: {max_exposure: 77.5, stale_after: 1.5, freeze_contracts: 5, freeze_window: 2, freeze_for: 0.5}
        volatility: {prior: 0.6, floor: 0.2, cap: 2, step_s: 0.5, lag_s: 10, half_life_s: 60, prior_weight_s: 30,
                     fast_lag_s: 1, fast_half_life_s: 20, fast_share: 0.5}
        """
    )
    params = config.maker_params("BTC", 300)
    assert params.quoting.refresh_ns == Nanos(250_000_000)
    assert params.quoting.latency_floor_s == 0.04
    assert (params.quoting.k_lat, params.quoting.hysteresis) == (2, 0.005)
    inv = params.inventory
    assert (inv.give, inv.late_room, inv.close_fraction, inv.reduce_only_f) == (0.02, 0.05, 0.03, 0.15)
    assert (inv.dead_f, inv.dead_d2, inv.dead_side, inv.cross) == (0.2, 2, "reduce_only", False)
    assert (inv.cross_f, inv.cross_edge, inv.cross_to) == (0.3, 0.05, 0.01)
    assert params.risk == config.risk_params()
    assert params.risk == RiskParams(
        max_exposure=Micros(77_500_000),
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
            "{simulator: {embedded: false}, venue: {rest_url: 'http://v.example:81/'}, "
            "feeds: {binance: {ws_url: 'wss://f.example/ws'}}}",
            *(None, "http://v.example:81", "ws://v.example:81/ws", "wss://f.example/stream"),
        ),
    ],
)
def test_urls_are_the_given_ones_or_derived(loaded, text, port, rest, socket, feed):
    urls = loaded(text).urls(port)
    assert (urls.rest_url, urls.ws_url, urls.binance_url) == (rest, socket, feed)


def test_a_configuration_written_out_reads_back_the_same(loaded, tmp_path):
    config = loaded(OVERRIDES, MM__simulator__world__jumps_per_s="0.00001")
    again = tmp_path / "resolved.json"
    again.write_text(config.model_dump_json(exclude_unset=True))
    assert load(again, {}) == config


def test_every_key_says_its_unit_or_reason():
    sections = [node for node in schema()["$defs"].values() if "properties" in node]
    bare = [
        (node["title"], name)
        for node in sections
        for name, field in node["properties"].items()
        if "description" not in field and "$ref" not in field and name not in ("asset", "duration", "sessions")
    ]
    assert bare == []


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
        ("MM__quotin__spread", "0.1", "quotin: unknown key; did you mean quoting?"),
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
    ("on: 2", "True: unknown key"),
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
    # contradictions
    ("risk: {min_spread: 0.03}", "risk.min_spread = 0.03, quoting.spread = 0.02: the least spread may not exceed"),
    ("quoting: {size: 1001}", "quoting.size = 1001, inventory.max_position = 1000: one level must fit"),
    ("quoting: {levels: 10, spacing: 0.06}", "quoting.levels = 10, quoting.spacing = 0.06: the outermost level lies"),
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
    ("assets: [BTC, ETH]", "assets, feeds.binance.symbols: no symbol prices ETH; add ethusdt"),
    ("assets: [BTC, btc]", "assets: BTC is listed twice"),
    ("feeds: {binance: {symbols: [btcusdt, btcusdc]}}", "feeds.binance.symbols: two symbols price BTC; keep one"),
    ("feeds: {binance: {enabled: false}}", "feeds.binance.enabled = false: no price source is left"),
    ("simulator: {sessions: [{asset: ETH}]}", "simulator.sessions[0].asset = 'ETH': not one of assets (BTC)"),
    ("simulator: {sessions: [{}, {}]}", "simulator.sessions: BTC 5M is listed twice"),
    ("simulator: {sessions: [{elapsed_s: 300}]}", "simulator.sessions[0].elapsed_s = 300.0, simulator.sessions[0].dur"),
    ("simulator: {sessions: [{tick: 0.03}]}", "simulator.sessions[0].tick = 0.03: a whole number of ticks must make"),
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
            *("inventory.dead_side", "risk.stale_after", "stale_after", "risk.max_markets", "volatility.floor"),
            "venue.heartbeat_ms",
        ]
    )
    assert len(lines) == 11  # the key given twice is also out of its range


def test_a_value_that_is_wrong_hides_the_contradictions_it_is_part_of(refused):
    lines = refused("{quoting: {spread: wide}, risk: {min_spread: 0.9}}")
    assert len(lines) == 1


# --- files ---


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
        (b"a: 2001-99-99", 78, "malformed YAML"),
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
    assert (urls.coinbase_url, urls.coinbase_history_url) == (socket, history)
    assert urls.binance_history_url == "http://127.0.0.1:9"


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
        (
            "{assets: [BTC, ETH], feeds: {coinbase: {symbols: [eth-usd]}}}",
            "assets, feeds.binance.symbols: no symbol prices ETH; add ethusdt",
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
