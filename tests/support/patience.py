"""How long a test waits for a process or a socket: as written on a quiet machine, times what the environment says.

`MMACTORS_TEST_PATIENCE` is a number, 1 unless given. Only waiting is scaled: what a test asserts of the program's own
times is not.
"""

import os

FACTOR = float(os.environ.get("MMACTORS_TEST_PATIENCE", "1"))


def patience(seconds: float) -> float:
    """Return how many seconds to wait here for what takes at most `seconds` on a quiet machine."""
    return seconds * FACTOR
