"""The market actor: one session's Maker with a clock, a pulse and addresses; born when listed, retired once settled."""

from typing import Any

from mmactors.actors import names
from mmactors.core.maker import Decision, Maker
from mmactors.core.params import MakerParams
from mmactors.messages import (
    FairMoved,
    LadderDue,
    Market,
    MarketPulsed,
    MarketReady,
    MarketResolved,
    MarketRetired,
    QuoteIntent,
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


class MarketActor(Actor):
    """One market, from listing to settlement."""

    def __init__(
        self, runtime: Runtime, name: str, incarnation: int, *, market: Market, prefix: str, params: MakerParams
    ) -> None:
        super().__init__(runtime, name, incarnation)
        self._market = market
        self._maker = Maker(market.id, incarnation, f"{prefix}-{incarnation}", params)
        self._settled_ns: Nanos | None = None

    def on_begin(self) -> None:
        self.tell(names.GATEWAY, MarketReady(self._market.id, self.incarnation))
        self.tell(names.reference(self._market.asset), SubscribeReference(self.name))
        self.every(LOOK_EVERY_NS, TimePassed())
        self.every(PULSE_EVERY_NS, MarketPulsed(self._market.id, self.incarnation))

    def on_end(self) -> None:
        self.tell(names.reference(self._market.asset), UnsubscribeReference(self.name))

    def receive(self, message: Any) -> None:
        now = self.clock.now()
        if isinstance(message, MarketPulsed):
            self.tell(names.GATEWAY, message)
            return
        if isinstance(message, MarketResolved):
            self._settled_ns = now
        self._carry_out(self._maker.handle(message, now))
        if self._settled_ns is not None and now - self._settled_ns > GRACE_NS and self._maker.done:
            self._settled_ns = None
            self.tell(names.SUPERVISOR, MarketRetired(self._market.id, self.incarnation))

    def _carry_out(self, decision: Decision) -> None:
        if decision.look_again:
            self.tell(self.name, LadderDue())
        for command in decision.commands:
            match command:
                case QuoteIntent():
                    self.tell(names.GATEWAY, command)
                    self.tell(names.JOURNAL, command)
                case FairMoved():
                    self.tell(names.RISK, command)
                case _:
                    self.tell(names.JOURNAL, command)
