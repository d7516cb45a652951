"""Cancels every order of the account over REST: the command, and the last resort of a run that fails.

It needs nobody alive, and asks nobody's leave.
"""

from collections.abc import Mapping

from mmactors.app.credentials import token_source
from mmactors.app.output import refuse, write
from mmactors.config import Config, Urls
from mmactors.net.tls import CertificatesError, trusted
from mmactors.runtime.clock import Clock, SystemClock
from mmactors.venue.degen import (
    Credentials,
    CredentialsRefusedError,
    MissingSecretError,
    VenueRefusedError,
    VenueRest,
    VenueUnreachableError,
)


def cancel_all(config: Config, environ: Mapping[str, str]) -> int:
    """Cancel every order of the account, whoever placed it; return the exit code."""
    clock = SystemClock()
    try:
        token = token_source(config, environ, clock)
        trusted(config.venue_ca)
    except (MissingSecretError, CertificatesError) as unusable:
        return refuse(78, f"cancel-all: {unusable}")
    return cancel_by_rest(config, config.urls(), token, clock)


def cancel_by_rest(config: Config, urls: Urls, token: Credentials, clock: Clock) -> int:
    """Cancel everything with these credentials; return the exit code."""
    rest = venue_rest(config, urls, token, clock)
    try:
        cancelled = rest.cancel_all()
    except (VenueUnreachableError, VenueRefusedError) as failed:
        return refuse(69, f"cancel-all: {failed}")
    except CredentialsRefusedError as failed:
        return refuse(77, f"cancel-all: {failed}")
    except MissingSecretError as missing:
        return refuse(78, f"cancel-all: {missing}")
    finally:
        rest.close()
    write(f"cancel-all: {len(cancelled)} orders cancelled at {urls.rest_url}")
    return 0


def venue_rest(config: Config, urls: Urls, token: Credentials, clock: Clock) -> VenueRest:
    """Make a client of the venue's REST API; whoever asked for it closes it."""
    venue = config.venue
    trust = trusted(config.venue_ca)
    return VenueRest(urls.rest_url, token, clock.now, venue.request_timeout_s, venue.wire_asks, trust=trust)
