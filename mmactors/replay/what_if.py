"""Contrast: what another configuration would have quoted on the events that a run recorded.

Owns the two sides, recorded and other parameters, and their comparison. Which fills other quotes would have had is
unknown: both sides keep the recorded fills and have their orders acknowledged at once, so that only the configuration
differs.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from mmactors.config import Config
from mmactors.core.params import MakerParams
from mmactors.core.quoting.maker import Maker
from mmactors.messages import OrderAccepted, OrderCancelled, OrderEvent, OrderFilled, OrderReplaced, QuoteIntent
from mmactors.ops.event_log import UNREADABLE, EventLogError, LogHeader, RecordedMaker, encoded_answer
from mmactors.ops.format import plain
from mmactors.replay.replay import Progress, open_log, records, state_of
from mmactors.units import Contracts, Nanos

_ORDER_EVENTS = get_args(OrderEvent)


class _Alone:
    """A Maker whose orders are acknowledged at once and filled as recorded."""

    def __init__(self, record: RecordedMaker, params: MakerParams) -> None:
        # The prefix keeps its client ids apart from the recorded ones: a recorded fill is of none of its orders.
        self._maker = Maker(record.market.id, record.incarnation, f"replay-{record.prefix}", params)
        self.bids: tuple[tuple[int, int], ...] = ()
        self.asks: tuple[tuple[int, int], ...] = ()

    def take(self, event: object, now: Nanos) -> bool:
        """Handle an event; return whether the ladder changed."""
        changed = False
        for command in self._maker.handle(event, now).commands:
            if isinstance(command, QuoteIntent):
                changed = True
                self.bids, self.asks = command.reason.bids, command.reason.asks
                self._acknowledge(command, now)
        return changed

    def _acknowledge(self, intent: QuoteIntent, now: Nanos) -> None:
        market, take = intent.market, self._maker.handle
        for cancel in intent.cancels:
            take(OrderCancelled(market, cancel.client_id, Contracts(0), "CANCELLED"), now)
        for move in intent.replaces:
            take(OrderReplaced(market, move.client_id, move.ticks, move.size), now)
        for place in intent.places:
            if place.immediate:
                take(OrderCancelled(market, place.client_id, Contracts(0), "EXPIRED"), now)
            else:
                take(OrderAccepted(market, place.client_id, place.client_id), now)


@dataclass(slots=True)
class MarketContrast:
    """One market under the recorded and under another configuration.

    `moments` counts the steps at which either changed its ladder, `differing` those after which the ladders differ.
    Distances are in ticks, summed over the moments at which both quoted that side.
    """

    market: str
    moments: int = 0
    differing: int = 0
    bid_moments: int = 0
    bid_ticks: int = 0
    ask_moments: int = 0
    ask_ticks: int = 0
    changes: list[int] = field(default_factory=lambda: [0, 0])
    two_sided: list[int] = field(default_factory=lambda: [0, 0])

    def figures(self) -> dict[str, Any]:
        """Return the figures: shares in 0..1, distances in ticks; of two, the recorded parameters' first."""
        return {
            "market": self.market,
            "ladder_changes": self.changes,
            "moments": self.moments,
            "differing": self.differing,
            "mean_abs_bid_ticks": _ratio(self.bid_ticks, self.bid_moments),
            "mean_abs_ask_ticks": _ratio(self.ask_ticks, self.ask_moments),
            "two_sided_share": [_ratio(n, of) for n, of in zip(self.two_sided, self.changes, strict=True)],
        }

    def add(self, sides: tuple[_Alone, _Alone], changed: tuple[bool, bool]) -> None:
        """Compare the two after a step at which one of them changed its ladder."""
        for index, side in enumerate(sides):
            self.changes[index] += changed[index]
            self.two_sided[index] += changed[index] and bool(side.bids) and bool(side.asks)
        ours, other = sides
        self.moments += 1
        self.differing += (ours.bids, ours.asks) != (other.bids, other.asks)
        if ours.bids and other.bids:
            self.bid_moments += 1
            self.bid_ticks += abs(ours.bids[0][0] - other.bids[0][0])
        if ours.asks and other.asks:
            self.ask_moments += 1
            self.ask_ticks += abs(ours.asks[0][0] - other.asks[0][0])


@dataclass(slots=True)
class Contrast:
    """The result of `contrast`, by market."""

    log: str
    header: LogHeader
    markets: dict[str, MarketContrast]
    steps: int
    cut: str | None

    def figures(self) -> dict[str, Any]:
        """Return everything as one object."""
        return {
            "log": self.log,
            "run": self.header.run,
            "steps": self.steps,
            "assumes": "fills as recorded, orders acknowledged at once",
            "markets": [market.figures() for market in self.markets.values()],
            "cut": self.cut,
        }

    def lines(self) -> list[str]:
        """Return a table for a console, with the assumptions behind it."""
        width = max(map(len, self.markets))
        rows = [
            f"{'market':<{width}}  changes: recorded   other  ladders differ  |bid| ticks  |ask| ticks  two-sided: "
            "recorded  other"
        ]
        for name, market in self.markets.items():
            shown = market.figures()
            was, other = shown["two_sided_share"]
            rows.append(
                f"{plain(name):<{width}}  {market.changes[0]:>17}{market.changes[1]:>8}"
                f"  {_shown(_ratio(market.differing, market.moments), '.1%'):>14}"
                f"  {_shown(shown['mean_abs_bid_ticks'], '.2f'):>11}  {_shown(shown['mean_abs_ask_ticks'], '.2f'):>11}"
                f"  {_shown(was, '.1%'):>19}{_shown(other, '.1%'):>7}"
            )
        return [
            *rows,
            *([] if self.cut is None else [self.cut]),
            f"{self.steps} steps of run {self.header.run}, under the recorded parameters and under the other ones.",
            "Other quotes would have met other fills, which are unknown: both keep the recorded fills, and have their",
            "orders acknowledged at once.",
        ]


def contrast(
    path: Path, config: Config, *, market: str | None = None, progress: Progress = lambda _line: None
) -> Contrast:
    """Compare what another configuration would have quoted on the same events.

    Raises:
        EventLogError: the log cannot be read, has no steps, or no such market.
    """
    reader, chosen = open_log(path, market)
    makers: dict[tuple[str, int], tuple[_Alone, _Alone]] = {}
    found: dict[str, MarketContrast] = {}
    died, steps = encoded_answer(None, False), 0
    for record in records(reader, chosen, progress):
        if isinstance(record, RecordedMaker):
            name = record.market.id
            other = config.maker_params(record.market.asset, record.market.duration_s)
            makers[name, record.incarnation] = _Alone(record, record.params), _Alone(record, other)
            found.setdefault(name, MarketContrast(name))
            continue
        ours, theirs = sides = state_of(makers, record, path)
        steps += 1
        answers = isinstance(record.event, _ORDER_EVENTS) and not isinstance(record.event, OrderFilled)
        if answers or record.answer == died:  # what became of other orders than theirs
            continue
        changed = ours.take(record.event, record.at_ns), theirs.take(record.event, record.at_ns)
        if any(changed):
            found[record.market].add(sides, changed)
    if not steps:
        raise EventLogError(f"{path}: {reader.cut or 'no maker handled anything'}", UNREADABLE)
    return Contrast(str(path), reader.header, found, steps, reader.cut)


def _ratio(number: int, of: int) -> float | None:
    return number / of if of else None


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
