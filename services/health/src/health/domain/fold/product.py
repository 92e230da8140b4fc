"""What the client does with the product and what it gets out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.contracts import client

from health.domain.fold.stamp import Stamp, put, thousandths
from health.domain.state import ACTIVITY_DAYS, FEATURES, PEOPLE, USAGE_DAYS, ClientState, person

KPIS = 16
COURSES = 32
_ACTIVITY = (1 << ACTIVITY_DAYS) - 1


def logged_in(state: ClientState, data: client.LoggedIn, at: Stamp) -> None:
    state.last_login = at.second
    state.marks["login"] = at.mark
    _active_on(state, at)
    state.logins_end = add_daily(state.logins, state.logins_end, at.day, data.count)
    if data.contact_id is not None:
        _seen(state.users, person(data.contact_id), at.day)


def usage_recorded(state: ClientState, data: client.UsageRecorded, at: Stamp) -> None:
    if data.quantity <= 0:  # a report of "nothing used" is no use
        return
    _active_on(state, at)
    state.usage_end = add_daily(state.usage, state.usage_end, at.day, round(data.quantity * 100))
    feature = state.features.get(data.feature)
    if feature is None:
        features, key = state.features, state.profile.get("key_features") or ()
        put(features, data.feature, [at.day, at.day], FEATURES, lambda name: (name in key, features[name][1]))
    else:
        feature[1] = at.day
    state.marks["usage"] = at.mark
    if data.active_users is not None:
        _report_users(state, at.day, data.active_users)


def _active_on(state: ClientState, at: Stamp) -> None:
    if state.first_active is None:
        state.first_active = at.second
    ahead = at.day - state.active_end
    if ahead:
        state.active_mask = (state.active_mask << min(ahead, ACTIVITY_DAYS)) & _ACTIVITY
        state.active_end = at.day
    state.active_mask |= 1


def add_daily(days: list[int], end: int, day: int, amount: int) -> int:
    """Add to a day, which is not before `end`, of the last days' amounts; returns the new end."""
    ahead = day - end
    if ahead >= USAGE_DAYS or not days:
        days[:] = [0]
    elif ahead:
        days.extend([0] * ahead)
        if len(days) > USAGE_DAYS:
            del days[: len(days) - USAGE_DAYS]
    days[-1] += amount
    return day


def _seen(users: dict[str, int], who: str, day: int) -> None:
    if who not in users and len(users) >= PEOPLE:
        for gone in [u for u, seen in users.items() if seen <= day - 28] or [min(users, key=lambda u: (users[u], u))]:
            del users[gone]
    users[who] = day


def _report_users(state: ClientState, day: int, count: int) -> None:
    """One entry a day: the largest count that a source gave."""
    reported = state.reported_users
    if reported and reported[-1][0] == day:
        reported[-1][1] = max(reported[-1][1], count)
        return
    reported.append([day, count])
    if reported[0][0] <= day - 28:
        reported[:] = [entry for entry in reported if entry[0] > day - 28]


def kpi_target_set(state: ClientState, data: client.KpiTargetSet, at: Stamp) -> None:
    known = state.kpis.get(data.kpi)
    value, day = (known[4], known[5]) if known else (None, None)
    due = data.due_on.toordinal() if data.due_on else None
    entry = [
        int(data.direction == "up"), thousandths(data.baseline), thousandths(data.target), due, value, day, None,
        at.mark,
    ]  # fmt: skip
    _note_if_met(entry, at)
    put(state.kpis, data.kpi, entry, KPIS)


def kpi_reported(state: ClientState, data: client.KpiReported, at: Stamp) -> None:
    entry = state.kpis.get(data.kpi) or [1, None, None, None, None, None, None, at.mark]
    entry[4], entry[5], entry[7] = thousandths(data.value), at.day, at.mark
    if state.first_kpi is None:
        state.first_kpi = at.second
    _note_if_met(entry, at)
    put(state.kpis, data.kpi, entry, KPIS)


def _note_if_met(entry: list[Any], at: Stamp) -> None:
    """The first moment at which the value stood on the good side of the target."""
    up, _, target, _, value, _, met, _ = entry
    if target is not None and value is not None and met is None and (value >= target if up else value <= target):
        entry[6] = at.second


def training_completed(state: ClientState, data: client.TrainingCompleted, at: Stamp) -> None:
    state.marks["training"] = at.mark
    if data.course not in state.trainings:
        put(state.trainings, data.course, [at.second, int(bool(data.required))], COURSES)
    elif data.required:
        state.trainings[data.course][1] = 1


RULES: dict[type[Any], Callable[[ClientState, Any, Stamp], None]] = {
    client.LoggedIn: logged_in,
    client.UsageRecorded: usage_recorded,
    client.KpiTargetSet: kpi_target_set,
    client.KpiReported: kpi_reported,
    client.TrainingCompleted: training_completed,
}
