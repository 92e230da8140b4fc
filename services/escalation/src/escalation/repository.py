"""All SQL of escalation; row ↔ domain. Case rows are locked in id order everywhere, after the client's state row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.contracts.errors import NotFound
from sqlalchemy import ColumnElement, Row, delete, func, or_, select, text, tuple_, update
from sqlalchemy import case as when
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from escalation.adapters.sop_yaml import SopSpec
from escalation.domain.case import Case, Flag, Happened, Outcome, Pause, Person, State, Step, StepState
from escalation.domain.evidence import without_contact
from escalation.domain.sop import Sop
from escalation.tables import case_trail, cases, sop_versions, sops

MOMENTS = ("due_at", "due_soon_at", "announced_at", "breached_at", "done_at")


# Cases


async def lock_open(session: AsyncSession, client_ids: Collection[UUID]) -> dict[UUID, Case]:
    """The open (or paused) cases of these clients, by case id, locked."""
    return await _load(session, cases.c.client_id.in_(client_ids), cases.c.state != State.CLOSED.value, lock=True)


async def lock_family(session: AsyncSession, client_ids: Collection[UUID]) -> dict[UUID, Case]:
    """The same, of clients that were flagged under, or now belong to, these ids (merges)."""
    concerned = or_(cases.c.client_id.in_(client_ids), cases.c.flagged_client_id.in_(client_ids))
    return await _load(session, concerned, cases.c.state != State.CLOSED.value, lock=True)


async def lock(session: AsyncSession, case_ids: Collection[UUID]) -> dict[UUID, Case]:
    """These cases, locked; unknown (erased) ones are absent."""
    return await _load(session, cases.c.case_id.in_(case_ids), lock=True)


async def lock_one(session: AsyncSession, case_id: UUID) -> Case:
    """Raises NotFound."""
    found = await lock(session, [case_id])
    if case_id not in found:
        raise NotFound(f"there is no case {case_id}")
    return found[case_id]


async def read_one(session: AsyncSession, case_id: UUID) -> Case:
    """Raises NotFound."""
    found = await _load(session, cases.c.case_id == case_id)
    if case_id not in found:
        raise NotFound(f"there is no case {case_id}")
    return found[case_id]


async def existing(session: AsyncSession, case_ids: Collection[UUID]) -> set[UUID]:
    """Which of these cases are there already, closed ones too."""
    return set(await session.scalars(select(cases.c.case_id).where(cases.c.case_id.in_(case_ids))))


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of cases is narrowed to; None leaves it open."""

    states: Sequence[State] = ()
    client_ids: Collection[UUID] | None = None
    person: str | None = None
    outcome: Outcome | None = None
    breached: bool | None = None
    opened_from: datetime | None = None
    opened_to: datetime | None = None


async def page(
    session: AsyncSession, wanted: Filter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Case]:
    """Newest first; `before` is the last one of the page before."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(cases.c.state.in_([state.value for state in wanted.states]))
    if wanted.client_ids is not None:
        conditions.append(cases.c.client_id.in_(wanted.client_ids))
    if wanted.person is not None:
        conditions.append(or_(cases.c.csm == wanted.person, cases.c.executive_sponsor == wanted.person))
    if wanted.outcome is not None:
        conditions.append(cases.c.outcome == wanted.outcome.value)
    if wanted.breached is not None:
        conditions.append((cases.c.breached_steps > 0) == wanted.breached)
    if wanted.opened_from is not None:
        conditions.append(cases.c.opened_at >= wanted.opened_from)
    if wanted.opened_to is not None:
        conditions.append(cases.c.opened_at < wanted.opened_to)
    if before is not None:
        conditions.append(tuple_(cases.c.opened_at, cases.c.case_id) < before)
    found = await session.execute(
        select(cases).where(*conditions).order_by(cases.c.opened_at.desc(), cases.c.case_id.desc()).limit(limit)
    )
    return await _cases(session, found.all())


async def save(session: AsyncSession, changed: Iterable[Case]) -> None:
    """Upsert; closed cases first, since a client may have one open case only."""
    by_end = sorted(changed, key=lambda case: (case.state is not State.CLOSED, case.case_id))
    for group in ([c for c in by_end if c.state is State.CLOSED], [c for c in by_end if c.state is not State.CLOSED]):
        if not group:
            continue
        statement = insert(cases).values([_row(case) for case in group])
        new = {column.name: statement.excluded[column.name] for column in cases.c if column.name != "case_id"}
        await session.execute(statement.on_conflict_do_update(index_elements=["case_id"], set_=new))


async def move_closed(session: AsyncSession, roots: Mapping[UUID, UUID]) -> None:
    """Closed cases follow a merge (and its undoing) too, so that a client's past is found under its id."""
    if not roots:
        return
    await session.execute(
        update(cases)
        .where(cases.c.flagged_client_id.in_(roots), cases.c.state == State.CLOSED.value)
        .values(client_id=when(dict(roots), value=cases.c.flagged_client_id, else_=cases.c.client_id))
    )


async def erase(session: AsyncSession, client_ids: Collection[UUID]) -> list[tuple[UUID, str]]:
    """Delete all cases of these clients with their trails; returns (case, step) of each deadline that was set."""
    concerned = or_(cases.c.client_id.in_(client_ids), cases.c.flagged_client_id.in_(client_ids))
    gone = await session.execute(delete(cases).where(concerned).returning(cases.c.case_id, cases.c.steps))
    return [(case_id, step["step"]) for case_id, steps in gone.all() for step in steps]


async def count_by_state(session: AsyncSession) -> tuple[dict[str, int], int]:
    """Cases that are not closed, by state, and how many of them have a missed step."""
    rows = await session.execute(
        select(cases.c.state, func.count(), func.count().filter(cases.c.breached_steps > 0))
        .where(cases.c.state != State.CLOSED.value)
        .group_by(cases.c.state)
    )
    counted = rows.all()
    return {state: number for state, number, _ in counted}, sum(missed for *_, missed in counted)


# The trail


@dataclass(frozen=True, slots=True)
class TrailLine:
    """One thing that happened to a case, as it is kept."""

    case_id: UUID
    nth: int
    happened: Happened
    known_at: datetime
    caused_by: UUID | None


async def add_trail(session: AsyncSession, lines: Sequence[TrailLine]) -> None:
    if not lines:
        return
    rows = [
        {
            "case_id": line.case_id,
            "nth": line.nth,
            **asdict(line.happened),
            "what": line.happened.what.value,
            "known_at": line.known_at,
            "caused_by": line.caused_by,
        }
        for line in lines
    ]
    await session.execute(insert(case_trail).values(rows))


async def trail(session: AsyncSession, case_id: UUID) -> Sequence[Row[Any]]:
    rows = await session.execute(select(case_trail).where(case_trail.c.case_id == case_id).order_by(case_trail.c.nth))
    return rows.all()


async def erase_contact(session: AsyncSession, client_ids: Collection[UUID], contact_id: str) -> None:
    """Take a client's person out of the evidence of its cases and of their trails."""
    concerned = or_(cases.c.client_id.in_(client_ids), cases.c.flagged_client_id.in_(client_ids))
    found = await session.execute(
        select(cases.c.case_id, cases.c.steps).where(concerned).order_by(cases.c.case_id).with_for_update()
    )
    for case_id, steps in found.all():
        cleared = [_without(step, contact_id) for step in steps]
        if cleared != steps:
            await session.execute(update(cases).where(cases.c.case_id == case_id).values(steps=cleared))
        lines = await session.execute(
            select(case_trail.c.nth, case_trail.c.details).where(
                case_trail.c.case_id == case_id, case_trail.c.details.has_key("evidence")
            )
        )
        for nth, details in lines.all():
            await session.execute(
                update(case_trail)
                .where(case_trail.c.case_id == case_id, case_trail.c.nth == nth)
                .values(details=_without(details, contact_id))
            )


def _without(holder: Mapping[str, Any], contact_id: str) -> dict[str, Any]:
    evidence = holder.get("evidence")
    return {**holder, "evidence": without_contact(evidence, contact_id)} if evidence else dict(holder)


# Procedures


@dataclass(frozen=True, slots=True)
class SopVersion:
    """One stored version of a procedure."""

    spec: SopSpec
    version: int
    active: bool
    loaded_at: datetime
    loaded_by: str


async def lock_sops(session: AsyncSession) -> None:
    """Versions are given out by one transaction at a time."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.sops'))"))


async def active_sops(session: AsyncSession) -> list[Sop]:
    """The procedures that new cases may follow."""
    return [one.spec.to_domain(one.version) for one in await sop_history(session) if one.active]


async def sop_history(session: AsyncSession) -> list[SopVersion]:
    """Every version of every procedure, by name and version."""
    rows = await session.execute(
        select(sop_versions, sops.c.active_version)
        .join(sops, sops.c.sop == sop_versions.c.sop)
        .order_by(sop_versions.c.sop, sop_versions.c.version)
    )
    return [
        SopVersion(
            spec=SopSpec.model_validate(row.body),
            version=row.version,
            active=row.version == row.active_version,
            loaded_at=row.loaded_at,
            loaded_by=row.loaded_by,
        )
        for row in rows
    ]


async def activate(session: AsyncSession, spec: SopSpec, *, by: str, at: datetime, from_file: bool) -> int:
    """Make this content the version for new cases: the stored one with the same content, or the next."""
    stored = await session.execute(
        select(sop_versions.c.version, sop_versions.c.sha256).where(sop_versions.c.sop == spec.sop)
    )
    versions = {sha256: version for version, sha256 in stored.all()}
    version = versions.get(spec.sha256())
    if version is None:
        version = max(versions.values(), default=0) + 1
        row = {"sop": spec.sop, "version": version, "body": spec.body(), "sha256": spec.sha256()}
        await session.execute(insert(sop_versions).values(**row, loaded_at=at, loaded_by=by))
    pointer = {"active_version": version} | ({"file_sha256": spec.sha256()} if from_file else {})
    statement = insert(sops).values(sop=spec.sop, **pointer)
    await session.execute(statement.on_conflict_do_update(index_elements=["sop"], set_=pointer))
    return version


async def file_hashes(session: AsyncSession) -> dict[str, str]:
    """Content of each shipped file when it was last taken over, by procedure."""
    rows = await session.execute(select(sops.c.sop, sops.c.file_sha256).where(sops.c.file_sha256.is_not(None)))
    return dict(rows.all())


async def retire(session: AsyncSession, names: Collection[str]) -> None:
    """New cases no longer follow these procedures; open ones go on."""
    await session.execute(update(sops).where(sops.c.sop.in_(names)).values(active_version=None, file_sha256=None))


# Rows


async def _load(session: AsyncSession, *conditions: ColumnElement[bool], lock: bool = False) -> dict[UUID, Case]:
    statement = select(cases).where(*conditions).order_by(cases.c.case_id)
    found = await session.execute(statement.with_for_update() if lock else statement)
    return {case.case_id: case for case in await _cases(session, found.all())}


async def _cases(session: AsyncSession, rows: Sequence[Row[Any]]) -> list[Case]:
    wanted = {(row.sop, row.sop_version) for row in rows}
    if not wanted:
        return []
    found = await session.execute(
        select(sop_versions).where(tuple_(sop_versions.c.sop, sop_versions.c.version).in_(wanted))
    )
    procedures = {(row.sop, row.version): SopSpec.model_validate(row.body).to_domain(row.version) for row in found}
    return [_case(row, procedures[row.sop, row.sop_version]) for row in rows]


def _case(row: Row[Any], sop: Sop) -> Case:
    return Case(
        case_id=row.case_id,
        client_id=row.client_id,
        flagged_client_id=row.flagged_client_id,
        flag=Flag(
            flag_id=UUID(row.flag["flag_id"]),
            episode=row.flag["episode"],
            raised_at=datetime.fromisoformat(row.flag["raised_at"]),
            rule=row.flag["rule"],
            said=row.flag["said"],
        ),
        opened_at=row.opened_at,
        sop=sop,
        steps=tuple(_step(step) for step in row.steps),
        standing={UUID(flag): episode for flag, episode in row.standing.items()},
        generation=row.generation,
        pause=Pause(row.paused_at, row.paused_until) if row.paused_at else None,
        csm=_person(row.csm, row.csm_named_by),
        executive_sponsor=_person(row.executive_sponsor, row.executive_sponsor_named_by),
        closed_at=row.closed_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
        absorbed_by=row.absorbed_by,
        happenings=row.happenings,
    )


def _person(email: str | None, named_by: str | None) -> Person | None:
    return Person(email, named_by) if email else None


def _step(kept: Mapping[str, Any]) -> Step:
    moments = {name: datetime.fromisoformat(kept[name]) if kept[name] else None for name in MOMENTS}
    return Step(**{**kept, **moments})


def _row(case: Case) -> dict[str, Any]:
    waiting = [step.due_at for step in case.pending()] if case.state is State.OPEN else []
    return {
        "case_id": case.case_id,
        "client_id": case.client_id,
        "flagged_client_id": case.flagged_client_id,
        "state": case.state.value,
        "opened_at": case.opened_at,
        "sop": case.sop.sop,
        "sop_version": case.sop.version,
        "flag": {
            "flag_id": str(case.flag.flag_id),
            "episode": case.flag.episode,
            "raised_at": case.flag.raised_at.isoformat(),
            "rule": case.flag.rule,
            "said": dict(case.flag.said),
        },
        "standing": {str(flag): episode for flag, episode in case.standing.items()},
        "steps": [_kept(step) for step in case.steps],
        "generation": case.generation,
        "paused_at": case.pause.since if case.pause else None,
        "paused_until": case.pause.until if case.pause else None,
        "csm": case.csm.email if case.csm else None,
        "csm_named_by": case.csm.by if case.csm else None,
        "executive_sponsor": case.executive_sponsor.email if case.executive_sponsor else None,
        "executive_sponsor_named_by": case.executive_sponsor.by if case.executive_sponsor else None,
        "closed_at": case.closed_at,
        "outcome": case.outcome.value if case.outcome else None,
        "absorbed_by": case.absorbed_by,
        "happenings": case.happenings,
        "next_due_at": min(waiting, default=None),
        "breached_steps": sum(step.state is StepState.BREACHED for step in case.steps),
    }


def _kept(step: Step) -> dict[str, Any]:
    kept = asdict(step)
    return {**kept, **{name: kept[name].isoformat() if kept[name] else None for name in MOMENTS}}
