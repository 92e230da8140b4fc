"""From a matched rule to deliveries: to whom, on which channels, and what is held back and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from common.contracts.ids import derived_id

from notify.domain.card import Card
from notify.domain.occasion import Occasion
from notify.domain.rules import Channel, Limit, Rule, To


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: a person's e-mail address (on either channel), or `#channel` on Slack."""

    channel: Channel
    recipient: str


@dataclass(frozen=True, slots=True)
class Preference:
    """What one of us asked for. No channels named: whatever the rule says."""

    person: str
    channels: tuple[Channel, ...] | None = None
    muted: frozenset[str] = frozenset()
    quiet_until: datetime | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """The recipients that are no person of a client's: configuration."""

    team: str
    on_call: str


@dataclass(frozen=True, slots=True)
class Told:
    """What throttling remembers: a rule's group spoke about a matter of a client."""

    group: str
    matter_of: UUID
    """The client, or what stands for the feed."""
    scope: str


@dataclass(slots=True)
class Surroundings:
    """What must be known to address a batch of occasions; `told` and `counts` move on with each."""

    preferences: Mapping[str, Preference] = field(default_factory=dict)
    quiet_clients: Mapping[UUID, datetime] = field(default_factory=dict)
    told: dict[Told, datetime] = field(default_factory=dict)
    counts: dict[Address, int] = field(default_factory=dict)
    """Bounded messages to an address within the limit's span."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One delivery to be: queued, or suppressed for a reason. `notes` go into the message."""

    delivery_id: UUID
    address: Address
    held: str | None = None
    notes: tuple[str, ...] = ()


def delivery_id(event_id: UUID, rule: str, address: Address) -> UUID:
    """The same cause, rule, recipient and channel make the same delivery, however often they are processed."""
    return derived_id("delivery", event_id, rule, address.recipient, address.channel.value)


def told_by(rule: Rule, occasion: Occasion) -> Told | None:
    if rule.throttle is None:
        return None
    matter_of = occasion.client_id or derived_id("feed", occasion.event.subject)
    return Told(rule.throttle.group or rule.name, matter_of, rule.throttle.scope(occasion))


def route(
    rule: Rule,
    occasion: Occasion,
    card: Card | None,
    around: Surroundings,
    directory: Directory,
    limit: Limit,
    now: datetime,
) -> list[Planned]:
    """All deliveries of one occasion; `around` is brought up to date for the next one."""
    addresses, notes = addresses_of(rule, occasion, card, around.preferences, directory)
    held = _held_for_all(rule, occasion, card, around, now)
    planned = []
    for address in addresses:
        reason = held or _held_for_one(rule, address, around, limit, now)
        told = notes
        if reason is None and rule.bounded:
            around.counts[address] = around.counts.get(address, 0) + 1
            if around.counts[address] == limit.most:
                told = (*notes, _last_before_limit(limit))
        planned.append(Planned(delivery_id(occasion.event.id, rule.name, address), address, reason, told))
    matter = told_by(rule, occasion)
    if matter is not None and any(item.held is None for item in planned):
        around.told[matter] = max(occasion.at, around.told.get(matter, occasion.at))
    return planned


def addresses_of(
    rule: Rule, occasion: Occasion, card: Card | None, preferences: Mapping[str, Preference], directory: Directory
) -> tuple[list[Address], tuple[str, ...]]:
    """People on the rule's channels (less what they switched off); the team's channel when nobody is named."""
    addresses: dict[Address, None] = {}
    missing = []
    for to in rule.to:
        recipient = recipient_of(to, occasion, card, directory)
        if recipient is None:
            missing.append(to)
        elif "@" in recipient:
            wanted = preferences.get(recipient, Preference(recipient)).channels
            for channel in rule.channels:
                if wanted is None or channel in wanted:
                    addresses[Address(channel, recipient)] = None
        else:
            addresses[Address(Channel.SLACK, recipient)] = None
    if missing and not any("@" in address.recipient for address in addresses):
        addresses[Address(Channel.SLACK, directory.team)] = None
        return list(addresses), (f"Sent to the team: nobody is named as {_spoken(missing)} of this client.",)
    return list(addresses), ()


def recipient_of(to: To, occasion: Occasion, card: Card | None, directory: Directory) -> str | None:
    """The case's people win over the client's own; e-mail addresses are compared in lower case."""
    if to is To.TEAM:
        return directory.team
    if to is To.ON_CALL:
        return directory.on_call
    case = card.case(occasion.case_id) if card else None
    people = {
        To.CSM: (occasion.case_csm, case and case.csm, card and card.csm),
        To.EXECUTIVE_SPONSOR: (occasion.case_sponsor, case and case.sponsor, card and card.sponsor),
        To.OWNER: (occasion.owner, card and card.csm),
    }
    named = next((person for person in people[to] if person), None)
    return named.lower() if named else None


def _spoken(missing: list[To]) -> str:
    words = {To.CSM: "CSM", To.EXECUTIVE_SPONSOR: "executive sponsor", To.OWNER: "owner"}
    return " or ".join(words[to] for to in missing)


def _held_for_all(rule: Rule, occasion: Occasion, card: Card | None, around: Surroundings, now: datetime) -> str | None:
    if card is not None and card.test:
        return "test client"
    quiet = around.quiet_clients.get(occasion.client_id) if occasion.client_id else None
    if quiet is not None and now < quiet:
        return f"client is quiet until {quiet.isoformat()}"
    if now - occasion.at > rule.stale_after:
        return f"stale: happened at {occasion.at.isoformat()}"
    matter = told_by(rule, occasion)
    last = around.told.get(matter) if matter else None
    if last is not None and rule.throttle is not None and occasion.at < last + rule.throttle.window:
        return f"throttled: told at {last.isoformat()}"
    return None


def _held_for_one(rule: Rule, address: Address, around: Surroundings, limit: Limit, now: datetime) -> str | None:
    preference = around.preferences.get(address.recipient)
    if preference is not None and preference.quiet_until is not None and now < preference.quiet_until:
        return f"recipient is quiet until {preference.quiet_until.isoformat()}"
    if preference is not None and rule.name in preference.muted:
        return "recipient muted this rule"
    if rule.bounded and around.counts.get(address, 0) >= limit.most:
        return f"limit: {limit.most} messages within {limit.within}"
    return None


def _last_before_limit(limit: Limit) -> str:
    return (
        f"This is message {limit.most} within {limit.within}: more alerts of this kind are held back "
        "for now and listed under suppressed deliveries."
    )
