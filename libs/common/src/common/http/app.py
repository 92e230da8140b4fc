"""The FastAPI application of a service, with all that is the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from common.auth import Authenticator, public
from common.clock import Clock
from common.db import Database
from common.http import problems
from common.http.idempotency import Replayed, replay
from common.http.middleware import Edge
from common.readiness import Readiness
from common.settings import ServiceSettings


def create_app(
    service: str,
    settings: ServiceSettings,
    *,
    database: Database,
    clock: Clock,
    routers: Sequence[APIRouter],
    title: str,
    description: str = "",
    body_limits: Mapping[str, int | None] | None = None,
) -> FastAPI:
    """`body_limits`: by path prefix, bytes or None for no limit; other paths take `settings.body_limit_bytes`."""
    app = FastAPI(
        title=title,
        description=description,
        version="1",
        generate_unique_id_function=lambda route: route.name,
        responses={401: problems.PROBLEMS[401], 403: problems.PROBLEMS[403], 422: problems.PROBLEMS[422]},
    )
    app.state.database = database
    app.state.clock = clock
    app.state.settings = settings
    app.state.authenticator = Authenticator(settings, clock)
    app.state.readiness = Readiness(service, database)
    problems.install(app)
    app.add_exception_handler(Replayed, replay)
    app.openapi = lambda: _documented(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    for router in routers:
        app.include_router(router)
    app.include_router(_operations(app))
    app.add_middleware(Edge, service=service, clock=clock, limit=settings.body_limit_bytes, limits=body_limits or {})
    return app


def _documented(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, made once, with the media type that errors really have."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document: dict[str, Any] = FastAPI.openapi(app)
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if status[0] in "45" and "application/json" in content:
                    content[problems.MEDIA_TYPE] = content.pop("application/json")
    return document


def _operations(app: FastAPI) -> APIRouter:
    router = APIRouter(tags=["operations"], dependencies=[public()])

    @router.get("/healthz", summary="The process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="It can work: database, migrations, Kafka assignment")
    async def readyz() -> Response:
        readiness: Readiness = app.state.readiness
        checks: dict[str, Any] = await readiness.check()
        ready = all(value == "ok" for value in checks.values())
        return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)

    @router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
