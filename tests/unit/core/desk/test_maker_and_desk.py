"""A Maker, the desk and a model venue together, every queue between them delivered in any order, faults included."""

from collections import deque
from dataclasses import replace

from depth import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from venue_model import VenueModel

from mmactors.core.desk.desk import OrderDesk
from mmactors.core.params import MakerParams
from mmactors.core.quoting import schedule
from mmactors.core.quoting.maker import Maker
from mmactors.messages import (
    AllCancelled,
    BookChanged,
    CancelAll,
    Market,
    MarketHeartbeat,
    MarketHydrated,
    MarketReady,
    MarketReported,
    MarketResolved,
    MarketStatus,
    OrderEvent,
    Outcome,
    QuoteIntent,
    ReferenceMoved,
    RequoteDue,
    Resolution,
    RiskHeartbeat,
    SendBatch,
    StreamGapped,
    TimePassed,
    TradingState,
    TradingStateChanged,
    VenueConnected,
    VenueDisconnected,
    VenueError,
    VenueStatus,
)
from mmactors.units import MILLISECOND, SECOND, Contracts, Nanos, nanos

START = 1_800_000_000 * SECOND
MARKET = Market("m", "BTC", 97_000.0, MarketStatus.OPEN, Nanos(START), Nanos(START + 300 * SECOND))
YES, NO = Outcome.YES, Outcome.NO
PARAMS = MakerParams()
TIGHT = replace(
    PARAMS,
    quoting=replace(PARAMS.quoting, size=Contracts(30)),
    inventory=replace(PARAMS.inventory, max_position=Contracts(100)),
)
TO_MAKER = (OrderEvent, BookChanged | MarketHydrated | MarketResolved | VenueStatus)


class World:
    def __init__(self, params, f=0.99, cash=1_000_000_000_000):
        self.params = params
        self.now = START + round((1 - f) * 300 * SECOND)
        self.desk = OrderDesk(lambda _: params, prefix="run7", ack_timeout_ns=nanos(2.0))
        self.maker = Maker("m", 1, "run7-m", params)
        self.venue = VenueModel(cash=cash)
        self.spot = 97_000.0
        self.intents, self.requests, self.events = deque(), deque(), deque()
        self.told, self.sent = [], 0
        self.up = False
        self.connect()
        self.desk_says(self.desk.tell(MarketReady("m", 1), self.now))
        self.deliver_all()
        self.advance(0)
        self.deliver_all()
        assert self.venue.live(), "it never began"

    # the wires
    def desk_says(self, step):
        self.requests.extend(step.requests)
        self.told += [e for e in step.events if not isinstance(e, TO_MAKER)]
        self.events.extend(e for e in step.events if isinstance(e, TO_MAKER))

    def maker_hears(self, event):
        decision = self.maker.handle(event, Nanos(self.now))
        if decision.requote:
            decision = self.maker.handle(RequoteDue(), Nanos(self.now))
        for command in decision.commands:
            if isinstance(command, QuoteIntent):
                self.intents.append(command)

    def step(self, wire):
        """Deliver one thing on one wire."""
        venue = self.venue
        if wire == "intents" and self.intents:
            self.desk_says(self.desk.tell(self.intents.popleft(), Nanos(self.now)))
        elif wire == "requests" and self.requests:
            request = self.requests.popleft()
            if isinstance(request, SendBatch):
                self.sent += len(request.cancels) + len(request.replaces) + len(request.places)
            if self.up or not isinstance(request, SendBatch):
                venue.take(request)
        elif wire in ("acks", "stream", "rest") and getattr(venue, wire):
            self.desk_says(self.desk.report(getattr(venue, wire).popleft(), Nanos(self.now)))
        elif wire == "events" and self.events:
            self.maker_hears(self.events.popleft())
        else:
            return False
        self.check()
        return True

    def deliver_all(self):
        for _ in range(400):
            delivered = [self.step(w) for w in ("intents", "requests", "acks", "stream", "rest", "events")]
            if not any(delivered):
                return
        raise AssertionError("it talks without end")

    # what happens
    def tick(self, move):
        self.spot *= 1 + move
        seen = Nanos(self.now)
        self.maker_hears(ReferenceMoved("BTC", self.spot, 0.5, seen, seen, 0.02, ("binance",)))

    def advance(self, ns):
        self.now += ns
        self.desk_says(self.desk.tell(RiskHeartbeat(Nanos(self.now)), Nanos(self.now)))
        self.desk_says(self.desk.tell(MarketHeartbeat("m", 1), Nanos(self.now)))
        self.desk_says(self.desk.check(Nanos(self.now)))
        self.tick(0.0)
        self.maker_hears(TimePassed())
        self.check()

    def fill(self, pick, share):
        live = self.venue.live()
        if live:
            order = live[pick % len(live)]
            self.venue.fill(order, max(1, round(share * order.left)))
            self.check()

    def connect(self):
        if self.up:
            return
        self.up = True
        self.desk_says(
            self.desk.report(
                VenueConnected("a", "s", frozenset({"replace", "post_only"}), 1e6, 1e6, None, Nanos(self.now)),
                Nanos(self.now),
            )
        )
        self.desk_says(self.desk.report(MarketReported("created", MARKET), Nanos(self.now)))
        self.snapshot()

    def snapshot(self):
        """It comes behind whatever the venue has said on this connection; gaps lose what was on the stream."""
        while self.venue.acks:
            self.step("acks")
        self.venue.stream.clear()
        self.desk_says(self.desk.report(self.venue.snapshot(), Nanos(self.now)))

    def gap(self):
        if self.up:
            for request in [each for each in self.requests if isinstance(each, SendBatch)]:
                self.requests.remove(request)  # what was sent before on the same connection is heard before
                self.venue.take(request)
            self.desk_says(self.desk.report(StreamGapped(0, 1), Nanos(self.now)))
            self.snapshot()

    def disconnect(self, arrives):
        if not self.up:
            return
        if arrives and self.requests:
            self.venue.take(self.requests.popleft())
        self.requests = deque(r for r in self.requests if not isinstance(r, SendBatch))  # REST has its own way
        self.venue.acks.clear()
        self.venue.stream.clear()
        self.up = False
        self.desk_says(self.desk.report(VenueDisconnected("reset", Nanos(self.now)), Nanos(self.now)))

    def refuse(self, action, kind, done):
        code = {"refused": "MARKET_HALTED", "later": "RATE_LIMITED", "unknown": "INTERNAL"}[kind]
        self.venue.refusals.append((action, VenueError(kind, code, ""), done and action != "place"))

    # what must hold
    def in_flight(self, outcome):
        """The most that requests on their way could add to what lives of an outcome."""
        places, grown = 0, {}
        for request in self.requests:
            if isinstance(request, SendBatch):
                places += sum(p.size for p in request.places if p.outcome is outcome)
                for move in request.replaces:
                    order = self.venue.orders.get(move.order_id)
                    if order is not None and order.left and order.outcome is outcome:
                        more = move.size - order.size
                        grown[move.order_id] = max(grown.get(move.order_id, 0), more)
        return places + sum(grown.values())

    def cost_in_flight(self):
        """The most that requests on their way could add to what the live orders may cost."""
        places, grown = 0, {}
        for request in self.requests:
            if isinstance(request, SendBatch):
                places += sum(p.size * p.price_micros for p in request.places)
                for move in request.replaces:
                    order = self.venue.orders.get(move.order_id)
                    if order is not None and order.left:
                        more = (move.size - order.filled) * move.price_micros - order.left * order.price
                        grown[move.order_id] = max(grown.get(move.order_id, 0), more)
        return places + sum(grown.values())

    def check(self):
        live = sum(o.left * o.price for o in self.venue.live())
        assert live + self.cost_in_flight() <= self.venue.cash, "beyond the cash"
        net = self.venue.net("m")
        position_limit = schedule.position_limit(1.0, self.params.inventory)
        for outcome, signed in ((YES, net), (NO, -net)):
            live = sum(o.left for o in self.venue.live(outcome))
            known = self.desk.table.committed("m", outcome)
            assert signed + live + self.in_flight(outcome) <= position_limit, "beyond the room"
            unheard = sum(f.size for f in self.venue.fills if f.outcome is outcome and not self.booked(f))
            assert live + unheard + self.in_flight(outcome) <= known, "the desk understates what may fill"
        assert all(self.desk.table.orders.get(o.client_id) for o in self.venue.live()), "an order is forgotten"

    def booked(self, fill):
        return fill.fill_id in self.desk.account.position("m")._seen

    def end(self):
        """Whatever happened: once the venue answers again all three agree; then stop, and nothing is left."""
        self.venue.refusals.clear()
        self.connect()
        for _ in range(100):
            self.advance(100 * MILLISECOND)
            self.deliver_all()
        live = {o.client_id: (o.price // 10_000, o.left) for o in self.venue.live()}
        for table in (self.desk.table, self.maker.table):
            assert {o.client_id: (o.ticks, o.size - o.filled) for o in table} == live
            assert not any(o.in_flight or o.missing_fills for o in table)
        assert self.desk.account.cash_micros == self.venue.cash
        assert self.desk.account.position("m").net == self.maker.inventory.net == self.venue.net("m")
        assert live, "it never quotes again"
        sent = self.sent
        for _ in range(20):
            self.advance(10 * MILLISECOND)
            self.deliver_all()
        assert self.sent <= sent + 6, "it sends for nothing"
        self.desk_says(self.desk.tell(CancelAll(None, "stop"), Nanos(self.now)))
        for _ in range(100):
            self.deliver_all()
            self.advance(100 * MILLISECOND)
        assert not self.venue.live()
        assert len(self.desk.table) == len(self.maker.table) == 0
        assert sum(isinstance(e, AllCancelled) for e in self.told) == 1
        ended = replace(MARKET, status=MarketStatus.RESOLVED, resolution=Resolution.YES)
        self.desk_says(self.desk.report(MarketReported("resolved", ended), Nanos(self.now)))
        self.deliver_all()
        assert self.maker.done
        assert self.desk.account.cash_micros == self.venue.cash + 1_000_000 * self.desk.account.position("m").yes


wires = st.sampled_from(["intents", "requests", "requests", "acks", "stream", "rest", "events", "events"])
share = st.floats(0.01, 1.0)
calm = st.one_of(
    st.tuples(st.just("step"), wires),
    st.tuples(st.just("step"), wires),
    st.tuples(st.just("tick"), st.floats(-0.0006, 0.0006)),
    st.tuples(st.just("fill"), st.integers(0, 9), share),
    st.tuples(st.just("advance"), st.sampled_from([MILLISECOND, 30 * MILLISECOND, 120 * MILLISECOND])),
    st.tuples(st.just("deliver_all")),
)
faults = st.one_of(
    st.tuples(
        st.just("refuse"),
        st.sampled_from(["cancel", "replace", "place"]),
        st.sampled_from(["refused", "later", "unknown"]),
        st.booleans(),
    ),
    st.tuples(st.just("disconnect"), st.booleans()),
    st.tuples(st.just("connect")),
    st.tuples(st.just("gap")),
    st.tuples(st.just("lose_ack")),
    st.tuples(st.just("state"), st.sampled_from([TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED])),
    st.tuples(st.just("advance"), st.sampled_from([SECOND, 2100 * MILLISECOND])),
)


def play(world, script):
    for kind, *arguments in script:
        if kind == "lose_ack":
            if world.venue.acks:
                world.venue.acks.popleft()
        elif kind == "state":
            change = TradingStateChanged(arguments[0], "")
            world.desk_says(world.desk.tell(change, Nanos(world.now)))
            world.events.append(change)
        else:
            getattr(world, kind)(*arguments)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(calm, max_size=80))
@example([("fill", 0, 1.0), ("step", "stream"), ("fill", 0, 1.0)])  # a move of an order that has just filled
def test_the_room_holds_for_all_that_may_fill_under_any_interleaving(script):
    world = World(TIGHT)
    play(world, script)
    world.end()


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.one_of(calm, calm, calm, faults), max_size=60), st.integers(20, 90))
@example([("tick", -0.0005), ("fill", 1, 0.5), ("deliver_all",)], 47)  # filled at the old price, grown at the new
def test_the_cash_holds_for_all_that_may_fill_whatever_happens(script, dollars):
    play(World(PARAMS, cash=dollars * 1_000_000), script)


@settings(max_examples=examples(250), deadline=None)
@given(st.lists(st.one_of(calm, calm, calm, faults), max_size=60))
@example(
    [("disconnect", True), ("tick", 0.0), ("step", "intents"), ("step", "requests"), ("connect",), ("deliver_all",)]
)
@example([("gap",), ("step", "requests"), ("fill", 0, 1.0), ("gap",)])  # a page of fills older than the snapshot
@example([("gap",), ("step", "requests"), ("fill", 0, 1.0), ("disconnect", False)])
def test_no_fault_makes_an_order_forgotten_or_understated(script):
    world = World(TIGHT)
    play(world, script)
    if world.desk.state is not TradingState.ACTIVE:
        play(world, [("state", TradingState.ACTIVE)])
    world.end()


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("tick"), st.floats(-0.0003, 0.0003)),
            st.tuples(st.just("fill"), st.integers(0, 9), share),
            st.tuples(st.just("advance"), st.integers(10 * MILLISECOND, 4 * SECOND)),
        ),
        min_size=60,
        max_size=160,
    )
)
def test_a_whole_session_keeps_to_its_schedule(script):
    """With a venue that answers at once the shrinking room, reduce-only and the close hold at all times."""
    params = replace(PARAMS, inventory=replace(PARAMS.inventory, max_position=Contracts(300)))
    world = World(params)
    inv = params.inventory
    for kind, *arguments in script:
        if kind == "advance":
            for _ in range(max(1, arguments[0] // (100 * MILLISECOND))):
                world.advance(min(arguments[0], 100 * MILLISECOND))
                world.deliver_all()
        else:
            getattr(world, kind)(*arguments)
            world.deliver_all()
        tau = MARKET.expires_venue_ns - world.now
        net = world.venue.net("m")
        position_limit = schedule.position_limit(schedule.f(Nanos(tau), MARKET.duration_ns), inv)
        sums = {o: sum(x.left for x in world.venue.live(o)) for o in Outcome}
        assert sums[YES] <= max(0, position_limit - net)
        assert sums[NO] <= max(0, position_limit + net)
        prices = {o: max((x.price for x in world.venue.live(o)), default=0) for o in Outcome}
        assert not all(prices.values()) or sum(prices.values()) <= 980_000
        if tau <= schedule.close_at_ns(MARKET.duration_ns, inv):
            assert not world.venue.live()
        elif tau <= inv.reduce_only_f * MARKET.duration_ns:
            assert sums[YES] <= max(0, -net)
            assert sums[NO] <= max(0, net)
