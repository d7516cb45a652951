"""A newer token while the old one still lasts: when to look for one, and looking without stopping the session.

Owns the token request's thread and the times of looking. The venue judges a token; sending it is `protocol.py`'s.
"""

import threading
from collections.abc import Callable

from loguru import logger

from mmactors.net.websocket import Wake
from mmactors.units import SECOND, Nanos, seconds
from mmactors.venue.degen.credentials import Credentials, MissingSecretError, decode_expiry
from mmactors.venue.degen.rest import VENUE_FAILURES

LOOK_EVERY_NS = Nanos(5 * SECOND)
LEAST_PAUSE_NS = Nanos(SECOND // 5)
"""How often a newer token is looked for; more often, down to this, where a token lives for seconds only."""


class TokenRequest:
    """One call for a token, in a thread of its own (it may ask the venue); rings `wake` when it is decided."""

    def __init__(self, get: Callable[[], str], wake: Wake) -> None:
        self._outcome: str | Exception | None = None
        threading.Thread(target=self._run, args=(get, wake), name="token", daemon=True).start()

    @property
    def decided(self) -> bool:
        return self._outcome is not None

    def token(self) -> str:
        """Return what came of it.

        Raises:
            VENUE_FAILURES: there is no token.
        """
        assert self._outcome is not None
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def _run(self, get: Callable[[], str], wake: Wake) -> None:
        try:
            self._outcome = get()
        except VENUE_FAILURES as failure:
            self._outcome = failure
        except Exception as error:  # noqa: BLE001 - whoever waits must learn of it, but of no argument of it
            self._outcome = MissingSecretError(f"the token cannot be had: internal error {type(error).__name__}")
        wake.ring()

    def __repr__(self) -> str:
        return f"TokenRequest({'decided' if self.decided else 'under way'})"


class Renewal:
    """The renewals of one connection.

    Args:
        credentials: the token and the way to a newer one.
        token: the one that this connection began with.
        wake: rung when a token request is decided.
        before_ns: how long before its end a newer one is looked for; half of its life if that is less.
        now: when the connection began.
    """

    def __init__(self, credentials: Credentials, token: str, wake: Wake, before_ns: Nanos, now: Nanos) -> None:
        self._credentials = credentials
        self._token = token
        self._wake = wake
        self._before_ns = before_ns
        self._began_ns = now
        self._look_at_ns = now
        self._last_logged = ""
        self._token_request: TokenRequest | None = None

    def next(self, ends_ns: Nanos, now: Nanos, *, urged: bool) -> str | None:
        """Return a newer token if one has been found since; look for one if it is time.

        Args:
            ends_ns: when the token in use ends, by our clock.
            now: the time.
            urged: the venue has announced the end.
        """
        if self._token_request is not None:
            return self._found(ends_ns) if self._token_request.decided else None
        before_ns = min(self._before_ns, (ends_ns - self._began_ns) // 2)
        if self._credentials.renewable and now >= self._look_at_ns and (urged or ends_ns - now <= before_ns):
            pause = min(LOOK_EVERY_NS, max(LEAST_PAUSE_NS, (ends_ns - now) // 10))
            self._look_at_ns = Nanos(now + pause)
            self._token_request = TokenRequest(self._credentials.renew, self._wake)
        return None

    def accepted(self, token: str, now: Nanos) -> None:
        """The venue took it: from now on it is the one in use."""
        self._credentials.accept(token)
        self._token, self._began_ns, self._last_logged = token, now, ""

    def refused(self, token: str) -> None:
        """The venue did not take it: it is not tried again."""
        self._credentials.reject(token)

    def _found(self, ends_ns: Nanos) -> str | None:
        request, self._token_request = self._token_request, None
        assert request is not None
        where = self._credentials.where
        try:
            token = request.token()
        except VENUE_FAILURES as failure:
            self._warn(f"the token ends soon and cannot be renewed: {failure}")
            return None
        expires = decode_expiry(token)
        if token == self._token:
            self._warn(f"the token ends soon and {where} has no newer one yet")
        elif expires is not None and expires < ends_ns - SECOND and decode_expiry(self._token) is not None:
            self._warn(f"the token now in {where} ends even before the one in use")
        else:
            return token
        return None

    def _warn(self, line: str) -> None:
        if line != self._last_logged:
            self._last_logged = line
            logger.warning("venue: {}; looking again", line)

    def __repr__(self) -> str:
        return f"Renewal(before {seconds(self._before_ns):g} s)"
