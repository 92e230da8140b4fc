"""Health as one process runs it, on a real database: events in, requests in, timers; without Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from common.clock import ManualClock

from tests.support.health_stack import HealthStack
from tests.support.health_world import DAY_0


@pytest.fixture
def clock() -> ManualClock:
    """Health's stories begin when its world does."""
    return ManualClock(DAY_0)


@pytest.fixture
async def health(service_database: Callable[[str], str], clock: ManualClock) -> AsyncIterator[HealthStack]:
    """An empty health with the shipped model and journey."""
    async with HealthStack(service_database("health"), clock) as own:
        yield own
