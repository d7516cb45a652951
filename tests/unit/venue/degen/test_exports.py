"""What the composition root gets of the venue's folder, by name."""

import pytest

from mmactors.venue import degen


def test_every_name_is_where_the_folder_says() -> None:
    for name, module in degen._HOME.items():
        found = getattr(degen, name)
        assert getattr(found, "__module__", f"{degen.__name__}.{module}") == f"{degen.__name__}.{module}"


def test_a_name_that_the_folder_does_not_have_is_an_error() -> None:
    with pytest.raises(AttributeError, match="Nothing"):
        _ = degen.Nothing
