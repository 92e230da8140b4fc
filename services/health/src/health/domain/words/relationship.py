"""Sentences about how the client's people feel, who of them is with us, and whether they answer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from health.domain.facts.fact import counted, own_normal
from health.domain.fold.people import FORGOTTEN_AFTER
from health.domain.moments import DAY, HOUR
from health.domain.state import Entry
from health.domain.words.sight import Farewell, Sight, Teller, changed, listed, rounded, tenths

RATIO = 1000
TEN = 100


def nps(before: Sight | None, after: Sight) -> str:
    answers = [(day, tenths(value, TEN)) for day, value, *_ in after.state.surveys.get("nps", ())]
    now, was = tenths(after.value, TEN), None if before is None else tenths(before.value, TEN)
    return changed(f"NPS answers average {now} of 10", now, was) + _new("answered", answers, before, after)


def csat(before: Sight | None, after: Sight) -> str:
    answers = [(day, f"{rounded(value, 10)}%") for day, value, _ in after.state.csats]
    now, was = f"{rounded(after.value, 10)}%", None if before is None else f"{rounded(before.value, 10)}%"
    return changed(f"ticket ratings average {now}", now, was) + _new("rated", answers, before, after)


def _new(how: str, answers: Sequence[tuple[int, str]], before: Sight | None, after: Sight) -> str:
    """The answers since, newest first; of one and the same moment (what was learned late) the newest one."""
    since = -1 if before is None else before.at.day
    fresh = [(day, answer) for day, answer in reversed(answers) if day > since or (since == after.at.day)]
    if before is not None and since == after.at.day:
        fresh = fresh[:1]
    told = [f"{answer} on {after.day(day)}" for day, answer in fresh]
    return f", {how} {listed(told, composed=True)}" if told else ""


def sentiment(before: Sight | None, after: Sight) -> str:
    return changed(f"the client's words sound {_mood(after)}", _mood(after), None if before is None else _mood(before))


def _mood(sight: Sight) -> str:
    value = sight.value
    word = "warm" if value >= 300 else "friendly" if value >= 100 else "neutral" if value > -100 else "unhappy"
    hundredths = rounded(abs(value), 10)
    sign = "−" if value < 0 and hundredths else "+"
    return f"{word}, {sign}{hundredths // 100}.{hundredths % 100:02}"


def ticket_load(before: Sight | None, after: Sight) -> str:
    weeks = own_normal(after.state.first, after.at.day)
    opened, today = after.state.tickets_opened, after.at.day
    month = bisect_right(opened, today - 28)
    usual = tenths(4 * (month - bisect_right(opened, today - 28 - 7 * weeks)), weeks)
    now = len(opened) - month
    former = None
    if before is not None:
        log = before.state.tickets_opened
        former = str(len(log) - bisect_right(log, before.at.day - 28))
    return changed(
        f"{counted(now, 'ticket', 'tickets') if now else 'no ticket'} in 28 days, usually {usual}", str(now), former
    )


def urgent_tickets(before: Sight | None, after: Sight) -> str:
    urgent = [(day, ticket) for ticket, (priority, day, _) in after.state.open_tickets.items() if priority == "urgent"]
    was = None if before is None else str(before.value)
    if not urgent:
        return changed("no urgent ticket open any more" if was else "no urgent ticket open", "0", was)
    names = listed([ticket for _, ticket in sorted(urgent)])
    what = counted(len(urgent), "urgent ticket", "urgent tickets")
    return changed(f"{what} open since {after.day(min(urgent)[0])} ({names})", str(len(urgent)), was)


def sponsor_and_champion(before: Sight | None, after: Sight) -> str | None:
    if before is None:
        return None
    roles, former = set(after.state.contacts.values()), set(before.state.contacts.values())
    moved = after.state.sponsor_changed
    changed_on = "" if moved is None else f" on {after.day(moved[0])}"
    key = [entry[0] for entry in after.state.contact_changes if entry[0] >= before.at.day]
    told = []
    if "sponsor" in former and "sponsor" not in roles:
        told.append(f"sponsor left{changed_on}")
    elif "sponsor" in roles and _is_new(after) and not _is_new(before):
        told.append(f"sponsor changed{changed_on}")
    elif "sponsor" in roles and "sponsor" not in former:
        told.append("a sponsor is there again" if "gone sponsor" in former else "a sponsor is known")
    elif "sponsor" in roles and _is_new(before) and not _is_new(after):
        told.append(f"the new sponsor has been with us for {after.params['new']} days")
    if "champion" in former and "champion" not in roles:
        told.append("champion left" + (f" on {after.day(key[-1])}" if key else ""))
    elif "champion" in roles and "champion" not in former:
        told.append("a champion speaks for us")
    return ", ".join(told) or None


def _is_new(sight: Sight) -> bool:
    moved: Entry | None = sight.state.sponsor_changed
    return moved is not None and bool(moved[0] > sight.at.day - sight.params["new"])


def response_hours(before: Sight | None, after: Sight) -> str:
    was = None if before is None else hours_or_days(before.value)
    now = hours_or_days(after.value)
    waits = [asked for asked, _ in after.state.waiting.values() if after.at.now - asked < FORGOTTEN_AFTER]
    if waits and (after.at.now - min(waits)) // HOUR == after.value:
        return changed(f"no answer to us for {now} (asked on {after.day(min(waits) // DAY)})", now, was)
    return changed(f"answers us within {now}", now, was)


def hours_or_days(hours: int) -> str:
    return counted(hours, "hour", "hours") if hours < 72 else counted(hours // 24, "day", "days")


TELLERS: Mapping[str, Teller] = {
    "nps": nps,
    "csat": csat,
    "sentiment": sentiment,
    "ticket_load": ticket_load,
    "urgent_tickets": urgent_tickets,
    "sponsor_and_champion": sponsor_and_champion,
    "response_hours": response_hours,
}
FAREWELLS: Mapping[str, Farewell] = {
    "nps": lambda after: f"no NPS answer in {after.params['window']} days",
    "csat": lambda after: f"no ticket rated in {after.params['window']} days",
    "sentiment": lambda after: f"no words from the client in {after.params['window']} days",
    "response_hours": lambda after: f"nothing asked or answered in {after.params['window']} days",
}
