"""Every exchange's REST history of the hour before and the run so far. Owns the routes; an answer is the exchange's."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec
from aiohttp import web

from mmactors.simulator.feeds.source import SimulatedSource
from mmactors.simulator.prices.bars import Bars
from mmactors.simulator.server.hub import VenueClock


class History:
    """The histories of exchanges.

    Args:
        exchanges: each with the bars of its symbols.
        clock: the time.
    """

    def __init__(self, exchanges: Iterable[tuple[SimulatedSource, Mapping[str, Bars]]], clock: VenueClock) -> None:
        self._clock = clock
        self._exchanges = list(exchanges)

    def note(self) -> None:
        """Take every price as it is now."""
        now_ms = self._clock.now_ms()
        for _, every in self._exchanges:
            for bars in every.values():
                bars.note(now_ms)

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [web.get(source.history.path, self._answer(source, bars)) for source, bars in self._exchanges]

    def _answer(
        self, source: SimulatedSource, bars: Mapping[str, Bars]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            status, body = source.history.answer(bars, {**request.query, **request.match_info}, self._clock.now_ms())
            return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")

        return answer
