"""Quarantined webhooks, through ingest's own API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from loopctl.api import Api, reason
from loopctl.errors import WrongUsage
from loopctl.stack import Stack

UNKNOWN = "nothing in quarantine has this id; see `loop quarantine list`"


def waiting(stack: Stack, **only: str) -> list[dict[str, Any]]:
    """What waits, oldest first as ingest lists it; `only`: of one source, or received since then."""
    return list(Api(stack, "ingest", ["ingest:read"]).items("/v1/quarantine", **only))


def as_line(item: dict[str, Any]) -> str:
    why = str(item.get("reason", "")).split("\n")[0][:120]
    return f"{item['id']}  {item.get('received_at', '')}  {item.get('source', '')}\n    {why}"


def show(stack: Stack, item_id: str) -> dict[str, Any]:
    """One of them with its body. Raises WrongUsage when there is none."""
    api = Api(stack, "ingest", ["ingest:read"])
    known = _id(item_id)
    response = api.call("GET", f"/v1/quarantine/{known}") if known else None
    if response is None or response.status_code == 404:
        raise WrongUsage(f"{item_id}: {UNKNOWN}")
    found: dict[str, Any] = api.good(response).json()
    return found


def replay(stack: Stack, ids: Sequence[str]) -> list[str]:
    """Have ingest read them again; returns a line for each that it still could not read."""
    api = Api(stack, "ingest", ["ingest:read", "ingest:write"])
    failed = []
    for item_id in ids:
        known = _id(item_id)
        if known is None:
            failed.append(f"  {item_id}: {UNKNOWN}")
            continue
        response = api.call("POST", f"/v1/quarantine/{known}/replay", headers={"idempotency-key": f"loop-{known}"})
        if response.status_code in (404, 409, 422):
            failed.append(f"  {item_id}: {UNKNOWN if response.status_code == 404 else reason(response)}")
        else:
            api.good(response)
    return failed


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
