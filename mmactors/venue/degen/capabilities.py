"""Which of the contract's capabilities a venue has, and what is done where one is missing: decided here alone.

| without | instead |
|---|---|
| `ws_orders` | orders go over REST, a request each, and are reported as they are answered |
| `batch` | every item travels alone |
| `replace` | an order that is to move is cancelled, and placed anew once the cancel is confirmed |
| `post_only` | what would cross the book as it is known is refused here; what crosses all the same is accepted |
| `mass_cancel` | the open orders are listed and cancelled one by one |
| `cancel_on_disconnect` | the REST heartbeat; and everything is cancelled when a session is lost and when one begins |
| `fills_since` | the last fills are read, and refused if they do not reach back far enough |
| `client_order_id` | nothing: the run ends (78) at the first order that comes back without its name |
| `merge` | pairs are held until the market settles |

The venue's replace keeps no promise about post-only where there is none: without `post_only` nothing is moved either.
Cancel on disconnect goes by the order session, which orders over REST have none of: without `ws_orders` it is no help.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mmactors.messages import ItemResult, Outcome, PlaceItem, SendBatch, VenueError
from mmactors.units import DOLLAR
from mmactors.venue.degen.top_of_book import Book

BOOK_WAIT_MS = 200

_INSTEAD = {
    "ws_orders": "orders go over REST",
    "batch": "every order travels alone",
    "replace": "orders are cancelled and placed anew",
    "post_only": "orders are held back by the book as it is known, and may take",
    "mass_cancel": "open orders are cancelled one by one",
    "cancel_on_disconnect": "a heartbeat over REST is tried",
    "fills_since": "only the last fills can be read",
    "merge": "pairs are held until the market settles",
    "client_order_id": "the first order that comes back without its name ends the run",
}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A venue's capabilities as the program uses them."""

    ws_orders: bool = True
    batch: bool = True
    replace: bool = True
    post_only: bool = True
    mass_cancel: bool = True
    cancel_on_disconnect: bool = True
    fills_since: bool = True
    client_order_id: bool = True
    merge: bool = True

    @classmethod
    def of(cls, capabilities: frozenset[str]) -> "Capabilities":
        """Return what the venue lists, as the program may use it."""
        usable = {name: name in capabilities for name in _INSTEAD}
        usable["replace"] &= usable["post_only"]
        usable["cancel_on_disconnect"] &= usable["ws_orders"]
        return cls(**usable)

    @property
    def usable(self) -> frozenset[str]:
        """The capabilities that the program may count on."""
        return frozenset(name for name in _INSTEAD if getattr(self, name))

    @property
    def missing(self) -> str:
        """What is missing and what is done instead, for people; empty if nothing is."""
        lacking = [f"no {name}: {instead}" for name, instead in _INSTEAD.items() if not getattr(self, name)]
        return "; ".join(lacking)


EVERYTHING = Capabilities()


def hold_back(batch: SendBatch, books: Mapping[str, Book]) -> tuple[SendBatch, tuple[ItemResult, ...]]:
    """Keep post-only for a venue that does not: return the batch without it, and the refusals of what would take."""
    refused = {item.client_id: error for item in batch.places if (error := _would_take(item, books)) is not None}
    places = tuple(replace(item, post_only=False) for item in batch.places if item.client_id not in refused)
    results = tuple(ItemResult("place", name, None, error) for name, error in refused.items())
    return replace(batch, places=places), results


def _would_take(item: PlaceItem, books: Mapping[str, Book]) -> VenueError | None:
    if not item.post_only:
        return None
    book = books.get(item.market)
    if book is None or not book.usable:
        return VenueError("later", "BOOK_UNKNOWN", "whether it would rest is not known yet", BOOK_WAIT_MS)
    bid, ask = book.best
    if item.outcome is Outcome.YES:
        takes = ask is not None and item.price_micros >= ask
    else:
        takes = bid is not None and DOLLAR - item.price_micros <= bid
    return VenueError("refused", "POST_ONLY_WOULD_CROSS", "by the book as it is known") if takes else None
