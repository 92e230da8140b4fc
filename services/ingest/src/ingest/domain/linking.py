"""Whose a new ref is, by the domains that come with it: the client's own, then that of a contact's address.

Only what fits exactly one client counts. Two clients of one domain, a domain that many share, or a page and an address
that point at different clients, are for a person to decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from ingest.domain.refs import Ref, bare_domain, mail_domain
from ingest.domain.statement import Statement
from ingest.domain.world import World


class Rule(StrEnum):
    """What linked a ref by itself; shown as its `linked_by`."""

    DOMAIN = "domain"
    EMAIL_DOMAIN = "email_domain"


@dataclass(frozen=True, slots=True)
class Fit:
    """The one client that hints fit."""

    client_id: UUID
    rule: Rule


def domains_of(hints: Mapping[str, str]) -> dict[Rule, str]:
    """The domains that hints give, in the order of the rules."""
    found = {Rule.DOMAIN: bare_domain(hints.get("domain")), Rule.EMAIL_DOMAIN: mail_domain(hints.get("email"))}
    return {rule: domain for rule, domain in found.items() if domain}


def fit(statement: Statement, world: World) -> Fit | None:
    """The client of this statement's domains, if it is exactly one."""
    if world.shared is None or statement.client_id is not None or not statement.refs:
        return None
    found: dict[UUID, Rule] = {}
    for rule, domain in domains_of(statement.hints).items():
        if domain in world.shared or (statement.creates and rule is Rule.EMAIL_DOMAIN):
            continue
        for client_id in world.by_domain.get(domain, ()):
            found.setdefault(client_id, rule)
    if len(found) != 1:
        return None
    [(client_id, rule)] = found.items()
    if client_id not in world.clients:
        return None  # not locked here: it is found when the next statement asks
    return None if statement.creates and _has_its_own(world, client_id, statement.refs[0]) else Fit(client_id, rule)


def _has_its_own(world: World, client_id: UUID, ref: Ref) -> bool:
    """One system does not keep a company twice: its second record of the same domain is another client."""
    return any(
        owner.client_id == client_id and (known.source, known.kind) == (ref.source, ref.kind)
        for known, owner in world.owners.items()
    )


def ref_for(rule: Rule, statement: Statement) -> Ref:
    """What is linked: an address says whose a person is, not whose the group is that the person was seen in."""
    if rule is Rule.EMAIL_DOMAIN:
        person = next((ref for ref in (*statement.refs, *statement.links) if not ref.names_client), None)
        if person is not None:
            return person
    return statement.shown_as or statement.refs[0]


def why_parked(hints: Mapping[str, str], world: World) -> str:
    """Why nobody was found, for the person who decides."""
    said = domains_of(hints)
    if not said:
        return "no client has this ref, and no domain or address was said with it"
    reasons = []
    for domain in dict.fromkeys(said.values()):
        clients = world.by_domain.get(domain, set())
        if world.shared is not None and domain in world.shared:
            reasons.append(f"{domain} is shared by many")
        elif len(clients) > 1:
            reasons.append(f"{len(clients)} clients have the domain {domain}")
        elif not clients:
            reasons.append(f"no client has the domain {domain}")
        else:
            reasons.append(
                f"one client has the domain {domain}, but it did not when this came, or more speaks against it"
            )
    return "no client has this ref; " + ", ".join(reasons)
