"""Meetings: planned, held or called off, who came, and whether agenda and summary went out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from common.contracts import client

from health.domain.fold.remarks import heard_from, touched_by
from health.domain.fold.stamp import Stamp, keep_days, keep_last, put
from health.domain.moments import seconds_of
from health.domain.state import ACTIVITY_DAYS, ClientState, Entry

PLANNED = 24
HELD = 8
ATTENDANCE = 16
CANCELLED = 32


def meeting_scheduled(state: ClientState, data: client.MeetingScheduled, at: Stamp) -> None:
    meeting = _of_kind(state, str(data.kind), at)
    meeting[2], meeting[3] = data.starts_at.toordinal(), at.mark
    if data.meeting_id in state.meetings_held:
        return
    known = state.meetings_planned.get(data.meeting_id)
    agenda = seconds_of(data.agenda_sent_at) if data.agenda_sent_at is not None else known[2] if known else None
    _plan(state, data.meeting_id, [str(data.kind), seconds_of(data.starts_at), agenda, at.mark], at.second)
    if known is None:
        state.reached_out = at.day


def _plan(state: ClientState, meeting: str, entry: Entry, now: int) -> None:
    """Of a long series the next ones are kept; what is long past goes first."""
    planned = state.meetings_planned

    def worth(known: str) -> tuple[bool, int]:
        starts: int = planned[known][1]
        return (True, -starts) if starts >= now else (False, starts)

    put(planned, meeting, entry, PLANNED, worth)


def meeting_held(state: ClientState, data: client.MeetingHeld, at: Stamp) -> None:
    planned = state.meetings_planned.pop(data.meeting_id, None)
    known = state.meetings_held.get(data.meeting_id)
    kind = str(data.kind) if data.kind else known[0] if known else planned[0] if planned else "check_in"
    held = known[1] if known else at.second
    summary = seconds_of(data.summary_sent_at) if data.summary_sent_at is not None else known[2] if known else None
    put(state.meetings_held, data.meeting_id, [kind, held, summary, at.mark], HELD)
    if known is not None:  # said again, to add what was missing: a summary, who came
        return
    meeting = _of_kind(state, kind, at)
    meeting[0] = at.second if meeting[0] is None else meeting[0]
    meeting[1], meeting[3] = at.second, at.mark
    state.marks["meeting"] = at.mark
    theirs = _people(state, data.attended, at)
    if data.attended or data.absent:  # one that is only inferred to have taken place says nothing of who came
        keep_last(state.attendance, [at.day, int(theirs), at.mark], ATTENDANCE)


def _of_kind(state: ClientState, kind: str, at: Stamp) -> Entry:
    return state.meetings.setdefault(kind, [None, None, None, at.mark])


def _people(state: ClientState, attended: Iterable[str], at: Stamp) -> bool:
    """Note who met; whether anybody of the client came. Ours are e-mail addresses, theirs are contact ids."""
    theirs = False
    for who in attended:
        if "@" in who:
            touched_by(state, who, at)
        else:
            heard_from(state, who, at)
            theirs = True
    return theirs


def meeting_cancelled(state: ClientState, data: client.MeetingCancelled, at: Stamp) -> None:
    state.meetings_planned.pop(data.meeting_id, None)
    if data.by == "client":
        keep_days(state.cancelled_meetings, at.day, ACTIVITY_DAYS, CANCELLED)
        keep_last(state.attendance, [at.day, 0, at.mark], ATTENDANCE)
        state.marks["meeting"] = at.mark


RULES: dict[type[Any], Callable[[ClientState, Any, Stamp], None]] = {
    client.MeetingScheduled: meeting_scheduled,
    client.MeetingHeld: meeting_held,
    client.MeetingCancelled: meeting_cancelled,
}
