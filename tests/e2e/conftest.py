"""One whole stack for the end-to-end tests, two months in the past, so that there is time to let pass."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.support.loop_stack import LoopStack, loop_stack


@pytest.fixture(scope="module")
def loop(request: pytest.FixtureRequest) -> Iterator[LoopStack]:
    """Everything that `loop up` starts, on the real business clock, 60 days ago."""
    with loop_stack("--clock", "1@-60d") as own:
        failed_before = request.session.testsfailed
        yield own
        if request.session.testsfailed > failed_before:
            sys.stderr.write(own.logs())


@pytest.fixture(autouse=True)
def _story_goes_on(request: pytest.FixtureRequest) -> None:
    """The tests of a module tell one story: once it broke, the rest of it means nothing."""
    broken = getattr(request.module, "_broken_at", None)
    if broken:
        pytest.skip(f"the story broke at {broken}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's result, which the annotation cannot say
    if report.failed:
        item.module._broken_at = item.name  # type: ignore[attr-defined]  # a note on the test module
