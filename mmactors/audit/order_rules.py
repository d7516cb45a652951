"""The rules about orders: which may be accepted, and which may rest as time, prices and connections change.

Owns the reading of each rule and the age of prices. It must not change a session's books.
"""

from collections.abc import Mapping
from typing import Any

from mmactors.audit.limits import CENT
from mmactors.audit.result import CheckCounts
from mmactors.audit.session import DOLLAR, Resting, Session

_DEAD_WITHIN_MS = 1000
_SIGMA_MARGIN = 1.5
"""Factor by which the program's sigma may differ from the true one (in a log without it, from a fixed one)."""

_TRANSIT_MS = 500
"""Time allowed for a price (or a new end) to reach the program and its order to reach the venue."""
_GRACE_MS = 1000
"""Time allowed to cancel an order after the reason: a stale price, a lower position limit, a lost connection."""


class OrderRules:
    """Checks the orders of one run of the venue.

    Attributes:
        last_published: when each asset's price was last published, milliseconds UTC; without it V4 is not checked.
        disconnected: whether the account has no order session, so that nothing can be cancelled.
        reconnected_ms: when an order session last came up, milliseconds UTC.
    """

    def __init__(self, counts: CheckCounts) -> None:
        self.last_published: dict[str, int] = {}
        self.disconnected = False
        self.reconnected_ms = 0
        self._counts = counts

    def advance(self, session: Session, t: int, spot: float | None) -> None:
        """Check what time alone can break, before a line about the market is applied."""
        if t >= session.step_at:
            session.advance(t)
        if t > session.seen:
            if session.suspects:
                self._count_lasting(session)
            session.seen = t
        tick = self.last_published.get(session.asset)
        if tick is not None and (t - tick > session.limits.stale_ms + _GRACE_MS or session.stale_reported):
            self._check_stale(session, t, tick)
        if t > session.close_at and not session.close_checked and not self.unreachable(t):
            session.close_checked = True
            for order in session.orders.values():
                late = t - session.close_at
                words = f"{_order(order, session)} still rests {late:.0f} ms after the closing threshold"
                self._counts.broken("V7 resting", t, session, words)
        if spot is None:
            return
        session.spot = spot
        if session.f(t) <= session.limits.dead_f and t < session.expires:
            self._check_dead_side(session, t, spot)
        elif session.dead:
            session.dead = 0

    def order(
        self,
        session: Session,
        order_id: str,
        order: Resting,
        before: Resting | None,
        line: dict[str, Any],
        open_sessions: Mapping[str, Session],
    ) -> None:
        """Check an order that was just accepted or replaced; `open_sessions` are all of the account."""
        limits, t, direction = session.limits, line["t"], order.direction
        f = session.f_on_the_way(t, _TRANSIT_MS)
        price = line["price_ticks"] * session.tick
        if not CENT <= price <= DOLLAR - CENT or line["tick_micros"] != session.tick:
            self._counts.broken("V9 price", t, session, f"{described(line)}: not on the tick within 0.01 to 0.99")
        if order.ioc:
            if (direction > 0 and order.yes_ticks >= session.ask) or (direction < 0 and order.yes_ticks <= session.bid):
                self._counts.broken(
                    "V9 self-cross", t, session, f"{described(line)} (IOC) meets our own {_quote(session)}"
                )
        else:
            if session.bid and session.ask < session.ticks:
                spread = session.ask - session.bid
                if spread <= 0:
                    self._suspect("V9 self-cross", 0, t, session, f"{described(line)} makes us {_quote(session)}")
                elif spread * session.tick < limits.min_spread_micros:
                    self._suspect("V9 spread", 0, t, session, f"{described(line)} makes us {_quote(session)}")
            for other_id, other in session.orders.items():
                if other.yes_ticks == order.yes_ticks and other.direction == direction and not other.ioc:
                    if other_id == order_id:
                        continue
                    words = f"{described(line)} joins {other_id} of {other.left} at the same price"
                    self._suspect("V9 one per price", direction, t, session, words)
                    break
        tick = self.last_published.get(session.asset)
        if tick is not None and t - tick > limits.stale_ms + _TRANSIT_MS:
            self._counts.broken("V4 accepted", t, session, f"{described(line)} {t - tick} ms after the last price")
        if t >= session.close_at:
            words = f"{described(line)} with {(session.expires - t) / 1000:.3f} s left"
            self._counts.broken("V7 accepted", t, session, words)
        if before is not None and before.yes_ticks == order.yes_ticks and order.left <= before.left:
            return  # a smaller order lowers exposure, whatever else rests
        resting = session.resting[direction]
        worst = direction * session.net + resting
        limit = limits.position_limit(f)
        if worst > limit:
            words = f"{described(line)}: net {session.net:+d}, {resting} resting that way, room {limit}"
            self._suspect("V5 room", direction, t, session, words)
        if worst <= 0:
            return  # if every order that way fills, |net| only falls
        exposure = sum(each.worst_loss() for each in open_sessions.values())
        if exposure > limits.max_exposure_micros:
            most = limits.max_exposure_micros / DOLLAR
            words = f"{described(line)}: {exposure / DOLLAR:.2f} $ could be lost, limit {most:g}"
            self._counts.broken("V5 exposure", t, session, words)
        if f <= limits.reduce_only_f:
            words = f"{described(line)}: net {session.net:+d}, {resting} resting that way"
            self._counts.broken("reduce-only", t, session, words)
        spot = line["spot"]
        if f <= limits.dead_f and spot is not None and session.strike and t < session.expires:
            d2 = session.d2(t, spot, session.sigma)
            if abs(d2) >= limits.dead_d2 and d2 * direction < 0:
                words = f"{described(line)}: d2 {d2:+.2f}, net {session.net:+d}, {resting} resting that way"
                self._counts.broken("dead side accepted", t, session, words)

    def _check_stale(self, session: Session, t: int, tick: int) -> None:
        limit = session.limits.stale_ms + _GRACE_MS
        if t - tick <= limit:
            session.stale_reported = False
        elif not (session.stale_reported or self.disconnected or t - self.reconnected_ms <= limit) and session.orders:
            session.stale_reported = True
            words = f"{len(session.orders)} orders still rest {t - tick} ms after the last price"
            self._counts.broken("V4 resting", t, session, words)

    def check_position_limit(self, session: Session, t: int) -> None:
        """Check the position limit, once a second."""
        if self.unreachable(t) or t >= session.expires:
            return
        limit = session.limits.position_limit(session.f(t - _GRACE_MS))
        for direction in (1, -1):
            worst = direction * session.net + session.resting[direction]
            if worst > limit and session.resting[direction] and not session.over_limit[direction]:
                words = f"net {session.net:+d}, {session.resting[direction]} resting, room {limit} a second ago"
                self._counts.broken("V5 resting", t, session, words)
            session.over_limit[direction] = worst > limit

    def unreachable(self, t: int) -> bool:
        """Return whether no cancel could reach the venue within the last second."""
        return self.disconnected or t - self.reconnected_ms <= _GRACE_MS

    def _check_dead_side(self, session: Session, t: int, spot: float) -> None:
        limits = session.limits
        if not session.strike:
            return
        d2 = session.d2(t, spot, session.sigma)
        loser = 0 if abs(d2) < _SIGMA_MARGIN * limits.dead_d2 else -1 if d2 > 0 else 1
        if loser != session.dead:
            session.dead, session.dead_since, session.dead_reported = loser, t, False
        elif loser and not session.dead_reported and t - session.dead_since >= _DEAD_WITHIN_MS:
            if self.unreachable(t):
                return
            resting = session.resting[loser]
            if limits.dead_side != "zero" and loser * session.net + resting <= 0:
                return
            if resting:
                session.dead_reported = True
                outcome = "YES" if loser > 0 else "NO"
                words = f"{resting} {outcome} still bid for, dead for {t - session.dead_since} ms, d2 {d2:+.2f}"
                words += f" (dead if sigma is below {(session.sigma or limits.sigma) * abs(d2) / limits.dead_d2:.3f})"
                self._counts.broken("dead side resting", t, session, words)

    def _count_lasting(self, session: Session) -> None:
        """Count the breaches of the last moment that are still there."""
        for name, direction in session.suspects:
            spread = session.ask - session.bid if session.bid and session.ask < session.ticks else session.ticks
            if name == "V5 room":
                worst = direction * session.net + session.resting[direction]
                lasts = worst > session.limits.position_limit(session.f_on_the_way(session.seen, _TRANSIT_MS))
            elif name == "V9 one per price":
                prices = [o.yes_ticks for o in session.orders.values() if o.direction == direction and not o.ioc]
                lasts = len(prices) > len(set(prices))
            elif name == "V9 spread":
                lasts = 0 < spread * session.tick < session.limits.min_spread_micros
            else:
                lasts = spread <= 0
            if lasts:
                self._counts.lasted(name)
        session.suspects.clear()

    def _suspect(self, check: str, direction: int, t: int, session: Session, words: str) -> None:
        session.suspects.add((check, direction))
        self._counts.broken(check, t, session, words)


def described(line: dict[str, Any]) -> str:
    """Return an order line in words."""
    price = line["price_ticks"] * line["tick_micros"] / DOLLAR
    return f"{line['event']} {line['order_id']} {line['outcome']} {line['side']} {line['remaining']} at {price:g}"


def _order(order: Resting, session: Session) -> str:
    outcome, ticks = ("YES", order.yes_ticks) if order.direction > 0 else ("NO", session.ticks - order.yes_ticks)
    return f"{outcome} bid {order.left} at {ticks * session.tick / DOLLAR:g}"


def _quote(session: Session) -> str:
    return f"{session.bid * session.tick / DOLLAR:g} / {session.ask * session.tick / DOLLAR:g}"
