"""Sources: which there are, whether they talk to us, and why posts of theirs were not taken."""

from __future__ import annotations

from datetime import datetime

from common.auth import requires
from common.db import SessionDep
from common.http import Page
from fastapi import APIRouter
from pydantic import BaseModel

from ingest.domain.feed import FeedState
from ingest.repository import queries
from ingest.runtime import RuntimeDep

router = APIRouter(tags=["sources"])


class SourceOut(BaseModel):
    """A source and its feed. `counts` are source events by what became of them, since the beginning."""

    name: str
    vendor: str
    connected: bool
    """Whether a secret is configured: without one every post is refused."""
    state: str
    """waiting (nothing ever came), live, silent (longer than expected)."""
    last_received_at: datetime | None
    expected_every_seconds: float
    silent_for_seconds: float | None
    counts: dict[str, int]
    last_refused_at: datetime | None
    last_refusal: str | None


@router.get("/v1/sources", summary="Sources and their feeds", dependencies=[requires("ingest:read")])
async def list_sources(session: SessionDep, runtime: RuntimeDep) -> Page[SourceOut]:
    """All of them; silence shows at once, before its event is published."""
    now = runtime.clock.now()
    known = await queries.feeds(session)
    items = []
    for name, source in sorted(runtime.sources.items()):
        row = known.get(name, {})
        last = row.get("last_received_at")
        quiet = max(0.0, (now - last).total_seconds()) if last else None
        expected = source.expected_every_minutes * 60.0
        late = quiet is not None and quiet > expected
        state = FeedState.SILENT.value if late else row.get("state", FeedState.WAITING.value)
        items.append(
            SourceOut(
                name=name,
                vendor=source.vendor,
                connected=bool(runtime.secrets.get(name)),
                state=state,
                last_received_at=last,
                expected_every_seconds=expected,
                silent_for_seconds=quiet,
                counts=row.get("counts", {}),
                last_refused_at=row.get("last_refused_at"),
                last_refusal=row.get("last_refusal"),
            )
        )
    return Page(items=items)
