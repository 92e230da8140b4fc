"""Events become scores: one for each client and batch, band changes once, history kept, time watched."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from common.contracts import client
from common.contracts.health import BandChanged, Cause, MilestoneLate, Mode, Scored

from tests.support.health_stack import HealthStack
from tests.support.health_world import day, event, registered, steady


async def test_one_score_for_each_client_and_batch_names_every_event_once(health: HealthStack):
    ada, ben = uuid4(), uuid4()
    first = [registered(client_id=ada), registered(client_id=ben)]
    second = [event(client.LoggedIn(), day(0, 1), client_id=c, nth=n) for c in (ada, ben) for n in range(3)]
    await health.deliver(*first)
    await health.deliver(*second, *second)
    scored = await health.said(Scored)
    assert len(scored) == 4
    named = [cause for e in scored for cause in e.data.caused_by]
    assert sorted(named) == sorted(e.id for e in [*first, *second])
    assert {e.subject for e in scored} == {str(ada), str(ben)}
    await health.deliver(*second)
    assert await health.said(Scored) == []


async def test_a_client_that_is_well_is_green_and_every_signal_shows_its_events(health: HealthStack, client_id: UUID):
    await health.live_through(steady(70, client_id=client_id))
    found = await health.health(client_id)
    assert (found["band"], found["model"], found["model_version"], found["mode"]) == ("green", "loop", 1, "live")
    assert found["confidence"] >= 0.9
    assert {c["name"]: c["weight"] for c in found["components"]} == {
        "usage": 35,
        "outcome": 25,
        "relationship": 25,
        "financial": 15,
    }
    for component in found["components"]:
        present = [signal for signal in component["signals"] if signal["state"] != "absent"]
        assert len(present) >= 2
        assert all(signal["events"] and signal["says"] for signal in present)
        assert component["fresh"]
    assert found["stale_sources"] == []
    assert found["data_age_seconds"] >= 0


async def test_silence_alone_turns_a_green_client_amber_at_midnight_by_a_timer(health: HealthStack, client_id: UUID):
    await health.live_through(steady(70, client_id=client_id))
    await health.said()
    changes: list[BandChanged] = []
    for number in range(70, 105):
        health.clock.set(day(number))
        await health.fire(workers=2)
        changes += [e.data for e in await health.said(BandChanged)]
    assert [(c.band_before, c.band, c.cause) for c in changes] == [("green", "amber", Cause.TIME)]
    (change,) = changes
    assert (change.as_of.hour, change.as_of.minute) == (9, 0)  # the tests look at 9; the timer was due at midnight
    assert change.score_before - change.score > 0
    assert change.moves[0].kind is Cause.TIME
    assert "no login" in " ".join(move.text for move in change.moves)


async def test_behaviour_turns_a_client_red_at_once(health: HealthStack, client_id: UUID):
    await health.live_through(steady(60, client_id=client_id))
    health.clock.set(day(75))
    await health.fire()
    await health.said()
    notice = client.ContractCancelled.model_validate({"effective_on": "2026-06-30"})
    await health.deliver(
        event(client.SponsorChanged(contact_before="ada"), day(75), "hubspot", client_id=client_id),
        event(client.ContactLeft(contact_id="ben"), day(75), "hubspot", client_id=client_id),
        event(notice, day(75), "hubspot", client_id=client_id),
        *[
            event(
                client.TicketOpened.model_validate(
                    {"ticket_id": f"t{n}", "priority": "urgent", "reading": {"sentiment": -0.9, "words": 20}}
                ),
                day(75),
                "zendesk",
                client_id=client_id,
            )
            for n in range(6)
        ],
        *[event(client.KpiReported(kpi="hours_saved", value=1.0), day(75), "csm", client_id=client_id)],
    )
    (change,) = await health.said(BandChanged)
    assert change.data.cause is Cause.BEHAVIOUR
    assert change.data.band in {"amber", "red"}
    assert any(move.text.startswith("sponsor left on 21 Mar") for move in change.data.moves)
    total = sum(move.delta for move in change.data.moves)
    assert total <= 0


async def test_history_tells_what_was_known_and_why_sums_exactly(health: HealthStack, client_id: UUID):
    await health.live_through(steady(60, client_id=client_id))
    health.clock.set(day(80))
    await health.fire()
    page = await health.get(f"/v1/clients/{client_id}/health/history", limit=5)
    assert len(page["items"]) == 5
    assert page["next"]
    second = await health.get(f"/v1/clients/{client_id}/health/history", limit=5, cursor=page["next"])
    moments = [item["as_of"] for item in [*page["items"], *second["items"]]]
    assert moments == sorted(moments, reverse=True)
    assert len(set(moments)) == 10
    assert all(item["mode"] == "live" and item["components"] for item in page["items"])
    weeks = await health.get(f"/v1/clients/{client_id}/health/history", resolution="week", limit=100)
    assert 8 <= len(weeks["items"]) <= 13
    found = await health.get(
        f"/v1/clients/{client_id}/health/why", **{"from": day(30, 5).isoformat(), "to": day(79, 1).isoformat()}
    )
    assert found["causes"]
    assert sum(cause["delta"] for cause in found["causes"]) == found["score_to"] - found["score_from"]


async def test_a_late_event_restates_the_past_and_is_told_as_late_data(health: HealthStack, client_id: UUID):
    await health.live_through(steady(60, client_id=client_id))
    health.clock.set(day(60, 1))
    await health.said()
    known_then = await health.get(f"/v1/clients/{client_id}/health/history", limit=500)
    late = event(
        client.ContactLeft(contact_id="ada", role_before="sponsor"),
        day(40),
        "hubspot",
        client_id=client_id,
        knowntime=day(60, 1),
    )
    await health.deliver(late)
    (scored,) = await health.said(Scored)
    assert scored.data.caused_by == (late.id,)
    why = await health.get(
        f"/v1/clients/{client_id}/health/why", **{"from": day(59).isoformat(), "to": day(60, 1).isoformat()}
    )
    assert "late_data" in {cause["kind"] for cause in why["causes"]}
    assert sum(cause["delta"] for cause in why["causes"]) == why["score_to"] - why["score_from"]
    health.clock.advance(timedelta(minutes=2))
    await health.fire()
    restated = await health.get(f"/v1/clients/{client_id}/health/history", mode="restated", limit=500)
    assert len(restated["items"]) == 20
    live = await health.get(f"/v1/clients/{client_id}/health/history", mode="live", limit=500)
    before = [item for item in live["items"] if item["as_of"] < day(60, 1).isoformat()]
    assert [i["score"] for i in known_then["items"] if i["as_of"] < day(60, 1).isoformat()] == [
        i["score"] for i in before
    ]
    assert await health.said(Scored) == []  # restated history is not published


async def test_late_milestones_are_told_at_0_3_and_7_days_once_by_timers(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id))
    told = []
    for hours in range(0, 24 * 14, 6):
        health.clock.set(day(0, hours))
        await health.fire(workers=2)
        told += [(e.data.milestone, e.data.days_late, e.time) for e in await health.said(MilestoneLate)]
    kickoff = [(days, at) for milestone, days, at in told if milestone == "kickoff_meeting"]
    assert kickoff == [(n, day(4 + n).replace(hour=0)) for n in (0, 3, 7)]
    assert len(told) == len(set(told))


async def test_a_client_that_left_is_looked_at_no_more(health: HealthStack, client_id: UUID):
    await health.live_through(steady(40, client_id=client_id))
    notice = client.ContractCancelled.model_validate({"effective_on": "2026-02-20"})
    await health.say(notice, client_id, "hubspot", at=day(40))
    await health.said()
    for number in range(40, 80):
        health.clock.set(day(number))
        await health.fire()
    ends = day(0).toordinal()
    assert all(e.time.toordinal() - ends <= 47 for e in await health.said())
    assert await health.rows("SELECT 1 FROM timers") == []
    assert (await health.get("/v1/clients"))["items"] == []
    (gone,) = (await health.get("/v1/clients", ended="true"))["items"]
    assert gone["ended"]


async def test_two_bands_in_one_instant_are_told_apart(health: HealthStack, client_id: UUID):
    await health.live_through(steady(30, client_id=client_id))
    scored = await health.said(Scored)
    assert len({e.id for e in scored}) == len(scored)
    assert all(e.data.mode is Mode.LIVE for e in scored)


async def test_a_client_that_a_live_tool_of_ours_is_silent_about_uses_less_and_is_not_unknown(health: HealthStack):
    ada, ben = uuid4(), uuid4()
    own = "product"  # ingest watches no rhythm of it

    async def usage(client_id: UUID) -> tuple[float, bool]:
        component = (await health.health(client_id))["components"][0]
        assert component["name"] == "usage"
        return component["score"], component["fresh"]

    for client_id in (ada, ben):
        history = [e.model_copy(update={"source": f"csl/ingest/{own}"}) for e in steady(60, client_id=client_id)]
        health.clock.set(max(health.clock.now(), day(59, 8)))
        await health.deliver(*history)
    before, fresh = await usage(ada)
    assert fresh
    health.clock.set(day(62))
    await health.deliver(event(client.LoggedIn(), day(62), own, client_id=ben))
    after, fresh = await usage(ada)
    assert fresh
    assert after < before
    health.clock.set(day(63))
    await health.deliver(event(client.PlanningDiscussed(), day(63), own, client_id=ben))
    health.clock.set(day(63, 1))  # of use it told nothing since, whatever else it says
    assert [(await usage(each))[1] for each in (ada, ben)] == [False, False]


async def test_clients_follow_a_feed_that_fell_silent_in_the_very_second_of_its_deadline(
    health: HealthStack, client_id: UUID
):
    await health.live_through(steady(70, client_id=client_id))
    last = day(69, 8).replace(microsecond=636_000)
    health.clock.set(last)
    await health.hear("segment")
    health.clock.set(last + timedelta(hours=23, minutes=59, seconds=59))
    await health.fire()
    await health.said()
    assert (await health.health(client_id))["band"] == "green"
    health.clock.set(last + timedelta(hours=24, milliseconds=5))
    await health.fall_silent("segment", last)
    await health.fire()
    (change,) = [e.data for e in await health.said(BandChanged)]
    assert (change.band_before, change.band, change.cause) == ("green", "unknown", Cause.MISSING_DATA)
    assert (await health.health(client_id))["stale_sources"] == ["segment"]
