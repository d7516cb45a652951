"""Backtest: many sessions of the whole program in virtual time, judged by the independent auditor as they happen.

Owns the loop, the figures and their words. The program under test is `twin.Twin`; what truly happened is told line by
line to `mmactors.audit`, which shares no code with it.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from io import BytesIO
from typing import Any, Literal

import msgspec

from mmactors.audit import Auditor, Rules
from mmactors.config import DURATIONS, Config
from mmactors.messages import SessionReport
from mmactors.ops.console import Narrator
from mmactors.ops.eventlog import EventLog
from mmactors.research.direct import DirectRun
from mmactors.research.twin import Twin
from mmactors.simulator.truth import TruthLog
from mmactors.simulator.wire import Json
from mmactors.simulator.world import World
from mmactors.units import dollars

SLICE_S = 10.0
"""Virtual time between two looks at the progress."""

LINES_AT_ONCE = 500
"""How many lines of the truth log wait for the auditor: one piece of work done often in a row is done faster."""

NEUTRAL_SHARE = 0.05


RuntimeName = Literal["actors", "core"]


class Tap(TruthLog):
    """The venue's truth log, told to an auditor and digested instead of written, so many lines at once."""

    def __init__(self, auditor: Auditor, lines_at_once: int = 1) -> None:
        self.world: World | None = None
        self._auditor = auditor
        self._lines_at_once = lines_at_once
        self._hash = blake2b(digest_size=16)
        self._line = msgspec.json.Encoder().encode
        self._waiting: list[Json] = []
        super().__init__(BytesIO(), self._price)

    def digest(self) -> str:
        """Return the digest of everything so far: each order event, fill, cash movement and market's change.

        The auditor has been told everything too, then.
        """
        self._pass_on()
        return self._hash.hexdigest()

    def _price(self, asset: str) -> float:
        return 0.0 if self.world is None else self.world.price(asset)

    def _write(self, line: Json) -> None:
        self._waiting.append(line)
        if len(self._waiting) >= self._lines_at_once:
            self._pass_on()

    def _pass_on(self) -> None:
        lines = self._waiting
        self._hash.update(b"".join(map(self._line, lines)))
        for line in lines:
            self._auditor.feed(line)
        lines.clear()


@dataclass(slots=True)
class Backtest:
    """What a backtest found; `complete` is False if it was interrupted.

    `orders_hash` digests what happened at the venue (orders, fills, cash, markets, with their times), the same for both
    runtimes; `trace_hash` everything the actors handled, empty without actors.
    """

    reports: list[SessionReport]
    violations: dict[str, int]
    examples: list[str]
    runtime: RuntimeName
    orders_hash: str
    trace_hash: str
    virtual_s: float
    wall_s: float
    cpu_s: float
    max_position: int
    counters: dict[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    restarts: int = 0
    complete: bool = True

    def figures(self) -> dict[str, Any]:
        """Return the figures, money in dollars, shares in 0..1."""
        pnls = [dollars(report.pnl_micros) for report in self.reports]
        count = len(self.reports)
        neutral = sum(abs(r.net_at_close) <= NEUTRAL_SHARE * self.max_position for r in self.reports)
        return {
            "sessions": count,
            "complete": self.complete,
            "pnl_mean": statistics.fmean(pnls) if pnls else None,
            "pnl_sd": statistics.stdev(pnls) if count > 1 else None,
            "net_within_5pct_share": neutral / count if count else None,
            "risk_at_close_mean": _mean([r.risk_at_close for r in self.reports]),
            "abs_net_at_close_mean": _mean([abs(r.net_at_close) for r in self.reports]),
            "dead_side_adding_orders": self.violations.get("dead side accepted", 0),
            "two_sided_share": _mean([r.two_sided_share for r in self.reports]),
            "fills_mean": _mean([r.fills for r in self.reports]),
            "contracts_mean": _mean([r.contracts for r in self.reports]),
            "order_messages_mean": _mean([r.order_messages for r in self.reports]),
            "violations": self.violations,
            "violation_examples": self.examples,
            "counters": self.counters,
            "dead_letters": self.dead_letters,
            "restarts": self.restarts,
            "runtime": self.runtime,
            "orders_hash": self.orders_hash,
            "trace_hash": self.trace_hash,
            "virtual_seconds": self.virtual_s,
            "wall_seconds": self.wall_s,
            "cpu_seconds": self.cpu_s,
            "virtual_seconds_per_second": self.virtual_s / self.wall_s if self.wall_s else None,
            "virtual_seconds_per_cpu_second": self.virtual_s / self.cpu_s if self.cpu_s else None,
        }

    @property
    def clean(self) -> bool:
        """Whether every session wanted was settled and no rule was broken."""
        return self.complete and not any(self.violations.values())

    def lines(self) -> list[str]:
        """Return the sessions as a table, then the figures, for a console."""
        found = self.figures()
        broken = ", ".join(f"{name} {count}" for name, count in self.violations.items() if count) or "none"
        return [
            *Narrator(lambda _line: None).summary(self.reports),
            "" if self.complete else "interrupted: the sessions settled so far",
            f"P&L per session ${found['pnl_mean'] or 0:+.2f} (sd {found['pnl_sd'] or 0:.2f}), neutral at the close in "
            f"{found['net_within_5pct_share'] or 0:.1%}, $ risk there {found['risk_at_close_mean'] or 0:.2f}, "
            f"two-sided {found['two_sided_share'] or 0:.1%}",
            f"rules broken: {broken}",
            *self.examples,
            f"{self.virtual_s:.0f} virtual seconds in {self.wall_s:.1f} s "
            f"({found['virtual_seconds_per_second'] or 0:.0f} a second, "
            f"{found['virtual_seconds_per_cpu_second'] or 0:.0f} a second of processor time); "
            f"runtime {self.runtime}, orders {self.orders_hash}{self.trace_hash and f', trace {self.trace_hash}'}",
        ]


def run(
    config: Config,
    sessions: int,
    *,
    runtime: RuntimeName = "actors",
    interleaving: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    rules: Rules | None = None,
    events: EventLog | None = None,
) -> Backtest:
    """Run until so many sessions are settled, or a KeyboardInterrupt.

    Args:
        config: what to run; the simulator's section is the world and its seed.
        sessions: how many to settle.
        runtime: "actors" runs the whole program; "core" its pure objects alone, faster, to the same orders.
        interleaving: seed of a random legal order of events, None for the canonical one; for actors only.
        progress: takes a line about every five seconds.
        rules: what the auditor holds the orders to; the configuration's own if not given.
        events: records what every Maker handled; closed at the end; for actors only.

    Raises:
        ValueError: the core has no interleaving and records no events.
    """
    if rules is None:
        rules = Rules(config.model_dump(mode="json", exclude_unset=True, exclude_none=True))
    auditor = Auditor(rules)
    tap = Tap(auditor, LINES_AT_ONCE)
    twin: Twin | DirectRun
    if runtime == "actors":
        twin = Twin(config, interleaving=interleaving, recorder=tap, events=events)
    elif interleaving is None and events is None:
        twin = DirectRun(config, tap)
    else:
        raise ValueError("the core runs in canonical order and records no events: use the actors for that")
    tap.world = twin.venue.world
    began, cpu_began = time.perf_counter(), time.process_time()
    told = began
    start_ns = twin.runtime.clock.now()
    complete = True
    try:
        while len(twin.sessions) < sessions and not twin.ended:
            twin.run(SLICE_S)
            now = time.perf_counter()
            if now - told > 5.0:
                told = now
                virtual_s = (twin.runtime.clock.now() - start_ns) / 1e9
                progress(f"{len(twin.sessions)} of {sessions} sessions, {virtual_s / (now - began):.0f} virtual s/s")
    except KeyboardInterrupt:
        complete = False
    trace_hash, orders_hash = twin.trace_hash, tap.digest()
    dead_letters, restarts = twin.dead_letters, twin.restarts
    twin.end()
    if events is not None:
        events.close()
    audit = auditor.result()
    series = config.simulator.sessions[0]
    return Backtest(
        reports=list(twin.sessions.values())[:sessions],
        violations={check.name: check.count for check in audit.checks},
        examples=[example for check in audit.checks for example in check.examples][:10],
        runtime=runtime,
        orders_hash=orders_hash,
        trace_hash=trace_hash,
        virtual_s=(twin.runtime.clock.now() - start_ns) / 1e9,
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - cpu_began,
        max_position=config.maker_params(series.asset, DURATIONS[series.duration]).inventory.max_position,
        counters=dict(twin.desk.counters),
        dead_letters=dead_letters,
        restarts=restarts,
        complete=complete and not twin.ended,
    )


def _mean(values: list[float] | list[int]) -> float | None:
    return statistics.fmean(values) if values else None
