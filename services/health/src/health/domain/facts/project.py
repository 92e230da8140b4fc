"""Facts of a project: does the client approve in time, does the work stay in its scope, dates and budget."""

from __future__ import annotations

from collections.abc import Iterable

from health.domain.facts.fact import At, Fact, Measure, Params, percent
from health.domain.fold.remarks import SCOPE_MAJOR, SCOPE_MINOR, SCOPE_OURS
from health.domain.moments import DAY
from health.domain.state import ClientState, Mark

RATIO = 1000
ROUNDS = 100
MAJOR = 3
"""A major change of scope weighs as much as so many minor ones."""


def approvals_on_time(state: ClientState, at: At, params: Params) -> Measure | None:
    """Of the approvals due within `window` days: the share given by their due day, half for late ones, per mille.

    One asked for without a date is due `patience` days later. Shrunk towards `prior` as if of `weight` more.
    """
    patience = params["patience"]
    dated = (
        (due // DAY if due is not None else asked // DAY + patience, None if given is None else given // DAY, mark)
        for asked, due, given, mark in state.approvals.values()
    )
    return _in_time(dated, at, params)


def deadlines_met(state: ClientState, at: At, params: Params) -> Measure | None:
    """Of our deliverables due within `window` days: the share completed by the due day, likewise."""
    dated = (
        (due // DAY, None if done is None else done // DAY, mark)
        for due, done, _, mark in state.deliverables.values()
        if due is not None
    )
    return _in_time(dated, at, params)


def _in_time(dated: Iterable[tuple[int, int | None, Mark]], at: At, params: Params) -> Measure | None:
    """Whole days: what is due today is not late today."""
    since = at.day - params["window"]
    count = points = 0
    marks: list[Mark] = []
    for due, done, mark in dated:
        if due <= since or (done is None and due >= at.day):
            continue
        count += 1
        points += 0 if done is None else 2 if done <= due else 1
        marks.append(mark)
    if not count:
        return None
    value = (RATIO * points + 2 * params["prior"] * params["weight"]) // (2 * (count + params["weight"]))
    return Measure(value, at.day, tuple(marks[-3:]))


def scope_changes(state: ClientState, at: At, params: Params) -> Measure | None:
    """Changes of scope that the client asked for in `window` days; a major one counts 3. 0 where work is reported."""
    minor, major = (_mentions(state, topic, at.day - params["window"]) for topic in (SCOPE_MINOR, SCOPE_MAJOR))
    marks = (*minor, *major) or _work(state)
    return Measure(len(minor) + MAJOR * len(major), at.day, marks[-3:]) if marks else None


def revision_rounds(state: ClientState, at: At, params: Params) -> Measure | None:
    """Mean rounds of revision of the deliverables of `window` days, in hundredths; shrunk likewise.

    One that is not completed and was never sent back has had no round yet, and does not count.
    """
    since = at.day - params["window"]
    rounds, marks = [], []
    for due, done, revisions, mark in state.deliverables.values():
        moment = done if done is not None else due
        if (moment is None or moment // DAY > since) and (done is not None or revisions):
            rounds.append(revisions)
            marks.append(mark)
    if not rounds:
        return None
    value = (ROUNDS * sum(rounds) + params["prior"] * params["weight"]) // (len(rounds) + params["weight"])
    return Measure(value, at.day, tuple(marks[-3:]))


def budget_used(state: ClientState, at: At, params: Params) -> Measure | None:
    """What is spent ÷ the budget as last reported, per mille; 3000 at most."""
    if state.budget is None or state.budget[0] <= 0:
        return None
    budget, spent, day, mark = state.budget
    return Measure(max(0, min(3 * RATIO, RATIO * spent // budget)), day, (mark,))


def _mentions(state: ClientState, topic: str, since: int) -> tuple[Mark, ...]:
    return tuple(mark for day, mark in state.said.get(topic, ()) if day > since)


def _work(state: ClientState) -> tuple[Mark, ...]:
    """Events that show that somebody tells us of this client's projects at all."""
    latest = [next(reversed(entries.values()))[3] for entries in (state.approvals, state.deliverables) if entries]
    latest += [state.budget[3]] if state.budget is not None else []
    latest += [state.said[topic][-1][1] for topic in (SCOPE_MINOR, SCOPE_MAJOR, SCOPE_OURS) if topic in state.said]
    return tuple(latest)


_SHRUNK = {"window": 180, "prior": 850, "weight": 2}

FACTS = (
    Fact("approvals_on_time", approvals_on_time, ("project",),
         lambda v: f"about {percent(v)} of the approvals in time", RATIO, {**_SHRUNK, "patience": 5}),
    Fact("deadlines_met", deadlines_met, ("project",),
         lambda v: f"about {percent(v)} of our deadlines met", RATIO, _SHRUNK),
    Fact("scope_changes", scope_changes, ("project",),
         lambda v: f"scope changes of the client weigh {v}" if v else "no change of scope asked for",
         1, {"window": 90}),
    Fact("revision_rounds", revision_rounds, ("project",),
         lambda v: f"about {v / ROUNDS:.1f} rounds of revision each", ROUNDS,
         {"window": 120, "prior": ROUNDS, "weight": 2}),
    Fact("budget_used", budget_used, ("project",), lambda v: f"{percent(v)} of the budget spent", RATIO),
)  # fmt: skip
