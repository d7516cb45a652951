"""Risk: the trading state, heartbeats, marks, exposure, and what a session came to."""

from enum import StrEnum

from mmactors.messages.markets import Resolution
from mmactors.units import Contracts, Micros, Nanos
from mmactors.value import value


class TradingState(StrEnum):
    """What the account may do: all; only cut |net|; only cancel; cancel while the venue refuses even that."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"
    TRAPPED = "TRAPPED"


@value
class MarketHeartbeat:
    """A market actor is alive; unheard for 3 s, its orders are cancelled (market -> gateway)."""

    market: str
    incarnation: int


@value
class TradingStateChanged:
    """The account may now do this much (risk -> gateway, markets, journal)."""

    state: TradingState
    reason: str


@value
class RiskHeartbeat:
    """Risk is alive; without it for 2 s the gate admits only reducing orders (risk -> gateway)."""

    at_ns: Nanos


@value
class SyncJournal:
    """Say when everything received so far is on disk; answered by `JournalSynced` (risk -> journal)."""


@value
class JournalSynced:
    """Everything the journal received before it was asked is on disk (journal -> risk)."""


@value
class VenueStatus:
    """Is the venue there, its clock, its delay, our cash (gateway -> markets, risk)."""

    connected: bool
    offset_ns: Nanos
    order_latency_s: float
    cash_micros: Micros


@value
class FairMoved:
    """A market's mark for equity and exposure (market -> risk)."""

    market: str
    asset: str
    fair: float
    delta_per_dollar: float
    net: int
    spot: float = 0.0


@value
class AssetExposed:
    """What all sessions of an asset gain together per basis point that it rises (risk -> gateway, supervisor).

    `share` is that in units of `risk.max_asset_delta`; `blocked` the direction in which no order may add any more:
    1 for buying the asset's rise (YES), -1 for its fall (NO), 0 for neither.
    """

    asset: str
    dollars_per_bp: float
    share: float
    blocked: int


@value
class SessionReport:
    """One session, reported when settled (market -> journal). Shares and probabilities in 0..1, NaN if not known."""

    market: str
    asset: str
    duration_s: int
    strike: float
    outcome: Resolution
    pnl_micros: Micros
    net_at_close: int
    net_at_10pct: int
    max_abs_net: int
    risk_at_close: float
    fills: int
    contracts: int
    two_sided_share: float
    order_messages: int
    yes: Contracts = Contracts(0)
    no: Contracts = Contracts(0)
