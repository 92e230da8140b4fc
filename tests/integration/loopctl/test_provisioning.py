"""Roles, schemas and topics, on real servers."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from loopctl import provision
from loopctl.paths import SERVICES
from loopctl.stack import LOCAL_PARTITIONS

from tests.support.stack import TestStack


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_reads_and_writes_its_own_schema_only(stack: TestStack, service: str) -> None:
    own = await asyncpg.connect(stack.url(service))
    try:
        await own.execute("CREATE TABLE proof (id int)")
        await own.execute("DROP TABLE proof")
        assert await own.fetchval("SELECT current_schema()") == service
        for other in set(SERVICES) - {service}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await own.execute(f"CREATE TABLE {other}.proof (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await own.execute("CREATE TABLE public.proof (id int)")
    finally:
        await own.close()


async def test_no_service_reads_the_tables_of_another(stack: TestStack) -> None:
    health = await asyncpg.connect(stack.url("health"))
    churn = await asyncpg.connect(stack.url("churn"))
    try:
        await health.execute("CREATE TABLE private_facts (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await churn.fetch("SELECT * FROM health.private_facts")
    finally:
        await health.execute("DROP TABLE private_facts")
        await health.close()
        await churn.close()


async def test_provisioning_again_changes_nothing(stack: TestStack) -> None:
    await provision.create_roles(stack.owner_url, stack.stack.secrets.roles)
    assert await provision.create_topics(stack.kafka_servers, partitions=LOCAL_PARTITIONS) == []


async def test_topics_have_their_partitions_and_keep_thirty_days(stack: TestStack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_servers)
    await admin.start()
    try:
        described = {topic["topic"]: topic for topic in await admin.describe_topics(list(provision.TOPICS))}
    finally:
        await admin.close()
    assert set(described) == set(provision.TOPICS)
    assert len(described["csl.client.events.v1"]["partitions"]) == LOCAL_PARTITIONS
    assert len(described["csl.ingest.feeds.v1"]["partitions"]) == provision.FEEDS_PARTITIONS
