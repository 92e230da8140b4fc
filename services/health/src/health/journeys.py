"""Use cases of journeys: where a client stands and why, a person who says otherwise, and what holds clients up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from common import folding, logging, outbox
from common.contracts import client
from common.errors import Conflict, NotFound, Refused
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions_repository, journeys_repository, phases, repository, service, telling_journey
from health import views_journey as views
from health.book import Book
from health.domain import blockers as held_up
from health.domain import journey
from health.domain import phases as rules
from health.domain.blockers import Said
from health.domain.fold import FOLD
from health.domain.journey import Item, Obstacle, Template
from health.domain.moments import DAY, date_of, moment_of, seconds_of
from health.domain.phases import Moved
from health.domain.state import ClientState
from health.journeys_repository import Stay

log = logging.get(__name__)


async def journey_of(session: AsyncSession, client_id: UUID, now: datetime) -> views.JourneyView:
    """Phases and milestones, planned from the contract's start. Raises NotFound."""
    found = await service.known(session, client_id)
    state = found.state
    book = await definitions_repository.book(session)
    template = book.journey_for(state)
    items = journey.plan(state, template)
    second = max(seconds_of(now), state.last)
    row = (await repository.clients(session, [found.client_id])).get(found.client_id)
    stays = await journeys_repository.stays(session, found.client_id)
    says = rules.ruled(state, template, items, second)
    known = phases.phased(row) if row else None
    phase = known.phase if known else says.phase if says else None
    obstacles = journey.obstacles(items, state.blockers, second, stuck_after_days=template.stuck_after_days)
    names = {one.name for one in template.phases}
    rest = [item for item in items if item.phase not in names]
    rest += _kept(row.reached if row else [], state, template, items, book)
    return views.JourneyView(
        client_id=found.client_id,
        journey=template.name,
        journey_version=template.version,
        segment=state.profile.get("segment"),
        phase=phase,
        phase_since=moment_of(known.since) if known else None,
        phase_by_rule=says.phase if says else None,
        standing=journey.standing(obstacles),
        because=[_obstacle(one) for one in obstacles],
        contract_started_on=date_of(state.contract_start) if state.contract_start else None,
        renewal_on=date_of(state.renewal) if state.renewal else None,
        phases=_phases(template, phase, items, stays, now),
        elsewhere=[_milestone(item, second) for item in rest],
        last_term=[_milestone(item, second) for item in journey.last_term(state, template)],
        history=[views.StayView(**{k: v for k, v in asdict(stay).items() if k != "client_id"}) for stay in stays],
    )


def _phases(
    template: Template, current: str | None, items: Sequence[Item], stays: Sequence[Stay], now: datetime
) -> list[views.PhaseView]:
    """With the time spent in each: a stay ends where the next one begins."""
    second = seconds_of(now)
    ends = [*(stay.entered_at for stay in stays[1:]), None]
    spent: dict[str, list[tuple[Stay, datetime | None]]] = {}
    for stay, left in zip(stays, ends, strict=True):
        spent.setdefault(stay.phase, []).append((stay, left))
    found = []
    for phase in template.phases:
        mine = spent.get(phase.name, [])
        last, left = mine[-1] if mine else (None, None)
        seconds = sum(((end or now) - stay.entered_at).total_seconds() for stay, end in mine)
        found.append(
            views.PhaseView(
                phase=phase.name,
                title=phase.title,
                current=phase.name == current,
                entered_at=last.entered_at if last else None,
                left_at=left,
                days=round(max(0.0, seconds) / DAY, 2) if mine else None,
                milestones=[_milestone(item, second) for item in items if item.phase == phase.name],
            )
        )
    return found


def _kept(
    reached: Iterable[str], state: ClientState, template: Template, items: Sequence[Item], book: Book
) -> list[Item]:
    """What the client reached under a journey map that it is no longer on."""
    here = template.names | {item.name for item in items}
    names = {key.partition(":")[0] for key in reached} - here
    found: dict[str, Item] = {}
    for other in book.journeys:
        for item in journey.plan(state, other) if names else ():
            if item.name in names and item.done is not None:
                found.setdefault(item.name, item)
    return list(found.values())


def _milestone(item: Item, now: int) -> views.MilestoneView:
    until = item.done if item.done is not None else now
    late, late_at_first = until - item.due, until - item.due_first
    state = ("done" if late <= 0 else "done_late") if item.done is not None else ("late" if late > 0 else "pending")
    return views.MilestoneView(
        milestone=item.name,
        title=item.title,
        phase=item.phase,
        owner_email=item.owner,
        kpi=item.kpi,
        due_at=moment_of(item.due),
        due_on=date_of((item.due - 1) // DAY),
        due_at_first=moment_of(item.due_first),
        rescheduled=item.rescheduled,
        state=state,
        done_at=moment_of(item.done) if item.done is not None else None,
        days_late=late // DAY if late > 0 else None,
        days_late_at_first=late_at_first // DAY if late_at_first > 0 else None,
        kpi_value=item.kpi_value,
        event=UUID(item.mark) if item.mark else None,
    )


def _obstacle(one: Obstacle) -> views.ObstacleView:
    days = f"{one.days} day{'' if one.days == 1 else 's'}"
    if one.kind == "milestone":
        text = f"{one.title} is {days} late" if one.days else f"{one.title} is due and not done"
    else:
        text = f"{one.severity} blocker ({one.title}), {f'open for {days}' if one.days else 'opened today'}"
    return views.ObstacleView(
        kind=one.kind, name=one.name, text=text, days=one.days, stuck=one.stuck, owner_email=one.owner
    )


async def move(
    session: AsyncSession, client_id: UUID, phase: str, *, reason: str, by: str, now: datetime
) -> views.PhaseMove:
    """A person says in which phase a client is; rules move it on from there when they say something new.

    Raises NotFound, Refused for a phase that its journey map does not have, and Conflict where it is in it already or
    was not looked at yet.
    """
    found = next(iter((await folding.lock(session, FOLD, [client_id])).values()), None)
    if found is None or found.last is None:
        raise NotFound("no client with this id is known here")
    rows = await repository.clients(session, [found.client_id])
    template = (await definitions_repository.book(session)).journey_for(found.state)
    names = [one.name for one in template.phases]
    if phase not in names:
        raise Refused(f"the journey map {template.name} has the phases {', '.join(names)}", field="phase")
    row = rows.get(found.client_id)
    known = phases.phased(row) if row else None
    second = max(seconds_of(now), found.state.last)
    says = rules.ruled(found.state, template, journey.plan(found.state, template), second)
    if row is None or known is None or says is None:
        raise Conflict("this client was not looked at yet: its import is under way")
    if known.phase == phase:
        raise Conflict(f"this client is in {phase} already")
    moved: Moved = rules.decided(known, phase, says, seconds_of(now))._replace(text=reason)
    phases.take(row, moved.now)
    await repository.save_clients(session, [row])
    await journeys_repository.note(session, [phases.stay(row.client_id, moved, template, now, by=by)])
    if not row.ended:
        await outbox.add(session, [telling_journey.phase_changed(row.client_id, moved, template, now, by=by)])
    log.info("phase_set", client_id=str(row.client_id), phase=phase, phase_before=known.phase, by=by)
    return views.PhaseMove(
        client_id=row.client_id, phase=phase, phase_before=known.phase, since=now, by=by, reason=reason
    )


async def blockers(session: AsyncSession, client_id: UUID) -> list[views.BlockerView]:
    """All blockers of a client, open ones first, then newest first. Raises NotFound."""
    found = await service.known(session, client_id)
    said = [
        Said(found.client_id, event.time, event.data)
        for event in await folding.events_of(session, found.client_id)
        if isinstance(event.data, client.BlockerLogged | client.BlockerResolved)
    ]
    newest = sorted(held_up.blockers(said), key=lambda b: b.opened_at, reverse=True)
    return [
        views.BlockerView(
            **{k: v for k, v in asdict(blocker).items() if k != "client_id"},
            title=held_up.titled(blocker.kind),
            hours_to_resolve=blocker.hours_to_resolve,
        )
        for blocker in sorted(newest, key=lambda b: b.resolved_at is not None)
    ]


async def blocker_statistics(
    session: AsyncSession, since: datetime, until: datetime, most: int
) -> views.BlockerStatisticsView:
    """Blockers opened in a span of time, by kind. Raises Refused for a span that is none."""
    if since >= until:
        raise Refused("`since` must lie before `until`", field="since")
    found = held_up.blockers(await journeys_repository.blockers(session, since, until))
    return views.BlockerStatisticsView(
        since=since,
        until=until,
        count=len(found),
        open=sum(blocker.resolved_at is None for blocker in found),
        kinds=[
            views.BlockerKindView(
                kind=row.kind,
                title=row.title,
                known=row.known,
                count=row.count,
                open=row.open,
                critical=row.critical,
                clients=row.clients,
                median_hours=row.median_hours,
                p90_hours=row.p90_hours,
                impact_days=row.impact_days,
                root_causes=[views.ToldView(text=t.text, blockers=t.blockers) for t in row.root_causes],
                prevention=[views.ToldView(text=t.text, blockers=t.blockers) for t in row.prevention],
            )
            for row in held_up.statistics(found, most=most)
        ],
    )
