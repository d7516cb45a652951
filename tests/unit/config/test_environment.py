"""The environment is laid over the file, key by key."""

import pytest
from secret_words import JWT


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
