"""The market role: one session's Maker with timers and addresses; born when listed, retired once settled."""

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
from mmactors.runtime.role import Out, Role
from mmactors.units import MILLISECOND, SECOND, Nanos

EVALUATE_EVERY_NS = Nanos(100 * MILLISECOND)
HEARTBEAT_EVERY_NS = Nanos(SECOND)

GRACE_NS = Nanos(2 * SECOND)
"""How long a settled market waits for a late fill."""

MOST_STEPS = 256
"""Steps that are handed to the journal at once, if the heartbeat does not come first."""


class MarketRole(Role):
    """One market, from listing to settlement. If `recorded`, the journal receives every step of its Maker."""

    def __init__(self, market: Market, prefix: str, params: MakerParams, recorded: bool = False) -> None:
        self._market = market
        self._prefix = prefix
        self._params = params
        self._recorded = recorded
        self._steps: list[MakerStep] = []
        self._settled_ns: Nanos | None = None
        self._maker: Maker

    def begin(self, out: Out) -> None:
        market, prefix = self._market, f"{self._prefix}-{out.incarnation}"
        self._maker = Maker(market.id, out.incarnation, prefix, self._params)
        if self._recorded:
            out.tell(addresses.JOURNAL, MakerStarted(market, out.incarnation, prefix, self._params))
        out.tell(addresses.GATEWAY, MarketReady(market.id, out.incarnation))
        out.tell(addresses.reference(market.asset), SubscribeReference(out.name, market.settlement.fixings))
        out.every(EVALUATE_EVERY_NS, TimePassed())
        out.every(HEARTBEAT_EVERY_NS, MarketHeartbeat(market.id, out.incarnation))

    def end(self, out: Out) -> None:
        self._hand_over(out)
        out.tell(addresses.reference(self._market.asset), UnsubscribeReference(out.name))

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        kind = type(message)
        if kind is MarketHeartbeat:
            out.tell(addresses.GATEWAY, message)
            self._hand_over(out)
            return
        if kind is MarketResolved or (kind is MarketHydrated and message.market.resolution is not None):
            self._settled_ns = now
        if self._recorded:
            self._step(message, now, out)
        else:
            self._carry_out(self._maker.handle(message, now), out)
        if self._settled_ns is not None and now - self._settled_ns > GRACE_NS and self._maker.done:
            self._settled_ns = None
            out.tell(addresses.SUPERVISOR, MarketRetired(self._market.id, out.incarnation))

    def _carry_out(self, decision: Decision, out: Out) -> None:
        if decision.requote:
            out.tell(out.name, RequoteDue())
        for command in decision.commands:
            kind = type(command)
            if kind is QuoteIntent:
                out.tell(addresses.GATEWAY, command)
                out.tell(addresses.JOURNAL, command)
            elif kind is FairMoved:
                out.tell(addresses.RISK, command)
            else:
                out.tell(addresses.JOURNAL, command)

    def _step(self, event: object, now: Nanos, out: Out) -> None:
        """Let the Maker handle an event, and note the step."""
        try:
            decision = self._maker.handle(event, now)
        except BaseException:
            self._note(MakerStep(now, event, None, False), out)  # the step worth most
            raise
        self._carry_out(decision, out)
        self._note(MakerStep(now, event, decision.commands, decision.requote), out)

    def _note(self, step: MakerStep, out: Out) -> None:
        self._steps.append(step)
        if len(self._steps) >= MOST_STEPS:
            self._hand_over(out)

    def _hand_over(self, out: Out) -> None:
        """Hand the steps on together: to wake the journal's thread for each would cost more than the step."""
        if self._steps:
            out.tell(addresses.JOURNAL, MakerStepped(self._market.id, out.incarnation, tuple(self._steps)))
            self._steps.clear()
