"""What health says of journeys on the bus: milestones that come due, are late or reached, and phases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from common.contracts import health
from common.contracts.base import Event
from common.contracts.ids import derived_id

from health.domain.journey import Item, Template
from health.domain.moments import DAY, moment_of
from health.domain.phases import Moved

SOURCE = "csl/health"


def notice(client_id: UUID, item: Item, days: int, at: int) -> Event[Any]:
    """`at` is the second at which this step was reached; `days` late, or, below 0, ahead of the due time."""
    return milestone_due(client_id, item, -days, at) if days < 0 else milestone_late(client_id, item, days, at)


def milestone_due(client_id: UUID, item: Item, days: int, at: int) -> Event[Any]:
    data = health.MilestoneDue(**_named(client_id, item), due_at=moment_of(item.due), days_left=days,
                               as_of=moment_of(at))  # fmt: skip
    return _said(data, moment_of(at), "milestone_due", client_id, item.name, item.due, days)


def milestone_late(client_id: UUID, item: Item, days: int, at: int) -> Event[Any]:
    data = health.MilestoneLate(
        **_named(client_id, item),
        due_at=moment_of(item.due),
        days_late=days,
        as_of=moment_of(at),
        due_at_first=moment_of(item.due_first),
        rescheduled=item.rescheduled,
    )
    return _said(data, moment_of(at), "milestone_late", client_id, item.name, item.due, days)


def milestone_reached(
    client_id: UUID, item: Item, following: Item | None, now: datetime, caused_by: Sequence[UUID]
) -> Event[Any]:
    """`following` is what is to be done next."""
    done = item.done or 0
    data = health.MilestoneReached(
        **_named(client_id, item),
        kpi_value=item.kpi_value,
        due_at=moment_of(item.due),
        due_at_first=moment_of(item.due_first),
        rescheduled=item.rescheduled,
        reached_at=moment_of(done),
        days_late=max(0, done - item.due_first) // DAY,
        next=_following(following),
        as_of=now,
        caused_by=tuple(caused_by),
    )
    return _said(data, now, "milestone_reached", client_id, item.key, done)


def phase_changed(
    client_id: UUID,
    moved: Moved,
    template: Template,
    now: datetime,
    *,
    by: str | None = None,
    caused_by: Sequence[UUID] = (),
) -> Event[Any]:
    data = health.PhaseChanged(
        client_id=client_id,
        phase_before=moved.before,
        phase=moved.now.phase,
        reason=moved.reason,
        text=moved.text,
        journey=template.name,
        journey_version=template.version,
        since=moment_of(moved.now.since),
        by=by,
        as_of=now,
        caused_by=tuple(caused_by),
    )
    return _said(data, now, "phase_changed", client_id, now.isoformat(), moved.before, moved.now.phase)


def _named(client_id: UUID, item: Item) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "milestone": item.name,
        "phase": item.phase or None,
        "owner_email": item.owner,
        "kpi": item.kpi,
    }


def _following(item: Item | None) -> health.NextMilestone | None:
    if item is None:
        return None
    return health.NextMilestone(
        milestone=item.name,
        phase=item.phase or None,
        owner_email=item.owner,
        kpi=item.kpi,
        due_at=moment_of(item.due),
    )


def _said(data: Any, at: datetime, kind: str, client_id: UUID, *what: object) -> Event[Any]:
    return Event.of(data, id=derived_id(kind, client_id, *what), source=SOURCE, subject=client_id, time=at)
