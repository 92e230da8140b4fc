"""A milestone is planned with owner, KPI and due time, or refused; a configured default owner may fill in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.ingest.conftest import Ingest, start, stop

PLANNED = {"milestone": "sso_live", "phase": "adoption", "owner_email": "omar@ours.example", "kpi": "all log in by SSO",
           "due_at": "2026-12-10T12:00:00Z"}  # fmt: skip
DEFAULT = "client-success@ours.example"


async def plan(ingest: Ingest, **changes: Any) -> Any:
    data = {name: value for name, value in {**PLANNED, **changes}.items() if value is not None}
    return await ingest.call(
        "POST", "/v1/events", json={"type": "milestone_planned", "subject": "ref:hubspot:company:77", "data": data}
    )


async def test_a_milestone_with_owner_kpi_and_due_time_is_taken(ingest: Ingest) -> None:
    await ingest.register()
    assert (await plan(ingest)).status_code == 202


@pytest.mark.parametrize("missing", ["owner_email", "kpi", "due_at"])
async def test_one_without_owner_kpi_or_due_time_is_refused_with_the_field(ingest: Ingest, missing: str) -> None:
    await ingest.register()
    answer = await plan(ingest, **{missing: None})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"0.data.{missing}"


async def test_blanks_are_no_kpi(ingest: Ingest) -> None:
    await ingest.register()
    answer = await plan(ingest, kpi="  ")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "0.data.kpi"


async def test_a_configured_default_owner_fills_in(service_database: Callable[[str], str]) -> None:
    running = await start(await asyncio.to_thread(service_database, "ingest"), default_owner_email=DEFAULT)
    try:
        await running.register()
        assert (await plan(running, owner_email=None)).status_code == 202
        assert (await plan(running, milestone="own")).status_code == 202
        assert (await plan(running, owner_email=None, kpi=None)).status_code == 422
        published = [event.data for event in await running.published() if event.type.endswith("milestone_planned.v1")]
        assert [(data.milestone, data.owner_email) for data in published] == [
            ("sso_live", DEFAULT),
            ("own", "omar@ours.example"),
        ]
    finally:
        await stop(running)
