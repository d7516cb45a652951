"""The deterministic runtime: the same actors in virtual time, in an order that a seed decides."""

import functools
import itertools

import pykka
import pytest

from mmactors.messages import (
    ActorDied,
    ActorReady,
    OrderFilled,
    Outcome,
    ReferenceMoved,
    SpotTicked,
)
from mmactors.runtime import Actor
from mmactors.runtime.deterministic import DeterministicRuntime, LivelockError
from mmactors.runtime.lanes import Lane
from mmactors.units import MILLISECOND, SECOND, Contracts, Micros, Nanos, Ticks

START = 1_700_000_000 * SECOND


def fill(n, market="m"):
    return OrderFilled(
        market, f"c{n}", f"f{n}", Outcome.YES, Ticks(50), Contracts(1), Micros(0), Contracts(1), True, Nanos(0)
    )


def moved(price):
    return ReferenceMoved("BTC", price, 0.5, Nanos(0), Nanos(0), 0.05, ("binance",))


class Recorder(Actor):
    """Notes everything it hears, with the time; does what a callable message says."""

    def __init__(self, runtime, name, incarnation, heard=None, to=None):
        super().__init__(runtime, name, incarnation)
        self.heard = [] if heard is None else heard
        self.to = to

    def receive(self, message):
        if callable(message):
            return message(self)
        self.heard.append((self.clock.now() - START, self.name, message))
        if self.to is not None:
            self.tell(self.to, message)
        return message


class Ticking(Recorder):
    def on_begin(self):
        self.every(100 * MILLISECOND, "round")


class Unlucky(Recorder):
    def on_begin(self):
        raise RuntimeError("no beginning")


def explode(actor):
    raise ValueError("boom")


@pytest.fixture
def make():
    """Make runtimes with a supervisor and see to it that they leave no actor behind."""
    made = []

    def make_one(**kwargs):
        runtime = DeterministicRuntime(START, **kwargs)
        runtime.spawn("supervisor", Recorder)
        runtime.run_until(START)
        made.append(runtime)
        return runtime

    yield make_one
    for runtime in made:
        assert runtime.stop_all(["supervisor"]) == []
    assert pykka.ActorRegistry.get_all() == []


def spawn(runtime, name, kind=Recorder, **kwargs):
    runtime.spawn(name, functools.partial(kind, **kwargs))
    return runtime.directory.get(name)


def told(runtime):
    return [message for _, _, message in runtime.directory.get("supervisor").heard]


def test_time_passes_only_as_told_and_timers_fire_when_due(make):
    runtime = make()
    actor = spawn(runtime, "a", Ticking)
    runtime.run_until(START + 350 * MILLISECOND)
    assert actor.heard == [(n * 100 * MILLISECOND, "a", "round") for n in (1, 2, 3)]
    assert runtime.clock.now() == START + 350 * MILLISECOND


def test_the_world_acts_at_its_times_in_the_order_of_arrival(make):
    runtime = make()
    actor = spawn(runtime, "a")
    runtime.call_at(START + 20, lambda: runtime.tell("a", "third"))
    runtime.call_at(START + 10, lambda: runtime.tell("a", "first"))
    runtime.call_at(START + 10, lambda: runtime.tell("a", "second"))
    runtime.call_at(START - 5, lambda: runtime.tell("a", "at once"))
    runtime.run_until(START + 20)
    assert actor.heard == [(0, "a", "at once"), (10, "a", "first"), (10, "a", "second"), (20, "a", "third")]


def test_an_event_has_all_its_consequences_before_the_next(make):
    runtime = make()
    heard = []
    for name, to in (("a", "b"), ("b", "c"), ("c", None)):
        spawn(runtime, name, heard=heard, to=to)
    runtime.call_at(START + 10, lambda: runtime.tell("a", 1))
    runtime.call_at(START + 10, lambda: runtime.tell("a", 2))
    runtime.run_until(START + 10)
    assert [(name, message) for _, name, message in heard] == [(n, x) for x in (1, 2) for n in "abc"]


def test_lanes_conflate_as_they_do_live(make):
    runtime = make()
    actor = spawn(runtime, "a")

    def burst():
        for n in range(100):
            runtime.tell("a", moved(n))
            runtime.tell("a", n)

    runtime.call_at(START + 10, burst)
    runtime.run_until(START + 10)
    assert [message for _, _, message in actor.heard] == [*range(100), moved(99)]


def test_deaths_are_contained_and_reported_as_they_are_live(make):
    runtime = make()
    spawn(runtime, "a")
    runtime.spawn("unlucky", Unlucky)
    runtime.tell("a", explode)
    runtime.tell("a", fill(1))
    runtime.run_until(START + 10)
    assert told(runtime) == [
        ActorReady("a", 2),
        ActorDied("unlucky", 3, "RuntimeError: no beginning"),
        ActorDied("a", 2, "ValueError: boom"),
    ]
    runtime.tell("a", fill(2))
    assert runtime.statistics().dead_letters[Lane.MONEY] == 2
    assert runtime.names() == ["supervisor"]


def test_an_actor_may_be_respawned_under_its_name(make):
    runtime = make()
    spawn(runtime, "a")
    runtime.tell("a", explode)
    runtime.run_until(START + 1)
    again = spawn(runtime, "a")
    runtime.tell("a", "hello")
    runtime.run_until(START + 2)
    assert [message for _, _, message in again.heard] == ["hello"]
    assert again.incarnation == 3


def test_a_keyboard_interrupt_is_the_users_and_passes_through(make):
    runtime = make()
    spawn(runtime, "a")

    def interrupt(actor):
        raise KeyboardInterrupt

    runtime.tell("a", interrupt)
    with pytest.raises(KeyboardInterrupt):
        runtime.run_until(START + 1)
    assert runtime.alive("a")


def test_errors_of_the_world_pass_through(make):
    runtime = make()
    runtime.call_at(START + 1, functools.partial(explode, None))
    with pytest.raises(ValueError, match="boom"):
        runtime.run_until(START + 1)


def test_a_frozen_actor_is_found_abandoned_and_not_heard_when_it_wakes_up(make):
    runtime = make()
    old = spawn(runtime, "a", to="supervisor")
    runtime.run_until(START + 1)
    thaw = runtime.freeze("a")
    runtime.tell("a", fill(1))
    runtime.tell("a", fill(2))
    runtime.run_until(START + SECOND)
    (hung,) = runtime.hung(SECOND // 2)
    assert (hung.name, hung.incarnation, hung.doing, hung.age_ns) == ("a", 2, "OrderFilled", SECOND - 1)
    assert runtime.abandon("a", "hung")
    new = spawn(runtime, "a", to="supervisor")
    thaw()
    runtime.tell("a", fill(3))
    runtime.run_until(START + 2 * SECOND)
    assert [message for _, _, message in old.heard] == [fill(1)]
    assert [message for _, _, message in new.heard] == [fill(3)]
    assert told(runtime) == [ActorReady("a", 2), ActorDied("a", 2, "hung"), ActorReady("a", 3), fill(3)]
    assert old.counters["unheard"] == 1


def test_a_frozen_actor_that_thaws_in_time_has_lost_nothing(make):
    runtime = make()
    actor = spawn(runtime, "a")
    runtime.run_until(START + 1)
    runtime.call_at(START + SECOND, runtime.freeze("a"))
    for n in range(3):
        runtime.tell("a", n)
    runtime.run_until(START + 2 * SECOND)
    assert actor.heard == [(SECOND, "a", n) for n in range(3)]
    with pytest.raises(LookupError):
        runtime.freeze("nobody")


def test_ask_answers_without_time_passing_if_it_can(make):
    runtime = make()
    spawn(runtime, "a")
    assert runtime.ask("a", "echo", 1.0) == "echo"
    assert runtime.clock.now() == START
    with pytest.raises(ValueError, match="boom"):
        runtime.ask("a", explode, 1.0)
    with pytest.raises(pykka.ActorDeadError):
        runtime.ask("a", "echo", 1.0)


def test_ask_of_a_frozen_actor_times_out_in_virtual_time(make):
    runtime = make()
    spawn(runtime, "a")
    runtime.run_until(START)
    thaw = runtime.freeze("a")
    with pytest.raises(pykka.Timeout):
        runtime.ask("a", "echo", 1.0)
    assert runtime.clock.now() == START + SECOND
    thaw()


def test_stop_all_names_those_that_hang(make):
    runtime = make()
    spawn(runtime, "a", Ticking)
    runtime.run_until(START)
    thaw = runtime.freeze("a")
    runtime.tell("a", "x")
    assert runtime.stop_all(["supervisor"], timeout_s=1.0) == ["a"]
    thaw()


def test_an_actor_that_waits_inside_a_handler_is_caught(make):
    runtime = make()
    spawn(runtime, "a")
    runtime.tell("a", lambda actor: runtime.ask("supervisor", "echo", 1.0))
    runtime.run_until(START + 1)
    assert "must not wait" in told(runtime)[-1].error


def test_an_instant_that_never_ends_is_an_error(make, monkeypatch):
    monkeypatch.setattr("mmactors.runtime.deterministic.MAX_STEPS", 1000)
    runtime = make()
    spawn(runtime, "a", to="a")
    runtime.tell("a", "forever")
    with pytest.raises(LivelockError):
        runtime.run_until(START + 1)
    runtime.stop("a")
    runtime._instant_steps = 0


def chatter(runtime, seconds=3):
    """Six actors and ten ticks a second: feed -> reference -> two markets -> gateway -> risk."""
    heard = []
    for name, to in (("feed", "reference"), ("m1", "gateway"), ("m2", "gateway"), ("gateway", "risk"), ("risk", None)):
        spawn(runtime, name, Ticking if name == "risk" else Recorder, heard=heard, to=to)

    class Reference(Recorder):
        def receive(self, message):
            super().receive(message)
            if message != "late":
                self.after(7 * MILLISECOND, "late")
            for market in ("m1", "m2"):
                self.tell(market, moved(getattr(message, "price", 0.0)))
                self.tell(market, fill(len(heard), market))

    spawn(runtime, "reference", Reference, heard=heard)
    start = runtime.clock.now()
    for n in range(10 * seconds):
        tick = SpotTicked("binance", "BTC", 97_000.0 + n, "book", Nanos(n))
        runtime.call_at(start + n * 100 * MILLISECOND, functools.partial(runtime.tell, "feed", tick))
    runtime.run_until(start + seconds * SECOND)
    return heard


def test_the_same_seed_gives_the_same_trace(make):
    for kwargs in ({}, {"interleaving": 1}, {"interleaving": 1, "max_pause_ns": 5 * MILLISECOND}):
        first, second = make(**kwargs), make(**kwargs)
        assert chatter(first) == chatter(second)
        assert first.trace_hash() == second.trace_hash() != ""


def test_another_interleaving_is_another_legal_order(make):
    runs = {}
    for seed in range(5):
        runtime = make(interleaving=seed)
        heard = chatter(runtime)
        runs[runtime.trace_hash()] = heard
        for name in ("m1", "m2"):
            fills = [message for _, who, message in heard if who == name and isinstance(message, OrderFilled)]
            assert fills == sorted(fills, key=lambda x: int(x.fill_id[1:]))
    assert len(runs) == 5
    assert len({len([x for x in heard if x[1] == "risk" and x[2] == "round"]) for heard in runs.values()}) == 1


def test_pauses_let_time_pass_between_an_actors_messages(make):
    runtime = make(interleaving=3, max_pause_ns=10 * MILLISECOND)
    actor = spawn(runtime, "a")
    runtime.run_until(START + SECOND)
    for n in range(20):
        runtime.tell("a", n)
    runtime.run_until(START + 2 * SECOND)
    times = [time for time, _, _ in actor.heard]
    assert [message for _, _, message in actor.heard] == list(range(20))
    assert len(set(times)) > 10
    assert all(later - earlier <= 10 * MILLISECOND for earlier, later in itertools.pairwise(times))


def test_another_message_is_another_trace(make):
    hashes = set()
    for price in (1.0, 2.0, float("nan")):
        runtime = make()
        spawn(runtime, "a")
        runtime.tell("a", moved(price))
        runtime.run_until(START + 1)
        hashes.add(runtime.trace_hash())
    assert len(hashes) == 3


def test_the_observer_sees_every_message_after_it_was_handled(make):
    seen = []
    runtime = make(observer=lambda now, name, message: seen.append((now - START, name, message)))
    actor = spawn(runtime, "a")
    runtime.call_at(START + 5, lambda: runtime.tell("a", fill(1)))
    runtime.run_until(START + 10)
    assert [x for x in seen if x[1] == "a"] == actor.heard == [(5, "a", fill(1))]


def test_the_trace_can_be_switched_off(make):
    runtime = make(trace=False)
    chatter(runtime, 1)
    assert runtime.trace_hash() == ""
