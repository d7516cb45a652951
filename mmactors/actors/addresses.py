"""The actors' names: the addresses that everyone tells by."""

SUPERVISOR = "supervisor"
JOURNAL = "journal"
GATEWAY = "gateway"
RISK = "risk"
HISTORY = "history"


def feed(source: str) -> str:
    """Name the actor of one price source."""
    return f"feed:{source}"


def reference(asset: str) -> str:
    """Name the actor of one asset's reference price."""
    return f"reference:{asset}"


def market(market_id: str) -> str:
    """Name the actor of one market."""
    return f"market:{market_id}"
