"""Secrets of a source: added, retired, and never shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from common.auth import Caller, requires
from common.errors import NotFound, Refused
from common.http import PROBLEMS, Page
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, SecretStr

from ingest.repository.secrets import Kept
from ingest.runtime import Runtime, RuntimeDep
from ingest.settings import LOCAL_PREFIX

router = APIRouter(tags=["sources"])
SHORTEST = 8


class NewSecret(BaseModel):
    """What the vendor signs with from now on."""

    secret: Annotated[SecretStr, Field(min_length=SHORTEST, max_length=1000)]


class SecretOut(BaseModel):
    """One secret, without itself. `retired_at` is null while posts signed with it are taken."""

    id: UUID
    added_at: datetime
    added_by: str
    retired_at: datetime | None
    retired_by: str | None


class Rotation(BaseModel):
    """`added` is false where this secret was in force already."""

    added: bool
    secrets: list[SecretOut]


@router.get(
    "/v1/sources/{name}/secrets",
    summary="When a source's secrets were added and retired, and by whom",
    dependencies=[requires("ingest:read")],
    responses={404: PROBLEMS[404]},
)
async def list_source_secrets(runtime: RuntimeDep, name: str) -> Page[SecretOut]:
    """The newest first; at most two are active. Empty while the source lives from INGEST_WEBHOOK_SECRETS."""
    _need(runtime, name)
    return Page(items=_out(await runtime.secrets.of(name)))


@router.post(
    "/v1/sources/{name}/secrets",
    summary="Rotate: add a secret beside the newest one",
    dependencies=[requires("ingest:admin")],
    responses={404: PROBLEMS[404]},
)
async def rotate_source_secret(
    request: Request, runtime: RuntimeDep, caller: Caller, name: str, new: NewSecret
) -> Rotation:
    """Both are taken until the old one is retired; one older than these two goes at once.

    The same secret again changes nothing. Every replica takes it within two seconds.
    """
    _need(runtime, name)
    secret = new.secret.get_secret_value()
    if not secret.isprintable() or secret != secret.strip():
        raise Refused("a secret is printable text without spaces at its ends", field="secret")
    if request.app.state.settings.environment == "production" and secret.startswith(LOCAL_PREFIX):
        raise Refused("this is a local default secret", field="secret")
    done = await runtime.secrets.rotate(name, secret.encode(), by=caller.subject)
    return Rotation(added=done.added, secrets=_out(done.kept))


@router.delete(
    "/v1/sources/{name}/secrets/{secret_id}",
    summary="Retire a secret: nothing signed with it is taken any more",
    dependencies=[requires("ingest:admin")],
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def retire_source_secret(runtime: RuntimeDep, caller: Caller, name: str, secret_id: UUID) -> Page[SecretOut]:
    """409 for the only one. Again for a retired one: nothing."""
    _need(runtime, name)
    return Page(items=_out(await runtime.secrets.retire(name, secret_id, by=caller.subject)))


def _need(runtime: Runtime, name: str) -> None:
    if name not in runtime.sources:
        raise NotFound("no source has this name")


def _out(kept: Sequence[Kept]) -> list[SecretOut]:
    return [
        SecretOut(
            id=row.id,
            added_at=row.added_at,
            added_by=row.added_by,
            retired_at=row.retired_at,
            retired_by=row.retired_by,
        )
        for row in kept
    ]
