"""History never acts; late, withdrawn, corrected, merged and erased facts leave what they should."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import UUID, uuid4

from common.contracts import client
from common.contracts.base import Origin
from common.contracts.health import BandChanged, Cause, MilestoneLate, Mode, Scored
from health.domain.fold import fold
from health.domain.state import dump

from tests.support.health_stack import FOR_EVER, HealthStack
from tests.support.health_world import SOURCES, day, event, order, registered, score, steady


async def test_an_import_gives_one_quiet_baseline_and_marked_history(health: HealthStack, client_id: UUID):
    health.clock.set(day(150))
    await health.hear(*SOURCES, every=FOR_EVER)
    story = steady(100, client_id=client_id)
    await health.bring_in(client_id, story)
    said = await health.said()
    assert [(type(e.data), e.data.mode, len(e.data.caused_by)) for e in said] == [(Scored, Mode.LIVE, 1)]
    await health.fire()
    published = await health.said()
    assert {type(e.data) for e in published} == {Scored}
    assert {e.data.mode for e in published} == {Mode.HISTORIC}
    assert {e.origin.value for e in published} == {"import"}
    assert all(e.time.weekday() == 0 and e.time.hour == 0 for e in published)
    assert len(published) == 14
    days = await health.get(f"/v1/clients/{client_id}/health/history", mode="historic", limit=500)
    assert 98 <= len(days["items"]) <= 101
    at = {item["as_of"]: item["score"] for item in days["items"]}
    assert (
        at[day(63).replace(hour=0).isoformat().replace("+00:00", "Z")] * 16
        == score([e for e in story if e.time < day(63).replace(hour=0)], day(63).replace(hour=0)).score
    )


async def test_importing_again_changes_nothing(health: HealthStack, client_id: UUID):
    health.clock.set(day(60))
    story = steady(40, client_id=client_id)
    await health.bring_in(client_id, story)
    state = await health.state(client_id)
    await health.fire()
    await health.said()
    for fact in story:
        await health.deliver(fact.model_copy(update={"origin": Origin.IMPORT}))
    assert await health.said() == []
    assert await health.state(client_id) == state


async def test_the_first_live_event_after_an_import_may_act(health: HealthStack, client_id: UUID):
    health.clock.set(day(100, 1))
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.bring_in(client_id, steady(100, client_id=client_id))
    await health.fire()
    assert not [e for e in await health.said() if isinstance(e.data, BandChanged | MilestoneLate)]
    health.clock.advance(hours=1)
    sad = [
        client.TicketOpened.model_validate(
            {"ticket_id": f"t{n}", "priority": "urgent", "reading": {"sentiment": -1.0, "words": 9}}
        )
        for n in range(9)
    ]
    await health.deliver(
        *[event(body, day(100, 2), "zendesk", client_id=client_id) for body in sad],
        event(client.KpiReported(kpi="hours_saved", value=0.0), day(100, 2), "csm", client_id=client_id),
        event(client.SponsorChanged(contact_before="ada"), day(100, 2), "hubspot", client_id=client_id),
    )
    (change,) = await health.said(BandChanged)
    assert (change.data.band_before, change.data.cause) == ("green", Cause.BEHAVIOUR)


async def test_a_silent_feed_shows_at_once_when_read_and_moves_its_clients_to_unknown(
    health: HealthStack, client_id: UUID
):
    health.clock.set(day(100, 1))
    await health.hear(*SOURCES, every=86400)
    await health.bring_in(client_id, steady(100, client_id=client_id))
    assert (await health.health(client_id))["band"] == "green"
    await health.said()
    health.clock.advance(hours=25)
    await health.hear(*(s for s in SOURCES if s != "segment"), every=86400)
    found = await health.health(client_id)  # nobody has told health yet: it is worked out when read
    assert (found["band"], found["stale_sources"]) == ("unknown", ["segment"])
    assert found["score"] > 80
    assert found["data_age_seconds"] >= 25 * 3600
    (item,) = (await health.get("/v1/clients"))["items"]
    assert item["band"] == "unknown"
    await health.fall_silent("segment", day(100, 1))
    await health.fire()
    (change,) = await health.said(BandChanged)
    assert (change.data.band_before, change.data.band, change.data.cause) == ("green", "unknown", Cause.MISSING_DATA)
    health.clock.advance(minutes=5)
    await health.hear("segment", every=86400)
    await health.fire()
    (back,) = await health.said(BandChanged)
    assert (back.data.band_before, back.data.band, back.data.cause) == ("unknown", "green", Cause.MISSING_DATA)
    assert back.data.last_known_band == "green"


async def test_a_withdrawn_event_never_happened(health: HealthStack, client_id: UUID):
    health.clock.set(day(50))
    story = steady(40, client_id=client_id)
    wrong = event(client.PaymentFailed(invoice_id="x"), day(20), "stripe", client_id=client_id)
    await health.deliver(*sorted([*story, wrong], key=order))
    await health.deliver(event(client.EventWithdrawn(event_id=wrong.id), day(50), "ingest", client_id=client_id))
    clean = fold(story)
    clean.last = fold([*story, event(client.ClientErased(), day(50))]).last
    assert await health.state(client_id) == dump(clean)
    assert (await health.health(client_id))["components"][3]["signals"][1]["fact"] == 0


async def test_a_corrected_event_counts_instead_of_the_wrong_one(health: HealthStack, client_id: UUID):
    health.clock.set(day(50))
    wrong = event(client.KpiReported(kpi="hours_saved", value=1.0), day(41), "csm", client_id=client_id)
    right = event(
        client.KpiReported(kpi="hours_saved", value=10.0), day(41), "csm", client_id=client_id, replaces=wrong.id
    )
    await health.deliver(*steady(40, client_id=client_id), wrong)
    await health.said()
    await health.deliver(right)
    assert await health.state(client_id) == dump(fold([*steady(40, client_id=client_id), right]))
    (scored,) = await health.said(Scored)
    assert scored.data.caused_by == (right.id,)


async def test_any_order_of_arrival_in_any_batches_ends_in_the_same_state(health: HealthStack):
    health.clock.set(day(60))
    story = [e for e in steady(30) if "logged_in" not in e.type]
    dice = random.Random(3)
    for _ in range(4):
        client_id = uuid4()
        arriving = [e.model_copy(update={"subject": str(client_id), "id": uuid4()}) for e in story]
        mixed = [*arriving, *dice.sample(arriving, 20)]
        dice.shuffle(mixed)
        while mixed:
            size = dice.randint(1, 60)
            batch, mixed = mixed[:size], mixed[size:]
            await health.deliver(*batch)
        assert await health.state(client_id) == dump(fold(sorted(arriving, key=order)))


async def test_merged_clients_are_one_and_unmerging_undoes_it(health: HealthStack):
    health.clock.set(day(60))
    await health.hear(*SOURCES, every=FOR_EVER)
    one, other = UUID(int=1), UUID(int=2)
    mine = [e for e in steady(40, client_id=one) if "usage" not in e.type]
    theirs = [e for e in steady(40, client_id=other) if "usage" in e.type]
    await health.deliver(*mine, *theirs)
    alone = await health.state(one)
    merge = client.ClientsMerged(from_client_id=other, into_client_id=one)
    told = [event(merge, day(60), "ingest", client_id=c) for c in (one, other)]
    await health.deliver(*told)
    together = await health.health(one)
    assert (await health.health(other))["client_id"] == str(one)
    assert together["components"][0]["signals"][2]["state"] == "fresh"  # feature depth: the other one's use
    assert [c["client_id"] for c in (await health.get("/v1/clients"))["items"]] == [str(one)]
    everything = sorted([*mine, *theirs], key=order)
    folded = fold(everything)
    folded.last = fold(told).last
    assert await health.state(one) == dump(folded)
    health.clock.advance(hours=1)
    undo = client.ClientsUnmerged(from_client_id=other, into_client_id=one)
    await health.deliver(*[event(undo, day(60, 1), "ingest", client_id=c) for c in (one, other)])
    assert len((await health.get("/v1/clients"))["items"]) == 2
    again = fold(mine)
    again.last = fold([event(undo, day(60, 1), "ingest")]).last
    assert dump(again) == await health.state(one)
    assert alone != await health.state(other)


async def test_an_erased_client_leaves_nothing(health: HealthStack, client_id: UUID):
    health.clock.set(day(30))
    await health.deliver(*steady(20, client_id=client_id))
    await health.say(client.ClientErased(), client_id, "ingest")
    async with health.http() as http:
        assert (await http.get(f"/v1/clients/{client_id}/health")).status_code == 404
    tables = ("facts", "states", "clients", "evaluations")
    for table in tables:
        assert await health.rows(f"SELECT 1 FROM {table} WHERE client_id = :id", id=client_id) == []
    assert await health.rows("SELECT 1 FROM timers WHERE owner LIKE :id", id=f"{client_id}%") == []
    await health.fire()
    await health.deliver(event(client.LoggedIn(), day(29), client_id=client_id))
    assert (await health.get("/v1/clients"))["items"] == []


async def test_a_late_login_from_yesterday_restates_one_day_end(health: HealthStack, client_id: UUID):
    await health.bring_in(client_id, steady(20, client_id=client_id))
    health.clock.set(day(30))
    await health.fire()
    await health.say(client.LoggedIn(), client_id)
    await health.say(client.LoggedIn(), client_id, at=day(29))
    health.clock.advance(timedelta(minutes=2))
    await health.fire()
    restated = await health.get(f"/v1/clients/{client_id}/health/history", mode="restated")
    assert [item["as_of"] for item in restated["items"]] == ["2026-02-04T00:00:00Z"]


async def test_registered_and_never_heard_of_again_has_an_honest_unknown(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id, contract_started_on=None, mrr=None, renewal_on=None))
    found = await health.health(client_id)
    assert (found["score"], found["band"], found["confidence"]) == (None, "unknown", 0)
