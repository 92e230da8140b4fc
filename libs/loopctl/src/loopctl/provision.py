"""What a stack needs before a service starts: databases, roles and schemas, topics, migrated tables.

Every step looks at what is there and adds what is missing, so it runs at each `loop up`, and in production too
(`loop migrate` with DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS set).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidReplicationFactorError, KafkaError, NoError, TopicAlreadyExistsError, for_code

from loopctl.errors import Problem
from loopctl.paths import REPOSITORY, SERVICES

RETENTION = timedelta(days=30)
FEEDS_PARTITIONS = 1
REPLICAS = 3
ATTEMPTS = 20
RETRY_AFTER = 0.5
T = TypeVar("T")

TOPICS = (
    "csl.client.events.v1",
    "csl.health.scores.v1",
    "csl.churn.risk.v1",
    "csl.escalation.cases.v1",
    "csl.notify.deliveries.v1",
    "csl.ingest.feeds.v1",
    *(f"csl.{service}.dlq" for service in SERVICES),
)


@dataclass(frozen=True, slots=True)
class Access:
    """How one service logs in."""

    service: str
    password: str


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run async work from anywhere, also from inside a running loop (tests)."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def with_login(url: str, user: str, password: str, database: str | None = None) -> str:
    """The same server for another user, and maybe another database."""
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    place = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    path = f"/{database}" if database else parts.path
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(("postgresql", f"{login}@{place}{port}", path, parts.query, ""))


def plain(url: str) -> str:
    """Without SQLAlchemy's driver name, as asyncpg wants it."""
    scheme, rest = url.split("://", 1)
    return f"{scheme.split('+')[0]}://{rest}"


def on_database(url: str, database: str) -> str:
    """The same server and user, another database."""
    parts = urlsplit(plain(url))
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))


async def create_database(admin_url: str, database: str, *, fresh: bool = False) -> None:
    """Create `database` where it is missing; `fresh` drops the old one first."""
    connection = await connect(on_database(admin_url, "postgres"))
    try:
        if fresh:
            await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await connection.execute(f'CREATE DATABASE "{database}"')
    finally:
        await connection.close()


async def create_roles(url: str, passwords: Mapping[str, str]) -> None:
    """One login role and one schema of the same name for each service, with rights on its own schema only."""
    connection = await connect(url)
    try:
        database = await connection.fetchval("SELECT current_database()")
        await connection.execute("SELECT pg_advisory_lock(hashtext('csl-provision'))")
        for service, password in passwords.items():
            await _create_role(connection, service, password)
            await _create_schema(connection, service, database)
        await connection.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    finally:
        await connection.close()


async def _create_role(connection: asyncpg.Connection, role: str, password: str) -> None:
    """Also for a role that exists: a changed secrets.json takes effect."""
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
    verb = "ALTER" if exists else "CREATE"
    await connection.execute(
        f'{verb} ROLE "{role}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD {quoted}'
    )


async def _create_schema(connection: asyncpg.Connection, service: str, database: str) -> None:
    """An owner that is not a superuser must be a member of the role to hand a schema to it."""
    superuser = await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if not superuser:
        await connection.execute(f'GRANT "{service}" TO CURRENT_USER')
    await connection.execute(f'GRANT CONNECT ON DATABASE "{database}" TO "{service}"')
    await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{service}" AUTHORIZATION "{service}"')
    await connection.execute(f'REVOKE ALL ON SCHEMA "{service}" FROM PUBLIC')
    await connection.execute(f'ALTER ROLE "{service}" IN DATABASE "{database}" SET search_path = "{service}"')


async def connect(url: str) -> asyncpg.Connection:
    """A bare connection. Raises Problem when the server does not let us in."""
    try:
        return await asyncpg.connect(plain(url), timeout=10)
    except asyncpg.InvalidPasswordError as error:
        raise Problem(
            "PostgreSQL refuses the password of the database's owner",
            remedy="check DATABASE_URL (or that secrets.json belongs to this data folder)",
        ) from error
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise Problem(
            f"PostgreSQL does not answer ({error or type(error).__name__})",
            remedy="look at `loop doctor`, or check DATABASE_URL",
        ) from error


async def create_topics(bootstrap_servers: str, *, partitions: int) -> list[str]:
    """Create the topics that are missing, replicated on up to three brokers; returns their names."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=20_000)
    try:
        await admin.start()
        present = set(await admin.list_topics())
        missing = [topic for topic in TOPICS if topic not in present]
        if missing:
            brokers = len((await admin.describe_cluster())["brokers"])
            replication = max(1, min(REPLICAS, brokers))
            await _create(admin, [_topic(topic, partitions, replication) for topic in missing])
    except KafkaError as error:
        raise Problem(
            f"Kafka at {bootstrap_servers} does not take our topics ({error})",
            remedy="look at `loop doctor`, or check KAFKA_BOOTSTRAP_SERVERS",
        ) from error
    finally:
        await admin.close()
    return missing


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    """One that another `loop migrate` has just made is as good. Raises KafkaError for any other refusal."""
    for attempt in range(ATTEMPTS):
        answer = await admin.create_topics(topics, timeout_ms=15_000)
        errors = {name: for_code(code) for name, code, *_ in answer.topic_errors}
        refused = {name: e for name, e in errors.items() if e not in (NoError, TopicAlreadyExistsError)}
        if not refused:
            return
        if attempt == ATTEMPTS - 1 or InvalidReplicationFactorError not in refused.values():
            name, error = next(iter(refused.items()))
            raise error(f"topic {name}")
        await asyncio.sleep(RETRY_AFTER)  # a broker that has just started is not counted yet


def _topic(name: str, partitions: int, replication: int) -> NewTopic:
    return NewTopic(
        name=name,
        num_partitions=FEEDS_PARTITIONS if "feeds" in name else partitions,
        replication_factor=replication,
        topic_configs={
            "retention.ms": str(int(RETENTION.total_seconds() * 1000)),
            "min.insync.replicas": str(max(1, replication - 1)),
        },
    )


def migrate(service: str, url: str, revision: str = "head") -> None:
    """Bring the tables of one service up to its newest revision, as that service's own role."""
    from alembic import command
    from common.migrations import config

    with ThreadPoolExecutor(1) as thread:  # the environment starts an event loop of its own
        thread.submit(command.upgrade, config(service, url), revision).result()


def migrated_services() -> list[str]:
    """Services that have migrations."""
    return [s for s in SERVICES if (REPOSITORY / "services" / s / "migrations" / "env.py").exists()]


def migrate_all(url_of: Callable[[str], str], told: Callable[[str], None] = lambda _service: None) -> None:
    """Every service in turn."""
    for service in migrated_services():
        told(service)
        migrate(service, url_of(service))
