"""The journey: five phases and their milestones, planned from the contract's start, moved by what the client did.

Nothing here is stored: the plan is worked out from the state and the template whenever it is asked for, so that a
late fact, a new template or a rescheduled date needs no repair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from health.domain.moments import DAY
from health.domain.state import ClientState, Entry, Mark

ONBOARDED_BEFORE_US = 45
"""A contract older than so many days when we first hear of the client: its onboarding is not ours to judge."""

Rule: TypeAlias = Callable[[ClientState, int | None], int | None]
"""(state, due second) → the second at which a milestone was hit, or None."""
Lateness: TypeAlias = tuple[int, int, "Item"]
"""(second at which it was reached, days late, milestone)."""


class Item(NamedTuple):
    """One milestone of one client. Times in seconds; `due_first` is the due time before anybody moved it."""

    name: str
    phase: str
    owner: str
    kpi: str
    due: int
    due_first: int
    done: int | None
    kpi_value: float | None
    rescheduled: int
    mark: Mark | None
    title: str


@dataclass(frozen=True, slots=True)
class Shipped:
    """A milestone of a template. Due at the end of a UTC day counted from the contract's start or to its renewal."""

    name: str
    phase: str
    title: str
    kpi: str
    owner: str
    onboarding: bool
    from_start: int | None
    before_renewal: int | None
    hit: Rule

    def due(self, state: ClientState) -> int | None:
        if self.from_start is not None:
            return None if state.contract_start is None else (state.contract_start + self.from_start + 1) * DAY
        if state.renewal is None or self.before_renewal is None:
            return None
        return (state.renewal - self.before_renewal + 1) * DAY


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase ends when its rule or its milestone is met; the last one never does."""

    name: str
    title: str
    ends_with: str | None
    ends_when: Rule | None


@dataclass(frozen=True)
class Template:
    """A journey map as shipped or uploaded; `owners` fill in where a client has no CSM."""

    name: str
    version: int
    phases: tuple[Phase, ...]
    milestones: tuple[Shipped, ...]
    default_owner: str
    late_after_days: tuple[int, ...]
    segments: tuple[str, ...] = ()
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(shipped.name for shipped in self.milestones))

    @property
    def label(self) -> str:
        """What results name."""
        return f"{self.name}:{self.version}"


EMPTY = Template("none", 0, (), (), "", ())


def onboarded_before_us(state: ClientState) -> bool:
    return (
        state.contract_start is not None
        and state.first is not None
        and state.first // DAY - state.contract_start > ONBOARDED_BEFORE_US
    )


def plan(state: ClientState, template: Template) -> list[Item]:
    """Every milestone of the client that has a due time, in the order of the template, then of planning."""
    items = []
    past = onboarded_before_us(state)
    known = state.milestones
    for shipped in template.milestones:
        entry = known.get(shipped.name)
        if past and shipped.onboarding and entry is None:
            continue
        due = shipped.due(state)
        if due is None and (entry is None or entry[3] is None):
            continue
        items.append(_item(shipped, entry, due, state, template))
    for name, entry in known.items():
        if name not in template.names and entry[3] is not None:
            phase, owner, kpi, due, first, done, value, moved, mark = entry
            first = due if first is None else first
            items.append(Item(name, phase or "", owner or template.default_owner, kpi or name, due, first, done, value,
                              moved, mark, name.replace("_", " ")))  # fmt: skip
    return items


def _item(shipped: Shipped, entry: Entry | None, due: int | None, state: ClientState, template: Template) -> Item:
    """`due` by the template; what was planned, moved or completed by hand (`entry`) goes before it."""
    owner = state.profile.get("csm_email") or template.default_owner if shipped.owner == "csm" else shipped.owner
    _, planned_owner, kpi, moved_to, first, done, value, moved, mark = entry or [None] * 7 + [0, None]
    actual: int | None = moved_to if moved_to is not None else due
    if actual is None:
        raise ValueError(f"{shipped.name} has no due time")
    if first is None:
        first = due if due is not None else actual
    if done is None:
        done = shipped.hit(state, due)
    return Item(
        shipped.name,
        shipped.phase,
        planned_owner or owner,
        kpi or shipped.kpi,
        actual,
        first,
        done,
        value,
        moved or 0,
        mark,
        shipped.title,
    )


def punctuality(state: ClientState, template: Template, now: int, since: int) -> tuple[int, int]:
    """(milestones due by `now` or hit before, two points for each in time and one for each late), without building
    the plan: every score asks. What was due before `since` counts only while it is not done."""
    past = onboarded_before_us(state)
    known = state.milestones
    dates = [(entry[3], entry[5]) for name, entry in known.items() if name not in template.names]
    for shipped in template.milestones:
        entry = known.get(shipped.name)
        if entry is None and past and shipped.onboarding:
            continue
        due, done = (entry[3], entry[5]) if entry is not None else (None, None)
        due = shipped.due(state) if due is None else due
        if due is not None:
            dates.append((due, shipped.hit(state, due) if done is None else done))
    due_by_now = points = 0
    for due, done in dates:
        if due is None:
            continue
        if done is None:
            due_by_now += due <= now
        elif due >= since:
            due_by_now += 1
            points += 2 if done <= due else 1
    return due_by_now, points


def current_phase(state: ClientState, template: Template, items: Iterable[Item]) -> str | None:
    """The first phase that has not ended; a client that was here before us starts after its onboarding."""
    done = {item.name for item in items if item.done is not None}
    past = onboarded_before_us(state)
    onboarding = {shipped.phase for shipped in template.milestones if shipped.onboarding}
    for phase in template.phases:
        if phase.ends_with is not None:
            entry = state.milestones.get(phase.ends_with)
            if phase.ends_with in done or (entry is not None and entry[5] is not None):
                continue
            if past and phase.name in onboarding and phase.ends_with not in {i.name for i in items}:
                continue
        if phase.ends_when is not None and phase.ends_when(state, None) is not None:
            continue
        return phase.name
    return template.phases[-1].name if template.phases else None


def late_between(state: ClientState, template: Template, after: int, until: int) -> list[Lateness]:
    """Lateness reached in (after, until], in order; for each milestone only the latest step of those reached."""
    reached: list[Lateness] = []
    for item in plan(state, template):
        if item.done is not None:
            continue
        steps = [(item.due + days * DAY, days) for days in template.late_after_days]
        within = [(second, days, item) for second, days in steps if after < second <= until]
        reached.extend(within[-1:])
    return sorted(reached, key=lambda late: (late[0], late[2].name))


def next_lateness(state: ClientState, template: Template, after: int) -> int | None:
    """The next second at which a milestone becomes late, or later by a step."""
    return min(
        (
            item.due + days * DAY
            for item in plan(state, template)
            if item.done is None
            for days in template.late_after_days
            if item.due + days * DAY > after
        ),
        default=None,
    )


def standing(items: Sequence[Item], now: int, *, critical_blocker: bool, stuck_after_days: int = 14) -> str:
    """`on_track`, `behind` (a milestone is late) or `stuck` (late for long, or a critical blocker is open)."""
    late = [now - item.due for item in items if item.done is None and item.due <= now]
    if critical_blocker or any(by >= stuck_after_days * DAY for by in late):
        return "stuck"
    return "behind" if late else "on_track"


# The rules that a template may name: what a client did that hits a milestone. Each takes its setting from YAML.


def meeting_held(kinds: Sequence[str], within_days: int | None = None) -> Rule:
    """A meeting of one of these kinds; with `within_days`, not longer before the due time than that."""

    def rule(state: ClientState, due: int | None) -> int | None:
        held = [state.meetings[kind] for kind in kinds if kind in state.meetings]
        if within_days is None or due is None:
            return min((m[0] for m in held if m[0] is not None), default=None)
        return min((m[1] for m in held if m[1] is not None and m[1] >= due - within_days * DAY), default=None)

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
    return lambda state, due: min((k[5] * DAY for k in state.kpis.values() if k[5] is not None), default=None)


def handed_off(_: object = True) -> Rule:
    return lambda state, due: state.handed_off


def renewed(within_days: int | None = None) -> Rule:
    """The contract was renewed; with `within_days`, for this term and not an earlier one."""

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
