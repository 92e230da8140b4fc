"""From client events to a flag and its end, on a real database."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from common.contracts import client

from tests.support.churn_stack import ChurnStack
from tests.support.churn_world import beginning, money, turning_away, weekly_life

WEEKS = timedelta(weeks=1)


async def live_through(churn: ChurnStack, client_id: UUID, told: list, *, live: bool = True) -> None:
    await churn.deliver(*(churn.event(name, client_id, at=at, live=live, **data) for name, data, at in told))


async def flagged(churn: ChurnStack, client_id: UUID) -> None:
    """A client whose flag stands now."""
    await live_through(churn, client_id, turning_away(churn.clock.now() - 28 * WEEKS))
    await churn.assess()
    assert (await churn.risk(client_id))["flag"], "the world should make a flag"
    await churn.said()


async def test_a_client_that_loses_sponsor_usage_and_mood_is_flagged_once(churn: ChurnStack, client_id: UUID):
    await live_through(churn, client_id, turning_away(churn.clock.now() - 28 * WEEKS))
    assert await churn.assess() == 1
    said = await churn.said()
    assert [event.data.type_name() for event in said] == ["assessed", "flag_raised"]
    raised = said[1].data
    assert (raised.rule, raised.episode, raised.calibrated, raised.probability) == ("scorecard", 1, False, None)
    texts = [reason.text for reason in raised.reasons]
    assert any(text.startswith("sponsor left on ") for text in texts), texts
    assert any("logins fell from 34 to 6 a week since" in text for text in texts), texts
    await churn.say("logged_in", client_id, count=1)
    await churn.assess()
    assert await churn.words() == ["assessed"]


async def test_the_risk_route_shows_reasons_flag_and_no_percentage(churn: ChurnStack, client_id: UUID):
    await flagged(churn, client_id)
    risk = await churn.risk(client_id)
    assert (risk["model"], risk["calibrated"], risk["probability"]) == ("scorecard", False, None)
    assert risk["points"] >= risk["threshold"] == 60
    assert risk["flag"]["episode"] == 1
    assert risk["override"] is None
    assert {"code", "text", "contribution"} <= set(risk["reasons"][0])


async def test_events_in_a_moment_make_one_assessment(churn: ChurnStack, client_id: UUID):
    now = churn.clock.now()
    await live_through(churn, client_id, [*beginning(now - 30 * WEEKS), *weekly_life(now - 30 * WEEKS, 30)])
    await churn.say("logged_in", client_id, count=2)
    assert await churn.assess() == 1
    assert await churn.words() == ["assessed"]
    assert await churn.assess() == 0


async def test_a_stream_of_events_is_no_stream_of_assessments(churn: ChurnStack, client_id: UUID):
    await live_through(churn, client_id, beginning(churn.clock.now() - 30 * WEEKS))
    assert await churn.assess() == 1
    await churn.say("logged_in", client_id, count=2)
    assert await churn.assess(rested=False) == 0
    assert await churn.assess() == 1, "nothing is forgotten, only put off"


async def test_everybody_is_assessed_again_the_next_day(churn: ChurnStack, client_id: UUID):
    await live_through(churn, client_id, beginning(churn.clock.now() - 30 * WEEKS))
    await churn.assess()
    churn.clock.advance(hours=14)
    assert await churn.assess() == 0
    churn.clock.advance(hours=2)
    assert await churn.assess() == 1


async def test_the_flag_falls_when_the_risk_does(churn: ChurnStack, client_id: UUID):
    await flagged(churn, client_id)
    start = churn.clock.now()
    await churn.say("contact_added", client_id, contact_id="cleo", role="sponsor")
    churn.clock.advance(10 * WEEKS)
    await live_through(churn, client_id, weekly_life(start, 10, logins=40, mood=0.6))
    await churn.assess()
    said = await churn.said()
    assert [event.data.type_name() for event in said] == ["assessed", "flag_cleared"]
    assert said[1].data.reason == "risk_fell"
    assert (await churn.risk(client_id))["flag"] is None


async def test_nothing_is_scored_after_the_clients_end(churn: ChurnStack, client_id: UUID):
    await flagged(churn, client_id)
    churn.clock.advance(days=1)
    await churn.say("contract_cancelled", client_id, effective_on="2026-04-30")
    assert await churn.assess() == 1
    said = await churn.said()
    assert [(event.data.type_name(), event.data.reason) for event in said] == [("flag_cleared", "client_left")]
    assert (await churn.risk(client_id))["ended"]["kind"] == "notice"
    churn.clock.advance(days=3)
    assert await churn.assess() == 0
    await churn.say("cancellation_withdrawn", client_id)
    await churn.assess()
    assert "assessed" in await churn.words()


async def test_an_import_sends_one_baseline_and_no_flag(churn: ChurnStack, client_id: UUID):
    await live_through(churn, client_id, turning_away(churn.clock.now() - 28 * WEEKS), live=False)
    assert await churn.assess() == 0
    await churn.finish_import(client_id)
    assert await churn.assess() == 1
    assert await churn.words() == ["assessed"]
    churn.clock.advance(days=1)
    await churn.assess()
    assert await churn.words() == ["assessed"], "what an import alone has shown raises no flag"
    await churn.say("logged_in", client_id, count=1)
    await churn.assess()
    assert await churn.words() == ["assessed", "flag_raised"]


async def test_historic_scores_ask_for_no_assessment_but_count(churn: ChurnStack, client_id: UUID):
    now = churn.clock.now()
    for week in range(12, 0, -1):
        await churn.scored(client_id, 90 - (12 - week) * 3, at=now - week * WEEKS, mode="historic")
    assert await churn.assess() == 0
    await live_through(churn, client_id, beginning(now - 30 * WEEKS))
    await churn.scored(client_id, 52)
    await churn.assess()
    codes = {reason["code"] for reason in (await churn.risk(client_id))["reasons"]}
    assert {"health", "health_trend"} <= codes


async def test_an_override_downgrades_and_its_end_raises_the_next_episode(churn: ChurnStack, client_id: UUID):
    await flagged(churn, client_id)
    before = (await churn.risk(client_id))["flag"]
    answer = await churn.override(client_id, days=5)
    assert answer.status_code == 201, answer.text
    assert answer.json()["override"]["reason_code"] == "renewal_agreed"
    assert await churn.words() == ["flag_overridden"]
    churn.clock.advance(days=1)
    await churn.assess()
    assert await churn.words() == ["assessed"], "under an override nothing is raised"
    churn.clock.advance(days=4)
    assert await churn.fire() == 1
    said = await churn.said()
    assert [event.data.type_name() for event in said] == ["assessed", "override_ended", "flag_raised"]
    assert said[1].data.ended_because == "expired"
    after = said[2].data
    assert (str(after.flag_id), after.episode) == (before["flag_id"], before["episode"] + 1)
    log = (await churn.get(f"/v1/clients/{client_id}/overrides")).json()["items"]
    assert [(entry["by"], entry["ended_because"]) for entry in log] == [("maya@ours.example", "expired")]


async def test_an_override_whose_risk_is_gone_ends_in_a_cleared_flag(churn: ChurnStack, client_id: UUID):
    await flagged(churn, client_id)
    await churn.override(client_id, days=80)
    start = churn.clock.now()
    await churn.say("contact_added", client_id, contact_id="cleo", role="sponsor")
    churn.clock.advance(days=80)
    await live_through(churn, client_id, weekly_life(start, 11, logins=40, mood=0.6))
    await churn.fire()
    said = [event.data for event in await churn.said()]
    assert [data.type_name() for data in said][-2:] == ["override_ended", "flag_cleared"]


async def test_an_override_is_refused_without_reason_note_date_flag_or_scope(churn: ChurnStack, client_id: UUID):
    await flagged(churn, client_id)
    for change, field in (
        ({"reason_code": "because"}, "reason_code"),
        ({"note": "no"}, "note"),
        ({"days": 91}, "until"),
        ({"days": -1}, "until"),
    ):
        answer = await churn.override(client_id, **change)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == field
    assert (await churn.override(uuid4())).status_code == 404
    refused = await churn.post(f"/v1/clients/{client_id}/overrides", {}, "churn:read")
    assert refused.status_code == 403
    assert (await churn.override(client_id)).status_code == 201
    assert (await churn.override(client_id)).status_code == 409


async def test_the_same_key_overrides_once(churn: ChurnStack, client_id: UUID):
    await flagged(churn, client_id)
    wish = {
        "reason_code": "seasonal",
        "note": "August is always quiet there.",
        "until": (churn.clock.now() + timedelta(days=30)).isoformat(),
    }
    path = f"/v1/clients/{client_id}/overrides"
    first = await churn.post(path, wish, **{"Idempotency-Key": "once"})
    again = await churn.post(path, wish, **{"Idempotency-Key": "once"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert await churn.words() == ["flag_overridden"]


async def test_history_lists_assessments_newest_first_in_pages(churn: ChurnStack, client_id: UUID):
    await live_through(churn, client_id, beginning(churn.clock.now() - 30 * WEEKS))
    moments = []
    for _ in range(5):
        await churn.assess()
        moments.append(churn.clock.now())
        churn.clock.advance(days=1)
    path = f"/v1/clients/{client_id}/risk/history"
    first = (await churn.get(path, limit=3)).json()
    second = (await churn.get(path, limit=3, cursor=first["next"])).json()
    seen = [item["as_of"] for item in first["items"] + second["items"]]
    assert seen == [m.isoformat().replace("+00:00", "Z") for m in reversed(moments)]
    assert second["next"] is None
    day = {"from": moments[1].isoformat(), "to": moments[3].isoformat()}
    assert len((await churn.get(path, **day)).json()["items"]) == 2


async def test_repeated_and_late_events_lead_to_the_same_state(churn: ChurnStack):
    now = churn.clock.now()
    told = turning_away(now - 28 * WEEKS)
    orderly, messy = uuid4(), uuid4()
    await live_through(churn, orderly, told)
    events = [churn.event(name, messy, at=at, **data) for name, data, at in told]
    await churn.deliver(*events[10:])
    await churn.deliver(*events[:14])
    await churn.deliver(*events)
    bodies = await churn.rows("SELECT client_id, body FROM states")
    first, second = (body.replace(str(e.id).encode(), b"") for e, (_, body) in zip(events, bodies, strict=False))
    await churn.assess()
    risks = [await churn.risk(client) for client in (orderly, messy)]
    assert risks[0]["points"] == risks[1]["points"]
    assert [r["text"] for r in risks[0]["reasons"]] == [r["text"] for r in risks[1]["reasons"]]
    assert len(first) == len(second)


async def test_an_erased_client_leaves_nothing(churn: ChurnStack, client_id: UUID):
    await flagged(churn, client_id)
    await churn.override(client_id)
    await churn.deliver(churn.wrap(client.ClientErased(), client_id))
    for table in ("risks", "health_days", "assessments", "flags", "overrides", "facts", "states"):
        rows = await churn.rows(f"SELECT count(*) FROM {table}")
        assert rows[0][0] == 0, table
    churn.clock.advance(days=40)
    assert await churn.fire() == 1, "the orphaned timer is a no-op"
    assert (await churn.get(f"/v1/clients/{client_id}/risk")).status_code == 404


async def test_a_merged_client_is_read_under_the_one_it_went_into(churn: ChurnStack):
    survivor, merged = uuid4(), uuid4()
    now = churn.clock.now()
    await live_through(churn, survivor, beginning(now - 30 * WEEKS))
    await flagged(churn, merged)
    await churn.assess()
    await churn.said()
    body = {"from_client_id": merged, "into_client_id": survivor}
    await churn.say("clients_merged", survivor, **body)
    await churn.say("clients_merged", merged, **body)
    await churn.assess()
    said = [(event.data.type_name(), event.client_id) for event in await churn.said()]
    assert ("flag_cleared", merged) in said
    assert (await churn.risk(merged))["client_id"] == str(survivor)


async def test_revenue_fallen_to_zero_is_an_end(churn: ChurnStack, client_id: UUID):
    await live_through(churn, client_id, beginning(churn.clock.now() - 30 * WEEKS))
    await churn.assess()
    await churn.say("subscription_changed", client_id, subscription_id="s-1", mrr_after=money(0))
    await churn.assess()
    assert (await churn.risk(client_id))["ended"]["kind"] == "mrr_zero"


async def test_cursors_that_are_not_ours_are_refused(churn: ChurnStack, client_id: UUID):
    from common.http import encode_cursor

    bent = [
        ("/v1/risks", {"probability": "high", "client_id": str(client_id)}),
        ("/v1/risks", {"probability": 0.5, "client_id": 7}),
        (f"/v1/clients/{client_id}/risk/history", {"as_of": "yesterday", "id": str(client_id)}),
        (f"/v1/clients/{client_id}/risk/history", {"as_of": "2026-01-01T00:00:00", "id": str(client_id)}),
        ("/v1/models", {"created_at": None, "model_id": str(client_id)}),
        ("/v1/models", {"else": 1}),
        ("/v1/models", {"created_at": "0001-01-01T00:00:00+14:00", "model_id": str(client_id)}),
        (f"/v1/clients/{client_id}/risk/history", {"as_of": "9999-12-31T23:59:59-14:00", "id": str(client_id)}),
        ("/v1/flags", {"raised_at": "0001-01-01T00:00:00+14:00", "flag_id": str(client_id), "episode": 1}),
    ]
    for path, position in bent:
        answer = await churn.get(path, cursor=encode_cursor(position))
        assert answer.status_code == 422, (path, position, answer.text)
    assert (
        await churn.get(f"/v1/clients/{client_id}/risk/history", **{"from": "2026-01-01T00:00:00"})
    ).status_code == 422
    assert (await churn.get(f"/v1/clients/{client_id}/risk/history")).json() == {"items": [], "next": None}
