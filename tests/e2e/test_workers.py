"""Tasks shared among processes: the same results however many there are, and a Ctrl-C that keeps what is done."""

import multiprocessing
import os
import signal
import time

import pytest
from patience import patience

from mmactors.backtest import workers

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def usual_interrupts():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def squared(task, _stopped):
    return task * task, os.getpid()


def divided(task, _stopped):
    return 1 // task


def interrupting(task, stopped):
    """Interrupt whoever waits, then go on until told to stop."""
    parent = multiprocessing.parent_process()
    if task == 1:
        os.kill(os.getpid() if parent is None else parent.pid, signal.SIGINT)
    deadline = time.monotonic() + patience(30.0)
    while task > 0 and not stopped():
        assert time.monotonic() < deadline
    return task


def deaf(task, _stopped):
    if task == 1:
        os.kill(multiprocessing.parent_process().pid, signal.SIGINT)
    signal.pause()


@pytest.mark.parametrize("processes", [1, 3])
def test_every_task_is_done_and_found_by_its_index(processes):
    heard = []
    found = workers.play(squared, [3, 4, 5], processes=processes, done=heard.append)
    assert {index: square for index, (square, _) in found.items()} == {0: 9, 1: 16, 2: 25}
    assert sorted(heard) == sorted(found.values())
    assert (os.getpid() in {pid for _, pid in found.values()}) is (processes == 1)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_is_that_of_the_task(processes):
    with pytest.raises(ZeroDivisionError):
        workers.play(divided, [1, 0, 2], processes=processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_interrupt_keeps_what_is_done_and_begins_nothing_more(processes):
    found = workers.play(interrupting, range(40), processes=processes)
    assert found[1] == 1
    assert set(found.items()) <= {(each, each) for each in range(40)}  # whether 0 had begun by then is a race
    assert len(found) < 10
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_does_not_listen_to_an_interrupt_is_ended(monkeypatch):
    monkeypatch.setattr(workers, "GRACE_S", 0.3)
    assert workers.play(deaf, [1, 2], processes=2) == {}
    deadline = time.monotonic() + patience(10.0)
    while multiprocessing.active_children():
        assert time.monotonic() < deadline


def test_a_second_interrupt_is_raised():
    def impatient(_task, stopped):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        return stopped()

    with pytest.raises(KeyboardInterrupt):
        workers.play(impatient, [1], processes=1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
