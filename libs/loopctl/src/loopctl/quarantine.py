"""Quarantined webhooks, through ingest's own API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loopctl.api import Api, reason
from loopctl.errors import WrongUsage
from loopctl.stack import Stack


def waiting(stack: Stack) -> list[dict[str, Any]]:
    """What waits, oldest first as ingest lists it."""
    return list(Api(stack, "ingest", ["ingest:read"]).items("/v1/quarantine"))


def as_line(item: dict[str, Any]) -> str:
    why = str(item.get("reason", "")).split("\n")[0][:120]
    return f"{item['id']}  {item.get('received_at', '')}  {item.get('source', '')}\n    {why}"


def show(stack: Stack, item_id: str) -> dict[str, Any]:
    """One of them with its body. Raises WrongUsage when there is none."""
    api = Api(stack, "ingest", ["ingest:read"])
    response = api.call("GET", f"/v1/quarantine/{item_id}")
    if response.status_code in (404, 422):
        raise WrongUsage(f"There is no quarantined webhook {item_id!r}; see `loop quarantine list`")
    found: dict[str, Any] = api.good(response).json()
    return found


def replay(stack: Stack, ids: Sequence[str]) -> list[str]:
    """Have ingest read them again; returns a line for each that it still could not read."""
    api = Api(stack, "ingest", ["ingest:read", "ingest:write"])
    failed = []
    for item_id in ids:
        response = api.call("POST", f"/v1/quarantine/{item_id}/replay", headers={"idempotency-key": f"loop-{item_id}"})
        if response.status_code in (404, 422):
            failed.append(f"  {item_id}: {reason(response)}")
        else:
            api.good(response)
    return failed
