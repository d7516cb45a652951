"""What the composition root decides by itself: whose token goes where."""

import jwt
import pytest

from mmactors.app import ACCOUNT, token_source
from mmactors.config import Config
from mmactors.runtime.clock import SystemClock
from mmactors.simulator import DEVELOPMENT_SECRET
from mmactors.venue.credentials import MissingSecret

REAL = {"DEGEN_API_KEY": "the.real.one"}


def token(environ: dict[str, str], **config: object) -> str:
    return token_source(Config.model_validate(config), environ, SystemClock())()


def test_a_real_venues_token_is_not_shown_to_the_embedded_simulator() -> None:
    made = token(REAL)
    claims = jwt.decode(made, DEVELOPMENT_SECRET, algorithms=["HS256"])
    assert claims["sub"] == ACCOUNT


def test_a_simulator_started_apart_is_given_the_token_there_is_or_one_made_here() -> None:
    apart = {"simulator": {"embedded": False}}
    assert token(REAL, **apart) == "the.real.one"
    assert jwt.decode(token({}, **apart), DEVELOPMENT_SECRET, algorithms=["HS256"])["sub"] == ACCOUNT


def test_a_venue_that_is_not_ours_needs_a_token_given() -> None:
    foreign = {"simulator": {"embedded": False}, "venue": {"ws_url": "wss://venue.example/ws"}}
    assert token(REAL, **foreign) == "the.real.one"
    with pytest.raises(MissingSecret, match="set DEGEN_API_KEY"):
        token({}, **foreign)


def test_a_signing_secret_that_is_too_short_is_refused_without_being_shown() -> None:
    with pytest.raises(MissingSecret, match="DEGEN_SIM_SECRET needs at least 32 characters") as refused:
        token({"DEGEN_SIM_SECRET": "hunter2"})
    assert "hunter2" not in str(refused.value)
