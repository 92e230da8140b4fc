"""Maps over strangers' JSON: nothing that a body holds raises, and a quick way finds what the slow one finds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jmespath
from common.contracts import client, registry
from common.settings import REPOSITORY_CONFIG
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest import interpret
from ingest.domain.arrival import Arrival
from ingest.domain.plan import Circumstance, Plan
from ingest.domain.refs import Ref
from ingest.domain.statement import Statement, Unreadable
from ingest.domain.world import World
from ingest.interpret import MAPPING_FAILED
from ingest.reading import make_reader
from ingest.sources import load_sources
from ingest.sources.mapped import MappedSource, paths

from tests.support.bending import bend, fate_of
from tests.unit.ingest.test_mapping_mapped import INVOICE, SUBSCRIPTION, chargebee, ticket
from tests.unit.ingest.test_mapping_paddle import PADDLE, TRANSACTION, paddle

SOURCES = load_sources(REPOSITORY_CONFIG)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
READER = make_reader(REPOSITORY_CONFIG)


def source(*rules: dict[str, Any], **more: Any) -> MappedSource:
    return MappedSource.model_validate(
        {"vendor": "mapped", "name": "acme", "signature": {"scheme": "shared"}, "refs": [{"company": "company"}],
         "kinds": {"event": list(rules)}, **more}
    )  # fmt: skip


_WRITTEN = """
    a.b  a[0].b  a[].b  length(a)  sum(a)  sum(a[].b)  max(a)  max_by(a,&b)  sort(a)  sort_by(a,&b)[0]  join(',',a)
    to_number(a)  a>b  a&&b||c  !a  keys(a)  values(a)  merge(a,b)  reverse(a)  contains(a,b)  starts_with(a,b)
    a[?b>`1`].c|[0]  multiply(a,b)  slug(a)  lower(a)  person_id(a)  {x:a,y:b}  [a,b][?@]|[0]  not_null(a,b)  avg(a)
    ceil(a)  abs(a)  type(a)  map(&b,a)  a[::2]  to_string(a)  floor(a)
    a.b.c||b.a  a&&b.c  !a.b  a|b  a.b|c  length(a.b||b)  not_null(a.b,'x')  min_by(a,&b)  ends_with(a,b)
"""
EXPRESSIONS = _WRITTEN.split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from([10**400, -(10**30), 1e308, "x" * 400, "²", "9" * 40]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(EXPRESSIONS), JSON)
def test_no_expression_raises_whatever_it_meets(expression: str, body: Any) -> None:
    paths.compiled(expression)(body)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(EXPRESSIONS), JSON)
def test_our_quick_way_through_an_expression_finds_what_jmespath_finds(expression: str, body: Any) -> None:
    if any(name in expression for name in ("multiply", "slug", "lower", "person_id")):
        return  # ours
    try:
        wanted = jmespath.search(expression, body)
    except Exception:  # noqa: BLE001  (whatever it raises, we find nothing)
        wanted = None
    assert repr(paths.compiled(expression)(body)) == repr(wanted)


EVERY_FORM = source(
    {"say": "client_updated", "time": "a", "hints": {"name": "a", "domain": "b", "email": "c"},
     "fields": {"name": "a", "tier": {"path": "b", "map": {"x": "core"}, "else": None}, "renewal_on": "c", "seats": "a",
                "mrr": {"money": "a", "currency": "b", "unit": "major", "per": {"unit": "c", "every": "b"}},
                "key_features": {"path": "b", "split": ","}, "test": "c"}},
    {"say": "survey_answered", "text": ["a", "b"],
     "fields": {"survey": {"is": "nps"}, "score": "a", "scale_min": {"is": 0}, "scale_max": {"is": 10}}},
    {"say": "meeting_held", "fields": {"meeting_id": "a", "attended": "b",
                                       "minutes": {"path": "c", "convert": "seconds to minutes"}}},
    {"contact": "known", "fields": {"contact_id": "a", "name": "b", "email": "c", "role": {"is": "champion"}}},
    {"contact": "left", "fields": {"contact_id": "a"}},
    {"canonical": "{type: a, subject: b, data: @}"},
    links=[{"user": "b"}, {"ref": "c"}],
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), JSON, min_size=1))
def test_any_json_is_read_or_named_unreadable_under_every_form_of_rule(body: dict[str, Any]) -> None:
    raw = json.dumps({"company": "7", **body}).encode()
    for rule in EVERY_FORM.map.rules_of("event") or ():
        try:
            rule.said(json.loads(raw))
        except (Unreadable, ValueError):  # pydantic's refusal of a value is a ValueError, and names it
            continue
    arrival: Arrival = interpret.arrival(EVERY_FORM, raw, {}, NOW, READER)
    assert not [item.broken for item in arrival.items if item.broken and item.broken.startswith(MAPPING_FAILED)]


NOTICE = {"action": "cancel", "effective_at": "2027-01-05"}
OWN: list[tuple[str, Any]] = [
    ("chargebee", chargebee("subscription_renewed", subscription={**SUBSCRIPTION, "billing_period_unit": "year"})),
    ("chargebee", chargebee("subscription_cancelled", subscription={**SUBSCRIPTION, "status": "cancelled"})),
    ("chargebee", chargebee("payment_failed", invoice={**INVOICE, "dunning_attempts": [{"attempt": 1}]})),
    ("chargebee", chargebee("contact_added", contact={"id": "c", "first_name": "Ada", "email": "ada@acme.example"})),
    ("paddle", paddle("subscription.updated", PADDLE, scheduled_change=NOTICE)),
    ("paddle", paddle("transaction.payment_failed", TRANSACTION)),
    ("freshdesk", ticket("{reply_sent:sent}", performed_by="requester", ticket_latest_public_comment="Still broken!")),
    ("posthog", {"event": {"uuid": "u", "event": "$identify", "distinct_id": "d"},
                 "person": {"id": "p", "properties": {"email": "ada@acme.example", "name": "Ada"}},
                 "groups": {"company": {"id": "g", "properties": {"name": "Acme", "domain": "acme.example"}}}}),
    ("standardwebhooks", {"type": "csl.client.usage_recorded.v1", "timestamp": "2026-03-02T09:00:00Z",
                          "subject": "ref:hubspot:company:7", "data": {"feature": "reports", "quantity": 3}}),
]  # fmt: skip
KNOWN = [("chargebee", "customer", "cb_1"), ("paddle", "customer", "ctm_1"), ("freshdesk", "company", "Acme"),
         ("posthog", "group", "g"), ("hubspot", "company", "7")]  # fmt: skip


def knowing() -> Plan:
    """A plan that knows whose these bodies are, so that what they say is said and not only parked."""
    plan = Plan(World())
    for nth, name in enumerate(KNOWN):
        said = Statement((Ref(*name),), NOW, client.ClientRegistered(refs=()), creates=True)
        plan.take(said, Circumstance("test", UUID(int=nth + 1), 0, NOW))
    return plan


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(OWN))
def test_a_bent_body_of_a_known_client_is_said_or_named(data: st.DataObject, case: tuple[str, Any]) -> None:
    name, whole = case
    raw = json.dumps(bend(data.draw, whole)).encode()
    arrival = interpret.arrival(SOURCES[name], raw, {}, NOW, READER)
    assert not [item.broken for item in arrival.items if item.broken and item.broken.startswith(MAPPING_FAILED)]
    plan = knowing()
    fates = [fate_of(arrival, item, plan) for item in arrival.items]
    assert len(fates) == len(arrival.items)
    for event in plan.events:
        again = registry.parse(event.to_json(), event.type)
        assert (again.data, again.to_json()) == (event.data, event.to_json())


def test_whole_they_are_all_said() -> None:
    for name, whole in OWN:
        arrival = interpret.arrival(SOURCES[name], json.dumps(whole).encode(), {}, NOW, READER)
        plan = knowing()
        assert [fate_of(arrival, item, plan) for item in arrival.items] == ["mapped"], name
