"""Real bodies, bent: nothing raises out of the parser, and every source event ends in exactly one way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from common.settings import REPOSITORY_CONFIG
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest import interpret
from ingest.domain.plan import Plan
from ingest.domain.world import World
from ingest.interpret import MAPPING_FAILED
from ingest.reading import make_reader
from ingest.sources import load_sources

from tests.support.bending import NOW, bend, fate_of

PAYLOADS = Path(__file__).parents[4] / "shared" / "payloads"
SOURCES = load_sources(REPOSITORY_CONFIG)
READER = make_reader(REPOSITORY_CONFIG)
pytestmark = pytest.mark.skipif(not PAYLOADS.exists(), reason="the shared payloads are not beside this checkout")


def real() -> list[tuple[str, Any]]:
    found = []
    for name in SOURCES:
        for file in sorted((PAYLOADS / name).glob("*.json")):
            value = json.loads(file.read_bytes())
            found.append((name, value.get("_body", value) if isinstance(value, dict) else value))
    return found


OWN: list[tuple[str, Any]] = [
    (
        "slack",
        {
            "type": "event_callback",
            "event_id": "Ev1",
            "team_id": "T1",
            "is_ext_shared_channel": True,
            "authorizations": [{"team_id": "T0", "is_bot": True}],
            "event": {
                "type": "message",
                "subtype": "file_share",
                "channel": "C1",
                "channel_type": "channel",
                "user": "U9",
                "text": "Hi <@U1>, it is <https://x.example|still> broken :(",
                "ts": "1772442000.000200",
                "thread_ts": "1772441000.000100",
                "files": [{"user_team": "T9"}],
            },
        },
    ),
    (
        "typeform",
        {
            "event_id": "e",
            "event_type": "form_response",
            "form_response": {
                "form_id": "f",
                "token": "t",
                "submitted_at": "2026-03-02T09:00:00Z",
                "hidden": {"client_ref": "hubspot:company:77", "contact_id": "1251", "email": "ada@northwind.example"},
                "definition": {"fields": [{"id": "a", "ref": "r", "type": "nps", "properties": {"steps": 11}}]},
                "answers": [
                    {"type": "number", "number": 9, "field": {"id": "a", "type": "nps"}},
                    {"type": "text", "text": "All is well so far", "field": {"id": "b", "type": "short_text"}},
                ],
            },
        },
    ),
    (
        "calendly",
        {
            "event": "invitee_no_show.created",
            "created_at": "2026-03-04T10:00:01Z",
            "payload": {
                "uri": "https://api.calendly.com/scheduled_events/E1/invitees/I1",
                "email": "ada@northwind.example",
                "event": "https://api.calendly.com/scheduled_events/E1",
                "tracking": {"utm_content": "ref:hubspot:company:77", "salesforce_uuid": "0035g00000ABCDeAAO"},
                "no_show": {"created_at": "2026-03-05T10:15:00Z"},
                "scheduled_event": {
                    "uri": "https://api.calendly.com/scheduled_events/E1",
                    "name": "QBR",
                    "start_time": "2026-03-05T10:00:00Z",
                    "event_memberships": [{"user_email": "maya@ours.example"}],
                    "invitees_counter": {"active": 2},
                },
            },
        },
    ),
    (
        "zendesk",
        {
            "event": "satisfaction",
            "time": "2026-03-02T09:00:00Z",
            "ticket": {
                "id": "35",
                "organization_id": "9",
                "requester_id": "11",
                "satisfaction": "Good, I'm satisfied",
                "satisfaction_comment": "thanks",
            },
        },
    ),
]
"""Of shapes that nobody has published."""
REAL = real() + OWN


@st.composite
def bent(draw: st.DrawFn) -> tuple[str, Any]:
    name, value = draw(st.sampled_from(REAL))
    return name, bend(draw, value)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bent())
def test_a_bent_body_is_taken_apart_without_an_error(case: tuple[str, Any]) -> None:
    name, value = case
    raw = json.dumps(value).encode()
    arrival = interpret.arrival(SOURCES[name], raw, {}, NOW, READER)
    if arrival.unreadable is not None:
        assert arrival.items == []
        return
    faults = [item.broken for item in arrival.items if item.broken and item.broken.startswith(MAPPING_FAILED)]
    assert not faults, "a shape that the mapping did not expect is to be named, not survived"
    plan = Plan(World())
    fates = [fate_of(arrival, item, plan) for item in arrival.items]
    assert len(fates) == len(arrival.items)
    for event in plan.events:
        assert json.loads(event.to_json())["time"] <= "2026-07-01T00:05:00Z"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SOURCES)), st.binary(max_size=200))
def test_any_bytes_are_read_or_unreadable(name: str, raw: bytes) -> None:
    interpret.arrival(SOURCES[name], raw, {}, NOW, READER)
