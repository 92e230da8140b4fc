"""Which model serves which client, what moving between them says, and versions that nobody can change."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from common.contracts import client
from common.contracts.base import Data, Origin
from common.contracts.health import BandChanged, Cause, Scored
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support.health_stack import FOR_EVER, HealthStack
from tests.support.health_world import CONFIG, SOURCES, day, event, registered, steady
from tests.support.project_world import building, starting

ALL = (*SOURCES, "jira")


async def test_a_new_client_is_served_by_onboarding_until_it_is_handed_off_and_nobody_is_alerted(
    health: HealthStack, client_id: UUID
):
    unpaid = {"invoice_id": "in1", "amount": {"amount": 1, "currency": "USD"}, "due_on": day(3).date()}
    unhappy = client.SurveyAnswered(survey="nps", contact_id="ada", score=0.0, scale_min=0.0, scale_max=10.0)
    owed: list[Data] = [
        client.InvoiceIssued.model_validate(unpaid),
        *[client.PaymentFailed(invoice_id="in1")] * 3,
        unhappy,
    ]
    goal = client.KpiTargetSet(kpi="hours_saved", unit="hours", direction="up", baseline=0.0, target=10.0)
    owed += [goal, client.KpiReported(kpi="hours_saved", value=1.0)]
    money = [event(body, day(20), "stripe", client_id=client_id, nth=n) for n, body in enumerate(owed)]
    await health.live_through([*starting(26, client_id=client_id), *money])  # of no matter to an onboarding
    found = await health.health(client_id)
    assert (found["model"], found["band"]) == ("onboarding", "green")
    assert [part["name"] for part in found["components"]] == [
        "milestones", "engagement", "satisfaction", "responsiveness",
    ]  # fmt: skip
    await health.said()
    health.clock.set(day(26))
    handed_off = await health.say(client.ClientHandedOff(), client_id, "csm")
    (change,) = await health.said(BandChanged)
    assert change.data.model == "loop"
    assert (change.data.band_before, change.data.cause) == ("green", Cause.MODEL)
    assert change.data.caused_by == (handed_off.id,)
    found = await health.health(client_id)
    assert found["model"] == "loop"
    why = await health.get(
        f"/v1/clients/{client_id}/health/why",
        **{"from": day(25).isoformat(), "to": health.clock.now().isoformat()},
    )
    assert "model" in {cause["kind"] for cause in why["causes"]}
    assert sum(cause["delta"] for cause in why["causes"]) == why["score_to"] - why["score_from"]
    history = (await health.get(f"/v1/clients/{client_id}/health/history", limit=100))["items"]
    assert {item["model"] for item in history} == {"onboarding", "loop"}


async def test_a_project_client_is_served_by_experience_with_four_bands(health: HealthStack, client_id: UUID):
    health.clock.set(day(120))
    await health.hear(*ALL, every=FOR_EVER)
    await health.bring_in(client_id, building(120, client_id=client_id))
    found = await health.health(client_id)
    assert (found["model"], found["band"]) == ("experience", "healthy")
    for component in found["components"]:
        present = [signal for signal in component["signals"] if signal["state"] != "absent"]
        assert len(present) >= 3
        assert all(signal["events"] and signal["says"] for signal in present)
    await health.said()
    health.clock.set(day(121))
    bad = [
        client.BudgetDiscussed(direction="freeze", contact_id="ada"),
        *[client.CompetitorMentioned(contact_id="ben") for _ in range(3)],
        client.ScopeChanged(size="major", by="client"),
        client.ContactLeft(contact_id="ben", role_before="champion"),
        *[client.MeetingCancelled(meeting_id=f"x{n}", by="client") for n in range(9)],
        *[client.InvoiceDisputed(invoice_id=f"i{n}") for n in range(3)],
    ]
    await health.deliver(*[event(body, day(121), "hubspot", client_id=client_id, nth=n) for n, body in enumerate(bad)])
    (change,) = await health.said(BandChanged)
    assert (change.data.band_before, change.data.cause) == ("healthy", Cause.BEHAVIOUR)
    assert change.data.band in {"stable", "at_risk"}


async def test_an_old_contract_counts_as_handed_off_at_first_sight(health: HealthStack):
    old, young, untold = uuid4(), uuid4(), uuid4()
    await health.deliver(
        registered(client_id=old, contract_started_on="2025-11-20"),
        registered(client_id=young, contract_started_on="2025-11-22"),
        registered(client_id=untold, contract_started_on=None),
    )
    scored = {e.client_id: e.data.model for e in await health.said(Scored)}
    assert scored == {old: "loop", young: "onboarding", untold: "loop"}


async def test_an_import_is_the_first_sight_of_its_client(health: HealthStack, client_id: UUID):
    """Its history had an onboarding; that nobody reported a hand-off long ago does not keep the client in it."""
    health.clock.set(day(100))
    await health.hear(*SOURCES, every=FOR_EVER)
    story = [e for e in steady(100, client_id=client_id) if e.data.type_name() != "client_handed_off"]
    await health.bring_in(client_id, story)
    await health.fire()
    assert (await health.health(client_id))["model"] == "loop"
    live, *_ = (e.data for e in await health.said(Scored) if e.origin is Origin.LIVE)
    assert live.model == "loop"
    days = (await health.get(f"/v1/clients/{client_id}/health/history", mode="historic", limit=500))["items"]
    assert {item["model"] for item in days} == {"onboarding"}


async def test_an_onboarding_that_nobody_tells_of_is_over_after_45_days(health: HealthStack, client_id: UUID):
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.deliver(registered(client_id=client_id))
    models = []
    for number in (40, 45, 46):
        health.clock.set(day(number))
        await health.say(client.LoggedIn(), client_id)
        models.append((await health.health(client_id))["model"])
    assert models == ["onboarding", "onboarding", "loop"]


async def test_a_late_onboarding_that_is_told_of_stays_one_until_the_hand_off(health: HealthStack, client_id: UUID):
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.deliver(registered(client_id=client_id))
    await health.say(client.MilestoneCompleted(milestone="kickoff_meeting"), client_id, "csm", at=day(2))
    health.clock.set(day(60))
    await health.say(client.LoggedIn(), client_id)
    found = await health.health(client_id)
    assert (found["model"], found["band"]) == ("onboarding", "red")
    await health.say(client.MilestoneCompleted(milestone="hand_off"), client_id, "csm")
    assert (await health.health(client_id))["model"] == "loop"


async def test_a_silent_source_of_the_project_shows_at_once_when_read(health: HealthStack, client_id: UUID):
    health.clock.set(day(120))
    await health.hear(*ALL, every=86400)
    story = [
        e for e in building(120, client_id=client_id) if e.data.type_name() != "budget_reported"
    ]  # fresh for 45 days
    await health.bring_in(client_id, story)
    await health.deliver(event(client.ApprovalRequested(approval_id="now"), day(120), "jira", client_id=client_id))
    assert (await health.health(client_id))["band"] == "healthy"
    health.clock.advance(hours=24, seconds=-1)
    await health.hear(*(source for source in ALL if source != "jira"), every=86400)
    assert (await health.health(client_id))["stale_sources"] == []
    health.clock.advance(seconds=1)
    found = await health.health(client_id)
    assert (found["band"], found["stale_sources"]) == ("unknown", ["jira"])
    stale = {s["name"] for part in found["components"] for s in part["signals"] if s["state"] == "stale"}
    assert stale == {"approvals_on_time", "scope_changes", "revision_rounds", "deadlines_met"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE definitions SET text = text || ' '",
        "UPDATE definitions SET sha256 = 'x'",
        "UPDATE definitions SET version = version + 100",
        "UPDATE definitions SET name = 'mine'",
        "DELETE FROM definitions",
    ],
)
async def test_a_published_version_cannot_be_changed_or_removed(health: HealthStack, change: str):
    with pytest.raises(DBAPIError, match="a version of a definition never changes"):
        async with health.database.transaction() as session:
            await session.execute(text(change))
    assert len(await health.rows("SELECT 1 FROM definitions WHERE active AND kind = 'model' AND version = 1")) == 3


async def test_another_text_is_another_version_and_results_name_theirs(health: HealthStack, client_id: UUID):
    health.clock.set(day(60))
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.bring_in(client_id, steady(60, client_id=client_id))
    weights = "weights:\n  - for: { tier: core }\n    components: { usage: 15, outcome: 45 }\n"
    created = await health.post("/v1/models", {"definition": (CONFIG / "loop.yaml").read_text() + weights})
    assert (created.status_code, created.json()["version"]) == (201, 2)
    published = await health.post(f"/v1/models/{created.json()['id']}/publish", {"reason": "core clients pay for it"})
    assert published.status_code == 200
    found = await health.health(client_id)
    assert (found["model_version"], [part["weight"] for part in found["components"]]) == (2, [15, 45, 25, 15])
    health.clock.advance(minutes=1)
    await health.fire()
    newest, *_, oldest = (await health.get(f"/v1/clients/{client_id}/health/history", mode="live", limit=50))["items"]
    weights_of = [[part["weight"] for part in item["components"]] for item in (oldest, newest)]
    assert weights_of == [[35, 25, 25, 15], [15, 45, 25, 15]]
    kept = await health.rows("SELECT DISTINCT model_version, variant FROM evaluations WHERE mode = 'live'")
    assert sorted(map(tuple, kept)) == [(1, None), (2, "/core")]


async def test_norms_are_measured_over_the_clients_of_a_model(health: HealthStack):
    health.clock.set(day(30))
    await health.hear(*SOURCES, every=FOR_EVER)
    for number, score in enumerate((4.0, 7.0, 9.0)):
        one = uuid4()
        said = client.SurveyAnswered(survey="nps", contact_id="a", score=score, scale_min=0.0, scale_max=10.0)
        segment = "smb" if number < 2 else "enterprise"
        profile = registered(client_id=one, segment=segment, contract_started_on=None, name=f"c{number}")
        await health.deliver(profile, event(said, day(20), "delighted", client_id=one))
    model = next(m for m in (await health.get("/v1/models"))["items"] if m["model"] == "loop")
    found = await health.get(f"/v1/models/{model['id']}/norms", least_clients=2)
    assert (found["model"], found["version"], found["clients"]) == ("loop", 1, 3)
    nps = next(signal for signal in found["signals"] if signal["signal"] == "nps")
    assert [(m["segment"], m["mean"], m["clients"]) for m in nps["means"]] == [(None, 6.67, 3), ("smb", 5.5, 2)]
    assert "priors: { smb: 5.5 }" in found["definition"]
    async with health.http() as http:
        assert (await http.get(f"/v1/models/{uuid4()}/norms")).status_code == 404
        assert (await http.get(f"/v1/models/{model['id']}/norms?least_clients=0")).status_code == 422
