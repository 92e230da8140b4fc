"""What wraps every request: id and trace in the logs, time in the metrics, a limit on the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import metrics, tracing
from common.clock import Clock
from common.http.problems import problem
from common.ids import new_id

QUIET = ("/healthz", "/readyz", "/metrics")
_WANTED = frozenset({b"x-request-id", b"traceparent", b"content-length"})


class _Body:
    """Counts the body while it is read; over its limit the reader gets an error and the caller a 413."""

    def __init__(self, receive: Receive, limit: int | None, declared: int) -> None:
        self._receive = receive
        self._limit = limit
        self._size = 0
        self.too_large = limit is not None and declared > limit

    async def __call__(self) -> Any:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._limit is not None and self._size > self._limit:
            self.too_large = True
            raise ClientDisconnect
        return message


class _Answer:
    """Passes the response on with the request's id, and keeps its status for the metrics."""

    def __init__(self, send: Send, body: _Body, request_id: str) -> None:
        self._send = send
        self._body = body
        self._request_id = request_id.encode("latin-1")
        self.status = 500
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if self._body.too_large and not self.begun:
            return  # whatever the route made of the broken-off body; the 413 follows
        await self.pass_on(message)

    async def pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.begun = True
            message.setdefault("headers", []).append((b"x-request-id", self._request_id))
        await self._send(message)


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
        headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in _WANTED}
        request_id = headers.get(b"x-request-id", "")[:100] or str(new_id())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        body = _Body(receive, self._limit_of(scope["path"]), _declared(headers))
        answer = _Answer(send, body, request_id)
        started = self._clock.monotonic()
        try:
            await self._pass(scope, body, answer, headers.get(b"traceparent"))
        finally:
            route = getattr(scope.get("route"), "path", "other")
            if route not in QUIET:
                labels = (self._service, scope["method"], route, str(answer.status))
                metrics.REQUESTS.labels(*labels).observe(self._clock.monotonic() - started)

    async def _pass(self, scope: Scope, body: _Body, answer: _Answer, traceparent: str | None) -> None:
        if not body.too_large:
            try:
                with tracing.span(f"{scope['method']} {scope['path']}", traceparent):
                    await self._app(scope, body, answer)
            except ClientDisconnect:
                if not body.too_large:
                    raise
        if body.too_large and not answer.begun:
            limit = self._limit_of(scope["path"])
            refusal = problem(413, f"the body is over {limit} bytes", request=Request(scope))
            await refusal(scope, body, answer.pass_on)

    def _limit_of(self, path: str) -> int | None:
        for prefix, limit in self._limits.items():
            if path.startswith(prefix):
                return limit
        return self._limit


def _declared(headers: Mapping[bytes, str]) -> int:
    value = headers.get(b"content-length", "0")
    return int(value) if value.isdigit() else 0
