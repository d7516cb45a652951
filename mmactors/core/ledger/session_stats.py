"""One session's record: what its report is made of, noted as it happens, or put together afterwards from its fills.

Owns the figures that no later moment can tell: how long both sides rested, the net with 10 % of the session left, the
fair value when trading closed. It decides nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmactors.core.ledger.inventory import Inventory
from mmactors.messages import Market, MarketResolved, OrderFilled, Outcome, Resolution, SessionReport
from mmactors.units import Micros, Nanos

NET_NOTED_F = 0.10
"""The share of the session left at which the net is noted."""


def corrected(report: SessionReport, event: MarketResolved) -> SessionReport | None:
    """Return a session's report after the venue's second word on its end; None if it has that already."""
    if report.outcome is event.resolution:
        return None
    return replace(report, outcome=event.resolution, pnl_micros=Micros(report.pnl_micros + event.corrected_micros))


def past_report(
    market: Market, inventory: Inventory, fills: Sequence[OrderFilled], resolution: Resolution
) -> SessionReport:
    """Return the report of a session that no run saw to its end, from its fills; what these cannot tell is NaN."""
    late_ns = market.expires_venue_ns - NET_NOTED_F * market.duration_ns
    net = net_then = most = 0
    for fill in sorted(fills, key=lambda each: each.venue_ns):
        net += fill.size if fill.outcome is Outcome.YES else -fill.size
        net_then = net if fill.venue_ns <= late_ns else net_then
        most = max(most, abs(net))
    return SessionReport(
        market=market.id,
        asset=market.asset,
        duration_s=market.duration_s,
        strike=market.strike if market.strike is not None else math.nan,
        outcome=resolution,
        pnl_micros=inventory.pnl_if(resolution),
        net_at_close=net,
        net_at_10pct=net_then,
        max_abs_net=most,
        risk_at_close=math.nan if net else 0.0,
        fills=len(fills),
        contracts=sum(fill.size for fill in fills),
        two_sided_share=math.nan,
        order_messages=0,
        yes=inventory.yes,
        no=inventory.no,
    )


@dataclass(slots=True)
class SessionRecord:
    """The figures so far."""

    fills: int = 0
    contracts: int = 0
    max_abs_net: int = 0
    net_at_10pct: int | None = None
    fair_at_close: float = 0.5
    two_sided_ns: int = 0
    open_ns: int = 0
    order_messages: int = 0
    counted_ns: int = 0

    def count_time(self, now: Nanos, running: bool, two_sided: bool) -> None:
        """Count the time since the last event, if the session runs, as two-sided if both sides rest now."""
        since = now - self.counted_ns
        if running and since > 0 and self.counted_ns:
            self.open_ns += since
            if two_sided:
                self.two_sided_ns += since
        self.counted_ns = now

    def fill(self, size: int, net: int) -> None:
        """Note a fill and the net it led to."""
        self.fills += 1
        self.contracts += size
        self.max_abs_net = max(self.max_abs_net, abs(net))

    def price(self, f: float, fair: float, net: int, closing: bool) -> None:
        """Note the fair value and the net with this share of the session left."""
        self.max_abs_net = max(self.max_abs_net, abs(net))  # what an earlier run left is held without a fill
        if f <= NET_NOTED_F and self.net_at_10pct is None:
            self.net_at_10pct = net
        if not closing:
            self.fair_at_close = fair

    def report(self, market: Market, inventory: Inventory, resolution: Resolution) -> SessionReport:
        """Return the session's report as settled."""
        net, fair = inventory.net, self.fair_at_close
        return SessionReport(
            market=market.id,
            asset=market.asset,
            duration_s=market.duration_s,
            strike=market.strike if market.strike is not None else math.nan,
            outcome=resolution,
            pnl_micros=inventory.pnl_if(resolution),
            net_at_close=net,
            net_at_10pct=self.net_at_10pct if self.net_at_10pct is not None else net,
            max_abs_net=max(self.max_abs_net, abs(net)),
            risk_at_close=abs(net) * math.sqrt(fair * (1.0 - fair)),
            fills=self.fills,
            contracts=self.contracts,
            two_sided_share=self.two_sided_ns / self.open_ns if self.open_ns else 0.0,
            order_messages=self.order_messages,
            yes=inventory.yes,
            no=inventory.no,
        )
