"""The risk role: watches equity, decides what the account may do, and shows the gateway that it is alive."""

from collections.abc import Sequence
from typing import Any

from mmactors.actors import addresses
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import AssetExposed, RiskHeartbeat, TimePassed, TradingStateChanged
from mmactors.runtime.role import Out, Role
from mmactors.units import MILLISECOND, Nanos

HEARTBEAT_EVERY_NS = Nanos(500 * MILLISECOND)


class RiskRole(Role):
    """The actor of `RiskRules`."""

    def __init__(self, rules: RiskRules) -> None:
        self._rules = rules

    def begin(self, out: Out) -> None:
        self._beat(out.now(), out)  # a latched day begins latched
        out.every(HEARTBEAT_EVERY_NS, TimePassed())

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        if type(message) is TimePassed:
            self._beat(now, out)
        else:
            self._publish(self._rules.handle(message, now), out)

    def _beat(self, now: Nanos, out: Out) -> None:
        question = self._rules.ask_journal()
        self._publish(self._rules.judge(now), out)
        out.tell(addresses.GATEWAY, RiskHeartbeat(now))
        if question is not None:
            out.tell(addresses.JOURNAL, question)

    def _publish(self, changes: Sequence[TradingStateChanged | AssetExposed], out: Out) -> None:
        for change in changes:
            out.tell(addresses.GATEWAY, change)
            out.tell(addresses.SUPERVISOR if type(change) is AssetExposed else addresses.JOURNAL, change)
