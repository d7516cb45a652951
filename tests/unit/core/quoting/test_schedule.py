"""Time as a share of the session: lean, room, close and phase."""

import pytest

from mmactors.core.params import InventoryParams
from mmactors.core.quoting import schedule
from mmactors.core.quoting.schedule import Phase
from mmactors.units import Contracts, nanos

PARAMS = InventoryParams()


@pytest.mark.parametrize(("tau_s", "expected"), [(300, 1.0), (150, 0.5), (0, 0.0), (-3, 0.0), (400, 1.0)])
def test_f_is_the_share_left_within_its_bounds(tau_s, expected):
    assert expected == schedule.f(nanos(tau_s), nanos(300))


def test_f_refuses_a_session_without_length():
    with pytest.raises(ValueError, match="lasts"):
        schedule.f(nanos(1), nanos(0))


@pytest.mark.parametrize(("f", "expected"), [(1, 0), (0.75, 0), (0.675, 0.5), (0.60, 1), (0.1, 1), (0, 1)])
def test_lean_ramps_in_between_three_quarters_and_sixty_percent(f, expected):
    assert expected == pytest.approx(schedule.lean_weight(f))


@pytest.mark.parametrize(("f", "expected"), [(1, 1000), (0.75, 1000), (0.475, 515), (0.20, 30), (0.19, 30), (0, 30)])
def test_room_shrinks_to_its_late_share(f, expected):
    assert expected == schedule.position_limit(f, PARAMS)


def test_room_never_grows_as_time_passes_and_is_whole():
    rooms = [schedule.position_limit(1 - k / 5000, PARAMS) for k in range(5001)]
    assert rooms == sorted(rooms, reverse=True)
    assert all(isinstance(position_limit, int) for position_limit in rooms)
    assert schedule.position_limit(0.5, InventoryParams(max_position=Contracts(7))) == int(
        7 * (0.03 + 0.97 * 0.3 / 0.55)
    )


@pytest.mark.parametrize(("duration_s", "close_s"), [(60, 1.2), (300, 6), (900, 18), (3600, 30), (20, 1)])
def test_seed_defect_13_close_threshold_is_a_fraction(duration_s, close_s):
    assert nanos(close_s) == schedule.close_at_ns(nanos(duration_s), PARAMS)


def test_close_threshold_is_the_upper_bound():
    assert nanos(0.5) == schedule.close_at_ns(nanos(60), InventoryParams(close_threshold_s=0.5))


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (1.0, Phase.EARLY),
        (0.75, Phase.EARLY),
        (0.74, Phase.FLATTENING),
        (0.11, Phase.FLATTENING),
        (0.10, Phase.REDUCE_ONLY),
        (0.021, Phase.REDUCE_ONLY),
        (0.02, Phase.CLOSED),
        (0.0, Phase.CLOSED),
    ],
)
def test_phases_of_a_five_minute_session(f, expected):
    assert expected is schedule.phase(f, nanos(300), PARAMS)


def test_phases_follow_one_another_in_every_duration():
    order = [Phase.EARLY, Phase.FLATTENING, Phase.REDUCE_ONLY, Phase.CLOSED]
    for duration_s in (60, 300, 900, 3600):
        seen = [schedule.phase(1 - k / 1000, nanos(duration_s), PARAMS) for k in range(1001)]
        assert order == list(dict.fromkeys(seen))
