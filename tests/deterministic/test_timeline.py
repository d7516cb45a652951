"""The order of a timeline is the canonical order of the deterministic runtime, whatever is told to whom."""

from collections.abc import Callable
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
from mmactors.runtime.actor import Actor
from mmactors.runtime.deterministic import DeterministicRuntime
from mmactors.runtime.event_loop import LoopMailbox, Timeline
from mmactors.runtime.lanes import Lane

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
SCRIPT = st.lists(st.lists(TELLING, max_size=3), max_size=12)
"""What a node tells whom after its nth message; nothing once the script is over."""

PLAN = st.fixed_dictionaries(
    {
        "scripts": st.lists(SCRIPT, min_size=NODES, max_size=NODES),
        "periods": st.lists(st.lists(st.integers(1, 3), max_size=2), min_size=NODES, max_size=NODES),
        "outside": st.lists(st.tuples(st.integers(0, 6), st.lists(TELLING, min_size=1, max_size=3)), max_size=6),
        "closing": st.none() | st.tuples(st.integers(0, 5), st.integers(0, NODES - 1)),
    }
)
TIMERS = (TimePassed(), MarketHeartbeat("m", 1), TimePassed())
Log = list[tuple[int, int, object]]


class Node(Actor):
    def __init__(self, runtime: Any, name: str, incarnation: int, *, number: int, plan: dict[str, Any], log: Log):
        super().__init__(runtime, name, incarnation)
        self.number, self.plan, self.log, self.count = number, plan, log, 0

    def on_begin(self) -> None:
        for kind, period in enumerate(self.plan["periods"][self.number]):
            self.every(period * STEP, TIMERS[kind])

    def receive(self, message: Any) -> None:
        self.log.append((self.clock.now(), self.number, message))
        script = self.plan["scripts"][self.number]
        for to, what in script[self.count] if self.count < len(script) else ():
            self.tell(str(to), MESSAGES[what])
        self.count += 1


def with_actors(plan: dict[str, Any]) -> tuple[Log, int]:
    log: Log = []
    runtime = DeterministicRuntime(0, trace=False)
    for number in range(NODES):
        runtime.spawn(str(number), lambda *of, number=number: Node(*of, number=number, plan=plan, log=log))
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


def with_posts(plan: dict[str, Any]) -> tuple[Log, int]:
    log: Log = []
    timeline = Timeline(0)
    posts: list[LoopMailbox] = []

    def node(number: int) -> LoopMailbox:
        count = 0

        def begin() -> None:
            for kind, period in enumerate(plan["periods"][number]):
                posts[number].every(period * STEP, TIMERS[kind])

        def receive(message: Any, now: int) -> None:
            nonlocal count
            log.append((now, number, message))
            script = plan["scripts"][number]
            tellings = script[count] if count < len(script) else []
            count += 1
            tell(tellings)

        return LoopMailbox(timeline, begin, receive)

    def tell(tellings: list[tuple[int, int]]) -> None:
        for to, what in tellings[:-1]:
            posts[to].tell(MESSAGES[what])
        for to, what in tellings[-1:]:
            posts[to].tell_last(MESSAGES[what])

    posts += [node(number) for number in range(NODES)]
    for at, tellings in plan["outside"]:
        timeline.call_at(at * STEP, lambda tellings=tellings: tell(tellings))
    if plan["closing"] is not None:
        at, closed = plan["closing"]
        timeline.call_at(at * STEP, posts[closed].close)
    timeline.run_until(7 * STEP)
    return log, timeline.dead_letters


@settings(max_examples=300, deadline=None)
@given(PLAN)
def test_the_order_is_that_of_the_actors(plan):
    assert with_posts(plan) == with_actors(plan)


@pytest.mark.parametrize("run", [with_actors, with_posts])
def test_a_timer_that_is_due_queues_before_what_comes_of_the_messages_before_it(
    run: Callable[[dict[str, Any]], tuple[Log, int]],
):
    plan = {
        "scripts": [[[(0, 1)]], [], []],  # its first message makes node 0 tell itself another
        "periods": [[1], [], []],
        "outside": [(1, [(0, 0)])],
        "closing": None,
    }
    log, _ = run(plan)
    assert [message for at, _, message in log if at == STEP] == [MESSAGES[0], TimePassed(), MESSAGES[1]]
