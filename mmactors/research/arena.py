"""The arena: ours and the field's published strategies on identical paths, against the same takers.

Owns who plays and the cutting of a run into worlds that processes share. Every entrant has the whole market to itself;
what it does is measured by one ruler (`tally.py`) from the venue's side, and kept and tabled by `league.py`.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from loguru import logger

from mmactors.config import DURATIONS, Config
from mmactors.research.connection import ACCOUNT
from mmactors.research.direct import DirectRun
from mmactors.research.field import Competitor
from mmactors.research.league import OURS, Arena
from mmactors.research.rivals import RIVALS
from mmactors.research.stage import START_NS
from mmactors.research.tally import LOOK_EVERY_MS, SessionFigures, Tally
from mmactors.units import MILLISECOND

STEELMAN = "+"
ENTRANTS = (OURS, *RIVALS, *(name + STEELMAN for name in RIVALS))
"""Who can play; a plus behind a rival's name is the rival on our fair value, at our cadence."""

WORLD_SESSIONS = 50
"""Sessions of one world, after the warm-up; each world has a seed of its own."""

WARM_UP_S = 600


@dataclass(frozen=True)
class Task:
    """One entrant in one world."""

    entrant: str
    world: int
    sessions: int


def play(config: Config, task: Task) -> list[SessionFigures]:
    """Let one entrant play one world; return its sessions after the warm-up."""
    warm_up = -(-WARM_UP_S // DURATIONS[config.simulator.sessions[0].duration])
    wanted = warm_up + task.sessions
    if task.entrant != OURS:
        rival = task.entrant.removesuffix(STEELMAN)
        steelman = task.entrant.endswith(STEELMAN)
        competitor = Competitor(config, rival, steelman=steelman, start_ms=START_NS // MILLISECOND)
        competitor.run(wanted)
        return competitor.tally.done[warm_up:wanted]
    tally = Tally(ACCOUNT)
    run = DirectRun(config, tally)
    tally.world = run.venue.world
    account = run.venue.account(ACCOUNT)

    def look() -> None:
        now = run.runtime.clock.now()
        tally.look(now // MILLISECOND, account)
        run.runtime.call_at(now + LOOK_EVERY_MS * MILLISECOND, look)

    look()
    while len(tally.done) < wanted:
        run.run(10.0)
    return tally.done[warm_up:wanted]


def world_of(config: Config, seed: int, world: int) -> Config:
    """Return the configuration of one world of an arena: the same but for its seed."""
    simulator = config.simulator
    paths = simulator.world.model_copy(update={"seed": seed * 1_000_000 + world})
    return config.model_copy(update={"simulator": simulator.model_copy(update={"world": paths})})


def run(
    config: Config,
    entrants: Sequence[str],
    sessions: int,
    seed: int,
    *,
    processes: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Arena:
    """Let every entrant play the same worlds, several processes at once; Ctrl-C gives what is done.

    Args:
        config: the world and our parameters; `simulator.sessions` is one series.
        entrants: of `ENTRANTS`.
        sessions: how many each plays.
        seed: of the worlds.
        processes: how many; as many as there are cores if not given.
        progress: takes a line about every ten seconds.

    Raises:
        ValueError: the series settles on an average, which the rivals' prices know nothing of.
    """
    series = config.simulator.sessions[0]
    if series.settlement.type == "avg":
        raise ValueError("simulator.sessions[0].settlement.type: avg: the rivals price the spot; play them on spot")
    params = config.maker_params(series.asset, DURATIONS[series.duration])
    arena = Arena(series.duration, seed, params.inventory.max_position)
    arena.config = config.model_dump_json(exclude_unset=True)
    worlds = [min(WORLD_SESSIONS, sessions - start) for start in range(0, sessions, WORLD_SESSIONS)]
    tasks = [Task(name, world, count) for world, count in enumerate(worlds) for name in entrants]
    done: dict[Task, list[SessionFigures]] = {}
    began = told = time.perf_counter()
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(processes or os.cpu_count() or 1, mp_context=context, initializer=_hush)
    try:
        futures = {pool.submit(play, world_of(config, seed, task.world), task): task for task in tasks}
        for future in as_completed(futures):
            done[futures[future]] = future.result()
            now = time.perf_counter()
            if now - told > 10.0:
                told = now
                progress(f"{len(done)} of {len(tasks)} worlds played, {now - began:.0f} s")
        pool.shutdown()
    except KeyboardInterrupt:
        arena.complete = False
        pool.shutdown(wait=False, cancel_futures=True)
    for name in entrants:
        arena.sessions[name] = [
            each for task in tasks if task.entrant == name for each in _named(done.get(task, []), task.world)
        ]
    arena.wall_s = time.perf_counter() - began
    return arena


def _hush() -> None:
    """A worker's own log would only come between the lines of the one who waits for it."""
    logger.remove()
    logger.add(sys.stderr, level="ERROR", format="mmactors: {message}")


def _named(played: list[SessionFigures], world: int) -> list[SessionFigures]:
    """Markets of different worlds have the same names; pairs are by world and market."""
    for each in played:
        each.market = f"{world}:{each.market}"
    return played
