"""One run of the program, from the opened journal to the report: the only module that names the concrete venue.

Owns the order of a run: `open` its journal, folder and simulator; `start` the actors; `wait` for a reason to stop;
`stop` in order, by REST if nothing else is left; `check` the ledger against the venue; `report`. What the actors do
between them is for the tree (`actors/tree.py`) to say.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from random import Random

from loguru import logger

from mmactors.actors import addresses, tree
from mmactors.actors.feed import Socket
from mmactors.actors.journal import JournalRole
from mmactors.actors.tree import Deliver
from mmactors.app.cancel_all import cancel_by_rest, venue_rest
from mmactors.app.credentials import token_source
from mmactors.app.ending import Ending
from mmactors.app.output import refuse, write
from mmactors.config import Config, Urls
from mmactors.core.desk.desk import OrderDesk
from mmactors.core.params import MakerParams
from mmactors.core.risk.trading_state import RiskRules
from mmactors.feeds.followed import feed_sockets, history_sources
from mmactors.feeds.history import RETRY_S, HistoryThread
from mmactors.messages import Market, PastSettlement, SessionReport, Stop
from mmactors.net.backoff import Backoff
from mmactors.net.tls import CertificatesError, Trust, trusted
from mmactors.ops.console import ConsoleReporter
from mmactors.ops.event_log import EVENTS, EventLog
from mmactors.ops.journal import DAY_NS, JournalError, JournalStore, LockHeldError
from mmactors.ops.logs import set_up_logs
from mmactors.ops.market_log import MarketLogs
from mmactors.ops.retention import GB, Retention
from mmactors.ops.run_report import ActorCounts, write_report
from mmactors.ops.terminal import fitted, in_colour
from mmactors.ops.venue_check import VenueCheck, check_rest, check_venue_log
from mmactors.runtime import directory, thread_logging
from mmactors.runtime.actor import hosted
from mmactors.runtime.clock import SystemClock
from mmactors.runtime.lanes import Lane
from mmactors.runtime.role import RoleFactory
from mmactors.runtime.threaded import ThreadedRuntime
from mmactors.simulator.process import SimulatorError, SimulatorProcess
from mmactors.units import SECOND, Nanos, nanos
from mmactors.venue.degen import (
    VENUE_FAILURES,
    WALLET_VARIABLE,
    Credentials,
    DegenLink,
    MissingSecretError,
)
from mmactors.venue.port import Connect

STOP_WITHIN_S = 10.0
"""The whole of an orderly stop, from the request to the last actor's end."""

SHOWN = 5
"""How many differences from the venue the console names; the report has more."""

LATENCIES = 200_000
"""How many tick-to-quote latencies a run keeps."""


class UnwritableError(Exception):
    """Where the run's files go cannot be written to; says what to set."""

    def __init__(self, path: Path, failed: OSError) -> None:
        super().__init__(f"{path} cannot be written to: {failed.strerror}; set logs.dir")


def trade(
    config: Config,
    *,
    prices: Path | None,
    stop_after_s: float | None,
    report: Path | None,
    environ: Mapping[str, str],
) -> int:
    """Trade until asked to stop; return the exit code.

    Args:
        config: what to do.
        prices: a recording that drives the embedded simulator.
        stop_after_s: stop by itself after this long.
        report: where the JSON report goes.
        environ: the environment, for secrets and for the simulator.
    """
    run = LiveRun(config, environ)
    run.ending.on_signals()
    thread_logging.dump_threads_on()
    try:
        run.open(prices)
        run.start()
        run.wait(stop_after_s)
        run.stop()
        run.summarise()
        run.report(report, run.check())
    except LockHeldError as held:
        run.ending.code = refuse(75, held)
    except SimulatorError as failed:
        run.ending.code = refuse(failed.exit_code, failed) if str(failed) else failed.exit_code
    except (MissingSecretError, CertificatesError, JournalError, UnwritableError) as unusable:
        run.ending.code = refuse(78, unusable)
    finally:
        run.close()
    return run.ending.code


class LiveRun:
    """One run of the program against a venue, the embedded simulator's or another.

    Its methods are called in the order in which they stand, by the main thread alone; `close` always. What the actors
    leave for the report (`sessions`: the journal's, `latencies_us`: the gateway's) is read when they are done.
    """

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self.config = config
        self.ending = Ending()
        self.clock = SystemClock()
        self.sessions: dict[str, SessionReport] = {}
        self.latencies_us: deque[float] = deque(maxlen=LATENCIES)
        self.console = ConsoleReporter(write, colour=in_colour(sys.stdout))
        self._environ = environ
        self._closing = ExitStack()
        self._maker_params: dict[tuple[str, int], MakerParams] = {}
        self.simulator: SimulatorProcess | None = None
        self._venue_trust: Trust
        self._feed_trust: Trust
        self.store: JournalStore
        self.number: int
        self.folder: Path
        self.runtime: ThreadedRuntime

    def open(self, prices: Path | None) -> None:
        """Open the journal, begin the run's folder and logs, start the embedded simulator.

        Raises:
            LockHeldError: another instance has the journal.
            JournalError: the journal cannot be used.
            UnwritableError: nothing can be written where the run's files go.
            MissingSecretError: there is no token for the venue.
            SimulatorError: the simulator did not start.
            CertificatesError: a file of certificates cannot be used.
        """
        config = self.config
        try:
            self.store = JournalStore.open(_made(config.folder) / "journal.sqlite")
        except OSError as failed:
            raise UnwritableError(config.folder, failed) from None
        self._closing.callback(self._close_journal)
        self.token.check()
        try:
            self.number = self.store.begin_run(self.clock.now(), after=_last_run(config.folder))
            self.folder = _made(config.folder / f"run-{self.number:05d}")
            resolved = self.folder / "config.json"
            if config.simulator.embedded:
                resolved.write_text(config.model_dump_json(indent=2, exclude_unset=True), encoding="utf-8")
            set_up_logs(self.folder, config.logs.level, secrets=self.token.secrets)
        except OSError as failed:
            raise UnwritableError(Path(failed.filename or config.folder), failed) from None
        if config.simulator.embedded:
            venue_log = (self.folder / "venue.jsonl").resolve()
            secret = (config.venue.api_key_env, WALLET_VARIABLE)
            known = {name: value for name, value in self._environ.items() if name not in secret}
            self.simulator = SimulatorProcess(resolved, prices=prices, log=venue_log, environ=known)
            self._closing.callback(self.simulator.stop)
        self._venue_trust, self._feed_trust = trusted(config.venue_ca), trusted(config.feed_ca)

    def start(self) -> None:
        """Start the supervisor, and with it everybody."""
        ports = tree.Ports(
            journal=self._journal(),
            desk=self.desk,
            rules=risk_rules(self.config, self.store, self.clock.now()),
            link=self._link(),
            feeds=feed_sockets(self.config, self.urls, self.clock.now, self._feed_trust.sslopt),
            history=self._history(),
            params=self.params,
            prefix=f"r{self.life}",
            random=Random().random,  # noqa: S311
            finished=self.ending.finish,
            recorded=True,
            venue_within_ns=nanos(self.config.venue.start_within_s),
            latencies_us=self.latencies_us,
        )
        self.runtime = ThreadedRuntime(self.clock)
        self.runtime.spawn(addresses.SUPERVISOR, hosted(tree.root(self.config, ports)))

    def wait(self, stop_after_s: float | None) -> None:
        """Wait for a reason to stop: a signal, the supervisor's verdict, the time, a death that nobody survives."""
        ending, simulator = self.ending, self.simulator
        started = time.monotonic()
        while ending.reason is None:
            time.sleep(0.1)
            if simulator is not None and (gone := simulator.ended()) is not None:
                ending.finish(69, f"the embedded simulator (pid {simulator.pid}) {gone}: there is nothing to trade on")
            elif stop_after_s is not None and time.monotonic() - started >= stop_after_s:
                ending.reason = f"--stop-after {stop_after_s:g}"
            elif not self.runtime.alive(addresses.SUPERVISOR):
                ending.finish(70, "the supervisor died")

    def stop(self) -> None:
        """Cancel everything and stop every actor; where that failed, cancel by REST."""
        ending = self.ending
        asked = not ending.finished
        if asked:
            write(f"stopping ({ending.reason}): cancelling everything")
            self.runtime.tell(addresses.SUPERVISOR, Stop(ending.reason or ""))
            ending.wait(STOP_WITHIN_S)
        died = self._simulator_died
        if asked and ending.signals and not self.reached and ending.code == 69:
            ending.code = 0  # the venue is no trouble of whoever ends it by hand
        if not self.reached and not ending.code:
            write("stopped before the venue was reached: nothing was sent")
        if ending.code:
            logger.error("{}", ending.reason)
            if self.reached and not died:
                cancel_by_rest(self.config, self.urls, self.token, self.clock)
        if died or not self.reached:  # its last answers, or its first, find actors that have stopped: no news
            logger.disable(directory.__name__)
        order = (addresses.RISK, addresses.GATEWAY, addresses.JOURNAL, addresses.SUPERVISOR)
        late = self.runtime.stop_all(order, timeout_s=5.0)
        if late:
            logger.warning("did not end in time: {}", ", ".join(late))

    def summarise(self) -> None:
        """Write the run's result to the console."""
        account = self.desk.account
        pairs = sum(each.pairs for each in account.positions.values() if each.resolution is None)
        cash = account.cash_micros if self.reached else None
        for line in self.console.summary(list(self.sessions.values()), cash=cash, pairs=pairs):
            write(line)

    def check(self) -> VenueCheck | None:
        """Compare our ledger with the venue's and write the verdict to the console; None: it could not be done."""
        if not self.reached:
            return None
        died = self._simulator_died
        found = self._compare()
        if found is not None:
            verdict = "everything matches, nothing rests" if found.clean else _most(found.details)
            write(fitted(f"our ledger against the venue{' as it was when it died' if died else ''}: {verdict}"))
        return found

    def report(self, path: Path | None, check: VenueCheck | None) -> None:
        """Write the JSON report, if one is wanted."""
        if path is None:
            return
        statistics = self.runtime.statistics()
        counts = ActorCounts(
            spawned=statistics.spawned,
            retired=statistics.stopped,
            restarts=statistics.died + statistics.abandoned,
            dead_letters=statistics.dead_letters[Lane.MONEY],
        )

        def limit(asset: str, duration_s: int) -> int:
            return self._params(asset, duration_s).inventory.max_position

        try:
            sessions = list(self.sessions.values())
            write_report(path, sessions, tuple(self.latencies_us), counts, check, max_position=limit)
        except OSError as failed:
            logger.error("the report cannot be written: {}", failed)

    def close(self) -> None:
        """Stop the simulator and close the journal, whatever has been opened of them."""
        self._closing.close()

    # --- what the run is made of ---

    @cached_property
    def token(self) -> Credentials:
        """The venue's credentials."""
        return token_source(self.config, self._environ, self.clock)

    @cached_property
    def urls(self) -> Urls:
        """Where venue and exchanges are, once the simulator has a port."""
        return self.config.urls(None if self.simulator is None else self.simulator.address.port)

    @cached_property
    def life(self) -> str:
        """What names this run at the venue, which may know a run of the same number, of a journal that was lost."""
        if self.config.simulator.embedded:  # a venue of this run alone
            return f"{self.number}"
        return f"{self.number}-{self.store.begun() // SECOND:x}"

    @cached_property
    def desk(self) -> OrderDesk:
        """The order desk, with what earlier runs left."""
        config = self.config
        desk = OrderDesk(
            self.params,
            prefix=f"r{self.life}",
            ack_timeout_ns=nanos(config.venue.ack_timeout_s),
            merge_below=config.merge_below(),
        )
        since = Nanos(self.clock.now() - DAY_NS)  # so long a venue keeps them
        settled = self.store.settlements(since_ns=since)
        desk.restore(
            (PastSettlement(each.market, each.resolution, each.yes, each.no) for each in settled),
            () if config.simulator.embedded else self.store.unsettled(self.clock.now()),  # our own ended with its run
        )
        return desk

    @property
    def reached(self) -> bool:
        """Whether the venue was ever reached."""
        return bool(self.desk.account_name)

    def params(self, market: Market) -> MakerParams:
        """Return how a market is quoted."""
        return self._params(market.asset, market.duration_s)

    def _params(self, asset: str, duration_s: int) -> MakerParams:
        key = asset, duration_s
        if key not in self._maker_params:
            self._maker_params[key] = self.config.maker_params(*key)
        return self._maker_params[key]

    def _journal(self) -> RoleFactory:
        config, folder = self.config, self.folder
        return partial(
            JournalRole,
            store=self.store,
            console=self.console,
            logs=MarketLogs(folder / "markets", self.number),
            events=EventLog(folder / EVENTS, run=self.number, config=config.model_dump_json(exclude_unset=True)),
            sessions=self.sessions,
            retention=Retention(folder, round(config.logs.keep_gb * GB)) if config.logs.keep_gb else None,
        )

    def _link(self) -> Connect:
        config, urls = self.config, self.urls
        return lambda deliver: DegenLink(
            config=config.venue,
            ws_url=urls.ws_url,
            rest_url=urls.rest_url,
            session=f"{config.name}-{self.life}",
            token=self.token,
            deliver=deliver,
            now=self.clock.now,
            random=Random(),  # noqa: S311
            trust=self._venue_trust,
        )

    def _history(self) -> Callable[[Deliver], Socket] | None:
        sources = history_sources(self.config, self.urls)
        if not sources:
            return None
        return lambda deliver: HistoryThread(sources, deliver, self.clock.now, Backoff(Random(), *RETRY_S))  # noqa: S311

    @property
    def _simulator_died(self) -> bool:
        return self.simulator is not None and self.simulator.ended() is not None

    def _compare(self) -> VenueCheck | None:
        """Compare our ledger with the simulator's log if it is our own, else with what the venue reports over REST."""
        try:
            fills, cash = self.store.fills(since_run=self.number), self.desk.account.cash_micros
        except JournalError as failed:
            logger.error("the ledger could not be checked against the venue: {}", failed)
            return None
        if self.simulator is not None:
            self.simulator.stop()
            try:
                venue_log = self.folder / "venue.jsonl"
                return check_venue_log(venue_log, self.desk.account_name, fills=fills, cash_micros=cash)
            except OSError as failed:
                logger.error("the simulator's log cannot be read: {}", failed)
                return None
        rest = venue_rest(self.config, self.urls, self.token, self.clock)
        try:
            balance, _ = rest.balance()
            theirs = rest.fills(self.desk.start_seq)
            return check_rest(rest.open_orders(), theirs, balance, fills=fills, cash_micros=cash)
        except VENUE_FAILURES as failed:
            logger.error("the ledger could not be checked against the venue: {}", failed)
            return None
        finally:
            rest.close()

    def _close_journal(self) -> None:
        try:
            self.store.close()
        except JournalError as failed:
            lost = f"the last {self.store.pending} rows are not in the journal: {failed}"
            self.ending.code = refuse(self.ending.code or 70, lost)


def risk_rules(config: Config, store: JournalStore, now: Nanos) -> RiskRules:
    """Make the risk actor's rules, with what the journal knows of this day's earlier runs.

    The embedded simulator is a venue of this run alone, with a fresh account: nothing of theirs holds there.
    """
    day = now // DAY_NS
    rules = partial(
        RiskRules,
        config.risk_params(),
        day=day,
        reduce_before_ns=nanos(config.venue.reduce_before_s),
        cancel_before_ns=nanos(config.venue.cancel_before_s),
    )
    if config.simulator.embedded:
        return rules()
    return rules(
        earned_before=store.day_pnl(day),
        left=store.unsettled(now),
        before=store.state(since_ns=Nanos(day * DAY_NS)),
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _last_run(folder: Path) -> int:
    """Find the highest run that left its logs: a new journal's first run must not write into them."""
    return max((int(path.name[4:]) for path in folder.glob("run-*") if path.name[4:].isdecimal()), default=0)


def _most(details: Sequence[str]) -> str:
    more = f"; and {len(details) - SHOWN} more" if len(details) > SHOWN else ""
    return "; ".join(details[:SHOWN]) + more
