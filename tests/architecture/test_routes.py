"""No route without a scope; the few open ones are listed here, each with what stands in for a token."""

from __future__ import annotations

import re
from uuid import UUID

import httpx
import pytest
from common.auth import public, requires
from fastapi import FastAPI
from fastapi.routing import APIRouter
from loopctl.api import SCOPES

from tests.architecture.routes import Route, app_of, routes_of
from tests.architecture.source import SERVICES

OPERATIONS = {"/healthz", "/readyz", "/metrics"}
SIGNED = {
    ("ingest", "/v1/webhooks/{source}"),  # the vendor's signature
    ("ingest", "/v1/tracking/{source}/v1/{call}"),  # the source's write key
    ("notify", "/v1/slack/interactions"),  # Slack's signature
}


def unguarded(route: Route) -> str | None:
    """What is wrong with a route's guard."""
    if route.path in OPERATIONS:
        return None
    if route.is_open:
        return None if (route.service, route.path) in SIGNED else "is open to everybody"
    if not route.scopes:
        return "asks for no scope"
    foreign = [scope for scope in route.scopes if not re.fullmatch(rf"{route.service}:[a-z]+", scope)]
    return f"asks for {foreign}, which is not this service's" if foreign else None


Named = tuple[str, FastAPI]


@pytest.fixture(scope="module", params=SERVICES)
def named(request: pytest.FixtureRequest) -> Named:
    return request.param, app_of(request.param)


@pytest.fixture(scope="module")
def routes(named: Named) -> list[Route]:
    return list(routes_of(*named))


async def test_nobody_gets_in_without_a_token(named: Named) -> None:
    """Asked from outside, so that it holds however FastAPI keeps its routes."""
    service, app = named
    inside = httpx.ASGITransport(app, raise_app_exceptions=False)
    got_in = []
    async with httpx.AsyncClient(transport=inside, base_url="http://test") as caller:
        for path, operations in app.openapi()["paths"].items():
            for method in operations:
                answer = await caller.request(method, re.sub(r"{\w+}", str(UUID(int=7)), path))
                if path not in OPERATIONS and (service, path) not in SIGNED and answer.status_code != 401:
                    got_in.append(f"{method} {path}: {answer.status_code}")
    assert not got_in


def test_every_described_route_is_looked_at(named: Named, routes: list[Route]) -> None:
    described = {(m.upper(), path) for path, found in named[1].openapi()["paths"].items() for m in found}
    assert described <= {(route.method, route.path) for route in routes}


def test_every_route_asks_for_a_scope_of_its_service(routes: list[Route]) -> None:
    wrong = [f"{route} {says}" for route in routes if (says := unguarded(route))]
    assert not wrong, "\n".join(wrong)
    assert any(route.scopes for route in routes)


def test_every_service_can_be_watched(routes: list[Route]) -> None:
    assert {route.path for route in routes} >= OPERATIONS


def test_routes_are_versioned_and_said_in_a_sentence(routes: list[Route]) -> None:
    mine = [route for route in routes if route.path not in OPERATIONS]
    assert [str(route) for route in mine if not route.path.startswith("/v1/")] == []
    assert [str(route) for route in mine if not route.summary] == []


def test_operation_ids_are_stable_words_and_unique(routes: list[Route]) -> None:
    ids = {(route.operation, route.path) for route in routes}
    assert len({operation for operation, _ in ids}) == len(ids)
    assert [operation for operation, _ in ids if not re.fullmatch(r"[a-z][a-z0-9_]*", operation)] == []


def test_reading_and_changing_take_different_scopes(routes: list[Route]) -> None:
    reading = {scope for route in routes if route.method == "GET" for scope in route.scopes}
    changing = {scope for route in routes if route.method in {"PUT", "PATCH", "DELETE"} for scope in route.scopes}
    assert not reading & changing


@pytest.mark.parametrize(
    ("guard", "seen"),
    [
        ([], True),
        ([public()], True),
        ([requires("churn:read")], True),
        ([requires("health:read")], False),
    ],
)
def test_a_route_without_a_guard_is_seen(guard: list[object], *, seen: bool) -> None:
    app, router = FastAPI(), APIRouter(prefix="/v1")

    @router.get("/clients", dependencies=guard)  # type: ignore[arg-type]  # what requires() gives is untyped
    async def clients() -> None: ...

    app.include_router(router)
    (route,) = routes_of("health", app)
    assert bool(unguarded(route)) is seen


def test_a_token_can_be_made_for_every_scope_and_for_no_other() -> None:
    asked = {scope for service in SERVICES for route in routes_of(service, app_of(service)) for scope in route.scopes}
    assert set(SCOPES) == asked
