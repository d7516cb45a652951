"""The world's prices as Binance tells them: bookTicker and aggTrade frames, stream names, control replies.

Owns the exchange's format (venue-contract.md section 4). Pure: randomness and time are passed in; it knows no socket.
"""

import math
import re
from random import Random
from typing import Protocol

from mmactors.simulator.venue.replies import Json

TRADES_PER_S = 3.0
_STREAM = re.compile(r"([a-z0-9]{2,20})@(bookTicker|aggTrade)")


class Priced(Protocol):
    """Whatever has a price now."""

    @property
    def price(self) -> float:
        """The price."""


def parse_stream(name: str) -> tuple[str, str] | None:
    """Return a stream's symbol and kind, or None for one this feed does not have."""
    match = _STREAM.fullmatch(name)
    return None if match is None else (match[1], match[2])


class Ticker:
    """One asset's frames: the best bid and ask a cent apart around the price, and trades at one of them."""

    def __init__(
        self, asset: str, path: Priced, rng: Random, start_ms: int, trades_per_s: float = TRADES_PER_S
    ) -> None:
        self.asset = asset
        self.symbol = f"{asset.lower()}usdt"
        self._upper = self.symbol.upper()
        self._path = path
        self._rng = rng
        self._trades_per_s = trades_per_s
        self._update_id = start_ms * 10
        self._trade_id = start_ms
        self._next_trade_ms = float(start_ms)

    def book_ticker(self) -> Json:
        """Return the current bookTicker; quantities change even where prices do not."""
        self._update_id += self._rng.randint(1, 40)
        bid = self._bid()
        return {
            "u": self._update_id,
            "s": self._upper,
            "b": f"{bid:.8f}",
            "B": f"{self._quantity():.8f}",
            "a": f"{bid + 0.01:.8f}",
            "A": f"{self._quantity():.8f}",
        }

    def book(self) -> tuple[float, float]:
        """Return the bid and the ask that `book_ticker` would tell, as their texts read; randomness moves on alike."""
        rng = self._rng
        self._update_id += rng.randrange(1, 41)
        rng.random()  # the quantities'
        rng.random()
        cents = self._bid_cents()
        return cents / 100, (cents + 1) / 100

    def prints(self, now_ms: int) -> list[float]:
        """Return the prices that `trades` would tell, as their texts read; randomness moves on alike."""
        found: list[float] = []
        while self._next_trade_ms <= now_ms:
            self._next_trade_ms += self._rng.expovariate(self._trades_per_s) * 1000
            self._trade_id += 1
            sold = self._rng.random() < 0.5
            found.append((self._bid_cents() + (0 if sold else 1)) / 100)
            self._rng.random()  # the quantity's
        return found

    def trades(self, now_ms: int) -> list[Json]:
        """Return the aggTrades since the last call, all at the current price."""
        found: list[Json] = []
        while self._next_trade_ms <= now_ms:
            self._next_trade_ms += self._rng.expovariate(self._trades_per_s) * 1000
            self._trade_id += 1
            sold = self._rng.random() < 0.5
            found.append(
                {
                    "e": "aggTrade",
                    "E": now_ms,
                    "s": self._upper,
                    "a": self._trade_id,
                    "p": f"{self._bid() + (0.0 if sold else 0.01):.8f}",
                    "q": f"{self._quantity() / 50:.8f}",
                    "f": self._trade_id,
                    "l": self._trade_id,
                    "T": now_ms,
                    "m": sold,
                    "M": True,
                }
            )
        return found

    def _bid(self) -> float:
        return self._bid_cents() / 100

    def _bid_cents(self) -> int:
        return max(1, math.floor(self._path.price * 100 + 1e-6))

    def _quantity(self) -> float:
        return 0.00001 + round(self._rng.expovariate(0.5), 5)
