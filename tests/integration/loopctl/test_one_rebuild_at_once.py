"""Two rebuilds of health at once would drop each other's tables: the second one is told to wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from loopctl.errors import Problem
from loopctl.rebuilding import alone


def test_a_second_rebuild_is_refused_until_the_first_is_done(service_database: Callable[[str], str]):
    url = service_database("health")
    with alone(url), pytest.raises(Problem, match="another rebuild of health is running"), alone(url):
        raise AssertionError("both are running")
    with alone(url):
        pass


async def test_it_can_be_asked_for_within_a_running_loop(service_database: Callable[[str], str]):
    with alone(service_database("health")):
        pass
