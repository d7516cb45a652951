"""Several sources made one: hull, order, bases, leaders, outliers, disagreement, silence."""

import itertools
import math
import random

import pytest
from depth import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmactors.core.params import ReferenceParams, VolatilityParams
from mmactors.core.reference.lead_lag import LeadLag
from mmactors.core.reference.reference import Reference
from mmactors.messages import FeedWentStale, IndexSettled, ReferenceLost, ReferenceMoved, SpotTicked
from mmactors.units import MILLISECOND, SECOND, Nanos, nanos

START = nanos(1_700_000_000)
PRICE = 97_000.0
BP = 1e-4
A, B, C = "alpha", "beta", "gamma"


class Desk:
    """A reference under a virtual clock; the timer looks every 100 ms."""

    def __init__(self, **fusion):
        self.now = START
        self.reference = Reference("BTC", VolatilityParams(), nanos(2), ReferenceParams(**fusion))
        self.told = []

    def hear(self, source, price, *, kind="book", delay_s=None):
        event = None if delay_s is None else Nanos(self.now - nanos(delay_s))
        told = self.reference.on_price(SpotTicked(source, "BTC", price, kind, self.now, event), self.now)
        return self._note(told)

    def wait(self, seconds=0.1):
        for _ in range(round(seconds * 10)):
            self.now = Nanos(self.now + 100 * MILLISECOND)
            self._note(self.reference.on_timer(self.now))

    def run(self, seconds, **prices):
        """Let the sources (by name: a bp offset, or a function of the time) speak every 100 ms."""
        for _ in range(round(seconds * 10)):
            self.wait()
            for source, offset in prices.items():
                self.hear(source, at(offset(self.now) if callable(offset) else offset))

    def stale(self, source):
        return self._note(self.reference.on_feed_stale(FeedWentStale(source, "BTC", self.now, "gone"), self.now))

    @property
    def price(self):
        return self.reference.snapshot().price

    @property
    def offset(self):
        return math.log(self.price / PRICE) / BP

    @property
    def losses(self):
        return [told for told in self.told if isinstance(told, ReferenceLost)]

    def figure(self, name):
        return self.reference.figures().get(name, 0)

    def _note(self, told):
        if told is not None:
            self.told.append(told)
        return told


def at(offset_bp):
    return PRICE * math.exp(offset_bp * BP)


def noise(seed, sd_bp=0.3):
    draw = random.Random(seed)
    return lambda _now: draw.gauss(0.0, sd_bp)


@pytest.fixture
def desk():
    """Two sources that agree, for five seconds."""
    desk = Desk()
    desk.run(5, alpha=0.0, beta=0.0)
    desk.told.clear()
    return desk


# --- the fused price ---


def test_two_sources_are_one_reference(desk):
    assert (desk.price, desk.reference.snapshot().sources) == (pytest.approx(PRICE), (A, B))


def test_each_source_moves_it_at_once_and_the_freshest_most(desk):
    desk.wait(0.5)
    desk.hear(A, at(2.0))
    assert 1.0 < desk.offset < 2.0


def test_one_price_of_a_source_gone_quiet_has_no_say():
    desk = Desk()
    desk.run(5, alpha=0.0, beta=0.0)
    desk.run(1.5, alpha=8.0)
    assert desk.offset == pytest.approx(8.0)


@given(
    st.lists(st.tuples(st.sampled_from([A, B, C]), st.floats(-60, 60), st.integers(0, 900)), min_size=1, max_size=60)
)
@settings(max_examples=examples(60), deadline=None)
def test_it_lies_among_the_corrected_prices_of_what_lives(ticks):
    desk = Desk()
    for source, offset, pause_ms in ticks:
        desk.now = Nanos(desk.now + pause_ms * MILLISECOND)
        desk.reference.on_timer(desk.now)
        told = desk.hear(source, at(offset))
        if isinstance(told, ReferenceMoved):
            living = [each for each in desk.reference._sources.values() if each.alive]
            prices = [math.exp(each.adjusted) for each in living]
            assert min(prices) * (1 - 1e-12) <= told.price <= max(prices) * (1 + 1e-12)
            assert told.sources == tuple(each.name for each in living)


WILD = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.floats(9e4, 1e5), st.just(0.0), st.just(-1.0), st.just(5e-324)
)


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), WILD, st.integers(0, 3000)), max_size=80))
@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_ever_makes_it_no_price_and_life_never_goes_back(ticks):
    desk, life = Desk(index=True), 0
    for source, price, pause_ms in ticks:
        desk.now = Nanos(desk.now + pause_ms * MILLISECOND)
        for told in (desk.reference.on_timer(desk.now), desk.hear(source, price)):
            if isinstance(told, ReferenceMoved):
                assert 0.0 < told.price < math.inf
                assert 0.0 < told.sigma < math.inf
                assert 0.0 <= told.uncertainty < math.inf
                assert life <= told.life_ns <= desk.now
                life = told.life_ns


@given(st.integers(0, 1 << 30), st.permutations([A, B, C]))
@settings(max_examples=examples(30), deadline=None)
def test_the_sources_names_and_order_do_not_matter(seed, names):
    draw = random.Random(seed)
    prices = [[draw.gauss(3.0 * k, 0.5) for k in range(3)] for _ in range(100)]
    one, two = Desk(), Desk()
    for row in prices:
        for desk, called in ((one, [A, B, C]), (two, names)):
            desk.wait()
            for name, offset in zip(called, row, strict=True):
                desk.hear(name, at(offset))
    assert one.price == pytest.approx(two.price, rel=1e-12)


def test_with_one_source_nothing_is_learned():
    desk = Desk(anchor=B)
    desk.run(20, alpha=7.0)
    assert (desk.price, desk.figure("basis_alpha"), desk.told[-1].apart_bp) == (at(7.0), 0, 0.0)


# --- bases ---


@pytest.mark.parametrize(("anchor", "level"), [("", 4.0), (A, 0.0), (B, 8.0)])
def test_a_planted_basis_is_found_within_a_minute(anchor, level):
    desk = Desk(anchor=anchor)
    rough = (noise(1), noise(2))
    desk.run(60, alpha=rough[0], beta=lambda now: 8.0 + rough[1](now))
    assert desk.figure("basis_beta") - desk.figure("basis_alpha") == pytest.approx(800, abs=25)
    desk.run(1, alpha=0.0, beta=8.0)
    assert desk.offset == pytest.approx(level, abs=0.6)
    assert not desk.losses
    assert desk.told[-1].uncertainty == 0.0


def test_a_source_that_joins_later_makes_no_jump():
    desk = Desk()
    desk.run(300, alpha=0.0)
    desk.hear(B, at(8.0))
    assert desk.offset == pytest.approx(0.0, abs=1e-9)
    desk.run(1, alpha=0.0, beta=8.0)
    assert desk.offset == pytest.approx(0.0, abs=0.1)


def test_what_is_left_of_two_goes_on_at_the_same_level():
    desk = Desk()
    desk.run(60, alpha=0.0, beta=8.0)
    before, sigma = desk.offset, desk.reference.sigma()
    desk.told.clear()
    assert desk.stale(A) is None
    desk.run(5, beta=8.0)
    assert desk.offset == pytest.approx(before, abs=0.05)
    assert desk.told[-1].sources == (B,)
    assert not desk.losses
    assert desk.reference.sigma() <= sigma
    gaps = [b.life_ns - a.life_ns for a, b in itertools.pairwise(desk.told)]
    assert max(gaps) <= 100 * MILLISECOND


def test_a_basis_is_not_learned_from_a_move():
    desk = Desk()
    desk.run(30, alpha=0.0, beta=0.0)
    for k in range(20):  # one second's trend that beta follows half a second late
        desk.run(0.1, alpha=float(min(k, 10)), beta=float(min(max(k - 5, 0), 10)))
    assert abs(desk.figure("basis_alpha") - desk.figure("basis_beta")) < 30


# --- outliers and jumps ---


@pytest.mark.parametrize("offset", [100.0, -100.0, 9_000.0])
def test_an_outlier_of_one_of_two_moves_nothing(desk, offset):
    sigma = desk.reference.sigma()
    for _ in range(10):
        desk.run(0.5, alpha=0.0, beta=0.0)
        desk.hear(B, at(offset))
    desk.run(1, alpha=0.0, beta=0.0)
    pending_replaces = [told for told in desk.told if isinstance(told, ReferenceMoved)]
    assert max(abs(math.log(told.price / PRICE)) for told in pending_replaces) < 1e-9
    assert not desk.losses
    assert desk.reference.sigma() <= sigma
    assert desk.figure("jump_held") == 10


def test_a_jump_of_both_is_followed_with_the_seconds_word(desk):
    assert desk.hear(A, at(100.0)) is None
    desk.now = Nanos(desk.now + 20 * MILLISECOND)
    moved = desk.hear(B, at(101.0))
    assert isinstance(moved, ReferenceMoved)
    assert 99.0 < desk.offset < 102.0
    assert not desk.losses


def test_only_what_agrees_with_the_confirmed_price_is_taken_with_it():
    desk = Desk()
    desk.run(5, alpha=0.0, beta=0.0, gamma=0.0)
    desk.hear(A, at(100.0))
    desk.hear(C, at(-300.0))
    assert isinstance(desk.hear(B, at(100.0)), ReferenceMoved)
    assert 99.0 < desk.offset < 101.0


def test_one_of_two_that_insists_ends_quoting_until_they_agree(desk):
    desk.run(1.5, alpha=100.0, beta=0.0)
    assert [loss.reason for loss in desk.losses] == ["sources disagree by 100 bp"]
    assert desk.reference.snapshot() is None
    desk.run(0.3, alpha=0.0, beta=0.0)
    assert desk.offset == pytest.approx(0.0, abs=1e-9)
    assert desk.told[-1].sources == (A, B)


def test_the_one_that_was_right_is_followed_when_the_other_comes(desk):
    desk.run(1.5, alpha=100.0, beta=0.0)
    desk.run(0.3, alpha=100.0, beta=100.0)
    assert desk.offset == pytest.approx(100.0, abs=0.5)


def test_the_end_of_the_one_that_insists_ends_the_quarrel(desk):
    desk.run(1.5, alpha=100.0, beta=0.0)
    desk.stale(A)
    desk.run(0.3, beta=0.0)
    assert desk.offset == pytest.approx(0.0, abs=1e-9)


def test_one_of_three_is_outvoted():
    desk = Desk()
    desk.run(5, alpha=0.0, beta=0.0, gamma=0.0)
    desk.run(5, alpha=100.0, beta=0.0, gamma=0.2)
    assert abs(desk.offset) < 1.0
    assert not desk.losses


def test_sources_that_drift_apart_widen_then_stop(desk):
    desk.run(120, alpha=0.0, beta=0.0)
    desk.run(2, alpha=0.0, beta=9.0)
    moved = desk.told[-1]
    assert 8.0 < moved.apart_bp < 9.5
    assert moved.uncertainty == pytest.approx((moved.apart_bp - 3.0) / 2 * BP * moved.price)
    since = desk.now
    desk.run(30, alpha=lambda now: -(now - since) / SECOND, beta=lambda now: 9.0 + (now - since) / SECOND)
    assert desk.losses
    assert "sources disagree by" in desk.losses[0].reason


def test_many_bad_prices_make_a_source_count_no_more(desk):
    for k in range(40):
        desk.run(0.1, alpha=0.0)
        desk.hear(B, math.nan if k % 2 else at(0.0))
    assert desk.reference.snapshot().sources == (A,)
    desk.run(6, alpha=0.0, beta=0.0)
    assert desk.reference.snapshot().sources == (A, B)


# --- silence ---


def test_all_silent_is_lost_by_our_own_clock(desk):
    desk.wait(2.0)
    assert not desk.losses
    desk.wait(0.1)
    assert [loss.reason for loss in desk.losses] == ["no sign of life"]


def test_a_source_that_is_behind_is_silent_though_it_speaks(desk):
    for k in range(10):
        desk.wait()
        desk.hear(A, at(0.0))
        desk.hear(B, at(float(k)), kind="trade", delay_s=20.0)
    assert desk.reference.snapshot().sources == (A,)
    desk.hear(B, at(0.0), kind="trade", delay_s=0.1)
    assert desk.reference.snapshot().sources == (A, B)


def test_a_single_source_that_is_behind_is_lost():
    desk = Desk()
    desk.run(1, alpha=0.0)
    told = [desk.hear(A, PRICE, kind="trade", delay_s=20.0) for _ in range(3)]
    assert told[:2] == [None, None]
    assert (type(told[2]), told[2].reason) == (ReferenceLost, "alpha: behind by 20.0 s")
    assert desk.hear(A, PRICE, kind="trade", delay_s=0.1) is not None


def test_a_greeting_with_the_last_known_price_revives_nothing(desk):
    """An exchange tells a new subscriber its last trade, however old: found by cutting both feeds of a live run."""
    desk.stale(A)
    assert isinstance(desk.stale(B), ReferenceLost)
    desk.wait(3.0)
    assert desk.hear(B, at(0.0), delay_s=4.8) is None
    assert desk.reference.snapshot() is None
    assert isinstance(desk.hear(B, at(1.0), delay_s=0.1), ReferenceMoved)


# --- who leads ---


def walk(seed, seconds):
    draw, level, path = random.Random(seed), 0.0, []
    for _ in range(seconds * 10):
        level += draw.gauss(0.0, 0.28)
        path.append(level)
    return path


@pytest.mark.parametrize("lag", [3, -3])
def test_who_leads_is_found_and_by_how_much(lag):
    path, pair = walk(3, 120), LeadLag(10, 6000.0)
    pending_replaces = [b - a for a, b in itertools.pairwise(path)]
    for k in range(10, len(pending_replaces)):
        late = pending_replaces[k - 3]
        pair.add(*((pending_replaces[k], late) if lag > 0 else (late, pending_replaces[k])))
    steps, correlation = pair.estimate()
    assert steps == pytest.approx(lag, abs=0.2)
    assert correlation > 0.8


def test_independent_series_have_no_leader():
    pair = LeadLag(10, 6000.0)
    draw = random.Random(5)
    for _ in range(5000):
        pair.add(draw.gauss(0, 1), draw.gauss(0, 1))
    assert pair.estimate()[0] == 0.0


def test_the_leader_is_not_averaged_away():
    desk = Desk()
    path = walk(4, 90)
    step = iter(range(3, len(path)))
    rough = noise(9, 0.1)
    for k in step:
        desk.run(0.1, alpha=path[k], beta=path[k - 3] + rough(0))
        if k == 800:
            break
    assert desk.reference.leader == A
    assert desk.figure("lead_alpha_beta") == pytest.approx(300, abs=30)
    assert "alpha leads beta by" in desk.reference.lead_in_words()
    before = desk.offset
    desk.wait()
    desk.hear(A, at(path[k] + 6.0))
    assert desk.offset - before > 5.0
    assert desk.told[-1].uncertainty == 0.0


# --- the settlement index ---


def test_the_basis_to_the_index_is_learned_from_settlements_if_wanted():
    for wanted, level in ((True, 5.0), (False, 0.0)):
        desk = Desk(index=wanted)
        desk.run(10, alpha=0.0)
        desk.reference.on_settlement(IndexSettled("BTC", at(5.0), desk.now, 0))
        desk.run(1, alpha=0.0)
        assert desk.offset == pytest.approx(level, abs=1e-6)


def test_a_settlement_far_from_the_level_teaches_nothing():
    desk = Desk(index=True)
    desk.run(10, alpha=0.0)
    for price in (at(40.0), math.nan, 0.0):
        desk.reference.on_settlement(IndexSettled("BTC", price, desk.now, 0))
    desk.reference.on_settlement(IndexSettled("BTC", at(5.0), Nanos(desk.now - nanos(3600)), 0))
    desk.run(1, alpha=0.0)
    assert desk.price == PRICE
