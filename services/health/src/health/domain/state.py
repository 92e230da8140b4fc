"""What health remembers of a client: bounded, integers, UTC days. A pure fold over its facts makes it (`fold`).

Fields hold plain JSON values, so that reading and writing a row is one call into C. Days and seconds count as in
`moments`; ratios are per mille; people are four-byte hashes of their contact ids. A `Mark` at the end of an entry is
the id (hex) of the event that made it: explanations point there.
"""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Any, TypeAlias
from zlib import crc32

FOLD_VERSION = 7
"""Raised when a fold of the same facts gives another state: rows of older versions are folded again."""

ACTIVITY_DAYS = 112
"""28 days against the client's own earlier 84."""
USAGE_DAYS = 56
LOG_LENGTH = 256
FEATURES = 64
PEOPLE = 300
"""More distinct users than this are not counted one by one: `UsageRecorded.active_users` says how many."""
SOURCES_PER_FAMILY = 4

Mark: TypeAlias = str
Entry: TypeAlias = list[Any]
"""One JSON array; its places are named where its field is declared."""


class ClientState:
    """One client, folded up to its last fact. Mutable on purpose: a fold over ten thousand facts copies nothing."""

    __slots__ = (
        "active_end", "active_mask", "advocacy", "approvals", "attendance", "blockers", "budget",
        "cancelled_meetings", "contact_changes", "contacts", "contract_start", "csats", "csm_mood", "deliverables",
        "disputes", "failed_payments", "features", "feeds", "first", "first_active", "first_kpi", "handed_off",
        "imported", "invoices", "kpis", "last", "last_login", "logins", "logins_end", "marks", "meetings",
        "meetings_held", "meetings_planned", "milestones", "moods", "mrr_log", "notice", "open_tickets", "ours",
        "paid", "plan_moves", "profile", "reached_out", "renewal", "renewed", "replies", "reported_users", "said",
        "seen", "spoke", "sponsor_changed", "subscriptions", "surveys", "surveys_sent", "tickets_opened", "trainings",
        "usage", "usage_end", "users", "waiting", "weeks",
    )  # fmt: skip

    first: int | None
    """Second of the first fact."""
    seen: int | None
    """Second at which we first heard of it ourselves: its first live fact, or the end of its import."""
    last: int
    """Second of the latest fact."""
    profile: dict[str, Any]
    imported: int | None
    """Second at which an import of its history was complete."""
    feeds: dict[str, dict[str, Entry]]
    """Family → source → [second of its latest fact, 1 if it ever came live]."""
    marks: dict[str, Mark]
    """Topic → latest event about it."""
    active_end: int
    active_mask: int
    """Bit k is set if the client was active k days before `active_end`."""
    last_login: int | None
    first_active: int | None
    """Second of the first login or use."""
    first_kpi: int | None
    """Second at which a value of an agreed KPI was first reported."""
    usage_end: int
    usage: list[int]
    """Used quantity in hundredths, a day each, the last being `usage_end`."""
    features: dict[str, Entry]
    """Feature → [first day, last day]."""
    users: dict[str, int]
    """Person → last day seen in the product."""
    reported_users: list[Entry]
    """[day, active users as the source counts them]."""
    kpis: dict[str, Entry]
    """KPI → [up?, baseline, target, due day, value (all in thousandths), day of value, second met, mark]."""
    tickets_opened: list[int]
    open_tickets: dict[str, Entry]
    """Ticket → [priority, day opened, mark]."""
    moods: list[Entry]
    """[day, sum of sentiments in thousandths, texts]."""
    surveys: dict[str, list[Entry]]
    """Survey → [day, score per mille of its scale, person, mark, occasion]."""
    csats: list[Entry]
    """[day, score per mille, mark]."""
    contacts: dict[str, str]
    """Person → role."""
    sponsor_changed: Entry | None
    """[day, mark]."""
    replies: list[Entry]
    """[day, minutes the client took to answer us, mark]."""
    waiting: dict[str, Entry]
    """Thread or message of ours that waits for an answer → [second asked, mark]."""
    meetings: dict[str, Entry]
    """Kind → [second first held, second last held, day of the latest scheduled start, mark]; None where not yet."""
    cancelled_meetings: list[int]
    invoices: dict[str, Entry]
    """Unpaid invoice → [day due, mark]."""
    failed_payments: list[Entry]
    """[day, invoice, mark]."""
    disputes: dict[str, Entry]
    """Invoice → [day, mark]."""
    subscriptions: dict[str, Entry]
    """Subscription → [currency, MRR in minor units]; "" is the MRR of the record, used while there are none."""
    mrr_log: list[Entry]
    """[day, currency, MRR of the client from that day, mark]."""
    plan_moves: list[Entry]
    """[day, +1 asks for more / −1 takes less, mark]."""
    contract_start: int | None
    renewal: int | None
    renewed: Entry | None
    """[second of the latest renewal, mark, day of the renewal that it signed; None where that was not known]."""
    notice: Entry | None
    """[second of the notice, day it takes effect, mark]."""
    handed_off: int | None
    milestones: dict[str, Entry]
    """Milestone → [phase, owner, KPI, due, due at first, done, KPI value, times rescheduled, mark, second of the latest
    event about it] in seconds."""
    trainings: dict[str, Entry]
    """Course → [second first completed, required?]."""
    blockers: dict[str, Entry]
    """Open blocker → [severity, kind, second opened]."""
    csm_mood: Entry | None
    """[day, 1–5, mark]."""
    advocacy: int | None
    """Second at which the client first spoke for us."""
    logins: list[int]
    """Logins, a day each, the last being `logins_end`."""
    logins_end: int
    attendance: list[Entry]
    """Meetings to which the client came or not: [day, 1 or 0, mark]."""
    meetings_planned: dict[str, Entry]
    """Meeting that is still to be held → [kind, second of its start, second the agenda was sent, mark]."""
    meetings_held: dict[str, Entry]
    """The latest meetings → [kind, second held, second the summary was sent, mark]."""
    spoke: dict[str, int]
    """Person there → last day on which it spoke, wrote or met with us."""
    ours: dict[str, int]
    """Person of ours → last day in touch with the client."""
    reached_out: int | None
    """Last day on which one of us was in touch unasked: a message, a meeting, a touchpoint by a person."""
    weeks: list[Entry]
    """The client's own words by week: [week, texts, words, questions, sum of sentiments in thousandths, texts with
    one]; a week is `(day − 1) // 7`, Monday to Sunday."""
    said: dict[str, list[Entry]]
    """Topic → its latest mentions, [day, mark]: the names are in `fold.remarks`."""
    contact_changes: list[Entry]
    """Sponsors, champions and decision makers that left, came or changed places: [day, mark, 1 if one was lost]."""
    surveys_sent: list[int]
    approvals: dict[str, Entry]
    """Approval → [second requested, second due, second given, mark]; None where not known or not yet."""
    deliverables: dict[str, Entry]
    """Deliverable → [second due, second completed, rounds of revision, mark]."""
    budget: Entry | None
    """[budget, spent (minor units of one currency), day, mark]."""
    paid: list[Entry]
    """Paid invoices: [day, days late (below 0: early), mark]."""

    def __init__(self) -> None:
        for name, make in _EMPTY:
            setattr(self, name, make())


def _nothing() -> None:
    return None


_NUMBERS = {"active_end", "active_mask", "last", "logins_end", "usage_end"}
_LISTS = {
    "attendance", "cancelled_meetings", "contact_changes", "csats", "failed_payments", "logins", "moods", "mrr_log",
    "paid", "plan_moves", "replies", "reported_users", "surveys_sent", "tickets_opened", "usage", "weeks",
}  # fmt: skip
_OPTIONAL = {
    "advocacy", "budget", "contract_start", "csm_mood", "first", "first_active", "first_kpi", "handed_off", "imported",
    "last_login", "notice", "reached_out", "renewal", "renewed", "seen", "sponsor_changed",
}  # fmt: skip


def _maker(name: str) -> Any:
    if name in _NUMBERS:
        return int
    if name in _LISTS:
        return list
    return _nothing if name in _OPTIONAL else dict


FIELDS: tuple[str, ...] = ClientState.__slots__
_EMPTY = tuple((name, _maker(name)) for name in FIELDS)
_values = attrgetter(*FIELDS)
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def dump(state: ClientState) -> bytes:
    """Compact JSON: the values of the fields, in their order."""
    return _encode(_values(state)).encode()


def load(raw: bytes) -> ClientState:
    """The inverse of `dump`."""
    state = ClientState.__new__(ClientState)
    for name, value in zip(FIELDS, json.loads(raw), strict=True):
        setattr(state, name, value)
    return state


def person(contact_id: str) -> str:
    """A contact in four bytes: enough to tell a client's people apart, and no name."""
    return format(crc32(contact_id.encode()), "x")


def active_days(state: ClientState, day: int, since: int, until: int) -> int:
    """Days with activity among the days `day − since + 1 … day − until` (since > until ≥ 0)."""
    shift = day - state.active_end
    mask = state.active_mask << shift if shift >= 0 else state.active_mask >> -shift
    return ((mask >> until) & ((1 << (since - until)) - 1)).bit_count()


def used(state: ClientState, day: int, since: int, until: int) -> int:
    """Quantity used in the days `day − since + 1 … day − until`, in hundredths."""
    end = len(state.usage) + day - state.usage_end
    return sum(state.usage[max(0, end - since) : max(0, end - until)])
