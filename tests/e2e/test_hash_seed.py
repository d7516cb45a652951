"""Virtual time is the same in processes that hash differently."""

import os
import subprocess
import sys

import pytest
from patience import patience

from mmactors.units import SECOND

pytestmark = pytest.mark.e2e

START = 1_700_000_000 * SECOND


def test_a_trace_does_not_depend_on_the_processes_hash_seed():
    program = f"""
from mmactors.messages import VenueConnected
from mmactors.runtime import Actor
from mmactors.runtime.deterministic import DeterministicRuntime

class Quiet(Actor):
    def receive(self, message):
        pass

runtime = DeterministicRuntime({START})
runtime.spawn("a", Quiet)
runtime.tell("a", VenueConnected("acc", "s", frozenset("abcdefgh"), 1.0, 2.0, None, 0))
runtime.run_until({START + 1})
print(runtime.trace_hash())
"""
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
            timeout=patience(30),
        ).stdout
        for seed in (1, 2)
    }
    assert len(hashes) == 1
