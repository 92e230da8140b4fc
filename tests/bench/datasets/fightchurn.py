#!/usr/bin/env python3
"""Canonical client events of a folder laid out like ../shared/data/fightchurn, in the order of time.

An account is a client, known from its first term on, as `ref:fightchurn:account:<account_id>`.

  accounts           client_registered at the first term's start: name, segment (= channel), renewal_on
  subscriptions      one subscription per kind of unit (users: the plan, with its seats; the add-ons), so that a switch
                     of plans is one change: subscription_changed where its price or its seats change.
                     contract_renewed where a later term starts, with its end; at its end if nothing follows:
                     contract_cancelled and the subscriptions to 0, at 00:00 of that day. A term that follows
                     within 30 days (a late renewal, not a departure) changes nothing
  churn_labels       must agree with the terms; its rows tell until when the folder knows who left
  usage_daily        usage_recorded (feature = event_type, quantity = count) at the last second of its day
  active_users_daily active_users of the first of that day's uses
  events_small       with --raw: only its accounts, every use at its own time, active_users at the last one of a day

Nothing is said of what came after the last start of a term or churn date in the folder (2024-01-01): later uses are
there, but not whether their accounts stayed, and a reader would count those as stayers (--until can only cut off more).
No contract start is claimed: the product is self-service, and none of our onboarding milestones was ever planned there.
Amounts are US dollars.
Not mapped: country, discount, value_sum/event_value (money moved inside the product), user_id.
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Iterator
from datetime import date
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.bench.datasets.lines import Left, Speaker, Timed, Usage, end_of, run, start_of, usd
from tests.bench.datasets.tables import Table, cents, count, day, name, one_of, second

SOURCE = "fightchurn"
PLAN = "users"
LATE_RENEWAL_DAYS = 30


class Term(NamedTuple):
    """A product paid for, from `start` until before `end` (days)."""

    start: str
    end: str
    unit: str
    product: str
    cents: int
    quantity: int


Terms = dict[str, list[Term]]
Accounts = dict[str, str]
"""Account → channel."""


def convert(folder: Path, given: argparse.Namespace, left: Left) -> Iterator[str]:
    """The lines, in the order of time."""
    every = _accounts(folder)
    terms = _terms(folder, every, left)
    known_until = _known_until(folder, terms)
    until = min(given.until or known_until, known_until)
    chosen = list(_raw_accounts(folder)) if given.raw else list(every)
    accounts = {account: every[account] for account in islice(filter(terms.__contains__, chosen), given.clients)}
    started = {account: terms[account][0].start for account in accounts}
    uses = (_raw_uses if given.raw else _uses)(folder, every, started, left)
    stories = sorted(
        (event for account in accounts for event in _story(account, every[account], terms[account], until)),
        key=itemgetter(0),
    )
    for time, line in heapq.merge(stories, uses, key=itemgetter(0)):
        if time > start_of(until):
            return
        yield line


def _accounts(folder: Path) -> Accounts:
    table = Table(folder, "accounts", ("account_id", "channel"))
    found: Accounts = {}
    with table.named_in_errors():
        for account, channel in table.rows():
            if account in found:
                raise ValueError(f"account {account} stands there before")
            found[name(account)] = name(channel)
    return found


def _terms(folder: Path, accounts: Accounts, left: Left) -> Terms:
    columns = ("account_id", "start_date", "end_date", "units", "product", "mrr", "quantity")
    table = Table(folder, "subscriptions", columns)
    found: Terms = {}
    with table.named_in_errors():
        for account, start, end, unit, product, mrr, quantity in table.rows():
            if account not in accounts:
                left.out(table.file, table.line, "account that accounts does not have")
                continue
            term = Term(day(start), day(end), name(unit), name(product), cents(mrr), count(quantity))
            if term.end <= term.start:
                raise ValueError(f"the term ends on {end}, before it began")
            found.setdefault(account, []).append(term)
    for own in found.values():
        own.sort()
    return found


def _known_until(folder: Path, terms: Terms) -> str:
    """The last day on which the folder can tell who left; its labels must agree with its terms."""
    table = Table(folder, "churn_labels", ("account_id", "last_paid_to", "churned", "churn_date"))
    latest = max((term.start for own in terms.values() for term in own), default="")
    stayed: list[tuple[int, str, str]] = []
    with table.named_in_errors():
        for account, paid_to, churned, churn_date in table.rows():
            left_on = day(churn_date) if one_of(churned, ("0", "1")) == "1" else ""
            if account not in terms:
                continue
            if max(term.end for term in terms[account]) != day(paid_to):
                raise ValueError(f"account {account} is paid until {paid_to}, but its terms are not")
            if left_on not in ("", paid_to):
                raise ValueError(f"account {account} left on {left_on}, but is paid until {paid_to}")
            if not left_on:
                stayed.append((table.line, account, paid_to))
            latest = max(latest, left_on)
        for line, account, paid_to in stayed:
            if paid_to <= latest:
                table.line = line
                raise ValueError(f"account {account} has not left, but is paid only until {paid_to}")
    return latest


def _story(account: str, channel: str, terms: list[Term], until: str) -> Iterator[Timed]:
    """All but the uses, in order."""
    speaker = Speaker(SOURCE, account)
    paid: dict[str, tuple[int, int]] = {}
    ends = ""
    for today in sorted({t.start for t in terms} | {t.end for t in terms}):
        if today > until:
            return
        at, running = start_of(today), [t for t in terms if t.start <= today < t.end]
        if not running:
            if not _renewed_late(terms, today):
                yield speaker.say("contract_cancelled", at, {"effective_on": today, "reason": "not renewed"})
                yield from _priced(speaker, account, at, paid, running)
            continue
        last = max(t.end for t in running)
        if not ends:
            yield speaker.registered(at, name=f"Account {account}", segment=channel, renewal_on=last)
        elif last > ends:
            yield speaker.say("contract_renewed", at, {"starts_on": today, "ends_on": last})
        ends = last
        yield from _priced(speaker, account, at, paid, running)


def _renewed_late(terms: list[Term], end: str) -> bool:
    return any(
        t.start > end and (date.fromisoformat(t.start) - date.fromisoformat(end)).days <= LATE_RENEWAL_DAYS
        for t in terms
    )


def _priced(
    speaker: Speaker, account: str, at: str, paid: dict[str, tuple[int, int]], running: list[Term]
) -> Iterator[Timed]:
    """What changes about the subscriptions. What grows is said first: the client never passes through 0."""
    now = dict.fromkeys(paid, (0, 0))
    for term in running:
        before = now.get(term.unit, (0, 0))
        now[term.unit] = (before[0] + term.cents, before[1] + term.quantity)
    changed = [unit for unit, terms in now.items() if paid.get(unit) != terms]
    for unit in sorted(changed, key=lambda unit: (paid.get(unit, (0, 0))[0] - now[unit][0], unit)):
        amount, quantity = now[unit]
        status = "active" if amount or quantity else "canceled"
        data: dict[str, Any] = {"subscription_id": f"{account}:{unit}", "status": status}
        if unit in paid:
            data["mrr_before"] = usd(paid[unit][0])
        data["mrr_after"] = usd(amount)
        if unit == PLAN and quantity:
            data["seats"] = quantity
        yield speaker.say("subscription_changed", at, data)
        paid[unit] = now[unit]


def _uses(folder: Path, accounts: Accounts, started: dict[str, str], left: Left) -> Iterator[Timed]:
    """Daily counts; a day's first use of an account also says how many people were active on that day."""
    table = Table(folder, "usage_daily", ("day", "account_id", "event_type", "count"))
    speaker, people = Usage(SOURCE, started), _People(folder)
    today, users, at = "", dict[str, int](), ""
    with table.named_in_errors():
        for when, account, feature, quantity in table.rows_in_order("day", day):
            if when != today:
                today, users = when, people.of(day(when))
                at = end_of(today)
            if account not in started:
                _leave_out(table, account, accounts, left)
            elif when < started[account]:
                left.out(table.file, table.line, "use before the account's first term")
            else:
                yield speaker.say(account, at, feature, count(quantity), users.pop(account, None))


def _leave_out(table: Table, account: str, accounts: Accounts, left: Left) -> None:
    """Those that `--clients` leaves out are not told."""
    if account not in accounts:
        left.out(table.file, table.line, "account that accounts does not have")


class _People:
    """Active users day by day; days are asked for in order."""

    def __init__(self, folder: Path) -> None:
        self._table = Table(folder, "active_users_daily", ("day", "account_id", "users"))
        self._days = groupby(self._table.rows_in_order("day", day), key=itemgetter(0))
        self._next = next(self._days, None)

    def of(self, today: str) -> dict[str, int]:
        while self._next is not None and self._next[0] < today:
            self._next = next(self._days, None)
        if self._next is None or self._next[0] != today:
            return {}
        with self._table.named_in_errors():
            return {account: count(users) for _, account, users in self._next[1]}


def _raw_accounts(folder: Path) -> dict[str, None]:
    return dict.fromkeys(account for (account,) in Table(folder, "events_small", ("account_id",)).rows())


def _raw_uses(folder: Path, accounts: Accounts, started: dict[str, str], left: Left) -> Iterator[Timed]:
    """Every use at its own time; an account's last one of a day says how many people were active until then."""
    table = Table(folder, "events_small", ("event_time", "account_id", "event_type"))
    speaker, people = Usage(SOURCE, started), _People(folder)
    with table.named_in_errors():
        for today, rows in groupby(table.rows_in_order("event_time", second), key=lambda row: row[0][:10]):
            uses = [row for row in rows if row[1] in started and today >= started[row[1]]]
            users, last = people.of(day(today)), {account: n for n, (_, account, _) in enumerate(uses)}
            alike: dict[tuple[str, ...], int] = {}
            for n, (when, account, feature) in enumerate(uses):
                same = alike[when, account, feature] = alike.get((when, account, feature), -1) + 1
                active = users.get(account) if last[account] == n else None
                yield speaker.say(account, second(when), feature, 1, active, same)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--raw", action="store_true", help="every single use (events_small) instead of daily counts")


if __name__ == "__main__":
    sys.exit(run(convert, __doc__ or "", _options))
