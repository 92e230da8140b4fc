"""`…/why`, `…/history`, `…/health.svg` and stale parts over HTTP, on a real database."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4
from xml.etree import ElementTree

from common.contracts import client
from common.contracts.health import Mode

from tests.support.health_stack import FOR_EVER, HealthStack
from tests.support.health_world import CONFIG, SOURCES, day, event, registered, steady

STRICT = (
    (CONFIG / "loop.yaml")
    .read_text()
    .replace("weight: 35", "weight: 45")
    .replace("    weight: 15\n", "    weight: 5\n")
)


async def why(health: HealthStack, client_id: UUID, start=None, end=None):
    """An answer, proven to sum."""
    moments = {"from": start, "to": end}
    query = {name: moment.isoformat() for name, moment in moments.items() if moment is not None}
    answer = await health.get(f"/v1/clients/{client_id}/health/why", **query)
    difference = (answer["score_to"] or 0) - (answer["score_from"] or 0)
    assert sum(cause["delta"] for cause in answer["causes"]) == difference
    return answer


async def test_both_scores_are_what_was_said_at_these_moments(health: HealthStack, client_id: UUID):
    story = steady(60, client_id=client_id)
    await health.live_through(story)
    said = []
    for number in (61, 64, 70, 85):
        health.clock.set(day(number, 3))
        await health.fire()
        await health.say(client.LoggedIn(), client_id)
        said.append((health.clock.now(), (await health.health(client_id))["score"]))
    health.clock.advance(hours=1)
    for (start, before), (end, after) in pairwise(said):
        answer = await why(health, client_id, start, end)
        assert (answer["score_from"], answer["score_to"]) == (before, after)
        assert answer["kept_to"]["as_of"] <= answer["to"]
        assert answer["kept_to"]["score"] == after
    now = await why(health, client_id, said[0][0], health.clock.now() + timedelta(days=30))
    assert now["score_to"] == (await health.health(client_id))["score"]
    assert now["to"] == health.clock.now().isoformat().replace("+00:00", "Z")


async def test_day_ends_of_an_import_are_what_history_says(health: HealthStack, client_id: UUID):
    health.clock.set(day(100))
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.bring_in(client_id, steady(80, client_id=client_id))
    await health.fire()
    path = f"/v1/clients/{client_id}/health/history"
    ends = {item["as_of"]: item["score"] for item in (await health.get(path, mode="historic", limit=200))["items"]}
    start, end = day(20).replace(hour=0), day(70).replace(hour=0)
    answer = await why(health, client_id, start, end)
    key = [moment.isoformat().replace("+00:00", "Z") for moment in (start, end)]
    assert [answer["score_from"], answer["score_to"]] == [ends[moment] for moment in key]
    handed_off = next(cause for cause in answer["causes"] if cause["kind"] == "model")
    assert handed_off["text"].startswith(
        "handed off from onboarding: model loop v1 instead of onboarding v1 since 30 Jan"
    )
    assert len(handed_off["events"]) == 1


async def test_a_published_version_is_booked_at_its_moment_and_taken_back_again(health: HealthStack, client_id: UUID):
    await health.live_through(steady(60, client_id=client_id))
    health.clock.set(day(60, 1))
    created = await health.post("/v1/models", {"definition": STRICT})
    assert created.status_code == 201, created.text
    loop = next(m for m in (await health.get("/v1/models"))["items"] if (m["model"], m["version"]) == ("loop", 1))
    for hours, version in ((2, created.json()["id"]), (30, loop["id"])):
        health.clock.set(day(60, hours))
        answer = await health.post(f"/v1/models/{version}/publish", {"reason": "usage says more"})
        assert answer.status_code == 200, answer.text
        health.clock.advance(minutes=2)
        await health.fire()
    health.clock.set(day(63))
    answer = await why(health, client_id, day(60, 1), day(62))
    told = sorted(cause["text"].split(":")[0] for cause in answer["causes"] if cause["kind"] == "model")
    assert told == ["model loop v1 instead of loop v2 since 7 Mar", "model loop v2 instead of loop v1 since 6 Mar"]
    items = (await health.get(f"/v1/clients/{client_id}/health/history", limit=100))["items"]
    turns = [(i["model_before"], i["model_version_before"], i["model_version"]) for i in items if i["model_before"]]
    assert turns[:2] == [("loop", 2, 1), ("loop", 1, 2)]


async def test_before_the_first_fact_the_score_is_null_and_order_is_asked_for(health: HealthStack, client_id: UUID):
    health.clock.set(day(10))
    await health.deliver(*steady(9, client_id=client_id))
    answer = await why(health, client_id, day(-400), day(5))
    assert (answer["score_from"], answer["kept_from"]) == (None, None)
    assert any("nothing was known before 5 Jan" in cause["text"] for cause in answer["causes"])
    assert (await why(health, client_id, day(-400), day(-300)))["causes"] == []
    async with health.http() as http:
        later = await http.get(f"/v1/clients/{client_id}/health/why", params={"from": day(20).isoformat()})
    assert later.status_code == 422
    assert later.json()["errors"][0]["field"] == "from" if "errors" in later.json() else "from" in later.text


async def test_a_merge_counts_from_when_it_was_known(health: HealthStack):
    one, other = UUID(int=1), UUID(int=2)
    mine = [e for e in steady(40, client_id=one) if "usage" not in e.type]
    theirs = [e for e in steady(40, client_id=other) if "usage" in e.type]
    health.clock.set(day(45))
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.deliver(*mine, *theirs)
    alone = (await health.health(one))["score"]
    health.clock.set(day(46))
    merge = client.ClientsMerged(from_client_id=other, into_client_id=one)
    await health.deliver(*[event(merge, day(46), "ingest", client_id=c) for c in (one, other)])
    together = (await health.health(one))["score"]
    answer = await why(health, one, day(45), day(46))
    assert (answer["score_from"], answer["score_to"]) == (alone, together)
    joined = [cause for cause in answer["causes"] if cause["kind"] == "late_data"]
    assert joined
    assert all(cause["text"].startswith("known since records were merged: ") for cause in joined)
    assert (await why(health, other, day(45), day(46)))["client_id"] == str(one)
    health.clock.set(day(47))
    undo = client.ClientsUnmerged(from_client_id=other, into_client_id=one)
    await health.deliver(*[event(undo, day(47), "ingest", client_id=c) for c in (one, other)])
    apart = await why(health, one, day(46), day(47))
    assert apart["score_from"] == together
    assert apart["score_to"] == (await health.health(one))["score"]
    whole = await why(health, one, day(45), day(47))
    assert whole["score_from"] == alone


async def test_late_and_withdrawn_facts_are_told_as_late_data_and_restated_beside_what_was_said(
    health: HealthStack, client_id: UUID
):
    await health.live_through(steady(60, client_id=client_id))
    health.clock.set(day(62, 1))
    await health.fire()
    left = await health.say(
        client.ContactLeft(contact_id="ada"), client_id, "hubspot", at=day(58, 3), knowntime=day(62, 1)
    )
    health.clock.set(day(63, 2))
    await health.fire()
    learned = await why(health, client_id, day(61), day(63))
    (cause,) = [c for c in learned["causes"] if c["signal"] == "sponsor_and_champion"]
    assert (cause["kind"], cause["events"]) == ("late_data", [str(left.id)])
    assert cause["text"].startswith("learned late: sponsor left on 4 Mar")
    days = (await health.get(f"/v1/clients/{client_id}/health/history", resolution="day", limit=100))["items"]
    beside = {item["day"]: item for item in days}
    both = beside["2026-03-05"]
    assert (both["mode"], both["restated"]["mode"]) == ("live", "restated")
    assert both["restated"]["score"] < both["score"]
    assert both["restated"]["components"]
    assert beside[min(beside)]["restated"] is None
    await health.say(client.EventWithdrawn(event_id=left.id), client_id, "ingest")
    health.clock.set(day(64))
    back = await why(health, client_id, day(63), day(64))
    (cause,) = [c for c in back["causes"] if c["signal"] == "sponsor_and_champion"]
    assert (cause["kind"], cause["delta"] > 0) == ("late_data", True)
    assert cause["text"].startswith("taken back: ")


async def test_days_and_weeks_are_one_item_each_and_paged(health: HealthStack, client_id: UUID):
    await health.live_through(steady(40, client_id=client_id))
    health.clock.set(day(41))
    await health.fire()
    path = f"/v1/clients/{client_id}/health/history"

    async def every(limit: int, **query):
        items, cursor = [], None
        while True:
            page = await health.get(path, limit=limit, **query, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            assert len(page["items"]) <= limit
            cursor = page["next"]
            if cursor is None:
                return items

    for resolution in ("all", "day", "week"):
        whole = await every(500, resolution=resolution)
        assert await every(7, resolution=resolution) == whole
        assert [item["as_of"] for item in whole] == sorted((item["as_of"] for item in whole), reverse=True)
        if resolution != "all":
            spans = [item["day"] for item in whole]
            assert len(spans) == len(set(spans))
    weeks = await every(500, resolution="week")
    assert all(
        item["day"] in {"2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26", "2026-02-02", "2026-02-09"}
        for item in weeks
    )
    live = await every(500, mode="live")
    assert {item["mode"] for item in live} == {Mode.LIVE}


async def test_the_picture_is_an_svg_that_is_fetched_once(health: HealthStack, client_id: UUID):
    await health.deliver(
        registered(client_id=client_id, name="Ash & <Sons>"), event(client.LoggedIn(), day(0), client_id=client_id)
    )
    path = f"/v1/clients/{client_id}/health.svg"
    async with health.http("health:read") as http:
        answer = await http.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["cache-control"] == "private, max-age=60"
        assert "Ash & <Sons>" in (ElementTree.fromstring(answer.text)[0].text or "")
        again = await http.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        dark = await http.get(path, params={"theme": "dark", "days": 30})
        assert "prefers-color-scheme" in answer.text
        assert "prefers-color-scheme" not in dark.text
        assert (await http.get(path, params={"theme": "pink"})).status_code == 422
        assert (await http.get(f"/v1/clients/{uuid4()}/health.svg")).status_code == 404
    async with health.http("churn:read") as http:
        assert (await http.get(path)).status_code == 403


async def test_a_silent_source_shows_within_its_minute_and_says_which_parts(health: HealthStack, client_id: UUID):
    health.clock.set(day(60))
    await health.hear(*SOURCES, every=86400)
    await health.bring_in(client_id, steady(60, client_id=client_id))
    for source in SOURCES[1:]:
        await health.hear(source, every=FOR_EVER)
    health.clock.set(day(61) - timedelta(seconds=1))
    fresh = await health.health(client_id)
    health.clock.set(day(61, 1 / 60))
    stale = await health.health(client_id)
    assert (fresh["stale_sources"], stale["stale_sources"]) == ([], ["segment"])

    def states(shown):
        return {signal["name"]: signal["state"] for part in shown["components"] for signal in part["signals"]}

    turned = {name for name, state in states(stale).items() if state == "stale" and states(fresh)[name] == "fresh"}
    assert turned == {name for name, state in states(fresh).items() if state == "fresh" and name in USAGE}
    usage = next(part for part in stale["components"] if part["name"] == "usage")
    assert (usage["fresh"], usage["score"] is not None) == (False, True)
    assert stale["confidence"] < fresh["confidence"]
    answer = await why(health, client_id, day(60), day(61, 1 / 60))
    assert answer["score_to"] == stale["score"]  # staleness moves the band and the confidence, never the score


USAGE = {"days_since_login", "active_days", "feature_depth", "seat_use", "usage_trend"}
