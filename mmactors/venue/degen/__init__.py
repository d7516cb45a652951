"""Degen Terminal. What the composition root needs of it: the client, REST for commands without actors, credentials.

A name is imported when it is first asked for: a run in virtual time needs the codec, but no socket and no HTTP.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmactors.venue.degen.client import DegenLink as DegenLink
    from mmactors.venue.degen.credentials import Credentials as Credentials
    from mmactors.venue.degen.credentials import MissingSecretError as MissingSecretError
    from mmactors.venue.degen.credentials import TokenSource as TokenSource
    from mmactors.venue.degen.rest import VENUE_FAILURES as VENUE_FAILURES
    from mmactors.venue.degen.rest import CredentialsRefusedError as CredentialsRefusedError
    from mmactors.venue.degen.rest import VenueRefusedError as VenueRefusedError
    from mmactors.venue.degen.rest import VenueRest as VenueRest
    from mmactors.venue.degen.rest import VenueUnreachableError as VenueUnreachableError
    from mmactors.venue.degen.wallet import WALLET_VARIABLE as WALLET_VARIABLE
    from mmactors.venue.degen.wallet import WalletLogin as WalletLogin
    from mmactors.venue.degen.wallet import wallet_key as wallet_key

_MODULES = {
    "client": ("DegenLink",),
    "credentials": ("Credentials", "MissingSecretError", "TokenSource"),
    "rest": ("VENUE_FAILURES", "CredentialsRefusedError", "VenueRefusedError", "VenueRest", "VenueUnreachableError"),
    "wallet": ("WALLET_VARIABLE", "WalletLogin", "wallet_key"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
