"""The way of a webhook past the framework: routing, exit stacks and dependencies would cost half of an accept.

The routes in webhooks.py stay declared, for the OpenAPI document and the test that looks for scopes; what a post
meets is the same function either way.
"""

from __future__ import annotations

from types import SimpleNamespace

from common.clock import Clock
from common.http import problems
from common.http.middleware import Edge
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.api.webhooks import receive_webhook

PREFIX = "/v1/webhooks/"
_ROUTE = SimpleNamespace(path="/v1/webhooks/{source}")
"""What the request's metrics are named by."""


class Door:
    """Passes everything on but posts to webhooks, which it answers itself."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_webhook(scope):
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"] = self._app, _ROUTE
        request = Request(scope, receive)
        try:
            response = await receive_webhook(request, scope["path"][len(PREFIX) :].rstrip("/"))
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  (the outermost edge: logged there, and told as a problem)
            response = await problems.unexpected(request, error)
        await response(scope, receive, send)


def is_webhook(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and scope["path"].startswith(PREFIX)
        and "/" not in scope["path"][len(PREFIX) :].rstrip("/")
    )


def edged(app: FastAPI, clock: Clock, limit: int) -> ASGIApp:
    """The door in the middleware that every request passes; what goes on to the application meets it there."""
    hot = Edge(Door(app), service="ingest", clock=clock, limit=limit, limits={})

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        await (hot if is_webhook(scope) else app)(scope, receive, send)

    return either
