"""The market actor: one session's Maker with a clock, a pulse and addresses; born when listed, retired once settled."""

from typing import Any

from mmactors.actors import addresses
from mmactors.core.params import MakerParams
from mmactors.core.quoting.maker import Decision, Maker
from mmactors.messages import (
    FairMoved,
    MakerStarted,
    MakerStep,
    MakerStepped,
    Market,
    MarketHeartbeat,
    MarketHydrated,
    MarketReady,
    MarketResolved,
    MarketRetired,
    QuoteIntent,
    RequoteDue,
    SubscribeReference,
    TimePassed,
    UnsubscribeReference,
)
from mmactors.runtime.actor import Actor
from mmactors.runtime.runtime import Runtime
from mmactors.units import MILLISECOND, SECOND, Nanos

LOOK_EVERY_NS = Nanos(100 * MILLISECOND)
PULSE_EVERY_NS = Nanos(SECOND)

GRACE_NS = Nanos(2 * SECOND)
"""How long a settled market waits for a late fill."""

MOST_STEPS = 256
"""Steps that are handed to the journal at once, if the pulse does not come first."""


class MarketActor(Actor):
    """One market, from listing to settlement. If `recorded`, the journal is told every step of its Maker."""

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        incarnation: int,
        *,
        market: Market,
        prefix: str,
        params: MakerParams,
        recorded: bool = False,
    ) -> None:
        super().__init__(runtime, name, incarnation)
        self._market = market
        self._prefix = f"{prefix}-{incarnation}"
        self._params = params
        self._maker = Maker(market.id, incarnation, self._prefix, params)
        self._recorded = recorded
        self._steps: list[MakerStep] = []
        self._settled_ns: Nanos | None = None

    def on_begin(self) -> None:
        if self._recorded:
            self.tell(addresses.JOURNAL, MakerStarted(self._market, self.incarnation, self._prefix, self._params))
        self.tell(addresses.GATEWAY, MarketReady(self._market.id, self.incarnation))
        subscription = SubscribeReference(self.name, self._market.settlement.fixings)
        self.tell(addresses.reference(self._market.asset), subscription)
        self.every(LOOK_EVERY_NS, TimePassed())
        self.every(PULSE_EVERY_NS, MarketHeartbeat(self._market.id, self.incarnation))

    def on_end(self) -> None:
        self._hand_over()
        self.tell(addresses.reference(self._market.asset), UnsubscribeReference(self.name))

    def receive(self, message: Any) -> None:
        now = self.clock.now()
        if isinstance(message, MarketHeartbeat):
            self.tell(addresses.GATEWAY, message)
            self._hand_over()
            return
        if isinstance(message, MarketResolved) or (
            isinstance(message, MarketHydrated) and message.market.resolution is not None
        ):
            self._settled_ns = now
        try:
            decision = self._maker.handle(message, now)
        except BaseException:
            self._record(now, message, None)  # the step worth most
            raise
        self._carry_out(decision)
        self._record(now, message, decision)
        if self._settled_ns is not None and now - self._settled_ns > GRACE_NS and self._maker.done:
            self._settled_ns = None
            self.tell(addresses.SUPERVISOR, MarketRetired(self._market.id, self.incarnation))

    def _carry_out(self, decision: Decision) -> None:
        if decision.requote:
            self.tell(self.name, RequoteDue())
        for command in decision.commands:
            match command:
                case QuoteIntent():
                    self.tell(addresses.GATEWAY, command)
                    self.tell(addresses.JOURNAL, command)
                case FairMoved():
                    self.tell(addresses.RISK, command)
                case _:
                    self.tell(addresses.JOURNAL, command)

    def _record(self, now: Nanos, event: object, decision: Decision | None) -> None:
        if not self._recorded:
            return
        answer = (None, False) if decision is None else (decision.commands, decision.requote)
        self._steps.append(MakerStep(now, event, *answer))
        if len(self._steps) >= MOST_STEPS:
            self._hand_over()

    def _hand_over(self) -> None:
        """Hand the steps on together: to wake the journal's thread for each would cost more than the step."""
        if self._steps:
            self.tell(addresses.JOURNAL, MakerStepped(self._market.id, self.incarnation, tuple(self._steps)))
            self._steps.clear()
