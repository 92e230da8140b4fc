"""Family *relationship*: sponsor and champion, how many people we know, meetings, and what the organisation does."""

from __future__ import annotations

from churn.domain.features.view import MISSING, View
from churn.domain.moments import DAY

LONG_AGO_WEEKS = 26.0
"""Weeks after which a loss is no news any more; features of recency stop here."""


def sponsor_lost(view: View) -> float:
    """Weeks since the sponsor left or lost the role, up to 26; 26 if it never happened."""
    return _weeks_since(view, "sponsor_lost")


def sponsor_missing(view: View) -> float:
    """1 if we once knew a sponsor and now there is none, else 0."""
    return _role_missing(view, "sponsor")


def sponsor_changed(view: View) -> float:
    """Weeks since another person became sponsor, up to 26."""
    return _weeks_since(view, "sponsor_changed")


def champion_lost(view: View) -> float:
    """Weeks since the champion left or lost the role, up to 26."""
    return _weeks_since(view, "champion_lost")


def champion_missing(view: View) -> float:
    """1 if we once knew a champion and now there is none, else 0."""
    return _role_missing(view, "champion")


def contacts_left(view: View) -> float:
    """How many other people we knew left in the last 90 days."""
    return float(view.marks("contact_left", 90)) if view.has("contacts") else MISSING


def contacts_known(view: View) -> float:
    """People of the client who are still there; 1 is a single thread."""
    return (
        float(sum(1 for _, left in view.state.contacts.values() if left is None)) if view.has("contacts") else MISSING
    )


def contacts_engaged(view: View) -> float:
    """People of the client who did or wrote anything in the last 60 days; missing if people are not told apart."""
    if not view.state.engaged:
        return MISSING
    return float(sum(1 for at in view.state.engaged.values() if view.moment - at <= 60 * DAY))


def meetings_cancelled(view: View) -> float:
    """Days of the last 90 on which the client cancelled a meeting."""
    return float(view.marks("meeting_cancelled", 90)) if view.has("meetings") else MISSING


def meetings_missed(view: View) -> float:
    """Meetings of the last 90 days to which somebody invited did not come."""
    return float(view.marks("meeting_missed", 90)) if view.has("meetings") else MISSING


def weeks_since_meeting(view: View) -> float:
    """Weeks since we last met, up to 26."""
    return _weeks_since(view, "meeting_held") if view.has("meetings") else MISSING


def organisation_changed(view: View) -> float:
    """Days of the last 120 with news of a reorganisation."""
    return float(view.marks("organisation_changed", 120)) if view.has("contacts") else MISSING


def legal_talk(view: View) -> float:
    """Days of the last 90 on which lawyers came up."""
    return float(view.marks("legal", 90)) if view.has("mood") else MISSING


def good_signs(view: View) -> float:
    """Referrals, wishes for more, planning ahead and praise in the last 120 days (days, each counted once a kind)."""
    return float(sum([view.marks(kind, 120) for kind in ("referral", "expansion", "planning", "praise")]))


def _weeks_since(view: View, kind: str) -> float:
    if not view.has("contacts"):
        return MISSING
    last = view.last_mark(kind)
    return LONG_AGO_WEEKS if last is None else min(LONG_AGO_WEEKS, (view.moment - last) / (7 * DAY))


def _role_missing(view: View, role: str) -> float:
    held = [left for known, left in view.state.contacts.values() if known == role]
    if not held and not view.state.marks.get(f"{role}_lost"):
        return MISSING
    return 0.0 if any(left is None for left in held) else 1.0
