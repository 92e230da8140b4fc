"""Whatever anybody sends, the OpenAPI document stays true and nothing breaks. `make bench` sends ten times as much."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.bench.replicas import running, token
from tests.support.fuzzing import fuzz
from tests.support.stack import TestStack

PER_OPERATION = 60
AT_LEAST = 2_000
SECONDS = 300


async def test_no_request_breaks_ingest_or_the_word_of_its_openapi_document(stack: TestStack, tmp_path: Path) -> None:
    def fuzzed() -> tuple[int, list[str]]:
        with running(stack) as bench:
            replica = bench.start()
            found = fuzz(
                f"http://127.0.0.1:{replica.port}", token(stack), tmp_path, per_operation=PER_OPERATION, seconds=SECONDS
            )
            return found.cases, found.failures

    cases, failures = await asyncio.to_thread(fuzzed)
    assert not failures
    assert cases >= AT_LEAST
