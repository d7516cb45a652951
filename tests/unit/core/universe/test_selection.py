"""Which markets are quoted when there are more than may be."""

import random
from dataclasses import replace

from depth import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mmactors.core.universe.selection import MIN_F, Candidate, select


def test_seed_defect_07_selection_scores_before_cutting():
    poor = [Candidate(f"a{k}", f=0.3) for k in range(10)]
    assert select([*poor, Candidate("z", f=0.9)], limit=1) == ["z"]


def test_seed_defect_07_ties_are_broken_by_id():
    candidates = [Candidate(name, f=0.5) for name in "dbca"]
    assert select(candidates, limit=3) == ["a", "b", "c"]


def test_seed_defect_07_incumbents_are_kept():
    candidates = [Candidate("new", f=0.9), Candidate("old", f=0.3, incumbent=True)]
    assert select(candidates, limit=1) == ["old"]


def test_seed_defect_07_a_market_with_inventory_is_never_dropped():
    candidates = [Candidate("held", f=0.0, net=-3), Candidate("old", f=0.9, incumbent=True), Candidate("new", f=1.0)]
    assert select(candidates, limit=1) == ["held"]
    assert select(candidates, limit=0) == ["held"]
    assert select(candidates, limit=2) == ["held", "old"]


def test_seed_defect_07_skips_by_fraction_of_time_left():
    assert select([Candidate("late", f=0.19), Candidate("early", f=0.21)], limit=10) == ["early"]
    assert select([Candidate("late", f=0.05, incumbent=True)], limit=10) == ["late"]
    assert select([Candidate("over", f=0.0, incumbent=True)], limit=10) == []


def test_less_exposure_is_better():
    light, heavy = Candidate("z", f=0.5, net=10), Candidate("a", f=0.5, net=900)
    assert select([heavy, light], limit=2) == ["z", "a"]


def test_room_under_the_assets_limit_is_better_and_none_is_a_reason_to_wait():
    crowded, roomy = Candidate("a", f=0.9, asset_share=0.6), Candidate("z", f=0.5, asset_share=0.1)
    assert select([crowded, roomy], limit=1) == ["z"]
    full = Candidate("a", f=0.9, asset_share=1.0)
    assert select([full, roomy], limit=2) == ["z"]
    assert select([Candidate("a", f=0.9, asset_share=1.0, incumbent=True)], limit=2) == ["a"]
    assert select([Candidate("a", f=0.9, asset_share=1.0, net=5)], limit=2) == ["a"]


def test_the_order_of_the_candidates_does_not_matter():
    candidates = [Candidate(f"m{k}", f=(k * 7 % 10) / 10, incumbent=k % 3 == 0, net=k % 4 * 50) for k in range(20)]
    chosen = select(candidates, limit=8)
    for seed in range(20):
        shuffled = candidates[:]
        random.Random(seed).shuffle(shuffled)
        assert chosen == select(shuffled, limit=8)


# --- properties -----------------------------------------------------------------------------------

candidates = st.lists(
    st.builds(
        Candidate,
        market=st.text("abc", min_size=1, max_size=3),
        f=st.floats(0, 1) | st.sampled_from([0.0, MIN_F, 0.5, 1.0]),
        incumbent=st.booleans(),
        net=st.sampled_from([0, 0, 0, -700, 3, 50]),
        max_position=st.sampled_from([100, 1000]),
    ),
    unique_by=lambda candidate: candidate.market,
    max_size=15,
)


@settings(max_examples=examples(300), deadline=None)
@given(candidates, st.integers(0, 12), st.randoms(use_true_random=False))
def test_selection_is_stable(given_, limit, rng):
    """It keeps to its choice, does not depend on order, and does not miss what it did not choose."""
    chosen = select(given_, limit)
    shuffled = given_[:]
    rng.shuffle(shuffled)
    assert select(shuffled, limit) == chosen
    taken = [replace(c, incumbent=c.market in chosen) for c in given_]
    assert set(select(taken, limit)) == set(chosen)
    assert select([c for c in given_ if c.market in chosen], limit) == chosen


@settings(max_examples=examples(300), deadline=None)
@given(candidates, st.integers(0, 12))
def test_selection_drops_no_inventory_and_no_incumbent_for_a_newcomer(given_, limit):
    chosen = select(given_, limit)
    held = {c.market for c in given_ if c.net}
    assert held <= set(chosen)
    assert len(chosen) == len(set(chosen)) <= max(limit, len(held))
    fresh = {c.market for c in given_ if not c.net and not c.incumbent}
    if fresh & set(chosen):
        assert {c.market for c in given_ if c.incumbent and not c.net and c.f > 0} <= set(chosen)
    assert all(c.f >= MIN_F for c in given_ if c.market in fresh & set(chosen))
