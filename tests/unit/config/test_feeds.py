"""Where prices come from and whom they are believed from."""

from pathlib import Path

import pytest
from guarded import ROOT

from mmactors.config import Config, ConfigError, load
from mmactors.config.contradictions import contradictions


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
