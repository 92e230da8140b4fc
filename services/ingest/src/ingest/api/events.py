"""`POST /v1/events`: internal tools say what they know, in our own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

from common.auth import Caller, requires
from common.contracts.errors import Refused
from common.contracts.ids import derived_id
from common.db import Database
from common.http import PROBLEMS, idempotency
from common.ids import new_id
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response

from ingest import forms
from ingest.api import cloudevents
from ingest.api.models import Accepted
from ingest.domain.arrival import Arrival, Item
from ingest.domain.reading import with_reading
from ingest.runtime import Runtime, RuntimeDep
from ingest.sources import bodies

router = APIRouter(tags=["events"])

MOST = 1000
_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"type": "string", "examples": ["csl.client.blocker_logged.v1"]},
        "subject": {"type": "string", "examples": ["ref:hubspot:company:18412397"]},
        "time": {"type": "string", "format": "date-time"},
        "source": {"type": "string", "examples": ["onboarding-tool"]},
        "id": {"type": "string"},
        "text": {"type": "string", "description": "Words, in place of data.reading."},
        "data": {"type": "object"},
    },
    "example": {
        "type": "csl.client.csm_sentiment_given.v1",
        "subject": "ref:hubspot:company:18412397",
        "data": {"score": 2, "by": "maya@ours.example"},
    },
}
_CLOUD: dict[str, Any] = {
    **_EVENT,
    "required": list(cloudevents.REQUIRED),
    "properties": {
        **_EVENT["properties"],
        "specversion": {"type": "string", "enum": ["1.0"]},
        "datacontenttype": {"type": "string", "examples": ["application/json"]},
        "data_base64": {"type": "string", "description": "JSON as bytes, in place of data."},
    },
    "example": {
        "specversion": "1.0",
        "id": "pulse-81",
        "source": "pulse",
        **_EVENT["example"],
    },
}
_BINARY: dict[str, Any] = {"type": "object", "description": "Binary mode (ce-* headers): the event's data."}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [_EVENT, {"type": "array", "items": _EVENT, "maxItems": MOST}, _BINARY]}
            },
            cloudevents.STRUCTURED: {"schema": _CLOUD},
            cloudevents.BATCH: {"schema": {"type": "array", "items": _CLOUD, "maxItems": MOST}},
        },
    },
    "parameters": [
        {
            "name": f"{cloudevents.PREFIX}{name}",
            "in": "header",
            "schema": {"type": "string"},
            "description": f"CloudEvents binary mode: the attribute {name}, percent-encoded.",
        }
        for name in (*cloudevents.REQUIRED, "subject", "time")
    ],
}


@router.post(
    "/v1/events",
    summary="Say client events (one, or an array: all or nothing)",
    status_code=202,
    dependencies=[requires("ingest:write")],
    response_model=Accepted,
    responses={503: PROBLEMS[503]},
    openapi_extra=_BODY,
)
async def post_events(
    request: Request,
    runtime: RuntimeDep,
    caller: Caller,
    idempotency_key: Annotated[
        str | None, Header(max_length=200, description="Gives events without an id theirs: key and position.")
    ] = None,
) -> Response:
    """Our own form, or CloudEvents 1.0 over HTTP: structured, batch or binary (where id, source and type are needed).

    422 names the index and field of what is wrong, or the Idempotency-Key that was used for other events before.
    """
    values = _values(request, await request.body())
    seed = f"{caller.subject}\x1f{idempotency_key}" if idempotency_key is not None else None
    if len(values) > 20:
        items = await asyncio.to_thread(_items, runtime, values, seed)
    else:
        items = _items(runtime, values, seed)
    if idempotency_key is not None:
        async with _once(request, runtime, caller.subject, idempotency_key, values):
            return await _submit(runtime, items)
    return await _submit(runtime, items)


async def _submit(runtime: Runtime, items: list[Item]) -> Response:
    arrival = Arrival(forms.DEFAULT_SOURCE, runtime.clock.now(), items=items, strict=True)
    receipt = await runtime.intake.submit(arrival)
    runtime.book.received(arrival.source, arrival.received_at, receipt)
    return JSONResponse({"accepted": receipt.accepted, "duplicates": receipt.duplicates}, 202)


@asynccontextmanager
async def _once(request: Request, runtime: Runtime, subject: str, key: str, values: list[Any]) -> AsyncIterator[None]:
    """Holds a key for these events. Raises Refused where others were said under it: they would pass for repeats.

    Committed before they are: events are stored in a transaction that others share, and a repeat has no effect.
    """
    database: Database = request.app.state.database
    content = b"POST\x1f/v1/events\x1f" + bodies.canonical(values)
    async with database.transaction() as session:
        before = await idempotency.claim(session, subject, key, content, at=runtime.clock.wall())
    try:
        yield
    except Refused:
        if before is None:
            async with database.transaction() as session:
                await idempotency.release(session, subject, key)
        raise


def _values(request: Request, raw: bytes) -> list[Any]:
    values = cloudevents.read(request.headers, raw)
    least = 0 if cloudevents.is_batch(request.headers) else 1
    if not least <= len(values) <= MOST:
        raise Refused(f"{least} to {MOST} events a call", field="body")
    return values


def _items(runtime: Runtime, values: list[Any], seed: str | None) -> list[Item]:
    items = []
    for index, given in enumerate(values):
        value = forms.owned(given, runtime.default_owner)
        try:
            form = forms.read(value, imported=False)
        except Refused as refused:
            raise Refused(
                refused.detail, field=f"{index}.{refused.field}" if refused.field else str(index)
            ) from refused
        key = form.id if form.id is not None else f"{seed}\x1f{index}" if seed else None
        said = list(with_reading(form.statement, runtime.reader))
        event_id = forms.event_id(form.id, form.source) if form.id else derived_id("posted", key) if key else new_id()
        said = [replace(s, id=derived_id(event_id, nth) if nth else event_id) for nth, s in enumerate(said)]
        kind = form.statement.data.TYPE if form.statement.data else ""
        items.append(Item(key, kind, index, bodies.mapping(value), tuple(said), source=form.source))
    return items
