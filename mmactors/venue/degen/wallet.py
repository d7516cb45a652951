"""Login by wallet: the venue's message is signed with our private key (EIP-191) and exchanged for a token.

Owns the key for as long as the process lives; it never leaves this module, in no line and no repr. Needs the extra
`wallet` (eth-account), which is imported when a wallet is made and by nobody else.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mmactors.venue.degen.credentials import MissingSecretError
from mmactors.venue.degen.rest import VenueRefusedError, VenueRest, VenueUnreachableError

WALLET_VARIABLE = "DEGEN_WALLET_KEY"
"""Where the environment holds the private key."""

NOT_OFFERED = frozenset({404, 405, 501})


def wallet_key(environ: Mapping[str, str]) -> str | None:
    """Return the private key, None without one."""
    return environ.get(WALLET_VARIABLE, "").strip() or None


class WalletLogin:
    """Gets a token by signing; one login per call, which blocks while the venue is asked."""

    def __init__(self, key: str, rest: Callable[[], VenueRest]) -> None:
        """Args:
        key: the private key, hexadecimal.
        rest: makes a client that sends no token.

        Raises:
            MissingSecretError: the key is none, or there is nothing to sign with.
        """
        try:
            from eth_account import Account
            from eth_account.messages import encode_defunct
        except ImportError:
            raise MissingSecretError(
                f"{WALLET_VARIABLE} is set, but signing needs eth-account: install the program with its extra 'wallet'"
            ) from None
        try:
            self._account: Any = Account.from_key(key)
        except Exception:  # noqa: BLE001 - whatever the library raises may quote the key
            self._account = None
        if self._account is None:  # outside the handler: no traceback leads to the library's words
            raise MissingSecretError(f"{WALLET_VARIABLE} is no private key: 64 hexadecimal digits are")
        self.address = str(self._account.address)
        self._encode = encode_defunct
        self._rest = rest

    def __call__(self) -> str:
        """Log in; return the token.

        Raises:
            MissingSecretError: the venue offers no such login, or gives no token.
            VenueUnreachableError, CredentialsRefusedError, VenueRefusedError: as every REST call.
        """
        rest = self._rest()
        try:
            message = rest.login_message(self.address)
            signed = self._account.sign_message(self._encode(text=message))
            return rest.log_in(self.address, message, "0x" + bytes(signed.signature).hex())
        except (VenueRefusedError, VenueUnreachableError) as failed:
            if failed.status in NOT_OFFERED:
                raise MissingSecretError("the venue offers no login by wallet: give the program a token") from None
            raise
        finally:
            rest.close()

    def __repr__(self) -> str:
        return f"WalletLogin({self.address})"
