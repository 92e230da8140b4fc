#!/usr/bin/env python3
"""Canonical client events of a folder laid out like ../shared/data/ravenstack: registrations, then all by time.

An account is a client, `ref:ravenstack:account:<account_id>`. Every row keeps its own time, also the many uses that lie
before their subscription or before the account's sign-up.

  accounts        client_registered at 00:00 of signup_date: name, industry
  subscriptions   subscription_changed at 00:00 of start_date (mrr_amount, seats, active or trialing) and, to 0, at the
                  last second of end_date
  feature_usage   usage_recorded (feature_name, usage_count) at the last second of usage_date, for the subscription's
                  account
  support_tickets ticket_opened at submitted_at (midnight, as closed_at counts from it), ticket_updated by us at the
                  first response, ticket_resolved at closed_at with satisfaction_score of 5 as csat; medium is normal
  churn_events    contract_cancelled with reason_code at the last second of churn_date, and feedback_given with
                  feedback_text as its words. A client that comes back (its next subscription starts on a later day):
                  contract_renewed, which takes the notice back; nothing else about its subscriptions is touched, though
                  most of them go on after a churn event

Nothing is said of what came after the last day of a sign-up, subscription or churn event (2024-12-31), since of later
days it is not known who left. Not used, since they tell the end or an unknown moment: churn_flag, upgrade_flag,
downgrade_flag, is_reactivation, escalation_flag, preceding_*; plan_tier, seats and is_trial of accounts. Not mapped:
country, referral_source, billing frequency, duration and errors of uses, refunds. Amounts are US dollars. No contract
start is claimed, so that no onboarding is planned. Credit: River @ Rivalytics.
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.bench.datasets.lines import Left, Speaker, Timed, Usage, end_of, run, start_of, usd
from tests.bench.datasets.tables import Table, cents, count, day, name, number, one_of, optional_day, second

SOURCE = "ravenstack"
PRIORITIES = {"low": "low", "medium": "normal", "high": "high", "urgent": "urgent"}
CSAT_SCALE = 5
NOBODY = "account that accounts does not have"


class Account(NamedTuple):
    """A row of accounts."""

    signed_up: str
    name: str
    industry: str


class Subscription(NamedTuple):
    """A row of subscriptions; days."""

    start: str
    id: str
    ends: str | None
    cents: int
    seats: int
    trial: bool


class Departure(NamedTuple):
    """A row of churn_events."""

    day: str
    reason: str
    words: str


def convert(folder: Path, given: argparse.Namespace, left: Left) -> Iterator[str]:
    """The lines: registrations first, since uses come before them."""
    every = _accounts(folder)
    signed = {a: record for a, record in every.items() if not given.until or record.signed_up <= given.until}
    accounts = dict(islice(signed.items(), given.clients))
    subscriptions = _subscriptions(folder, every, left)
    departures = _departures(folder, every, left)
    owners = {s.id: account for account, own in subscriptions.items() for s in own}
    stories = (_story(a, subscriptions.get(a, []), departures.get(a, [])) for a in accounts)
    streams = (
        sorted((event for story in stories for event in story), key=itemgetter(0)),
        _uses(folder, accounts, owners, left),
        _tickets(folder, every, accounts, left),
    )
    for account, record in accounts.items():
        at = start_of(record.signed_up)
        yield Speaker(SOURCE, account).registered(at, name=record.name, industry=record.industry)[1]
    limit = start_of(given.until) if given.until else end_of(_last_day(every, subscriptions, departures))
    for time, line in heapq.merge(*streams, key=itemgetter(0)):
        if time > limit:
            return
        yield line


def _accounts(folder: Path) -> dict[str, Account]:
    table = Table(folder, "accounts", ("account_id", "signup_date", "account_name", "industry"))
    found: dict[str, Account] = {}
    with table.named_in_errors():
        for account, signed_up, title, industry in table.rows():
            if account in found:
                raise ValueError(f"account {account} stands there before")
            found[name(account)] = Account(day(signed_up), name(title), name(industry))
    return found


def _subscriptions(folder: Path, accounts: dict[str, Account], left: Left) -> dict[str, list[Subscription]]:
    columns = ("subscription_id", "account_id", "start_date", "end_date", "mrr_amount", "seats", "is_trial")
    table = Table(folder, "subscriptions", columns)
    found: dict[str, list[Subscription]] = {}
    with table.named_in_errors():
        for id_, account, start, end, mrr, seats, trial in table.rows():
            if account not in accounts:
                left.out(table.file, table.line, NOBODY)
                continue
            on_trial = one_of(trial, ("True", "False")) == "True"
            entry = Subscription(day(start), name(id_), optional_day(end), cents(mrr), count(seats), on_trial)
            if entry.ends is not None and entry.ends < entry.start:
                raise ValueError(f"ends on {end}, before it began")
            found.setdefault(account, []).append(entry)
    return found


def _departures(folder: Path, accounts: dict[str, Account], left: Left) -> dict[str, list[Departure]]:
    table = Table(folder, "churn_events", ("account_id", "churn_date", "reason_code", "feedback_text"))
    found: dict[str, list[Departure]] = {}
    with table.named_in_errors():
        for account, left_on, reason, words in table.rows():
            if account in accounts:
                found.setdefault(account, []).append(Departure(day(left_on), reason, words))
            else:
                left.out(table.file, table.line, NOBODY)
    return found


def _last_day(
    accounts: dict[str, Account], subscriptions: dict[str, list[Subscription]], departures: dict[str, list[Departure]]
) -> str:
    """The last day of which the folder can tell who left."""
    days = [record.signed_up for record in accounts.values()]
    days += [day for own in subscriptions.values() for s in own for day in (s.start, s.ends) if day]
    days += [left.day for own in departures.values() for left in own]
    return max(days, default="")


def _story(account: str, subscriptions: list[Subscription], departures: list[Departure]) -> list[Timed]:
    """Subscriptions, departures and returns of one account, in order."""
    happenings: list[tuple[str, int, str, dict[str, Any], str]] = []
    for own in subscriptions:
        changed = {"subscription_id": own.id, "status": "trialing" if own.trial else "active",
                   "mrr_after": usd(own.cents), "seats": own.seats}  # fmt: skip
        happenings.append((start_of(own.start), 1, "subscription_changed", changed, ""))
        if own.ends is not None:
            ended = {"subscription_id": own.id, "status": "canceled", "mrr_before": usd(own.cents), "mrr_after": usd(0)}
            happenings.append((end_of(own.ends), 2, "subscription_changed", ended, ""))
    for left in departures:
        at, cancelled = end_of(left.day), {"effective_on": left.day}
        happenings.append(
            (at, 3, "contract_cancelled", cancelled | ({"reason": left.reason} if left.reason else {}), "")
        )
        if left.words:
            happenings.append((at, 4, "feedback_given", {}, left.words))
    happenings.extend(
        (start_of(start), 0, "contract_renewed", {"starts_on": start}, "")
        for start in _returns({own.start for own in subscriptions}, {left.day for left in departures})
    )
    speaker = Speaker(SOURCE, account)
    return [
        speaker.say(kind, at, data, text=words) for at, _, kind, data, words in sorted(happenings, key=itemgetter(0, 1))
    ]


def _returns(starts: set[str], departures: set[str]) -> set[str]:
    """Days on which a client that had left begins again: the first start after each departure."""
    return {min(later) for left in departures if (later := [start for start in starts if start > left])}


def _uses(folder: Path, accounts: dict[str, Account], owners: dict[str, str], left: Left) -> Iterator[Timed]:
    table = Table(folder, "feature_usage", ("usage_date", "subscription_id", "feature_name", "usage_count", "usage_id"))
    speaker, today, alike = Usage(SOURCE, accounts), "", dict[tuple[str, ...], int]()
    with table.named_in_errors():
        for when, subscription, feature, quantity, _ in table.rows_in_order("usage_date", day):
            if when != today:
                today, alike = day(when), {}
            account = owners.get(subscription)
            if account is None:
                left.out(table.file, table.line, "subscription that subscriptions does not have")
            elif account in accounts:
                same = alike[account, feature, quantity] = alike.get((account, feature, quantity), -1) + 1
                yield speaker.say(account, end_of(when), feature, count(quantity), None, same)


def _tickets(folder: Path, every: dict[str, Account], accounts: dict[str, Account], left: Left) -> Iterator[Timed]:
    """What happens to a ticket waits until its time has come among what happens to others."""
    columns = ("submitted_at", "account_id", "ticket_id", "closed_at", "priority", "first_response_time_minutes",
               "satisfaction_score")  # fmt: skip
    table, later = Table(folder, "support_tickets", columns), list[Timed]()
    with table.named_in_errors():
        for when, account, ticket, closed, priority, minutes, rating in table.rows_in_order("submitted_at", day):
            if account not in accounts:
                if account not in every:
                    left.out(table.file, table.line, NOBODY)
                continue
            at, speaker, which = start_of(day(when)), Speaker(SOURCE, account), {"ticket_id": name(ticket)}
            while later and later[0][0] < at:
                yield heapq.heappop(later)
            yield speaker.say(
                "ticket_opened", at, which | {"priority": PRIORITIES[one_of(priority, tuple(PRIORITIES))]}
            )
            if minutes:
                heapq.heappush(later, speaker.say("ticket_updated", _after(at, minutes), which | {"author": "us"}))
            if closed:
                resolved = which | {"status": "closed"} | _csat(rating)
                heapq.heappush(later, speaker.say("ticket_resolved", second(closed), resolved))
    yield from sorted(later)


def _after(at: str, minutes: str) -> str:
    moment = datetime.fromisoformat(at) + timedelta(minutes=number(minutes))
    return moment.isoformat().replace("+00:00", "Z")


def _csat(rating: str) -> dict[str, Any]:
    if not rating:
        return {}
    score = number(rating)
    if not 1 <= score <= CSAT_SCALE:
        raise ValueError(f"a satisfaction of {rating} is not on the scale from 1 to {CSAT_SCALE}")
    return {"csat": {"score": score, "scale_max": CSAT_SCALE}}


if __name__ == "__main__":
    sys.exit(run(convert, __doc__ or "", lambda _: None))
