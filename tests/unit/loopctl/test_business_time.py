"""Business time of a local stack: never ahead of the wall clock, standing still while a lagging stack is down."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopctl import business_time
from loopctl.errors import Problem, WrongUsage
from loopctl.stack import Stack

WALL = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


@pytest.mark.parametrize(
    ("text", "scale", "start"),
    [
        ("1", 1.0, None),
        ("600@-30d", 600.0, WALL - timedelta(days=30)),
        ("600@30d", 600.0, WALL - timedelta(days=30)),
        ("60@2026-04-01", 60.0, datetime(2026, 4, 1, tzinfo=UTC)),
        ("60@2026-04-01T08:00+02:00", 60.0, datetime(2026, 4, 1, 6, tzinfo=UTC)),
    ],
)
def test_a_wish_says_how_fast_and_from_when(text: str, scale: float, start: datetime | None):
    assert business_time.parse_wish(text, WALL) == business_time.Wish(scale, start)


@pytest.mark.parametrize("text", ["", "fast", "0", "0.5", "-3", "nan", "inf", "60@soon", "60@2030-01-01"])
def test_a_wish_that_cannot_be_granted_is_wrong_usage(text: str):
    with pytest.raises(WrongUsage):
        business_time.parse_wish(text, WALL)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("1d12h", timedelta(hours=36)),
        ("1.5h", timedelta(minutes=90)),
        ("2w", timedelta(days=14)),
    ],
)
def test_durations_are_read(text: str, duration: timedelta):
    assert business_time.parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "5", "h", "5 h", "5h later", "-5h", "5y"])
def test_what_is_no_duration_is_wrong_usage(text: str):
    with pytest.raises(WrongUsage):
        business_time.parse_duration(text)


def test_without_a_course_business_time_is_wall_time(stack: Stack):
    assert business_time.lag(stack) == timedelta()
    assert abs(business_time.now(stack) - datetime.now(UTC)) < timedelta(seconds=5)


@given(scale=st.floats(1, 1e6), days=st.floats(0, 400), later=st.floats(0, 1e6))
def test_business_time_is_never_ahead_of_wall_time(scale: float, days: float, later: float):
    from common.clock import Course

    course = Course(WALL, WALL - timedelta(days=days), scale)
    wall = WALL + timedelta(seconds=later)
    assert course.at(wall) <= wall


def test_advancing_moves_on_and_keeps_the_pace(stack: Stack):
    business_time.set_course(stack, 2.0, datetime.now(UTC) - timedelta(days=3))
    before = business_time.now(stack)
    moved = business_time.advance(stack, timedelta(days=1))
    assert timedelta(days=1) <= moved - before < timedelta(days=1, minutes=1)
    course = business_time.read(stack)
    assert course is not None
    assert course.scale == 2.0


def test_advancing_stops_at_now(stack: Stack):
    business_time.set_course(stack, 1.0, datetime.now(UTC) - timedelta(hours=1))
    business_time.advance(stack, timedelta(days=30))
    assert business_time.lag(stack) < timedelta(seconds=5)
    with pytest.raises(Problem, match="never ahead"):
        business_time.advance(stack, timedelta(hours=1))


def test_a_lagging_stack_stands_still_while_it_is_down_and_goes_on_afterwards(stack: Stack):
    business_time.set_course(stack, 500.0, datetime.now(UTC) - timedelta(days=100))
    business_time.freeze(stack)
    stood_at = business_time.now(stack)
    assert business_time.now(stack) == stood_at
    business_time.resume(stack)
    course = business_time.read(stack)
    assert course is not None
    assert course.scale == 500.0
    assert business_time.now(stack) - stood_at < timedelta(minutes=30)


def test_a_stack_that_has_arrived_is_on_wall_time_for_good(stack: Stack):
    business_time.set_course(stack, 1.0, datetime.now(UTC))
    business_time.freeze(stack)
    assert not stack.clock_file.exists()


def test_production_refuses_another_time_than_wall_time(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOOP_ENVIRONMENT", "production")
    with pytest.raises(Problem, match="wall time"):
        business_time.set_course(stack, 1.0)
    with pytest.raises(Problem, match="wall time"):
        business_time.advance(stack, timedelta(hours=1))


def test_an_unreadable_clock_file_says_what_to_do(stack: Stack):
    stack.clock_file.write_text(json.dumps({"wall": "yesterday"}))
    with pytest.raises(Problem, match="remove it"):
        business_time.now(stack)
