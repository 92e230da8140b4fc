"""Two records are one client, or were not; a wrong link is moved: events, people and words follow."""

from __future__ import annotations

import asyncio
from json import dumps
from typing import Any
from uuid import UUID, uuid4

from common.contracts import client as said_of
from common.contracts.base import Event
from ingest.repository import loading

from tests.integration.ingest.conftest import Ingest
from tests.integration.ingest.test_accepting_webhooks import changed
from tests.integration.ingest.test_knowing_clients import unmatched
from tests.integration.ingest.test_linking_new_refs import grouped, identify, linked, tracked

REF_OF_SECOND = {"source": "stripe", "kind": "customer", "id": "cus_2"}


async def client_of(ingest: Ingest, ref: str) -> str:
    source, kind, id_ = ref.split(":", 2)
    return str((await ingest.call("GET", f"/v1/clients/by-ref/{source}/{kind}/{id_}")).json()["client_id"])


async def merge(ingest: Ingest, from_: UUID, into: UUID) -> Any:
    ingest.clock.advance(minutes=1)
    return await ingest.call("POST", f"/v1/clients/{into}/merge", json={"from_client_id": str(from_)})


async def unmerge(ingest: Ingest, from_: UUID) -> Any:
    ingest.clock.advance(minutes=1)
    return await ingest.call("POST", f"/v1/clients/{from_}/unmerge")


async def move(ingest: Ingest, ref: str, into: UUID) -> Any:
    ingest.clock.advance(minutes=1)
    source, kind, id_ = ref.split(":", 2)
    return await ingest.call("PUT", f"/v1/refs/{source}/{kind}/{id_}", json={"client_id": str(into)})


async def in_force(ingest: Ingest, client: UUID) -> list[Event[Any]]:
    """What stands of a client by its own id: neither withdrawn nor replaced."""
    events = [event for event in await ingest.published() if event.client_id == client]
    gone = {event.replaces for event in events} | {
        event.data.event_id for event in events if isinstance(event.data, said_of.EventWithdrawn)
    }
    return [e for e in events if e.id not in gone and not isinstance(e.data, said_of.EventWithdrawn)]


async def names(ingest: Ingest, client: UUID) -> list[str]:
    return [event.data.type_name() for event in await in_force(ingest, client)]


async def test_a_merged_clients_refs_people_and_profile_follow_and_come_back(ingest: Ingest) -> None:
    old = await ingest.register("hubspot:company:1", name="Initech Ltd", seats=4)
    ingest.clock.advance(minutes=1)
    kept = await ingest.register("hubspot:company:2", name="Initech")
    person = {
        "type": "contact_added",
        "subject": f"{old}",
        "data": {"contact_id": "9", "name": "Ada", "role": "sponsor"},
    }
    await ingest.call("POST", "/v1/events", json=person)
    assert (await merge(ingest, old, kept)).json() == {"client_id": str(kept), "from_client_id": str(old)}
    seen = (await ingest.call("GET", f"/v1/clients/{kept}")).json()
    assert seen["profile"] == {"name": "Initech", "seats": 4}
    assert seen["absorbed"] == [str(old)]
    assert [one["name"] for one in seen["people"]] == ["Ada"]
    assert (await ingest.call("GET", f"/v1/clients/{old}")).json()["merged_into"] == str(kept)
    assert [c["client_id"] for c in (await ingest.call("GET", "/v1/clients")).json()["items"]] == [str(kept)]
    merged = [e for e in await ingest.published() if e.data.type_name() == "clients_merged"]
    assert {e.client_id for e in merged} == {old, kept}
    # what the old record tells later is said of the survivor
    await ingest.webhook("hubspot", [changed("seats", "7", 3, company=1)])
    assert (await ingest.published())[-1].client_id == kept
    answer = (await unmerge(ingest, old)).json()
    assert (answer["events"], answer["done"]) == (1, True)
    [apart, _] = [e for e in await ingest.published() if e.data.type_name() == "clients_unmerged"]
    assert len(apart.data.moved) == 1
    assert await names(ingest, old) == [
        "client_registered", "contact_added", "clients_merged", "clients_unmerged", "client_updated",
    ]  # fmt: skip
    first, second = [(await ingest.call("GET", f"/v1/clients/{one}")).json() for one in (old, kept)]
    assert (first["profile"], second["profile"]) == ({"name": "Initech Ltd", "seats": 7}, {"name": "Initech"})
    assert ([p["name"] for p in first["people"]], second["people"]) == (["Ada"], [])
    assert (await linked(ingest, old)).keys() == {"hubspot:company:1"}
    audit = (await ingest.call("GET", "/v1/audit")).json()["items"]
    assert [(line["action"], line["by"]) for line in audit] == [
        ("clients_unmerged", "maya"),
        ("clients_merged", "maya"),
    ]


async def test_whoever_names_a_merged_client_by_its_id_means_the_survivor(ingest: Ingest) -> None:
    first = await ingest.register("hubspot:company:1")
    second = await ingest.register("hubspot:company:2")
    third = await ingest.register("hubspot:company:3")
    await merge(ingest, first, second)
    await merge(ingest, second, third)
    event = {"type": "logged_in", "subject": str(first), "data": {}}
    assert (await ingest.call("POST", "/v1/events", json=event)).status_code == 202
    assert (await ingest.published())[-1].client_id == third
    line = (
        b'{"type": "logged_in", "subject": "%s", "source": "old", "time": "2026-01-02T00:00:00Z"}' % str(first).encode()
    )
    report = await ingest.call("POST", "/v1/imports", content=line)
    assert report.json()["accepted"] == 1, report.text
    logins = [e for e in await ingest.published() if e.data.type_name() == "logged_in"]
    assert {e.client_id for e in logins} == {third}


async def test_what_named_a_merged_client_by_its_id_goes_back_with_it(ingest: Ingest) -> None:
    first = await ingest.register("hubspot:company:1")
    second = await ingest.register("hubspot:company:2")
    third = await ingest.register("hubspot:company:3")
    await merge(ingest, first, second)
    await merge(ingest, second, third)
    for nth, named in enumerate((first, second, third)):
        event = {"type": "logged_in", "subject": str(named), "data": {"count": nth + 1}}
        assert (await ingest.call("POST", "/v1/events", json=event)).status_code == 202
        line = {**event, "type": "milestone_completed", "source": "old", "time": "2026-01-02T00:00:00Z",
                "data": {"milestone": str(nth + 1)}}  # fmt: skip
        assert (await ingest.call("POST", "/v1/imports", content=dumps(line))).json()["accepted"] == 1
    linked_so = {"type": "client_updated", "subject": str(second), "data": {"refs": [REF_OF_SECOND]}}
    assert (await ingest.call("POST", "/v1/events", json=linked_so)).status_code == 202
    assert await client_of(ingest, "stripe:customer:cus_2") == str(third)
    assert (await unmerge(ingest, second)).json()["events"] == 5
    assert await client_of(ingest, "stripe:customer:cus_2") == str(second)
    told: dict[UUID, set[object]] = {}
    for one in (first, second, third):
        events = [e.data for e in await in_force(ingest, one)]
        told[one] = {e.count for e in events if isinstance(e, said_of.LoggedIn)}
        told[one] |= {e.milestone for e in events if isinstance(e, said_of.MilestoneCompleted)}
    assert told == {first: set(), second: {1, "1", 2, "2"}, third: {3, "3"}}


async def test_merges_that_make_no_sense_are_refused(ingest: Ingest) -> None:
    first = await ingest.register("hubspot:company:1")
    second = await ingest.register("hubspot:company:2")
    assert (await merge(ingest, first, first)).status_code == 422
    assert (await merge(ingest, uuid4(), first)).status_code == 422
    assert (await merge(ingest, first, uuid4())).status_code == 404
    assert (await unmerge(ingest, first)).status_code == 409
    await merge(ingest, first, second)
    assert (await merge(ingest, first, second)).status_code == 409
    assert (await merge(ingest, second, first)).status_code == 409
    assert (await unmerge(ingest, uuid4())).status_code == 404


async def test_a_repeated_merge_is_one(ingest: Ingest) -> None:
    first = await ingest.register("hubspot:company:1")
    second = await ingest.register("hubspot:company:2")
    answers = [
        await ingest.call("POST", f"/v1/clients/{first}/merge", json={"into_client_id": str(second)},
                          headers={"Idempotency-Key": "once"})
        for _ in range(2)
    ]  # fmt: skip
    assert [answer.json() for answer in answers] == [{"client_id": str(second), "from_client_id": str(first)}] * 2
    assert len([e for e in await ingest.published() if e.data.type_name() == "clients_merged"]) == 2


async def test_merging_two_of_one_domain_releases_what_could_not_be_told_apart(ingest: Ingest) -> None:
    first = await ingest.register("hubspot:company:1", domain="initech.example")
    second = await ingest.register("hubspot:company:2", domain="initech.example")
    await ingest.webhook("segment", identify("u1", "ada@initech.example"))
    assert len(await unmatched(ingest)) == 1
    await merge(ingest, first, second)
    assert await unmatched(ingest) == []
    assert (await ingest.published())[-1].client_id == second


async def test_a_wrong_link_is_moved_with_all_that_it_told(ingest: Ingest) -> None:
    wrong = await ingest.register("hubspot:company:1", domain="initech.example")
    right = await ingest.register("hubspot:company:2")
    await ingest.webhook("segment", grouped("g1", "initech.example"))
    await ingest.webhook("segment", tracked("g1", nth=1))
    await ingest.webhook("segment", identify("of-g1", "ada@elsewhere.example", group="g1"))
    assert await names(ingest, wrong) == ["client_registered", "client_updated", "usage_recorded", "contact_added"]
    before = {e.id: e for e in await ingest.published()}
    answer = await move(ingest, "segment:group:g1", right)
    assert (answer.json()["events"], answer.json()["from_client_id"]) == (2, str(wrong))
    assert await names(ingest, wrong) == ["client_registered"]
    said = await in_force(ingest, right)
    assert [e.data.type_name() for e in said] == [
        "client_registered",
        "usage_recorded",
        "contact_added",
        "client_updated",
    ]
    usage, person, refs = said[1:]
    assert usage.replaces in before
    assert usage.time == before[usage.replaces].time
    assert usage.knowntime == ingest.clock.now()
    assert (person.data.name, person.data.email) == ("Ada Okafor", "ada@elsewhere.example")
    assert [ref.id for ref in refs.data.refs] == ["2", "g1"]
    # the person was linked because of the group, and follows it
    assert (await linked(ingest, right)).keys() == {"hubspot:company:2", "segment:group:g1", "segment:user:of-g1"}
    assert (await linked(ingest, right))["segment:group:g1"] == "maya"
    assert [p["name"] for p in (await ingest.call("GET", f"/v1/clients/{right}")).json()["people"]] == ["Ada Okafor"]
    assert (await ingest.call("GET", f"/v1/clients/{wrong}")).json()["people"] == []
    # it stays: neither a domain nor the CRM takes it back
    await ingest.webhook("hubspot", [changed("segment_group_id", "g1", 9, company=1)])
    await ingest.webhook("segment", grouped("g1", "initech.example", nth=2))
    await ingest.webhook("segment", tracked("g1", nth=2))
    assert (await ingest.published())[-1].client_id == right


async def test_many_events_are_moved_in_chunks_in_their_order(ingest: Ingest, monkeypatch: Any) -> None:
    from ingest import carrying

    monkeypatch.setattr(carrying, "CHUNK", 4)
    wrong, right = await ingest.register("hubspot:company:1"), await ingest.register("hubspot:company:2")
    await ingest.webhook("segment", tracked("g1", nth=0))
    [waiting] = await unmatched(ingest)
    await ingest.call("POST", f"/v1/unmatched/{waiting['id']}/assign", json={"client_id": str(wrong)})
    for nth in range(1, 10):
        await ingest.webhook("segment", {**tracked("g1", nth=nth), "event": f"Step {nth}"})
    order = [
        e.data.feature
        for e in sorted(await in_force(ingest, wrong), key=lambda e: e.order)
        if e.data.type_name() == "usage_recorded"
    ]
    answer = (await move(ingest, "segment:group:g1", right)).json()
    assert (answer["events"], answer["done"]) == (4, False)
    assert (await move(ingest, "segment:group:g1", wrong)).status_code == 409
    for _ in range(3):
        await ingest.fire_timers()
    moved = [e for e in await in_force(ingest, right) if e.data.type_name() == "usage_recorded"]
    assert [e.data.feature for e in sorted(moved, key=lambda e: e.order)] == order
    assert "usage_recorded" not in await names(ingest, wrong)
    assert (await move(ingest, "segment:group:g1", wrong)).status_code == 200


async def test_the_ref_that_a_client_stands_on_is_not_moved(ingest: Ingest) -> None:
    first, second = await ingest.register("hubspot:company:1"), await ingest.register("hubspot:company:2")
    answer = await move(ingest, "hubspot:company:1", second)
    assert answer.status_code == 409
    assert "merge" in answer.json()["detail"]
    assert await client_of(ingest, "hubspot:company:1") == str(first)
    assert (await move(ingest, "segment:group:g1", uuid4())).status_code == 422


async def test_an_accept_that_read_the_old_link_while_it_was_moved_looks_again(
    ingest: Ingest, monkeypatch: Any
) -> None:
    wrong, right = await ingest.register("hubspot:company:1"), await ingest.register("hubspot:company:2")
    await move(ingest, "segment:group:g1", wrong)
    read, moved = loading.owners, list[bool]()

    async def reading_just_before(session: Any, refs: Any) -> Any:
        found = await read(session, refs)
        if not moved:
            moved.append(True)
            assert (await move(ingest, "segment:group:g1", right)).status_code == 200
        return found

    monkeypatch.setattr(loading, "owners", reading_just_before)
    assert (await ingest.webhook("segment", tracked("g1"))).status_code == 202
    assert (await ingest.published())[-1].client_id == right


async def test_a_ref_nobody_knows_yet_can_be_assigned_ahead(ingest: Ingest) -> None:
    client = await ingest.register("hubspot:company:1")
    assert (await move(ingest, "segment:group:g1", client)).json()["from_client_id"] is None
    await ingest.webhook("segment", tracked("g1"))
    assert (await ingest.published())[-1].client_id == client


async def test_words_and_history_move_too(ingest: Ingest) -> None:
    wrong, right = await ingest.register("hubspot:company:1"), await ingest.register("hubspot:company:2")
    await move(ingest, "desk:organization:5", wrong)
    line = (
        b'{"type": "ticket_opened", "subject": "ref:desk:organization:5", "source": "desk", "text": "It is broken",'
        b' "time": "2026-01-05T00:00:00Z", "data": {"ticket_id": "1", "priority": "high"}}'
    )
    assert (await ingest.call("POST", "/v1/imports", content=line)).json()["accepted"] == 1
    await move(ingest, "desk:organization:5", right)
    assert [str(row.client_id) for row in await ingest.rows("SELECT client_id FROM texts")] == [str(right)]
    assert [str(r.client_id) for r in await ingest.rows("SELECT client_id FROM imported_ids")] == [str(right)]
    assert (await names(ingest, right))[-2:] == ["client_updated", "import_finished"] or (
        "import_finished" in await names(ingest, right)
    )
    again = await ingest.call("POST", "/v1/imports", content=line)
    assert again.json()["repeated"] == 1


async def test_merging_moving_and_accepting_at_once_ends_without_a_fault(ingest: Ingest) -> None:
    clients = [await ingest.register(f"hubspot:company:{nth}") for nth in range(6)]
    await move(ingest, "segment:group:g1", clients[0])

    async def post(nth: int) -> int:
        seats, name = changed("seats", "4", 100 + nth, company=nth % 6), changed("name", "N", 200 + nth, company=1)
        return (await ingest.webhook("hubspot", [seats, name])).status_code

    async def track(nth: int) -> int:
        return (await ingest.webhook("segment", tracked("g1", nth=nth))).status_code

    async def put(nth: int) -> int:
        body = {"client_id": str(clients[nth % 6])}
        return (await ingest.call("PUT", "/v1/refs/segment/group/g1", json=body)).status_code

    async def unite(nth: int) -> int:
        path, body = f"/v1/clients/{clients[nth]}/merge", {"from_client_id": str(clients[nth + 1])}
        return (await ingest.call("POST", path, json=body)).status_code

    accepting = [*(post(n) for n in range(20)), *(track(n) for n in range(20))]
    statuses = await asyncio.gather(*accepting, *(put(n) for n in range(8)), *map(unite, (0, 2, 4)))
    assert set(statuses) <= {200, 202, 409}
    owner = await client_of(ingest, "segment:group:g1")
    standing = [e for one in clients for e in await in_force(ingest, one) if e.data.type_name() == "usage_recorded"]
    assert len(standing) == 20, "each counts once"
    lines = await ingest.rows("SELECT client_id, event_id FROM said WHERE type = 'csl.client.usage_recorded.v1'")
    assert {row.event_id for row in lines} == {e.id for e in standing}
    merged = {row.id: row.merged_into for row in await ingest.rows("SELECT id, merged_into FROM clients")}
    assert {str(merged[row.client_id] or row.client_id) for row in lines} == {owner}, "all under the ref's client"


async def test_a_link_of_a_merged_client_is_moved_with_what_it_told_before_the_merge(ingest: Ingest) -> None:
    old, kept = await ingest.register("hubspot:company:1", name="Old"), await ingest.register("hubspot:company:2")
    right = await ingest.register("hubspot:company:3")
    await move(ingest, "segment:group:g1", old)
    await ingest.webhook("segment", tracked("g1", nth=1))
    await merge(ingest, old, kept)
    await ingest.webhook("segment", tracked("g1", nth=2))
    assert (await move(ingest, "hubspot:company:1", right)).status_code == 409, "the merged client stands on it"
    assert (await move(ingest, "segment:group:g1", right)).json()["events"] == 2
    assert (await names(ingest, right)).count("usage_recorded") == 2
    for one in (old, kept):
        assert "usage_recorded" not in await names(ingest, one)
    assert (await unmerge(ingest, old)).status_code == 200
    assert (await linked(ingest, old)).keys() == {"hubspot:company:1"}
