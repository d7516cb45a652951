"""Backtest: many sessions of the whole program in virtual time, judged by the independent auditor as they happen.

Owns the cutting of a run into worlds, the playing of one, and their putting together. The program under test is
`ActorRun` or `CoreRun`; what truly happened is passed line by line to `mmactors.audit`, which shares no code
with them, and to the arena's ruler, `session_metrics.py`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

from mmactors.audit import Auditor, Rules
from mmactors.backtest import workers
from mmactors.backtest.actor_run import ActorRun
from mmactors.backtest.audit_tap import LINES_AT_ONCE, AuditTap
from mmactors.backtest.core_run import CoreRun
from mmactors.backtest.environment import START_NS
from mmactors.backtest.links import ACCOUNT
from mmactors.backtest.results import Backtest, Played, RuntimeName
from mmactors.backtest.session_metrics import SAMPLE_EVERY_MS, SessionMetrics
from mmactors.config import DURATIONS, Config
from mmactors.ops.event_log import EventLog
from mmactors.simulator.prices.recording import Recording, load_prices
from mmactors.simulator.venue.simulation import build_world
from mmactors.units import MILLISECOND, SECOND

SLICE_S = 10.0
"""Virtual time between two looks at the progress."""

WORLD_S = 7500
"""Virtual time of one world, whoever plays it: 25 sessions of five minutes."""

WARM_UP_S = 600
"""Virtual time at the beginning of every world but the first whose sessions are played and judged, but not counted."""

AFTER_NS = 15 * SECOND
"""For so long after the last recorded price the last session may settle."""

REPORT_EVERY_S = 5.0


@dataclass(frozen=True)
class Task:
    """One world to play: its number, its configuration (with its own seed), and how many sessions to settle and count.

    `warm_up` sessions are settled before those.
    """

    world: int
    config: Config
    sessions: int
    runtime: RuntimeName
    rules: Rules
    interleaving: int | None = None
    recordings: dict[str, Recording] | None = None
    warm_up: int = 0


def run(
    config: Config,
    sessions: int,
    *,
    runtime: RuntimeName = "actors",
    interleaving: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    rules: Rules | None = None,
    events: EventLog | None = None,
    processes: int | None = None,
) -> Backtest:
    """Run until so many sessions are settled, or Ctrl-C.

    A long run is cut into worlds of `WORLD_S`, each with a seed of its own, that processes play at the same time; the
    result is the same however many there are. The first world has the configuration's seed, so that a short run is its
    beginning: it begins cold, with the volatility's prior, as runs do. The others would each add a cold session to the
    figures (measured: $7 below the others, sd 57 instead of 30), so they warm up for `WARM_UP_S` first.
    With an `interleaving`, `events` or recorded prices the run is one world, however long; with recorded prices it ends
    where they do.

    Args:
        config: what to run; the simulator's section is the world and its seed.
        sessions: how many to settle.
        runtime: "actors" runs the whole program; "core" its pure objects alone, faster, to the same orders.
        interleaving: seed of a random legal order of events, None for the canonical one; for actors only.
        progress: takes a line about every five seconds.
        rules: what the auditor holds the orders to; the configuration's own if not given.
        events: records what every Maker handled; closed at the end; for actors only.
        processes: how many; as many as there are cores if not given.

    Raises:
        ValueError: the core has no interleaving and records no events.
        PricesError: the recorded prices cannot be used.
    """
    if runtime == "core" and (interleaving is not None or events is not None):
        raise ValueError("the core runs in canonical order and records no events: use the actors for that")
    if rules is None:
        rules = Rules(config.model_dump(mode="json", exclude_unset=True, exclude_none=True))
    recordings = None
    if config.simulator.world.prices is not None:
        assets = tuple(dict.fromkeys(series.asset for series in config.simulator.sessions))
        loaded = load_prices(config.simulator.world.prices, assets, from_s=config.simulator.world.prices_from_s)
        recordings = loaded.by_asset
        progress(loaded.report)
    single = not (interleaving is None and events is None and recordings is None)
    counts = [sessions] if single else cut(config, sessions)
    tasks = [
        Task(at, world_of(config, at), count, runtime, rules, interleaving, recordings, warm_up_of(config) if at else 0)
        for at, count in enumerate(counts)
    ]
    taking_part = min(processes or workers.cores(), len(tasks))
    on_progress = _Progress(sessions, progress)
    began = time.perf_counter()
    work = play if taking_part > 1 else partial(play, events=events, on_progress=on_progress.on)
    found = workers.play(work, tasks, processes=taking_part, done=on_progress.done)
    wall_s = time.perf_counter() - began
    if events is not None:
        events.close()
    series = config.simulator.sessions[0]
    return Backtest(
        worlds=[found[at] for at in sorted(found)],
        wanted=sessions,
        runtime=runtime,
        wall_s=wall_s,
        processes=taking_part,
        max_position=config.maker_params(series.asset, DURATIONS[series.duration]).inventory.max_position,
    )


def cut(config: Config, sessions: int) -> list[int]:
    """Return how many sessions each world of a run settles."""
    each = sum(max(1, WORLD_S // DURATIONS[series.duration]) * series.strikes for series in config.simulator.sessions)
    return [min(each, sessions - start) for start in range(0, sessions, each)]


def warm_up_of(config: Config) -> int:
    """Return how many sessions each world but the first settles before any is counted."""
    return sum(-(-WARM_UP_S // DURATIONS[series.duration]) * series.strikes for series in config.simulator.sessions)


def world_of(config: Config, world: int) -> Config:
    """Return the configuration of one world of a run: the same but for its seed; the first is the run's own."""
    if world == 0:
        return config
    simulator = config.simulator
    digest = blake2b(f"{simulator.world.seed}:{world}".encode(), digest_size=6).digest()
    paths = simulator.world.model_copy(update={"seed": int.from_bytes(digest, "big")})
    return config.model_copy(update={"simulator": simulator.model_copy(update={"world": paths})})


def play(
    task: Task,
    stopped: workers.Stopped,
    *,
    events: EventLog | None = None,
    on_progress: Callable[[int, float], None] = lambda _sessions, _virtual_s: None,
) -> Played:
    """Play one world to its end, or until stopped; `on_progress` gets the sessions and virtual seconds so far."""
    config = task.config
    auditor = Auditor(task.rules)
    audit_tap = AuditTap(auditor, LINES_AT_ONCE)
    metrics = SessionMetrics(ACCOUNT, chained=audit_tap)
    cpu_began = time.process_time()
    world = build_world(config.simulator, START_NS // MILLISECOND, task.recordings)
    program: ActorRun | CoreRun
    if task.runtime == "actors":
        program = ActorRun(config, interleaving=task.interleaving, recorder=metrics, events=events, world=world)
    else:
        program = CoreRun(config, metrics, world)
    audit_tap.world = metrics.world = world
    ends = [path.end_ms for path in world.paths.values() if path.end_ms is not None]
    last_ns = max(ends) * MILLISECOND + AFTER_NS if ends else None
    timeline, accounts = program.runtime, program.venue.venue.accounts

    def sample() -> None:
        now = timeline.clock.now()
        if ACCOUNT in accounts:
            metrics.sample(now // MILLISECOND, accounts[ACCOUNT])
        timeline.call_at(now + SAMPLE_EVERY_MS * MILLISECOND, sample)

    sample()
    start_ns = timeline.clock.now()
    exhausted = False
    wanted = task.warm_up + task.sessions
    while len(program.sessions) < wanted and not (program.ended or exhausted or stopped()):
        program.run(SLICE_S)
        exhausted = last_ns is not None and timeline.clock.now() > last_ns
        on_progress(max(0, len(program.sessions) - task.warm_up), (timeline.clock.now() - start_ns) / 1e9)
    trace_hash, orders_hash = program.trace_hash, audit_tap.digest()
    dead_letters, restarts, ended = program.dead_letters, program.restarts, bool(program.ended)
    program.end()
    audit = auditor.result()
    measured = {each.market: each for each in metrics.done}
    reports = list(program.sessions.values())[task.warm_up : wanted]
    return Played(
        world=task.world,
        reports=reports,
        measured=[measured[report.market] for report in reports],
        violations={check.name: check.count for check in audit.checks},
        examples=[example for check in audit.checks for example in check.examples],
        orders_hash=orders_hash,
        trace_hash=trace_hash,
        virtual_s=(timeline.clock.now() - start_ns) / 1e9,
        cpu_s=time.process_time() - cpu_began,
        counters=dict(program.desk.counters),
        dead_letters=dead_letters,
        restarts=restarts,
        complete=(exhausted or len(reports) == task.sessions) and not ended,
        exhausted=exhausted,
    )


class _Progress:
    """Tells how far the worlds are together, now and then."""

    def __init__(self, wanted: int, write_line: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._write_line = write_line
        self._sessions, self._virtual_s = 0, 0.0
        self._began = self._reported = time.perf_counter()

    def on(self, sessions: int, virtual_s: float) -> None:
        """The one world that is being played is so far."""
        now = time.perf_counter()
        if now - self._reported > REPORT_EVERY_S:
            self._reported = now
            rate = (self._virtual_s + virtual_s) / (now - self._began)
            self._write_line(f"{self._sessions + sessions} of {self._wanted} sessions, {rate:.0f} virtual s/s")

    def done(self, played: Played) -> None:
        """A world has been played."""
        self._sessions += len(played.reports)
        self._virtual_s += played.virtual_s
        self.on(0, 0.0)
