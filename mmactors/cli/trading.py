"""The trading commands: run, check, simulator, cancel-all, inspect, audit.

Owns their arguments and how what they find is told. What a command needs is imported when it runs.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from mmactors.cli.options import Group
from mmactors.ops.terminal import (
    BAD_CONFIG,
    NO_INPUT,
    PACKAGE,
    USAGE,
    UsageError,
    announce,
    conf,
    configured,
    count,
    must_be_file,
    must_be_writable,
    port,
    seconds,
    write_error,
)


def add(commands: Group) -> None:
    """Add the trading commands to their group."""
    run = commands.add(
        "run",
        "trade until told to stop",
        "run conf/sim.yaml --stop-after 60 --report report.json",
    )
    run.add_argument("conf", type=conf, metavar="CONF", help="configuration, such as conf/sim.yaml")
    run.add_argument("--stop-after", type=seconds, metavar="SECONDS", help="then cancel everything and end")
    run.add_argument("--report", type=Path, metavar="FILE", help="write what happened as JSON")
    run.add_argument("--prices", type=Path, metavar="FILE", help="recorded prices (ts_ms, price) for the simulator")
    run.set_defaults(command=_run)

    check = commands.add(
        "check",
        "show the configuration as it holds, or everything wrong with it",
        "check conf/sim.yaml",
    )
    check.add_argument("conf", type=conf, metavar="CONF")
    check.add_argument("--json", action="store_true", help="as one JSON object, mistakes included")
    check.set_defaults(command=_check)

    simulator = commands.add(
        "simulator",
        "run the embedded venue and feeds alone",
        "simulator conf/sim.yaml --port 7717",
    )
    simulator.add_argument("conf", type=conf, metavar="CONF")
    simulator.add_argument("--prices", type=Path, metavar="FILE", help="recorded prices (ts_ms, price)")
    simulator.add_argument("--port", type=port, metavar="N", help="listen here; 0 takes a free port")
    simulator.add_argument("--watch-stdin", action="store_true", help="end when standard input closes")
    simulator.set_defaults(command=_simulator)

    cancel = commands.add(
        "cancel-all",
        "cancel every order of the account, with the program dead or alive",
        "cancel-all conf/prod.yaml",
    )
    cancel.add_argument("conf", type=conf, metavar="CONF")
    cancel.set_defaults(command=_cancel_all)

    inspect = commands.add(
        "inspect",
        "show why one market was quoted as it was",
        "inspect BTC-5M --last 20",
    )
    inspect.add_argument("market", metavar="MARKET", help="its id, or a beginning that only it has")
    inspect.add_argument("--conf", type=conf, metavar="CONF", help="whose logs (default: conf/sim.yaml)")
    inspect.add_argument("--dir", type=Path, metavar="DIR", help="folder of an instance, a run or market logs")
    inspect.add_argument("--json", action="store_true", help="as JSON, one record a line")
    inspect.add_argument("--last", type=count, metavar="N", help="only the last N records of each run")
    inspect.set_defaults(command=_inspect)

    audit = commands.add(
        "audit",
        "judge a run by the simulator's own log (exit 1: a rule was broken)",
        "audit var/sim/run-00001/venue.jsonl --market BTC-5M",
    )
    audit.add_argument("log", type=Path, metavar="LOG", help="venue.jsonl of a run")
    audit.add_argument("--json", action="store_true", help="as one JSON object")
    audit.add_argument("--market", metavar="ID", help="also tabulate this session; a beginning only it has will do")
    audit.add_argument("--plot", type=Path, metavar="FILE.png", help="draw that session, or the busiest")
    audit.add_argument("--conf", type=Path, metavar="CONF", help="limits, YAML or JSON (default: the strategy's)")
    audit.add_argument("--account", metavar="NAME", help="whose orders (default: the only client's)")
    audit.set_defaults(command=_audit)


def _run(args: argparse.Namespace) -> int:
    config = configured(args.conf)
    must_be_file(args.prices)
    if args.prices is not None and not config.simulator.embedded:
        raise UsageError("--prices drives the embedded simulator, but simulator.embedded is false", USAGE)
    if args.prices is not None and config.simulator.world.live:
        raise UsageError("--prices has no use where simulator.world.live takes the prices from the feeds", USAGE)
    must_be_writable("--report", args.report)
    from mmactors.app import live_run

    return live_run.trade(
        config, prices=args.prices, stop_after_s=args.stop_after, report=args.report, environ=os.environ
    )


def _check(args: argparse.Namespace) -> int:
    from mmactors import config
    from mmactors.app.credentials import token_source
    from mmactors.config import describe as view
    from mmactors.runtime.clock import SystemClock
    from mmactors.venue.degen.credentials import MissingSecretError

    try:
        found = config.resolve(args.conf, os.environ)
        token_source(found.config, os.environ, SystemClock())
    except (config.ConfigError, MissingSecretError) as error:
        wrong = error if isinstance(error, config.ConfigError) else config.ConfigError([str(error)], BAD_CONFIG)
        if args.json:
            announce(json.dumps({"file": str(args.conf), "valid": False, "errors": wrong.lines}, indent=2))
        for line in [] if args.json else wrong.lines:
            write_error(f"{args.conf}: {line}")
        return wrong.exit_code
    if args.json:
        announce(json.dumps(view.as_json(found, args.conf, os.environ), indent=2))
    for line in [] if args.json else view.table(found, args.conf, os.environ):
        announce(line)
    return 0


def _simulator(args: argparse.Namespace) -> int:
    config = configured(args.conf, {} if args.port is None else {"--port": {"MM__simulator__port": str(args.port)}})
    must_be_file(args.prices)
    from mmactors.simulator.server import server, tokens

    try:
        secret = tokens.signing_secret(os.environ)
    except tokens.BadSecretError as bad:
        raise UsageError(str(bad), BAD_CONFIG) from None
    return server.run(
        config,
        prices=args.prices,
        secret=secret,
        watch_stdin=args.watch_stdin,
        announce=announce,
    )


def _cancel_all(args: argparse.Namespace) -> int:
    config = configured(args.conf)
    from mmactors.app.cancel_all import cancel_all

    return cancel_all(config, environ=os.environ)


def _inspect(args: argparse.Namespace) -> int:
    from mmactors.ops import market_log_table

    folder = args.dir
    if folder is None:
        default = Path("conf/sim.yaml")
        folder = configured(args.conf or (default if default.is_file() else PACKAGE / default)).folder
    try:
        paths = market_log_table.find(folder, args.market)
    except market_log_table.NoSuchMarketError as error:
        raise UsageError(str(error), NO_INPUT) from None
    lines = market_log_table.as_json(paths, args.last) if args.json else market_log_table.table(paths, args.last)
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return 0


def _audit(args: argparse.Namespace) -> int:
    must_be_writable("--plot", args.plot)
    from mmactors.audit import AuditError, report

    try:
        return report.run(
            args.log,
            announce,
            conf=args.conf,
            account=args.account,
            market=args.market,
            plot=args.plot,
            as_json=args.json,
        )
    except AuditError as error:
        raise UsageError(str(error), error.exit_code) from None
