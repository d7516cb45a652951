"""The lists of price sources: one order, the same names, and each source's symbols, address and simulator agree."""

import pytest

from mmactors.config import LEADING, Config, feed_sections
from mmactors.config.simulator_sections import ExchangesConfig
from mmactors.feeds.frames import Dropped, Parser
from mmactors.feeds.sources import SOURCES
from mmactors.simulator.feeds.sources import SOURCES as SIMULATED
from mmactors.units import Nanos


def test_every_list_has_the_same_sources_in_the_same_order() -> None:
    names = list(SOURCES)
    assert names == list(SIMULATED) == list(feed_sections.SOURCES) == list(ExchangesConfig.model_fields)
    assert names[0] == LEADING
    assert all(source.name == name for name, source in SOURCES.items())
    assert all(source.name == name for name, source in SIMULATED.items())


def test_every_exchange_has_seeds_of_its_own() -> None:
    for field in ("frames", "latency", "twin_frames", "twin_latency"):
        assert len({getattr(source.seeds, field) for source in SIMULATED.values()}) == len(SIMULATED)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_made_from_its_section_alone(name: str) -> None:
    every = Config.model_validate({"assets": ["BTC", "ETH"], "feeds": {name: {"enabled": True}}})
    symbols, source = every.symbols(name), SOURCES[name]
    assert list(symbols.values()) == ["BTC", "ETH"]
    found: Parser = source.parser(symbols)
    assert found.parse(b"{", Nanos(1)) == Dropped("malformed")
    (base,) = every.urls(4242).feeds[name].sockets
    assert source.address(base, symbols).startswith(f"ws://127.0.0.1:4242{feed_sections.SOURCES[name].simulated_at}")
    assert every.urls(4242).feeds[name].history == "http://127.0.0.1:4242"
    assert every.feeds.by_source[name].assets([]) == ({} if not every.feeds.by_source[name].symbols else symbols)
