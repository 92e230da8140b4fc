"""Whatever is told to a case, in whatever order: deadlines are missed once, and an end is an end."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from common.contracts.errors import Conflict, Refused
from escalation.domain import inputs
from escalation.domain.case import Case, Happened, Outcome, State, What
from escalation.domain.client import Call, Client, Notice
from escalation.domain.decide import decide
from hypothesis import given
from hypothesis import strategies as st

from tests.support.escalation_world import EVIDENCE, FLAG, MAYA, MONDAY, OMAR, OTHER, flag, flagged, hours, opened

SECOND_FLAG = UUID("44444444-4444-4444-8444-444444444444")
Move = tuple[timedelta, str, int]
"""How much later, which kind of input, and a number that varies it."""

STEPS = tuple(EVIDENCE)
KINDS = (
    "tick",
    "soon",
    "complete",
    "assign",
    "pause",
    "pause_until",
    "resume",
    "flag",
    "flag_ended",
    "call",
    "call_cancelled",
    "notice",
    "close",
    "move",
    "absorb",
)
moves = st.lists(
    st.tuples(
        st.integers(0, 20 * 60).map(lambda minutes: timedelta(minutes=minutes)),
        st.sampled_from(KINDS),
        st.integers(0, 2),
    ),
    max_size=25,
)


def make(kind: str, n: int, now: datetime, case: Case) -> inputs.Input:
    """An input as it could arrive now; timers of older generations are among them."""
    call = Call("m1", now + hours(10), now, ("contact-7",))
    ended = (Outcome.CLEARED, Outcome.OVERRIDDEN, Outcome.CLEARED)[n]
    made: dict[str, inputs.Input] = {
        "tick": inputs.TimePassed(),
        "soon": inputs.StepDueSoon(STEPS[n], max(1, case.generation - n)),
        "complete": inputs.Completed(STEPS[n], EVIDENCE[STEPS[n]], MAYA),
        "assign": inputs.Assigned(MAYA if n != 1 else None, OMAR if n != 2 else None, MAYA),
        "pause": inputs.Paused(MAYA, "waiting"),
        "pause_until": inputs.Paused(MAYA, "waiting", now + hours(1 + 10 * n)),
        "resume": inputs.Resumed(MAYA),
        "flag": flagged(flag(SECOND_FLAG, episode=n + 1, at=now)),
        "flag_ended": inputs.FlagEnded(FLAG if n else SECOND_FLAG, n or 1, ended, now, "loop", "risk_fell"),
        "call": inputs.ClientTold(Client(calls=(call,), csm_email=OMAR)),
        "call_cancelled": inputs.ClientTold(Client(calls=(replace(call, cancelled=True),))),
        "notice": inputs.ClientTold(Client(notice=Notice(now, now, date(2026, 6, 1)))),
        "close": inputs.Closed(MAYA, (Outcome.SAVED, Outcome.LEFT, Outcome.FALSE_ALARM)[n], "why"),
        "move": inputs.ClientMoved(OTHER),
        "absorb": inputs.Absorbed(SECOND_FLAG),
    }
    return made[kind]


def tell(case: Case, told: inputs.Input, now: datetime) -> tuple[Case, list[Happened]]:
    """What a person may not do changes nothing."""
    try:
        return decide(case, told, now)
    except (Conflict, Refused):
        return case, []


def play(told: list[Move], *, ticking: bool = False) -> tuple[list[Case], list[Happened], datetime]:
    """Each state in turn, everything that happened, and the last moment."""
    now, cases, happened = MONDAY, [opened()], []
    for later, kind, n in told:
        now += later
        if ticking:
            case, ticked = decide(cases[-1], inputs.TimePassed(), now)
            cases.append(case)
            happened += ticked
        case, more = tell(cases[-1], make(kind, n, now, cases[-1]), now)
        cases.append(case)
        happened += more
    return cases, happened, now


@given(moves)
def test_each_step_is_breached_and_done_at_most_once(told):
    _, happened, _ = play(told)
    counted = Counter((one.what, one.step) for one in happened)
    for what in (What.STEP_BREACHED, What.STEP_DONE, What.CLOSED):
        assert all(n == 1 for (said, _), n in counted.items() if said is what), counted


@given(moves)
def test_nothing_is_breached_after_it_was_done_or_after_the_end(told):
    _, happened, _ = play(told)
    done: set[str | None] = set()
    for nth, one in enumerate(happened):
        if one.what is What.STEP_BREACHED:
            assert one.step not in done
        if one.what is What.STEP_DONE:
            done.add(one.step)
        if one.what is What.CLOSED:
            assert nth == len(happened) - 1, "something happened to a closed case"


@given(moves)
def test_a_closed_case_stays_exactly_as_it_is(told):
    cases, _, now = play(told)
    for before, after in itertools.pairwise(cases):
        if before.state is State.CLOSED:
            assert after == before
    if cases[-1].state is State.CLOSED:
        assert decide(cases[-1], inputs.TimePassed(), now + timedelta(days=30)) == (cases[-1], [])


@given(moves)
def test_when_the_timers_fire_makes_no_difference(told):
    """A worker that fired every timer on the dot, and one that was dead until the end, agree."""
    prompt, prompt_happened, now = play(told, ticking=True)
    late, late_happened, _ = play(told)
    end = now + timedelta(days=10)
    final, more = decide(prompt[-1], inputs.TimePassed(), end)
    late_final, late_more = decide(late[-1], inputs.TimePassed(), end)
    forget: dict[str, Any] = {"happenings": 0, "generation": 0}
    without_notice = [replace(step, announced_at=None) for step in final.steps]
    late_without_notice = [replace(step, announced_at=None) for step in late_final.steps]
    assert replace(final, steps=tuple(without_notice), **forget) == replace(
        late_final, steps=tuple(late_without_notice), **forget
    )
    assert _missed(prompt_happened + more) == _missed(late_happened + late_more)


def _missed(happened: list[Happened]) -> list[tuple[str | None, datetime]]:
    return sorted(((one.step, one.at) for one in happened if one.what is What.STEP_BREACHED), key=str)


@given(moves)
def test_the_trail_numbers_everything_that_happened(told):
    cases, happened, _ = play(told)
    assert cases[-1].happenings == 1 + len(happened)


@given(moves)
def test_deadlines_never_move_back(told):
    cases, _, _ = play(told)
    for before, after in itertools.pairwise(cases):
        for was, step in zip(before.steps, after.steps, strict=True):
            assert step.due_at >= was.due_at
            assert step.due_soon_at <= step.due_at
