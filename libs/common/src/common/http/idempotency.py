"""Idempotency-Key on unsafe calls: the same key and request give the same answer and one effect."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from common.clock import Clock
from common.db import SessionDep
from common.errors import Refused

KEPT_HOURS = 24


class Replayed(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """The answer of the first call, given again."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__("replayed")
        self.status = status
        self.body = body


class Idempotency:
    """Remembers the answer in the same transaction as the effect."""

    def __init__(self, session: SessionDep, subject: str, key: str | None) -> None:
        self._session = session
        self._subject = subject
        self._key = key

    async def keep(self, answer: Any, status: int = 200) -> Response:
        """Store the answer under the key (where there is one) and return it as the response."""
        response = JSONResponse(jsonable_encoder(answer, exclude_none=False), status)
        if self._key is not None:
            await self._session.execute(
                text(
                    "UPDATE idempotency_keys SET status = :status, body = :body WHERE subject = :subject AND key = :key"
                ),
                {"status": status, "body": response.body, "subject": self._subject, "key": self._key},
            )
        return response


async def _idempotency(
    request: Request,
    session: SessionDep,
    idempotency_key: Annotated[
        str | None, Header(max_length=200, description="Repeats with the same key have no second effect.")
    ] = None,
) -> Idempotency:
    principal = getattr(request.state, "principal", None)
    subject = principal.subject if principal else ""
    if idempotency_key is not None:
        await _claim(request, session, subject, idempotency_key)
    return Idempotency(session, subject, idempotency_key)


async def _claim(request: Request, session: SessionDep, subject: str, key: str) -> None:
    """Take the key, or answer as before; a twin under way is waited for (its row is locked)."""
    clock: Clock = request.app.state.clock
    content = b"\x1f".join([request.method.encode(), request.url.path.encode(), await request.body()])
    before = await claim(session, subject, key, content, at=clock.wall())
    if before is not None:
        raise before


async def claim(session: AsyncSession, subject: str, key: str, content: bytes, *, at: datetime) -> Replayed | None:
    """Take a key for a request of this content; the answer that was kept, where it was taken for the same before.

    Raises Refused where it was taken for another.
    """
    digest = hashlib.sha256(content).hexdigest()
    taken = await session.execute(
        text(
            "INSERT INTO idempotency_keys (subject, key, request_sha256, created_at)"
            " VALUES (:subject, :key, :digest, :now) ON CONFLICT DO NOTHING RETURNING 1"
        ),
        {"subject": subject, "key": key, "digest": digest, "now": at},
    )
    if taken.first() is not None:
        return None
    row = (
        await session.execute(
            text("SELECT request_sha256, status, body FROM idempotency_keys WHERE subject = :subject AND key = :key"),
            {"subject": subject, "key": key},
        )
    ).one()
    if row.request_sha256 != digest:
        raise Refused("this Idempotency-Key was used for another request", field="Idempotency-Key")
    return Replayed(row.status or 200, row.body or b"null")


async def release(session: AsyncSession, subject: str, key: str) -> None:
    """Give a key back: its request was refused, and had no effect."""
    await session.execute(
        text("DELETE FROM idempotency_keys WHERE subject = :subject AND key = :key"), {"subject": subject, "key": key}
    )


async def replay(_: Request, error: Exception) -> Response:
    """Exception handler of Replayed."""
    if not isinstance(error, Replayed):
        raise error
    return Response(error.body, error.status, {"Idempotency-Replayed": "true"}, "application/json")


Once = Annotated[Idempotency, Depends(_idempotency, scope="function")]
"""Parameter of an unsafe route: `return await once.keep(answer)`."""
