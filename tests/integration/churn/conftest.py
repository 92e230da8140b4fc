"""Churn as one process runs it, on a real database: events in, requests in, timers; without Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from common.clock import ManualClock

from tests.support.churn_stack import ChurnStack


@pytest.fixture
async def churn(service_database: Callable[[str], str], clock: ManualClock) -> AsyncIterator[ChurnStack]:
    """An empty churn service with the shipped policy and no model."""
    async with ChurnStack(service_database("churn"), clock) as own:
        yield own
