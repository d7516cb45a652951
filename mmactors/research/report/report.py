"""The report: what an arena found, as one HTML page with its pictures in it, and as PNGs.

Owns what is shown, in which order, and the files. Words and figures come from `text.py`, pictures from `charts.py`,
the markup from `html.py`.
"""

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mmactors import __version__
from mmactors.backtest.session_metrics import CLOSE_F, MARKOUTS_S, PARTS
from mmactors.config import DURATIONS, Config
from mmactors.core.params import InventoryParams
from mmactors.core.quoting.schedule import EARLY_F, LEAN_F, close_at_ns, position_limit
from mmactors.research.arena.arena import STEELMAN
from mmactors.research.arena.league_table import OURS, Arena
from mmactors.research.arena.strategies import RIVALS
from mmactors.research.report import charts
from mmactors.research.report import text as narrative
from mmactors.research.report.charts import HIGHLIGHTS, Line, Picture, Schedule
from mmactors.research.report.html import Section, Table, page
from mmactors.research.report.sample_session import Example, play_again
from mmactors.simulator.prices.recording import PricesError
from mmactors.units import Nanos, nanos

PAGE = "report.html"
USAGE, NO_INPUT, UNUSABLE = 64, 66, 78


class ReportError(Exception):
    """No report can be made; one line says why, `exit_code` how the program ends."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


def make(
    arena: Arena,
    out: Path,
    calibration: Mapping[str, Any] | None = None,
    *,
    prices: Path | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> list[Path]:
    """Write the page and a PNG of every picture to a folder; return their paths, the page first.

    Args:
        arena: what is told of.
        out: the folder; made if it is not there.
        calibration: what `calibrate --json` said, if that is to be told, too.
        prices: the recording the arena was played on, if one of its sessions is to be shown.
        say: takes a line when something takes long.

    Raises:
        ReportError: matplotlib is missing (78), the arena has nothing to tell (78), the recording cannot be played or
            is none of the arena's (66, 78, 64), or the folder refuses (64).
    """
    if find_spec("matplotlib") is None:
        raise ReportError("report needs matplotlib: make install-research", UNUSABLE)
    if not any(arena.sessions.values()):
        raise ReportError("the arena has no sessions: nobody finished a world", UNUSABLE)
    try:
        config = Config.model_validate_json(arena.config)
    except ValidationError:
        raise ReportError("the arena was saved without its configuration: play it again", UNUSABLE) from None
    if prices is not None and not arena.prices:
        raise ReportError(f"--prices {prices}: the arena was played on simulated prices", USAGE)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / PAGE).touch()
    except OSError as error:
        raise ReportError(f"--out {out}: {error.strerror}", USAGE) from None
    ours = arena.sessions.get(OURS, [])
    example = None
    if ours and (prices is not None or not arena.prices):
        progress(f"playing one of our {arena.duration} sessions again")
        try:
            example = play_again(config, arena.seed, ours, prices)
        except PricesError as error:
            raise ReportError(f"--prices {error}", NO_INPUT if error.missing else UNUSABLE) from None
    sections = _sections(arena, config, example, calibration, given=prices is not None)
    pictures = [each.content for each in sections if isinstance(each.content, Picture)]
    found = arena.figures()
    count = max(len(played) for played in arena.sessions.values())
    title = f"Arena: {count} {narrative.LENGTHS.get(arena.duration, arena.duration)} sessions"
    text = page(title, narrative.lead(arena), narrative.tiles(found), sections, _foot(arena, count))
    try:
        (out / PAGE).write_text(text, encoding="utf-8")
        for picture in pictures:
            (out / f"{picture.name}.png").write_bytes(picture.png)
    except OSError as error:
        raise ReportError(f"--out {out}: {error.strerror}", USAGE) from None
    return [out / PAGE, *(out / f"{picture.name}.png" for picture in pictures)]


def read_calibration(path: Path) -> dict[str, Any]:
    """Read what `calibrate --json` wrote.

    Raises:
        ReportError: there is no such file (66), or it is something else (78).
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        panels = narrative.panels(found)
        narrative.calibration(found)
    except FileNotFoundError:
        raise ReportError(f"--calibration {path}: no such file", NO_INPUT) from None
    except OSError as error:
        raise ReportError(f"--calibration {path}: {error.strerror}", NO_INPUT) from None
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        panels = []
    if not panels:
        raise ReportError(f"--calibration {path}: not what `calibrate --json` writes", UNUSABLE)
    assert isinstance(found, dict)
    return found


def _sections(
    arena: Arena, config: Config, example: Example | None, calibration: Mapping[str, Any] | None, *, given: bool
) -> list[Section]:
    found = arena.figures()
    ranked = narrative.ranked(found)
    coloured = narrative.coloured(found, len(HIGHLIGHTS))
    roles = {OURS: "ours", **dict(zip(coloured, HIGHLIGHTS, strict=False))}
    duration_s = DURATIONS[arena.duration]
    schedule = _schedule(config.maker_params(config.simulator.sessions[0].asset, duration_s).inventory, duration_s)
    marked = ranked.index(OURS) if OURS in ranked else None
    league = Table(narrative.HEADS, [narrative.row(name, found) for name in ranked], marked)
    entries = [
        Section("league", "League table", narrative.league(found), league, ("What is what", _terms(ranked))),
        Section(
            "equity",
            "Equity, session by session",
            narrative.equity(arena, coloured),
            charts.equity(_equity(arena, roles)),
        ),
        Section("time-left", "P&L and net by time left", narrative.by_time(arena), _by_time(arena, roles, schedule)),
    ]
    if example is not None:
        entries.append(Section("session", "One session", narrative.session(example), charts.session(example, schedule)))
    else:
        entries.append(Section("session", "One session", [narrative.no_session(arena, given=given)]))
    if calibration is not None:
        panels = narrative.panels(calibration)
        entries.append(
            Section("calibration", "Calibration", narrative.calibration(calibration), charts.calibration(panels))
        )
    rows = []
    for name in ranked:
        figures = found["table"][name]
        later = {f"{each} s later": figures[f"markout_{each}s_cents"] for each in MARKOUTS_S}
        rows.append((name, roles.get(name, "rest"), {"at the fill": figures["edge_cents"], **later}))
    entries.append(Section("markouts", "What a fill is worth", narrative.markouts(found), charts.markouts(rows)))
    return entries


def _equity(arena: Arena, roles: Mapping[str, str]) -> list[Line]:
    entries = []
    for name, played in arena.sessions.items():
        if played:
            so_far = narrative.sums(played)
            entries.append(Line(name, roles.get(name, "rest"), range(len(so_far)), so_far))
    return entries


def _by_time(arena: Arena, roles: Mapping[str, str], schedule: Schedule) -> Picture:
    parts = [100 * (1 - part / PARTS) for part in range(PARTS)]
    pnl: list[Line] = []
    nets: list[Line] = []
    for name, played in arena.sessions.items():
        for lines, lefts, columns in (
            (pnl, [*parts, 0.0], narrative.pnl_columns(played)),
            (nets, [*parts, 100 * CLOSE_F], narrative.net_columns(played)),
        ):
            if played:
                band = narrative.middle(columns) if name == OURS else None
                lines.append(Line(name, roles.get(name, "rest"), lefts, narrative.means(columns), band))
    return charts.by_time(pnl, nets, schedule)


def _schedule(params: InventoryParams, duration_s: int) -> Schedule:
    length = nanos(duration_s)
    return Schedule(
        lean_from=100 * EARLY_F,
        lean_full=100 * LEAN_F,
        reduce_only=100 * params.reduce_only_f,
        close=100 * close_at_ns(Nanos(length), params) / length,
        room=[position_limit(left / 100, params) for left in range(100, -1, -1)],
    )


def _terms(names: list[str]) -> list[tuple[str, str]]:
    entries = list(narrative.COLUMNS)
    for name in names:
        rival = RIVALS.get(name.removesuffix(STEELMAN))
        if name == OURS:
            entries.append((name, "This program, with the parameters the arena was played with."))
        elif rival is not None and (not name.endswith(STEELMAN) or name.removesuffix(STEELMAN) not in names):
            entries.append((name, " ".join((rival.__doc__ or "").split("\n\n")[0].split())))
    if any(name.endswith(STEELMAN) for name in names):
        entries.append(("+", "The rival on our fair value and at our cadence; without it, as published."))
    return entries


def _foot(arena: Arena, count: int) -> list[str]:
    entries = [f"mmactors {__version__}; every figure on this page was computed from the arena's file."]
    if not arena.prices:
        names = ",".join(arena.sessions)
        entries.append(
            f"To play it again: python -m mmactors arena --session {arena.duration} --sessions {count} "
            f"--seed {arena.seed} --only {names} --save FILE"
        )
    return entries
