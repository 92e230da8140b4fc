"""The facts that sentences are made of, by reason code: only what holds is there, so no sentence can say more.

Keys are the placeholders of `deploy/config/churn/reasons.yaml`; values are words ready to be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from churn.domain import facts_usage
from churn.domain.features import View, money, signs, support, work
from churn.domain.features.people import contacts_engaged, contacts_known, good_signs
from churn.domain.moments import DAY
from churn.domain.saying import Words, days, number, on, percent, plural
from churn.domain.state import Mark

MOST_NAMES = 4
QUIET_WEEKS = 8
"""Weeks without any feedback that are worth a word."""
QUIET_DAYS = 28
"""Days without a milestone done that are worth a word."""
RECENT_DAYS = 183
"""A thing that happened longer ago is not told as news."""


class Facts(NamedTuple):
    """Words by placeholder, and the events behind them where they are single ones."""

    words: Words
    events: tuple[str, ...] = ()


def facts_of(code: str, view: View) -> Facts:
    words = BY_CODE.get(code, _none)(view)
    return Facts(words, _events(code, view) if code in WITH_EVENTS else ())


def _events(code: str, view: View) -> tuple[str, ...]:
    found: list[str] = []
    for kind in MARKS.get(code, ()):
        found += [event for _, event in _recent(view, kind)]
    if code == "invoices":
        found += [event for due, event in view.state.invoices.values() if due < view.moment]
    if code == "blockers":
        found += [event for _, _, event in view.state.blockers.values()]
    if code == "tickets":
        tickets = view.state.open_tickets.values()
        found += [event for _, priority, event in tickets if priority in ("high", "urgent")]
    return tuple(dict.fromkeys(event for event in found if event))[-5:]


def _recent(view: View, kind: str, within: int = RECENT_DAYS) -> list[Mark]:
    return [m for m in view.state.marks.get(kind, ()) if m[0] > view.moment - within * DAY]


def _when(view: View, kind: str, within: int = RECENT_DAYS) -> str | None:
    marks = _recent(view, kind, within)
    return on(marks[-1][0], view.moment) if marks else None


def _some(**words: str | None) -> Words:
    return {name: word for name, word in words.items() if word is not None}


def _none(view: View) -> Words:
    return {}


def _tickets(view: View) -> Words:
    recent, urgent = view.value(support.tickets_recent), view.value(support.tickets_urgent)
    trend, oldest = view.value(support.tickets_trend), view.value(support.ticket_oldest_days)
    return _some(
        tickets=plural(recent, "ticket") if recent > 0 else None,
        urgent=plural(urgent, "urgent ticket") if urgent > 0 else None,
        tickets_times=f"{math.exp(trend):.1f}" if trend > 0.4 else None,
        oldest_ticket=days(oldest) if oldest >= 7 else None,
        no_tickets="" if recent == 0 else None,
    )


def _mood(view: View) -> Words:
    now, change = view.value(support.mood_now), view.value(support.mood_change)
    return _some(
        mood_now=f"{now:+.1f}" if not math.isnan(now) else None,
        mood_before=f"{now - change:+.1f}" if abs(change) > 0.1 else None,
        mood_was=("friendly" if now - change >= 0.1 else "neutral") if now < -0.1 <= now - change else None,
        mood_fell="" if change < -0.1 else None,
        mood_rose="" if change > 0.1 else None,
        mood_bad="" if now < -0.1 else None,
        mood_good="" if now > 0.2 else None,
    )


def _satisfaction(view: View) -> Words:
    nps, change = view.value(support.nps_level), view.value(support.nps_change)
    csat = view.value(support.csat_level)
    last = view.ratings.get("nps", [])[-1:]
    quiet = view.value(support.weeks_since_feedback)
    return _some(
        feedback_quiet=plural(quiet, "week") if quiet >= QUIET_WEEKS else None,
        nps=number(10 * last[0][1] / 1000) if last and not math.isnan(nps) else None,
        nps_before=number(10 * (last[0][1] / 1000 - change)) if last and abs(change) >= 0.1 else None,
        nps_fell="" if change <= -0.1 else None,
        nps_low="" if nps < 0.65 else None,
        nps_high="" if nps >= 0.85 else None,
        csat=percent(csat) if not math.isnan(csat) else None,
        csat_fell="" if view.value(support.csat_change) <= -0.1 else None,
        csat_low="" if csat < 0.6 else None,
        csat_high="" if csat >= 0.8 else None,
    )


def _sponsor(view: View) -> Words:
    missing = any(True for m in ("sponsor_lost",) if _recent(view, m))
    present = any(role == "sponsor" and left is None for role, left in view.state.contacts.values())
    return _some(
        sponsor_lost_on=_when(view, "sponsor_lost") if missing and not present else None,
        sponsor_replaced_after=_when(view, "sponsor_lost") if missing and present else None,
        sponsor_changed_on=_when(view, "sponsor_changed"),
        sponsor_present="" if present else None,
        sponsor_absent="" if not present else None,
    )


def _champion(view: View) -> Words:
    present = any(role == "champion" and left is None for role, left in view.state.contacts.values())
    return _some(
        champion_lost_on=_when(view, "champion_lost") if not present else None,
        champion_present="" if present else None,
        champion_absent="" if not present else None,
    )


def _contacts(view: View) -> Words:
    known, engaged = view.value(contacts_known), view.value(contacts_engaged)
    left = len(_recent(view, "contact_left", 90))
    return _some(
        contacts=plural(known, "contact") if known > 1 else None,
        single_contact="" if known == 1 else None,
        engaged=plural(engaged, "contact") if engaged > 0 else None,
        nobody_engaged="" if engaged == 0 else None,
        contacts_left=plural(left, "contact") if left else None,
    )


def _meetings(view: View) -> Words:
    cancelled = len(_recent(view, "meeting_cancelled", 90))
    last = view.last_mark("meeting_held")
    weeks = (view.moment - last) / (7 * DAY) if last is not None else math.nan
    return _some(
        cancelled=plural(cancelled, "meeting") if cancelled else None,
        last_cancelled_on=_when(view, "meeting_cancelled", 90),
        met_on=on(last, view.moment) if last is not None and weeks < 13 else None,
        not_met_weeks=number(weeks) if weeks >= 6 else None,
    )


def _replies(view: View) -> Words:
    hours, trend, silent = (
        view.value(support.reply_hours),
        view.value(support.reply_trend),
        view.value(support.silent_days),
    )
    shorter = view.value(support.message_words)
    return _some(
        silent=days(silent) if silent >= 2 else None,
        reply_hours=number(hours) if not math.isnan(hours) else None,
        reply_hours_before=number(hours / math.exp(trend)) if abs(trend) > 0.25 else None,
        slower="" if trend > 0.25 else None,
        shorter=percent(1 - math.exp(shorter)) if shorter < -0.25 else None,
    )


def _milestones(view: View) -> Words:
    late, run = view.value(work.milestones_late), view.value(work.milestones_missed_run)
    since, ahead = view.value(work.days_since_milestone), view.value(work.next_milestone_days)
    done = view.value(work.milestones_done) == 1
    return _some(
        plan_done_on=on(round(view.moment - since * DAY), view.moment) if done and since >= 0 else None,
        milestones_late=plural(late, "milestone") if late > 0 else None,
        milestone_days=days(view.value(work.milestone_late_days)) if late > 0 else None,
        milestones_run=plural(run, "milestone") if run >= 2 else None,
        milestone_quiet=days(since) if since >= QUIET_DAYS else None,
        milestone_next=days(ahead) if not math.isnan(ahead) else None,
        milestones_fine="" if late == 0 else None,
    )


def _goals(view: View) -> Words:
    reached = view.value(work.kpi_attainment)
    if math.isnan(reached):
        return {}
    return _some(
        kpi=percent(max(0.0, reached)),
        kpi_behind="" if reached < 0.8 else None,
        kpi_met="" if reached >= 1 else None,
    )


def _blockers(view: View) -> Words:
    number_open = len(view.state.blockers)
    since = min((b[1] for b in view.state.blockers.values()), default=None)
    return _some(
        blockers=plural(number_open, "blocker") if number_open else None,
        blocked_since=on(since, view.moment) if since is not None else None,
    )


def _invoices(view: View) -> Words:
    age, late = view.value(money.invoice_overdue_days), len(_recent(view, "paid_late", 120))
    failed = len(_recent(view, "payment_failed", 60))
    return _some(
        overdue=days(age) if age >= 1 else None,
        paid_late=plural(late, "invoice") if late else None,
        payment_failed_on=_when(view, "payment_failed", 60),
        disputed_on=_when(view, "disputed", 60),
        nothing_overdue="" if age == 0 else None,
        paid_up="" if age == 0 and not late and not failed else None,
    )


def _revenue(view: View) -> Words:
    change = view.value(money.mrr_change)
    level = view.value(money.mrr_level)
    return _some(
        mrr=f"{round(10**level - 1):,} {view.life.currency}" if not math.isnan(level) and view.life.currency else None,
        mrr_fell=percent(-change) if change <= -0.02 else None,
        mrr_rose=percent(change) if change >= 0.02 else None,
    )


def _renewal(view: View) -> Words:
    ahead = view.value(money.days_to_renewal)
    return _some(
        renewal_in=days(ahead) if ahead >= 0 else None,
        renewal_near="" if 0 <= ahead <= 90 else None,
        renewal_past=days(-ahead) if ahead < 0 else None,
    )


def _tenure(view: View) -> Words:
    lived = view.tenure_days
    if math.isnan(lived):
        return {}
    return {"tenure": plural(lived / 30.4, "month") if lived >= 61 else days(lived)}


def _talk(kind: str, within: int) -> Callable[[View], Words]:
    def facts(view: View) -> Words:
        times = len({m[0] // DAY for m in _recent(view, kind, within)})
        return _some(
            talked_on=_when(view, kind, within),
            talked_times=number(times) if times > 1 else None,
        )

    return facts


def _csm_view(view: View) -> Words:
    score = view.value(support.csm_sentiment)
    return {} if math.isnan(score) else {"csm_score": number(score)}


def _goodwill(view: View) -> Words:
    signs_seen = view.value(good_signs)
    return _some(no_goodwill="" if signs_seen == 0 else None, goodwill="" if signs_seen > 0 else None)


def _signs(view: View) -> Words:
    showing = signs.showing(view)
    if not showing:
        return {}
    names = [sign.name for sign in showing]
    return {
        "signs": plural(len(names), "early-warning sign"),
        **({"several_signs": ""} if len(names) > 1 else {}),
        "sign_names": ", ".join(names[:MOST_NAMES]),
    }


BY_CODE: dict[str, Callable[[View], Words]] = {
    "logins": facts_usage.logins,
    "usage": facts_usage.usage,
    "features": facts_usage.features,
    "seats": facts_usage.seats,
    "health": facts_usage.health,
    "health_trend": facts_usage.health_trend,
    "tickets": _tickets,
    "mood": _mood,
    "cancel_talk": _talk("cancel_intent", 60),
    "competitor": _talk("competitor", 90),
    "satisfaction": _satisfaction,
    "csm_view": _csm_view,
    "replies": _replies,
    "sponsor": _sponsor,
    "champion": _champion,
    "contacts": _contacts,
    "meetings": _meetings,
    "organisation": _talk("organisation_changed", 120),
    "legal": _talk("legal", 90),
    "milestones": _milestones,
    "goals": _goals,
    "blockers": _blockers,
    "scope": _talk("scope_changed", 90),
    "budget": _talk("budget_cut", 90),
    "invoices": _invoices,
    "revenue": _revenue,
    "renewal": _renewal,
    "tenure": _tenure,
    "price": facts_usage.price,
    "signs": _signs,
    "goodwill": _goodwill,
}
"""Codes without an entry (`approvals`, `profile`) are said without facts."""
MARKS = {
    "sponsor": ("sponsor_lost", "sponsor_changed"),
    "champion": ("champion_lost",),
    "contacts": ("contact_left",),
    "meetings": ("meeting_cancelled",),
    "organisation": ("organisation_changed",),
    "legal": ("legal",),
    "competitor": ("competitor",),
    "cancel_talk": ("cancel_intent",),
    "budget": ("budget_cut",),
    "scope": ("scope_changed",),
    "invoices": ("payment_failed", "disputed"),
}
"""Kinds of marks whose events stand behind a reason."""
WITH_EVENTS = MARKS.keys() | {"blockers", "tickets"}
