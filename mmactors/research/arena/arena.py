"""The arena: ours and the field's published strategies on identical paths, against the same takers.

Owns who plays and the cutting of a run into worlds that processes share: synthetic ones of a seed each, or pieces of a
recording (`recorded_worlds.py`). Every entrant has the whole market to itself; what it does is measured by one ruler
(`session_metrics.py`) from the venue's side, and kept and tabled by `league_table.py`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmactors.backtest import workers
from mmactors.backtest.core_run import CoreRun
from mmactors.backtest.environment import START_NS
from mmactors.backtest.links import ACCOUNT
from mmactors.backtest.session_metrics import SAMPLE_EVERY_MS, SessionFigures, SessionMetrics
from mmactors.config import DURATIONS, Config
from mmactors.research.arena.league_table import OURS, Arena
from mmactors.research.arena.recorded_worlds import Excerpt, cut
from mmactors.research.arena.rival_run import Competitor
from mmactors.research.arena.strategies import RIVALS
from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.simulation import build_world
from mmactors.units import MILLISECOND

STEELMAN = "+"
ENTRANTS = (OURS, *RIVALS, *(name + STEELMAN for name in RIVALS))
"""Who can play; a plus behind a rival's name is the rival on our fair value, at our cadence."""

DEFAULT_SESSIONS = 200
"""Of synthetic worlds; of a recording all there are."""

WORLD_SESSIONS = 50
"""Sessions of one world, after the warm-up; each world has a seed of its own."""

WARM_UP_S = 600


@dataclass(frozen=True)
class Task:
    """One entrant in one world."""

    entrant: str
    world: int
    sessions: int


def play(
    config: Config,
    task: Task,
    excerpt: Excerpt | None = None,
    stopped: workers.Stopped = lambda: False,
    warm_up_s: int = WARM_UP_S,
) -> list[SessionFigures]:
    """Let one entrant play one world, of synthetic prices or an excerpt; return its sessions after the warm-up.

    `stopped` tells whether to end early, with the sessions settled by then; `warm_up_s` is a synthetic world's.
    """
    start_ms, world = START_NS // MILLISECOND, None
    if excerpt is None:
        warm_up = -(-warm_up_s // DURATIONS[config.simulator.sessions[0].duration])
        wanted = warm_up + task.sessions
    else:
        config, wanted = on_excerpt(config, excerpt), excerpt.sessions
        world = build_world(config.simulator, start_ms, {config.simulator.sessions[0].asset: excerpt.recording})
    if task.entrant == OURS:
        done = _play_ours(config, wanted, world, stopped)
    else:
        rival, steelman = task.entrant.removesuffix(STEELMAN), task.entrant.endswith(STEELMAN)
        competitor = Competitor(config, rival, steelman=steelman, start_ms=start_ms, world=world)
        done = competitor.metrics.done
        while len(done) < wanted and not stopped():
            competitor.run(len(done) + 1)
    if excerpt is None:
        return done[warm_up:wanted]
    return [replace(done[place], market=name) for place, name in excerpt.counted if place < len(done)]


def _play_ours(config: Config, wanted: int, world: World | None, stopped: workers.Stopped) -> list[SessionFigures]:
    metrics = SessionMetrics(ACCOUNT)
    run = CoreRun(config, metrics, world)
    metrics.world = run.venue.world
    account = run.venue.account(ACCOUNT)

    def sample() -> None:
        now = run.runtime.clock.now()
        metrics.sample(now // MILLISECOND, account)
        run.runtime.call_at(now + SAMPLE_EVERY_MS * MILLISECOND, sample)

    sample()
    while len(metrics.done) < wanted and not stopped():
        run.run(10.0)
    return metrics.done


def on_excerpt(config: Config, excerpt: Excerpt) -> Config:
    """Return the configuration of a world that is an excerpt: struck at the price, at the recording's own pace."""
    simulator = config.simulator
    series = simulator.sessions[0].model_copy(update={"elapsed_s": excerpt.elapsed_s, "strike_offset_share": 0.0})
    world = simulator.world.model_copy(update={"speed": 1.0})
    return config.model_copy(update={"simulator": simulator.model_copy(update={"sessions": (series,), "world": world})})


def world_of(config: Config, seed: int, world: int) -> Config:
    """Return the configuration of one world of an arena: the same but for its seed."""
    simulator = config.simulator
    paths = simulator.world.model_copy(update={"seed": seed * 1_000_000 + world})
    return config.model_copy(update={"simulator": simulator.model_copy(update={"world": paths})})


def run(
    config: Config,
    entrants: Sequence[str],
    sessions: int | None,
    seed: int,
    *,
    prices: Path | None = None,
    processes: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Arena:
    """Let every entrant play the same worlds, several processes at once; Ctrl-C gives what is done.

    Args:
        config: the world and our parameters; `simulator.sessions` is one series.
        entrants: of `ENTRANTS`.
        sessions: how many each plays; `DEFAULT_SESSIONS`, or all there are in `prices`, if not given.
        seed: of the worlds; with `prices` of the takers only.
        prices: a recording to be played instead of synthetic prices.
        processes: how many; as many as there are cores if not given.
        progress: takes a line about every ten seconds.

    Raises:
        ValueError: the series settles on an average, which the rivals' prices know nothing of.
        PricesError: the recording cannot be played.
    """
    series = config.simulator.sessions[0]
    if series.settlement.type == "avg":
        raise ValueError("simulator.sessions[0].settlement.type: avg: the rivals price the spot; play them on spot")
    params = config.maker_params(series.asset, DURATIONS[series.duration])
    arena = Arena(series.duration, seed, params.inventory.max_position)
    arena.config = config.model_dump_json(exclude_unset=True)
    excerpts: list[Excerpt] = []
    if prices is None:
        sessions = sessions or DEFAULT_SESSIONS
        counts = [min(WORLD_SESSIONS, sessions - start) for start in range(0, sessions, WORLD_SESSIONS)]
    else:
        arena.prices = prices.name
        excerpts = cut(prices, series.asset, DURATIONS[series.duration], sessions)
        counts = [len(each.counted) for each in excerpts]
        if sessions is not None and sum(counts) < sessions:
            progress(f"{prices}: {sum(counts)} sessions of {series.duration} can be played, not {sessions}; these are")
    tasks = [Task(name, world, count) for world, count in enumerate(counts) for name in entrants]
    began = time.perf_counter()
    games = [(world_of(config, seed, task.world), task, excerpts[task.world] if excerpts else None) for task in tasks]
    found = workers.play(_play, games, processes=processes, done=counted(len(tasks), progress))
    done = {tasks[index]: figures for index, figures in found.items()}
    arena.complete = all(len(done.get(task, ())) == task.sessions for task in tasks)
    if not arena.complete:
        progress(f"interrupted: {len(done)} of {len(tasks)} worlds were played, the last not to their ends")
    for name in entrants:
        arena.sessions[name] = [
            each for task in tasks if task.entrant == name for each in _named(done.get(task, []), task.world, prices)
        ]
    arena.wall_s = time.perf_counter() - began
    return arena


def counted(worlds: int, progress: Callable[[str], None]) -> Callable[[object], None]:
    """Return what is to be called with every world played, and tells how far that is about every ten seconds."""
    began = reported = time.perf_counter()
    count = 0

    def played(_sessions: object) -> None:
        nonlocal count, reported
        count += 1
        now = time.perf_counter()
        if now - reported > 10.0:
            reported = now
            progress(f"{count} of {worlds} worlds played, {now - began:.0f} s")

    return played


def _play(game: tuple[Config, Task, Excerpt | None], stopped: workers.Stopped) -> list[SessionFigures]:
    return play(*game, stopped)


def _named(played: list[SessionFigures], world: int, prices: Path | None) -> list[SessionFigures]:
    """Markets of different worlds have the same names; pairs are by world and market. A recording's are its hours."""
    if prices is not None:
        return played
    return [replace(each, market=f"{world}:{each.market}") for each in played]
