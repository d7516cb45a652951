"""The reference actor: one asset's price and volatility, told to every market of the asset."""

from typing import Any

from mmactors.actors import addresses
from mmactors.core.params import ReferenceParams, VolatilityParams
from mmactors.core.reference.reference import Reference
from mmactors.core.reference.source import GRID_NS
from mmactors.messages import (
    FeedConnected,
    FeedLived,
    FeedWentStale,
    HistoryFetched,
    IndexSettled,
    ReferenceLost,
    ReferenceMoved,
    SpotTicked,
    SubscribeReference,
    TimePassed,
    UnsubscribeReference,
)
from mmactors.runtime.actor import Actor
from mmactors.runtime.runtime import Runtime
from mmactors.units import SECOND, Nanos

LOOK_EVERY_NS = GRID_NS
"""Bases and lead-lag are learned on the timer: it is as fine as their grid."""

TELL_EVERY_NS = Nanos(5 * SECOND)
"""How often the figures about the sources are copied out."""


class ReferenceActor(Actor):
    """Outlives the markets, so that sigma does."""

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        incarnation: int,
        *,
        asset: str,
        params: VolatilityParams,
        stale_after_ns: Nanos,
        fusion: ReferenceParams = ReferenceParams(),
    ) -> None:
        super().__init__(runtime, name, incarnation)
        self._reference = Reference(asset, params, stale_after_ns, fusion)
        self._subscribers: dict[str, int] = {}  # and how many seconds of past prices each needs
        self._lost = False
        self._leader = ""
        self._look_ns = Nanos(0)

    def on_begin(self) -> None:
        self.every(LOOK_EVERY_NS, TimePassed())

    def on_end(self) -> None:
        self.counters.update(self._reference.figures())
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.counters.items()))
        self.notes.debug("{}: {}", self.name, told or "nothing came")

    def receive(self, message: Any) -> None:
        now = self.clock.now()
        match message:
            case SpotTicked():
                self._publish(self._reference.on_price(message, now))
            case TimePassed():
                self._publish(self._reference.on_timer(now))
                self._look(now)
            case FeedWentStale():
                self._publish(self._reference.on_feed_stale(message, now))
            case FeedConnected():
                pass
            case FeedLived():
                self._reference.on_heartbeat(message, now)
            case HistoryFetched():
                self._warm(message, now)
            case IndexSettled():
                self._reference.on_settlement(message)
            case SubscribeReference():
                self._subscribers[message.subscriber] = message.past_s
                if message.past_s:
                    self.tell(message.subscriber, self._reference.past(message.past_s))
                snapshot = self._reference.snapshot()
                if snapshot is not None:
                    self.tell(message.subscriber, snapshot)
            case UnsubscribeReference():
                self._subscribers.pop(message.subscriber, None)
            case _:
                self.unexpected(message)

    def _publish(self, news: ReferenceMoved | ReferenceLost | None) -> None:
        if news is None:
            return
        for subscriber in self._subscribers:
            self.tell(subscriber, news)
        lost = isinstance(news, ReferenceLost)
        if lost or self._lost:  # the end and the return are news to people, too
            self.tell(addresses.JOURNAL, news)
        self._lost = lost

    def _warm(self, history: HistoryFetched, now: Nanos) -> None:
        if self._reference.on_history(history, now):
            closes, sigma = len(history.closes), self._reference.sigma()
            for subscriber, past_s in self._subscribers.items():
                if past_s:
                    self.tell(subscriber, self._reference.past(past_s))
            self.notes.info("{}: sigma begins at {:.3f}, from {} closes of {}", self, sigma, closes, history.source)

    def _look(self, now: Nanos) -> None:
        """Copy the figures out now and then, and say who leads when that changes."""
        if now < self._look_ns:
            return
        self._look_ns = Nanos(now + TELL_EVERY_NS)
        self.counters.update(self._reference.figures())
        if self._reference.leader != self._leader:
            self._leader = self._reference.leader
            self.notes.info("{}: {}", self, self._reference.lead_in_words())
