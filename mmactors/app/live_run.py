"""The composition root: the only module that names concrete venues and actors; and the program's two commands.

`trade` starts the embedded simulator if there is one, wires the actors, waits on the main thread for a reason to stop,
cancels everything, checks the ledger against the venue and reports. `cancel_all` needs nobody alive.
"""

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from random import Random
from types import FrameType

import jwt
from loguru import logger

from mmactors.actors import addresses
from mmactors.actors.feed import FeedActor
from mmactors.actors.gateway import GatewayActor
from mmactors.actors.history import HistoryActor
from mmactors.actors.journal import JournalActor
from mmactors.actors.market import MarketActor
from mmactors.actors.reference import ReferenceActor
from mmactors.actors.risk import RiskActor
from mmactors.actors.supervisor import SupervisorActor
from mmactors.config import Config, Urls
from mmactors.core.desk.desk import OrderDesk
from mmactors.core.risk.trading_state import RiskRules
from mmactors.feeds.history import RETRY_S, HistoryThread
from mmactors.feeds.source import feed_sockets, history_sources
from mmactors.messages import PastSettlement, SessionReport, Stop
from mmactors.net.backoff import Backoff
from mmactors.net.proxies import is_direct
from mmactors.net.tls import CertificatesError, Trust, trusted
from mmactors.ops.console import ConsoleReporter
from mmactors.ops.event_log import EVENTS, EventLog
from mmactors.ops.journal import DAY_NS, JournalError, JournalStore, LockHeldError
from mmactors.ops.logs import set_up_logs
from mmactors.ops.market_log import MarketLogs
from mmactors.ops.retention import GB, Retention
from mmactors.ops.run_report import ActorCounts, write_report
from mmactors.ops.terminal import fitted
from mmactors.ops.venue_check import VenueCheck, check_rest, check_truth_log
from mmactors.runtime import directory, thread_logging
from mmactors.runtime.clock import SystemClock
from mmactors.runtime.lanes import Lane
from mmactors.runtime.runtime import ActorFactory, Runtime
from mmactors.runtime.threaded import ThreadedRuntime
from mmactors.simulator.process import SimulatorError, SimulatorProcess
from mmactors.simulator.server.tokens import BadSecretError, is_development, signing_secret
from mmactors.units import SECOND, Nanos, nanos
from mmactors.venue.degen.client import VenueLink
from mmactors.venue.degen.credentials import Credentials, MissingSecretError, TokenSource
from mmactors.venue.degen.rest import CredentialsRefusedError, VenueRefusedError, VenueRest, VenueUnreachableError
from mmactors.venue.degen.wallet import VARIABLE as WALLET_VARIABLE
from mmactors.venue.degen.wallet import WalletLogin, wallet_key

ACCOUNT = "mmactors"
"""The account on our own simulator."""

STOP_WITHIN_S = 10.0
"""The whole of an orderly stop, from the request to the last actor's end."""

SHOWN = 5
"""How many differences from the venue the console names; the report has more."""

LATENCIES = 200_000
"""How many tick-to-quote latencies a run keeps."""


@dataclass(slots=True)
class Ending:
    """How the run ends: set once by an actor or a signal, read by the main thread."""

    code: int = 0
    reason: str | None = None
    finished: bool = False
    signals: int = 0

    def finish(self, code: int, reason: str) -> None:
        """Note the supervisor's verdict; the first counts."""
        if not self.finished:
            self.code, self.reason, self.finished = code, reason, True

    def wait(self, timeout_s: float) -> None:
        """Wait for the supervisor's verdict; none in time is one, too."""
        deadline = time.monotonic() + timeout_s
        while not self.finished:
            if time.monotonic() >= deadline:
                self.finish(70, "the supervisor did not end the run in time")
            time.sleep(0.02)

    def on_signals(self) -> None:
        """Let the signals that end programs end this one in order; what is ignored (nohup) stays so."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, self.on_signal)

    def on_signal(self, signum: int, _frame: FrameType | None) -> None:
        """Note a signal; the main thread looks every tenth of a second."""
        self.signals += 1
        self.reason = self.reason or signal.Signals(signum).name


@dataclass(slots=True)
class Run:
    """What one run leaves for its report; written by the actors named, read when they are done."""

    sessions: dict[str, SessionReport] = field(default_factory=dict)  # journal
    latencies_us: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES))  # gateway


def trade(
    config: Config,
    *,
    prices: Path | None,
    stop_after_s: float | None,
    report: Path | None,
    environ: Mapping[str, str],
) -> int:
    """Trade until told to stop; return the exit code.

    Args:
        config: what to do.
        prices: a recording that drives the embedded simulator.
        stop_after_s: stop by itself after this long.
        report: where the JSON report goes.
        environ: the environment, for secrets and for the simulator.
    """
    clock = SystemClock()
    ending = Ending()
    ending.on_signals()
    thread_logging.dump_threads_on()
    try:
        store = JournalStore.open(_made(config.folder) / "journal.sqlite")
    except LockHeldError as held:
        return _refuse(75, held)
    except JournalError as failed:
        return _refuse(78, failed)
    except OSError as failed:
        return _refuse(78, _unwritable(config.folder, failed))
    code = 70
    try:
        code = _begin(config, clock, store, ending, prices, stop_after_s, report, environ)
    finally:
        try:
            store.close()
        except JournalError as failed:
            code = _refuse(code or 70, f"the last {store.pending} rows are not in the journal: {failed}")
    return code


def _begin(
    config: Config,
    clock: SystemClock,
    store: JournalStore,
    ending: Ending,
    prices: Path | None,
    stop_after_s: float | None,
    report: Path | None,
    environ: Mapping[str, str],
) -> int:
    simulator: SimulatorProcess | None = None
    try:
        token = token_source(config, environ, clock)
        token.check()
        try:
            number = store.begin_run(clock.now(), after=_last_run(config.folder))
            folder = _made(config.folder / f"run-{number:05d}")
            resolved = folder / "config.json"
            if config.simulator.embedded:
                resolved.write_text(config.model_dump_json(indent=2, exclude_unset=True), encoding="utf-8")
            set_up_logs(folder, config.logs.level, secrets=token.secrets)
        except OSError as failed:
            return _refuse(78, _unwritable(Path(failed.filename or config.folder), failed))
        if config.simulator.embedded:
            truth = (folder / "venue.jsonl").resolve()
            known = {k: v for k, v in environ.items() if k not in (config.venue.api_key_env, WALLET_VARIABLE)}
            simulator = SimulatorProcess(resolved, prices=prices, log=truth, environ=known)
        trust = trusted(config.venue_ca), trusted(config.feed_ca)
        return _trade(config, clock, store, number, folder, simulator, token, trust, ending, stop_after_s, report)
    except SimulatorError as failed:
        return _refuse(failed.exit_code, failed) if str(failed) else failed.exit_code
    except (MissingSecretError, CertificatesError, JournalError) as unusable:
        return _refuse(78, unusable)
    finally:
        if simulator is not None:
            simulator.stop()


def _trade(
    config: Config,
    clock: SystemClock,
    store: JournalStore,
    number: int,
    folder: Path,
    simulator: SimulatorProcess | None,
    token: Credentials,
    trust: tuple[Trust, Trust],
    ending: Ending,
    stop_after_s: float | None,
    report: Path | None,
) -> int:
    run = Run()
    life = _life(config, store, number)
    urls = config.urls(None if simulator is None else simulator.address.port)
    narrator = ConsoleReporter(_say, colour=sys.stdout.isatty())
    params = cache(config.maker_params)
    desk = OrderDesk(
        lambda market: params(market.asset, market.duration_s),
        prefix=f"r{life}",
        ack_timeout_ns=nanos(config.venue.ack_timeout_s),
        merge_below=config.merge_below(),
    )
    desk.recall(
        (
            PastSettlement(each.market, each.resolution, each.yes, each.no)
            for each in store.settlements(since_ns=Nanos(clock.now() - DAY_NS))  # so long a venue keeps them
        ),
        () if config.simulator.embedded else store.unsettled(clock.now()),  # our own simulator ended with its run
    )
    runtime = ThreadedRuntime(clock)
    runtime.spawn(
        addresses.SUPERVISOR,
        partial(
            SupervisorActor,
            children=_children(config, clock, store, number, life, folder, urls, token, trust, desk, narrator, run),
            market_factory=lambda market: partial(
                MarketActor,
                market=market,
                prefix=f"r{life}",
                params=params(market.asset, market.duration_s),
                recorded=True,
            ),
            assets=frozenset(config.assets),
            max_markets=config.risk.max_markets,
            random=Random().random,  # noqa: S311
            finished=ending.finish,
            venue_within_ns=nanos(config.venue.start_within_s),
        ),
    )
    started = time.monotonic()
    while ending.reason is None:
        time.sleep(0.1)
        if simulator is not None and (gone := simulator.ended()) is not None:
            ending.finish(69, f"the embedded simulator (pid {simulator.pid}) {gone}: there is nothing to trade on")
        elif stop_after_s is not None and time.monotonic() - started >= stop_after_s:
            ending.reason = f"--stop-after {stop_after_s:g}"
        elif not runtime.alive(addresses.SUPERVISOR):
            ending.finish(70, "the supervisor died")
    asked = not ending.finished
    if asked:
        _say(f"stopping ({ending.reason}): cancelling everything")
        runtime.tell(addresses.SUPERVISOR, Stop(ending.reason))
        ending.wait(STOP_WITHIN_S)
    died = simulator is not None and simulator.ended() is not None
    reached = bool(desk.account_name)
    if asked and ending.signals and not reached and ending.code == 69:
        ending.code = 0  # the venue is no trouble of whoever ends it by hand
    if not reached and not ending.code:
        _say("stopped before the venue was reached: nothing was sent")
    if ending.code:
        logger.error("{}", ending.reason)
        if reached and not died:
            _cancel_by_rest(config, urls, token, clock)
    if died or not reached:  # its last answers, or its first, find actors that have stopped: counted, but no news
        logger.disable(directory.__name__)
    late = runtime.stop_all((addresses.RISK, addresses.GATEWAY, addresses.JOURNAL, addresses.SUPERVISOR), timeout_s=5.0)
    if late:
        logger.warning("did not end in time: {}", ", ".join(late))
    sessions = list(run.sessions.values())
    pairs = sum(each.pairs for each in desk.account.positions.values() if each.resolution is None)
    for line in narrator.summary(sessions, cash=desk.account.cash_micros if reached else None, pairs=pairs):
        _say(line)
    check = _check(config, store, number, folder, simulator, urls, token, clock, desk) if reached else None
    if check is not None:
        verdict = "everything matches, nothing rests" if check.clean else _most(check.details)
        _say(fitted(f"our ledger against the venue{' as it was when it died' if died else ''}: {verdict}"))
    if report is not None:
        counts = _counts(runtime)

        def limit(asset: str, duration_s: int) -> int:
            return params(asset, duration_s).inventory.max_position

        try:
            write_report(report, sessions, tuple(run.latencies_us), counts, check, max_position=limit)
        except OSError as failed:
            logger.error("the report cannot be written: {}", failed)
    return ending.code


def _life(config: Config, store: JournalStore, number: int) -> str:
    """Name this run at the venue, which may know a run of the same number: of a journal that was lost or moved away."""
    if config.simulator.embedded:  # a venue of this run alone
        return f"{number}"
    return f"{number}-{store.begun() // SECOND:x}"


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


def _children(
    config: Config,
    clock: SystemClock,
    store: JournalStore,
    number: int,
    life: str,
    folder: Path,
    urls: Urls,
    token: Credentials,
    trust: tuple[Trust, Trust],
    desk: OrderDesk,
    narrator: ConsoleReporter,
    run: Run,
) -> dict[str, ActorFactory]:
    """Name every actor that is not a market, with its factory, in starting order."""
    children: dict[str, ActorFactory] = {
        addresses.JOURNAL: partial(
            JournalActor,
            store=store,
            narrator=narrator,
            logs=MarketLogs(folder / "markets", number),
            events=EventLog(folder / EVENTS, run=number, config=config.model_dump_json(exclude_unset=True)),
            sessions=run.sessions,
            retention=Retention(folder, round(config.logs.keep_gb * GB)) if config.logs.keep_gb else None,
        ),
        addresses.GATEWAY: partial(
            GatewayActor,
            desk=desk,
            latencies_us=run.latencies_us,
            connect=lambda deliver: VenueLink(
                config=config.venue,
                ws_url=urls.ws_url,
                rest_url=urls.rest_url,
                session=f"{config.name}-{life}",
                token=token,
                deliver=deliver,
                now=clock.now,
                random=Random(),  # noqa: S311
                trust=trust[0],
            ),
            assets=frozenset(config.assets),
        ),
        addresses.RISK: partial(RiskActor, rules=risk_rules(config, store, clock.now())),
    }
    for asset in config.assets:
        children[addresses.reference(asset)] = partial(
            ReferenceActor,
            asset=asset,
            params=config.volatility_params(asset),
            stale_after_ns=config.risk_params().stale_after_ns,
            fusion=config.reference_params(),
        )
    for source, connect in feed_sockets(config, urls, clock.now, trust[1].sslopt).items():
        children[addresses.feed(source)] = partial(FeedActor, connect=connect)
    sources = history_sources(config, urls)
    if sources:
        children[addresses.HISTORY] = partial(
            HistoryActor,
            connect=lambda deliver: HistoryThread(sources, deliver, clock.now, Backoff(Random(), *RETRY_S)),  # noqa: S311
        )
    return children


class DevelopmentKeyError(MissingSecretError):
    """The simulator's development key would go to a venue that is not on this machine."""


def token_source(config: Config, environ: Mapping[str, str], clock: SystemClock) -> Credentials:
    """Return where the venue's token comes from: environment, file or wallet; for our own simulator, made here.

    Raises:
        MissingSecretError: the secret to sign with is too short, or is the
            development one (DevelopmentKeyError) although the venue is elsewhere.
    """
    venue = config.venue
    ours = venue.rest_url is None and venue.ws_url is None
    key = wallet_key(environ)
    given = environ.get(venue.api_key_env) or venue.api_key_file is not None or key is not None
    if config.simulator.embedded or (ours and not given):  # a real venue's token is no business of the simulator's
        claims = {"sub": ACCOUNT, "exp": clock.now() // SECOND + 7 * 86_400}
        try:
            made = jwt.encode(claims, signing_secret(environ), algorithm="HS256")
        except BadSecretError as bad:
            raise MissingSecretError(str(bad)) from None
        return Credentials(lambda: made, where="the simulator's own token", rotates=False)
    stored = TokenSource(venue.api_key_env, venue.api_key_file, environ)
    _keep_development_key_here(config, stored)
    log_in = None
    if key is not None:
        url = config.urls().rest_url

        def client() -> VenueRest:
            return VenueRest(url, None, clock.now, venue.request_timeout_s, trust=trusted(config.venue_ca))

        log_in = WalletLogin(key, client)
    return Credentials(
        stored, where=stored.where, rotates=stored.rotates, log_in=log_in, secrets=() if key is None else (key,)
    )


def _keep_development_key_here(config: Config, source: Callable[[], str]) -> None:
    urls = config.urls()
    away = [url for url in (urls.rest_url, urls.ws_url) if not is_direct(url)]
    try:
        token = source()
    except MissingSecretError:  # said when it is needed; the file may come later
        return
    if away and is_development(token):
        text = f"{away[0]}: not on this machine, but the token is signed with the simulator's development secret"
        raise DevelopmentKeyError(f"{text}; set {config.venue.api_key_env} to the venue's own token")


def cancel_all(config: Config, environ: Mapping[str, str]) -> int:
    """Cancel every order of the account over REST, whoever placed it; return the exit code."""
    clock = SystemClock()
    try:
        token = token_source(config, environ, clock)
        trusted(config.venue_ca)
    except (MissingSecretError, CertificatesError) as unusable:
        return _refuse(78, f"cancel-all: {unusable}")
    return _cancel_by_rest(config, config.urls(), token, clock)


def _cancel_by_rest(config: Config, urls: Urls, token: Credentials, clock: SystemClock) -> int:
    rest = _rest(config, urls, token, clock)
    try:
        cancelled = rest.cancel_all()
    except VenueUnreachableError as failed:
        return _refuse(69, f"cancel-all: {failed}")
    except VenueRefusedError as failed:
        return _refuse(69, f"cancel-all: {failed}")
    except CredentialsRefusedError as failed:
        return _refuse(77, f"cancel-all: {failed}")
    except MissingSecretError as missing:
        return _refuse(78, f"cancel-all: {missing}")
    finally:
        rest.close()
    _say(f"cancel-all: {len(cancelled)} orders cancelled at {urls.rest_url}")
    return 0


def _rest(config: Config, urls: Urls, token: Credentials, clock: SystemClock) -> VenueRest:
    venue = config.venue
    trust = trusted(config.venue_ca)
    return VenueRest(urls.rest_url, token, clock.now, venue.request_timeout_s, venue.wire_asks, trust=trust)


def _check(
    config: Config,
    store: JournalStore,
    number: int,
    folder: Path,
    simulator: SimulatorProcess | None,
    urls: Urls,
    token: Credentials,
    clock: SystemClock,
    desk: OrderDesk,
) -> VenueCheck | None:
    """Compare our ledger with the venue's: its log if it is our own simulator, else what it says over REST."""
    try:
        fills, cash = store.fills(since_run=number), desk.account.cash_micros
    except JournalError as failed:
        logger.error("the ledger could not be checked against the venue: {}", failed)
        return None
    if simulator is not None:
        simulator.stop()
        try:
            return check_truth_log(folder / "venue.jsonl", desk.account_name, fills=fills, cash_micros=cash)
        except OSError as failed:
            logger.error("the simulator's log cannot be read: {}", failed)
            return None
    rest = _rest(config, urls, token, clock)
    try:
        balance, _ = rest.balance()
        return check_rest(rest.open_orders(), rest.fills(desk.start_seq), balance, fills=fills, cash_micros=cash)
    except (VenueUnreachableError, VenueRefusedError, CredentialsRefusedError, MissingSecretError) as failed:
        logger.error("the ledger could not be checked against the venue: {}", failed)
        return None
    finally:
        rest.close()


def _counts(runtime: Runtime) -> ActorCounts:
    statistics = runtime.statistics()
    return ActorCounts(
        spawned=statistics.spawned,
        retired=statistics.stopped,
        restarts=statistics.died + statistics.abandoned,
        dead_letters=statistics.dead_letters[Lane.MONEY],
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _last_run(folder: Path) -> int:
    """Find the highest run that left its logs: a new journal's first run must not write into them."""
    return max((int(path.name[4:]) for path in folder.glob("run-*") if path.name[4:].isdecimal()), default=0)


def _unwritable(path: Path, failed: OSError) -> str:
    return f"{path} cannot be written to: {failed.strerror}; set logs.dir"


def _most(details: Sequence[str]) -> str:
    more = f"; and {len(details) - SHOWN} more" if len(details) > SHOWN else ""
    return "; ".join(details[:SHOWN]) + more


def _say(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as failed:  # a console that went away must not take the trading with it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        logger.warning("the console is gone ({}); the logs have what follows", failed.strerror)


def _refuse(code: int, why: object) -> int:
    sys.stderr.write(f"mmactors: {why}\n")
    return code
