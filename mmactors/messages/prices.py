"""Prices: what a source reports, and what an asset's reference makes of all of them."""

from typing import Literal

from mmactors.units import Nanos
from mmactors.value import value


@value
class SpotTicked:
    """A price source reported an asset's price: a book's middle, or a trade's price.

    `event_ns` is the exchange's own time where the frame carries one.
    """

    source: str
    asset: str
    price: float
    kind: Literal["book", "trade"]
    received_ns: Nanos
    event_ns: Nanos | None = None


@value
class FeedConnected:
    """A source's socket is up and its subscription stands."""

    source: str
    asset: str
    at_ns: Nanos


@value
class FeedLived:
    """A source's subscription is alive although no price moved (an exchange's heartbeat): life, not a price."""

    source: str
    asset: str
    at_ns: Nanos


@value
class HistoryFetched:
    """An asset's past from a source's REST history: closes every `step_s` seconds, oldest first, in our time."""

    asset: str
    source: str
    step_s: float
    closes: tuple[tuple[Nanos, float], ...]


@value
class FeedWentStale:
    """A source gave no sign of life for too long, or its connection is gone."""

    source: str
    asset: str
    since_ns: Nanos
    reason: str


@value
class SubscribeReference:
    """Ask the asset's reference for its snapshot now and at every move.

    With `past_s`, first for the prices of that many seconds before now (`PricesKnown`): a market that settles on an
    average needs those of its window.
    """

    subscriber: str
    past_s: int = 0


@value
class UnsubscribeReference:
    """End a subscription."""

    subscriber: str


@value
class ReferenceMoved:
    """The asset's reference price and volatility.

    `price_ns` is when the newest price in it was received, `life_ns` the newest sign of life of any source;
    `sigma` is annualised; `feed_latency_s` the measured delay from exchange to here. `apart_bp` is how far the sources
    are from each other, `uncertainty` how many dollars the price may be off because of it.
    """

    asset: str
    price: float
    sigma: float
    price_ns: Nanos
    life_ns: Nanos
    feed_latency_s: float
    sources: tuple[str, ...]
    apart_bp: float = 0.0
    uncertainty: float = 0.0


@value
class PricesKnown:
    """The asset's reference price over `span_s` seconds: when it became this, on our clock, oldest first.

    (reference -> market)
    """

    asset: str
    span_s: int
    prices: tuple[tuple[Nanos, float], ...]


@value
class ReferenceLost:
    """No source of the asset is alive, or they contradict each other: what rests must go."""

    asset: str
    since_ns: Nanos
    reason: str


@value
class IndexSettled:
    """A market of the asset settled at this price of its index, over `window_s` seconds ending then (0: the last)."""

    asset: str
    price: float
    at_ns: Nanos
    window_s: int
