"""A configuration from a text, and the lines with which one is refused."""

import pytest
from secret_words import SECRETS

from mmactors.config import Config, ConfigError, load


@pytest.fixture
def loaded(tmp_path):
    def make(text: str = "", **environ: str) -> Config:
        path = tmp_path / "conf.yaml"
        path.write_text(text)
        return load(path, environ)

    return make


@pytest.fixture
def refused(loaded):
    def make(text: str = "", **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as told:
            loaded(text, **environ)
        assert told.value.exit_code == 78
        shown = "\n".join([*told.value.lines, str(told.value), repr(told.value)])
        assert not [secret for secret in SECRETS if secret in shown]
        assert all("\n" not in line for line in told.value.lines)
        return told.value.lines

    return make
