"""The whole program and a token's end: traded through it, or everything gone in time; and no secret said anywhere."""

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from desktop import Desktop, Program, eventually

from mmactors.simulator.server.tokens import DEVELOPMENT_SECRET

pytestmark = pytest.mark.e2e

CONF = """
name: token
assets: [BTC]
venue: {renew_before_s: 6, reduce_before_s: 5, cancel_before_s: 2}
simulator:
  wallet_token_s: 8
  sessions: [{asset: BTC, duration: 5M, elapsed_s: 60}]
"""


def token(seconds: float) -> str:
    claims = {"sub": "mmactors", "exp": int(time.time() + seconds)}
    return jwt.encode(claims, DEVELOPMENT_SECRET, algorithm="HS256")


def begun(desktop: Desktop, ready: Callable[[float], object] = lambda _: None) -> tuple[Program, Path]:
    """Start a venue and, once that and what it needs is ready, the program; wait for its first quote.

    `ready` is given the seconds that the venue took to start: as long as that, the program takes, too.
    """
    conf = desktop.config(CONF)
    log = desktop.folder / "venue.jsonl"
    desktop.environ["MM__simulator__log"] = str(log)
    began = time.monotonic()
    venue = desktop.start("venue", "-m", "mmactors", "simulator", str(conf))
    venue.says("listening", 15)
    port = json.loads(venue.said)["listening"]["port"]
    desktop.environ |= {"MM__simulator__embedded": "false", "MM__simulator__port": str(port)}
    ready(time.monotonic() - began)
    program = desktop.start("run", "run.py", str(conf))
    program.says("first two-sided quote", 15)
    return program, log


def outputs(desktop: Desktop, venue_log: Path) -> dict[str, str]:
    """Everything that the program and its venue have written."""
    files = [path for path in desktop.folder.rglob("*") if path.is_file() and path.name not in ("token", "conf.yaml")]
    assert {path.suffix for path in files} >= {".out", ".err", ".log", ".jsonl", ".sqlite", ".mmlog"}
    assert venue_log in files
    return {str(path): path.read_bytes().decode("latin-1") for path in files}


def said_by(secrets: list[str], said: dict[str, str]) -> list[str]:
    return [name for name, text in said.items() for secret in secrets if secret in text]


def resting_at(log: Path, at_ms: int) -> dict[str, int]:
    """What rested of ours at a moment, by the venue's own log: contracts by order."""
    live: dict[str, int] = {}
    for event in map(json.loads, log.read_text(encoding="utf-8").splitlines()):
        if event.get("t", 0) > at_ms:
            break
        if event["type"] == "order" and event["account"] == "mmactors" and event["order_id"]:
            live[event["order_id"]] = event["remaining"] if event["status"] in ("OPEN", "PARTIAL") else 0
        for side in event.get("sides", ()):
            if side["order_id"] in live:
                live[side["order_id"]] -= event["size"]
    return {order: left for order, left in live.items() if left > 0}


def test_without_a_newer_token_everything_is_gone_before_its_end_and_with_one_trading_goes_on(desktop: Desktop) -> None:
    path = desktop.folder / "token"
    desktop.environ["MM__venue__api_key_file"] = str(path)
    program, log = begun(desktop, lambda took_s: path.write_text(token(16 + 4 * took_s), encoding="utf-8"))
    first, second = path.read_text(encoding="utf-8"), token(3600)
    ends_ms = jwt.decode(first, options={"verify_signature": False})["exp"] * 1000
    program.says("REDUCING", 25)
    program.says("waiting for a fresh one from file", 15)
    assert resting_at(log, ends_ms - 6000), "what rests is seen"
    assert resting_at(log, ends_ms - 1000) == {}, "before the venue itself would have cancelled it"
    path.with_suffix(".new").write_text(second, encoding="utf-8")
    path.with_suffix(".new").rename(path)
    eventually(lambda: resting_at(log, time.time_ns()) != {}, 20)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(12) == 0, program.said + program.complained
    assert "everything matches, nothing rests" in program.said
    assert "Traceback" not in program.complained
    assert said_by([first, second], outputs(desktop, log)) == []


def test_a_wallet_trades_through_the_end_of_its_tokens_and_no_secret_is_said(desktop: Desktop) -> None:
    pytest.importorskip("eth_account")
    key = "4c" * 32
    desktop.environ["DEGEN_WALLET_KEY"] = key
    program, log = begun(desktop)
    program.says("connected as 0x", 5)
    run_log = next((desktop.folder / "var/token").rglob("run.log"))
    eventually(lambda: run_log.read_text(encoding="utf-8").count("renewed on the live session") >= 3, 25)
    assert "token expired" not in program.said + program.complained
    assert "REDUCING" not in program.said + program.complained
    desktop.start("inspect", "-m", "mmactors", "inspect", "BTC", "--dir", str(desktop.folder / "var/token")).ends(20)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(12) == 0, program.said + program.complained
    assert "everything matches, nothing rests" in program.said
    said = outputs(desktop, log)
    assert said_by([key, key.upper()], said) == []
    assert [name for name, text in said.items() if re.search(r"eyJ[\w-]{6,}\.", text)] == []
