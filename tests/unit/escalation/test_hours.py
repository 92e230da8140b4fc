"""Counting hours towards a deadline."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from escalation.domain import inputs
from escalation.domain.decide import decide
from escalation.domain.hours import Elapsed, Working
from hypothesis import given
from hypothesis import strategies as st

from tests.support.escalation_world import MAYA, hours, opened, sop

OFFICE = Working("Europe/Berlin", time(9), time(17), frozenset(range(5)), frozenset({date(2026, 4, 3)}))
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  (hypothesis adds the zone)
spans = st.integers(1, 100 * 60).map(lambda minutes: timedelta(minutes=minutes))


def berlin(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC) - timedelta(hours=1)  # winter time


@pytest.mark.parametrize(
    ("start", "span", "due"),
    [
        (berlin(2026, 3, 2, 9), 4, berlin(2026, 3, 2, 13)),
        (berlin(2026, 3, 2, 15), 4, berlin(2026, 3, 3, 11)),
        (berlin(2026, 3, 6, 16), 4, berlin(2026, 3, 9, 12)),
        (berlin(2026, 3, 7, 12), 4, berlin(2026, 3, 9, 13)),
        (berlin(2026, 3, 2, 9), 8, berlin(2026, 3, 2, 17)),
    ],
    ids=["the same day", "over night", "over the weekend", "from a Saturday", "until closing"],
)
def test_only_working_hours_count(start, span, due):
    assert OFFICE.after(start, hours(span)) == due


def test_a_holiday_does_not_count():
    assert OFFICE.between(datetime(2026, 4, 3, 0, tzinfo=UTC), datetime(2026, 4, 4, 0, tzinfo=UTC)) == hours(0)


def test_summer_time_moves_the_office_with_the_clocks():
    friday = datetime(2026, 3, 27, 15, tzinfo=UTC)  # 16:00 in Berlin, the last hour before the change
    assert OFFICE.after(friday, hours(2)) == datetime(2026, 3, 30, 8, tzinfo=UTC)


@given(moments, spans)
def test_after_and_between_are_each_others_inverse(start, span):
    for counted in (Elapsed(), OFFICE):
        assert counted.between(start, counted.after(start, span)) == span


@given(moments, spans, spans)
def test_a_longer_span_is_due_later(start, span, more):
    for counted in (Elapsed(), OFFICE):
        assert counted.after(start, span) < counted.after(start, span + more)


def test_nights_of_a_working_procedure_take_nothing_from_a_paused_deadline():
    case = opened(by=sop(counted=OFFICE))  # Monday 10:00 in Berlin, so assign is due at 14:00
    case, _ = decide(case, inputs.Paused(MAYA, "x"), berlin(2026, 3, 2, 12))
    case, _ = decide(case, inputs.Resumed(MAYA), berlin(2026, 3, 3, 16))
    assert case.step("assign").due_at == berlin(2026, 3, 4, 10)
