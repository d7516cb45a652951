"""Which message travels in which lane: the one table that says what may be conflated and what is money.

Owns the classification and nothing else. Most messages are events: each counts, in order (the FIFO lane). Some only
say how things stand *now*: of those the newest per key is enough (a slot). Slots are read after the FIFO lane, so a
message there that ends a stream of prices (`FeedWentStale` after ticks) takes the waiting ones with it: otherwise an
older price would arrive after its own end and pass for a sign of life.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from mmactors import messages as m

Key = tuple[object, ...]


class Lane(StrEnum):
    """What kind of thing a message is about, as dead letters are counted."""

    MONEY = "money"
    PRICE = "price"
    CONTROL = "control"


SLOTS: dict[type, Callable[[Any], Key]] = {
    m.SpotTicked: lambda x: ("spot", x.source, x.asset, x.kind),
    m.FeedLived: lambda x: ("spot", x.source, x.asset, "life"),
    m.ReferenceMoved: lambda x: ("reference", x.asset),
    m.BookChanged: lambda x: ("book", x.market),
    m.BookReported: lambda x: ("book", x.market),
    m.FairMoved: lambda x: ("fair", x.market),
    m.VenueStatus: lambda _: ("venue",),
    m.RequoteDue: lambda _: ("ladder",),
}
"""Messages that only say how things stand, and the slot they share with their like: the newest wins."""

ENDS: dict[type, Callable[[Any], tuple[Key, ...]]] = {
    m.FeedWentStale: lambda x: (("spot", x.source, x.asset),),
    m.ReferenceLost: lambda x: (("reference", x.asset),),
    m.VenueDisconnected: lambda _: (("book",),),
    m.MarketHydrated: lambda _: (("venue",),),
    m.MarketResolved: lambda x: (("book", x.market.id), ("fair", x.market.id)),
}
"""Messages after which older prices mean nothing, and how the slots they empty begin."""

MONEY: frozenset[type] = frozenset(
    {
        m.QuoteIntent,
        m.CancelAll,
        m.OrderAccepted,
        m.OrderReplaced,
        m.OrderUnchanged,
        m.OrderRejected,
        m.OrderDenied,
        m.OrderUnknown,
        m.OrderCancelled,
        m.OrderFilled,
        m.MarketResolved,
        m.PairsMerged,
        m.SessionReport,
        m.VenueDisconnected,
        m.AccountSnapshot,
        m.OrderReported,
        m.AccountReported,
        m.StreamGapped,
        m.FillsFetched,
        m.OrderFetched,
        m.BatchReported,
        m.CancelAllReported,
        m.SendBatch,
        m.SendCancelAll,
    }
)
"""Messages whose loss may cost money: undelivered, each is an alarm."""


def is_money(message: object) -> bool:
    """Say whether losing this message may cost money."""
    return type(message) in MONEY


def lane_of(message: object) -> Lane:
    """Return the lane under which this message is counted when nobody receives it."""
    kind = type(message)
    if kind in MONEY:
        return Lane.MONEY
    return Lane.PRICE if kind in SLOTS else Lane.CONTROL
