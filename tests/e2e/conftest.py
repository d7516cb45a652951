"""What every end-to-end test may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from desktop import Desktop


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    made = Desktop(tmp_path)
    yield made
    made.end()
