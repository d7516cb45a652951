"""What to do about a death: the rules of supervision, in OTP's words.

Owns each child's policy, its deaths and its backoff; pure: time and randomness are arguments. Does not start or stop
anybody: it answers, the supervisor acts. Source: Erlang/OTP Design Principles, "Supervisor Behaviour" (restart types,
maximum restart intensity); the backoff and its reset after a healthy life are ours.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mmactors.units import MILLISECOND, SECOND, Nanos, seconds


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a child is restarted.

    permanent: always; transient: only after an error; temporary: never. More than `intensity` restarts within
    `period_ns` escalate. The wait is `first_ns * factor ** n`, at most `cap_ns`, give or take the share `jitter`;
    n counts deaths since a life that lasted `healthy_ns`.
    """

    kind: Literal["permanent", "transient", "temporary"] = "permanent"
    intensity: int = 3
    period_ns: Nanos = Nanos(60 * SECOND)
    first_ns: Nanos = Nanos(100 * MILLISECOND)
    cap_ns: Nanos = Nanos(10 * SECOND)
    factor: float = 2.0
    jitter: float = 0.2
    healthy_ns: Nanos = Nanos(30 * SECOND)


@dataclass(frozen=True, slots=True)
class Restart:
    """Start the child again after this wait."""

    after_ns: Nanos


@dataclass(frozen=True, slots=True)
class Escalate:
    """The child's budget is spent: restarting it is no cure."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing is to be done."""


Verdict = Restart | Escalate | Forget


@dataclass(slots=True)
class _Child:
    policy: RestartPolicy
    started_ns: Nanos | None = None
    restarts: deque[Nanos] = field(default_factory=deque)
    streak: int = 0


class SupervisionRules:
    """The rules for a set of children. `random` gives numbers in [0, 1); `restarts` counts those granted."""

    def __init__(self, random: Callable[[], float]) -> None:
        self.restarts = 0
        self._random = random
        self._children: dict[str, _Child] = {}

    def watch(self, name: str, policy: RestartPolicy) -> None:
        """Take a child under supervision, with a fresh budget."""
        self._children[name] = _Child(policy)

    def forget(self, name: str) -> None:
        """Let a child go, as before stopping it: its death is then nobody's concern."""
        self._children.pop(name, None)

    def child_started(self, name: str, now: Nanos) -> None:
        """Take note that a child lives (again)."""
        child = self._children.get(name)
        if child is not None:
            child.started_ns = now

    def child_died(self, name: str, now: Nanos, error: str | None) -> Verdict:
        """Judge a death; `error` is None if the child ended as it should."""
        child = self._children.get(name)
        if child is None:
            return Forget()
        policy = child.policy
        if policy.kind == "temporary" or (policy.kind == "transient" and error is None):
            del self._children[name]
            return Forget()
        if child.started_ns is not None and now - child.started_ns >= policy.healthy_ns:
            child.streak = 0
        child.started_ns = None
        while child.restarts and now - child.restarts[0] >= policy.period_ns:
            child.restarts.popleft()
        if len(child.restarts) >= policy.intensity:
            died = f"{name} died again after {len(child.restarts)} restarts in {seconds(policy.period_ns):g} s"
            return Escalate(f"{died}: {error or 'it ended by itself'}")
        child.restarts.append(now)
        self.restarts += 1
        wait = min(policy.cap_ns, policy.first_ns * policy.factor ** min(child.streak, 60))
        child.streak += 1
        return Restart(Nanos(round(wait * (1 + policy.jitter * (2 * self._random() - 1)))))
