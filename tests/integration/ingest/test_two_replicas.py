"""Two ingests on one database: every body three times, in parallel, to both; one event each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.integration.ingest.conftest import Ingest, start, stop
from tests.integration.ingest.test_accepting_webhooks import CREATED, changed


@pytest.fixture
async def replicas(service_database: Callable[[str], str]) -> AsyncIterator[tuple[Ingest, Ingest]]:
    url = await asyncio.to_thread(service_database, "ingest")
    both = await start(url), await start(url)
    try:
        yield both
    finally:
        for one in both:
            await stop(one)


def storm() -> list[list[dict[str, Any]]]:
    """Creations and changes of 20 companies in any order, also before their creation, and links between systems."""
    posts: list[list[dict[str, Any]]] = []
    for company in range(1, 21):
        posts.append([changed("name", f"Company {company}", company * 10 + 1, company=company)])
        posts.append([{**CREATED, "objectId": company, "eventId": company * 10}])
        posts.append([changed("segment_group_id", f"g{company}", company * 10 + 2, company=company)])
    return posts


async def test_a_retry_storm_gives_one_event_each(replicas: tuple[Ingest, Ingest]) -> None:
    tracks = [
        {"type": "track", "event": "X", "messageId": f"m{n}", "context": {"groupId": f"g{n % 20 + 1}"}}
        for n in range(60)
    ]
    posts = [*(("hubspot", post) for post in storm()), *(("segment", track) for track in tracks)]
    calls = [replicas[nth % 2].webhook(source, post) for nth in range(3) for source, post in posts]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.json()["accepted"] for answer in answers) == len(posts)
    events = await replicas[0].published()
    assert len({event.id for event in events}) == len(events)
    names = [event.type.split(".")[2] for event in events]
    # each link of a group tells the others of it, beside the name
    assert {name: names.count(name) for name in set(names)} == {
        "client_registered": 20, "client_updated": 40, "usage_recorded": 60,
    }  # fmt: skip
    assert (await replicas[0].call("GET", "/v1/unmatched")).json()["items"] == []
    first = {event.client_id: event.type for event in reversed(events)}
    assert set(first.values()) == {"csl.client.client_registered.v1"}, "a client's registration goes out first"
