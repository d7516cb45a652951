"""Routes for tests, which only the simulator has: faults of a price feed and interventions in a market.

`POST /simulator/feeds/binance` with `{"state": "silent"}` (sockets stay, nothing comes), `{"state": "cut"}` (sockets
closed, none accepted) or `{"state": "live"}`; with `{"outlier_bp": 100, "for_ms": 200}` the feed publishes
prices that are wrong by so much, for so long. `POST /simulator/markets/ID` with `{"kind": "halt"}` and the like (see
`venue/interventions.py`) intervenes in a market. The answer has the venue's time, milliseconds UTC. It must not know
the frames of a feed.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from mmactors.simulator.prices.exchange import Exchange
from mmactors.simulator.server.encoder import encode
from mmactors.simulator.server.hub import VenueClock, WriteLine
from mmactors.simulator.venue.interventions import MarketIntervention


class _FeedRequest(msgspec.Struct, forbid_unknown_fields=True):
    state: Literal["live", "silent", "cut"] | None = None
    outlier_bp: Annotated[float, msgspec.Meta(ge=-9000, le=9000)] | None = None
    for_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 200


class FaultApi:
    """The routes of faults and interventions.

    `intervene` carries out an intervention (market id, intervention, milliseconds UTC), or raises ValueError.
    """

    def __init__(
        self,
        exchanges: Iterable[Exchange],
        clock: VenueClock,
        write_line: WriteLine,
        intervene: Callable[[str, MarketIntervention, int], None],
    ) -> None:
        self._exchanges = {exchange.name: exchange for exchange in exchanges}
        self._clock = clock
        self._write_line = write_line
        self._intervene_in = intervene

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [
            web.post("/simulator/feeds/{source}", self._switch),
            web.post("/simulator/markets/{id}", self._intervene),
        ]

    async def _intervene(self, request: web.Request) -> web.Response:
        market_id, now_ms = request.match_info["id"], self._clock.now_ms()
        try:
            intervention = msgspec.json.decode(await request.read(), type=MarketIntervention)
            self._intervene_in(market_id, intervention, now_ms)
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
            raise web.HTTPBadRequest(reason=" ".join(str(error).split())) from None
        self._write_line(f"market {market_id}: {intervention.kind}")
        return web.Response(text=encode({"at": now_ms, "kind": intervention.kind}), content_type="application/json")

    async def _switch(self, request: web.Request) -> web.Response:
        exchange = self._exchanges.get(request.match_info["source"])
        if exchange is None:
            raise web.HTTPNotFound(reason=f"no such feed; there are {', '.join(self._exchanges)}")
        try:
            wanted = msgspec.json.decode(await request.read(), type=_FeedRequest)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise web.HTTPBadRequest(reason=" ".join(str(error).split())) from None
        now_ms = self._clock.now_ms()
        if wanted.state is not None:
            exchange.state = wanted.state
            self._write_line(f"feed {exchange.name} is {wanted.state}")
        if wanted.outlier_bp is not None:
            exchange.show_outlier(wanted.outlier_bp, now_ms, wanted.for_ms)
            self._write_line(f"feed {exchange.name} is off by {wanted.outlier_bp:g} bp for {wanted.for_ms} ms")
        return web.Response(text=encode({"at": now_ms, "state": exchange.state}), content_type="application/json")
