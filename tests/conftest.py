"""Pytest's own time limit is patience, too."""

import pytest
from patience import patience


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.timeout is None:
        config.option.timeout = patience(float(config.getini("timeout")))
