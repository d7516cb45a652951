"""The audit's figures of a session and of all sessions."""

import math
from itertools import pairwise
from statistics import NormalDist, correlation

import pytest
from audit_log import MARKET, STRIKE, T0, Log, audited, broken, quiet, traded


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
