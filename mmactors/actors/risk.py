"""The risk actor: watches equity, decides what the account may do, and lets the gateway hear that it is alive."""

from collections.abc import Sequence
from typing import Any

from mmactors.actors import addresses
from mmactors.core.risk.trading_state import RiskRules
from mmactors.messages import AssetExposed, RiskHeartbeat, TimePassed, TradingStateChanged
from mmactors.runtime.actor import Actor
from mmactors.runtime.runtime import Runtime
from mmactors.units import MILLISECOND, Nanos

PULSE_EVERY_NS = Nanos(500 * MILLISECOND)


class RiskActor(Actor):
    """A shell around `RiskRules`."""

    def __init__(self, runtime: Runtime, name: str, incarnation: int, *, rules: RiskRules) -> None:
        super().__init__(runtime, name, incarnation)
        self._rules = rules

    def on_begin(self) -> None:
        self._pulse()  # a latched day begins latched
        self.every(PULSE_EVERY_NS, TimePassed())

    def receive(self, message: Any) -> None:
        if isinstance(message, TimePassed):
            self._pulse()
        else:
            self._tell_changes(self._rules.handle(message, self.clock.now()))

    def _pulse(self) -> None:
        now = self.clock.now()
        question = self._rules.ask_journal()
        self._tell_changes(self._rules.judge(now))
        self.tell(addresses.GATEWAY, RiskHeartbeat(now))
        if question is not None:
            self.tell(addresses.JOURNAL, question)

    def _tell_changes(self, changes: Sequence[TradingStateChanged | AssetExposed]) -> None:
        for change in changes:
            self.tell(addresses.GATEWAY, change)
            if isinstance(change, AssetExposed):
                self.tell(addresses.SUPERVISOR, change)
            else:
                self.tell(addresses.JOURNAL, change)
