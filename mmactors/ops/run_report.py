"""The report of a run as JSON: every session, totals, latency, the actors' fates, the venue check.

Owns the file's shape. It computes nothing that is not in the sessions, and knows no actor.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmactors.messages import SessionReport
from mmactors.ops.format import write_whole
from mmactors.ops.venue_check import VenueCheck
from mmactors.units import dollars

NEUTRAL_SHARE = 0.05
"""A session ends neutral if |net| at the close is within this share of its `max_position`."""


@dataclass(frozen=True, slots=True)
class ActorCounts:
    """How the actors fared; `dead_letters` counts those about orders and money only."""

    spawned: int
    retired: int
    restarts: int
    dead_letters: int


def write_report(
    path: Path,
    sessions: Sequence[SessionReport],
    latency_us: Sequence[float],
    actors: ActorCounts,
    venue_check: VenueCheck | None,
    *,
    max_position: int | Callable[[str, int], int],
) -> dict[str, Any]:
    """Write the report, whole or not at all, and return it.

    Args:
        path: the file; its folder exists.
        sessions: one report per settled session; of a session reported twice the last counts.
        latency_us: microseconds from a price's receipt to the order frame behind it having been written.
        actors: their counts.
        venue_check: None if the venue could not be asked.
        max_position: contracts; or a function of asset and duration (s), where overrides differ.

    Raises:
        OSError: the file cannot be written.
    """
    final = list({session.market: session for session in sessions}.values())
    limit = max_position if callable(max_position) else lambda _asset, _duration: max_position
    report = {
        "sessions": [_session(session) for session in final],
        "totals": {
            "pnl": dollars(sum(session.pnl_micros for session in final)),
            "fills": sum(session.fills for session in final),
            "sessions_settled": len(final),
            "within_5pct_share": _neutral_share(final, limit),
        },
        "latency_us": {"tick_to_quote": _percentiles(latency_us)},
        "actors": {
            "spawned": actors.spawned,
            "retired": actors.retired,
            "restarts": actors.restarts,
            "dead_letters": actors.dead_letters,
        },
        "venue_check": {
            "resting_orders": None if venue_check is None else venue_check.resting_orders,
            "fills_match": None if venue_check is None else venue_check.fills_match,
            "cash_match": None if venue_check is None else venue_check.cash_match,
            "details": ["the venue could not be asked"] if venue_check is None else list(venue_check.details),
        },
    }
    write_whole(path, json.dumps(report, indent=2, allow_nan=False) + "\n")
    return report


def _session(session: SessionReport) -> dict[str, Any]:
    return {
        "market": session.market,
        "asset": session.asset,
        "duration_s": session.duration_s,
        "strike": _finite(session.strike),
        "outcome": session.outcome.value,
        "pnl": dollars(session.pnl_micros),
        "net_at_close": session.net_at_close,
        "net_at_10pct": session.net_at_10pct,
        "max_abs_net": session.max_abs_net,
        "risk_at_close": _finite(session.risk_at_close),
        "fills": session.fills,
        "contracts": session.contracts,
        "two_sided_share": _finite(session.two_sided_share),
        "order_messages": session.order_messages,
    }


def _neutral_share(sessions: Sequence[SessionReport], limit: Callable[[str, int], int]) -> float | None:
    neutral = [abs(s.net_at_close) <= NEUTRAL_SHARE * limit(s.asset, s.duration_s) for s in sessions]
    return sum(neutral) / len(neutral) if neutral else None


def _percentiles(values: Sequence[float]) -> dict[str, float | int | None]:
    if not len(values):
        return {"p50": None, "p99": None, "n": 0}
    p50, p99 = np.percentile(np.asarray(values, dtype=float), [50, 99])
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1), "n": len(values)}


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
