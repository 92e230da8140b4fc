"""Alembic for services: one environment, the shared tables, and the head that readiness compares with."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from alembic import context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, pool, text

from common.db import async_url

PLUMBING_V1 = (
    "timers",
    "states",
    "outbox_unsent",
    "outbox_parked",
    "outbox",
    "idempotency_keys",
    "facts",
    "erased_clients",
    "consumer_offsets",
    "client_links",
)


def config(service: str, database_url: str = "") -> Config:
    """Alembic's configuration of a service, made in code: `services/<name>/migrations`."""
    result = Config()
    result.set_main_option("script_location", str(directory(service)))
    result.attributes["database_url"] = database_url
    return result


def directory(service: str) -> Path:
    module = __import__(service)
    if module.__file__ is None:
        raise RuntimeError(f"{service} is not installed as a package")
    return Path(module.__file__).parents[2] / "migrations"


def head(service: str) -> str | None:
    """The newest revision that this release ships."""
    return ScriptDirectory.from_config(config(service)).get_current_head()


def run_env(schema: str, metadata: MetaData) -> None:
    """The whole of a service's migrations/env.py: upgrade over psycopg-free asyncpg, version table in the schema."""
    import asyncio

    from sqlalchemy.ext.asyncio import create_async_engine

    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection, schema, metadata)
        return

    async def upgrade() -> None:
        engine = create_async_engine(
            async_url(context.config.attributes["database_url"]),
            poolclass=pool.NullPool,
            connect_args={"server_settings": {"search_path": schema, "timezone": "UTC"}},
        )
        async with engine.begin() as async_connection:
            await async_connection.run_sync(_migrate, schema, metadata)
        await engine.dispose()

    asyncio.run(upgrade())


def _migrate(connection: Any, schema: str, metadata: MetaData) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=schema,
        include_schemas=False,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def create_plumbing_v1(op: Any) -> None:
    """The shared tables as of release 0.1. Frozen: later changes are new files with migrations of their own."""
    script = files("common").joinpath("plumbing_v1.sql").read_text()
    statements = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(text(statement))


def drop_plumbing_v1(op: Any) -> None:
    for table in PLUMBING_V1:
        op.execute(text(f"DROP TABLE IF EXISTS {table} CASCADE"))
