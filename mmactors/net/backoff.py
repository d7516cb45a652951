"""How long to wait before the next attempt. Owns the growth and the jitter; knows nothing of what is attempted."""

from random import Random


class Backoff:
    """Give jittered, exponentially growing delays within `first_s`..`cap_s`, seconds."""

    def __init__(self, random: Random, first_s: float = 0.25, cap_s: float = 10.0) -> None:
        self._random = random
        self._first_s = first_s
        self._cap_s = cap_s
        self._failures = 0

    def next_s(self, lived_s: float = 0.0) -> float:
        """Return the delay before the next attempt, in seconds.

        Args:
            lived_s: how long the last connection held; one that held as long as the longest delay starts over.
        """
        if lived_s >= self._cap_s:
            self._failures = 0
        most = min(self._cap_s, 2 * self._first_s * 2.0 ** min(self._failures, 60))
        self._failures += 1
        return most * self._random.uniform(0.5, 1.0)
