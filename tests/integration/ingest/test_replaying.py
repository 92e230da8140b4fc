"""Old posts through today's mapping: what differs is published, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from common.contracts import client
from common.contracts.base import Event
from ingest.replayer import Replayer
from ingest.runtime import Runtime
from ingest.sources.segment import SegmentSource
from sqlalchemy import text

from tests.conftest import START
from tests.integration.ingest.conftest import Ingest

SINCE = (START - timedelta(days=1)).isoformat()


def replayer(ingest: Ingest, **changes: Any) -> Replayer:
    """The worker, with today's configuration: `changes` are of the segment source."""
    runtime: Runtime = ingest.service.app.state.ingest
    segment = runtime.sources["segment"]
    assert isinstance(segment, SegmentSource)
    sources = {**runtime.sources, "segment": segment.model_copy(update=changes)}
    return Replayer(ingest.service.database, ingest.clock, sources, runtime.reader, runtime.shared)


async def ask(ingest: Ingest, worker: Replayer, **wish: Any) -> dict[str, Any]:
    """A whole replay; what it found."""
    asked = await ingest.call("POST", "/v1/replays", json={"source": "segment", "since": SINCE, **wish})
    assert asked.status_code == 202, asked.text
    return await until_done(ingest, worker, asked.json()["id"])


async def until_done(ingest: Ingest, worker: Replayer, replay_id: str) -> dict[str, Any]:
    while await worker.step():
        pass
    found: dict[str, Any] = (await ingest.call("GET", f"/v1/replays/{replay_id}")).json()
    return found


def track(event: str, message: str, group: str = "g1", **properties: Any) -> dict[str, Any]:
    return {
        "type": "track", "event": event, "messageId": message, "userId": "u1", "properties": properties,
        "context": {"groupId": group}, "timestamp": START.isoformat(),
    }  # fmt: skip


def found(report: dict[str, Any]) -> dict[str, int]:
    names = ("new", "corrected", "withdrawn", "unchanged")
    return {name: count for name in names if (count := report["counts"].get(name, 0))}


async def do(ingest: Ingest, sql: str, **parameters: Any) -> None:
    async with ingest.service.database.transaction() as session:
        await session.execute(text(sql), parameters)


async def since(ingest: Ingest, position: int) -> list[Event[Any]]:
    return (await ingest.published())[position:]


async def test_an_unchanged_mapping_differs_in_nothing(ingest: Ingest) -> None:
    await ingest.register("segment:group:g1")
    await ingest.webhook("segment", {"batch": [track("Report Made", "m1"), track("Signed In", "m2")]})
    await ingest.webhook("segment", track("Report Made", "m3"))
    before = await ingest.published()
    report = await ask(ingest, replayer(ingest), dry_run=False)
    assert (report["state"], found(report)) == ("done", {"unchanged": 3})
    assert await ingest.published() == before


async def test_a_corrected_mapping_replaces_what_was_said_once(ingest: Ingest) -> None:
    client_id = await ingest.register("segment:group:g1")
    await ingest.webhook("segment", track("Report Made", "m1", quantity=3))
    said = (await ingest.published())[-1]
    assert said.data.feature == "report_made"
    ingest.clock.advance(hours=5)
    worker = replayer(ingest, features={"Report Made": "reports"})

    preview = await ask(ingest, worker)
    assert (preview["state"], found(preview)) == ("previewed", {"corrected": 1})
    assert preview["types"] == {"corrected": {"usage_recorded": 1}}
    [sample] = preview["samples"]
    assert (sample["before"]["feature"], sample["after"]["feature"]) == ("report_made", "reports")
    assert (await ingest.published())[-1] == said, "a dry run publishes nothing"

    published = await ingest.call("POST", f"/v1/replays/{preview['id']}/publish")
    assert published.json()["preview"]["counts"]["corrected"] == 1
    done = await until_done(ingest, worker, preview["id"])
    assert (done["state"], found(done)) == ("done", {"corrected": 1})
    new = (await ingest.published())[-1]
    assert (new.replaces, new.client_id, new.data.feature, new.data.quantity) == (said.id, client_id, "reports", 3)
    assert (new.time, new.knowntime, new.origin) == (said.time, ingest.clock.now(), "live")
    assert new.id != said.id
    assert (await ingest.call("POST", f"/v1/replays/{preview['id']}/publish")).status_code == 409

    count = len(await ingest.published())
    assert found(await ask(ingest, worker, dry_run=False)) == {"unchanged": 1}
    assert len(await ingest.published()) == count


async def test_what_is_ignored_today_is_withdrawn_and_comes_back_under_another_id(ingest: Ingest) -> None:
    await ingest.register("segment:group:g1")
    await ingest.webhook("segment", track("Report Made", "m1"))
    said = (await ingest.published())[-1]
    assert found(await ask(ingest, replayer(ingest, ignore=["Report Made"]), dry_run=False)) == {"withdrawn": 1}
    withdrawal = (await ingest.published())[-1]
    assert isinstance(withdrawal.data, client.EventWithdrawn)
    assert withdrawal.data.event_id == said.id
    assert await ingest.count("said") == 1, "the registration"
    assert found(await ask(ingest, replayer(ingest, ignore=["Report Made"]), dry_run=False)) == {"unchanged": 1}
    assert found(await ask(ingest, replayer(ingest), dry_run=False)) == {"new": 1}
    again = (await ingest.published())[-1]
    assert (again.data, again.time) == (said.data, said.time)
    assert again.id not in {said.id, withdrawal.id}
    assert found(await ask(ingest, replayer(ingest), dry_run=False)) == {"unchanged": 1}


async def test_what_was_ignored_then_is_new_today(ingest: Ingest) -> None:
    await ingest.register("segment:group:g1")
    runtime: Runtime = ingest.service.app.state.ingest
    runtime.sources["segment"] = replayer(ingest, ignore=["Report Made"]).sources["segment"]  # type: ignore[index]  # a dict, read-only by its type alone
    await ingest.webhook("segment", [track("Report Made", "m1"), track("Signed In", "m2")])
    assert len(await ingest.published()) == 2
    worker = replayer(ingest, ignore=[])
    assert found(await ask(ingest, worker, dry_run=False)) == {"new": 1, "unchanged": 1}
    assert (await ingest.published())[-1].data.feature == "report_made"
    assert found(await ask(ingest, worker, dry_run=False)) == {"unchanged": 2}


async def test_an_event_that_came_in_two_posts_is_said_once(ingest: Ingest) -> None:
    await ingest.register("segment:group:g1")
    await ingest.webhook("segment", track("Report Made", "m1"))
    await ingest.webhook("segment", [track("Report Made", "m1"), track("Report Made", "m2")])
    worker = replayer(ingest, features={"Report Made": "reports"})
    report = await ask(ingest, worker, dry_run=False)
    assert found(report) == {"corrected": 2, "unchanged": 1}
    assert found(await ask(ingest, worker, dry_run=False)) == {"unchanged": 3}


async def test_what_waits_for_its_client_waits_as_it_is_read_today(ingest: Ingest) -> None:
    await ingest.webhook("segment", track("Report Made", "m1", group="nobody"))
    assert found(await ask(ingest, replayer(ingest), dry_run=False)) == {"unchanged": 1}
    worker = replayer(ingest, features={"Report Made": "reports"})
    report = await ask(ingest, worker, dry_run=False)
    assert report["counts"]["parked"] == 1
    assert (await ingest.count("parked"), await ingest.count("unmatched")) == (1, 1)
    ingest.clock.advance(hours=1)
    await ingest.register("segment:group:nobody")
    said = (await ingest.published())[-1]
    assert (said.data.feature, said.time) == ("reports", START)
    assert found(await ask(ingest, worker, dry_run=False)) == {"unchanged": 1}


async def test_erased_clients_stay_away(ingest: Ingest) -> None:
    client_id = await ingest.register("segment:group:g1")
    await ingest.webhook("segment", [track("Report Made", "m1"), track("Report Made", "m2", group="g2")])
    await ingest.call("DELETE", f"/v1/clients/{client_id}")
    count = len(await ingest.published())
    await ask(ingest, replayer(ingest, features={"Report Made": "reports"}), dry_run=False)
    assert not [e for e in await since(ingest, count) if e.subject == str(client_id)]
    assert await ingest.count("clients") == 0


async def test_an_erased_client_is_no_example_either(ingest: Ingest) -> None:
    client_id = await ingest.register("segment:group:g1")
    await ingest.webhook("segment", track("Report Made", "m1"))
    report = await ask(ingest, replayer(ingest, features={"Report Made": "reports"}))
    assert [sample["client_id"] for sample in report["samples"]] == [str(client_id)]
    await ingest.call("DELETE", f"/v1/clients/{client_id}")
    kept = (await ingest.call("GET", f"/v1/replays/{report['id']}")).json()
    assert (kept["samples"], kept["counts"]) == ([], report["counts"])


async def test_a_client_keeps_what_was_said_while_a_ref_was_its(ingest: Ingest) -> None:
    first, second = await ingest.register("hubspot:company:1"), await ingest.register("hubspot:company:2")
    await do(ingest, "INSERT INTO refs (source, kind, id, client_id, linked_at, linked_by)"
                     " VALUES ('segment', 'group', 'g1', :id, now(), 'test')", id=first)  # fmt: skip
    await ingest.webhook("segment", track("Report Made", "m1"))
    await do(ingest, "UPDATE refs SET client_id = :id WHERE source = 'segment'", id=second)
    worker = replayer(ingest, features={"Report Made": "reports"})
    assert found(await ask(ingest, worker, dry_run=False)) == {"corrected": 1}
    assert (await ingest.published())[-1].client_id == first
    assert found(await ask(ingest, worker, dry_run=False)) == {"unchanged": 1}


async def test_the_profile_forgets_what_was_taken_back(ingest: Ingest) -> None:
    client_id = await ingest.register("segment:group:g1", name="Old")
    traits = {"type": "group", "messageId": "m1", "groupId": "g1", "traits": {"industry": "Ships"}}
    await ingest.webhook("segment", {**traits, "timestamp": START.isoformat()})
    said = await ingest.published()
    updates = [e for e in said if isinstance(e.data, client.ClientUpdated)]
    report = await ask(ingest, replayer(ingest), dry_run=False)
    assert set(found(report)) == {"unchanged"}, report
    assert [e for e in await ingest.published() if isinstance(e.data, client.ClientUpdated)] == updates
    assert (await ingest.call("GET", f"/v1/clients/{client_id}")).json()["profile"]["name"] == "Old"


async def test_people_are_told_of_once(ingest: Ingest) -> None:
    await ingest.register("segment:group:g1")
    identify = {"type": "identify", "messageId": "i1", "userId": "u1", "timestamp": START.isoformat(),
                "traits": {"email": "ada@northwind.example", "name": "Ada"}, "context": {"groupId": "g1"}}  # fmt: skip
    await ingest.webhook("segment", identify)
    later = (START + timedelta(minutes=2)).isoformat()
    await ingest.webhook("segment", {**identify, "messageId": "i2", "timestamp": later, "traits": {"name": "Ada O."}})
    before = await ingest.published()
    for _ in range(2):
        report = await ask(ingest, replayer(ingest), dry_run=False)
        assert found(report) == {"unchanged": 2}
    assert await ingest.published() == before


async def test_readings_may_stay_as_they_were(ingest: Ingest) -> None:
    await ingest.register("zendesk:organization:9")
    runtime: Runtime = ingest.service.app.state.ingest
    detail = {
        "id": "1", "organization_id": "9", "priority": "high", "status": "new", "requester_id": "5",
        "submitter_id": "5",
        "description": "We will cancel our plan. This is awful.", "created_at": START.isoformat(),
    }  # fmt: skip
    ticket = {
        "type": "zen:event-type:ticket.created",
        "id": "e1",
        "time": START.isoformat(),
        "zendesk_event_version": "2022-11-06",
        "event": {},
        "detail": detail,
    }
    await ingest.webhook("zendesk", ticket)
    [opened] = [e for e in await ingest.published() if isinstance(e.data, client.TicketOpened)]
    assert opened.data.reading is not None
    other = replace(runtime.reader, model="another")
    worker = replace(replayer(ingest), reader=other)
    assert found(await ask(ingest, worker, source="zendesk", readings=False)) == {"unchanged": 1}
    report = await ask(ingest, worker, source="zendesk", dry_run=False)
    assert report["counts"]["corrected"] >= 1
    last = [e for e in await ingest.published() if isinstance(e.data, client.TicketOpened)][-1]
    assert (last.replaces, last.data.reading.model) == (opened.id, "another")
    assert last.data.text_ref == opened.data.text_ref


async def test_posts_that_nobody_could_read_are_read_again(ingest: Ingest) -> None:
    await ingest.register("segment:group:g1")
    await ingest.webhook("segment", b"{not json")
    report = await ask(ingest, replayer(ingest), dry_run=False)
    assert (report["state"], report["counts"]["unreadable"]) == ("done", 1)


async def test_wrong_wishes_are_refused(ingest: Ingest) -> None:
    wish = {"source": "segment", "since": SINCE}
    assert (await ingest.call("POST", "/v1/replays", json={**wish, "source": "nobody"})).status_code == 422
    assert (await ingest.call("POST", "/v1/replays", json={**wish, "until": SINCE})).status_code == 422
    assert (await ingest.call("POST", "/v1/replays", json=wish, scopes=["ingest:read"])).status_code == 403
    assert (await ingest.call("GET", f"/v1/replays/{UUID(int=1)}")).status_code == 404
    assert (await ingest.call("POST", f"/v1/replays/{UUID(int=1)}/publish")).status_code == 404
    assert (await ingest.call("GET", "/v1/replays")).json()["items"] == []


@pytest.mark.parametrize("bodies", [1, 120])
async def test_it_goes_on_post_by_post(ingest: Ingest, bodies: int) -> None:
    await ingest.register("segment:group:g1")
    for nth in range(bodies):
        await ingest.webhook("segment", track("Report Made", f"m{nth}"))
    worker = replayer(ingest, features={"Report Made": "reports"})
    report = await ask(ingest, worker, dry_run=False)
    assert (report["counts"]["bodies"], found(report)) == (bodies, {"corrected": bodies})


async def test_a_creation_that_made_its_client_is_what_it_was(ingest: Ingest) -> None:
    created = {"eventId": 1, "subscriptionType": "company.creation", "objectId": 77, "portalId": 5,
               "occurredAt": int(START.timestamp() * 1000)}  # fmt: skip
    named = {**created, "eventId": 2, "subscriptionType": "company.propertyChange", "propertyName": "name",
             "propertyValue": "Northwind"}  # fmt: skip
    await ingest.webhook("hubspot", [created, named])
    before = await ingest.published()
    assert [e.data.type_name() for e in before] == ["client_registered", "client_updated"]
    report = await ask(ingest, replayer(ingest), source="hubspot", dry_run=False)
    assert found(report) == {"unchanged": 2}
    assert await ingest.published() == before
