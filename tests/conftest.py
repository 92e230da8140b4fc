"""Fixtures of all tests. Who needs real servers asks for `stack`, `service_database` or `private_stack`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from common.clock import ManualClock

from tests.support.stack import TestStack, private_stack, shared_stack

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""Where manual clocks begin: a Monday morning."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestStack]:
    """Real PostgreSQL (a database of this worker's own) and real Kafka with all topics."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    base: Path = tmp_path_factory.getbasetemp()
    with shared_stack(base if worker == "main" else base.parent, worker) as own:
        yield own


@pytest.fixture
def service_database(stack: TestStack) -> Callable[[str], str]:
    """`service_database("health")`: URL of that service's schema, migrated and empty."""
    return stack.service_database


@pytest.fixture(scope="module", name="private_stack")
def _private_stack() -> Iterator[TestStack]:
    """Servers of one test module's own, which it may stop, kill, freeze and restore."""
    with private_stack() as own:
        yield own


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until the test moves it."""
    return ManualClock(START)


@pytest.fixture
def client_id() -> UUID:
    """A client that no other test uses: topics are shared between tests."""
    return uuid4()
