"""Sentences about projects, a client's business, and how near we are to it."""

from __future__ import annotations

from collections.abc import Mapping

from health.domain.facts.business import CUT, FREEZE, MORE
from health.domain.fold import remarks
from health.domain.moments import DAY
from health.domain.words.sight import Farewell, Sight, Teller, changed, days, listed


def meeting_attendance(before: Sight | None, after: Sight) -> str:
    now, was = _attended(after), None if before is None else _attended(before)
    return changed(f"came to {now} meetings in {after.params['window']} days", now, was)


def _attended(sight: Sight) -> str:
    came = [came for day, came, _ in sight.state.attendance if day > sight.at.day - sight.params["window"]]
    return f"{sum(came)} of {len(came)}"


def _mentions(what: str, nothing: str, *topics: str) -> Teller:
    """What was said, when last, and how often; `nothing`: when it was said no more."""

    def tell(before: Sight | None, after: Sight) -> str:
        window = after.params["window"]
        said = [day for topic in topics for day, _ in after.state.said.get(topic, ()) if day > after.at.day - window]
        if not said:
            return f"{nothing} in {window} days"
        often = f"{len(said)} times in {window} days, the last" if len(said) > 1 else "once,"
        return f"{what} {often} on {after.day(max(said))}"

    return tell


def budget_talk(before: Sight | None, after: Sight) -> str | None:
    topic = {FREEZE: remarks.BUDGET_FREEZE, CUT: remarks.BUDGET_DOWN, MORE: remarks.BUDGET_UP}.get(after.value)
    if topic is None or not after.state.said.get(topic):
        return None
    what = {FREEZE: "is frozen", CUT: "is being cut", MORE: "grows"}[after.value]
    return f"its budget {what}, as it said on {after.day(after.state.said[topic][-1][0])}"


def approvals_on_time(before: Sight | None, after: Sight) -> str | None:
    patience = after.params["patience"]
    open_since = {
        name: due // DAY if due is not None else asked // DAY + patience
        for name, (asked, due, given, _) in after.state.approvals.items()
        if given is None
    }
    return _overdue("approval", open_since, after)


def deadlines_met(before: Sight | None, after: Sight) -> str | None:
    dues = {name: due // DAY for name, (due, done, *_) in after.state.deliverables.items() if done is None and due}
    return _overdue("deliverable", dues, after)


def _overdue(what: str, dues: Mapping[str, int], after: Sight) -> str | None:
    late = sorted((due, name) for name, due in dues.items() if due < after.at.day)
    if not late:
        return None
    names = listed([name for _, name in late])
    if len(late) == 1:
        return f"{what} {names} is {days(after.at.day - late[0][0])} late"
    return f"{len(late)} {what}s are late, for {days(after.at.day - late[0][0])} at most ({names})"


TELLERS: Mapping[str, Teller] = {
    "meeting_attendance": meeting_attendance,
    "budget_talk": budget_talk,
    "competitor_mentions": _mentions("spoke of a competitor", "no word of a competitor", remarks.COMPETITOR),
    "organisation_changes": _mentions("spoke of a reorganisation", "no reorganisation", remarks.ORGANISATION),
    "planning_ahead": _mentions("planned ahead with us", "no word of its plans", remarks.PLANNING),
    "candid_feedback": _mentions("told us frankly what it thinks", "no frank feedback", remarks.FEEDBACK),
    "scope_changes": _mentions(
        "asked for another scope", "no change of scope asked for", remarks.SCOPE_MINOR, remarks.SCOPE_MAJOR
    ),
    "approvals_on_time": approvals_on_time,
    "deadlines_met": deadlines_met,
}
FAREWELLS: Mapping[str, Farewell] = {
    "meeting_attendance": lambda after: f"no meeting in {after.params['window']} days",
    "approvals_on_time": lambda after: f"no approval was due in {after.params['window']} days",
    "deadlines_met": lambda after: f"no deliverable was due in {after.params['window']} days",
    "feedback_length": lambda after: "no words from the client in five weeks",
    "questions_asked": lambda after: "no words from the client in five weeks",
    "answer_hours": lambda after: f"nothing asked and answered in {after.params['window']} days",
}
