"""The auditor: every rule catches one planted breach in a small log, and passes the log without it."""

import pytest
from audit_log import DOLLAR, FAR, MARKET, STRIKE, T0, US, Log, audited, broken, quiet, room_full

from mmactors.audit import CHECKS, Auditor, Rules


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
    log.published(10, 9.9)
    log.order(10, "accepted", "a", tick=T0 + 9_900)
    log.published(12, 9.9)
    log.order(12.91, "cancelled", "a", tick=T0 + 9_900)


def stale_rest_after_the_return(log):
    log.session(1, "up")
    log.order(10, "accepted", "a", tick=T0 + 10_000)
    log.session(11, "down")
    log.published(12, 10)
    log.session(12, "up")
    log.published(16, 10)
    log.published(17, 10)
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
    log.published(10, 9.9)
    log.order(10, "accepted", "a", tick=T0 + 9_900)
    log.order(12.4, "accepted", "b", ticks=39, tick=T0 + 9_900)
    for name in "ab":
        log.order(12.9, "cancelled", name, tick=T0 + 9_900)
    log.published(20, 9.9)


def out_of_reach(log):
    log.session(1, "up")
    log.order(80, "accepted", "a", "NO", 3, 10, tick=T0 + 80_000)
    log.session(81, "down")
    log.spot(95, FAR)
    log.published(96, 81)
    log.session(98.5, "up")
    log.published(99, 81)
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


# --- how a breach is reported --------------------------------------------------------------------------------


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
