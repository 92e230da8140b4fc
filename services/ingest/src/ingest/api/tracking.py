"""`POST /v1/tracking/{source}/v1/{call}`: Segment's tracking API, for products that are already instrumented."""

from __future__ import annotations

import asyncio
import base64
import binascii
from datetime import datetime
from typing import Any, Literal

from common.auth import public
from common.http import PROBLEMS
from common.http.problems import problem
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from ingest import interpret, metrics
from ingest.config import Source
from ingest.domain.arrival import Arrival, Item
from ingest.domain.statement import Unreadable
from ingest.runtime import Runtime, RuntimeDep
from ingest.sources import bodies, segment, signatures, tracking
from ingest.sources.tracking import Call

router = APIRouter(tags=["tracking"])

VENDOR = "segment"
OFF_LOOP_BYTES = 16 << 10
_CALL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "userId": {"type": "string"},
        "groupId": {"type": "string"},
        "event": {"type": "string", "examples": ["Report Exported"]},
        "properties": {"type": "object"},
        "traits": {"type": "object"},
        "context": {"type": "object"},
        "messageId": {"type": "string", "maxLength": tracking.MESSAGE_ID},
        "timestamp": {"type": "string", "format": "date-time"},
        "sentAt": {"type": "string", "format": "date-time"},
        "writeKey": {"type": "string", "description": "Where Basic credentials cannot be sent."},
        "batch": {"type": "array", "items": {"type": "object"}, "description": "Of `batch` and `import`."},
    },
    "example": {"userId": "u-17", "event": "Report Exported", "messageId": "m-1", "context": {"groupId": "acme"}},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "As Segment's libraries send it, gzip or not: 32 KB a call, 500 KB a batch.",
        "content": {"application/json": {"schema": _CALL}},
    }
}


class Success(BaseModel):
    """Durable."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"success": True}]})

    success: Literal[True] = True


@router.post(
    "/v1/tracking/{source}/v1/{call}",
    summary="Segment's tracking API; user name of Basic credentials: the source's secret",
    dependencies=[public()],
    response_model=Success,
    responses={status: PROBLEMS[status] for status in (400, 401, 404, 503)},
    openapi_extra=_BODY,
)
async def track_calls(request: Request, runtime: RuntimeDep, source: str, call: Call) -> Response:
    """200 once it is durable; the same messageId counts once. Libraries retry what is 5xx and drop what is 4xx."""
    known = runtime.sources.get(source)
    if known is None or known.vendor != VENDOR:
        return problem(404, "no source of the vendor segment has this name", request=request)
    started, received_at = runtime.clock.monotonic(), runtime.clock.now()
    body, size, bent = _read(request, await request.body(), tracking.limit_of(call))
    refusal = _refusal(runtime, known, request, tracking.write_key(body))
    if refusal is not None:
        metrics.REFUSED.labels(source, "signature").inc()
        runtime.book.refused(source, received_at, refusal)
        return problem(401, "the write key is wrong or missing", request=request)
    try:
        if bent is not None:
            raise bent
        calls = tracking.taken_apart(body, call, received_at, size)
    except Unreadable as unreadable:
        runtime.book.refused(source, received_at, unreadable.reason)
        return problem(400, unreadable.reason, request=request)
    made = (runtime, known, request, calls, received_at)
    arrival = await asyncio.to_thread(_arrival, *made) if size > OFF_LOOP_BYTES else _arrival(*made)
    runtime.book.received(source, received_at, await runtime.intake.submit(arrival))
    metrics.ACCEPT.labels(source).observe(runtime.clock.monotonic() - started)
    return JSONResponse({"success": True})


def _read(request: Request, raw: bytes, limit: int) -> tuple[Any, int, Unreadable | None]:
    """The body, its bytes unpacked, and why it cannot be read: said only to who shows the key."""
    try:
        unpacked = _unpacked(request, raw, limit)
        return bodies.parse(unpacked), len(unpacked), None
    except Unreadable as unreadable:
        return None, 0, unreadable


def _unpacked(request: Request, raw: bytes, limit: int) -> bytes:
    """The body as meant. Raises Unreadable, also for what is over Segment's limit: Segment answers 400 to both."""
    try:
        body = bodies.unpack(raw, request.headers.get("content-encoding", "").strip().lower(), limit)
    except bodies.TooLarge as too_large:
        raise Unreadable(f"over {limit} bytes") from too_large
    if len(body) > limit:
        raise Unreadable(f"over {limit} bytes")
    return body


def _refusal(runtime: Runtime, source: Source, request: Request, in_body: str | None) -> str | None:
    """Why the call is not taken."""
    if source.allow_addresses and not signatures.allowed(request.client, source.allow_addresses):
        return f"{request.client.host if request.client else 'nobody'} is not among the allowed addresses"
    shown = [key for key in (_basic(request.headers.get("authorization", "")), in_body) if key]
    if not shown:
        return "no write key was shown"
    secrets = runtime.secrets.get(source.name)
    given = [key.encode("utf-8", "surrogateescape") for key in shown]
    # every pair is compared, so that time tells nothing of which was near
    matches = [signatures.same_bytes(secret, key) for secret in secrets for key in given]
    return None if any(matches) else "the write key is wrong"


def _basic(header: str) -> str | None:
    """The user name of Basic credentials; libraries leave the password empty."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return pair.partition(b":")[0].decode("utf-8", "surrogateescape")


def _arrival(
    runtime: Runtime, source: Source, request: Request, calls: tracking.Calls, received_at: datetime
) -> Arrival:
    """The same as a webhook of Segment's with these events; without the key, which is kept nowhere."""
    body = segment.join(calls.events)
    arrival = interpret.arrival(source, body, request.headers, received_at, runtime.reader)
    arrival.items += [
        Item(
            key=str(event["messageId"]),
            kind=bodies.text(event.get("type")) or "untyped",
            position=len(calls.events) + nth,
            body=event,
            broken=f"over {tracking.EVENT_BYTES} bytes",
        )
        for nth, event in enumerate(calls.too_large)
    ]
    return arrival
