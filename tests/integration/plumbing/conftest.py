"""A schema with nothing but the shared tables."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from common.db import Database

from tests.support.chaos import make_schema
from tests.support.stack import TestStack


@pytest.fixture
async def database(stack: TestStack) -> AsyncIterator[Database]:
    await make_schema(stack.owner_url, "plumbing")
    made = Database(stack.owner_url, schema="plumbing")
    yield made
    await made.close()
