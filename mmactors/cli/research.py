"""The research commands: record, backtest, compile, calibrate, arena, report, ablate, sweep, replay.

Owns their arguments and how what they find is written. What a command needs is imported when it runs.
"""

import argparse
import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmactors.cli.options import Group
from mmactors.compiled import build
from mmactors.ops.terminal import (
    BAD_CONFIG,
    INTERRUPTED,
    NO_INPUT,
    UNAVAILABLE,
    USAGE,
    UsageError,
    announce,
    conf,
    configured,
    count,
    log_only,
    milliseconds,
    must_be_file,
    must_be_writable,
    overridden,
    seconds,
    usage_error,
    write_error,
)


def add(commands: Group) -> None:
    """Add the research commands to their group."""
    record = commands.add(
        "record",
        "save what the price feeds say, for --prices",
        "record conf/paper.yaml --out prices.parquet --stop-after 3600",
    )
    record.add_argument("conf", type=conf, metavar="CONF", help="configuration; its feeds section says which")
    record.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .parquet or .csv file")
    record.add_argument("--stop-after", type=seconds, metavar="SECONDS", help="then end")
    record.set_defaults(command=_record)

    backtest = commands.add(
        "backtest",
        "run whole sessions of the program in virtual time, audited",
        "backtest conf/sim.yaml --session 5M --sessions 20 --seed 11",
    )
    backtest.add_argument("conf", type=conf, metavar="CONF", help="configuration; its simulator section is the world")
    backtest.add_argument("--session", metavar="LENGTH", help="back-to-back BTC sessions of 1M, 5M, 15M or 1H only")
    backtest.add_argument("--sessions", type=count, default=20, metavar="N", help="how many to settle (default 20)")
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
    backtest.add_argument("--processes", type=count, metavar="N", help="at once (default: as many as there are cores)")
    backtest.add_argument("--out", type=Path, metavar="FILE", help="write the sessions there, .parquet or .csv")
    backtest.add_argument("--json", action="store_true", help="as one JSON object, sessions included")
    backtest.set_defaults(command=_backtest, long=True)

    compile_ = commands.add(
        "compile",
        "make machine code of the program, for the long commands",
        "compile",
    )
    compile_.set_defaults(command=_compile)

    calibrate = commands.add(
        "calibrate",
        "score estimators of volatility on recorded prices and sessions",
        "calibrate --prices prices.parquet",
    )
    calibrate.add_argument("--prices", type=Path, metavar="FILE", help="recorded prices (ts_ms, price)")
    calibrate.add_argument("--session", default="5M,15M", metavar="LENGTHS", help="of 1M, 5M, 15M, 1H (default 5M,15M)")
    calibrate.add_argument("--sessions", type=Path, metavar="FILE", help="recorded sessions, to compare with their mid")
    calibrate.add_argument("--asset", type=str.upper, default="BTC", metavar="NAME", help="of the file (default BTC)")
    calibrate.add_argument("--conf", type=conf, metavar="CONF", help="whose estimator is the default")
    calibrate.add_argument("--json", action="store_true", help="as one JSON object")
    calibrate.set_defaults(command=_calibrate)

    arena = commands.add(
        "arena",
        "ours and the field's published strategies on identical paths",
        "arena --session 5M --sessions 50 --save arena.json",
    )
    arena.add_argument("conf", type=conf, nargs="?", default="conf/arena.yaml", metavar="CONF", help="the world")
    arena.add_argument("--session", metavar="LENGTH", help="1M, 5M, 15M or 1H (default: the configuration's)")
    arena.add_argument(
        "--sessions", type=count, metavar="N", help="that each entrant plays (default 200; with --prices all)"
    )
    arena.add_argument("--prices", type=Path, metavar="FILE", help="recorded prices (ts_ms, price) to play on")
    arena.add_argument("--latency-ms", type=milliseconds, metavar="N", help="of the price, and again of the orders")
    arena.add_argument("--seed", type=int, default=31337, metavar="S", help="of the worlds (default 31337)")
    arena.add_argument("--only", metavar="NAMES", help="of ours, v1, v1+ ...: a + is the rival on our fair value")
    arena.add_argument("--processes", type=count, metavar="N", help="at once (default: as many as there are cores)")
    arena.add_argument("--sensitivity", action="store_true", help="again under other takers, latencies and fees")
    arena.add_argument("--save", type=Path, metavar="FILE", help="keep every session's figures, for report")
    arena.add_argument("--json", action="store_true", help="as one JSON object")
    arena.set_defaults(command=_arena, long=True)

    report = commands.add(
        "report",
        "draw a saved arena: one HTML page with its pictures in it, and PNGs",
        "report arena.json --out report",
    )
    report.add_argument("arena", type=Path, metavar="ARENA", help="what arena --save FILE wrote")
    report.add_argument(
        "--calibration", type=Path, metavar="FILE", help="what calibrate --json wrote, to be drawn, too"
    )
    report.add_argument("--prices", type=Path, metavar="FILE", help="the recording, if it was played on one")
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for report.html and the PNGs")
    report.set_defaults(command=_report)

    ablate = commands.add(
        "ablate",
        "what each term of the strategy is worth: the arena without it",
        "ablate --session 5M --only terms",
    )
    ablate.add_argument("conf", type=conf, nargs="?", default="conf/arena.yaml", metavar="CONF", help="the world")
    ablate.add_argument("--session", metavar="LENGTH", help="1M, 5M, 15M or 1H (default: the configuration's)")
    ablate.add_argument("--sessions", type=count, default=100, metavar="N", help="per variant and seed (default 100)")
    ablate.add_argument("--seed", default="41,42", metavar="S,...", help="of the worlds, each apart (default 41,42)")
    ablate.add_argument("--only", metavar="TERMS", help="terms, values, or of 'no lean', 'size 15' ...")
    ablate.add_argument("--processes", type=count, metavar="N", help="at once (default: as many as there are cores)")
    ablate.add_argument("--json", action="store_true", help="as one JSON object")
    ablate.set_defaults(command=_ablate, long=True)

    sweep = commands.add(
        "sweep",
        "search parameters over backtests in the same worlds, resumable",
        "sweep conf/sweep.yaml",
    )
    sweep.add_argument("grid", type=conf, metavar="GRID", help="what to vary, such as conf/sweep.yaml")
    sweep.add_argument("--processes", type=count, metavar="N", help="at once (default: as many as there are cores)")
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="an existing Dask cluster's instead, tcp://host:port")
    sweep.add_argument("--out", type=Path, metavar="DIR", help="journal and tables (default: var/sweep/GRID)")
    sweep.add_argument("--json", action="store_true", help="as one JSON object")
    sweep.set_defaults(command=_sweep, long=True)

    replay = commands.add(
        "replay",
        "prove that a run's makers decide the same again (exit 1: they do not)",
        "replay var/sim/run-00001",
    )
    replay.add_argument("log", type=Path, metavar="LOG", help="events.mmlog of a run, or the run's folder")
    replay.add_argument("--market", metavar="ID", help="only this market; a beginning only it has will do")
    replay.add_argument("--config", type=conf, metavar="FILE", help="show what this configuration would have quoted")
    replay.add_argument("--json", action="store_true", help="as one JSON object")
    replay.set_defaults(command=_replay)


def _record(args: argparse.Namespace) -> int:
    config = configured(args.conf)
    from mmactors.app.record import record
    from mmactors.feeds.recorder import RecordingError
    from mmactors.simulator.process import SimulatorError

    log_only("WARNING")
    try:
        received = record(config, args.out, stop_after_s=args.stop_after, environ=os.environ, write_line=announce)
    except RecordingError as error:
        raise UsageError(f"--out {error}", USAGE) from None
    except SimulatorError as error:
        if not str(error):  # it has said why itself
            return error.exit_code
        raise UsageError(str(error), error.exit_code) from None
    return 0 if received else UNAVAILABLE


def _compile(_args: argparse.Namespace) -> int:
    if build.place() is None:
        write_error("compiling the program for backtest, arena, ablate and sweep: a minute or two")
    try:
        announce(f"compiled: {build.build()}")
    except build.CompileError as error:
        raise UsageError(f"not compiled, the program is interpreted and slower: {error}", UNAVAILABLE) from None
    return 0


def _backtest(args: argparse.Namespace) -> int:
    for option in ("interleaving", "events"):
        if args.runtime != "actors" and getattr(args, option) is not None:
            raise UsageError(f"--{option} is for --runtime actors; the {args.runtime} has no actors to tell of", USAGE)
    from mmactors.config.feed_sections import alone

    options: dict[str, dict[str, str]] = {}
    if args.seed is not None:
        options["--seed"] = {"MM__simulator__world__seed": str(args.seed)}
    if args.feeds != "all":
        options[f"--feeds {args.feeds}"] = alone()
    elif args.runtime == "core":
        raise UsageError("--feeds all is for --runtime actors; the core follows one source alone", USAGE)
    if args.session is not None:
        options["--session"] = {"MM__assets": "[BTC]", **_series(args.session)}
    if args.prices is not None:
        must_be_file(args.prices)
        options["--prices"] = {"MM__simulator__world__prices": json.dumps(str(args.prices))}
    config = configured(args.conf, options)
    from mmactors.backtest import results
    from mmactors.backtest import runner as backtest
    from mmactors.ops.event_log import EventLog
    from mmactors.simulator.models.latency import LatenciesError
    from mmactors.simulator.prices.recording import PricesError

    try:
        if args.out is not None:
            results.check_ending(args.out)
    except results.WriteError as error:
        raise UsageError(f"--out {error}", USAGE) from None
    worlds = len(backtest.cut(config, args.sessions))
    for option in ("interleaving", "events"):
        if worlds > 1 and config.simulator.world.prices is None and getattr(args, option) is not None:
            write_error(
                f"--{option}: one world and process for all {args.sessions} sessions; without it they are {worlds}"
            )
    events = None
    if args.events is not None:
        events = EventLog(args.events, run=0, config=config.model_dump_json(exclude_unset=True))
        if events.failed:
            raise UsageError(f"--events {args.events}: {events.failed}", USAGE)
    log_only("ERROR")
    try:
        found = backtest.run(
            config,
            args.sessions,
            runtime=args.runtime,
            interleaving=args.interleaving,
            progress=write_error,
            events=events,
            processes=args.processes,
        )
    except PricesError as error:
        raise UsageError(str(error), NO_INPUT if error.missing else BAD_CONFIG) from None
    except LatenciesError as error:
        raise UsageError(str(error), BAD_CONFIG) from None
    if args.out is not None:
        try:
            results.write(args.out, found.rows())
        except results.WriteError as error:
            raise UsageError(f"--out {error}", UNAVAILABLE) from None
    if args.json:
        announce(json.dumps({**found.figures(), "per_session": found.rows()}, indent=2))
    else:
        for line in found.lines():
            announce(line)
    if events is not None and events.failed:
        write_error(f"--events {args.events} ends early: {events.failed}")
    return 0 if found.clean else 1


def _series(length: str) -> dict[str, str]:
    """Sessions of one length alone, as a variable of the environment."""
    return {"MM__simulator__sessions": json.dumps([{"asset": "BTC", "duration": length}])}


def _calibrate(args: argparse.Namespace) -> int:
    if args.prices is None and args.sessions is None:
        raise UsageError("calibrate needs --prices FILE, --sessions FILE, or both", USAGE)
    if find_spec("scipy") is None:
        raise UsageError("calibrate needs scipy: make install-research", BAD_CONFIG)
    from mmactors.config import DURATIONS
    from mmactors.research.arena.league_table import as_json
    from mmactors.research.calibration import calibrate, market_mid
    from mmactors.simulator.prices.recording import PricesError

    wanted = args.session.upper().split(",")
    if unknown := [name for name in wanted if name not in DURATIONS]:
        raise UsageError(f"--session {','.join(unknown)}: lengths are {', '.join(DURATIONS)}", USAGE)
    params = configured(args.conf).volatility_params(args.asset)
    found: dict[str, Any] = {}
    try:
        if args.prices is not None:
            found = calibrate.calibrate(args.prices, {name: DURATIONS[name] for name in wanted}, params, args.asset)
        if args.sessions is not None:
            found["market"] = market_mid.compare(args.sessions, args.prices, params)
    except PricesError as error:
        raise UsageError(str(error), NO_INPUT if error.missing else BAD_CONFIG) from None
    lines = calibrate.lines(found) + (market_mid.lines(found["market"]) if "market" in found else [])
    for line in [as_json(found)] if args.json else lines:
        announce(line)
    return 0


def _arena(args: argparse.Namespace) -> int:
    from mmactors.research.arena import arena, sensitivity
    from mmactors.research.arena.league_table import OURS, Arena, as_json
    from mmactors.simulator.prices.recording import PricesError

    everybody = (OURS,) if args.sensitivity else arena.ENTRANTS
    names = everybody if args.only is None else tuple(dict.fromkeys(args.only.split(",")))
    if unknown := [name for name in names if name not in arena.ENTRANTS]:
        raise UsageError(f"--only {','.join(unknown)}: entrants are {', '.join(arena.ENTRANTS)}", USAGE)
    options: dict[str, dict[str, str]] = {}
    if args.session is not None:
        options["--session"] = _series(args.session)
    if args.latency_ms is not None:
        both = ("MM__simulator__feed_latency_ms", "MM__simulator__order_latency_ms")
        options["--latency-ms"] = dict.fromkeys(both, f"{args.latency_ms}")
    if args.save is not None and args.sensitivity:
        raise UsageError("--save keeps one arena, and --sensitivity plays many: leave one of them out", USAGE)
    must_be_writable("--save", args.save)
    config = configured(args.conf, options)
    log_only("ERROR")
    how = {"prices": args.prices, "processes": args.processes, "progress": write_error}
    found: Arena | sensitivity.Sensitivity
    try:
        found = (sensitivity if args.sensitivity else arena).run(config, names, args.sessions, args.seed, **how)
    except PricesError as error:
        raise UsageError(f"--prices {error}", NO_INPUT if error.missing else BAD_CONFIG) from None
    for line in [as_json(found.figures())] if args.json else found.lines():
        announce(line)
    if isinstance(found, Arena) and args.save is not None:
        found.save(args.save)
    return 0 if found.complete else INTERRUPTED


def _report(args: argparse.Namespace) -> int:
    from mmactors.research.arena import league_table
    from mmactors.research.report import report

    log_only("ERROR")
    try:
        arena = league_table.Arena.load(args.arena)
        calibration = None if args.calibration is None else report.read_calibration(args.calibration)
        for path in report.make(arena, args.out, calibration, prices=args.prices, progress=write_error):
            announce(str(path))
    except (league_table.ArenaFileError, report.ReportError) as error:
        raise UsageError(str(error), error.exit_code) from None
    return 0


def _ablate(args: argparse.Namespace) -> int:
    from mmactors import config
    from mmactors.research.arena import ablation
    from mmactors.research.arena.league_table import as_json

    asked = ["terms", "values"] if args.only is None else [name.strip() for name in args.only.split(",")]
    if unknown := [name for name in asked if name not in ablation.GROUPS]:
        raise UsageError(f"--only {','.join(unknown)}: there are {', '.join(ablation.GROUPS)}", USAGE)
    names = {name for group in asked for name in ablation.GROUPS[group]}
    try:
        seeds = tuple(dict.fromkeys(int(seed) for seed in args.seed.split(",")))
    except ValueError:
        raise UsageError(f"--seed {args.seed}: not whole numbers with commas between", USAGE) from None
    options = {} if args.session is None else {"--session": _series(args.session)}
    environ, variants = overridden(options), [each for each in ablation.VARIANTS if each.name in names]
    configured(args.conf, options)
    try:
        found = ablation.run(
            args.conf, environ, variants, args.sessions, seeds, processes=args.processes, progress=write_error
        )
    except config.ConfigError as error:
        raise UsageError(f"{args.conf}: a variant contradicts it: {error.lines[0]}", error.exit_code) from None
    for line in [as_json(found.figures())] if args.json else found.lines():
        announce(line)
    return 0


def _sweep(args: argparse.Namespace) -> int:
    from mmactors.config.errors import ConfigError
    from mmactors.research.sweep import executors, grid, sweep

    if args.scheduler is not None and args.processes is not None:
        raise UsageError("--processes are this machine's; a --scheduler has workers of its own", USAGE)
    try:
        wanted = grid.load(args.grid, os.environ)
    except ConfigError as error:
        raise usage_error(args.grid, error) from None
    folder = args.out or Path("var/sweep") / args.grid.stem
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        workers = executors.Processes(args.processes) if args.scheduler is None else executors.Cluster(args.scheduler)
        found = sweep.run(wanted, folder, workers, progress=write_error)
    except executors.SweepStoppedError as stopped:
        raise UsageError(str(stopped), stopped.exit_code) from None
    except KeyboardInterrupt:
        raise UsageError(f"interrupted; {folder} keeps what is done, the same command goes on", INTERRUPTED) from None
    for line in [json.dumps(found.figures(), indent=2)] if args.json else [*found.lines(), f"written to {folder}"]:
        announce(line)
    return 0


def _replay(args: argparse.Namespace) -> int:
    config = None if args.config is None else configured(args.config)
    from mmactors.ops.event_log import EVENTS, EventLogError
    from mmactors.replay import replay, what_if

    log = args.log / EVENTS if args.log.is_dir() else args.log
    try:
        found: replay.Replay | what_if.Contrast
        if config is None:
            found = replay.prove(log, market=args.market, progress=write_error)
        else:
            found = what_if.contrast(log, config, market=args.market, progress=write_error)
    except EventLogError as error:
        raise UsageError(str(error), error.exit_code) from None
    for line in [json.dumps(found.figures(), indent=2)] if args.json else found.lines():
        announce(line)
    return 1 if isinstance(found, replay.Replay) and not found.identical else 0
