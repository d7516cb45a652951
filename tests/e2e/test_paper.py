"""Paper trading: real exchanges' prices (here another simulator's), the embedded venue on those same, no money."""

import json
import re
import signal

import pytest
from desktop import Desktop, Program, eventually
from fake_server import FakeServer

pytestmark = pytest.mark.e2e

EXCHANGE = """
name: exchange
feeds: {coinbase: {enabled: true}}
simulator:
  world: {start_prices: {BTC: 61234.0}}
  sessions: [{asset: BTC, duration: 1H}]
"""
PAPER = """
name: paper
assets: [BTC]
feeds:
  binance: {{ws_url: "{ws}/stream", history_url: "{http}"}}
  coinbase: {{enabled: true, ws_url: "{ws}/coinbase", history_url: "{http}"}}
simulator:
  sessions: [{{asset: BTC, duration: 1M, elapsed_s: 40, strike_offset_share: 0}}]
  world: {{live: true}}
  takers: {{noise_per_s: 10, noise_edge: 0.1}}
"""


def paper(desktop: Desktop, port: int, *args: str) -> Program:
    conf = desktop.config(PAPER.format(ws=f"ws://127.0.0.1:{port}", http=f"http://127.0.0.1:{port}"))
    return desktop.start("run", "run.py", str(conf), "--report", str(desktop.folder / "r.json"), *args)


def rows(desktop: Desktop) -> list[dict]:
    (log,) = desktop.folder.rglob("venue.jsonl")
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def exchange(desktop: Desktop) -> tuple[Program, int]:
    conf = desktop.folder / "exchange.yaml"
    conf.write_text(EXCHANGE, encoding="utf-8")
    program = desktop.start("exchange", "-m", "mmactors", "simulator", str(conf), "--port", "0")
    program.says("listening", 30)
    return program, json.loads(program.said.splitlines()[0])["listening"]["port"]


def test_the_venue_strikes_trades_and_settles_on_the_exchanges_prices(desktop: Desktop) -> None:
    desktop.environ["http_proxy"] = "http://127.0.0.1:9"  # of no concern to what is on this machine
    _, port = exchange(desktop)
    program = paper(desktop, port)
    # On a slow machine the first session may be over before it is quoted: the next one is as good.
    traded = re.compile(r"settled (YES|NO): .* [1-9]\d* fills")
    eventually(lambda: traded.search(program.said), 90, lambda: program.said + program.complained)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(20) == 0, program.said + program.complained
    assert program.complained.count("no sessions before there is a price: waits for binance (ws://127.0.0.1:") == 1
    told = desktop.report()
    assert told["totals"]["fills"] > 0
    assert told["totals"]["sessions_settled"] >= 1
    assert told["venue_check"]["details"] == []
    events = rows(desktop)
    strikes = [row["strike"] for row in events if row["type"] == "market" and row["event"] == "opened"]
    ends = [row["settlement_price"] for row in events if row["type"] == "market" and row["event"] == "resolved"]
    assert len(strikes) >= 2
    assert all(abs(price / 61234.0 - 1) < 0.005 for price in strikes + ends)
    assert all(price == pytest.approx(row["spot"], rel=2e-4) for row in events
               if row["type"] == "market" and row["event"] == "opened" for price in [row["strike"]])  # fmt: skip


def test_without_a_price_markets_are_halted_and_end_void(desktop: Desktop) -> None:
    feed, port = exchange(desktop)
    program = paper(desktop, port)
    program.says("first two-sided quote", 30)
    feed.process.send_signal(signal.SIGKILL)
    program.says("no live price of BTC: its markets are halted", 20)
    program.says("resolved VOID", 40)
    program.process.send_signal(signal.SIGINT)
    assert program.ends(30) == 0, program.said + program.complained
    assert desktop.report()["venue_check"]["details"] == []
    halted_ms = next(row["t"] for row in rows(desktop) if row["type"] == "market" and row["event"] == "halted")
    late = [row for row in rows(desktop) if row["type"] == "order" and row["event"] == "accepted"]
    assert all(row["t"] <= halted_ms for row in late)
    opened = [row["t"] for row in rows(desktop) if row["type"] == "market" and row["event"] == "opened"]
    assert opened
    assert max(opened) < halted_ms, "nothing is struck at a price that nobody says"


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (451, "HTTP 451 at the handshake: blocked for this location on every host; trying again"),
        (403, "HTTP 403 at the handshake: blocked for this location on every host; trying again"),
        (None, "Connection refused; trying again"),
    ],
)
def test_an_exchange_that_cannot_be_had_is_one_line_and_nothing_is_quoted(
    desktop: Desktop, status: int | None, line: str
) -> None:
    with FakeServer() as server:
        server.refuse = [status or 200] * 1000
        program = paper(desktop, 9 if status is None else server.port)
        program.says(line, 30)
        eventually(lambda: program.complained.count(line) == 2, 20, lambda: program.complained)
        program.says("binance BTC", 20)
        program.process.send_signal(signal.SIGINT)
        assert program.ends(30) == 0, program.said + program.complained
    assert program.complained.count(line) == 2, "one for each exchange"
    assert "listed" not in program.said
    assert "quote" not in program.said
    assert "Traceback" not in program.said + program.complained


def test_a_proxy_is_named_by_its_variable_and_never_with_its_password(desktop: Desktop) -> None:
    desktop.environ["https_proxy"] = "http://someone:sesame@127.0.0.1:9"
    conf = desktop.config(PAPER.format(ws="wss://exchange.invalid", http="https://exchange.invalid"))
    program = desktop.start("run", "run.py", str(conf))
    program.says("Connection refused, through the proxy named by https_proxy; trying again", 30)
    program.process.send_signal(signal.SIGINT)
    assert program.ends(30) == 0, program.said + program.complained
    assert "sesame" not in program.said + program.complained
