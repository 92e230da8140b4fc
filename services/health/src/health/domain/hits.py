"""What hits a milestone, or ends a phase, besides somebody saying so: the rules that a journey map may name.

Each is made of its setting in the YAML, and refuses one that could never be met. Rules read the state alone, so that a
late or withdrawn fact needs no repair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from common.contracts.client import MeetingKind
from common.contracts.errors import Refused

from health.domain.moments import DAY
from health.domain.state import ClientState

Rule: TypeAlias = Callable[[ClientState, int | None], int | None]
"""(state, due second) → the second at which a milestone was hit, or None."""


def meeting_held(kinds: Sequence[str], within_days: int | None = None) -> Rule:
    """A meeting of one of these kinds; with `within_days`, the first that was not longer before the due time."""
    _words(kinds, "kinds of meeting", among=[kind.value for kind in MeetingKind])
    _days(within_days)

    def rule(state: ClientState, due: int | None) -> int | None:
        of_kind = [state.meetings[kind] for kind in kinds if kind in state.meetings]
        if within_days is None or due is None:
            return min((m[0] for m in of_kind if m[0] is not None), default=None)
        held = [second for m in of_kind for second in m[:2] if second is not None]
        held += [m[1] for m in state.meetings_held.values() if m[0] in kinds]
        return min((second for second in held if second >= due - within_days * DAY), default=None)

    return rule


def first_activity(_: object = True) -> Rule:
    """Somebody logged in or used a feature."""
    return lambda state, due: state.first_active


def features_used(per_cent: int) -> Rule:
    """So much of the key features was used at least once."""
    if type(per_cent) is not int or not 1 <= per_cent <= 100:
        raise Refused("features_used is a share of the key features: 1 to 100 per cent")

    def rule(state: ClientState, due: int | None) -> int | None:
        key = state.profile.get("key_features")
        if not key:
            return None
        days = sorted(state.features[name][0] for name in key if name in state.features)
        needed = -(-len(key) * per_cent // 100)
        return days[needed - 1] * DAY if 0 < needed <= len(days) else None

    return rule


def training_completed(courses: Sequence[str]) -> Rule:
    """One of these courses, or one marked as required, was completed."""
    _words(courses, "courses")

    def rule(state: ClientState, due: int | None) -> int | None:
        return min((at for c, (at, required) in state.trainings.items() if required or c in courses), default=None)

    return rule


def kpi_met(_: object = True) -> Rule:
    """An agreed KPI reached its target."""
    return lambda state, due: min((k[6] for k in state.kpis.values() if k[6] is not None), default=None)


def kpi_reported(_: object = True) -> Rule:
    """A first value of an agreed KPI shows that something came of it."""
    return lambda state, due: state.first_kpi


def handed_off(_: object = True) -> Rule:
    """The hand-off from onboarding was recorded."""
    return lambda state, due: state.handed_off


def renewed(within_days: int | None = None) -> Rule:
    """The contract was renewed; with `within_days`, for the term whose renewal is due, not an earlier one."""
    within_days = None if within_days is True else within_days
    _days(within_days)

    def rule(state: ClientState, due: int | None) -> int | None:
        if state.renewed is None:
            return None
        second: int = state.renewed[0]
        return second if within_days is None or due is None or second >= due - within_days * DAY else None

    return rule


def advocacy(_: object = True) -> Rule:
    """The client spoke for us."""
    return lambda state, due: state.advocacy


def never(_: object = True) -> Rule:
    """Only a `milestone_completed` hits it."""
    return lambda state, due: None


def _words(given: object, what: str, among: Sequence[str] | None = None) -> None:
    """Raises Refused for anything but a list of words, and for words that there are not."""
    if not isinstance(given, list) or not given or not all(isinstance(word, str) and word for word in given):
        raise Refused(f"name the {what} as a list: [{among[0] if among else 'core'}]")
    unknown = [word for word in given if among is not None and word not in among]
    if unknown:
        raise Refused(f"there are no {what} {unknown[0]!r}; there are {', '.join(among or ())}")


def _days(given: object) -> None:
    if given is not None and (type(given) is not int or not 1 <= given <= MOST_DAYS):
        raise Refused(f"within_days is a number of days, 1 to {MOST_DAYS}")


MOST_DAYS = 3660
RULES: Mapping[str, Callable[..., Rule]] = {
    "meeting_held": meeting_held,
    "first_activity": first_activity,
    "features_used": features_used,
    "training_completed": training_completed,
    "kpi_met": kpi_met,
    "kpi_reported": kpi_reported,
    "handed_off": handed_off,
    "renewed": renewed,
    "advocacy": advocacy,
    "milestone_completed": never,
}
ALONE = frozenset({"first_activity", "kpi_met", "kpi_reported", "handed_off", "advocacy", "milestone_completed"})
"""Rules without a setting."""
BY_USE = frozenset({"first_activity", "features_used"})
"""Rules that logins and use alone can meet: nothing else is looked at when only these happened."""


def words(name: str, setting: Any) -> str:
    """A rule as a person reads it."""
    said = name.replace("_", " ")
    if isinstance(setting, bool) or setting is None or isinstance(setting, Mapping):
        return said
    if isinstance(setting, int):
        return f"{setting} % of the key {said}"
    return f"{said}: {', '.join(map(str, setting))}"
