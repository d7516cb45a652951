"""The embedded venue without sockets: engine, calendar, world and participants.

Owns the order of events within a moment: prices, then sessions and expiries that are due, then participants. Its driver
calls `advance` and `submit`: the server by the wall clock, a deterministic run by virtual time. The same configuration
and seed give the same events. It must not know a clock or sockets.
"""

import math
from random import Random
from typing import Protocol

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.simulator.models.fees import fees_of
from mmactors.simulator.models.queue import queue_of
from mmactors.simulator.prices.fixings import Average, Tape
from mmactors.simulator.prices.recording import Recording
from mmactors.simulator.prices.world import PricePath, World
from mmactors.simulator.venue.calendar import Calendar, Due, Session
from mmactors.simulator.venue.engine import MarketChange, Venue
from mmactors.simulator.venue.interventions import MarketIntervention
from mmactors.simulator.venue.ledger import Account, AccountEvent, OrderEvent
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.matching import Recorder, Trade
from mmactors.simulator.venue.operations import OrderOperations
from mmactors.simulator.venue.participants import HouseAccounts, TakerFlow
from mmactors.simulator.venue.replies import Json
from mmactors.units import DOLLAR, micros

HOUSE_CASH = 1_000_000_000 * DOLLAR
"""Cash of each house account, micro-dollars: never a constraint."""

FORGET_EVERY_MS = 60_000
SPOT_EVERY_MS = 1000


class SpotRecorder(Recorder, Protocol):
    """A recorder of prices and order sessions, too."""

    def spot(self, asset: str, price: float, sigma: float, now_ms: int) -> None:
        """Record an asset's true price and annual volatility, once a second."""

    def price_published(self, asset: str, now_ms: int) -> None:
        """Record that a feed published a price of an asset."""

    def session(self, event: str, account: str, session: str, now_ms: int) -> None:
        """Record that an account's order session is up or down."""


def build_world(config: SimulatorConfig, start_ms: int, recordings: dict[str, Recording] | None = None) -> World:
    """Return the prices of every asset that has sessions.

    Raises:
        ValueError: an asset has neither start price nor recording.
    """
    assets = tuple(dict.fromkeys(series.asset for series in config.sessions))
    return World(config.world, assets, start_ms, config.step_ms, recordings)


class SimulatedVenue:
    """The embedded venue.

    Args:
        config: the simulator's configuration.
        start_ms: when it starts, milliseconds UTC.
        world: the true prices; synthetic ones by the configuration if not given.
        recorder: records every event, if given.
        run: part of every id, so that two runs never give the same one.
        first_seq: where every account's stream starts counting.

    Raises:
        ValueError: no configured session fits into the prices.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        start_ms: int,
        *,
        world: World | None = None,
        recorder: SpotRecorder | None = None,
        run: str = "",
        first_seq: int = 0,
    ) -> None:
        self.config = config
        self.now_ms = start_ms
        self.world = build_world(config, start_ms) if world is None else world
        self.venue = Venue(
            orders_per_s=config.orders_per_s, burst=config.burst, run=run, first_seq=first_seq, recorder=recorder
        )
        self.notices: list[str] = []
        self._operations = OrderOperations(self.venue, config.without)
        self.recorder = recorder
        self._fees, self._queue = fees_of(config), queue_of(config)
        self._step_ms = config.step_ms
        self._next_step = start_ms
        self._next_spot = start_ms
        self._next_forget = start_ms + FORGET_EVERY_MS
        self._calendar = Calendar(
            config.sessions,
            start_ms,
            config.listed_before_s,
            config.world.seed,
            {asset: path.end_ms for asset, path in self.world.paths.items() if path.live},
        )
        self._unpriced = {asset for asset, path in self.world.paths.items() if not path.live}
        """Assets without a price; only live prices can be missing."""
        self._priced_outside = bool(self._unpriced)
        self._ever_priced = self.world.paths.keys() - self._unpriced
        self._unopened: dict[str, Session] = {}
        self._end_noticed = False
        self._taker_flows: dict[str, TakerFlow] = {}
        self._settling: dict[str, float | None] = {}
        averaged = {each.asset for each in config.sessions if "avg" in (each.settlement.type, each.strike)}
        self._tapes = {asset: Tape(path) for asset, path in self.world.paths.items() if asset in averaged}
        self._house_accounts = HouseAccounts(
            *(
                self.venue.open_account(f"house-{name}", HOUSE_CASH, start_ms, house=True)
                for name in ("noise", "informed", "outside")
            )
        )
        if not self._calendar.running and not self._unpriced:
            raise ValueError("no session of simulator.sessions can begin and end within the prices there are")

    def account(self, name: str) -> Account:
        """Return an account by name, opened and funded if it is new."""
        known = self.venue.accounts.get(name)
        if known is not None:
            return known
        return self.venue.open_account(name, micros(self.config.start_cash), self.now_ms)

    def submit(self, account: Account, frame: Json, now_ms: int, session: str | None = None) -> Json:
        """Apply one trading operation of the contract at `now_ms`; return the frame that answers it.

        Raises:
            KeyError: it is no trading operation (see `takes`).
        """
        self.advance(now_ms)
        return self._operations.submit(account, frame, self.now_ms, session)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities of the contract that this venue has."""
        return self._operations.capabilities

    def takes(self, op: object) -> bool:
        """Return whether `op` names a trading operation."""
        return self._operations.takes(op)

    def intervene(self, market_id: str, intervention: MarketIntervention, now_ms: int) -> None:
        """Carry out an intervention in a market at `now_ms`.

        Raises:
            ValueError: there is no such market, or its status does not allow it.
        """
        self.advance(now_ms)
        market = self.venue.markets.get(market_id)
        if market is None:
            raise ValueError(f"no market {market_id}")
        intervention.check(market, self.now_ms)
        calendar, now = self._calendar, self.now_ms
        match intervention.kind:
            case "halt":
                self.venue.halt_market(market_id, now)
            case "reopen":
                assert market.strike is not None
                self.venue.open_market(market_id, market.strike, now)
            case "close_early":
                calendar.move(market_id, now)
            case "extend":
                expires_at = market.expires_at + round(intervention.by_s * 1000)
                calendar.move(market_id, expires_at)
                self.venue.change_terms(market_id, now, expires_at=expires_at)
                self._average(market, market.strike or 0.0)
            case "restrike":
                self.venue.change_terms(market_id, now, strike=intervention.strike)
                self._average(market, market.strike or 0.0)
                self._taker_flows[market_id].restrike()
            case "void":
                self._end_trading(market_id)
                calendar.remove(market_id)
                self.venue.resolve_market(market_id, "VOID", None, now)
            case "correct":
                assert intervention.outcome is not None
                self.venue.correct_market(market_id, intervention.outcome, now)
            case "never_resolve":
                calendar.remove(market_id, "resolved")
            case "delist":
                self._end_trading(market_id)
                calendar.remove(market_id)
                self.venue.close_market(market_id, now)
                market.listed = False
        self._run_agenda(now)

    def _end_trading(self, market_id: str) -> None:
        self._taker_flows.pop(market_id, None)
        self._unopened.pop(market_id, None)
        self._settling.pop(market_id, None)

    def take_public(self) -> list[Trade | MarketChange]:
        """Return the trades and market changes since the last call."""
        venue = self.venue
        if not venue.changes and not venue.matching.trades:
            return []
        public: list[Trade | MarketChange] = [*venue.changes, *venue.matching.trades]
        venue.changes.clear()
        venue.matching.trades.clear()
        return public

    def take_events(self, account: Account) -> list[OrderEvent | AccountEvent]:
        """Return an account's stream since the last call."""
        events, account.outbox = account.outbox, []
        return events

    def advance(self, to_ms: int) -> None:
        """Advance the time up to and including `to_ms`; an earlier time changes nothing."""
        due = self._next_due()
        while self._next_step <= to_ms:
            now = self._next_step
            if due < now:
                due = self._run_agenda(now - 1)
            self.now_ms = now
            self.world.advance(now)
            if self._priced_outside:
                self._follow_outside_prices(now)
                due = self._next_due()
            for tape in self._tapes.values():
                tape.note(now)
            if self.recorder is not None and now >= self._next_spot:
                self._next_spot += SPOT_EVERY_MS
                for asset, path in self.world.paths.items():
                    if asset not in self._unpriced:
                        self.recorder.spot(asset, path.price, path.sigma, now)
            if due <= now:
                due = self._run_agenda(now)
            for flow in self._taker_flows.values():
                flow.step(now)
            self._next_step = now + self._step_ms
            if now >= self._next_forget:
                self._next_forget += FORGET_EVERY_MS
                self.venue.forget(now)
        if due <= to_ms:
            self._run_agenda(to_ms)
        if to_ms > self.now_ms:
            self.now_ms = to_ms

    def _next_due(self) -> float:
        session_at, expiry_at = self._calendar.next_ms, self.venue.next_expiry()
        if expiry_at is None:
            return math.inf if session_at is None else session_at
        return expiry_at if session_at is None else min(session_at, expiry_at)

    def _run_agenda(self, to_ms: int) -> float:
        """Do what is due by `to_ms`, in its order; return when the next event is due."""
        while (due := self._next_due()) <= to_ms:
            self.now_ms = max(self.now_ms, int(due))
            if self.venue.next_expiry() == due:
                self.venue.expire(int(due))
            else:
                self._apply(self._calendar.pop())
        return due

    def _apply(self, due: Due) -> None:
        session, now = due.session, due.at_ms
        if due.event == "listed":
            market = Market(
                session.id,
                session.asset,
                duration_s=session.duration_s,
                opens_at=session.opens_at,
                expires_at=session.expires_at,
                tick=session.tick,
                tie=session.settlement.tie,
                window_s=session.settlement.window_s if session.settlement.type == "avg" else 0,
                fees=self._fees,
                queue=self._queue,
            )
            self.venue.add_market(market, now)
            if not self._calendar.running and not self._end_noticed:
                self._end_noticed = True
                self.notices.append("the recorded prices end soon: no new sessions after those listed")
            return
        path = self.world.paths[session.asset]
        if due.event == "opened" and not path.live:
            self._unopened[session.id] = session
        elif due.event == "opened":
            self._open(session, now)
        elif due.event == "closed":
            never = session.id in self._unopened
            self._end_trading(session.id)
            average = self.venue.markets[session.id].average
            price = path.price if average is None else average.price()
            self._settling[session.id] = price if path.live and not never else None
            self.venue.close_market(session.id, now)
        else:
            settled = self._settling.pop(session.id)
            outcome = "VOID" if settled is None else self.venue.markets[session.id].decide(settled)
            self.venue.resolve_market(session.id, outcome, settled, now)

    def _open(self, session: Session, now: int) -> None:
        path = self.world.paths[session.asset]
        price, window_s = path.price, session.settlement.window_s
        if session.averaged_strike:
            price = self._tapes[session.asset].total(session.opens_at, window_s) / window_s
        strike = self._calendar.strike(session, price, path.sigma)
        self._average(self.venue.markets[session.id], strike)
        self.venue.open_market(session.id, strike, now)
        self._start_takers(session.id, path, now)

    def _average(self, market: Market, strike: float) -> None:
        """Give a market that settles on an average that average, by its present terms."""
        if market.window_s:
            tape, path = self._tapes[market.asset], self.world.paths[market.asset]
            market.average = Average(tape, path, strike, market.expires_at, market.window_s)

    def _start_takers(self, market_id: str, path: PricePath, now: int) -> None:
        self._taker_flows[market_id] = TakerFlow(
            self.venue.matching,
            self.venue.markets[market_id],
            path,
            self._house_accounts,
            self.config.takers,
            self._step_ms,
            now,
            Random(f"{self.config.world.seed}:{market_id}:crowd"),  # noqa: S311  reproducible from the seed
        )

    def _follow_outside_prices(self, now: int) -> None:
        """Halt the markets of an asset whose live price is lost, and open them when it is back."""
        for asset, path in self.world.paths.items():
            if self.recorder is not None and path.received_ms == now:
                self.recorder.price_published(asset, now)
            if path.live == (asset not in self._unpriced):
                continue
            if path.live:
                self._unpriced.discard(asset)
                self._resume(asset, path, now)
            else:
                self._unpriced.add(asset)
                self._halt(asset, now)

    def _halt(self, asset: str, now: int) -> None:
        self.notices.append(f"no live price of {asset}: its markets are halted; those that end without one are void")
        for market in self.venue.markets.values():
            if market.asset == asset and market.status == "OPEN":
                self.venue.halt_market(market.id, now)
                self.venue.cancel_all(self._house_accounts.outside, now, market=market.id)

    def _resume(self, asset: str, path: PricePath, now: int) -> None:
        first = asset not in self._ever_priced
        what = "its sessions begin" if first else "its markets trade again"
        self.notices.append(f"{asset} is at {path.price:,.2f}: {what}")
        if first:
            self._ever_priced.add(asset)
            self._calendar.begin(asset, now)
            return
        for market in self.venue.markets.values():
            if market.asset == asset and market.status == "HALTED" and market.strike is not None:
                self.venue.open_market(market.id, market.strike, now)
                self._start_takers(market.id, path, now)
        for session in [each for each in self._unopened.values() if each.asset == asset]:
            self._open(self._unopened.pop(session.id), now)
