"""What a sweep found: one row per set with its figures and its paired difference, one row per session, both in order.

Owns the columns of the tables, their files and the words for a console. The rows depend on what was played alone, not
on who played it when. Knows no unit of work and no journal.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from mmactors.backtest.session_metrics import MARKOUTS_S, SessionFigures, mean_ci, summary
from mmactors.config import DURATIONS
from mmactors.ops.format import shown
from mmactors.research.sweep.grid import Grid, ParameterSet

SETS, SESSIONS = "sets.parquet", "sessions.parquet"

SHOWN = 15
"""Sets in the console's table."""

_PLAIN = [each.name for each in fields(SessionFigures) if each.name not in ("market", "markouts")]

Row = dict[str, Any]


@dataclass(frozen=True)
class SetPlayed:
    """A set and its sessions, world by world; `reason` says why there are none."""

    set: ParameterSet
    worlds: Sequence[Sequence[Mapping[str, Any]]]
    reason: str

    @property
    def status(self) -> str:
        """Return played, contradictory (no configuration), or failed (in the play)."""
        return "played" if not self.reason else "failed" if self.set.config is not None else "contradictory"

    @cached_property
    def sessions(self) -> dict[tuple[int, str], SessionFigures]:
        """Return the figures by world and market; those of a set that failed do not count."""
        if self.reason:
            return {}
        return {
            (world, raw["market"]): SessionFigures(
                **{**raw, "markouts": {int(horizon): gained for horizon, gained in raw["markouts"].items()}}
            )
            for world, played in enumerate(self.worlds)
            for raw in played
        }


@dataclass(frozen=True)
class SweepResults:
    """The sets of a sweep in their order."""

    grid: Grid
    played: Sequence[SetPlayed]
    wall_s: float

    @cached_property
    def baseline(self) -> SetPlayed | None:
        """The first set that was played: differences are a set's P&L minus its."""
        return next((each for each in self.played if each.sessions), None)

    @cached_property
    def rows(self) -> list[Row]:
        """Return one row per set: dollars a session, shares 0..1, markouts in cents a contract; None: not played."""
        return [self._row(each) for each in self.played]

    def _row(self, each: SetPlayed) -> Row:
        limit = 0
        if (config := each.set.config) is not None:
            params = config.maker_params(config.simulator.sessions[0].asset, DURATIONS[self.grid.duration])
            limit = params.inventory.max_position
        figures = summary(list(each.sessions.values()), limit)
        low_high = figures.pop("pnl_ci")
        assert isinstance(low_high, list)
        theirs = self.baseline.sessions if self.baseline else {}
        both = [mine.pnl - theirs[key].pnl for key, mine in each.sessions.items() if key in theirs]
        mean, low, high = mean_ci(both)
        row: Row = {
            "set": each.set.number,
            "status": each.status,
            "reason": each.reason,
            **{name: each.set.values.get(name) for name in self.grid.names},
            "sessions": figures.pop("sessions"),
            "pnl_mean": figures.pop("pnl_mean"),
            "pnl_ci_low": low_high[0],
            "pnl_ci_high": low_high[1],
            **figures,
            "difference_sessions": len(both),
            "difference_mean": mean,
            "difference_ci_low": low,
            "difference_ci_high": high,
        }
        return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}

    def session_rows(self) -> list[Row]:
        """Return one row per set and session; markouts are dollars, lists are by twentieth of the session."""
        return [
            {
                "set": each.set.number,
                "world": world,
                "market": market,
                **{name: getattr(figures, name) for name in _PLAIN},
                **{f"markout_{horizon}s": figures.markouts[horizon] for horizon in MARKOUTS_S},
            }
            for each in self.played
            for (world, market), figures in each.sessions.items()
        ]

    def write(self, folder: Path) -> None:
        """Write both tables as Parquet; each appears whole or not at all."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), list: pa.list_(pa.float64())}
        for name, rows in ((SETS, self.rows), (SESSIONS, self.session_rows())):
            columns = {key: _of_a_kind([row[key] for row in rows]) for key in (rows[0] if rows else ["set"])}
            table = pa.table({key: pa.array(values, kinds[kind]) for key, (kind, values) in columns.items()})
            unfinished = folder / f".{name}"
            pq.write_table(table, unfinished)
            unfinished.replace(folder / name)

    def figures(self) -> dict[str, Any]:
        """Return all rows of the sets, with what was played."""
        file = self.grid.file
        return {
            "session": self.grid.duration,
            "sessions": file.sessions,
            "seed": file.seed,
            "baseline": self.baseline.set.number if self.baseline else None,
            "parameters": list(self.grid.names),
            "sets": self.rows,
            "wall_seconds": self.wall_s,
        }

    def lines(self) -> list[str]:
        """Return the best sets by Sharpe for a console, and why others have no figures."""
        played = [row for row in self.rows if row["status"] == "played"]
        best = sorted(played, key=lambda row: -math.inf if row["sharpe"] is None else row["sharpe"], reverse=True)
        widths = [max(len(name), 8) for name in self.grid.names]
        named = "".join(f"  {name:>{width}}" for name, width in zip(self.grid.names, widths, strict=True))
        lines = [
            " set    P&L $   95 % interval        sd  Sharpe  worst 1 %  within 5 %  |net|  $ risk  two-sided"
            f"   1 s c  10 s c   minus the baseline, 95 %{named}"
        ]
        for row in map(shown, best[:SHOWN]):
            values = "".join(
                f"  {_word(row[name]):>{width}}" for name, width in zip(self.grid.names, widths, strict=True)
            )
            difference = "the baseline"
            if self.baseline is None or row["set"] != self.baseline.set.number:
                difference = f"{row['difference_ci_low']:+9.2f} .. {row['difference_ci_high']:+.2f}"
            lines.append(
                f"{row['set']:>4}{row['pnl_mean']:>+9.2f}  {row['pnl_ci_low']:>+8.2f} .. "
                f"{row['pnl_ci_high']:<+8.2f}{row['pnl_sd']:>8.1f}{row['sharpe']:>8.3f}"
                f"{row['worst_1pct_mean']:>11.0f}{row['net_within_5pct_share']:>12.1%}"
                f"{row['abs_net_at_close_mean']:>7.0f}{row['risk_at_close_mean']:>8.2f}{row['two_sided_share']:>11.1%}"
                f"{row['markout_1s_cents']:>+8.2f}{row['markout_10s_cents']:>+8.2f}"
                f"{difference:>27}{values}"
            )
        lines += [
            f"{row['set']:>4}  {row['status']}: {row['reason']}" for row in self.rows if row["status"] != "played"
        ][:SHOWN]
        count = f"{len(played)} of {len(self.rows)} sets played"
        lines.append(
            f"{count}, {self.grid.file.sessions} sessions of {self.grid.duration} each, seed {self.grid.file.seed}, "
            f"{self.wall_s:.0f} s"
        )
        if len(played) > 1:
            lines.append("the best of many is flattered by chance: confirm it with another seed")
        return lines


def _of_a_kind(values: list[Any]) -> tuple[type, list[Any]]:
    """Values of different kinds are floats if they are numbers, else words."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) == 1:
        return kinds.pop(), values
    if kinds <= {int, float}:
        return float, [None if value is None else float(value) for value in values]
    return str, [None if value is None else _word(value) for value in values]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
