"""What hits a milestone, or ends a phase, besides somebody saying so: the rules that a journey map may name.

Each is made of its setting in the YAML. Rules read the state alone, so that a late or withdrawn fact needs no repair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from health.domain.moments import DAY
from health.domain.state import ClientState

Rule: TypeAlias = Callable[[ClientState, int | None], int | None]
"""(state, due second) → the second at which a milestone was hit, or None."""


def meeting_held(kinds: Sequence[str], within_days: int | None = None) -> Rule:
    """A meeting of one of these kinds; with `within_days`, the first that was not longer before the due time."""

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
