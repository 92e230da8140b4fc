"""Who is in the simulated portfolio: clients, their people, ours, and the names by which vendors know them.

Everything is drawn from `(world, number)`, so that the same world always has the same clients and a second run after
`loop demo --remove` (another generation, another world) has other ids. No name is a real company's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from common.contracts.ids import derived_id

SEED = 20_260
HERO = 0
"""Number of the client whom the story is about."""
FEATURES = ("dashboards", "reports", "automations", "alerts", "api", "exports", "workflows", "forecasts")
CSMS = (
    "maya.lind@ourteam.example",
    "jonas.weber@ourteam.example",
    "amara.okoye@ourteam.example",
    "rui.tanaka@ourteam.example",
)
EXECUTIVES = ("helen.brandt@ourteam.example", "samir.haddad@ourteam.example", "ines.duarte@ourteam.example")
_FIRST = (
    "Blue", "North", "Silver", "Oak", "River", "Stone", "Bright", "Harbour", "Cedar", "Copper", "Lumen", "Maple",
    "Orchard", "Granite", "Fjord", "Meadow", "Quill", "Raven", "Saffron", "Tidal",
)  # fmt: skip
_SECOND = (
    "peak Analytics", "field Logistics", "gate Systems", "line Media", "works Robotics", "bridge Capital",
    "crest Health", "ford Foods", "loom Textiles", "mark Legal", "port Travel", "ridge Energy", "side Learning",
    "stream Insurance", "view Retail", "well Pharma", "yard Construction",
)  # fmt: skip
_GIVEN = (
    "Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ilse", "Jamal", "Keiko", "Luis", "Mira",
    "Noor", "Olga", "Pedro", "Quinn", "Rosa", "Sven", "Talia",
)  # fmt: skip
_FAMILY = (
    "Abel", "Baptiste", "Castro", "Dahl", "Eriksen", "Fontaine", "Garcia", "Hansen", "Ito", "Jansen", "Keller",
    "Lopez", "Moreau", "Novak", "Osei", "Park", "Rossi", "Silva", "Thomsen", "Varga",
)  # fmt: skip
_INDUSTRIES = ("software", "manufacturing", "retail", "health", "finance", "media", "logistics")


@dataclass(frozen=True, slots=True)
class Tier:
    """Ranges of a tier: monthly revenue in cents, seats, share of the portfolio."""

    name: str
    mrr: tuple[int, int]
    seats: tuple[int, int]
    share: float


TIERS = (
    Tier("strategic", (1_200_000, 3_600_000), (80, 260), 0.15),
    Tier("core", (300_000, 900_000), (20, 80), 0.35),
    Tier("standard", (40_000, 200_000), (6, 20), 0.50),
)


@dataclass(frozen=True, slots=True)
class Contact:
    """A person at a client."""

    contact_id: str
    name: str
    email: str
    role: str


@dataclass(frozen=True, slots=True)
class Member:
    """One client of the portfolio, past or present."""

    world: str
    number: int
    client_id: UUID
    name: str
    domain: str
    tier: str
    industry: str
    mrr: int
    """Cents a month at the start of the contract."""
    seats: int
    features: tuple[str, ...]
    csm: str
    executive: str
    contract_started: datetime
    renewal: datetime
    contacts: tuple[Contact, ...]
    refs: dict[str, str] = field(default_factory=dict)
    """The client's id at each vendor."""

    def contact(self, role: str) -> Contact:
        return next(c for c in self.contacts if c.role == role)

    def known_contacts(self) -> tuple[Contact, ...]:
        """Its people from the start; the successor comes when somebody leaves."""
        return tuple(c for c in self.contacts if c.role != "successor")

    def registered(self) -> dict[str, Any]:
        """The body of `client_registered`, refs included."""
        return {
            "name": self.name,
            "domain": self.domain,
            "tier": self.tier,
            "segment": "simulated",
            "industry": self.industry,
            "engagement": "product",
            "timezone": "Europe/Berlin",
            "csm_email": self.csm,
            "executive_sponsor_email": self.executive,
            "contract_started_on": self.contract_started.date().isoformat(),
            "renewal_on": self.renewal.date().isoformat(),
            "mrr": {"amount": self.mrr, "currency": "USD"},
            "seats": self.seats,
            "key_features": list(self.features),
            "refs": [
                *({"source": source, "kind": REF_KINDS[source], "id": id_} for source, id_ in self.refs.items()),
                *({"source": "hubspot", "kind": "contact", "id": c.contact_id} for c in self.known_contacts()),
            ],
        }


REF_KINDS = {"hubspot": "company", "stripe": "customer", "zendesk": "organization", "segment": "group"}


def world_name(seed: int, generation: int) -> str:
    return f"{seed}:{generation}"


def member(world: str, number: int, started: datetime, *, tier: Tier | None = None) -> Member:
    """Client `number` of a world, whose first contract began at `started`."""
    rng = np.random.default_rng([_entropy(world), number, 1])
    tier = tier or _tier(number, rng)
    started = _on_the_hour(started)
    domain, name = _name(number)
    return Member(
        world=world,
        number=number,
        client_id=derived_id("demo", world, number),
        name=name,
        domain=domain,
        tier=tier.name,
        industry=str(rng.choice(_INDUSTRIES)),
        mrr=int(np.exp(rng.uniform(*np.log(tier.mrr)))) // 10_000 * 10_000 or tier.mrr[0],
        seats=int(rng.integers(*tier.seats)),
        features=tuple(sorted(str(f) for f in rng.choice(FEATURES, size=6, replace=False))),
        csm=CSMS[number % len(CSMS)],
        executive=EXECUTIVES[number % len(EXECUTIVES)],
        contract_started=started,
        renewal=_renewal_after(started, started),
        contacts=_contacts(world, number, domain, rng),
        refs=_refs(world, number),
    )


def _tier(number: int, rng: np.random.Generator) -> Tier:
    if number == HERO:
        return TIERS[0]
    return TIERS[int(rng.choice(len(TIERS), p=[t.share for t in TIERS]))]


def _name(number: int) -> tuple[str, str]:
    first = _FIRST[number % len(_FIRST)]
    second = _SECOND[(number // len(_FIRST) + number) % len(_SECOND)]
    lap = number // (len(_FIRST) * len(_SECOND))
    suffix = f" {lap + 1}" if lap else ""
    domain = f"{first}{second.split()[0]}{lap + 1 if lap else ''}.example".lower()
    return domain, f"{first}{second}{suffix}"


def _contacts(world: str, number: int, domain: str, rng: np.random.Generator) -> tuple[Contact, ...]:
    given = rng.permutation(_GIVEN)
    family = rng.permutation(_FAMILY)
    return tuple(
        Contact(
            contact_id=str(_vendor_number(world, number, f"contact-{role}")),
            name=f"{given[i]} {family[i]}",
            email=f"{given[i]}.{family[i]}@{domain}".lower(),
            role=role,
        )
        for i, role in enumerate(("sponsor", "champion", "user", "successor"))
    )


def _refs(world: str, number: int) -> dict[str, str]:
    return {
        "hubspot": str(_vendor_number(world, number, "company")),
        "stripe": f"cus_{derived_id('demo', world, number, 'stripe').hex[:14]}",
        "zendesk": str(_vendor_number(world, number, "organization")),
        "segment": f"grp_{derived_id('demo', world, number, 'segment').hex[:12]}",
    }


def _vendor_number(world: str, number: int, what: str) -> int:
    """Twelve digits, as HubSpot and Zendesk number their objects."""
    return 10**11 + derived_id("demo", world, number, what).int % (9 * 10**11)


def _renewal_after(started: datetime, moment: datetime) -> datetime:
    renewal = started + timedelta(days=365)
    while renewal <= moment:
        renewal += timedelta(days=365)
    return renewal


def _on_the_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _entropy(world: str) -> int:
    return derived_id("demo", "world", world).int % 2**63


def generator(world: str, *path: int) -> np.random.Generator:
    """A generator of its own for every purpose, so that adding a draw in one place moves nothing elsewhere."""
    return np.random.default_rng([_entropy(world), *path])
