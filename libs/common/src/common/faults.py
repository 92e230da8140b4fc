"""Which faults pass by themselves (the database or the network is away) and which will come again."""

from __future__ import annotations

import asyncpg
from aiokafka.errors import KafkaError
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InvalidRequestError,
    OperationalError,
    PendingRollbackError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

PASSING_SQLSTATES = (
    "08",  # connection exceptions
    "40",  # transaction rollback: serialization failure, deadlock
    "53",  # out of resources
    "55P03",  # lock not available
    "57",  # operator intervention: shutdown, cancelled statement, cannot connect now
    "58",  # system error outside PostgreSQL
    "25P03",  # idle-in-transaction time-out: we slept, somebody freed our locks
    "42P01",  # a table that this release knows and the database does not yet: the migration follows
    "42703",  # the same of a column
    "25P02",  # in a failed transaction: what failed before is the reason
)
_PASSING_TYPES = (
    OSError,
    TimeoutError,
    PoolTimeout,
    KafkaError,
    PendingRollbackError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


def is_passing(error: BaseException) -> bool:
    """Whether the same work may well succeed later, unchanged."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _PASSING_TYPES) and not _is_bad_data(seen):
            return True
        if isinstance(seen, DBAPIError) and seen.connection_invalidated:
            return True
        state = getattr(seen, "sqlstate", None)
        if isinstance(state, str) and state.startswith(PASSING_SQLSTATES):
            return True
        if isinstance(seen, OperationalError):
            return True
        seen = seen.__cause__
    return False


def _is_bad_data(error: BaseException) -> bool:
    # asyncpg reports values it cannot encode as DataError, which is an InterfaceError
    return isinstance(error, asyncpg.DataError) or (
        isinstance(error, InterfaceError | InvalidRequestError) and isinstance(error.__cause__, asyncpg.DataError)
    )
