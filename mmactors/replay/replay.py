"""Replay: a run's event log goes through new Makers, and every answer is compared with the recorded one, byte for byte.

Owns the comparison, its figures and words, and the choice of records. It must not know a runtime or actors: a Maker
needs none.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from mmactors import __version__
from mmactors.core.quoting.maker import Maker
from mmactors.messages import (
    OrderEvent,
    QuoteIntent,
)
from mmactors.ops.event_log import (
    NO_INPUT,
    UNREADABLE,
    EventLogError,
    EventLogReader,
    LogHeader,
    RecordedMaker,
    RecordedStep,
    decoded_answer,
    encoded_answer,
)
from mmactors.ops.format import clock, plain
from mmactors.units import Nanos

T = TypeVar("T")
Progress = Callable[[str], None]

PROGRESS_EVERY_S = 5.0
NOISE = 1e-9
"""Floats that differ by no more than this, relatively or absolutely, differ in their last digits only."""

LONGEST_EVENT = 400
"""Characters of an event that are shown."""

_ORDER_EVENTS = get_args(OrderEvent)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step of one Maker whose answer differs from the recorded one; its later steps are not compared."""

    market: str
    incarnation: int
    step: int
    at_ns: Nanos
    event: str
    expected: str
    got: str
    where: str


@dataclass(slots=True)
class Replay:
    """The result of `prove`.

    `rounded` counts steps whose decision is the same and whose figures differ in their last digits, as on another
    machine. `cut` is where the log breaks off, if it does.
    """

    log: str
    header: LogHeader
    markets: set[str] = field(default_factory=set)
    makers: int = 0
    steps: int = 0
    commands: int = 0
    ladder_changes: int = 0
    differences: list[Difference] = field(default_factory=list)
    rounded: int = 0
    cut: str | None = None
    wall_s: float = 0.0

    @property
    def identical(self) -> bool:
        """Whether every step's answer was the recorded one, byte for byte."""
        return not self.differences and not self.rounded

    def figures(self) -> dict[str, Any]:
        """Return what was compared and what differs; steps after a Maker's first difference are not counted."""
        first = self.differences[0] if self.differences else None
        return {
            "log": self.log,
            "run": self.header.run,
            "recorded_by": self.header.program,
            "markets": len(self.markets),
            "makers": self.makers,
            "steps": self.steps,
            "commands": self.commands,
            "ladder_changes": self.ladder_changes,
            "identical": self.identical,
            "makers_that_differ": len(self.differences),
            "steps_rounded_otherwise": self.rounded,
            "first_difference": None if first is None else asdict(first),
            "cut": self.cut,
            "wall_seconds": self.wall_s,
        }

    def lines(self) -> list[str]:
        """Return the same as lines for a console."""
        found = [
            f"run {self.header.run}, recorded by mmactors {self.header.program} and replayed by {__version__}:"
            f" {self.steps} steps, {self.commands} commands ({self.ladder_changes} ladder changes) of {self.makers}"
            f" makers in {len(self.markets)} markets, in {self.wall_s:.1f} s",
            *([] if self.cut is None else [self.cut]),
        ]
        if self.rounded:
            found.append(
                f"figures of {self.rounded} steps differ in their last digits only: was the log recorded elsewhere?"
            )
        if not self.differences:
            return [*found, "every command is identical" + (", byte for byte" if self.identical else ", but for those")]
        first = self.differences[0]
        return [
            *found,
            f"{len(self.differences)} of {self.makers} makers decide otherwise; the first of them:",
            f"  market    {plain(first.market)}, actor #{first.incarnation}, its step {first.step}",
            f"  at        {clock(first.at_ns)} UTC ({first.at_ns})",
            f"  event     {first.event}",
            f"  expected  {first.expected}",
            f"  got       {first.got}",
            f"  where     {first.where}",
        ]


@dataclass(slots=True)
class _Replayed:
    """One Maker in the replay; `maker` is None after its first difference."""

    maker: Maker | None
    steps: int = 0


def prove(path: Path, *, market: str | None = None, progress: Progress = lambda _line: None) -> Replay:
    """Feed a log to new Makers and compare every answer.

    Raises:
        EventLogError: it cannot be read, has no steps, or no such market.
    """
    reader, chosen = open_log(path, market)
    found = Replay(str(path), reader.header)
    replayed: dict[tuple[str, int], _Replayed] = {}
    began = time.perf_counter()
    for record in records(reader, chosen, progress):
        if isinstance(record, RecordedMaker):
            name = record.market.id
            maker = Maker(name, record.incarnation, record.prefix, record.params)
            replayed[name, record.incarnation] = _Replayed(maker)
            found.makers += 1
            found.markets.add(name)
        else:
            _step(found, state_of(replayed, record, path), record)
    found.cut = reader.cut
    found.wall_s = time.perf_counter() - began
    if not found.steps:
        raise EventLogError(
            f"{path}: {found.cut or 'no maker handled anything'}; there is nothing to prove", UNREADABLE
        )
    return found


def _step(found: Replay, state: _Replayed, step: RecordedStep) -> None:
    if state.maker is None:
        return
    state.steps += 1
    found.steps += 1
    try:
        decision = state.maker.handle(step.event, step.at_ns)
    except Exception as error:  # noqa: BLE001 - a recorded death must be repeated like any other answer
        died = f"died: {type(error).__name__}: {error}"
        answer = encoded_answer(None, False)
    else:
        died = ""
        answer = encoded_answer(decision.commands, decision.requote)
        found.commands += len(decision.commands)
        found.ladder_changes += sum(isinstance(command, QuoteIntent) for command in decision.commands)
    if answer == step.answer:
        return
    where = _where(_tree(step.answer), _tree(answer))
    if not where:
        found.rounded += 1
        return
    state.maker = None
    event = repr(step.event)
    found.differences.append(
        Difference(
            market=step.market,
            incarnation=step.incarnation,
            step=state.steps,
            at_ns=step.at_ns,
            event=event if len(event) <= LONGEST_EVENT else event[: LONGEST_EVENT - 3] + "...",
            expected=_described(step.answer),
            got=died or _described(answer),
            where=where,
        )
    )


def _described(answer: bytes) -> str:
    decoded = decoded_answer(answer)
    if decoded is None:
        return "died"
    requote, commands = decoded
    words = [
        f"{kind} ({', '.join(f'{len(fields[what])} {what}' for what in ('cancels', 'replaces', 'places'))})"
        if kind == QuoteIntent.__name__
        else kind
        for kind, fields in commands
    ]
    return ", ".join(words + ["to requote"] * requote) or "nothing"


def _tree(answer: bytes) -> Any:
    decoded = decoded_answer(answer)
    if decoded is None:
        return None
    return {"requotes": decoded[0], **{f"{n}. {kind}": fields for n, (kind, fields) in enumerate(decoded[1], 1)}}


def _where(expected: Any, got: Any, path: str = "") -> str:
    """Return where two trees first differ, the last digits of floats aside; empty if nowhere."""
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        expected, got = dict(enumerate(expected)), dict(enumerate(got))
    if isinstance(expected, dict) and isinstance(got, dict) and expected.keys() == got.keys():
        for key in expected:
            found = _where(expected[key], got[key], f"{path}.{key}" if path else str(key))
            if found:
                return found
        return ""
    if isinstance(expected, dict) and isinstance(got, dict) and not path:
        return "the commands are of other kinds"
    if isinstance(expected, float) and isinstance(got, float):
        same = math.isclose(expected, got, rel_tol=NOISE, abs_tol=NOISE) or (math.isnan(expected) and math.isnan(got))
    else:
        same = type(expected) is type(got) and expected == got
    return "" if same else f"{path}: {expected!r} expected, {got!r} got"


# --- reading --------------------------------------------------------------------------------------


def open_log(path: Path, market: str | None) -> tuple[EventLogReader, str | None]:
    """Return the log, and the full name of the market whose name begins so; None for all markets.

    Raises:
        EventLogError: it cannot be read, or no such market.
    """
    reader = EventLogReader(path)
    if market is None:
        return reader, None
    known = list(dict.fromkeys(r.market.id for r in reader if isinstance(r, RecordedMaker)))
    meant = [name for name in known if name == market] or [n for n in known if n.lower().startswith(market.lower())]
    if len(meant) != 1:
        what = f"{market!r} is the beginning of {len(meant)} markets" if meant else f"no market {market!r}"
        shown = meant or known
        some = ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
        raise EventLogError(f"{path}: {what}: {some or 'it has none'}", NO_INPUT)
    return EventLogReader(path), meant[0]


def records(reader: EventLogReader, market: str | None, progress: Progress) -> Iterator[RecordedMaker | RecordedStep]:
    """Yield the records of one market, or of all; `progress` is called every few seconds."""
    reported_s = time.perf_counter()
    for count, record in enumerate(reader):
        name = record.market.id if isinstance(record, RecordedMaker) else record.market
        if market is None or name == market:
            yield record
        if count % 1000 == 0 and time.perf_counter() - reported_s > PROGRESS_EVERY_S:
            reported_s = time.perf_counter()
            progress(f"{count} steps read")


def state_of(replayed: dict[tuple[str, int], T], step: RecordedStep, path: Path) -> T:
    """Return the state kept for the Maker of a step.

    Raises:
        EventLogError: its beginning is not in the log.
    """
    state = replayed.get((step.market, step.incarnation))
    if state is None:
        raise EventLogError(f"{path}: has steps of {step.market} #{step.incarnation}, not its beginning", UNREADABLE)
    return state
