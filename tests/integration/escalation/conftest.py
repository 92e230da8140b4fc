"""Escalation as one process runs it, on a real database: events in, requests in, timers; without Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from common.clock import ManualClock

from tests.support.escalation_stack import EscalationStack


@pytest.fixture
async def escalation(service_database: Callable[[str], str], clock: ManualClock) -> AsyncIterator[EscalationStack]:
    """An empty escalation with the shipped procedure."""
    async with EscalationStack(service_database("escalation"), clock) as own:
        yield own
