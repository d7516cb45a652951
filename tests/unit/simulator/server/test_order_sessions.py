"""Order sessions that go silent, and the REST heartbeat."""

from mmactors.simulator.server.order_sessions import Sessions


def test_a_session_lapses_once_its_timeout_after_the_last_frame() -> None:
    sessions = Sessions()
    session = sessions.attach("a", "s", armed=True, watched=False, timeout_ms=3000, now_ms=0)
    session.last_frame_ms = 500
    assert sessions.lapsing(3499) == []
    assert sessions.lapsing(3500) == [session]
    assert sessions.lapsing(9999) == []


def test_authenticating_again_in_time_keeps_it_alive() -> None:
    sessions = Sessions()
    session = sessions.attach("a", "s", armed=True, watched=True, timeout_ms=3000, now_ms=0)
    assert sessions.attach("a", "s", armed=True, watched=True, timeout_ms=3000, now_ms=2900) is session
    assert sessions.lapsing(5000) == []


def test_what_did_not_ask_for_it_never_lapses() -> None:
    sessions = Sessions()
    sessions.attach("a", "s", armed=False, watched=False, timeout_ms=10, now_ms=0)
    assert sessions.lapsing(10**9) == []


def test_a_session_that_comes_after_another_has_lapsed_is_watched_too() -> None:
    sessions = Sessions()
    late = sessions.attach("a", "late", armed=True, watched=False, timeout_ms=9000, now_ms=0)
    assert sessions.lapsing(100) == []
    early = sessions.attach("a", "early", armed=True, watched=False, timeout_ms=1000, now_ms=200)
    assert sessions.lapsing(1199) == []
    assert sessions.lapsing(1200) == [early]
    assert sessions.lapsing(9000) == [late]
    back = sessions.attach("a", "early", armed=True, watched=False, timeout_ms=1000, now_ms=20_000)
    assert sessions.lapsing(20_999) == []
    assert sessions.lapsing(21_000) == [back]


def test_only_a_heartbeat_renews_the_accounts_switch() -> None:
    sessions = Sessions()
    assert sessions.heartbeat("a", 3000, 0) == 3000
    assert sessions.heartbeat("a", 3000, 2000) == 5000
    assert sessions.missed(4999) == []
    assert sessions.missed(5000) == ["a"]
    assert sessions.missed(9999) == []
