"""Maps over strangers' JSON: nothing that a body holds raises, and a quick way finds what the slow one finds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import jmespath
from common.settings import REPOSITORY_CONFIG
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest import interpret
from ingest.domain.arrival import Arrival
from ingest.domain.statement import Unreadable
from ingest.interpret import MAPPING_FAILED
from ingest.reading import make_reader
from ingest.sources.mapped import MappedSource, paths

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
