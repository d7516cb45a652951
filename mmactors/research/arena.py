"""The arena: ours and the field's published strategies on identical paths, against the same takers.

Owns who plays, the cutting of a run into worlds that processes share, and the table with paired differences. Every
entrant has the whole market to itself; what it does is measured by one ruler (`tally.py`) from the venue's side.
"""

import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from mmactors.config import DURATIONS, Config
from mmactors.research.connection import ACCOUNT
from mmactors.research.direct import DirectRun
from mmactors.research.field import Competitor
from mmactors.research.rivals import RIVALS
from mmactors.research.stage import START_NS
from mmactors.research.tally import LOOK_EVERY_MS, SessionFigures, Tally, mean_ci, summary
from mmactors.units import MILLISECOND

OURS = "ours"
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


@dataclass
class Arena:
    """What an arena found: the sessions of every entrant, in the order of the worlds."""

    duration: str
    seed: int
    max_position: int
    wall_s: float = 0.0
    complete: bool = True
    sessions: dict[str, list[SessionFigures]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Return the league table and the paired differences, ours minus theirs, in dollars a session."""
        table = {name: summary(played, self.max_position) for name, played in self.sessions.items() if played}
        paired: dict[str, Any] = {}
        ours = self.sessions.get(OURS, [])
        for name, played in self.sessions.items():
            if name != OURS and ours and played:
                theirs = {each.market: each.pnl for each in played}
                both = [each.pnl - theirs[each.market] for each in ours if each.market in theirs]
                mean, low, high = mean_ci(both)
                paired[name] = {"sessions": len(both), "pnl_difference": mean, "ci": [low, high]}
        return {
            "session": self.duration,
            "seed": self.seed,
            "complete": self.complete,
            "table": table,
            "ours_minus": paired,
            "wall_seconds": self.wall_s,
        }

    def lines(self) -> list[str]:
        """Return the league table for a console, best Sharpe first."""
        found = self.figures()
        order = sorted(found["table"].items(), key=lambda row: -_number(row[1]["sharpe"]))
        told = [
            "entrant          P&L $   95 % interval        sd  Sharpe  worst 1 %  within 5 %  |net|  $ risk  two-sided"
            "  spread  contracts  edge c   1 s c  10 s c  messages   ours minus it, 95 %"
        ]
        for name, row in order:
            versus = found["ours_minus"].get(name)
            difference = "" if versus is None else f"{versus['ci'][0]:+9.2f} .. {versus['ci'][1]:+.2f}"
            told.append(
                f"{name:<13}{row['pnl_mean']:>+9.2f}  {row['pnl_ci'][0]:>+8.2f} .. {row['pnl_ci'][1]:<+8.2f}"
                f"{row['pnl_sd']:>8.1f}{row['sharpe']:>8.3f}{row['worst_1pct_mean']:>11.0f}"
                f"{row['net_within_5pct_share']:>12.1%}{row['abs_net_at_close_mean']:>7.0f}"
                f"{row['risk_at_close_mean']:>8.2f}{row['two_sided_share']:>11.1%}{row['spread_mean']:>8.3f}"
                f"{row['contracts_mean']:>11.0f}{row['edge_cents']:>+8.2f}{row['markout_1s_cents']:>+8.2f}"
                f"{row['markout_10s_cents']:>+8.2f}{row['messages_mean']:>10.0f}{difference:>24}"
            )
        count = max((row["sessions"] for _, row in order), default=0)
        told.append(f"{count} sessions of {self.duration} each, seed {self.seed}, {self.wall_s:.0f} s")
        return told


def play(config: Config, task: Task, warm_up_s: int = WARM_UP_S) -> list[SessionFigures]:
    """Let one entrant play one world; return its sessions after the warm-up (in seconds of the world)."""
    warm_up = -(-warm_up_s // DURATIONS[config.simulator.sessions[0].duration])
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


def _number(value: float) -> float:
    return -math.inf if math.isnan(value) else value
