"""Markets: what they are, how they end, and the events of their lives."""

from enum import StrEnum
from typing import Literal

from mmactors.units import DOLLAR, SECOND, Contracts, Micros, Nanos
from mmactors.value import value


class Outcome(StrEnum):
    """The two contracts of a market; a pair of them is a dollar."""

    YES = "YES"
    NO = "NO"

    @property
    def opposite(self) -> "Outcome":
        """The other contract."""
        return Outcome.NO if self is Outcome.YES else Outcome.YES


class Resolution(StrEnum):
    """How a market ended; VOID pays half a dollar per contract of either outcome."""

    YES = "YES"
    NO = "NO"
    VOID = "VOID"


class MarketStatus(StrEnum):
    """A market's life as the venue reports it."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    HALTED = "HALTED"
    CLOSED = "CLOSED"
    RESOLVED = "RESOLVED"


@value
class SettlementRule:
    """What decides a market: the last print, or the mean of one-second fixings over `window_s` ending at expiry."""

    kind: Literal["spot", "avg"] = "spot"
    window_s: int = 0
    tie: Outcome = Outcome.NO

    @property
    def fixings(self) -> int:
        """How many one-second fixings' mean decides; 0 if the last print does."""
        return self.window_s if self.kind == "avg" else 0


@value
class Market:
    """One session as the venue lists it. Times are the venue's clock; `strike` is None until it is struck."""

    id: str
    asset: str
    strike: float | None
    status: MarketStatus
    opens_venue_ns: Nanos
    expires_venue_ns: Nanos
    tick_micros: Micros = Micros(10_000)
    min_size: Contracts = Contracts(1)
    max_size: Contracts = Contracts(10_000)
    settlement: SettlementRule = SettlementRule()
    maker_bps: float = 0.0
    taker_bps: float = 0.0
    resolution: Resolution | None = None
    settlement_price: float | None = None

    @property
    def duration_ns(self) -> Nanos:
        """Length of the session."""
        return Nanos(self.expires_venue_ns - self.opens_venue_ns)

    @property
    def duration_s(self) -> int:
        """Length of the session in whole seconds."""
        return round(self.duration_ns / SECOND)

    @property
    def ticks_per_dollar(self) -> int:
        """How many ticks make a dollar (100 for a cent)."""
        return DOLLAR // self.tick_micros


@value
class MarketListed:
    """The venue lists a market that we did not know (gateway -> supervisor)."""

    market: Market


@value
class MarketChanged:
    """A known market opened, halted, closed, or changed its terms (gateway -> market, supervisor)."""

    market: Market
    event: str


@value
class MarketResolved:
    """The venue settled a market (gateway -> market, risk, journal, supervisor).

    `corrected_micros` is what a second word on it changed of our cash; 0 for the first.
    """

    market: Market
    resolution: Resolution
    corrected_micros: Micros = Micros(0)


@value
class MarketOverdue:
    """A market has ended long ago and the venue does not say how; this much is held (gateway -> supervisor)."""

    market: Market
    yes: Contracts
    no: Contracts


@value
class PairsMerged:
    """So many pairs of YES and NO of a market became a dollar each (gateway -> market, risk, journal)."""

    market: str
    pairs: Contracts
