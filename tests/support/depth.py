"""How many cases the property tests try: some hundreds each by default, `MMACTORS_DEEP` times that for a deep check."""

import os

FACTOR = int(os.environ.get("MMACTORS_DEEP", "1"))


def examples(number: int) -> int:
    """Return how many cases to try where the everyday run tries `number`."""
    return number * FACTOR
