"""The venue port: what the gateway needs of a venue's client. A venue is a folder beside this module.

Owns the client's interface, in live and in virtual time. Requests and reports are `messages/venue.py`'s; it must not
know any venue, wire or actor.
"""

from collections.abc import Callable
from typing import Protocol

from mmactors.messages import VenueReport, VenueRequest

Deliver = Callable[[VenueReport], None]
"""Takes each report, in whatever thread the client received it; must not block or raise."""


class Link(Protocol):
    """A venue's client as the gateway uses it.

    Once the account can be traded it reports `VenueConnected`, whose `capabilities` name what the desk may count on:
    `replace`, `post_only`, `merge`. Whatever else the venue lacks the client makes up for by itself.
    """

    def start(self) -> None:
        """Start connecting; from then on reports are delivered, and a lost connection is made anew."""

    def submit(self, request: VenueRequest) -> None:
        """Take a request; never blocks, never raises. What cannot leave is reported as not sent, never kept."""

    def stop(self) -> None:
        """Send what is queued, log out and end every thread."""


Connect = Callable[[Deliver], Link]
"""Makes a client that reports through this; it does nothing before `start`."""
