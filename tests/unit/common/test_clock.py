"""Business time: scaled, frozen, never ahead of wall time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from common.clock import Course, ManualClock, SystemClock
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@given(
    behind=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)),
    scale=st.floats(min_value=0, max_value=1e6),
    passed=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)),
)
def test_business_time_is_never_ahead_and_never_goes_back(behind: timedelta, scale: float, passed: timedelta) -> None:
    course = Course(wall=NOW, business=NOW - behind, scale=scale)
    later = course.at(NOW + passed)
    assert later <= NOW + passed
    assert later >= course.business


def test_once_arrived_at_now_it_is_wall_time() -> None:
    course = Course(wall=NOW, business=NOW - timedelta(hours=1), scale=3600)
    assert course.at(NOW + timedelta(seconds=2)) == NOW + timedelta(seconds=2)


def test_a_frozen_clock_stands_still() -> None:
    course = Course(wall=NOW, business=NOW - timedelta(days=3), scale=0)
    assert course.at(NOW + timedelta(days=1)) == NOW - timedelta(days=3)


def test_the_file_decides_and_its_absence_means_wall_time(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    clock = SystemClock(file)
    assert abs((clock.now() - clock.wall()).total_seconds()) < 5
    past = datetime(2026, 1, 1, tzinfo=UTC)
    file.write_text(Course(wall=clock.wall(), business=past, scale=0).to_json())
    assert SystemClock(file).now() == past


@pytest.mark.parametrize("raw", ["", "{}", "[]", '{"wall": "x", "business": "y", "scale": 1}', '{"wall": 1}'])
def test_a_broken_clock_file_is_an_error_and_not_another_time(raw: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (json, datetime and our own check each have their words)
        Course.from_json(raw)


def test_waiting_is_in_wall_seconds(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    clock = SystemClock(file)
    file.write_text(Course(wall=clock.wall(), business=NOW - timedelta(days=900), scale=3600).to_json())
    seconds = clock.wall_seconds_until(clock.now() + timedelta(hours=4))
    assert 3 < seconds <= 4


async def test_a_manual_clock_wakes_sleepers_when_moved() -> None:
    clock = ManualClock(NOW)
    sleeper = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    clock.advance(seconds=59)
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.advance(seconds=1)
    await sleeper
