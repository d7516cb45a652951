"""Models of the venue's fees: what a fill costs, and what an order must reserve for it.

Owns the rates and the rounding, against the payer. It must not know orders, accounts or the book.
Rates are in basis points; money is in integer micro-dollars; a negative fee is a rebate.
"""

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.units import DOLLAR

_WHOLE = 1_000_000
"""A rate of 100 %: rates are kept in hundredths of a basis point."""


class Fees:
    """Fees in basis points of the price p paid.

    `name` is the model's word in the venue's log, empty for this one.
    """

    name = ""

    def __init__(self, maker_bps: float = 0.0, taker_bps: float = 0.0) -> None:
        self.maker_bps = maker_bps
        self.taker_bps = taker_bps
        self._maker_rate = round(maker_bps * 100)
        self._taker_rate = round(taker_bps * 100)

    def fee(self, price: int, size: int, maker: bool) -> int:
        """Return the fee on a fill of `size` contracts at `price`."""
        rate = self._maker_rate if maker else self._taker_rate
        return -(-price * size * rate // _WHOLE) if rate else 0

    def most(self, price: int) -> int:
        """Return the most that the fee on one contract bought at `price` or better can be."""
        return -(-price * max(self._maker_rate, self._taker_rate, 0) // _WHOLE)

    def of_taker(self, probability: float, buys_yes: bool) -> float:
        """Return a taker's fee on one contract at its fair value, in dollars; `probability` is that of YES."""
        return self.taker_bps / 10_000 * (probability if buys_yes else 1 - probability)


class QuadraticFees(Fees):
    """Fees in basis points of p (1 - p): highest at even odds, nothing at certainty."""

    name = "quadratic"

    def fee(self, price: int, size: int, maker: bool) -> int:
        """Return the fee on a fill of `size` contracts at `price`."""
        rate = self._maker_rate if maker else self._taker_rate
        return -(-price * size * (DOLLAR - price) * rate // (DOLLAR * _WHOLE))

    def of_taker(self, probability: float, buys_yes: bool) -> float:  # noqa: ARG002
        """Return a taker's fee on one contract at its fair value, in dollars; `probability` is that of YES."""
        return self.taker_bps / 10_000 * (probability * (1 - probability))


def fees_of(config: SimulatorConfig) -> Fees:
    """Return the fees that `simulator.fees` names, at the configured rates."""
    model = QuadraticFees if config.fees == "quadratic" else Fees
    return model(config.maker_bps, config.taker_bps)
