"""The command line, `python -m mmactors COMMAND`: run, check, simulator, record, cancel-all, inspect, research.

Owns arguments, exit codes and the last resort of errors: one `mmactors: ...` line each on stderr, never a traceback.
What a command needs is imported when it runs, so that help and `inspect` are there at once.

Exit codes: 0 clean; 1 the audit found a rule broken, or the replay a difference; 64 usage; 66 no such file; 69 venue
unreachable at start; 70 restart budget spent, or a defect; 75 another instance holds the lock; 77 credentials refused;
78 invalid configuration, missing secret or unreadable log.
"""

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mmactors import __version__

if TYPE_CHECKING:
    from mmactors.config import Config, ConfigError

USAGE, NO_INPUT, UNAVAILABLE, DEFECT, BAD_CONFIG, INTERRUPTED = 64, 66, 69, 70, 78, 128 + signal.SIGINT


class _Unusable(Exception):  # noqa: N818
    """Arguments that argparse cannot judge are wrong; says which exit code that is."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


class _Parser(argparse.ArgumentParser):
    """argparse with the exit code and the prefix of this program."""

    def error(self, message: str) -> NoReturn:
        _say(f"{message} (see {self.prog} --help)")
        raise SystemExit(USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        args = _parser().parse_args(argv)
    except SystemExit as end:  # help, version, or an error that has been told
        return end.code if isinstance(end.code, int) else 0
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        return command(args)
    except _Unusable as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the user gets a line, whatever it was
        if os.environ.get("MMACTORS_TRACEBACK"):
            raise
        from mmactors.config_file import without_tokens

        words = without_tokens(" ".join(str(error).split()))
        _say(f"defect: {type(error).__name__}: {words} (MMACTORS_TRACEBACK=1 shows where)")
        return DEFECT


def _parser() -> _Parser:
    parser = _Parser(prog="mmactors", description="A market maker for short-expiry binary options.")
    parser.add_argument("--version", action="version", version=f"mmactors {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="trade until told to stop")
    run.add_argument("conf", type=Path, metavar="CONF", help="configuration, such as conf/sim.yaml")
    run.add_argument("--stop-after", type=_seconds, metavar="SECONDS", help="then cancel everything and end")
    run.add_argument("--report", type=Path, metavar="FILE", help="write what happened as JSON")
    run.add_argument("--prices", type=Path, metavar="FILE", help="recorded prices (ts_ms, price) for the simulator")
    run.set_defaults(command=_run)

    check = commands.add_parser("check", help="show the configuration as it holds, or everything wrong with it")
    check.add_argument("conf", type=Path, metavar="CONF")
    check.add_argument("--json", action="store_true", help="as one JSON object, mistakes included")
    check.set_defaults(command=_check)

    simulator = commands.add_parser("simulator", help="run the embedded venue and feeds alone")
    simulator.add_argument("conf", type=Path, metavar="CONF")
    simulator.add_argument("--prices", type=Path, metavar="FILE", help="recorded prices (ts_ms, price)")
    simulator.add_argument("--port", type=_port, metavar="N", help="listen here; 0 takes a free port")
    simulator.add_argument("--watch-stdin", action="store_true", help="end when standard input closes")
    simulator.set_defaults(command=_simulator)

    record = commands.add_parser("record", help="save what the price feeds say, for --prices")
    record.add_argument("conf", type=Path, metavar="CONF", help="configuration; its feeds section says which")
    record.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .parquet or .csv file")
    record.add_argument("--stop-after", type=_seconds, metavar="SECONDS", help="then end")
    record.set_defaults(command=_record)

    cancel = commands.add_parser("cancel-all", help="cancel every order of the account, with the program dead or alive")
    cancel.add_argument("conf", type=Path, metavar="CONF")
    cancel.set_defaults(command=_cancel_all)

    inspect = commands.add_parser("inspect", help="show why one market was quoted as it was")
    inspect.add_argument("market", metavar="MARKET", help="its id, or a beginning that only it has")
    inspect.add_argument("--conf", type=Path, metavar="CONF", help="whose logs (default: conf/sim.yaml)")
    inspect.add_argument("--dir", type=Path, metavar="DIR", help="folder of an instance, a run or market logs")
    inspect.add_argument("--json", action="store_true", help="as JSON, one record a line")
    inspect.add_argument("--last", type=_count, metavar="N", help="only the last N records of each run")
    inspect.set_defaults(command=_inspect)

    backtest = commands.add_parser("backtest", help="run whole sessions of the program in virtual time, audited")
    backtest.add_argument("conf", type=Path, metavar="CONF", help="configuration; its simulator section is the world")
    backtest.add_argument("--session", metavar="LENGTH", help="back-to-back BTC sessions of 1M, 5M, 15M or 1H only")
    backtest.add_argument("--sessions", type=_count, default=20, metavar="N", help="how many to settle (default 20)")
    backtest.add_argument("--seed", type=int, metavar="S", help="seed of the world (default: the configuration's)")
    backtest.add_argument(
        "--runtime",
        choices=("actors", "core"),
        default="actors",
        help="actors: the whole program (default); core: its pure objects alone, faster, to the same orders",
    )
    backtest.add_argument(
        "--feeds", choices=("binance", "all"), default="binance", help="follow Binance alone (default), or all enabled"
    )
    backtest.add_argument(
        "--interleaving", type=int, metavar="I", help="seed of a random legal order of events (actors only)"
    )
    backtest.add_argument(
        "--events", type=Path, metavar="FILE", help="record what every maker handled, for replay (actors only)"
    )
    backtest.add_argument("--prices", type=Path, metavar="FILE", help="recorded prices (ts_ms, price), to their end")
    backtest.add_argument("--processes", type=_count, metavar="N", help="at once (default: as many as there are cores)")
    backtest.add_argument("--out", type=Path, metavar="FILE", help="write the sessions there, .parquet or .csv")
    backtest.add_argument("--json", action="store_true", help="as one JSON object, sessions included")
    backtest.set_defaults(command=_backtest)

    calibrate = commands.add_parser("calibrate", help="score estimators of volatility on recorded prices and sessions")
    calibrate.add_argument("--prices", type=Path, metavar="FILE", help="recorded prices (ts_ms, price)")
    calibrate.add_argument("--session", default="5M,15M", metavar="LENGTHS", help="of 1M, 5M, 15M, 1H (default 5M,15M)")
    calibrate.add_argument("--sessions", type=Path, metavar="FILE", help="recorded sessions, to compare with their mid")
    calibrate.add_argument("--asset", type=str.upper, default="BTC", metavar="NAME", help="of the file (default BTC)")
    calibrate.add_argument("--conf", type=Path, metavar="CONF", help="whose estimator is the default")
    calibrate.add_argument("--json", action="store_true", help="as one JSON object")
    calibrate.set_defaults(command=_calibrate)

    arena = commands.add_parser("arena", help="ours and the field's published strategies on identical paths")
    arena.add_argument("conf", type=Path, nargs="?", default=Path("conf/arena.yaml"), metavar="CONF", help="the world")
    arena.add_argument("--session", metavar="LENGTH", help="1M, 5M, 15M or 1H (default: the configuration's)")
    arena.add_argument(
        "--sessions", type=_count, metavar="N", help="that each entrant plays (default 200; with --prices all)"
    )
    arena.add_argument("--prices", type=Path, metavar="FILE", help="recorded prices (ts_ms, price) to play on")
    arena.add_argument("--latency-ms", type=_milliseconds, metavar="N", help="of the price, and again of the orders")
    arena.add_argument("--seed", type=int, default=31337, metavar="S", help="of the worlds (default 31337)")
    arena.add_argument("--only", metavar="NAMES", help="of ours, v1, v1+ ...: a + is the rival on our fair value")
    arena.add_argument("--processes", type=_count, metavar="N", help="at once (default: as many as there are cores)")
    arena.add_argument("--sensitivity", action="store_true", help="again under other takers, latencies and fees")
    arena.add_argument("--save", type=Path, metavar="FILE", help="keep every session's figures, for report")
    arena.add_argument("--json", action="store_true", help="as one JSON object")
    arena.set_defaults(command=_arena)

    report = commands.add_parser("report", help="draw a saved arena: one HTML page with its pictures in it, and PNGs")
    report.add_argument("arena", type=Path, metavar="ARENA", help="what arena --save FILE wrote")
    report.add_argument(
        "--calibration", type=Path, metavar="FILE", help="what calibrate --json wrote, to be drawn, too"
    )
    report.add_argument("--prices", type=Path, metavar="FILE", help="the recording, if it was played on one")
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for report.html and the PNGs")
    report.set_defaults(command=_report)

    ablate = commands.add_parser("ablate", help="what each term of the strategy is worth: the arena without it")
    ablate.add_argument("conf", type=Path, nargs="?", default=Path("conf/arena.yaml"), metavar="CONF", help="the world")
    ablate.add_argument("--session", metavar="LENGTH", help="1M, 5M, 15M or 1H (default: the configuration's)")
    ablate.add_argument("--sessions", type=_count, default=100, metavar="N", help="per variant and seed (default 100)")
    ablate.add_argument("--seed", default="41,42", metavar="S,...", help="of the worlds, each apart (default 41,42)")
    ablate.add_argument("--only", metavar="TERMS", help="terms, values, or of 'no lean', 'size 15' ...")
    ablate.add_argument("--processes", type=_count, metavar="N", help="at once (default: as many as there are cores)")
    ablate.add_argument("--json", action="store_true", help="as one JSON object")
    ablate.set_defaults(command=_ablate)

    sweep = commands.add_parser("sweep", help="search parameters over backtests in the same worlds, resumable")
    sweep.add_argument("grid", type=Path, metavar="GRID", help="what to vary, such as conf/sweep.yaml")
    sweep.add_argument("--processes", type=_count, metavar="N", help="at once (default: as many as there are cores)")
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="an existing Dask cluster's instead, tcp://host:port")
    sweep.add_argument("--out", type=Path, metavar="DIR", help="journal and tables (default: var/sweep/GRID)")
    sweep.add_argument("--json", action="store_true", help="as one JSON object")
    sweep.set_defaults(command=_sweep)

    replay = commands.add_parser("replay", help="prove that a run's makers decide the same again (exit 1: they do not)")
    replay.add_argument("log", type=Path, metavar="LOG", help="events.mmlog of a run, or the run's folder")
    replay.add_argument("--market", metavar="ID", help="only this market; a beginning only it has will do")
    replay.add_argument("--config", type=Path, metavar="FILE", help="show what this configuration would have quoted")
    replay.add_argument("--json", action="store_true", help="as one JSON object")
    replay.set_defaults(command=_replay)

    audit = commands.add_parser("audit", help="judge a run by the simulator's own log (exit 1: a rule was broken)")
    audit.add_argument("log", type=Path, metavar="LOG", help="venue.jsonl of a run")
    audit.add_argument("--json", action="store_true", help="as one JSON object")
    audit.add_argument("--market", metavar="ID", help="also tabulate this session; a beginning only it has will do")
    audit.add_argument("--plot", type=Path, metavar="FILE.png", help="draw that session, or the busiest")
    audit.add_argument("--conf", type=Path, metavar="CONF", help="limits, YAML or JSON (default: the strategy's)")
    audit.add_argument("--account", metavar="NAME", help="whose orders (default: the only client's)")
    audit.set_defaults(command=_audit)
    return parser


def _run(args: argparse.Namespace) -> int:
    config = _config(args.conf)
    _must_be_file(args.prices)
    if args.prices is not None and not config.simulator.embedded:
        raise _Unusable("--prices drives the embedded simulator, but simulator.embedded is false", USAGE)
    if args.prices is not None and config.simulator.world.live:
        raise _Unusable("--prices has no use where simulator.world.live takes the prices from the feeds", USAGE)
    _must_be_writable("--report", args.report)
    from mmactors import app

    return app.trade(config, prices=args.prices, stop_after_s=args.stop_after, report=args.report, environ=os.environ)


def _check(args: argparse.Namespace) -> int:
    from mmactors import app, config
    from mmactors.ops import resolved as view
    from mmactors.runtime.clock import SystemClock
    from mmactors.venue.credentials import MissingSecret

    try:
        found = config.resolve(args.conf, os.environ)
        app.token_source(found.config, os.environ, SystemClock())
    except (config.ConfigError, MissingSecret) as error:
        wrong = error if isinstance(error, config.ConfigError) else config.ConfigError([str(error)], BAD_CONFIG)
        if args.json:
            _announce(json.dumps({"file": str(args.conf), "valid": False, "errors": wrong.lines}, indent=2))
        for line in [] if args.json else wrong.lines:
            _say(f"{args.conf}: {line}")
        return wrong.exit_code
    if args.json:
        _announce(json.dumps(view.as_json(found, args.conf, os.environ), indent=2))
    for line in [] if args.json else view.table(found, args.conf, os.environ):
        _announce(line)
    return 0


def _simulator(args: argparse.Namespace) -> int:
    port = {} if args.port is None else {"MM__simulator__port": str(args.port)}
    config = _config(args.conf, **port)
    _must_be_file(args.prices)
    from mmactors import simulator

    try:
        secret = simulator.signing_secret(os.environ)
    except simulator.BadSecret as bad:
        raise _Unusable(str(bad), BAD_CONFIG) from None
    return simulator.run(
        config,
        prices=args.prices,
        secret=secret,
        watch_stdin=args.watch_stdin,
        announce=_announce,
    )


def _record(args: argparse.Namespace) -> int:
    config = _config(args.conf)
    from mmactors.feeds.recorder import CannotRecord
    from mmactors.research.record import record
    from mmactors.simulator.process import SimulatorError

    _log_only("WARNING")
    try:
        heard = record(config, args.out, stop_after_s=args.stop_after, environ=os.environ, say=_announce)
    except CannotRecord as error:
        raise _Unusable(f"--out {error}", USAGE) from None
    except SimulatorError as error:
        if not str(error):  # it has said why itself
            return error.exit_code
        raise _Unusable(str(error), error.exit_code) from None
    return 0 if heard else UNAVAILABLE


def _backtest(args: argparse.Namespace) -> int:
    for option in ("interleaving", "events"):
        if args.runtime != "actors" and getattr(args, option) is not None:
            raise _Unusable(f"--{option} is for --runtime actors; the {args.runtime} has no actors to tell of", USAGE)
    changes = {} if args.seed is None else {"MM__simulator__world__seed": str(args.seed)}
    if args.feeds == "binance":
        changes["MM__feeds__coinbase__enabled"] = "false"
    elif args.runtime == "core":
        raise _Unusable("--feeds all is for --runtime actors; the core follows Binance alone", USAGE)
    if args.session is not None:
        changes["MM__assets"] = "[BTC]"
        changes["MM__simulator__sessions"] = f"[{{asset: BTC, duration: {args.session}}}]"
    if args.prices is not None:
        _must_be_file(args.prices)
        changes["MM__simulator__world__prices"] = json.dumps(str(args.prices))
    config = _config(args.conf, **changes)
    from mmactors.ops.eventlog import EventLog
    from mmactors.research import backtest, findings
    from mmactors.simulator.latency import LatenciesError
    from mmactors.simulator.recording import PricesError

    try:
        if args.out is not None:
            findings.check_ending(args.out)
    except findings.CannotWrite as error:
        raise _Unusable(f"--out {error}", USAGE) from None
    worlds = len(backtest.cut(config, args.sessions))
    for option in ("interleaving", "events"):
        if worlds > 1 and config.simulator.world.prices is None and getattr(args, option) is not None:
            _say(f"--{option}: one world and process for all {args.sessions} sessions; without it they are {worlds}")
    events = None
    if args.events is not None:
        events = EventLog(args.events, run=0, config=config.model_dump_json(exclude_unset=True))
        if events.failed:
            raise _Unusable(f"--events {args.events}: {events.failed}", USAGE)
    _log_only("ERROR")
    try:
        found = backtest.run(
            config,
            args.sessions,
            runtime=args.runtime,
            interleaving=args.interleaving,
            progress=_say,
            events=events,
            processes=args.processes,
        )
    except PricesError as error:
        raise _Unusable(str(error), NO_INPUT if error.missing else BAD_CONFIG) from None
    except LatenciesError as error:
        raise _Unusable(str(error), BAD_CONFIG) from None
    if args.out is not None:
        try:
            findings.write(args.out, found.rows())
        except findings.CannotWrite as error:
            raise _Unusable(f"--out {error}", UNAVAILABLE) from None
    if args.json:
        _announce(json.dumps({**found.figures(), "per_session": found.rows()}, indent=2))
    else:
        for line in found.lines():
            _announce(line)
    if events is not None and events.failed:
        _say(f"--events {args.events} ends early: {events.failed}")
    return 0 if found.clean else 1


def _calibrate(args: argparse.Namespace) -> int:
    if args.prices is None and args.sessions is None:
        raise _Unusable("calibrate needs --prices FILE, --sessions FILE, or both", USAGE)
    from mmactors.config import DURATIONS
    from mmactors.research import calibrate, marketmid
    from mmactors.simulator.recording import PricesError

    wanted = args.session.upper().split(",")
    if unknown := [name for name in wanted if name not in DURATIONS]:
        raise _Unusable(f"--session {','.join(unknown)}: lengths are {', '.join(DURATIONS)}", USAGE)
    params = _config(args.conf).volatility_params(args.asset)
    found: dict[str, Any] = {}
    try:
        if args.prices is not None:
            found = calibrate.calibrate(args.prices, {name: DURATIONS[name] for name in wanted}, params, args.asset)
        if args.sessions is not None:
            found["market"] = marketmid.compare(args.sessions, args.prices, params)
    except PricesError as error:
        raise _Unusable(str(error), NO_INPUT if error.missing else BAD_CONFIG) from None
    told = calibrate.lines(found) + (marketmid.lines(found["market"]) if "market" in found else [])
    for line in [json.dumps(found, indent=2)] if args.json else told:
        _announce(line)
    return 0


def _arena(args: argparse.Namespace) -> int:
    from mmactors.research import arena, sensitivity
    from mmactors.research.league import OURS, Arena, as_json
    from mmactors.simulator.recording import PricesError

    everybody = (OURS,) if args.sensitivity else arena.ENTRANTS
    names = everybody if args.only is None else tuple(dict.fromkeys(args.only.split(",")))
    if unknown := [name for name in names if name not in arena.ENTRANTS]:
        raise _Unusable(f"--only {','.join(unknown)}: entrants are {', '.join(arena.ENTRANTS)}", USAGE)
    changes = {}
    if args.session is not None:
        changes["MM__simulator__sessions"] = f"[{{asset: BTC, duration: {args.session}}}]"
    if args.latency_ms is not None:
        changes["MM__simulator__feed_latency_ms"] = changes["MM__simulator__order_latency_ms"] = f"{args.latency_ms}"
    if args.save is not None and args.sensitivity:
        raise _Unusable("--save keeps one arena, and --sensitivity plays many: leave one of them out", USAGE)
    _must_be_writable("--save", args.save)
    config = _config(args.conf, **changes)
    _log_only("ERROR")
    how = {"prices": args.prices, "processes": args.processes, "progress": _say}
    found: Arena | sensitivity.Sensitivity
    try:
        found = (sensitivity if args.sensitivity else arena).run(config, names, args.sessions, args.seed, **how)
    except PricesError as error:
        raise _Unusable(f"--prices {error}", NO_INPUT if error.missing else BAD_CONFIG) from None
    for line in [as_json(found.figures())] if args.json else found.lines():
        _announce(line)
    if isinstance(found, Arena) and args.save is not None:
        found.save(args.save)
    return 0 if found.complete else INTERRUPTED


def _report(args: argparse.Namespace) -> int:
    from loguru import logger

    from mmactors.research import league, report

    logger.remove()
    logger.add(sys.stderr, level="ERROR", format="mmactors: {message}")
    try:
        arena = league.Arena.load(args.arena)
        calibration = None if args.calibration is None else report.read_calibration(args.calibration)
        for path in report.make(arena, args.out, calibration, prices=args.prices, say=_say):
            _announce(str(path))
    except (league.ArenaFileError, report.ReportError) as error:
        raise _Unusable(str(error), error.exit_code) from None
    return 0


def _ablate(args: argparse.Namespace) -> int:
    from mmactors import config
    from mmactors.research import ablation

    asked = ["terms", "values"] if args.only is None else [name.strip() for name in args.only.split(",")]
    if unknown := [name for name in asked if name not in ablation.GROUPS]:
        raise _Unusable(f"--only {','.join(unknown)}: there are {', '.join(ablation.GROUPS)}", USAGE)
    names = {name for group in asked for name in ablation.GROUPS[group]}
    try:
        seeds = tuple(dict.fromkeys(int(seed) for seed in args.seed.split(",")))
    except ValueError:
        raise _Unusable(f"--seed {args.seed}: not whole numbers with commas between", USAGE) from None
    series = {} if args.session is None else {"MM__simulator__sessions": f"[{{asset: BTC, duration: {args.session}}}]"}
    environ, variants = {**os.environ, **series}, [each for each in ablation.VARIANTS if each.name in names]
    _config(args.conf, **series)
    try:
        found = ablation.run(
            args.conf, environ, variants, args.sessions, seeds, processes=args.processes, progress=_say
        )
    except config.ConfigError as error:
        raise _Unusable(f"{args.conf}: a variant contradicts it: {error.lines[0]}", error.exit_code) from None
    for line in [json.dumps(found.figures(), indent=2)] if args.json else found.lines():
        _announce(line)
    return 0


def _sweep(args: argparse.Namespace) -> int:
    from mmactors.config_file import ConfigError
    from mmactors.research import crew, grid, sweep

    if args.scheduler is not None and args.processes is not None:
        raise _Unusable("--processes are this machine's; a --scheduler has workers of its own", USAGE)
    try:
        wanted = grid.load(args.grid, os.environ)
    except ConfigError as error:
        raise _told(args.grid, error) from None
    folder = args.out or Path("var/sweep") / args.grid.stem
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        workers = crew.Processes(args.processes) if args.scheduler is None else crew.Cluster(args.scheduler)
        found = sweep.run(wanted, folder, workers, progress=_say)
    except crew.SweepStopped as stopped:
        raise _Unusable(str(stopped), stopped.exit_code) from None
    except KeyboardInterrupt:
        raise _Unusable(f"interrupted; {folder} keeps what is done, the same command goes on", INTERRUPTED) from None
    for line in [json.dumps(found.figures(), indent=2)] if args.json else [*found.lines(), f"written to {folder}"]:
        _announce(line)
    return 0


def _replay(args: argparse.Namespace) -> int:
    config = None if args.config is None else _config(args.config)
    from mmactors.ops.eventlog import EVENTS, EventLogError
    from mmactors.research import contrast, replay

    log = args.log / EVENTS if args.log.is_dir() else args.log
    try:
        found: replay.Replay | contrast.Contrast
        if config is None:
            found = replay.prove(log, market=args.market, progress=_say)
        else:
            found = contrast.contrast(log, config, market=args.market, progress=_say)
    except EventLogError as error:
        raise _Unusable(str(error), error.exit_code) from None
    for line in [json.dumps(found.figures(), indent=2)] if args.json else found.lines():
        _announce(line)
    return 1 if isinstance(found, replay.Replay) and not found.identical else 0


def _cancel_all(args: argparse.Namespace) -> int:
    config = _config(args.conf)
    from mmactors import app

    return app.cancel_all(config, environ=os.environ)


def _inspect(args: argparse.Namespace) -> int:
    from mmactors.ops import inspection

    folder = args.dir
    if folder is None:
        default = Path("conf/sim.yaml")
        folder = _config(args.conf or (default if default.is_file() else None)).folder
    try:
        paths = inspection.find(folder, args.market)
    except inspection.NoSuchMarket as error:
        raise _Unusable(str(error), NO_INPUT) from None
    lines = inspection.as_json(paths, args.last) if args.json else inspection.table(paths, args.last)
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return 0


def _audit(args: argparse.Namespace) -> int:
    from mmactors.audit import AuditError, report

    try:
        return report.run(
            args.log,
            _announce,
            conf=args.conf,
            account=args.account,
            market=args.market,
            plot=args.plot,
            as_json=args.json,
        )
    except AuditError as error:
        raise _Unusable(str(error), error.exit_code) from None


def _config(path: Path | None, **overrides: str) -> "Config":
    from mmactors import config

    if path is None:
        return config.Config()
    try:
        return config.load(path, {**os.environ, **overrides})
    except config.ConfigError as error:
        raise _told(path, error) from None


def _told(path: Path, error: "ConfigError") -> _Unusable:
    """Say all that is wrong with a file but the last line, which the caller is to raise."""
    *first, last = (f"{path}: {line}" for line in error.lines)
    for line in first:
        _say(line)
    return _Unusable(last, error.exit_code)


def _log_only(level: str) -> None:
    """The program's own log, from this level on, in the form of this command's other lines."""
    from loguru import logger

    logger.remove()
    logger.add(sys.stderr, level=level, format="mmactors: {message}")


def _announce(line: str) -> None:
    sys.stdout.write(line.rstrip("\n") + "\n")
    sys.stdout.flush()


def _must_be_writable(option: str, path: Path | None) -> None:
    if path is not None and (path.is_dir() or not os.access(path.absolute().parent, os.W_OK)):
        raise _Unusable(f"{option} {path}: not a file in a folder that can be written to", USAGE)


def _must_be_file(path: Path | None) -> None:
    if path is not None and not path.is_file():
        raise _Unusable(f"--prices {path}: no such file", NO_INPUT)


def _say(line: str) -> None:
    sys.stderr.write(f"mmactors: {line}\n")


def _seconds(text: str) -> float:
    value = _number(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return value


def _count(text: str) -> int:
    value = _number(text)
    if not (value.is_integer() and value >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(value)


def _milliseconds(text: str) -> int:
    value = _number(text)
    if not (value.is_integer() and 0 <= value <= 10_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds (0 to 10000)")
    return int(value)


def _port(text: str) -> int:
    value = _number(text)
    if not (value.is_integer() and 0 <= value <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


if __name__ == "__main__":
    sys.exit(main())
