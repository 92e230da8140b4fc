"""The baseline of `accepting`: the same application as an ordinary FastAPI route with SQLAlchemy, a commit a request.

Same verification, mapping, tables and statements; nothing is shared between requests. `python -m
tests.bench.committing_each` takes the settings of ingest.
"""

from __future__ import annotations

from common.db import SessionDep
from common.process import Service, run
from fastapi import APIRouter, HTTPException, Request
from ingest import accept, interpret
from ingest.api.models import Accepted
from ingest.main import build
from ingest.runtime import RuntimeDep
from ingest.settings import Settings
from ingest.sources import VENDORS, signatures

router = APIRouter()


@router.post("/v1/webhooks/{source}", status_code=202)
async def receive(source: str, request: Request, runtime: RuntimeDep, session: SessionDep) -> Accepted:
    known = runtime.sources[source]
    body = await request.body()
    post = signatures.Request("POST", (str(request.url),), request.headers, body)
    try:
        VENDORS[known.vendor].verify(post, runtime.secrets.get(source)[0], runtime.clock.wall(), known)
    except signatures.Refusal as refusal:
        raise HTTPException(401) from refusal
    arrival = interpret.arrival(known, body, request.headers, runtime.clock.now(), runtime.reader)
    [receipt] = await accept.store(session, [arrival], runtime.moments())
    return Accepted(accepted=receipt.accepted, duplicates=receipt.duplicates)


def ordinary(settings: Settings) -> Service:
    """ingest, its hot route replaced."""
    service = build(settings)
    service.app.router.routes.insert(0, router.routes[0])
    service.front = None
    return service


if __name__ == "__main__":
    run(ordinary, Settings)
