"""Family *financial*: invoices, revenue, renewal and tenure."""

from __future__ import annotations

import math
from itertools import pairwise

from churn.domain.features.view import MISSING, View, or_missing
from churn.domain.moments import DAY

TIERS = {"standard": 0.0, "core": 1.0, "strategic": 2.0}


def invoice_overdue_days(view: View) -> float:
    """Days by which the oldest unpaid invoice is past due; 0 with none."""
    if not view.has("invoices"):
        return MISSING
    due = [due for due, _ in view.state.invoices.values()]
    return max(0.0, (view.moment - min(due)) / DAY) if due else 0.0


def invoices_paid_late(view: View) -> float:
    """Invoices of the last 120 days that were paid late."""
    return float(view.marks("paid_late", 120)) if view.has("invoices") else MISSING


def payments_failed(view: View) -> float:
    """Failed or disputed payments of the last 60 days."""
    if not view.has("invoices"):
        return MISSING
    return float(view.marks("payment_failed", 60) + view.marks("disputed", 60))


def mrr_level(view: View) -> float:
    """log10 of monthly recurring revenue in major units of the client's currency."""
    mrr = view.life.mrr
    return math.log10(1 + mrr / 100) if mrr else MISSING


def mrr_change(view: View) -> float:
    """Relative change of monthly recurring revenue over 90 days."""
    now, before = view.life.mrr, view.life.mrr_at(view.moment - 90 * DAY)
    return (now - before) / before if now is not None and before else MISSING


def mrr_cuts(view: View) -> float:
    """How often recurring revenue was lowered in the last 180 days."""
    log = view.life.mrr_log
    if not log:
        return MISSING
    since = view.moment - 180 * DAY
    return float(sum(1 for (_, before), (at, after) in pairwise(log) if at > since and after < before))


def days_to_renewal(view: View) -> float:
    """Days until the next renewal, at most 365; a date up to 60 days past still counts, an older one is missing."""
    dates = [at for at in (view.life.ends_on(), view.life.renewal_on) if at is not None]
    near = [days for days in ((at - view.moment) / DAY for at in dates) if days >= -60]
    return min(365.0, *near) if near else MISSING


def tenure(view: View) -> float:
    """Days since the client began."""
    return view.tenure_days


def tier_rank(view: View) -> float:
    """standard 0, core 1, strategic 2."""
    return or_missing(TIERS.get(view.state.tier or ""))
