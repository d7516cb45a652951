"""What a busy machine needs: pytest's own time limit is patience, too, and hypothesis has none for a single case."""

import pytest
from hypothesis import HealthCheck, settings
from patience import patience

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.timeout is None:
        config.option.timeout = patience(float(config.getini("timeout")))
