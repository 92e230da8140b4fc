"""The rules by which a new ref finds its client, without IO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from ingest.adapters.shared_domains import load_shared_domains
from ingest.domain.linking import Fit, Rule, fit, ref_for, why_parked
from ingest.domain.refs import Ref
from ingest.domain.shared import SharedDomains
from ingest.domain.statement import Statement
from ingest.domain.world import Client, Owner, World
from loopctl.paths import REPOSITORY

from tests.conftest import START

SHARED = SharedDomains(frozenset({"gmail.com"}), frozenset({"wordpress.com"}))
USER, GROUP = Ref("segment", "user", "u"), Ref("segment", "group", "g")


def world(domains: Mapping[UUID, str]) -> World:
    made = World(shared=SHARED)
    for client_id, domain in domains.items():
        made.clients[client_id] = Client(client_id, START, {"domain": domain})
        made.by_domain.setdefault(domain, set()).add(client_id)
    return made


def says(refs: tuple[Ref, ...] = (USER,), *, creates: bool = False, **hints: str) -> Statement:
    return Statement(refs, START, hints=hints, creates=creates)


A, B = uuid4(), uuid4()


def test_the_companys_domain_counts_before_a_contacts_address() -> None:
    here = world({A: "acme.example"})
    assert fit(says(domain="www.Acme.example", email="ada@acme.example"), here) == Fit(A, Rule.DOMAIN)
    assert fit(says(email="Ada@Acme.Example"), here) == Fit(A, Rule.EMAIL_DOMAIN)


@pytest.mark.parametrize(
    "hints",
    [
        {"domain": "acme.example", "email": "bob@other.example"},
        {"email": "ada@gmail.com"},
        {"domain": "acme.wordpress.com"},
        {"email": "ada@mail.acme.example"},
        {"name": "Acme"},
        {},
    ],
    ids=["two-clients", "free-mail", "a-sites-page", "a-subdomain", "a-name", "nothing"],
)
def test_nothing_else_is_taken_for_a_sign(hints: dict[str, str]) -> None:
    here = world({A: "acme.example", B: "other.example", uuid4(): "gmail.com", uuid4(): "acme.wordpress.com"})
    assert fit(says(**hints), here) is None


def test_a_client_that_is_not_locked_here_is_left_for_the_next_statement() -> None:
    here = World(shared=SHARED, by_domain={"acme.example": {A}})
    assert fit(says(domain="acme.example"), here) is None


def test_one_system_keeps_a_company_once_another_may_know_it_too() -> None:
    here = world({A: "acme.example"})
    here.owners[Ref("hubspot", "company", "1")] = Owner(A)
    registered = says((Ref("hubspot", "company", "2"),), creates=True, domain="acme.example")
    assert fit(registered, here) is None
    known = says((Ref("salesforce", "account", "2"),), creates=True, domain="acme.example")
    assert fit(known, here) == Fit(A, Rule.DOMAIN)


def test_an_address_tells_of_the_person_and_a_domain_of_the_company() -> None:
    both = says((GROUP, USER), email="ada@acme.example")
    assert ref_for(Rule.EMAIL_DOMAIN, both) == USER
    assert ref_for(Rule.DOMAIN, both) == GROUP
    assert ref_for(Rule.EMAIL_DOMAIN, says((GROUP,), email="billing@acme.example")) == GROUP


def test_whoever_decides_is_told_why_the_rules_did_not() -> None:
    here = world({A: "acme.example", B: "acme.example"})
    assert why_parked({"domain": "acme.example"}, here).endswith("2 clients have the domain acme.example")
    assert why_parked({"email": "a@gmail.com"}, here).endswith("gmail.com is shared by many")
    assert why_parked({"email": "a@new.example"}, here).endswith("no client has the domain new.example")
    assert "no domain or address" in why_parked({"name": "Acme"}, here)


def test_the_shipped_list_knows_providers_of_every_kind() -> None:
    shared = load_shared_domains(REPOSITORY / "deploy" / "config")
    for domain in ["gmail.com", "t-online.de", "btinternet.com", "docomo.ne.jp", "privaterelay.appleid.com",
                   "acme.myshopify.com", "acme.github.io", "alum.mit.edu", "seznam.cz", "uol.com.br"]:  # fmt: skip
        assert domain in shared, domain
    for domain in ["microsoft.com", "stripe.com", "acme.example", "myshopify.com.example", "mit.edu"]:
        assert domain not in shared, domain


def test_an_operator_adds_and_excepts(tmp_path: Path) -> None:
    (tmp_path / "shared_domains.yaml").write_text(
        "domains: [Ours.example, '*.partner.example']\nexceptions: [qq.com]\n"
    )
    shared = load_shared_domains(tmp_path)
    assert "ours.example" in shared
    assert "x.partner.example" in shared
    assert "partner.example" not in shared
    assert "qq.com" not in shared
