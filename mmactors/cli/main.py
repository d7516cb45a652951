"""The command line, `python -m mmactors COMMAND`: run, check, simulator, record, cancel-all, inspect, research.

Owns arguments, exit codes and the last resort of errors: one `mmactors: ...` line each on stderr, never a traceback.
What a command needs is imported when it runs, so that help and `inspect` are there at once.

Exit codes: 0 clean; 1 the audit found a rule broken, or the replay a difference; 64 usage; 66 no such file; 69 venue
unreachable at start; 70 restart budget spent, or a defect; 75 another instance holds the lock; 77 credentials refused;
78 invalid configuration, missing secret or unreadable log.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mmactors import __version__
from mmactors.cli import research, trading
from mmactors.cli.options import Parser
from mmactors.compiled import build
from mmactors.ops.terminal import (
    DEFECT,
    INTERRUPTED,
    UsageError,
    announce,
    conf,
    write_error,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; without `argv`, that of this process.

    A long command of this process is carried out by the compiled program instead, where there is one.
    """
    try:
        args = parser().parse_args(argv)
    except SystemExit as end:  # help, version, or an error that has been told
        return end.code if isinstance(end.code, int) else 0
    if argv is None and getattr(args, "long", False):
        build.take_over(sys.argv[1:])
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        return command(args)
    except UsageError as error:
        write_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the user gets a line, whatever it was
        if os.environ.get("MMACTORS_TRACEBACK"):
            raise
        from mmactors.config.errors import without_tokens

        words = without_tokens(" ".join(str(error).split()))
        write_error(f"defect: {type(error).__name__}: {words} (MMACTORS_TRACEBACK=1 shows where)")
        return DEFECT


def parser() -> Parser:
    """Return what reads the command line."""
    made = Parser(
        prog="mmactors",
        description="A market maker for short-expiry binary options.",
        epilog="examples:\n  mmactors run conf/sim.yaml\n  mmactors backtest conf/sim.yaml --session 5M --sessions 20",
    )
    made.add_argument("--version", action="version", version=f"mmactors {__version__}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    trading.add(made.group("trading", commands))
    research.add(made.group("research", commands))
    completion = made.group("shell", commands).add(
        "completion",
        "write what completes commands and files in a shell",
        "completion bash > ~/.local/share/bash-completion/completions/mmactors",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(command=_completion)
    return made


def _completion(args: argparse.Namespace) -> int:
    import shtab

    made = parser()
    for each in (made, *made.commands.values()):
        for action in each._actions:
            if action.type in (Path, conf):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    announce(shtab.complete(made, args.shell))
    return 0
