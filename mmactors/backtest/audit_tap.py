"""The venue's log of a run in virtual time, passed to an auditor and digested as it happens.

Owns the passing on. What the log says is the simulator's, what it means the auditor's.
"""

from hashlib import blake2b
from io import BytesIO

import msgspec

from mmactors.audit import Auditor
from mmactors.simulator.prices.world import World
from mmactors.simulator.venue.replies import Json
from mmactors.simulator.venue.venue_log import VenueLog

LINES_AT_ONCE = 500
"""How many lines of the truth log wait for the auditor: one piece of work done often in a row is done faster."""


class AuditTap(VenueLog):
    """The venue's log, passed to an auditor and digested instead of written, so many lines at once."""

    def __init__(self, auditor: Auditor, lines_at_once: int = 1) -> None:
        self.world: World | None = None
        self._auditor = auditor
        self._lines_at_once = lines_at_once
        self._hash = blake2b(digest_size=16)
        self._line = msgspec.json.Encoder().encode
        self._waiting: list[Json] = []
        super().__init__(BytesIO(), self._price)

    def digest(self) -> str:
        """Return the digest of everything so far: each order event, fill, cash movement and market's change.

        The auditor has everything by then, too.
        """
        self._pass_on()
        return self._hash.hexdigest()

    def _price(self, asset: str) -> float:
        return 0.0 if self.world is None else self.world.price(asset)

    def _write(self, line: Json) -> None:
        self._waiting.append(line)
        if len(self._waiting) >= self._lines_at_once:
            self._pass_on()

    def _pass_on(self) -> None:
        lines = self._waiting
        self._hash.update(b"".join(map(self._line, lines)))
        for line in lines:
            self._auditor.feed(line)
        lines.clear()
