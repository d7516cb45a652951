"""The embedded venue and price feeds, in a process of their own.

An implementation of the wire contract that shares no code with the client in `mmactors.venue`: only units and the
configuration. The engine, the calendar, the world and the participants are pure and driven by a clock
(`simulation.SimulatedVenue`); `run` puts them on the wall clock and one port.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from mmactors.config import Config

DEVELOPMENT_SECRET = "degen-simulator-development-secret"  # noqa: S105  documented: guards a simulation on loopback
"""What tokens are signed with unless the environment says otherwise."""

SECRET_VARIABLE = "DEGEN_SIM_SECRET"  # noqa: S105  the name of a variable
"""Where the environment says otherwise."""

SHORTEST_SECRET = 32
"""Fewer characters are no key for HS256 (RFC 7518, 3.2)."""


class BadSecretError(Exception):
    """The secret given for signing cannot be used; the text does not show it."""


def signing_secret(environ: Mapping[str, str]) -> str:
    """Return what tokens are signed with.

    Raises:
        BadSecretError: the environment's is too short.
    """
    secret = environ.get(SECRET_VARIABLE) or DEVELOPMENT_SECRET
    if len(secret.encode()) < SHORTEST_SECRET:
        raise BadSecretError(
            f"{SECRET_VARIABLE} needs at least {SHORTEST_SECRET} characters; unset, the usual one serves"
        )
    return secret


def run(config: Config, prices: Path | None, secret: str, watch_stdin: bool, announce: Callable[[str], None]) -> int:
    """Run the simulator's server until told to end; return the exit code. See `server.run`."""
    from mmactors.simulator.server.server import run as serve  # the web framework is not for those who only simulate

    return serve(config, prices, secret, watch_stdin, announce)
