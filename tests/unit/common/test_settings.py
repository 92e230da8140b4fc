"""Production refuses to start on what is only good for a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from common.settings import LOCAL_JWT_SECRET, ServiceSettings
from pydantic import ValidationError

GOOD: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql://health@db/loop",
    "kafka_bootstrap_servers": "kafka:9092",
    "jwt_secret": "x" * 40,
}


def test_production_starts_with_a_secret_of_its_own() -> None:
    assert ServiceSettings(**GOOD).environment == "production"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"jwt_secret": LOCAL_JWT_SECRET}, "jwt_secret"),
        ({"jwt_secret": "short"}, "jwt_secret"),
        ({"clock_file": Path("clock.json")}, "wall time"),
        ({"kill_at": "after_commit"}, "crash tests"),
    ],
)
def test_production_refuses(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ServiceSettings(**{**GOOD, **wrong})


def test_keys_of_an_issuer_need_no_secret() -> None:
    settings = ServiceSettings(**{**GOOD, "jwt_secret": LOCAL_JWT_SECRET, "jwt_jwks_url": "https://id.example/jwks"})
    assert settings.jwt_jwks_url


def test_secrets_are_not_printed() -> None:
    assert "x" * 40 not in repr(ServiceSettings(**GOOD))
