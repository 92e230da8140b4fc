"""Journeys on a real database: planned, reminded, late, reached; phases kept; blockers counted."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from common.contracts import client
from common.contracts.health import MilestoneDue, MilestoneLate, MilestoneReached, PhaseChanged
from health import definitions_repository, publishing
from health.journeys_repository import BLOCKERS
from health.scoring import LIMITS
from sqlalchemy import text

from tests.support.health_stack import MAYA, HealthStack
from tests.support.health_world import CONFIG, day, event, registered


async def days_pass(health: HealthStack, first: int, last: int) -> list[Any]:
    """Each midnight, with two workers at the timers; what was said of milestones."""
    told: list[Any] = []
    for number in range(first, last + 1):
        health.clock.set(day(number).replace(hour=0, minute=1))
        await health.fire(workers=2)
        told += [e.data for e in await health.said() if isinstance(e.data, MilestoneDue | MilestoneLate)]
    return told


def steps(told: list[Any], milestone: str) -> list[int]:
    return [e.days_late if isinstance(e, MilestoneLate) else -e.days_left for e in told if e.milestone == milestone]


async def journey(health: HealthStack, client_id: UUID) -> dict[str, Any]:
    return dict(await health.get(f"/v1/clients/{client_id}/journey"))


def milestone(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(m for phase in found["phases"] for m in phase["milestones"] if m["milestone"] == name)


async def test_a_milestone_nobody_does_reminds_its_owner_and_is_late_three_times_by_timers(
    health: HealthStack, client_id: UUID
) -> None:
    await health.deliver(registered(client_id=client_id))
    told = await days_pass(health, 1, 14)
    assert steps(told, "kickoff_meeting") == [-1, 0, 3, 7]
    first = next(e for e in told if e.milestone == "kickoff_meeting")
    assert (first.owner_email, first.kpi) == (MAYA, "kickoff meeting held with the client's sponsor")
    found = await journey(health, client_id)
    assert (found["journey"], found["phase"], found["standing"]) == ("standard", "kickoff", "behind")
    assert found["because"][0]["text"] == "Kickoff meeting held is 10 days late"
    assert [one["name"] for one in found["because"]] == [
        "kickoff_meeting",
        "access_provisioned",
        "data_import_complete",
        "first_automation_live",
    ]
    (listed,) = (await health.get("/v1/clients", journey="behind"))["items"]
    assert (listed["client_id"], listed["phase"]) == (str(client_id), "kickoff")


async def test_moving_a_milestone_moves_its_notices_and_keeps_its_first_due_time(
    health: HealthStack, client_id: UUID
) -> None:
    await health.deliver(registered(client_id=client_id))
    moved = {"milestone": "kickoff_meeting", "due_after": "2026-01-13T00:00:00Z", "reason": "their sponsor is away"}
    health.clock.set(day(2))
    await health.say(client.MilestoneRescheduled.model_validate(moved), client_id, "csm")
    await health.said()
    told = await days_pass(health, 3, 13)
    assert steps(told, "kickoff_meeting") == [-1, 0, 3]
    late = [e for e in told if isinstance(e, MilestoneLate) and e.milestone == "kickoff_meeting"]
    assert {(e.rescheduled, e.due_at_first) for e in late} == {(1, day(4).replace(hour=0))}
    found = milestone(await journey(health, client_id), "kickoff_meeting")
    assert (found["rescheduled"], found["days_late"], found["days_late_at_first"]) == (1, 5, 9)


async def test_a_hit_says_what_is_next_and_moves_the_phase(health: HealthStack, client_id: UUID) -> None:
    await health.deliver(registered(client_id=client_id))
    (began,) = await health.said(PhaseChanged)
    assert (began.data.phase_before, began.data.phase) == (None, "kickoff")
    health.clock.set(day(2))
    login = await health.say(client.LoggedIn(), client_id)
    said = await health.said()
    (reached,) = [e.data for e in said if isinstance(e.data, MilestoneReached)]
    assert (reached.milestone, reached.days_late, reached.caused_by) == ("access_provisioned", 0, (login.id,))
    assert (reached.next.milestone, reached.next.owner_email) == ("kickoff_meeting", MAYA)
    (changed,) = [e.data for e in said if isinstance(e.data, PhaseChanged)]
    assert (changed.phase_before, changed.phase, changed.reason) == ("kickoff", "first_value", "rule")
    assert (changed.since, changed.caused_by) == (day(2), (login.id,))
    await health.say(client.LoggedIn(), client_id)
    assert [e for e in await health.said() if isinstance(e.data, MilestoneReached | PhaseChanged)] == []
    health.clock.set(day(5))
    found = await journey(health, client_id)
    spent = {phase["phase"]: phase["days"] for phase in found["phases"]}
    assert spent == {"kickoff": 2.38, "first_value": 3.0, "adoption": None, "value_validation": None, "expansion": None}
    assert [(stay["phase"], stay["reason"]) for stay in found["history"]] == [
        ("kickoff", "first_seen"),
        ("first_value", "rule"),
    ]


async def test_a_phase_goes_back_only_when_what_moved_it_is_taken_back(health: HealthStack, client_id: UUID) -> None:
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(2))
    login = await health.say(client.LoggedIn(), client_id)
    health.clock.set(day(3))
    await health.said()
    await health.say(client.EventWithdrawn(event_id=login.id), client_id)
    (changed,) = await health.said(PhaseChanged)
    assert (changed.data.phase_before, changed.data.phase, changed.data.reason) == (
        "first_value",
        "kickoff",
        "corrected",
    )
    health.clock.set(day(4))
    await health.say(client.LoggedIn(), client_id)
    said = await health.said()
    assert [e.data.milestone for e in said if isinstance(e.data, MilestoneReached)] == ["access_provisioned"]
    assert [e.data.phase for e in said if isinstance(e.data, PhaseChanged)] == ["first_value"]


async def test_a_person_moves_a_client_with_a_reason_and_it_stays(health: HealthStack, client_id: UUID) -> None:
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(2))
    await health.say(client.LoggedIn(), client_id)
    await health.said()
    path = f"/v1/clients/{client_id}/journey/phase"
    body = {"phase": "kickoff", "reason": "the access was given to a wrong person"}
    assert (await health.post(path, {"phase": "kickoff"})).status_code == 422
    assert (await health.post(path, {**body, "phase": "moon"})).status_code == 422
    assert (await health.post(f"/v1/clients/{uuid4()}/journey/phase", body)).status_code == 404
    async with health.http("health:read") as http:
        assert (await http.post(path, json=body)).status_code == 403
    answer = await health.post(path, body, **{"Idempotency-Key": "one"})
    assert (answer.status_code, answer.json()["phase_before"]) == (200, "first_value")
    assert (await health.post(path, body, **{"Idempotency-Key": "one"})).json() == answer.json()
    assert (await health.post(path, body)).status_code == 409
    (changed,) = await health.said(PhaseChanged)
    assert (changed.data.reason, changed.data.by, changed.data.text) == ("person", MAYA, body["reason"])
    await days_pass(health, 3, 5)
    await health.say(client.LoggedIn(), client_id)
    found = await journey(health, client_id)
    assert (found["phase"], found["phase_by_rule"]) == ("kickoff", "first_value")
    assert (found["history"][-1]["by"], found["history"][-1]["text"]) == (MAYA, body["reason"])
    await health.say(client.MilestoneCompleted(milestone="first_automation_live"), client_id, "csm")
    (changed,) = await health.said(PhaseChanged)
    assert (changed.data.phase_before, changed.data.phase, changed.data.reason) == ("kickoff", "adoption", "rule")


async def test_history_neither_reminds_nor_moves_but_shows_where_the_client_came_from(
    health: HealthStack, client_id: UUID
) -> None:
    lived = [
        registered(client_id=client_id),
        event(client.LoggedIn(), day(3), client_id=client_id),
        event(client.MilestoneCompleted(milestone="first_automation_live"), day(9), "csm", client_id=client_id),
    ]
    health.clock.set(day(20))
    await health.bring_in(client_id, lived)
    await health.fire()
    acting = MilestoneDue | MilestoneLate | MilestoneReached | PhaseChanged
    assert [e for e in await health.said() if isinstance(e.data, acting)] == []
    found = await journey(health, client_id)
    assert (found["phase"], found["phase_since"]) == ("adoption", "2026-01-14T09:00:00Z")
    assert [(stay["phase"], stay["reason"]) for stay in found["history"]] == [
        ("kickoff", "first_seen"),
        ("first_value", "first_seen"),
        ("adoption", "first_seen"),
    ]
    spent = {phase["phase"]: phase["days"] for phase in found["phases"] if phase["days"]}
    assert spent == {"kickoff": 3.38, "first_value": 6.0, "adoption": 11.0}


async def test_another_segment_is_another_journey_and_nothing_completed_is_lost_or_told_again(
    health: HealthStack, client_id: UUID
) -> None:
    await health.deliver(registered(client_id=client_id, segment="Enterprise"))
    health.clock.set(day(3))
    await health.say(client.MilestoneCompleted(milestone="security_review"), client_id, "csm")
    await health.say(client.LoggedIn(), client_id)
    assert {e.data.milestone for e in await health.said(MilestoneReached)} == {"security_review", "access_provisioned"}
    await health.say(client.ClientUpdated(segment="smb"), client_id, "hubspot")
    assert await health.said(MilestoneReached) == []
    found = await journey(health, client_id)
    assert (found["journey"], found["segment"], found["phase"]) == ("self_serve", "smb", "first_value")
    assert milestone(found, "access_provisioned")["state"] == "done_late"
    assert [(m["milestone"], m["state"]) for m in found["elsewhere"]] == [("security_review", "done")]


async def test_clients_follow_a_new_map_as_soon_as_it_is_in_force(health: HealthStack, client_id: UUID) -> None:
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(1))
    await health.fire()
    await health.say(client.LoggedIn(), client_id)
    assert [e.data.phase for e in await health.said(PhaseChanged)] == ["kickoff", "first_value"]
    shipped = (CONFIG / "journey.yaml").read_text()
    earlier = shipped.replace("ends_with: access_provisioned", "ends_with: hand_off")
    shorter = re.sub(r"  first_value:\n.*\n.*\n", "", shipped).replace("phase: first_value", "phase: adoption")
    for changed, expected in ((earlier, []), (shorter, [("first_value", "adoption", "rule")])):
        async with health.database.transaction() as session:
            version = await definitions_repository.add(
                session, "journey", "standard", changed, by=MAYA, now=health.clock.now()
            )
            await publishing.put_in_force(session, version, publishing.Wish(MAYA, "a test", health.clock.now(), LIMITS))
        await health.fire()
        moves = [e.data for e in await health.said(PhaseChanged)]
        assert [(move.phase_before, move.phase, move.reason) for move in moves] == expected


async def test_merged_clients_have_one_journey_their_past_is_no_news_and_unmerged_ones_have_their_own(
    health: HealthStack, client_id: UUID
) -> None:
    other = uuid4()
    await health.deliver(registered(client_id=client_id), registered(client_id=other))
    health.clock.set(day(2))
    await health.say(client.MeetingHeld(meeting_id="k", kind="kickoff", attended=()), other, "hubspot")
    await health.say(client.LoggedIn(), other)
    health.clock.set(day(3))
    await health.said()
    merged = client.ClientsMerged(from_client_id=other, into_client_id=client_id)
    await health.deliver(*(event(merged, day(3), "hubspot", client_id=c, nth=c) for c in (client_id, other)))
    said = await health.said()
    assert [e for e in said if isinstance(e.data, MilestoneReached)] == []
    (changed,) = [e.data for e in said if isinstance(e.data, PhaseChanged)]
    assert (changed.phase_before, changed.phase) == ("kickoff", "first_value")
    assert milestone(await journey(health, client_id), "kickoff_meeting")["state"] == "done"
    apart = client.ClientsUnmerged(from_client_id=other, into_client_id=client_id)
    health.clock.set(day(4))
    await health.deliver(*(event(apart, day(4), "hubspot", client_id=c, nth=c) for c in (client_id, other)))
    said = await health.said()
    assert [e for e in said if isinstance(e.data, MilestoneReached)] == []
    assert (await journey(health, client_id))["phase"] == "kickoff"
    found = await journey(health, other)
    assert (found["phase"], found["history"][-1]["reason"]) == ("first_value", "corrected")


def blocker(name: str, **more: Any) -> client.BlockerLogged:
    said = {"blocker_id": name, "kind": "missing_assets", "severity": "high", "impact_days": 3.0}
    return client.BlockerLogged.model_validate({**said, **more})


async def test_blockers_are_counted_by_kind_without_those_taken_back_and_test_clients(
    health: HealthStack, client_id: UUID
) -> None:
    other, tested = uuid4(), uuid4()
    await health.deliver(
        registered(client_id=client_id), registered(client_id=other), registered(client_id=tested, test=True)
    )
    for who in (client_id, other, tested):
        await health.say(blocker("b1"), who, "csm")
    wrong = await health.say(blocker("b2", kind="moon_phase"), client_id, "csm")
    await health.say(blocker("b3", kind="technical_setup", severity="critical"), client_id, "csm")
    await health.say(client.EventWithdrawn(event_id=wrong.id), client_id, "csm")
    health.clock.advance(timedelta(hours=30))
    cause = client.BlockerResolved(blocker_id="b1", root_cause="no owner", prevention="name one at kickoff")
    await health.say(cause, client_id, "csm")
    found = await health.get("/v1/blockers/statistics")
    assert (found["count"], found["open"]) == (3, 2)
    kinds = {row["kind"]: row for row in found["kinds"]}
    assert len(kinds) == 6
    missing = kinds["missing_assets"]
    assert (missing["count"], missing["clients"], missing["median_hours"]) == (2, 2, 30.0)
    assert missing["root_causes"] == [{"text": "no owner", "blockers": 1}]
    assert missing["prevention"] == [{"text": "name one at kickoff", "blockers": 1}]
    assert kinds["technical_setup"]["critical"] == 1
    later = await health.get("/v1/blockers/statistics", since=day(2).isoformat(), until=day(9).isoformat())
    assert later["count"] == 0
    async with health.http() as http:
        answer = await http.get(
            "/v1/blockers/statistics", params={"since": day(9).isoformat(), "until": day(2).isoformat()}
        )
    assert answer.status_code == 422
    assert "must lie before" in answer.text


async def test_a_span_that_ends_before_time_began_is_refused(health: HealthStack) -> None:
    async with health.http() as http:
        for path, until in (("/v1/blockers/statistics", "0001-01-01T00:00:00Z"), ("/v1/journey/metrics", "0001-01-01")):
            assert (await http.get(path, params={"until": until})).status_code == 422


async def test_a_critical_blocker_makes_a_client_stuck_until_it_is_resolved(
    health: HealthStack, client_id: UUID
) -> None:
    await health.deliver(registered(client_id=client_id))
    await health.say(blocker("b1"), client_id, "csm")
    await health.say(blocker("b3", kind="technical_setup", severity="critical"), client_id, "csm")
    health.clock.advance(timedelta(hours=30))
    await health.say(client.BlockerResolved(blocker_id="b1"), client_id, "csm")
    one = (await health.get(f"/v1/clients/{client_id}/blockers"))["items"]
    assert [(b["blocker_id"], b["title"], b["hours_to_resolve"]) for b in one] == [
        ("b3", "Technical set-up", None),
        ("b1", "Missing assets or credentials", 30.0),
    ]
    stuck = await journey(health, client_id)
    assert (stuck["standing"], stuck["because"][0]["text"]) == (
        "stuck",
        "critical blocker (Technical set-up), open for 1 day",
    )
    await health.say(client.BlockerResolved(blocker_id="b3"), client_id, "csm")
    assert (await journey(health, client_id))["standing"] == "on_track"


async def test_blockers_are_found_by_their_index(health: HealthStack) -> None:
    async with health.database.transaction() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await session.execute(text(f"EXPLAIN {BLOCKERS.text}"), {"since": day(0), "until": day(9)})
        assert "facts_p0_type_time_idx" in "\n".join(row[0] for row in plan)


async def test_onboarding_metrics_count_what_happened_from_the_contract_to_the_hand_off(
    health: HealthStack, client_id: UUID
) -> None:
    other, old, tested = uuid4(), uuid4(), uuid4()
    await health.deliver(
        *(registered(client_id=c) for c in (client_id, other)),
        registered(client_id=old, contract_started_on="2025-03-01"),
        registered(client_id=tested, test=True),
    )
    health.clock.set(day(3))
    for count in (4, 8):
        await health.say(client.LoggedIn(count=count), client_id)
    wrong = await health.say(client.LoggedIn(count=500), client_id)
    await health.say(client.EventWithdrawn(event_id=wrong.id), client_id)
    await health.say(client.HoursLogged(hours=6.0), client_id, "csm")
    for automated in (True, True, False):
        await health.say(client.TouchpointRecorded(kind="mail", automated=automated), client_id, "csm")
    await health.say(client.MilestoneCompleted(milestone="first_automation_live"), client_id, "csm")
    health.clock.set(day(20))
    await health.say(client.ClientHandedOff(), client_id, "csm")
    health.clock.set(day(21))
    await health.say(client.LoggedIn(count=100), client_id)
    merged = client.ClientsMerged(from_client_id=client_id, into_client_id=other)
    await health.deliver(*(event(merged, day(21), "hubspot", client_id=c, nth=c) for c in (client_id, other)))
    found = await health.get("/v1/journey/metrics")
    assert (found["journey"], found["clients"]) == ("standard", 1)
    rows = {row["metric"]: (row["value"], row["n"], row["verdict"]) for row in found["metrics"]}
    assert rows["time_to_first_win"] == (3.38, 1, "on_target")
    assert rows["onboarding_duration"] == (20.38, 1, "on_target")
    assert rows["logins"] == (12.0, 1, "on_target")
    assert rows["our_hours"] == (6.0, 1, "on_target")
    assert rows["touchpoints_automated"] == (66.67, 3, "between")
    assert rows["completion_rate"] == (100.0, 1, "on_target")
    assert (await health.get("/v1/journey/metrics", segment="smb"))["clients"] == 0
    assert (await health.get("/v1/journey/metrics", until="2026-01-05"))["clients"] == 0
    async with health.http() as http:
        answer = await http.get("/v1/journey/metrics", params={"since": "2026-01-05", "until": "2026-01-05"})
    assert answer.status_code == 422


async def test_an_erased_client_leaves_no_phase(health: HealthStack, client_id: UUID) -> None:
    await health.deliver(registered(client_id=client_id))
    assert len(await health.rows("SELECT 1 FROM phases")) == 1
    await health.say(client.ClientErased(), client_id, "csm")
    assert await health.rows("SELECT 1 FROM phases") == []
