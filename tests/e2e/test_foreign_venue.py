"""A venue and a feed that are not ours: what they list, how they refuse, go away and come back."""

import json
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from desktop import Desktop, Program, eventually
from fake_server import Connection, FakeServer
from patience import patience

from mmactors.venue.degen.capabilities import EVERYTHING

pytestmark = pytest.mark.e2e

CONF = """
name: foreign
assets: [BTC]
venue: {{rest_url: "http://127.0.0.1:{port}/rest", ws_url: "ws://127.0.0.1:{port}/ws", start_within_s: 1}}
feeds: {{binance: {{ws_url: "ws://127.0.0.1:{port}/stream"}}}}
simulator: {{embedded: false}}
"""
OURS = """
name: foreign
assets: [BTC]
simulator:
  sessions: [{asset: BTC, duration: 5M, elapsed_s: 60}]
"""
GOOD = "BTC-5M-GOOD"
BAD = {
    "BTC-ZERO": ({"strike": 0}, "strike 0.0 is not positive"),
    "BTC-NEGATIVE": ({"strike": -5}, "strike -5.0 is not positive"),
    "BTC-BACKWARDS": ({"opens_at": 2_000_000_000_000, "expires_at": 1_999_999_999_000}, "expires before it opens"),
    "BTC-UNSTRUCK": ({"strike": None}, "open without a strike"),
    "BTC-ODD-TICK": ({"tick_size": 0.03}, "tick 0.03 does not divide a dollar"),
    "BTC-ENDLESS": ({"expires_at": None}, "wrong_type"),
    "DOGE-5M": ({"asset": "DOGE"}, "asset DOGE is not among the configured ones"),
}


def market(name: str, **changes: Any) -> dict[str, Any]:
    now = time.time_ns() // 1_000_000
    times = {"opens_at": now - 60_000, "expires_at": now + 240_000}
    good = {"id": name, "asset": "BTC", "strike": 97_000.0, "status": "OPEN", "tick_size": 0.01}
    return {**good, **times, **changes}


class Venue(FakeServer):
    """The least that the contract asks of a venue, and a price feed beside it, on one port."""

    def __init__(
        self, markets: list[dict[str, Any]], refusal: str | None = None, positions: tuple[dict[str, Any], ...] = ()
    ) -> None:
        super().__init__()
        self.loop.set_default_executor(ThreadPoolExecutor(1))  # one after the other
        self.echo, self.answer = self._hear, self._call
        self.quotes: list[dict[str, Any]] = []
        self._markets = markets
        self._refusal = refusal
        self._positions = positions
        self._orders: dict[str, dict[str, Any]] = {}
        self._seq = 1
        self._ended = threading.Event()
        self._feed = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "Venue":
        super().__enter__()
        self._feed.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._ended.set()
        self._feed.join(patience(5))
        super().__exit__(*args)

    def _tick(self) -> None:
        number = 0
        while not self._ended.wait(0.1):
            number += 1
            price = 97_000 + number % 7
            data = {"u": number, "s": "BTCUSDT", "b": f"{price}.00", "B": "1", "a": f"{price}.10", "A": "1"}
            for each in list(self.connections):
                if each.path.startswith("/stream") and not each.closed.is_set():
                    each.send({"stream": "btcusdt@bookTicker", "data": data})

    def _hear(self, to: Connection, frame: dict[str, Any]) -> None:
        op, now = frame["op"], time.time_ns() // 1_000_000
        ack = {"id": frame.get("id"), "type": "ack", "op": op}
        if op == "hb":
            to.send({"type": "hb", "ts": now, "echo": frame["ts"], "seq": {"orders": self._seq}})
        elif op == "auth" and self._refusal is not None:
            to.send({**ack, "type": "error", "error": {"code": self._refusal, "message": "the token is not valid"}})
        elif op == "auth":
            terms = {"capabilities": sorted(EVERYTHING.usable), "limits": {"orders_per_s": 50, "burst": 100}}
            to.send({**ack, "result": {"account": "a-1", "session": frame["session"], "server_time": now, **terms}})
        elif op == "subscribe":
            channel = frame["channel"]
            snapshot = {"type": "snapshot", "channel": channel, "market": frame.get("market"), "seq": self._seq}
            account = {"orders": list(self._orders.values()), "positions": self._positions, "balance": {"cash": 10_000}}
            content = {"orders": account, "markets": {"markets": self._markets}}
            to.send(ack)
            to.send({**snapshot, **content.get(channel, {"bids": [], "asks": []})})
        elif op == "batch":
            self.quotes += frame.get("place", [])
            results = {
                "cancel": [self._change(to, item, status="CANCELLED") for item in frame.get("cancel", [])],
                "replace": [
                    self._change(to, item, price=item["price"], size=item["size"]) for item in frame.get("replace", [])
                ],
                "place": [self._place(item) for item in frame.get("place", [])],
            }
            to.send({**ack, "results": results})
        elif op == "cancel_all":
            gone = [self._change(to, {"order_id": name}, status="CANCELLED") for name in list(self._orders)]
            to.send({**ack, "result": {"cancelled": [each["order"]["id"] for each in gone]}})

    def _place(self, item: dict[str, Any]) -> dict[str, Any]:
        order = {**item, "id": f"o-{item['client_order_id']}", "filled": 0, "status": "OPEN", "version": 1}
        self._orders[order["id"]] = order
        return {"ok": True, "order": dict(order)}

    def _change(self, to: Connection, item: dict[str, Any], **changes: Any) -> dict[str, Any]:
        order = self._orders.get(item.get("order_id") or f"o-{item['client_order_id']}")
        if order is None:
            return {"ok": False, "error": {"code": "ORDER_NOT_FOUND", "message": "no such order"}}
        order.update(changes, version=order["version"] + 1)
        if order["status"] == "CANCELLED":
            del self._orders[order["id"]]
            self._seq += 1
            event = {"type": "order", "channel": "orders", "seq": self._seq, "reason": "cancel", "order": order}
            to.send(event)
        return {"ok": True, "order": dict(order)}

    def _call(self, _method: str, path: str, _query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        bodies = {
            "/fills": {"fills": [], "next": None},
            "/orders": {"orders": list(self._orders.values())},
            "/balance": {"cash": 10_000, "reserved": 0},
        }
        return 200, bodies[path], {}


def simulator(desktop: Desktop, conf: Path, name: str, port: str = "0") -> tuple[Program, str]:
    started = desktop.start(name, "-m", "mmactors", "simulator", str(conf), "--port", port)
    started.says("listening", 15)
    return started, str(json.loads(started.said)["listening"]["port"])


def lines_with(program: Program, *words: str) -> list[str]:
    lines = (program.said + program.complained).splitlines()
    return [line for line in lines if all(word in line for word in words)]


def test_a_market_that_cannot_be_traded_is_one_line_and_the_others_are_quoted(desktop: Desktop) -> None:
    listed = [market(GOOD), *(market(name, **changes) for name, (changes, _) in BAD.items()), market(GOOD, strike=1.0)]
    with Venue(listed) as venue:
        desktop.environ["DEGEN_API_KEY"] = "a.b.c"
        program = desktop.start("run", "run.py", str(desktop.config(CONF.format(port=venue.port))))
        program.says(f"{GOOD}              first two-sided quote", 10)
        program.process.send_signal(signal.SIGTERM)
        assert program.ends(10) == 0, program.said + program.complained
    for name, (_, why) in BAD.items():
        (line,) = lines_with(program, name)
        assert f"market {name} skipped: " in line
        assert why in line
    assert len(lines_with(program, GOOD, "skipped: listed twice")) == 1
    assert {order["market"] for order in venue.quotes} == {GOOD}
    assert "everything matches, nothing rests" in program.said


def test_what_is_held_is_worked_off_however_late_it_is_found_and_what_is_not_quoted_says_why(desktop: Desktop) -> None:
    left = {"expires_at": time.time_ns() // 1_000_000 + 40_000, "opens_at": time.time_ns() // 1_000_000 - 260_000}
    held = {"market": "BTC-5M-HELD", "yes": 200, "no": 0, "yes_cost": 100.0, "no_cost": 0}
    listed = [market("BTC-5M-LATE", **left), market("BTC-5M-HELD", **left), market(GOOD), market("BTC-5M-MORE")]
    with Venue(listed, positions=(held,)) as venue:
        desktop.environ |= {"DEGEN_API_KEY": "a.b.c", "MM__risk__max_markets": "2"}
        program = desktop.start("run", "run.py", str(desktop.config(CONF.format(port=venue.port))))
        eventually(lambda: {"BTC-5M-HELD", GOOD} <= {order["market"] for order in venue.quotes}, 10)
        program.process.send_signal(signal.SIGTERM)
        assert program.ends(10) == 0
    assert {order["outcome"] for order in venue.quotes if order["market"] == "BTC-5M-HELD"} == {"NO"}
    assert {order["market"] for order in venue.quotes} == {"BTC-5M-HELD", GOOD}
    assert len(lines_with(program, "BTC-5M-LATE", "not taken up: less than 20% of its session is left")) == 1
    assert len(lines_with(program, "BTC-5M-MORE", "waits: risk.max_markets are quoted already")) == 1
    assert "held, not settled (YES - NO): BTC-5M-HELD +200" in program.said


def test_a_refused_token_is_77_at_once_and_not_shown(desktop: Desktop) -> None:
    with Venue([], refusal="UNAUTHORIZED") as venue:
        desktop.environ["DEGEN_API_KEY"] = "not.the.token"
        program = desktop.start("run", "run.py", str(desktop.config(CONF.format(port=venue.port))))
        assert program.ends(10) == 77
    (line,) = program.complained.splitlines()
    assert "the venue refuses our credentials: login refused: UNAUTHORIZED" in line
    assert "not.the.token" not in program.said + program.complained


def test_no_token_for_a_venue_that_is_not_ours_is_78(desktop: Desktop) -> None:
    program = desktop.start("run", "run.py", str(desktop.config(CONF.format(port=9))))
    assert program.ends(10) == 78
    assert program.complained.splitlines() == [
        "mmactors: no venue token: set DEGEN_API_KEY or configure venue.api_key_file"
    ]


def test_a_venue_that_is_not_there_at_the_start_is_69_after_its_time(desktop: Desktop) -> None:
    desktop.environ["DEGEN_API_KEY"] = "a.b.c"
    program = desktop.start("run", "run.py", str(desktop.config(CONF.format(port=9))))
    assert program.ends(10) == 69
    assert len(lines_with(program, "venue: cannot connect to ws://127.0.0.1:9/ws: ", "trying again")) == 1
    assert program.complained.splitlines()[-1].endswith(
        "no venue within 1 s of the start: cannot connect to ws://127.0.0.1:9/ws: Connection refused"
    )


def test_a_stop_while_the_venue_was_never_there_is_prompt_and_clean(desktop: Desktop) -> None:
    desktop.environ |= {"DEGEN_API_KEY": "a.b.c", "MM__venue__start_within_s": "60"}
    program = desktop.start("run", "run.py", str(desktop.config(CONF.format(port=9))))
    program.says("trying again", 10)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(3) == 0
    assert "SendCancelAll" not in program.complained


def test_a_stop_after_a_time_in_which_no_venue_could_be_reached_is_69_and_says_why(desktop: Desktop) -> None:
    desktop.environ |= {"DEGEN_API_KEY": "a.b.c", "MM__venue__start_within_s": "60"}
    program = desktop.start("run", "run.py", str(desktop.config(CONF.format(port=9))), "--stop-after", "2")
    assert program.ends(10) == 69
    assert program.complained.splitlines()[-1].endswith(
        "the venue was not there: cannot connect to ws://127.0.0.1:9/ws: Connection refused"
    )


def test_a_stop_before_the_venue_has_answered_is_clean_and_says_so(desktop: Desktop) -> None:
    """A venue that takes the connection and says nothing is neither there nor gone."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        desktop.environ |= {"DEGEN_API_KEY": "a.b.c", "MM__venue__start_within_s": "60"}
        conf, report = str(desktop.config(CONF.format(port=port))), str(desktop.folder / "r.json")
        program = desktop.start("run", "run.py", conf, "--stop-after", "0.5", "--report", report)
        assert program.ends(15) == 0
    assert "stopped before the venue was reached: nothing was sent" in program.said
    assert "ERROR" not in program.complained
    assert desktop.report()["sessions"] == []


def test_a_venue_that_dies_and_comes_back_is_one_line_each_and_quoted_on_again(desktop: Desktop) -> None:
    conf = desktop.config(OURS)
    first, port = simulator(desktop, conf, "first")
    desktop.environ |= {"MM__simulator__embedded": "false", "MM__simulator__port": port}
    program = desktop.start("run", "run.py", str(conf))
    program.says("first two-sided quote", 10)
    first.process.send_signal(signal.SIGKILL)
    program.says("venue: cannot connect to", 10)
    assert program.process.poll() is None
    assert len(lines_with(program, "venue", "connection lost")) == 1
    assert len(lines_with(program, "no live price: its quotes are pulled")) == 1
    assert lines_with(program, "feed binance: lost") == []  # the line above says so
    again, _ = simulator(desktop, conf, "again", port)
    eventually(lambda: program.said.count("first two-sided quote") == 2, 15, lambda: program.said)
    assert len(lines_with(program, "venue", "reconnected as mmactors")) == 1
    assert len(lines_with(program, "BTC", "live again at")) == 1
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(12) == 0
    again.process.send_signal(signal.SIGTERM)
    assert again.ends(5) == 0
    assert "Traceback" not in program.complained
