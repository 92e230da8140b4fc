"""RFC 9457 problem+json for every error, made in one place."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from common import logging
from common.errors import Conflict, NotFound, PreconditionFailed, Refused, Unavailable
from common.faults import is_passing

log = logging.get(__name__)


class FieldError(BaseModel):
    """One thing wrong in the request."""

    field: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details; `errors` names the fields that were wrong."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: list[FieldError] | None = None


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": HTTPStatus(status).phrase}
    for status in (400, 401, 403, 404, 408, 409, 412, 413, 422, 503)
}
"""`responses=` of routes, for a true OpenAPI."""
MEDIA_TYPE = "application/problem+json"
UNPARSED = 400
"""FastAPI's answer to a body that is no JSON; ours is the one to any other wrong form."""


def problem(
    status: int,
    detail: str | None = None,
    *,
    request: Request | None = None,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """An answer of type application/problem+json."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path if request else None,
        errors=errors,
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Turn every error that leaves a route into a problem."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(NotFound, _as(404))
    app.add_exception_handler(Conflict, _as(409))
    app.add_exception_handler(PreconditionFailed, _as(412))
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(OSError, _database)
    app.add_exception_handler(TimeoutError, _database)
    app.add_exception_handler(Exception, unexpected)


async def _refused(request: Request, error: Exception) -> Response:
    named = error.field if isinstance(error, Refused) else None
    errors = [FieldError(field=named, detail=str(error))] if named else None
    return problem(422, str(error), request=request, errors=errors)


async def _invalid(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [FieldError(field=_path(e["loc"]), detail=str(e["msg"])) for e in found]
    return problem(422, "the request does not have the form this route takes", request=request, errors=errors)


async def _unavailable(request: Request, error: Exception) -> Response:
    after = error.retry_after if isinstance(error, Unavailable) else 1
    return problem(503, str(error), request=request, headers={"Retry-After": str(after)})


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == UNPARSED:
        return problem(422, "the body is not JSON", request=request)
    return problem(error.status_code, str(error.detail), request=request, headers=dict(error.headers or {}))


async def _database(request: Request, error: Exception) -> Response:
    if is_passing(error):
        log.warning("database_away", error=repr(error), path=request.url.path)
        return problem(503, "the database does not answer", request=request, headers={"Retry-After": "1"})
    return await unexpected(request, error)


async def unexpected(request: Request, error: Exception) -> Response:
    """What nobody foresaw: logged whole, told as an error of ours with the request's id."""
    log.error("request_failed", path=request.url.path, exc_info=error)
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    return problem(500, f"an error of ours; it is logged with request id {request_id}", request=request)


def _as(status: int) -> Any:
    async def answer(request: Request, error: Exception) -> Response:
        return problem(status, str(error), request=request)

    return answer


def _path(loc: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in loc if part not in {"body", "query", "path", "header"})
