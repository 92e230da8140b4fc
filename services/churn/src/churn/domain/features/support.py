"""Families *support* and *mood*: tickets, what people write, how they rate us."""

from __future__ import annotations

from churn.domain.features.view import MISSING, View, count_over, log_ratio
from churn.domain.moments import DAY


def tickets_recent(view: View) -> float:
    """Tickets opened in the last 28 days."""
    return float(count_over(view.state.tickets, view.today, 0, 27)) if view.has("tickets") else MISSING


def tickets_trend(view: View) -> float:
    """ln of tickets in 28 days against the client's own normal of the 84 days before."""
    if not view.has("tickets") or view.baseline_weeks < 3:
        return MISSING
    before = count_over(view.state.tickets, view.today, 28, 27 + 7 * view.baseline_weeks)
    return log_ratio(tickets_recent(view), before * 4 / view.baseline_weeks)


def tickets_open(view: View) -> float:
    """Tickets not solved yet."""
    return float(len(view.state.open_tickets)) if view.has("tickets") else MISSING


def tickets_urgent(view: View) -> float:
    """Open tickets of high or urgent priority."""
    if not view.has("tickets"):
        return MISSING
    return float(sum(1 for _, priority, _ in view.state.open_tickets.values() if priority in ("high", "urgent")))


def ticket_oldest_days(view: View) -> float:
    """Days since the oldest open ticket was opened; 0 with none open."""
    if not view.has("tickets"):
        return MISSING
    opened = [at for at, _, _ in view.state.open_tickets.values()]
    return (view.moment - min(opened)) / DAY if opened else 0.0


def mood_now(view: View) -> float:
    """Mean sentiment (−1 … 1) of what client people wrote in the last 42 days."""
    return view.spans("mood").mean / 1000


def mood_change(view: View) -> float:
    """The last 42 days' mood less that of the 84 days before."""
    return mood_now(view) - view.spans("mood").mean_before / 1000


def mood_worst(view: View) -> float:
    """The worst day's mean sentiment in the last 28 days."""
    days = [total / n for day, (n, total) in view.state.mood.items() if 0 <= view.today - day < 28]
    return min(days) / 1000 if days else MISSING


def cancel_talk(view: View) -> float:
    """Days of the last 60 on which somebody wrote of cancelling."""
    return float(view.marks("cancel_intent", 60)) if view.has("mood") else MISSING


def competitor_talk(view: View) -> float:
    """Days of the last 90 on which a competitor came up."""
    return float(view.marks("competitor", 90)) if view.has("mood") else MISSING


def nps_level(view: View) -> float:
    """The last NPS answers of the past 200 days as a share of the scale (0 … 1), mean of up to three."""
    return _rating(view, "nps", 200, 3)


def nps_change(view: View) -> float:
    """The last NPS answer less the mean of those before it."""
    return _rating_change(view, "nps")


def csat_level(view: View) -> float:
    """Mean of the last five CSAT and onboarding ratings of 120 days, 0 … 1."""
    return _rating(view, "csat", 120, 5)


def csat_change(view: View) -> float:
    """The mean of the last two CSAT ratings less the mean of those before."""
    return _rating_change(view, "csat", last=2)


def weeks_since_feedback(view: View) -> float:
    """Weeks since anybody answered a survey, rated a ticket or gave feedback, up to 26; missing if nobody ever did."""
    given = [ratings[-1][0] for kind in ("nps", "csat") if (ratings := view.ratings.get(kind))]
    told = view.last_mark("feedback")
    last = max([*given, *([told] if told is not None else [])], default=None)
    return MISSING if last is None else min(26.0, (view.moment - last) / (7 * DAY))


def csm_sentiment(view: View) -> float:
    """The CSM's own feeling, 1 … 5, if given in the last 60 days."""
    given = view.state.csm_sentiment
    return float(given[1]) if given and view.moment - given[0] <= 60 * DAY else MISSING


def reply_hours(view: View) -> float:
    """Mean hours that the client took to answer us, last 42 days."""
    return view.spans("replies").mean / 60


def reply_trend(view: View) -> float:
    """ln of those hours against the 84 days before."""
    now, before = reply_hours(view), view.spans("replies").mean_before / 60
    return log_ratio(now, before) if now == now and before == before else MISSING


def silent_days(view: View) -> float:
    """Days for which something we asked has gone unanswered; 0 when nothing waits."""
    if not view.has("messages"):
        return MISSING
    return view.days_since(view.state.asked_at) if view.state.asked_at is not None else 0.0


def message_words(view: View) -> float:
    """ln of words a message, last 42 days against the 84 before: messages get shorter."""
    now, before = view.spans("words").mean, view.spans("words").mean_before
    return log_ratio(now, before, 5.0) if now == now and before == before else MISSING


def messages_trend(view: View) -> float:
    """ln of messages from the client, last 42 days against the pace of the 84 before."""
    if not view.state.words or view.baseline_weeks < 3:
        return MISSING
    messages = view.spans("words")
    return log_ratio(messages.number, messages.number_before / 2)


def _rating(view: View, kind: str, days: int, last: int) -> float:
    since = view.moment - days * DAY
    found: list[int] = [score for at, score, _ in view.ratings.get(kind, ()) if at > since][-last:]
    return sum(found) / len(found) / 1000 if found else MISSING


def _rating_change(view: View, kind: str, last: int = 1) -> float:
    scores: list[int] = [score for _, score, _ in view.ratings.get(kind, ())]
    if len(scores) <= last:
        return MISSING
    now, before = scores[-last:], scores[:-last]
    return (sum(now) / len(now) - sum(before) / len(before)) / 1000
