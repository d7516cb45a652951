"""The deterministic twin: the same actors, the same wire, the same venue, under virtual time.

Owns the way between them where real life has sockets: frames of the order session and ticks of the feed arrive late by
the simulator's latencies, each direction in order. The client's conversation and the venue's floor are the real ones,
so a run goes through the codec of both sides. Same configuration and seed, same trace.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from random import Random
from typing import Any

import jwt
import msgspec

from mmactors.actors import names
from mmactors.actors.feed import FeedActor
from mmactors.actors.gateway import GatewayActor
from mmactors.actors.market import MarketActor
from mmactors.actors.reference import ReferenceActor
from mmactors.actors.risk import RiskActor
from mmactors.actors.supervisor import SupervisorActor
from mmactors.config import Config
from mmactors.core.desk import OrderDesk
from mmactors.core.params import MakerParams
from mmactors.core.risk import RiskRules
from mmactors.feeds.binance import BinanceParser
from mmactors.feeds.coinbase import CoinbaseParser
from mmactors.feeds.frames import Parser
from mmactors.messages import (
    FeedConnected,
    FeedLived,
    FetchFills,
    FetchOrder,
    FillsFetched,
    MakerStarted,
    MakerStepped,
    Market,
    OrderFetched,
    SendBatch,
    SendCancelAll,
    SessionReport,
    SpotTicked,
    VenueRequest,
    WatchBook,
)
from mmactors.ops.eventlog import EventLog
from mmactors.runtime.actor import Actor
from mmactors.runtime.deterministic import DeterministicRuntime, Observer
from mmactors.runtime.runtime import ActorFactory, Runtime
from mmactors.simulator import DEVELOPMENT_SECRET, wire
from mmactors.simulator.binance import Ticker
from mmactors.simulator.coinbase import Product
from mmactors.simulator.exchange import Exchange, exchange
from mmactors.simulator.floor import Floor, Latency
from mmactors.simulator.simulation import SimulatedVenue, SpotRecorder
from mmactors.simulator.venue_socket import VenueSocket
from mmactors.simulator.wire import Json
from mmactors.units import MILLISECOND, Nanos, nanos
from mmactors.venue.codec import Codec
from mmactors.venue.conversation import Conversation, Tally, Terms

ACCOUNT = "mmactors"
SOURCES = ("binance", "coinbase")
COINBASE_NS = 50 * MILLISECOND
"""How often the twin looks for Coinbase's trades."""

HEARTBEAT_MS = 1000
START_NS = Nanos(1_800_000_000 * 1_000_000_000)
"""When every twin's time begins (15 January 2027, 08:00 UTC)."""


class TapeActor(Actor):
    """Stands where the journal is: keeps the sessions' reports, and the event log if there is one."""

    drains = True

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        incarnation: int,
        *,
        sessions: dict[str, SessionReport],
        events: EventLog | None,
    ) -> None:
        super().__init__(runtime, name, incarnation)
        self._sessions = sessions
        self._events = events

    def receive(self, message: Any) -> None:
        if isinstance(message, SessionReport):
            self._sessions[message.market] = message
        elif self._events is not None and isinstance(message, MakerStarted | MakerStepped):
            self._events.add(message)
            self._events.flush(self.clock.now())


class _VenueClock:
    def __init__(self, runtime: DeterministicRuntime) -> None:
        self.start_ms = runtime.clock.now() // MILLISECOND
        self._clock = runtime.clock

    def now_ms(self) -> int:
        return self._clock.now() // MILLISECOND


class _Way:
    """One direction of a connection: everything arrives late by a draw of the latency, in order."""

    def __init__(self, runtime: DeterministicRuntime, latency: Latency, arrive: Callable[[Any], None]) -> None:
        self._runtime = runtime
        self._latency = latency
        self._arrive = arrive
        self._due_ns = 0
        self._waiting: deque[Any] = deque()

    def send(self, thing: Any) -> None:
        due = max(self._due_ns, self._runtime.clock.now() + nanos(self._latency.draw_s()))
        self._due_ns = due
        self._waiting.append(thing)
        self._runtime.call_at(due, self._next)

    def _next(self) -> None:
        self._arrive(self._waiting.popleft())


class _Speaker:
    """What the venue's socket says things through."""

    closing = False

    def __init__(self, way: _Way) -> None:
        self._way = way

    def put(self, text: str, _book: str | None = None) -> None:
        self._way.send(text)

    def close(self, _code: int, _reason: str) -> None:
        self.closing = True


class TwinLink:
    """The gateway's link: the client's conversation with the venue's socket, no socket between them."""

    def __init__(
        self,
        runtime: DeterministicRuntime,
        floor: Floor,
        config: Config,
        random: Callable[[str], Random],
        deliver: Callable[[object], None],
    ) -> None:
        simulator = config.simulator
        draw = partial(Latency, simulator.order_latency_ms, simulator.latency_jitter_ms)
        self._runtime = runtime
        self._floor = floor
        self._deliver = deliver
        self._codec = Codec(config.venue.wire_asks)
        self._out = _Way(runtime, draw(random("out")), self._reach_venue)
        self._socket = VenueSocket(floor, draw(random("unused")), 1)
        self._socket.speak_through(_Speaker(_Way(runtime, draw(random("in")), self._reach_us)))
        terms = Terms("twin", config.venue.wire_asks, config.venue.heartbeat_ms, config.venue.cod_timeout_ms)
        self._talk = Conversation(terms, self._out.send, deliver, set(), Tally())
        self._live = False

    def start(self) -> None:
        """Connect and log in."""
        self._live = True
        self._floor.listeners.add(self._socket)
        token = jwt.encode({"sub": ACCOUNT, "exp": 4_000_000_000}, DEVELOPMENT_SECRET, algorithm="HS256")
        self._talk.begin(token, self._runtime.clock.now())
        self._tend()

    def submit(self, request: VenueRequest) -> None:
        """Take a request."""
        now = self._runtime.clock.now()
        match request:
            case SendBatch():
                self._talk.send_batch(request, now)
            case SendCancelAll():
                self._talk.send_cancel_all(request)
            case WatchBook():
                self._talk.watch(request)
            case FetchFills():
                self._out.send(request)
            case FetchOrder():
                self._out.send(request)

    def stop(self) -> None:
        """Hang up."""
        self._live = False

    def _tend(self) -> None:
        if self._live:
            self._runtime.call_at(self._talk.tend(self._runtime.clock.now()), self._tend)

    def _reach_venue(self, frame: bytes | FetchFills | FetchOrder) -> None:
        if not self._live:
            return
        self._floor.simulation.advance(self._floor.clock.now_ms())
        if isinstance(frame, bytes):
            if self._socket.session is not None:
                self._socket.session.last_frame_ms = self._floor.clock.now_ms()
            self._socket.hear(frame)
            return
        account = self._floor.simulation.account(ACCOUNT)
        if isinstance(frame, FetchFills):
            told = [wire.fill_json(fill) for fill in account.fills if fill.seq > frame.since_seq]
            fills, _ = self._codec.fills(msgspec.json.encode({"fills": told, "next": None}))
            self._deliver(FillsFetched(frame.since_seq, fills))
        else:
            claim = account.claims.get(frame.client_id)
            orders = [] if claim is None else [wire.order_json(claim[0])]
            found = self._codec.orders(msgspec.json.encode({"orders": orders}))
            self._deliver(OrderFetched(frame.client_id, found[0] if found else None))

    def _reach_us(self, text: str) -> None:
        if self._live:
            self._talk.hear(text.encode(), self._runtime.clock.now())


class TwinFeed:
    """The feed actor's socket: an exchange's frames through the feed's own parser, without a socket.

    Args:
        source: the exchange.
        assets: those it prices.
        parser: the feed's own.
        frames: what the exchange says at a time in milliseconds.
        period_ns: how often it is asked.
        latency: delay of each frame.
    """

    def __init__(
        self,
        runtime: DeterministicRuntime,
        source: str,
        assets: list[str],
        parser: Parser,
        frames: Callable[[int], list[Json]],
        period_ns: int,
        latency: Latency,
        deliver: Callable[[object], None],
    ) -> None:
        self.counters: dict[str, int] = {}
        self._runtime = runtime
        self._source = source
        self._assets = assets
        self._parser = parser
        self._frames = frames
        self._deliver = deliver
        self._period_ns = period_ns
        self._way = _Way(runtime, latency, self._arrive)
        self.live = False

    def start(self) -> None:
        """Connect."""
        self.live = True
        now = self._runtime.clock.now()
        for asset in self._assets:
            self._deliver(FeedConnected(self._source, asset, now))
        self._tick()

    def stop(self) -> None:
        """Hang up."""
        self.live = False

    def _tick(self) -> None:
        if not self.live:
            return
        now = self._runtime.clock.now()
        for frame in self._frames(now // MILLISECOND):
            self._way.send(msgspec.json.encode(frame))
        self._runtime.call_at(now + self._period_ns, self._tick)

    def _arrive(self, raw: bytes) -> None:
        said = self._parser.parse(raw, self._runtime.clock.now())
        if isinstance(said, SpotTicked | FeedLived):
            self._deliver(said)
        else:
            kind = type(said).__name__
            self.counters[kind] = self.counters.get(kind, 0) + 1


def _binance_frames(exchange: Exchange, tickers: list[Ticker]) -> Callable[[int], list[Json]]:
    def frames(now_ms: int) -> list[Json]:
        exchange.advance(now_ms)
        return [event for ticker in tickers for event in (ticker.book_ticker(), *ticker.trades(now_ms))]

    return frames


def _coinbase_frames(exchange: Exchange, products: list[Product], start_ms: int) -> Callable[[int], list[Json]]:
    next_beat_ms = start_ms + HEARTBEAT_MS

    def frames(now_ms: int) -> list[Json]:
        nonlocal next_beat_ms
        exchange.advance(now_ms)
        found = [event for product in products for _, event in product.trades(now_ms)]
        if now_ms >= next_beat_ms:
            next_beat_ms += HEARTBEAT_MS
            found += [product.heartbeat(now_ms) for product in products]
        return found

    return frames


@dataclass
class Twin:
    """A whole program and its venue in virtual time.

    Args:
        config: the configuration; its simulator section is the world.
        interleaving: seed of a random legal order of events, None for the canonical one.
        recorder: is told what truly happens at the venue.
        trace: whether to keep the hash of everything handled.
        events: is told what every Maker handled; its owner closes it, after `end`.
    """

    config: Config
    interleaving: int | None = None
    recorder: SpotRecorder | None = None
    trace: bool = True
    observer: Observer | None = None
    events: EventLog | None = None
    sessions: dict[str, SessionReport] = field(default_factory=dict)
    ended: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        config, seed = self.config, self.config.simulator.world.seed
        self.runtime = DeterministicRuntime(
            START_NS, interleaving=self.interleaving, trace=self.trace, observer=self.observer
        )
        self._maker_params = cache(config.maker_params)
        self.desk = OrderDesk(
            self._params,
            prefix="r1",
            ack_timeout_ns=nanos(config.venue.ack_timeout_s),
        )
        self.latencies_us: deque[float] = deque(maxlen=100)
        clock = _VenueClock(self.runtime)
        self.venue = SimulatedVenue(config.simulator, clock.start_ms, recorder=self.recorder, run="twin")
        self.floor = Floor(self.venue, clock, DEVELOPMENT_SECRET, lambda _line: None)
        self._step_ns = config.simulator.step_ms * MILLISECOND

        def random(part: str) -> Random:
            return Random(f"{seed}:twin:{part}")  # noqa: S311  reproducible from the seed

        self._advance()
        self.runtime.spawn(
            names.SUPERVISOR,
            partial(
                SupervisorActor,
                children=self._children(random),
                market_factory=lambda market: partial(
                    MarketActor,
                    market=market,
                    prefix="r1",
                    params=self._params(market),
                    recorded=self.events is not None,
                ),
                assets=frozenset(config.assets),
                max_markets=config.risk.max_markets,
                random=random("backoff").random,
                finished=lambda code, reason: self.ended.append((code, reason)),
            ),
        )

    def _params(self, market: Market) -> MakerParams:
        return self._maker_params(market.asset, market.duration_s)

    def run(self, duration_s: float) -> None:
        """Let virtual time pass."""
        self.runtime.run_until(self.runtime.clock.now() + nanos(duration_s))

    def end(self) -> None:
        """Stop every actor; what the market actors still hold for the event log is handed over."""
        self.runtime.stop(names.SUPERVISOR)  # or it would start them again
        self.runtime.stop_all((names.RISK, names.GATEWAY, names.JOURNAL))

    def _children(self, random: Callable[[str], Random]) -> dict[str, ActorFactory]:
        config, runtime = self.config, self.runtime
        risk = config.risk_params()
        return {
            names.JOURNAL: partial(TapeActor, sessions=self.sessions, events=self.events),
            names.GATEWAY: partial(
                GatewayActor,
                desk=self.desk,
                latencies_us=self.latencies_us,
                connect=lambda deliver: TwinLink(runtime, self.floor, config, random, deliver),
            ),
            names.RISK: partial(RiskActor, rules=RiskRules(risk)),
            **{
                names.reference(asset): partial(
                    ReferenceActor,
                    asset=asset,
                    params=config.volatility_params(asset),
                    stale_after_ns=risk.stale_after_ns,
                )
                for asset in config.assets
            },
            **{names.feed(source): self._feed(source, random) for source in SOURCES if self._enabled(source)},
        }

    def _enabled(self, source: str) -> bool:
        return bool(getattr(self.config.feeds, source).enabled)

    def _feed(self, source: str, random: Callable[[str], Random]) -> ActorFactory:
        runtime, simulator, start_ms = self.runtime, self.config.simulator, self.floor.clock.start_ms
        terms = getattr(simulator.feeds, source)
        prices = exchange(source, terms, self.venue.world, simulator.world.seed)
        assets = list(prices.paths)
        parser: Parser
        if source == "binance":
            tickers = [
                Ticker(a, p, random(f"ticker:{a}"), start_ms, terms.trades_per_s) for a, p in prices.paths.items()
            ]
            parser = BinanceParser({ticker.symbol: asset for ticker, asset in zip(tickers, assets, strict=True)})
            frames, period_ns, label = _binance_frames(prices, tickers), round(1e9 / simulator.feed_ticks_per_s), "feed"
        else:
            products = [
                Product(a, p, random(f"product:{a}"), start_ms, terms.trades_per_s) for a, p in prices.paths.items()
            ]
            parser = CoinbaseParser({product.id: asset for product, asset in zip(products, assets, strict=True)})
            frames, period_ns, label = _coinbase_frames(prices, products, start_ms), COINBASE_NS, f"feed:{source}"
        delay_ms = simulator.feed_latency_ms if terms.latency_ms is None else terms.latency_ms
        latency = Latency(delay_ms, simulator.latency_jitter_ms, random(label))
        return partial(
            FeedActor,
            connect=lambda deliver: TwinFeed(runtime, source, assets, parser, frames, period_ns, latency, deliver),
        )

    def _advance(self) -> None:
        self.floor.advance()
        self.runtime.call_at(self.runtime.clock.now() + self._step_ns, self._advance)
