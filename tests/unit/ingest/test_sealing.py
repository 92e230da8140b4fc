"""Secrets are sealed with a key that only the environment has."""

from __future__ import annotations

import base64
import os

import pytest
from ingest.adapters.sealing import Sealed, Sealer, read_keys
from ingest.settings import LOCAL_SECRETS_KEY, Settings
from pydantic import ValidationError


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def settings(**changes: object) -> Settings:
    return Settings.model_validate(
        {"database_url": "postgresql://x@localhost/x", "kafka_bootstrap_servers": "x:1", **changes}
    )


def test_what_is_sealed_is_opened_again_and_looks_like_nothing() -> None:
    sealer = Sealer(read_keys(key()))
    sealed = sealer.seal(b"whsec_1", "stripe")
    assert b"whsec" not in sealed
    assert sealer.seal(b"whsec_1", "stripe") != sealed
    assert sealer.open(sealed, "stripe") == b"whsec_1"


def test_a_row_that_is_another_rows_or_was_touched_does_not_open() -> None:
    sealer = Sealer(read_keys(key()))
    sealed = sealer.seal(b"whsec_1", "stripe")
    for other, bound in ((sealed, "hubspot"), (sealed[:-1] + bytes([sealed[-1] ^ 1]), "stripe"), (b"", "stripe")):
        with pytest.raises(Sealed):
            sealer.open(other, bound)


def test_the_key_itself_is_rotated() -> None:
    old, new = key(), key()
    sealed = Sealer(read_keys(old)).seal(b"s", "x")
    both = Sealer(read_keys(f"{new}, {old}"))
    assert both.open(sealed, "x") == b"s"
    assert both.key_id == Sealer(read_keys(new)).key_id != Sealer(read_keys(old)).key_id
    with pytest.raises(Sealed):
        Sealer(read_keys(new)).open(sealed, "x")


@pytest.mark.parametrize("wrong", ["", ",", "not base64!", base64.b64encode(b"short").decode(), ",".join([key()] * 3)])
def test_a_key_that_is_none_is_refused_at_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match="secrets_key"):
        settings(secrets_key=wrong)


def test_keys_may_be_written_for_urls_and_are_not_shown() -> None:
    raw = b"\xfb\xff" * 16
    assert read_keys(base64.urlsafe_b64encode(raw).decode()) == [raw]
    assert LOCAL_SECRETS_KEY not in repr(settings())


def test_production_refuses_the_key_that_everybody_knows() -> None:
    fit = {"environment": "production", "jwt_secret": "x" * 40}
    for known in ({}, {"secrets_key": f"{key()},{LOCAL_SECRETS_KEY}"}):
        with pytest.raises(ValidationError, match="secrets_key of its own"):
            settings(**fit, **known)
    assert settings(**fit, secrets_key=key()).environment == "production"
