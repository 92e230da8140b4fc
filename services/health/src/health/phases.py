"""Follows a client along its journey while it is scored: which milestones it reached, which phase it is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from common.contracts import client as events_of_clients
from common.contracts.base import Event
from common.contracts.health import PhaseReason
from common.folding import Folded

from health import telling_journey
from health.domain import journey, phases
from health.domain.hits import Rule
from health.domain.journey import Item, Template
from health.domain.moments import DAY, moment_of, seconds_of
from health.domain.phases import Moved, Phased, Ruled
from health.domain.state import ClientState
from health.journeys_repository import FIRST_SEEN, Stay
from health.repository import Client

MERGES = (events_of_clients.ClientsMerged, events_of_clients.ClientsUnmerged)
CORRECTIONS = (events_of_clients.EventWithdrawn, *MERGES)
ELSEWHERE = 32
"""Milestones reached by journey maps that a client is no longer on: so many are remembered."""


@dataclass
class Followed:
    """What came of it: to be published, and to be kept."""

    said: list[Event[Any]] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)


def follow(
    row: Client,
    folded: Folded[ClientState],
    template: Template,
    now: datetime,
    caused_by: Sequence[UUID],
    *,
    silent: bool,
    closely: bool,
) -> Followed:
    """Bring the row's phase, standing and reached milestones up to date.

    `silent`: history, or a client that left; nothing is published. Not `closely`: only use was recorded since the last
    look today, so that little can have changed and little is looked at.
    """
    state = folded.state
    if not closely and not _hit_by_use(row, state, template):
        return Followed()
    items = journey.plan(state, template)
    _describe(row, state, template, items, now)
    new = row.phase_since is None and row.as_of is None
    told = not silent and (new or row.phase_since is not None)
    hit = _reach(row, folded, template, items, new=new)
    moved, stays = _move(row, folded, template, items, now)
    if not told:
        return Followed([], stays)
    said = _reached(row.client_id, hit, items, now, caused_by)
    if moved is not None:
        said.append(telling_journey.phase_changed(row.client_id, moved, template, now, caused_by=caused_by))
    return Followed(said, stays)


def _describe(row: Client, state: ClientState, template: Template, items: Sequence[Item], now: datetime) -> None:
    """What lists show and filter by."""
    second = max(seconds_of(now), state.last)
    row.journey = journey.standing(
        journey.obstacles(items, state.blockers, second, stuck_after_days=template.stuck_after_days)
    )
    row.started_on = None if state.contract_start is None else moment_of(state.contract_start * DAY).date()


def _move(
    row: Client, folded: Folded[ClientState], template: Template, items: Sequence[Item], now: datetime
) -> tuple[Moved | None, list[Stay]]:
    """Where the client goes, and what is to be kept of it."""
    second = max(seconds_of(now), folded.state.last)
    says = phases.ruled(folded.state, template, items, second)
    if says is None:
        row.phase = None
        return None, []
    known = phased(row)
    if known is None:
        return _first_seen(row, folded, template, items, says, now)
    corrected = any(isinstance(e.data, CORRECTIONS) or e.replaces is not None for e in folded.events)
    moved = phases.moved(known, says, template, second, corrected=corrected)
    take(row, moved.now if moved else phases.caught_up(known, says))
    return moved, [] if moved is None else [stay(row.client_id, moved, template, now)]


def phased(row: Client) -> Phased | None:
    """What is said of a client; None while nothing is (or was, before phases were kept)."""
    if row.phase is None or row.phase_since is None:
        return None
    return Phased(row.phase, seconds_of(row.phase_since), row.phase_overruled)


def take(row: Client, known: Phased) -> None:
    """What is said from now on."""
    row.phase, row.phase_since, row.phase_overruled = known.phase, moment_of(known.since), known.overruled


def stay(client_id: UUID, moved: Moved, template: Template, now: datetime, *, by: str | None = None) -> Stay:
    """The row to keep of a move."""
    return Stay(
        client_id=client_id,
        phase=moved.now.phase,
        phase_before=moved.before,
        entered_at=moment_of(moved.now.since),
        noted_at=now,
        reason=moved.reason.value,
        text=moved.text,
        by=by,
        journey=template.label,
    )


def _first_seen(
    row: Client, folded: Folded[ClientState], template: Template, items: Sequence[Item], says: Ruled, now: datetime
) -> tuple[Moved, list[Stay]]:
    """The phases up to now as the facts tell them; of a client that was merged away and is set free, only the last."""
    state, stays, before = folded.state, [], None
    for span in phases.spans(state, template, items, max(seconds_of(now), state.last)):
        if span.phase == says.phase:
            break
        passed = Moved(Phased(span.phase, span.since), before, says.reason, says.text)
        stays.append(_as_first_seen(stay(row.client_id, passed, template, now)))
        before = span.phase
    last = Moved(Phased(says.phase, says.since), None, says.reason, says.text)
    take(row, last.now)
    if any(isinstance(event.data, MERGES) for event in folded.events):
        last = last._replace(reason=PhaseReason.CORRECTED)
        return last, [stay(row.client_id, last, template, now)]
    return last, [*stays, _as_first_seen(stay(row.client_id, last._replace(before=before), template, now))]


def _as_first_seen(kept: Stay) -> Stay:
    return Stay(**{**vars(kept), "reason": FIRST_SEEN})


def _reach(
    row: Client, folded: Folded[ClientState], template: Template, items: Sequence[Item], *, new: bool
) -> list[Item]:
    """The milestones that these events hit; what was taken back is open again.

    What is done by another journey map or version, or in the past of a client merged into this one, is no news.
    """
    done = _done(folded.state, template, items)
    fresh = {key: item for key, item in done.items() if key not in row.reached}
    planned = template.names | {item.name for item in items}
    elsewhere = [key for key in row.reached if key.partition(":")[0] not in planned]
    row.reached = sorted([*done, *elsewhere[-ELSEWHERE:]])
    if not fresh or any(isinstance(event.data, MERGES) for event in folded.events):
        return []
    if folded.previous is None:
        return list(fresh.values()) if new else []
    before = _done(folded.previous, template, journey.plan(folded.previous, template))
    return [item for key, item in fresh.items() if key not in before]


def _done(state: ClientState, template: Template, items: Sequence[Item]) -> dict[str, Item]:
    return {item.key: item for item in (*journey.last_term(state, template), *items) if item.done is not None}


def _reached(
    client_id: UUID, hit: Sequence[Item], items: Sequence[Item], now: datetime, caused_by: Sequence[UUID]
) -> list[Event[Any]]:
    """A hit triggers the next step: the open milestone that is due first."""
    following = min((item for item in items if item.done is None), key=lambda item: item.due, default=None)
    return [telling_journey.milestone_reached(client_id, item, following, now, caused_by) for item in hit]


def _hit_by_use(row: Client, state: ClientState, template: Template) -> bool:
    """Whether logins or use alone hit a milestone that was open, or ended the phase."""
    if row.phase_since is None:
        return True
    past = journey.onboarded_before_us(state)
    hit = (
        shipped.by_use
        and shipped.name not in row.reached
        and shipped.hit(state, None) is not None
        and journey.expected(shipped, state, past=past)
        and shipped.due(state) is not None
        for shipped in template.milestones
    )
    return any(hit) or any(
        phase.by_use and phase.name == row.phase and row.phase_overruled is None and _met(phase.ends_when, state)
        for phase in template.phases[:-1]
    )


def _met(rule: Rule | None, state: ClientState) -> bool:
    return rule is not None and rule(state, None) is not None
