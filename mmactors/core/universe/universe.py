"""The markets that the venue lists and which of them are to be taken up: what a supervisor decides by.

Owns the list, the positions this run began with and the venue's clock. Pure: it spawns nobody; who has been taken
up already is an argument.
"""

from collections.abc import Callable

from mmactors.core.quoting.schedule import f
from mmactors.core.universe.selection import Candidate, select
from mmactors.messages import AssetExposed, IndexSettled, Market, MarketStatus
from mmactors.units import Nanos


class MarketUniverse:
    """The markets known.

    Args:
        assets: the assets to trade; markets of others are left alone.
        max_markets: most markets quoted at once.
    """

    def __init__(self, assets: frozenset[str], max_markets: int) -> None:
        self.markets: dict[str, Market] = {}
        self.found: dict[str, int] = {}
        """Net positions that this run began with."""
        self.offset_ns = Nanos(0)
        self._exposed: dict[str, float] = {}  # share of its limit that an asset's exposure uses
        self._assets = assets
        self._max_markets = max_markets

    def note(self, market: Market) -> None:
        """Take note of a market, or of its new terms."""
        self.markets[market.id] = market

    def expose(self, exposed: AssetExposed) -> None:
        """Take note of how much of its limit an asset's exposure uses."""
        self._exposed[exposed.asset] = 1.0 if exposed.blocked else min(abs(exposed.share), 0.99)

    def resolve(self, market: Market, taken: bool) -> IndexSettled | None:
        """Take note of a market's end, and return what it says of its index; one never traded here is forgotten."""
        if taken:
            self.markets[market.id] = market
        else:
            self.markets.pop(market.id, None)
        if market.settlement_price is None:
            return None
        at_ns = Nanos(market.expires_venue_ns - self.offset_ns)
        return IndexSettled(market.asset, market.settlement_price, at_ns, market.settlement.window_s)

    def retire(self, market_id: str) -> None:
        """Forget a market that is done."""
        self.found.pop(market_id, None)
        self.markets.pop(market_id, None)

    def choose(self, now: Nanos, taken: Callable[[str], bool]) -> tuple[list[Market], list[Candidate]]:
        """Return the markets to take up now, and the candidates left out; one that was taken is never dropped."""
        wanted = [
            market
            for market in self.markets.values()
            if market.status in (MarketStatus.PENDING, MarketStatus.OPEN) and market.asset in self._assets
        ]
        if all(taken(market.id) for market in wanted):
            return [], []
        venue_now = now + self.offset_ns
        candidates = [
            Candidate(
                market=market.id,
                f=f(Nanos(market.expires_venue_ns - venue_now), market.duration_ns),
                incumbent=taken(market.id),
                net=self.found.get(market.id, 0),
                asset_share=self._exposed.get(market.asset, 0.0),
            )
            for market in wanted
        ]
        chosen = select(candidates, self._max_markets)
        left = [each for each in candidates if each.market not in chosen and not each.incumbent]
        return [self.markets[name] for name in chosen if not taken(name)], left
