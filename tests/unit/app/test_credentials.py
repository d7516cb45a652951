"""Whose token goes where."""

import jwt
import pytest

from mmactors.app.credentials import ACCOUNT, DevelopmentKeyError, token_source
from mmactors.config import Config
from mmactors.runtime.clock import SystemClock
from mmactors.simulator.server.tokens import DEVELOPMENT_SECRET
from mmactors.venue.degen.credentials import MissingSecretError

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
    with pytest.raises(MissingSecretError, match="set DEGEN_API_KEY"):
        token({}, **foreign)


def test_a_signing_secret_that_is_too_short_is_refused_without_being_shown() -> None:
    with pytest.raises(MissingSecretError, match="DEGEN_SIM_SECRET needs at least 32 characters") as refused:
        token({"DEGEN_SIM_SECRET": "hunter2"})
    assert "hunter2" not in str(refused.value)


def made_here(secret: str = DEVELOPMENT_SECRET) -> dict[str, str]:
    return {"DEGEN_API_KEY": jwt.encode({"sub": "a", "exp": 2_000_000_000}, secret, algorithm="HS256")}


@pytest.mark.parametrize(
    "config",
    [
        {"venue": {"ws_url": "wss://venue.example/ws"}},
        {"venue": {"rest_url": "http://10.0.0.5:80", "ws_url": "ws://127.0.0.1:80/ws"}},
        {"simulator": {"host": "10.0.0.5"}},
    ],
)
def test_the_development_key_does_not_leave_this_machine(config) -> None:
    away = {**config, "simulator": {**config.get("simulator", {}), "embedded": False}}
    with pytest.raises(
        DevelopmentKeyError, match="signed with the simulator's development secret; set DEGEN_API_KEY"
    ) as told:
        token(made_here(), **away)
    assert made_here()["DEGEN_API_KEY"] not in str(told.value)
    own = made_here("another secret of at least 32 characters")
    assert token(own, **away) == own["DEGEN_API_KEY"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
def test_the_development_key_serves_a_venue_on_this_machine(host) -> None:
    here = {"simulator": {"embedded": False}, "venue": {"ws_url": f"ws://{host}:7/ws"}}
    assert token(made_here(), **here) == made_here()["DEGEN_API_KEY"]
