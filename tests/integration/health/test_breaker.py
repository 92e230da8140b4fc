"""One feed or one publication that moves many clients for the worse is stopped; single clients go on."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from common.contracts import client
from common.contracts.base import Data, Event
from common.contracts.health import Band, BandChanged, Cause, ChangesHeld, Scored

from tests.support.breaker_world import STRICT, TICKETS, TIRING, green_clients, published, urgent
from tests.support.health_stack import HealthStack


def opened(health: HealthStack, clients: list[UUID], source: str = "zendesk", ticket: str = "1") -> list[Event[Data]]:
    now = health.clock.now()
    return [
        Event.of(urgent(ticket), id=uuid4(), source=f"csl/ingest/{source}", subject=each, time=now) for each in clients
    ]


async def holds(health: HealthStack, **query: str) -> list[dict]:
    return list((await health.get("/v1/holds", **query))["items"])


async def test_exactly_the_limit_is_told_and_one_more_is_held(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.deliver(*opened(health, clients[:5]))  # 10 % of 50, which is not more than 10 %
    assert len(await health.said(BandChanged)) == 5
    assert await holds(health) == []
    (sixth,) = opened(health, clients[5:6])
    await health.deliver(sixth)
    said = await health.said()
    assert [type(e.data) for e in said if not isinstance(e.data, Scored)] == [ChangesHeld]
    (scored,) = [e.data for e in said if isinstance(e.data, Scored)]
    (told,) = [e for e in said if isinstance(e.data, ChangesHeld)]
    assert (told.data.source, told.data.moved, told.data.clients, told.data.limit_percent) == ("zendesk", 6, 50, 10.0)
    assert (scored.band, scored.score, scored.held) == (Band.GREEN, 100.0, told.data.hold_id)
    assert scored.caused_by == (sixth.id,)
    assert [c.score for c in scored.components] == [100.0]
    (hold,) = await holds(health)
    assert (hold["kind"], hold["name"], hold["state"], hold["held"]) == ("feed", "zendesk", "open", 1)


async def test_what_passes_the_limit_in_one_batch_is_held_whole_and_on_call_hears_once(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.deliver(*opened(health, clients[:20]))
    assert await health.said(BandChanged) == []
    await health.deliver(*opened(health, clients[20:30]))
    await health.deliver(*opened(health, clients[30:40]))
    said = await health.said()
    assert [e for e in said if isinstance(e.data, ChangesHeld | BandChanged)] == []
    (hold,) = await holds(health)
    assert (hold["moved"], hold["held"]) == (20, 40)
    reads = await health.health(clients[0])
    assert (reads["band"], reads["score"]) == ("amber", 70.0)
    assert (reads["held"]["band_said"], reads["held"]["score_said"]) == ("green", 100.0)
    assert reads["held"]["hold_id"] == hold["id"]
    (kept, *_) = (await health.get(f"/v1/clients/{clients[0]}/health/history"))["items"]
    assert (kept["band"], kept["held_by"]) == ("amber", hold["id"])
    listed = (await health.get("/v1/clients", band="green"))["items"]
    assert {item["client_id"] for item in listed if item["hold_id"]} == {str(each) for each in clients[:40]}
    held = (await health.get(f"/v1/holds/{hold['id']}/clients", limit=500))["items"]
    assert {(h["band_said"], h["band"], h["cause"]) for h in held} == {("green", "amber", "behaviour")}


async def test_few_clients_are_never_too_many(health: HealthStack):
    clients = await green_clients(health, 20)
    await health.deliver(*opened(health, clients[:4]))  # 20 %, but four
    assert len(await health.said(BandChanged)) == 4
    await health.deliver(*opened(health, clients[4:5]))
    assert await health.said(BandChanged) == []


async def test_an_hour_later_they_are_counted_anew(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.deliver(*opened(health, clients[:5]))
    health.clock.advance(minutes=59, seconds=59)
    await health.deliver(*opened(health, clients[5:6]))
    assert len(await holds(health)) == 1
    assert len(await health.said(BandChanged)) == 5


async def test_after_the_hour_it_takes_as_many_again(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.deliver(*opened(health, clients[:5]))
    health.clock.advance(hours=1)
    await health.deliver(*opened(health, clients[5:10]))
    assert len(await health.said(BandChanged)) == 10
    assert await holds(health) == []


async def test_other_feeds_and_single_clients_go_on(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.deliver(*opened(health, clients[:10]))
    await health.said()
    moved = clients[0]  # held in amber; an event of another feed takes it on to red
    await health.deliver(*opened(health, [moved, clients[20]], "intercom", "2"))
    changes = {e.subject: e.data for e in await health.said(BandChanged)}
    assert {key: (c.band_before, c.band, c.cause) for key, c in changes.items()} == {
        str(moved): ("green", "red", Cause.BEHAVIOUR),
        str(clients[20]): ("green", "amber", Cause.BEHAVIOUR),
    }
    assert (await health.health(moved))["held"] is None
    (hold,) = await holds(health)
    assert hold["held"] == 9


async def test_a_batch_of_two_feeds_is_held_for_the_one_that_moved_the_client(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.deliver(*opened(health, clients[:10]))
    await health.said()
    now = health.clock.now()
    logins = [
        Event.of(client.LoggedIn(), id=uuid4(), source="csl/ingest/segment", subject=each, time=now)
        for each in clients[10:12]
    ]
    await health.deliver(*logins, *opened(health, clients[10:11]), *opened(health, clients[11:12], "intercom"))
    assert [e.subject for e in await health.said(BandChanged)] == [str(clients[11])]


async def test_what_is_better_again_is_not_held_any_more(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.deliver(*opened(health, clients[:10]))
    await health.said()
    health.clock.advance(minutes=1)
    await health.say(client.TicketResolved(ticket_id="1"), clients[0], "zendesk")
    (scored,) = await health.said()
    assert (scored.data.band, scored.data.held) == (Band.GREEN, None)
    assert (await holds(health))[0]["held"] == 9


async def test_moves_to_unknown_are_never_held(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.fall_silent("zendesk", health.clock.now())
    health.clock.advance(days=2)
    await health.fire()
    changes = await health.said(BandChanged)
    assert {(e.data.band, e.data.cause) for e in changes} == {(Band.UNKNOWN, Cause.MISSING_DATA)}
    assert len(changes) == len(clients)
    assert await holds(health) == []


async def test_released_changes_are_told_with_their_causes_and_the_feed_is_believed_for_an_hour(health: HealthStack):
    clients = await green_clients(health, 50)
    events = opened(health, clients[:10])
    await health.deliver(*events)
    (hold,) = await holds(health)
    await health.said()
    path = f"/v1/holds/{hold['id']}/release"
    assert (await health.post(path, {})).status_code == 422
    async with health.http("health:read") as http:
        assert (await http.post(path, json={"reason": "mine"})).status_code == 403
    health.clock.advance(minutes=5)
    answer = await health.post(path, {"reason": "a real outage"})
    assert (answer.json()["state"], answer.json()["decided_by"]) == ("released", "maya@ours.example")
    assert (await health.post(path, {"reason": "again"})).status_code == 409
    await health.fire(workers=2)
    changes = await health.said(BandChanged)
    assert len(changes) == 10
    by_client = {e.subject: e.data for e in changes}
    for event in events:
        change = by_client[event.subject]
        assert (change.band_before, change.band, change.cause) == ("green", "amber", Cause.BEHAVIOUR)
        assert change.caused_by == (event.id,)
        assert change.moves[0].signal == "urgent_tickets"
    await health.deliver(*opened(health, clients[10:20]))
    assert len(await health.said(BandChanged)) == 10
    assert (await health.health(clients[0]))["held"] is None


async def test_discarded_changes_are_never_told_until_the_band_changes_once_more(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.deliver(*opened(health, clients[:10]))
    (hold,) = await holds(health)
    await health.said()
    await health.post(f"/v1/holds/{hold['id']}/discard", {"reason": "a broken trigger in zendesk"})
    health.clock.advance(days=1)
    await health.fire()
    said = await health.said()
    assert [e for e in said if isinstance(e.data, BandChanged)] == []
    assert {(e.data.band, e.data.held) for e in said if e.subject == str(clients[0])} == {
        (Band.GREEN, UUID(hold["id"]))
    }
    assert (await health.health(clients[0]))["held"]["state"] == "discarded"
    health.clock.advance(hours=2)
    await health.say(urgent("2"), clients[0], "intercom")
    (change,) = await health.said(BandChanged)
    assert (change.data.band_before, change.data.band) == (Band.GREEN, Band.RED)
    assert (await health.health(clients[0]))["held"] is None


async def test_two_replicas_at_once_count_each_other(health: HealthStack):
    clients = await green_clients(health, 50)
    await asyncio.gather(*(health.deliver(event) for event in opened(health, clients[:12])))
    told = len(await health.said(BandChanged))
    assert told == 5
    (hold,) = await holds(health)
    assert hold["held"] == 7


async def test_what_was_rolled_back_was_not_counted(health: HealthStack):
    clients = await green_clients(health, 50)
    events = opened(health, clients[:10])

    async def killed() -> None:
        async with health.database.transaction() as session:
            await health.take(session, *events)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await killed()
    assert await holds(health) == []
    await health.deliver(*events[:5])
    assert len(await health.said(BandChanged)) == 5


async def test_a_publication_is_held_before_anybody_hears_of_it_and_taking_it_back_says_nothing(health: HealthStack):
    clients = await green_clients(health, 30)
    model_id = await published(health, STRICT)
    await health.fire()
    said = await health.said()
    assert [e for e in said if isinstance(e.data, BandChanged)] == []
    (told,) = [e.data for e in said if isinstance(e.data, ChangesHeld)]
    assert (told.model, told.moved, told.clients) == ("loop", 30, 30)
    (hold,) = await holds(health)
    assert (hold["kind"], hold["definition_id"], hold["held"]) == ("publication", model_id, 30)
    back = await health.post(f"/v1/models/{model_id}/take-back", {"reason": "too strict"})
    assert (back.status_code, back.json()["version"]) == (200, 2)
    health.clock.advance(minutes=1)
    await health.fire()
    said = await health.said()
    assert [e for e in said if isinstance(e.data, BandChanged | ChangesHeld)] == []
    assert (await health.health(clients[0]))["held"] is None
    assert await holds(health) == []
    (first, second, *_) = (await health.get("/v1/publications"))["items"]
    assert (first["action"], first["by"], first["reason"]) == ("take_back", "maya@ours.example", "too strict")
    assert (second["action"], second["definition_id"]) == ("publish", model_id)
    assert second["difference"]["worse"] == 30
    assert (await health.post(f"/v1/models/{model_id}/take-back", {"reason": "once more"})).status_code == 409


async def test_a_publication_within_the_limit_is_told_once_all_clients_were_gone_through(health: HealthStack):
    clients = await green_clients(health, 120)
    for each in clients[:10]:
        await health.say(client.TicketResolved(ticket_id="0"), each, "zendesk")
        await health.say(client.TicketOpened(ticket_id="9", priority="high"), each, "zendesk")
    await health.said()
    stricter = TICKETS.replace("urgent_tickets: {", "urgent_tickets: {params: {}, ")
    await published(health, stricter)
    await health.fire()
    assert await holds(health) != []  # a hundred were gone through: it is still being weighed
    health.clock.advance(seconds=1)
    await health.fire()
    assert await holds(health) == []
    assert await health.said(ChangesHeld) == []
    assert (await health.health(clients[-1]))["model_version"] == 3


async def test_released_publication_is_told_with_cause_model(health: HealthStack):
    await green_clients(health, 10)
    await published(health, STRICT)
    await health.fire()
    (hold,) = await holds(health)
    await health.said()
    await health.post(f"/v1/holds/{hold['id']}/release", {"reason": "we mean it"})
    await health.fire()
    changes = await health.said(BandChanged)
    assert {(e.data.band_before, e.data.band, e.data.cause) for e in changes} == {("green", "amber", Cause.MODEL)}
    assert len(changes) == 10


async def test_erased_clients_leave_nothing_in_a_hold(health: HealthStack):
    clients = await green_clients(health, 50)
    await health.deliver(*opened(health, clients[:10]))
    await health.say(client.ClientErased(), clients[0])
    assert await health.rows("SELECT 1 FROM held WHERE client_id = :id", id=clients[0]) == []
    assert await health.rows("SELECT 1 FROM worsened WHERE client_id = :id", id=clients[0]) == []
    (hold,) = await holds(health)
    assert hold["held"] == 9


async def test_time_is_nobodys_doing(health: HealthStack):
    clients = await green_clients(health, 30)
    now = health.clock.now()
    await health.deliver(
        *(Event.of(client.LoggedIn(), id=uuid4(), source="csl/ingest/segment", subject=c, time=now) for c in clients)
    )
    await published(health, TIRING)
    await health.fire()
    await health.said()
    health.clock.advance(days=1)
    await health.fire()
    changes = await health.said(BandChanged)
    assert [e.data.cause for e in changes] == [Cause.TIME] * 30
    assert await holds(health) == []
