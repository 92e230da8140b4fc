"""A milestone that was planned for a client and is overdue tells of it, also where nobody ever reported one."""

from __future__ import annotations

from common.contracts import client
from health.domain.facts import FACTS, At
from health.domain.fold import fold
from health.domain.moments import DAY, seconds_of

from tests.support.health_world import JOURNEY, day, event, registered


def planned(name: str, due: int):
    body = {"milestone": name, "phase": "adoption", "owner_email": "maya@ours.example", "kpi": "handed in",
            "due_at": day(due)}  # fmt: skip
    return event(client.MilestonePlanned.model_validate(body), day(2))


def done(name: str, at: int):
    return event(client.MilestoneCompleted(milestone=name), day(at))


def on_time(*events, at: int):
    second = seconds_of(day(at))
    measure = FACTS["milestones_on_time"].measure(fold(events), At(second, second // DAY, JOURNEY), {"forget": 180})
    return None if measure is None else (measure.value, measure.marks)


def test_what_was_planned_for_a_client_and_never_came_is_late():
    essay, report = planned("essay", 10), planned("report", 30)
    life = [registered(), essay, report]
    assert on_time(*life, at=9) is None
    assert on_time(*life, at=11) == (0, (essay.id.hex,))
    assert on_time(*life, at=31) == (0, (essay.id.hex, report.id.hex))


def test_the_milestones_of_the_journey_map_wait_for_somebody_who_reports_any():
    assert on_time(registered(), at=60) is None
    essay = planned("essay", 10)
    value, _ = on_time(registered(), essay, done("essay", 9), at=60)
    assert 0 < value < 1000
