"""The auditor: takes the log's lines one by one and checks each at once.

Owns the expected cash of our account, the open sessions, and the rules about money; `order_rules.py` owns those about
orders. It must not know files or tables.
"""

from collections.abc import Callable
from typing import Any

from mmactors.audit.limits import CENT, UNREADABLE, AuditError, Rules
from mmactors.audit.order_rules import OrderRules, described
from mmactors.audit.result import Audit, CheckCounts, Violation, totals
from mmactors.audit.session import DOLLAR, Resting, Session, SessionFigures

HOUSE = "house-"


class Auditor:
    """Audits one account by the venue's log.

    Args:
        rules: the limits; the strategy's key table if not given.
        account: the account; the first client account in the log if not given.
        on_violation: called with each violation at once.
        watch: sessions whose id begins so keep their rows and track; with None no session does.

    Attributes:
        X
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
        self.has_account = False
        self.watched: list[Session] = []
        self._rules = rules or Rules()
        self._watch = watch
        self._counts = CheckCounts(on_violation)
        self._order_rules = OrderRules(self._counts)
        self._open: dict[str, Session] = {}
        self._done: list[tuple[SessionFigures, Session]] = []
        self._resolved: set[str] = set()
        self._paid: dict[str, tuple[Session, int]] = {}
        self._corrections: dict[str, int] = {}
        self._revisions: dict[str, int] = {}
        self._spots: dict[str, float] = {}
        self._connected: set[str] = set()
        self._cash = 0
        self._expected_changes: list[int] = []
        self._last_ms = 0
        self._lines = 0
        self._account_known = account is not None
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "run": self._run,
            "spot": self._spot,
            "order": self._order,
            "fill": self._fill,
            "cash": self._cash_change,
            "market": self._market,
            "session": self._connection,
        }

    def feed(self, line: dict[str, Any]) -> None:
        """Check the next line; a line of an unknown type is ignored.

        Raises:
            AuditError: it names a market that is not open.
            KeyError, TypeError, ValueError: it is no line of a venue log.
        """
        self._lines += 1
        t = line["t"]
        handle = self._handlers.get(line["type"])
        if handle is not None:
            handle(line)
        if t > self._last_ms:
            self._last_ms = t

    def result(self) -> Audit:
        """Return the audit of all lines so far; more may follow."""
        found = [*self._done, *((session.figures(self._last_ms), session) for session in self._open.values())]
        found = [(figures, session) for figures, session in found if session.quoted_since is not None or session.fills]
        return Audit(
            account=self.account,
            lines=self._lines,
            violations=sum(check.count for check in self._counts.checks.values()),
            checks=tuple(self._counts.checks.values()),
            sessions=tuple(figures for figures, _ in found),
            totals=totals(found),
        )

    # --- lines -----------------------------------------------------------------------------------------

    def _run(self, _: dict[str, Any]) -> None:
        # A new run of the venue: accounts, cash and books begin anew.
        for session in self._open.values():
            self._done.append((session.figures(self._last_ms), session))
        self._open.clear()
        self._resolved.clear()
        self._paid.clear()
        self._corrections.clear()
        self._revisions.clear()
        self._expected_changes.clear()
        self._connected.clear()
        self._order_rules = OrderRules(self._counts)
        self._cash = 0

    def _connection(self, line: dict[str, Any]) -> None:
        # Without a connection nothing can be cancelled: the rules allow a second after the reconnection.
        if not self._ours(line["account"]):
            return
        if line["event"] == "up":
            self._connected.add(line["session"])
            self._order_rules.reconnected_ms = line["t"]
        else:
            self._connected.discard(line["session"])
        self._order_rules.disconnected = not self._connected

    def _spot(self, line: dict[str, Any]) -> None:
        asset, price, t = line["asset"], line["price"], line["t"]
        self._spots[asset] = price
        tick = line.get("tick")
        if tick is not None:
            self._order_rules.last_published[asset] = tick
        for session in self._open.values():
            if session.asset == asset:
                session.sigma = line.get("sigma")
                session.note(t, price)
                self._order_rules.advance(session, t, price)
                self._order_rules.check_position_limit(session, t)
                session.sample(t, price)
                if session.keep:
                    session.track.append((t, price, session.bid, session.ask, session.net))

    def _market(self, line: dict[str, Any]) -> None:
        name, event, t = line["market"], line["event"], line["t"]
        session = self._open.get(name)
        if session is None:
            if name in self._resolved:
                if event == "resolved" and line.get("revision", 0) > self._revisions.get(name, 0):
                    self._correct(name, line["outcome"], line["revision"], t)
                elif event == "resolved":
                    self._counts.broken("V10 settlement", t, name, "resolved a second time")
                return
            session = self._list(line)
        self._order_rules.advance(session, t, line["spot"])
        session.strike = line["strike"]
        if line["expires_at"] != session.expires:
            session.end_at(int(line["expires_at"]), t)
        if event == "resolved":
            self._check_price(session, line.get("settlement_price"), t)
            self._resolve(session, line["outcome"], t)

    def _order(self, line: dict[str, Any]) -> None:
        if line["account"] != self.account and not self._ours(line["account"]):
            return
        event, t = line["event"], line["t"]
        if event == "rejected":
            self._refused(line)
            return
        session = self._session(line["market"])
        tick = line.get("tick")
        if tick is not None:
            self._order_rules.last_published[session.asset] = tick
        self._order_rules.advance(session, t, line["spot"])
        session.messages += 1
        order_id = line["order_id"]
        if event in ("accepted", "replaced"):
            direction = 1 if (line["side"] == "bid") == (line["outcome"] == "YES") else -1
            own = line["price_ticks"]
            yes_ticks = own if line["outcome"] == "YES" else session.ticks - own
            order = Resting(direction, yes_ticks, line["remaining"], line["ioc"])
            before = session.put(order_id, order, t)
            self._order_rules.order(session, order_id, order, before, line, self._open)
        else:
            if line["reason"] == "market_closed" and t >= session.expires and not self._order_rules.unreachable(t):
                self._counts.broken(
                    "V7 market_closed", t, session, f"{described(line)} cancelled by the venue at the close"
                )
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
            self._order_rules.advance(session, t, line["spot"])
            known = side["order_id"] in session.orders
            size = line["size"]
            change = session.fill(side, size, t)
            self._cash += change
            self._expected_changes.append(change)
            rate = session.rates[side["liquidity"] == "taker"]
            of, whole = side["price_ticks"] * session.tick * size, 1_000_000
            if session.curved_fees:
                of, whole = of * (session.ticks - side["price_ticks"]), whole * session.ticks
            fee = -(-of * rate // whole)
            if fee != side["fee_micros"]:
                words = f"fill {side['fill_id']}: fee {side['fee_micros']} micro-dollars, {fee} by the market's rate"
                self._counts.broken("V2 conservation", t, session, words)
            if not known:
                self._counts.broken(
                    "V2 conservation", t, session, f"fill {side['fill_id']} of an order that was not open"
                )
            if session.keep:
                session.track.append((t, session.spot, session.bid, session.ask, session.net))

    def _cash_change(self, line: dict[str, Any]) -> None:
        if line["account"] != self.account and not self._ours(line["account"]):
            return
        self.has_account = True
        reason, change, t = line["reason"], line["change_micros"], line["t"]
        market = line["market"]
        if reason == "fill":
            expected = self._expected_changes.pop(0) if self._expected_changes else 0
            if expected != change:
                words = f"cash moved by {change} micro-dollars for a fill of {expected}"
                self._counts.broken("V2 conservation", t, market, words)
        else:
            self._cash += change
            if reason == "settle":
                session = self._open.get(market)
                if session is None or session.payouts:
                    self._counts.broken("V10 settlement", t, market, f"paid out {change / DOLLAR:.2f} $ a second time")
                if session is not None:
                    self._order_rules.advance(session, t, session.spot)
                    session.payouts.append(change)
            elif reason == "correct":
                self._corrections[market] = self._corrections.get(market, 0) + change
            elif reason == "merge":
                session = self._session(market)
                pairs, rest = divmod(change, DOLLAR)
                session.yes -= pairs
                session.no -= pairs
                session.paid -= change
                if rest or session.yes < 0 or session.no < 0:
                    self._counts.broken(
                        "V2 conservation", t, session, f"merge of {change} micro-dollars, more than the pairs"
                    )
        if line["cash_micros"] != self._cash:
            words = f"cash after {reason} is {line['cash_micros']} micro-dollars, {self._cash} by fills and fees"
            self._counts.broken("V2 conservation", t, market, words)
            self._cash = line["cash_micros"]  # reported once, not for every later line

    def _refused(self, line: dict[str, Any]) -> None:
        session = self._open.get(line["market"])
        if session is None:
            return
        price = line["price_micros"]
        if price % session.tick or not CENT <= price <= DOLLAR - CENT:
            words = f"{line['outcome']} {line['side']} {line['size']} at {price / DOLLAR:g} sent, {line['reason']}"
            self._counts.broken("V9 price", line["t"], session, words)

    def _check_price(self, session: Session, price: float | None, t: int) -> None:
        if price is None or not session.window or session.fixings * 1000 != session.window:
            return
        mean = session.fixing_sum / session.fixings
        if abs(price - mean) > 1e-9 * mean:
            words = f"settled at {price}, but the mean of its {session.fixings} fixings is {mean}"
            self._counts.broken("V10 settlement", t, session, words)

    def _resolve(self, session: Session, outcome: str, t: int) -> None:
        session.outcome = outcome
        due = _due(session, outcome)
        if session.fills and not session.payouts:
            self._counts.broken("V10 settlement", t, session, f"resolved {outcome} and {due / DOLLAR:.2f} $ never paid")
        elif session.payouts and session.payouts[0] != due:
            words = f"settled {outcome} for {session.payouts[0]} micro-dollars; {session.yes} YES, {session.no} NO"
            self._counts.broken("V2 conservation", t, session, f"{words} are worth {due}")
        self._resolved.add(session.id)
        self._paid[session.id] = (session, due)
        del self._open[session.id]
        self._done.append((session.figures(t), session))

    def _correct(self, name: str, outcome: str, revision: int, t: int) -> None:
        # The difference between what is due now and what was paid has moved, once.
        session, before = self._paid[name]
        due, moved = _due(session, outcome), self._corrections.pop(name, 0)
        if moved != due - before:
            words = f"corrected to {outcome} by {moved} micro-dollars, {due - before} are due"
            self._counts.broken("V2 conservation", t, session, words)
        self._revisions[name] = revision
        self._paid[name] = (session, due)

    # --- inside ----------------------------------------------------------------------------------------

    def _ours(self, account: str) -> bool:
        if account.startswith(HOUSE):
            return False
        if self._account_known:
            if account != self.account:
                self.others.add(account)
            return account == self.account
        self.account, self._account_known = account, True
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
            window=1000 * int(line.get("window_s", 0)),
            keep=self._watch is not None and name.startswith(self._watch),
            rates=(round(line["maker_bps"] * 100), round(line["taker_bps"] * 100)),
            curved_fees=line.get("fees") == "quadratic",
            spot=self._spots.get(line["asset"]),
        )
        self._open[name] = session
        if session.keep:
            self.watched.append(session)
        return session


def _due(session: Session, outcome: str) -> int:
    yes_pays, no_pays = {"YES": (DOLLAR, 0), "NO": (0, DOLLAR)}.get(outcome, (DOLLAR // 2, DOLLAR // 2))
    return session.yes * yes_pays + session.no * no_pays
