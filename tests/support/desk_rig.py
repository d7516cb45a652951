"""The order desk against a tiny model venue: a rig that plays what a test says, and checks that nothing is lost."""

from dataclasses import replace

from venue_model import VenueModel

from mmactors.core.desk.desk import OrderDesk
from mmactors.core.params import MakerParams
from mmactors.messages import (
    CancelOrder,
    Market,
    MarketHeartbeat,
    MarketReady,
    MarketReported,
    MarketStatus,
    Outcome,
    PlaceOrder,
    QuoteIntent,
    QuoteReason,
    ReplaceOrder,
    RiskHeartbeat,
    VenueConnected,
    VenueError,
)
from mmactors.units import SECOND, Contracts, Nanos, Ticks, nanos

START = 1_800_000_000 * SECOND
MARKET = Market("m", "BTC", 97_000.0, MarketStatus.OPEN, Nanos(START), Nanos(START + 300 * SECOND))
REASON = QuoteReason("", 97_000.0, 97_000.0, 1.0, 0.5, 0.0, 0.5, 0.0, 0.01, 1000, 0, (), (), "EARLY")
ACK = nanos(2.0)
YES, NO = Outcome.YES, Outcome.NO
CONNECTED = VenueConnected("a", "run7", frozenset({"replace", "post_only"}), 1000.0, 1000.0, None, Nanos(START))
REFUSED = VenueError("refused", "MARKET_HALTED", "no")
UNKNOWN = VenueError("unknown", "INTERNAL", "500")


class Rig:
    """A desk and a venue. `out` holds requests until `send`; what the venue says waits until it is heard."""

    def __init__(self, params=None, *, start=True, market=MARKET, connected=CONNECTED):
        self.connected = connected
        self.params = params or MakerParams()
        self.desk = OrderDesk(lambda _: self.params, prefix="run7", ack_timeout_ns=ACK)
        self.venue = VenueModel()
        self.now = START
        self.market = market
        self.events, self.out = [], []
        if start:
            self.start()

    def start(self):
        self.report(self.connected)
        self.report(MarketReported("created", self.market))
        self.report(self.venue.snapshot())
        self.settle()
        self.ready()
        self.settle()
        self.pulse()
        self.clear()

    def clear(self):
        self.events.clear()
        self.venue.received.clear()

    # into the desk
    def _took(self, step):
        self.events += step.events
        self.out += step.requests
        return step

    def tell(self, message):
        return self._took(self.desk.tell(message, Nanos(self.now)))

    def report(self, message):
        return self._took(self.desk.report(message, Nanos(self.now)))

    def check(self, after_s=0.0):
        self.now += round(after_s * SECOND)
        return self._took(self.desk.check(Nanos(self.now)))

    def ready(self, market="m", incarnation=1):
        return self.tell(MarketReady(market, incarnation))

    def pulse(self):
        self.tell(RiskHeartbeat(Nanos(self.now)))
        self.tell(MarketHeartbeat("m", 1))

    def wait(self, seconds):
        """Let time pass with everybody alive, looking ten times a second, the venue silent."""
        for _ in range(round(10 * seconds)):
            self.now += SECOND // 10
            self.pulse()
            self.check()

    def intend(self, *, cancels=(), replaces=(), places=(), market="m", incarnation=1, age_s=0.0, d2=0.0):
        return self.tell(
            QuoteIntent(
                market,
                incarnation,
                tuple(CancelOrder(c) for c in cancels),
                tuple(ReplaceOrder(c, Ticks(t), Contracts(s)) for c, t, s in replaces),
                tuple(places),
                replace(REASON, d2=d2),
                Nanos(self.now - round(age_s * SECOND)),
            )
        )

    # to the venue and back
    def send(self, *, answer=True):
        while self.out:
            self.venue.take(self.out.pop(0), answer=answer)

    def hear(self, *queues):
        heard = False
        for queue in queues or (self.venue.acks, self.venue.stream, self.venue.rest):
            while queue:
                self.report(queue.popleft())
                heard = True
        return heard

    def settle(self):
        """Deliver everything, back and forth, until it is quiet."""
        for _ in range(50):
            self.send()
            if not self.hear() and not self.out:
                return
        raise AssertionError("the desk and the venue talk without end")

    def told(self, *kinds):
        return [e for e in self.events if isinstance(e, kinds)]

    def asked(self, *kinds):
        return [r for r in (*self.venue.received, *self.out) if isinstance(r, kinds)]

    def order(self, cid):
        return self.desk.table.orders.get(cid)

    def consistent(self):
        """What the desk knows is what the venue has."""
        live = {o.client_id: (o.price // 10_000, o.left) for o in self.venue.live()}
        known = {o.client_id: (o.ticks, o.size - o.filled) for o in self.desk.table if not o.final}
        assert known == live
        assert self.desk.account.cash_micros == self.venue.cash
        for (market, outcome), held in self.venue.held.items():
            position = self.desk.account.position(market)
            assert held == (position.yes if outcome is YES else position.no)
        portfolio = self.desk.portfolio
        kept = portfolio.free_cash(besides=""), dict(portfolio.worst_losses)
        for market in list(self.desk.markets.values()):
            portfolio.learn(market)
        assert kept == (portfolio.free_cash(besides=""), portfolio.worst_losses)


def buy(cid="run7-1", ticks=48, size=30, outcome=YES, **more):
    return PlaceOrder(cid, outcome, Ticks(ticks), Contracts(size), **more)


def past(resolution, event="resolved"):
    ended = replace(MARKET, id="past", status=MarketStatus.RESOLVED, resolution=resolution)
    return MarketReported(event, ended)
