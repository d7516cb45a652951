"""Models of the queue at one price: which of the orders there trades first.

Owns who goes ahead of whom. It must not know prices, sizes or the book.
"""

from mmactors.config.simulator_sections import SimulatorConfig


class ArrivalQueue:
    """Price-time priority: orders of one price trade in the order they came.

    `reorders`: whether a newcomer ever goes ahead; the book asks `goes_ahead` only then.
    """

    reorders = False

    def goes_ahead(self, newcomer_is_house: bool, waiting_is_house: bool) -> bool:  # noqa: ARG002
        """Return whether a newcomer trades before an order that waits at its price."""
        return False


class ClientsLastQueue(ArrivalQueue):
    """Clients' orders trade after those of the house accounts, whenever they came: a pessimistic queue."""

    reorders = True

    def goes_ahead(self, newcomer_is_house: bool, waiting_is_house: bool) -> bool:
        """Return whether the newcomer is the house's and the waiting order a client's."""
        return newcomer_is_house and not waiting_is_house


def queue_of(config: SimulatorConfig) -> ArrivalQueue:
    """Return the queue that `simulator.queue` names."""
    return ClientsLastQueue() if config.queue == "behind" else ArrivalQueue()
