"""What a command says of its own arguments: each by the name that was typed."""

import shlex
import subprocess
from pathlib import Path

import pytest

from mmactors.cli.main import main, parser

CONF = Path(__file__).parents[3] / "conf" / "sim.yaml"
ARENA = CONF.with_name("arena.yaml")


@pytest.fixture
def refused(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MM__logs__dir", str(tmp_path))

    def make(*arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == 78
        (line,) = capsys.readouterr().err.splitlines()
        assert "MM__" not in line
        return line

    return make


@pytest.mark.parametrize("command", [("backtest", CONF), ("arena", ARENA), ("ablate", ARENA)])
def test_a_wrong_length_is_blamed_on_session(refused, command):
    line = refused(*command, "--session", "7M")
    assert line.endswith("simulator.sessions[0].duration: got '7M'; allowed: one of 1M, 5M, 15M, 1H [set by --session]")


@pytest.mark.parametrize("length", ["5M}]", "0777", "", "[", "5M, TICK: 0.02"])
def test_a_length_is_a_word_whatever_it_looks_like(refused, length):
    assert f"simulator.sessions[0].duration: got '{length}'; allowed" in refused("backtest", CONF, "--session", length)


def test_a_seed_out_of_range_is_blamed_on_seed(refused):
    assert refused("backtest", CONF, "--seed", "9" * 30).endswith("[set by --seed]")


def test_prices_that_contradict_the_file_are_blamed_on_prices(refused, tmp_path):
    prices = tmp_path / "p.csv"
    prices.touch()
    conf = tmp_path / "live.yaml"
    conf.write_text("{feeds: {binance: {ws_url: 'wss://stream.binance.com/stream'}}, simulator: {world: {live: true}}}")
    line = refused("backtest", conf, "--prices", prices)
    assert line.endswith("prices come from the feeds or from a recording; keep one [set by --prices]")


def test_what_several_variables_stand_for_is_named_once(refused, tmp_path):
    conf = tmp_path / "eth.yaml"
    conf.write_text("{feeds: {binance: {symbols: [ethusdt]}}}")
    line = refused("backtest", conf, "--session", "5M")
    assert line.endswith("no symbol prices BTC; add btcusdt [set by --session]")


def test_a_source_that_is_left_out_is_blamed_on_feeds(refused, tmp_path):
    conf = tmp_path / "coinbase.yaml"
    conf.write_text("{feeds: {binance: {enabled: false}, coinbase: {enabled: true}}}")
    assert refused("backtest", conf).endswith("no price source is left [set by --feeds binance]")


def test_a_variable_of_the_users_own_keeps_its_name(capsys, monkeypatch):
    monkeypatch.setenv("MM__simulator__sessions__0__duration", "8M")
    assert main(["backtest", str(CONF), "--session", "5M"]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "got '8M'; allowed: one of 1M, 5M, 15M, 1H [set by --session, MM__simulator__sessions__0__duration]"
    )


@pytest.mark.parametrize("command", parser().commands.values(), ids=parser().commands)
def test_every_command_is_listed_and_has_an_example_that_it_takes(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(CONF.parents[1])
    args = parser().parse_args(shlex.split(command.example.split(" > ")[0]))
    assert f"mmactors {command.example}\n" in command.format_help()
    assert command.prog == f"mmactors {shlex.split(command.example)[0]}"
    assert command.what in parser().format_help()
    assert callable(args.command)


def test_help_lists_the_commands_by_groups():
    text = parser().format_help()
    assert text.index("\ntrading:\n") < text.index("  run ") < text.index("\nresearch:\n") < text.index("  arena ")
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shells_completion_knows_every_command(shell, capsys):
    assert main(["completion", shell]) == 0
    written = capsys.readouterr().out
    assert all(name in written for name in parser().commands)
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=written, text=True, capture_output=True).returncode == 0
