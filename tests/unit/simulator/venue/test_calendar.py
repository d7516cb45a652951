"""Rolling sessions: back to back, listed ahead, struck at the open, ended at exact times."""

import math

import pytest

from mmactors.config.simulator_sections import SessionsConfig
from mmactors.simulator.venue.calendar import RESOLVE_AFTER_MS, Calendar, Due, duration_ms
from mmactors.units import YEAR_S

START = 1_795_000_000_000


def calendar(*series: SessionsConfig, ends: dict[str, int | None] | None = None, listed: float = 10.0) -> Calendar:
    return Calendar(series, START, listed, 7, {"BTC": None} if ends is None else ends)


def until(found: Calendar, end_ms: int) -> list[Due]:
    dues = []
    while found.next_ms is not None and found.next_ms <= end_ms:
        dues.append(found.pop())
    return dues


def test_sessions_are_back_to_back_and_the_first_began_before_the_start() -> None:
    dues = until(calendar(SessionsConfig(duration="5M", elapsed_s=120.0)), START + 900_000)
    opened = [due for due in dues if due.event == "opened"]
    assert [due.session.opens_at - START for due in opened] == [-120_000, 180_000, 480_000, 780_000]
    assert [due.at_ms - START for due in opened] == [0, 180_000, 480_000, 780_000]
    assert [a.session.expires_at for a in opened[:-1]] == [b.session.opens_at for b in opened[1:]]


def test_each_event_of_a_session_is_at_its_exact_time() -> None:
    dues = until(calendar(SessionsConfig(duration="1M")), START + 130_000)
    second = next(due.session for due in dues if due.session.opens_at == START + 60_000)
    found = {due.event: due.at_ms - START for due in dues if due.session is second}
    assert found == {"listed": 50_000, "opened": 60_000, "closed": 120_000, "resolved": 120_000 + RESOLVE_AFTER_MS}


def test_a_close_precedes_the_next_open_of_the_same_moment() -> None:
    dues = until(calendar(SessionsConfig(duration="1M")), START + 60_000)
    assert [due.event for due in dues if due.at_ms == START + 60_000] == ["closed", "opened"]


def test_ids_differ_even_between_series_alike() -> None:
    dues = until(calendar(SessionsConfig(duration="1M"), SessionsConfig(duration="1M")), START + 300_000)
    listed = [due.session.id for due in dues if due.event == "listed"]
    assert len(set(listed)) == len(listed)
    assert listed[0] == "BTC-1M-20261118T110640Z"


def test_no_session_outlives_the_recorded_prices() -> None:
    found = calendar(SessionsConfig(duration="1M"), ends={"BTC": START + 150_000})
    dues = until(found, START + 10_000_000)
    assert [due.session.expires_at - START for due in dues if due.event == "opened"] == [60_000, 120_000]
    assert (found.running, found.next_ms) == (0, None)


def test_an_asset_without_prices_has_no_sessions() -> None:
    assert calendar(SessionsConfig(asset="ETH")).next_ms is None


def strikes(share: float, seed: int = 7) -> list[float]:
    found = Calendar((SessionsConfig(duration="5M", strike_offset_share=share),), START, 10.0, seed, {"BTC": None})
    drawn = []
    while len(drawn) < 200:
        due = found.pop()
        if due.event == "opened":
            drawn.append(found.strike(due.session, 97_000.0, 0.5))
    return drawn


def test_strikes_are_the_price_or_within_two_session_sigmas() -> None:
    found = strikes(0.3)
    deviation = 0.5 * math.sqrt(300 / YEAR_S)
    moved = [strike for strike in found if strike != 97_000.0]
    assert 0.2 < len(moved) / len(found) < 0.4
    assert max(abs(math.log(strike / 97_000.0)) for strike in moved) <= 2 * deviation + 1e-6
    assert max(abs(math.log(strike / 97_000.0)) for strike in moved) > 1.5 * deviation
    assert set(strikes(0.0)) == {97_000.0}


def test_the_seed_decides_the_strikes() -> None:
    assert strikes(1.0) == strikes(1.0) != strikes(1.0, seed=8)


@pytest.mark.parametrize(("label", "expected"), [("30S", 30_000), ("1M", 60_000), ("15M", 900_000), ("1H", 3_600_000)])
def test_durations(label: str, expected: int) -> None:
    assert duration_ms(label) == expected


@pytest.mark.parametrize("label", ["", "M", "0M", "5", "5m", "-5M", "5X"])
def test_a_bad_duration_is_named(label: str) -> None:
    with pytest.raises(ValueError, match="a duration is like 1M"):
        duration_ms(label)


def several(count: int, spacing: float = 0.5, share: float = 0.0, elapsed_s: float = 20.0) -> list[tuple[Due, float]]:
    """The listings and openings of a first span, and the strike of each opening."""
    config = SessionsConfig(
        duration="1M", elapsed_s=elapsed_s, strikes=count, strike_spacing_sd=spacing, strike_offset_share=share
    )
    found, dues = calendar(config), []
    while found.next_ms is not None and found.next_ms <= START:
        due = found.pop()
        dues.append((due, found.strike(due.session, 97_000.0, 0.5) if due.event == "opened" else 0.0))
    return dues


def test_several_strikes_are_markets_of_their_own_side_by_side() -> None:
    dues = several(3)
    opened = [(due.session, strike) for due, strike in dues if due.event == "opened"]
    assert [session.id.rpartition("Z")[2] for session, _ in opened] == ["-K1", "-K2", "-K3"]
    assert len({(session.opens_at, session.expires_at) for session, _ in opened}) == 1
    deviation = 0.5 * math.sqrt(60 / YEAR_S)
    logs = [math.log(strike / 97_000.0) / deviation for _, strike in opened]
    assert logs == pytest.approx([-0.5, 0.0, 0.5], abs=1e-3)


def test_each_of_several_strikes_is_listed_before_it_opens_even_at_the_start() -> None:
    events = [(due.event, due.session.id) for due, _ in several(3)]
    for event, name in events:
        assert event == "listed" or ("listed", name) in events[: events.index((event, name))]


def test_several_strikes_share_the_draw_of_one() -> None:
    one = [strike for due, strike in several(1, share=1.0) if due.event == "opened"]
    three = [strike for due, strike in several(3, share=1.0) if due.event == "opened"]
    assert one == [three[1]]
    assert one != [97_000.0]


def test_sessions_of_several_strikes_are_all_settled() -> None:
    dues = until(calendar(SessionsConfig(duration="1M", strikes=4)), START + 125_000)
    settled = [due.session.id for due in dues if due.event == "resolved"]
    assert len(settled) == len(set(settled)) == 8
