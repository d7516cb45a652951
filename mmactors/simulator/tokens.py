"""Who a token belongs to: JWT, HS256, `sub` the account, `exp` required.

Owns the check of a token against the secret. Neither ever appears in a message.
"""

from dataclasses import dataclass

import jwt

from mmactors.simulator import DEVELOPMENT_SECRET as DEVELOPMENT_SECRET
from mmactors.simulator import SECRET_VARIABLE as SECRET_VARIABLE
from mmactors.simulator.matching import Refusal


@dataclass(frozen=True, slots=True)
class Identity:
    """A token's account and when the token expires, milliseconds UTC."""

    account: str
    expires_at: int


def identify(token: object, secret: str, now_ms: int) -> Identity:
    """Return whose token this is.

    Raises:
        Refusal: UNAUTHORIZED, or TOKEN_EXPIRED.
    """
    if not isinstance(token, str) or not token:
        raise Refusal("UNAUTHORIZED", "a token is needed")
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            options={"require": ["exp", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        account, expires_at = claims["sub"], int(claims["exp"]) * 1000
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
        raise Refusal("UNAUTHORIZED", "the token is not valid") from None
    if not isinstance(account, str) or not account or account.startswith("house-"):
        raise Refusal("UNAUTHORIZED", "the token names no account")
    if expires_at <= now_ms:
        raise Refusal("TOKEN_EXPIRED", "the token has expired")
    return Identity(account, expires_at)


def is_development(token: str) -> bool:
    """Tell whether a token is signed with the secret that everybody knows; no real venue's is."""
    try:
        jwt.decode(token, DEVELOPMENT_SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_aud": False})
    except (jwt.InvalidTokenError, ValueError, TypeError):
        return False
    return True


def bearer(header: str | None) -> str | None:
    """Return the token of an Authorization header, if it has one."""
    if header is None:
        return None
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None
