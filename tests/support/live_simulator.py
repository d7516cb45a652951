"""The simulator in a thread of its own, and the program's link to it over real sockets."""

import asyncio
import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from fake_server import eventually
from patience import patience
from simulator_client import QUIET, SECRET, token

from mmactors.config.schema import VenueConfig
from mmactors.config.simulator_sections import SessionsConfig, SimulatorConfig
from mmactors.messages import (
    BatchReported,
    CancelItem,
    ItemResult,
    MarketReported,
    Outcome,
    PlaceItem,
    ReplaceItem,
    SendBatch,
    VenueReport,
)
from mmactors.net.tls import trusted
from mmactors.simulator.server.server import SimulatorServer
from mmactors.units import Contracts, Micros, Nanos
from mmactors.venue.degen.client import DegenLink
from mmactors.venue.degen.credentials import Credentials


def now() -> Nanos:
    return Nanos(time.time_ns())


class LiveVenue:
    """A running simulator, and what is true at it."""

    def __init__(
        self, server: SimulatorServer, loop: asyncio.AbstractEventLoop, said: list[str], certificate: Path | None
    ) -> None:
        self.server = server
        self.said = said
        self.certificate = certificate
        self._loop = loop
        where = json.loads(server.listening())["listening"]
        self.rest_url, self.ws_url = where["rest_url"], where["ws_url"]

    def ask(self, question: Callable[[], Any]) -> Any:
        """Answer a question in the venue's own thread."""

        async def answer() -> Any:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(patience(5))

    def resting(self, account: str = "a-1") -> int:
        found = self.server.simulation.venue.accounts
        return self.ask(lambda: len(found[account].live) if account in found else 0)


@contextmanager
def live(**config: Any) -> Iterator[LiveVenue]:
    """Run a simulator on a free port, quiet and fast unless told otherwise."""
    settings = {
        "port": 0,
        "step_ms": 10,
        "feed_latency_ms": 0,
        "order_latency_ms": 0,
        "latency_jitter_ms": 0,
        "takers": QUIET,
        "sessions": (SessionsConfig(duration="1H", strike_offset_share=0.0),),
        **config,
    }
    loop = asyncio.new_event_loop()
    certificate = Path(tempfile.mkdtemp()) / "simulator.pem"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    said: list[str] = []
    simulator = SimulatorConfig(**settings)

    async def make() -> SimulatorServer:
        server = SimulatorServer(simulator, SECRET, said.append, certificate=certificate)
        await server.start()
        return server

    server = asyncio.run_coroutine_threadsafe(make(), loop).result(patience(10))
    try:
        yield LiveVenue(server, loop, said, certificate if simulator.tls else None)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(patience(10))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(patience(5))
        loop.close()
        shutil.rmtree(certificate.parent)


class Desk:
    """The program's link, and what it reported."""

    def __init__(self, venue: LiveVenue, credentials: Credentials | None = None, **config: Any) -> None:
        self.told: list[VenueReport] = []
        self.counts: Counter[type] = Counter()
        self.link = DegenLink(
            config=VenueConfig(**({"heartbeat_ms": 100, "request_timeout_s": 2.0, **config})),
            ws_url=venue.ws_url,
            rest_url=venue.rest_url,
            session="mm1-7",
            token=credentials or Credentials(token, where="the test", rotates=False),
            deliver=self._hear,
            now=now,
            random=Random(1),
            trust=trusted(venue.certificate),
        )
        self._ops = count(1)
        self.link.start()

    def _hear(self, report: VenueReport) -> None:
        self.told.append(report)
        self.counts[type(report)] += 1

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self.link.stop()

    def of(self, kind: type) -> list[Any]:
        return [report for report in list(self.told) if isinstance(report, kind)]

    def wait(self, kind: type, number: int = 1) -> Any:
        return eventually(lambda: len(self.of(kind)) >= number and self.of(kind), kind.__name__)[number - 1]

    @property
    def market(self) -> str:
        self.wait(MarketReported)
        return next(r.market.id for r in self.of(MarketReported) if r.market.status.name == "OPEN")

    def place(self, name: str, ticks: int = 40, size: int = 10, outcome: Outcome = Outcome.YES) -> PlaceItem:
        return PlaceItem(name, self.market, outcome, Micros(ticks * 10_000), Contracts(size), True, False)

    def submit(
        self,
        *,
        cancels: tuple[CancelItem, ...] = (),
        replaces: tuple[ReplaceItem, ...] = (),
        places: tuple[PlaceItem, ...] = (),
    ) -> int:
        """Send a batch; return its number."""
        op = next(self._ops)
        self.link.submit(SendBatch(op, cancels, replaces, places))
        return op

    def send(self, **items: Any) -> BatchReported:
        """Send a batch and wait for what became of all of it, in its order."""
        op, wanted = self.submit(**items), sum(map(len, items.values()))

        def results() -> list[ItemResult]:
            return [result for r in self.of(BatchReported) if r.op_id == op for result in r.results]

        eventually(lambda: len(results()) >= wanted, f"answer to {op}")
        names = [item.client_id for kind in ("cancels", "replaces", "places") for item in items.get(kind, ())]
        return BatchReported(op, tuple(sorted(results(), key=lambda r: names.index(r.client_id))), now())
