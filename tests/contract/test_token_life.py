"""A token's end, seen from the order session: renewed on the live socket, waited for, or told to be the end."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from fake_server import eventually
from live_simulator import Desk, LiveVenue, live, now
from loguru import logger
from simulator_client import token

from mmactors.messages import TokenRenewed, VenueConnected, VenueDisconnected
from mmactors.venue.degen.credentials import Credentials, MissingSecretError, TokenSource
from mmactors.venue.degen.rest import VenueRest
from mmactors.venue.degen.wallet import WalletLogin


@pytest.fixture
def lines() -> Iterator[list[str]]:
    said: list[str] = []
    sink = logger.add(lambda message: said.append(str(message)), level="DEBUG", format="{message}")
    yield said
    logger.remove(sink)


def from_file(path: Path) -> Credentials:
    source = TokenSource("DEGEN_API_KEY", path, {})
    return Credentials(source, where=source.where, rotates=source.rotates)


def rotate(path: Path, new: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(new + "\n", encoding="utf-8")
    beside.replace(path)


def after(at_s: float) -> None:
    eventually(lambda: time.time() > at_s, "that moment")


def test_a_rotated_file_renews_the_token_on_the_live_socket(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "token"
    first, second = token(seconds=3), token(seconds=600)
    ends = jwt.decode(first, options={"verify_signature": False})["exp"]
    rotate(path, first)
    with live() as venue, Desk(venue, from_file(path)) as desk:
        assert desk.wait(VenueConnected).expires_venue_ns == ends * 1_000_000_000
        assert desk.send(places=(desk.place("c1"),)).results[0].error is None
        rotate(path, second)
        assert desk.wait(TokenRenewed).expires_venue_ns > (ends + 500) * 1_000_000_000
        after(ends + 0.3)
        assert desk.send(places=(desk.place("c2"),)).results[0].error is None
        assert venue.resting() == 2, "no order was lost"
        assert desk.of(VenueDisconnected) == []
        assert len(desk.of(VenueConnected)) == 1
    assert [line for line in lines if "renewed on the live session" in line]
    assert not [line for line in lines if first in line or second in line]


def test_a_token_that_nobody_renewed_is_waited_for_and_its_orders_are_gone(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "token"
    rotate(path, token(seconds=2))
    with live() as venue, Desk(venue, from_file(path)) as desk:
        desk.wait(VenueConnected)
        assert desk.send(places=(desk.place("c1"),)).results[0].error is None
        lost = desk.wait(VenueDisconnected)
        assert not lost.fatal
        assert "token expired" in lost.reason
        assert f"waiting for a fresh one from file {path}" in lost.reason
        assert venue.resting() == 0
        rotate(path, token(seconds=600))
        desk.wait(VenueConnected, 2)
        assert desk.send(places=(desk.place("c2"),)).results[0].error is None
    assert len([line for line in lines if "has no newer one yet" in line]) == 1


def test_a_fresh_token_that_the_venue_refuses_is_the_end(tmp_path: Path) -> None:
    path = tmp_path / "token"
    rotate(path, token(seconds=2))
    with live() as venue, Desk(venue, from_file(path)) as desk:
        desk.wait(VenueConnected)
        desk.wait(VenueDisconnected)
        rotate(path, token(seconds=600, secret="not the venue's secret, but long enough"))
        lost = eventually(lambda: [r for r in desk.of(VenueDisconnected) if r.fatal], "the end")[0]
        assert "UNAUTHORIZED" in lost.reason


@pytest.mark.parametrize(
    ("newer", "words"),
    [
        (lambda: token(seconds=600, secret="not the venue's secret, but long enough"), "the newer token was refused"),
        (lambda: token("somebody-else", seconds=600), "another account's"),
        (lambda: token(seconds=1), "ends even before the one in use"),
    ],
    ids=["refused", "another's", "older"],
)
def test_a_newer_token_that_is_no_good_leaves_the_one_in_use(
    tmp_path: Path, lines: list[str], newer: Any, words: str
) -> None:
    path = tmp_path / "token"
    rotate(path, token(seconds=5))
    with live() as venue, Desk(venue, from_file(path)) as desk:
        desk.wait(VenueConnected)
        rotate(path, newer())
        eventually(lambda: any(words in line for line in lines), words)
        assert desk.send(places=(desk.place("c1"),)).results[0].error is None
        rotate(path, token(seconds=600))
        desk.wait(TokenRenewed)
        assert desk.of(VenueDisconnected) == []


def test_a_token_of_the_environment_that_expires_is_the_end_and_announced(lines: list[str]) -> None:
    made = token(seconds=2)
    source = TokenSource("DEGEN_API_KEY", None, {"DEGEN_API_KEY": made})
    with live() as venue, Desk(venue, Credentials(source, where=source.where, rotates=source.rotates)) as desk:
        desk.wait(VenueConnected)
        lost = desk.wait(VenueDisconnected)
        assert lost.fatal
        assert "environment variable DEGEN_API_KEY cannot change" in lost.reason
    assert [line for line in lines if "trading ends shortly before" in line]
    assert not [line for line in lines if made in line]


KEY = "0x" + "4c" * 32


def wallet(venue: LiveVenue, key: str = KEY) -> Credentials:
    def nothing() -> str:
        raise MissingSecretError("no venue token: set DEGEN_API_KEY")

    login = WalletLogin(key, lambda: VenueRest(venue.rest_url, None, now))
    return Credentials(nothing, where="nowhere", rotates=False, log_in=login, secrets=(key,))


def test_a_wallet_logs_in_and_renews_its_token_on_the_live_socket(lines: list[str]) -> None:
    pytest.importorskip("eth_account")
    with live(wallet_token_s=3) as venue:
        credentials = wallet(venue)
        with Desk(venue, credentials) as desk:
            connected = desk.wait(VenueConnected)
            assert connected.account.startswith("0x")
            assert desk.send(places=(desk.place("c1"),)).results[0].error is None
            desk.wait(TokenRenewed)
            after(connected.expires_venue_ns / 1e9 + 0.3)
            assert desk.of(VenueDisconnected) == []
            assert venue.resting(connected.account) == 1
        assert len(credentials.secrets) >= 3
        said = "".join(lines) + repr(credentials) + repr(vars(desk.link)) + repr(vars(desk.link.session))
        assert not [secret for secret in credentials.secrets if secret in said or secret.removeprefix("0x") in said]


def test_a_wallets_signature_counts_once_and_for_its_own_address() -> None:
    account = pytest.importorskip("eth_account").Account
    encode = pytest.importorskip("eth_account.messages").encode_defunct
    with live() as venue:
        rest = VenueRest(venue.rest_url, None, now)
        other = account.from_key("0x" + "11" * 32)
        login = WalletLogin(KEY, lambda: VenueRest(venue.rest_url, None, now))
        message = rest.login_message(login.address)
        signature = "0x" + bytes(other.sign_message(encode(text=message)).signature).hex()
        for address, text in ((login.address, message), (other.address, message), (other.address, "made up")):
            with pytest.raises(Exception, match="SIGNATURE_INVALID"):
                rest.log_in(address, text, signature)
        assert login()
        rest.close()


@pytest.mark.parametrize("key", ["0x12", "hello", "0x" + "0" * 64, "4c" * 33])
def test_a_key_that_is_none_is_refused_without_being_shown(key: str) -> None:
    pytest.importorskip("eth_account")
    with pytest.raises(MissingSecretError, match="DEGEN_WALLET_KEY is no private key") as refused:
        WalletLogin(key, lambda: None)  # type: ignore[arg-type, return-value]
    assert key not in str(refused.value) or key == "0x12"
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
