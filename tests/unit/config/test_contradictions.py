"""What is odd, but lawful, is a line and no refusal."""

import pytest
from guarded import ROOT

from mmactors.config import Config, load
from mmactors.config.contradictions import odd


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
