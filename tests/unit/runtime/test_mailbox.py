"""The mailbox: lanes, conflation, timers, and how it closes."""

import queue
import threading

import pykka
import pytest
from patience import patience
from pykka._envelope import Envelope

from mmactors.messages import (
    FeedConnected,
    FeedWentStale,
    MarketHeartbeat,
    OrderFilled,
    Outcome,
    ReferenceLost,
    ReferenceMoved,
    SpotTicked,
)
from mmactors.runtime.clock import SystemClock, VirtualClock
from mmactors.runtime.lanes import Lane, is_money, lane_of
from mmactors.runtime.mailbox import STOP, Lanes, Mailbox
from mmactors.units import MILLISECOND, SECOND, Contracts, Micros, Nanos, Ticks


def tick(price, source="binance", asset="BTC", kind="book"):
    return SpotTicked(source, asset, price, kind, Nanos(0))


def moved(price, asset="BTC"):
    return ReferenceMoved(asset, price, 0.5, Nanos(0), Nanos(0), 0.05, ("binance",))


def fill(n):
    return OrderFilled(
        "m", f"c{n}", f"f{n}", Outcome.YES, Ticks(50), Contracts(1), Micros(0), Contracts(1), True, Nanos(0)
    )


def pulse(n):
    return MarketHeartbeat("m", n)


def drain(lanes):
    items = []
    while (item := lanes.poll()) is not None:
        items.append(item)
    return items


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def lanes(clock):
    return Lanes(clock)


def test_events_come_first_and_in_order_then_the_newest_price_of_each_key(lanes):
    for message in (moved(1), fill(1), moved(2), moved(7, "ETH"), fill(2), moved(3)):
        assert lanes.post(message)
    assert drain(lanes) == [fill(1), fill(2), moved(3), moved(7, "ETH")]
    assert lanes.conflated == 2


def test_ticks_conflate_per_source_asset_and_kind(lanes):
    others = [tick(1, source="coinbase"), tick(1, asset="ETH"), tick(1, kind="trade")]
    for message in (tick(1), *others, tick(2)):
        lanes.post(message)
    assert drain(lanes) == [tick(2), *others]


def test_a_stale_feed_takes_its_waiting_ticks_with_it_and_no_others(lanes):
    stale = FeedWentStale("binance", "BTC", Nanos(0), "silent")
    for message in (tick(1), tick(2, kind="trade"), tick(3, asset="ETH"), stale):
        lanes.post(message)
    assert drain(lanes) == [stale, tick(3, asset="ETH")]


def test_a_tick_after_the_stale_report_arrives_after_it(lanes):
    stale = FeedWentStale("binance", "BTC", Nanos(0), "silent")
    for message in (tick(1), stale, FeedConnected("binance", "BTC", Nanos(0)), tick(2)):
        lanes.post(message)
    assert drain(lanes) == [stale, FeedConnected("binance", "BTC", Nanos(0)), tick(2)]


def test_a_lost_reference_is_not_overtaken_by_its_last_price(lanes):
    lost = ReferenceLost("BTC", Nanos(0), "silent")
    lanes.post(moved(1))
    lanes.post(lost)
    assert drain(lanes) == [lost]


def test_lanes_by_which_dead_letters_are_counted():
    assert is_money(fill(1))
    assert not is_money(tick(1))
    assert [lane_of(x) for x in (fill(1), tick(1), pulse(1), "?")] == [
        Lane.MONEY,
        Lane.PRICE,
        Lane.CONTROL,
        Lane.CONTROL,
    ]


def test_timers_fire_in_order_of_due_time(clock, lanes):
    lanes.arm(Nanos(30), "late")
    lanes.arm(Nanos(10), "early")
    lanes.arm(Nanos(10), "early too")
    assert lanes.next_due_ns() == 10
    assert drain(lanes) == []
    clock.advance(30)
    assert drain(lanes) == ["early", "early too", "late"]
    assert lanes.next_due_ns() is None


def test_a_timer_waits_for_what_was_queued_before_it_came_due_and_for_nothing_later(clock, lanes):
    lanes.arm(Nanos(10), "timer")
    lanes.post(pulse(1))
    lanes.post(pulse(2))
    clock.advance(10)
    handled = []
    for n in range(3, 9):  # a FIFO lane that never runs dry
        handled.append(lanes.poll())
        lanes.post(pulse(n))
    assert handled[:4] == [pulse(1), pulse(2), "timer", pulse(3)]


def test_a_cancelled_timer_does_not_fire_even_if_it_was_already_due(clock, lanes):
    first, second = lanes.arm(Nanos(10), "first"), lanes.arm(Nanos(10), "second")
    lanes.post(pulse(1))
    clock.advance(10)
    assert lanes.poll() == pulse(1)  # both timers now stand in the FIFO lane
    first.cancel()
    first.cancel()
    assert drain(lanes) == ["second"]
    assert not second.active


def test_a_periodic_timer_keeps_its_grid_and_skips_rounds_it_missed(clock, lanes):
    timer = lanes.arm(Nanos(10), "tick", Nanos(10))
    clock.set(10)
    assert drain(lanes) == ["tick"]
    clock.set(47)
    assert drain(lanes) == ["tick"]
    assert lanes.next_due_ns() == 50
    timer.cancel()
    clock.set(100)
    assert drain(lanes) == []


def test_cancelled_timers_far_off_do_not_pile_up(lanes):
    for n in range(10_000):
        lanes.arm(Nanos(3600 * SECOND + n), "never").cancel()
    assert len(lanes._timers) < 1000


def test_stop_does_not_queue_behind_the_backlog(lanes):
    for n in range(100):
        lanes.post(pulse(n))
    lanes.request_stop()
    assert lanes.poll() is STOP


def test_a_closed_mailbox_refuses_and_returns_what_was_never_handled(clock, lanes):
    lanes.arm(Nanos(5), "timer")
    for message in (fill(1), moved(1), pulse(1)):
        lanes.post(message)
    assert lanes.depth == lanes.max_depth == 3
    assert lanes.close() == ([fill(1), pulse(1)], [moved(1)])
    assert not lanes.post(fill(2))
    assert lanes.empty()
    assert lanes.poll() is STOP


def test_a_question_to_a_closed_mailbox_is_refused(lanes):
    lanes.close()
    future = pykka.ThreadingFuture()
    lanes.put(Envelope("question", reply_to=future))
    with pytest.raises(pykka.ActorDeadError):
        future.get(timeout=0)


def test_an_empty_mailbox_without_a_thread_has_nothing_to_get(lanes):
    with pytest.raises(LookupError):
        lanes.get()


def test_the_flood_of_a_stall_leaves_every_fill_first_and_one_price():
    mailbox = Mailbox(SystemClock())
    for n in range(10_000):
        mailbox.post(moved(n))
        if n % 20 == 0:
            mailbox.post(fill(n // 20))
    handled = [mailbox.take() for _ in range(501)]
    assert handled == [*(fill(n) for n in range(500)), moved(9_999)]
    assert mailbox.empty()
    assert mailbox.conflated == 9_999
    assert mailbox.max_depth == 501


def test_a_waiting_thread_wakes_for_messages_timers_and_stop():
    mailbox = Mailbox(SystemClock())
    taken = queue.SimpleQueue()

    def take():
        while (item := mailbox.take()) is not STOP:
            taken.put(item)
        taken.put(item)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    mailbox.post("message")
    assert taken.get(timeout=patience(5)) == "message"
    mailbox.arm(Nanos(mailbox.clock.now() + MILLISECOND), "timer")
    assert taken.get(timeout=patience(5)) == "timer"
    mailbox.arm(Nanos(mailbox.clock.now() + 3600 * SECOND), "far off")
    mailbox.post("message")
    assert taken.get(timeout=patience(5)) == "message"
    mailbox.request_stop()
    assert taken.get(timeout=patience(5)) is STOP
    thread.join(patience(5))
    assert not thread.is_alive()


def test_a_wake_up_just_as_the_wait_runs_out_is_used_up():
    mailbox = Mailbox(SystemClock())
    real = mailbox._wake

    class LateWake:
        def acquire(self, timeout=None):
            if timeout is None:
                return real.acquire()
            mailbox.post("just in time")
            return False

        def release(self):
            real.release()

    mailbox._wake = LateWake()
    assert mailbox.take() == "just in time"
    assert real.locked()


def test_no_message_is_lost_between_many_threads_and_timers():
    mailbox = Mailbox(SystemClock())
    senders, each = 4, 3000
    threads = [
        threading.Thread(target=lambda s=s: [mailbox.post((s, n)) for n in range(each)], daemon=True)
        for s in range(senders)
    ]
    mailbox.arm(Nanos(mailbox.clock.now()), "timer", Nanos(50_000))
    for thread in threads:
        thread.start()
    seen = {s: [] for s in range(senders)}
    while sum(map(len, seen.values())) < senders * each:
        item = mailbox.take()
        if item != "timer":
            seen[item[0]].append(item[1])
    assert all(numbers == list(range(each)) for numbers in seen.values())


def test_a_system_clock_is_near_the_wall_clock_and_never_runs_backwards():
    import time

    clock = SystemClock()
    assert abs(clock.now() - time.time_ns()) < SECOND
    readings = [clock.now() for _ in range(1000)]
    assert readings == sorted(readings)


def test_a_virtual_clock_refuses_the_past(clock):
    clock.advance(5)
    assert clock.now() == 5
    with pytest.raises(ValueError, match="backwards"):
        clock.set(4)
