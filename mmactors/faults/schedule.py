"""The schedule of a fault search: the kinds of faults, how long each lasts, and how a seed draws them.

Owns kinds and times. It must not know how a fault is done (`links.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from mmactors.units import nanos

Kind = Literal["cut", "late", "lost_acks", "lost_news", "errors", "silent", "no_rest", "slow_rest"]
"""The kinds of faults.

cut: the order session's connection breaks, and no new one is possible. late: the venue's frames arrive after the fault.
lost_acks: batches are carried out and never answered. lost_news: the stream of orders is lost, too, and goes on after a
gap. errors: batches are answered with a server error, carried out or not. silent: the feed is connected and publishes
nothing. no_rest: most REST calls fail. slow_rest: REST answers after seconds, with the state at the time of the call.
"""
ORDERS: tuple[Kind, ...] = ("late", "lost_acks", "lost_news", "errors")
"""Faults that leave orders unconfirmed while the connection is up."""

REST: tuple[Kind, ...] = ("no_rest", "slow_rest")
"""Faults that keep orders unconfirmed; drawn beside those of orders."""

KINDS: tuple[Kind, ...] = ("cut", *ORDERS, "silent")
LENGTHS_S: dict[Kind, tuple[float, float]] = {
    "cut": (0.2, 6.0),
    "late": (2.1, 2.9),
    "lost_acks": (0.3, 2.0),
    "lost_news": (0.3, 2.0),
    "errors": (0.2, 3.0),
    "silent": (2.5, 6.0),
    "no_rest": (0.0, 7.0),
    "slow_rest": (0.0, 7.0),
}
FIRST_S = 6.0
PAUSE_S = (7.0, 15.0)
"""No fault comes before `FIRST_S`, while the program starts, nor for so long after each fault, while it recovers."""

RELAPSES = 0.6
"""How often a fault that empties the book is followed by one of the orders that fill it again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault between two times, nanoseconds."""

    kind: Kind
    from_ns: int
    until_ns: int


class FaultSchedule:
    """The faults of a run, in order of time; `random` decides what a fault leaves to chance."""

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.from_ns))
        self.random = Random(f"{seed}:trouble")  # noqa: S311  reproducible from the seed

    def now(self, kind: Kind, now: int) -> Fault | None:
        """Return the active fault of a kind, if any."""
        for fault in self.faults:
            if fault.kind == kind and fault.from_ns <= now < fault.until_ns:
                return fault
        return None

    def quiet(self, now: int, for_ns: int, *, besides: Kind | None = None) -> bool:
        """Return whether no fault, one kind apart, was active in the last `for_ns` nanoseconds."""
        faults = (fault for fault in self.faults if fault.kind != besides)
        return not any(fault.from_ns <= now < fault.until_ns + for_ns for fault in faults)


def draw(seed: int, start_ns: int, length_s: float, kinds: Sequence[Kind] = KINDS) -> FaultSchedule:
    """Draw the faults of a run, one after the other, of these kinds; REST often fails or is slow beside a lost answer.

    A fault that empties the book is often followed at once by one that leaves orders unconfirmed: then these are new
    orders; otherwise nearly all are replaces of orders known to rest.
    """
    random = Random(f"{seed}:faults")  # noqa: S311  reproducible from the seed
    about_orders = [kind for kind in kinds if kind in ORDERS]
    faults: list[Fault] = []
    at_s = FIRST_S
    while kinds:
        kind = random.choice(kinds)
        ends_s = at_s + random.uniform(*LENGTHS_S[kind])
        if ends_s > length_s:
            break
        faults.append(Fault(kind, start_ns + nanos(at_s), start_ns + nanos(ends_s)))
        if kind not in ORDERS and about_orders and random.random() < RELAPSES:
            kind, at_s = random.choice(about_orders), ends_s
            ends_s += random.uniform(*LENGTHS_S[kind])
            faults.append(Fault(kind, start_ns + nanos(at_s), start_ns + nanos(ends_s)))
        if kind in ORDERS and random.random() < 0.5:
            rest = random.choice(REST)
            ends_s = max(ends_s, at_s + random.uniform(*LENGTHS_S[rest]))
            faults.append(Fault(rest, start_ns + nanos(at_s), start_ns + nanos(ends_s)))
        at_s = ends_s + random.uniform(*PAUSE_S)
    return FaultSchedule(faults, seed)
