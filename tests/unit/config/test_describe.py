"""The configuration as it holds, shown: every key with its value, origin and reason; no secret, and 100 columns."""

import json

import pytest

from mmactors.config import Config, resolve
from mmactors.config import describe as view

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
TEXT = """
assets: [BTC, ETH]
quoting: {size: 20}
inventory: {skew_factor: 0.02}
venue: {api_key_file: FILE}
overrides:
  - {asset: BTC, duration: 1M, quoting: {spread: 0.03}}
  - {asset: ETH, inventory: {skew_factor: 0.05}, volatility: {prior: 0.7}}
"""


@pytest.fixture
def found(tmp_path):
    def make(text: str = TEXT, **environ: str):
        path = tmp_path / "c.yaml"
        path.write_text(text.replace("FILE", str(tmp_path / "token")))
        return resolve(path, environ), path, environ

    return make


def test_every_key_of_the_schema_is_shown_once(found):
    known = [row.key for row in view.rows(found("")[0])]
    assert len(known) == len(set(known))

    def leaves(section, path=""):
        for name in type(section).model_fields:
            value = getattr(section, name)
            if hasattr(value, "model_fields_set"):
                yield from leaves(value, f"{path}{name}.")
            elif name not in ("sessions", "overrides"):
                yield f"{path}{name}"

    assert set(leaves(Config())) <= set(known)
    assert "simulator.sessions[1].duration" in known


def test_each_value_says_where_it_comes_from(found):
    rows = {row.key: row for row in view.rows(found(MM__risk__max_markets="3", MM__logs="{level: DEBUG}")[0])}
    said = {key: (row.value, row.origin) for key, row in rows.items()}
    assert said["quoting.size"] == (20, "file")
    assert said["quoting.levels"] == (3, "default")
    assert said["risk.max_markets"] == (3, "MM__risk__max_markets")
    assert said["logs.level"] == ("DEBUG", "MM__logs")
    assert said["feeds.binance.symbols"] == (("btcusdt", "ethusdt"), "assets")
    assert said["inventory.lean_late"] == (0.02, "inventory.skew_factor")
    assert said["overrides[0].quoting.spread"] == (0.03, "file")
    assert rows["quoting.size"].about.startswith("contracts per level;")


def test_what_overrides_change_is_shown_by_asset_and_duration(found):
    cells = view.differing(found()[0])
    assert sorted(cells) == ["BTC 1M", "ETH 15M", "ETH 1H", "ETH 1M", "ETH 5M"]
    assert cells["BTC 1M"] == {"quoting.spread": (0.03, "overrides[0].quoting.spread")}
    assert cells["ETH 1H"]["inventory.lean_early"] == (0.05, "overrides[1].inventory.skew_factor")
    assert cells["ETH 1H"]["volatility.prior"] == (0.7, "overrides[1].volatility.prior")


def test_a_person_reads_it_on_a_hundred_columns(found):
    lines = view.table(*found(MM__risk__max_markets="3"))
    assert [line for line in lines if len(line) > 100 and "/" not in line] == []
    assert len(lines) < 300
    text = "\n".join(lines)
    assert "  size                 20              file     contracts per level" in text
    assert "quoted at once [MM__risk__max_markets]" in text
    assert "odd: simulator.sessions = a list of 4, risk.max_markets = 3" in text


@pytest.mark.parametrize("write", [True, False])
def test_secrets_are_named_and_never_shown(found, tmp_path, write):
    if write:
        (tmp_path / "token").write_text(TOKEN)
    made = found(f"{TEXT}simulator: {{embedded: false}}", DEGEN_API_KEY=TOKEN)
    for shown in ("\n".join(view.table(*made)), json.dumps(view.as_json(*made))):
        assert TOKEN not in shown
        assert "DEGEN_API_KEY" in shown
    assert view.secrets(made[0], made[2]) == [
        ("DEGEN_API_KEY", "set"),
        (str(tmp_path / "token"), "readable" if write else "no such file"),
    ]


def test_a_run_that_would_end_for_want_of_a_token_is_said_before(found):
    made = found("{simulator: {embedded: false}, venue: {ws_url: 'wss://v.example/ws'}}")
    assert [line for line in view.warnings(made[0], made[2]) if line.startswith("no venue token: set DEGEN_API_KEY")]


def test_as_json_it_can_be_read_by_a_machine(found):
    read = json.loads(json.dumps(view.as_json(*found())))
    assert read["valid"] is True
    assert read["values"]["quoting.size"] == {
        "value": 20,
        "from": "file",
        "about": "contracts per level; clips of 100 lose on recorded prices",
    }
    assert read["by_asset_and_duration"]["BTC 1M"]["quoting.spread"]["value"] == 0.03
    assert read["urls"]["rest"] == "http://127.0.0.1:7717"
