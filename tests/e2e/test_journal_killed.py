"""The journal of a process that is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmactors.ops.journal import JournalStore

pytestmark = pytest.mark.e2e

WRITER = """
import sys
from pathlib import Path
from mmactors.messages import OrderFilled, Outcome
from mmactors.ops.journal import JournalStore
store = JournalStore.open(Path(sys.argv[1]))
run = store.begin_run(1)
print("run", run, flush=True)
for n in range(1_000_000):
    store.record_fills([OrderFilled("M", f"{run}-{n}", f"f-{run}-{n}-{k}", Outcome.YES, 48, 1, 0, 1, True, 1)
                        for k in range(5)], 1)
    store.commit()
    print(n, flush=True)
"""


@pytest.mark.parametrize("lines", [3, 40, 150])
def test_kill_9_loses_nothing_that_was_committed(tmp_path: Path, lines: int):
    path = tmp_path / "journal.db"
    for life in (1, 2):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == f"run {life}\n"
        told = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().splitlines()
        child.wait()
        child.stdout.close()
        committed = len(told) + sum(line.isdigit() for line in rest)
        store = JournalStore.open(path)
        fills = [f for f in store.fills() if f.run == life]
        assert len(fills) % 5 == 0  # groups are whole
        assert committed * 5 <= len(fills) <= (committed + 1) * 5
        store.close()
