"""The play's clock: it stands still unless its driver goes on, never passes a target, and ends at wall time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from loopctl import business_time
from loopctl.demo import progress
from loopctl.demo.tempo import LEASE, Tempo, stand_at
from loopctl.demo.vendors import NOISE, noise
from loopctl.stack import Stack

AGO = timedelta(days=20)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.delenv("LOOP_DATA", raising=False)
    return Stack.at(tmp_path)


def test_a_clock_without_its_driver_stands_still(stack: Stack) -> None:
    began = datetime.now(UTC) - AGO
    stand_at(stack, began)
    tempo = Tempo(stack)
    assert tempo.now() == began
    tempo.run(36_000)
    course = business_time.read(stack)
    assert course is not None
    long_after = course.wall + timedelta(minutes=5)
    assert course.at(long_after) == course.at(course.wall) + timedelta(seconds=36_000 * LEASE)


def test_it_goes_on_while_it_is_driven_and_stops_at_the_target(stack: Stack) -> None:
    began = datetime.now(UTC) - AGO
    stand_at(stack, began)
    tempo = Tempo(stack)
    target = began + timedelta(hours=3)
    tempo.run(360_000, target)
    time.sleep(0.3)
    tempo.renew()
    assert tempo.now() == target
    tempo.hold()
    assert tempo.now() - target < timedelta(seconds=2)
    tempo.finish()
    assert tempo.arrived()


def test_a_stopped_stack_leaves_the_clock_to_the_driver(stack: Stack) -> None:
    """`loop down` and `loop up` while the play lags: nothing runs away before the driver is back."""
    stand_at(stack, datetime.now(UTC) - AGO)
    Tempo(stack).run(36_000)
    business_time.freeze(stack)
    stood = business_time.now(stack)
    business_time.resume(stack)
    time.sleep(0.05)
    assert business_time.now(stack) == stood


def test_progress_is_written_and_read(stack: Stack) -> None:
    known = progress.Progress(
        began="2026-05-04T12:00:00+00:00", sent=3, told=["x"], flagged="2026-05-10T09:00:00+00:00"
    )
    progress.save(stack, known)
    again = progress.load(stack)
    assert again == known
    assert again.flagged_at == datetime(2026, 5, 10, 9, tzinfo=UTC)


def test_every_feed_is_heard_of_a_few_times_a_day() -> None:
    first = datetime(2026, 5, 4, 12, tzinfo=UTC)
    murmur = noise(first, first + timedelta(days=2))
    assert len({h.at for h in murmur}) == 8
    assert {h.source for h in murmur if h.name == NOISE} == {"segment", "hubspot", "zendesk"}
