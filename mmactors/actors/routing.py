"""Who hears of what the desk says: the one table that every shell around an `OrderDesk` goes by.

Owns the addressees and their order. It tells nobody: whoever carries out a step does.
"""

from typing import Any, Final, get_args

from mmactors.actors import names
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

HEARERS: Final[dict[type, tuple[str, ...]]] = {
    **dict.fromkeys(get_args(OrderEvent), (MARKET, names.JOURNAL)),
    OrderFilled: (MARKET, names.RISK, names.JOURNAL),
    BookChanged: (MARKET,),
    MarketListed: (names.SUPERVISOR, names.JOURNAL),
    MarketChanged: (MARKET, names.SUPERVISOR, names.JOURNAL),
    MarketHydrated: (MARKET, names.JOURNAL),
    MarketResolved: (MARKET, names.RISK, names.JOURNAL, names.SUPERVISOR),
    MarketOverdue: (names.SUPERVISOR,),
    PairsMerged: (MARKET, names.RISK, names.JOURNAL),
    SessionReport: (names.JOURNAL,),
    SettledAway: (names.RISK, names.JOURNAL),
    FillMissed: (names.RISK, names.JOURNAL),
    EndUnknown: (names.JOURNAL,),
    VenuePosition: (names.RISK, names.SUPERVISOR),
    VenueStatus: (MARKETS, names.RISK, names.SUPERVISOR, names.JOURNAL),
    VenueDisconnected: (names.JOURNAL, names.SUPERVISOR),
    AllCancelled: (names.SUPERVISOR,),
}
"""By an event's type: whom it concerns, in the order in which they are told."""


def market_of(event: Any) -> str:
    """Return the id of the market that an event told to `MARKET` is about."""
    market = event.market
    return market if isinstance(market, str) else str(market.id)
