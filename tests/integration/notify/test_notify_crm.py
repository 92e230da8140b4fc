"""The CRM says what the loop knows: at once when the band moves, seldom when the score drifts."""

from __future__ import annotations

from uuid import UUID

from common.contracts import churn, client
from common.contracts import notify as said

from tests.support import notify_world as world
from tests.support.notify_stack import NotifyStack

COMPANY = "18412397"


async def score(notify: NotifyStack, client_id: UUID, value: float, band: str = "green", **more: object) -> None:
    notify.clock.advance(seconds=1)
    await notify.say(world.scored(client_id, score=value, band=band, as_of=notify.clock.now(), **more), client_id)


def written(notify: NotifyStack) -> list[dict[str, str]]:
    return [dict(caught.body["properties"]) for caught in notify.catcher.caught("crm")]


async def test_the_first_score_and_every_band_are_written_at_once(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await score(notify, client_id, 84.0)
    await notify.write_back()
    await score(notify, client_id, 83.0, "unknown", cause="missing_data")
    await notify.write_back()
    assert [each["csl_health_band"] for each in written(notify)] == ["green", "unknown"]
    company = notify.catcher.store.company(COMPANY)
    assert company["csl_health_score"] == "83.0"
    assert company["csl_health_as_of"].endswith("Z")
    assert company["csl_churn_risk"] == ""


async def test_a_drifting_score_is_written_once_in_ten_minutes_and_only_the_newest(
    notify: NotifyStack, client_id: UUID
) -> None:
    await notify.has(client_id)
    await score(notify, client_id, 90.0)
    await notify.write_back()
    for value in (89.5, 88.0, 86.0, 84.0):
        await score(notify, client_id, value)
        assert await notify.write_back() == 0
    notify.clock.advance(minutes=10)
    await notify.write_back()
    assert [each["csl_health_score"] for each in written(notify)] == ["90.0", "84.0"]


async def test_less_than_a_point_is_not_worth_a_write(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await score(notify, client_id, 90.0)
    await notify.write_back()
    await score(notify, client_id, 89.5)
    notify.clock.advance(hours=1)
    assert await notify.write_back() == 0


async def test_risk_is_written_as_a_number_only_when_calibrated(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.scorecard_flag(client_id), client_id)
    await notify.write_back()
    notify.clock.advance(hours=1)
    await notify.say(world.flag_raised(client_id, simulated=True), client_id)
    await notify.write_back()
    notify.clock.advance(hours=1)
    cleared = world.risk(client_id, probability=0.3, flag_id=UUID(int=8), episode=1, rule="threshold", simulated=True)
    await notify.say(churn.FlagCleared.model_validate(cleared), client_id)
    await notify.write_back()
    first, second, third = written(notify)
    assert (first["csl_churn_risk"], first["csl_churn_flag"], first["csl_simulated"]) == ("", "risk_signs", "false")
    assert (second["csl_churn_risk"], second["csl_churn_flag"], second["csl_simulated"]) == (
        "0.72",
        "likely_churn",
        "true",
    )
    assert (third["csl_churn_risk"], third["csl_churn_flag"]) == ("0.30", "none")
    assert second["csl_churn_reasons"].startswith("logins fell from 34 to 9 a week since 3 Feb; the sponsor left")


async def test_states_replace_each_other_while_the_crm_is_away(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    notify.catcher.fail("crm", "server_error", times=3)
    for value, band in ((84.0, "green"), (70.0, "amber"), (50.0, "red")):
        await score(notify, client_id, value, band)
        await notify.write_back()
        notify.clock.advance(minutes=6)
    await notify.write_back()
    assert [each["csl_health_band"] for each in written(notify)] == ["red"]


async def test_a_client_without_a_company_is_written_when_it_gets_one(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id, refs=[])
    await score(notify, client_id, 84.0)
    assert await notify.write_back() == 0
    refs = [{"source": "hubspot", "kind": "company", "id": "77"}]
    notify.clock.advance(seconds=1)
    await notify.say(client.ClientUpdated.model_validate({"refs": refs}), client_id)
    await notify.write_back()
    assert notify.catcher.store.company("77")["csl_health_band"] == "green"


async def test_a_refusal_is_published_once_and_heals_by_itself(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    notify.catcher.fail("crm", "unauthorized", times=2)
    await score(notify, client_id, 84.0)
    await notify.write_back()
    await score(notify, client_id, 60.0, "amber")
    assert await notify.write_back() == 0, "no hammering"
    async with notify.http("notify:read") as http:
        [entry] = (await http.get("/v1/crm", params={"failing": True})).json()["items"]
    assert "INVALID_AUTHENTICATION" in entry["last_error"]
    notify.clock.advance(hours=1)
    await notify.write_back()
    notify.clock.advance(hours=1)
    await notify.write_back()
    assert [each["csl_health_band"] for each in written(notify)] == ["amber"]
    assert [event.channel for event in await notify.published(said.Failed)] == ["crm"]
    assert [event.recipient for event in await notify.published(said.Delivered)] == [f"hubspot:company:{COMPANY}"]


async def test_history_is_not_written_back_but_the_live_baseline_is(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await score(notify, client_id, 20.0, "red", mode="historic")
    assert await notify.write_back() == 0
    await score(notify, client_id, 84.0)
    await notify.write_back()
    assert [each["csl_health_band"] for each in written(notify)] == ["green"]
    assert await notify.deliveries() == []
