"""`POST /v1/webhooks/{source}`: verify, take apart, submit to the group commit, answer. Served through door.py."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from common.auth import public
from common.errors import Unavailable
from common.http import PROBLEMS
from common.http.problems import problem
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ingest import interpret, metrics
from ingest.api.models import Accepted
from ingest.config import Source
from ingest.domain.statement import Unreadable
from ingest.runtime import Runtime
from ingest.sources import CATALOGUE, VENDORS, bodies, signatures

router = APIRouter(tags=["webhooks"])

BODY_WITHIN = 15.0
"""Wall seconds that a sender may take for its body; who trickles bytes would hold a connection for ever."""
OFF_LOOP_BYTES = 16 << 10
"""Reading the words of a longer body takes long enough to be done in a thread."""
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "As the vendor sends it, signed as the vendor signs.",
        "content": {"application/json": {"schema": {}}, "text/xml": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "/v1/webhooks/{source}",
    summary="A vendor's signed webhook",
    status_code=202,
    dependencies=[public()],
    response_model=Accepted,
    responses={
        200: {
            "description": "The vendor's own answer, where it wants one.",
            "content": {"text/xml": {}, "application/json": {}},
        },
        401: PROBLEMS[401],
        404: PROBLEMS[404],
        408: PROBLEMS[408],
        413: PROBLEMS[413],
        503: PROBLEMS[503],
    },
    openapi_extra=_BODY,
)
async def receive_webhook(request: Request, source: str) -> Response:
    """202 once it is durable. A signed body that we cannot read is quarantined, never refused."""
    runtime: Runtime = request.app.state.ingest
    known = runtime.sources.get(source)
    if known is None:
        return problem(404, "no source has this name", request=request)
    try:
        async with asyncio.timeout(BODY_WITHIN):
            raw = await request.body()
    except TimeoutError:
        runtime.book.refused(source, runtime.clock.now(), f"the body was not there after {BODY_WITHIN:g} s")
        return problem(408, "the body comes too slowly", request=request, headers={"Connection": "close"})
    started = runtime.clock.monotonic()
    headers, bent = _headers(request), None
    if len(raw) > known.limit_bytes:
        return _too_large(runtime, known, request)
    try:
        body = bodies.unpack(raw, headers.get("content-encoding", "").strip().lower(), known.limit_bytes)
    except bodies.TooLarge:
        return _too_large(runtime, known, request)
    except Unreadable as unreadable:
        body, bent = raw, unreadable.reason
    refusal = _refusal(runtime, known, request, headers, raw, body)
    if refusal is not None:
        metrics.REFUSED.labels(source, "signature").inc()
        runtime.book.refused(source, runtime.clock.now(), refusal)
        return problem(401, "the signature is wrong, missing or stale", request=request)
    return await _accept(runtime, known, request, headers, body, started, bent)


@router.head("/v1/webhooks/{source}", dependencies=[public()], include_in_schema=False)
@router.get(
    "/v1/webhooks/{source}",
    summary="A vendor asks whether somebody is there",
    response_class=Response,
    dependencies=[public()],
    responses={404: PROBLEMS[404]},
)
async def greet_vendor(request: Request, source: str) -> Response:
    """200 for a configured source: some vendors look before they save a webhook."""
    runtime: Runtime = request.app.state.ingest
    if source not in runtime.sources:
        return problem(404, "no source has this name", request=request)
    return Response(status_code=200)


async def _accept(
    runtime: Runtime,
    source: Source,
    request: Request,
    headers: Mapping[str, str],
    body: bytes,
    started: float,
    bent: str | None,
) -> Response:
    """`bent`: why the body could not be unpacked; it counts where the body cannot be read as it came, either."""
    if len(body) > OFF_LOOP_BYTES:
        now = runtime.clock.now()
        arrival = await asyncio.to_thread(interpret.arrival, source, body, headers, now, runtime.reader)
    else:
        arrival = interpret.arrival(source, body, headers, runtime.clock.now(), runtime.reader)
    if bent is not None and arrival.unreadable is not None:
        arrival.unreadable = bent
    try:
        receipt = await runtime.intake.submit(arrival)
    except Unavailable as unavailable:
        after = {"Retry-After": str(unavailable.retry_after)}
        return problem(503, str(unavailable), request=request, headers=after)
    runtime.book.received(source.name, arrival.received_at, receipt)
    metrics.ACCEPT.labels(source.name).observe(runtime.clock.monotonic() - started)
    wanted = CATALOGUE[source.vendor].reply
    own = wanted(body) if wanted is not None else None
    if own is not None:
        return Response(own.body, 200, media_type=own.media_type)
    return JSONResponse({"accepted": receipt.accepted, "duplicates": receipt.duplicates}, 202)


def _too_large(runtime: Runtime, source: Source, request: Request) -> Response:
    metrics.REFUSED.labels(source.name, "too_large").inc()
    runtime.book.refused(source.name, runtime.clock.now(), f"over {source.limit_bytes} bytes")
    return problem(413, f"the body is over {source.limit_bytes} bytes", request=request)


def _refusal(
    runtime: Runtime, source: Source, request: Request, headers: Mapping[str, str], raw: bytes, body: bytes
) -> str | None:
    """Why the post is not taken. A compressed body may be signed as sent or as meant; both prove the sender."""
    if source.allow_addresses and not signatures.allowed(request.client, source.allow_addresses):
        return f"{request.client.host if request.client else 'nobody'} is not among the allowed addresses"
    secrets = runtime.secrets.get(source.name, ())
    reason = "no secret is configured for this source"
    path, query = request.scope.get("raw_path") or request.url.path.encode(), request.scope.get("query_string", b"")
    target = (path + (b"?" + query if query else b"")).decode("latin-1")
    urls = _urls(source.public_url, runtime.public_url, request.scope["scheme"], headers.get("host", ""), target)
    wall = runtime.clock.wall()
    for signed in (raw, body) if raw is not body else (raw,):
        post = signatures.Request(request.method, urls, headers, signed)
        for secret in secrets:
            try:
                VENDORS[source.vendor].verify(post, secret, wall, source)
            except signatures.Refusal as refusal:
                reason = refusal.reason
            else:
                return None
    return reason


def _headers(request: Request) -> Mapping[str, str]:
    """Names in lower case; of a header sent twice the first counts."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.scope["headers"])}


@lru_cache(maxsize=1024)
def _urls(configured: str, public: str, scheme: str, host: str, target: str) -> tuple[str, ...]:
    """What the vendor may have called: what is configured, else the service's public URL, or as served."""
    if configured:
        return (configured,)
    served = f"{scheme}://{host}{target}"
    return (f"{public}{target}", served) if public else (served,)
