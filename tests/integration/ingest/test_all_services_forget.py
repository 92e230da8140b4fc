"""An erased person is gone from every service's every table; no state and no score moves for that."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from common import inbox
from common.contracts import client as said_of

from tests.integration.ingest.conftest import Ingest
from tests.integration.ingest.test_all_services_follow import LIVE, Scene, happening, history
from tests.integration.ingest.test_erasing_people import EMAIL, NAME, WORDS, readable, traces
from tests.support.following import Followers


@pytest.fixture
async def followers(ingest: Ingest, service_database: Callable[[str], str]) -> AsyncIterator[Followers]:
    async with Followers(ingest.clock, random.Random(7), service_database) as own:
        yield own


async def test_a_person_is_gone_from_every_service_and_no_state_moves(ingest: Ingest, followers: Followers) -> None:
    scene = Scene(ingest, followers, random.Random(5))
    client = await scene.register("crm:company:1", name="Initech")
    who = f"u:{EMAIL}"
    person = {"contact_id": who, "name": NAME, "email": EMAIL, "role": "sponsor"}
    await scene.say("crm:company:1", {"type": "contact_added", "source": "desk", "data": person})
    await scene.bring_in("crm:company:1", history(scene.chance, 8))
    for name, data in (
        ("logged_in", {"contact_id": who}),
        ("survey_answered", {"survey": "nps", "contact_id": who, "score": 4, "scale_min": 0, "scale_max": 10}),
        ("ticket_opened", {"ticket_id": "t9", "priority": "high", "contact_id": who}),
        ("meeting_scheduled", {"meeting_id": "m", "kind": "root_cause", "starts_at": LIVE.isoformat(),
                               "attendees": [who, "maya@ours.example"]}),
        ("sponsor_changed", {"contact_after": who}),
    ):  # fmt: skip
        text = {"text": f"{WORDS}. {NAME}"} if name in {"survey_answered", "ticket_opened"} else {}
        await scene.say("crm:company:1", {"type": name, "source": "desk", "data": data, **text})
        scene.later()
        await scene.say("crm:company:1", happening(scene.chance, ingest.clock.now()))
    await scene.pass_on()
    before = [await service.state(client) for service in followers.services]
    assert [table for table, row in await followers.everything() if EMAIL in _shown(row)], "there must be something"
    scene.later()
    await scene.call("DELETE", f"/v1/contacts/{who}")
    await scene.pass_on()
    [erased] = [e for e in await ingest.published() if isinstance(e.data, said_of.ContactErased)]
    name = inbox.pseudonym(erased)
    for service, was in zip(followers.services, before, strict=True):
        now = await service.state(client)
        assert _sizes(now) == _sizes(was), f"state of {service.name}"
    left = {
        table for table, row in await followers.everything() for word in (NAME, EMAIL, WORDS) if word in _shown(row)
    }
    assert left == set()
    assert {line for line in await traces(ingest, NAME, EMAIL, WORDS) if "contact_erased" not in line} == set()
    assert any(name in _shown(row) for _, row in await followers.everything()), "the facts go on, under another name"


async def test_health_scores_the_client_as_before(ingest: Ingest, followers: Followers) -> None:
    scene = Scene(ingest, followers, random.Random(6))
    client = await scene.register("crm:company:1", name="Initech", seats=4)
    for nth in range(1, 6):
        person = {"contact_id": f"p{nth}", "name": f"{NAME} {nth}", "role": "champion" if nth == 1 else "user"}
        await scene.say("crm:company:1", {"type": "contact_added", "source": "desk", "data": person})
        await scene.say("crm:company:1", {"type": "logged_in", "source": "desk", "data": {"contact_id": f"p{nth}"}})
    await scene.pass_on()
    scored = await _last_score(followers, client)
    await scene.call("DELETE", "/v1/contacts/p1")
    await scene.pass_on()
    assert await _last_score(followers, client) == scored


async def _last_score(followers: Followers, client: Any) -> Any:
    """Score and components as health said them last."""
    rows = [
        row
        for table, row in await followers.everything()
        if table.startswith("health.outbox_") and "body" in row._fields
    ]
    said = [readable(row.body) for row in sorted(rows, key=lambda row: row.seq) if str(client) in row.key]
    last = json.loads([one for one in said if "csl.health.scored.v1" in one][-1])["data"]
    return last["score"], [(part["name"], part.get("score")) for part in last["components"]]


def _shown(row: Any) -> str:
    return " ".join(readable(value) for value in row)


def _sizes(value: Any) -> Any:
    """A state without names: how many of what there are, and all its numbers."""
    if isinstance(value, dict):
        return sorted(str(_sizes(part)) for part in value.values())
    if isinstance(value, list):
        return [_sizes(part) for part in value]
    return "text" if isinstance(value, str) else value
