"""History is kept by month, and not for ever."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from churn.jobs import Upkeep

from tests.support.churn_stack import ChurnStack
from tests.support.churn_world import beginning

MONTHS = (
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = 'assessments'::regclass"
)


async def tend(churn: ChurnStack) -> set[str]:
    upkeep = Upkeep(churn.settings)
    await upkeep.run(churn.database, churn.clock)
    await upkeep.count(churn.database, churn.clock)
    return {row[0] for row in await churn.rows(MONTHS)}


async def test_months_are_made_ahead_and_dropped_when_too_old(churn: ChurnStack, client_id: UUID):
    now = churn.clock.now()
    assert {f"assessments_{now:%Y_%m}", "assessments_2026_04"} <= await tend(churn)
    for name, data, at in beginning(now - timedelta(weeks=30)):
        await churn.say(name, client_id, at=at, **data)
    await churn.scored(client_id, 70)
    await churn.assess()
    assert (await churn.rows("SELECT count(*) FROM assessments_2026_03"))[0][0] == 1
    assert await tend(churn), "doing it again changes nothing"
    churn.clock.advance(days=500)
    months = await tend(churn)
    assert "assessments_2026_03" not in months
    assert "assessments_default" in months
    assert (await churn.rows("SELECT count(*) FROM assessments"))[0][0] == 0
    assert (await churn.rows("SELECT count(*) FROM health_days"))[0][0] == 0


async def test_a_month_that_began_without_its_partition_stays_in_the_default_one(churn: ChurnStack, client_id: UUID):
    churn.clock.advance(days=900)
    for name, data, at in beginning(churn.clock.now() - timedelta(weeks=30)):
        await churn.say(name, client_id, at=at, **data)
    await churn.assess()
    month = f"assessments_{churn.clock.now():%Y_%m}"
    assert month not in await tend(churn)
    assert (await churn.rows("SELECT count(*) FROM assessments_default"))[0][0] == 1
