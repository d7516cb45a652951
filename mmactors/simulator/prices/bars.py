"""One asset's prices on an exchange in bars of a second: what REST histories are made of.

Owns the bars of the hour before and the run so far. The past before the start is the path's own (`PricePath.past`);
what comes after is noted as it happens. Noise is left out, the basis is not. Knows no exchange's format.
"""

from collections import deque
from dataclasses import dataclass

from mmactors.simulator.prices.exchange import ExchangePath

KEPT_S = 7200
LONGEST_GAP_MS = 30_000
"""A longer silence of a recording is left out; a shorter one is filled with the price before."""


@dataclass(slots=True)
class Bar:
    """Open, high, low and close of the time that begins at `start_ms`."""

    start_ms: int
    open: float
    high: float
    low: float
    close: float


class Bars:
    """One asset's prices in bars of a second, the newest unfinished."""

    def __init__(self, path: ExchangePath) -> None:
        self._path = path
        self._bars: deque[Bar] = deque(maxlen=KEPT_S)
        for at_ms, price in path.past():
            self._add(at_ms, price)

    def note(self, now_ms: int) -> None:
        """Take the price of this moment."""
        self._add(now_ms, self._path.quiet)

    def _add(self, now_ms: int, price: float) -> None:
        start_ms = now_ms - now_ms % 1000
        last = self._bars[-1] if self._bars else None
        if last is not None and last.start_ms >= start_ms:
            last.high, last.low, last.close = max(last.high, price), min(last.low, price), price
            return
        if last is not None and start_ms - last.start_ms <= LONGEST_GAP_MS:
            for at_ms in range(last.start_ms + 1000, start_ms, 1000):
                self._bars.append(Bar(at_ms, last.close, last.close, last.close, last.close))
        self._bars.append(Bar(start_ms, price, price, price, price))

    def of(self, step_ms: int, from_ms: float, to_ms: float) -> list[Bar]:
        """Return the bars of this length that begin in the time given, oldest first."""
        found: list[Bar] = []
        for bar in self._bars:
            start_ms = bar.start_ms - bar.start_ms % step_ms
            if not from_ms <= start_ms <= to_ms:
                continue
            if found and found[-1].start_ms == start_ms:
                whole = found[-1]
                whole.high, whole.low, whole.close = max(whole.high, bar.high), min(whole.low, bar.low), bar.close
            else:
                found.append(Bar(start_ms, bar.open, bar.high, bar.low, bar.close))
        return found
