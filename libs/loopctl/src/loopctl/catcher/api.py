"""What tests, `loop verify` and the page read: JSON of everything caught, and the faults."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException

from loopctl.catcher.faults import Fault, Faults
from loopctl.catcher.press import Presser
from loopctl.catcher.store import Store

MOST = 1000


def router(store: Store, faults: Faults, presser: Presser) -> APIRouter:
    routes = APIRouter()

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/api/messages")
    async def messages(
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
        found = store.find(after=after, limit=size, where=where)
        return {
            "items": [caught.as_json() for caught in found],
            "next": found[-1].id if len(found) == size else None,
        }

    @routes.get("/api/messages/{id_}")
    async def message(id_: int) -> dict[str, Any]:
        caught = store.get(id_)
        if caught is None:
            raise HTTPException(404, "no such message")
        return caught.as_json()

    @routes.delete("/api/messages")
    async def clear(channel: str = "", inbox: str = "", client_id: str = "") -> dict[str, int]:
        """Forget messages (all, or those of a channel, an inbox, a client); CRM properties with them."""
        if not inbox and not client_id and channel in ("", "crm"):
            store.forget_companies()
        return {"cleared": store.clear({"channel": channel, "inbox": inbox, "client_id": client_id})}

    @routes.post("/api/messages/{id_}/press/{action}")
    async def press(id_: int, action: str) -> dict[str, int]:
        """Press a button of a Slack message; says what our app answered (0: nothing)."""
        caught = store.get(id_)
        if caught is None:
            raise HTTPException(404, "no such message")
        return {"status": await presser.press(caught, action)}

    @routes.get("/api/stats")
    async def stats() -> dict[str, Any]:
        return {"last_id": store.last_id(), "inboxes": store.inboxes()}

    @routes.get("/api/crm/companies")
    async def companies() -> dict[str, Any]:
        """Each company's properties as they stand now."""
        return {"items": store.companies(), "next": None}

    @routes.get("/api/crm/writes")
    async def writes(after: int = 0, limit: int = 100) -> dict[str, Any]:
        """Every write-back in the order of arrival, with what it changed."""
        size = min(max(limit, 1), MOST)
        found = store.find(after=after, limit=size, where={"channel": "crm"})
        items = [{"id": caught.id, "at": caught.at, **caught.body} for caught in found]
        return {"items": items, "next": found[-1].id if len(found) == size else None}

    @routes.get("/api/faults")
    async def pending() -> dict[str, Any]:
        return {"items": [fault.model_dump() for fault in faults.pending]}

    @routes.post("/api/faults", status_code=201)
    async def fail(fault: Fault) -> Fault:
        faults.add(fault)
        return fault

    @routes.delete("/api/faults", status_code=204)
    async def heal() -> None:
        faults.clear()

    return routes
