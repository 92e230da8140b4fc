"""Facts of the onboarding: are its milestones reached in time, do people come, learn and use what they bought."""

from __future__ import annotations

from typing import NamedTuple

from health.domain.facts.fact import At, Fact, Measure, Params, counted, percent, shrunk_mean
from health.domain.moments import DAY
from health.domain.state import ClientState, Mark

RATIO = 1000
TEN = 100
"""Scale of figures from 0 to 10."""
MONTH = 30
CORE, CORE_MILESTONE = "core", "core_training_complete"
WEEK_2 = 14
FEATURES_AT_LEAST = 3
"""A client without a list of key features is expected to use so many."""
RATINGS = ("onboarding", "csat")
OCCASIONS = ("day_7", "week_2", "month_1")


class Milestone(NamedTuple):
    """A milestone that is due by today, or done: seconds, and the event that completed or moved it."""

    due: int
    due_first: int
    done: int | None
    mark: Mark | None


def _milestones(state: ClientState, at: At) -> list[Milestone]:
    """Those of the onboarding, and what was planned for this client alone. Due means: by the end of a day that is over,
    and by the first due time, wherever it was moved since."""
    found = []
    for shipped in at.template.milestones:
        if shipped.onboarding:
            due = shipped.due(state)
            entry = state.milestones.get(shipped.name)
            planned, first, done, mark = (entry[3], entry[4], entry[5], entry[8]) if entry is not None else _UNSAID
            by = planned if planned is not None else due
            if by is not None:
                hit = shipped.hit(state, due)  # what was told again later was done when it was done first
                done = hit if done is None else done if hit is None else min(hit, done)
                found.append(Milestone(by, first or due or by, done, mark))
    for name, entry in state.milestones.items():
        if name not in at.template.names and entry[3] is not None:
            found.append(Milestone(entry[3], entry[4] or entry[3], entry[5], entry[8]))
    today = at.day * DAY
    return [one for one in found if one.done is not None or min(one.due, one.due_first) <= today]


_UNSAID = (None, None, None, None)


def milestones_done(state: ClientState, at: At, params: Params) -> Measure | None:
    """Of the milestones due by today, or done before: the share that is done, per mille; shrunk towards `prior`."""
    found = _milestones(state, at)
    points = sum(2 for one in found if one.done is not None)
    return _share(points, found, state, at, params)


def done_in_time(state: ClientState, at: At, params: Params) -> Measure | None:
    """Of the same milestones: the share done by the first due time, half for a late one, per mille; shrunk likewise."""
    found = _milestones(state, at)
    today = at.day * DAY
    points = sum(
        one.due > today if one.done is None else 2 if one.done <= one.due_first else 1 for one in found
    )  # one that was moved to a time still to come is late, and being worked on
    return _share(points, found, state, at, params)


def _share(points: int, found: list[Milestone], state: ClientState, at: At, params: Params) -> Measure | None:
    """Two points are a whole one."""
    if not found:
        return None
    value = (RATIO * points + 2 * params["prior"] * params["weight"]) // (2 * (len(found) + params["weight"]))
    return Measure(value, at.day, (*[one.mark for one in found if one.mark][-3:], _contract(state)))


def days_late(state: ClientState, at: At, params: Params) -> Measure | None:
    """Whole days past due of the milestone that is late the longest; 0 if none is. None before any is due or done."""
    found = _milestones(state, at)
    if not found:
        return None
    late = [(at.day - -(-one.due // DAY), one.mark) for one in found if one.done is None]
    days, mark = max(late, key=lambda one: one[0], default=(0, None))
    return Measure(days, at.day, (mark, _contract(state)))


def logins(state: ClientState, at: At, params: Params) -> Measure | None:
    """Logins since the contract began, projected to 30 days; of an older contract those of the latest 30 days.

    Shrunk as if `weight` days at `prior` logins a month had gone before, so that day 2 is not judged like day 30.
    """
    if not state.logins:
        return None
    days = max(1, min(MONTH, at.day - _start(state) + 1))
    end = len(state.logins) + at.day - state.logins_end
    count = sum(state.logins[max(0, end - days) : max(0, end)])
    value = (MONTH * count + params["prior"] * params["weight"]) // (days + params["weight"])
    return Measure(value, state.logins_end, (state.marks.get("login"),))


def training_done(state: ClientState, at: At, params: Params) -> Measure | None:
    """1000 with the core course (or a required one) completed, 500 with any other, 0 with none though it is due.

    None until `due` days after the contract's start where none was completed, and where nobody tells of such things.
    """
    entry = state.milestones.get(CORE_MILESTONE)
    if entry is not None and entry[5] is not None:
        return Measure(RATIO, at.day, (entry[8],))
    if state.trainings:
        core = any(required or course == CORE for course, (_, required) in state.trainings.items())
        return Measure(RATIO if core else RATIO // 2, at.day, (state.marks.get("training"),))
    if not state.milestones or state.contract_start is None or at.day <= state.contract_start + params["due"]:
        return None
    return Measure(0, at.day, (state.marks.get("milestone"), _contract(state)))


def tools_in_use(state: ClientState, at: At, params: Params) -> Measure | None:
    """Key features first used within two weeks of the start ÷ key features, per mille; half for those used later.

    Within the two weeks: against what would be in use by today if they came evenly. At most 1000.
    """
    if "usage" not in state.marks:
        return None
    start = _start(state)
    key = state.profile.get("key_features")
    first = [state.features[name][0] for name in key or state.features if name in state.features]
    tools = len(key) if key else max(FEATURES_AT_LEAST, len(first))
    points = sum(2 if day < start + WEEK_2 else 1 for day in first)
    gone = max(1, min(WEEK_2, at.day - start + 1))
    value = min(RATIO, RATIO * points * WEEK_2 // (2 * tools * gone))
    return Measure(value, state.active_end, (state.marks["usage"],))


def survey_day_7(state: ClientState, at: At, params: Params) -> Measure | None:
    """Mean answer of the survey of day 7, 0–10; shrunk towards `prior` as if `weight` more had said that."""
    return _answered("day_7", state, at, params)


def survey_week_2(state: ClientState, at: At, params: Params) -> Measure | None:
    """The same of week 2."""
    return _answered("week_2", state, at, params)


def survey_month_1(state: ClientState, at: At, params: Params) -> Measure | None:
    """The same of month 1."""
    return _answered("month_1", state, at, params)


def _answered(occasion: str, state: ClientState, at: At, params: Params) -> Measure | None:
    answers = (
        (day, value, mark)
        for survey in RATINGS
        for day, value, _, mark, said_on in state.surveys.get(survey, ())
        if said_on == occasion
    )
    return shrunk_mean(answers, at, params)


def onboarding_rating(state: ClientState, at: At, params: Params) -> Measure | None:
    """How the onboarding as a whole was rated, 0–10: answers that belong to none of the three; shrunk likewise."""
    answers = (
        (day, value, mark)
        for day, value, _, mark, occasion in state.surveys.get("onboarding", ())
        if occasion not in OCCASIONS
    )
    return shrunk_mean(answers, at, params)


def _start(state: ClientState) -> int:
    """The day on which the contract began; of an unknown one the day we first heard of the client."""
    if state.contract_start is not None:
        return state.contract_start
    return 0 if state.first is None else state.first // DAY


def _contract(state: ClientState) -> Mark | None:
    return state.marks.get("hand_off") or state.marks.get("renewal") or state.marks.get("profile")


def _say_training(value: int) -> str:
    if value >= RATIO:
        return "the core training is done"
    return "some training is done, the core course is not" if value else "the core training is due and not done"


_SURVEY = {"window": 60, "prior": 75 * TEN // 10, "weight": 1}

FACTS = (
    Fact("milestones_done", milestones_done, ("contract", "outcome"),
         lambda v: f"about {percent(v)} of the due onboarding milestones done", RATIO, {"prior": 850, "weight": 2}),
    Fact("done_in_time", done_in_time, ("contract", "outcome"),
         lambda v: f"about {percent(v)} of the onboarding milestones in time", RATIO, {"prior": 850, "weight": 2}),
    Fact("days_late", days_late, ("contract", "outcome"),
         lambda v: f"a milestone is {counted(v, 'day', 'days')} late" if v > 0 else "no milestone is late"),
    Fact("logins", logins, ("usage",),
         lambda v: f"at a pace of {counted(v, 'login', 'logins')} in 30 days", 1, {"prior": 10, "weight": 7}),
    Fact("training_done", training_done, ("outcome",), _say_training, RATIO, {"due": 21}),
    Fact("tools_in_use", tools_in_use, ("usage",), lambda v: f"{percent(v)} of the tools due by week 2 in use", RATIO),
    Fact("survey_day_7", survey_day_7, ("survey",), lambda v: f"about {v / TEN:.1f} of 10 on day 7", TEN, _SURVEY),
    Fact("survey_week_2", survey_week_2, ("survey",), lambda v: f"about {v / TEN:.1f} of 10 in week 2", TEN, _SURVEY),
    Fact("survey_month_1", survey_month_1, ("survey",),
         lambda v: f"about {v / TEN:.1f} of 10 after a month", TEN, _SURVEY),
    Fact("onboarding_rating", onboarding_rating, ("survey",),
         lambda v: f"rates the onboarding about {v / TEN:.1f} of 10", TEN, {**_SURVEY, "window": 120}),
)  # fmt: skip
