"""The reference role: one asset's price and volatility, published to every market of the asset."""

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
from mmactors.runtime.role import Out, Role
from mmactors.units import SECOND, Nanos

EVALUATE_EVERY_NS = GRID_NS
"""Bases and lead-lag are learned on the timer: it is as fine as their grid."""

FIGURES_EVERY_NS = Nanos(5 * SECOND)
"""How often the figures about the sources are copied out."""


class ReferenceRole(Role):
    """Outlives the markets, so that sigma does."""

    def __init__(
        self,
        asset: str,
        params: VolatilityParams,
        stale_after_ns: Nanos,
        fusion: ReferenceParams = ReferenceParams(),
    ) -> None:
        self._reference = Reference(asset, params, stale_after_ns, fusion)
        self._subscribers: dict[str, int] = {}  # and how many seconds of past prices each needs
        self._lost = False
        self._leader = ""
        self._figures_due_ns = Nanos(0)

    def begin(self, out: Out) -> None:
        out.every(EVALUATE_EVERY_NS, TimePassed())

    def end(self, out: Out) -> None:
        out.counters.update(self._reference.figures())
        figures = ", ".join(f"{name} {count}" for name, count in sorted(out.counters.items()))
        out.notes.debug("{}: {}", out.name, figures or "nothing came")

    def receive(self, message: Any, now: Nanos, out: Out) -> None:
        kind = type(message)
        if kind is SpotTicked:
            self._publish(self._reference.on_price(message, now), out)
        elif kind is TimePassed:
            self._publish(self._reference.on_timer(now), out)
            if now >= self._figures_due_ns:
                self._report_figures(now, out)
        elif kind is FeedLived:
            self._reference.on_heartbeat(message, now)
        elif kind is FeedWentStale:
            self._publish(self._reference.on_feed_stale(message, now), out)
        elif kind is SubscribeReference:
            self._subscribe(message, out)
        elif kind is UnsubscribeReference:
            self._subscribers.pop(message.subscriber, None)
        elif kind is IndexSettled:
            self._reference.on_settlement(message)
        elif kind is HistoryFetched:
            self._warm(message, now, out)
        elif kind is not FeedConnected:
            out.unexpected(message)

    def _publish(self, news: ReferenceMoved | ReferenceLost | None, out: Out) -> None:
        if news is None:
            return
        for subscriber in self._subscribers:
            out.tell(subscriber, news)
        lost = type(news) is ReferenceLost
        if lost or self._lost:  # the end and the return are news to people, too
            out.tell(addresses.JOURNAL, news)
        self._lost = lost

    def _subscribe(self, message: SubscribeReference, out: Out) -> None:
        self._subscribers[message.subscriber] = message.past_s
        if message.past_s:
            out.tell(message.subscriber, self._reference.past(message.past_s))
        snapshot = self._reference.snapshot()
        if snapshot is not None:
            out.tell(message.subscriber, snapshot)

    def _warm(self, history: HistoryFetched, now: Nanos, out: Out) -> None:
        if self._reference.on_history(history, now):
            closes, sigma = len(history.closes), self._reference.sigma()
            for subscriber, past_s in self._subscribers.items():
                if past_s:
                    out.tell(subscriber, self._reference.past(past_s))
            out.notes.info("{}: sigma begins at {:.3f}, from {} closes of {}", out, sigma, closes, history.source)

    def _report_figures(self, now: Nanos, out: Out) -> None:
        """Copy the figures out, and log who leads when that changes."""
        self._figures_due_ns = Nanos(now + FIGURES_EVERY_NS)
        out.counters.update(self._reference.figures())
        if self._reference.leader != self._leader:
            self._leader = self._reference.leader
            out.notes.info("{}: {}", out, self._reference.lead_in_words())
