"""The gateway role: the only way to the venue. It carries out the desk's decisions and reports what happened."""

from collections import deque
from typing import Any, get_args

from mmactors.actors import addresses
from mmactors.actors.routing import MARKET, MARKETS, RECIPIENTS, market_of
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
from mmactors.runtime.role import Out, Role
from mmactors.units import MILLISECOND, SECOND, Nanos
from mmactors.venue.port import Connect, Link

CHECK_EVERY_NS = Nanos(100 * MILLISECOND)
FOREIGN_EVERY_NS = Nanos(60 * SECOND)
REPORTS = frozenset(get_args(VenueReport))
LISTINGS = frozenset((MarketListed, MarketChanged, MarketResolved))


class GatewayRole(Role):
    """The actor of `OrderDesk` and of the link.

    `latencies_us` receives, for every frame of orders that a price caused, the time from that price's arrival to the
    frame's handing over to the socket. Markets of other than `assets` (None: all are traded) get one line each.
    """

    def __init__(
        self,
        desk: OrderDesk,
        connect: Connect,
        latencies_us: deque[float],
        assets: frozenset[str] | None = None,
    ) -> None:
        self._desk = desk
        self._connect = connect
        self._assets = assets
        self._venue_up = False
        self._latencies_us = latencies_us
        self._origins: dict[int, Nanos] = {}
        self._markets: dict[str, str] = {}  # and each one's address
        self._stall = StallDetector()
        self._foreign_reported = 0
        self._foreign_due_ns = Nanos(0)
        self._link: Link

    def begin(self, out: Out) -> None:
        def deliver(message: object) -> None:  # from the link's threads into this actor's mailbox
            out.tell(out.name, message)

        self._link = self._connect(deliver)
        self._link.start()
        out.every(CHECK_EVERY_NS, TimePassed())

    def end(self, out: Out) -> None:
        self._link.stop()
        out.counters.update(self._desk.counters)

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        kind = type(message)
        if kind in REPORTS:
            self._report(message, out)
            step = self._desk.report(message, now)
        elif kind is TimePassed:
            step = self._desk.check(now)
            self._warn(now, out)
            out.counters.update(self._desk.counters)
        elif kind is MarketRetired:
            self._markets.pop(message.market, None)
            self._desk.forget(message.market)
            return
        else:
            if kind is CancelAll and message.market is not None:
                self._markets.pop(message.market, None)  # its actor is dead; its next one learns what became of orders
            elif kind is MarketReady:
                self._markets[message.market] = addresses.market(message.market)
            step = self._desk.tell(message, now)
            if kind is TradingStateChanged:
                self._tell_markets(message, out)
            elif kind is QuoteIntent and message.origin_ns is not None:
                self._remember(step, message.origin_ns)
        for request in step.requests:
            self._link.submit(request)
        for event in step.events:
            self._stall.on_event(event, now)
            self._route(event, out)

    def _report(self, message: Any, out: Out) -> None:
        """Tell others of what the desk does not pass on."""
        kind = type(message)
        if kind is BatchWritten:
            origin = self._origins.pop(message.op_id, None)
            if origin is not None:
                self._latencies_us.append((message.at_ns - origin) / 1000)
        elif kind is VenueConnected:
            out.tell(addresses.RISK, message)
            out.tell(addresses.JOURNAL, message)
            out.tell(addresses.SUPERVISOR, message)
            self._venue_up = True
        elif kind is TokenRenewed:
            out.tell(addresses.RISK, message)
        elif kind is VenueDisconnected:
            if not self._venue_up:
                out.tell(addresses.SUPERVISOR, message)  # the desk passes on the end of what was up only
            self._venue_up = False

    def _warn(self, now: Nanos, out: Out) -> None:
        if (words := self._stall.evaluate(now)) is not None:
            out.notes.warning("venue: {}", words)
        foreign = self._desk.counters["strangers_cancelled"]
        if foreign > self._foreign_reported and now >= self._foreign_due_ns:
            self._foreign_due_ns = Nanos(now + FOREIGN_EVERY_NS)
            text = "venue: {} orders rested that are not of this run: cancelled; does another program use the account?"
            out.notes.warning(text, foreign - self._foreign_reported)
            self._foreign_reported = foreign

    def _remember(self, step: Step, origin: Nanos) -> None:
        for request in step.requests:
            if type(request) is SendBatch:
                self._origins[request.op_id] = origin
        while len(self._origins) > 1000:  # frames of a lost connection are never written
            del self._origins[next(iter(self._origins))]

    def _route(self, event: object, out: Out) -> None:
        kind = type(event)
        if kind in LISTINGS and self._is_foreign(event, out):
            return
        recipients = RECIPIENTS.get(kind)
        if recipients is None:
            out.unexpected(event)
            return
        for recipient in recipients:
            if recipient == MARKET:
                address = self._markets.get(market_of(event))
                if address is not None:
                    out.tell(address, event)
            elif recipient == MARKETS:
                self._tell_markets(event, out)
            else:
                out.tell(recipient, event)

    def _is_foreign(self, event: Any, out: Out) -> bool:
        """Say whether the market is of an asset that is not traded; its listing is worth a line."""
        if self._assets is None or event.market.asset in self._assets:
            return False
        if type(event) is MarketListed:
            text = "venue: market {} skipped: asset {} is not among the configured ones"
            out.notes.warning(text, event.market.id, event.market.asset)
        elif type(event) is MarketResolved:
            out.tell(addresses.RISK, event)  # we may hold some of it
        return True

    def _tell_markets(self, event: object, out: Out) -> None:
        for address in self._markets.values():
            out.tell(address, event)
