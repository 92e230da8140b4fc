"""A replay ends where all would be had the mapping been right from the start; and a worker's death changes nothing."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from ingest.replayer import Replayer
from ingest.runtime import Runtime
from ingest.sources.segment import SegmentSource
from sqlalchemy import text

from tests.conftest import START
from tests.integration.ingest.conftest import Ingest
from tests.support.following import Followers
from tests.support.ingest_process import PATIENCE, Process
from tests.support.stack import TestStack

RIGHT = {"features": {"Report Made": "reports", "Sheet Exported": "export"}, "logins": ["Came In"]}
POSTS = 120
BEFORE = (START - timedelta(days=1)).isoformat()
REFUSE = """
CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'this cannot be stored'; END $$
"""


def configured(ingest: Ingest, **changes: Any) -> SegmentSource:
    segment = ingest.service.app.state.ingest.sources["segment"]
    assert isinstance(segment, SegmentSource)
    return segment.model_copy(update=changes)


def track(event: str, message: str, group: str, day: float, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track", "event": event, "messageId": f"{group}-{message}", "userId": "u1",
        "timestamp": (START + timedelta(days=day)).isoformat(), "properties": properties,
        "context": {"groupId": group},
    }  # fmt: skip


def happenings(group: str) -> list[dict[str, Any]]:
    return [
        *(track("Report Made", f"r{nth}", group, nth, quantity=nth + 1) for nth in range(4)),
        *(track("Came In", f"c{nth}", group, nth + 0.5) for nth in range(3)),
        track("Ping", "p1", group, 2),
        track("Sheet Exported", "s1", group, 3.5),
    ]


@pytest.fixture
async def followers(ingest: Ingest, service_database: Callable[[str], str]) -> AsyncIterator[Followers]:
    async with Followers(ingest.clock, random.Random(7), service_database) as own:
        yield own


async def test_every_service_ends_where_it_would_be_had_the_mapping_been_right(
    ingest: Ingest, followers: Followers
) -> None:
    runtime: Runtime = ingest.service.app.state.ingest
    wrong, right = await ingest.register("segment:group:wrong"), await ingest.register("segment:group:right")
    ingest.clock.advance(days=5)
    runtime.sources["segment"] = configured(ingest, ignore=["Came In"])  # type: ignore[index]  # a dict, read-only by its type alone
    await ingest.webhook("segment", happenings("wrong"))
    now_right = configured(ingest, **RIGHT, ignore=["Ping"])
    runtime.sources["segment"] = now_right  # type: ignore[index]  # a dict, read-only by its type alone
    await ingest.webhook("segment", happenings("right"))
    await followers.deal(await sent(ingest))
    seen = len(await sent(ingest))
    [health] = [service for service in followers.services if service.name == "health"]
    assert await health.facts(wrong) != await health.facts(right)

    worker = Replayer(ingest.service.database, ingest.clock, runtime.sources, runtime.reader, runtime.shared)
    asked = await ingest.call("POST", "/v1/replays", json={"source": "segment", "since": BEFORE, "dry_run": False})
    while await worker.step():
        pass
    counts = (await ingest.call("GET", f"/v1/replays/{asked.json()['id']}")).json()["counts"]
    assert {name: counts[name] for name in ("new", "corrected", "withdrawn", "unchanged")} == {
        "new": 3, "corrected": 5, "withdrawn": 1, "unchanged": 9,
    }  # fmt: skip
    await followers.deal((await sent(ingest))[seen:])
    for service in followers.services:
        assert await service.facts(wrong) == await service.facts(right), service.name
        assert await service.state(wrong) == await service.state(right), service.name


async def sent(ingest: Ingest) -> list[Any]:
    """As the relay sends it."""
    return await ingest.rows("SELECT topic, key, headers, body FROM outbox WHERE topic LIKE '%client%' ORDER BY seq")


@pytest.mark.parametrize("point", ["replay_chunk:2", "replayed:2"])
async def test_a_replay_killed_in_the_middle_goes_on_and_says_everything_once(
    ingest: Ingest, stack: TestStack, tmp_path: Path, point: str
) -> None:
    runtime: Runtime = ingest.service.app.state.ingest
    client_id = await ingest.register("segment:group:g")
    shipped = runtime.sources["segment"]
    runtime.sources["segment"] = configured(ingest, ignore=["Report Made"])  # type: ignore[index]  # a dict, read-only by its type alone
    for nth in range(POSTS):
        await ingest.webhook("segment", track("Report Made", str(nth), "g", 0))
    runtime.sources["segment"] = shipped  # type: ignore[index]  # a dict, read-only by its type alone
    wish = {"source": "segment", "since": BEFORE, "dry_run": False}
    asked = (await ingest.call("POST", "/v1/replays", json=wish)).json()

    process = Process(stack, tmp_path / "ingest.log", {"INGEST_RAW_RETENTION_DAYS": "36500"})
    try:
        await process.start(kill_at=point)
        assert process.popen is not None
        assert await asyncio.to_thread(process.popen.wait, PATIENCE) == -signal.SIGKILL
        half = (await ingest.call("GET", f"/v1/replays/{asked['id']}")).json()
        assert 0 < half["counts"]["bodies"] < POSTS
        await process.start()
        done = await asyncio.wait_for(finished(ingest, asked["id"]), PATIENCE)
    finally:
        await asyncio.to_thread(process.stop)
    assert (done["counts"]["bodies"], done["counts"]["new"]) == (POSTS, POSTS)
    said = Counter(event.id for event in await ingest.published() if event.client_id == UUID(str(client_id)))
    assert (len(said), set(said.values())) == (POSTS + 1, {1})


async def finished(ingest: Ingest, replay_id: str) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = (await ingest.call("GET", f"/v1/replays/{replay_id}")).json()
        if found["state"] == "done":
            return found
        await asyncio.sleep(0.1)


async def test_a_post_that_cannot_be_stored_holds_up_no_other(ingest: Ingest) -> None:
    await ingest.register("segment:group:g")
    for nth in range(3):
        await ingest.webhook("segment", track("Report Made", str(nth), "g", 0, quantity=nth))
    runtime: Runtime = ingest.service.app.state.ingest
    sources = {**runtime.sources, "segment": configured(ingest, **RIGHT)}
    worker = Replayer(ingest.service.database, ingest.clock, sources, runtime.reader, runtime.shared)
    wish = {"source": "segment", "since": BEFORE, "dry_run": False}
    asked = (await ingest.call("POST", "/v1/replays", json=wish)).json()
    await do(ingest, REFUSE)
    await do(ingest, "CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON said FOR EACH ROW"
                     " WHEN (NEW.data LIKE '%\"quantity\"_1.0%') EXECUTE FUNCTION refuse_poison()")  # fmt: skip
    try:
        while await worker.step():
            pass
    finally:
        await do(ingest, "DROP FUNCTION refuse_poison CASCADE")
    done = (await ingest.call("GET", f"/v1/replays/{asked['id']}")).json()
    counts = done["counts"]
    assert (done["state"], counts["bodies"], counts["corrected"], counts["failed"]) == ("done", 2, 2, 1)


async def do(ingest: Ingest, sql: str) -> None:
    async with ingest.service.database.transaction() as session:
        await session.execute(text(sql))
