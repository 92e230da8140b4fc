"""What wraps every request: id and trace in the logs, time in the metrics, a limit on the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import metrics, tracing
from common.clock import Clock
from common.http.problems import problem
from common.ids import new_id

QUIET = ("/healthz", "/readyz", "/metrics")


class TooLarge(Exception):  # noqa: N818
    """The body went over its limit while it was read."""


class Edge:
    """Outermost middleware of every service."""

    def __init__(
        self, app: ASGIApp, *, service: str, clock: Clock, limit: int, limits: Mapping[str, int | None]
    ) -> None:
        self._app = app
        self._service = service
        self._clock = clock
        self._limit = limit
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name in _WANTED}
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")[:100] or str(new_id())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = self._clock.monotonic()
        status = 500
        begun = False

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status = message["status"]
                begun = True
                message.setdefault("headers", []).append((b"x-request-id", request_id.encode("latin-1")))
            await send(message)

        limit = self._limit_of(scope["path"])
        trace = headers.get(b"traceparent", b"").decode("latin-1") or None
        try:
            if limit is not None and _declared(headers) > limit:
                await self._refuse(scope, receive, answer, limit)
            else:
                with tracing.span(f"{scope['method']} {scope['path']}", trace):
                    await self._app(scope, _limited(receive, limit), answer)
        except TooLarge:
            if begun:
                raise
            await self._refuse(scope, receive, answer, limit or 0)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            if route not in QUIET:
                metrics.REQUESTS.labels(self._service, scope["method"], route, str(status)).observe(
                    self._clock.monotonic() - started
                )

    def _limit_of(self, path: str) -> int | None:
        for prefix, limit in self._limits.items():
            if path.startswith(prefix):
                return limit
        return self._limit

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        response = problem(413, f"the body is over {limit} bytes", request=Request(scope))
        await response(scope, receive, send)


_WANTED = frozenset({b"x-request-id", b"traceparent", b"content-length"})


def _declared(headers: Mapping[bytes, bytes]) -> int:
    value = headers.get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def _limited(receive: Receive, limit: int | None) -> Receive:
    if limit is None:
        return receive
    size = 0

    async def counted() -> Any:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise TooLarge
        return message

    return counted
