"""The exchange's own captured frames, replayed over a real socket at their own pace, are traded on."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from desktop import Desktop
from fake_server import FakeServer
from patience import patience

pytestmark = [pytest.mark.e2e, pytest.mark.recorded]

FRAMES = Path(__file__).resolve().parents[3] / "shared/data/frames/binance_spot/combined_btcusdt_20240808.jsonl"
CONF = """
name: replay
assets: [BTC]
feeds: {{binance: {{ws_url: "ws://127.0.0.1:{port}"}}}}
simulator:
  takers: {{noise_per_s: 3, informed_per_step: 0}}
  sessions:
    - {{asset: BTC, duration: 1M, elapsed_s: 35, strike_offset_share: 0}}
"""


@contextmanager
def exchange(frames: list[tuple[int, bytes]]) -> Iterator[FakeServer]:
    """Send the frames to whoever connects, at the pace at which they came."""
    ended = threading.Event()

    def replay() -> None:
        while not server.connections and not ended.wait(0.02):
            pass
        for (at, raw), (later, _) in pairwise(frames):
            if ended.is_set():
                return
            with suppress(RuntimeError, ConnectionError):  # the program may hang up at any moment
                server.connections[-1].raw(raw)
            ended.wait((later - at) / 1e9)

    with FakeServer() as server:
        thread = threading.Thread(target=replay, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            ended.set()
            thread.join(patience(5))


def middles(frames: list[tuple[int, bytes]]) -> Iterator[str]:
    """The books' middles as a recording, so that the venue's takers see what the feed says."""
    for at, raw in frames:
        if b"bookTicker" in raw:
            book = json.loads(raw)["data"]
            yield f"{at // 1_000_000},{(float(book['b']) + float(book['a'])) / 2}\n"


@pytest.mark.skipif(not FRAMES.exists(), reason="no recorded data beside the project")
def test_captured_binance_frames_are_traded_on(desktop: Desktop) -> None:
    lines = [json.loads(line) for line in FRAMES.read_text(encoding="utf-8").splitlines()]
    frames = [(line["recv_ns"], line["raw"].encode()) for line in lines]
    prices = desktop.folder / "prices.csv"
    prices.write_text("ts_ms,price\n" + "".join(middles(frames)), encoding="utf-8")
    with exchange(frames) as server:
        conf = desktop.config(CONF.format(port=server.port))
        report = desktop.folder / "r.json"
        program = desktop.start("run", "run.py", str(conf), "--prices", str(prices), "--report", str(report))
        program.settles(60)
        assert program.stop(20) == 0, program.said + program.complained
    assert "first two-sided quote" in program.said
    told = desktop.report()
    assert told["totals"]["fills"] > 0
    assert told["totals"]["sessions_settled"] >= 1
    assert told["latency_us"]["tick_to_quote"]["n"] > 20
    assert told["venue_check"]["details"] == []
