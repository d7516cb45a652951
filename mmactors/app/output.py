"""What a command writes to the console: its lines, and why it refuses."""

import os
import sys

from loguru import logger


def write(line: str) -> None:
    """Write a line to the console, if there still is one."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as failed:  # a console that went away must not take the trading with it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        logger.warning("the console is gone ({}); the logs have what follows", failed.strerror)


def refuse(code: int, why: object) -> int:
    """Write why nothing more is done; return the exit code."""
    sys.stderr.write(f"mmactors: {why}\n")
    return code
