"""Delays between attempts: they grow, jitter, stay within bounds and start over."""

from random import Random

from mmactors.net.backoff import Backoff


def test_delays_grow_within_their_bounds_and_differ() -> None:
    for seed in range(50):
        backoff = Backoff(Random(seed))
        delays = [backoff.next_s() for _ in range(200)]
        assert all(0.25 <= delay <= 10.0 for delay in delays)
        assert delays[0] <= 0.5
        assert min(delays[6:]) >= 5.0
        assert len(set(delays)) == 200


def test_a_connection_that_held_starts_over_one_that_did_not_goes_on() -> None:
    backoff = Backoff(Random(1))
    for _ in range(10):
        backoff.next_s(lived_s=9.9)
    assert backoff.next_s(lived_s=1.0) >= 5.0
    assert backoff.next_s(lived_s=10.0) <= 0.5
