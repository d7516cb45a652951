"""The simulator as a process: what it announces, how it ends, and what it says when it cannot start."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from patience import patience

pytestmark = pytest.mark.e2e

MAIN = """
import json, sys
from pathlib import Path
from mmactors.config import Config
from mmactors.simulator.server.server import run
from mmactors.simulator.server.tokens import DEVELOPMENT_SECRET

given = json.loads(sys.argv[1])
config = Config.model_validate({"simulator": given["simulator"]})
prices = given.get("prices")
announce = lambda line: print(line, flush=True)
sys.exit(run(config, Path(prices) if prices else None, DEVELOPMENT_SECRET, given.get("watch", False), announce))
"""


def start(**given: Any) -> "subprocess.Popen[str]":
    given["simulator"] = {"port": 0, **given.get("simulator", {})}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", MAIN, json.dumps(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def listening(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    return dict(json.loads(line)["listening"])


def test_it_announces_where_it_listens_and_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "venue.jsonl"
    process = start(simulator={"log": str(log)})
    where = listening(process)
    port = where["port"]
    assert where == {
        "host": "127.0.0.1",
        "port": port,
        "rest_url": f"http://127.0.0.1:{port}",
        "ws_url": f"ws://127.0.0.1:{port}/ws",
        "binance_url": f"ws://127.0.0.1:{port}/stream",
        "coinbase_url": f"ws://127.0.0.1:{port}/coinbase",
        "okx_url": f"ws://127.0.0.1:{port}/okx",
    }
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=patience(10))
    assert (process.returncode, out, err) == (0, "", "")
    types = [json.loads(line)["type"] for line in log.read_text().splitlines()]
    assert types[0] == "run"
    assert "market" in types


def test_it_ends_when_its_parent_goes_away_and_leaves_ctrl_c_to_it() -> None:
    process = start(watch=True)
    listening(process)
    process.send_signal(signal.SIGINT)
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    _, err = process.communicate(timeout=patience(10))
    assert process.returncode == 0
    assert err == "simulator: trading program went away; simulator stops\n"


def test_alone_it_ends_on_ctrl_c() -> None:
    process = start()
    listening(process)
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=patience(10))[1], process.returncode) == ("", 0)


def test_a_port_in_use_is_one_line_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(simulator={"port": port})
        out, err = process.communicate(timeout=patience(10))
    assert (process.returncode, out) == (69, "")
    assert err.count("\n") == 1
    assert f"port {port} on 127.0.0.1 is in use" in err
    assert "MM__simulator__port=" in err


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (None, 66, "no such file"),
        ("time,price\n1,2\n", 78, "wrong columns"),
        ("ts_ms,price\n0,100\n20000,101\n", 78, "no session of simulator.sessions can begin and end"),
    ],
)
def test_bad_prices_end_it_with_one_line(tmp_path: Path, content: str | None, code: int, says: str) -> None:
    path = tmp_path / "prices.csv"
    if content is not None:
        path.write_text(content)
    process = start(prices=str(path))
    out, err = process.communicate(timeout=patience(10))
    assert (process.returncode, out) == (code, "")
    assert says in err
    assert "Traceback" not in err


def test_recorded_prices_are_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("ts_ms,price\n" + "".join(f"{k * 1000},{100 + k % 7}\n" for k in range(600)))
    process = start(prices=str(path))
    listening(process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=patience(10))
    assert err.startswith("simulator: prices prices.csv: 600 rows of BTC over 10.0 min")
    assert err.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_log_that_cannot_be_written_is_one_line() -> None:
    process = start(simulator={"log": "/proc/nowhere/log"})
    _, err = process.communicate(timeout=patience(10))
    assert (process.returncode, err.count("\n")) == (78, 1)
