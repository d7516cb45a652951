"""Recovery: what earlier runs left, and what became of it."""

from mmactors.messages.markets import Resolution
from mmactors.messages.orders import OrderFilled
from mmactors.messages.risk import SessionReport
from mmactors.units import Contracts, Micros, Nanos
from mmactors.value import value


@value
class PastSettlement:
    """What an earlier run held in a market when it was settled, and how; the journal's word at the start of this."""

    market: str
    resolution: Resolution
    yes: Contracts
    no: Contracts


@value
class PastHolding:
    """What earlier runs bought, and merged, in a market whose end none saw; the journal's word at the start of this."""

    market: str
    fills: tuple[OrderFilled, ...]
    pairs: Contracts


@value
class FillMissed:
    """A fill of an earlier run, which that did not live to write down (gateway -> risk, journal)."""

    fill: OrderFilled


@value
class SettledAway:
    """A market that earlier runs traded was settled, and paid, while none was there (gateway -> risk, journal)."""

    report: SessionReport
    at_ns: Nanos


@value
class EndUnknown:
    """What earlier runs held in a market cannot be settled, for the venue does not say how (gateway -> journal)."""

    market: str
    yes: Contracts
    no: Contracts
    cost_micros: Micros
    reason: str
