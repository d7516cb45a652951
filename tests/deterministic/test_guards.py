"""What must not change while the program is rebuilt: orders, names in files, keys of reports and settings, exit codes.

Each is compared with a golden copy that was recorded before. How to record one anew, and when: tests/guarded.py.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import guarded
import pykka
import pytest
from guarded import CONF, GOLDEN, ROOT, expect

from mmactors.actors import addresses
from mmactors.actors.journal import JournalRole
from mmactors.backtest.actor_run import ActorRun
from mmactors.backtest.environment import START_NS
from mmactors.cli.main import main
from mmactors.config import load
from mmactors.faults.links import FaultyFeed, FaultyLink
from mmactors.faults.schedule import draw
from mmactors.ops import terminal
from mmactors.ops.console import ConsoleReporter
from mmactors.ops.event_log import EventLog
from mmactors.ops.journal import LOCK_EXIT, JournalStore
from mmactors.ops.market_log import MarketLogs
from mmactors.runtime.actor import hosted
from mmactors.simulator.venue.interventions import MarketIntervention
from mmactors.simulator.venue.venue_log import VenueLog
from mmactors.units import MILLISECOND

AVERAGED = "[{asset: BTC, duration: 1M, settlement: {type: avg, window_s: 40, tie: YES}, strike: avg}]"

BACKTESTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "core 5M": (("--runtime", "core", "--session", "5M", "--sessions", "2", "--seed", "11"), {}),
    "core 15M": (("--runtime", "core", "--session", "15M", "--sessions", "1", "--seed", "3"), {}),
    "core averaged": (("--runtime", "core", "--sessions", "3", "--seed", "4"), {"simulator__sessions": AVERAGED}),
    "core all markets": (("--runtime", "core", "--sessions", "6", "--seed", "7"), {}),
    "actors 1M": (("--runtime", "actors", "--session", "1M", "--sessions", "2", "--seed", "5"), {}),
    "actors averaged": (("--sessions", "1", "--seed", "4"), {"simulator__sessions": AVERAGED}),
    "actors two feeds": (("--session", "1M", "--sessions", "2", "--seed", "6", "--feeds", "all"), {}),
    "actors interleaved": (("--session", "1M", "--sessions", "1", "--seed", "8", "--interleaving", "5"), {}),
}

"""Orders of long runs by their hash: runtime, session, sessions, seed."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The environment changes no setting, nothing is written beside the sources, and no actor is left."""
    for name in [name for name in os.environ if name.startswith(("MM__", "DEGEN_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MM__logs__dir", str(tmp_path / "var"))
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """Return what a command prints as JSON."""
    assert main(arguments) == code
    return json.loads(capsys.readouterr().out)


def backtest(capsys, monkeypatch, options: tuple[str, ...], settings: dict[str, str]) -> dict[str, Any]:
    for key, value in settings.items():
        monkeypatch.setenv(f"MM__{key}", value)
    return told(capsys, "backtest", str(CONF), "--processes", "1", "--json", *options)


# --- orders ---


@pytest.mark.parametrize("name", BACKTESTS)
def test_a_backtest_gives_the_same_orders(name, capsys, monkeypatch):
    found = backtest(capsys, monkeypatch, *BACKTESTS[name])
    assert found["orders_hash"]
    expect(f"orders: {name}", found["orders_hash"])


def test_actors_act_at_the_same_times(recorded):
    """Whatever messages are called: a hand-over more or less is noticed."""
    expect("steps", [run.steps.hexdigest() for run in recorded.runs])


def test_actors_are_told_the_same_in_the_same_order(capsys, monkeypatch):
    """Messages' and their fields' names are in this hash, too: renaming one records it anew."""
    found = backtest(capsys, monkeypatch, *BACKTESTS["actors 1M"])
    assert found["trace_hash"]
    expect("trace: actors 1M", found["trace_hash"])


def test_an_arena_gives_the_same_figures(capsys):
    options = ("--session", "1M", "--sessions", "2", "--only", "ours,v1,bands+", "--processes", "1", "--json")
    found = told(capsys, "arena", str(ROOT / "conf" / "arena.yaml"), *options)
    del found["wall_seconds"]
    expect("arena", found)


# --- keys that others read ---


def test_check_tells_every_key_of_the_configuration(capsys):
    found = told(capsys, "check", "--json", str(CONF))
    expect("check", sorted(set(guarded.paths({name: each for name, each in found.items() if name != "values"}))))


def test_every_setting_is_there_with_its_default(capsys):
    """Not its words: those are for people."""
    found = told(capsys, "check", "--json", str(CONF))["values"]
    assert {" ".join(row) for row in found.values()} == {"value from about"}
    expect("settings", {name: row["value"] for name, row in found.items() if name != "logs.dir"})


def test_a_backtests_json_has_the_same_keys(capsys, monkeypatch):
    found = {name: backtest(capsys, monkeypatch, *BACKTESTS[name]) for name in ("core 5M", "actors 1M")}
    expect("backtest", {name: sorted(set(guarded.paths(each))) for name, each in found.items()})


# --- names that are data ---


class Seeds:
    """Every text that randomness is seeded with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._found: set[str] = set()
        plain = Random.seed

        def seed(random: Random, a: object = None, version: int = 2) -> None:
            if isinstance(a, str):
                self._found.add(a)
            plain(random, a, version)  # type: ignore[arg-type]

        monkeypatch.setattr(Random, "seed", seed)

    def found(self) -> list[str]:
        """Return them in order, markets' times left out."""
        return sorted({re.sub(r"\d{8}T\d{6}Z", "TIME", seed) for seed in self._found})


def test_randomness_has_the_same_seeds_in_virtual_time(capsys, monkeypatch):
    seeds = Seeds(monkeypatch)
    backtest(capsys, monkeypatch, *BACKTESTS["actors two feeds"])
    options = ("--session", "1M", "--sessions", "1", "--only", "v1,bands+", "--processes", "1", "--json")
    told(capsys, "arena", str(ROOT / "conf" / "arena.yaml"), *options)
    draw(3, START_NS, 60.0)
    expect("seeds in virtual time", seeds.found())


def test_randomness_has_the_same_seeds_in_the_simulator(capsys, monkeypatch):
    seeds = Seeds(monkeypatch)
    monkeypatch.setenv("MM__simulator__port", "0")
    with Path(os.devnull).open() as nothing, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", nothing)
        found = told(capsys, "simulator", str(CONF), "--watch-stdin")
    expect("simulator is listening", sorted(guarded.paths(found)))
    expect("seeds in the simulator", seeds.found())


MEDDLED = {
    "simulator__sessions": AVERAGED,
    "simulator__maker_bps": "10",
    "simulator__taker_bps": "20",
    "simulator__start_cash": "300",
    "simulator__orders_per_s": "40",
    "simulator__burst": "60",
    "risk__max_exposure": "300",
    "risk__max_daily_loss": "200",
}
"""Little cash, a narrow rate limit, fees, and a market that ends by an average."""

ASKED = {
    "simulator__sessions": "[{asset: BTC, duration: 1M, settlement: {tie: NO}}]",
    "simulator__fees": "quadratic",
    "simulator__taker_bps": "20",
    "venue__wire_asks": "as_ask",
}
"""Asks leave as asks; fees as Kalshi's."""


PLAIN = {"simulator__sessions": "[{asset: BTC, duration: 1M}]"}


class Recorded:
    """A run in virtual time, written into a folder as a live run is.

    `faults` are drawn by seed for so many seconds; `play` moves the run on, the last minute apart.
    """

    def __init__(
        self, folder: Path, settings: dict[str, str], faults: tuple[int, float], play: Callable[["Recorded"], None]
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self.actors: set[str] = set()
        self.steps = blake2b(digest_size=16)
        self.program: ActorRun | None = None
        environ = {"MM__assets": "[BTC]", "MM__simulator__world__seed": "5"}
        config = load(CONF, environ | {f"MM__{key}": value for key, value in settings.items()})
        trouble = draw(faults[0], START_NS, faults[1])
        self.faults = [[fault.kind, fault.from_ns - START_NS, fault.until_ns - START_NS] for fault in trouble.faults]
        log = VenueLog((folder / "venue.jsonl").open("wb"), self._spot)
        events = EventLog(folder / "events.mmlog", run=1, config=config.model_dump_json(exclude_unset=True))
        store = JournalStore.open(folder / "journal.sqlite")
        run = store.begin_run(START_NS)
        self.program = ActorRun(
            config,
            recorder=log,
            trace=False,
            events=events,
            observer=self._observed,
            link=partial(FaultyLink, trouble),
            feed=partial(FaultyFeed, trouble),
        )
        self.program.runtime.spawn(
            SCRIBE,
            hosted(
                partial(
                    JournalRole,
                    store=store,
                    console=ConsoleReporter(lambda _line: None),
                    logs=MarketLogs(folder / "markets", run),
                    events=EventLog(folder / "scribe.mmlog", run=run, config="{}"),
                    sessions={},
                )
            ),
        )
        play(self)
        self.run(60)
        self.program.end()
        events.close()
        log.close()
        store.close()
        assert events.failed is None

    def run(self, seconds: float) -> None:
        """Let time pass, and note who lives then."""
        self.program.run(seconds)
        self.actors |= set(self.program.runtime.names()) - {SCRIBE}

    def alter(self, kind: str, **more: Any) -> None:
        """Change the market that is running, or the one that has ended."""
        wanted = ("RESOLVED",) if kind == "correct" else ("OPEN", "HALTED")
        market = next(market for market in self.program.venue.venue.markets.values() if market.status in wanted)
        now_ms = self.program.runtime.clock.now() // MILLISECOND
        self.program.venue.intervene(market.id, MarketIntervention(kind, **more), now_ms)  # type: ignore[arg-type]

    def _spot(self, asset: str) -> float:
        return self.program.venue.world.price(asset) if self.program is not None else 0.0

    def _observed(self, now: int, name: str, message: object) -> None:
        if name != SCRIBE:
            self.steps.update(f"{now} {name}\n".encode())
        if name == addresses.JOURNAL:
            self.program.runtime.tell(SCRIBE, message)


SCRIBE = "scribe"
"""Beside the tape that stands for the journal in virtual time: the real one."""


def meddle(recorded: Recorded) -> None:
    recorded.run(20)
    recorded.alter("halt")
    recorded.run(0.3)
    recorded.alter("restrike", strike=97_020.0)
    recorded.run(0.2)
    recorded.alter("reopen")
    recorded.run(1)
    recorded.alter("extend", by_s=5.0)
    recorded.run(48)
    recorded.alter("correct", outcome="VOID")


def end_early(recorded: Recorded) -> None:
    """The market closes with our orders resting in it."""
    recorded.run(45)
    recorded.alter("close_early")


def nothing(_recorded: Recorded) -> None:
    """As it comes."""


class Runs:
    """The runs that are recorded."""

    def __init__(self, folder: Path) -> None:
        self.runs = (
            Recorded(folder / "meddled", MEDDLED, (5, 100.0), meddle),
            Recorded(folder / "asked", ASKED, (2, 40.0), end_early),
            Recorded(folder / "plain", PLAIN, (0, 0.0), nothing),
        )
        self.venue_lines = guarded.json_lines(*self.files("venue.jsonl"))

    def files(self, name: str) -> list[Path]:
        return [run.folder / name for run in self.runs]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("recorded"))


def test_faults_are_those_of_their_seed(recorded):
    expect("faults", [run.faults for run in recorded.runs])


def test_a_run_under_faults_gives_the_same_orders(recorded):
    files = recorded.files("venue.jsonl")
    expect("orders: faults", [blake2b(file.read_bytes(), digest_size=16).hexdigest() for file in files])


def test_the_venues_log_has_the_same_keys_and_words(recorded):
    expect("venue.jsonl", guarded.venue_log(recorded.venue_lines))


def test_client_ids_have_the_same_form(recorded):
    lines = recorded.venue_lines
    ours = {line["client_order_id"] for line in lines if line["type"] == "order"}
    assert len(ours) > 100
    assert {name for name in ours if not re.fullmatch(r"r1-\d+-\d+", name)} == set()


def test_actors_have_the_same_names(recorded):
    expect("actors", sorted(set.union(*(run.actors for run in recorded.runs))))
    assert (addresses.HISTORY, addresses.JOURNAL) == ("history", "journal")


def test_the_event_log_has_the_same_names(recorded):
    found: dict[str, set[str]] = {}
    for log in (*recorded.files("events.mmlog"), *sorted(GOLDEN.glob("*.mmlog"))):
        header, content = guarded.event_log(log)
        assert header == ["log", "format", "program", "run", "config"]
        for kind, fields in guarded.event_names(content).items():
            found.setdefault(kind, set()).update(fields)
    expect("events.mmlog", {kind: sorted(fields) for kind, fields in found.items()})


def test_recorded_runs_can_be_replayed(recorded, capsys):
    for log in recorded.files("events.mmlog"):
        found = told(capsys, "replay", str(log), "--json")
        assert found["identical"]
        assert found["steps"] > 1000


def test_the_journal_has_the_same_tables(recorded):
    expect("journal.sqlite", guarded.journal_tables(recorded.files("journal.sqlite")[0]))


def test_the_journals_events_have_the_same_names(recorded):
    found = guarded.journal_events(*recorded.files("journal.sqlite"))
    assert "PairsMerged" in found  # asked for by name
    expect("journal.sqlite: events", found)


def test_the_markets_logs_have_the_same_keys(recorded):
    found = guarded.market_logs(*recorded.files("markets"))
    assert set(found) == {"market", "life", "quote", "fill", "refusal", "session"}
    expect("markets/*.jsonl", found)


# --- exit codes ---

CODES = {"USAGE": 64, "NO_INPUT": 66, "UNAVAILABLE": 69, "DEFECT": 70, "BAD_CONFIG": 78, "INTERRUPTED": 130}


def test_exit_codes_are_the_documented_ones():
    assert {name: getattr(terminal, name) for name in CODES} == CODES
    assert LOCK_EXIT == 75


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, ("--version",)),
        (1, ("replay", "differs")),
        (64, ("nonsense",)),
        (64, ("backtest", str(CONF), "--runtime", "core", "--interleaving", "1")),
        (66, ("check", "none.yaml")),
        (66, ("audit", "none.jsonl")),
        (66, ("replay", "none.mmlog")),
        (78, ("check", "wrong.yaml")),
        (78, ("replay", "wrong.yaml")),
    ],
)
def test_commands_end_with_the_documented_code(code, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text("quoting: {sprad: 1}")
    if arguments[-1] == "differs":
        monkeypatch.setattr("mmactors.core.quoting.schedule.lean_weight", lambda _f: 0.123)
        arguments = ("replay", str(GOLDEN / "calm.mmlog"))
    assert main(arguments) == code
