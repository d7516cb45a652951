"""The reference actor: one asset's price and volatility, told to every market of the asset."""

from typing import Any

from mmactors.actors import names
from mmactors.core.params import VolatilityParams
from mmactors.core.reference import Reference
from mmactors.messages import (
    FeedConnected,
    FeedLived,
    FeedWentStale,
    HistoryFetched,
    ReferenceLost,
    ReferenceMoved,
    SpotTicked,
    SubscribeReference,
    TimePassed,
    UnsubscribeReference,
)
from mmactors.runtime.actor import Actor
from mmactors.runtime.runtime import Runtime
from mmactors.units import MILLISECOND, Nanos

LOOK_EVERY_NS = Nanos(100 * MILLISECOND)


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
    ) -> None:
        super().__init__(runtime, name, incarnation)
        self._reference = Reference(asset, params, stale_after_ns)
        self._subscribers: dict[str, None] = {}
        self._lost = False

    def on_begin(self) -> None:
        self.every(LOOK_EVERY_NS, TimePassed())

    def receive(self, message: Any) -> None:
        now = self.clock.now()
        match message:
            case SpotTicked():
                self._publish(self._reference.ticked(message, now))
            case TimePassed():
                self._publish(self._reference.tick(now))
            case FeedWentStale():
                self._publish(self._reference.stale(message, now))
            case FeedConnected() | FeedLived() | HistoryFetched():
                pass
            case SubscribeReference():
                self._subscribers[message.subscriber] = None
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
            self.tell(names.JOURNAL, news)
        self._lost = lost
