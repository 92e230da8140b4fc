"""Health by day, as it is kept and as the features get it."""

from __future__ import annotations

from uuid import UUID, uuid4

from churn.domain import health_track
from churn.domain.features import extract
from churn.domain.health_track import DAY, KEPT_DAYS, HealthTrack
from churn.domain.state import State
from churn.repository import risks
from churn.repository.risks import HealthDay

from tests.support.churn_stack import ChurnStack

TODAY = 20_500
MODEL = 'loop"\\ of\nours@3'


def days_of(client_id: UUID, days: list[int]) -> list[HealthDay]:
    rows = [[day * DAY + 7, 16 * 70 + day % 9, "amber", MODEL, 1100, None, 0, 900, 875] for day in days]
    return [HealthDay(client_id, day, row) for day, row in zip(days, rows, strict=True)]


async def test_health_is_read_as_it_was_kept(churn: ChurnStack):
    daily, now_and_then, once, never = sorted(uuid4() for _ in range(4))
    kept = {
        daily: days_of(daily, list(range(TODAY - 150, TODAY + 1))),
        now_and_then: days_of(now_and_then, [TODAY - 130, TODAY - 20]),
        once: days_of(once, [TODAY - 119]),
    }
    async with churn.database.transaction() as session:
        await risks.add_health(session, [day for days in kept.values() for day in days])
        found = await risks.tracks(session, [daily, now_and_then, once, never], TODAY)
    assert found[never] == HealthTrack()
    for client_id, days in kept.items():
        wanted = {day.day: day.row for day in days if day.day > TODAY - KEPT_DAYS}
        known = {day: list(row) for day, row in found[client_id].days.items()}
        assert {day: row[:4] for day, row in known.items()} == {day: row[:4] for day, row in wanted.items()}
        last = sorted(wanted)[-risks.DAYS_WITH_PARTS :]
        assert [known[day] for day in last] == [wanted[day] for day in last]
        moment = TODAY * DAY + 3600
        whole = extract(State(first_at=0), HealthTrack(wanted), moment)
        assert repr(extract(State(first_at=0), found[client_id], moment)) == repr(whole)
        assert len(health_track.until(found[client_id], moment)) == len(wanted)
