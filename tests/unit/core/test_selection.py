"""Which markets are quoted when there are more than may be."""

import random

from mmactors.core.selection import Candidate, select


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
