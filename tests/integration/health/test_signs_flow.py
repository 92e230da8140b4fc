"""Signs begin, are told once, and end: by events, at exact instants, and in silence where history speaks."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from common.contracts import churn, client, feeds
from common.contracts.base import Data, Event
from common.contracts.health import Scored, SignEnded, SignKind, SignStarted
from health import service
from sqlalchemy import text

from tests.support.health_stack import FOR_EVER, HealthStack
from tests.support.health_world import CONFIG, SOURCES, day, event, registered, steady
from tests.support.signs_world import SHIPPED


def of(client_id: UUID, body: type[Data], number: float, source: str = "hubspot", **said: Any) -> Event[Any]:
    return event(body.model_validate(said), day(number), source, client_id=client_id)


def asks(client_id: UUID, number: float, thread: str = "a", **more: Any) -> Event[Any]:
    return of(client_id, client.MessageExchanged, number, message_id=f"q{thread}", channel="email",
              direction="outbound", thread_id=thread, **more)  # fmt: skip


def writes(client_id: UUID, number: float, thread: str = "a") -> Event[Any]:
    return of(client_id, client.MessageExchanged, number, message_id=f"a{thread}", channel="email",
              direction="inbound", thread_id=thread, contact_id="ada")  # fmt: skip


async def told(health: HealthStack) -> list[tuple[str, str]]:
    """Signs said since the last look: (began or ended, which)."""
    said = await health.said()
    return [("began" if isinstance(e.data, SignStarted) else "ended", e.data.sign)
            for e in said if isinstance(e.data, SignStarted | SignEnded)]  # fmt: skip


async def shown(health: HealthStack, client_id: UUID, **wanted: Any) -> list[dict[str, Any]]:
    return list((await health.get(f"/v1/clients/{client_id}/signs", **wanted))["items"])


async def until(health: HealthStack, moment: datetime) -> None:
    """Time passes, and timers fire as they come due."""
    while True:
        (due,) = await health.rows("SELECT min(due_at) AS at FROM timers")
        if due.at is None or due.at > moment:
            break
        health.clock.set(max(health.clock.now(), due.at))
        await health.fire()
    health.clock.set(moment)
    await health.fire()


async def test_a_sign_begins_and_ends_live_once_each(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(1))
    mention = of(client_id, client.CompetitorMentioned, 1, contact_id="ada")
    await health.deliver(mention, mention)
    await health.deliver(mention)
    (began,) = await health.said(SignStarted)
    assert (began.data.sign, began.data.kind) == ("competitor_mentioned", SignKind.EARLY_WARNING)
    assert began.data.text == "a competitor was mentioned on 6 Jan"
    assert began.data.caused_by == (mention.id,)
    assert (began.data.definition, began.data.definition_version) == ("standard", 1)
    assert began.data.started_at <= began.data.as_of == began.time == day(1)
    await until(health, day(60))
    (ended,) = [e for e in await health.said(SignEnded) if e.data.sign == "competitor_mentioned"]
    assert ended.data.ended_at == day(46).replace(hour=0)
    assert ended.data.started_at == began.data.started_at
    (row,) = await shown(health, client_id, sign="competitor_mentioned")
    assert (row["open"], row["told"], row["ended_text"]) == (False, True, "no competitor was mentioned lately")


async def test_a_silent_client_is_told_of_at_the_very_second(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(1))
    await health.deliver(asks(client_id, 1))
    await health.said()
    health.clock.set(day(3) - timedelta(seconds=1))
    await health.fire()
    assert await told(health) == []
    health.clock.set(day(3))
    await health.fire(workers=2)
    (began,) = await health.said(SignStarted)
    assert (began.data.sign, began.data.started_at, began.data.as_of) == ("client_silent", day(3), day(3))
    health.clock.set(day(3, 5))
    await health.deliver(writes(client_id, 3 + 5 / 24))
    assert await told(health) == [("ended", "client_silent")]


async def test_agenda_and_summary_are_missed_at_their_instants(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id, tier="standard"))
    health.clock.set(day(1))
    starts = day(10, 3)
    await health.deliver(of(client_id, client.MeetingScheduled, 1, meeting_id="m", kind="review", starts_at=starts))
    await health.said()
    await until(health, day(10))
    (began,) = await health.said(SignStarted)
    assert (began.data.sign, began.data.about, began.data.as_of) == ("agenda_missing", "m", starts - timedelta(days=1))
    await until(health, starts)
    assert await told(health) == [("ended", "agenda_missing")]
    await health.deliver(of(client_id, client.MeetingHeld, 10.2, meeting_id="m", kind="review", attended=["ada"]))
    await until(health, day(12))
    (began,) = await health.said(SignStarted)
    assert (began.data.sign, began.data.about) == ("summary_missing", "m")
    assert began.data.as_of == day(11.2)
    health.clock.set(day(12, 1))
    await health.deliver(
        of(client_id, client.MeetingHeld, 12.04, meeting_id="m", attended=["ada"], summary_sent_at=day(12, 1))
    )
    assert await told(health) == [("ended", "summary_missing")]
    assert [(row["sign"], row["open"]) for row in await shown(health, client_id)] == [
        ("summary_missing", False),
        ("agenda_missing", False),
    ]


async def test_an_overdue_review_is_told_at_midnight_after_its_last_day(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id, tier="strategic"))
    health.clock.set(day(1))
    await health.deliver(of(client_id, client.MeetingHeld, 1, meeting_id="r", kind="review", attended=["ada"]))
    await until(health, day(40))
    said = [e for e in await health.said(SignStarted) if e.data.sign == "review_overdue"]
    assert [(e.data.kind, e.data.as_of) for e in said] == [(SignKind.RHYTHM, day(33).replace(hour=0))]
    assert said[0].data.text == "the last review was on 6 Jan; strategic clients are due one every 31 days"


async def test_a_late_timer_tells_what_holds_now_and_nothing_that_is_past(health: HealthStack, client_id: UUID):
    """Health was down while a meeting without agenda came and went."""
    await health.deliver(registered(client_id=client_id, tier="standard"))
    await health.deliver(
        of(client_id, client.MeetingScheduled, 0, meeting_id="m", kind="review", starts_at=day(3)), asks(client_id, 0)
    )
    await health.said()
    health.clock.set(day(6))
    await health.fire()
    (began,) = await health.said(SignStarted)
    assert (began.data.sign, began.data.started_at, began.data.as_of) == ("client_silent", day(2), day(6))


async def test_an_import_begins_signs_in_silence_with_their_real_start(health: HealthStack, client_id: UUID):
    health.clock.set(day(70))
    life = [registered(client_id=client_id), of(client_id, client.CompetitorMentioned, 40, contact_id="ada")]
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.bring_in(client_id, [*life, asks(client_id, 60)])
    await health.fire()
    assert await told(health) == []
    rows = await shown(health, client_id, open=True)
    begun = {row["sign"]: (row["told"], row["started_at"]) for row in rows}
    assert begun["competitor_mentioned"] == (False, "2026-02-14T00:00:00Z")
    assert begun["client_silent"] == (False, "2026-03-08T09:00:00Z")
    await health.deliver(writes(client_id, 70))  # what was never said to begin is not said to end
    assert ("ended", "client_silent") not in await told(health)
    health.clock.set(day(71))
    await health.deliver(of(client_id, client.BudgetDiscussed, 71, direction="freeze"))
    assert await told(health) == [("began", "budget_cut")]


async def test_imported_weeks_make_a_trend_in_silence(health: HealthStack, client_id: UUID):
    health.clock.set(day(120))
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.bring_in(client_id, [e for e in steady(70, client_id=client_id) if e.time < day(70)])
    await health.fire()
    (row,) = await health.rows("SELECT weeks FROM clients")
    assert len(row.weeks) >= 9
    assert [week[0] for week in row.weeks] == sorted({week[0] for week in row.weeks})
    assert all(week[0] % 7 == 1 for week in row.weeks)
    assert await told(health) == []


async def test_live_weeks_are_kept_once_each(health: HealthStack, client_id: UUID):
    await health.live_through(steady(60, client_id=client_id))
    (row,) = await health.rows("SELECT weeks FROM clients")
    mondays = [week[0] for week in row.weeks]
    assert mondays == list(range(day(0).toordinal(), day(59).toordinal(), 7))


async def test_a_client_that_left_shows_nothing_any_more_and_nobody_is_told(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(1))
    await health.deliver(of(client_id, client.CompetitorMentioned, 1))
    await health.deliver(of(client_id, client.ContractCancelled, 1.1, effective_on="2026-01-10"))
    await health.said()
    await until(health, day(20))
    assert await told(health) == []
    assert await shown(health, client_id, open=True) == []
    (row,) = await shown(health, client_id, sign="competitor_mentioned")
    assert (row["told"], row["ended_text"]) == (True, "the client left")


async def test_a_late_fact_that_holds_now_is_told_and_one_that_is_over_is_not(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id))
    await until(health, day(60))
    await health.said()
    late = of(client_id, client.CompetitorMentioned, 5)
    await health.deliver(late.model_copy(update={"knowntime": day(60)}))
    assert await told(health) == []
    late = of(client_id, client.BudgetDiscussed, 40, direction="freeze")
    await health.deliver(late.model_copy(update={"knowntime": day(60)}))
    (began,) = await health.said(SignStarted)
    assert (began.data.sign, began.data.started_at) == ("budget_cut", day(40).replace(hour=0))


async def test_a_withdrawn_fact_ends_its_sign(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(1))
    mention = of(client_id, client.CompetitorMentioned, 1)
    await health.deliver(mention)
    await health.deliver(of(client_id, client.EventWithdrawn, 1.1, event_id=mention.id))
    assert await told(health) == [("began", "competitor_mentioned"), ("ended", "competitor_mentioned")]
    await health.deliver(of(client_id, client.CompetitorMentioned, 1, contact_id="ada"))
    began = await health.said(SignStarted)
    assert [e.data.sign for e in began] == ["competitor_mentioned"]


async def test_a_merge_moves_signs_in_silence(health: HealthStack):
    one, other = uuid4(), uuid4()
    await health.deliver(registered(client_id=one), registered(client_id=other))
    health.clock.set(day(1))
    await health.deliver(of(one, client.CompetitorMentioned, 1))
    await health.said()
    health.clock.set(day(2))
    merged = client.ClientsMerged(from_client_id=one, into_client_id=other)
    await health.deliver(*[event(merged, day(2), "csm", client_id=c) for c in (one, other)])
    assert await told(health) == []
    rows = await health.rows("SELECT client_id, told FROM signs WHERE ended_at IS NULL")
    assert [(row.client_id, row.told) for row in rows] == [(other, False)]


async def test_a_silent_feed_begins_no_sign_and_its_return_tells(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id), asks(client_id, 0))
    await health.hear("hubspot", every=86400)
    await health.fall_silent("hubspot", since=day(0))
    await health.said()
    await until(health, day(3))
    assert await told(health) == []
    await health.hear("hubspot", every=86400, body=feeds.FeedRecovered)
    await health.fire()
    (began,) = await health.said(SignStarted)
    assert (began.data.sign, began.data.started_at) == ("client_silent", day(2))


async def test_another_definition_changes_signs_in_silence(health: HealthStack, client_id: UUID, tmp_path: Path):
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(1))
    await health.deliver(asks(client_id, 1))
    health.clock.set(day(2))
    await health.fire()
    await health.said()
    text = SHIPPED.replace("client_silent: { starts_at: 48 }", "client_silent: { starts_at: 12 }")
    shutil.copytree(CONFIG, tmp_path / "health")
    (tmp_path / "health" / "signs.yaml").write_text(text)
    await service.take_over_files(health.database, tmp_path, health.clock)
    await health.fire()
    assert await told(health) == []
    (row,) = await shown(health, client_id, sign="client_silent")
    assert (row["open"], row["told"], row["definition_version"]) == (True, False, 2)


async def test_rows_of_an_earlier_release_are_looked_at_in_silence_first(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(1))
    await health.deliver(of(client_id, client.CompetitorMentioned, 1))
    async with health.database.transaction() as session:
        await session.execute(text("DELETE FROM signs"))
        await session.execute(text("UPDATE clients SET signs_version = NULL"))
    await health.said()
    health.clock.set(day(2))
    await health.fire()
    assert await told(health) == []
    assert [row["sign"] for row in await shown(health, client_id, open=True)] == ["competitor_mentioned"]


# Disagreement


def assessed(client_id: UUID, at: datetime, probability: float | None, points: float | None = None) -> Event[Any]:
    sure = probability is not None
    body = churn.Assessed.model_validate(
        {"client_id": client_id, "mode": "live", "probability": probability, "points": points, "calibrated": sure,
         "threshold": 0.6 if sure else 6.0, "horizon_days": 90, "model": "xgboost", "model_version": "1",
         "reasons": [], "as_of": at}
    )  # fmt: skip
    return Event.of(body, id=uuid4(), source="csl/churn", subject=client_id, time=at)


async def test_health_against_risk_is_told_and_answers_churn_with_no_score(health: HealthStack, client_id: UUID):
    await health.live_through(steady(70, client_id=client_id))
    health.clock.set(day(70))
    await health.fire()
    await health.said()
    await health.deliver(assessed(client_id, day(70), 0.62))
    said = await health.said()
    assert [e for e in said if isinstance(e.data, Scored)] == []
    (began,) = said
    assert (began.data.sign, began.data.kind, began.data.about) == (
        "disagrees_with_risk",
        SignKind.DISAGREEMENT,
        "health_brighter",
    )
    assert "but churn sees a risk of 62 %" in began.data.text
    await health.deliver(assessed(client_id, day(70, 1), 0.45))  # not yet calm enough to be over
    await health.deliver(assessed(client_id, day(69), 0.01))  # older than what is known
    assert await health.said() == []
    (row,) = await shown(health, client_id, kind="disagreement")
    assert "62 %" in row["text"] or "45 %" in row["text"]
    await health.deliver(assessed(client_id, day(70, 2), 0.2))
    assert await told(health) == [("ended", "disagrees_with_risk")]


async def test_a_risk_is_kept_over_events_and_until_it_is_old(health: HealthStack, client_id: UUID):
    await health.live_through(steady(70, client_id=client_id))
    health.clock.set(day(70))
    await health.fire()
    await health.deliver(assessed(client_id, day(70), None, 9.0))
    await health.deliver(of(client_id, client.LoggedIn, 70.1, "segment"))
    await health.said()
    (row,) = await shown(health, client_id, kind="disagreement")
    assert row["open"]
    assert "scorecard stands at 150 %" in row["text"]
    await until(health, day(79))
    assert ("ended", "disagrees_with_risk") in await told(health)


# The API


async def test_signs_are_listed_and_paged_across_clients(health: HealthStack):
    ids = sorted(uuid4() for _ in range(5))
    await health.deliver(*[registered(client_id=c, name=f"Client {n}") for n, c in enumerate(ids)])
    health.clock.set(day(1))
    await health.deliver(*[of(c, client.CompetitorMentioned, 1) for c in ids])
    await health.deliver(of(ids[0], client.BudgetDiscussed, 1, direction="freeze"))
    first = await health.get("/v1/signs", open="true", limit=4)
    second = await health.get("/v1/signs", open="true", limit=4, cursor=first["next"])
    every = [(row["client_id"], row["sign"]) for page in (first, second) for row in page["items"]]
    assert sorted(every) == sorted([*[(str(c), "competitor_mentioned") for c in ids], (str(ids[0]), "budget_cut")])
    assert second["next"] is None
    assert {row["client_name"] for row in first["items"]} <= {f"Client {n}" for n in range(5)}
    frozen = await health.get("/v1/signs", sign="budget_cut", kind="early_warning", csm_email="maya@ours.example")
    assert [row["client_id"] for row in frozen["items"]] == [str(ids[0])]
    assert (await health.get("/v1/signs", kind="about_us"))["items"] == []
    assert (await health.get("/v1/signs", open="false"))["items"] == []
    listed = (await health.get("/v1/clients"))["items"]
    assert {row["client_id"]: row["open_signs"] for row in listed} == {str(c): 2 if c == ids[0] else 1 for c in ids}


async def test_what_cannot_be_listed_is_refused(health: HealthStack):
    async with health.http("health:read") as http:
        answers = [
            await http.get("/v1/signs", params={"sign": "moon_phase"}),
            await http.get("/v1/signs", params={"cursor": "bm8"}),
            await http.get("/v1/signs", params={"kind": "gossip"}),
            await http.get(f"/v1/clients/{uuid4()}/signs"),
        ]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 404]
    async with health.http("health:write") as http:
        assert (await http.get("/v1/signs")).status_code == 403


async def test_an_erased_client_leaves_no_sign_behind(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id))
    health.clock.set(day(1))
    await health.deliver(of(client_id, client.CompetitorMentioned, 1))
    await health.deliver(of(client_id, client.ClientErased, 2))
    assert await health.rows("SELECT 1 FROM signs") == []


async def test_a_restart_neither_repeats_nor_loses_a_sign(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id), asks(client_id, 0))
    health.clock.set(day(1))
    mention = of(client_id, client.CompetitorMentioned, 1)
    await health.deliver(mention)
    await health.said()
    async with HealthStack(str(health.settings.database_url), health.clock) as again:
        await again.said()
        await again.deliver(mention)
        assert await told(again) == []
        again.clock.set(day(2))
        await again.fire(workers=2)
        assert await told(again) == [("began", "client_silent")]
        assert {row["sign"] for row in await shown(again, client_id, open=True)} == {
            "client_silent",
            "competitor_mentioned",
        }
