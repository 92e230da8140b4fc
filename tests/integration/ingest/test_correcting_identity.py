"""Two records are one client, or were not; a wrong link is moved: events, people and words follow."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from common.contracts import client as said_of
from common.contracts.base import Event
from ingest.repository import loading

from tests.integration.ingest.conftest import Ingest
from tests.integration.ingest.test_accepting_webhooks import changed
from tests.integration.ingest.test_knowing_clients import unmatched
from tests.integration.ingest.test_linking_new_refs import grouped, identify, linked, tracked


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
    read, moved = loading.owners, []

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
