"""Delays are drawn as their model says."""

import statistics
from random import Random

import pytest

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.simulator.models.latency import latency_of


def drawn(count: int, **settings: object) -> list[float]:
    latency = latency_of(SimulatorConfig(**settings), 80, Random(3))
    return [latency.draw_s() for _ in range(count)]


def test_delays_are_as_the_model_says(tmp_path):
    measured = tmp_path / "delays.txt"
    measured.write_text("5\n40.5\n300\n")
    even = drawn(2000, latency_jitter_ms=20)
    assert 0.06 <= min(even) < 0.061 < 0.099 < max(even) <= 0.1
    skewed = drawn(4000, latency_model="lognormal", latency_log_sd=0.8)
    assert statistics.median(skewed) == pytest.approx(0.08, rel=0.05)
    assert statistics.fmean(skewed) == pytest.approx(0.08 * 2.71828 ** (0.8**2 / 2), rel=0.05)
    assert set(drawn(200, latency_model="recorded", latency_file=measured)) == {0.005, 0.0405, 0.3}
