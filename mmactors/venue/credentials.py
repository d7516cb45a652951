"""Where the venue's token comes from: the environment or a file. It is read when needed and never shown."""

import math
from collections.abc import Mapping
from pathlib import Path

import jwt

from mmactors.units import SECOND, Nanos


class MissingSecret(Exception):  # noqa: N818 - read as a sentence where it is caught
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

    def __call__(self) -> str:
        """Return the token as it stands now; a renewed file is seen.

        Raises:
            MissingSecret: there is none, or it cannot be one.
        """
        where = f"environment variable {self._variable}"
        token = self._environ.get(self._variable, "").strip()
        if not token and self._file is not None:
            where = f"file {self._file}"
            try:
                token = self._file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "not text"
                raise MissingSecret(
                    f"no venue token: {self._variable} is not set and {self._file} cannot be read ({why})"
                ) from None
        if not token:
            also = f" or put it into {self._file}" if self._file is not None else " or configure venue.api_key_file"
            raise MissingSecret(f"no venue token: set {self._variable}{also}")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise MissingSecret(f"the venue token in {where} is not one word of printable characters")
        return token

    def __repr__(self) -> str:
        return f"TokenSource({self._variable}, {self._file})"


def decode_expiry(token: str) -> Nanos | None:
    """Return when a token ends, nanoseconds UTC of the venue's clock; None if it does not say. Verifies nothing."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
    except jwt.PyJWTError:
        return None
    expires = claims.get("exp")
    if not isinstance(expires, int | float) or not math.isfinite(expires):
        return None
    return Nanos(int(expires) * SECOND)
