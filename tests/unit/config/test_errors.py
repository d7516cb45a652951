"""Secrets are masked wherever they stand, and nothing else is."""

import time

import pytest
from secret_words import JWT, PASSWORD, SECRETS, WALLET

from mmactors.config.errors import masked, without_tokens


@pytest.mark.parametrize("text", [f"token {JWT} end", f"0x{WALLET}", WALLET, f"https://u:{PASSWORD}@h/x"])
def test_tokens_are_masked_wherever_they_stand(text):
    for hide in (masked, without_tokens):
        assert not [secret for secret in SECRETS if secret in hide(text)]
        assert "***" in hide(text)


@pytest.mark.parametrize("text", ["BTC-15M-20261122T1405Z", "wss://h/stream", "/opt/mmactors/conf/prod.yaml"])
def test_what_is_no_secret_is_not_masked(text):
    assert masked(text) == without_tokens(text) == text


@pytest.mark.parametrize("piece", ["a", "1", "a?", "a="])
def test_masking_a_long_value_does_not_take_its_length_squared(piece):
    start = time.process_time()
    masked(piece * 100_000)
    assert time.process_time() - start < 1.0
