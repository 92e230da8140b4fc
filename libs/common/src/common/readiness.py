"""Whether a process can do its work now, and if not, what it waits for."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from common import migrations
from common.db import Database

Check = Callable[[], str]
"""`"ok"`, or a sentence that says what is missing."""


class Readiness:
    """Database, migration head, and whatever the process adds (Kafka assignment)."""

    def __init__(self, service: str, database: Database) -> None:
        self._service = service
        self._database = database
        self._head = migrations.head(service)
        self.checks: dict[str, Check] = {}

    async def check(self) -> dict[str, str]:
        """Each check's word."""
        result = {"database": "ok", "migrations": "ok"}
        try:
            async with self._database.read() as session:
                current = await session.scalar(text("SELECT version_num FROM alembic_version"))
            if current != self._head:
                result["migrations"] = f"the schema is at {current}, this release needs {self._head}: loop migrate"
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            result["database"] = f"does not answer: {type(error).__name__}"
        return result | {name: check() for name, check in self.checks.items()}
