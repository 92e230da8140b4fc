"""What is tried again for ever, and what goes to the dead letters."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError
from common.faults import is_passing
from sqlalchemy.exc import DBAPIError, IntegrityError


def from_driver(error: Exception) -> DBAPIError:
    """As SQLAlchemy passes an error of asyncpg on."""
    wrapped = DBAPIError("SELECT 1", {}, error)
    wrapped.__cause__ = error
    return wrapped


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("gone"),
        TimeoutError(),
        KafkaConnectionError(),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.SerializationError("again"),
        asyncpg.AdminShutdownError("restart"),
        asyncpg.IdleInTransactionSessionTimeoutError("slept"),
        asyncpg.CannotConnectNowError("starting"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("odd"),
        asyncpg.UndefinedTableError("not migrated yet"),
        asyncpg.UndefinedColumnError("not migrated yet"),
        from_driver(asyncpg.DeadlockDetectedError("deadlock")),
        from_driver(asyncpg.ConnectionDoesNotExistError("gone")),
    ],
)
def test_faults_that_pass(error: Exception) -> None:
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        KeyError("a bug"),
        asyncpg.UniqueViolationError("twice"),
        asyncpg.NotNullViolationError("missing"),
        asyncpg.DataError("invalid input for query argument"),
        from_driver(asyncpg.DataError("invalid input for query argument")),
        IntegrityError("INSERT", {}, asyncpg.CheckViolationError("no")),
    ],
)
def test_faults_that_come_again(error: Exception) -> None:
    assert not is_passing(error)
