"""What risk is computed from: documented pure functions of (state, health track, moment), in one table.

The same code computes them for training, for backtests and live. A value that cannot be known is NaN: missing, not 0.
A feature's documentation is its function's docstring; `docs/churn.md` is made from the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from churn.domain.columns import Column
from churn.domain.features import health, money, people, signs, support, usage, work
from churn.domain.features.view import View
from churn.domain.health_track import HealthTrack
from churn.domain.state import State


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the model. `direction` says where the domain is sure: +1 more of it raises risk, −1 lowers it."""

    name: str
    family: str
    reason: str
    direction: int
    of: Callable[[View], float]

    @property
    def doc(self) -> str:
        return " ".join((self.of.__doc__ or "").split())


def _feature(family: str, reason: str, direction: int, of: Callable[[View], float]) -> Feature:
    return Feature(of.__name__, family, reason, direction, of)


FEATURES: tuple[Feature, ...] = (
    _feature("usage", "logins", -1, usage.logins_level),
    _feature("usage", "logins", -1, usage.logins_trend),
    _feature("usage", "logins", -1, usage.logins_dip),
    _feature("usage", "logins", -1, usage.logins_slope),
    _feature("usage", "logins", 1, usage.weeks_since_login),
    _feature("usage", "logins", -1, usage.login_weeks_active),
    _feature("usage", "usage", -1, usage.usage_level),
    _feature("usage", "usage", -1, usage.usage_trend),
    _feature("usage", "usage", -1, usage.usage_dip),
    _feature("usage", "usage", 1, usage.weeks_since_usage),
    _feature("usage", "usage", -1, usage.usage_days),
    _feature("usage", "usage", -1, usage.usage_days_trend),
    _feature("usage", "usage", 0, usage.usage_per_user),
    _feature("usage", "features", -1, usage.feature_depth),
    _feature("usage", "features", -1, usage.features_used),
    _feature("usage", "features", -1, usage.features_change),
    _feature("usage", "features", 1, usage.features_lost),
    _feature("usage", "seats", -1, usage.seat_use),
    _feature("usage", "seats", 0, usage.users_level),
    _feature("usage", "seats", -1, usage.users_trend),
    _feature("support", "tickets", 0, support.tickets_recent),
    _feature("support", "tickets", 0, support.tickets_trend),
    _feature("support", "tickets", 1, support.tickets_open),
    _feature("support", "tickets", 1, support.tickets_urgent),
    _feature("support", "tickets", 1, support.ticket_oldest_days),
    _feature("mood", "mood", -1, support.mood_now),
    _feature("mood", "mood", -1, support.mood_change),
    _feature("mood", "mood", -1, support.mood_worst),
    _feature("mood", "cancel_talk", 1, support.cancel_talk),
    _feature("mood", "competitor", 1, support.competitor_talk),
    _feature("mood", "satisfaction", -1, support.nps_level),
    _feature("mood", "satisfaction", -1, support.nps_change),
    _feature("mood", "satisfaction", -1, support.csat_level),
    _feature("mood", "satisfaction", -1, support.csat_change),
    _feature("mood", "satisfaction", 1, support.weeks_since_feedback),
    _feature("mood", "csm_view", -1, support.csm_sentiment),
    _feature("relationship", "replies", 1, support.reply_hours),
    _feature("relationship", "replies", 1, support.reply_trend),
    _feature("relationship", "replies", 1, support.silent_days),
    _feature("relationship", "replies", -1, support.message_words),
    _feature("relationship", "replies", -1, support.messages_trend),
    _feature("relationship", "sponsor", -1, people.sponsor_lost),
    _feature("relationship", "sponsor", 1, people.sponsor_missing),
    _feature("relationship", "sponsor", -1, people.sponsor_changed),
    _feature("relationship", "champion", -1, people.champion_lost),
    _feature("relationship", "champion", 1, people.champion_missing),
    _feature("relationship", "contacts", 1, people.contacts_left),
    _feature("relationship", "contacts", -1, people.contacts_known),
    _feature("relationship", "contacts", -1, people.contacts_engaged),
    _feature("relationship", "meetings", 1, people.meetings_cancelled),
    _feature("relationship", "meetings", 1, people.meetings_missed),
    _feature("relationship", "meetings", 1, people.weeks_since_meeting),
    _feature("relationship", "organisation", 1, people.organisation_changed),
    _feature("relationship", "legal", 1, people.legal_talk),
    _feature("relationship", "goodwill", -1, people.good_signs),
    _feature("delivery", "milestones", 1, work.milestones_late),
    _feature("delivery", "milestones", 1, work.milestone_late_days),
    _feature("delivery", "milestones", 1, work.milestones_missed),
    _feature("delivery", "milestones", 1, work.milestones_missed_run),
    _feature("delivery", "milestones", 1, work.days_since_milestone),
    _feature("delivery", "milestones", 0, work.next_milestone_days),
    _feature("delivery", "milestones", 0, work.milestones_done),
    _feature("delivery", "milestones", 0, work.milestones_due),
    _feature("delivery", "milestones", 0, work.plan_days_left),
    _feature("delivery", "milestones", -1, work.milestone_ahead_days),
    _feature("delivery", "milestones", -1, work.milestone_ahead_change),
    _feature("delivery", "milestones", -1, work.milestone_ahead_least),
    _feature("delivery", "milestones", 1, work.milestones_done_late),
    _feature("delivery", "milestones", -1, work.milestones_done_early),
    _feature("delivery", "milestones", 0, work.milestone_days),
    _feature("delivery", "milestones", 0, work.milestone_pause),
    _feature("delivery", "milestones", -1, work.milestone_scores),
    _feature("delivery", "milestones", -1, work.milestone_score_last),
    _feature("delivery", "milestones", 0, work.milestones_weight_due),
    _feature("delivery", "milestones", -1, work.milestones_weight_done),
    _feature("delivery", "milestones", -1, work.milestones_earned),
    _feature("delivery", "goals", -1, work.kpi_attainment),
    _feature("delivery", "blockers", 1, work.blockers_weight),
    _feature("delivery", "approvals", 1, work.approvals_late),
    _feature("delivery", "scope", 1, work.scope_changes),
    _feature("financial", "budget", 1, work.budget_cut),
    _feature("financial", "invoices", 1, money.invoice_overdue_days),
    _feature("financial", "invoices", 1, money.invoices_paid_late),
    _feature("financial", "invoices", 1, money.payments_failed),
    _feature("financial", "revenue", 0, money.mrr_level),
    _feature("financial", "revenue", -1, money.mrr_change),
    _feature("financial", "revenue", 1, money.mrr_cuts),
    _feature("financial", "price", 0, usage.usage_price),
    _feature("financial", "renewal", 0, money.days_to_renewal),
    _feature("financial", "tenure", 0, money.tenure),
    _feature("financial", "profile", 0, money.tier_rank),
    _feature("health", "health", -1, health.health_score),
    _feature("health", "health_trend", -1, health.health_slope_30),
    _feature("health", "health_trend", -1, health.health_slope_90),
    _feature("health", "health_trend", -1, health.health_drop),
    _feature("health", "health", 1, health.days_below_top),
    _feature("health", "health", 0, health.days_in_band),
    _feature("health", "health", 0, health.health_confidence),
    _feature("health", "health", 0, health.component_usage),
    _feature("health", "health", 0, health.component_outcome),
    _feature("health", "health", 0, health.component_relationship),
    _feature("health", "health", 0, health.component_financial),
    _feature("signs", "signs", 1, signs.signs_showing),
    _feature("signs", "signs", 1, signs.sign_families),
)
COLUMNS: tuple[Column, ...] = tuple(Column(feature.name, feature.reason, feature.direction) for feature in FEATURES)
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
BY_NAME = {feature.name: feature for feature in FEATURES}
_COUNTING = (signs.signs_showing, signs.sign_families)
"""The last of the table: they count what the others found."""
_SINGLE = tuple(feature.of for feature in FEATURES[: -len(_COUNTING)])


def values(view: View) -> list[float]:
    """All features in the order of `FEATURES`."""
    found = [of(view) for of in _SINGLE]
    view.memo.update(zip(_SINGLE, found, strict=True))
    return found + [of(view) for of in _COUNTING]


def extract(state: State, track: HealthTrack, moment: int) -> list[float]:
    """The same at a moment (seconds) not before anything in state or track."""
    return values(View(state, track, moment))


__all__ = ["BY_NAME", "COLUMNS", "FEATURES", "NAMES", "Feature", "View", "extract", "values"]
