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


@pytest.mark.parametrize("proxies", ["127.0.0.1", "10.0.0.0/8, 192.0.2.1", "2001:db8::/32", "*", "0.0.0.0/0"])
def test_proxies_are_addresses_and_networks(proxies: str) -> None:
    settings = ServiceSettings(**{**GOOD, "forwarded_allow_ips": proxies})
    assert settings.believes_anybody is (proxies in {"*", "0.0.0.0/0"})


@pytest.mark.parametrize("proxies", ["10.0.0.0/33", "10.0.0.1/8", "proxy", "", "10.0.0.1,", "*,10.0.0.1"])
def test_a_proxy_that_would_never_be_believed_is_refused_at_start(proxies: str) -> None:
    with pytest.raises(ValidationError, match="forwarded_allow_ips"):
        ServiceSettings(**{**GOOD, "forwarded_allow_ips": proxies})


def test_keys_of_an_issuer_need_no_secret() -> None:
    settings = ServiceSettings(**{**GOOD, "jwt_secret": LOCAL_JWT_SECRET, "jwt_jwks_url": "https://id.example/jwks"})
    assert settings.jwt_jwks_url


def test_secrets_are_not_printed() -> None:
    assert "x" * 40 not in repr(ServiceSettings(**GOOD))
