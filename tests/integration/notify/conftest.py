"""Notify on a real database, with the catcher for Slack, mail and HubSpot; without Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from common.clock import ManualClock

from tests.support.notify_stack import CatcherStack, NotifyStack


@pytest.fixture
async def catcher(tmp_path: Path) -> AsyncIterator[CatcherStack]:
    """An empty catcher on ports of its own."""
    async with CatcherStack(tmp_path / "catcher") as own:
        yield own


@pytest.fixture
async def notify(
    service_database: Callable[[str], str], clock: ManualClock, catcher: CatcherStack
) -> AsyncIterator[NotifyStack]:
    """An empty notify with the shipped rules."""
    async with NotifyStack(service_database("notify"), clock, catcher) as own:
        yield own
