"""A recording as the arena's worlds: which sessions count, where worlds begin, what takers know, and unusable files."""

import math
from pathlib import Path
from random import Random

import numpy as np
import pytest

from mmactors.research.arena.recorded_worlds import cut, realised
from mmactors.research.calibration.calibrate import grid_of
from mmactors.simulator.prices.recording import PricesError

FIRST_S = 1_780_000_200  # 20:30 UTC
RECORDED = Path(__file__).parents[5] / "shared" / "data" / "prices"


def walk(seconds, sigma=0.5, seed=1):
    rng, price = Random(seed), 60_000.0
    step = sigma / math.sqrt(365 * 86_400)
    found = []
    for second in range(seconds):
        found.append((second, price))
        price *= math.exp(rng.gauss(0.0, step))
    return found


def written(tmp_path, rows, name="p.csv"):
    path = tmp_path / name
    lines = [f"{round((FIRST_S + second) * 1000)},{price!r}" for second, price in rows]
    path.write_text("ts_ms,price\n" + "\n".join(lines) + "\n")
    return path


def test_sessions_are_back_to_back_on_multiples_of_their_length_after_an_hour(tmp_path):
    rows = walk(3 * 3600)
    (piece,) = cut(written(tmp_path, rows), "BTC", 300)
    assert [place for place, _ in piece.counted] == list(range(12, 12 + 23))
    assert piece.counted[0][1] == "2026-05-28T21:30Z"
    assert piece.elapsed_s == 0.0
    assert piece.recording.times_ms[-1] == 3600_000 + 23 * 300_000
    prices = dict(rows)
    at_strike = piece.recording.times_ms.index(13 * 300_000)
    assert piece.recording.prices[at_strike] == prices[13 * 300]


def test_a_file_is_shared_out_in_pieces_each_warmed_up_by_the_hour_before(tmp_path):
    pieces = cut(written(tmp_path, walk(5 * 3600)), "BTC", 300)
    assert [len(each.counted) for each in pieces] == [36, 11]
    first, second = pieces
    assert second.counted[0][0] == 12
    warm = second.recording.prices[: 12 * 300]
    assert warm == first.recording.prices[36 * 300 : 48 * 300]


def test_a_session_with_a_silence_is_left_out_and_a_hole_begins_another_world(tmp_path):
    rows = [
        (second, price)
        for second, price in walk(3 * 3600)
        if not 3900 + 100 <= second < 3900 + 112 and not 6000 + 50 <= second < 6000 + 150
    ]
    first, second = cut(written(tmp_path, rows), "BTC", 300)
    assert [place for place, _ in first.counted] == [12, *range(14, 20)]
    assert second.elapsed_s == 150.0
    assert second.counted[0] == (1, "2026-05-28T22:15Z")
    assert first.sessions * 300_000 == first.recording.times_ms[-1]
    assert second.sessions * 300_000 - 150_000 == second.recording.times_ms[-1]


def test_the_first_sessions_are_those_asked_for(tmp_path):
    path = written(tmp_path, walk(5 * 3600))
    assert sum(len(each.counted) for each in cut(path, "BTC", 300, 40)) == 40


def test_what_takers_know_is_the_volatility_around_each_moment():
    rows = walk(4000, 0.3) + [(second + 4000, price) for second, price in walk(4000, 0.9)]
    times = np.array([(FIRST_S + second) * 1000 for second, _ in rows])
    sigmas = realised(grid_of(times, np.array([price for _, price in rows])))
    assert sigmas[2000] == pytest.approx(0.3, rel=0.2)
    assert sigmas[6000] == pytest.approx(0.9, rel=0.2)
    assert sigmas.size == 8000


def test_silence_is_not_calm():
    rows = [(second, price) for second, price in walk(8000) if not 3000 <= second < 5000]
    times = np.array([(FIRST_S + second) * 1000 for second, _ in rows])
    sigmas = realised(grid_of(times, np.array([price for _, price in rows])))
    assert sigmas[4000] == pytest.approx(0.5, rel=0.25)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("", "wrong columns: needs ts_ms and price"),
        ("time,close\n1,2\n", "wrong columns: needs ts_ms and price"),
        ("ts_ms,price\nx,1\n", "no usable rows"),
        ("ts_ms,price\n" + "".join(f"{FIRST_S + s}000,5\n" for s in range(1000)), "too short: 0.3 h"),
        ("ts_ms,price\n" + "".join(f"{FIRST_S + s},5\n" for s in range(9000)), "is ts_ms in milliseconds"),
        ("ts_ms,price\n" + "".join(f"{FIRST_S + s}000000,5\n" for s in range(9000)), "no usable rows"),
        ("ts_ms,price\n" + "".join(f"{FIRST_S + 60 * s}000,5\n" for s in range(900)), "too coarse: a price every 60 s"),
    ],
)
def test_an_unusable_file_is_one_line(tmp_path, text, said):
    path = tmp_path / "bad.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PricesError, match=said) as error:
        cut(path, "BTC", 300)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_duplicates_and_disorder_change_nothing(tmp_path):
    rows = walk(2 * 3600)
    (clean,) = cut(written(tmp_path, rows), "BTC", 300)
    shuffled = [*rows, *rows[500:600]]
    Random(3).shuffle(shuffled)
    (messy,) = cut(written(tmp_path, shuffled, "q.csv"), "BTC", 300)
    assert messy == clean


@pytest.mark.recorded
def test_the_recorded_day_has_the_sessions_of_the_protocol():
    path = RECORDED / "btcusd_chainlink_1s.parquet"
    if not path.is_file():
        pytest.skip("no recorded data")
    counts = {length: sum(len(each.counted) for each in cut(path, "BTC", length)) for length in (300, 900)}
    assert counts == {300: 270, 900: 87}
