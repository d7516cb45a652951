"""What a market's log records of each event: the figures of its records, and what of the market they need to know.

Owns which ladder is worth a record (one that differs from the last), the position and fair value that a fill is held
against, and what a session's P&L is made of. Knows neither the lines' words nor the files: those are `market_log.py`'s.
"""

import math
import re
from collections import deque
from typing import Any

from mmactors.core.ledger.inventory import Inventory
from mmactors.core.params import MakerParams
from mmactors.core.quoting import schedule
from mmactors.messages import (
    MakerStarted,
    Market,
    MarketChanged,
    MarketHydrated,
    MarketListed,
    MarketResolved,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderUnchanged,
    OrderUnknown,
    Outcome,
    PairsMerged,
    QuoteIntent,
    Resolution,
    SessionReport,
)
from mmactors.ops.fill_stats import FillStats, edge_of, price_of
from mmactors.units import DOLLAR, SECOND, Contracts, Micros, Nanos, Ticks, dollars

Record = dict[str, Any]

_CENT = Micros(10_000)
MARKOUT_NS = Nanos(SECOND)
"""A fill is held against the fair value of its moment (edge) and against the one after this long (markout)."""

_FIGURES = re.compile(r"[-+]?\d[\d.,]*")
_OF_THE_REASON = (
    *("f", "spot", "strike", "sigma", "d2", "fair", "lean", "half_spread", "room", "net", "phase", "why"),
)
_YES_PAYS = {Resolution.YES: 1.0, Resolution.NO: 0.0, Resolution.VOID: 0.5}


class MarketLogBuilder:
    """One market as its log has it so far."""

    def __init__(self) -> None:
        self._market: Market | None = None
        self._half: float | None = None
        self._fair: float | None = None
        self._held: Inventory | None = None
        self._at_fill, self._after_1s = FillStats(), FillStats()
        self._to_mark_out: deque[tuple[int, OrderFilled]] = deque()
        self._orders: dict[str, tuple[Outcome, Ticks, Contracts]] = {}
        self._last_ladder: tuple[object, ...] | None = None
        self._sent = [0, 0, 0]

    def record(self, event: object, now: Nanos) -> tuple[str, Record] | None:
        """Return the kind and figures of the record that an event of this market is worth, None for no record."""
        match event:
            case QuoteIntent():
                return self._quoted(event, now)
            case OrderFilled():
                return "fill", self._filled(event, now)
            case OrderRejected() | OrderDenied() | OrderUnknown() | OrderUnchanged():
                return "refusal", self._refused(event)
            case MakerStarted():
                return "life", self._started(event)
            case MarketHydrated():
                return "life", self._hydrated(event)
            case MarketListed(market):
                return "life", self._learned(market, "listed")
            case MarketChanged(market, what):
                return "life", self._learned(market, what)
            case MarketResolved(market, resolution):
                return "life", self._learned(market, f"resolved {resolution}")
            case PairsMerged(_, pairs):
                if self._held is not None and pairs <= self._held.pairs:
                    self._held.merge(pairs)
                return "life", {"what": f"{pairs} pairs of YES and NO became a dollar each"}
            case SessionReport():
                return "session", self._ended(event)
        return None

    @property
    def _tick(self) -> Micros:
        return _CENT if self._market is None else self._market.tick_micros

    # --- its life ---

    def _learned(self, market: Market, what: str) -> Record:
        self._market = market
        return {
            "what": what,
            "asset": market.asset,
            "strike": market.strike,
            "duration_s": market.duration_s,
            "status": market.status.value,
            "settled_at": market.settlement_price,
        }

    def _started(self, event: MakerStarted) -> Record:
        self._market = self._market or event.market
        what = f"incarnation {event.incarnation} quotes"
        if isinstance(event.params, MakerParams):
            quoting, limits = event.params.quoting, event.params.inventory
            self._half = quoting.spread / 2
            closes_s = schedule.close_at_ns(event.market.duration_ns, limits) / SECOND
            what += (
                f": half = {self._half:.4f} + k_lat {quoting.k_lat:g} x what reaction time and age may cost"
                f" (+ fee, + doubt of the price); {quoting.levels} x {quoting.size}, {quoting.spacing:g} apart;"
                f" at most room - net YES and room + net NO; max_position {limits.max_position},"
                f" lean {limits.lean_early:g} to {limits.lean_late:g} at full;"
                f" reduce-only at f {limits.reduce_only_f:g}, all cancelled {closes_s:g} s before the end"
            )
        return {"what": what}

    def _hydrated(self, event: MarketHydrated) -> Record:
        self._market = event.market
        costs = event.yes_cost_micros, event.no_cost_micros
        self._held = Inventory(event.yes, event.no, *costs, event.fees_micros, event.merged_micros)
        held = f"{event.yes} YES (${dollars(costs[0]):,.2f}) and {event.no} NO (${dollars(costs[1]):,.2f}) held"
        return {"what": f"begins with {held}, net {self._held.net:+d}; account {event.state}"}

    # --- its quotes ---

    def _quoted(self, intent: QuoteIntent, now: Nanos) -> tuple[str, Record] | None:
        why = intent.reason
        self._mark_out(now)
        self._fair = why.fair
        for move in intent.replaces:
            if move.client_id in self._orders:
                self._orders[move.client_id] = self._orders[move.client_id][0], move.ticks, move.size
        for place in intent.places:
            self._orders[place.client_id] = place.outcome, place.ticks, place.size
        changes = len(intent.cancels), len(intent.replaces), len(intent.places)
        self._sent = [count + more for count, more in zip(self._sent, changes, strict=True)]
        # Words, not figures: the reason names the room, which shrinks all the time.
        ladder = intent.incarnation, why.bids, why.asks, why.net, why.phase, _FIGURES.sub("", why.why)
        taken = [place for place in intent.places if place.immediate]
        if ladder == self._last_ladder and not taken:
            return None  # the rest of what it takes to get there, or it again where it was refused
        self._last_ladder = ladder
        sent, self._sent = self._sent, [0, 0, 0]
        tick = self._tick
        wider = None if self._half is None or not math.isfinite(why.fair) else why.half_spread - self._half
        return "quote", {
            **{name: getattr(why, name) for name in _OF_THE_REASON},
            "left_s": None if self._market is None else why.f * self._market.duration_s,
            # By the time the journal received it: a moment more than when it was decided.
            "age_s": (now - intent.priced_ns) / SECOND if intent.priced_ns else None,
            "wider": wider,
            "bids": [[ticks * tick / DOLLAR, size] for ticks, size in why.bids],
            "asks": [[ticks * tick / DOLLAR, size] for ticks, size in why.asks],
            "takes": [[place.outcome.value, place.ticks * tick / DOLLAR, place.size] for place in taken],
            "sent": sent,
        }

    def _refused(self, event: OrderRejected | OrderDenied | OrderUnknown | OrderUnchanged) -> Record:
        match event:
            case OrderRejected():
                who, what = "rejected by the venue", f"{event.code} {event.message}"
            case OrderDenied():
                who, what = "denied by our gate", f"{event.rule}: {event.message}"
            case OrderUnchanged(denied=True):
                rule = event.code.removeprefix("DENIED_")
                who, what = f"{event.action} denied by our gate, stands as it was", f"{rule}: {event.message}"
            case OrderUnchanged():
                who, what = f"{event.action} refused by the venue, stands as it was", f"{event.code} {event.message}"
            case OrderUnknown():
                who, what = "unconfirmed, counted as live", event.reason
        asked = None
        if event.client_id in self._orders:
            outcome, ticks, size = self._orders[event.client_id]
            asked = f"{size} {outcome} at {ticks * self._tick / DOLLAR:.4f}".removesuffix("00")
        return {"order": event.client_id, "asked": asked, "who": who, "what": what}

    # --- its fills, and what came of them ---

    def _filled(self, fill: OrderFilled, now: Nanos) -> Record:
        self._at_fill.add(fill, self._fair)
        self._to_mark_out.append((now + MARKOUT_NS, fill))
        if self._held is not None:
            self._held.apply(fill, fill.tick_micros)
        return {
            "outcome": fill.outcome.value,
            "size": fill.size,
            "price": price_of(fill),
            "fair": self._fair,
            "edge": edge_of(fill, self._fair),
            "net": None if self._held is None else self._held.net,
            "fee": dollars(fill.fee_micros),
            "maker": fill.maker,
            "order": fill.client_id,
            "fill_id": fill.fill_id,
        }

    def _mark_out(self, now: float) -> None:
        """Hold the fills whose time has come against the fair value that has stood until now."""
        while self._to_mark_out and self._to_mark_out[0][0] <= now:
            self._after_1s.add(self._to_mark_out.popleft()[1], self._fair)

    def _ended(self, report: SessionReport) -> Record:
        self._mark_out(math.inf)
        return {
            "outcome": report.outcome.value,
            "pnl": dollars(report.pnl_micros),
            "net_at_close": report.net_at_close,
            "net_at_10pct": report.net_at_10pct,
            "max_abs_net": report.max_abs_net,
            "fills": report.fills,
            "contracts": report.contracts,
            "two_sided_share": report.two_sided_share,
            "order_messages": report.order_messages,
            "edge": self._at_fill.edge,
            "gained": self._at_fill.gained,
            "edge_1s": self._after_1s.edge,
            "gained_1s": self._after_1s.gained,
            "made_of": self._made_of(report),
        }

    def _made_of(self, report: SessionReport) -> Record | None:
        """What the P&L is the sum of; None if this log has not seen all of it."""
        held = self._held
        if held is None or held.pnl_if(report.outcome) != report.pnl_micros:
            return None
        yes = dollars(held.yes_cost_micros) / held.yes if held.yes else 0.0
        no = dollars(held.no_cost_micros) / held.no if held.no else 0.0
        rest = Outcome.YES if held.net >= 0 else Outcome.NO
        pays = _YES_PAYS[report.outcome] if rest is Outcome.YES else 1.0 - _YES_PAYS[report.outcome]
        paid = yes if rest is Outcome.YES else no
        return {
            "pairs": held.pairs,
            "pair_price": yes + no,
            "pair_pnl": held.pairs * (1.0 - yes - no),
            "rest": abs(held.net),
            "rest_outcome": rest.value,
            "rest_price": paid,
            "rest_pnl": abs(held.net) * (pays - paid),
            "merged": dollars(held.merged_micros),
            "fees": dollars(held.fees_micros),
        }
