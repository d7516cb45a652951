"""Tokens of the venue (JWT, HS256, `sub` the account, `exp` required), what signs them, and how a wallet gets one.

Owns the signing secret, the check of a token against it, and of a wallet's signature (EIP-191) against the message that
the wallet was given. No secret, token or signature ever appears in an error's text.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jwt

from mmactors.simulator.venue.matching import RefusalError

DEVELOPMENT_SECRET = "degen-simulator-development-secret"  # noqa: S105  documented: guards a simulation on loopback
"""What tokens are signed with unless the environment names another secret."""

SECRET_VARIABLE = "DEGEN_SIM_SECRET"  # noqa: S105  the name of a variable
"""The environment variable that names another secret."""

SHORTEST_SECRET = 32
"""Fewer characters are no key for HS256 (RFC 7518, 3.2)."""

MESSAGE_LASTS_MS = 300_000
MOST_MESSAGES = 1000


class BadSecretError(Exception):
    """The secret given for signing cannot be used; the text does not show it."""


def signing_secret(environ: Mapping[str, str]) -> str:
    """Return the secret that tokens are signed with.

    Raises:
        BadSecretError: the environment's is too short.
    """
    secret = environ.get(SECRET_VARIABLE) or DEVELOPMENT_SECRET
    if len(secret.encode()) < SHORTEST_SECRET:
        raise BadSecretError(
            f"{SECRET_VARIABLE} needs at least {SHORTEST_SECRET} characters; unset, the usual one serves"
        )
    return secret


@dataclass(frozen=True, slots=True)
class Identity:
    """The account of a token, and when the token expires, milliseconds UTC."""

    account: str
    expires_at: int


def identify(token: object, secret: str, now_ms: int) -> Identity:
    """Return the identity that a token proves.

    Raises:
        RefusalError: UNAUTHORIZED, or TOKEN_EXPIRED.
    """
    if not isinstance(token, str) or not token:
        raise RefusalError("UNAUTHORIZED", "a token is needed")
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            options={"require": ["exp", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        account, expires_at = claims["sub"], int(claims["exp"]) * 1000
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
        raise RefusalError("UNAUTHORIZED", "the token is not valid") from None
    if not isinstance(account, str) or not account or account.startswith("house-"):
        raise RefusalError("UNAUTHORIZED", "the token names no account")
    if expires_at <= now_ms:
        raise RefusalError("TOKEN_EXPIRED", "the token has expired")
    return Identity(account, expires_at)


def is_development(token: str) -> bool:
    """Return whether a token is signed with the development secret; no real venue's is."""
    try:
        jwt.decode(token, DEVELOPMENT_SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_aud": False})
    except (jwt.InvalidTokenError, ValueError, TypeError):
        return False
    return True


class WalletLogin:
    """Login of wallets: issues messages to sign, and for each signed message, once, a token of the wallet's account.

    Args:
        secret: signs tokens.
        token_s: life of a token, seconds.
    """

    def __init__(self, secret: str, token_s: float) -> None:
        self._secret = secret
        self._token_s = token_s
        self._open: dict[str, int] = {}  # messages that wait for a signature, and until when

    def message(self, now_ms: int) -> str:
        """Return a message to sign.

        Raises:
            RefusalError: UNAVAILABLE: signatures cannot be checked here.
        """
        _recover()
        text = f"Log in to Degen Terminal (simulator)\nnonce {secrets.token_hex(16)}\nat {now_ms}"
        self._open = {other: until for other, until in self._open.items() if until > now_ms}
        if len(self._open) >= MOST_MESSAGES:
            raise RefusalError("UNAVAILABLE", "too many logins are under way")
        self._open[text] = now_ms + MESSAGE_LASTS_MS
        return text

    def log_in(self, address: str, message: str, signature: str, now_ms: int) -> tuple[str, int]:
        """Return a token of the account named like the address, and when it expires, milliseconds UTC.

        Raises:
            RefusalError: SIGNATURE_INVALID, or UNAVAILABLE: signatures cannot be checked here.
        """
        recover = _recover()
        known = self._open.pop(message, 0) > now_ms
        if not known or recover(message, signature) != address.lower():
            raise RefusalError(
                "SIGNATURE_INVALID", "the signature is not this address's under a message given out here"
            )
        expires = now_ms // 1000 + max(1, round(self._token_s))
        claims = {"sub": address.lower(), "exp": expires}
        return jwt.encode(claims, self._secret, algorithm="HS256"), expires * 1000


def _recover() -> Callable[[str, str], str | None]:
    """Return a function that gives the address that signed a message; None if no signature can be read."""
    try:
        from eth_account import Account
        from eth_account.messages import encode_defunct
    except ImportError:
        raise RefusalError("UNAVAILABLE", "wallet login needs the extra 'wallet' here; use a token") from None

    def recover(message: str, signature: str) -> str | None:
        try:
            return str(Account.recover_message(encode_defunct(text=message), signature=signature)).lower()
        except Exception:  # noqa: BLE001 - whatever the library finds wrong with it
            return None

    return recover


def bearer(header: str | None) -> str | None:
    """Return the token of an Authorization header, if it has one."""
    if header is None:
        return None
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None
