"""HTTP use cases of escalation, and the taking over of shipped procedures at start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from common import folding, logging
from common.clock import Clock
from common.db import Database
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from escalation import repository
from escalation.adapters.sop_yaml import SopSpec, read_folder
from escalation.domain.case import Case
from escalation.domain.client import CLIENT_FOLD
from escalation.domain.inputs import Input
from escalation.repository import Filter, SopVersion
from escalation.telling import Telling

log = logging.get(__name__)

SOP_FOLDER = "sop"


@dataclass(frozen=True, slots=True)
class Shown:
    """A case as people read it."""

    case: Case
    client_name: str | None
    trail: list[Row[Any]] | None = None


async def show(session: AsyncSession, case_id: UUID) -> Shown:
    """One case with its trail. Raises NotFound."""
    return await _shown(session, await repository.read_one(session, case_id))


async def lock(session: AsyncSession, case_id: UUID) -> Case:
    """A case that is about to change. Raises NotFound."""
    return await repository.lock_one(session, case_id)


async def tell(session: AsyncSession, case: Case, given: Input, now: datetime) -> Shown:
    """What a person says to a case. Raises Refused, NotFound or Conflict."""
    telling = Telling(now, {case.case_id: case})
    told = telling.tell(case.case_id, given)
    await telling.write(session)
    return await _shown(session, told)


async def page(
    session: AsyncSession,
    wanted: Filter,
    *,
    client_id: UUID | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> tuple[list[Shown], bool]:
    """Cases, newest first, and whether there are more. A merged client's are found under each of its ids."""
    if client_id is not None:
        roots = await folding.roots_of(session, {client_id})
        wanted = replace(wanted, client_ids={client_id, roots[client_id]})
    found = await repository.page(session, wanted, before=before, limit=limit + 1)
    names = await _names(session, found[:limit])
    return [Shown(case, names.get(case.client_id)) for case in found[:limit]], len(found) > limit


async def sops(session: AsyncSession) -> list[SopVersion]:
    """Every version of every procedure."""
    return await repository.sop_history(session)


async def publish_sop(session: AsyncSession, spec: SopSpec, *, by: str, now: datetime) -> SopVersion:
    """Make this content the procedure for new cases."""
    await repository.lock_sops(session)
    version = await repository.activate(session, spec, by=by, at=now, from_file=False)
    history = await repository.sop_history(session)
    return next(one for one in history if (one.spec.sop, one.version) == (spec.sop, version))


async def take_over_files(database: Database, folder: Path, clock: Clock) -> None:
    """Shipped procedures whose files changed become versions; those whose files are gone are retired.

    An unchanged file does not overrule what was published over HTTP since. Raises ValueError for a wrong file.
    """
    specs = read_folder(folder / SOP_FOLDER)
    async with database.transaction() as session:
        await repository.lock_sops(session)
        taken = await repository.file_hashes(session)
        for spec in specs:
            if taken.get(spec.sop) != spec.sha256():
                version = await repository.activate(
                    session, spec, by=f"file {spec.sop}", at=clock.now(), from_file=True
                )
                log.info("sop_loaded", sop=spec.sop, version=version)
        gone = taken.keys() - {spec.sop for spec in specs}
        if gone:
            log.info("sops_retired", sops=sorted(gone))
            await repository.retire(session, gone)


async def _shown(session: AsyncSession, case: Case) -> Shown:
    names = await _names(session, [case])
    trail = await repository.trail(session, case.case_id)
    return Shown(case, names.get(case.client_id), list(trail))


async def _names(session: AsyncSession, cases: list[Case]) -> dict[UUID, str | None]:
    states = await folding.read(session, CLIENT_FOLD, {case.client_id for case in cases})
    return {client_id: folded.state.name for client_id, folded in states.items()}
