"""Lives of actors on threads: how they begin, die, hang, end, and what others notice of it."""

import functools
import queue
import threading
import time

import pykka
import pytest
from loguru import logger
from patience import patience

from mmactors.messages import (
    ActorDied,
    ActorReady,
    CancelAll,
    MarketHeartbeat,
    OrderFilled,
    Outcome,
    ReferenceMoved,
)
from mmactors.runtime import Actor, ThreadedRuntime
from mmactors.runtime.lanes import Lane
from mmactors.units import MILLISECOND, Contracts, Micros, Nanos, Ticks

WAIT_S = patience(10)


def moved(price):
    return ReferenceMoved("BTC", price, 0.5, Nanos(0), Nanos(0), 0.05, ("binance",))


def fill(n):
    return OrderFilled(
        "m", f"c{n}", f"f{n}", Outcome.YES, Ticks(50), Contracts(1), Micros(0), Contracts(1), True, Nanos(0)
    )


class Recorder(Actor):
    """Hands everything it hears to the test; does what a callable message says."""

    def __init__(self, runtime, name, incarnation, heard=None):
        super().__init__(runtime, name, incarnation)
        self.heard = queue.SimpleQueue() if heard is None else heard

    def receive(self, message):
        if callable(message):
            return message(self)
        self.heard.put(message)
        return message


class Draining(Recorder):
    drains = True


class Ending(Recorder):
    def on_end(self):
        self.heard.put("ended")


class BadBeginning(Recorder):
    def on_begin(self):
        raise RuntimeError("no beginning")


class BadEnding(Recorder):
    def on_end(self):
        raise RuntimeError("no ending")


class Unmade(Recorder):
    def __init__(self, runtime, name, incarnation):
        raise RuntimeError("not made")


class Stall:
    """A message in which an actor hangs until it is released."""

    def __init__(self, then=None):
        self.entered = threading.Event()
        self.release = threading.Event()
        self.then = then

    def __call__(self, actor):
        self.entered.set()
        assert self.release.wait(WAIT_S)
        if self.then is not None:
            self.then(actor)


def explode(actor):
    raise ValueError("boom")


def exit_program(actor):
    raise SystemExit(0)


def interrupt(actor):
    raise KeyboardInterrupt


def eventually(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        threading.Event().wait(0.001)


class House:
    """A runtime with a supervisor that reports to the test."""

    def __init__(self):
        self.runtime = ThreadedRuntime()
        self.told = queue.SimpleQueue()
        self.runtime.spawn("supervisor", functools.partial(Recorder, heard=self.told))

    def spawn(self, name="a", kind=Recorder, **kwargs):
        incarnation = self.runtime.spawn(name, functools.partial(kind, **kwargs))
        actor = self.runtime.directory.get(name)
        assert self.told.get(timeout=WAIT_S) == ActorReady(name, incarnation)
        return actor

    def died(self):
        report = self.told.get(timeout=WAIT_S)
        assert isinstance(report, ActorDied)
        return report

    @property
    def dead_letters(self):
        return self.runtime.statistics().dead_letters


@pytest.fixture
def house():
    made = House()
    yield made
    late = made.runtime.stop_all(["supervisor"])
    assert late == []
    assert pykka.ActorRegistry.get_all() == []


@pytest.fixture
def lines():
    """What is logged."""
    logged = []
    sink = logger.add(lambda line: logged.append(str(line)), level="DEBUG", diagnose=True, backtrace=True)
    yield logged
    logger.remove(sink)


def test_an_actor_receives_what_it_is_told_by_name(house):
    actor = house.spawn()
    house.runtime.tell("a", "hello")
    assert actor.heard.get(timeout=WAIT_S) == "hello"
    actor.tell("supervisor", "back")
    assert house.told.get(timeout=WAIT_S) == "back"


def test_a_tell_to_a_dead_actor_never_raises_and_is_counted_by_lane(house, lines):
    house.spawn()
    house.runtime.stop("a")
    assert house.died() == ActorDied("a", 2, None)
    for message in (fill(1), moved(1), moved(2), MarketHeartbeat("m", 1)):
        house.runtime.tell("a", message)
    house.runtime.tell("never there", CancelAll(None, "test"))
    assert house.dead_letters == {Lane.MONEY: 2, Lane.PRICE: 2, Lane.CONTROL: 1}
    alarms = [line for line in lines if "money dead letter" in line]
    assert len(alarms) == 2
    assert not any("ReferenceMoved" in line for line in lines)


def test_an_exception_in_a_handler_is_reported_and_logged_once(house, lines):
    house.spawn()
    house.runtime.tell("a", explode)
    assert house.died() == ActorDied("a", 2, "ValueError: boom")
    assert not house.runtime.alive("a")
    deaths = [line for line in lines if "a#2 died" in line]
    assert len(deaths) == 1
    assert "in explode" in deaths[0]


def test_an_exception_in_on_begin_is_reported_like_one_in_a_handler(house):
    assert house.runtime.spawn("a", BadBeginning) == 2
    assert house.died() == ActorDied("a", 2, "RuntimeError: no beginning")
    assert not house.runtime.alive("a")


def test_an_actor_that_cannot_be_made_is_a_death_and_not_the_spawners(house):
    assert house.runtime.spawn("a", Unmade) == 2
    assert house.died() == ActorDied("a", 2, "RuntimeError: not made")
    assert house.runtime.statistics().died == 1


def test_a_thread_that_cannot_be_started_is_a_death_and_not_the_spawners(house, monkeypatch):
    def no_thread(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        house.runtime.spawn("a", Recorder)
    assert house.died() == ActorDied("a", 2, "RuntimeError: can't start new thread")
    assert not house.runtime.alive("a")


def test_an_exception_in_on_end_is_reported(house):
    house.spawn(kind=BadEnding)
    house.runtime.stop("a")
    assert house.died().error == "RuntimeError: no ending"


def test_on_end_runs_after_a_crash_too(house):
    actor = house.spawn(kind=Ending)
    house.runtime.tell("a", explode)
    assert house.died().error == "ValueError: boom"
    assert actor.heard.get(timeout=WAIT_S) == "ended"


def test_queued_messages_of_a_dying_actor_are_counted(house, lines):
    house.spawn()
    stall = Stall(then=explode)
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    for message in (fill(1), fill(2), fill(3), moved(1), MarketHeartbeat("m", 1)):
        house.runtime.tell("a", message)
    stall.release.set()
    house.died()
    assert house.dead_letters == {Lane.MONEY: 3, Lane.PRICE: 1, Lane.CONTROL: 1}
    assert any("lost: 1 MarketHeartbeat, 3 OrderFilled, 1 ReferenceMoved" in line for line in lines)


@pytest.mark.parametrize(("poison", "error"), [(exit_program, "SystemExit: 0"), (interrupt, "KeyboardInterrupt:")])
def test_system_exit_in_one_actor_leaves_the_others_alive(house, poison, error):
    house.spawn("a")
    other = house.spawn("b")
    house.runtime.tell("a", poison)
    assert house.died() == ActorDied("a", 2, error)
    house.runtime.tell("b", "still there?")
    assert other.heard.get(timeout=WAIT_S) == "still there?"


def test_one_death_does_not_cascade_through_a_chain(house):
    for n in range(5):
        house.spawn(f"link{n}")
    house.runtime.tell("link4", explode)
    house.died()
    for n in range(4):
        house.runtime.tell(f"link{n}", lambda actor, n=n: actor.tell(f"link{n + 1}", "onward"))
    house.runtime.ask("link3", "answered, so the tell before it was handled", WAIT_S)
    assert [house.runtime.alive(f"link{n}") for n in range(5)] == [True, True, True, True, False]
    assert house.dead_letters[Lane.CONTROL] == 1


def test_a_hung_actor_is_found_and_an_idle_one_is_not(house):
    house.spawn("a")
    house.spawn("idle")
    stall = Stall()
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    eventually(lambda: house.runtime.hung(MILLISECOND))
    (hung,) = house.runtime.hung(MILLISECOND)
    assert (hung.name, hung.incarnation, hung.doing) == ("a", 2, "Stall")
    assert hung.age_ns > MILLISECOND
    assert house.runtime.hung(3600 * 1000 * MILLISECOND) == []
    stall.release.set()
    eventually(lambda: not house.runtime.hung(0))


def test_an_abandoned_actor_is_replaced_and_not_heard_when_it_wakes_up(house, lines):
    woken = threading.Event()

    def send_an_old_order(actor):
        actor.tell("supervisor", fill(1))
        woken.set()

    old = house.spawn(kind=Ending)
    stall = Stall(then=send_an_old_order)
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    house.runtime.tell("a", fill(2))
    assert house.runtime.abandon("a", "hung")
    assert not house.runtime.abandon("a", "twice")
    assert house.died() == ActorDied("a", 2, "hung")
    assert house.dead_letters[Lane.MONEY] == 1
    new = house.spawn("a")
    assert house.runtime.incarnation("a") == new.incarnation == 3
    stall.release.set()
    assert woken.wait(WAIT_S)
    eventually(lambda: any("a#2 woke up" in line for line in lines))
    assert old.counters["unheard"] == 1
    assert old.heard.empty()  # not even on_end
    house.runtime.ended(old, "a death that comes too late")
    house.runtime.tell("a", "hello")
    assert new.heard.get(timeout=WAIT_S) == "hello"
    assert house.told.empty()
    assert house.runtime.statistics().abandoned == 1


def test_incarnations_are_unique_over_all_actors_and_rise(house):
    first, other = house.spawn("a"), house.spawn("b")
    house.runtime.stop("a")
    house.died()
    again = house.spawn("a")
    assert [first.incarnation, other.incarnation, again.incarnation] == [2, 3, 4]
    assert house.runtime.names() == ["supervisor", "b", "a"]


def test_a_name_is_given_to_one_actor_at_a_time(house):
    house.spawn("a")
    with pytest.raises(ValueError, match="a is alive"):
        house.runtime.spawn("a", Recorder)


def test_stop_does_not_queue_behind_the_backlog(house):
    actor = house.spawn()
    stall = Stall()
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    for n in range(100):
        house.runtime.tell("a", n)
    house.runtime.stop("a")
    stall.release.set()
    assert house.died().error is None
    assert actor.heard.empty()
    assert house.dead_letters[Lane.CONTROL] == 100


def test_a_draining_actor_handles_what_was_queued_before_the_stop(house):
    actor = house.spawn(kind=Draining)
    stall = Stall()
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    for n in range(100):
        house.runtime.tell("a", n)
    house.runtime.stop("a")
    stall.release.set()
    assert house.died().error is None
    assert [actor.heard.get(timeout=WAIT_S) for _ in range(100)] == list(range(100))
    assert house.dead_letters == dict.fromkeys(Lane, 0)


def test_a_draining_actor_that_dies_of_its_backlog_loses_the_rest(house):
    house.spawn(kind=Draining)
    stall = Stall()
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    for message in ("fine", explode, fill(1), fill(2)):
        house.runtime.tell("a", message)
    house.runtime.stop("a")
    stall.release.set()
    assert house.died().error == "ValueError: boom"
    assert house.dead_letters[Lane.MONEY] == 2


def test_a_draining_actor_that_crashed_does_not_go_on(house):
    actor = house.spawn(kind=Draining)
    stall = Stall(then=explode)
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    house.runtime.tell("a", fill(1))
    stall.release.set()
    assert house.died().error == "ValueError: boom"
    assert actor.heard.empty()
    assert house.dead_letters[Lane.MONEY] == 1


def test_a_busy_market_wakes_once_on_the_newest_price_after_every_known_fill(house):
    actor = house.spawn()
    stall = Stall()
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    for n in range(10_000):
        house.runtime.tell("a", moved(n))
        if n % 20 == 0:
            house.runtime.tell("a", fill(n // 20))
    stall.release.set()
    heard = [actor.heard.get(timeout=WAIT_S) for _ in range(501)]
    assert heard == [*(fill(n) for n in range(500)), moved(9_999)]
    house.runtime.ask("a", "last", WAIT_S)
    assert actor.heard.get() == "last"


def test_timers_fire_in_order_and_a_cancelled_one_does_not(house):
    actor = house.spawn()

    def set_timers(actor):
        actor.after(3 * MILLISECOND, "third")
        actor.after(1 * MILLISECOND, "first")
        actor.after(2 * MILLISECOND, "never").cancel()
        actor.at(actor.clock.now() + 2 * MILLISECOND, "second")

    house.runtime.tell("a", set_timers)
    assert [actor.heard.get(timeout=WAIT_S) for _ in range(3)] == ["first", "second", "third"]


def test_a_periodic_timer_fires_until_cancelled(house):
    actor = house.spawn()
    timer = house.runtime.ask("a", lambda actor: actor.every(MILLISECOND, "round"), WAIT_S)
    assert [actor.heard.get(timeout=WAIT_S) for _ in range(3)] == ["round"] * 3
    house.runtime.ask("a", lambda actor: timer.cancel(), WAIT_S)
    assert not timer.active


def test_a_period_must_be_positive(house):
    actor = house.spawn()
    with pytest.raises(ValueError, match="positive"):
        actor.every(0, "round")


def test_ask_returns_the_answer_and_an_exception_kills_the_actor_as_in_a_tell(house):
    house.spawn()
    assert house.runtime.ask("a", "echo", WAIT_S) == "echo"
    with pytest.raises(ValueError, match="boom"):
        house.runtime.ask("a", explode, WAIT_S)
    assert house.died().error == "ValueError: boom"
    with pytest.raises(pykka.ActorDeadError):
        house.runtime.ask("a", "echo", WAIT_S)


def test_a_question_still_queued_when_the_actor_dies_is_refused(house):
    actor = house.spawn()
    stall = Stall(then=explode)
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    future = actor.actor_ref.ask("question", block=False)
    stall.release.set()
    with pytest.raises(pykka.ActorDeadError):
        future.get(timeout=WAIT_S)
    house.died()


def test_an_actor_may_end_itself(house):
    house.spawn()
    house.runtime.tell("a", lambda actor: actor.stop())
    assert house.died() == ActorDied("a", 2, None)
    assert house.runtime.statistics().stopped == 1


def test_messages_without_a_case_are_counted_and_the_first_is_worth_a_line(house, lines):
    actor = house.spawn()
    for _ in range(3):
        house.runtime.ask("a", lambda actor: actor.unexpected(fill(1)), WAIT_S)
    assert actor.counters["unexpected_OrderFilled"] == 3
    assert len([line for line in lines if "no use for OrderFilled" in line]) == 1


def test_stop_all_ends_the_newest_first_and_the_ordered_last():
    runtime = ThreadedRuntime()
    ends = queue.SimpleQueue()

    class Last(Recorder):
        def on_end(self):
            ends.put(self.name)

    for name in ("journal", "gateway", "market1", "market2"):
        runtime.spawn(name, Last)
    assert runtime.stop_all(["gateway", "journal"]) == []
    assert [ends.get() for _ in range(4)] == ["market2", "market1", "gateway", "journal"]
    assert runtime.names() == []


def test_stop_all_names_those_that_do_not_end_in_time():
    runtime = ThreadedRuntime()
    runtime.spawn("a", Recorder)
    runtime.spawn("b", Recorder)
    stall = Stall()
    runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    assert runtime.stop_all(timeout_s=0.05) == ["a"]
    stall.release.set()
    eventually(lambda: not runtime.alive("a"))


def test_statistics_show_each_actor_and_the_run(house):
    house.spawn()
    stall = Stall()
    house.runtime.tell("a", stall)
    assert stall.entered.wait(WAIT_S)
    for message in (moved(1), moved(2), "x"):
        house.runtime.tell("a", message)
    house.runtime.directory.get("a").counters["orders"] += 1
    (figures,) = [x for x in house.runtime.statistics().actors if x.name == "a"]
    assert (figures.incarnation, figures.kind, figures.doing) == (2, "Recorder", "Stall")
    assert (figures.handled, figures.depth, figures.max_depth, figures.conflated) == (0, 2, 2, 1)
    assert figures.counters == {"orders": 1}
    assert figures.doing_ns > 0
    assert house.runtime.statistics().spawned == 2
    stall.release.set()


def test_no_values_of_variables_reach_the_log_when_an_actor_dies(house, lines):
    def explode_with_a_secret(actor):
        api_key = "hunter" + "2" * 8
        raise ValueError(len(api_key) // 0)

    house.spawn()
    house.runtime.tell("a", explode_with_a_secret)
    assert house.died().error.startswith("ZeroDivisionError")
    text = "".join(lines)
    assert "ZeroDivisionError" in text
    assert "hunter22222222" not in text
