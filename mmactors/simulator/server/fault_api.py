"""Taking a price feed away and changing a market, for tests: routes that only the simulator has.

`POST /simulator/feeds/binance` with `{"state": "silent"}` (sockets stay, nothing comes), `{"state": "cut"}` (sockets
closed, none accepted) or `{"state": "live"}`; with `{"outlier_bp": 100, "for_ms": 200}` the feed shows wrong prices for
a while. `POST /simulator/markets/ID` with `{"kind": "halt"}` and the like (see `alterations`) does to a market what a
venue can do. The answer says when, in the venue's milliseconds. Knows nothing of what a feed says.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from mmactors.simulator.prices.exchange import Exchange
from mmactors.simulator.server.encoder import encode
from mmactors.simulator.server.hub import Say, VenueClock
from mmactors.simulator.venue.interventions import MarketIntervention


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    state: Literal["live", "silent", "cut"] | None = None
    outlier_bp: Annotated[float, msgspec.Meta(ge=-9000, le=9000)] | None = None
    for_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 200


class FaultApi:
    """Every exchange's switch, and the hand on the markets.

    `alter` changes a market (id, how, when), or raises ValueError.
    """

    def __init__(
        self,
        exchanges: Iterable[Exchange],
        clock: VenueClock,
        say: Say,
        alter: Callable[[str, MarketIntervention, int], None],
    ) -> None:
        self._exchanges = {exchange.name: exchange for exchange in exchanges}
        self._clock = clock
        self._say = say
        self._alter = alter

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [
            web.post("/simulator/feeds/{source}", self._switch),
            web.post("/simulator/markets/{id}", self._change),
        ]

    async def _change(self, request: web.Request) -> web.Response:
        market_id, now_ms = request.match_info["id"], self._clock.now_ms()
        try:
            change = msgspec.json.decode(await request.read(), type=MarketIntervention)
            self._alter(market_id, change, now_ms)
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
            raise web.HTTPBadRequest(reason=" ".join(str(error).split())) from None
        self._say(f"market {market_id}: {change.kind}")
        return web.Response(text=encode({"at": now_ms, "kind": change.kind}), content_type="application/json")

    async def _switch(self, request: web.Request) -> web.Response:
        exchange = self._exchanges.get(request.match_info["source"])
        if exchange is None:
            raise web.HTTPNotFound(reason=f"no such feed; there are {', '.join(self._exchanges)}")
        try:
            wish = msgspec.json.decode(await request.read(), type=_Wish)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise web.HTTPBadRequest(reason=" ".join(str(error).split())) from None
        now_ms = self._clock.now_ms()
        if wish.state is not None:
            exchange.state = wish.state
            self._say(f"feed {exchange.name} is {wish.state}")
        if wish.outlier_bp is not None:
            exchange.show_outlier(wish.outlier_bp, now_ms, wish.for_ms)
            self._say(f"feed {exchange.name} is off by {wish.outlier_bp:g} bp for {wish.for_ms} ms")
        return web.Response(text=encode({"at": now_ms, "state": exchange.state}), content_type="application/json")
