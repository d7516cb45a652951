"""The order desk against a tiny model venue: start, orders, doubt, faults, limits, stop; no order is ever forgotten."""

from dataclasses import replace

import pytest
from venue_model import VenueModel

from mmactors.core.desk.desk import OrderDesk
from mmactors.core.params import InventoryParams, MakerParams, RiskParams
from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    AllCancelled,
    AssetExposed,
    BatchReported,
    BatchWritten,
    BookReported,
    CancelAll,
    CancelAllReported,
    CancelItem,
    CancelOrder,
    ClockMeasured,
    EndUnknown,
    FetchFills,
    FetchMarkets,
    FetchOrder,
    FillMissed,
    FillsFetched,
    ItemResult,
    Market,
    MarketChanged,
    MarketHeartbeat,
    MarketHydrated,
    MarketListed,
    MarketOverdue,
    MarketReady,
    MarketReported,
    MarketResolved,
    MarketStatus,
    MergePairs,
    MergeReported,
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderFetched,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderReported,
    OrderUnchanged,
    OrderUnknown,
    Outcome,
    PairsMerged,
    PastHolding,
    PastSettlement,
    PlaceOrder,
    QuoteIntent,
    QuoteReason,
    ReplaceOrder,
    Resolution,
    RiskHeartbeat,
    SendBatch,
    SendCancelAll,
    SessionReport,
    SettledAway,
    StreamGapped,
    TradingState,
    TradingStateChanged,
    VenueConnected,
    VenueDisconnected,
    VenueError,
    VenueFill,
    VenueOrder,
    VenuePosition,
    VenueStatus,
    WatchBook,
)
from mmactors.units import MILLISECOND, SECOND, Contracts, Micros, Nanos, Ticks, micros, nanos

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


@pytest.fixture
def rig():
    return Rig()


@pytest.fixture
def resting():
    """A rig with one order resting at 48."""
    rig = Rig()
    rig.intend(places=[buy()])
    rig.settle()
    rig.clear()
    return rig


# --- the start ----------------------------------------------------------------------------------------


def test_before_the_account_is_reconciled_nothing_is_admitted():
    rig = Rig(start=False)
    rig.pulse()
    rig.report(MarketReported("created", MARKET))
    rig.ready()
    for message in (CONNECTED, rig.venue.snapshot()):
        rig.intend(places=[buy()])
        assert rig.told(OrderDenied)[-1].rule == "synced"
        rig.report(message)
    rig.intend(places=[buy()])
    assert rig.told(OrderDenied)[-1].rule == "synced"  # the fills are not in yet
    assert not rig.told(MarketHydrated)
    rig.settle()
    assert len(rig.told(MarketHydrated)) == 1
    assert rig.told(VenueStatus)[-1].connected
    rig.pulse()
    rig.intend(places=[buy()])
    rig.settle()
    assert rig.told(OrderAccepted)


def test_without_the_pulse_of_risk_nothing_is_admitted():
    rig = Rig()
    rig.now += 3 * SECOND
    rig.intend(places=[buy()])
    assert rig.told(OrderDenied)[0].rule == "pulse"
    rig.tell(RiskHeartbeat(Nanos(rig.now)))
    rig.intend(places=[buy("run7-2")])
    assert len(rig.told(OrderDenied)) == 1


def test_the_position_held_before_the_run_is_taken_over_and_told():
    rig = Rig(start=False)
    rig.venue.held = {("m", YES): 40, ("gone", NO): 7}
    order = rig.venue.foreign("run6-9", "m", 5)
    rig.venue.fill(order, 5)
    rig.venue.stream.clear()
    rig.start()
    assert rig.desk.account.position("m").yes == 45
    rig.consistent()
    rig = Rig(start=False)
    rig.venue.held = {("m", YES): 40}
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(rig.venue.snapshot())
    assert [(p.market, p.yes) for p in rig.told(VenuePosition)] == [("m", 40)]
    rig.ready()
    rig.settle()
    assert rig.told(MarketHydrated)[0].yes == 40


def test_fills_between_the_snapshot_and_the_page_are_booked_once():
    rig = Rig(start=False)
    order = rig.venue.foreign("run6-9", "m", 30)
    rig.venue.stream.clear()
    rig.venue.fill(order, 10)
    rig.venue.stream.clear()  # in the snapshot
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(rig.venue.snapshot())
    rig.venue.fill(order, 8)  # on the stream and in the page
    rig.settle()
    assert rig.desk.account.position("m").yes == 18
    assert [f.size for f in rig.told(OrderFilled)] == [8]
    rig.consistent()


def test_strangers_are_cancelled_and_counted_until_they_are_gone():
    rig = Rig(start=False)
    rig.venue.foreign("run6-1", "m")
    rig.venue.foreign("", "m")
    rig.venue.foreign("", "elsewhere")
    rig.venue.stream.clear()
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(rig.venue.snapshot())
    assert len(rig.desk.table) == 3
    assert rig.desk.table.committed("m", YES) == 20
    rig.ready()
    assert not rig.told(MarketHydrated), "hydrated while old orders may fill"
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0
    assert rig.desk.counters["strangers_cancelled"] == 3
    assert len(rig.told(MarketHydrated)) == 1


@pytest.mark.parametrize("error", [REFUSED, UNKNOWN])
def test_a_stranger_whose_cancel_fails_is_kept_at_without_spinning(error):
    rig = Rig(start=False)
    rig.venue.foreign("", "m")
    rig.venue.stream.clear()
    rig.venue.refusals += [("cancel", error, False)] * 3
    rig.start()
    assert rig.venue.live()
    assert not rig.desk.account.position("m").yes
    for _ in range(100):
        rig.now += SECOND // 10
        rig.pulse()
        rig.check()
        rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0
    assert len(rig.asked(SendBatch)) <= 3
    assert rig.told(MarketHydrated)


def test_a_stranger_the_venue_does_not_know_any_more_is_gone_without_spinning():
    rig = Rig(start=False)
    order = rig.venue.foreign("", "m")
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(rig.venue.snapshot())
    del rig.venue.orders[order.order_id]
    rig.settle()
    assert len(rig.desk.table) == 0


def test_a_strangers_fills_are_counted_once_whether_told_before_or_after_the_snapshot():
    rig = Rig()
    order = rig.venue.foreign("human", "m", 30)
    rig.venue.fill(order, 10)
    rig.venue.stream.clear()  # missed
    rig.report(StreamGapped(1, 3))
    rig.report(rig.venue.snapshot())
    assert rig.order("human").worst_remaining == 20
    rig.send()  # both the cancel, and the page with the fill of 10
    rig.hear(rig.venue.rest)
    assert rig.desk.account.position("m").yes == 10
    assert rig.order("human").worst_remaining == 20
    rig.settle()
    assert len(rig.desk.table) == 0


def test_a_foreign_order_that_appears_later_is_cancelled():
    rig = Rig()
    rig.venue.foreign("human", "m")
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0


# --- markets ------------------------------------------------------------------------------------------


def test_a_market_is_listed_changed_and_resolved_once_each(rig):
    other = replace(MARKET, id="n")
    rig.report(MarketReported("created", other))
    rig.report(MarketReported("created", other))
    assert [e.market.id for e in rig.told(MarketListed)] == ["n"]
    halted = replace(other, status=MarketStatus.HALTED)
    rig.report(MarketReported("halted", halted))
    rig.report(MarketReported("halted", halted))
    assert len(rig.told(MarketChanged)) == 1
    resolved = replace(other, status=MarketStatus.RESOLVED, resolution=Resolution.YES)
    rig.report(MarketReported("resolved", resolved))
    rig.report(MarketReported("resolved", resolved))
    rig.report(MarketReported("opened", other))  # late
    assert len(rig.told(MarketResolved)) == 1
    assert rig.desk.markets["n"].status is MarketStatus.RESOLVED


def test_seed_defect_08_a_market_settles_once_a_correction_and_a_late_fill_settle_again(resting):
    rig = resting
    order = rig.venue.of("run7-1")
    rig.venue.fill(order, 10)
    rig.settle()
    before = rig.desk.account.cash_micros
    rig.venue.fill(order, 5)
    late = rig.venue.stream.pop()
    for resolution, pays in ((Resolution.YES, 10.0), (Resolution.YES, 10.0), (Resolution.NO, 0.0)):
        rig.report(MarketReported("resolved", replace(MARKET, status=MarketStatus.RESOLVED, resolution=resolution)))
        assert rig.desk.account.cash_micros == before + micros(pays)
    assert [e.resolution for e in rig.told(MarketResolved)] == [Resolution.YES, Resolution.NO]
    rig.report(MarketReported("resolved", replace(MARKET, status=MarketStatus.RESOLVED, resolution=Resolution.VOID)))
    rig.report(late)
    assert rig.desk.account.cash_micros == before - micros(5 * 0.48) + micros(15 * 0.5)


def test_a_late_fill_of_a_settled_market_is_no_exposure(resting):
    rig = resting
    order = rig.venue.of("run7-1")
    rig.venue.fill(order, 30)
    late = rig.venue.stream.pop()
    rig.report(MarketReported("resolved", replace(MARKET, status=MarketStatus.RESOLVED, resolution=Resolution.NO)))
    rig.report(late)
    assert sum(rig.desk.portfolio.worst_losses.values()) == 0


def test_a_market_that_resolves_while_nobody_listens_is_asked_about_until_it_is_known(resting):
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.settle()
    rig.report(MarketReported("closed", replace(MARKET, status=MarketStatus.CLOSED)))
    rig.now = MARKET.expires_venue_ns
    rig.clear()
    rig.check(2.0)
    assert not rig.asked(FetchMarkets), "it may take the venue a moment"
    for _ in range(100):
        rig.check(0.1)
    assert rig.asked(FetchMarkets) == [FetchMarkets("RESOLVED")] * 3
    rig.report(MarketReported("snapshot", replace(MARKET, status=MarketStatus.RESOLVED, resolution=Resolution.YES)))
    assert [event.resolution for event in rig.told(MarketResolved)] == [Resolution.YES]
    assert rig.desk.account.cash_micros == rig.venue.cash + micros(30.0)
    rig.out.clear()
    for _ in range(100):
        rig.check(0.1)
    assert not rig.asked(FetchMarkets)


PAST = PastSettlement("past", Resolution.YES, Contracts(30), Contracts(10))


def past(resolution, event="resolved"):
    ended = replace(MARKET, id="past", status=MarketStatus.RESOLVED, resolution=resolution)
    return MarketReported(event, ended)


@pytest.mark.parametrize("event", ["resolved", "snapshot"])
def test_what_an_earlier_run_settled_can_be_corrected_in_this_one(event):
    rig = Rig(start=False)
    rig.desk.restore([PAST])
    rig.start()
    cash = rig.desk.account.cash_micros
    rig.report(past(Resolution.YES, event))
    assert not rig.told(MarketResolved), "as it was"
    rig = Rig(start=False)
    rig.desk.restore([PAST])
    rig.start()
    rig.report(past(Resolution.NO, event))
    rig.report(past(Resolution.NO, event))
    (told,) = rig.told(MarketResolved)
    assert (told.market.id, told.resolution, told.corrected_micros) == ("past", Resolution.NO, -micros(20.0))
    # What the venue's list says was so before this run began, and is in the cash that it began with.
    assert rig.desk.account.cash_micros == cash - (micros(20.0) if event == "resolved" else 0)
    rig.report(past(Resolution.VOID))
    assert rig.told(MarketResolved)[-1].corrected_micros == micros(10.0)


def test_the_venue_is_asked_once_how_past_markets_ended_and_only_if_there_were_any():
    rig = Rig(start=False)
    asked = []
    take = rig.venue.take
    rig.venue.take = lambda request, **more: (asked.append(request), take(request, **more))
    rig.start()
    assert FetchMarkets("RESOLVED") not in asked
    rig = Rig(start=False)
    take = rig.venue.take
    rig.venue.take = lambda request, **more: (asked.append(request), take(request, **more))
    rig.desk.restore([PAST])
    rig.start()
    rig.wait(5)
    assert asked.count(FetchMarkets("RESOLVED")) == 1


# --- what ended while no run was there ----------------------------------------------------------------


def bought(number, outcome, ticks, size, *, fee=0, client="run6-1", at_s=10, tick=10_000):
    at = Nanos(START + at_s * SECOND)
    return OrderFilled(
        *("past", client, f"x{number}", outcome, Ticks(ticks), Contracts(size), Micros(fee), Contracts(size), True),
        *(at, Micros(tick)),
    )


def missed(seq, number, outcome, price, size, *, fee=0, market="past", at_s=20):
    at = Nanos(START + at_s * SECOND)
    return VenueFill(
        *(f"x{number}", seq, "o", "run6-2", market, outcome, Micros(price), Contracts(size), Micros(fee), True, at),
        Contracts(size),
    )


LEFT = PastHolding("past", (bought(1, YES, 48, 30, fee=7), bought(2, NO, 40, 10)), Contracts(5))
WRITTEN = [missed(1, 1, YES, 480_000, 30, fee=7), missed(2, 2, NO, 400_000, 10)]


def away(*holdings, fills=(), settled=(), answers=True):
    """A desk that begins after earlier runs left these holdings, beside a venue that has these old fills."""
    rig = Rig(start=False)
    rig.venue.fills = list(fills)
    rig.desk.restore(settled, holdings)
    if not answers:
        take = rig.venue.take
        rig.venue.take = lambda request, **_: take(request, answer=request != FetchFills(0, past=True))
    begin(rig)
    return rig


def held(yes, no, *holdings, fills=()):
    """As `away`, but the venue still has the position."""
    rig = Rig(start=False)
    rig.venue.fills = list(fills)
    rig.venue.held = {("past", YES): yes, ("past", NO): no}
    rig.desk.restore((), holdings)
    begin(rig)
    return rig


def begin(rig):
    rig.report(CONNECTED)
    rig.report(rig.venue.snapshot())
    rig.settle()


def test_a_market_settled_while_no_run_was_there_is_settled_once_to_the_micro_dollar():
    rig = away(LEFT, fills=WRITTEN)
    cash = rig.desk.account.cash_micros
    rig.report(past(Resolution.YES, "snapshot"))
    rig.report(past(Resolution.YES, "snapshot"))
    rig.wait(200)
    (told,) = rig.told(SettledAway)
    report = told.report
    assert (report.market, report.outcome, report.yes, report.no) == ("past", Resolution.YES, 25, 5)
    assert report.pnl_micros == micros(30 + 0 - 30 * 0.48 - 10 * 0.40) - 7
    assert (report.net_at_close, report.max_abs_net, report.fills, report.contracts) == (20, 30, 2, 40)
    assert told.at_ns == START
    assert rig.desk.account.cash_micros == cash, "it was paid before this run began"
    assert not rig.told(MarketResolved, EndUnknown, FillMissed, OrderFilled)


def test_what_was_settled_away_is_of_the_day_on_which_it_ended():
    rig = away(LEFT, fills=WRITTEN)
    ended = past(Resolution.VOID, "snapshot").market
    rig.report(MarketReported("snapshot", replace(ended, expires_venue_ns=Nanos(START - 7_200 * SECOND))))
    (told,) = rig.told(SettledAway)
    assert told.at_ns == START - 7_200 * SECOND
    assert told.report.pnl_micros == micros(20 - 30 * 0.48 - 10 * 0.40) - 7


def test_the_venue_is_asked_once_for_what_earlier_runs_left_and_only_if_they_left_anything():
    rig = away()
    assert rig.asked(FetchFills, FetchMarkets) == [FetchFills(100)]
    rig = away(LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES, "snapshot"))
    rig.wait(200)
    assert rig.asked(FetchFills, FetchMarkets) == [FetchFills(100), FetchFills(0, past=True), FetchMarkets("RESOLVED")]


@pytest.mark.parametrize("known", [LEFT, PastHolding("past", (), Contracts(0))])
def test_fills_that_nobody_lived_to_write_down_are_had_from_the_venue(known):
    more = [missed(3, 3, YES, 505_000, 4, fee=3), missed(4, 4, YES, 500_000, 1, market="other")]
    rig = away(known, fills=[*WRITTEN, *more])
    rig.report(past(Resolution.NO, "snapshot"))
    new = [told.fill for told in rig.told(FillMissed)]
    assert [fill.fill_id for fill in new] == (["x3"] if known.fills else ["x1", "x2", "x3"])
    assert new[-1].ticks * new[-1].tick_micros == 505_000
    (told,) = rig.told(SettledAway)
    assert (told.report.yes, told.report.no) == (34 - known.pairs, 10 - known.pairs)
    assert told.report.pnl_micros == micros(10 - 30 * 0.48 - 10 * 0.40 - 4 * 0.505) - 10
    assert not rig.told(OrderFilled), "their cost is in the cash that was adopted"


def test_a_market_in_which_nothing_was_ever_bought_leaves_nothing():
    rig = away(PastHolding("past", (), Contracts(0)))
    rig.report(past(Resolution.NO, "snapshot"))
    rig.wait(200)
    assert not rig.told(SettledAway, EndUnknown)


@pytest.mark.parametrize("event", ["resolved", "snapshot"])
def test_what_was_settled_while_no_run_was_there_can_be_corrected_in_this_one(event):
    rig = away(LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES, "snapshot"))
    cash = rig.desk.account.cash_micros
    rig.report(past(Resolution.NO, event))
    rig.report(past(Resolution.NO, event))
    (told,) = rig.told(MarketResolved)
    assert told.corrected_micros == -micros(20.0)
    assert rig.desk.account.cash_micros == cash - micros(20.0)
    assert len(rig.told(SettledAway)) == 1


def test_a_venue_that_no_longer_tells_how_a_market_ended_is_told_of_once_and_nothing_is_invented():
    rig = away(LEFT, fills=WRITTEN)
    rig.wait(20)
    assert not rig.told(EndUnknown)
    rig.wait(300)
    (told,) = rig.told(EndUnknown)
    assert (told.market, told.yes, told.no, told.cost_micros) == ("past", 25, 5, micros(30 * 0.48 + 10 * 0.40 - 5) + 7)
    assert not rig.told(SettledAway)
    asked = len(rig.asked(FetchMarkets))
    assert 10 <= asked <= 20, "in the end every minute only"
    rig.report(past(Resolution.YES, "snapshot"))
    assert rig.told(SettledAway), "late is better than never"


def test_without_the_venues_fills_nothing_is_settled_and_they_are_asked_for_again():
    rig = away(LEFT, fills=[*WRITTEN, missed(3, 3, YES, 500_000, 4)], answers=False)
    rig.report(past(Resolution.YES, "snapshot"))
    rig.report(FillsFetched(0, (), "no answer"))
    assert rig.desk.synced
    rig.wait(60)
    (told,) = rig.told(EndUnknown)
    assert "fills" in told.reason
    assert not rig.told(SettledAway)
    assert rig.asked(FetchFills).count(FetchFills(0, past=True)) == 2
    rig.report(FillsFetched(0, tuple(rig.venue.fills)))
    assert [each.report.yes for each in rig.told(SettledAway)] == [29]


def test_a_market_still_held_at_the_start_that_nobody_takes_up_is_settled_from_all_its_fills():
    rig = held(29, 5, LEFT, fills=[*WRITTEN, missed(3, 3, YES, 500_000, 4)])
    rig.report(MarketReported("snapshot", replace(MARKET, id="past", status=MarketStatus.CLOSED)))
    rig.wait(200)
    assert not rig.told(EndUnknown), "it may be resolved yet"
    rig.events.clear()
    rig.report(past(Resolution.YES))
    (report,) = rig.told(SessionReport)
    assert (report.yes, report.no) == (29, 5)
    assert report.pnl_micros == micros(34 - 30 * 0.48 - 10 * 0.40 - 4 * 0.50) - 7
    assert rig.told(MarketResolved)
    assert not rig.told(SettledAway), "its payment is this run's"


def test_a_fill_of_this_run_is_not_missed_but_counts():
    rig = Rig(start=False)
    rig.venue.held = {("past", YES): 25, ("past", NO): 5}
    rig.desk.restore((), [LEFT])
    rig.report(CONNECTED)
    rig.report(rig.venue.snapshot())
    rig.report(FillsFetched(100, ()))
    order = rig.venue.foreign("other", "past")  # somebody else trades on the account
    fresh = rig.venue.fill(order, 2)
    rig.report(FillsFetched(0, (*WRITTEN, fresh)))
    assert not rig.told(FillMissed)
    rig.hear(rig.venue.stream)
    assert [fill.fill_id for fill in rig.told(OrderFilled)] == [fresh.fill_id]
    rig.report(past(Resolution.YES))
    (report,) = rig.told(SessionReport)
    assert (report.yes, report.fills, report.contracts) == (27, 3, 42)


def test_pairs_whose_merge_nobody_lived_to_write_down_change_what_was_held_and_no_total():
    rig = held(20, 0, LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES))
    (report,) = rig.told(SessionReport)
    assert (report.yes, report.no) == (20, 0)
    assert report.pnl_micros == micros(30 - 30 * 0.48 - 10 * 0.40) - 7


def test_a_position_of_nothing_is_none():
    rig = held(0, 0, LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES))
    assert rig.told(SettledAway)


def test_a_position_of_which_no_fill_is_known_is_told_of():
    rig = held(5, 0, PastHolding("past", (), Contracts(0)))
    rig.report(past(Resolution.YES))
    assert [(told.yes, told.no) for told in rig.told(EndUnknown)] == [(5, 0)]


def test_an_account_that_begins_anew_has_no_fills_to_ask_for():
    rig = Rig(start=False)
    rig.venue.seq = 0
    rig.desk.restore((), [LEFT, PastHolding("n", (), Contracts(0))])
    begin(rig)
    rig.wait(60)
    assert FetchFills(0, past=True) not in rig.asked(FetchFills)
    assert [told.reason for told in rig.told(EndUnknown)] == ["the venue does not tell how it ended"]


def test_another_connection_asks_nothing_again():
    rig = away(LEFT, fills=WRITTEN)
    rig.report(VenueDisconnected("gone", Nanos(rig.now)))
    begin(rig)
    assert rig.asked(FetchMarkets) == [FetchMarkets("RESOLVED")]
    assert rig.asked(FetchFills).count(FetchFills(0, past=True)) == 1


def test_nothing_is_told_of_a_market_in_which_nothing_is_known_to_have_been_bought():
    rig = away(PastHolding("past", (), Contracts(0)), answers=False)
    rig.wait(100)
    assert not rig.told(EndUnknown)


def test_the_report_of_what_was_settled_away_follows_the_fills_in_the_order_in_which_they_happened():
    fills = bought(1, YES, 48, 30, at_s=50), bought(2, NO, 48, 10, at_s=290)
    rig = away(PastHolding("past", fills, Contracts(0)), fills=[missed(3, 3, NO, 400_000, 30, at_s=10)])
    rig.report(past(Resolution.NO))
    (report,) = [told.report for told in rig.told(SettledAway)]
    assert (report.max_abs_net, report.net_at_10pct, report.net_at_close) == (30, 0, -10)


def test_a_position_that_the_known_fills_do_not_explain_is_told_of_and_nothing_is_invented():
    rig = held(26, 5, LEFT, fills=WRITTEN)
    rig.report(past(Resolution.YES))
    (told,) = rig.told(EndUnknown)
    assert (told.yes, told.no) == (26, 5)
    assert not rig.told(SettledAway, SessionReport)


@pytest.mark.parametrize("answers", [True, False])
def test_a_market_that_an_actor_takes_up_again_is_that_actors_to_report(answers):
    rig = Rig(start=False)
    rig.venue.fills = [*WRITTEN, missed(3, 3, YES, 500_000, 4)]
    rig.venue.held = {("past", YES): 29, ("past", NO): 5}
    rig.desk.restore((), [LEFT])
    rig.report(CONNECTED)
    rig.report(MarketReported("snapshot", replace(MARKET, id="past")))
    rig.report(rig.venue.snapshot())
    rig.ready("past")
    if answers:
        rig.settle()
        assert [told.fill.fill_id for told in rig.told(FillMissed)] == ["x3"]
    else:
        rig.out.clear()
        rig.report(FillsFetched(100, ()))
    rig.report(past(Resolution.YES))
    rig.wait(60)
    assert rig.told(MarketResolved)
    assert not rig.told(SettledAway, SessionReport, EndUnknown)


def test_a_market_of_others_is_neither_listed_nor_resolved_when_it_is_over(rig):
    over = replace(MARKET, id="x", status=MarketStatus.RESOLVED, resolution=Resolution.YES)
    rig.report(MarketReported("resolved", over))
    assert not rig.events


def test_books_are_told_in_ticks_and_only_of_known_markets(rig):
    rig.report(BookReported("m", Micros(470_000), None))
    rig.report(BookReported("x", Micros(470_000), None))
    assert [(b.market, b.bid_ticks, b.ask_ticks) for b in rig.events] == [("m", 47, None)]


def test_an_intent_for_a_market_that_the_desk_does_not_know_is_denied(rig):
    rig.ready("ghost", 4)
    rig.intend(market="ghost", incarnation=4, places=[buy()], cancels=["x"], replaces=[("y", 40, 1)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["market"]
    assert not rig.asked(SendBatch)


def test_an_actors_new_life_gets_its_state_only_when_the_old_orders_are_final(resting):
    rig = resting
    rig.ready(incarnation=2)
    assert not rig.told(MarketHydrated)
    rig.venue.fill(rig.venue.of("run7-1"), 12)  # the cancel comes too late for these
    rig.send()
    rig.hear(rig.venue.acks)
    assert not rig.told(MarketHydrated), "contracts are owed"
    rig.settle()
    (hydrated,) = rig.told(MarketHydrated)
    assert (hydrated.yes, hydrated.yes_cost_micros) == (12, micros(12 * 0.48))
    assert hydrated.cash_micros == rig.venue.cash


def test_a_refused_cancel_of_an_old_lifes_order_is_repeated_so_the_new_life_can_begin(resting):
    rig = resting
    rig.venue.refusals.append(("cancel", REFUSED, False))
    rig.ready(incarnation=2)
    rig.settle()
    assert rig.venue.live()
    assert not rig.told(MarketHydrated)
    for _ in range(7):
        rig.now += SECOND // 10
        rig.check()
        rig.settle()
    assert not rig.venue.live()
    assert len(rig.asked(SendBatch)) == 2
    assert len(rig.told(MarketHydrated)) == 1


def test_an_intent_of_an_earlier_life_is_fenced_off(rig):
    rig.ready(incarnation=2)
    rig.settle()
    rig.clear()
    rig.intend(places=[buy()], incarnation=1)
    assert not rig.events
    assert not rig.out
    assert rig.desk.counters["fenced_intents"] == 1


def test_a_market_unheard_for_three_seconds_has_its_orders_cancelled(resting):
    rig = resting
    rig.now += 3 * SECOND
    rig.check()
    assert not rig.asked(SendBatch)
    rig.check(0.2)
    rig.settle()
    assert not rig.venue.live()


def test_a_silent_markets_cancel_is_repeated_if_refused_but_not_at_every_look(resting):
    rig = resting
    rig.venue.refusals += [("cancel", REFUSED, False)] * 2
    rig.now += 3 * SECOND
    for _ in range(15):
        rig.check(0.1)
        rig.settle()
    assert len(rig.asked(SendBatch)) == 3
    assert not rig.venue.live()


def test_a_pulse_of_an_earlier_life_does_not_count(resting):
    rig = resting
    rig.now += 3 * SECOND + 1
    rig.tell(MarketHeartbeat("m", 0))
    rig.check()
    assert rig.asked(SendBatch)


def test_a_forgotten_markets_orders_are_cancelled_all_the_same(resting):
    rig = resting
    rig.desk.forget("m")
    rig.check(1.0)
    rig.settle()
    assert not rig.venue.live()


# --- orders -------------------------------------------------------------------------------------------


def test_one_ladder_is_one_frame_and_one_answer(rig):
    rig.intend(places=[buy("run7-1", 48), buy("run7-2", 47), buy("run7-3", 50, outcome=NO)])
    (batch,) = rig.out
    assert [p.client_id for p in batch.places] == ["run7-1", "run7-2", "run7-3"]
    assert batch.places[2].outcome is NO
    assert batch.places[2].price_micros == 500_000
    rig.settle()
    assert len(rig.told(OrderAccepted)) == 3
    rig.consistent()


def test_a_batchs_results_go_to_the_orders_they_belong_to(resting):
    rig = resting
    rig.intend(places=[buy("run7-2", 47), buy("run7-3", 46)])
    rig.settle()
    rig.clear()
    rig.venue.refusals += [
        ("replace", REFUSED, False),
        ("place", VenueError("refused", "INSUFFICIENT_FUNDS", ""), False),
    ]
    rig.intend(cancels=["run7-1"], replaces=[("run7-2", 45, 30), ("run7-3", 44, 30)], places=[buy("run7-4", 43)])
    rig.settle()
    assert [(e.client_id, e.reason) for e in rig.told(OrderCancelled)] == [("run7-1", "cancel")]
    assert [(e.client_id, e.action, e.code) for e in rig.told(OrderUnchanged)] == [
        ("run7-2", "replace", "MARKET_HALTED")
    ]
    assert [(e.client_id, e.ticks) for e in rig.told(OrderReplaced)] == [("run7-3", 44)]
    assert [(e.client_id, e.code) for e in rig.told(OrderRejected)] == [("run7-4", "INSUFFICIENT_FUNDS")]
    rig.consistent()


@pytest.mark.parametrize("first", ["acks", "stream"])
def test_the_stream_and_the_answers_may_come_in_either_order(first):
    rig = Rig()
    rig.intend(places=[buy()])
    rig.send()
    rig.venue.fill(rig.venue.of("run7-1"), 10)
    second = {"acks": "stream", "stream": "acks"}[first]
    rig.hear(getattr(rig.venue, first))
    rig.hear(getattr(rig.venue, second))
    assert len(rig.told(OrderAccepted)) == len(rig.told(OrderFilled)) == 1
    rig.consistent()


def test_a_fill_is_told_once_by_stream_and_page(resting):
    rig = resting
    fill = rig.venue.fill(rig.venue.of("run7-1"), 10)
    rig.settle()
    rig.report(FillsFetched(0, (fill,)))
    rig.report(OrderReported(fill.seq, "fill", rig.venue.of("run7-1").told(), fill))
    assert len(rig.told(OrderFilled)) == 1
    assert rig.desk.counters["duplicate_fills"] == 2
    rig.consistent()


def test_hummingbot_2945_fills_are_not_counted_twice_after_a_restart(resting):
    venue = resting.venue
    venue.fill(venue.of("run7-1"), 10)
    venue.stream.clear()
    rig = Rig(start=False)
    rig.venue = venue
    rig.report(CONNECTED)
    rig.report(MarketReported("created", MARKET))
    rig.report(venue.snapshot())
    rig.report(FillsFetched(0, tuple(venue.fills)[:0]))
    rig.settle()
    assert rig.desk.account.position("m").yes == 10
    rig.consistent()


def test_hummingbot_4738_a_failed_cancel_does_not_stop_the_tracking_and_the_fill_is_not_lost(resting):
    rig = resting
    rig.venue.refusals.append(("cancel", REFUSED, False))
    rig.intend(cancels=["run7-1"])
    rig.settle()
    assert rig.order("run7-1").worst_remaining == 30
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.settle()
    assert rig.desk.account.position("m").yes == 30
    rig.consistent()


def test_a_cancel_that_tells_of_more_fills_than_were_seen_owes_them_and_asks(resting):
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 10)
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.order("run7-1").missing_fills == 10
    assert rig.desk.table.committed("m", YES) == 10
    rig.wait(3)
    assert 1 <= len(rig.asked(FetchFills)) <= 2  # not at every look
    rig.send()
    rig.hear(rig.venue.rest)
    assert len(rig.desk.table) == 0
    rig.settle()
    assert rig.desk.account.position("m").yes == 10


def test_a_replace_below_what_has_filled_ends_the_order_with_the_unheard_fills_owed(resting):
    rig = resting
    rig.intend(replaces=[("run7-1", 47, 10)])
    rig.venue.fill(rig.venue.of("run7-1"), 20)
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.order("run7-1").missing_fills == 20
    rig.settle()
    assert len(rig.desk.table) == 0
    rig.consistent()


def test_a_replace_refused_with_the_original_cancelled_ends_the_order(resting):
    rig = resting
    rig.venue.refusals.append(("replace", VenueError("refused", "POST_ONLY_WOULD_CROSS", ""), True))
    rig.intend(replaces=[("run7-1", 49, 30)])
    rig.send()
    rig.hear(rig.venue.acks)
    (gone,) = rig.told(OrderCancelled)
    assert gone.reason == "POST_ONLY_WOULD_CROSS"
    assert len(rig.desk.table) == 0
    rig.settle()
    assert len(rig.told(OrderCancelled)) == 1


def test_order_not_open_with_the_final_order_ends_it_and_owes_its_fills(resting):
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.order("run7-1").missing_fills == 30
    rig.settle()
    assert len(rig.desk.table) == 0
    rig.consistent()


def test_order_not_open_without_the_final_order_is_asked_about_and_does_not_spin(resting):
    rig = resting
    rig.venue.refusals.append(("cancel", VenueError("refused", "ORDER_NOT_OPEN", ""), False))
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.told(OrderUnknown)
    assert len(rig.out) == 1
    assert isinstance(rig.out[0], FetchOrder)


def test_moves_in_flight_are_answered_in_order(resting):
    rig = resting
    for ticks in (47, 46, 45):
        rig.intend(replaces=[("run7-1", ticks, 30)])
    assert rig.order("run7-1").worst_ticks == 48
    rig.send()
    rig.hear(rig.venue.acks)
    assert [e.ticks for e in rig.told(OrderReplaced)] == [47, 46, 45]
    assert rig.order("run7-1").ticks == 45
    rig.settle()
    rig.consistent()


def test_a_second_order_of_the_same_name_is_denied_and_the_first_not_forgotten(resting):
    rig = resting
    rig.intend(places=[buy(ticks=40, size=1)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["duplicate"]
    rig.consistent()


def test_an_answer_about_an_order_long_gone_changes_nothing(rig):
    result = ItemResult("cancel", "nobody", None, REFUSED)
    rig.report(BatchReported(99, (result,), Nanos(0)))
    rig.report(OrderFetched("nobody", None))
    rig.report(CancelAllReported(99, ("o77",), None))
    assert not rig.events
    assert not rig.out


def test_an_immediate_order_ends_with_its_answer(rig):
    rig.intend(places=[buy(post_only=False, immediate=True)])
    assert rig.out[0].places[0].immediate
    rig.settle()
    assert len(rig.desk.table) == 0


# --- doubt --------------------------------------------------------------------------------------------


def test_hummingbot_3374_and_py_clob_273_a_timeout_is_no_rejection_and_a_live_order_is_found(rig):
    rig.intend(places=[buy()])
    rig.send(answer=False)
    rig.venue.stream.clear()
    rig.wait(1.9)
    assert not rig.told(OrderUnknown)
    rig.wait(0.3)
    assert len(rig.told(OrderUnknown)) == 1
    assert rig.desk.table.committed("m", YES) == 30
    assert [r.client_id for r in rig.out] == ["run7-1"]
    rig.settle()
    assert rig.told(OrderAccepted)
    assert not rig.told(OrderRejected)
    assert len(rig.venue.orders) == 1  # nothing was resent
    rig.consistent()


def test_nautilus_an_order_unconfirmed_is_not_rejected_however_long_the_venue_says_nothing(rig):
    rig.intend(places=[buy()])
    rig.out.clear()  # the frame never left, nor does any question
    for _ in range(30):
        rig.wait(1)
        rig.out.clear()
        for report in (OrderFetched("run7-1", None, "503"), OrderFetched("run7-1", None, "DNS")):
            rig.report(report)
    assert not rig.told(OrderRejected, OrderCancelled)
    assert len(rig.told(OrderUnknown)) == 1
    assert rig.desk.table.committed("m", YES) == 30


def test_an_order_not_found_twice_is_lost(rig):
    rig.intend(places=[buy()])
    rig.out.clear()
    rig.wait(2.1)
    rig.settle()
    assert not rig.told(OrderRejected), "it may still be on its way"
    rig.wait(2.2)
    rig.settle()
    assert [e.code for e in rig.told(OrderRejected)] == ["LOST"]
    assert len(rig.desk.table) == 0


def test_an_order_that_lands_after_it_was_given_up_is_cancelled(rig):
    rig.intend(places=[buy()])
    late = rig.out.pop()
    for _ in range(2):
        rig.wait(2.2)
        rig.settle()
    assert rig.told(OrderRejected)
    rig.venue.take(late)
    assert rig.venue.live()
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0


def test_an_order_that_lands_between_two_questions_is_found(rig):
    rig.intend(places=[buy()])
    late = rig.out.pop()
    rig.wait(2.2)
    rig.settle()
    rig.venue.take(late)
    rig.settle()
    assert [type(e) for e in rig.told(OrderAccepted, OrderRejected)] == [OrderAccepted]
    rig.consistent()


def test_poly_maker_an_error_when_asking_is_not_no_orders(resting):
    rig = resting
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.report(CONNECTED)
    rig.report(FillsFetched(0, (), "timeout"))
    rig.report(rig.venue.snapshot())
    rig.report(FillsFetched(0, (), "timeout"))
    assert not rig.desk.synced
    assert not rig.told(OrderCancelled)
    rig.intend(places=[buy("run7-2")])
    assert rig.told(OrderDenied)[0].rule == "synced"
    rig.out.clear()
    rig.wait(2.2)
    assert rig.asked(FetchFills)
    rig.settle()
    assert rig.desk.synced
    rig.consistent()


def test_hummingbot_8457_connection_errors_do_not_make_six_orders_forgotten(rig):
    rig.intend(places=[buy(f"run7-{n}", 40 + n, 10) for n in range(6)])
    rig.settle()
    rig.intend(cancels=[f"run7-{n}" for n in range(6)])
    rig.out.clear()
    rig.wait(2.2)
    for _ in range(5):
        for n in range(6):
            rig.report(OrderFetched(f"run7-{n}", None, "cannot resolve the host"))
        rig.out.clear()
        rig.wait(2)
    assert len(rig.desk.table) == 6
    rig.out = [request for request in rig.out if isinstance(request, FetchOrder)]  # the repeated cancels are lost, too
    rig.settle()
    assert len(rig.told(OrderUnchanged)) == 6
    rig.intend(cancels=[f"run7-{n}" for n in range(6)])
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0


@pytest.mark.parametrize("action", ["place", "replace", "cancel"])
def test_a_server_error_is_asked_about_once_and_never_resent(resting, action):
    rig = resting
    rig.venue.refusals.append((action, UNKNOWN, False))
    if action == "place":
        rig.intend(places=[buy("run7-2", 47)])
    elif action == "replace":
        rig.intend(replaces=[("run7-1", 47, 30)])
    else:
        rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert len(rig.told(OrderUnknown)) == 1
    assert all(isinstance(r, FetchOrder) for r in rig.out)
    rig.wait(1)
    assert len(rig.out) == 1
    rig.settle()
    for _ in range(30):
        rig.wait(0.1)
        rig.settle()
    assert len(rig.asked(SendBatch)) == 1
    rig.consistent()


@pytest.mark.parametrize("known", [True, False])
def test_what_stays_in_doubt_because_rest_is_away_is_cancelled_over_the_session(resting, known):
    """Else it rests at a price of long ago, and takes the place of a new order, for as long as REST is away."""
    rig = resting
    if known:
        rig.intend(replaces=[("run7-1", 47, 30)])
    else:
        rig.intend(cancels=["run7-1"], places=[buy("run7-2", 47)])
    rig.send(answer=False)
    rig.venue.stream.clear()
    for second in range(12):
        rig.wait(1)
        rig.send(answer=second > 8)  # the first cancel's answer is lost, too
        for question in [r for r in rig.venue.rest if isinstance(r, OrderFetched)]:
            rig.report(OrderFetched(question.client_id, None, "cannot resolve the host"))
        rig.venue.rest.clear()
        rig.hear(rig.venue.acks)
        if second < 5:
            assert len(rig.venue.live()) == 1
    assert len(rig.desk.table) == 0
    assert not rig.venue.live()
    assert not rig.told(OrderRejected)


def test_404_on_a_cancel_is_not_final_until_the_fills_are_in(resting):
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.venue.stream.clear()  # lost
    rig.venue.orders.clear()  # and the venue has forgotten the order
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    assert rig.desk.table.committed("m", YES) == 30
    rig.settle()
    assert rig.desk.account.position("m").yes == 30
    assert len(rig.desk.table) == 0


def test_an_order_that_vanished_ends_once_the_fills_are_in_and_is_not_asked_about_for_ever(resting):
    rig = resting
    rig.venue.orders.clear()
    rig.intend(cancels=["run7-1"])
    rig.settle()
    assert len(rig.told(OrderCancelled)) == 1
    assert len(rig.desk.table) == 0
    rig.clear()
    rig.wait(5)
    assert not rig.out


def test_an_answer_to_a_question_no_longer_open_changes_nothing(resting):
    rig = resting
    old = rig.venue.of("run7-1").told()
    rig.intend(replaces=[("run7-1", 47, 60)])
    rig.report(OrderFetched("run7-1", old))
    rig.report(OrderFetched("run7-1", None))
    assert rig.order("run7-1").worst_remaining == 60
    assert not rig.told(OrderReplaced, OrderRejected, OrderCancelled)


def test_a_late_answer_to_a_move_that_a_query_settled_does_not_turn_the_order_back(resting):
    rig = resting
    rig.intend(replaces=[("run7-1", 40, 30)])
    rig.intend(replaces=[("run7-1", 47, 30)])
    rig.send()
    rig.wait(2.2)
    rig.send()
    rig.hear(rig.venue.rest)
    assert rig.order("run7-1").ticks == 47
    rig.intend(replaces=[("run7-1", 45, 40)])
    rig.hear(rig.venue.acks)  # of the first two
    assert rig.order("run7-1").ticks == 47
    assert rig.order("run7-1").worst_remaining == 40
    rig.settle()
    rig.consistent()


def test_an_unknown_order_is_not_moved(resting):
    rig = resting
    rig.venue.refusals.append(("cancel", UNKNOWN, False))
    rig.intend(cancels=["run7-1"])
    rig.send()
    rig.hear(rig.venue.acks)
    rig.out.clear()
    rig.intend(replaces=[("run7-1", 49, 30)])
    assert [e.denied for e in rig.told(OrderUnchanged)] == [True]
    assert not rig.out


def test_a_move_of_an_order_that_the_desk_is_cancelling_is_answered_and_not_left_in_the_air(resting):
    rig = resting
    rig.tell(CancelAll("m", "operator"))
    rig.intend(replaces=[("run7-1", 47, 30)])
    (event,) = rig.told(OrderUnchanged)
    assert event.denied
    assert event.action == "replace"
    assert len(rig.out) == 1  # the cancel, once


def test_a_move_of_an_order_that_has_just_filled_is_answered(resting):
    """Else the market's table, which thinks the order is growing, would keep it for ever."""
    rig = resting
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.settle()
    rig.intend(replaces=[("run7-1", 47, 60)])
    assert [(e.client_id, e.reason) for e in rig.told(OrderCancelled)] == [("run7-1", "gone")]
    assert not rig.out


# --- the connection -----------------------------------------------------------------------------------


def test_what_was_in_flight_when_the_connection_went_is_unknown_and_settled_after(rig):
    rig.intend(places=[buy("run7-1", 48), buy("run7-2", 47), buy("run7-3", 46), buy("run7-4", 45)])
    rig.settle()
    rig.clear()
    rig.intend(cancels=["run7-1"], replaces=[("run7-2", 44, 30)], places=[buy("run7-5", 43)])
    rig.intend(places=[buy("run7-6", 42)])
    rig.venue.take(rig.out.pop(0), answer=False)  # arrives, the answer does not
    rig.out.clear()  # the last frame does not arrive
    rig.venue.fill(rig.venue.of("run7-3"), 30)
    rig.venue.fill(rig.venue.of("run7-4"), 10)
    rig.venue.stream.clear()
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    assert sorted(e.client_id for e in rig.told(OrderUnknown)) == ["run7-1", "run7-2", "run7-5", "run7-6"]
    assert not rig.told(VenueStatus)[-1].connected
    rig.report(CONNECTED)
    rig.report(rig.venue.snapshot())
    rig.settle()
    rig.consistent()
    assert [e.client_id for e in rig.told(OrderRejected)] == ["run7-6"]
    assert rig.desk.synced


def test_cancel_on_disconnect_is_noticed_at_the_next_snapshot(resting):
    rig = resting
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.venue.end(rig.venue.of("run7-1"), "cod")
    rig.venue.stream.clear()
    rig.report(CONNECTED)
    rig.report(rig.venue.snapshot())
    assert not rig.told(OrderCancelled)  # first the fills
    rig.settle()
    assert [e.reason for e in rig.told(OrderCancelled)] == ["gone"]
    rig.consistent()


def test_a_page_of_fills_of_the_connection_before_does_not_count_as_reconciliation(resting):
    rig = resting
    rig.report(StreamGapped(1, 2))
    rig.report(rig.venue.snapshot())
    rig.send()
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.report(CONNECTED)
    rig.hear(rig.venue.rest)
    assert not rig.desk.synced
    rig.report(rig.venue.snapshot())
    rig.settle()
    assert rig.desk.synced


def test_the_fills_lost_in_a_stream_gap_are_fetched_from_before_it(resting):
    rig = resting
    order = rig.venue.of("run7-1")
    rig.venue.fill(order, 10)
    rig.venue.stream.clear()  # lost
    rig.venue.fill(order, 5)
    rig.report(StreamGapped(1, 2))
    rig.hear(rig.venue.stream)  # a message beyond the gap
    assert rig.desk.account.position("m").yes == 5
    rig.intend(places=[buy("run7-2")])
    assert rig.told(OrderDenied)[0].rule == "synced"
    rig.report(rig.venue.snapshot())
    rig.settle()
    assert rig.desk.account.position("m").yes == 15
    rig.consistent()


def test_a_page_of_fills_made_before_the_snapshot_does_not_end_the_orders_missing_in_it(resting):
    rig = resting
    rig.report(StreamGapped(1, 2))
    rig.report(rig.venue.snapshot())
    rig.send()  # the page of the first snapshot is made
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.venue.stream.clear()
    rig.report(StreamGapped(3, 4))
    rig.report(rig.venue.snapshot())
    rig.hear(rig.venue.rest)
    assert rig.desk.table.committed("m", YES) == 30
    assert not rig.desk.synced
    rig.settle()
    assert rig.desk.synced
    rig.consistent()


def test_a_second_gap_before_the_first_ones_fills_are_in_loses_no_fill(resting):
    """The page of the first gap comes after the second one: it knows nothing of the fill that was lost in that."""
    rig = resting
    rig.report(StreamGapped(1, 2))
    rig.report(rig.venue.snapshot())
    rig.send()  # the page is made
    rig.venue.fill(rig.venue.of("run7-1"), 10)
    rig.venue.stream.clear()  # lost
    rig.report(StreamGapped(3, 4))
    rig.hear(rig.venue.rest)
    assert not rig.desk.synced
    rig.venue.fill(rig.venue.of("run7-1"), 5)
    rig.hear(rig.venue.stream)  # beyond the second gap
    rig.report(rig.venue.snapshot())
    rig.settle()
    assert rig.desk.synced
    assert rig.desk.account.position("m").yes == 15
    rig.consistent()


def test_an_order_accepted_between_the_snapshot_and_the_fills_is_not_taken_for_gone(rig):
    rig.intend(places=[buy()])
    rig.report(StreamGapped(1, 2))
    rig.report(rig.venue.snapshot())  # taken before the place arrived
    rig.send()
    rig.hear(rig.venue.acks)
    rig.hear(rig.venue.rest)
    assert not rig.told(OrderCancelled, OrderRejected)
    rig.settle()
    rig.consistent()


def test_a_snapshot_taken_before_a_move_arrives_does_not_settle_the_move(resting):
    rig = resting
    rig.report(StreamGapped(1, 2))
    rig.desk.reconciliation.synced = True  # the move left just before the gap was seen
    rig.intend(replaces=[("run7-1", 47, 60)])
    rig.desk.reconciliation.synced = False
    rig.report(rig.venue.snapshot())
    assert rig.order("run7-1").worst_remaining == 60
    rig.settle()
    rig.consistent()


def test_the_sequence_never_goes_backwards(resting):
    rig = resting
    fill = rig.venue.fill(rig.venue.of("run7-1"), 1)
    rig.settle()
    seen = rig.desk.reconciliation.seq
    rig.report(OrderReported(3, "fill", rig.venue.of("run7-1").told(), fill))
    rig.report(AccountReported(2, "settle", "m", rig.desk.account.cash_micros))
    rig.report(FillsFetched(0, (fill,)))
    rig.report(replace(rig.venue.snapshot(), seq=1))
    assert rig.desk.reconciliation.seq >= seen
    assert rig.asked(FetchFills)[-1].since_seq >= seen


def test_requests_that_cannot_leave_while_the_venue_is_gone_are_not_repeated_at_every_look(resting):
    rig = resting
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.clear()
    for _ in range(100):
        rig.wait(0.1)
    assert len(rig.out) <= 10


def test_a_disconnection_is_told_once(resting):
    rig = resting
    for _ in range(3):
        rig.report(VenueDisconnected("cannot connect", Nanos(rig.now)))
    assert len(rig.told(VenueDisconnected)) == 1


# --- rates --------------------------------------------------------------------------------------------


def slow(rig, per_s=10.0, burst=10.0):
    rig.report(replace(CONNECTED, orders_per_s=per_s, burst=burst))
    rig.report(rig.venue.snapshot())
    rig.settle()
    rig.clear()


def test_the_rate_budget_keeps_a_reserve_for_cancels(rig):
    rig.intend(places=[buy("run7-0", 40)])
    rig.settle()
    slow(rig)
    rig.intend(places=[buy(f"run7-{n}", 40 + n, 1) for n in range(1, 9)])
    denied = rig.told(OrderDenied)
    assert {d.rule for d in denied} == {"rate"}
    assert all(d.retry_after_ms > 0 for d in denied)
    assert 0 < len(denied) < 8
    rig.intend(cancels=["run7-0"])
    assert rig.asked(SendBatch)[-1].cancels == (CancelItem("run7-0", "o1"),)
    rig.now += SECOND
    rig.pulse()
    rig.clear()
    rig.intend(places=[buy("run7-20", 30, 1)])
    assert not rig.told(OrderDenied)


def test_cancels_cost_of_the_budget_but_are_never_refused(rig):
    rig.intend(places=[buy(f"run7-{n}", 10 + n, 1) for n in range(40)])
    rig.settle()
    slow(rig)
    rig.tell(CancelAll("m", "operator"))
    assert len(rig.out[-1].cancels) == 40
    assert rig.desk.entry.budget.tokens < 0
    rig.settle()
    rig.intend(places=[buy("run7-50")])
    assert rig.told(OrderDenied)[0].rule == "rate"


def test_a_venue_that_tells_no_rate_does_not_break_the_desk(rig):
    slow(rig, 0.0, 0.0)
    rig.intend(places=[buy()])
    assert rig.told(OrderDenied)[0].rule == "rate"


# --- the gate at the desk -----------------------------------------------------------------------------


def test_a_retreat_that_is_denied_becomes_a_cancel(resting):
    rig = resting
    rig.intend(replaces=[("run7-1", 47, 30)], age_s=3.0)
    (event,) = rig.told(OrderUnchanged)
    assert (event.code, event.denied) == ("DENIED_stale", True)
    rig.settle()
    assert not rig.venue.live()
    assert len(rig.desk.table) == 0


def test_a_cut_that_is_denied_becomes_a_cancel_even_at_a_better_price(resting):
    rig = resting
    rig.intend(replaces=[("run7-1", 49, 10)], age_s=3.0)
    assert rig.out[0].cancels


@pytest.mark.parametrize(("ticks", "size"), [(49, 30), (48, 60)])
def test_an_advance_or_a_top_up_that_is_denied_leaves_the_order_where_it_is(resting, ticks, size):
    rig = resting
    rig.intend(replaces=[("run7-1", ticks, size)], age_s=3.0)
    assert [(e.action, e.code) for e in rig.told(OrderUnchanged)] == [("replace", "DENIED_stale")]
    assert not rig.out
    assert rig.venue.live()


def test_a_cut_is_admitted_where_the_larger_order_would_not_be(resting):
    """A smaller order at the same price is never worse: it need not be cancelled and placed again."""
    rig = resting
    rig.params = MakerParams(inventory=replace(rig.params.inventory, max_position=Contracts(10)))
    rig.intend(replaces=[("run7-1", 48, 10)])
    assert not rig.told(OrderUnchanged)
    rig.settle()
    rig.consistent()
    assert [o.left for o in rig.venue.live()] == [10]


def test_seed_defect_04_the_room_counts_resting_and_in_flight_orders_of_either_outcome():
    rig = Rig(MakerParams(inventory=replace(MakerParams().inventory, max_position=Contracts(60))))
    rig.intend(places=[buy("run7-1", 50, outcome=NO), buy("run7-2", 49, outcome=NO), buy("run7-3", 48, outcome=NO)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["room"]
    rig.settle()
    rig.intend(places=[buy("run7-4", 47, outcome=NO)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["room", "room"]
    rig.venue.fill(rig.venue.of("run7-1"), 30)
    rig.settle()
    assert rig.desk.account.position("m").net == -30
    rig.intend(places=[buy("run7-5", 47, outcome=NO), buy("run7-6", 40, 90)])
    assert [d.rule for d in rig.told(OrderDenied)] == ["room"] * 3
    assert rig.order("run7-6") is not None


def test_pairs_are_cash_and_do_not_fill_the_room():
    rig = Rig(MakerParams(inventory=replace(MakerParams().inventory, max_position=Contracts(30))))
    for n in range(3):
        rig.intend(places=[buy(f"run7-y{n}", 48), buy(f"run7-n{n}", 48, outcome=NO)])
        rig.settle()
        for order in list(rig.venue.live()):
            rig.venue.fill(order, 30)
        rig.settle()
    assert not rig.told(OrderDenied)
    assert rig.desk.account.position("m").pairs == 90


def test_the_cash_of_every_live_order_is_counted():
    rig = Rig(start=False)
    rig.venue.cash = micros(20.0)
    rig.start()
    rig.intend(places=[buy("run7-1", 48, 30), buy("run7-2", 30, 30), buy("run7-3", 18, 30)])
    assert [(d.client_id, d.rule) for d in rig.told(OrderDenied)] == [("run7-2", "cash")]


def test_the_worst_case_loss_counts_every_market_and_the_positions_of_the_start():
    params = MakerParams(risk=RiskParams(max_exposure=micros(25.0)))
    rig = Rig(params, start=False)
    rig.venue.held = {("n", YES): 40}
    rig.venue.fills = [
        VenueFill("f0", 1, "o", "c", "n", YES, Micros(500_000), Contracts(40), Micros(0), True, Nanos(0), Contracts(40))
    ]
    rig.start()
    rig.intend(places=[buy("run7-1", 48, 10), buy("run7-2", 47, 10)])
    assert [d.client_id for d in rig.told(OrderDenied)] == ["run7-2"]
    assert rig.told(OrderDenied)[0].rule == "exposure"


def test_an_own_cross_is_denied_unless_the_opposing_order_leaves_first(resting):
    rig = resting
    rig.intend(places=[buy("run7-2", 52, outcome=NO)])
    assert rig.told(OrderDenied)[0].rule == "spread"
    rig.intend(cancels=["run7-1"], places=[buy("run7-3", 52, outcome=NO)])
    assert len(rig.told(OrderDenied)) == 1
    rig.settle()
    rig.consistent()


def test_both_sides_follow_the_price_in_one_frame(rig):
    rig.intend(places=[buy("run7-1", 49), buy("run7-2", 49, outcome=NO)])
    rig.settle()
    rig.clear()
    rig.intend(replaces=[("run7-2", 48, 30), ("run7-1", 50, 30)])
    assert not rig.told(OrderUnchanged)
    rig.settle()
    rig.consistent()


def test_a_slow_login_does_not_unsettle_a_clock_that_is_known_better(rig):
    """An answer 2.2 s late puts the clock off by a second, and the room is judged as of then."""
    rig.report(ClockMeasured(nanos(0.020), nanos(0.100)))
    rig.report(ClockMeasured(nanos(-1.080), nanos(2.200)))
    assert rig.desk.offset_ns == nanos(0.020)
    rig.report(ClockMeasured(nanos(0.030), nanos(0.090)))
    assert rig.desk.offset_ns == nanos(0.030)
    rig.report(ClockMeasured(nanos(1.500), nanos(2.200)))
    assert rig.desk.offset_ns == nanos(1.500), "half its round trip does not explain the difference"


def test_every_rule_meets_the_order_at_the_desk(rig):
    """The desk fills in each figure that a rule looks at."""
    cases = {
        "stale": {"age_s": 2.5, "places": [buy("run7-1")]},
        "price": {"places": [buy("run7-2", 100)]},
        "size": {"places": [buy("run7-3", 40, 10_001)]},
        "room": {"places": [buy("run7-4", 40, 1001)]},
    }
    for rule, intent in cases.items():
        rig.intend(**intent)
        assert rig.told(OrderDenied)[-1].rule == rule
    rig.now = START + 285 * SECOND
    rig.pulse()
    rig.intend(places=[buy("run7-5")])
    assert rig.told(OrderDenied)[-1].rule == "reduce_only"
    rig.intend(places=[buy("run7-6", outcome=NO)], d2=2.0)
    assert rig.told(OrderDenied)[-1].rule == "reduce_only"
    rig.report(ClockMeasured(nanos(10.0), nanos(0.01)))
    rig.intend(places=[buy("run7-7")])
    assert rig.told(OrderDenied)[-1].rule == "close"
    rig.report(MarketReported("closed", replace(MARKET, status=MarketStatus.CLOSED)))
    rig.intend(places=[buy("run7-8")])
    assert rig.told(OrderDenied)[-1].rule == "market"
    rig.report(StreamGapped(1, 2))
    rig.intend(places=[buy("run7-9")])
    assert rig.told(OrderDenied)[-1].rule == "synced"
    assert not rig.asked(SendBatch)


# --- states and the stop ------------------------------------------------------------------------------


def long_position(rig, size=50):
    rig.intend(places=[buy("run7-long", 48, size)])
    rig.settle()
    rig.venue.fill(rig.venue.of("run7-long"), size)
    rig.settle()


def test_seed_defect_06_reducing_cancels_the_adding_orders_and_keeps_the_reducing_ones(rig):
    long_position(rig)
    rig.intend(places=[buy("run7-1", 47), buy("run7-2", 48, 30, NO), buy("run7-3", 47, 20, NO)])
    rig.settle()
    rig.tell(TradingStateChanged(TradingState.REDUCING, "the day's loss"))
    rig.settle()
    assert sorted(o.client_id for o in rig.venue.live()) == ["run7-2", "run7-3"]
    rig.intend(places=[buy("run7-4", 46)])
    assert rig.told(OrderDenied)[-1].rule == "state"
    rig.venue.end(rig.venue.of("run7-3"))
    rig.settle()
    rig.intend(places=[buy("run7-5", 46, 20, NO)])
    rig.settle()
    assert rig.order("run7-5") is not None


def test_a_barred_asset_has_its_adding_orders_cancelled_and_no_new_ones(rig):
    long_position(rig)
    rig.intend(places=[buy("run7-1", 47), buy("run7-2", 48, 30, NO)])
    rig.settle()
    rig.tell(AssetExposed("ETH", 120.0, 1.2, 1))
    rig.tell(AssetExposed("BTC", 90.0, 0.9, 0))
    assert sorted(o.client_id for o in rig.venue.live()) == ["run7-1", "run7-2"]
    rig.tell(AssetExposed("BTC", 120.0, 1.2, 1))
    rig.settle()
    assert sorted(o.client_id for o in rig.venue.live()) == ["run7-2"]
    rig.intend(places=[buy("run7-4", 46)])
    assert rig.told(OrderDenied)[-1].rule == "asset"
    rig.tell(AssetExposed("BTC", 70.0, 0.7, 0))
    rig.intend(places=[buy("run7-5", 46)])
    rig.settle()
    assert rig.order("run7-5") is not None


def test_reducing_orders_that_together_go_beyond_flat_are_adding(rig):
    long_position(rig)
    rig.intend(places=[buy("run7-2", 48, 30, NO), buy("run7-3", 47, 30, NO)])
    rig.settle()
    rig.tell(TradingStateChanged(TradingState.REDUCING, ""))
    rig.settle()
    assert not rig.venue.live()


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.TRAPPED])
def test_halted_and_trapped_cancel_everything_and_let_nothing_but_cancels_out(resting, state):
    rig = resting
    rig.tell(TradingStateChanged(state, "operator"))
    assert isinstance(rig.out[-1], SendCancelAll)
    rig.intend(cancels=["run7-1"], places=[buy("run7-2")])
    assert rig.told(OrderDenied)[-1].rule == "state"
    assert rig.asked(SendBatch)[-1].cancels
    rig.settle()
    assert not rig.venue.live()


def test_trapped_cancels_are_repeated_until_the_venue_takes_them(resting):
    rig = resting
    rig.tell(TradingStateChanged(TradingState.TRAPPED, "the venue refuses cancels"))
    for _ in range(3):
        request = rig.out.pop(0)
        rig.out.clear()
        rig.report(CancelAllReported(request.op_id, (), VenueError("unknown", "UNAVAILABLE", "")))
        rig.wait(2.1)
        assert isinstance(rig.out[-1], SendCancelAll)
        rig.out = rig.out[-1:]
    rig.settle()
    assert not rig.venue.live()
    rig.clear()
    rig.wait(10)
    assert not rig.asked(SendCancelAll)


def test_the_stop_is_reported_once_when_everything_is_cancelled(resting):
    rig = resting
    rig.tell(CancelAll(None, "SIGTERM"))
    assert not rig.told(VenueStatus)[-1].connected, "the markets go on asking"
    rig.check(0.1)
    assert not rig.told(AllCancelled)
    rig.send()
    rig.check(0.1)
    assert not rig.told(AllCancelled)
    rig.settle()
    for _ in range(50):
        rig.check(0.1)
        rig.settle()
    assert len(rig.told(AllCancelled)) == 1
    assert len(rig.asked(SendCancelAll)) == 1
    rig.tell(TradingStateChanged(TradingState.ACTIVE, "a new UTC day"))
    rig.intend(places=[buy("run7-2")])
    assert rig.told(OrderDenied)[-1].rule == "state"
    rig.tell(CancelAll(None, "again"))
    rig.settle()
    rig.check()
    assert len(rig.told(AllCancelled)) == 2


def test_the_stop_waits_for_the_venues_word_even_with_nothing_known_to_rest(rig):
    rig.tell(CancelAll(None, "SIGTERM"))
    rig.check(0.1)
    assert not rig.told(AllCancelled)
    rig.settle()
    rig.check(0.1)
    assert rig.told(AllCancelled)


def test_the_stop_is_repeated_until_it_is_answered_and_doubts_are_still_asked_about(resting):
    """The repeated cancel-all must not keep pushing back the question about an unknown order."""
    rig = resting
    rig.desk.ack_timeout_ns = nanos(0.5)
    rig.intend(places=[buy("run7-2", 47)])
    rig.out.clear()  # never arrives
    rig.tell(CancelAll(None, "SIGTERM"))
    first = rig.out.pop(0)
    rig.report(CancelAllReported(first.op_id, (), UNKNOWN))
    for _ in range(80):
        rig.wait(0.1)
        for report in [r for r in rig.out if isinstance(r, FetchOrder)][:1]:
            rig.out.remove(report)
            if rig.now < START + 3 * SECOND:
                rig.report(OrderFetched(report.client_id, None, "timeout"))
            else:
                rig.venue.take(report)
        rig.settle()
    assert len(rig.told(AllCancelled)) == 1
    assert not rig.venue.live()


def test_the_stop_works_over_rest_when_the_socket_is_gone(resting):
    rig = resting
    rig.report(VenueDisconnected("reset", Nanos(rig.now)))
    rig.tell(CancelAll(None, "SIGTERM"))
    rig.send()
    rig.venue.stream.clear()
    for _ in range(60):
        rig.wait(0.1)
        rig.send()
        rig.venue.stream.clear()
        rig.hear(rig.venue.acks, rig.venue.rest)
    assert len(rig.told(AllCancelled)) == 1


# --- money --------------------------------------------------------------------------------------------


def test_the_cash_ledger_is_exact_to_the_micro_dollar_with_fees_and_off_tick_prices(resting):
    rig = resting
    order = rig.venue.of("run7-1")
    rig.venue.fill(order, 7, fee=3)
    order.price = 483_337  # price improvement, off the tick
    rig.venue.fill(order, 5, fee=-1)
    rig.settle()
    rig.consistent()
    odd = rig.venue.foreign("human", "unlisted", 10, 123_457)
    rig.venue.fill(odd, 3)
    rig.settle()
    rig.consistent()
    assert rig.desk.account.cash_micros == rig.venue.cash


def test_an_adjustment_by_the_venue_is_taken_over_and_told(rig):
    rig.report(AccountReported(9999, "adjust", None, Micros(5)))
    assert rig.desk.account.cash_micros == 5
    assert rig.told(VenueStatus)[-1].cash_micros == 5
    rig.report(AccountReported(10_000, "settle", None, Micros(7)))
    assert rig.desk.account.cash_micros == 5


def test_a_book_is_followed_only_from_shortly_before_it_can_matter(rig):
    rig.wait(0.74 * 300 - (rig.now - START) / SECOND)
    assert not rig.asked(WatchBook)
    rig.wait(0.02 * 300)
    assert rig.asked(WatchBook) == [WatchBook("m", on=True)]
    rig.settle()
    rig.ready(incarnation=2)  # an actor that begins later needs it at once
    rig.settle()
    rig.check(0.1)
    assert rig.asked(WatchBook) == [WatchBook("m", on=True)] * 2


def test_where_nothing_is_post_only_the_book_is_followed_from_the_start():
    rig = Rig(connected=replace(CONNECTED, capabilities=frozenset({"replace"})))
    rig.check(0.1)
    assert rig.asked(WatchBook) == [WatchBook("m", on=True)]


def test_a_book_that_nobody_reads_is_not_followed():
    rig = Rig(MakerParams(inventory=InventoryParams(cross=False)))
    rig.wait(290.0)
    assert not rig.asked(WatchBook)


def test_the_order_delay_is_measured_from_the_socket_to_the_answer(rig):
    before = rig.desk.entry.latency_s
    rig.desk.report(CONNECTED, Nanos(rig.now))
    rig.report(BatchWritten(5, Nanos(rig.now)))
    rig.report(BatchReported(5, (), Nanos(rig.now + 20 * MILLISECOND)))
    assert rig.desk.entry.latency_s == pytest.approx(before + 0.1 * (0.010 - before))


def test_what_the_venue_says_about_a_market_nobody_listed_does_not_raise(rig):
    order = VenueOrder("o9", "run7-9", "x", YES, Micros(1), Contracts(1), Contracts(0), "OPEN")
    rig.report(OrderReported(500, "new", order, None))
    rig.report(AccountSnapshot(501, (order,), (), Micros(0), Micros(0)))
    rig.settle()
    assert WatchBook("x", on=True) not in rig.venue.received


# --- pairs, fees and cash -----------------------------------------------------------------------------


def holding_pairs(yes=40, no=25, *, below=10**12, capabilities=("replace", "merge"), market=MARKET):
    rig = Rig(start=False, market=market)
    rig.desk = OrderDesk(lambda _: rig.params, prefix="run7", ack_timeout_ns=ACK, merge_below=Micros(below))
    rig.report(replace(CONNECTED, capabilities=frozenset(capabilities)))
    rig.report(MarketReported("created", market))
    rig.report(rig.venue.snapshot())
    rig.settle()
    rig.ready()
    rig.settle()
    rig.pulse()
    for number, (outcome, size) in enumerate(((YES, yes), (NO, no))):
        rig.intend(places=[buy(f"run7-{number}", 48, size, outcome)])
        rig.settle()
        rig.venue.fill(rig.venue.of(f"run7-{number}"), size)
        rig.settle()
    rig.clear()
    return rig


def test_short_of_cash_the_pairs_are_merged_once():
    rig = holding_pairs()
    rig.check(2)
    assert rig.asked(MergePairs) == [MergePairs("m", Contracts(25))]
    rig.settle()
    assert rig.told(PairsMerged) == [PairsMerged("m", Contracts(25))]
    assert rig.told(VenueStatus)[-1].cash_micros == rig.venue.cash
    rig.consistent()
    rig.wait(3)
    assert len(rig.asked(MergePairs)) == 1


@pytest.mark.parametrize("more", [{"below": 1}, {"capabilities": ("replace",)}])
def test_with_cash_enough_or_a_venue_that_cannot_pairs_are_kept(more):
    rig = holding_pairs(**more)
    rig.venue.cash = rig.desk.account.cash_micros = Micros(10**9)
    rig.wait(3)
    assert not rig.asked(MergePairs)


def test_a_merge_that_is_refused_is_not_asked_for_again_at_once():
    rig = holding_pairs()
    rig.check(2)
    rig.out.clear()
    rig.report(MergeReported("m", "INVALID_SIZE"))
    rig.wait(20)
    assert not rig.asked(MergePairs)
    rig.wait(10.5)
    assert len(rig.asked(MergePairs)) == 1
    assert rig.desk.counters["merges_failed"] == 1


def test_the_word_on_a_merge_told_twice_is_booked_once():
    rig = holding_pairs()
    rig.check(2)
    rig.send()
    told = rig.venue.stream[-1]
    rig.settle()
    rig.report(replace(told, seq=told.seq + 1))
    rig.venue.seq += 1
    rig.consistent()
    assert len(rig.told(PairsMerged)) == 1


def test_a_merge_whose_word_was_lost_with_the_connection_is_found_in_the_snapshot():
    rig = holding_pairs()
    rig.intend(places=[buy("run7-8", 47, 30, YES), buy("run7-9", 47, 30, NO)])
    rig.settle()
    rig.check(2)
    rig.send()
    rig.venue.fill(rig.venue.of("run7-8"), 5)  # in the snapshot
    rig.venue.stream.clear()
    rig.report(VenueDisconnected("gone", Nanos(rig.now)))
    rig.report(replace(CONNECTED, capabilities=frozenset({"replace", "merge"})))
    rig.report(rig.venue.snapshot())
    for name in ("run7-8", "run7-9"):
        rig.venue.fill(rig.venue.of(name), 4)  # after it
    rig.venue.stream.clear()
    rig.settle()
    assert rig.told(PairsMerged) == [PairsMerged("m", Contracts(25))]
    rig.consistent()


def test_a_merge_that_never_reached_the_venue_is_not_booked():
    rig = holding_pairs()
    rig.check(2)
    rig.out.clear()
    rig.report(VenueDisconnected("gone", Nanos(rig.now)))
    rig.report(replace(CONNECTED, capabilities=frozenset({"replace", "merge"})))
    rig.report(rig.venue.snapshot())
    rig.settle()
    assert not rig.told(PairsMerged)
    rig.consistent()


@pytest.mark.parametrize(("maker", "taker"), [(10.0, 0.0), (-5.0, 20.0)])
def test_fees_count_as_cash_that_an_order_needs(maker, taker):
    rig = Rig(market=replace(MARKET, maker_bps=maker, taker_bps=taker))
    price = 30 * 480_000
    rate = max(maker, taker)
    rig.desk.account.cash_micros = Micros(price + 20)
    rig.intend(places=[buy()])
    assert rig.told(OrderDenied)[0].rule == "cash"
    rig.desk.account.cash_micros = Micros(price + round(price * rate * 1e-4) + 30)
    rig.intend(places=[buy("run7-2")])
    assert len(rig.told(OrderDenied)) == 1
    assert rig.desk.portfolio.free_cash(besides="") < 1


def test_fees_paid_and_to_be_paid_are_in_the_worst_case():
    rig = Rig(market=replace(MARKET, maker_bps=100.0))
    rig.intend(places=[buy()])
    rig.settle()
    worst = rig.desk.portfolio.worst_losses["m"]
    assert 30 * 484_800 <= worst <= 30 * 484_801
    rig.venue.fill(rig.venue.of("run7-1"), 30, fee=144_000)
    rig.settle()
    assert rig.desk.portfolio.worst_losses["m"] == 30 * 484_800


def test_new_fees_count_for_the_orders_that_rest_already(resting):
    rig = resting
    free = rig.desk.portfolio.free_cash(besides="")
    rig.report(MarketReported("updated", replace(MARKET, maker_bps=100.0)))
    assert rig.desk.portfolio.free_cash(besides="") == free - 144_000 - 30
    assert rig.desk.portfolio.worst_losses["m"] == 30 * 484_801


def test_merging_changes_nothing_of_the_worst_case():
    rig = holding_pairs(market=replace(MARKET, maker_bps=50.0))
    before = rig.desk.portfolio.worst_losses["m"]
    rig.check(2)
    rig.settle()
    assert rig.told(PairsMerged)
    assert rig.desk.portfolio.worst_losses["m"] == before


def test_a_market_overdue_is_told_once_and_asked_about_less_often():
    rig = Rig()
    ended = rig.market.expires_venue_ns - rig.now
    rig.wait(ended / SECOND + 100)
    assert not rig.told(MarketOverdue)
    often = len(rig.asked(FetchMarkets))
    assert often > 20
    rig.wait(200)
    assert [each.market.id for each in rig.told(MarketOverdue)] == ["m"]
    assert len(rig.asked(FetchMarkets)) - often < 15


def test_what_is_priced_for_an_old_strike_does_not_leave_and_what_should_have_gone_outwards_goes(resting):
    rig = resting
    rig.report(MarketReported("opened", replace(MARKET, strike=97_100.0)))
    rig.intend(places=[buy("run7-2", 40)])
    assert rig.told(OrderDenied)[0].rule == "strike"
    rig.intend(replaces=[("run7-1", 45, 30)])
    rig.settle()
    assert not rig.venue.live()
    rig.consistent()
