"""Tokens of an issuer: checked against the keys it publishes, and against nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from common.auth import Authenticator
from common.clock import SystemClock
from common.settings import LOCAL_JWT_SECRET, ServiceSettings
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER, AUDIENCE = "https://login.example/", "client-success-loop"
OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FOREIGN = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class KeyPage(BaseHTTPRequestHandler):
    """The issuer's JWKS."""

    def do_GET(self) -> None:
        key = json.loads(RSAAlgorithm.to_jwk(OURS.public_key())) | {"kid": "1", "use": "sig", "alg": "RS256"}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"keys": [key]}).encode())

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""


@pytest.fixture(scope="module")
def authenticator() -> Iterator[Authenticator]:
    server = HTTPServer(("127.0.0.1", 0), KeyPage)
    Thread(target=server.serve_forever, daemon=True).start()
    settings = ServiceSettings(
        database_url="postgresql://nobody@127.0.0.1/none",
        kafka_bootstrap_servers="",
        jwt_jwks_url=f"http://127.0.0.1:{server.server_port}/jwks",
        jwt_issuer=ISSUER,
    )
    yield Authenticator(settings, SystemClock())
    server.shutdown()
    server.server_close()


def token(key: Any = OURS, algorithm: str = "RS256", kid: str = "1", **claims: Any) -> str:
    said = {"sub": "ada", "scope": "health:read churn:read", "iss": ISSUER, "aud": AUDIENCE, "exp": 4e9} | claims
    return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})


async def test_a_token_of_the_issuer_is_taken(authenticator: Authenticator) -> None:
    principal = await authenticator.principal(token())
    assert (principal.subject, principal.scopes) == ("ada", frozenset({"health:read", "churn:read"}))


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(token(FOREIGN), id="signed by another key"),
        pytest.param(token(kid="2"), id="a key the issuer does not publish"),
        pytest.param(token(LOCAL_JWT_SECRET, "HS256"), id="the local secret, which must not count here"),
        pytest.param(token(iss="https://evil.example/"), id="another issuer"),
        pytest.param(token(aud="another-program"), id="meant for another program"),
        pytest.param(token(exp=1), id="expired"),
    ],
)
async def test_any_other_token_is_refused(authenticator: Authenticator, made: str) -> None:
    with pytest.raises(jwt.PyJWTError):
        await authenticator.principal(made)
