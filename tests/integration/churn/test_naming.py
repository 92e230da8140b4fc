"""The weekly naming of the riskiest, by a timer on the business clock, on a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from common.clock import ManualClock
from common.timers import TimerWorker

from tests.support.churn_stack import ChurnStack
from tests.support.churn_told_model import at_risk, becomes, clients_at, life_at, put_in_service

MAYA, OMAR = "maya@ours.example", "omar@ours.example"
LOW = (0.01,) * 9


@pytest.fixture
async def naming(churn: ChurnStack) -> ChurnStack:
    """With a model that says what it is told, and the first Monday's timer set."""
    put_in_service(churn)
    await plan(churn)
    return churn


async def plan(churn: ChurnStack) -> None:
    (job,) = [job for job in churn.service.jobs if job.name == "plan_naming"]
    await job.run(churn.database, churn.clock)


async def next_monday(churn: ChurnStack) -> None:
    """It is Monday, seven o'clock; everybody was assessed that night, as every night."""
    now = churn.clock.now()
    monday = (now + timedelta(days=7 - now.weekday())).replace(hour=7, minute=0, second=1, microsecond=0)
    churn.clock.advance(monday - now - timedelta(minutes=5))
    await churn.assess()
    await churn.said()
    churn.clock.advance(monday - churn.clock.now())
    await churn.fire()


async def raised(churn: ChurnStack) -> dict[UUID, object]:
    return {e.client_id: e.data for e in await churn.said() if e.data.type_name() == "flag_raised"}


async def test_each_monday_the_riskiest_of_each_csm_are_named(naming: ChurnStack):
    mayas = await clients_at(naming, MAYA, 0.2, 0.18, 0.12, 0.11, *LOW)
    omars = await clients_at(naming, OMAR, 0.3, *LOW)
    nobodys = await clients_at(naming, None, 0.15, *LOW)
    await next_monday(naming)
    told = await raised(naming)
    assert set(told) == {*mayas[:3], omars[0], nobodys[0]}
    second = told[mayas[1]]
    assert (second.rule, second.probability, second.calibrated) == ("capacity", 0.18, True)
    assert (second.ranking.csm, second.ranking.place, second.ranking.clients) == (MAYA, 2, 13)
    assert second.reasons
    assert told[nobodys[0]].ranking.csm is None
    risk = await naming.risk(mayas[0])
    assert (risk["flag"]["rule"], risk["flag"]["probability"]) == ("capacity", 0.2)


async def test_the_week_after_nobody_is_named_twice_and_the_next_one_moves_up(naming: ChurnStack):
    mayas = await clients_at(naming, MAYA, 0.2, 0.18, 0.12, 0.11, *LOW)
    await next_monday(naming)
    assert len(await raised(naming)) == 3
    await next_monday(naming)
    assert await raised(naming) == {}
    await becomes(naming, mayas[1], 0.02)
    assert (await naming.risk(mayas[1]))["flag"] is None
    await next_monday(naming)
    assert set(await raised(naming)) == {mayas[3]}


async def test_who_is_overtaken_for_two_weeks_is_cleared(naming: ChurnStack):
    mayas = await clients_at(naming, MAYA, 0.2, 0.18, 0.12, 0.11, *LOW)
    await next_monday(naming)
    await becomes(naming, mayas[3], 0.25)
    await next_monday(naming)
    assert set(await raised(naming)) == {mayas[3]}
    assert (await naming.risk(mayas[2]))["flag"], "one week may be chance"
    await next_monday(naming)
    cleared = [e for e in await naming.said() if e.data.type_name() == "flag_cleared"]
    assert [(e.client_id, e.data.reason) for e in cleared] == [(mayas[2], "no_longer_riskiest")]


async def test_a_named_client_that_reaches_the_threshold_is_flagged_as_likely_to_leave(naming: ChurnStack):
    (one, *_) = await clients_at(naming, MAYA, 0.2, *LOW)
    await next_monday(naming)
    first = (await raised(naming))[one]
    await becomes(naming, one, 0.62)
    second = (await raised(naming))[one]
    assert (second.flag_id, second.episode, second.rule) == (first.flag_id, 2, "threshold")
    assert second.because == "reached_threshold"
    listed = (await naming.get("/v1/flags", client_id=one)).json()["items"]
    assert [(f["episode"], f["rule"], f["cleared_because"]) for f in listed] == [
        (2, "threshold", None),
        (1, "capacity", "raised_again"),
    ]


async def test_the_named_are_looked_at_afresh(naming: ChurnStack):
    mayas = await clients_at(naming, MAYA, 0.2, 0.18, *LOW)
    naming.clock.advance(timedelta(days=7 - naming.clock.now().weekday()))
    await naming.assess()
    await naming.say("subscription_changed", mayas[0], **at_risk(0.03))
    await naming.fire()
    assert set(await raised(naming)) == {mayas[1]}


async def test_the_naming_waits_for_the_days_sweep_but_not_for_ever(naming: ChurnStack):
    mayas = await clients_at(naming, MAYA, 0.2, *LOW)
    await naming.said()
    naming.clock.advance(timedelta(days=7 - naming.clock.now().weekday()))
    assert await naming.fire() == 1
    assert await raised(naming) == {}, "yesterday's ranking names nobody"
    await naming.assess()
    naming.clock.advance(minutes=1)
    assert await naming.fire() == 1
    assert set(await raised(naming)) == {mayas[0]}
    assert await naming.fire() == 0
    naming.clock.advance(timedelta(days=7))
    await naming.fire()
    naming.clock.advance(hours=1)
    await naming.fire()
    assert [e.data.type_name() for e in await naming.said()] == ["assessed"], "after an hour it looks at the named"
    assert len(await naming.rows("SELECT 1 FROM timers WHERE kind = 'capacity_naming'")) == 1


async def test_history_alone_names_nobody(naming: ChurnStack, client_id: UUID):
    await clients_at(naming, MAYA, *LOW)
    told = life_at(0.3, naming.clock.now() - timedelta(weeks=30), MAYA)
    await naming.deliver(*(naming.event(name, client_id, at=at, live=False, **data) for name, data, at in told))
    await naming.finish_import(client_id)
    await naming.assess()
    await next_monday(naming)
    assert await raised(naming) == {}
    await naming.say("logged_in", client_id, count=1)
    await next_monday(naming)
    assert set(await raised(naming)) == {client_id}


async def test_without_a_model_nobody_is_named(churn: ChurnStack):
    await plan(churn)
    await clients_at(churn, MAYA, 0.3, *LOW)
    await next_monday(churn)
    assert await raised(churn) == {}


async def test_two_workers_name_once_and_a_late_one_names_only_today(naming: ChurnStack, clock: ManualClock):
    await clients_at(naming, MAYA, 0.2, *LOW)
    await plan(naming)
    assert len(await naming.rows("SELECT 1 FROM timers WHERE kind = 'capacity_naming'")) == 1
    clock.advance(days=30)
    await naming.assess()
    await naming.said()
    workers = [TimerWorker(naming.database, clock, naming.service.timers, asyncio.Event()) for _ in range(3)]
    assert sum(await asyncio.gather(*(worker.fire_due() for worker in workers))) == 1
    assert len(await raised(naming)) == 1
    due = (await naming.rows("SELECT due_at FROM timers WHERE kind = 'capacity_naming'"))[0][0]
    assert clock.now() < due <= clock.now() + timedelta(days=7)


async def test_a_timer_of_an_older_configuration_does_nothing(naming: ChurnStack):
    await clients_at(naming, MAYA, 0.2, *LOW)
    async with naming.database.transaction() as session:
        from sqlalchemy import text

        await session.execute(text("UPDATE timers SET owner = '3/15/UTC' WHERE kind = 'capacity_naming'"))
    await next_monday(naming)
    assert await raised(naming) == {}
    await plan(naming)
    await next_monday(naming)
    assert len(await raised(naming)) == 1


async def test_one_client_that_breaks_keeps_no_csm_from_hearing_of_the_others(
    naming: ChurnStack, monkeypatch: pytest.MonkeyPatch
):
    mayas = await clients_at(naming, MAYA, 0.2, 0.18, *LOW)
    from churn.domain import flags

    name = flags.name

    def breaks(watch, *rest):
        if watch.client_id == mayas[0]:
            raise RuntimeError("a defect")
        return name(watch, *rest)

    monkeypatch.setattr(flags, "name", breaks)
    await next_monday(naming)
    assert set(await raised(naming)) == {mayas[1]}
    assert (await naming.rows("SELECT count(*) FROM timers WHERE attempts > 0"))[0][0] == 0
