"""YAML means what it looks like."""

from pathlib import Path

import pytest

from mmactors.config import ConfigError, load


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
