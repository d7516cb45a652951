"""What is wrong is one line each, with key, value and what is allowed; no secret is shown."""

import pytest
from secret_words import JWT, PASSWORD, WALLET

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
