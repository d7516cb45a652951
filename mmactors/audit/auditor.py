"""The checks: takes the log's lines one by one, as they happen, and says at once what broke a rule.

Owns our account's cash as it ought to be, the sessions that are open, and every rule. It must not know files, tables or
where lines come from.
"""

from collections.abc import Callable
from typing import Any

from mmactors.audit.limits import CENT, UNREADABLE, AuditError, Rules
from mmactors.audit.session import DOLLAR, Resting, Session, SessionFigures
from mmactors.audit.verdict import Audit, Tally, Violation, totals

HOUSE = "house-"
_DEAD_WITHIN_MS = 1000
_SIGMA_MARGIN = 1.5
"""How far the program's own sigma may be from the fixed one here before what rests on the dead side is its fault."""


class Auditor:
    """Judges one account by the venue's log.

    Args:
        rules: the limits; the strategy's key table if not given.
        account: whose orders; the first that is not the simulator's own if not given.
        on_violation: told of each at once.
        watch: sessions whose id begins so keep their rows and track; None keeps none.

    Attributes:
        account: whom it judges, once known.
        others: further accounts that are not the simulator's.
        watched: the sessions kept.
        met: whether the log has named that account's cash.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        account: str | None = None,
        on_violation: Callable[[Violation], None] | None = None,
        watch: str | None = None,
    ) -> None:
        self.account = account
        self.others: set[str] = set()
        self.met = False
        self.watched: list[Session] = []
        self._rules = rules or Rules()
        self._watch = watch
        self._tally = Tally(on_violation)
        self._open: dict[str, Session] = {}
        self._done: list[tuple[SessionFigures, Session]] = []
        self._resolved: set[str] = set()
        self._spots: dict[str, float] = {}
        self._cash = 0
        self._owed: list[int] = []
        self._now = 0
        self._lines = 0
        self._known = account is not None
        self._takes: dict[str, Callable[[dict[str, Any]], None]] = {
            "run": self._run,
            "spot": self._spot,
            "order": self._order,
            "fill": self._fill,
            "cash": self._money,
            "market": self._market,
        }

    def feed(self, line: dict[str, Any]) -> None:
        """Take the next line; one of an unknown type is passed over.

        Raises:
            AuditError: it names a market never listed.
            KeyError, TypeError, ValueError: it is no line of a truth log.
        """
        self._lines += 1
        t = line["t"]
        take = self._takes.get(line["type"])
        if take is not None:
            take(line)
        if t > self._now:
            self._now = t

    def result(self) -> Audit:
        """Return the judgement of all lines so far; more may follow."""
        told = [*self._done, *((session.figures(self._now), session) for session in self._open.values())]
        told = [(figures, session) for figures, session in told if session.quoted_since is not None or session.fills]
        return Audit(
            account=self.account,
            lines=self._lines,
            violations=sum(check.count for check in self._tally.checks.values()),
            checks=tuple(self._tally.checks.values()),
            sessions=tuple(figures for figures, _ in told),
            totals=totals(told),
        )

    # --- lines -----------------------------------------------------------------------------------------

    def _run(self, _: dict[str, Any]) -> None:
        # A new life of the venue: accounts, cash and books start afresh.
        for session in self._open.values():
            self._done.append((session.figures(self._now), session))
        self._open.clear()
        self._resolved.clear()
        self._owed.clear()
        self._cash = 0

    def _spot(self, line: dict[str, Any]) -> None:
        asset, price, t = line["asset"], line["price"], line["t"]
        self._spots[asset] = price
        for session in self._open.values():
            if session.asset == asset:
                self._touch(session, t, price)
                session.sample(t, price)
                if session.keep:
                    session.track.append((t, price, session.bid, session.ask, session.net))

    def _market(self, line: dict[str, Any]) -> None:
        name, event, t = line["market"], line["event"], line["t"]
        session = self._open.get(name)
        if session is None:
            if name in self._resolved:
                if event == "resolved":
                    self._tally.broken("V10 settlement", t, name, "resolved a second time")
                return
            session = self._list(line)
        self._touch(session, t, line["spot"])
        session.strike = line["strike"]
        if event == "resolved":
            self._resolve(session, line["outcome"], t)

    def _order(self, line: dict[str, Any]) -> None:
        if line["account"] != self.account and not self._ours(line["account"]):
            return
        event, t = line["event"], line["t"]
        if event == "rejected":
            self._refused(line)
            return
        session = self._session(line["market"])
        self._touch(session, t, line["spot"])
        session.messages += 1
        order_id = line["order_id"]
        if event in ("accepted", "replaced"):
            direction = 1 if (line["side"] == "bid") == (line["outcome"] == "YES") else -1
            own = line["price_ticks"]
            yes_ticks = own if line["outcome"] == "YES" else session.ticks - own
            order = Resting(direction, yes_ticks, line["remaining"], line["ioc"])
            before = session.put(order_id, order, t)
            self._judge(session, order_id, order, before, line)
        else:
            if line["reason"] == "market_closed":
                self._tally.broken("V7 market_closed", t, session, f"{_said(line)} cancelled by the venue at the close")
            session.drop(order_id, t)
        if session.keep:
            session.track.append((t, session.spot, session.bid, session.ask, session.net))

    def _fill(self, line: dict[str, Any]) -> None:
        for side in line["sides"]:
            account = side["account"]
            if account != self.account and not self._ours(account):
                continue
            t = line["t"]
            session = self._session(line["market"])
            self._touch(session, t, line["spot"])
            known = side["order_id"] in session.orders
            size = line["size"]
            change = session.fill(side, size, t)
            self._cash += change
            self._owed.append(change)
            rate = session.rates[side["liquidity"] == "taker"]
            fee = -(-side["price_ticks"] * session.tick * size * rate // 1_000_000)
            if fee != side["fee_micros"]:
                words = f"fill {side['fill_id']}: fee {side['fee_micros']} micro-dollars, {fee} by the market's rate"
                self._tally.broken("V2 conservation", t, session, words)
            if not known:
                self._tally.broken(
                    "V2 conservation", t, session, f"fill {side['fill_id']} of an order that was not open"
                )
            if session.keep:
                session.track.append((t, session.spot, session.bid, session.ask, session.net))

    def _money(self, line: dict[str, Any]) -> None:
        if line["account"] != self.account and not self._ours(line["account"]):
            return
        self.met = True
        reason, change, t = line["reason"], line["change_micros"], line["t"]
        market = line["market"]
        if reason == "fill":
            owed = self._owed.pop(0) if self._owed else 0
            if owed != change:
                words = f"cash moved by {change} micro-dollars for a fill of {owed}"
                self._tally.broken("V2 conservation", t, market, words)
        else:
            self._cash += change
            if reason == "settle":
                session = self._open.get(market)
                if session is None or session.payouts:
                    self._tally.broken("V10 settlement", t, market, f"paid out {change / DOLLAR:.2f} $ a second time")
                if session is not None:
                    self._touch(session, t, session.spot)
                    session.payouts.append(change)
            elif reason == "merge":
                session = self._session(market)
                pairs, rest = divmod(change, DOLLAR)
                session.yes -= pairs
                session.no -= pairs
                session.paid -= change
                if rest or session.yes < 0 or session.no < 0:
                    self._tally.broken(
                        "V2 conservation", t, session, f"merge of {change} micro-dollars, more than the pairs"
                    )
        if line["cash_micros"] != self._cash:
            words = f"cash after {reason} is {line['cash_micros']} micro-dollars, {self._cash} by fills and fees"
            self._tally.broken("V2 conservation", t, market, words)
            self._cash = line["cash_micros"]  # told once, not for every line from here on

    # --- rules -----------------------------------------------------------------------------------------

    def _touch(self, session: Session, t: int, spot: float | None) -> None:
        """Judge what time alone brings about, before a line about the market is applied."""
        if t >= session.step_at:
            session.advance(t)
        if t > session.seen:
            if session.suspects:
                self._judge_lasting(session)
            session.seen = t
        if t > session.close_at and not session.closed_judged:
            session.closed_judged = True
            for order in session.orders.values():
                late = t - session.close_at
                words = f"{_order_said(order, session)} still rests {late:.0f} ms after the closing threshold"
                self._tally.broken("V7 resting", t, session, words)
        if spot is None:
            return
        session.spot = spot
        if session.f(t) <= session.limits.dead_f and t < session.expires:
            self._judge_dead(session, t, spot)
        elif session.dead:
            session.dead = 0

    def _judge(
        self, session: Session, order_id: str, order: Resting, before: Resting | None, line: dict[str, Any]
    ) -> None:
        """Judge an order that was just accepted or replaced."""
        limits, t, direction = session.limits, line["t"], order.direction
        f = session.f(t)
        price = line["price_ticks"] * session.tick
        if not CENT <= price <= DOLLAR - CENT or line["tick_micros"] != session.tick:
            self._tally.broken("V9 price", t, session, f"{_said(line)}: not on the tick within 0.01 to 0.99")
        if order.ioc:
            if (direction > 0 and order.yes_ticks >= session.ask) or (direction < 0 and order.yes_ticks <= session.bid):
                self._tally.broken("V9 self-cross", t, session, f"{_said(line)} (IOC) meets our own {_quote(session)}")
        else:
            if session.bid and session.ask < session.ticks:
                spread = session.ask - session.bid
                if spread <= 0:
                    self._suspect("V9 self-cross", 0, t, session, f"{_said(line)} makes us {_quote(session)}")
                elif spread * session.tick < limits.min_spread_micros:
                    self._suspect("V9 spread", 0, t, session, f"{_said(line)} makes us {_quote(session)}")
            for other_id, other in session.orders.items():
                if other.yes_ticks == order.yes_ticks and other.direction == direction and not other.ioc:
                    if other_id == order_id:
                        continue
                    words = f"{_said(line)} joins {other_id} of {other.left} at the same price"
                    self._suspect("V9 one per price", direction, t, session, words)
                    break
        if t >= session.close_at:
            words = f"{_said(line)} with {(session.expires - t) / 1000:.3f} s left"
            self._tally.broken("V7 accepted", t, session, words)
        if before is not None and before.yes_ticks == order.yes_ticks and order.left <= before.left:
            return  # a shrinking order takes exposure off, whatever rests beside it
        resting = session.resting[direction]
        worst = direction * session.net + resting
        if worst > limits.room(f):
            words = f"{_said(line)}: net {session.net:+d}, {resting} resting that way, room {limits.room(f)}"
            self._suspect("V5 room", direction, t, session, words)
        if worst <= 0:
            return  # every order that way could fill and |net| would only fall
        if f <= limits.reduce_only_f:
            words = f"{_said(line)}: net {session.net:+d}, {resting} resting that way"
            self._tally.broken("reduce-only", t, session, words)
        spot = line["spot"]
        if f <= limits.dead_f and spot is not None and session.strike and t < session.expires:
            d2 = limits.d2(spot, session.strike, session.expires - t)
            if abs(d2) >= limits.dead_d2 and d2 * direction < 0:
                words = f"{_said(line)}: d2 {d2:+.2f}, net {session.net:+d}, {resting} resting that way"
                self._tally.broken("dead side accepted", t, session, words)

    def _judge_dead(self, session: Session, t: int, spot: float) -> None:
        limits = session.limits
        if not session.strike:
            return
        d2 = limits.d2(spot, session.strike, session.expires - t)
        loser = 0 if abs(d2) < _SIGMA_MARGIN * limits.dead_d2 else -1 if d2 > 0 else 1
        if loser != session.dead:
            session.dead, session.dead_since, session.dead_told = loser, t, False
        elif loser and not session.dead_told and t - session.dead_since >= _DEAD_WITHIN_MS:
            resting = session.resting[loser]
            if limits.dead_side != "zero" and loser * session.net + resting <= 0:
                return
            if resting:
                session.dead_told = True
                outcome = "YES" if loser > 0 else "NO"
                words = f"{resting} {outcome} still bid for, dead for {t - session.dead_since} ms, d2 {d2:+.2f}"
                words += f" (dead if sigma is below {limits.sigma * abs(d2) / limits.dead_d2:.3f})"
                self._tally.broken("dead side resting", t, session, words)

    def _judge_lasting(self, session: Session) -> None:
        """Count the suspects of the moment just past that outlived it."""
        for name, direction in session.suspects:
            spread = session.ask - session.bid if session.bid and session.ask < session.ticks else session.ticks
            if name == "V5 room":
                worst = direction * session.net + session.resting[direction]
                lasts = worst > session.limits.room(session.f(session.seen))
            elif name == "V9 one per price":
                prices = [o.yes_ticks for o in session.orders.values() if o.direction == direction and not o.ioc]
                lasts = len(prices) > len(set(prices))
            elif name == "V9 spread":
                lasts = 0 < spread * session.tick < session.limits.min_spread_micros
            else:
                lasts = spread <= 0
            if lasts:
                self._tally.lasted(name)
        session.suspects.clear()

    def _refused(self, line: dict[str, Any]) -> None:
        session = self._open.get(line["market"])
        if session is None:
            return
        price = line["price_micros"]
        if price % session.tick or not CENT <= price <= DOLLAR - CENT:
            words = f"{line['outcome']} {line['side']} {line['size']} at {price / DOLLAR:g} sent, {line['reason']}"
            self._tally.broken("V9 price", line["t"], session, words)

    def _resolve(self, session: Session, outcome: str, t: int) -> None:
        session.outcome = outcome
        yes_pays, no_pays = {"YES": (DOLLAR, 0), "NO": (0, DOLLAR)}.get(outcome, (DOLLAR // 2, DOLLAR // 2))
        due = session.yes * yes_pays + session.no * no_pays
        if session.fills and not session.payouts:
            self._tally.broken("V10 settlement", t, session, f"resolved {outcome} and {due / DOLLAR:.2f} $ never paid")
        elif session.payouts and session.payouts[0] != due:
            words = f"settled {outcome} for {session.payouts[0]} micro-dollars; {session.yes} YES, {session.no} NO"
            self._tally.broken("V2 conservation", t, session, f"{words} are worth {due}")
        self._resolved.add(session.id)
        del self._open[session.id]
        self._done.append((session.figures(t), session))

    # --- inside ----------------------------------------------------------------------------------------

    def _ours(self, account: str) -> bool:
        if account.startswith(HOUSE):
            return False
        if self._known:
            if account != self.account:
                self.others.add(account)
            return account == self.account
        self.account, self._known = account, True
        return True

    def _session(self, market: str) -> Session:
        session = self._open.get(market)
        if session is None:
            raise AuditError(f"market {market} is not open in this log", UNREADABLE)
        return session

    def _list(self, line: dict[str, Any]) -> Session:
        opens, expires, tick = int(line["opens_at"]), int(line["expires_at"]), int(line["tick_micros"])
        if expires <= opens or tick <= 0 or DOLLAR % tick:
            raise ValueError(f"market {line['market']} has no length or no tick")
        name = str(line["market"])
        session = Session(
            id=name,
            asset=line["asset"],
            opens=opens,
            expires=expires,
            tick=tick,
            limits=self._rules.limits(line["asset"], (expires - opens) // 1000),
            begun=line["t"],
            keep=self._watch is not None and name.startswith(self._watch),
            rates=(round(line["maker_bps"] * 100), round(line["taker_bps"] * 100)),
            spot=self._spots.get(line["asset"]),
        )
        self._open[name] = session
        if session.keep:
            self.watched.append(session)
        return session

    def _suspect(self, check: str, direction: int, t: int, session: Session, words: str) -> None:
        session.suspects.add((check, direction))
        self._tally.broken(check, t, session, words)


def _said(line: dict[str, Any]) -> str:
    price = line["price_ticks"] * line["tick_micros"] / DOLLAR
    return f"{line['event']} {line['order_id']} {line['outcome']} {line['side']} {line['remaining']} at {price:g}"


def _order_said(order: Resting, session: Session) -> str:
    outcome, ticks = ("YES", order.yes_ticks) if order.direction > 0 else ("NO", session.ticks - order.yes_ticks)
    return f"{outcome} bid {order.left} at {ticks * session.tick / DOLLAR:g}"


def _quote(session: Session) -> str:
    return f"{session.bid * session.tick / DOLLAR:g} / {session.ask * session.tick / DOLLAR:g}"
