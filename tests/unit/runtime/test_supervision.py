"""The rules of supervision: who is restarted, when, and when that is no cure."""

import pytest

from mmactors.runtime.supervision import Escalate, Forget, Restart, RestartPolicy, SupervisionRules
from mmactors.units import MILLISECOND, SECOND, Nanos

STEADY = RestartPolicy(
    intensity=3,
    period_ns=Nanos(60 * SECOND),
    first_ns=Nanos(100 * MILLISECOND),
    cap_ns=Nanos(SECOND),
    jitter=0.0,
    healthy_ns=Nanos(30 * SECOND),
)


def rules_for(policy, random=lambda: 0.5):
    rules = SupervisionRules(random)
    rules.watch("a", policy)
    return rules


def policy(**changes):
    return RestartPolicy(**{name: getattr(STEADY, name) for name in STEADY.__slots__} | changes)


def test_a_permanent_child_is_restarted_however_it_ended():
    rules = rules_for(STEADY)
    assert isinstance(rules.child_died("a", Nanos(0), "boom"), Restart)
    assert isinstance(rules.child_died("a", Nanos(0), None), Restart)
    assert rules.restarts == 2


def test_a_transient_child_is_restarted_after_an_error_only():
    assert isinstance(rules_for(policy(kind="transient")).child_died("a", Nanos(0), "boom"), Restart)
    assert rules_for(policy(kind="transient")).child_died("a", Nanos(0), None) == Forget()


def test_a_temporary_child_is_never_restarted():
    assert rules_for(policy(kind="temporary")).child_died("a", Nanos(0), "boom") == Forget()


def test_the_death_of_a_child_let_go_is_nobodys_concern():
    rules = rules_for(STEADY)
    rules.forget("a")
    assert rules.child_died("a", Nanos(0), "boom") == Forget()
    assert rules.child_died("stranger", Nanos(0), "boom") == Forget()


def test_the_wait_doubles_up_to_its_cap():
    rules = rules_for(policy(intensity=100))
    waits = [rules.child_died("a", Nanos(0), "boom") for _ in range(6)]
    assert waits == [Restart(Nanos(ms * MILLISECOND)) for ms in (100, 200, 400, 800, 1000, 1000)]


def test_the_wait_starts_again_after_a_healthy_life():
    rules = rules_for(policy(intensity=100))
    for _ in range(3):
        rules.child_died("a", Nanos(0), "boom")
    rules.child_started("a", Nanos(0))
    assert rules.child_died("a", Nanos(30 * SECOND - 1), "boom") == Restart(Nanos(800 * MILLISECOND))
    rules.child_started("a", Nanos(0))
    assert rules.child_died("a", Nanos(30 * SECOND), "boom") == Restart(Nanos(100 * MILLISECOND))


def test_a_child_that_never_started_has_not_lived_healthily():
    rules = rules_for(policy(intensity=100))
    rules.child_died("a", Nanos(0), "boom")
    assert rules.child_died("a", Nanos(3600 * SECOND), "boom") == Restart(Nanos(200 * MILLISECOND))
    rules.child_started("a", Nanos(3600 * SECOND))
    assert rules.child_died("a", Nanos(7200 * SECOND), "boom") == Restart(Nanos(100 * MILLISECOND))
    assert rules.child_died("a", Nanos(9000 * SECOND), "boom") == Restart(Nanos(200 * MILLISECOND))


@pytest.mark.parametrize(("draw", "wait_ms"), [(0.0, 80), (0.5, 100), (0.75, 110)])
def test_jitter_spreads_the_wait_by_its_share(draw, wait_ms):
    rules = rules_for(policy(jitter=0.2), random=lambda: draw)
    assert rules.child_died("a", Nanos(0), "boom") == Restart(Nanos(wait_ms * MILLISECOND))


def test_restarts_beyond_the_budget_escalate_with_the_reason():
    rules = rules_for(STEADY)
    verdicts = [rules.child_died("a", Nanos(s * SECOND), "boom") for s in range(5)]
    assert all(isinstance(verdict, Restart) for verdict in verdicts[:3])
    assert verdicts[3] == Escalate("a died again after 3 restarts in 60 s: boom")
    assert isinstance(verdicts[4], Escalate)
    assert rules.restarts == 3


def test_the_budget_is_a_sliding_window():
    rules = rules_for(STEADY)
    for s in (0, 20, 40):
        assert isinstance(rules.child_died("a", Nanos(s * SECOND), "boom"), Restart)
    assert isinstance(rules.child_died("a", Nanos(60 * SECOND), "boom"), Restart)
    assert isinstance(rules.child_died("a", Nanos(60 * SECOND + 1), "boom"), Escalate)


def test_children_have_budgets_of_their_own():
    rules = rules_for(policy(intensity=0))
    rules.watch("b", STEADY)
    assert isinstance(rules.child_died("a", Nanos(0), "boom"), Escalate)
    assert isinstance(rules.child_died("b", Nanos(0), "boom"), Restart)


def test_a_crash_loop_of_a_thousand_deaths_does_not_overflow():
    rules = rules_for(policy(intensity=10_000))
    waits = [rules.child_died("a", Nanos(0), "boom").after_ns for _ in range(2000)]
    assert max(waits) == SECOND
