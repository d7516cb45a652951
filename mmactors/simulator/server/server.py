"""The simulator's server: one port for REST, the venue's WebSocket and the price feeds, on the wall clock.

Owns start and end: the listening socket, the loops that advance the time, the flushing of the log, signals, and the end
of the parent process. It must not know what the venue does.
"""

import asyncio
import contextlib
import errno
import os
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from types import MappingProxyType

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from loguru import logger

from mmactors.config import Config
from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.net.tls import CertificatesError
from mmactors.simulator.models.latency import latency_of
from mmactors.simulator.prices.live import LiveFeeds
from mmactors.simulator.prices.recording import PricesError, Recording, load_prices
from mmactors.simulator.server.certificate import NoCertificateError, serve_with_own
from mmactors.simulator.server.fault_api import FaultApi
from mmactors.simulator.server.feed_socket import FeedLimits
from mmactors.simulator.server.hub import VenueHub, WallClock, WriteLine
from mmactors.simulator.server.price_feeds import PriceFeeds
from mmactors.simulator.server.rest import Rest, refused
from mmactors.simulator.server.tokens import bearer
from mmactors.simulator.server.venue_socket import VenueSocket
from mmactors.simulator.venue.requests import bad_request
from mmactors.simulator.venue.simulation import SimulatedVenue, build_world
from mmactors.simulator.venue.venue_log import VenueLog

EXIT_OK, EXIT_NO_FILE, EXIT_UNAVAILABLE, EXIT_CONFIG = 0, 66, 69, 78
FLUSH_EVERY_S = 0.2
CLOSE_SOCKETS_WITHIN_S = 1.0


class SimulatorServer:
    """The venue and the feeds, listening.

    Args:
        config: the simulator's configuration.
        secret: signs tokens.
        write_line: writes a line for the operator.
        recordings: recorded prices by asset, instead of synthetic ones.
        own: an exchange's own recordings by asset, by exchange.
        certificate: where its own certificate goes, if it serves TLS.
        live: real feeds, whose prices are the true ones; the server has no feeds of its own then.
        feed_limits: when the exchanges close a connection.

    Raises:
        ValueError: no configured session fits into the prices.
        OSError: the log cannot be opened.
        NoCertificateError: it should serve TLS and cannot.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        secret: str,
        write_line: WriteLine,
        recordings: dict[str, Recording] | None = None,
        own: Mapping[str, Mapping[str, Recording]] = MappingProxyType({}),
        *,
        certificate: Path | None = None,
        live: LiveFeeds | None = None,
        feed_limits: FeedLimits = FeedLimits(),
    ) -> None:
        self._tls: ssl.SSLContext | None = None
        if config.tls:
            self._tls = serve_with_own(config.host, certificate or Path("simulator.pem"))
        clock = WallClock()
        world = build_world(config, clock.start_ms, recordings) if live is None else live.world
        self._live_feeds = live
        self._write_line = write_line
        self._venue_log: VenueLog | None = None
        if config.log is not None:
            config.log.parent.mkdir(parents=True, exist_ok=True)
            self._venue_log = VenueLog(config.log.open("ab", buffering=0), world.price)
        run_id = _base36(clock.start_ms)
        if self._venue_log is not None:
            self._venue_log.begin(run_id, config.world.seed, clock.start_ms)
        self.simulation = SimulatedVenue(
            config,
            clock.start_ms,
            world=world,
            recorder=self._venue_log,
            run=run_id,
            first_seq=clock.start_ms,
        )
        self.hub = VenueHub(self.simulation, clock, secret, write_line)
        rng = Random(f"{config.world.seed}:latency")  # noqa: S311  a simulation
        self._orders_latency = latency_of(config, config.order_latency_ms, rng)
        self._feeds = PriceFeeds(
            config,
            world,
            clock,
            recordings,
            own,
            (":latency", rng),
            feed_limits,
            ticked=None if self._venue_log is None else self._venue_log.price_published,
        )
        self._fault_api = FaultApi(self._feeds.exchanges, clock, write_line, self.hub.simulation.intervene)
        self._config = config
        self._runner: web.AppRunner | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._socket_count = 0
        self._venue_sockets: set[VenueSocket] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen, and advance the venue from now on.

        Raises:
            OSError: the port is taken or the host is not ours.
        """
        app = web.Application(middlewares=[_as_json], client_max_size=1 << 20)
        app.add_routes(Rest(self.hub, self._orders_latency).routes())
        if self._live_feeds is None:
            app.add_routes([*self._feeds.routes(), *self._fault_api.routes()])
        app.add_routes([web.get("/ws", self._venue_socket)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_SOCKETS_WITHIN_S, handle_signals=False)
        self._runner = runner
        await runner.setup()
        await web.TCPSite(runner, self._config.host, self._config.port, ssl_context=self._tls).start()
        self.port = runner.addresses[0][1]
        self.hub.advance()
        working = [self._run_venue(), self._flush_log()]
        if self._live_feeds is None:
            working += self._feeds.runs()
        else:
            self._write_line(f"no sessions before there is a price: waits for {self._live_feeds.waiting_for}")
            self._live_feeds.start()
        self._loops = [asyncio.create_task(work) for work in working]

    async def failed(self) -> None:
        """Return when one of the loops has ended; only a defect ends one, and its error is raised."""
        done, _ = await asyncio.wait(self._loops, return_when=asyncio.FIRST_COMPLETED)
        for loop in done:
            loop.result()

    async def stop(self) -> None:
        """Send a notice to every socket, close them, and close the log."""
        for socket in list(self._venue_sockets):
            socket.put(self.hub.encoder.encode({"type": "notice", "code": "SHUTDOWN"}))
            socket.close(1012, "restart")
        self._feeds.shut_down()
        deadline = asyncio.get_running_loop().time() + CLOSE_SOCKETS_WITHIN_S
        while (self._venue_sockets or self._feeds.connected) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        if self._live_feeds is not None:
            self._live_feeds.stop()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._venue_log is not None:
            self._venue_log.close()

    def listening(self) -> str:
        """Return the line with every address, as JSON."""
        host, port = self._config.host, self.port
        shown = f"[{host}]" if ":" in host else host
        secure = "s" if self._tls is not None else ""
        where = {
            "host": host,
            "port": port,
            "rest_url": f"http{secure}://{shown}:{port}",
            "ws_url": f"ws{secure}://{shown}:{port}/ws",
            **{f"{name}_url": f"ws{secure}://{shown}:{port}{path}" for name, path in self._feeds.paths.items()},
        }
        return msgspec.json.encode({"listening": where}).decode()

    async def _venue_socket(self, request: web.Request) -> web.WebSocketResponse:
        self._socket_count += 1
        socket = VenueSocket(self.hub, self._orders_latency, self._socket_count)
        self._venue_sockets.add(socket)
        try:
            return await socket.serve(request, bearer(request.headers.get("Authorization")))
        finally:
            self._venue_sockets.discard(socket)

    async def _run_venue(self) -> None:
        clock, step_s = asyncio.get_running_loop().time, self._config.step_ms / 1000
        due = clock()
        while True:
            self.hub.advance()
            if self._live_feeds is None:
                self._feeds.note()
            now_ms = self.hub.clock.now_ms()
            for socket in list(self._venue_sockets):
                socket.on_timer(now_ms)
            due = max(due + step_s, clock() - 1.0)
            await asyncio.sleep(max(0.0, due - clock()))

    async def _flush_log(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            if self._venue_log is not None:
                self._venue_log.flush()


def run(config: Config, prices: Path | None, secret: str, watch_stdin: bool, announce: Callable[[str], None]) -> int:
    """Run the simulator until a signal or the end of standard input; return the exit code.

    Args:
        config: the whole configuration, of which `simulator` is used.
        prices: a file of recorded prices, instead of `simulator.world.prices`.
        secret: signs tokens.
        watch_stdin: end with standard input, as the parent process has ended; Ctrl-C is the parent's then.
        announce: takes the line with every address.
    """
    simulator = config.simulator
    played = prices or simulator.world.prices
    assets = tuple(dict.fromkeys(series.asset for series in simulator.sessions))
    recordings = None
    own: dict[str, dict[str, Recording]] = {}
    try:
        if played is not None:
            found = load_prices(played, assets, from_s=simulator.world.prices_from_s)
            recordings = found.by_asset
            _write_line(found.report)
        for name, terms in simulator.feeds.by_source.items():
            if terms.prices is not None:
                found = load_prices(terms.prices, assets, prefer=name)
                own[name] = found.by_asset
                _write_line(f"{name}: {found.report}")
        server = SimulatorServer(
            simulator,
            secret,
            _write_line,
            recordings,
            own,
            certificate=config.simulator_certificate,
            live=_connected(config, alone=not watch_stdin) if simulator.world.live else None,
        )
    except PricesError as error:
        _write_line(str(error))
        return EXIT_NO_FILE if error.missing else EXIT_CONFIG
    except (ValueError, NoCertificateError, CertificatesError) as error:
        _write_line(str(error))
        return EXIT_CONFIG
    except OSError as error:
        _write_line(f"cannot write the log {simulator.log}: {error.strerror}; set simulator.log")
        return EXIT_CONFIG
    for asset in assets:
        if recordings is not None and asset not in recordings:
            _write_line(f"no recorded prices of {asset}: its sessions are not opened")
    return asyncio.run(_serve(server, simulator, watch_stdin, announce))


def _connected(config: Config, *, alone: bool) -> LiveFeeds:
    """Return the real feeds; a program that trades here connects to the same, and logs their errors itself."""
    logger.remove()
    if alone:
        logger.add(sys.stderr, level="WARNING", format="simulator: {message}")
    return LiveFeeds(config)


async def _serve(
    server: SimulatorServer, config: SimulatorConfig, watch_stdin: bool, announce: Callable[[str], None]
) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if watch_stdin else ended.set)
    try:
        await server.start()
    except OSError as error:
        await server.stop()
        if error.errno == errno.EADDRINUSE:
            _write_line(
                f"port {config.port} on {config.host} is in use; "
                "choose another with MM__simulator__port=NUMBER (0 takes any free one)"
            )
        else:
            _write_line(f"cannot listen on {config.host}:{config.port}: {error.strerror}; set simulator.host and port")
        return EXIT_UNAVAILABLE
    if watch_stdin:
        threading.Thread(target=_wait_for_end_of_input, args=(loop, ended), daemon=True).start()
    announce(server.listening())
    ending = asyncio.create_task(ended.wait())
    failing = asyncio.create_task(server.failed())
    await asyncio.wait((ending, failing), return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    await server.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await failing
    return EXIT_OK


def _wait_for_end_of_input(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    while True:
        try:
            if os.read(0, 4096):
                continue
        except OSError:
            pass
        break
    if not ended.is_set():
        _write_line("trading program went away; simulator stops")
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(ended.set)


@web.middleware
async def _as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer the web framework's own refusals in the contract's form."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return refused(bad_request(refusal.reason), status=refusal.status)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def _write_line(line: str) -> None:
    sys.stderr.write(f"simulator: {line}\n")
    sys.stderr.flush()
