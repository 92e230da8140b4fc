"""The database: one engine a process, one transaction a request or batch. The only place that commits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from common import failpoints

STATEMENT_TIMEOUT = "30s"
_DRIVER, _BEGIN = "driver", text("SELECT 1")
IDLE_IN_TRANSACTION = "10s"
"""Frees the row locks of a stopped process (plumbing.md trap 4)."""


def async_url(url: str) -> URL:
    """A bare `postgresql://` made explicit: SQLAlchemy 2.1 would read it as psycopg."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+asyncpg")


def server_settings(schema: str, service: str) -> dict[str, str]:
    """Session settings of every connection of a service."""
    return {
        "search_path": schema,
        "application_name": service,
        "timezone": "UTC",
        "statement_timeout": STATEMENT_TIMEOUT,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        "jit": "off",
    }


class Database:
    """One service's way into its schema."""

    def __init__(self, url: str, *, schema: str, pool_size: int = 6) -> None:
        self.url = async_url(url)
        self.schema = schema
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=2,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={
                "server_settings": server_settings(schema, schema),
                "timeout": 10,
                "command_timeout": 60,
            },
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commits when the block ends, rolls back when it raises."""
        async with self._sessions() as session:
            yield session
            failpoints.reach("before_commit")
            await session.commit()
            failpoints.reach("after_commit")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """For queries only; whatever is written here is rolled back."""
        async with self._sessions() as session:
            yield session

    async def close(self) -> None:
        await self.engine.dispose()

    def asyncpg_arguments(self) -> dict[str, Any]:
        """Arguments for a bare asyncpg connection (relay and listeners need one that no pool recycles)."""
        return {
            "host": self.url.host,
            "port": self.url.port or 5432,
            "user": self.url.username,
            "password": self.url.password,
            "database": self.url.database,
            "timeout": 10,
            "server_settings": server_settings(self.schema, self.schema),
        }


async def fetch(session: AsyncSession, sql: str, *arguments: Any) -> list[Any]:
    """Run a statement of a hot path ($1, $2 …) in the session's transaction, past SQLAlchemy: rows by name or position.

    What SQLAlchemy costs a statement (0.2 ms of CPU) is more than the database takes for many of them. Errors are the
    driver's own; `faults.is_passing` knows both kinds.
    """
    driver: Any = session.info.get(_DRIVER)
    if driver is None:
        connection = await (await session.connection()).get_raw_connection()
        driver = session.info[_DRIVER] = connection.driver_connection
    if not driver.is_in_transaction():  # begun by what SQLAlchemy runs first, and not before
        await session.execute(_BEGIN)
    rows: list[Any] = await driver.fetch(sql, *arguments)
    return rows


async def let_go(session: AsyncSession) -> None:
    """Give the connection back before work that takes long; for sessions that have only read.

    PostgreSQL ends a transaction that has been idle for IDLE_IN_TRANSACTION, and others wait for the connection.
    """
    session.info.pop(_DRIVER, None)
    await session.rollback()
    await session.close()


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """One request is one transaction; with scope="function" a failed commit is an error response, not a 2xx."""
    database: Database = request.app.state.database
    async with database.transaction() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
