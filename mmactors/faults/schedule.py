"""The schedule of a fault search: what can go wrong, for how long, and what of it a seed draws.

Owns the kinds and the times; what suffers them is `faults.py`, which alone knows how a fault is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from mmactors.units import nanos

Kind = Literal["cut", "late", "lost_acks", "lost_news", "errors", "silent", "no_rest", "slow_rest"]
"""What can go wrong.

cut: the order session's connection breaks and cannot be had again. late: what the venue says arrives after the fault.
lost_acks: batches are carried out and never answered. lost_news: nor are they told of on the stream of orders, which
goes on after a gap. errors: batches are answered with a server error, carried out or not. silent: the feed's connection
stands and says nothing. no_rest: most of what is asked over REST fails. slow_rest: it is answered after seconds, with
what was so when it was asked.
"""
ORDERS: tuple[Kind, ...] = ("late", "lost_acks", "lost_news", "errors")
"""What leaves orders in doubt while the connection stands."""

REST: tuple[Kind, ...] = ("no_rest", "slow_rest")
"""What keeps the doubts from being settled; comes beside those."""

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
"""Nothing goes wrong before the program is up, nor for so long after each fault: then all must be well again."""

RELAPSES = 0.6
"""How often what empties the book is followed by trouble with the orders that fill it again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong between two times, nanoseconds."""

    kind: Kind
    from_ns: int
    until_ns: int


class FaultSchedule:
    """A schedule of faults, in order of time; `random` is for what they leave to chance."""

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.from_ns))
        self.random = Random(f"{seed}:trouble")  # noqa: S311  reproducible from the seed

    def now(self, kind: Kind, now: int) -> Fault | None:
        """Return the fault of a kind that is on, if any."""
        for fault in self.faults:
            if fault.kind == kind and fault.from_ns <= now < fault.until_ns:
                return fault
        return None

    def quiet(self, now: int, for_ns: int, *, besides: Kind | None = None) -> bool:
        """Tell whether nothing has gone wrong for so long, one kind of fault apart."""
        faults = (fault for fault in self.faults if fault.kind != besides)
        return not any(fault.from_ns <= now < fault.until_ns + for_ns for fault in faults)


def draw(seed: int, start_ns: int, length_s: float, kinds: Sequence[Kind] = KINDS) -> FaultSchedule:
    """Draw the faults of a run: one after the other, of these kinds; REST is often away or slow beside a lost answer.

    What empties the book is often followed at once by what leaves orders in doubt: everybody comes back when we do.
    Then the orders in doubt are new ones; otherwise nearly all are replaces of orders that are known to rest.
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
