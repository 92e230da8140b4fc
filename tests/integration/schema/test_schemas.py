"""Each service's tables are what its models say, come from nothing, and are its own."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from common.db import async_url
from common.migrations import config
from loopctl import provision
from sqlalchemy import Column, Connection, MetaData, Text, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.stack import SERVICES, TestStack

PARTITIONS = text("SELECT inhrelid::regclass::text FROM pg_inherits")


@pytest.fixture(scope="module")
def fresh(stack: TestStack) -> Iterator[TestStack]:
    """An empty database, brought up to the newest revision by every service's own role."""
    own = stack.new_database("schemas")
    for service in SERVICES:
        provision.migrate(service, own.url(service))
    yield own
    own.drop()


def models(service: str) -> MetaData:
    metadata = import_module(f"{service}.tables").metadata
    assert isinstance(metadata, MetaData)
    return metadata


async def differences(url: str, service: str, metadata: MetaData) -> list[Any]:
    """What `alembic revision --autogenerate` would write; partitions of a modelled table are no tables of their own."""

    def compare(connection: Connection) -> list[Any]:
        partitions = {name.split(".")[-1].strip('"') for name in connection.scalars(PARTITIONS)}

        def is_ours(_: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
            return not (kind == "table" and reflected and (name in partitions or name == "alembic_version"))

        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "include_object": is_ours},
        )
        return list(compare_metadata(context, metadata))

    engine = create_async_engine(async_url(url), connect_args={"server_settings": {"search_path": service}})
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


@pytest.mark.parametrize("service", SERVICES)
async def test_models_and_migrations_agree(fresh: TestStack, service: str) -> None:
    assert await differences(fresh.url(service), service, models(service)) == []


async def test_a_model_without_its_migration_is_seen(fresh: TestStack) -> None:
    changed = MetaData()
    for table in models("escalation").sorted_tables:
        table.to_metadata(changed)
    changed.tables["cases"].append_column(Column("mood", Text))
    (found,) = await differences(fresh.url("escalation"), "escalation", changed)
    assert found[0] == "add_column"


@pytest.mark.parametrize("service", SERVICES)
def test_there_is_one_way_from_nothing_to_now(service: str) -> None:
    scripts = ScriptDirectory.from_config(config(service))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_migrating_again_changes_nothing(fresh: TestStack, service: str) -> None:
    provision.migrate(service, fresh.url(service))


async def reach(stack: TestStack, service: str) -> list[str]:
    """What a service's role can do outside its own schema."""
    owner = await asyncpg.connect(stack.owner_url)
    tables = await owner.fetch(
        "SELECT schemaname AS schema, quote_ident(schemaname) || '.' || quote_ident(tablename) AS name "
        "FROM pg_tables WHERE schemaname = ANY($1) AND schemaname <> $2",
        list(SERVICES),
        service,
    )
    await owner.close()
    assert {row["schema"] for row in tables} == set(SERVICES) - {service}
    role = await asyncpg.connect(stack.url(service))
    attempts = [f"SELECT 1 FROM {row['name']} LIMIT 1" for row in tables]
    attempts += [f"SET ROLE {other}" for other in SERVICES if other != service]
    attempts += ["CREATE TABLE public.loot (x int)", "CREATE SCHEMA loot", "CREATE ROLE loot", "SET ROLE postgres"]
    reached = [attempt for attempt in attempts if await _works(role, attempt)]
    await role.close()
    return reached


async def _works(role: asyncpg.Connection, statement: str) -> bool:
    transaction = role.transaction()
    await transaction.start()
    try:
        await role.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await transaction.rollback()
    return True


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_reaches_its_own_schema_only(fresh: TestStack, service: str) -> None:
    assert await reach(fresh, service) == []


async def test_a_role_that_may_read_elsewhere_is_seen(fresh: TestStack) -> None:
    owner = await asyncpg.connect(fresh.owner_url)
    await owner.execute("GRANT USAGE ON SCHEMA escalation TO notify; GRANT SELECT ON escalation.cases TO notify")
    try:
        assert await reach(fresh, "notify") == ["SELECT 1 FROM escalation.cases LIMIT 1"]
    finally:
        await owner.execute("REVOKE ALL ON escalation.cases FROM notify; REVOKE USAGE ON SCHEMA escalation FROM notify")
        await owner.close()
