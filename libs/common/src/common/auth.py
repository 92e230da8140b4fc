"""Bearer JWTs (HS256 locally, JWKS in production) and a scope on every route."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import jwt
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from common.clock import Clock
from common.settings import ServiceSettings

bearer = HTTPBearer(auto_error=False, description="JWT with the scope that the route names.")

SIGNED_BY_ISSUER = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA"]


@dataclass(frozen=True)
class Principal:
    """Who calls."""

    subject: str
    scopes: frozenset[str]


class Authenticator:
    """Checks tokens: against the issuer's keys where a JWKS address is set, else against the shared secret."""

    def __init__(self, settings: ServiceSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._keys = jwt.PyJWKClient(settings.jwt_jwks_url) if settings.jwt_jwks_url else None

    async def principal(self, token: str) -> Principal:
        """Raises jwt.PyJWTError for a token that is not good now."""
        settings = self._settings
        options: Any = {"require": ["exp", "sub"], "verify_iss": bool(settings.jwt_issuer)}
        if self._keys is not None:
            key: Any = (await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)).key
            algorithms = SIGNED_BY_ISSUER
        else:
            key, algorithms = settings.jwt_secret.get_secret_value(), ["HS256"]
        claims = jwt.decode(
            token,
            key,
            algorithms=algorithms,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer or None,
            options=options,
            leeway=30,
        )
        return Principal(str(claims["sub"]), frozenset(str(claims.get("scope", "")).split()))


async def authenticate(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Principal:
    """The caller, or 401."""
    if credentials is None:
        raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
    authenticator: Authenticator = request.app.state.authenticator
    try:
        principal = await authenticator.principal(credentials.credentials)
    except jwt.PyJWTError as error:
        raise HTTPException(
            401,
            f"the bearer token is not valid: {error}",
            {"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from error
    request.state.principal = principal
    return principal


Caller = Annotated[Principal, Depends(authenticate)]
"""Parameter of a route that needs to know who calls."""


class Scope:
    """What a route asks for; the test that lets no route go without one looks for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, principal: Caller) -> None:
        if self.name not in principal.scopes:
            raise HTTPException(
                403,
                f"this needs the scope {self.name}",
                {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{self.name}"'},
            )


class Open:
    """Marks the few routes without a token: operations, and those that a vendor signs."""

    async def __call__(self) -> None:
        return


def requires(scope: str) -> Any:
    """`dependencies=[requires("health:read")]`"""
    return Depends(Scope(scope))


def public() -> Any:
    """`dependencies=[public()]`"""
    return Depends(Open())


def make_token(secret: str, *, subject: str, scopes: list[str], audience: str, clock: Clock, hours: float) -> str:
    """An HS256 token for a local stack (`loop token`)."""
    now = int(clock.wall().timestamp())
    claims = {
        "sub": subject,
        "scope": " ".join(scopes),
        "aud": audience,
        "iat": now,
        "exp": now + int(hours * 3600),
    }
    return jwt.encode(claims, secret, algorithm="HS256")
