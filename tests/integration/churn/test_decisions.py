"""What becomes of flags and overrides: outcomes, corrections, the report, and what a reader sees of each."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from churn.outcomes import Scoreboard
from common.contracts.escalation import CaseOpened
from prometheus_client import REGISTRY

from tests.support.churn_stack import ChurnStack
from tests.support.churn_told_model import becomes, clients_at, put_in_service
from tests.support.churn_world import money

MAYA, OMAR = "maya@ours.example", "omar@ours.example"


@pytest.fixture
async def decisions(churn: ChurnStack) -> ChurnStack:
    """With a model that says what it is told."""
    put_in_service(churn)
    return churn


async def pass_days(churn: ChurnStack, days: float) -> None:
    """Time passes; what falls due fires, and the daily sweep looks at everybody."""
    churn.clock.advance(days=days)
    await churn.fire()
    await churn.assess()


async def flags_of(churn: ChurnStack, client_id: UUID, **wanted: Any) -> list[dict[str, Any]]:
    return (await churn.get("/v1/flags", client_id=client_id, **wanted)).json()["items"]


async def outcome_of(churn: ChurnStack, client_id: UUID) -> str | None:
    return (await flags_of(churn, client_id))[0]["outcome"]


async def open_case(churn: ChurnStack, client_id: UUID) -> None:
    """Escalation opens a case for the flag that stands."""
    flag = (await churn.risk(client_id))["flag"]
    body = CaseOpened(
        case_id=uuid4(), client_id=client_id, flag_id=UUID(flag["flag_id"]), sop="churn-risk", sop_version=1
    )
    await churn.deliver(churn.wrap(body, client_id))


async def test_every_flag_gets_an_outcome_when_its_horizon_is_over(decisions: ChurnStack):
    leaver, stayer, saved = await clients_at(decisions, MAYA, 0.7, 0.7, 0.7)
    await open_case(decisions, saved)
    await pass_days(decisions, 30)
    await decisions.say("contract_cancelled", leaver, effective_on="2026-12-31")
    await pass_days(decisions, 59)
    assert [await outcome_of(decisions, one) for one in (leaver, stayer, saved)] == [None, None, None]
    assert len((await decisions.get("/v1/flags", outcome="pending")).json()["items"]) == 3
    await pass_days(decisions, 1.1)
    found = [await outcome_of(decisions, one) for one in (leaver, stayer, saved)]
    assert found == ["left", "stayed", "stayed_after_case"]
    (flag,) = await flags_of(decisions, leaver, outcome="left")
    assert (flag["left_by"], flag["cleared_because"], flag["csm"]) == ("notice", "client_left", MAYA)
    history = (await decisions.get(f"/v1/clients/{leaver}/risk/history")).json()["items"]
    assert [item["raised"]["outcome"] for item in history if item["raised"]] == ["left"]


async def test_an_outcome_changes_when_the_facts_do(decisions: ChurnStack):
    (one,) = await clients_at(decisions, MAYA, 0.7)
    raised_at = decisions.clock.now()
    await pass_days(decisions, 91)
    assert await outcome_of(decisions, one) == "stayed"
    late = decisions.event("contract_cancelled", one, at=raised_at + timedelta(days=20), effective_on="2026-12-31")
    await decisions.deliver(late)
    assert await outcome_of(decisions, one) == "left"
    await decisions.say("cancellation_withdrawn", one)
    assert await outcome_of(decisions, one) == "stayed"
    await decisions.say("contract_cancelled", one, effective_on="2026-12-31")
    assert await outcome_of(decisions, one) == "stayed", "beyond the horizon"
    assert (await flags_of(decisions, one))[0]["left_at"] is None


async def test_a_notice_that_never_happened_is_taken_out_of_the_outcome(decisions: ChurnStack):
    (one,) = await clients_at(decisions, MAYA, 0.7)
    await pass_days(decisions, 10)
    notice = await decisions.say("contract_cancelled", one, effective_on="2026-12-31")
    await pass_days(decisions, 81)
    assert await outcome_of(decisions, one) == "left"
    await decisions.say("event_withdrawn", one, event_id=notice.id)
    assert await outcome_of(decisions, one) == "stayed"


async def test_a_merged_clients_flags_go_by_the_client_that_it_went_into(decisions: ChurnStack):
    merged, survivor = await clients_at(decisions, MAYA, 0.7, 0.02)
    body = {"from_client_id": merged, "into_client_id": survivor}
    await decisions.say("clients_merged", survivor, **body)
    await decisions.say("clients_merged", merged, **body)
    await pass_days(decisions, 10)
    await decisions.say("contract_cancelled", survivor, effective_on="2026-12-31")
    await pass_days(decisions, 81)

    async def outcomes() -> list[str]:
        return [flag["outcome"] for flag in await flags_of(decisions, survivor) if flag["client_id"] == str(merged)]

    assert await outcomes() == ["left"]
    await decisions.say("cancellation_withdrawn", survivor)
    assert await outcomes() == ["stayed"], "a correction reaches it there"


async def test_a_case_heard_of_late_counts_if_it_was_within_the_horizon(decisions: ChurnStack):
    (one,) = await clients_at(decisions, MAYA, 0.7)
    raised_at = decisions.clock.now()
    flag_id = UUID((await decisions.risk(one))["flag"]["flag_id"])
    await pass_days(decisions, 91)
    body = CaseOpened(case_id=uuid4(), client_id=one, flag_id=flag_id, sop="churn-risk", sop_version=1)
    await decisions.deliver(decisions.wrap(body, one, at=raised_at + timedelta(days=2)))
    assert await outcome_of(decisions, one) == "stayed_after_case"


async def test_a_contract_that_ran_out_waits_for_its_grace(decisions: ChurnStack, client_id: UUID):
    began = decisions.clock.now() - timedelta(weeks=30)
    ends = decisions.clock.now() + timedelta(days=80)
    terms = {"starts_on": f"{began:%Y-%m-%d}", "ends_on": f"{ends:%Y-%m-%d}", "mrr": money(70_000)}
    await decisions.say("client_registered", client_id, at=began, refs=[])
    await decisions.say("contract_signed", client_id, at=began, contract_id="c-1", **terms)
    await decisions.assess()
    await pass_days(decisions, 91)
    assert await outcome_of(decisions, client_id) is None, "they may renew yet"
    await pass_days(decisions, 20)
    (flag,) = await flags_of(decisions, client_id)
    assert (flag["outcome"], flag["left_by"]) == ("left", "lapse")
    renewed = {"starts_on": f"{ends:%Y-%m-%d}", "ends_on": "2028-01-01", "mrr": money(70_000)}
    await decisions.say("contract_renewed", client_id, at=ends + timedelta(days=9), contract_id="c-1", **renewed)
    assert await outcome_of(decisions, client_id) == "stayed", "the renewal was known late"


async def test_an_override_taken_back_raises_the_flag_again_at_once(decisions: ChurnStack):
    (one,) = await clients_at(decisions, MAYA, 0.7)
    before = (await decisions.risk(one))["flag"]
    made = (await decisions.override(one, days=60)).json()["override"]
    await decisions.said()
    path = f"/v1/clients/{one}/overrides/{made['override_id']}"
    async with decisions.http("churn:override", subject=OMAR) as http:
        answers = [await http.delete(path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["override"]["withdrawn_by"] == OMAR
    assert await decisions.fire() == 1
    said = [event.data for event in await decisions.said()]
    assert [data.type_name() for data in said] == ["assessed", "override_ended", "flag_raised"]
    assert (said[1].ended_because, said[1].ended_by, said[1].by) == ("withdrawn", OMAR, MAYA)
    assert (str(said[2].flag_id), said[2].episode) == (before["flag_id"], 2)
    (log,) = (await decisions.get(f"/v1/clients/{one}/overrides")).json()["items"]
    assert (log["ended_because"], log["ended_by"]) == ("withdrawn", OMAR)
    async with decisions.http("churn:override") as http:
        assert (await http.delete(path)).status_code == 404
    async with decisions.http("churn:read") as http:
        assert (await http.delete(path)).status_code == 403


async def test_the_models_own_number_stays_visible_and_a_rise_ends_the_override(decisions: ChurnStack):
    (one,) = await clients_at(decisions, MAYA, 0.7)
    await decisions.override(one, days=60)
    await becomes(decisions, one, 0.8)
    risk = await decisions.risk(one)
    assert (risk["probability"], risk["override"]["probability"]) == (0.8, 0.7)
    assert "override_ended" not in await decisions.words()
    await becomes(decisions, one, 0.86)
    assert (await decisions.words())[-2:] == ["override_ended", "flag_raised"]


async def test_the_report_says_whether_the_humans_were_right(decisions: ChurnStack):
    ids = await clients_at(decisions, MAYA, 0.7, 0.7, 0.7, 0.8, 0.6)
    for one, reason in zip(ids[:3], ("renewal_agreed", "renewal_agreed", "seasonal"), strict=True):
        await decisions.override(one, days=80, reason_code=reason)
    await pass_days(decisions, 20)
    for gone in (ids[0], ids[3]):
        await decisions.say("contract_cancelled", gone, effective_on="2026-12-31")
    pending = (await decisions.get("/v1/overrides/report")).json()
    turned = await decisions.get(
        "/v1/overrides/report", **{"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    )
    assert (turned.status_code, "`from` has to lie before `to`" in turned.text) == (422, True), turned.text
    assert (pending["all"]["pending"], pending["all"]["left"]["value"]) == (3, None)
    await pass_days(decisions, 71)
    report = (await decisions.get("/v1/overrides/report")).json()
    assert report["all"]["flags"] == 3
    assert report["all"]["left"] == {"count": 1, "of": 3, "value": 0.3333, "low": 0.0615, "high": 0.7923}
    assert report["all"]["expected"] == 0.7
    assert {t["name"]: (t["left"]["count"], t["left"]["of"]) for t in report["by_reason"]} == {
        "renewal_agreed": (1, 2),
        "seasonal": (0, 1),
    }
    assert [(t["name"], t["flags"]) for t in report["by_person"]] == [(MAYA, 3)]
    others = report["not_overridden"]
    assert others["left"]["count"] == 1
    nothing = (await decisions.get("/v1/overrides/report", to="2026-01-01T00:00:00Z")).json()
    assert nothing["all"]["flags"] == nothing["not_overridden"]["flags"] == 0


async def test_precision_and_recall_are_metrics(decisions: ChurnStack):
    warned, stayed, unwarned = await clients_at(decisions, MAYA, 0.7, 0.7, 0.02)
    await pass_days(decisions, 30)
    for gone in (warned, unwarned):
        await decisions.say("contract_cancelled", gone, effective_on="2026-12-31")
    await pass_days(decisions, 61)
    assert await outcome_of(decisions, stayed) == "stayed"
    await Scoreboard(90).run(decisions.database, decisions.clock)
    read = REGISTRY.get_sample_value
    assert read("csl_flag_precision_ratio", {"rule": "threshold"}) == 0.5
    assert read("csl_flag_recall_ratio", {"rule": "any"}) == 0.5
    assert read("csl_flag_recall_ratio", {"rule": "capacity"}) == 0.0
    assert read("csl_recent_leavers", {"warned": "no"}) == 1
    assert read("csl_matured_flags", {"rule": "threshold", "outcome": "left"}) == 1


async def test_a_flag_raised_shortly_before_the_end_warned_nobody(decisions: ChurnStack):
    (one,) = await clients_at(decisions, MAYA, 0.02)
    await pass_days(decisions, 30)
    await becomes(decisions, one, 0.7)
    await pass_days(decisions, 13)
    await decisions.say("contract_cancelled", one, effective_on="2026-12-31")
    await decisions.assess()
    await Scoreboard(90).run(decisions.database, decisions.clock)
    assert REGISTRY.get_sample_value("csl_flag_recall_ratio", {"rule": "any"}) == 0.0


async def test_a_reader_can_check_the_sum_and_sees_what_moved(decisions: ChurnStack):
    (one,) = await clients_at(decisions, MAYA, 0.2)
    first = await decisions.risk(one)
    assert "changes" not in {name for name, value in first.items() if value}
    assert first["margin"] == pytest.approx(math.log(0.2 / 0.8), abs=1e-5)
    assert first["margin"] == pytest.approx(first["base"] + sum(g["contribution"] for g in first["groups"]))
    await decisions.said()
    await becomes(decisions, one, 0.65)
    raised = next(event.data for event in await decisions.said() if event.data.type_name() == "flag_raised")
    (moved,) = raised.changes
    assert moved.code == "revenue"
    assert moved.change == pytest.approx(math.log(0.65 / 0.35) - math.log(0.2 / 0.8), abs=1e-3)
    assert raised.compared_to < raised.as_of
    second = await decisions.risk(one)
    assert [change["code"] for change in second["changes"]] == ["revenue"]


async def test_assessments_by_different_models_are_not_compared(decisions: ChurnStack):
    (one,) = await clients_at(decisions, MAYA, 0.2)
    put_in_service(decisions, "told.2")
    await becomes(decisions, one, 0.4)
    assert (await decisions.risk(one)).get("changes") is None


async def test_flags_are_listed_in_pages_and_by_what_they_are(decisions: ChurnStack):
    await clients_at(decisions, MAYA, 0.7, 0.8, 0.9)
    first = (await decisions.get("/v1/flags", limit=2)).json()
    rest = (await decisions.get("/v1/flags", limit=2, cursor=first["next"])).json()
    assert len({flag["flag_id"] for flag in first["items"] + rest["items"]}) == 3
    assert rest["next"] is None
    assert (await decisions.get("/v1/flags", rule="capacity")).json()["items"] == []
    assert len((await decisions.get("/v1/flags", standing=True)).json()["items"]) == 3
    assert (await decisions.get("/v1/flags", outcome="won")).status_code == 422
    from common.http import encode_cursor

    for place in (
        {"raised_at": "2026-01-01T00:00:00", "flag_id": str(uuid4()), "episode": 1},
        {"raised_at": "2026-01-01T00:00:00Z", "flag_id": 7, "episode": 1},
        {"raised_at": "2026-01-01T00:00:00Z", "flag_id": str(uuid4()), "episode": 1 << 40},
        {"else": 1},
    ):
        assert (await decisions.get("/v1/flags", cursor=encode_cursor(place))).status_code == 422


async def test_a_service_without_a_model_says_what_data_it_lacks(churn: ChurnStack):
    ids = await clients_at(churn, MAYA, 0.2, 0.2)
    await churn.say("contract_cancelled", ids[0], effective_on="2026-12-31")
    await churn.assess()
    data = (await churn.get("/v1/models")).json()["data"]
    assert (data["clients"], data["leavers"], data["leavers_needed"]) == (2, 1, 50)
    assert data["months"] == pytest.approx(6.9, abs=0.1)
    assert {"surveys", "tickets"} <= set(data["kinds_unseen"])
    assert not {"contracts", "revenue", "contacts"} & set(data["kinds_unseen"])
    assert data["lacks"][0] == "1 of 50 leavers seen"


async def test_an_erased_clients_flags_and_their_timers_come_to_nothing(decisions: ChurnStack):
    from common.contracts import client

    (one,) = await clients_at(decisions, MAYA, 0.7)
    await decisions.deliver(decisions.wrap(client.ClientErased(), one))
    await pass_days(decisions, 91)
    assert (await decisions.rows("SELECT count(*) FROM flags"))[0][0] == 0
    assert (await decisions.rows("SELECT count(*) FROM timers WHERE kind = 'flag_outcome'"))[0][0] == 0
