"""Facts of how a client takes part: does it come to meetings, answer, say something of substance, have a champion."""

from __future__ import annotations

from health.domain.facts.fact import At, Fact, Measure, Params, counted, percent, shrunk_mean
from health.domain.fold.people import FORGOTTEN_AFTER
from health.domain.fold.remarks import week_of
from health.domain.moments import DAY, HOUR
from health.domain.state import ClientState

RATIO = 1000
WEEKS_NOW = 5
"""The running week and four whole ones; the twelve before them are the client's own normal."""
TEXTS_AT_LEAST = 5
"""Fewer earlier texts are no normal."""
GONE = 999
"""Days of silence of a champion or executive who has left, without another in the place."""
LONGEST = 180
"""Days of silence are counted up to here."""


def meeting_attendance(state: ClientState, at: At, params: Params) -> Measure | None:
    """Share of the meetings of `window` days to which the client came, per mille; one it called off counts as missed.

    Shrunk towards `prior` as if `weight` more meetings had been attended like that.
    """
    return shrunk_mean(((day, RATIO * came, mark) for day, came, mark in state.attendance), at, params)


def answer_hours(state: ClientState, at: At, params: Params) -> Measure | None:
    """Hours that the client took to answer us: the mean of `window` days, each answer up to 240 hours; shrunk."""
    hours = ((day, min(240, minutes // 60), mark) for day, minutes, mark in state.replies)
    return shrunk_mean(hours, at, params)


def silence(state: ClientState, at: At, params: Params) -> Measure | None:
    """Whole hours for which the client has kept us waiting for an answer; 0 if it owes us none."""
    if "message" not in state.marks:
        return None
    waits = [(at.now - asked, mark) for asked, mark in state.waiting.values() if at.now - asked < FORGOTTEN_AFTER]
    if not waits:
        return Measure(0, at.day, (state.marks["message"],))
    waited, mark = max(waits)
    return Measure(max(0, waited // HOUR), at.day, (mark,))


def feedback_length(state: ClientState, at: At, params: Params) -> Measure | None:
    """Words a text in the latest five weeks against the twelve before, per mille; `shrink` texts pull it to `prior`."""
    now, before = _texts(state, at)
    if not now[0] or before[0] < TEXTS_AT_LEAST or not before[1]:
        return None
    shrink = params["shrink"]
    value = (RATIO * now[1] * before[0] + shrink * params["prior"] * before[1]) // (before[1] * (now[0] + shrink))
    return Measure(min(3 * RATIO, value), at.day, (state.marks.get("words"),))


def questions_asked(state: ClientState, at: At, params: Params) -> Measure | None:
    """Questions a text in the latest five weeks, in thousandths; shrunk towards `prior` by `weight` texts."""
    now, _ = _texts(state, at)
    if not now[0]:
        return None
    value = (RATIO * now[2] + params["prior"] * params["weight"]) // (now[0] + params["weight"])
    return Measure(min(9 * RATIO, value), at.day, (state.marks.get("words"),))


def _texts(state: ClientState, at: At) -> tuple[list[int], list[int]]:
    """[texts, words, questions] of the latest five weeks, and of those before."""
    latest = week_of(at.day) - WEEKS_NOW
    now, before = [0, 0, 0], [0, 0, 0]
    for week, texts, words, questions, _, _ in state.weeks:
        if week > latest:
            now[0] += texts
            now[1] += words
            now[2] += questions
        elif week > latest - 12:
            before[0] += texts
            before[1] += words
            before[2] += questions
    return now, before


def champion_activity(state: ClientState, at: At, params: Params) -> Measure | None:
    """Days since a champion of theirs spoke with us or used the product; 999: the champion has left."""
    days = days_since(state, at, frozenset({"champion"}), product=True)
    if days is None:
        return None
    return Measure(days, at.day, (state.marks.get("people"), state.marks.get("heard")))


def days_since(state: ClientState, at: At, roles: frozenset[str], *, product: bool) -> int | None:
    """Days since anybody in such a role was heard; since our first fact if never; 999 if the only one has left."""
    last = None
    gone = False
    unheard = 0 if state.first is None else state.first // DAY
    for who, role in state.contacts.items():
        if role in roles:
            seen = max(state.spoke.get(who, unheard), state.users.get(who, unheard) if product else unheard)
            last = seen if last is None else max(last, seen)
        gone = gone or (role.startswith("gone ") and role[5:] in roles)
    if last is None:
        return GONE if gone else None
    return max(0, min(LONGEST, at.day - last))


def said_days(days: int, who: str) -> str:
    """Days of silence of somebody, in words."""
    if days >= GONE:
        return f"the {who} has left"
    return f"the {who} was heard today" if not days else f"nothing of the {who} for {counted(days, 'day', 'days')}"


FACTS = (
    Fact("meeting_attendance", meeting_attendance, ("conversation",),
         lambda v: f"comes to about {percent(v)} of the meetings", RATIO, {"window": 90, "prior": 900, "weight": 2}),
    Fact("answer_hours", answer_hours, ("conversation",),
         lambda v: f"answers after about {counted(v, 'hour', 'hours')}", 1, {"window": 60, "prior": 16, "weight": 1}),
    Fact("silence", silence, ("conversation",),
         lambda v: f"has kept us waiting for {counted(v, 'hour', 'hours')}" if v else "owes us no answer", hourly=True),
    Fact("feedback_length", feedback_length, ("support", "conversation"),
         lambda v: f"texts are about {percent(v)} as long as usual", RATIO, {"shrink": 5, "prior": RATIO}),
    Fact("questions_asked", questions_asked, ("support", "conversation"),
         lambda v: f"asks about {v / RATIO:.1f} questions a text", RATIO, {"prior": 300, "weight": 5}),
    Fact("champion_activity", champion_activity, ("people", "conversation"), lambda v: said_days(v, "champion")),
)  # fmt: skip
