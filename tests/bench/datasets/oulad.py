#!/usr/bin/env python3
"""Canonical client events of a folder laid out like ../shared/data/oulad, in the order of time.

A student on one presentation of a module is a client, `ref:oulad:account:<account_id>`, from the presentation's start
on (from the sign-up if that came later).

  subscriptions  client_registered: name, segment (= module); signed_up_on, previous_attempts and studied_credits as
                 fields of the data set's own. contract_cancelled at the last second of cancel_date; who stays to the
                 end goes at 00:00 of term_end with contract_cancelled, reason "completed": no client any more, and
                 no leaver
  milestones     milestone_planned at the registration for each assessment that is then still due; due at the last
                 second of its day; phase first_value for the module's first one, else adoption; weight (a field of
                 the data set's own, as known from the start): how many per cent of the result it counts
  events         milestone_completed with the score as kpi_value, at the last second of its day; what was handed in
                 before the registration counts from the second after it

No contract start is claimed (none of our onboarding milestones was planned there), and no money. CC BY 4.0: Kuzilek,
Hlosta, Zdrahal, Sci. Data 4:170171 (2017).
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import NamedTuple

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.bench.datasets.lines import Left, Speaker, Timed, end_of, run, start_of
from tests.bench.datasets.tables import Table, count, day, name, number, one_of, optional_day

SOURCE = "oulad"
COMPLETED = "completed"
AFTER_ALL = 1000
"""Place of a departure among what happened in the same second."""
OWNER = "tutor@oulad.example"


class Student(NamedTuple):
    """One registration; days. `since` is when it begins to be a client."""

    account: str
    module: str
    presentation: str
    since: str
    profile: dict[str, object]
    ends: str
    left: str | None


class Assessment(NamedTuple):
    """What is to be handed in."""

    due: str
    id: str
    kind: str
    weight: float

    @property
    def milestone(self) -> str:
        return f"{self.kind.lower()}_{self.id}"


Courses = dict[tuple[str, str], list[Assessment]]
"""(module, presentation) → its assessments by due day."""


def convert(folder: Path, given: argparse.Namespace, left: Left) -> Iterator[str]:
    """The lines, in the order of time."""
    known, chosen = set[str](), list[Student]()
    for student in _students(folder):
        known.add(student.account)
        if not given.presentation or student.presentation in given.presentation:
            chosen.append(student)
    courses = _courses(folder)
    students = {student.account: student for student in islice(chosen, given.clients)}
    streams = (
        _beginnings(students, courses),
        _submissions(folder, students, known, left),
        _ends(students),
    )
    for time, line in heapq.merge(*streams, key=itemgetter(0)):
        if given.until and time > start_of(given.until):
            return
        yield line


def _students(folder: Path) -> Iterator[Student]:
    columns = ("account_id", "code_module", "code_presentation", "signup_date", "start_date", "term_end", "cancel_date",
               "churned", "num_of_prev_attempts", "studied_credits")  # fmt: skip
    table, seen = Table(folder, "subscriptions", columns), set[str]()
    with table.named_in_errors():
        for account, module, presentation, signup, start, ends, cancel, churned, attempts, credits_ in table.rows():
            if account in seen:
                raise ValueError(f"account {account} stands there before")
            seen.add(name(account))
            signed, left = optional_day(signup), optional_day(cancel)
            if (one_of(churned, ("0", "1")) == "1") != (left is not None):
                raise ValueError(f"churned is {churned}, cancel_date {cancel or 'empty'}")
            since = max(day(start), signed or "")
            if day(ends) <= since or (left is not None and left < since):
                raise ValueError(f"ends on {left or ends}, before it began on {since}")
            own = {"signed_up_on": signed, "previous_attempts": count(attempts), "studied_credits": count(credits_)}
            profile = {key: value for key, value in own.items() if value is not None}
            yield Student(account, name(module), name(presentation), since, profile, ends, left)


def _courses(folder: Path) -> Courses:
    columns = ("code_module", "code_presentation", "id_assessment", "assessment_type", "weight", "due_date")
    table = Table(folder, "milestones", columns)
    found: Courses = {}
    with table.named_in_errors():
        for module, presentation, assessment, kind, weight, due in table.rows():
            if not due:  # an exam without a date: nobody can be late for it
                continue
            entry = Assessment(day(due), name(assessment), name(kind), number(weight))
            found.setdefault((module, presentation), []).append(entry)
    for entries in found.values():
        entries.sort()
    return found


def _beginnings(students: dict[str, Student], courses: Courses) -> Iterator[Timed]:
    for student in sorted(students.values(), key=attrgetter("since")):
        speaker, at = Speaker(SOURCE, student.account), start_of(student.since)
        title = f"Student {student.account}"
        yield speaker.registered(at, name=title, segment=student.module, **student.profile)
        for nth, planned in enumerate(courses.get((student.module, student.presentation), ())):
            if planned.due >= student.since:
                data = {
                    "milestone": planned.milestone,
                    "phase": "adoption" if nth else "first_value",
                    "owner_email": OWNER,
                    "kpi": f"score of 100, weighs {planned.weight:g} %",
                    "due_at": end_of(planned.due),
                    "weight": planned.weight,
                }
                yield speaker.say("milestone_planned", at, data)


def _submissions(folder: Path, students: dict[str, Student], known: set[str], left: Left) -> Iterator[Timed]:
    speakers: dict[str, Speaker] = {}
    table = Table(folder, "events", ("event_time", "account_id", "id_assessment", "assessment_type", "score"))
    early: list[Timed] = []
    """A presentation's that has not begun; others' rows come before its beginning."""
    with table.named_in_errors():
        for when, account, assessment, kind, score in table.rows_in_order("event_time", day):
            student = students.get(account)
            if student is None:
                if account not in known:
                    left.out(table.file, table.line, "account that subscriptions does not have")
                continue
            speaker = speakers.setdefault(account, Speaker(SOURCE, account))
            data: dict[str, object] = {"milestone": f"{kind.lower()}_{name(assessment)}"}
            if score:
                data["kpi_value"] = number(score)
            if when < student.since:
                heapq.heappush(early, speaker.say("milestone_completed", f"{student.since}T00:00:01Z", data))
                continue
            at = end_of(day(when))
            while early and early[0][0] <= at:
                yield heapq.heappop(early)
            yield speaker.say("milestone_completed", at, data)
    yield from sorted(early)


def _ends(students: dict[str, Student]) -> Iterator[Timed]:
    ends = [(end_of(s.left) if s.left else start_of(s.ends), s) for s in students.values()]
    for at, student in sorted(ends, key=itemgetter(0)):
        data = {"effective_on": student.left or student.ends, "reason": "withdrawn" if student.left else COMPLETED}
        yield Speaker(SOURCE, student.account).say("contract_cancelled", at, data, sequence=AFTER_ALL)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--presentation", action="append", metavar="P", help="only this presentation, such as 2013J (repeatable)"
    )


if __name__ == "__main__":
    sys.exit(run(convert, __doc__ or "", _options))
