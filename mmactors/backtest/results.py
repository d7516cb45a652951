"""What a backtest found: its worlds put together, as figures, as a table, as a file of sessions.

Owns the sums over worlds, the figures' names, and the file's form. It knows nothing of how a world is played. The
figures of strategy and risk are measured in `session_metrics.py`; the table has the program's own reports.
"""

import csv
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from mmactors.backtest.session_metrics import SessionFigures, summary
from mmactors.compiled import build
from mmactors.messages import SessionReport
from mmactors.ops.console import ConsoleReporter
from mmactors.ops.format import shown

RuntimeName = Literal["actors", "core"]

EXAMPLES = 10
ENDINGS = (".parquet", ".csv")
_NOT_TOLD = frozenset(("market", "net_by_part", "pnl_by_part", "markouts"))
_TOLD = tuple(field.name for field in fields(SessionFigures) if field.name not in _NOT_TOLD)


class WriteError(Exception):
    """The file of sessions cannot be written; the text is one line that says why."""


@dataclass
class Played:
    """What came of one world; `reports` are the program's own words on its sessions, `measured` the ruler's, likewise.

    `orders_hash` digests what happened at the venue (orders, fills, cash, markets, with their times), the same for both
    runtimes; `trace_hash` everything the actors handled, empty without actors. `exhausted`: the recorded prices ended
    first, which is no failure.
    """

    world: int
    reports: list[SessionReport]
    measured: list[SessionFigures]
    violations: dict[str, int]
    examples: list[str]
    orders_hash: str
    trace_hash: str
    virtual_s: float
    cpu_s: float
    counters: dict[str, int]
    dead_letters: int
    restarts: int
    complete: bool
    exhausted: bool = False


@dataclass
class Backtest:
    """What a backtest found. `wall_s` is the time of the playing, by `processes` at once, from its start to its end."""

    worlds: list[Played]
    wanted: int
    runtime: RuntimeName
    wall_s: float
    processes: int
    max_position: int

    @cached_property
    def reports(self) -> list[SessionReport]:
        """The program's own word on each session; markets of other worlds than the first have names of their own."""
        return [
            replace(report, market=_named(world.world, report.market))
            for world in self.worlds
            for report in world.reports
        ]

    @property
    def measured(self) -> list[SessionFigures]:
        """The ruler's figures of the same sessions."""
        return [each for world in self.worlds for each in world.measured]

    @property
    def complete(self) -> bool:
        """Whether every session wanted was settled, or all that recorded prices have; False if it was interrupted."""
        settled = len(self.reports) == self.wanted or self.exhausted
        return settled and all(world.complete for world in self.worlds)

    @property
    def exhausted(self) -> bool:
        """Whether the recorded prices ended before the last session wanted."""
        return any(world.exhausted for world in self.worlds)

    @property
    def violations(self) -> dict[str, int]:
        """How often each rule was broken."""
        return _added([world.violations for world in self.worlds])

    @property
    def examples(self) -> list[str]:
        """The first of them in words."""
        examples = [_named(world.world, example) for world in self.worlds for example in world.examples]
        return examples[:EXAMPLES]

    @property
    def orders_hash(self) -> str:
        """The digest of what happened at the venue; of several worlds, of their digests in order."""
        return _digest([world.orders_hash for world in self.worlds])

    @property
    def trace_hash(self) -> str:
        """The digest of everything the actors handled, likewise; empty without actors."""
        return _digest([world.trace_hash for world in self.worlds])

    @property
    def counters(self) -> dict[str, int]:
        """What the order desk counted."""
        return _added([world.counters for world in self.worlds])

    @property
    def dead_letters(self) -> int:
        """Messages about money that nobody received."""
        return sum(world.dead_letters for world in self.worlds)

    @property
    def restarts(self) -> int:
        """Actors that died or were given up."""
        return sum(world.restarts for world in self.worlds)

    @property
    def clean(self) -> bool:
        """Whether every session wanted was settled and no rule was broken."""
        return self.complete and not any(self.violations.values())

    def figures(self) -> dict[str, Any]:
        """Return the figures over all sessions: money in dollars a session, shares in 0..1, None where undefined."""
        virtual_s = sum(world.virtual_s for world in self.worlds)
        cpu_s = sum(world.cpu_s for world in self.worlds)
        reports = self.reports
        return {
            **_defined(summary(self.measured, self.max_position)),
            "complete": self.complete,
            "sessions_wanted": self.wanted,
            "dead_side_adding_orders": self.violations.get("dead side accepted", 0),
            "order_messages_mean": sum(r.order_messages for r in reports) / len(reports) if reports else None,
            "violations": self.violations,
            "violation_examples": self.examples,
            "counters": self.counters,
            "dead_letters": self.dead_letters,
            "restarts": self.restarts,
            "runtime": self.runtime,
            "orders_hash": self.orders_hash,
            "trace_hash": self.trace_hash,
            "worlds": len(self.worlds),
            "processes": self.processes,
            "compiled": build.is_running(),
            "virtual_seconds": virtual_s,
            "wall_seconds": self.wall_s,
            "cpu_seconds": cpu_s,
            "virtual_seconds_per_second": virtual_s / self.wall_s if self.wall_s else None,
            "virtual_seconds_per_cpu_second": virtual_s / cpu_s if cpu_s else None,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat row of each session: dollars, shares, contracts; edge and markouts of all fills together."""
        return [
            {
                "world": world.world,
                "market": _named(world.world, report.market),
                "asset": report.asset,
                "strike": report.strike,
                "outcome": report.outcome.value,
                **_defined({name: getattr(each, name) for name in _TOLD}),
                **{f"markout_{horizon}s": gained for horizon, gained in each.markouts.items()},
            }
            for world in self.worlds
            for report, each in zip(world.reports, world.measured, strict=True)
        ]

    def lines(self) -> list[str]:
        """Return the sessions as a table, then the figures, for a console."""
        found = shown(self.figures())
        low, high = found["pnl_ci"]
        interval = f" (95 % {low:+.2f} .. {high:+.2f})" if math.isfinite(low) else ""
        broken = ", ".join(f"{name} {count}" for name, count in self.violations.items() if count) or "none"
        short = "" if self.complete else "ended early: "
        if self.exhausted:
            short = "the recorded prices end: "
        return [
            *ConsoleReporter(lambda _line: None).summary(self.reports),
            short and f"{short}{len(self.reports)} sessions of {self.wanted} are settled",
            f"P&L per session ${found['pnl_mean']:+.2f}{interval}, sd {found['pnl_sd']:.2f}, "
            f"Sharpe {found['sharpe']:.3f}, worst 1 % {found['worst_1pct_mean']:+.0f}",
            f"neutral at the close in {found['net_within_5pct_share']:.1%}: "
            f"|net| {found['abs_net_at_close_mean']:.1f}, $ risk {found['risk_at_close_mean']:.2f}; "
            f"at 10 % left {found['abs_net_at_10pct_mean']:.1f}, $ risk {found['risk_at_10pct_mean']:.2f}",
            f"two-sided {found['two_sided_share']:.1%}, spread {shown(100 * found['spread_mean']):.1f} c, "
            f"{found['contracts_mean']:.0f} contracts in {found['fills_mean']:.0f} fills, "
            f"{found['messages_mean']:.0f} messages",
            f"gained per contract, at the true fair value: {found['edge_cents']:+.2f} c at the fill, "
            f"{found['markout_1s_cents']:+.2f} c 1 s and {found['markout_10s_cents']:+.2f} c 10 s after it",
            f"rules broken: {broken}",
            *self.examples,
            f"{found['virtual_seconds']:.0f} virtual seconds in {self.wall_s:.1f} s "
            f"({found['virtual_seconds_per_second']:.0f} a second with {self.processes} "
            f"process{'' if self.processes == 1 else 'es'}, "
            f"{found['virtual_seconds_per_cpu_second']:.0f} a second of processor time); "
            f"runtime {self.runtime}, {'compiled' if build.is_running() else 'interpreted'}, "
            f"orders {self.orders_hash}{self.trace_hash and f', trace {self.trace_hash}'}",
        ]


def check_ending(path: Path) -> None:
    """Make sure, before the work is done, that its sessions could be written there.

    Raises:
        WriteError: the name ends otherwise, Parquet's library is not there, or the folder cannot be written to.
    """
    if path.suffix not in ENDINGS:
        raise WriteError(f"{path}: the name must end in {' or '.join(ENDINGS)}")
    if path.suffix == ".parquet":
        _parquet(path)
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise WriteError(f"{path}: not a file in a folder that can be written to")


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write sessions as CSV or Parquet, by the name's ending.

    Raises:
        WriteError: as `check_ending`, or the disk is full, say.
    """
    check_ending(path)
    try:
        if path.suffix == ".parquet":
            pa, pq = _parquet(path)
            pq.write_table(pa.Table.from_pylist(rows), path)
            return
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [])
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror or error})") from None


def _parquet(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        why = "Parquet needs the research extra (make install-research); .csv needs nothing"
        raise WriteError(f"{path}: {why}") from None
    return pa, pq


def _named(world: int, text: str) -> str:
    """Say of which world something is; of the first, whose names are those of a short run, nothing is said."""
    return f"{world}:{text}" if world else text


def _defined(found: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN."""
    return {
        name: [_or_none(each) for each in value] if isinstance(value, list) else _or_none(value)
        for name, value in found.items()
    }


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _added(counts: list[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for each in counts for name in each)
    return {name: sum(each.get(name, 0) for each in counts) for name in names}


def _digest(hashes: list[str]) -> str:
    if len(hashes) == 1 or not any(hashes):
        return "".join(hashes)
    return blake2b("".join(hashes).encode(), digest_size=16).hexdigest()
