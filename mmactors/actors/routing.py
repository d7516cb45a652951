"""Who receives what the desk reports.

Owns the recipients of each event and their order. It tells nobody: the gateway does.
"""

from typing import Any, Final, get_args

from mmactors.actors import addresses
from mmactors.messages import (
    AllCancelled,
    BookChanged,
    EndUnknown,
    FillMissed,
    MarketChanged,
    MarketHydrated,
    MarketListed,
    MarketOverdue,
    MarketResolved,
    OrderEvent,
    OrderFilled,
    PairsMerged,
    SessionReport,
    SettledAway,
    VenueDisconnected,
    VenuePosition,
    VenueStatus,
)

MARKET: Final = "the event's market"
MARKETS: Final = "every market"

RECIPIENTS: Final[dict[type, tuple[str, ...]]] = {
    **dict.fromkeys(get_args(OrderEvent), (MARKET, addresses.JOURNAL)),
    OrderFilled: (MARKET, addresses.RISK, addresses.JOURNAL),
    BookChanged: (MARKET,),
    MarketListed: (addresses.SUPERVISOR, addresses.JOURNAL),
    MarketChanged: (MARKET, addresses.SUPERVISOR, addresses.JOURNAL),
    MarketHydrated: (MARKET, addresses.JOURNAL),
    MarketResolved: (MARKET, addresses.RISK, addresses.JOURNAL, addresses.SUPERVISOR),
    MarketOverdue: (addresses.SUPERVISOR,),
    PairsMerged: (MARKET, addresses.RISK, addresses.JOURNAL),
    SessionReport: (addresses.JOURNAL,),
    SettledAway: (addresses.RISK, addresses.JOURNAL),
    FillMissed: (addresses.RISK, addresses.JOURNAL),
    EndUnknown: (addresses.JOURNAL,),
    VenuePosition: (addresses.RISK, addresses.SUPERVISOR),
    VenueStatus: (MARKETS, addresses.RISK, addresses.SUPERVISOR, addresses.JOURNAL),
    VenueDisconnected: (addresses.JOURNAL, addresses.SUPERVISOR),
    AllCancelled: (addresses.SUPERVISOR,),
}
"""By an event's type: its recipients, in the order of telling."""


def market_of(event: Any) -> str:
    """Return the id of the market that an event for `MARKET` is about."""
    market = event.market
    return market if isinstance(market, str) else str(market.id)
