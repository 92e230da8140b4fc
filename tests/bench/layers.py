"""Where an accept's own time goes: CPU microseconds of each part, in this process, without sockets or a database."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from typing import Any

from common.clock import SystemClock
from common.http.middleware import Edge
from ingest import interpret
from ingest.domain.arrival import Arrival, Outcome, Receipt
from ingest.main import build
from ingest.settings import Settings
from ingest.sources import VENDORS, signatures
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.bench.replicas import SECRET, SOURCE, posts

COUNT = 3_000


class _Durable:
    """In place of the group commit: everything is accepted at once."""

    async def submit(self, arrival: Arrival) -> Receipt:
        await asyncio.sleep(0)
        receipt = Receipt()
        receipt.outcomes[Outcome.MAPPED] += len(arrival.items)
        return receipt


def costs() -> dict[str, int]:
    """Microseconds a post: middleware, signature, mapping, and the whole with and without the framework."""
    settings = Settings(
        database_url="postgresql://nobody@127.0.0.1:1/none", kafka_bootstrap_servers="127.0.0.1:1",
        jwt_secret=SecretStr("x" * 40), webhook_secrets={SOURCE: [SecretStr(SECRET)]},
    )  # fmt: skip
    service = build(settings, SystemClock())
    runtime = service.app.state.ingest
    service.app.state.ingest = dataclasses.replace(runtime, intake=_Durable())
    requests = [_parts(post) for post in posts("layers", COUNT)]
    source, clock = runtime.sources[SOURCE], SystemClock()
    edge = Edge(_nothing, service="ingest", clock=clock, limit=1 << 20, limits={})
    assert service.front is not None

    def verify(headers: dict[str, str], body: bytes) -> None:
        VENDORS[SOURCE].verify(signatures.Request("POST", ("",), headers, body), SECRET.encode(), clock.wall(), source)

    def mapped(headers: dict[str, str], body: bytes) -> None:
        interpret.arrival(source, body, headers, clock.now(), runtime.reader)

    return {
        "whole_with_framework": _served(service.app, requests),
        "whole": _served(service.front, requests),
        "middleware": _served(edge, requests),
        "signature": _called(verify, requests),
        "mapping": _called(mapped, requests),
    }


def _parts(post: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = post.partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    return {name.lower(): value for name, value in lines}, body


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def _served(app: ASGIApp, requests: list[tuple[dict[str, str], bytes]]) -> int:
    async def one(headers: dict[str, str], body: bytes) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] != 202:
                raise RuntimeError(f"answered {message['status']}")

        path = f"/v1/webhooks/{SOURCE}"
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "state": {},
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        await app(scope, receive, send)

    async def all_of_them() -> int:
        for request in requests[:200]:
            await one(*request)
        began = time.process_time()
        for request in requests:
            await one(*request)
        return round((time.process_time() - began) / len(requests) * 1e6)

    return asyncio.run(all_of_them())


def _called(part: Callable[[dict[str, str], bytes], None], requests: list[tuple[dict[str, str], bytes]]) -> int:
    began = time.process_time()
    for request in requests:
        part(*request)
    return round((time.process_time() - began) / len(requests) * 1e6)
