"""The ledger against an independent model of venue and account, whatever is told late, twice, in gaps or corrected.

The model keeps money the plain way: a list of what happened, summed anew each time. It shares nothing with the
program's ledger but the messages.
"""

from dataclasses import replace

from depth import examples
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from mmactors.core.desk.desk import OrderDesk
from mmactors.core.params import MakerParams
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import (
    AccountSnapshot,
    FetchFills,
    FillsFetched,
    Market,
    MarketReported,
    MarketResolved,
    MarketStatus,
    OrderFilled,
    OrderReported,
    Outcome,
    Resolution,
    StreamGapped,
    VenueConnected,
    VenueDisconnected,
    VenueFill,
    VenueOrder,
    VenuePosition,
    VenueStatus,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos, nanos

DOLLAR = 1_000_000
START = 1_800_000_000 * SECOND
PAYS = {Resolution.YES: (DOLLAR, 0), Resolution.NO: (0, DOLLAR), Resolution.VOID: (DOLLAR // 2, DOLLAR // 2)}
TICKS = (1_000, 5_000, 10_000)


class Truth:
    """What the venue knows: every trade and every payout that ever was."""

    def __init__(self, cash):
        self.start = cash
        self.seq = 1000
        self.markets = {}
        self.fills = []
        self.said = []

    @property
    def cash(self):
        total = self.start
        for fill in self.fills:
            total -= fill.price_micros * fill.size + fill.fee_micros
        for market in self.markets.values():
            if market.resolution is not None:
                yes, no = self.held(market.id)
                pays_yes, pays_no = PAYS[market.resolution]
                total += yes * pays_yes + no * pays_no
        return total

    def held(self, market):
        bought = dict.fromkeys(Outcome, 0)
        for fill in self.fills:
            if fill.market == market:
                bought[fill.outcome] += fill.size
        return bought[Outcome.YES], bought[Outcome.NO]

    def cost(self, market, outcome):
        return sum(f.price_micros * f.size for f in self.fills if (f.market, f.outcome) == (market, outcome))

    def snapshot(self):
        positions = []
        for market in self.markets.values():
            yes, no = self.held(market.id)
            if market.resolution is None and yes + no:
                costs = [Micros(self.cost(market.id, outcome)) for outcome in (Outcome.YES, Outcome.NO)]
                positions.append(VenuePosition(market.id, Contracts(yes), Contracts(no), *costs))
        return AccountSnapshot(self.seq, (), tuple(positions), Micros(self.cash), Micros(0))


class Ledger(RuleBasedStateMachine):
    """Things happen at the venue; the desk hears of them late, more than once, or only by asking again."""

    markets = Bundle("markets")

    @initialize(cash=st.integers(0, 10**12), held=st.lists(st.tuples(st.sampled_from(Outcome), st.integers(1, 50))))
    def begin(self, cash, held):
        self.now = START
        self.truth = Truth(cash)
        self.desk = OrderDesk(lambda _: MakerParams(), prefix="run7", ack_timeout_ns=nanos(2.0))
        self.risk = RiskRules(MakerParams().risk)
        self.stream, self.questions = [], []
        self.listed = 0
        old = self.list_market(0, "spot")
        for outcome, size in held:
            self.trade(old, outcome, 40, size, 0)
        self.stream.clear()  # from before this run
        self.before = self.truth.cash
        self.paid_before = {old: sum(self.truth.cost(old, outcome) for outcome in Outcome)}
        self.up()

    # --- the venue ----------------------------------------------------------------------------------

    @rule(target=markets, tick=st.sampled_from(range(len(TICKS))), name=st.sampled_from(["a", "b"]))
    def list_market(self, tick, name):
        self.listed += 1
        market = Market(f"{name}{self.listed}", "BTC", 97_000.0, MarketStatus.OPEN, Nanos(START), Nanos(START * 2))
        market = replace(market, tick_micros=Micros(TICKS[tick]))
        self.truth.markets[market.id] = market
        self.tell(MarketReported("created", market))
        return market.id

    @rule(
        market=markets,
        outcome=st.sampled_from(Outcome),
        ticks=st.integers(1, 99),
        size=st.integers(1, 500),
        fee=st.integers(-2000, 2000),
    )
    def trade(self, market, outcome, ticks, size, fee):
        """Also after the settlement: a late fill settles again."""
        truth = self.truth
        price = Micros(ticks * truth.markets[market].tick_micros)
        name, number = f"run7-{len(truth.fills)}", len(truth.fills)
        truth.seq += 1
        fill = VenueFill(
            f"f{number}", truth.seq, f"o{number}", name, market, outcome, price, Contracts(size), Micros(fee), True,
            Nanos(0), Contracts(size),
        )  # fmt: skip
        truth.fills.append(fill)
        order = VenueOrder(f"o{number}", name, market, outcome, price, Contracts(size), Contracts(size), "FILLED")
        self.stream.append(OrderReported(truth.seq, "fill", order, fill))

    @rule(market=markets, resolution=st.sampled_from(Resolution))
    def resolve(self, market, resolution):
        """Also a second time, the same or corrected."""
        settled = replace(self.truth.markets[market], status=MarketStatus.RESOLVED, resolution=resolution)
        self.truth.markets[market] = settled
        self.tell(MarketReported("resolved", settled))

    # --- what is heard of it ------------------------------------------------------------------------

    @rule(count=st.integers(1, 4))
    def hear(self, count):
        for _ in range(min(count, len(self.stream))):
            self.tell(self.stream.pop(0))

    @rule(back=st.integers(0, 30))
    def hear_again(self, back):
        """A page that begins long before what was asked for."""
        since = self.desk.reconciliation.seq - back
        told = tuple(f for f in self.truth.fills if since < f.seq <= self.desk.reconciliation.seq and self.mine(f))
        self.tell(FillsFetched(since, told))

    @rule(lost=st.integers(1, 5))
    def gap(self, lost):
        if self.connected:
            self.stream = self.stream[lost:]
            self.tell(StreamGapped(0, 1))
            self.look()

    @rule()
    def down(self):
        if self.connected:
            self.connected = False
            self.stream.clear()
            self.tell(VenueDisconnected("reset", Nanos(self.now)))

    @rule()
    def up(self):
        self.connected = True
        self.tell(VenueConnected("a", "s", frozenset(), 1e6, 1e6, None, Nanos(self.now)))
        self.look()

    @rule(fails=st.booleans())
    def answer(self, fails):
        if self.questions:
            since = self.questions.pop(0)
            told = tuple(f for f in self.truth.fills if f.seq > since)
            self.tell(FillsFetched(since, () if fails else told, "timeout" if fails else None))

    @rule()
    def wait(self):
        self.now += 3 * SECOND
        self.take(self.desk.check(Nanos(self.now)))

    # --- the wires ----------------------------------------------------------------------------------

    def look(self):
        """Behind all that this connection said: a snapshot of the account."""
        self.stream.clear()
        self.tell(self.truth.snapshot())

    def tell(self, report):
        self.take(self.desk.report(report, Nanos(self.now)))

    def take(self, step):
        self.questions += [request.since_seq for request in step.requests if isinstance(request, FetchFills)]
        for event in step.events:
            if isinstance(event, OrderFilled | MarketResolved | VenuePosition | VenueStatus):
                self.risk.handle(event, Nanos(self.now))

    def mine(self, fill):
        return fill.seq > self.desk.start_seq

    # --- what must hold -----------------------------------------------------------------------------

    @invariant()
    def no_fill_counts_that_was_not_and_none_twice(self):
        for market in self.truth.markets:
            position = self.desk.account.position(market)
            assert (position.yes, position.no) <= self.truth.held(market)
            assert position.yes <= self.truth.held(market)[0]
            assert position.no <= self.truth.held(market)[1]

    @invariant()
    def profit_is_conserved(self):
        """Cash gained is what the markets made, with what is held at cost, to the micro-dollar."""
        account = self.desk.account
        made = sum(i.pnl_if(i.resolution) if i.resolution else -i.fees_micros for i in account.positions.values())
        locked = sum(i.cost_micros for i in account.positions.values() if i.resolution is None)
        assert account.cash_micros == self.before + sum(self.paid_before.values()) + made - locked

    def teardown(self):
        """In the end everything is told: then the books are the venue's, of both who keep them."""
        if not hasattr(self, "desk"):
            return
        self.up()
        while self.questions:
            self.answer(False)
        assert self.desk.synced
        for market in self.truth.markets.values():
            self.tell(MarketReported("resolved" if market.resolution else "opened", market))
        for account in (self.desk.account, self.risk.account):
            assert account.cash_micros == self.truth.cash
            for market in self.truth.markets:
                assert (account.position(market).yes, account.position(market).no) == self.truth.held(market)


Ledger.TestCase.settings = settings(max_examples=examples(120), stateful_step_count=30, deadline=None)
TestLedger = Ledger.TestCase
