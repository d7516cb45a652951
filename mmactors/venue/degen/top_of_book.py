"""One market's order book as the venue streams it, and its best prices. Knows no socket and no JSON."""

from typing import Literal

from mmactors.units import Contracts, Micros
from mmactors.venue.degen.replies import BookDelta, BookSnapshot


class Book:
    """Levels in YES terms: snapshot, then deltas without a gap. UsageError until the first snapshot."""

    def __init__(self) -> None:
        self._seq: int | None = None
        self._sides: dict[Literal["bid", "ask"], dict[Micros, Contracts]] = {"bid": {}, "ask": {}}

    def reset(self, snapshot: BookSnapshot) -> None:
        """Start over from a whole book."""
        self._seq = snapshot.seq
        self._sides = {
            "bid": {price: size for price, size in snapshot.bids if size},
            "ask": {price: size for price, size in snapshot.asks if size},
        }

    def apply(self, delta: BookDelta) -> bool:
        """Take in a delta; False if one before it is missing, whereupon the book is unusable until a snapshot.

        One that the snapshot already contains changes nothing.
        """
        if self._seq is None or delta.seq <= self._seq:
            return True
        if delta.seq != self._seq + 1:
            self.drop()
            return False
        self._seq = delta.seq
        for side, price, size in delta.changes:
            if size:
                self._sides[side][price] = size
            else:
                self._sides[side].pop(price, None)
        return True

    def drop(self) -> None:
        """Forget everything."""
        self._seq = None
        self._sides = {"bid": {}, "ask": {}}

    @property
    def usable(self) -> bool:
        """Whether a snapshot is in and nothing since is missing."""
        return self._seq is not None

    @property
    def best(self) -> tuple[Micros | None, Micros | None]:
        """Best bid and best ask; None for an empty side."""
        return max(self._sides["bid"], default=None), min(self._sides["ask"], default=None)
