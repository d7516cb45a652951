"""Threads of a whole process: a signal shows what they do, and one that hangs does not keep it from ending."""

import signal
import subprocess
import sys

import pytest
from patience import patience

pytestmark = pytest.mark.e2e


def test_a_signal_shows_what_every_thread_is_doing():
    program = """
import os, signal
from mmactors.runtime import Actor, ThreadedRuntime
from mmactors.runtime.thread_logging import dump_threads_on

class Quiet(Actor):
    def receive(self, message):
        return message

dump_threads_on(signal.SIGUSR1)
runtime = ThreadedRuntime()
runtime.spawn("a", Quiet)
runtime.ask("a", "echo", 10)
os.kill(os.getpid(), signal.SIGUSR1)
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=patience(30), capture_output=True, text=True)
    assert ended.returncode == 0
    assert "in take" in ended.stderr
    assert signal.SIGUSR1.name not in ended.stderr


def test_a_hung_actor_does_not_keep_the_program_from_ending():
    program = """
import sys, threading
from mmactors.runtime import Actor, ThreadedRuntime

class Hanging(Actor):
    def receive(self, message):
        message.set()
        threading.Event().wait()

runtime = ThreadedRuntime()
runtime.spawn("a", Hanging)
entered = threading.Event()
runtime.tell("a", entered)
assert entered.wait(float(sys.argv[1]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(patience(10))], timeout=patience(30), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
