"""The gateway actor: the only way to the venue. It carries out the desk's decisions and tells all what happened."""

from collections import deque
from typing import Any, get_args

from mmactors.actors import addresses
from mmactors.actors.routing import HEARERS, MARKET, MARKETS, market_of
from mmactors.core.desk.desk import OrderDesk, Step
from mmactors.core.desk.stall_detector import StallDetector
from mmactors.messages import (
    BatchWritten,
    CancelAll,
    MarketChanged,
    MarketListed,
    MarketReady,
    MarketResolved,
    MarketRetired,
    QuoteIntent,
    SendBatch,
    TimePassed,
    TokenRenewed,
    TradingStateChanged,
    VenueConnected,
    VenueDisconnected,
    VenueReport,
)
from mmactors.runtime.actor import Actor
from mmactors.runtime.runtime import Runtime
from mmactors.units import MILLISECOND, SECOND, Nanos
from mmactors.venue.port import Connect

LOOK_EVERY_NS = Nanos(100 * MILLISECOND)
STRANGERS_EVERY_NS = Nanos(60 * SECOND)
REPORTS = get_args(VenueReport)


class GatewayActor(Actor):
    """A shell around `OrderDesk` and the link.

    `latencies_us` receives, for every frame of orders that a price caused, the time from that price's arrival to the
    frame's handing over to the socket. Markets of other than `assets` (None: all are traded) get one line each.
    """

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        incarnation: int,
        *,
        desk: OrderDesk,
        connect: Connect,
        latencies_us: deque[float],
        assets: frozenset[str] | None = None,
    ) -> None:
        super().__init__(runtime, name, incarnation)
        self._desk = desk
        self._assets = assets
        self._venue_up = False
        self._link = connect(self._heard)
        self._latencies_us = latencies_us
        self._origins: dict[int, Nanos] = {}
        self._markets: dict[str, None] = {}
        self._standstill = StallDetector()
        self._strangers_told = 0
        self._strangers_due_ns = Nanos(0)

    def on_begin(self) -> None:
        self._link.start()
        self.every(LOOK_EVERY_NS, TimePassed())

    def on_end(self) -> None:
        self._link.stop()

    def receive(self, message: Any) -> None:
        now = self.clock.now()
        if isinstance(message, BatchWritten):
            origin = self._origins.pop(message.op_id, None)
            if origin is not None:
                self._latencies_us.append((message.at_ns - origin) / 1000)
        if isinstance(message, REPORTS):
            if isinstance(message, VenueConnected | TokenRenewed):
                self.tell(addresses.RISK, message)
            if isinstance(message, VenueConnected):
                self.tell(addresses.JOURNAL, message)
                self.tell(addresses.SUPERVISOR, message)
                self._venue_up = True
            elif isinstance(message, VenueDisconnected):
                if not self._venue_up:
                    self.tell(addresses.SUPERVISOR, message)  # the desk passes on the end of what was up only
                self._venue_up = False
            step = self._desk.report(message, now)
        elif isinstance(message, TimePassed):
            step = self._desk.check(now)
            self._warn(now)
        elif isinstance(message, MarketRetired):
            self._markets.pop(message.market, None)
            self._desk.forget(message.market)
            return
        else:
            if isinstance(message, CancelAll) and message.market is not None:
                self._markets.pop(message.market, None)  # its actor is dead; what becomes of its orders it will be told
            if isinstance(message, MarketReady):
                self._markets[message.market] = None
            step = self._desk.tell(message, now)
            if isinstance(message, TradingStateChanged):
                self._tell_markets(message)
            elif isinstance(message, QuoteIntent) and message.origin_ns is not None:
                self._remember(step, message.origin_ns)
        for event in step.events:
            self._standstill.hear(event, now)
        self._carry_out(step)
        self.counters.update(self._desk.counters)

    def _warn(self, now: Nanos) -> None:
        if (words := self._standstill.look(now)) is not None:
            self.notes.warning("venue: {}", words)
        strangers = self._desk.counters["strangers_cancelled"]
        if strangers > self._strangers_told and now >= self._strangers_due_ns:
            self._strangers_due_ns = Nanos(now + STRANGERS_EVERY_NS)
            text = "venue: {} orders rested that are not of this run: cancelled; does another program use the account?"
            self.notes.warning(text, strangers - self._strangers_told)
            self._strangers_told = strangers

    def _remember(self, step: Step, origin: Nanos) -> None:
        for request in step.requests:
            if isinstance(request, SendBatch):
                self._origins[request.op_id] = origin
        while len(self._origins) > 1000:  # frames of a lost connection are never written
            del self._origins[next(iter(self._origins))]

    def _carry_out(self, step: Step) -> None:
        for request in step.requests:
            self._link.submit(request)
        for event in step.events:
            self._route(event)

    def _route(self, event: object) -> None:
        if isinstance(event, MarketListed | MarketChanged | MarketResolved) and self._foreign(event.market.asset):
            if isinstance(event, MarketListed):
                text = "venue: market {} skipped: asset {} is not among the configured ones"
                self.notes.warning(text, event.market.id, event.market.asset)
            elif isinstance(event, MarketResolved):
                self.tell(addresses.RISK, event)  # we may hold some of it
            return
        hearers = HEARERS.get(type(event))
        if hearers is None:
            self.unexpected(event)
            return
        for hearer in hearers:
            if hearer == MARKET:
                self._tell_market(market_of(event), event)
            elif hearer == MARKETS:
                self._tell_markets(event)
            else:
                self.tell(hearer, event)

    def _foreign(self, asset: str) -> bool:
        return self._assets is not None and asset not in self._assets

    def _tell_market(self, market: str, event: object) -> None:
        if market in self._markets:
            self.tell(addresses.market(market), event)

    def _tell_markets(self, event: object) -> None:
        for market in self._markets:
            self.tell(addresses.market(market), event)

    def _heard(self, message: object) -> None:
        self.runtime.tell(self.name, message)  # from the link's threads into this actor's mailbox
