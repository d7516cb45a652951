"""The order of the event loop is the canonical order of the deterministic runtime, whatever is told to whom."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pykka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmactors.messages import (
    BookChanged,
    CancelAll,
    FeedWentStale,
    MarketHeartbeat,
    OrderUnknown,
    RequoteDue,
    SpotTicked,
    TimePassed,
)
from mmactors.runtime.actor import hosted
from mmactors.runtime.deterministic import DeterministicRuntime
from mmactors.runtime.event_loop import EventLoop
from mmactors.runtime.lanes import Lane
from mmactors.runtime.role import Out, Role
from mmactors.units import Nanos

STEP = 10_000_000
MESSAGES: tuple[object, ...] = (
    CancelAll(None, "first come"),
    OrderUnknown("m", "c", "first come"),
    BookChanged("m", 1, 2),
    BookChanged("m", 3, 4),
    BookChanged("n", 5, 6),
    SpotTicked("s", "BTC", 1.0, "book", 1),
    FeedWentStale("s", "BTC", 1, "ends the ticks"),
    RequoteDue(),
)
NODES = 3
TELLING = st.tuples(st.integers(0, NODES - 1), st.integers(0, len(MESSAGES) - 1))
DOING = st.tuples(st.integers(0, NODES - 1), st.integers(0, len(MESSAGES) + 1))
SCRIPT = st.lists(st.lists(DOING, max_size=3), max_size=12)
"""What a node tells whom after its nth message, or whom it stops or spawns; nothing once the script is over."""

PLAN = st.fixed_dictionaries(
    {
        "scripts": st.lists(SCRIPT, min_size=NODES, max_size=NODES),
        "periods": st.lists(st.lists(st.integers(1, 3), max_size=2), min_size=NODES, max_size=NODES),
        "once": st.lists(st.lists(st.integers(0, 3), max_size=2), min_size=NODES, max_size=NODES),
        "outside": st.lists(st.tuples(st.integers(0, 6), st.lists(TELLING, min_size=1, max_size=3)), max_size=6),
        "closing": st.none() | st.tuples(st.integers(0, 5), st.integers(0, NODES - 1)),
    }
)
TIMERS = (TimePassed(), MarketHeartbeat("m", 1), TimePassed())
Log = list[tuple[int, int, object]]


class Node(Role):
    def __init__(self, number: int, plan: dict[str, Any], log: Log) -> None:
        self.number, self.plan, self.log, self.count = number, plan, log, 0

    def begin(self, out: Out) -> None:
        for kind, period in enumerate(self.plan["periods"][self.number]):
            out.every(period * STEP, TIMERS[kind])
        for delay in self.plan["once"][self.number]:
            out.after(delay * STEP, BookChanged("o", 7, 8))

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        self.log.append((now, self.number, message))
        script = self.plan["scripts"][self.number]
        for to, what in script[self.count] if self.count < len(script) else ():
            if what == len(MESSAGES):
                out.stop(str(to))
            elif what > len(MESSAGES):
                name = f"{self.number}.{self.count}"
                if out.incarnation_of(name) is None:
                    out.spawn(name, partial(Child, name, self.log))
                    out.tell(name, MESSAGES[to])
            else:
                out.tell(str(to), MESSAGES[what])
        self.count += 1


class Child(Role):
    """Tells what it hears of, and of its beginning and end."""

    def __init__(self, name: str, log: Log) -> None:
        self.name, self.log = name, log

    def begin(self, out: Out) -> None:
        self.log.append((out.now(), out.incarnation, "begins"))
        out.tell("0", MESSAGES[1])

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        self.log.append((now, out.incarnation, message))
        out.stop(self.name)

    def end(self, out: Out) -> None:
        self.log.append((out.now(), out.incarnation, "ends"))
        out.tell("1", MESSAGES[0])


def with_actors(plan: dict[str, Any]) -> tuple[Log, int]:
    log: Log = []
    runtime = DeterministicRuntime(0, trace=False)
    for number in range(NODES):
        runtime.spawn(str(number), hosted(partial(Node, number, plan, log)))
    for at, tellings in plan["outside"]:
        runtime.call_at(
            at * STEP, lambda tellings=tellings: [runtime.tell(str(to), MESSAGES[what]) for to, what in tellings]
        )
    if plan["closing"] is not None:
        at, closed = plan["closing"]
        runtime.call_at(at * STEP, lambda: runtime.stop(str(closed)))
    runtime.run_until(7 * STEP)
    found = log, runtime.statistics().dead_letters[Lane.MONEY]
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)
    return found


def in_a_loop(plan: dict[str, Any]) -> tuple[Log, int]:
    log: Log = []
    loop = EventLoop(0)
    for number in range(NODES):
        loop.spawn(str(number), partial(Node, number, plan, log))
    for at, tellings in plan["outside"]:
        loop.call_at(at * STEP, lambda tellings=tellings: [loop.tell(str(to), MESSAGES[what]) for to, what in tellings])
    if plan["closing"] is not None:
        at, closed = plan["closing"]
        loop.call_at(at * STEP, lambda: loop.stop(str(closed)))
    loop.run_until(Nanos(7 * STEP))
    return log, loop.dead_letters


@settings(max_examples=300, deadline=None)
@given(PLAN)
def test_the_order_is_that_of_the_actors(plan):
    assert in_a_loop(plan) == with_actors(plan)


@pytest.mark.parametrize("run", [with_actors, in_a_loop])
def test_a_timer_that_is_due_queues_before_what_comes_of_the_messages_before_it(
    run: Callable[[dict[str, Any]], tuple[Log, int]],
):
    plan = {
        "scripts": [[[(0, 1)]], [], []],  # its first message makes node 0 tell itself another
        "periods": [[1], [], []],
        "once": [[], [], []],
        "outside": [(1, [(0, 0)])],
        "closing": None,
    }
    log, _ = run(plan)
    assert [message for at, _, message in log if at == STEP] == [MESSAGES[0], TimePassed(), MESSAGES[1]]
