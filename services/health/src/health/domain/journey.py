"""The journey: five phases and their milestones, planned from the contract's start, moved by what the client did.

The plan is not stored: it is worked out from the state and the template whenever it is asked for, so that a late fact,
a new template or a rescheduled date needs no repair. Which phase a client is *said* to be in is kept: see `phases`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from health.domain.blockers import titled
from health.domain.hits import Rule
from health.domain.moments import DAY
from health.domain.state import ClientState, Entry, Mark

PHASES = ("kickoff", "first_value", "adoption", "value_validation", "expansion")
"""In this order; a template may leave some out."""
ONBOARDED_BEFORE_US = 45
"""A contract older than so many days when we first hear of the client: its onboarding is not ours to judge."""

Notice: TypeAlias = tuple[int, int, "Item"]
"""(second at which it was reached, days late (below 0: days ahead), milestone)."""


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
    term: int | None = None
    """The day of the renewal that it belongs to; None: it comes once."""

    @property
    def key(self) -> str:
        """What tells it from the same milestone of another term."""
        return self.name if self.term is None else f"{self.name}:{self.term}"


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
    by_use: bool = False
    """Whether logins and use alone can hit it."""

    def due(self, state: ClientState) -> int | None:
        if self.from_start is not None:
            return None if state.contract_start is None else (state.contract_start + self.from_start + 1) * DAY
        return self.due_in(state.renewal)

    def due_in(self, term: int | None) -> int | None:
        """Before the renewal of that day."""
        return None if term is None or self.before_renewal is None else (term - self.before_renewal + 1) * DAY


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase ends when its rule or its milestone is met; the last one never does."""

    name: str
    title: str
    ends_with: str | None
    ends_when: Rule | None
    ends_says: str = ""
    """The rule in words."""
    by_use: bool = False
    returns_before_renewal: int | None = None
    """So many days before each later renewal the client is back in this phase, until it is renewed."""


@dataclass(frozen=True)
class Template:
    """A journey map as shipped or uploaded; `default_owner` fills in where a client has no CSM."""

    name: str
    version: int
    phases: tuple[Phase, ...]
    milestones: tuple[Shipped, ...]
    default_owner: str
    late_after_days: tuple[int, ...]
    remind_before_days: tuple[int, ...] = ()
    segments: tuple[str, ...] = ()
    stuck_after_days: int = 14
    targets: tuple[tuple[str, float, float], ...] = ()
    """(onboarding metric, target, red flag) where they are not the usual ones."""
    names: frozenset[str] = field(init=False)
    steps: tuple[int, ...] = field(init=False)
    """Days late at which somebody is told, reminders ahead of the due time below 0."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(shipped.name for shipped in self.milestones))
        object.__setattr__(self, "steps", (*sorted(-d for d in self.remind_before_days), *sorted(self.late_after_days)))

    @property
    def label(self) -> str:
        """What results name."""
        return f"{self.name}:{self.version}"


EMPTY = Template("none", 0, (), (), "", ())


def segment_key(segment: str) -> str:
    """`Self-Serve`, `self serve` and `self_serve` are one segment."""
    return "_".join("".join(c if c.isalnum() else " " for c in segment.casefold()).split())


def onboarded_before_us(state: ClientState) -> bool:
    return (
        state.contract_start is not None
        and state.first is not None
        and state.first // DAY - state.contract_start > ONBOARDED_BEFORE_US
    )


def expected(shipped: Shipped, state: ClientState, *, past: bool) -> bool:
    """Whether a client has this milestone; of one that was `past` its onboarding what it is measured by began later."""
    return not (past and shipped.onboarding) or shipped.name in state.milestones


def said_of(shipped: Shipped, state: ClientState) -> Entry | None:
    """What was planned, moved or completed by hand; of an earlier term it says nothing about this one."""
    entry: Entry | None = state.milestones.get(shipped.name)
    if entry is not None and shipped.before_renewal is not None and _before_this_term(entry, state):
        return None
    return entry


def _before_this_term(entry: Entry, state: ClientState) -> bool:
    return state.renewed is not None and bool(entry[9] <= state.renewed[0]) and state.renewed[2] != state.renewal


def plan(state: ClientState, template: Template) -> list[Item]:
    """Every milestone of the client that has a due time, in the order of the template, then of planning."""
    items = []
    past = onboarded_before_us(state)
    for shipped in template.milestones:
        if not expected(shipped, state, past=past):
            continue
        entry = said_of(shipped, state)
        term = state.renewal if shipped.before_renewal is not None else None
        item = _item(shipped, entry, shipped.due(state), term, state, template)
        if item is not None:
            items.append(item)
    for name, entry in state.milestones.items():
        if name not in template.names and entry[3] is not None:
            phase, owner, kpi, due, first, done, value, moved, mark, _ = entry
            first = due if first is None else first
            items.append(Item(name, phase or "", owner or template.default_owner, kpi or name, due, first, done, value,
                              moved, mark, name.replace("_", " ")))  # fmt: skip
    return items


def last_term(state: ClientState, template: Template) -> list[Item]:
    """The milestones of the term that the latest renewal ended, as they stood then."""
    if state.renewed is None or state.renewed[2] in {None, state.renewal}:
        return []
    term = state.renewed[2]
    found = []
    for shipped in template.milestones:
        due = shipped.due_in(term)
        if due is None:
            continue
        entry = state.milestones.get(shipped.name)
        entry = entry if entry is not None and _before_this_term(entry, state) else None
        item = _item(shipped, entry, due, term, state, template)
        if item is not None:
            done = item.done if item.done is not None and item.done <= state.renewed[0] else None
            found.append(item._replace(done=done))
    return found


def _item(
    shipped: Shipped, entry: Entry | None, due: int | None, term: int | None, state: ClientState, template: Template
) -> Item | None:
    """`due` by the template; what was planned, moved or completed by hand (`entry`) goes before it."""
    owner = state.profile.get("csm_email") or template.default_owner if shipped.owner == "csm" else shipped.owner
    _, planned_owner, kpi, moved_to, first, done, value, moved, mark, _ = entry or [None] * 7 + [0, None, None]
    actual: int | None = moved_to if moved_to is not None else due
    if actual is None:
        return None
    if first is None:
        first = due if due is not None else actual
    done = _first(done, shipped.hit(state, due))
    return Item(shipped.name, shipped.phase, planned_owner or owner, kpi or shipped.kpi, actual, first, done, value,
                moved or 0, mark, shipped.title, term)  # fmt: skip


def punctuality(
    state: ClientState, template: Template, now: int, since: int, *, by_name: bool = False
) -> tuple[int, int]:
    """(milestones due by `now` or hit before, two points for each in time and one for each late). What was due before
    `since` counts only while it is not done; `by_name`: those alone that were planned for this client by name.

    In time is what is done by its first due time: moving a milestone on does not make it punctual.
    """
    due_by_now = points = 0
    for due, first, done in dates(state, template, by_name=by_name):
        if done is not None:
            if due >= since:
                due_by_now += 1
                points += 2 if done <= first else 1
        elif min(due, first) <= now:
            due_by_now += 1
            points += due > now  # moved to a time that is still to come: late, and being worked on
    return due_by_now, points


def dates(state: ClientState, template: Template, *, by_name: bool = False) -> Iterator[tuple[int, int, int | None]]:
    """(due, due at first, done) of every milestone of the plan, without building it: every score asks."""
    past = onboarded_before_us(state)
    known = state.milestones
    for name, entry in known.items():
        if name not in template.names and entry[3] is not None:
            yield entry[3], entry[3] if entry[4] is None else entry[4], entry[5]
    for shipped in () if by_name else template.milestones:
        if past and shipped.onboarding and shipped.name not in known:
            continue
        said = said_of(shipped, state)
        by_template = shipped.due(state)
        due, first, done = (None, None, None) if said is None else (said[3], said[4], said[5])
        due = by_template if due is None else due
        if due is not None:
            first = by_template if first is None else first
            yield due, due if first is None else first, _first(done, shipped.hit(state, by_template))


def _first(said: int | None, hit: int | None) -> int | None:
    """A milestone that somebody calls done a week after its rule was met was done when the rule was met."""
    return hit if said is None else said if hit is None else min(said, hit)


def current_phase(state: ClientState, template: Template, items: Iterable[Item]) -> str | None:
    """The first phase that has not ended; a client that was here before us starts after its onboarding."""
    for phase, ended in endings(state, template, items):
        if ended is None:
            return phase.name
    return template.phases[-1].name if template.phases else None


def endings(state: ClientState, template: Template, items: Iterable[Item]) -> list[tuple[Phase, int | None]]:
    """Each phase with the second at which it ended; of one that was over before us that of the first fact."""
    hit = {item.name: item.done for item in items}
    past = onboarded_before_us(state)
    onboarding = {shipped.phase for shipped in template.milestones if shipped.onboarding}
    found = []
    for phase in template.phases:
        ended = None
        if phase.ends_with is not None:
            entry = state.milestones.get(phase.ends_with)
            ended = hit.get(phase.ends_with) or (entry[5] if entry is not None else None)
            if ended is None and past and phase.name in onboarding and phase.ends_with not in hit:
                ended = state.first
        if ended is None and phase.ends_when is not None:
            ended = phase.ends_when(state, None)
        found.append((phase, ended))
    return found


def notices_between(state: ClientState, template: Template, after: int, until: int) -> list[Notice]:
    """What somebody is to be told of in (after, until], in order: milestones that come due, and late ones. For each
    milestone only the latest step of those reached."""
    reached: list[Notice] = []
    for item in plan(state, template):
        if item.done is not None:
            continue
        steps = [(item.due + days * DAY, days) for days in template.steps]
        within = [(second, days, item) for second, days in steps if after < second <= until]
        reached.extend(within[-1:])
    return sorted(reached, key=lambda notice: (notice[0], notice[2].name))


def next_notice(state: ClientState, template: Template, after: int) -> int | None:
    """The next second at which a milestone comes due, becomes late, or later by a step."""
    return min(
        (
            due + days * DAY
            for due, _, done in dates(state, template)
            if done is None
            for days in template.steps
            if due + days * DAY > after
        ),
        default=None,
    )


class Obstacle(NamedTuple):
    """What keeps a client from being on track."""

    kind: str
    """milestone or blocker"""
    name: str
    days: int
    """Whole days late, or open."""
    stuck: bool
    """Whether it alone makes the client stuck."""
    title: str
    owner: str | None = None
    severity: str | None = None


def obstacles(
    items: Sequence[Item], blockers: Mapping[str, Entry], now: int, *, stuck_after_days: int = 14
) -> list[Obstacle]:
    """Late milestones and critical blockers, what weighs most first."""
    found = [
        Obstacle("milestone", item.name, late // DAY, late >= stuck_after_days * DAY, item.title, item.owner)
        for item in items
        if item.done is None and (late := now - item.due) >= 0
    ]
    found += [
        Obstacle("blocker", name, max(0, now - opened) // DAY, True, titled(kind), severity=severity)
        for name, (severity, kind, opened) in blockers.items()
        if severity == "critical"
    ]
    return sorted(found, key=lambda each: (not each.stuck, -each.days, each.name))


def standing(obstacles: Iterable[Obstacle]) -> str:
    """`on_track`, `behind` (a milestone is late) or `stuck` (late for long, or a critical blocker is open)."""
    weights = {obstacle.stuck for obstacle in obstacles}
    return "stuck" if True in weights else "behind" if weights else "on_track"
