"""What Pykka lacks: lanes, timers, names, contained deaths, supervision rules; on threads or under virtual time.

Knows which messages are money and which are prices, and nothing of what actors do with them.
"""

from mmactors.runtime.actor import Actor, hosted
from mmactors.runtime.clock import Clock, SystemClock, VirtualClock
from mmactors.runtime.mailbox import Timer
from mmactors.runtime.role import Out, Role, RoleFactory
from mmactors.runtime.runtime import ActorFactory, ActorStatistics, Hung, Runtime, RuntimeStatistics
from mmactors.runtime.supervision import Escalate, Forget, Restart, RestartPolicy, SupervisionRules
from mmactors.runtime.threaded import ThreadedRuntime

__all__ = [
    "Actor",
    "ActorFactory",
    "ActorStatistics",
    "Clock",
    "Escalate",
    "Forget",
    "Hung",
    "Out",
    "Restart",
    "RestartPolicy",
    "Role",
    "RoleFactory",
    "Runtime",
    "RuntimeStatistics",
    "SupervisionRules",
    "SystemClock",
    "ThreadedRuntime",
    "Timer",
    "VirtualClock",
    "hosted",
]
