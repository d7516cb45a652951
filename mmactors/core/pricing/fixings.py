"""One-second fixings: what the price was at each second that an averaged settlement counts.

Owns the prices of the last minutes and how a fixing is read from them. A fixing belongs to a second of the venue's
clock, counted back from expiry; a price is known by when it was received, on ours. What was true at a moment is
received a feed's delay later: the fixing of a second is the last price received up to then. It holds through a gap.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from mmactors.units import MILLISECOND, SECOND, Nanos
from mmactors.value import value

GRAIN_NS = Nanos(10 * MILLISECOND)
"""Of the prices within this only the last is kept."""

SPARE_S = 5
"""Kept beyond the window: clocks differ, feeds delay."""


class PriceLog:
    """The prices of the last `span_s` seconds, by when they were received, in order."""

    def __init__(self, span_s: int) -> None:
        self._span_ns = (span_s + SPARE_S) * SECOND
        self._times: list[Nanos] = []
        self._prices: list[float] = []

    @property
    def entries(self) -> tuple[tuple[Nanos, float], ...]:
        """What is known, oldest first."""
        return tuple(zip(self._times, self._prices, strict=True))

    def lengthen(self, span_s: int) -> None:
        """Keep at least this many seconds from now on."""
        self._span_ns = max(self._span_ns, (span_s + SPARE_S) * SECOND)

    def add(self, at: Nanos, price: float) -> None:
        """Note a price; one that is older than the last counts as of the last."""
        times = self._times
        if times:
            last = times[-1]
            if at < last:
                at = last
            if at // GRAIN_NS == last // GRAIN_NS:
                times[-1], self._prices[-1] = at, price
                return
            if price == self._prices[-1]:
                return
            if times[0] < at - 2 * self._span_ns:
                self._forget(Nanos(at - self._span_ns))
        times.append(at)
        self._prices.append(price)

    def learn(self, earlier: Iterable[tuple[Nanos, float]]) -> None:
        """Put what somebody else saw before the first price here in front of it."""
        first = self._times[0] if self._times else math.inf
        known = [(at, price) for at, price in earlier if at < first]
        self._times[:0] = [at for at, _ in known]
        self._prices[:0] = [price for _, price in known]

    def total(self, moments: Sequence[int]) -> float | None:
        """Return the sum of the prices at these moments; None if one is before all that is known."""
        times, prices, total = self._times, self._prices, 0.0
        for moment in moments:
            at = bisect_right(times, moment)
            if at == 0:
                return None
            total += prices[at - 1]
        return total

    def _forget(self, before: Nanos) -> None:
        # The last price before is the one that holds at that moment.
        old = max(bisect_right(self._times, before) - 1, 0)
        del self._times[:old], self._prices[:old]


@value
class Realised:
    """What of an average is realised: the sum and the number of its fixings, and the age of the spot beside them."""

    total: float = 0.0
    count: int = 0
    lag_ns: int = 0


NOTHING_REALISED = Realised()


def fixings_to_come(fixings: int, tau_s: float) -> int:
    """Return how many of the fixings, one second apart and the last at expiry, are still to come."""
    return min(max(math.ceil(tau_s), 0), fixings)


class Fixings:
    """The fixings of one market's window, as far as they are realised.

    Args:
        log: the prices; its owner adds to it.
        window_s: how many fixings there are, one a second, the last at expiry.
    """

    def __init__(self, log: PriceLog, window_s: int) -> None:
        self._log = log
        self._window = window_s
        self._count = 0
        self._total: float | None = 0.0

    @property
    def known(self) -> bool:
        """Whether every fixing that is realised was known when last asked."""
        return self._total is not None

    def realised(self, expires_ns: int, now: int, lag_ns: int) -> Realised | None:
        """Return what is realised; None while a fixing of it is not known.

        The sum is made anew from the log once a second: who came late and who was there say the same.

        Args:
            expires_ns: expiry on our clock.
            now: our clock.
            lag_ns: how old a price is when it is received.
        """
        to_come = fixings_to_come(self._window, (expires_ns - now + lag_ns) / SECOND)
        count = self._window - to_come
        if count != self._count or self._total is None:
            self._count = count
            last = expires_ns + lag_ns - to_come * SECOND
            self._total = self._log.total(range(last - (count - 1) * SECOND, last + 1, SECOND))
        return None if self._total is None else Realised(self._total, count, lag_ns)
