"""The venue's REST endpoints.

Owns paths, parameters, statuses, the check of the bearer token, and the latency of a request and of its answer. It must
not know what an operation does.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from mmactors.simulator.models.latency import Latency
from mmactors.simulator.server.encoder import encode
from mmactors.simulator.server.hub import VenueHub
from mmactors.simulator.server.tokens import bearer
from mmactors.simulator.venue import replies, requests
from mmactors.simulator.venue.ledger import LIVE, Account
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.matching import RefusalError
from mmactors.simulator.venue.replies import Json

Public = Callable[[web.Request], Json]
Private = Callable[[web.Request, Account, object], tuple[int, Json]]
Endpoint = Callable[[web.Request], Awaitable[web.Response]]
FILLS_LIMIT = 500


class Rest:
    """The endpoints of one hub."""

    def __init__(self, hub: VenueHub, latency: Latency) -> None:
        self._hub = hub
        self._latency = latency

    def routes(self) -> list[web.RouteDef]:
        """Return every route."""
        return [
            web.get("/time", self._public(lambda _: {"server_time": self._hub.clock.now_ms()})),
            web.get("/markets", self._public(self._markets)),
            web.get("/markets/{id}", self._public(self._market)),
            web.get("/markets/{id}/orderbook", self._public(self._orderbook)),
            web.post("/orders", self._private(self._place)),
            web.delete("/orders/{id}", self._private(self._cancel)),
            web.delete("/orders", self._private(self._cancel_many)),
            web.patch("/orders/{id}", self._private(self._replace)),
            web.get("/orders", self._private(self._orders)),
            web.get("/positions", self._private(self._positions)),
            web.get("/fills", self._private(self._fills)),
            web.get("/balance", self._private(self._balance)),
            web.post("/positions/merge", self._private(self._merge)),
            web.post("/heartbeat", self._private(self._heartbeat)),
            web.get("/auth/message", self._wallet(self._message)),
            web.post("/auth", self._wallet(self._log_in)),
        ]

    def _public(self, answer: Public) -> Endpoint:
        async def endpoint(request: web.Request) -> web.Response:
            await asyncio.sleep(self._latency.draw_s())
            try:
                self._hub.advance()
                response = web.Response(text=encode(answer(request)), content_type="application/json")
            except RefusalError as refusal:
                response = refused(refusal)
            await asyncio.sleep(self._latency.draw_s())
            return response

        return endpoint

    def _private(self, answer: Private) -> Endpoint:
        async def endpoint(request: web.Request) -> web.Response:
            raw = await request.read()
            await asyncio.sleep(self._latency.draw_s())
            try:
                _, account = self._hub.identify(bearer(request.headers.get("Authorization")))
                self._hub.advance()
                status, body = answer(request, account, _decode(raw))
                response = web.Response(text=encode(body), status=status, content_type="application/json")
            except RefusalError as refusal:
                response = refused(refusal)
            self._hub.publish()
            await asyncio.sleep(self._latency.draw_s())
            return response

        return endpoint

    def _wallet(self, answer: Callable[[object], Json]) -> Endpoint:
        async def endpoint(request: web.Request) -> web.Response:
            raw = await request.read()
            await asyncio.sleep(self._latency.draw_s())
            try:
                response = web.Response(text=encode(answer(_decode(raw))), content_type="application/json")
            except RefusalError as refusal:
                response = refused(refusal, status=501 if refusal.code == "UNAVAILABLE" else None)
            await asyncio.sleep(self._latency.draw_s())
            return response

        return endpoint

    def _message(self, _body: object) -> Json:
        return {"message": self._hub.wallets.message(self._hub.clock.now_ms())}

    def _log_in(self, body: object) -> Json:
        content = requests.mapping(body, "the body")
        address, message, signature = (requests.text(content, key) for key in ("address", "message", "signature"))
        token, expires_at = self._hub.wallets.log_in(address, message, signature, self._hub.clock.now_ms())
        return {"token": token, "expires_at": expires_at}

    # --- market data ----------------------------------------------------------------------------------

    def _markets(self, request: web.Request) -> Json:
        now, wanted = self._hub.clock.now_ms(), request.query.get("status")
        status = None if wanted is None else wanted.upper()
        markets = self._hub.simulation.venue.markets.values()
        return {"markets": [replies.market_json(m, now) for m in markets if m.listed and status in (None, m.status)]}

    def _market(self, request: web.Request) -> Json:
        return replies.market_json(self._find(request), self._hub.clock.now_ms())

    def _orderbook(self, request: web.Request) -> Json:
        market = self._find(request)
        self._hub.publish()
        depth = _whole(request, "depth", 20)
        return replies.book_snapshot(market, self._hub.clock.now_ms(), max(1, depth))

    def _find(self, request: web.Request) -> Market:
        market_id = request.match_info["id"]
        market = self._hub.simulation.venue.markets.get(market_id)
        if market is None:
            raise RefusalError("MARKET_NOT_FOUND", f"no market {market_id[:64]}")
        return market

    # --- orders ---------------------------------------------------------------------------------------

    def _place(self, _request: web.Request, account: Account, body: object) -> tuple[int, Json]:
        content = requests.mapping(body, "the body")
        if "orders" not in content:
            order = self._submit(account, {"op": "place", "order": content})["order"]
            return (200 if order.get("duplicate") else 201), order
        reply = self._submit(account, {"op": "batch", "place": content["orders"]})
        return 200, {"results": reply["results"]["place"]}

    def _cancel(self, request: web.Request, account: Account, _body: object) -> tuple[int, Json]:
        return 200, self._submit(account, {"op": "cancel", "order_id": request.match_info["id"]})["order"]

    def _cancel_many(self, request: web.Request, account: Account, body: object) -> tuple[int, Json]:
        if isinstance(body, dict) and "ids" in body:
            ids = body["ids"]
            items = [{"order_id": key} for key in ids] if isinstance(ids, list) else ids
            reply = self._submit(account, {"op": "batch", "cancel": items})
            return 200, {"results": reply["results"]["cancel"]}
        market, outcome = request.query.get("market"), request.query.get("outcome")
        return 200, self._submit(account, {"op": "cancel_all", "market": market, "outcome": outcome})["result"]

    def _replace(self, request: web.Request, account: Account, body: object) -> tuple[int, Json]:
        content = requests.mapping(body, "the body")
        return 200, self._submit(account, {**content, "op": "replace", "order_id": request.match_info["id"]})["order"]

    def _orders(self, request: web.Request, account: Account, _body: object) -> tuple[int, Json]:
        query = request.query
        if "client_order_id" in query and "client_order_id" not in self._hub.simulation.capabilities:
            raise requests.bad_request("this venue has no client_order_id")
        status, market, client_id = query.get("status"), query.get("market"), query.get("client_order_id")
        if client_id is not None:
            claim = account.claims.get(client_id)
            found = [] if claim is None else [claim[0]]
        else:
            found = list((account.live if status == "OPEN" else account.orders).values())
        shown = [
            replies.order_json(order)
            for order in found
            if (market is None or order.market == market)
            and (status is None or order.status == status or (status == "OPEN" and order.status in LIVE))
        ]
        return 200, {"orders": shown}

    # --- money ----------------------------------------------------------------------------------------

    def _positions(self, _request: web.Request, account: Account, _body: object) -> tuple[int, Json]:
        return 200, {"positions": [replies.position_json(position) for position in account.positions.values()]}

    def _fills(self, request: web.Request, account: Account, _body: object) -> tuple[int, Json]:
        since, limit = _whole(request, "since", -1), _whole(request, "limit", FILLS_LIMIT)
        limit = min(max(1, limit), FILLS_LIMIT)
        if "fills_since" not in self._hub.simulation.capabilities:
            if "since" in request.query:
                raise requests.bad_request("this venue has no fills_since: it shows the last fills only")
            return 200, {"fills": [replies.fill_json(fill) for fill in account.fills[-limit:]], "next": None}
        after = [fill for fill in account.fills if fill.seq > since]
        page = after[:limit]
        following = page[-1].seq if len(after) > limit else None
        return 200, {"fills": [replies.fill_json(fill) for fill in page], "next": following}

    def _balance(self, _request: web.Request, account: Account, _body: object) -> tuple[int, Json]:
        return 200, replies.balance_json(account.cash, account.reserved)

    def _merge(self, _request: web.Request, account: Account, body: object) -> tuple[int, Json]:
        return 200, self._submit(account, {**requests.mapping(body, "the body"), "op": "merge"})["result"]

    def _heartbeat(self, _request: web.Request, account: Account, body: object) -> tuple[int, Json]:
        if "heartbeat" in self._hub.simulation.config.without:
            raise web.HTTPNotFound
        ttl_ms = requests.milliseconds(requests.mapping(body, "the body"), "ttl_ms")
        if ttl_ms is None:
            raise requests.bad_request("ttl_ms is missing")
        now = self._hub.clock.now_ms()
        return 200, {"expires_at": self._hub.sessions.heartbeat(account.name, ttl_ms, now), "server_time": now}

    def _submit(self, account: Account, frame: Json) -> Json:
        reply = self._hub.submit(account, frame)
        if reply["type"] == "error":
            raise _AnsweredError(reply["error"])
        return reply


class _AnsweredError(RefusalError):
    """A refusal that is JSON already."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["code"], error["message"], retry_after_ms=error.get("retry_after_ms", 0))
        self.error = error


def refused(refusal: RefusalError, status: int | None = None) -> web.Response:
    """Return a refusal as an HTTP response."""
    error = refusal.error if isinstance(refusal, _AnsweredError) else replies.error_json(refusal)
    headers = {"Retry-After": str(math.ceil(refusal.retry_after_ms / 1000))} if refusal.retry_after_ms else None
    return web.Response(
        text=encode({"error": error}),
        status=status or replies.HTTP_STATUS[refusal.code],
        headers=headers,
        content_type="application/json",
    )


def _decode(raw: bytes) -> object:
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise requests.bad_request("the body is not JSON") from None


def _whole(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        raise requests.bad_request(f"{name} must be a whole number") from None
