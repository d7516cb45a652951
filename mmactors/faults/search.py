"""The fault search: runs the program in virtual time under faults and reports the first thing that is wrong.

Owns the comparison of the program's books with the venue's while no fault is active: invariants V1, V2 and V3; the
auditor checks all others at every event. It judges by the venue's books and must not rely on the program's own reports.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from mmactors.actors import addresses
from mmactors.audit import Auditor, Rules, Violation
from mmactors.backtest.actor_run import ActorRun
from mmactors.backtest.audit_tap import AuditTap
from mmactors.backtest.environment import START_NS
from mmactors.backtest.links import ACCOUNT
from mmactors.config import Config
from mmactors.faults.links import FaultyFeed, FaultyLink
from mmactors.faults.schedule import KINDS, FaultSchedule, Kind, draw
from mmactors.messages import OrderFilled
from mmactors.runtime.lanes import Lane
from mmactors.units import MILLISECOND, SECOND, Nanos, dollars, nanos

CHECK_EVERY_S = 0.25
BY_DESIGN = frozenset(("V9 one per price",))
"""Checks that do not count under faults: an unconfirmed order is left alone, and the ladder may meet its price."""

OUTLASTING = frozenset(("V4 resting", "V5 resting", "V7 resting", "V7 market_closed", "dead side resting"))
"""Checks that count only when the venue answers again: an order that cannot be cancelled, or is unconfirmed, rests."""

PATIENCE_NS = 5 * SECOND
"""How long a difference may last after the last fault, nanoseconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a run: the broken rule (None if all is well), in words, and the virtual and CPU time until then."""

    seed: int
    rule: str | None
    words: str
    virtual_s: float
    cpu_s: float


class Ledgers:
    """Compares the program's books with the venue's; `observe` is the runtime's observer."""

    def __init__(self, program: ActorRun, schedule: FaultSchedule) -> None:
        self._program = program
        self._schedule = schedule
        self._journal: Counter[str] = Counter()
        self._since: dict[tuple[str, str], int] = {}

    def observe(self, _now: Nanos, name: str, message: object) -> None:
        """Count the fills that the journal receives."""
        if name == addresses.JOURNAL and isinstance(message, OrderFilled):
            self._journal[message.fill_id] += 1

    def differs(self) -> tuple[str, str] | None:
        """Return the rule and the words of a difference that has lasted too long; None if there is none."""
        now = self._program.runtime.clock.now()
        if not self._schedule.quiet(now, 0):
            self._since.clear()
            return None
        differences = self._differences()
        self._since = {key: self._since.get(key, now) for key in differences}
        for key, since in self._since.items():
            if now - since > PATIENCE_NS:
                return key[0], differences[key]
        return None

    def _differences(self) -> dict[tuple[str, str], str]:
        desk, account = self._program.desk, self._program.venue.account(ACCOUNT)
        found: dict[tuple[str, str], str] = {}
        for order in account.live.values():
            if order.client_order_id not in desk.table.orders:
                words = f"{order.remaining} {order.outcome} at {order.ticks} ticks rest as {order.client_order_id}"
                found["V3 orders", order.id] = f"{words}, which the desk does not know"
        for fill in account.fills:
            if fill.fill_id not in self._journal:
                found["V1 fills", fill.fill_id] = f"{fill.size} {fill.outcome} of fill {fill.fill_id} never booked"
        known = {fill.fill_id for fill in account.fills}
        for name, count in self._journal.items():
            if count > 1 or name not in known:
                found["V1 fills", name] = f"fill {name} booked {count} times"
        off = desk.account.cash_micros - account.cash
        if off:
            found["V2 ledger", "cash"] = f"the desk's cash is off by {dollars(off):+.2f} $"
        for market, position in account.positions.items():
            held = desk.account.position(market)
            if (held.yes, held.no) != (position.yes, position.no):
                words = f"the desk holds {held.yes} YES, {held.no} NO of {market}"
                found["V2 ledger", market] = f"{words}, the venue has {position.yes}, {position.no}"
        return found


def run(
    config: Config,
    seed: int,
    duration_s: float,
    *,
    kinds: Sequence[Kind] = KINDS,
    interleaving: int | None = None,
) -> Finding:
    """Run the program under the seed's faults until a rule is broken or the time is over.

    Args:
        config: the configuration; its simulator section is the world.
        seed: of the faults.
        duration_s: virtual time, seconds.
        kinds: the faults to draw from.
        interleaving: seed of a random legal order of events, None for the canonical one.
    """
    began = time.process_time()
    schedule = draw(seed, START_NS, duration_s, kinds)
    violations: list[Violation] = []

    def count_violation(violation: Violation) -> None:
        now = violation.t * MILLISECOND
        excused = violation.check in OUTLASTING and not schedule.quiet(now, PATIENCE_NS, besides="silent")
        if violation.check not in BY_DESIGN and not excused:
            violations.append(violation)

    rules = Rules(config.model_dump(mode="json", exclude_unset=True, exclude_none=True))
    audit_tap = AuditTap(Auditor(rules, account=ACCOUNT, on_violation=count_violation))
    ledgers: Ledgers | None = None

    def observe(now: Nanos, name: str, message: object) -> None:
        if ledgers is not None:
            ledgers.observe(now, name, message)

    program = ActorRun(
        config,
        interleaving=interleaving,
        recorder=audit_tap,
        trace=False,
        observer=observe,
        link=partial(FaultyLink, schedule),
        feed=partial(FaultyFeed, schedule),
    )
    audit_tap.world = program.venue.world
    ledgers = Ledgers(program, schedule)
    rule, words = None, ""
    end_ns = START_NS + nanos(duration_s)
    while rule is None and program.runtime.clock.now() < end_ns:
        program.run(CHECK_EVERY_S)
        differs = ledgers.differs()
        if violations:
            rule, words = violations[0].check, violations[0].words
        elif differs is not None:
            rule, words = differs
        elif program.ended:
            rule, words = "end", f"the program ended: {program.ended[0]}"
    statistics = program.runtime.statistics()
    if rule is None and statistics.died + statistics.abandoned:
        rule, words = "deaths", f"{statistics.died} actors died, {statistics.abandoned} were given up"
    if rule is None and statistics.dead_letters[Lane.MONEY]:
        rule, words = "dead letters", f"{statistics.dead_letters[Lane.MONEY]} messages about money were not delivered"
    virtual_s = (program.runtime.clock.now() - START_NS) / SECOND
    program.end()
    return Finding(seed, rule, words, virtual_s, time.process_time() - began)
