"""Sentences about an onboarding: its milestones, its surveys, and whether people come and try what they bought."""

from __future__ import annotations

from collections.abc import Mapping

from health.domain import journey
from health.domain.facts.onboarding import OCCASIONS, RATINGS
from health.domain.journey import Item
from health.domain.moments import DAY, HOUR
from health.domain.words.relationship import hours_or_days
from health.domain.words.sight import Farewell, Sight, Teller, changed, cut, days, listed, tenths

TEN = 100


def milestones_done(before: Sight | None, after: Sight) -> str:
    due, waiting = _due(after)
    figure = f"{len(due) - len(waiting)} of {len(due)}"
    was = None
    if before is not None:
        due_before, waiting_before = _due(before)
        was = f"{len(due_before) - len(waiting_before)} of {len(due_before)}"
    told = changed(f"{figure} due onboarding milestones done", figure, was)
    names = [f"{cut(item.title)} (due {after.day((item.due - 1) // DAY)})" for item in waiting]
    return f"{told}; open: {listed(names, composed=True)}" if names else told


def days_late(before: Sight | None, after: Sight) -> str | None:
    if not after.value:
        return (
            None if before is None or not before.value else f"no milestone is late any more (was {days(before.value)})"
        )
    _, waiting = _due(after)
    if not waiting:
        return None
    longest = min(waiting, key=lambda item: item.due)
    was = None if before is None else days(before.value) if before.value else "in time"
    due = after.day((longest.due - 1) // DAY)
    return changed(f"{cut(longest.title)} is {days(after.value)} late (due {due})", days(after.value), was)


def _due(sight: Sight) -> tuple[list[Item], list[Item]]:
    """Milestones of the onboarding, and those planned for this client alone, that are due or done; those still open."""
    template, today = sight.at.template, sight.at.day * DAY
    onboarding = {shipped.name for shipped in template.milestones if shipped.onboarding}
    due = [
        item for item in journey.plan(sight.state, template)
        if (item.name in onboarding or item.name not in template.names)
        and (item.done is not None or min(item.due, item.due_first) <= today)
    ]  # fmt: skip
    return due, sorted((item for item in due if item.done is None), key=lambda item: (item.due, item.name))


def tools_in_use(before: Sight | None, after: Sight) -> str | None:
    key = after.state.profile.get("key_features")
    if not key:
        return None
    untried = [name for name in key if name not in after.state.features]
    tried = len(key) - len(untried)
    was = None if before is None else str(sum(name in before.state.features for name in key))
    told = changed(f"{tried} of {len(key)} key features tried", str(tried), was)
    return f"{told}; not yet: {listed(untried)}" if untried else told


def _survey(name: str, occasion: str | None) -> Teller:
    def tell(before: Sight | None, after: Sight) -> str | None:
        answers = [
            (day, value)
            for survey in (RATINGS if occasion is not None else ("onboarding",))
            for day, value, _, _, said_on in after.state.surveys.get(survey, ())
            if (said_on == occasion if occasion is not None else said_on not in OCCASIONS)
        ]
        if not answers:
            return None
        day, value = max(answers)
        was = None if before is None else tenths(before.value, TEN)
        told = f"{name}: {tenths(value, TEN)} of 10 on {after.day(day)}"
        return changed(told, tenths(value, TEN), was if len(answers) > 1 else None)

    return tell


def silence(before: Sight | None, after: Sight) -> str:
    was = None if before is None or not before.value else hours_or_days(before.value)
    if not after.value:
        return changed("owes us no answer any more" if was else "owes us no answer", "", was)
    asked = [at for at, _ in after.state.waiting.values() if (after.at.now - at) // HOUR == after.value]
    since = f" (asked on {after.day(min(asked) // DAY)})" if asked else ""
    now = hours_or_days(after.value)
    return changed(f"no answer to us for {now}{since}", now, was)


TELLERS: Mapping[str, Teller] = {
    "milestones_done": milestones_done,
    "days_late": days_late,
    "tools_in_use": tools_in_use,
    "survey_day_7": _survey("survey of day 7", "day_7"),
    "survey_week_2": _survey("survey of week 2", "week_2"),
    "survey_month_1": _survey("survey of month 1", "month_1"),
    "onboarding_rating": _survey("onboarding rated", None),
    "silence": silence,
}
FAREWELLS: Mapping[str, Farewell] = {}
