"""Whose token goes where: which credentials a configuration and its environment give for the venue.

Owns the choice between the simulator's own token, a stored one and a wallet, and the rule that the simulator's
development key never leaves this machine. Where a token lies and how a wallet logs in is `venue/degen/`'s.
"""

from collections.abc import Callable, Mapping

import jwt

from mmactors.config import Config
from mmactors.net.proxies import is_direct
from mmactors.net.tls import trusted
from mmactors.runtime.clock import Clock
from mmactors.simulator.server.tokens import BadSecretError, is_development, signing_secret
from mmactors.units import SECOND
from mmactors.venue.degen import Credentials, MissingSecretError, TokenSource, VenueRest, WalletLogin, wallet_key

ACCOUNT = "mmactors"
"""The account on our own simulator."""


class DevelopmentKeyError(MissingSecretError):
    """The simulator's development key would go to a venue that is not on this machine."""


def token_source(config: Config, environ: Mapping[str, str], clock: Clock) -> Credentials:
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
    except MissingSecretError:  # reported when it is needed; the file may come later
        return
    if away and is_development(token):
        text = f"{away[0]}: not on this machine, but the token is signed with the simulator's development secret"
        raise DevelopmentKeyError(f"{text}; set {config.venue.api_key_env} to the venue's own token")
