"""The rigs that the desk's tests begin with."""

import pytest
from desk_rig import Rig, buy


@pytest.fixture
def rig():
    return Rig()


@pytest.fixture
def resting():
    """A rig with one order resting at 48."""
    rig = Rig()
    rig.intend(places=[buy()])
    rig.settle()
    rig.clear()
    return rig
