"""Where the venue's token comes from: the environment, a file, or a wallet login. It is never shown.

Owns which of them counts, whether a newer token can be had, and what a token says of itself (read, not verified: that
is the venue's part). How a wallet logs in is `wallet.py`'s.
"""

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt

from mmactors.units import SECOND, Nanos


class MissingSecretError(Exception):
    """There is no usable token; the message names where it was looked for, never what was found."""


class TokenSource:
    """The token, from the environment first, else from a file (such as systemd's LoadCredential provides)."""

    def __init__(self, variable: str, file: Path | None, environ: Mapping[str, str]) -> None:
        """Args:
        variable: the environment variable's name.
        file: a file holding nothing but the token, or None.
        environ: the environment.
        """
        self._variable = variable
        self._file = file
        self._environ = environ

    @property
    def rotates(self) -> bool:
        """Whether a newer token may turn up: a file can be written anew, the environment of a process cannot."""
        return self._file is not None and not self._environ.get(self._variable, "").strip()

    @property
    def where(self) -> str:
        """Where the token comes from, for people."""
        return f"file {self._file}" if self.rotates else f"environment variable {self._variable}"

    def __call__(self) -> str:
        """Return the token as it stands now; a renewed file is seen.

        Raises:
            MissingSecretError: there is none, or it cannot be one.
        """
        token = self._environ.get(self._variable, "").strip()
        if not token and self._file is not None:
            try:
                token = self._file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "not text"
                raise MissingSecretError(
                    f"no venue token: {self._variable} is not set and {self._file} cannot be read ({why})"
                ) from None
        if not token:
            also = f" or put it into {self._file}" if self._file is not None else " or configure venue.api_key_file"
            raise MissingSecretError(f"no venue token: set {self._variable}{also}")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise MissingSecretError(f"the venue token in {self.where} is not one word of printable characters")
        return token

    def __repr__(self) -> str:
        return f"TokenSource({self._variable}, {self._file})"


class Credentials:
    """The token in use, and the way to a newer one. May be asked by several threads.

    A stored token counts before a wallet; once the wallet has logged in, the token that lasts longer counts.
    `secrets` are all that have passed through here, for whoever must keep them out of a text.
    """

    def __init__(
        self,
        stored: Callable[[], str],
        *,
        where: str,
        rotates: bool,
        log_in: Callable[[], str] | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        """Args:
        stored: reads the token that was given to us; raises MissingSecretError without one.
        where: where that is, for people.
        rotates: whether it may be a newer one the next time.
        log_in: gets a token by the wallet, None without one; blocks while it asks the venue.
        secrets: what else may not be shown.
        """
        self.secrets = set(secrets)
        self._stored = stored
        self._rotates = rotates
        self._log_in = log_in
        self._where = where
        self._lock = threading.Lock()
        self._in_use: str | None = None
        self._rejected: set[str] = set()
        self._from_wallet: str | None = None

    @property
    def renewable(self) -> bool:
        """Whether a newer token may be had."""
        return self._rotates or self._log_in is not None

    @property
    def where(self) -> str:
        """Where a newer token is looked for, for people."""
        ways = [self._where] if self._rotates or self._log_in is None else []
        return " or ".join([*ways, "the wallet's login"] if self._log_in is not None else ways)

    def __call__(self) -> str:
        """Return the token in use, the newest if none is yet.

        Raises:
            MissingSecretError: there is none. And whatever the wallet's login raises.
        """
        if (token := self._in_use) is not None:  # a cancel must not wait while the wallet logs in
            return token
        with self._lock:
            return self._take(self._newest())

    def log_in(self) -> str:
        """Return the newest token that is at hand, which is the one in use from now on.

        Raises:
            As a call.
        """
        with self._lock:
            return self._take(self._newest())

    def renew(self) -> str:
        """Return the file's token if it is another one than that in use, else the wallet's by a new login.

        It is not in use before `accept`.

        Raises:
            As a call.
        """
        with self._lock:
            stored = self._read()
            if stored is None or (self._log_in is not None and (not self._rotates or stored == self._in_use)):
                stored = self._ask_wallet()
            self.secrets.add(stored)
            return stored

    def accept(self, token: str) -> None:
        """The venue takes this one: it is the one in use."""
        with self._lock:
            self._take(token)

    def reject(self, token: str) -> None:
        """The venue does not take this one: it is not used, wherever it stands."""
        with self._lock:
            self._rejected.add(token)

    def check(self) -> None:
        """Make sure that there is a token, or a wallet that may get one; asks nobody.

        Raises:
            MissingSecretError: there is neither.
        """
        with self._lock:
            self.secrets |= {self._read() or ""}

    def _take(self, token: str) -> str:
        self.secrets.add(token)
        self._in_use = token
        return token

    def _newest(self) -> str:
        stored, known = self._read(), self._from_wallet
        if stored is None or (known is not None and _ends(known) > _ends(stored)):
            return known or self._ask_wallet()
        return stored

    def _read(self) -> str | None:
        try:
            stored = self._stored()
        except MissingSecretError:
            if self._log_in is None:
                raise
            return None
        if self._in_use is None:
            return stored
        if stored in self._rejected:
            return self._in_use
        if self._log_in is None and not _same_holder(stored, self._in_use):
            raise MissingSecretError(f"the token now in {self._where} is another account's: it is not used")
        return stored

    def _ask_wallet(self) -> str:
        assert self._log_in is not None
        self._from_wallet = self._log_in()
        return self._from_wallet

    def __repr__(self) -> str:
        return f"Credentials({self._where})"


def decode_expiry(token: str) -> Nanos | None:
    """Return when a token ends, nanoseconds UTC of the venue's clock; None if it does not say. Verifies nothing."""
    expires = _claims(token).get("exp")
    if isinstance(expires, bool) or not isinstance(expires, int | float) or not math.isfinite(expires):
        return None
    return Nanos(int(expires) * SECOND)


def utc(at: Nanos | None) -> str:
    """Return a time for people, to the second."""
    if at is None or not 0 <= at // SECOND < 253_402_300_800:
        return "no one says when"
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _same_holder(one: str, other: str) -> bool:
    """Whether two tokens name the same account, as far as they say so. Verifies nothing."""
    holders = _claims(one).get("sub"), _claims(other).get("sub")
    return None in holders or holders[0] == holders[1]


def _ends(token: str) -> float:
    expires = decode_expiry(token)
    return math.inf if expires is None else expires


def _claims(token: str) -> dict[str, Any]:
    try:
        return dict(jwt.decode(token, options={"verify_signature": False, "verify_exp": False}))
    except jwt.PyJWTError:
        return {}
