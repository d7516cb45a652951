"""What a person at the console sees: the program's events as lines that can be followed.

Formatting only: messages in, lines out to whoever was given; it decides nothing. What is rare is a line of its own; the
fills of a market, which are not, are folded into one line every few seconds, and so are its unconfirmed orders, of
which an outage makes hundreds (each is in the market's log). It remembers what a line needs to make sense (a market's
strike, net, phase) and passes over whatever would only repeat itself.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mmactors.messages import (
    AccountReported,
    AccountSnapshot,
    ActorDied,
    FeedConnected,
    FeedWentStale,
    Market,
    MarketChanged,
    MarketHydrated,
    MarketListed,
    MarketResolved,
    MarketStatus,
    OrderFilled,
    OrderUnknown,
    Outcome,
    QuoteIntent,
    ReferenceLost,
    ReferenceMoved,
    Resolution,
    SessionReport,
    StreamGapped,
    TradingState,
    TradingStateChanged,
    VenueConnected,
    VenueDisconnected,
    VenueStatus,
)
from mmactors.ops.fill_stats import FillStats, UnconfirmedOrders
from mmactors.ops.format import aligned, cents, clock, number, plain
from mmactors.ops.terminal import WHO, fitted
from mmactors.units import DOLLAR, SECOND, Micros, Nanos, dollars

FOLD_NS = Nanos(5 * SECOND)
"""How long the fills of a market, or its unconfirmed orders, are gathered for one line."""

PUNCTUAL_NS = Nanos(2 * SECOND)
"""A market that closes less than this before its end, by our clock, closes when it should."""

PHASES = {
    "EARLY": "early, may lean",
    "FLATTENING": "exposure is worked off from here",
    "REDUCE_ONLY": "reduce-only",
    "DEAD_SIDE": "dead side, the losing outcome gets no bids",
    "CLOSED": "everything cancelled before the close",
}
"""A ladder's phases in words."""

FROZEN = "frozen after a burst of fills"
"""The one reason for an empty ladder that only the market reports."""

_BECAME = {MarketStatus.OPEN: "opened", MarketStatus.HALTED: "halted", MarketStatus.CLOSED: "closed"}

_TIME = len("HH:MM:SS.mmm ")
_WIDEST = 40
"""An id longer than this is cut; a market is found by the beginning of its id, too."""

_CODES = {"green": "32", "red": "31", "yellow": "33", "cyan": "36", "bold": "1"}
_COLUMNS = (
    *("market", "strike", "outcome", "P&L $", "net@10%", "net@close", "max|net|", "risk $", "fills", "contracts"),
    *("2-sided", "messages"),
)


@dataclass(slots=True)
class _Known:
    """What was written of a market so far."""

    market: Market | None = None
    net: int = 0
    fair: float | None = None
    lean: float | None = None
    bought: FillStats = field(default_factory=FillStats)
    due_ns: int = 0
    phases: set[str] = field(default_factory=set)
    frozen: bool = False
    quoted: bool = False
    opened: bool = False
    settled: bool = False


class ConsoleReporter:
    """Turn messages into console lines of at most `terminal.WIDTH`; what is longer goes on under its first line.

    Colours only if asked for: the caller knows whether it is a terminal.
    """

    def __init__(self, write: Callable[[str], object], *, colour: bool = False) -> None:
        """Args:
        write: takes each line, without its end.
        colour: whether lines carry terminal colours.
        """
        self._write = write
        self._colour = colour
        self._width = WHO
        self._known: dict[str, _Known] = {}
        self._filled: dict[str, _Known] = {}
        self._unconfirmed: dict[str, UnconfirmedOrders] = {}
        self._cash: int | None = None
        self._lost: set[str] = set()
        self._sources: set[tuple[str, str]] = set()
        self._connected = False

    def write(self, event: object, now: Nanos) -> None:
        """Write the lines an event is worth, with the time (UTC)."""
        self._write_all(self.lines(event, now), now)

    def flush_due(self, now: Nanos) -> None:
        """Write the folded lines that are due; call it about every second."""
        due = [market for market, known in self._filled.items() if known.due_ns <= now]
        unconfirmed = [market for market, orders in self._unconfirmed.items() if orders.due_ns <= now]
        self._write_all([*map(self._bought, due), *map(self._unconfirmed_line, unconfirmed)], now)

    def flush(self, now: Nanos) -> None:
        """Write the folded lines, due or not: nothing follows."""
        self._write_all(
            [*map(self._bought, list(self._filled)), *map(self._unconfirmed_line, list(self._unconfirmed))], now
        )

    def _write_all(self, lines: Iterable[str], now: Nanos) -> None:
        for line in lines:
            for part in f"{clock(now)[11:]} {line}".split("\n"):
                self._write(part)

    def lines(self, event: object, now: Nanos) -> list[str]:
        """Return the lines an event is worth, most often none; a line that goes on has line ends in it.

        A fill is worth none by itself, nor is an unconfirmed order: the line of all of a market's is written by
        `flush_due` when it is due, and returned before the market's end.
        """
        match event:
            case MarketListed(market):
                return self._listed(market)
            case MarketChanged(market, what):
                return self._changed(market, what, now)
            case MarketHydrated():
                self._market(event.market.id).market = event.market
                self._market(event.market.id).net = event.yes - event.no
                self._cash = event.cash_micros
                return []
            case QuoteIntent():
                return self._quoted(event)
            case OrderFilled():
                self._fill(event, now)
                return []
            case MarketResolved(market, resolution):
                at = "" if market.settlement_price is None else f" at {market.settlement_price:,.2f}"
                text = f"resolved {resolution}{at}, strike {_price(market.strike)}"
                return [*self._before(market.id), self._line(market.id, text)]
            case SessionReport():
                return [*self._before(event.market), self._settled(event)]
            case OrderUnknown() if event.reason == "connection lost":
                return []  # the venue's own line reports all of them
            case OrderUnknown():
                orders = self._unconfirmed.setdefault(
                    event.market, UnconfirmedOrders(event.client_id, Nanos(now + FOLD_NS))
                )
                orders.reasons[event.reason] += 1
                return []
            case _:
                return self._system(event)

    def _system(self, event: object) -> list[str]:
        match event:
            case VenueStatus(_, _, _, cash) | AccountSnapshot(_, _, _, cash, _) | AccountReported(_, _, _, cash):
                self._cash = cash
                return []
            case VenueConnected():
                word = "reconnected" if self._connected else "connected"
                self._connected = True
                return [self._line("venue", f"{word} as {event.account}, session {event.session}", "green")]
            case VenueDisconnected():
                text = f"connection lost: {event.reason}; what rests there counts as live until it is back"
                return [self._line("venue", text, "red")]
            case StreamGapped():
                text = f"stream jumped from {event.expected_seq} to {event.seen_seq}: no new orders until reconciled"
                return [self._line("venue", text, "yellow")]
            case FeedConnected() if (event.source, event.asset) in self._sources:
                return []  # again, and not stale since
            case FeedConnected():
                self._sources.add((event.source, event.asset))
                return [self._line(f"{event.source} {event.asset}", "connected", "green")]
            case FeedWentStale():
                self._sources.discard((event.source, event.asset))
                return [self._line(f"{event.source} {event.asset}", f"stale: {event.reason}", "yellow")]
            case ReferenceLost():
                self._lost.add(event.asset)
                return [self._line(event.asset, "no live price: its quotes are pulled", "red")]
            case ReferenceMoved() if event.asset in self._lost:
                self._lost.discard(event.asset)
                return [self._line(event.asset, f"live again at {event.price:,.2f}", "green")]
            case TradingStateChanged():
                for known in self._known.values():
                    known.phases.clear()
                colour = {TradingState.ACTIVE: "green", TradingState.REDUCING: "yellow"}.get(event.state, "red")
                return [self._line("account", f"{event.state}: {event.reason}", colour)]
            case ActorDied() if event.error is not None:
                return [self._line(event.name, f"died (incarnation {event.incarnation}): {event.error}", "red")]
        return []

    # --- one market ---

    def _market(self, name: str) -> _Known:
        return self._known.setdefault(name, _Known())

    def _listed(self, market: Market) -> list[str]:
        known = self._market(market.id)
        repeated, known.market = known.market is not None, market
        if repeated:
            return []
        strike = "its price at the open" if market.strike is None else f"strike {_price(market.strike)}"
        text = f"listed: {market.asset} above {strike}? {market.duration_s} s, {market.status.lower()}"
        return [self._line(market.id, text, "cyan")]

    def _changed(self, market: Market, what: str, now: Nanos) -> list[str]:
        known = self._market(market.id)
        before, known.market = known.market, market
        if what == "snapshot":  # the event itself was missed
            moved = before is None or before.status is not market.status
            what = _BECAME.get(market.status, "terms changed") if moved else "terms changed"
        if what == "resolved" or (what == "opened" and known.opened):
            return []
        if what == "closed" and now > market.expires_venue_ns - PUNCTUAL_NS:
            return []
        known.opened = what == "opened" or (known.opened and what != "halted")
        text = f"opened: strike {_price(market.strike)}, {market.duration_s} s"
        return [self._line(market.id, text if what == "opened" else f"{what} by the venue", "cyan")]

    def _quoted(self, intent: QuoteIntent) -> list[str]:
        known, why = self._market(intent.market), intent.reason
        known.fair, known.lean = why.fair, why.lean
        lines = []
        share = f"{why.f:.0%}"
        left = f"{share} left" if known.market is None else f"{why.f * known.market.duration_s:.0f} s left"
        if not known.quoted and why.bids and why.asks:
            known.quoted = True
            tick = self._tick(intent.market)
            (bid, bid_size), (ask, ask_size) = why.bids[0], why.asks[0]
            text = (
                f"first two-sided quote: YES {bid_size} at {bid * tick:.2f} / {ask_size} at {ask * tick:.2f}"
                f" (NO at {1 - ask * tick:.2f}); fair {number(why.fair, '.3f')}, {left},"
                f" spot {_price(why.spot)}, sigma {number(why.sigma, '.2f')}"
            )
            lines.append(self._line(intent.market, text, "green"))
        if known.frozen != (why.why == FROZEN):
            known.frozen = not known.frozen
            text = f"{FROZEN}: its quotes are pulled" if known.frozen else "quoting again"
            lines.append(self._line(intent.market, f"{text}; net {why.net:+d}", "yellow"))
        pulled = (
            why.phase == "CLOSED" and why.why != "closing"
        )  # no price, or no venue: that is reported for all at once
        if why.phase not in known.phases and not pulled:  # near their border, the last ones take turns
            first = not known.phases
            known.phases.add(why.phase)
            if why.phase != "EARLY" or not first:
                text = (
                    f"{PHASES.get(why.phase, why.phase.lower())} with {share} left; net {why.net:+d},"
                    f" lean {cents(why.lean)}, fair {number(why.fair, '.3f')}"
                )
                lines.append(self._line(intent.market, text, "cyan"))
        return lines

    def _fill(self, fill: OrderFilled, now: Nanos) -> None:
        known = self._market(fill.market)
        known.net += fill.size if fill.outcome is Outcome.YES else -fill.size
        known.bought.add(fill, known.fair)
        if self._cash is not None:
            self._cash -= fill.ticks * fill.tick_micros * fill.size + fill.fee_micros
        if fill.market not in self._filled:
            self._filled[fill.market] = known
            known.due_ns = now + FOLD_NS

    def _before(self, market: str) -> list[str]:
        lines = [self._bought(market)] if market in self._filled else []
        return [*lines, self._unconfirmed_line(market)] if market in self._unconfirmed else lines

    def _unconfirmed_line(self, market: str) -> str:
        orders = self._unconfirmed.pop(market)
        who = f"order {orders.first}" if orders.count == 1 else f"{orders.count} orders"
        return self._line(market, f"{who}: unconfirmed ({orders.why}); counted as live, queried", "yellow")

    def _bought(self, market: str) -> str:
        known = self._filled.pop(market)
        bought, known.bought = known.bought, FillStats()
        text = (
            f"bought {bought.yes:>4} YES, {bought.no:>4} NO in {bought.fills:>3} fills, edge {cents(bought.edge):>6},"
            f" markout {cents(bought.markout(known.fair)):>6}; net {known.net:>+5}, lean {cents(known.lean):>6}"
        )
        if self._cash is not None:
            text += f", cash ${dollars(self._cash):,.2f}"
        return self._line(market, text + (f"; {bought.taken} taken" if bought.taken else ""))

    def _settled(self, report: SessionReport) -> str:
        known = self._market(report.market)
        word = "settled again" if known.settled else "settled"
        known.settled = True
        room = 13 - len(report.outcome)  # the amounts stand below each other, however it ended
        text = (
            f"{word} {report.outcome}: P&L {_money(report.pnl_micros):>{room}}, net at close {report.net_at_close:>+4}"
            f" (at 10 % left {report.net_at_10pct:>+4}, most {report.max_abs_net:>4}), {report.fills:>3} fills,"
            f" {report.contracts:>5} contracts"
        )
        return self._line(report.market, text, "green" if report.pnl_micros >= 0 else "red")

    def _tick(self, name: str) -> float:
        market = self._market(name).market
        return (market.tick_micros if market is not None else 10_000) / DOLLAR

    def _line(self, who: str, text: str, colour: str = "") -> str:
        who = _short(who)
        self._width = max(self._width, len(who))
        text = fitted(plain(text), _TIME + self._width + 1)
        return f"{self._in('bold', who.ljust(self._width))} {self._in(colour, text)}"

    def _in(self, colour: str, text: str) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self._colour and colour else text

    # --- the end ---

    def summary(self, reports: Iterable[SessionReport], *, cash: Micros | None = None, pairs: int = 0) -> list[str]:
        """Return the table of all sessions and their totals, the last word of a run.

        `pairs` of YES and NO not settled yet are a dollar each, and so named beside the cash.
        """
        final = list({report.market: report for report in reports}.values())
        money = [] if cash is None else [f"cash ${dollars(cash):,.2f}"]
        if money and pairs:
            money[0] += f", and ${pairs:,d} to come for pairs of YES and NO, however their markets end"
        held = [f"{name} {known.net:+d}" for name, known in self._known.items() if known.net and not known.settled]
        if held:
            money.append(f"held, not settled (YES - NO): {', '.join(held)}")
        money = [part for line in money for part in fitted(line).split("\n")]
        if not final:
            return ["no session was settled", *money]
        lines = aligned([_COLUMNS, *(_row(report) for report in final), _totals(final)])
        rule = "-" * len(lines[0])
        return [self._in("bold", lines[0]), rule, *lines[1:-1], rule, self._in("bold", lines[-1]), *money]


def _row(report: SessionReport) -> tuple[str, ...]:
    return (
        *(_short(report.market), _price(report.strike), report.outcome.value, _money(report.pnl_micros, "")),
        *(f"{report.net_at_10pct:+d}", f"{report.net_at_close:+d}", str(report.max_abs_net)),
        *(number(report.risk_at_close, ".2f"), str(report.fills), str(report.contracts)),
        *(number(report.two_sided_share, ".0%"), str(report.order_messages)),
    )


def _totals(reports: Sequence[SessionReport]) -> tuple[str, ...]:
    count = {outcome: sum(report.outcome is outcome for report in reports) for outcome in Resolution}
    outcomes = "/".join(f"{times}{name[0]}" for name, times in count.items() if times)
    seen = [report for report in reports if math.isfinite(report.two_sided_share)]
    shares = sum(report.two_sided_share * report.duration_s for report in seen)
    whole = sum(report.duration_s for report in seen)
    return (
        *(f"{len(reports)} sessions", "", outcomes, _money(sum(report.pnl_micros for report in reports), "")),
        *("", "", str(max(report.max_abs_net for report in reports)), ""),
        *(str(sum(report.fills for report in reports)), str(sum(report.contracts for report in reports))),
        *(f"{shares / whole:.0%}" if whole else "-", str(sum(report.order_messages for report in reports))),
    )


def _price(value: float | None) -> str:
    return "not struck" if value is None else number(value, ",.2f")


def _short(name: str) -> str:
    name = plain(name)
    return name if len(name) <= _WIDEST else f"{name[: _WIDEST - 1]}…"


def _money(amount: int, sign: str = "$") -> str:
    return f"{'-' if amount < 0 else '+'}{sign}{abs(dollars(amount)):,.2f}"
