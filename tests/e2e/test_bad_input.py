"""Bad input to the whole running program: a feed that talks rubbish; files, ports, folders and a console that fail."""

import gzip
import json
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from desktop import ROOT, Desktop, eventually
from fake_server import FakeServer
from patience import patience

pytestmark = pytest.mark.e2e

CONF = """
name: bad
assets: [BTC]
feeds: {feeds}
simulator:
  takers: {{noise_per_s: 0, informed_per_step: 0}}
  sessions: [{{asset: BTC, duration: 5M, elapsed_s: 30, strike_offset_share: 0}}]
"""
START_MS = 1_700_000_000_000
GOOD = "ts_ms,price\n" + "".join(f"{START_MS + k * 1000},{97_000 + k % 7}\n" for k in range(300))


RUN_MAIN = "from mmactors.cli.main import main; sys.exit(main(sys.argv[1:]))"


def book(number: int, bid: object = "97000.00", ask: object = "97000.10") -> bytes:
    data = {"u": number, "s": "BTCUSDT", "b": bid, "B": "1", "a": ask, "A": "1"}
    return json.dumps({"stream": "btcusdt@bookTicker", "data": data}).encode()


def trade(number: int, price: str, at_ms: int) -> bytes:
    data = {"e": "aggTrade", "s": "BTCUSDT", "a": number, "p": price, "q": "1", "T": at_ms}
    return json.dumps({"stream": "btcusdt@aggTrade", "data": data}).encode()


def rubbish(last: int) -> list[tuple[str, bytes]]:
    """Frames of which no price may come, each with the word it is counted by; `last` is the last good number."""
    more = last + 1_000
    return [
        ("malformed", b"\x00\x01 not json"),
        ("malformed", book(more)[:40]),
        ("malformed", b"[" * 100_000),
        ("bad_utf8", b'{"stream":"btcusdt@bookTicker","data":{"s":"\xff\xfe"}}'),
        ("wrong_type", book(more, bid=97_000.0)),
        ("missing_field", b'{"stream":"btcusdt@bookTicker","data":{"s":"BTCUSDT"}}'),
        ("not_finite", book(more, bid="NaN")),
        ("not_finite", trade(more, "Infinity", START_MS)),
        ("not_a_number", book(more, ask="ninety")),
        ("negative", book(more, bid="-97000.00")),
        ("zero", book(more, bid="0")),
        ("crossed", book(more, bid="97000.20")),
        ("bad_time", trade(more, "97000", 9_000_000_000_000)),
        ("duplicate", book(last)),
        ("out_of_order", book(last - 5)),
        ("oversized", b'{"stream":"btcusdt@bookTicker","pad":"' + b"x" * 5_000_000 + b'"}'),
    ]


class Exchange(FakeServer):
    """Sends ten books a second to whoever connects, or rubbish while not `sane`."""

    def __init__(self) -> None:
        super().__init__()
        self.sane = True
        self._ended = threading.Event()
        self._talker = threading.Thread(target=self._talk, daemon=True)

    def __enter__(self) -> "Exchange":
        super().__enter__()
        self._talker.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._ended.set()
        self._talker.join(patience(10))
        super().__exit__(*args)

    def _talk(self) -> None:
        number, said = 100, False
        while not self._ended.wait(0.1):
            if not self.connections:
                continue
            frames = [frame for _, frame in rubbish(number) if not (said and len(frame) > 1_000_000)]
            said = said or not self.sane  # one of five megabytes will do
            if self.sane:
                number += 1
                frames = [book(number, f"{97_000 + number % 5}.00", f"{97_000 + number % 5}.10")]
            with suppress(RuntimeError, ConnectionError):  # the program may hang up at any moment
                for frame in frames:
                    self.connections[-1].raw(frame)


def quotes(desktop: Desktop) -> list[bool]:
    """For each ladder change of the market, whether it left quotes on both sides."""
    (log,) = (desktop.folder / "var").glob("bad/run-*/markets/*.jsonl")
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return [bool(record["bids"] and record["asks"]) for record in records if record["type"] == "quote"]


def test_a_feed_that_talks_rubbish_is_counted_and_dropped_and_quoted_on_once_it_is_sane(desktop: Desktop) -> None:
    report = desktop.folder / "r.json"
    with Exchange() as exchange:
        feeds = f'{{binance: {{ws_url: "ws://127.0.0.1:{exchange.port}"}}}}'
        conf = desktop.config(CONF.format(feeds=feeds))
        program = desktop.start("run", "run.py", str(conf), "--report", str(report))
        program.says("first two-sided quote", 15)
        exchange.sane = False
        program.says("no live price: its quotes are pulled", 10)
        exchange.sane = True
        program.says("live again", 5)
        eventually(lambda: quotes(desktop)[-1] and False in quotes(desktop), 5, lambda: program.said)
        program.process.send_signal(signal.SIGTERM)
        assert program.ends(10) == 0, program.said + program.complained
    assert len(exchange.connections) == 1  # nothing of it was worth a reconnect
    told = desktop.report()
    assert (told["actors"]["restarts"], told["actors"]["dead_letters"]) == (0, 0)
    (counted,) = [line for line in program.complained.splitlines() if "feed:binance: " in line]
    for reason in {reason for reason, _ in rubbish(0)}:
        assert f"dropped_{reason} " in counted
        assert program.complained.count(f"dropped a frame ({reason})") == 1
    assert "Traceback" not in program.complained


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("columns.csv", b"time,px\n1,2\n", "wrong columns: needs ts_ms and price"),
        ("garbage.csv", bytes(range(256)) * 20, "cannot be read as prices"),
        ("torn.csv.gz", gzip.compress(GOOD.encode())[:-99], "cannot be read as prices"),
        ("nothing.csv", b"ts_ms,price\n1,NaN\n2,-1\n3,inf\n", "no usable rows (3 unusable)"),
        ("micro.csv", GOOD.replace(",97", "000,97").encode(), "milliseconds since 1970"),
    ],
    ids=["columns", "garbage", "torn", "nothing", "microseconds"],
)
def test_prices_that_will_not_do_are_one_line_and_78(desktop: Desktop, name: str, content: bytes, why: str) -> None:
    path = desktop.folder / name
    path.write_bytes(content)
    program = desktop.start("run", "run.py", str(desktop.config(CONF.format(feeds="{}"))), "--prices", str(path))
    assert program.ends(15) == 78
    (line,) = program.complained.splitlines()
    assert line.startswith(f"simulator: {path}: ")
    assert why in line


def test_prices_with_gaps_duplicates_and_bad_rows_are_one_line_and_played(desktop: Desktop) -> None:
    rows = GOOD.splitlines()
    rows = [*rows[:21], rows[4], "x,y", f"{START_MS + 20_000},NaN", *rows[81:]]
    path = desktop.folder / "messy.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    conf = CONF.format(feeds="{}").replace("5M, elapsed_s: 30", "1M")
    program = desktop.start("run", "run.py", str(desktop.config(conf)), "--prices", str(path))
    program.says("first two-sided quote", 15)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(10) == 0
    assert [line for line in program.complained.splitlines() if " INFO " not in line] == [
        "simulator: prices messy.csv: 241 rows of BTC over 5.0 min, 1 duplicate times, 1 out of order, "
        "1 gaps over 30 s; playing the longest piece, 3.6 min from 2023-11-14 22:14:40Z; 2 unusable rows dropped"
    ]


def test_a_port_in_use_is_one_line_and_69_with_and_without_a_program(desktop: Desktop) -> None:
    conf = str(desktop.config(CONF.format(feeds="{}")))
    first = desktop.start("first", "-m", "mmactors", "simulator", conf)
    first.says("listening", 15)
    port = str(json.loads(first.said)["listening"]["port"])
    desktop.environ["MM__simulator__port"] = port
    for second in (desktop.start("a", "-m", "mmactors", "simulator", conf), desktop.start("b", "run.py", conf)):
        assert second.ends(15) == 69
        (line,) = second.complained.splitlines()
        assert f"port {port} on 127.0.0.1 is in use; choose another" in line


def test_a_folder_that_cannot_be_written_to_is_one_line_and_78(desktop: Desktop) -> None:
    desktop.environ["MM__logs__dir"] = "/dev/null"
    program = desktop.start("run", "run.py", str(desktop.config(CONF.format(feeds="{}"))))
    assert program.ends(10) == 78
    assert program.complained == "mmactors: /dev/null/bad cannot be written to: Not a directory; set logs.dir\n"


def test_a_journal_that_was_moved_away_starts_a_folder_of_its_own(desktop: Desktop) -> None:
    folder = desktop.folder / "var/bad"
    (folder / "run-00001").mkdir(parents=True)
    (folder / "run-00002").write_text("in the way")
    (folder / "run-last").mkdir()
    program = desktop.start("run", "run.py", str(desktop.config(CONF.format(feeds="{}"))), "--stop-after", "0.1")
    assert program.ends(20) == 0  # the venue may not even have been reached
    assert program.complained.count("defect") == 0
    assert (folder / "run-00003/run.log").is_file()
    assert list((folder / "run-00001").iterdir()) == []


def test_a_disk_that_fills_up_ends_the_run_with_nothing_resting_and_no_traceback(desktop: Desktop) -> None:
    """No file of the program's grows beyond 300 kB, as on a full disk; the venue is not on that disk."""
    conf = desktop.config(CONF.format(feeds="{}"))
    venue = desktop.start("venue", "-m", "mmactors", "simulator", str(conf))
    eventually(lambda: "listening" in venue.said, 15, lambda: venue.complained)
    port = str(json.loads(venue.said)["listening"]["port"])
    desktop.environ |= {"MM__simulator__embedded": "false", "MM__simulator__port": port}
    full = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (300_000, -1)); import sys; {RUN_MAIN}"
    program = desktop.start("run", "-c", full, "run", str(conf))
    program.says("first two-sided quote", 15)
    assert program.ends(60) == 70
    assert re.search(r"cancel-all: \d+ orders cancelled", program.said)
    assert "nothing rests" in program.said
    assert "Traceback" not in program.complained
    assert "defect" not in program.complained
    assert "journal died again" in program.complained
    assert re.search(r"rows are not in the journal: .*journal.sqlite: ", program.complained.splitlines()[-1])


def test_a_terminal_that_goes_away_ends_the_run_in_order_and_not_before_its_signal(desktop: Desktop) -> None:
    conf, report = desktop.config(CONF.format(feeds="{}")), desktop.folder / "r.json"
    errors = desktop.folder / "errors"
    command = [sys.executable, "run.py", str(conf), "--report", str(report)]
    with errors.open("wb") as err:
        program = subprocess.Popen(command, cwd=ROOT, env=desktop.environ, stdout=subprocess.PIPE, stderr=err)
    try:
        assert program.stdout is not None
        program.stdout.readline()
        program.stdout.close()
        eventually(lambda: "the console is gone (Broken pipe)" in errors.read_text(), 10, errors.read_text)
        eventually(lambda: any(quotes(desktop)) if list(desktop.folder.glob("var/bad/run-*/markets/*")) else False, 10)
        assert program.poll() is None
        program.send_signal(signal.SIGHUP)
        assert program.wait(patience(10)) == 0, errors.read_text()
    finally:
        program.kill()
        program.wait()
    told = desktop.report()
    assert told["venue_check"] == {"resting_orders": 0, "fills_match": True, "cash_match": True, "details": []}
    assert told["actors"]["restarts"] == 0


def test_a_stop_while_the_simulator_starts_is_orderly_and_leaves_no_orphan(desktop: Desktop) -> None:
    program = desktop.start("run", "run.py", str(desktop.config(CONF.format(feeds="{}"))))
    children = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children")
    eventually(lambda: bool(children.read_text(encoding="utf-8").split()), 10)
    (simulator,) = children.read_text(encoding="utf-8").split()
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(15) == 0, program.complained
    assert program.complained == ""
    assert not Path(f"/proc/{simulator}").exists()


def test_usr1_shows_what_every_thread_does_and_the_run_goes_on(desktop: Desktop) -> None:
    program = desktop.start("run", "run.py", str(desktop.config(CONF.format(feeds="{}"))))
    program.says("first two-sided quote", 15)
    program.process.send_signal(signal.SIGUSR1)
    eventually(lambda: program.complained.count("most recent call first") > 5, 5, lambda: program.complained)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends(10) == 0
    assert "everything matches, nothing rests" in program.said
