"""The auditor: every rule catches one planted breach in a small log, and passes the log without it."""

import ast
import json
import math
import sys
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist, correlation

import pytest

import mmactors.audit
from mmactors.audit import CHECKS, AuditError, Auditor, Limits, Rules
from mmactors.cli.main import main
from mmactors.simulator.venue.engine import Venue
from mmactors.simulator.venue.venue_log import VenueLog

DOLLAR, CENT = 1_000_000, 10_000
T0 = 1_795_000_000_000
US, HOUSE, MARKET, STRIKE = "mm", "house-noise", "BTC-100S-A", 97_000.0
FAR = 97_100.0  # |d2| > 1.5 whenever less than 10 s are left


class Log:
    """A truth log of one session of 100 seconds, so that a time in seconds is a share elapsed in percent."""

    def __init__(self, *, strike=STRIKE, maker_bps=0.0, tick=CENT, window_s=0):
        self.lines, self.tick, self.strike = [], tick, strike
        self.rate, self.window_s = maker_bps, window_s
        self.cash = {US: 1000 * DOLLAR, HOUSE: 10**15}
        self.spot_now = STRIKE
        self.add(0, "run", run="r", seed=7)
        for account, cash in self.cash.items():
            self.money(0, account, cash, "deposit", None, cash)
        self.spot(0, STRIKE)
        self.market(0, "created", strike=None)
        self.market(0, "opened")

    def add(self, s, kind, **line):
        self.lines.append({"t": T0 + round(s * 1000), "type": kind, **line})

    def spot(self, s, price, **given):
        self.spot_now = price
        self.add(s, "spot", asset="BTC", price=price, **given)

    def told(self, s, at):
        """Let a second pass by in which the last price anybody was told is that of `at`."""
        self.spot(s, self.spot_now, tick=T0 + round(at * 1000))

    def session(self, s, event):
        self.add(s, "session", event=event, account=US, session="mm1")

    def market(self, s, event, outcome=None, **given):
        line = {"market": MARKET, "asset": "BTC", "strike": self.strike, "status": "OPEN", "opens_at": T0}
        line |= {"expires_at": T0 + 100_000, "duration_s": 100, "tick_micros": self.tick, "maker_bps": self.rate}
        line |= {
            "taker_bps": 0.0,
            "tie": "NO",
            "window_s": self.window_s,
            "settlement_price": None,
            "spot": self.spot_now,
        }
        self.add(s, "market", event=event, outcome=outcome, **{**line, **given})

    def money(self, s, account, change, reason, market, after):
        self.add(s, "cash", account=account, reason=reason, market=market, change_micros=change, cash_micros=after)

    def order(self, s, event, name, outcome="YES", ticks=40, size=10, *, reason="", **given):
        line = {"reason": reason or event, "account": US, "session": "s", "market": MARKET, "order_id": name}
        line |= {"client_order_id": name, "side": "bid", "outcome": outcome, "price_ticks": ticks, "size": size}
        line |= {"tick_micros": self.tick, "filled": 0, "remaining": size, "status": "OPEN", "version": 1}
        line |= {"post_only": True, "ioc": False, "spot": self.spot_now}
        self.add(s, "order", event=event, **{**line, **given})

    def rejected(self, s, price_micros):
        line = {"reason": "INVALID_TICK", "account": US, "market": MARKET, "order_id": None, "client_order_id": "x"}
        line |= {"side": "bid", "outcome": "YES", "price_micros": price_micros, "size": 10, "filled": 0}
        line |= {"remaining": 0, "status": "REJECTED", "post_only": True, "ioc": False, "spot": self.spot_now}
        self.add(s, "order", event="rejected", **line)

    def fill(self, s, name, outcome="YES", ticks=40, size=10, *, side="bid", fee=0):
        sides = [
            {"account": HOUSE, "order_id": "h", "side": "bid", "outcome": "NO", "price_ticks": 100 - ticks},
            {"account": US, "order_id": name, "side": side, "outcome": outcome, "price_ticks": ticks},
        ]
        for liquidity, one in zip(("taker", "maker"), sides, strict=True):
            one |= {"fill_id": f"f-{name}", "seq": 1, "client_order_id": name, "liquidity": liquidity}
            one |= {"fee_micros": fee if one["account"] == US else 0, "order_size": size, "filled_total": size}
            one |= {"status": "FILLED"}
        line = {"trade_id": f"t-{name}", "market": MARKET, "yes_ticks": ticks, "tick_micros": self.tick}
        self.add(s, "fill", size=size, sides=sides, spot=self.spot_now, **line)
        for one in sides:
            paid = one["price_ticks"] * self.tick * size
            change = (-paid if one["side"] == "bid" else paid) - one["fee_micros"]
            self.pay(s, one["account"], change, "fill")

    def pay(self, s, account, change, reason, off=0):
        self.cash[account] += change
        self.money(s, account, change, reason, MARKET, self.cash[account] + off)

    def hold(self, s, outcome, size, ticks=40):
        """Let us buy `size` at once."""
        name = f"hold-{s}"
        self.order(s, "accepted", name, outcome, ticks, size, ioc=True)
        self.fill(s, name, outcome, ticks, size)

    def end(self, outcome="YES", payout=None):
        self.market(100, "closed")
        if payout is not None:
            self.pay(101, US, payout, "settle")
        self.market(101, "resolved", outcome)


def audited(log, **given):
    auditor = Auditor(**given)
    for line in log.lines:
        auditor.feed(line)
    return auditor.result()


def broken(log, **given):
    return {check.name: check.count for check in audited(log, **given).checks if check.count}


# --- each rule, kept and broken ------------------------------------------------------------------------------


def quiet(log):
    log.order(10, "accepted", "a", "YES", 48, 30)
    log.order(10, "accepted", "b", "NO", 48, 30)
    log.fill(20, "a", "YES", 48, 30)
    log.order(97.9, "cancelled", "b", reason="cancel")
    log.end("YES", 30 * DOLLAR)


def cash_off(log):
    log.hold(10, "YES", 10)
    log.lines[-1]["cash_micros"] += 1  # ours is the second cash line of a fill
    log.hold(20, "YES", 10)
    log.end("NO", 0)


def change_off(log):
    log.hold(10, "YES", 10)
    log.lines[-1]["change_micros"] -= 1
    log.end("NO", 0)


def fee_off(log):
    log.order(10, "accepted", "a", "YES", 40, 10)
    log.fill(10, "a", "YES", 40, 10, fee=1)
    log.end("NO", 0)


def payout_off(log):
    log.hold(10, "YES", 10)
    log.end("YES", 10 * DOLLAR - 1)


def filled_unknown(log):
    log.fill(10, "never-accepted")
    log.end("NO", 0)


def merged_too_much(log):
    log.hold(10, "YES", 10)
    log.hold(11, "NO", 4)
    log.pay(12, US, 5 * DOLLAR, "merge")
    log.end("NO", 0)


def room_full(log):
    log.hold(5, "YES", 300)
    log.order(50, "accepted", "a", "YES", 40, 200)
    log.order(50, "accepted", "b", "YES", 39, 60)  # 560 at f = .5, where the room is 559
    log.order(51, "cancelled", "a")
    log.order(51, "cancelled", "b")
    log.end("NO", 0)


def late_order(log):
    log.hold(5, "NO", 20)
    log.order(98, "accepted", "a", "YES", 40, 10)
    log.order(98, "cancelled", "a")
    log.end("NO", 20 * DOLLAR)


def late_rest(log):
    log.order(50, "accepted", "a", "YES", 40, 10)
    log.order(98.04, "cancelled", "a")
    log.end("NO")


def venue_closes(log):
    log.order(50, "accepted", "a", "YES", 40, 10)
    log.order(100, "cancelled", "a", reason="market_closed")
    log.end("NO")


def price_off_scale(log):
    log.order(10, "accepted", "a", "YES", 100, 10)
    log.order(11, "cancelled", "a")


def price_off_tick(log):
    log.rejected(10, 475_000 + 1)


def narrow(log):
    log.order(10, "accepted", "a", "YES", 50, 10)
    log.order(10, "accepted", "b", "NO", 49, 10)  # 0.50 / 0.51
    log.order(11, "cancelled", "a")


def crossed(log):
    log.order(10, "accepted", "a", "YES", 50, 10)
    log.order(10, "accepted", "b", "NO", 50, 10)
    log.order(11, "cancelled", "a")


def crossed_by_ioc(log):
    log.order(10, "accepted", "a", "YES", 50, 10)
    log.order(10, "accepted", "b", "NO", 52, 10, ioc=True)
    log.order(10, "cancelled", "a")


def doubled(log):
    log.order(10, "accepted", "a", "NO", 50, 10)
    log.order(10, "accepted", "b", "NO", 50, 10)
    log.order(11, "cancelled", "a")


def settled_twice(log):
    log.hold(10, "YES", 10)
    log.market(100, "closed")
    log.pay(101, US, 10 * DOLLAR, "settle")
    log.pay(101, US, 10 * DOLLAR, "settle")
    log.market(101, "resolved", "YES")


def settled_again_later(log):
    log.hold(10, "YES", 10)
    log.end("YES", 10 * DOLLAR)
    log.pay(102, US, 10 * DOLLAR, "settle")


def resolved_twice(log):
    log.end("YES")
    log.market(102, "resolved", "YES")


def never_paid(log):
    log.hold(10, "YES", 10)
    log.end("YES")


def dead_bid(log):
    log.hold(5, "YES", 20)
    log.spot(89, FAR)
    log.order(90.5, "accepted", "a", "NO", 3, 21)  # NO is losing; one more than flattens
    log.order(90.6, "cancelled", "a")
    log.end("NO", 0)


def dead_rests(log):
    log.hold(5, "YES", 20)
    log.order(50, "accepted", "a", "NO", 3, 20)
    log.spot(90, FAR)
    log.spot(91, FAR)
    log.spot(92, FAR)
    log.order(92.1, "cancelled", "a")
    log.end("NO", 0)


def adding_late(log):
    log.order(90, "accepted", "a", "YES", 40, 1)
    log.order(91, "cancelled", "a")


def stale_order(log):
    log.order(12.6, "accepted", "a", tick=T0 + 10_000)
    log.order(12.6, "cancelled", "a", tick=T0 + 10_000)


def stale_rest(log):
    log.told(10, 9.9)
    log.order(10, "accepted", "a", tick=T0 + 9_900)
    log.told(12, 9.9)
    log.order(12.91, "cancelled", "a", tick=T0 + 9_900)


def stale_rest_after_the_return(log):
    log.session(1, "up")
    log.order(10, "accepted", "a", tick=T0 + 10_000)
    log.session(11, "down")
    log.told(12, 10)
    log.session(12, "up")
    log.told(16, 10)
    log.told(17, 10)
    log.order(17.1, "cancelled", "a", tick=T0 + 17_000)


def room_shrinks(log):
    log.hold(5, "YES", 300)
    log.order(50, "accepted", "a", "YES", 40, 259)
    log.spot(51, STRIKE)
    log.spot(52, STRIKE)
    log.spot(53, STRIKE)
    log.order(60, "cancelled", "a")
    log.end("NO", 0)


def exposed(log):
    for n in range(5):
        log.hold(2 * n, "YES", 900, 99)
        log.hold(2 * n + 1, "NO", 900, 99)  # 882 $ are lost with each of these pairs
    log.order(10, "accepted", "a", "YES", 60, 980)  # 4,998 $
    log.order(10, "accepted", "b", "YES", 59, 5)
    log.order(11, "cancelled", "a")
    log.order(11, "cancelled", "b")
    log.end("NO", 4500 * DOLLAR)


PLANTED = [
    (stale_order, {"V4 accepted": 1}),
    (stale_rest, {"V4 resting": 1}),
    (stale_rest_after_the_return, {"V4 resting": 1}),
    (room_shrinks, {"V5 resting": 1}),
    (exposed, {"V5 exposure": 1}),
    (cash_off, {"V2 conservation": 2}),  # where the disagreement begins and where it ends, not every line between
    (change_off, {"V2 conservation": 1}),
    (fee_off, {"V2 conservation": 1}),
    (payout_off, {"V2 conservation": 1}),
    (filled_unknown, {"V2 conservation": 1}),
    (merged_too_much, {"V2 conservation": 2}),  # the merge, and a payout for fewer than none
    (room_full, {"V5 room": 1}),
    (late_order, {"V7 accepted": 1}),
    (late_rest, {"V7 resting": 1}),
    (venue_closes, {"V7 resting": 1, "V7 market_closed": 1}),
    (price_off_scale, {"V9 price": 1}),
    (price_off_tick, {"V9 price": 1}),
    (narrow, {"V9 spread": 1}),
    (crossed, {"V9 self-cross": 1}),
    (crossed_by_ioc, {"V9 self-cross": 1}),
    (doubled, {"V9 one per price": 1}),
    (settled_twice, {"V10 settlement": 1}),
    (settled_again_later, {"V10 settlement": 1}),
    (resolved_twice, {"V10 settlement": 1}),
    (never_paid, {"V10 settlement": 1}),
    (dead_bid, {"dead side accepted": 1, "reduce-only": 1}),
    (dead_rests, {"dead side resting": 1}),
    (adding_late, {"reduce-only": 1}),
]


@pytest.mark.parametrize(("plant", "expected"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_a_planted_breach_is_caught(plant, expected):
    log = Log()
    plant(log)

    assert expected == broken(log)


def test_every_rule_has_a_planted_breach():
    assert set(CHECKS) == {name for _, expected in PLANTED for name in expected}


def averaged(settled_above=None):
    """A session settled on its last 20 seconds: the prints $100 above the strike for 15 of them, then $10 below it."""
    log = Log(window_s=20)
    log.hold(5, "YES", 20)
    log.hold(6, "NO", 20)
    for s in range(81, 101):
        log.spot(s, STRIKE + 100.0 if s < 96 else STRIKE - 10.0)
        if s == 97:
            yield log
    log.market(100, "closed")
    above = (15 * 100.0 - 5 * 10.0) / 20 if settled_above is None else settled_above
    log.pay(101, US, 20 * DOLLAR, "settle")
    log.market(101, "resolved", "YES", settlement_price=STRIKE + above)
    yield log


@pytest.mark.parametrize(("outcome", "expected"), [("YES", 0), ("NO", 1)])
def test_the_dead_side_of_an_average_is_the_one_that_its_prints_decided(outcome, expected):
    made = averaged()
    log = next(made)
    log.order(97.2, "accepted", "late", outcome, 3, 10)
    log.order(97.3, "cancelled", "late")
    assert broken(next(made)).get("dead side accepted", 0) == expected


@pytest.mark.parametrize(("settled_above", "expected"), [(None, {}), (-10.0, {"V10 settlement": 1})])
def test_an_averages_settlement_is_the_mean_of_its_prints(settled_above, expected):
    *_, log = averaged(settled_above)
    assert broken(log) == expected


def within_room(log):
    log.hold(5, "YES", 300)
    log.order(50, "accepted", "a", "YES", 40, 200)
    log.order(50, "accepted", "b", "YES", 39, 59)
    log.order(60, "replaced", "b", "YES", 39, 50)  # the room is 382 by now, but shrinking takes exposure off
    log.order(61, "cancelled", "a")
    log.order(61, "cancelled", "b")
    log.end("NO", 0)


def cutting_without_room(log):
    log.hold(5, "NO", 300)
    log.order(85, "accepted", "a", "YES", 40, 300)
    log.order(91, "replaced", "a", "YES", 41, 300)
    log.order(97, "cancelled", "a")
    log.end("YES", 0)


def in_time(log):
    log.order(80, "accepted", "a", "YES", 40, 10)
    log.order(98, "cancelled", "a")
    log.end("YES")


def at_the_edges(log):
    log.order(10, "accepted", "a", "YES", 1, 10)
    log.order(10, "accepted", "b", "YES", 99, 10)
    log.order(11, "cancelled", "a")
    log.order(11, "cancelled", "b")


def least_spread(log):
    log.order(10, "accepted", "a", "YES", 49, 10)
    log.order(10, "accepted", "b", "NO", 49, 10)
    log.order(10, "accepted", "c", "YES", 60, 10, ioc=True)  # takes, beyond our own ask of 0.51
    log.order(10, "cancelled", "c")


def dead_but_flattening(log):
    log.hold(5, "YES", 20)
    log.spot(89, FAR)
    log.order(90.5, "accepted", "a", "NO", 3, 20)
    log.order(91, "cancelled", "a")
    log.end("NO", 0)


def dead_for_a_moment(log):
    log.hold(5, "YES", 20)
    log.order(50, "accepted", "a", "NO", 3, 20)
    log.spot(90, FAR)
    log.spot(90.9, STRIKE)
    log.spot(91, FAR)
    log.order(91.9, "cancelled", "a")
    log.end("NO", 0)


def dead_only_by_a_sigma_that_is_not_the_true_one(log):
    log.hold(5, "YES", 20)
    log.order(50, "accepted", "a", "NO", 3, 20)
    for s in (90, 91, 92):
        log.spot(s, FAR, sigma=25.0)
    log.order(92.1, "cancelled", "a")
    log.end("NO", 0)


def merged(log):
    log.hold(10, "YES", 10)
    log.hold(11, "NO", 4)
    log.pay(12, US, 4 * DOLLAR, "merge")
    log.end("YES", 6 * DOLLAR)


def sold(log):
    log.hold(10, "YES", 10)
    log.order(20, "accepted", "a", "YES", 60, 10, side="ask")
    log.fill(21, "a", "YES", 60, 10, side="ask")
    log.end("YES", 0)


def void(log):
    log.hold(10, "YES", 10)
    log.end("VOID", 5 * DOLLAR)


def cancelled_in_time_after_the_last_price(log):
    log.told(10, 9.9)
    log.order(10, "accepted", "a", tick=T0 + 9_900)
    log.order(12.4, "accepted", "b", ticks=39, tick=T0 + 9_900)
    for name in "ab":
        log.order(12.9, "cancelled", name, tick=T0 + 9_900)
    log.told(20, 9.9)


def out_of_reach(log):
    log.session(1, "up")
    log.order(80, "accepted", "a", "NO", 3, 10, tick=T0 + 80_000)
    log.session(81, "down")
    log.spot(95, FAR)
    log.told(96, 81)
    log.session(98.5, "up")
    log.told(99, 81)
    log.order(99.4, "cancelled", "a", tick=T0 + 99_000)
    log.end("YES")


def no_feed_of_the_venues(log):
    log.spot(10, STRIKE, tick=None)
    log.order(50, "accepted", "a", tick=None)
    log.order(60, "cancelled", "a", tick=None)


CLEAN = [cancelled_in_time_after_the_last_price, out_of_reach, no_feed_of_the_venues]
CLEAN += [
    dead_only_by_a_sigma_that_is_not_the_true_one,
    quiet,
    within_room,
    cutting_without_room,
    in_time,
    at_the_edges,
    dead_but_flattening,
    dead_for_a_moment,
]
CLEAN += [merged, sold, void]


@pytest.mark.parametrize("plant", CLEAN, ids=lambda plant: plant.__name__)
def test_what_is_allowed_passes(plant):
    log = Log()
    plant(log)

    assert broken(log) == {}


def test_an_ioc_beyond_our_own_ask_is_a_self_cross_not_a_narrow_spread():
    log = Log()
    least_spread(log)

    assert broken(log) == {"V9 self-cross": 1}


def shortened(log, after_s):
    log.hold(5, "YES", 300)
    log.market(50, "updated", expires_at=T0 + 70_000)
    log.order(50 + after_s, "accepted", "a", "YES", 40, 30)  # 330 where a room of 559 has just become 327
    log.order(51, "cancelled", "a")
    log.market(70, "closed", status="CLOSED", expires_at=T0 + 70_000)
    log.market(70, "resolved", "NO", status="RESOLVED", expires_at=T0 + 70_000)


def test_what_is_on_its_way_when_an_end_is_moved_is_judged_by_what_was_known():
    soon, late = Log(), Log()
    shortened(soon, 0.4)
    shortened(late, 0.6)

    assert "V5 room" not in broken(soon)
    assert broken(late)["V5 room"] == 1


def test_under_reduce_only_dead_side_what_flattens_may_rest():
    log = Log()
    dead_rests(log)

    assert broken(log, rules=Rules({"inventory": {"dead_side": "reduce_only"}})) == {}


def test_fees_round_against_us_at_the_markets_rate():
    log = Log(maker_bps=0.5)
    log.order(10, "accepted", "a", "YES", 33, 1)
    log.fill(10, "a", "YES", 33, 1, fee=17)  # 330,000 * 0.00005 = 16.5
    log.end("YES", DOLLAR)

    audit = audited(log)

    assert audit.violations == 0
    assert audit.sessions[0].pnl == (DOLLAR - 330_017) / DOLLAR


# --- how a breach is told --------------------------------------------------------------------------------------


def test_a_breach_is_told_at_once_and_in_words():
    log, told = Log(), []
    room_full(log)
    auditor = Auditor(on_violation=told.append)
    at = next(number for number, line in enumerate(log.lines) if line.get("order_id") == "b")
    for line in log.lines[: at + 1]:
        auditor.feed(line)

    assert [(one.check, one.t, one.market) for one in told] == [("V5 room", T0 + 50_000, MARKET)]
    words = f"{MARKET} (f 0.500): accepted b YES bid 60 at 0.39: net +300, 260 resting that way, room 559"
    assert told[0].words.endswith(words)
    (check,) = [check for check in auditor.result().checks if check.name == "V5 room"]
    assert check.examples == [told[0].words]


def test_three_examples_are_kept_of_any_number():
    log = Log()
    for number in range(5):
        log.rejected(10 + number, 475_001)

    check = next(check for check in audited(log).checks if check.count)

    assert (check.count, len(check.examples)) == (5, 3)


def test_what_a_batch_undoes_is_told_from_what_outlives_it():
    log = Log()
    log.order(10, "accepted", "a", "YES", 50, 10)
    log.order(10, "accepted", "b", "NO", 49, 10)
    log.order(10, "cancelled", "a")  # the same millisecond
    log.order(20, "accepted", "c", "YES", 50, 10)
    log.order(21, "cancelled", "c")

    check = next(check for check in audited(log).checks if check.name == "V9 spread")

    assert (check.count, check.lasted) == (2, 1)


# --- figures ---------------------------------------------------------------------------------------------------


def traded():
    log = Log()
    log.order(10, "accepted", "a", "YES", 48, 100)
    log.order(20, "accepted", "b", "NO", 48, 100)  # two-sided from here, 0.48 / 0.52
    log.fill(25, "a", "YES", 48, 60)
    log.spot(30, STRIKE)
    log.order(40, "replaced", "a", "YES", 46, 100, remaining=40)  # 0.46 / 0.52
    log.spot(50, 97_050.0)
    log.spot(55, 96_990.0)
    log.fill(60, "b", "NO", 48, 100)  # one-sided from here
    log.spot(61, STRIKE)
    log.order(80, "cancelled", "a")
    log.end("NO", 100 * DOLLAR)
    return log


def test_the_figures_of_a_session_computed_by_hand():
    audit = audited(traded())
    (one,) = audit.sessions

    assert (one.market, one.duration_s, one.strike, one.outcome) == (MARKET, 100, STRIKE, "NO")
    assert pytest.approx(100 - 60 * 0.48 - 100 * 0.48) == one.pnl
    assert (one.fills, one.contracts, one.messages) == (2, 160, 4)
    assert one.two_sided_share == 40 / 90  # from the first order at 10 s to the close at 100 s
    assert pytest.approx((20 * 0.04 + 20 * 0.06) / 40) == one.spread
    assert one.nets == {"0.8": 0, "0.6": 60, "0.4": 60, "0.3": -40, "0.2": -40, "0.1": -40, "close": -40}
    assert (one.max_abs_net, one.early_net, one.net_now, one.late_ms) == (60, 60, -40, 0)
    assert audit.violations == 0


def test_our_mid_is_compared_with_the_normal_law_at_the_true_spot():
    (one,) = audited(traded()).sessions

    mids = [0.50, 0.49, 0.49]
    fairs = [
        NormalDist().cdf(math.log(spot / STRIKE) / (0.5 * math.sqrt(left / (365 * 86_400))))
        for spot, left in ((STRIKE, 70), (97_050.0, 50), (96_990.0, 45))
    ]
    steps = [(0, STRIKE), (30, STRIKE), (50, 97_050.0), (55, 96_990.0), (61, STRIKE)]
    squares = sum(math.log(b / a) ** 2 for (_, a), (_, b) in pairwise(steps))
    assert pytest.approx(math.sqrt(squares / (61 - 30) * 365 * 86_400)) == one.realised_sigma
    assert one.samples == 3
    assert pytest.approx(correlation(mids, fairs)) == one.mid_correlation
    assert pytest.approx(sum(abs(m - p) for m, p in zip(mids, fairs, strict=True)) / 3) == one.mid_difference


def test_totals():
    totals = audited(traded()).totals

    assert (totals.sessions, totals.settled, totals.fills, totals.contracts, totals.messages) == (1, 1, 2, 160, 4)
    assert (totals.within_5pct_share, totals.pnl_sd) == (1.0, None)
    assert (
        totals.early_net_mean,
        totals.early_net_left_at_30pct,
        totals.early_net_left_at_close,
    ) == (60, 40, 40)


def test_an_unfinished_session_has_no_pnl_and_no_later_nets():
    log = traded()
    log.lines = [line for line in log.lines if line["t"] <= T0 + 50_000]

    (one,) = audited(log).sessions

    assert (one.outcome, one.pnl) == (None, None)
    assert (one.nets["0.6"], one.nets["0.4"]) == (60, None)
    assert one.two_sided_share == 30 / 40


def test_a_session_met_late_has_no_earlier_nets():
    log = Log()
    log.lines = [{**line, "t": T0 + 50_000} for line in log.lines]
    log.hold(55, "YES", 10)
    log.end("NO", 0)

    (one,) = audited(log).sessions

    assert (one.nets["0.6"], one.nets["0.4"], one.early_net) == (None, 10, None)


def test_a_new_run_of_the_venue_starts_cash_and_books_afresh():
    log = Log()
    log.order(10, "accepted", "a", "YES", 50, 10)
    again = Log()
    quiet(again)
    log.lines += again.lines

    assert broken(log) == {}
    assert [one.outcome for one in audited(log).sessions] == [None, "YES"]


# --- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "room"), [(1.0, 1000), (0.75, 1000), (0.475, 515), (0.5, 559), (0.2, 30), (0.1, 30), (0.0, 30)]
)
def test_the_room_shrinks_as_the_strategy_says(f, room):
    assert room == Limits().position_limit(f)


@pytest.mark.parametrize(("duration_s", "seconds"), [(10, 1), (60, 1.2), (300, 6), (900, 18), (3600, 30)])
def test_the_closing_threshold(duration_s, seconds):
    assert pytest.approx(seconds * 1000) == Limits().close_ms(duration_s * 1000)


def test_limits_from_a_configuration_with_overrides(tmp_path):
    conf = tmp_path / "c.yaml"
    conf.write_text(
        "inventory: {max_position: 500, late_room: 0.1, dead_side: reduce_only}\n"
        "risk: {min_spread: 0.03}\n"
        "volatility: {prior: 0.6}\n"
        "overrides:\n"
        "- {asset: BTC, duration: 1M, inventory: {max_position: 50}}\n"
        "- {asset: BTC, inventory: {max_position: 70, close_threshold: 3}}\n"
    )
    from mmactors.audit.limits import read_rules

    rules = read_rules(conf)

    assert Limits(500, 0.1, dead_side="reduce_only", min_spread_micros=30_000, sigma=0.6) == rules.limits("ETH", 60)
    assert (rules.limits("BTC", 60).max_position, rules.limits("BTC", 60).close_threshold) == (50, 3)
    assert rules.limits("BTC", 300).max_position == 70


@pytest.mark.parametrize(
    "tree",
    [{"inventory": {"late_room": "much"}}, {"inventory": 3}, {"risk": {"min_spread": math.nan}}, {"overrides": 1}],
)
def test_a_configuration_that_cannot_be_used_is_refused(tree):
    with pytest.raises(AuditError) as refused:
        Rules(tree)
    assert refused.value.exit_code == 78


# --- independence, and the real log --------------------------------------------------------------------------------


def test_it_imports_nothing_of_the_program_it_judges():
    allowed = {"mmactors.audit", "matplotlib", "yaml", "numpy", *sys.stdlib_module_names}
    for path in Path(mmactors.audit.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert any(name == one or name.startswith(f"{one}.") for one in allowed), (path.name, name)


def test_it_reads_what_the_simulator_writes():
    from mmactors.simulator.models.fees import Fees
    from mmactors.simulator.venue.ledger import NewOrder
    from mmactors.simulator.venue.market import Market

    file = BytesIO()
    truth = VenueLog(file, lambda asset: STRIKE)
    truth.begin("r", 7, T0)
    venue = Venue(recorder=truth)
    market = Market(MARKET, "BTC", duration_s=100, opens_at=T0, expires_at=T0 + 100_000, fees=Fees(1.5, 10))
    venue.add_market(market, T0)
    venue.open_market(MARKET, STRIKE, T0)
    us = venue.open_account(US, 1000 * DOLLAR, T0)
    them = venue.open_account(HOUSE, 1000 * DOLLAR, T0, house=True)

    def buy(account, outcome, cents, size, s, **extra):
        order = NewOrder(MARKET, "bid", outcome, cents * CENT, size, **extra)
        return venue.place(account, order, T0 + s * 1000)[0]

    bid, ask = buy(us, "YES", 47, 30, 10), buy(us, "NO", 48, 30, 10)
    buy(them, "NO", 53, 10, 12)
    venue.replace(us, bid.id, 46 * CENT, 30, None, T0 + 20_000)
    buy(them, "YES", 52, 30, 30)
    buy(them, "NO", 40, 9, 31)
    buy(us, "YES", 60, 7, 32, ioc=True)
    venue.merge(us, MARKET, 5, T0 + 40_000)
    venue.cancel(us, bid.id, T0 + 90_000)
    venue.close_market(MARKET, T0 + 100_000)
    venue.resolve_market(MARKET, "NO", STRIKE, T0 + 101_000)
    truth.flush()

    auditor = Auditor()
    for line in file.getvalue().splitlines():
        auditor.feed(json.loads(line))
    audit = auditor.result()

    assert [example for check in audit.checks for example in check.examples] == []
    assert ask.filled == 30
    assert pytest.approx((us.cash - 1000 * DOLLAR) / DOLLAR) == audit.totals.pnl
    assert (audit.sessions[0].net_now, audit.sessions[0].fills) == (-13, 3)


# --- the command -----------------------------------------------------------------------------------------------


def written(tmp_path, log, tail=""):
    path = tmp_path / "venue.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in log.lines) + tail)
    return path


def told(capsys, *args):
    code = main(["audit", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_tells_a_clean_run(tmp_path, capsys):
    code, out, err = told(capsys, written(tmp_path, traded()), "--market", "BTC-100S")

    assert (code, err) == (0, "")
    assert "no rule was broken" in out
    assert " 0.200     20.0       +0.00  0.500  0.46     -      -    -40     30" in out
    assert max(map(len, out.splitlines()[3:])) <= 130


def test_the_command_ends_with_1_when_a_rule_was_broken(tmp_path, capsys):
    log = Log()
    room_full(log)

    code, out, _ = told(capsys, written(tmp_path, log))

    assert code == 1
    assert "room 559" in out
    assert out.rstrip().endswith("violations: 1")


def test_json_holds_the_same(tmp_path, capsys):
    code, out, _ = told(capsys, written(tmp_path, traded()), "--json", "--market", MARKET)
    found = json.loads(out)

    assert code == 0
    assert found["sessions"][0]["nets"]["close"] == -40
    assert len(CHECKS) == len(found["checks"])
    assert len(found["rows"]) == 41
    assert {"f": 0.2, "spot": STRIKE, "bid": 46, "ask": None, "net": -40, "room": 30}.items() <= {
        **found["rows"][32],
        "f": round(found["rows"][32]["f"], 9),
    }.items()


def test_a_torn_last_line_is_tolerated(tmp_path, capsys):
    code, out, _ = told(capsys, written(tmp_path, traded(), tail='{"t":1795000101000,"ty'))

    assert code == 0
    assert "the last torn" in out


def test_a_line_torn_by_a_kill_may_be_followed_by_the_next_run(tmp_path, capsys):
    again = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in traded().lines)

    code, out, _ = told(capsys, written(tmp_path, traded(), tail='{"t":1795000101000,"ty' + again))

    assert code == 0
    assert "2 of 2 settled" in out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no account"),
        ("ts_ms,price\n1,2\n", "line 1: not a line of the simulator's truth log"),
        ('{"a":1}\n', "line 1: not a line"),
        ('[1]\n{"t":1}\n', "line 1: not a line"),
        ('{"t":1,"type":"spot"}\n', "line 1: not a line"),
        ("\x00\x01\x02\n", "line 1: not a line"),
        ('{"t":1,"type":"run","run":"r","seed":1}\n', "no account but the simulator's own"),
    ],
)
def test_what_is_no_truth_log_is_78_with_one_line(tmp_path, capsys, content, says):
    path = tmp_path / "venue.jsonl"
    path.write_text(content)

    code, out, err = told(capsys, path)

    assert (code, out, err.count("\n")) == (78, "", 1)
    assert says in err


def test_missing_files_are_66(tmp_path, capsys):
    assert told(capsys, tmp_path / "none.jsonl")[0] == 66
    assert told(capsys, tmp_path)[0] == 66
    log = written(tmp_path, traded())
    assert told(capsys, log, "--conf", tmp_path / "none.json")[0] == 66
    assert told(capsys, log, "--market", "ETH")[0] == 66


def test_accounts(tmp_path, capsys):
    log = traded()
    log.money(101, "other", 1, "deposit", None, 1)
    path = written(tmp_path, log)

    assert ((got := told(capsys, path))[0], "mm, other" in got[2]) == (78, True)
    assert told(capsys, path, "--account", "mm")[0] == 0
    assert told(capsys, path, "--account", "nobody")[0] == 78


def test_a_conf_changes_the_judgement(tmp_path, capsys):
    conf = tmp_path / "c.json"
    conf.write_text(json.dumps({"risk": {"min_spread": 0.05}}))

    assert told(capsys, written(tmp_path, traded()), "--conf", conf)[0] == 1
    conf.write_text("{")
    assert told(capsys, written(tmp_path, traded()), "--conf", conf)[0] == 78


def test_the_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "s.png"

    code, out, _ = told(capsys, written(tmp_path, traded()), "--plot", path)

    assert (0, f"drawn: {path}") == (code, out.splitlines()[-1])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert told(capsys, written(tmp_path, traded()), "--plot", tmp_path / "no" / "s.png")[0] == 64


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    code, _, err = told(capsys, written(tmp_path, traded()), "--plot", tmp_path / "s.png")

    assert (code, err.count("\n")) == (78, 1)
    assert "mmactors[research]" in err


@pytest.mark.parametrize("name", ["x.gif", "x.svg", "x", "x.png.txt", ".png"])
def test_a_picture_of_another_kind_is_refused_before_the_work(tmp_path, capsys, name):
    log = tmp_path / "venue.jsonl"
    log.write_text("this would be told if it was read")

    code, out, err = told(capsys, log, "--plot", tmp_path / name)

    assert (code, out) == (64, "")
    assert err == f"mmactors: --plot {tmp_path / name}: the name must end in .png\n"
    assert not (tmp_path / name).exists()


def test_a_folder_is_said_to_be_one(tmp_path, capsys):
    assert told(capsys, tmp_path) == (66, "", f"mmactors: {tmp_path}: a folder; give the venue.jsonl of a run\n")
    none = tmp_path / "none"
    assert told(capsys, none) == (66, "", f"mmactors: {none}: no such file\n")
