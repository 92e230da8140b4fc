"""What tests, `loop verify` and the page read: JSON of everything caught, and the faults."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException

from loopctl.catcher.faults import Fault
from loopctl.catcher.parts import Own

MOST = 1000


router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/api/messages")
async def messages(
    own: Own,
    channel: str = "",
    inbox: str = "",
    delivery_id: str = "",
    client_id: str = "",
    case_id: str = "",
    after: int = 0,
    limit: int = 100,
) -> dict[str, Any]:
    """Oldest first; go on with `after` = `next`."""
    size = min(max(limit, 1), MOST)
    where = {
        "channel": channel,
        "inbox": inbox,
        "delivery_id": delivery_id,
        "client_id": client_id,
        "case_id": case_id,
    }
    found = own.store.find(after=after, limit=size, where=where)
    return {
        "items": [caught.as_json() for caught in found],
        "next": found[-1].id if len(found) == size else None,
    }


@router.get("/api/messages/{id_}")
async def message(id_: int, own: Own) -> dict[str, Any]:
    caught = own.store.get(id_)
    if caught is None:
        raise HTTPException(404, "no such message")
    return caught.as_json()


@router.delete("/api/messages")
async def clear(own: Own, channel: str = "", inbox: str = "", client_id: str = "") -> dict[str, int]:
    """Forget messages (all, or those of a channel, an inbox, a client); CRM properties with them."""
    if not inbox and not client_id and channel in ("", "crm"):
        own.store.forget_companies()
    return {"cleared": own.store.clear({"channel": channel, "inbox": inbox, "client_id": client_id})}


@router.post("/api/messages/{id_}/press/{action}")
async def press(id_: int, action: str, own: Own) -> dict[str, int]:
    """Press a button of a Slack message; says what our app answered (0: nothing)."""
    caught = own.store.get(id_)
    if caught is None:
        raise HTTPException(404, "no such message")
    return {"status": await own.presser.press(caught, action)}


@router.get("/api/stats")
async def stats(own: Own) -> dict[str, Any]:
    return {"last_id": own.store.last_id(), "inboxes": own.store.inboxes()}


@router.get("/api/crm/companies")
async def companies(own: Own) -> dict[str, Any]:
    """Each company's properties as they stand now."""
    return {"items": own.store.companies(), "next": None}


@router.get("/api/crm/writes")
async def writes(own: Own, after: int = 0, limit: int = 100) -> dict[str, Any]:
    """Every write-back in the order of arrival, with what it changed."""
    size = min(max(limit, 1), MOST)
    found = own.store.find(after=after, limit=size, where={"channel": "crm"})
    items = [{"id": caught.id, "at": caught.at, **caught.body} for caught in found]
    return {"items": items, "next": found[-1].id if len(found) == size else None}


@router.get("/api/faults")
async def pending(own: Own) -> dict[str, Any]:
    return {"items": [fault.model_dump() for fault in own.faults.pending]}


@router.post("/api/faults", status_code=201)
async def fail(fault: Fault, own: Own) -> Fault:
    own.faults.add(fault)
    return fault


@router.delete("/api/faults", status_code=204)
async def heal(own: Own) -> None:
    own.faults.clear()
